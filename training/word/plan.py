"""From a word to the settings of a run: voices speak, recordings are cut, and a recipe says the rest."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detector.core.model import load_model
from detector.errors import SettingsError
from detector.learn.bank import Kind as BankKind
from detector.learn.bank import read_bank
from detector.learn.resources import BANK_FILE, EMBEDDING, find_folder
from detector.learn.speech import RATE_HZ
from detector.learn.spelling import check_spelling, guess_language
from detector.learn.voices import ENGLISH
from training.data.decode import find_word, read_recording
from training.data.folders import find_recordings, read_folder
from training.data.layouts import index_all_words
from training.data.speech import find_transcripts
from training.data.texts import compose_text
from training.data.trees import is_noise_folder
from training.run.files import write_whole
from training.run.recipe import new_settings
from training.run.settings import TrainSettings, convert_settings
from training.synthesis.settings import SynthesisSettings
from training.synthesis.synthesize import SUMMARY_FILE, synthesize
from training.word.recordings import write_table
from training.word.settings import WordSettings

log = logging.getLogger(__name__)

TABLE_FILE, VOICES_FOLDER, VOCABULARY_FILE, RECIPE_FILE = "recordings.csv", "voices", "vocabulary.txt", "recipe.toml"
NATURAL_SHARE = 0.35
"""Of the clips that flite and Piper speak: more than among a vocabulary's, as people sound more like them."""
N_WORDS, N_NEAR, N_MADE_UP, CLIPS_PER_NEIGHBOUR = 1500, 40, 40, 3
"""Of what sounds nearly like the word there is little beside other words: more makes the word be missed."""
WINDOWS_S = (1.0, 1.25, 1.5, 2.0)
"""Windows to choose from: the shortest, which listens together with other models, or one that holds the word."""
LONG_SHARE, AROUND_S = 0.9, 0.4
"""Of the word's lengths so many fit into the window, with as much around them: so that several windows in a row hold
the whole word, and what surrounds it is seen."""
LONGEST_S = WINDOWS_S[-1] - AROUND_S
FEWEST = 5
"""Recordings whose lengths say more than those of voices."""
TRAINING: Mapping[str, Any] = {
    "architecture": EMBEDDING,
    "steps_per_epoch": 125,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "warmup_steps": 100,
    "weight_decay": 0.01,
    "distinct_windows": 128_000,
    "validation_windows": 4096,
    "windows": {
        "keyword": 0.24,
        "partial_keyword": 0.08,
        "other_word": 0.2,
        "synthetic_word": 0.4,
        "running_speech": 0.38,
        "snr_db": [-2.0, 25.0],
        "n_rooms": 200,
    },
    "decision": {"smoothing_windows": 4, "false_accepts_per_hour": 0.5},
}
"""What the recipe of any word has. The network knows speech already: it needs few windows, and small steps. A window
holds the word with 0.4 s to spare, which is six strides: so four scores are averaged, and what is like the word for
one or two windows is none."""
DOWNLOADS = {
    "speech": "'keyword-trainer download librispeech-train-clean-5' (0.3 GB) for --speech, without which false accepts "
    "are not known",
    "noise": "'download esc-50' (0.6 GB) for --noise",
    "data": "'download speech-commands' (2.4 GB) for --data",
}


def plan_word(settings: WordSettings, out: Path) -> TrainSettings:
    """Make what a word is trained on in the folder of its run, as far as it is not there, and the run's recipe.

    Raises
    ------
    SettingsError
        If the word cannot be spoken or be a keyword, a folder is missing or not of its kind, or the folder of the run
        holds something else.
    DetectorError
        If an engine fails.
    """
    word = " ".join(compose_text(settings.word).split())
    language = settings.language or guess_language(word)
    check_spelling(word, language)
    convert_settings(TrainSettings, {"data": ["-"], "words": [word]})  # fails before the voices speak
    if is_noise_folder(word):
        raise SettingsError(f"expected a word, found '{word}', which is the name of a folder without words")
    out.mkdir(parents=True, exist_ok=True)
    table, voices = out / TABLE_FILE, out / VOICES_FOLDER
    lengths_s: list[float] = []
    if settings.recordings:
        lengths_s = write_table(settings.recordings, word, table, speaker=settings.speaker, channel=settings.channel)
    for line in synthesize(_plan_voices(settings, word, language, out), voices):
        log.info(line)
    if len(lengths_s) < FEWEST:
        lengths_s = _measure_voices(voices / word)
    _suggest_downloads(settings)
    recipe = _write_recipe(settings, word, out, window_s=choose_window(word, lengths_s))
    return new_settings({"recipe": recipe}, out)


