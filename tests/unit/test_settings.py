import msgspec
import pytest

from detector.errors import SettingsError
from detector.outputs.settings import CommandSettings, OutputSettings
from detector.settings import (
    RecordSettings,
    RecoverySettings,
    Settings,
    check_events,
    read_settings,
    thresholds_of,
)
from detector.types import fields_of


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
        ("model = 3", "expected model to be a text"),
        ("threshold = true", "threshold"),
        ('log_level = "loud"', "log_level"),
        ("false_accepts_per_hour = 0", "false_accepts_per_hour"),
        ("model = ", "expected TOML in"),
        ("words = []\nwords = []", "expected TOML in"),
        pytest.param("a = " + "[" * 50_000, "expected TOML in", id="nested without end"),
        pytest.param("a" + ".a" * 30_000 + " = 1", "unknown field `a`", id="tables without end"),
        pytest.param("#" * 70_000, r"cannot be read \(more than 64 kB", id="too large"),
        ("[record]\nafter_s = inf", "after_s"),
        ("[record]\nminutes = nan", "minutes"),
        ("[recovery]\nlongest_wait_s = inf", "longest_wait_s"),
        ('[on]\nyes = "true"\nno = 3', r"expected on\.no to be a text that is not empty, found 3"),
        ('[on]\nyes = ""', r"expected on\.yes to be a text that is not empty, found ''"),
        ('[command]\nwhen_busy = "wait"', r"expected command\.when_busy to be drop or queue, found 'wait'"),
    ],
)
def test_what_does_not_fit_in_the_file_is_named(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message):
        read_settings(write(tmp_path, text), {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("json = true".encode("utf-16"), "found: UTF-16 or UTF-32: save it as UTF-8"),
        ("json = true".encode("utf-16-be"), "found: UTF-16 or UTF-32: save it as UTF-8"),
        ("json = true\nwords = ['größe']\n".encode("latin-1"), "a byte 0xf6 in line 2 that is not UTF-8"),
    ],
)
def test_another_encoding_is_named(tmp_path, content, message):
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        read_settings(tmp_path / "a.toml", {})


def test_a_byte_order_mark_is_read_over(tmp_path):
    (tmp_path / "a.toml").write_bytes("json = true\r\n".encode("utf-8-sig"))
    assert read_settings(tmp_path / "a.toml", {}) == Settings(json=True)


def test_a_file_that_is_not_text_or_not_there_is_named(tmp_path):
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="expected TOML in"):
        read_settings(tmp_path / "bytes.toml", {})
    with pytest.raises(SettingsError, match=r"none\.toml, found that it cannot be read"):
        read_settings(tmp_path / "none.toml", {})


def test_a_flag_in_a_table_leaves_the_files_other_keys_of_it(tmp_path):
    file = write(tmp_path, "[recovery]\njitter = 0.1\ngive_up_after_s = 5\n")
    recovery = read_settings(file, {"recovery": {"give_up_after_s": 7.0}}).recovery
    assert recovery == RecoverySettings(jitter=0.1, give_up_after_s=7.0)


def test_commands_of_flags_are_laid_over_those_of_the_file_by_word(tmp_path):
    file = write(tmp_path, '[on]\nyes = "a"\nno = "b"\n')
    assert read_settings(file, {"on": {"no": "c", "*": "d"}}).on == {"yes": "a", "no": "c", "*": "d"}


def test_events_need_json_lines_on_stdout_or_in_an_output():
    check_events(Settings(events=True, json=True))
    check_events(Settings(events=True, output=OutputSettings(path="a.jsonl")))
    with pytest.raises(SettingsError, match="expected --json with --events"):
        check_events(Settings(events=True))


@pytest.mark.parametrize("kind", [Settings, RecoverySettings, RecordSettings, CommandSettings, OutputSettings])
def test_every_setting_says_what_it_means_and_what_nothing_stands_for(kind):
    for field in fields_of(kind).values():
        assert field.text, field.name
        assert not field.text.endswith("."), field.name
        if field.default in (None, (), {}):
            assert field.unset, field.name
            assert field.examples, field.name
            assert all(msgspec.convert({field.name: example}, kind) for example in field.examples)


def test_the_json_schema_has_the_help():
    properties = msgspec.json.schema(Settings)["$defs"]["Settings"]["properties"]
    assert properties["words"]["description"] == "report only these of the model's words"
    assert properties["words"]["examples"] == [["yes", "no"]]
