"""How training windows are composed, and how they are varied each time they are seen."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from detector.types import NotNegative, Positive, PositiveInt, Probability, describe

SHORTEST_REVERBERATION_S = 0.1

Factors = tuple[Positive, Positive]
"""A range, as are the next: the smaller number first."""
Parts = tuple[Probability, Probability]
Pauses = tuple[NotNegative, NotNegative]
Range = tuple[float, float]


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


class WindowSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How training windows are composed: what the detector will meet, keywords being the exception."""

    keyword: Annotated[Probability, describe("share of windows that hold a whole keyword")] = 0.22
    synthetic_keyword: Annotated[
        Probability,
        describe(
            "most of these, as a part, that hold a synthesiser's clip, where people have spoken the keyword too: "
            "few recordings are then drawn more often"
        ),
    ] = 0.5
    partial_keyword: Annotated[
        Probability, describe("share that hold a keyword cut by the window's edge; labelled unknown")
    ] = 0.09
    other_word: Annotated[Probability, describe("share that hold a word that is no keyword, whole or cut")] = 0.17
    synthetic_word: Annotated[
        Probability, describe("probability that such a word is a synthesiser's, where there are both")
    ] = 0.5
    running_speech: Annotated[
        Probability,
        describe("share cut anywhere out of running speech; the rest of the windows is noise, labelled silence"),
    ] = 0.30
    keyword_neighbour: Annotated[
        Probability, describe("probability, on each side of a keyword, that another sound stands there")
    ] = 0.25
    keyword_gap_s: Annotated[
        Pauses,
        describe(
            "range of the pause between a keyword and its neighbour, in seconds: a command stands alone, speech runs on"
        ),
    ] = (0.2, 0.7)
    other_neighbour: Annotated[
        Probability, describe("the same for words, and parts of words, that are no keywords")
    ] = 0.5
    other_gap_s: Annotated[
        Pauses,
        describe("range of the pause between such a word and its neighbour, in seconds"),
    ] = (0.03, 0.5)
    neighbour_speech: Annotated[
        Probability, describe("probability that a neighbour is running speech, where there are other words too")
    ] = 0.5
    neighbour_s: Annotated[Factors, describe("range of the length of such speech, in seconds")] = (0.2, 0.8)
    neighbour_db: Annotated[
        Range, describe("range of a neighbour's level against the word's, in dB: both are about as near")
    ] = (-8.0, 8.0)
    word_margin_s: Annotated[
        NotNegative, describe("most of what surrounds a word in its clip that stays with it, on each side, in seconds")
    ] = 0.05
    pause_level: Annotated[
        Probability, describe("running speech below this part of the level around it is a pause, and drawn anew")
    ] = 0.2
    hidden_part: Annotated[
        Probability, describe("part of a keyword that may stick out of the window before it no longer counts as whole")
    ] = 0.08
    kept_part: Annotated[Parts, describe("range of the part of a cut keyword that stays in the window")] = (0.2, 0.5)
    speed: Annotated[
        Probability, describe("probability that a word, or running speech, is spoken faster or slower, pitch included")
    ] = 0.4
    speed_range: Annotated[Factors, describe("range of the factor of its pace")] = (0.85, 1.18)
    reverberation: Annotated[Probability, describe("probability that speech is spoken in a room")] = 0.3
    reverberation_s: Annotated[Factors, describe("range of the rooms' reverberation times (RT60), in seconds")] = (
        0.1,
        0.7,
    )
    n_rooms: Annotated[PositiveInt, describe("rooms that are simulated, to draw from")] = 400
    noise: Annotated[Probability, describe("probability that noise is mixed into a window with speech")] = 0.75
    snr_db: Annotated[
        Range,
        describe("range of the signal-to-noise ratio, in dB, measured against the speech while it sounds"),
    ] = (0.0, 25.0)
    noise_speed: Annotated[Probability, describe("probability that a noise is played faster or slower")] = 0.4
    noise_speed_range: Annotated[Factors, describe("range of the factor of its pace")] = (0.7, 1.4)
    noise_pair: Annotated[
        Probability, describe("probability that a second noise sounds with the first: there are never enough noises")
    ] = 0.3
    noise_pair_db: Annotated[Range, describe("range of the first noise's level against the second's, in dB")] = (
        -6.0,
        12.0,
    )
    coloured_noise: Annotated[
        Probability, describe("probability that a noise is made, of a drawn colour, instead of recorded")
    ] = 0.15
    coloured_slope: Annotated[
        Range, describe("range of its amplitude's exponent of frequency: -1 is brown, 0 white, 0.5 blue")
    ] = (-1.0, 0.5)
    silence_noise: Annotated[
        Probability, describe("probability that a window without speech holds noise, not the microphone's own alone")
    ] = 0.85
    silence_db: Annotated[Range, describe("range of the gain of such noise, as it was recorded, in dB")] = (-20.0, 20.0)
    self_noise_rms: Annotated[
        NotNegative, describe("mean level of the microphone's own noise, in 16-bit units (8: -72 dBFS)")
    ] = 8.0
    tilt: Annotated[
        Probability,
        describe("probability that the window passes a one-tap filter, as microphones differ in treble and bass"),
    ] = 0.5
    tilt_range: Annotated[Range, describe("range of the filter's coefficient a in y[n] = x[n] + a x[n - 1]")] = (
        -0.6,
        0.6,
    )
    equalise: Annotated[
        Probability,
        describe("probability that the window's spectrum is shaped by a drawn curve, as by microphones and rooms"),
    ] = 0.2
    equalise_db: Annotated[Positive, describe("the curve's knots lie within this many dB of 0")] = 8.0
    telephone: Annotated[
        Probability, describe("probability that the curve ends early, as telephones and 8 kHz sources do")
    ] = 0.25
    telephone_hz: Annotated[Factors, describe("range of the frequency at which it ends then")] = (3000.0, 4000.0)
    gain_db: Annotated[
        Range,
        describe("range of the gain of the finished window, in dB; what exceeds full scale clips, as in a microphone"),
    ] = (-26.0, 8.0)

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

    mask: Annotated[
        Probability,
        describe("probability of each SpecAugment mask (Park et al. 2019), one in time and one in frequency"),
    ] = 0.6
    mask_frames: Annotated[PositiveInt, describe("most frames that a mask in time covers")] = 6
    mask_bands: Annotated[PositiveInt, describe("most bands that a mask in frequency covers")] = 8
    warp: Annotated[
        Probability,
        describe(
            "probability that the mel axis is stretched and shifted, as by a longer or shorter vocal tract "
            "(Jaitly and Hinton 2013)"
        ),
    ] = 0.6
    warp_range: Annotated[Factors, describe("range of the factor of the stretch")] = (0.88, 1.14)
    warp_bands: Annotated[NotNegative, describe("largest shift, in mel bands")] = 1.5
    mixup: Annotated[
        NotNegative,
        describe(
            "parameter of the beta distribution that two windows and their labels are mixed by (Zhang et al. "
            "2018); 0: not"
        ),
    ] = 0.0

    def __post_init__(self) -> None:
        """Refuse numbers that are no numbers, and ranges that fall."""
        check_numbers(self)
