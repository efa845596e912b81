"""`keyword-detector config`: all settings, what is in effect and from where, the schema."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from examples import STATUS_REPORT

from detector import Detection
from detector.cli.config import find_in_effect, print_config, to_toml
from detector.cli.schema import EVENTS, LINES, json_of_events, make_schema_of_events
from detector.errors import ModelNotFoundError, SettingsError
from detector.events import Asked, Closed, Condition, Event, Gap, GapCause, Opened, Progress, Scored, State
from detector.outputs.console import WRITTEN
from detector.outputs.settings import MqttSettings
from detector.server.settings import ServeSettings
from detector.settings import Settings, read_settings
from detector.types import fields_of

PUBLISHED = Path(__file__).parents[3] / "docs" / "events.schema.json"
INSTALLED = Path(__file__).parents[3] / "systemd" / "keyword-detector.toml"


@pytest.fixture
def config(capsys):
    """Return a function that runs the verb as if from a command line, and returns what it printed."""

    def run(answer, file=None, **flags):
        assert print_config(answer, read_settings(file, flags), file, flags) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def write(tmp_path):
    file = tmp_path / "settings.toml"

    def write_text(text):
        file.write_text(text)
        return file

    return write_text


def paths_of(struct, table=""):
    for field in fields_of(struct).values():
        if field.struct is None:
            yield f"{table}{field.name}"
        else:
            yield from paths_of(field.struct, f"{field.name}.")


def keys_of(text):
    """Return the keys of a settings file, those that are commented out among them, with their tables."""
    table, keys = "", set()
    for line in text.splitlines():
        if header := re.match(r"\[(\w+)\]", line):
            table = f"{header[1]}."
        elif key := re.match(r"(?:#|# )?(\w+) = ", line):
            keys.add(f"{table}{key[1]}")
    return keys


# ---- the example


def test_the_example_names_every_setting_and_puts_the_defaults_into_effect(config, write):
    example = config("example")
    assert keys_of(example) == set(paths_of(Settings))
    assert read_settings(write(example), {}) == Settings()
    assert max(map(len, example.splitlines())) <= 120


def test_every_line_of_the_example_that_is_uncommented_is_a_valid_setting(config, write):
    lines = config("example").splitlines()
    commented = [k for k, line in enumerate(lines) if re.match(r"#\w+ = ", line)]
    assert len(commented) >= 6
    for k in commented:
        changed = "\n".join([*lines[:k], lines[k].removeprefix("#"), *lines[k + 1 :]])
        assert read_settings(write(changed), {}) != Settings(), lines[k]


def test_the_example_explains_every_setting(config):
    example = " ".join(config("example").replace("\n# ", " ").split())
    for path in paths_of(Settings):
        table, _, name = path.rpartition(".")
        struct = fields_of(Settings)[table].struct if table else Settings
        assert f"{fields_of(struct)[name].text}" in example


@pytest.mark.skipif(not INSTALLED.is_file(), reason="needs the unit's settings: run it in a checkout")
def test_the_settings_that_are_installed_are_named_as_in_the_example(config):
    installed = keys_of(INSTALLED.read_text())
    assert installed >= {"model", "device", "log_level"}
    assert installed <= keys_of(config("example"))


# ---- what is in effect


def origins(found):
    return {name: origins(setting) if isinstance(setting, dict) else setting.origin for name, setting in found.items()}


def test_a_setting_says_whether_flag_file_model_or_default_has_it(write):
    file = write('device = "USB"\njson = true\n[recovery]\njitter = 0.1\ngive_up_after_s = 3\n[threshold]\nno = 0.7\n')
    flags = {"json": False, "recovery": {"give_up_after_s": 5.0}, "threshold": {"yes": 0.8}}
    found = find_in_effect(read_settings(file, flags), file, flags)
    assert origins(found) == {
        "model": "default",
        "words": "model",
        "threshold": {"yes": "flag", "no": "file"},
        "false_accepts_per_hour": "default",
        "device": "file",
        "channel": "default",
        "fallback_devices": "default",
        "recover": "default",
        "recovery": {
            "first_wait_s": "default",
            "longest_wait_s": "default",
            "jitter": "file",
            "give_up_after_s": "flag",
        },
        "stdin": dict.fromkeys(("rate", "channels", "format"), "default"),
        "name": "default",
        "json": "flag",
        "events": "default",
        "record": dict.fromkeys(("folder", "minutes", "before_s", "after_s", "most_mb"), "default"),
        "on": "default",
        "command": dict.fromkeys(("most_at_once", "when_busy", "most_waiting", "limit_s"), "default"),
        "output": {"path": "default"},
        "mqtt": dict.fromkeys(MqttSettings.__struct_fields__, "default"),
        "metrics": {"address": "default"},
        "serve": dict.fromkeys(ServeSettings.__struct_fields__, "default"),
        "log_level": "default",
        "log_format": "default",
    }
    assert found["words"].value == ("yes", "no")
    assert found["threshold"]["no"].value == 0.7
    assert found["recovery"]["give_up_after_s"].value == 5.0


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        ("", {}, {"yes": "model", "no": "model"}),
        ("threshold = 0.5", {}, {"yes": "file", "no": "file"}),
        ("threshold = 0.5", {"threshold": {"no": 0.5}}, {"yes": "file", "no": "flag"}),
        ("threshold = 0.5", {"threshold": {"*": 0.5}}, {"yes": "flag", "no": "flag"}),
        ("[threshold]\nyes = 0.5", {"words": ("no",)}, {"no": "model"}),
        ("threshold = 0.5", {"false_accepts_per_hour": 2.0}, {"yes": "model", "no": "model"}),
        ("false_accepts_per_hour = 2", {"threshold": {"no": 0.5}}, {"yes": "model", "no": "flag"}),
    ],
)
def test_thresholds_say_so_word_by_word(write, text, flags, expected):
    file = write(text)
    assert origins(find_in_effect(read_settings(file, flags), file, flags))["threshold"] == expected


def test_a_rate_that_a_flag_puts_out_of_force_is_not_in_effect(write):
    file = write("false_accepts_per_hour = 2")
    flags = {"threshold": {"*": 0.5}}
    rate = find_in_effect(read_settings(file, flags), file, flags)["false_accepts_per_hour"]
    assert (rate.value, rate.origin) == (None, "default")


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("", {}),
        ('device = "a \\"quoted\\" name"\nfallback_devices = [1, "b"]', {"words": ("no",), "threshold": {"*": 0.9}}),
        ("false_accepts_per_hour = 2", {}),
        ('[record]\nfolder = "f"', {"recover": False, "log_level": "error"}),
    ],
)
def test_what_is_shown_puts_the_same_into_effect(config, write, tmp_path, text, flags):
    file = write(text)
    before = find_in_effect(read_settings(file, flags), file, flags)
    again = tmp_path / "again.toml"
    again.write_text(config("show", file, **flags))
    after = find_in_effect(read_settings(again, {}), again, {})
    after["false_accepts_per_hour"] = before["false_accepts_per_hour"]
    assert values(after) == values(before)


def values(found):
    return {name: values(setting) if isinstance(setting, dict) else setting.value for name, setting in found.items()}


def test_lines_end_with_their_origin(config, write):
    lines = config("show", write('log_level = "error"\nfalse_accepts_per_hour = 2.0'), model="yes-no").splitlines()
    assert re.fullmatch(r"# In effect; .*; the file is .*settings\.toml", lines[0])
    assert 'model = "yes-no"  # flag' in lines
    assert 'words = ["yes", "no"]  # model' in lines
    assert 'log_level = "error"  # file' in lines
    assert "#false_accepts_per_hour = 2.0  # file; chose the thresholds" in lines
    assert "# device: the system's own  # default" in lines
    assert lines[lines.index("[record]") + 1] == "# folder: nothing is recorded  # default"


def test_as_json_each_setting_has_value_and_origin(config, write):
    file = write("json = true")
    answer = json.loads(config("show", file, device=3))
    assert answer["file"] == str(file)
    assert answer["settings"]["json"] == {"value": True, "from": "file"}
    assert answer["settings"]["device"] == {"value": 3, "from": "flag"}
    assert answer["settings"]["record"]["folder"] == {"value": None, "from": "default", "note": "nothing is recorded"}
    assert answer["settings"]["threshold"]["yes"]["from"] == "model"
    assert json.loads(config("show", json=True))["file"] is None


@pytest.mark.parametrize(
    ("flags", "error", "message"),
    [
        ({"model": "maybe"}, ModelNotFoundError, "found 'maybe'"),
        ({"words": ("maybe",)}, SettingsError, "found 'maybe'"),
        ({"threshold": {"*": 1.5}}, SettingsError, "at most 1, found 1.5"),
        ({"threshold": {"*": 0.5}, "false_accepts_per_hour": 1.0}, SettingsError, "found both"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(config, flags, error, message):
    with pytest.raises(error, match=message):
        config("show", **flags)


# ---- the schema


def test_the_schema_has_every_setting_with_its_help(config):
    schema = json.loads(config("schema"))
    assert schema["$ref"] == "#/$defs/Settings"
    for name, struct in (("Settings", Settings), *((f.struct.__name__, f.struct) for f in tables())):
        part = schema["$defs"][name]
        assert part["additionalProperties"] is False
        assert {key: value["description"] for key, value in part["properties"].items()} == {
            field.name: field.text for field in fields_of(struct).values()
        }


DESCRIBED = [
    (Detection("yes", 0.96875, 12.34, 11.62), "DetectionLine"),
    (Gap(8000, GapCause.OVERFLOW), "GapLine"),
    (Gap(8000, GapCause.DRIFT, -0.25), "GapLine"),
    (State(Condition.DEAF, 1, Condition.LISTENING, "for 3 s"), "StateLine"),
    *((State(condition, 2, before), "StateLine") for condition in Condition for before in (None, Condition.STARTING)),
    (STATUS_REPORT, "StatusLine"),
    (msgspec.structs.replace(STATUS_REPORT, outputs={"command": {"run": 2, "dropped": 1}}), "StatusLine"),
    (Opened("USB", is_live=True, model="m", runtime="a", sample_rate_hz=16000, thresholds={"yes": 0.9}), "OpenedLine"),
    (Scored(16000, [0.1, 0.9]), "ScoredLine"),
    (Progress(np.empty(0, dtype=np.int16), 960, 60, 0), "ProgressLine"),
    (Asked("asked"), "AskedLine"),
    (Closed(16000), "ClosedLine"),
]


@pytest.mark.parametrize("source_id", [None, "kitchen"])
@pytest.mark.parametrize(("event", "name"), DESCRIBED)
def test_the_schema_describes_every_event_with_all_its_keys(config, event, name, source_id):
    schema = json.loads(config("schema"))
    opened = Opened("USB", is_live=True, model="yes-no", runtime="a", sample_rate_hz=16000, thresholds={})
    line = event.encode(msgspec.structs.replace(opened, source_id=source_id))
    part = schema["$defs"][name]
    assert {"$ref": f"#/$defs/{name}"} in schema["$defs"]["Event"]["anyOf"]
    is_printed = isinstance(event, (Detection, *WRITTEN))
    assert ({"$ref": f"#/$defs/{name}"} in schema["$defs"]["Line"]["anyOf"]) == is_printed
    optional = {"source_id", "detail", "outputs"} & set(part["properties"])
    assert set(json.loads(line)) | optional == set(part["properties"])
    assert set(part["required"]) == set(part["properties"]) - optional
    kind = next(kind for kind in EVENTS if kind.__name__ == name)
    assert msgspec.to_builtins(msgspec.json.decode(line, type=kind)) == json.loads(line)


def test_every_event_is_described():
    assert {type(event) for event, _ in DESCRIBED} == set(Event.__subclasses__())
    assert {name for _, name in DESCRIBED} == {kind.__name__ for kind in EVENTS}
    assert set(LINES) < set(EVENTS)


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="needs docs/events.schema.json: run it in a checkout")
def test_the_schema_of_events_is_the_one_that_is_published(config):
    schema = make_schema_of_events()
    assert schema["$id"] == "urn:keyword-detector:events:1"
    assert schema["anyOf"] == json.loads(config("schema"))["$defs"]["Event"]["anyOf"]
    write = "python -c 'from detector.cli.schema import *; print(json_of_events())' > docs/events.schema.json"
    assert json_of_events() == PUBLISHED.read_text().rstrip(), write


PROMISED = {"keyword", "score", "time_s", "start_s", "at", "model", "source"}


def test_what_was_promised_of_a_detection_is_required():
    assert set(make_schema_of_events()["$defs"]["DetectionLine"]["required"]) == PROMISED


def tables():
    return [field for field in fields_of(Settings).values() if field.struct is not None]


# ---- the command line


@pytest.mark.parametrize("answer", ["example", "schema"])
def test_only_show_looks_at_other_options(config, write, answer):
    with pytest.raises(SettingsError, match=f"expected --{answer} alone"):
        config(answer, model="yes-no")
    with pytest.raises(SettingsError, match=f"expected --{answer} alone"):
        config(answer, write(""))


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        'a "b" \\ c\n\x7f\x00',
        "größe 🎤",
        True,
        False,
        3,
        0.1,
        1e-8,
        float("inf"),
        [1, "a"],
        {"a b": 1.5, "é": 2},
        [],
    ],
)
def test_values_are_written_as_toml_reads_them(value):
    assert tomllib.loads(f"value = {to_toml(value)}")["value"] == value
