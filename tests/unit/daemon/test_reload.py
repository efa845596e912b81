"""Which settings a running daemon takes over."""

import msgspec
import pytest

from detector.core.detector import Detector
from detector.daemon.reload import check_reload, fixed_fields, reload
from detector.errors import SettingsError
from detector.outputs.settings import CommandSettings, MetricsSettings, MqttSettings, OutputSettings
from detector.server.settings import ServeSettings
from detector.settings import RecordSettings, RecoverySettings, Settings, StdinSettings
from detector.types import fields_of


def test_every_setting_says_whether_a_reload_takes_it_over():
    assert {field.name for field in fields_of(Settings).values() if field.can_reload is None} == set()
    assert fixed_fields() == (
        "device",
        "channel",
        "fallback_devices",
        "recover",
        "recovery",
        "stdin",
        "name",
        "record",
        "on",
        "command",
        "output",
        "mqtt",
        "metrics",
        "serve",
    )


def test_a_reload_takes_over_model_words_thresholds_output_and_log_level_alone():
    old = Settings()
    check_reload(
        old, Settings(words=("yes",), threshold=0.5, json=True, events=True, log_level="error", log_format="json")
    )
    check_reload(old, Settings(false_accepts_per_hour=2.0, model=("yes-no", "mine")))
    others = {
        "device": 1,
        "channel": 2,
        "fallback_devices": (1,),
        "recover": False,
        "recovery": RecoverySettings(jitter=0.5),
        "stdin": StdinSettings(rate=48000),
        "name": "kitchen",
        "record": RecordSettings(folder="here"),
        "on": {"yes": "true"},
        "command": CommandSettings(limit_s=1.0),
        "output": OutputSettings(path="a.jsonl"),
        "mqtt": MqttSettings(url="mqtt://broker"),
        "metrics": MetricsSettings(address="9275"),
        "serve": ServeSettings(uri="stdio://"),
    }
    assert set(others) == set(fixed_fields())
    for name, value in others.items():
        with pytest.raises(SettingsError, match=f"^expected the same {name} as at the start, found another: restart"):
            check_reload(old, msgspec.structs.replace(old, **{name: value}))


def test_a_model_that_lacks_the_word_of_a_command_is_rejected_as_at_the_start(caplog):
    detector = Detector.load("commands")
    before = detector.model
    settings = Settings(model="commands", on={"up": "true"})
    assert reload(settings, lambda: msgspec.structs.replace(settings, model="yes-no"), detector) is None
    assert detector.model is before
    assert caplog.messages == [
        "settings stay as they were: expected a command for yes, no or *, found one for 'up'",
    ]
