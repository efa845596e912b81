"""Which files of a folder are recordings."""

import os

import pytest

from detector.audio.files import find_recordings
from detector.errors import AudioFileError


@pytest.fixture
def tree(tmp_path):
    for name in ("b.wav", "a.FLAC", "c.m4a", "notes.txt", ".hidden.wav", "raw.raw", "z/d.ogg", "y/e.mp3", ".git/f.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names_in(folder, *, is_recursive):
    return [str(file.relative_to(folder)) for file in find_recordings(folder, is_recursive=is_recursive)]


def test_recordings_are_found_by_their_names_and_in_their_order(tree):
    assert names_in(tree, is_recursive=False) == ["a.FLAC", "b.wav", "c.m4a"]
    assert names_in(tree, is_recursive=True) == ["a.FLAC", "b.wav", "c.m4a", "y/e.mp3", "z/d.ogg"]


def test_links_are_followed_and_each_folder_is_read_once(tree, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "g.wav").touch()
    (tree / "link").symlink_to(elsewhere)
    (tree / "loop").symlink_to(tree)
    (tree / "z" / "again").symlink_to(tree / "y")
    (tree / "file.wav").symlink_to(elsewhere / "g.wav")
    assert names_in(tree, is_recursive=True) == [
        "a.FLAC",
        "b.wav",
        "c.m4a",
        "file.wav",
        "link/g.wav",
        "y/e.mp3",
        "z/d.ogg",
    ]


def test_a_pipe_in_a_folder_is_no_recording(tree):
    os.mkfifo(tree / "pipe.wav")
    assert "pipe.wav" not in names_in(tree, is_recursive=True)


def test_a_link_to_nothing_is_left_to_whoever_opens_it(tree):
    (tree / "gone.wav").symlink_to(tree / "nowhere.wav")
    assert "gone.wav" in names_in(tree, is_recursive=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="needs a user whom a folder can be closed to: run it as one")
def test_a_folder_that_cannot_be_read_is_one_error_among_the_others(tree):
    (tree / "y").chmod(0)
    found = list(find_recordings(tree, is_recursive=True))
    (tree / "y").chmod(0o700)
    (error,) = [one for one in found if isinstance(one, AudioFileError)]
    assert str(error) == f"expected to read the folder {tree / 'y'}, found: Permission denied"
    assert len(found) == 5


def test_a_folder_that_is_gone_is_an_error(tmp_path):
    (error,) = find_recordings(tmp_path / "gone", is_recursive=True)
    assert str(error) == f"expected to read the folder {tmp_path / 'gone'}, found: No such file or directory"
