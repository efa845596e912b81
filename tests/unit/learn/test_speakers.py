from pathlib import Path

import pytest

from detector.learn.speakers import find_speaker


@pytest.mark.parametrize(
    ("file", "folder", "speaker"),
    [
        ("takes/anna/1.wav", "takes", "anna"),
        ("takes/anna/monday/1.wav", "takes", "anna"),
        ("takes/1.wav", "takes", None),
        ("1.wav", ".", None),
        ("anna/1.wav", ".", "anna"),
        ("0a7c2a8d_nohash_0.wav", None, "0a7c2a8d"),
        ("takes/0a7c2a8d_nohash_12.wav", "takes", "0a7c2a8d"),
        ("takes/anna/0a7c2a8d_nohash_12.wav", "takes", "0a7c2a8d"),
        ("takes/anna/1.wav", None, None),
        ("takes/nohash_1.wav", "takes", None),
        ("takes/anna_nohash_x.wav", "takes", None),
    ],
)
def test_a_speaker_is_known_by_a_folder_of_its_own_or_by_the_name(file, folder, speaker):
    assert find_speaker(Path(file), None if folder is None else Path(folder)) == speaker
