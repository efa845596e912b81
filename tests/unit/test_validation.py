"""A setting that does not fit is named, with what is valid and what was found."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import SettingsError
from detector.settings import RecordSettings, RecoverySettings, Settings
from detector.validation import convert

TEXT = "a text that is not empty"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": 3}, f"expected model to be {TEXT} or a list, each {TEXT}, found 3 in a.toml"),
        ({"json": 1}, "expected json to be true or false, found 1 in a.toml"),
        ({"log_level": "loud"}, "expected log_level to be debug, info, warning or error, found 'loud' in a.toml"),
        (
            {"recovery": {"jitter": 2}},
            "expected recovery.jitter to be a number of at least 0 and up to 1, found 2 in a.toml",
        ),
        (
            {"record": {"minutes": 0.0}},
            "expected record.minutes to be a number above 0 and up to 60, found 0.0 in a.toml",
        ),
        ({"threshold": {"no": 0.5, "yes": "high"}}, "expected threshold.yes to be a number, found 'high' in a.toml"),
        (
            {"threshold": {"no": 1, "yes": 16**300}},
            f"expected threshold.yes to be a number, found {str(16**300)[:60]}... in a.toml",
        ),
        ({"threshold": {"yes": True}}, "expected threshold.yes to be a number, found true in a.toml"),
        ({"threshold": [1]}, "expected threshold to be a number or a table, each a number, found a list in a.toml"),
        ({"words": "yes"}, "expected words to be a list, each a text that is not empty, found 'yes' in a.toml"),
        ({"words": ["yes", ""]}, "expected words[1] to be a text that is not empty, found '' in a.toml"),
        ({"device": 1.5}, "expected device to be a whole number or a text that is not empty, found 1.5 in a.toml"),
        (
            {"fallback_devices": ["USB", True]},
            "expected fallback_devices[1] to be a whole number or a text that is not empty, found true in a.toml",
        ),
        ({"model": {}}, f"expected model to be {TEXT} or a list, each {TEXT}, found a table in a.toml"),
        ({"model": ["a", 1]}, f"expected model[1] to be {TEXT}, found 1 in a.toml"),
        (
            {"record": 3},
            "expected record to be a table of folder, minutes, before_s, after_s, most_mb, found 3 in a.toml",
        ),
        ({"device": True}, "expected device to be a whole number or a text that is not empty, found true in a.toml"),
    ],
)
def test_a_value_that_does_not_fit(fields, message):
    with pytest.raises(SettingsError) as caught:
        convert(fields, Settings, "a.toml")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"jsn": True}, "unknown field `jsn`: did you mean json?"),
        ({"log-level": "info"}, "unknown field `log-level`: did you mean log_level?"),
        ({"minutes": 3}, "unknown field `minutes`: did you mean record.minutes?"),
        ({"record": {"json": True}}, "unknown field `json` in the table record: json belongs above the first [table]"),
        ({"record": {"minute": 3}}, "unknown field `minute` in the table record: did you mean record.minutes?"),
        (
            {"recovery": {"colour": 3}},
            "unknown field `colour` in the table recovery: the keys are "
            + ", ".join(RecoverySettings.__struct_fields__),
        ),
        (
            {"a`.b\n": 1},
            "unknown field `a`.b\n`: the keys are " + ", ".join(Settings.__struct_fields__),
        ),
    ],
)
def test_a_key_that_there_is_not(fields, end):
    with pytest.raises(SettingsError) as caught:
        convert(fields, Settings, "a.toml")
    assert str(caught.value) == f"expected settings that fit, found in a.toml: {end}"


def test_a_long_value_is_cut():
    with pytest.raises(SettingsError) as caught:
        convert({"log_level": "x" * 5000}, Settings, "a.toml")
    assert len(str(caught.value)) < 200


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from([*Settings.__struct_fields__, *RecordSettings.__struct_fields__, "*"]) | st.text()


@given(st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=3), min_size=1, max_size=3))
def test_whatever_a_file_holds_fits_or_is_refused_in_words(fields):
    with contextlib.suppress(SettingsError):
        assert isinstance(convert(fields, Settings, "a.toml"), Settings)
