"""The command line of `keyword-detector`: arguments to settings, settings to one of the verbs."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from detector import __version__
from detector.arguments import Parser, parse_words
from detector.errors import EXIT_INTERNAL, EXIT_OK, DetectorError, SettingsError
from detector.settings import LOG_LEVELS, read_settings

log = logging.getLogger(__name__)

DESCRIPTION = "Listens for spoken keywords and prints those it hears."

EXAMPLES = """\
examples:
  keyword-detector listen                          the default microphone
  keyword-detector listen --device USB --json      another one, JSON Lines
  arecord -t raw -f S16_LE -r 16000 -c 1 | keyword-detector listen -
  keyword-detector detect meeting.wav memo.flac    recordings, as fast as the machine can
  keyword-detector listen --threshold 0.9 --threshold no=0.95
  keyword-detector check --device USB              settings, model and microphone

exit codes: 0 ended as asked; 2 command line cannot be parsed; 66 a recording is missing or not audio;
69 microphone missing or lost; 70 internal failure; 78 settings or model do not fit
"""

CONFIG_HELP = """TOML file with the keys model, words, threshold (a number, or a table of words),
false_accepts_per_hour, device, fallback_devices, recover, recovery (a table), json, events, log_level; flags beat it"""


def _threshold(text: str) -> tuple[str, float]:
    word, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"expected a number or WORD=NUMBER, found '{text}'") from exc
    if equals and not word:
        raise argparse.ArgumentTypeError(f"expected a number or WORD=NUMBER, found '{text}'")
    return word or "*", value


def _device(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all verbs."""
    parser = Parser(
        "keyword-detector",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"keyword-detector {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)

    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument(
        "--model",
        metavar="NAME|PATH",
        help="a model of 'keyword-detector models', or a .tflite file with its .json beside it (default: yes-no)",
    )
    shared.add_argument("--words", type=parse_words, metavar="yes,no", help="report only these of the model's words")
    shared.add_argument("--config", type=Path, metavar="FILE", help=CONFIG_HELP)
    shared.add_argument("--json", action=argparse.BooleanOptionalAction, help="print JSON")
    shared.add_argument(
        "--threshold",
        type=_threshold,
        action="append",
        metavar="X|WORD=X",
        help="score from which on a word is reported, above 0 up to 1; higher: fewer false accepts, "
        "more misses; repeatable (default: the model's)",
    )
    shared.add_argument(
        "--false-accepts-per-hour",
        type=float,
        metavar="X",
        help="pick the thresholds from the model's measured operating curve",
    )
    shared.add_argument("--log-level", choices=LOG_LEVELS, help="how much is said on stderr (default: info)")
    shared.add_argument("--version", action="version", version=f"keyword-detector {__version__}")
    device = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    device.add_argument(
        "--device",
        type=_device,
        metavar="INDEX|NAME-PART",
        help="capture device, as 'keyword-detector devices' lists it",
    )

    def add(name: str, text: str, *parents: Any) -> argparse.ArgumentParser:
        verb: argparse.ArgumentParser = verbs.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", parents=list(parents)
        )
        return verb

    verb = add("listen", "detect keywords as they are spoken, until stopped", shared, device)
    verb.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="nothing: the microphone; a file: that recording in "
        "real time; -: raw signed 16-bit little-endian 16 kHz mono samples on stdin",
    )
    verb.add_argument(
        "--recover",
        action=argparse.BooleanOptionalAction,
        default=argparse.SUPPRESS,
        help="wait for a microphone that is lost or not there yet (default); --no-recover ends with 69 instead",
    )
    verb.add_argument(
        "--give-up-after-s",
        type=float,
        default=argparse.SUPPRESS,
        metavar="S",
        help="end with 69 when the microphone was away for so long (default: never)",
    )
    verb.add_argument(
        "--events",
        action=argparse.BooleanOptionalAction,
        default=argparse.SUPPRESS,
        help='with --json: print gaps in the audio too, as {"event": "gap", ...}',
    )
    verb.add_argument(
        "--record",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="keep the last minutes of sound there and, of each detection or SIGUSR2, what is around it; "
        "'replay' hears it again",
    )
    verb = add("detect", "detect keywords in recordings, as fast as the machine can", shared)
    verb.add_argument(
        "files", nargs="+", metavar="FILE", help="any format, rate and number of channels that libsndfile reads"
    )
    verb = add("replay", "hear what --record kept again, as it was heard then")
    verb.add_argument("file", metavar="FILE", help="either file of the pair, .flac or .json")
    verb.add_argument("--model", metavar="NAME|PATH", help="another model than the one that heard it then")
    verb.add_argument("--json", action="store_true", help="print JSON")
    add("devices", "list the capture devices")
    add("models", "list the models that can be named")
    add(
        "check",
        "validate settings, model and, with --device, the microphone; print the settings in effect",
        shared,
        device,
    )
    verb = add("bench", "measure what detection costs on this machine", shared)
    verb.add_argument("--seconds", type=float, default=60.0, metavar="S", help="audio to measure on (default: 60)")
    return parser


def run(arguments: Sequence[str]) -> int:
    """Run one verb.

    Returns
    -------
    int
        The exit code, see `detector.errors`.
    """
    logging.basicConfig(level=logging.INFO, format="keyword-detector: %(message)s", stream=sys.stderr)
    try:
        try:
            code = _run_verb(vars(build_parser().parse_args(arguments)))
        except (Exception, SystemExit):  # not StopRequested: whoever should read may be what does not let us end
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our answer has gone
        return EXIT_OK
    except DetectorError as exc:
        log.error("%s", exc)  # noqa: TRY400 - a known error is one line
        return exc.exit_code
    except OSError as exc:
        log.error("expected to write to standard output, found: %s", exc.strerror)  # noqa: TRY400
        return EXIT_INTERNAL
    except Exception:
        log.exception("internal failure; please report it with the lines below")
        return EXIT_INTERNAL
    return code


def _run_verb(options: dict[str, Any]) -> int:
    from detector import verbs

    verb = options.pop("verb")
    if verb == "devices":
        return verbs.list_devices()
    if verb == "models":
        return verbs.list_models()
    if verb == "replay":
        return verbs.replay_file(options["file"], options["model"], as_json=options["json"])
    return _run_with_settings(verb, options)


def _run_with_settings(verb: str, options: dict[str, Any]) -> int:
    from detector import verbs

    own = {name: options.pop(name) for name in ("source", "files", "seconds") if name in options}
    file = options.pop("config", None)
    if "threshold" in options:
        options["threshold"] = dict(options["threshold"])
    if "record" in options:
        options["record"] = {"folder": options["record"]}
    if "give_up_after_s" in options:
        options["recovery"] = {"give_up_after_s": options.pop("give_up_after_s")}
    settings = read_settings(file, options)
    logging.getLogger().setLevel(settings.log_level.upper())
    if verb == "listen":
        if own["source"] is not None and "device" in options:
            raise SettingsError(f"expected either a source or --device, found '{own['source']}' and --device")
        from detector.daemon import listen

        # A terminal that is closed hangs up too, and then the command shall end.
        can_reload = file is not None and not sys.stderr.isatty()
        return listen(settings, own["source"], partial(read_settings, file, options) if can_reload else None)
    if verb == "detect":
        return verbs.detect(settings, own["files"])
    if verb == "check":
        return verbs.check(settings, is_device_asked="device" in options)
    return verbs.bench(settings, seconds=own["seconds"])
