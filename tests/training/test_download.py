"""Fetching from a server on this machine that breaks off, lies, or knows nothing of ranges."""

import bz2
import contextlib
import gzip
import hashlib
import http.server
import io
import tarfile
import threading
from pathlib import Path

import pytest
from commands import KEYWORD_TRAINER, WITHIN_S, assert_one_line, call, run

from detector.errors import DetectorError, SettingsError
from training.data import download as module
from training.data.archives import ARCHIVES, Archive
from training.data.download import download
from training.data.layouts import index_words


@pytest.fixture(scope="module")
def archive_bytes():
    """A small archive in the layout of Speech Commands, of bytes that do not compress."""
    import numpy as np
    import soundfile

    rng, out = np.random.default_rng(0), io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for k in range(6):
            clip = io.BytesIO()
            soundfile.write(clip, rng.integers(-9999, 9999, 16000).astype(np.int16), 16000, format="WAV")
            member = tarfile.TarInfo(f"./yes/s{k}_nohash_0.wav")
            member.size = len(clip.getvalue())
            archive.addfile(member, io.BytesIO(clip.getvalue()))
    return out.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves bytes; breaks off after so many of them in each answer, for the first answers."""

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.break_after, self.n_breaks, self.knows_ranges, self.status = content, 0, 0, True, None
        self.ranges = []
        self.content_type = None


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.ranges.append(wanted)
        if server.status:
            self.send_error(server.status)
            return
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.knows_ranges else 0
        if first and first >= len(server.content):
            self.send_error(416)
            return
        body = server.content[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        if server.content_type:
            self.send_header("Content-Type", server.content_type)
        self.end_headers()
        if server.n_breaks > 0:
            server.n_breaks -= 1
            body = body[: server.break_after]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(archive_bytes, monkeypatch):
    monkeypatch.setattr(module, "PAUSE_S", 0.01)
    with Server(archive_bytes) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join(WITHIN_S)


def at(server, *, checksum=None, n_recordings=0):
    url = f"http://127.0.0.1:{server.server_port}/a.tar.gz"
    checksum = f"sha256:{hashlib.sha256(server.content).hexdigest()}" if checksum is None else checksum
    return Archive(url, checksum, "made by ourselves", n_recordings=n_recordings)


def fetch(archive, folder):
    download(archive, folder)


def part_of(folder, content):
    """Leave what an interrupted download leaves; return the file that it fetches into."""
    partial = folder.with_name(f"{folder.name}.download")
    partial.mkdir()
    (partial / module.MARK_FILE).touch()
    (partial / "archive.tar.gz").write_bytes(content)
    return partial / "archive.tar.gz"


def test_an_archive_is_fetched_verified_and_unpacked(server, tmp_path):
    fetch(at(server), tmp_path / "new" / "speech")
    assert len(list(index_words(str(tmp_path / "new/speech")))) == 6
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["speech"]
    with pytest.raises(SettingsError, match="expected a new folder"):
        fetch(at(server), tmp_path / "new" / "speech")


def test_a_connection_that_breaks_is_taken_up_where_it_ended(server, tmp_path):
    server.break_after, server.n_breaks = 30_000, 3
    fetch(at(server), tmp_path / "speech")
    assert server.ranges == [None, "bytes=30000-", "bytes=60000-", "bytes=90000-"]
    assert len(list(index_words(str(tmp_path / "speech")))) == 6


def test_what_an_interrupted_command_fetched_is_not_fetched_again(server, archive_bytes, tmp_path):
    server.break_after, server.n_breaks = 50_000, 1
    server.status = None
    module_tries, module.TRIES = module.TRIES, 1
    try:
        with pytest.raises(DetectorError, match=r"0\.1 MB are kept, the same command goes on"):
            fetch(at(server), tmp_path / "speech")
    finally:
        module.TRIES = module_tries
    assert not (tmp_path / "speech").exists()
    fetch(at(server), tmp_path / "speech")
    assert server.ranges[-1] == "bytes=50000-"
    # All of it was there already, and only unpacking was interrupted.
    part_of(tmp_path / "again", archive_bytes)
    fetch(at(server), tmp_path / "again")
    assert len(list(index_words(str(tmp_path / "again")))) == 6


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.knows_ranges = False
    server.break_after, server.n_breaks = 30_000, 1
    fetch(at(server), tmp_path / "speech")
    assert len(list(index_words(str(tmp_path / "speech")))) == 6


def test_an_archive_that_is_not_the_one_is_removed(server, tmp_path):
    with pytest.raises(DetectorError, match=r"expected .* with SHA-256 aaaaaaaaaaaa"):
        fetch(at(server, checksum=f"sha256:{'a' * 64}"), tmp_path / "speech")
    assert [file.name for file in (tmp_path / "speech.download").iterdir()] == [module.MARK_FILE]
    fetch(at(server), tmp_path / "speech")
    assert [path.name for path in tmp_path.iterdir()] == ["speech"]


@pytest.mark.parametrize(("status", "n_requests"), [(404, 1), (503, 5)])
def test_a_server_that_refuses_is_asked_again_only_where_that_may_help(server, tmp_path, status, n_requests):
    server.status = status
    with pytest.raises(DetectorError, match=f"found: HTTP Error {status}"):
        fetch(at(server), tmp_path / "speech")
    assert len(server.ranges) == n_requests


def pack(*members):
    """Return an archive of some members, each with as many bytes as it has a size."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, fields in members:
            member = tarfile.TarInfo(name)
            for field, value in fields.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return out.getvalue()


