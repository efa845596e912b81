import io
import json
import re

import pytest

from detector.core.detector import Detection
from detector.errors import DetectorError
from detector.outputs.console import Console, OutputClosed, format_time

DETECTION = Detection("yes", 0.96875, 12.34, 11.62)


def write(**changes):
    stream = io.StringIO()
    options = {"model_name": "yes-no", "source_name": "a.wav", "is_live": False, "as_json": False} | changes
    Console(stream=stream, **options).write(DETECTION)
    return stream.getvalue()


def test_a_detection_in_a_recording_has_its_position():
    assert write() == "00:00:12.340  yes  0.97\n"


def test_a_live_detection_has_the_time_of_day():
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  yes  0\.97\n", write(is_live=True))


def test_json_has_the_keys_of_the_contract_in_their_order():
    fields = json.loads(write(as_json=True))
    assert list(fields) == ["keyword", "score", "time_s", "start_s", "at", "model", "source"]
    assert fields == {
        "keyword": "yes",
        "score": 0.9688,
        "time_s": 12.34,
        "start_s": 11.62,
        "at": None,
        "model": "yes-no",
        "source": "a.wav",
    }
    at = json.loads(write(as_json=True, is_live=True))["at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", at)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00:00.000"), (59.9996, "00:01:00.000"), (3661.5, "01:01:01.500"), (360000.0, "100:00:00.000")],
)
def test_positions_are_hours_minutes_and_seconds(seconds, text):
    assert format_time(seconds) == text


def test_a_reader_that_has_gone_is_told_apart_from_a_full_disk():
    class Closed(io.StringIO):
        def __init__(self, error):
            super().__init__()
            self.error = error

        def flush(self):
            raise self.error

    def console(error):
        return Console(model_name="m", source_name="s", is_live=False, as_json=False, stream=Closed(error))

    with pytest.raises(OutputClosed):
        console(BrokenPipeError()).write(DETECTION)
    with pytest.raises(DetectorError, match="No space left on device"):
        console(OSError(28, "No space left on device")).write(DETECTION)
