"""Which detectors that run listen to a learnt word, and how each takes over what was learnt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from detector.core import folders
from detector.errors import DetectorError
from detector.learn.words import KeptWord
from detector.process.daemons import Daemon, find_daemons
from detector.settings import Settings, read_settings


def describe_reload(kept: KeptWord) -> Iterator[str]:
    """Yield how detectors that listen to a word take over what was learnt, as far as that can be known of them."""
    for daemon in find_daemons():
        if listens_to(daemon, kept):
            yield f"reload         {how_to_reload(daemon)}: the detector that listens to it takes it over"


def how_to_reload(daemon: Daemon) -> str:
    """Return what has a detector take over what was learnt."""
    if daemon.unit is not None:
        sudo = "" if daemon.unit.startswith("--user") else "sudo "
        return f"{sudo}systemctl {daemon.unit.replace('keyword-detector', 'reload keyword-detector')}"
    return (
        f"kill -HUP {daemon.pid}"
        if daemon.can_reload
        else f"end {daemon.pid}, which has no --config, and start it anew"
    )


def listens_to(daemon: Daemon, kept: KeptWord) -> bool:
    """Return whether a detector's command line, or the settings that it names, name the model of a word."""
    return any(_is_model_of(name, daemon.folder, kept) for name in _find_models(daemon))


def _find_models(daemon: Daemon) -> Sequence[str]:
    """Return the names and paths of the models that a detector listens with; none where that cannot be known."""
    named = _find_values(daemon.command, "--model")
    if not named:
        files = _find_values(daemon.command, "--config")
        settings = Settings()
        if files:
            try:
                settings = read_settings((daemon.folder or Path()) / files[-1], {})
            except DetectorError:
                return []
        named = [settings.model] if isinstance(settings.model, str) else list(settings.model)
    return [name.strip() for text in named for name in text.split(",")]


def _find_values(command: Sequence[str], option: str) -> list[str]:
    """Return the values of an option on a command line, in its order."""
    values = []
    for k, text in enumerate(command):
        if text.startswith(f"{option}="):
            values.append(text.partition("=")[2])
        elif text == option:
            values += command[k + 1 : k + 2]
    return values


def _is_model_of(name: str, folder: Path | None, kept: KeptWord) -> bool:
    """Return whether a name, or a path from a folder, is that of the pair of a word."""
    path = Path(name)
    if path.suffix not in folders.SUFFIXES and len(path.parts) == 1:
        return name == kept.name and folders.is_own(kept.manifest_file)
    pair = path.with_suffix(".json") if path.suffix in folders.SUFFIXES else Path(f"{path}.json")
    if folder is None and not pair.is_absolute():
        return False
    with contextlib.suppress(OSError, ValueError):
        return kept.manifest_file.samefile((folder or Path()) / pair)
    return False