@pytest.fixture(params=["this Python", "Python 3.11.3"])
def any_python(request, monkeypatch):
    """Python from 3.11.4 on has filters of archives, the one of Debian 12 has none."""
    if request.param != "this Python":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "../../evil.wav", "size": 1},
        {"name": "yes/../../../evil.wav", "size": 1},
        {"name": "../../evil", "type": tarfile.DIRTYPE},
        {"name": "evil", "type": tarfile.SYMTYPE, "linkname": "../../outside"},
        {"name": "evil", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"name": "evil", "type": tarfile.LNKTYPE, "linkname": "../../outside"},
        {"name": "evil", "type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
        {"name": "evil", "type": tarfile.FIFOTYPE},
    ],
)
@pytest.mark.usefixtures("any_python")
def test_what_leads_out_of_the_folder_or_is_a_device_is_not_unpacked(server, tmp_path, fields):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/outside").write_text("not theirs")
    server.content = pack((fields["name"], fields))
    with pytest.raises(DetectorError, match="expected an archive"):
        fetch(at(server), tmp_path / "a" / "b" / "speech")
    assert not list(tmp_path.rglob("evil*"))
    assert not (tmp_path / "a/b/speech").exists()


@pytest.mark.usefixtures("any_python")
def test_an_absolute_name_writes_nothing_outside_the_folder(server, tmp_path):
    outside = tmp_path / "evil.wav"
    server.content = pack((str(outside), {"size": 1}))
    with contextlib.suppress(DetectorError):  # Python's filter takes the name for one below the folder
        fetch(at(server), tmp_path / "a" / "speech")
    assert not outside.exists()


@pytest.mark.usefixtures("any_python")
def test_files_and_folders_are_unpacked_with_what_they_hold(server, tmp_path):
    server.content = pack(
        ("./", {"type": tarfile.DIRTYPE, "mode": 0o755}),
        ("./yes/", {"type": tarfile.DIRTYPE, "mode": 0o755}),
        ("./yes/a-1.wav", {"size": 70_000, "mode": 0o644}),
        ("no/deep/b-1.wav", {"size": 3, "mode": 0o644}),
    )
    fetch(at(server), tmp_path / "speech")
    found = {str(path.relative_to(tmp_path)): path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"speech/yes/a-1.wav": 70_000, "speech/no/deep/b-1.wav": 3}


def test_the_command_fetches_from_a_mirror_and_checks_what_it_got(server, tmp_path):
    command = ("download", "speech-commands", "--out", tmp_path / "speech", "--url", at(server).url)
    finished = run(*command, command=KEYWORD_TRAINER)
    assert_one_line(finished, 70, "expected", ARCHIVES["speech-commands"].checksum[7:19])
    assert_one_line(run("download", "everything", command=KEYWORD_TRAINER), 2)


def test_a_page_in_place_of_the_archive_costs_nothing_of_what_was_fetched(server, archive_bytes, tmp_path):
    part = part_of(tmp_path / "words", archive_bytes[:1000])
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(DetectorError, match=r"a network that wants a login; 0\.0 MB are kept"):
        fetch(at(server), tmp_path / "words")
    assert part.read_bytes() == archive_bytes[:1000]
    server.content_type = "application/gzip"
    fetch(at(server), tmp_path / "words")
    assert (tmp_path / "words/yes").is_dir()


def test_where_nothing_can_be_unpacked_is_told(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="found the file"):
        fetch(at(server), tmp_path / "file")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="found the current one"):
        fetch(at(server), Path())
    assert not server.ranges


def test_what_is_no_url_is_one_line(tmp_path):
    finished = run("download", "speech-commands", "--url", "mirror", "--out", tmp_path / "x", command=KEYWORD_TRAINER)
    assert_one_line(finished, 78, "found 'mirror'")


def test_a_folder_that_cannot_be_written_is_one_line(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DetectorError, match=r"expected to write .*/file/speech, found: .*File exists"):
        fetch(at(server), tmp_path / "file" / "speech")
    assert not server.ranges


def test_an_empty_folder_is_unpacked_into_and_what_an_interruption_left_is_replaced(server, archive_bytes, tmp_path):
    (tmp_path / "speech").mkdir()
    part = part_of(tmp_path / "speech", archive_bytes)
    (part.parent / "unpacked/old").mkdir(parents=True)
    fetch(at(server), tmp_path / "speech")
    assert [path.name for path in tmp_path.iterdir()] == ["speech"]
    assert [path.name for path in (tmp_path / "speech").iterdir()] == ["yes"]


