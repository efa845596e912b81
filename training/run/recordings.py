"""The recordings of a run."""

from __future__ import annotations

from detector.errors import SettingsError
from training.data.items import Item, Kind, Split
from training.data.layouts import index_folders
from training.run.settings import TrainSettings


def index(settings: TrainSettings) -> list[Item]:
    """Find all recordings of a run.

    Raises
    ------
    SettingsError
        If a folder is missing or a keyword has no clips.
    """
    items = index_folders(
        data=settings.data,
        noise=settings.noise,
        speech=settings.speech,
        validation_speakers=settings.validation_speakers,
        synthetic=settings.synthetic,
    )
    for word in settings.words:
        clips = [item for item in items if item.kind == Kind.WORD and item.word == word]
        if not clips:
            found = ", ".join(sorted({item.word for item in items if item.word}))
            raise SettingsError(f"expected clips of '{word}' in the training split, found none (words: {found})")
        for split in (Split.TRAINING, Split.VALIDATION):
            if not any(item.split == split for item in clips):
                speakers = sorted({item.speaker for item in clips})
                names = f"{', '.join(speakers[:3])}{', ...' if len(speakers) > 3 else ''}"
                raise SettingsError(
                    f"expected clips of '{word}' in the {split} split, found none: its {len(clips)} clips are of "
                    f"{len(speakers)} speaker{'s' if len(speakers) > 1 else ''} by their names ({names}), and whole "
                    "speakers are set aside to measure on; name files WORD/SPEAKER-NUMBER, of several speakers"
                )
    return items
