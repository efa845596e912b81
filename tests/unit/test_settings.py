import pytest

from detector.errors import SettingsError
from detector.settings import Settings, read_settings, thresholds_of


def write(tmp_path, text):
    file = tmp_path / "settings.toml"
    file.write_text(text)
    return file


def test_without_file_and_flags_the_defaults_stand():
    assert read_settings(None, {}) == Settings()


def test_flags_beat_the_file_and_the_file_beats_the_defaults(tmp_path):
    file = write(tmp_path, 'model = "tiny"\nlog_level = "debug"\ndevice = 3\n')
    settings = read_settings(file, {"log_level": "error"})
    assert (settings.model, settings.log_level, settings.device, settings.json) == ("tiny", "error", 3, False)


@pytest.mark.parametrize(
    ("in_file", "flags", "expected"),
    [
        ("", None, {}),
        ("threshold = 0.5", None, {"yes": 0.5, "no": 0.5}),
        ("[threshold]\nno = 0.6", None, {"no": 0.6}),
        ("threshold = 0.5", {"*": 0.7}, {"yes": 0.7, "no": 0.7}),
        ("threshold = 0.5", {"no": 0.7}, {"yes": 0.5, "no": 0.7}),
        ("[threshold]\nno = 0.6", {"yes": 0.7}, {"yes": 0.7, "no": 0.6}),
        ("[threshold]\nno = 0.6", {"*": 0.7}, {"yes": 0.7, "no": 0.7}),
        ("", {"*": 0.9, "yes": 0.8}, {"yes": 0.8, "no": 0.9}),
    ],
)
def test_thresholds_for_a_word_and_for_all_words_are_laid_over_each_other(tmp_path, in_file, flags, expected):
    settings = read_settings(write(tmp_path, in_file), {} if flags is None else {"threshold": flags})
    assert thresholds_of(settings, ("yes", "no")) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1", "unknown field `colour`"),
        ("model = 3", r"got `int` - at `\$.model`"),
        ("threshold = true", "threshold"),
        ('log_level = "loud"', "log_level"),
        ("false_accepts_per_hour = 0", "false_accepts_per_hour"),
        ("model = ", "expected TOML in"),
        ("words = []\nwords = []", "expected TOML in"),
        pytest.param("a = " + "[" * 100_000, "expected TOML in", id="nested without end"),
        ("[record]\nafter_s = inf", "after_s"),
        ("[record]\nminutes = nan", "minutes"),
        ("[recovery]\nlongest_wait_s = inf", "longest_wait_s"),
    ],
)
def test_what_does_not_fit_in_the_file_is_named(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message):
        read_settings(write(tmp_path, text), {})


def test_a_file_that_is_not_text_or_not_there_is_named(tmp_path):
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="expected TOML in"):
        read_settings(tmp_path / "bytes.toml", {})
    with pytest.raises(SettingsError, match=r"none\.toml, found that it cannot be read"):
        read_settings(tmp_path / "none.toml", {})