def test_what_somebody_else_made_is_neither_deleted_nor_written_over(server, tmp_path):
    """Names that look like those of a download, and the very name it uses: as a folder, a file and a link."""
    for name in ("speech.partial/mine.txt", "speech.tar.gz.part", "speech.download/mine.txt", "words.download/mine"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    (tmp_path / "file.download").write_text("mine")
    (tmp_path / "link.download").symlink_to(tmp_path / "words.download")
    for name in ("speech", "file", "link"):
        with pytest.raises(SettingsError, match=r"found one there that this command did not make.*--out"):
            fetch(at(server), tmp_path / name)
    assert not server.ranges
    (tmp_path / "speech.download/mine.txt").unlink()  # an empty folder is nobody's
    fetch(at(server), tmp_path / "speech")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "file.download",
        "speech.partial/mine.txt",
        "speech.tar.gz.part",
        *sorted(f"speech/yes/s{k}_nohash_0.wav" for k in range(6)),
        "words.download/mine",
    ]


def test_what_is_laid_into_the_folder_of_a_download_stays_there(server, archive_bytes, tmp_path):
    part = part_of(tmp_path / "speech", archive_bytes)
    (part.parent / "notes.txt").write_text("mine")
    with pytest.raises(DetectorError, match=r"expected to write .*: .*not empty"):
        fetch(at(server), tmp_path / "speech")
    assert (part.parent / "notes.txt").read_text() == "mine"
    assert (tmp_path / "speech/yes").is_dir()


def test_a_part_whose_publisher_gives_an_md5_is_verified_by_it(server, tmp_path):
    with pytest.raises(DetectorError, match=r"expected .* with MD5 bbbbbbbbbbbb\.\.\., found"):
        fetch(at(server, checksum=f"md5:{'b' * 32}"), tmp_path / "speech")
    digest = hashlib.md5(server.content, usedforsecurity=False).hexdigest()
    fetch(at(server, checksum=f"md5:{digest}"), tmp_path / "speech")
    assert len(list(index_words(str(tmp_path / "speech")))) == 6


def test_without_a_published_checksum_an_archive_must_be_whole_and_hold_what_it_holds(server, archive_bytes, tmp_path):
    server.content = archive_bytes[:-20_000]  # ends early, where a length is not known or wrong
    with pytest.raises(DetectorError, match=r"expected .* whole, found: .*it was removed, try again"):
        fetch(at(server, checksum="", n_recordings=6), tmp_path / "noise")
    middle = len(archive_bytes) // 2
    server.content = archive_bytes[:middle] + bytes(64) + archive_bytes[middle + 64 :]
    with pytest.raises(DetectorError, match=r"expected .* whole, found: .*it was removed, try again"):
        fetch(at(server, checksum="", n_recordings=6), tmp_path / "noise")
    server.content = archive_bytes
    with pytest.raises(DetectorError, match=r"expected 7 recordings in .*, found 6"):
        fetch(at(server, checksum="", n_recordings=7), tmp_path / "noise")
    assert not (tmp_path / "noise").exists()
    fetch(at(server, checksum="", n_recordings=6), tmp_path / "noise")
    assert len(list((tmp_path / "noise/yes").iterdir())) == 6


def test_an_archive_packed_by_bzip2_is_unpacked_too(server, archive_bytes, tmp_path):
    server.content = bz2.compress(gzip.decompress(archive_bytes), 1)
    fetch(at(server), tmp_path / "speech")
    assert len(list(index_words(str(tmp_path / "speech")))) == 6


def test_without_a_name_every_archive_is_listed_with_size_licence_and_what_verifies_it():
    finished = call("download", command=KEYWORD_TRAINER)
    assert finished.returncode == 0
    lines = {line.split()[0]: line for line in finished.stdout.splitlines()}
    assert list(lines) == list(ARCHIVES)
    assert "0.3 GB" in lines["librispeech-train-clean-5"]
    assert "CC BY 4.0" in lines["librispeech-train-clean-5"]
    assert "verified by MD5" in lines["librispeech-train-clean-5"]
    assert "verified by SHA-256" in lines["librispeech-train-clean-100"]
    assert "no checksum is published" in lines["esc-50"]
    assert "not for commerce" in lines["esc-50"]


@pytest.mark.parametrize("archive", ARCHIVES.values(), ids=ARCHIVES)
def test_an_archive_has_a_checksum_or_says_what_it_holds(archive):
    algorithm, _, digest = archive.checksum.partition(":")
    assert (algorithm, len(digest)) in {("sha256", 64), ("md5", 32)} or archive.n_recordings
    assert archive.url.startswith("https://")
    assert archive.licence
    assert archive.size_gb
