"""The folder of the flight recorder: private, locked, and nothing of anybody else's in it is touched."""

import os
import socket

import pytest

from detector.flight.folder import RecordingFolder

STEM = "20250101-120000-000-yes"


@pytest.fixture
def folder(tmp_path):
    opened = RecordingFolder(tmp_path / "kept")
    opened.open()
    yield opened
    opened.close()


def keep(folder, stem, n_bytes=1000):
    """Keep a recording as the recorder does."""
    for suffix, begin in ((".json", b'{"format":1,'), (".flac", b"fLaC")):
        draft = folder.create()
        os.write(draft.descriptor, begin + bytes(n_bytes - len(begin)))
        os.close(draft.descriptor)
        folder.name(draft, f"{stem}{suffix}")


def names(path):
    return sorted(file.name for file in path.iterdir())


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_files_are_their_owners_alone_and_so_is_a_folder_that_is_made(tmp_path, umask):
    before = os.umask(umask)
    try:
        folder = RecordingFolder(tmp_path / "made")
        folder.open()
        keep(folder, STEM)
        folder.close()
        (tmp_path / "wide").mkdir()
        (tmp_path / "wide").chmod(0o777)
        folder = RecordingFolder(tmp_path / "wide")
        keep(folder, STEM)
        nameless = folder.create_nameless()
        assert os.fstat(nameless).st_mode & 0o777 == 0o600
        assert os.fstat(nameless).st_nlink == 0
        os.close(nameless)
        folder.close()
    finally:
        os.umask(before)
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "wide").stat().st_mode & 0o777 == 0o777, "it is somebody else's to set"
    for path in ("made", "wide"):
        assert {file.stat().st_mode & 0o777 for file in (tmp_path / path).iterdir()} == {0o600}


def test_a_second_recorder_waits_for_the_first(folder, tmp_path):
    second = RecordingFolder(tmp_path / "kept")
    keep(folder, STEM)
    draft = folder.create()
    for _ in range(2):
        with pytest.raises(OSError, match="another process records into it"):
            second.create()
    assert names(tmp_path / "kept") == [draft.name, f"{STEM}.flac", f"{STEM}.json"], "nothing of the first is removed"
    os.close(draft.descriptor)
    folder.close()
    os.close(second.create_nameless())
    second.close()


def test_a_folder_that_is_removed_or_replaced_is_made_again(folder, tmp_path):
    keep(folder, STEM)
    (tmp_path / "kept").rename(tmp_path / "gone")
    keep(folder, "20250101-120001-000-no")
    assert names(tmp_path / "kept") == ["20250101-120001-000-no.flac", "20250101-120001-000-no.json"]
    (tmp_path / "kept").rename(tmp_path / "gone too")
    (tmp_path / "kept").touch()
    with pytest.raises(NotADirectoryError):
        folder.create()
    (tmp_path / "kept").unlink()
    keep(folder, STEM)
    assert names(tmp_path / "kept") == [f"{STEM}.flac", f"{STEM}.json"]


def test_a_link_to_a_folder_may_name_it_but_links_in_it_are_never_followed_or_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "kept").symlink_to(tmp_path / "there")
    (tmp_path / "precious").write_text("mine")
    for suffix in (".json", ".flac"):
        (tmp_path / f"there/{STEM}{suffix}").symlink_to(tmp_path / "precious")
    folder = RecordingFolder(tmp_path / "kept")
    with pytest.raises(FileExistsError):
        keep(folder, STEM)
    folder.make_room(0)
    folder.close()
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / f"there/{STEM}.json").is_symlink()


def test_what_a_killed_recorder_left_goes_and_nothing_else(tmp_path):
    (ring := tmp_path / "ring").mkdir()
    (tmp_path / "precious").write_text("mine")
    left = {ring / "000000007.flac": b"fLaC", ring / "000000008.flac": b"", ring / "partial": b"fLaC"}
    left |= {ring / "partial.json": b'{"format":1', tmp_path / ".keyword-detector-0123456789abcdef": b"any"}
    for file, content in left.items():
        file.write_bytes(content)
    (ring / "000000001.flac").write_bytes(b"a song of somebody's")
    (ring / "000000002.flac").symlink_to(tmp_path / "precious")
    (ring / "000000003.flac").mkdir()
    (tmp_path / ".keyword-detector-0123456789abcdee").mkdir()
    (tmp_path / ".keyword-detector-settings").touch()
    folder = RecordingFolder(tmp_path)
    folder.open()
    folder.close()
    assert not [file for file in left if file.exists()]
    assert names(ring) == ["000000001.flac", "000000002.flac", "000000003.flac"]
    assert names(tmp_path) == [
        ".keyword-detector-0123456789abcdee",
        ".keyword-detector-settings",
        "precious",
        "ring",
    ]


def test_a_ring_that_is_a_link_is_left_alone(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/000000001.flac").write_bytes(b"fLaC")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/ring").symlink_to(tmp_path / "elsewhere")
    folder = RecordingFolder(tmp_path / "kept")
    folder.open()
    folder.close()
    assert names(tmp_path / "elsewhere") == ["000000001.flac"]


def test_the_oldest_recordings_go_and_odd_entries_are_neither_counted_nor_removed(folder, tmp_path, monkeypatch):
    path = tmp_path / "kept"
    for second in range(4):
        keep(folder, f"20250101-12000{second}-000-yes")
        for suffix in (".json", ".flac"):
            os.utime(path / f"20250101-12000{second}-000-yes{suffix}", (second, second))
    odd = {
        "20240101-000000-000-looks-like-it.flac": b"fLaC",  # no scores beside it: somebody's own
        "20240101-000000-001-yes.json": b'{"title": "not a flight"}',
        "20240101-000000-002-yes.txt": b"",
        "2024-01-01.json": b'{"format":1,',
    }
    for name, content in odd.items():
        (path / name).write_bytes(content + bytes(10_000))
    (path / "20240101-000000-003-yes.json").mkdir()
    os.mkfifo(path / "20240101-000000-004-yes.json")
    (path / "20240101-000000-005-yes.json").symlink_to("20250101-120003-000-yes.json")
    monkeypatch.chdir(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("20240101-000000-006-yes.json")
    before = names(path)
    folder.make_room(8000)
    assert names(path) == before
    folder.make_room(4500)
    gone = {f"20250101-12000{second}-000-yes{suffix}" for second in (0, 1) for suffix in (".json", ".flac")}
    assert set(before) - set(names(path)) == gone
    folder.make_room(0)
    assert [name for name in names(path) if name.startswith("2025")] == [
        "20250101-120003-000-yes.flac",
        "20250101-120003-000-yes.json",
    ], "the last one stays"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to be root, to make a file of another user's")
def test_a_file_of_another_user_is_not_removed(folder, tmp_path):
    for second in range(2):
        keep(folder, f"20250101-12000{second}-000-yes")
    others = tmp_path / "kept/20250101-120000-000-yes.json"
    os.chown(others, 12345, 12345)
    folder.make_room(0)
    assert others.exists()
