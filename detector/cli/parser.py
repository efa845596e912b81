"""The command line of `keyword-detector`: arguments to settings, settings to one of the verbs."""

from __future__ import annotations

import argparse
import logging
import socket
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from detector import __version__
from detector.audio.pcm import normalise_name
from detector.cli.arguments import Parser, parse_channel, parse_path
from detector.cli.learning import VERBS, add_learning, run_learning
from detector.cli.options import AddPair, Several, add_option, name_keys, take_given
from detector.cli.sources import check_source
from detector.errors import EXIT_INTERNAL, EXIT_OK, DetectorError, SettingsError
from detector.process.log import log_to_stderr, set_log
from detector.process.stdout import STDOUT, has_no_reader
from detector.settings import Settings, read_settings

log = logging.getLogger(__name__)

DESCRIPTION = "Listens for spoken keywords and prints those it detects."

EXAMPLES = """\
examples:
  keyword-detector listen                          the default microphone
  keyword-detector listen --device USB --json      another one, JSON Lines
  arecord -t raw -f S16_LE -r 16000 -c 1 | keyword-detector listen -
  keyword-detector detect meeting.wav memo.flac    recordings, as fast as the machine can
  keyword-detector detect --recursive --csv memos  all of a folder, as a table
  keyword-detector listen --threshold 0.9 --threshold no=0.95
  keyword-detector listen --model yes-no,computer  several models together
  keyword-detector serve                           many clients, each with its own sound: Home Assistant
  keyword-detector check --device USB              settings, model and microphone
  keyword-detector learn computer                  a word of your own: asks for it at the microphone

exit codes: 0 ended as asked; 2 command line cannot be parsed; 66 a recording is missing or not audio;
69 microphone missing or lost; 70 internal failure; 78 settings or model do not fit
"""


def _threshold(text: str) -> tuple[str, float]:
    word, equals, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"expected a number or WORD=NUMBER, found '{text}'") from exc
    if equals and not word:
        raise argparse.ArgumentTypeError(f"expected a number or WORD=NUMBER, found '{text}'")
    return word or "*", value


def _command(text: str) -> tuple[str, str]:
    word, equals, command = text.partition("=")
    if not word or not equals or not command.strip():
        raise argparse.ArgumentTypeError(f"expected WORD=COMMAND, found '{text}'")
    return word, command


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

    shared = Parser(add_help=False)
    add_option(shared, Settings, "model", action=Several)
    add_option(shared, Settings, "words")
    shared.add_argument(
        "--config", type=parse_path, metavar="FILE", help=f"TOML file; flags beat it; keys: {name_keys(Settings)}"
    )
    add_option(shared, Settings, "json")
    add_option(shared, Settings, "threshold", type=_threshold, action=AddPair)
    add_option(shared, Settings, "false_accepts_per_hour")
    add_option(shared, Settings, "channel", type=parse_channel)
    add_option(shared, Settings, "log_level")
    add_option(shared, Settings, "log_format")
    add_option(shared, Settings, "name")
    shared.add_argument("--version", action="version", version=f"keyword-detector {__version__}")
    live = Parser(add_help=False)
    add_option(live, Settings, "recover")
    add_option(live, Settings, "recovery.give_up_after_s")
    add_option(live, Settings, "events")
    add_option(live, Settings, "record.folder", "--record")
    add_option(live, Settings, "on", type=_command, action=AddPair)
    add_option(live, Settings, "output.path", "--output")
    add_option(live, Settings, "mqtt.url", "--mqtt")
    add_option(live, Settings, "metrics.address", "--metrics")
    add_option(live, Settings, "stdin.rate", "--rate")
    add_option(live, Settings, "stdin.channels", "--channels")
    add_option(live, Settings, "stdin.format", "--format", type=normalise_name)
    device = Parser(add_help=False)
    add_option(device, Settings, "device", type=_device)

    def add(name: str, text: str, *parents: Any) -> argparse.ArgumentParser:
        verb: argparse.ArgumentParser = verbs.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".", parents=list(parents)
        )
        return verb

    verb = add("listen", "detect keywords as they are spoken, until stopped", shared, device, live)
    verb.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="nothing: the microphone; a file: that recording in "
        "real time; -: a WAV stream on standard input, or raw samples: signed 16-bit little-endian, 16 kHz, mono, "
        "unless --format, --rate, --channels say otherwise",
    )
    verb = add("detect", "detect keywords in recordings, as fast as the machine can", shared)
    verb.add_argument(
        "files",
        nargs="+",
        metavar="FILE|DIR",
        help="any format, rate and number of channels that libsndfile reads; of a folder the recordings in it",
    )
    verb.add_argument("--recursive", action="store_true", help="look into the folders in folders, too")
    verb.add_argument("--csv", action="store_true", help="print a table (CSV) instead of lines for people or JSON")
    verb.add_argument(
        "--labels",
        type=parse_path,
        metavar="DIR",
        help="also write DIR/RECORDING.txt for each recording: labels for Audacity (File, Import, Labels)",
    )
    verb = add("serve", "serve many clients, each with its own sound (Wyoming), until stopped", shared)
    add_option(verb, Settings, "serve.uri", "--uri")
    add_option(
        verb, Settings, "serve.announce", "--zeroconf", nargs="?", const=f"keyword-detector {socket.gethostname()}"
    )
    verb = add("replay", "detect again in what --record kept, from the state that the detector was in")
    verb.add_argument("file", metavar="FILE", help="either file of the pair, .flac or .json")
    verb.add_argument("--model", metavar="NAME|PATH", help="another model than the one of that time")
    verb.add_argument("--json", action="store_true", help="print JSON")
    for name, text in (("devices", "list the capture devices"), ("models", "list the models that can be named")):
        add(name, text).add_argument("--json", action="store_true", help="print JSON")
    add(
        "check",
        "validate settings, model and, with --device, the microphone; print the settings in effect",
        shared,
        device,
    )
    verb = add("config", "print all settings, or what is in effect and from where", shared, device, live)
    answers = verb.add_mutually_exclusive_group(required=True)
    for answer, text in (
        ("example", "a settings file (TOML) of every setting with its default, and what it means"),
        ("show", "what the other options put into effect, and whether by flag, file, model or default"),
        ("schema", "the JSON Schema of a settings file, and in its $defs of every event"),
    ):
        answers.add_argument(f"--{answer}", action="store_const", dest="answer", const=answer, help=text)
    add_learning(add)
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
    log_to_stderr("keyword-detector: %(message)s")
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
        if has_no_reader(exc, STDOUT):
            return EXIT_OK
        log.error("expected to write to standard output, found: %s", exc.strerror)  # noqa: TRY400
        return EXIT_INTERNAL
    except Exception:
        log.exception("internal failure; please report it with the lines below")
        return EXIT_INTERNAL
    return code


