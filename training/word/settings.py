"""What a word of one's own is trained on."""

from __future__ import annotations

from typing import Annotated

import msgspec

from detector.types import Channel, PositiveInt, Text, describe
from training.run.settings import Many, Seed, Texts


class WordSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A word, what there is of it, and what it is to be distinguished from."""

    word: Annotated[Text, describe('as it is spelled: computer, "hey computer"')]
    recordings: Annotated[
        Text | None,
        describe(
            "recordings of the word, each with it once: DIR/FILE, or DIR/SPEAKER/FILE; files named NAME-NUMBER say who "
            "speaks, too",
            metavar="DIR",
            unset="none: voices alone",
        ),
    ] = None
    speaker: Annotated[
        Text | None, describe("who speaks in all of the recordings", metavar="NAME", unset="their names say it")
    ] = None
    language: Annotated[
        Text | None,
        describe(
            "the word's language, as espeak-ng calls it: en, de, pt-br",
            metavar="LANG",
            unset="that of its letters, English where they are Latin",
        ),
    ] = None
    voices: Annotated[
        Text | None, describe("folder of Piper's voices, which speak, too", metavar="DIR", unset="none")
    ] = None
    dictionary: Annotated[
        Text | None,
        describe(
            "pronunciations, as CMUdict: its words nearest in sound are spoken as what the word is not",
            metavar="FILE",
            unset="spellings made up by espeak-ng's phonemes",
        ),
    ] = None
    vocabulary: Annotated[
        Texts,
        describe(
            "texts or folders of transcripts, whose words are spoken as what the word is not",
            metavar="FILE|DIR",
            unset="the transcripts of the running speech; without, and in English, those of the shipped bank",
        ),
    ] = ()
    data: Annotated[
        Texts, describe("other words, spoken by people, as 'keyword-trainer train' takes them", metavar="DIR")
    ] = ()
    speech: Annotated[Texts, describe("running speech in LibriSpeech's or LJ Speech's layout", metavar="DIR")] = ()
    noise: Annotated[Texts, describe("noise recordings", metavar="DIR")] = ()
    validation_speakers: Annotated[
        Texts,
        describe("speakers of running speech that are not trained on", metavar="ID,ID", unset="one in ten, by a hash"),
    ] = ()
    embedding: Annotated[
        Text | None,
        describe(
            "what the network begins as: a pair that 'keyword-trainer distil' exported",
            metavar="PATH",
            unset="the one that ships",
        ),
    ] = None
    clips: Annotated[PositiveInt, describe("times that voices speak the word")] = 400
    epochs: Annotated[Many, describe("epochs, of 16,000 windows each")] = 16
    channel: Annotated[
        Channel, describe("of recordings with several channels, as for 'train'", metavar="N|mix|auto")
    ] = "auto"
    seed: Annotated[Seed, describe("seed of all randomness")] = 0
