"""The options of `learn`, `wrong` and `missed`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from detector.cli.arguments import Parser, parse_channel, parse_path
from detector.cli.options import add_option, take_given
from detector.process.log import set_log
from detector.settings import Settings, read_settings

VERBS = ("learn", "wrong", "missed")
SERVICE_SETTINGS = Path("/etc/keyword-detector.toml")
"""Of the system's service: where a recording is looked for that nobody names."""

LEARN = """\
Learns a word of your own from a few takes of it, on this machine: a model that 'listen' and 'detect' take by its
name. Without recordings it asks for takes at the microphone, judges each at once, and then records a minute of the
room. Takes are kept beside the model, for you alone to read; nothing leaves the machine.
"""
LEARN_EXAMPLES = """\
examples:
  keyword-detector learn                           what was learnt
  keyword-detector learn computer                  asks for 5 takes at the microphone
  keyword-detector learn "hey computer" takes/     all in a folder; takes/anna/*.wav, takes/ben/*.wav are two people's
  keyword-detector learn computer a.wav b.m4a c.flac --speaker anna --background kitchen.wav
  keyword-detector learn --from words/             several: words/computer/*.wav, words/jarvis/*.wav
  keyword-detector learn computer --say            from its spelling alone, by voices that are installed
  keyword-detector learn computer d.wav --add      from one take more
  keyword-detector learn computer takes/ --only-me other voices are refused, as far as that is possible
  keyword-detector learn computer --undo           as it was before the last lesson
  keyword-detector listen --model yes-no,computer  beside the words of another model

A take is one recording of the word, said once, with some quiet around it. Three are enough to begin with; ten of
several people are better. What it prints as expected is measured on what it did not learn from, or "not known".
"""
WRONG = """\
Learns that the last detection of a learnt word in a recording of the flight recorder was wrong.
"""
MISSED = """\
Learns a word that was said and missed, from a recording of the flight recorder: where its score is highest. With
--last, a detector that records into the folder is asked to keep what was just said first.
"""
CORRECTION = """\

It is kept beside the model, and the word is learnt again. All that was kept before is detected in again: what got
worse is reported. A detector that records into that folder takes the word over without losing a sample, if its
settings name it. Nothing leaves the machine. --undo goes one step back.
"""
CORRECTION_EXAMPLES = """\
examples:
  keyword-detector {verb}                           the newest recording of the service (sudo), or with --config
  keyword-detector {verb} ~/kept                    the newest recording in a folder
  keyword-detector {verb} ~/kept/20261128-101500-120-computer.flac
  keyword-detector {verb} --undo
"""


def add_learning(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the three verbs; `add` takes name, help and parents."""
    shared = Parser(add_help=False)
    add_option(shared, Settings, "json")
    add_option(shared, Settings, "log_level")
    add_option(shared, Settings, "log_format")
    shared.add_argument(
        "--folder",
        type=parse_path,
        metavar="DIR",
        help="folder of models to keep the word in, as /var/lib/keyword-detector/models, the service's (default: the "
        "user's own)",
    )
    shared.add_argument("--undo", action="store_true", help="go back to what was before the last lesson, one step")
    _add_learn(add("learn", "learn a word of your own from a few takes of it", shared))
    for verb, text in (("wrong", WRONG), ("missed", MISSED)):
        parser = add(verb, f"learn from {'a false detection' if verb == 'wrong' else 'a missed word'}", shared)
        parser.description = text + CORRECTION
        parser.epilog = CORRECTION_EXAMPLES.format(verb=verb)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument(
            "flight",
            nargs="?",
            type=parse_path,
            metavar="FLIGHT|DIR",
            help="either file of a recording, or the folder whose newest one is meant (default: that of the settings)",
        )
        parser.add_argument("--word", metavar="WORD", help="the learnt word that is meant, where there are several")
        parser.add_argument(
            "--config",
            type=parse_path,
            metavar="FILE",
            help=f"settings whose 'record' names the folder (default: {SERVICE_SETTINGS}, where it is there)",
        )
        if verb == "wrong":
            parser.add_argument(
                "--all", action="store_true", help="all detections of the word in it, not the last alone"
            )
        else:
            parser.add_argument(
                "--last",
                type=float,
                metavar="S",
                help="it was said in the last S seconds, up to now or in the recording",
            )


def _add_learn(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = LEARN, LEARN_EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_option(parser, Settings, "device", type=lambda text: int(text) if text.isdecimal() else text)
    add_option(parser, Settings, "channel", type=parse_channel)
    parser.add_argument("word", nargs="?", metavar="WORD", help="nothing: list what was learnt")
    parser.add_argument(
        "recordings", nargs="*", type=parse_path, metavar="RECORDING|FOLDER", help="takes of the word; of a folder all"
    )
    parser.add_argument(
        "--from", dest="tree", type=parse_path, metavar="TREE", help="learn the word of each folder in it"
    )
    parser.add_argument(
        "--speaker",
        metavar="NAME",
        help="who says these takes, but for those that lie in a folder of their speaker's, or are named as in Speech "
        "Commands (SPEAKER_nohash_0.wav)",
    )
    parser.add_argument(
        "--only-me",
        action=argparse.BooleanOptionalAction,
        help="refuse other voices than those of these takes, as far as they can be told apart: no security; what it "
        "costs and refuses is reported. Needs espeak-ng. A word that was learnt is learnt again, with or without it",
    )
    parser.add_argument(
        "--background",
        action="append",
        type=parse_path,
        metavar="FILE",
        default=[],
        help="the room without the word, from which it is told apart, too; repeatable",
    )
    parser.add_argument("--takes", type=int, metavar="N", help="to ask for at the microphone (default: 5)")
    parser.add_argument(
        "--room-s", type=float, metavar="S", help="of the room to record at the microphone; 0: none (default: 60)"
    )
    parser.add_argument(
        "--say",
        action="store_true",
        help="have it said by the voices that are installed (espeak-ng, flite, Piper), beside recordings or alone: "
        "what voices alone are worth is not known until people have said the word",
    )
    parser.add_argument(
        "--language",
        metavar="LANG",
        help="of the word for --say and --only-me, as espeak-ng calls it (default: by letters and locale)",
    )
    parser.add_argument(
        "--voices",
        type=parse_path,
        metavar="DIR",
        help="voices of Piper for --say (default: the folder 'voices' beside the user's models, if it is there)",
    )
    parser.add_argument("--add", action="store_true", help="learn a word that was learnt from more takes, too")
    parser.add_argument("--forget", action="store_true", help="remove the word, its model and its takes")
    parser.add_argument(
        "--false-accepts-per-hour",
        dest="rate",
        type=float,
        metavar="X",
        help="how often it may be detected in an hour of running speech without it; strict misses more (default: 0.5)",
    )


def run_learning(verb: str, options: dict[str, Any]) -> int:
    """Run one of the three."""
    flags, file = take_given(options, Settings), options.pop("config", None)
    set_log("info", as_json=flags.get("log_format") == "json")
    if verb != "learn" and file is None and options["flight"] is None and SERVICE_SETTINGS.is_file():
        file = SERVICE_SETTINGS
    settings = read_settings(None, flags)
    if file is not None:  # what else it sets is meant for who listens
        settings = msgspec.structs.replace(settings, record=read_settings(file, {}).record)
    set_log(settings.log_level, as_json=settings.log_format == "json")
    if verb == "learn":
        from detector.cli.learn import LearnOptions, learn

        return learn(settings, LearnOptions(**options))
    from detector.cli.correct import CorrectOptions, correct

    return correct(settings, CorrectOptions(is_missed=verb == "missed", **options))
