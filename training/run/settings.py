"""Settings of a training run: frozen, written into the run's folder and into the manifest of what it made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from detector.core.frontend import FrontendSettings
from detector.core.level import LevelSettings
from detector.core.manifest import DecisionSettings, check_timing
from detector.errors import SettingsError
from detector.text import is_printable
from detector.types import Channel, NotNegative, Positive, PositiveInt, Probability, Text, describe
from training.windows.settings import VariationSettings, WindowSettings, check_numbers

WORDS_HELP = (
    "words: folders WORD/SPEAKER-NUMBER.wav, of Speech Commands (also as Kaggle, torchaudio or TensorFlow Datasets "
    "keep it), mycroft-precise, openWakeWord or Edge Impulse, also in train/, val/, test/; or a table NAME.csv"
)
SILENCE = "silence"
UNKNOWN = "unknown"

Many = Annotated[int, Meta(gt=0, le=10**9)]
Seed = Annotated[int, Meta(ge=0, lt=2**32)]
SplitBy = Literal["speaker", "clip"]
Texts = tuple[Text, ...]

Settings = TypeVar("Settings", bound=msgspec.Struct)


def check_words(words: tuple[str, ...]) -> None:
    """Refuse a word that stands twice or cannot be shown, with a ValueError."""
    if len(set(words)) != len(words):
        raise ValueError(f"words must differ, found {', '.join(words)}")
    for word in words:
        if not is_printable(word):  # no detector would take the model
            raise ValueError(f"words must hold no control characters, found {word!r}")


class TeacherSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A network that is trained first, on the same windows, for the run's own network to imitate."""

    architecture: Annotated[Text, describe("its network, as in the settings of the run")]
    epochs: Annotated[PositiveInt, describe("epochs")]
    weight_decay: Annotated[NotNegative, describe("of its optimiser")] = 0.02
    variation: Annotated[VariationSettings, describe("how its windows are changed each time they are seen")] = (
        VariationSettings()
    )


class DecisionRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The decision that a trained model is given in its manifest."""

    stride_s: Annotated[Positive, describe("from the end of one window to the end of the next")] = 0.06
    smoothing_windows: Annotated[PositiveInt, describe("scores are averaged over this many consecutive windows")] = 4
    refractory_s: Annotated[NotNegative, describe("a word is not reported again for this long")] = 0.7
    false_accepts_per_hour: Annotated[
        Positive,
        describe(
            "thresholds are those of fewest misses within this rate, of all words together, on the validation speakers"
        ),
    ] = 1.0
    threshold: Annotated[
        Probability,
        describe(
            "score from which on any word is reported, where there is no running speech to measure false accepts on"
        ),
    ] = 0.8
    rearm_ratio: Annotated[
        Probability, describe("level below which a word is armed again, as a part of its threshold")
    ] = 0.5

    def decide(self, durations_s: Mapping[str, float]) -> DecisionSettings:
        """Return the decision on words of some median lengths.

        Raises
        ------
        ValueError
            If no manifest may hold it.
        """
        words = {
            word: {"threshold": self.threshold, "rearm": self.threshold * self.rearm_ratio, "duration_s": duration_s}
            for word, duration_s in durations_s.items()
        }
        fields = {"smoothing_windows": self.smoothing_windows, "refractory_s": self.refractory_s, "words": words}
        try:
            return msgspec.convert(fields, DecisionSettings)
        except msgspec.ValidationError as exc:
            raise ValueError(f"the decision does not fit: {exc}") from None


class TrainSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One training run. Equal settings and data give equal training windows."""

    data: Annotated[
        Texts,
        describe(WORDS_HELP, metavar="DIR"),
    ]
    words: Annotated[
        Texts, Meta(min_length=1), describe("the keywords; every other word is 'unknown'", metavar="yes,no")
    ]
    synthetic: Annotated[
        Texts, describe("words of 'keyword-trainer synthesize': trained on, never measured on", metavar="DIR")
    ] = ()
    noise: Annotated[Texts, describe("noise recordings, beside the data's _background_noise_", metavar="DIR")] = ()
    speech: Annotated[Texts, describe("running speech in LibriSpeech's or LJ Speech's layout", metavar="DIR")] = ()
    validation_speakers: Annotated[
        Texts,
        describe("speakers of running speech that are not trained on", metavar="ID,ID", unset="one in ten, by a hash"),
    ] = ()
    skip_words: Annotated[
        Texts,
        describe(
            'words that sound like a keyword ("know" for "no"): running speech that holds one is not trained on',
            metavar="know,knows",
        ),
    ] = ()
    confusable: Annotated[
        Texts,
        describe(
            'words that nearly sound like a keyword ("now" for "no"): trained on as any other, but running '
            "speech that holds one is left out when false accepts are measured",
            metavar="now,go",
        ),
    ] = ()
    left_out: Annotated[
        Texts,
        describe(
            "words whose clips are not trained on, to see whether the network fires on words it has never met",
            metavar="go,down",
        ),
    ] = ()
    architecture: Annotated[
        Text,
        describe(
            "network: ds-cnn or ts-resnet, either also -tiny or -wide, cnn or tc-resnet; or embedding, which begins as "
            "what own words are learnt on"
        ),
    ] = "ts-resnet"
    embedding: Annotated[
        Text | None,
        describe(
            "what the network 'embedding' begins as: a pair that 'keyword-trainer distil' exported",
            metavar="PATH",
            unset="the one that ships",
        ),
    ] = None
    epochs: Annotated[Many, describe("epochs")] = 40
    steps_per_epoch: Annotated[Many, describe("batches an epoch")] = 1000
    batch_size: Annotated[Many, describe("windows a batch")] = 256
    learning_rate: Annotated[Positive, describe("peak learning rate")] = 3e-3
    warmup_steps: Annotated[PositiveInt, describe("batches over which the learning rate rises to its peak")] = 500
    weight_decay: Annotated[NotNegative, describe("of the optimiser (AdamW)")] = 0.02
    label_smoothing: Annotated[Probability, describe("share of each label that is spread over all of them")] = 0.0
    temperature: Annotated[
        Positive, describe("what the finished network's logits are divided by, so that its scores use their range")
    ] = 2.0
    validation_windows: Annotated[PositiveInt, describe("windows that each epoch is measured on")] = 16384
    distinct_windows: Annotated[
        Many,
        describe(
            "windows composed before training, about 2 kB each in the cache; each is seen several times, masked anew"
        ),
    ] = 1_000_000
    teachers: Annotated[
        tuple[TeacherSettings, ...], describe("networks that are trained first, for the run's own to imitate")
    ] = ()
    imitation: Annotated[
        Probability,
        describe(
            "share of the teachers' mean answer in what a window is trained to; the rest is its label (Hinton "
            "et al. 2015)"
        ),
    ] = 0.7
    precision: Annotated[Text, describe("auto, float32, mixed_float16 or mixed_bfloat16")] = "auto"
    strategy: Annotated[
        Text,
        describe(
            "auto, one (device) or mirrored (over all GPUs that TensorFlow sees); auto is mirrored when there "
            "are several GPUs"
        ),
    ] = "auto"
    channel: Annotated[
        Channel,
        describe(
            "of recordings with several channels: one of them (1 is the first), the mean of all, or the mean unless "
            "channels cancel or noise on one drowns the others, which is logged",
            metavar="N|mix|auto",
        ),
    ] = "auto"
    seed: Annotated[Seed, describe("seed of all randomness")] = 0
    window_s: Annotated[Positive, describe("length of the window that is classified")] = 1.0
    frontend: Annotated[FrontendSettings, describe("the spectrogram")] = FrontendSettings()
    level: Annotated[LevelSettings | None, describe("how the detector raises quiet sound before the network")] = (
        LevelSettings()
    )
    windows: Annotated[WindowSettings, describe("how training windows are composed")] = WindowSettings()
    variation: Annotated[VariationSettings, describe("how windows are changed each time they are seen")] = (
        VariationSettings()
    )
    decision: Annotated[DecisionRecipe, describe("the decision that the model is given")] = DecisionRecipe()
    licences: Annotated[
        dict[str, str], describe("licence of a data folder, by its name, for the manifest", metavar="FOLDER=TEXT")
    ] = {}

    def __post_init__(self) -> None:
        """Refuse before a training what would fail after it.

        Raises
        ------
        ValueError
            If a word stands twice or has the name of a reserved label, or numbers do not fit each other.
        """
        check_numbers(self)
        check_words(self.words)
        for word in self.words:
            if word in (SILENCE, UNKNOWN):
                raise ValueError(f"'{word}' is a label of every model and cannot be a keyword")
        check_timing(self.frontend, window_s=self.window_s, stride_s=self.decision.stride_s)
        self.decision.decide(dict.fromkeys(self.words, self.window_s))
        n_frames, n_bands = self.frontend.count_frames(self.window_samples), self.frontend.n_mels
        for variation in (self.variation, *(teacher.variation for teacher in self.teachers)):
            if variation.mask_frames > n_frames or variation.mask_bands > n_bands:
                raise ValueError(f"masks must fit windows of {n_frames} frames and {n_bands} bands")

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's outputs, in order."""
        return (SILENCE, UNKNOWN, *self.words)

    def of_teacher(self, teacher: TeacherSettings) -> TrainSettings:
        """Return the settings of a teacher's own run."""
        return msgspec.structs.replace(self, teachers=(), **msgspec.structs.asdict(teacher))

    @property
    def window_samples(self) -> int:
        """Samples in one window."""
        return round(self.window_s * self.frontend.sample_rate_hz)


class TutorialSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A training of the tutorials' network."""

    data: Annotated[
        Texts,
        Meta(min_length=1),
        describe(WORDS_HELP, metavar="DIR"),
    ]
    words: Annotated[Texts, Meta(min_length=2), describe("the words to distinguish", metavar="yes,no")]
    epochs: Annotated[Many, describe("epochs")] = 40
    batch_size: Annotated[Many, describe("clips a batch")] = 256
    split_by: Annotated[SplitBy, describe("divide clips by speaker, or at random, to see what that hides")] = "speaker"
    seed: Annotated[Seed, describe("seed of all randomness")] = 0

    def __post_init__(self) -> None:
        """Refuse a word that stands twice."""
        check_words(self.words)


def convert_settings(kind: type[Settings], fields: dict[str, Any]) -> Settings:
    """Return settings of a kind from fields by name.

    Raises
    ------
    SettingsError
        If a field is missing, unknown, or of another type or range.
    """
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as exc:
        raise SettingsError(f"expected settings that fit, found: {exc}") from exc
