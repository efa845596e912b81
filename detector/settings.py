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

from detector.errors import SettingsError
from detector.types import NotNegative, Positive, PositiveSeconds, Probability, Seconds, Text

LOG_LEVELS = ("debug", "info", "warning", "error")


class RecoverySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a microphone that is lost, or not there yet, is waited for."""

    first_wait_s: PositiveSeconds = 0.2
    """Pause before the first try."""
    longest_wait_s: PositiveSeconds = 1.0
    """The pause doubles from try to try, up to this."""
    jitter: Probability = 0.2
    """Each pause is shorter by up to this part, at random."""
    give_up_after_s: NotNegative | None = None
    """End with 69 when it was away for so long; None: never."""


class RecordSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is recorded, if anything."""

    folder: Text | None = None
    """Where to; None: nothing is recorded."""
    minutes: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    """Length of the ring of the latest sound; its scores are kept in memory, up to 1 MB a minute."""
    before_s: PositiveSeconds = 10.0
    """What is kept begins so long before a detection, or up to ten seconds earlier."""
    after_s: Seconds = 3.0
    """And ends so long after it."""
    most_mb: Positive = 500.0
    """Of more kept recordings than this the oldest go, in 10^6 bytes."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a user may set, in a TOML file or by flags. None stands for the model's own choice."""

    model: Text = "yes-no"
    """Name of a model, or path of either of its files."""
    words: tuple[Text, ...] | None = None
    """Words to report; some of the model's."""
    threshold: float | dict[str, float] | None = None
    """Score from which on a word is reported, for all words or for each."""
    false_accepts_per_hour: Positive | None = None
    """Operating point to pick from the model's curve, instead of a threshold."""
    device: int | Text | None = None
    """Index of the capture device, or a part of its name."""
    fallback_devices: tuple[int | Text, ...] = ()
    """Capture devices to use, in order, while `device` cannot be opened; none by default, since whoever names a
    microphone wants no other."""
    recover: bool = True
    """Wait for a microphone that is lost or not there yet; otherwise end with 69."""
    recovery: RecoverySettings = RecoverySettings()
    json: bool = False
    """Detections as JSON Lines."""
    events: bool = False
    """With `json`: what happens to the audio is printed too, as {"event": ...}."""
    record: RecordSettings = RecordSettings()
    log_level: Literal["debug", "info", "warning", "error"] = "info"


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
    fields: dict[str, Any] = {}
    source = "the command line"
    if file is not None:
        source = str(file)
        try:
            fields = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as exc:
            raise SettingsError(f"expected settings in {file}, found that it cannot be read ({exc.strerror})") from exc
        except (ValueError, RecursionError) as exc:  # not TOML, or not UTF-8, or nested without end
            raise SettingsError(f"expected TOML in {file}, found: {exc}") from exc
    _convert(fields, source)
    # Of the two ways to choose an operating point, a flag for one beats the file's other.
    if "false_accepts_per_hour" in flags:
        fields.pop("threshold", None)
    if "threshold" in flags:
        fields.pop("false_accepts_per_hour", None)
    merged = {**fields, **flags}
    for table in ("recovery", "record"):
        if table in flags:
            merged[table] = {**fields.get(table, {}), **flags[table]}
    merged["threshold"] = _merge_thresholds(fields.get("threshold"), flags.get("threshold"))
    return _convert(merged, "the command line")


def _convert(fields: Mapping[str, Any], source: str) -> Settings:
    try:
        return msgspec.convert(dict(fields), Settings)
    except msgspec.ValidationError as exc:
        raise SettingsError(f"expected settings that fit, found in {source}: {exc}") from exc


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