def choose_window(word: str, lengths_s: Sequence[float]) -> float:
    """Return the shortest window, in seconds, that holds nearly all lengths of a word.

    Raises
    ------
    SettingsError
        If none does.
    """
    length_s = float(np.quantile(lengths_s, LONG_SHARE))
    for window_s in WINDOWS_S:
        if length_s + AROUND_S <= window_s:
            return window_s
    raise SettingsError(
        f"expected a word of at most {LONGEST_S:g} s, found that '{word}' takes {length_s:.1f} s: choose a shorter one"
    )


def _suggest_downloads(settings: WordSettings) -> None:
    """Log in a line what would make the model better and its figures known."""
    lacking = [text for name, text in DOWNLOADS.items() if not getattr(settings, name)]
    if lacking:
        log.info("for a better model: %s", "; ".join(lacking))


def _plan_voices(settings: WordSettings, word: str, language: str, out: Path) -> SynthesisSettings:
    transcribed = [folder for folder in settings.speech if find_transcripts(read_folder(folder))]
    vocabulary = [*(settings.vocabulary or transcribed)]
    if not vocabulary and language.partition("-")[0] == ENGLISH:
        vocabulary = [str(_write_vocabulary(out / VOCABULARY_FILE))]
    return SynthesisSettings(
        words=(word,),
        vocabulary=tuple(vocabulary),
        language=language,
        voices=settings.voices,
        natural_share=NATURAL_SHARE,
        dictionary=settings.dictionary,
        n_near=N_NEAR,
        n_made_up=N_MADE_UP,
        n_words=N_WORDS,
        clips_per_keyword=settings.clips,
        clips_per_neighbour=CLIPS_PER_NEIGHBOUR,
        clips_per_word=1,
        seed=settings.seed,
    )


def _write_vocabulary(file: Path) -> Path:
    """Write what is said in the bank of negatives that ships: some thousand English words."""
    folder = find_folder()
    model = load_model(str(folder / f"{EMBEDDING}.json"))
    bank = read_bank(folder / BANK_FILE, n_outputs=model.network.n_outputs, sha256=model.manifest.sha256)
    write_whole({file: "\n".join(entry.text for entry in bank.entries if entry.kind == BankKind.SPEECH).encode()})
    return file


def _measure_voices(folder: Path) -> list[float]:
    lengths_s = []
    for path in find_recordings(folder):
        start, end = find_word(read_recording(str(path), RATE_HZ), RATE_HZ)
        lengths_s.append((end - start) / RATE_HZ)
    return lengths_s


def _write_recipe(settings: WordSettings, word: str, out: Path, *, window_s: float) -> Path:
    """Write the settings of the run as a recipe for `keyword-trainer train`; its folders are absolute."""
    voices, data = str((out / VOICES_FOLDER).resolve()), [str(Path(name).resolve()) for name in settings.data]
    recorded = [str((out / TABLE_FILE).resolve())] if settings.recordings else []
    is_said_by_people = bool(recorded) or any(item.word == word for item in index_all_words(settings.data))
    summary = json.loads((out / VOICES_FOLDER / SUMMARY_FILE).read_text(encoding="utf-8"))
    fields: dict[str, Any] = {
        "words": [word],
        # Voices are measured on where there is nobody else; figures of people are then "not known".
        "data": [*recorded, *data] if is_said_by_people else [voices, *data],
        "synthetic": [voices] if is_said_by_people else [],
        "speech": [str(Path(name).resolve()) for name in settings.speech],
        "noise": [str(Path(name).resolve()) for name in settings.noise],
        "validation_speakers": list(settings.validation_speakers),
        "skip_words": list(summary["homophones_left_out"]),
        "epochs": settings.epochs,
        "channel": settings.channel,
        "seed": settings.seed,
        "window_s": window_s,
        **({"embedding": str(Path(settings.embedding).resolve())} if settings.embedding else {}),
        **TRAINING,
        "licences": {VOICES_FOLDER: f"made by keyword-trainer word with {', '.join(summary['engines'])}"},
    }
    file = out / RECIPE_FILE
    write_whole({file: to_toml(fields).encode()})
    return file


def to_toml(fields: Mapping[str, Any]) -> str:
    """Return settings as TOML, of which JSON's texts, numbers and lists are a part; tables come last."""
    lines = [f"{name} = {_value(value)}" for name, value in fields.items() if not isinstance(value, Mapping)]
    for name, value in fields.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *(f"{_value(key)} = {_value(inner)}" for key, inner in value.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
