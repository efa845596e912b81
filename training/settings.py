"""Settings of a training run: frozen, written into the run's folder and into the manifest of what it made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from detector.core.frontend import FrontendSettings
from detector.core.manifest import DecisionSettings, check_timing
from detector.errors import SettingsError
from detector.types import NotNegative, Positive, PositiveInt, Probability, Text

SILENCE = "silence"
UNKNOWN = "unknown"

Many = Annotated[int, msgspec.Meta(gt=0, le=10**9)]
Seed = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
SplitBy = Literal["speaker", "clip"]
SHORTEST_REVERBERATION_S = 0.1

Settings = TypeVar("Settings", bound=msgspec.Struct)


def check_numbers(settings: msgspec.Struct) -> None:
    """Refuse numbers that are not finite, and ranges whose second number is the smaller.

    Raises
    ------
    ValueError
        With the name of the setting.
    """
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        numbers = [x for x in (value if isinstance(value, tuple) else (value,)) if isinstance(x, int | float)]
        if not all(math.isfinite(x) for x in numbers):
            raise ValueError(f"{name} must be finite, found {value}")
        if isinstance(value, tuple) and numbers != sorted(numbers):
            raise ValueError(f"{name} must be a range from the smaller to the larger number, found {value}")


def check_words(words: tuple[str, ...]) -> None:
    """Refuse a word that stands twice, with a ValueError."""
    if len(set(words)) != len(words):
        raise ValueError(f"words must differ, found {', '.join(words)}")


class WindowSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How training windows are composed: what the detector will meet, keywords being the exception."""

    keyword: Probability = 0.22
    """Share of windows that hold a whole keyword."""
    partial_keyword: Probability = 0.09
    """Share that hold a keyword cut by the window's edge; labelled unknown."""
    other_word: Probability = 0.17
    """Share that hold a word that is no keyword, whole or cut."""
    synthetic_word: Probability = 0.5
    """Probability that such a word is a synthesiser's, where there are both."""
    running_speech: Probability = 0.30
    """Share cut anywhere out of running speech. The rest of the windows is noise, labelled silence."""
    keyword_neighbour: Probability = 0.25
    """Probability, on each side of a keyword, that another sound is heard there."""
    keyword_gap_s: tuple[NotNegative, NotNegative] = (0.2, 0.7)
    """Range of the pause between a keyword and its neighbour, in seconds: a command stands alone, speech runs on."""
    other_neighbour: Probability = 0.5
    """The same for words, and parts of words, that are no keywords."""
    other_gap_s: tuple[NotNegative, NotNegative] = (0.03, 0.5)
    hidden_part: Probability = 0.08
    """The part of a keyword that may stick out of the window before it no longer counts as whole."""
    kept_part: tuple[Probability, Probability] = (0.2, 0.5)
    """Range of the part of a cut keyword that stays in the window."""
    speed: Probability = 0.4
    """Probability that a word, or running speech, is said faster or slower, pitch included."""
    speed_range: tuple[Positive, Positive] = (0.85, 1.18)
    reverberation: Probability = 0.3
    """Probability that what is said is said in a room."""
    reverberation_s: tuple[Positive, Positive] = (0.1, 0.7)
    """Range of the rooms' reverberation times (RT60), in seconds."""
    n_rooms: PositiveInt = 400
    noise: Probability = 0.75
    """Probability that noise is mixed into a window with speech."""
    snr_db: tuple[float, float] = (0.0, 25.0)
    """Range of the signal-to-noise ratio, in dB, measured against the speech while it sounds."""
    noise_speed: Probability = 0.4
    """Probability that a noise is played faster or slower."""
    noise_speed_range: tuple[Positive, Positive] = (0.7, 1.4)
    noise_pair: Probability = 0.3
    """Probability that a second noise is heard with the first: there are never enough noises."""
    tilt: Probability = 0.5
    """Probability that the window passes a one-tap filter, as microphones differ in treble and bass."""
    tilt_range: tuple[float, float] = (-0.6, 0.6)
    """Range of the filter's coefficient a in y[n] = x[n] + a x[n - 1]."""
    equalise: Probability = 0.2
    """Probability that the window's spectrum is shaped by a drawn curve, one in four of which ends at 4 kHz or below,
    as telephones and 8 kHz sources do."""
    equalise_db: Positive = 8.0
    """The curve's knots lie within this many dB of 0."""
    gain_db: tuple[float, float] = (-26.0, 8.0)
    """Range of the gain of the finished window, in dB; what exceeds full scale clips, as in a microphone."""

    def __post_init__(self) -> None:
        """Refuse shares of more than the whole.

        Raises
        ------
        ValueError
            With their sum.
        """
        check_numbers(self)
        total = self.keyword + self.partial_keyword + self.other_word + self.running_speech
        if total > 1.0 + 1e-9:
            raise ValueError(f"the shares of windows must not exceed 1, found a sum of {total:g}")
        if self.reverberation_s[1] < SHORTEST_REVERBERATION_S:
            raise ValueError(f"reverberation_s must reach {SHORTEST_REVERBERATION_S} s: no room is shorter")


class VariationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a composed window is changed each time it is seen."""

    mask: Probability = 0.6
    """Probability of each SpecAugment mask (Park et al. 2019), one in time and one in frequency."""
    mask_frames: PositiveInt = 6
    mask_bands: PositiveInt = 8
    warp: Probability = 0.6
    """Probability that the mel axis is stretched and shifted, as by a longer or shorter vocal tract (Jaitly and Hinton
    2013)."""
    warp_range: tuple[Positive, Positive] = (0.88, 1.14)
    warp_bands: NotNegative = 1.5
    """Largest shift, in mel bands."""
    mixup: NotNegative = 0.0
    """Parameter of the beta distribution that two windows and their labels are mixed by (Zhang et al. 2018); 0: not."""

    def __post_init__(self) -> None:
        """Refuse numbers that are no numbers, and ranges that fall."""
        check_numbers(self)


class TeacherSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A network that is trained first, on the same windows, for the run's own network to imitate."""

    architecture: Text
    epochs: PositiveInt
    weight_decay: NotNegative = 0.02
    variation: VariationSettings = VariationSettings()


class DecisionRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The decision that a trained model is given in its manifest."""

    stride_s: Positive = 0.06
    """From the end of one window to the end of the next."""
    smoothing_windows: PositiveInt = 4
    refractory_s: NotNegative = 0.7
    false_accepts_per_hour: Positive = 1.0
    """Thresholds are those of fewest misses within this rate, of all words together, on the validation speakers."""
    threshold: Probability = 0.8
    """Of all words, where there is no running speech to measure false accepts on."""
    rearm_ratio: Probability = 0.5
    """The level below which a word is armed again, as a part of its threshold."""

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

    data: tuple[Text, ...]
    """Folders in the Speech Commands layout."""
    words: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    synthetic: tuple[Text, ...] = ()
    """Folders of words from speech synthesisers, in the same layout: trained on, never measured on."""
    noise: tuple[Text, ...] = ()
    """Folders of noise recordings, beside the `_background_noise_` of the data folders."""
    speech: tuple[Text, ...] = ()
    """Folders of running speech in LibriSpeech's or LJ Speech's layout, for negatives."""
    validation_speakers: tuple[Text, ...] = ()
    """Speakers of running speech set aside; empty: chosen by a hash, one in ten."""
    skip_words: tuple[Text, ...] = ()
    """Words that sound like a keyword ("know" for "no"): utterances that hold one are left out of the negatives."""
    confusable: tuple[Text, ...] = ()
    """Words that nearly sound like a keyword ("now" for "no"): negatives as any other in training, but utterances that
    hold one are no part of the running speech that false accepts are measured on."""
    left_out: tuple[Text, ...] = ()
    """Words whose clips are left out of training, to see whether the network fires on words it has never met."""
    architecture: Text = "ts-resnet"
    epochs: Many = 40
    steps_per_epoch: Many = 1000
    batch_size: Many = 256
    learning_rate: Positive = 3e-3
    warmup_steps: PositiveInt = 500
    weight_decay: NotNegative = 0.02
    label_smoothing: Probability = 0.0
    temperature: Positive = 2.0
    """What the finished network's logits are divided by, so that its scores use their range."""
    validation_windows: PositiveInt = 16384
    distinct_windows: Many = 1_000_000
    """Windows that are composed, once, before training; each is seen again, masked anew, until the epochs are over."""
    teachers: tuple[TeacherSettings, ...] = ()
    imitation: Probability = 0.7
    """Share of the teachers' mean answer in what a window is trained to; the rest is its label (Hinton et al. 2015)."""
    precision: Text = "auto"
    strategy: Text = "auto"
    seed: Seed = 0
    window_s: Positive = 1.0
    frontend: FrontendSettings = FrontendSettings()
    windows: WindowSettings = WindowSettings()
    variation: VariationSettings = VariationSettings()
    decision: DecisionRecipe = DecisionRecipe()
    licences: dict[str, str] = {}
    """Licence of each data folder, by the folder's name; written into the manifest."""

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


class SynthesisSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which words are synthesised, and how often. Equal settings, texts and engines give equal clips."""

    words: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    """The keywords."""
    vocabulary: tuple[Text, ...] = ()
    """Texts that the other words are read from."""
    skip_speakers: tuple[Text, ...] = ()
    """Speakers of the texts whose words are not read."""
    also: tuple[Text, ...] = ()
    """Words said as often as neighbours of the keywords, instead of those found in the vocabulary."""
    n_words: PositiveInt = 4000
    """Words of the vocabulary, the most frequent first."""
    clips_per_keyword: PositiveInt = 300
    clips_per_neighbour: PositiveInt = 60
    clips_per_word: PositiveInt = 3
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


class TutorialSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A training of the tutorials' network."""

    data: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    words: Annotated[tuple[Text, ...], msgspec.Meta(min_length=2)]
    epochs: Many = 40
    batch_size: Many = 256
    split_by: SplitBy = "speaker"
    """What the validation has to itself: speakers, or, as tutorials divide, clips alone."""
    seed: Seed = 0

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
