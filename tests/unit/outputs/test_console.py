import io
import json
import re

import msgspec
import pytest

from detector.errors import DetectorError, OutputClosed
from detector.events import Condition, Detection, Gap, GapCause, Opened, Scored, State
from detector.outputs.console import Console, format_time

DETECTION = Detection("yes", 0.96875, 12.34, 11.62)


OPENED = Opened(
    source="a.wav", is_live=False, model="yes-no", runtime="fake", sample_rate_hz=16000, thresholds={"yes": 0.8}
)


def write(*events, is_live=False, source="a.wav", **options):
    stream = io.StringIO()
    console = Console(stream=stream, **{"as_json": False} | options)
    for event in (msgspec.structs.replace(OPENED, is_live=is_live, source=source), *(events or (DETECTION,))):
        console.hear(event)
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

    def hear(error):
        console = Console(as_json=False, stream=Closed(error))
        console.hear(OPENED)
        console.hear(DETECTION)

    with pytest.raises(OutputClosed):
        hear(BrokenPipeError())
    with pytest.raises(DetectorError, match="No space left on device"):
        hear(OSError(28, "No space left on device"))


def test_gaps_are_written_where_events_are_wanted_and_windows_never():
    gap = Gap(24000, GapCause.RECONNECT, 2.0004)
    assert write(gap, Scored(16000, [0.1])) == ""
    fields = json.loads(write(gap, Scored(16000, [0.1]), as_json=True, with_events=True))
    assert fields == {
        "event": "gap",
        "cause": "reconnect",
        "time_s": 1.5,
        "at_sample": 24000,
        "lost_s": 2.0,
        "at": None,
        "model": "yes-no",
        "source": "a.wav",
    }


def test_states_are_written_where_events_are_wanted():
    state = State(Condition.SILENT, 1, Condition.LISTENING)
    assert write(state) == write(state, as_json=True) == ""
    fields = json.loads(write(state, as_json=True, with_events=True))
    assert (fields["event"], fields["state"], fields["before"]) == ("state", "silent", "listening")


def test_a_file_name_that_is_not_utf8_is_shown_as_well_as_it_can_be():
    assert json.loads(write(as_json=True, source="caf\udce9.wav"))["source"] == r"caf\xe9.wav"


def test_a_word_cannot_forge_a_detection_of_another():
    forged = Detection("yes\n00:00:13.000  no", 0.96875, 12.34, 11.62)
    assert write(forged) == "00:00:12.340  yes\\n00:00:13.000  no  0.97\n"
    (line,) = write(forged, as_json=True).splitlines()
    assert json.loads(line)["keyword"] == "yes\n00:00:13.000  no"


def test_of_several_sources_a_line_begins_with_its_own():
    assert write(names_source=True) == "a.wav  00:00:12.340  yes  0.97\n"
    assert write(names_source=True, source="a\nb.wav") == "a\\nb.wav  00:00:12.340  yes  0.97\n"


def test_a_table_has_one_head_and_the_values_of_json():
    lines = write(DETECTION, OPENED, DETECTION, as_csv=True, source='one, "two".wav').splitlines()
    assert lines == [
        "source,keyword,score,start_s,time_s",
        '"one, ""two"".wav",yes,0.9688,11.62,12.34',
        "a.wav,yes,0.9688,11.62,12.34",
    ]


@pytest.mark.parametrize("form", [{"as_json": True}, {"as_json": False, "as_csv": True}])
def test_what_programs_read_is_utf8_whatever_the_stream_was(form):
    raw = io.BytesIO()
    console = Console(stream=io.TextIOWrapper(raw, encoding="latin-1"), **form)
    console.hear(msgspec.structs.replace(OPENED, source="größe.wav"))
    console.hear(DETECTION)
    assert "größe.wav" in raw.getvalue().decode()
