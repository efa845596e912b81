"""`keyword-trainer compose`."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.cli.arguments import parse_words, print_lines
from detector.errors import SettingsError
from training.verbs.arguments import (
    add_cache,
    add_channel,
    add_data,
    add_noise,
    add_seed,
    add_speech,
    add_split,
    not_negative,
    open_recordings,
    parse_count,
    parse_finite,
)

NAME = "compose"
SUMMARY = "compose a recording with known truth: words with pauses, running speech, or both mixed"
COMPOSED_RATE_HZ = 16000
LONGEST_GAP_S = 600.0


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    add_data(verb, required=False)
    add_noise(verb)
    add_cache(verb)
    add_channel(verb)
    add_speech(verb)
    verb.add_argument(
        "--out", type=Path, required=True, metavar="WAV", help="recording; its truth goes beside it, .json"
    )
    add_split(verb)
    verb.add_argument(
        "--n-words", type=parse_count, metavar="N", help="single words to say, none twice (default: all there are)"
    )
    verb.add_argument(
        "--gap-s",
        type=not_negative(float),
        nargs=2,
        default=(0.8, 2.0),
        metavar=("MIN", "MAX"),
        help="pause between words in seconds, at most 600 (default: 0.8 2)",
    )
    verb.add_argument(
        "--snr-db", type=parse_finite, metavar="X", help="mix in noise this far below the words (default: none)"
    )
    verb.add_argument(
        "--without",
        type=parse_words,
        default=(),
        metavar="yes,no",
        help="running speech: leave out utterances with one of these words",
    )
    verb.add_argument(
        "--confusable",
        type=parse_words,
        default=(),
        metavar="know,now",
        help="running speech: mark utterances with one of these words, so that what fires there is counted apart",
    )
    verb.add_argument(
        "--only",
        type=parse_words,
        default=(),
        metavar="know",
        help="single words: only these; running speech: only utterances with one of these",
    )
    add_seed(verb)


def run(options: argparse.Namespace) -> None:
    """Compose a recording and its truth."""
    import numpy as np

    from training.evaluate.streams import (
        SPEECH_GAP_S,
        Piece,
        compose,
        speech_pieces,
        untrained_noises,
        word_pieces,
        write_stream,
    )

    if not options.data and not options.speech:
        raise SettingsError("expected --data (single words), --speech (running speech), or both")
    if options.speech and not options.without:
        raise SettingsError(
            "expected --without yes,no with --speech: where a keyword stands in running speech is not known, "
            "so that utterances that hold one have to be left out"
        )
    least_s, most_s = options.gap_s
    if not least_s <= most_s <= LONGEST_GAP_S:
        raise SettingsError(f"expected --gap-s MIN MAX up to {LONGEST_GAP_S:g}, found {least_s:g} {most_s:g}")
    if options.without and not options.speech:
        raise SettingsError("expected --speech with --without: single words are chosen by --only")
    # These may be keywords, whose recordings are divided as for a training where few people speak them.
    collection = open_recordings(options, COMPOSED_RATE_HZ, (*options.only, *options.without))
    rng = np.random.default_rng(options.seed)
    pieces: list[Piece] = []
    if options.data:
        pieces += word_pieces(
            collection,
            split=options.split,
            n_words=options.n_words,
            sample_rate_hz=COMPOSED_RATE_HZ,
            rng=rng,
            only=() if options.speech else options.only,
        )
    if options.speech:
        pieces += speech_pieces(
            collection,
            split=options.split,
            without=options.without,
            only=options.only,
            confusable=options.confusable,
        )
    if options.data and options.speech:
        pieces = [pieces[k] for k in rng.permutation(len(pieces))]
    samples, truth = compose(
        pieces,
        gap_s=tuple(options.gap_s) if options.data else SPEECH_GAP_S,
        sample_rate_hz=COMPOSED_RATE_HZ,
        rng=rng,
        noises=untrained_noises(collection) if options.snr_db is not None else (),
        snr_db=options.snr_db,
    )
    write_stream(samples, truth, options.out, COMPOSED_RATE_HZ)
    confusable = f", {len(truth.confusable)} confusable utterances apart" if truth.confusable else ""
    print_lines([f"{options.out}: {truth.hours:.2f} h, {len(truth.words)} words{confusable}"])
