"""Labels for Audacity."""

import pytest

from detector.errors import DetectorError
from detector.events import Closed, Detection
from detector.outputs.labels import Labels


def test_a_label_is_a_line_of_start_end_and_word(tmp_path):
    labels = Labels(tmp_path / "new" / "a.wav.txt")
    labels.hear(Detection("yes", 0.97, 12.34, 11.62))
    labels.hear(Detection("forged\n1.0\t2.0", 0.97, 14.0, 13.5))
    assert not (tmp_path / "new").exists()
    labels.hear(Closed(16000))
    assert (tmp_path / "new" / "a.wav.txt").read_text() == (
        "11.620000\t12.340000\tyes\n13.500000\t14.000000\tforged\\n1.0\\t2.0\n"
    )


def test_labels_of_before_are_replaced_though_there_are_none_now(tmp_path):
    (tmp_path / "a.txt").write_text("1\t2\tyes\n")
    Labels(tmp_path / "a.txt").hear(Closed(16000))
    assert (tmp_path / "a.txt").read_text() == ""


def test_labels_that_cannot_be_written_are_an_error(tmp_path):
    (tmp_path / "folder").touch()
    with pytest.raises(DetectorError, match=r"expected to write labels to .*folder/a\.txt, found: "):
        Labels(tmp_path / "folder" / "a.txt").hear(Closed(16000))
