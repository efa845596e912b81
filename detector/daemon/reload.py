"""Settings that change in a running daemon."""

from __future__ import annotations

import logging
from collections.abc import Callable

from detector.assembly import choose_thresholds, reload_model
from detector.core.detector import Detector
from detector.errors import DetectorError, SettingsError
from detector.process.log import set_log
from detector.settings import Settings, check_events
from detector.types import fields_of

log = logging.getLogger(__name__)


def reload(old: Settings, reread: Callable[[], Settings], detector: Detector) -> Settings | None:
    """Read settings again and apply them to a detector.

    Settings that do not fit are rejected with one line of the log, and nothing changes; so are those at which anything
    fails in a way that nobody thought of, since a daemon must not end, or stop to detect, over a file.

    Returns
    -------
    Settings or None
        Those in effect from the next window on; None if they were rejected.
    """
    try:
        new = reread()
        check_events(new)
        check_reload(old, new)
        model = reload_model(new, detector.model)
        if new.on:
            from detector.outputs.template import check_words

            check_words(new.on, tuple(model.manifest.words))
        detector.reconfigure(model, words=new.words, thresholds=choose_thresholds(new, model.manifest))
    except DetectorError as exc:
        log.error("settings stay as they were: %s", exc)  # noqa: TRY400 - a known error is one line
        return None
    except Exception as exc:
        log.error("settings stay as they were: %s: %s", type(exc).__name__, exc)  # noqa: TRY400
        return None
    set_log(new.log_level, as_json=new.log_format == "json", source_id=new.name)
    log.warning("settings were read anew")
    return new


def fixed_fields() -> tuple[str, ...]:
    """Return the settings that a running daemon keeps until it is started anew."""
    return tuple(field.name for field in fields_of(Settings).values() if not field.can_reload)


def check_reload(old: Settings, new: Settings) -> None:
    """Refuse settings that a running daemon cannot take over.

    Raises
    ------
    SettingsError
        With the first setting that needs a restart.
    """
    for name in fixed_fields():
        if getattr(new, name) != getattr(old, name):
            raise SettingsError(f"expected the same {name} as at the start, found another: restart instead")