def _run_verb(options: dict[str, Any]) -> int:
    """Import what a verb needs, and no more, and run it."""
    verb = options.pop("verb")
    if verb in ("devices", "models"):
        from detector.cli import listing

        answer = listing.list_devices if verb == "devices" else listing.list_models
        return answer(as_json=options["json"])
    if verb == "replay":
        from detector.cli.replay import replay_file

        return replay_file(options["file"], options["model"], as_json=options["json"])
    if verb in VERBS:
        return run_learning(verb, options)
    return _run_with_settings(verb, options)


def _run_with_settings(verb: str, options: dict[str, Any]) -> int:
    flags, file = take_given(options, Settings), options["config"]
    set_log("info", as_json=flags.get("log_format") == "json", source_id=flags.get("name"))  # for errors in the file
    settings = read_settings(file, flags)
    set_log(settings.log_level, as_json=settings.log_format == "json", source_id=settings.name)
    if verb == "listen":
        if options["source"] is not None and "device" in flags:
            raise SettingsError(f"expected either a source or --device, found '{options['source']}' and --device")
        if options["source"] != "-" and "stdin" in flags:
            flag = next(iter(flags["stdin"]))
            raise SettingsError(f"expected --{flag} with 'listen -' alone, found another source: it says so itself")
        if options["source"] not in (None, "-"):
            check_source(options["source"])
        from detector.daemon.daemon import listen

        # A terminal that is closed hangs up too, and then the command shall end.
        can_reload = (file is not None or settings.output.path is not None) and not sys.stderr.isatty()
        return listen(settings, options["source"], partial(read_settings, file, flags) if can_reload else None)
    if verb == "detect":
        from detector.cli.detect import detect

        if options["csv"] and flags.get("json"):
            raise SettingsError("expected either --json or --csv, found both")
        return detect(
            settings,
            options["files"],
            is_recursive=options["recursive"],
            as_csv=options["csv"],
            labels=options["labels"],
        )
    if verb == "serve":
        from detector.cli.serve import serve

        return serve(settings)
    if verb == "check":
        from detector.cli.check import check

        return check(settings, is_device_asked="device" in flags)
    if verb == "config":
        from detector.cli.config import print_config

        return print_config(options["answer"], settings, file, flags)
    from detector.cli.bench import bench

    return bench(settings, seconds=options["seconds"])
