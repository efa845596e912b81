"""Which words are synthesised, by whose voices, and how often."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from detector.types import Count, PositiveInt, Probability, Text, describe
from training.run.settings import Texts


class SynthesisSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which words are synthesised, and how often. Equal settings, texts and engines give equal clips."""

    words: Annotated[Texts, Meta(min_length=1), describe("the keywords", metavar="yes,no")]
    vocabulary: Annotated[
        Texts,
        describe("a text, a list of words, or transcripts in LibriSpeech's or LJ Speech's layout", metavar="FILE|DIR"),
    ] = ()
    skip_speakers: Annotated[Texts, describe("speakers whose transcripts are not read", metavar="ID,ID")] = ()
    also: Annotated[
        Texts,
        describe(
            "words that are spoken often",
            metavar="go,down",
            unset="the words of the vocabulary that sound nearly like a keyword",
        ),
    ] = ()
    language: Annotated[Text, describe("whose voices speak, as espeak-ng calls it: en, de, pt-br", metavar="LANG")] = (
        "en"
    )
    voices: Annotated[
        Text | None, describe("folder of Piper's voices, NAME.onnx and NAME.onnx.json", metavar="DIR", unset="none")
    ] = None
    natural_share: Annotated[
        Probability, describe("share of the clips that natural voices speak, flite's and Piper's, where there are some")
    ] = 0.15
    dictionary: Annotated[
        Text | None,
        describe(
            "a dictionary of pronunciations, as CMUdict: what sounds nearly like a keyword in it is spoken often",
            metavar="FILE",
            unset="none",
        ),
    ] = None
    n_near: Annotated[PositiveInt, describe("words of the dictionary that are spoken often, the nearest first")] = 40
    n_made_up: Annotated[
        Count,
        describe("spellings that sound nearly like a keyword, made up and spoken often: of any language"),
    ] = 0
    n_words: Annotated[PositiveInt, describe("words of the vocabulary, the most frequent first")] = 4000
    clips_per_keyword: Annotated[PositiveInt, describe("clips of each keyword")] = 300
    clips_per_neighbour: Annotated[PositiveInt, describe("clips of each word that is spoken often")] = 60
    clips_per_word: Annotated[PositiveInt, describe("clips of each other word")] = 3
    seed: Annotated[int, Meta(ge=0), describe("seed of all randomness")] = 0
