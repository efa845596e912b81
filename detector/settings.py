"""Settings that a user may choose.

Settings are frozen structs. msgspec decodes and validates them from TOML or JSON: unknown keys, wrong types and values
out of range are refused with the place where they stand.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from detector.errors import SettingsError
from detector.files import decode_text, read_file
from detector.outputs.settings import Commands, CommandSettings, MetricsSettings, MqttSettings, OutputSettings
from detector.server.settings import ServeSettings
from detector.types import (
    Channel,
    Names,
    NotNegative,
    Positive,
    PositiveSeconds,
    Probability,
    RawFormat,
    Seconds,
    Text,
    describe,
)
from detector.validation import convert

MOST_BYTES = 64 * 1024
"""Of a settings file."""


class RecoverySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a microphone that is lost, or not there yet, is waited for."""

    first_wait_s: Annotated[PositiveSeconds, describe("pause before the first try")] = 0.2
    longest_wait_s: Annotated[PositiveSeconds, describe("the pause doubles from try to try, up to this")] = 1.0
    jitter: Annotated[Probability, describe("each pause is shorter by up to this part, at random")] = 0.2
    give_up_after_s: Annotated[
        NotNegative | None,
        describe("end with 69 when the microphone was lost for this many seconds", unset="never", examples=[3600]),
    ] = None


class StdinSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How raw samples on standard input are written. A WAV says so itself."""

    rate: Annotated[
        Annotated[int, Meta(ge=1000, le=768_000)] | None,
        describe(
            "samples a second of raw samples on standard input",
            metavar="HZ",
            unset="the model's, 16000",
            examples=[48000],
        ),
    ] = None
    channels: Annotated[int, Meta(ge=1, le=64), describe("how many channels raw samples on standard input have")] = 1
    format: Annotated[
        RawFormat,
        describe("how raw samples on standard input are written; arecord's names, as S16_LE, are known too"),
    ] = "s16le"


class RecordSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is recorded, if anything."""

    folder: Annotated[
        Text | None,
        describe(
            "folder that keeps the last minutes of sound and, of each detection or SIGUSR2, what is around it; "
            "'replay' detects in it again",
            metavar="DIR",
            unset="nothing is recorded",
            examples=["/var/lib/keyword-detector"],
        ),
    ] = None
    minutes: Annotated[
        float,
        Meta(gt=0, le=60),
        describe("length of the ring of the latest sound; its scores are kept in memory, up to 1 MB a minute"),
    ] = 5.0
    before_s: Annotated[
        PositiveSeconds, describe("what is kept begins this long before a detection, or up to ten seconds earlier")
    ] = 10.0
    after_s: Annotated[Seconds, describe("what is kept ends this long after a detection")] = 3.0
    most_mb: Annotated[Positive, describe("of more kept recordings than this, in 10^6 bytes, the oldest go")] = 500.0


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a user may set, in a TOML file or by flags. None stands for the model's own choice."""

    model: Annotated[
        Names,
        describe(
            "a model of 'keyword-detector models', or either file of a pair, .tflite or .json; or several: A,B",
            metavar="NAME|PATH",
            can_reload=True,
        ),
    ] = "yes-no"
    words: Annotated[
        tuple[Text, ...] | None,
        describe(
            "report only these of the model's words",
            metavar="yes,no",
            unset="all of them",
            examples=[["yes", "no"]],
            can_reload=True,
        ),
    ] = None
    threshold: Annotated[
        float | dict[str, float] | None,
        describe(
            "score from which on a word is reported, above 0 up to 1, for all words or for each; higher: fewer false "
            "accepts, more misses",
            metavar="X|WORD=X",
            unset="the model's",
            examples=[0.9, {"yes": 0.9, "no": 0.95}],
            can_reload=True,
        ),
    ] = None
    false_accepts_per_hour: Annotated[
        Positive | None,
        describe(
            "pick the thresholds from the model's measured operating curve, instead of giving them",
            unset="none",
            examples=[1.0],
            can_reload=True,
        ),
    ] = None
    device: Annotated[
        int | Text | None,
        describe(
            "capture device, as 'keyword-detector devices' lists it: its index, or a part of its name",
            metavar="INDEX|NAME-PART",
            unset="the system's own",
            examples=["USB"],
            can_reload=False,
        ),
    ] = None
    channel: Annotated[
        Channel,
        describe(
            "of several channels: one of them (1 is the first), the mean of all, or the mean unless channels cancel or "
            "noise on one drowns the others, which is logged",
            metavar="N|mix|auto",
            can_reload=False,
        ),
    ] = "auto"
    fallback_devices: Annotated[
        tuple[int | Text, ...],
        describe(
            "capture devices to use, in order, while the first cannot be opened",
            unset="none, since whoever names a microphone wants no other",
            examples=[["default"]],
            can_reload=False,
        ),
    ] = ()
    recover: Annotated[
        bool,
        describe("wait for a microphone that is lost or not there yet, instead of ending with 69", can_reload=False),
    ] = True
    recovery: Annotated[
        RecoverySettings, describe("how a microphone that is lost, or not there yet, is waited for", can_reload=False)
    ] = RecoverySettings()
    stdin: Annotated[StdinSettings, describe("raw samples on standard input, for 'listen -'", can_reload=False)] = (
        StdinSettings()
    )
    name: Annotated[
        Text | None,
        describe(
            "names this detector where several run: 'source_id' of its JSON, and in its log",
            unset="none",
            examples=["kitchen"],
            can_reload=False,
        ),
    ] = None
    json: Annotated[
        bool, describe("JSON Lines for detections, JSON for the answers of other verbs", can_reload=True)
    ] = False
    events: Annotated[
        bool,
        describe(
            "with JSON Lines: print gaps in the audio, changes of state and a status each minute, too, as "
            '{"event": "gap", ...}',
            can_reload=True,
        ),
    ] = False
    record: Annotated[RecordSettings, describe("the flight recorder", can_reload=False)] = RecordSettings()
    on: Commands = {}
    command: Annotated[CommandSettings, describe("limits of the commands of 'on'", can_reload=False)] = (
        CommandSettings()
    )
    output: Annotated[OutputSettings, describe("JSON Lines beside standard output", can_reload=False)] = (
        OutputSettings()
    )
    mqtt: Annotated[MqttSettings, describe("detections to an MQTT broker", can_reload=False)] = MqttSettings()
    metrics: Annotated[MetricsSettings, describe("metrics and health over HTTP", can_reload=False)] = MetricsSettings()
    serve: Annotated[ServeSettings, describe("the server of many clients", can_reload=False)] = ServeSettings()
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], describe("how much is logged on stderr", can_reload=True)
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"], describe("lines of the log for people, or as JSON Lines", can_reload=True)
    ] = "text"


