"""What an embedding is distilled from, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from detector.core.frontend import FrontendSettings
from detector.core.level import LevelSettings
from detector.errors import SettingsError
from detector.types import NotNegative, Positive, PositiveInt, Probability, describe
from training.run.recipe import MOST_BYTES
from training.windows.settings import Pauses, Range, WindowSettings, check_numbers

WINDOW_FRAMES = 49
"""Frames that one embedding is computed from: all of a second at a hop of 20 ms."""
TAP_S = 0.24
"""From one window that a head looks at to the one before."""
STEP_FRAMES = 4
"""Frames from one embedding to the next, where a longer sound is given."""


class SoundSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the sounds hold that student and teacher hear."""

    length_s: Annotated[Positive, describe("length of a sound, in seconds")] = 10.0
    words: Annotated[Probability, describe("share of sounds made of recorded words")] = 0.28
    spoken: Annotated[Probability, describe("share spoken by synthesisers")] = 0.37
    speech: Annotated[Probability, describe("share of recorded running speech; the rest is noise")] = 0.30
    dictionary: Annotated[
        Probability, describe("part of what synthesisers speak that is words of the dictionary, drawn one by one")
    ] = 0.6
    text_words: Annotated[tuple[PositiveInt, PositiveInt], describe("range of the words of one text")] = (3, 12)
    pause_s: Annotated[Pauses, describe("range of the pause between words and texts, in seconds")] = (0.02, 0.9)
    level_db: Annotated[Range, describe("range of a word's or text's level against the first's, in dB")] = (-6.0, 6.0)
    speed_range: Annotated[tuple[Positive, Positive], describe("range of the factor of its pace")] = (0.85, 1.18)

    def __post_init__(self) -> None:
        """Refuse shares of more than the whole, and ranges that fall."""
        check_numbers(self)
        if self.words + self.spoken + self.speech > 1.0 + 1e-9:
            raise ValueError("the shares of sounds must not exceed 1")


class EmbeddingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A distillation; written in its folder, and read from a recipe."""

    data: tuple[str, ...]
    """Folders of recorded words, in Speech Commands' layout."""
    speech: tuple[str, ...] = ()
    noise: tuple[str, ...] = ()
    validation_speakers: tuple[str, ...] = ()
    held_speakers: tuple[str, ...] = ()
    """Those among them whose speech the bank counts false accepts on; figures are measured on the others."""
    left_out: tuple[str, ...] = ()
    """Words that are neither among the recorded words nor spoken by synthesisers, nor words that begin with one: so
    that it can be measured on words that it was not trained on."""
    texts: tuple[str, ...] = ()
    """Folders with transcripts, which synthesisers speak."""
    dictionary: str = ""
    """A file whose lines begin with a word each, to be spoken."""
    licences: dict[str, str] = {}
    frontend: FrontendSettings = FrontendSettings()
    level: LevelSettings | None = LevelSettings()
    window_s: Positive = 1.0
    stride_s: Positive = 0.06
    sounds: SoundSettings = SoundSettings()
    windows: WindowSettings = WindowSettings(
        reverberation=0.4, noise=0.65, snr_db=(0.0, 30.0), telephone=0.15, gain_db=(-24.0, 6.0)
    )
    n_shards: PositiveInt = 30
    sounds_per_shard: PositiveInt = 360
    channels: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (32, 48, 80, 96, 160)
    epochs: PositiveInt = 12
    decay_epochs: PositiveInt = 5
    """The last ones, over which the learning rate falls to nothing."""
    batch_size: PositiveInt = 12
    learning_rate: Positive = 0.02
    weight_decay: NotNegative = 0.005
    seed: int = 0


def read_embedding_recipe(file: Path, root: Path) -> EmbeddingSettings:
    """Read a recipe: the folders in it lie below `root`.

    Raises
    ------
    SettingsError
        If it cannot be read, or a setting does not fit.
    """
    try:
        content = file.read_bytes()
        if len(content) > MOST_BYTES:
            raise SettingsError(f"expected a recipe, found {len(content)} bytes in {file}")
        settings = msgspec.toml.decode(content, type=EmbeddingSettings)
    except OSError as exc:
        raise SettingsError(f"expected a recipe, found that {file} cannot be read ({exc.strerror})") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise SettingsError(f"expected a recipe in {file}, found: {exc}") from exc

    def below(folders: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str((root / folder).resolve()) for folder in folders)

    return msgspec.structs.replace(
        settings,
        data=below(settings.data),
        speech=below(settings.speech),
        noise=below(settings.noise),
        texts=below(settings.texts),
        dictionary=str((root / settings.dictionary).resolve()) if settings.dictionary else "",
    )
