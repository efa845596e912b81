"""The command line of `keyword-trainer`: its verbs, their options, and errors as one line with the right exit code."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import detector
from detector.arguments import Parser, parse_words
from detector.errors import EXIT_INTERNAL, EXIT_OK, DetectorError
from training.dataset import SPLITS, VALIDATION
from training.verbs import ARCHIVE_NAMES, BACKENDS, IMAGE_KINDS, SPLITS_BY, VERBS

CACHE_HELP = "where decoded recordings and composed windows are kept (default: %(default)s)"

DESCRIPTION = "Trains the models of keyword-detector: recordings in, an int8 .tflite and its manifest out."

EXAMPLES = """\
a whole training, on Speech Commands as it is downloaded:
  keyword-trainer train --data speech_commands_v0.02 --words yes,no --speech LibriSpeech/train-clean-5 \\
      --skip-words know,knows --out runs/yes-no
  keyword-trainer export runs/yes-no --name yes-no
  keyword-detector listen --model yes-no
"""


def default_cache() -> Path:
    """Return the folder where decoded recordings are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keyword-trainer"


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {number}")
    return number


def _not_negative(kind: type[Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        number = kind(text)
        if not number >= 0:
            raise argparse.ArgumentTypeError(f"expected at least 0, found {text}")
        return number

    convert.__name__ = kind.__name__
    return convert


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, found '{text}'")
    return name, value


def _threshold(text: str) -> tuple[str, float]:
    word, value = _assignment(text)
    try:
        return word, float(value)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"expected WORD=NUMBER, found '{text}'") from exc


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all verbs."""
    parser = Parser(
        "keyword-trainer",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"keyword-trainer {detector.__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        verb: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text.capitalize() + ".")
        return verb

    def add_folders(verb: argparse.ArgumentParser, *, needs_data: bool) -> None:
        verb.add_argument(
            "--data",
            action="append",
            default=[],
            required=needs_data,
            metavar="DIR",
            help="words: Speech Commands, any tree WORD/FILE, a table NAME.csv, or TensorFlow Datasets; repeatable",
        )
        verb.add_argument(
            "--noise",
            action="append",
            default=[],
            metavar="DIR",
            help="noise recordings, beside the data's _background_noise_; repeatable",
        )
        verb.add_argument(
            "--cache",
            type=Path,
            default=default_cache(),
            metavar="DIR",
            help=CACHE_HELP,
        )

    def add_speech(verb: argparse.ArgumentParser) -> None:
        verb.add_argument(
            "--speech",
            action="append",
            default=[],
            metavar="DIR",
            help="running speech in LibriSpeech's or LJ Speech's layout; repeatable",
        )
        verb.add_argument(
            "--validation-speakers",
            type=parse_words,
            metavar="ID,ID",
            help="speakers of running speech that are not trained on (default: one in ten, by a hash)",
        )

    verb = add("download", "fetch recordings to begin with: resumed, verified, unpacked")
    verb.add_argument("name", choices=ARCHIVE_NAMES, help="2.4 GB of 35 words by thousands of people, CC BY 4.0")
    verb.add_argument("--out", type=Path, metavar="DIR", help="new folder to unpack into (default: NAME, here)")
    verb.add_argument("--url", metavar="URL", help="a mirror of the archive; its checksum is that of the original")

    verb = add("train", "train a network, quantise it to int8, measure it; a run of its own folder, resumable")
    verb.add_argument(
        "--recipe", type=Path, metavar="TOML", help="settings of a run, as models/recipes/ has them; flags beat it"
    )
    verb.add_argument(
        "--root",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where the recipe's folders of recordings lie (default: here)",
    )
    add_folders(verb, needs_data=False)
    add_speech(verb)
    verb.add_argument(
        "--synthetic",
        action="append",
        default=[],
        metavar="DIR",
        help="words of `keyword-trainer synthesize`: trained on, never measured on; repeatable",
    )
    verb.add_argument("--words", type=parse_words, metavar="yes,no", help="the keywords; every other word is 'unknown'")
    verb.add_argument(
        "--skip-words",
        type=parse_words,
        metavar="know,knows",
        help="words that sound like a keyword: running speech that holds one is not trained on",
    )
    verb.add_argument(
        "--confusable",
        type=parse_words,
        metavar="now,go",
        help="words that nearly sound like a keyword: trained on as any other, but running speech that holds one is "
        "left out when false accepts are measured",
    )
    verb.add_argument(
        "--left-out",
        type=parse_words,
        metavar="go,down",
        help="words whose clips are not trained on, to see whether the network fires on words it has never met",
    )
    verb.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    verb.add_argument(
        "--resume", action="store_true", help="go on with the run in RUN, with the settings it began with"
    )
    verb.add_argument(
        "--architecture",
        metavar="NAME",
        help="network: ds-cnn or ts-resnet, either also -tiny or -wide, cnn or tc-resnet (default: ts-resnet); "
        "tutorial-cnn: a plain CNN on pictures of the keywords alone, to compare with",
    )
    verb.add_argument(
        "--split-by",
        choices=SPLITS_BY,
        default=SPLITS_BY[0],
        help="with tutorial-cnn: divide clips by speaker, or at random, to see what that hides (default: %(default)s)",
    )
    verb.add_argument("--epochs", type=int, metavar="N", help="epochs (default: 40)")
    verb.add_argument("--steps-per-epoch", type=int, metavar="N", help="batches an epoch (default: 1000)")
    verb.add_argument("--batch-size", type=int, metavar="N", help="windows a batch (default: 256)")
    verb.add_argument("--learning-rate", type=float, metavar="X", help="peak learning rate (default: 0.003)")
    verb.add_argument(
        "--distinct-windows",
        type=int,
        metavar="N",
        help="windows composed before training, about 2 kB each in the cache; each is seen several times "
        "(default: 1000000)",
    )
    verb.add_argument(
        "--precision", metavar="NAME", help="auto, float32, mixed_float16 or mixed_bfloat16 (default: auto)"
    )
    verb.add_argument(
        "--strategy",
        metavar="NAME",
        help="auto, one (device) or mirrored (over all GPUs that TensorFlow sees) (default: auto, mirrored when there "
        "are several GPUs)",
    )
    verb.add_argument(
        "--backend",
        choices=BACKENDS,
        default=BACKENDS[0],
        help="framework that trains; TensorFlow exports what any of them trained (default: %(default)s)",
    )
    verb.add_argument("--seed", type=_not_negative(int), metavar="N", help="seed of all randomness (default: 0)")
    verb.add_argument(
        "--licence",
        type=_assignment,
        action="append",
        default=[],
        metavar="FOLDER=TEXT",
        help="licence of a data folder, for the manifest; repeatable",
    )
    verb.add_argument(
        "--workers",
        type=_count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that compose windows (default: %(default)s)",
    )

    verb = add("evaluate", "measure the accuracy of a model on clips, through the detector's own code")
    verb.add_argument("model", help="name or path of a model")
    add_folders(verb, needs_data=True)
    verb.add_argument("--split", choices=SPLITS, default=VALIDATION, help="speakers (default: %(default)s)")
    verb.add_argument("--seed", type=_not_negative(int), default=0, metavar="N", help="chooses the clips (default: 0)")
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.add_argument(
        "--offsets",
        type=_count,
        metavar="N",
        help="measure instead how much scores depend on where windows fall: a word's spread over N shifts by a sample",
    )
    verb.add_argument(
        "--clips-per-word", type=_count, default=100, metavar="N", help="with --offsets (default: %(default)s)"
    )

    verb = add("synthesize", "speak words with espeak-ng, and flite where installed: negatives of the whole dictionary")
    verb.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the clips, in the Speech Commands layout"
    )
    verb.add_argument("--words", type=parse_words, required=True, metavar="yes,no", help="the keywords")
    verb.add_argument(
        "--vocabulary",
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="a text, a list of words, or transcripts in LibriSpeech's or LJ Speech's layout; repeatable",
    )
    verb.add_argument(
        "--skip-speakers", type=parse_words, default=(), metavar="ID,ID", help="speakers whose transcripts are not read"
    )
    verb.add_argument(
        "--also",
        type=parse_words,
        default=(),
        metavar="go,down",
        help="words that are said often (default: the words of the vocabulary that sound nearly like a keyword)",
    )
    for option, default, text in (
        ("--n-words", 4000, "words of the vocabulary, the most frequent first"),
        ("--clips-per-keyword", 300, "clips of each keyword"),
        ("--clips-per-neighbour", 60, "clips of each word that is said often"),
        ("--clips-per-word", 3, "clips of each other word"),
    ):
        verb.add_argument(option, type=_count, default=default, metavar="N", help=f"{text} (default: %(default)s)")
    verb.add_argument("--seed", type=_not_negative(int), default=0, metavar="N", help="of all randomness (default: 0)")

    verb = add("compose", "compose a recording with known truth: words with pauses, running speech, or both mixed")
    add_folders(verb, needs_data=False)
    add_speech(verb)
    verb.add_argument(
        "--out", type=Path, required=True, metavar="WAV", help="recording; its truth goes beside it, .json"
    )
    verb.add_argument("--split", choices=SPLITS, default=VALIDATION, help="speakers (default: %(default)s)")
    verb.add_argument("--n-words", type=_count, default=600, metavar="N", help="words to say (default: %(default)s)")
    verb.add_argument(
        "--gap-s",
        type=_not_negative(float),
        nargs=2,
        default=(0.4, 2.0),
        metavar=("MIN", "MAX"),
        help="pause between words in seconds (default: 0.4 2)",
    )
    verb.add_argument("--snr-db", type=float, metavar="X", help="mix in noise this far below the words (default: none)")
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
    verb.add_argument("--seed", type=_not_negative(int), default=0, metavar="N", help="of all randomness (default: 0)")

    verb = add("evaluate-stream", "misses, false accepts per hour and delay on a recording with known truth")
    verb.add_argument("model", help="name or path of a model")
    verb.add_argument("--recording", type=Path, required=True, metavar="WAV")
    verb.add_argument(
        "--truth",
        type=Path,
        required=True,
        metavar="JSON",
        help='{"words": [{"word", "start_s", "end_s"}], "hours": H}',
    )
    verb.add_argument(
        "--threshold",
        type=_threshold,
        action="append",
        default=[],
        metavar="WORD=X",
        help="instead of the manifest's; repeatable",
    )
    verb.add_argument(
        "--condition",
        action="append",
        default=[],
        metavar="NAME",
        help="put the recording under a condition first, and print a table: clean, snr-20, snr-10, snr-5, snr-0 (dB, "
        "with --noise), near, reverberant, gain-10, gain-20, gain-30 (dB), rate-8000, rate-44100, rate-48000 (Hz), "
        "lost-1 (%% of the samples), or all; repeatable",
    )
    verb.add_argument("--noise", action="append", default=[], metavar="DIR", help="noise recordings; repeatable")
    verb.add_argument("--seed", type=_not_negative(int), default=0, metavar="N", help="of all randomness (default: 0)")
    verb.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR", help=CACHE_HELP)
    verb.add_argument("--json", action="store_true", help="print JSON")

    verb = add("compare", "tell whether one model is better than another on a recording, by a paired bootstrap")
    verb.add_argument("first", help="name or path of a model")
    verb.add_argument("second", help="the model whose gain or loss is reported")
    verb.add_argument("--recording", type=Path, required=True, metavar="WAV")
    verb.add_argument("--truth", type=Path, required=True, metavar="JSON")
    verb.add_argument("--seed", type=_not_negative(int), default=0, metavar="N", help="of the resamples (default: 0)")
    verb.add_argument("--json", action="store_true", help="print JSON")

    verb = add("calibrate", "measure a model's operating curve, write it and the default thresholds into the manifest")
    verb.add_argument("model", help="name or path of a model")
    verb.add_argument(
        "--words-data",
        dest="data",
        action="append",
        required=True,
        metavar="DIR",
        help="word clips in the Speech Commands layout, for the misses; repeatable",
    )
    add_speech(verb)
    verb.add_argument(
        "--skip-words",
        type=parse_words,
        default=(),
        metavar="know,knows",
        help="words that sound like a keyword: running speech that holds one is left out, as with the keywords",
    )
    verb.add_argument("--split", choices=SPLITS, default=VALIDATION, help="speakers (default: %(default)s)")
    verb.add_argument(
        "--false-accepts-per-hour",
        type=float,
        default=1.0,
        metavar="X",
        help="the default thresholds are those of fewest misses within this rate (default: %(default)g)",
    )
    verb.add_argument(
        "--seed", type=_not_negative(int), default=0, metavar="N", help="of the words' order (default: 0)"
    )
    verb.add_argument("--picture", type=Path, metavar="PNG", help="draw the curve, too")
    verb.add_argument("--json", action="store_true", help="print the curve as JSON")
    verb.add_argument("--dry-run", action="store_true", help="measure, but leave the manifest as it is")
    verb.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR", help=CACHE_HELP)

    verb = add("inspect", "draw recordings from waveform to scores, or a tree of spectrogram images")
    verb.add_argument("clips", nargs="*", metavar="CLIP", help="recordings to draw side by side")
    verb.add_argument("--out", type=Path, metavar="PNG", help="picture of the clips")
    verb.add_argument("--model", default="yes-no", help="model whose spectrogram and scores are drawn (%(default)s)")
    verb.add_argument(
        "--images", type=Path, metavar="DIR", help="write an image of each clip of --data: DIR/SPLIT/WORD/CLIP.png"
    )
    verb.add_argument("--kind", choices=IMAGE_KINDS, default=IMAGE_KINDS[0], help="of images (default: %(default)s)")
    add_folders(verb, needs_data=False)

    verb = add("report", "write one HTML page on a finished run: curves, figures, mistakes to listen to")
    verb.add_argument("run", type=Path, metavar="RUN", help="folder of the run")
    verb.add_argument("--out", type=Path, metavar="HTML", help="the page (default: RUN/report.html)")
    verb.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR", help=CACHE_HELP)

    verb = add("export", "copy the model of a finished run to a folder of models, under a name")
    verb.add_argument("run", type=Path, metavar="RUN", help="folder of the run")
    verb.add_argument("--name", required=True, help="name of the model")
    verb.add_argument("--to", type=Path, default=Path("models"), metavar="DIR", help="folder (default: %(default)s)")
    verb.add_argument(
        "--threshold",
        type=_threshold,
        action="append",
        default=[],
        metavar="WORD=X",
        help="score from which on a word is reported; repeatable",
    )
    verb.add_argument("--smoothing-windows", type=int, metavar="N", help="windows that scores are averaged over")
    verb.add_argument("--stride-s", type=float, metavar="S", help="from one window to the next, in seconds")
    verb.add_argument("--refractory-s", type=float, metavar="S", help="how long a word is not reported again")
    return parser


def run(arguments: Sequence[str]) -> int:
    """Run one verb; return the exit code."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, _on_terminate)
    try:
        VERBS[options.verb](options)
    except DetectorError as exc:
        sys.stderr.write(f"keyword-trainer: {exc}\n")
        return exc.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("keyword-trainer: interrupted\n")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as exc:
        sys.stderr.write(f"keyword-trainer: expected to read and write files, found: {exc}\n")
        return EXIT_INTERNAL
    return EXIT_OK


def _on_terminate(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does: worker processes are stopped on the way out."""
    raise KeyboardInterrupt