def read_settings(file: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Return the settings of a TOML file with flags laid over them.

    Parameters
    ----------
    file : Path, optional
    flags : mapping
        By field name; those given on the command line alone.

    Raises
    ------
    SettingsError
        If the file cannot be read, or a key or a value does not fit; the message names it.
    """
    fields = read_fields(file)
    # Of the two ways to choose an operating point, a flag for one beats the file's other.
    if "false_accepts_per_hour" in flags:
        fields.pop("threshold", None)
    if "threshold" in flags:
        fields.pop("false_accepts_per_hour", None)
    merged = fields | {
        name: {**fields.get(name, {}), **value} if isinstance(value, dict) and name != "threshold" else value
        for name, value in flags.items()
    }
    merged["threshold"] = _merge_thresholds(fields.get("threshold"), flags.get("threshold"))
    return convert(merged, Settings, "the command line")


def read_fields(file: Path | None) -> dict[str, Any]:
    """Return what a settings file holds, by field name, once it fits; nothing where there is no file.

    Raises
    ------
    SettingsError
        As `read_settings` does.
    """
    if file is None:
        return {}
    try:
        fields = tomllib.loads(decode_text(read_file(file, MOST_BYTES)))
    except OSError as exc:
        raise SettingsError(f"expected settings in {file}, found that it cannot be read ({exc.strerror})") from exc
    except (ValueError, RecursionError) as exc:  # not TOML, or not UTF-8, or nested without end
        raise SettingsError(f"expected TOML in {file}, found: {exc}") from exc
    convert(fields, Settings, str(file))
    return fields


def _merge_thresholds(
    base: float | dict[str, float] | None, over: float | dict[str, float] | None
) -> float | dict[str, float] | None:
    """Lay thresholds over others: one for all words replaces them, one for a word that word's."""
    if not isinstance(over, dict):
        return base if over is None else over
    default = over.get("*", base if isinstance(base, float | int) else None)
    words = {} if "*" in over or not isinstance(base, dict) else base
    merged = {**words, **{word: value for word, value in over.items() if word != "*"}}
    return merged if default is None else {"*": default, **merged}


def thresholds_of(settings: Settings, words: Sequence[str]) -> dict[str, float]:
    """Return the thresholds that settings choose, by word; words without one keep the model's."""
    if settings.threshold is None:
        return {}
    if not isinstance(settings.threshold, dict):
        return dict.fromkeys(words, settings.threshold)
    chosen = dict(settings.threshold)
    default = chosen.pop("*", None)
    return chosen if default is None else {**dict.fromkeys(words, default), **chosen}


def check_events(settings: Settings) -> None:
    """Refuse events without JSON.

    Raises
    ------
    SettingsError
        If events are wanted in lines for people alone.
    """
    if settings.events and not settings.json and settings.output.path is None:
        raise SettingsError("expected --json with --events, found --events alone: for people gaps are in the log")
