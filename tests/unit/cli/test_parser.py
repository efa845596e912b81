"""The command line of `keyword-detector`, in this process: what is parsed, which verb runs with what, how it ends."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from detector.cli import parser
from detector.cli.parser import build_parser
from detector.errors import CaptureError, CaptureFailure, ThreadStuckError
from detector.settings import RecordSettings, RecoverySettings, Settings

VERBS_WITH_SETTINGS = ["listen", "detect a.wav", "check", "bench", "config --show"]


@pytest.fixture
def calls(monkeypatch):
    """Stand in for the verbs; return what they were called with."""
    import detector.cli.bench
    import detector.cli.check
    import detector.cli.config
    import detector.cli.detect
    import detector.cli.listing
    import detector.cli.replay
    import detector.daemon.daemon

    called = []
    for module, name in (
        (detector.daemon.daemon, "listen"),
        (detector.cli.detect, "detect"),
        (detector.cli.check, "check"),
        (detector.cli.bench, "bench"),
        (detector.cli.config, "print_config"),
        (detector.cli.listing, "list_devices"),
        (detector.cli.listing, "list_models"),
        (detector.cli.replay, "replay_file"),
    ):
        monkeypatch.setattr(module, name, lambda *given, name=name, **more: called.append((name, given, more)) or 0)
    return called


def settings_of(calls, keyword_detector, command):
    calls.clear()
    assert keyword_detector(*command.split()).code == 0
    ((name, given, _),) = calls
    return given[1] if name == "print_config" else given[0]


# ---- from flags to settings


@pytest.mark.parametrize(
    "command", ["a.wav b.wav --json", "a.wav --json b.wav", "--json a.wav b.wav", "a.wav --json --words no b.wav"]
)
def test_recordings_may_stand_before_and_behind_options(calls, keyword_detector, command):
    assert keyword_detector("detect", *command.split()).code == 0
    ((_, (settings, files), _),) = calls
    assert (settings.json, files) == (True, ["a.wav", "b.wav"])


def test_a_further_value_of_what_takes_one_is_refused(keyword_detector):
    finished = keyword_detector("replay", "a.flac", "--json", "b.flac")
    assert finished.code == 2
    assert "unrecognized arguments: b.flac" in finished.err


@pytest.mark.parametrize("verb", VERBS_WITH_SETTINGS)
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", {}),
        ("--model tiny", {"model": "tiny"}),
        ("--model a,b", {"model": "a,b"}),
        ("--model a --model b,c --model d", {"model": ("a", "b,c", "d")}),
        ("--words yes,no", {"words": ("yes", "no")}),
        ("--json", {"json": True}),
        ("--no-json", {"json": False}),
        ("--threshold 0.9", {"threshold": {"*": 0.9}}),
        ("--threshold 0.9 --threshold no=0.95", {"threshold": {"*": 0.9, "no": 0.95}}),
        ("--threshold a=b=0.5", {"threshold": {"a=b": 0.5}}),
        ("--false-accepts-per-hour 2", {"false_accepts_per_hour": 2.0}),
        ("--log-level debug", {"log_level": "debug"}),
        ("--log-format json", {"log_format": "json"}),
        ("--name kitchen", {"name": "kitchen"}),
    ],
)
def test_shared_flags_are_settings(calls, keyword_detector, verb, flags, expected):
    assert settings_of(calls, keyword_detector, f"{verb} {flags}") == Settings(**expected)


@pytest.mark.parametrize("verb", ["listen", "config --show"])
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--device 3", {"device": 3}),
        ("--device USB", {"device": "USB"}),
        ("--no-recover", {"recover": False}),
        ("--give-up-after-s 5", {"recovery": RecoverySettings(give_up_after_s=5.0)}),
        ("--json --events", {"json": True, "events": True}),
        ("--record d", {"record": RecordSettings(folder="d")}),
    ],
)
def test_flags_of_listen_are_settings(calls, keyword_detector, verb, flags, expected):
    assert settings_of(calls, keyword_detector, f"{verb} {flags}") == Settings(**expected)


def test_flags_beat_the_file(calls, keyword_detector, tmp_path):
    file = tmp_path / "a.toml"
    file.write_text('model = "tiny"\njson = true\n[record]\nfolder = "d"\nminutes = 2\n')
    settings = settings_of(calls, keyword_detector, f"listen --config {file} --no-json --record e")
    assert settings == Settings(model="tiny", json=False, record=RecordSettings(folder="e", minutes=2))


def test_the_log_level_is_in_force_before_the_verb_runs(calls, keyword_detector):
    settings_of(calls, keyword_detector, "check --log-level error")
    assert logging.getLogger().level == logging.ERROR


# ---- which verb runs with what


@pytest.mark.parametrize(
    ("command", "call"),
    [
        ("devices", ("list_devices", (), {"as_json": False})),
        ("devices --json", ("list_devices", (), {"as_json": True})),
        ("models", ("list_models", (), {"as_json": False})),
        ("models --json", ("list_models", (), {"as_json": True})),
        ("replay f", ("replay_file", ("f", None), {"as_json": False})),
        ("replay f --model tiny --json", ("replay_file", ("f", "tiny"), {"as_json": True})),
        ("detect a b", ("detect", (Settings(), ["a", "b"]), {"is_recursive": False, "as_csv": False, "labels": None})),
        (
            "detect d --recursive --csv --labels l",
            ("detect", (Settings(), ["d"]), {"is_recursive": True, "as_csv": True, "labels": Path("l")}),
        ),
        ("check", ("check", (Settings(),), {"is_device_asked": False})),
        ("check --device 0", ("check", (Settings(device=0),), {"is_device_asked": True})),
        ("bench", ("bench", (Settings(),), {"seconds": 60.0})),
        ("bench --seconds 3", ("bench", (Settings(),), {"seconds": 3.0})),
        ("listen", ("listen", (Settings(), None, None), {})),
        ("listen -", ("listen", (Settings(), "-", None), {})),
        ("listen a.wav", ("listen", (Settings(), "a.wav", None), {})),
        ("config --example", ("print_config", ("example", Settings(), None, {}), {})),
        ("config --show --json", ("print_config", ("show", Settings(json=True), None, {"json": True}), {})),
    ],
)
def test_a_verb_runs_with_what_was_given(calls, keyword_detector, command, call):
    assert keyword_detector(*command.split()).code == 0
    assert calls == [call]


@pytest.mark.parametrize(("has_terminal", "has_file"), [(False, True), (True, True), (False, False)])
def test_settings_can_be_read_anew_from_a_file_and_without_a_terminal(
    calls, keyword_detector, tmp_path, monkeypatch, has_terminal, has_file
):
    file = tmp_path / "a.toml"
    file.write_text("threshold = 0.5")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: has_terminal)
    keyword_detector("listen", "--json", *(["--config", file] if has_file else []))
    ((_, (settings, _, reread), _),) = calls
    assert (reread is not None) == (has_file and not has_terminal)
    if reread is not None:
        assert settings.threshold == 0.5
        file.write_text("threshold = 0.7")
        assert reread() == Settings(json=True, threshold=0.7)


def test_a_source_and_a_device_at_once_are_78(calls, keyword_detector):
    ended = keyword_detector("listen", "a.wav", "--device", "0")
    assert (ended.code, ended.out, calls) == (78, "", [])
    assert ended.err == "expected either a source or --device, found 'a.wav' and --device\n"


MICROPHONE = "to listen to a microphone, 'listen --device NAME' takes a name or an index of 'keyword-detector devices'"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        *(
            (name, f"found no file '{name}': {MICROPHONE}")
            for name in ("hw:0,0", "USB Mic", "USB 2.0", "3", "", "pulse")
        ),
        ("alsa_input.usb-Blue_Yeti-00.analog-stereo", MICROPHONE),
        ("/dev/snd/pcmC0D0c", f"found the sound device /dev/snd/pcmC0D0c: {MICROPHONE}"),
        (
            "https://example.org/a.mp3",
            "found the address https://example.org/a.mp3: download it, or pipe it in, ffmpeg",
        ),
        (
            "rtsp://[camera",
            "found the address rtsp://[camera: download it, or pipe it in, ffmpeg -i 'rtsp://[camera' -f s16le",
        ),
        ("file:///a/b.wav", "found the address file:///a/b.wav: name the file itself, /a/b.wav"),
    ],
)
def test_what_is_given_in_place_of_a_recording_gets_a_line_on_how_to_listen_to_it(
    calls, keyword_detector, source, message
):
    ended = keyword_detector("listen", source)
    assert (ended.code, ended.out, calls) == (66, "", [])
    assert len(ended.err.splitlines()) == 1
    assert message in ended.err


@pytest.mark.parametrize("source", ["none.wav", "folder/none", "memo.m4a", "-"])
def test_the_name_of_a_file_is_left_to_whoever_opens_it(calls, keyword_detector, source):
    assert keyword_detector("listen", source).code == 0
    assert len(calls) == 1


def test_a_folder_in_place_of_a_recording_is_what_detect_takes(calls, keyword_detector, tmp_path):
    ended = keyword_detector("listen", tmp_path)
    assert (ended.code, ended.out, calls) == (66, "", [])
    assert ended.err == (
        f"expected a recording, found the folder {tmp_path}: 'keyword-detector detect' takes folders\n"
    )


def test_a_file_may_be_named_like_a_device(calls, keyword_detector, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hw:0").touch()
    keyword_detector("listen", "hw:0")
    assert len(calls) == 1


# ---- what cannot be parsed


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "the following arguments are required: VERB"),
        ("sing", "invalid choice: 'sing'"),
        ("detect", "the following arguments are required: FILE|DIR"),
        ("detect --loud a.wav", "unrecognized arguments: --loud"),
        ("detect --thr 0.5 a.wav", "unrecognized arguments: --thr"),
        ("listen a.wav b.wav", "unrecognized arguments: b.wav"),
        ("check --threshold high", "argument --threshold: expected a number or WORD=NUMBER, found 'high'"),
        ("check --threshold yes=", "argument --threshold: expected a number or WORD=NUMBER, found 'yes='"),
        ("check --threshold =0.5", "argument --threshold: expected a number or WORD=NUMBER, found '=0.5'"),
        ("check --log-level loud", "argument --log-level: invalid choice: 'loud' (choose from "),
        ("check --false-accepts-per-hour few", "invalid float value: 'few'"),
        ("devices --csv", "unrecognized arguments: --csv"),
        ("bench --seconds long", "invalid float value: 'long'"),
        ("config", "one of the arguments --example --show --schema is required"),
        ("config --example --show", "argument --show: not allowed with argument --example"),
        ("listen --device a --device b", "argument --device: expected once, found it again with 'b'"),
        ("replay f --model a --model b", "argument --model: expected once, found it again with 'b'"),
        ("check --words yes --words no", "argument --words: expected once, found it again with 'no'"),
        ("bench --seconds 3 --seconds 3", "argument --seconds: expected once, found it again with '3.0'"),
        ("check --threshold 0.5 --threshold 0.6", "expected one value for each, found 0.5, then 0.6"),
        ("check --threshold no=0.5 --threshold 0.5 --threshold no=0.6", "found 0.5, then 0.6"),
    ],
)
def test_a_command_line_that_cannot_be_parsed_is_2_and_one_line(keyword_detector, command, message):
    ended = keyword_detector(*command.split())
    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert message in ended.err
    assert ended.err.endswith("--help'\n")


@pytest.mark.parametrize(
    ("command", "whose"),
    [
        ("detect --loud a.wav", "keyword-detector detect"),
        ("models --loud", "keyword-detector models"),
        ("listen a.wav b.wav", "keyword-detector listen"),
        ("--loud models", "keyword-detector"),
    ],
)
def test_what_is_unknown_is_explained_by_the_help_of_the_verb_it_was_given_to(keyword_detector, command, whose):
    ended = keyword_detector(*command.split())
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"{whose}: unrecognized arguments: ")
    assert ended.err.endswith(f"; try '{whose} --help'\n")


def test_an_option_is_given_once_in_each_command_line_and_a_switch_any_number_of_times(calls, keyword_detector):
    for name in ("a", "b"):
        assert settings_of(calls, keyword_detector, f"listen --device {name} --json --no-json") == Settings(device=name)


def test_levels_of_the_log_are_named_from_the_most_to_the_least(keyword_detector):
    assert "{debug,info,warning,error}" in keyword_detector("check", "--help").out


@pytest.mark.parametrize("verb", ["listen", "detect", "check", "bench", "config", "replay", "devices", "models"])
def test_every_verb_has_help(keyword_detector, verb):
    ended = keyword_detector(verb, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"usage: keyword-detector {verb}")


def test_the_help_of_config_names_every_key_of_a_settings_file(keyword_detector):
    text = " ".join(keyword_detector("check", "--help").out.split())
    assert (
        "keys: model, words, threshold, false_accepts_per_hour, device, channel, fallback_devices, recover, recovery (a"
        in text
    )
    assert "record (a table: folder, minutes, before_s, after_s, most_mb), on, command (a table: most_at_once," in text
    assert "output (a table: path)" in text


def test_the_version_is_printed_with_and_without_a_verb(keyword_detector):
    from detector import __version__

    assert keyword_detector("--version").out == keyword_detector("detect", "--version").out
    assert keyword_detector("--version").out == f"keyword-detector {__version__}\n"


# ---- how it ends


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (CaptureError(CaptureFailure.BUSY, "expected a microphone"), 69, "expected a microphone"),
        (ThreadStuckError("expected an end"), 70, "expected an end"),
        (OSError(28, "No space left on device"), 70, "expected to write to standard output, found: No space left"),
        (ZeroDivisionError("unforeseen"), 70, "internal failure; please report it with the lines below"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_an_error_has_its_exit_code(keyword_detector, monkeypatch, error, code, message):
    def fail(options):
        raise error

    monkeypatch.setattr(parser, "_run_verb", fail)
    ended = keyword_detector("models")
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith(message)
    assert len(ended.err.splitlines()) == (1 if message else 0)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--words ,", "at least one of the words"),
        (
            "--false-accepts-per-hour -1",
            "expected false_accepts_per_hour to be a number above 0, found -1.0",
        ),
        ("--config /nowhere/a.toml", "expected settings in /nowhere/a.toml, found that it cannot be read"),
        ("--model maybe", "expected the name of a model (commands, yes-no, yes-no-tiny) or a path, found 'maybe'"),
    ],
)
def test_settings_that_do_not_fit_are_78_and_one_line(keyword_detector, flags, message):
    ended = keyword_detector("check", *flags.split())
    assert (ended.code, ended.out) == (78, "")
    assert len(ended.err.splitlines()) == 1
    assert message in ended.err


def test_the_parser_knows_full_names_alone():
    with pytest.raises(SystemExit):
        build_parser().parse_args(["check", "--log", "error"])


@pytest.mark.parametrize("command", [("detect", "--labels", "", "a.wav"), ("listen", "--config", "")])
def test_a_path_of_nothing_is_no_path(keyword_detector, command):
    answer = keyword_detector(*command)
    assert answer.code == 2
    assert "expected a path, found ''" in answer.err
