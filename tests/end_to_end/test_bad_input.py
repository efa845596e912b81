"""Bad input: one clear line and the right exit code, or audio that is heard all the same."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from commands import (
    ENVIRONMENT,
    KEYWORD_DETECTOR,
    assert_one_line,
    call,
    end,
    ended,
    keywords,
    patched,
    run,
    start,
    wait_until_says,
)

from detector.text import is_printable


def ask(verb, *arguments):
    """Run a verb; the daemon in a process of its own, whose signals and stderr it changes."""
    return (run if verb == "listen" else call)(verb, *arguments)


# ---- recordings that cannot be heard


@pytest.mark.parametrize("verb", ["detect", "listen"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "found no file"),
        (lambda path: path.mkdir(), "found the folder"),
        (lambda path: path.write_bytes(b""), "that is not audio"),
        (lambda path: path.write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt "), "that is not audio"),
        (lambda path: path.write_text("no audio at all\n" * 100), "that is not audio"),
    ],
    ids=["missing", "folder", "empty", "truncated header", "text"],
)
def test_what_is_no_recording_is_66(tmp_path, verb, make, message):
    path = tmp_path / "input.wav"
    make(path)
    assert_one_line(ask(verb, path), 66, message, str(path))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("verb", ["detect", "listen"])
def test_samples_that_are_not_finite_are_66(tmp_path, verb, value):
    sound = np.zeros(4000, dtype=np.float32)
    sound[2000] = value
    soundfile.write(tmp_path / "a.wav", sound, 16000, subtype="FLOAT")
    finished = ask(verb, tmp_path / "a.wav", "--log-level", "error")
    assert_one_line(finished, 66, "found NaN or infinity")


def test_a_flac_that_ends_too_early_is_66_after_what_could_be_heard(demo_file, tmp_path):
    whole = demo_file.read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    finished = run("detect", "--json", tmp_path / "a.flac")
    assert finished.returncode == 66
    assert len(finished.stderr.splitlines()) == 1
    assert "damaged" in finished.stderr
    assert len(keywords(finished.stdout)) >= 2


def test_a_wav_that_ends_too_early_is_heard_as_far_as_it_goes(demo_samples, demo_words, tmp_path):
    soundfile.write(tmp_path / "a.wav", demo_samples, 16000)
    whole = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(whole[:-50001])
    finished = call("detect", "--json", tmp_path / "a.wav")
    assert finished.returncode == 0
    assert keywords(finished.stdout)[: len(demo_words) - 2] == demo_words[:-2]


def test_one_bad_file_does_not_keep_the_others_from_being_heard(demo_file, demo_words, tmp_path):
    finished = call("detect", "--json", "--log-level", "warning", tmp_path / "none.wav", demo_file)
    assert finished.returncode == 66
    assert keywords(finished.stdout) == demo_words
    assert len(finished.stderr.splitlines()) == 1


# ---- recordings of every kind that can


@pytest.mark.parametrize(
    ("suffix", "subtype", "rate_hz", "n_channels"),
    [
        ("wav", "PCM_U8", 16000, 1),
        ("wav", "PCM_24", 16000, 1),
        ("wav", "FLOAT", 16000, 2),
        ("wav", "DOUBLE", 44100, 1),
        ("wav", "ULAW", 16000, 1),
        ("wav", "PCM_16", 8000, 1),
        ("wav", "PCM_16", 48000, 2),
        ("wav", "PCM_24", 96000, 6),
        ("wav", "PCM_16", 11025, 1),
        ("flac", "PCM_16", 16000, 1),
        ("ogg", "VORBIS", 48000, 1),
        ("ogg", "OPUS", 16000, 1),
        ("aiff", "PCM_16", 22050, 1),
    ],
)
def test_any_format_rate_and_number_of_channels_is_heard(
    demo_samples, demo_words, tmp_path, suffix, subtype, rate_hz, n_channels
):
    sound = soxr.resample(demo_samples / 32768.0, 16000, rate_hz)
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.tile(sound[:, None], n_channels), rate_hz, subtype=subtype)
    finished = call("detect", "--json", path)
    assert finished.returncode == 0, finished.stderr
    heard = keywords(finished.stdout)
    if rate_hz >= 11025:
        assert heard == demo_words
    else:  # a telephone: the hiss of "yes" lies above 4 kHz
        assert heard
        assert len(heard) <= len(demo_words)


@pytest.mark.parametrize("n_samples", [0, 1, 479])
def test_a_recording_of_next_to_nothing_holds_no_detections(tmp_path, n_samples):
    soundfile.write(tmp_path / "a.wav", np.zeros(n_samples, dtype=np.int16), 16000)
    finished = call("detect", tmp_path / "a.wav")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


# ---- standard input


def test_an_odd_last_byte_is_dropped_with_a_warning(demo_samples, demo_words):
    finished = run("listen", "-", "--json", "--log-level", "warning", input=demo_samples.tobytes() + b"\x01")
    assert finished.returncode == 0
    assert keywords(finished.stdout) == demo_words
    assert "odd last byte was dropped" in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


@pytest.mark.parametrize("samples", [b"", b"\x01"])
def test_no_samples_at_all_are_no_detections(samples):
    finished = run("listen", "-", "--log-level", "error", input=samples)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_standard_input_that_is_closed_is_66():
    finished = run(
        "listen", "-", "--log-level", "error", command=["sh", "-c", 'exec "$@" <&-', "sh", *KEYWORD_DETECTOR]
    )
    assert_one_line(finished, 66, "expected samples on standard input")


def test_arrays_cut_anywhere_in_the_pipe_are_put_together(demo_samples, demo_words):
    stream = demo_samples.tobytes()
    command = [*KEYWORD_DETECTOR, "listen", "-", "--json", "--log-level", "warning"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for first in range(0, len(stream), 7777):
            process.stdin.write(stream[first : first + 7777])
            process.stdin.flush()
        stdout, _ = process.communicate(timeout=60)
    assert keywords(stdout.decode()) == demo_words
    assert process.returncode == 0


# ---- command line and settings


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sing"],
        ["detect"],
        ["detect", "--loud", "a.wav"],
        ["listen", "a.wav", "b.wav"],
        ["detect", "--threshold", "high", "a.wav"],
        ["detect", "--threshold", "yes=", "a.wav"],
        ["detect", "--threshold", "=0.5", "a.wav"],
        ["detect", "--log-level", "loud", "a.wav"],
        ["devices", "--csv"],
        ["bench", "--seconds", "long"],
    ],
)
def test_a_command_line_that_cannot_be_parsed_is_2(arguments):
    assert_one_line(call(*arguments), 2, "--help'")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "maybe"], "found 'maybe'"),
        (["--model", "/nowhere/a.tflite"], "found no /nowhere/a.tflite"),
        (["--words", "yes,maybe"], "found 'maybe'"),
        (["--words", ","], "at least one of the words"),
        (["--threshold", "1.5"], "at most 1, found 1.5"),
        (["--threshold", "0"], "above 0"),
        (["--threshold", "nan"], "found nan"),
        (["--threshold", "maybe=0.5"], "found one for 'maybe'"),
        (["--false-accepts-per-hour", "-1"], "false_accepts_per_hour"),
        (["--config", "/nowhere/a.toml"], "cannot be read"),
    ],
)
@pytest.mark.parametrize("verb", ["detect", "listen", "check", "bench"])
def test_settings_that_do_not_fit_are_78(demo_file, verb, arguments, message):
    source = [demo_file] if verb in ("detect", "listen") else []
    assert_one_line(call(verb, *arguments, *source), 78, message)


def test_a_source_and_a_device_at_once_are_78(demo_file):
    assert_one_line(call("listen", demo_file, "--device", "0"), 78, "either a source or --device")


def test_an_unknown_key_in_the_file_is_78(demo_file, tmp_path):
    (tmp_path / "a.toml").write_text("colour = 1\n")
    assert_one_line(call("detect", "--config", tmp_path / "a.toml", demo_file), 78, "unknown field `colour`")


def test_a_model_without_a_curve_cannot_pick_an_operating_point(demo_file, model, pair):
    manifest = pair(operating_curve=None)
    finished = call("detect", "--model", manifest, "--false-accepts-per-hour", "1", demo_file)
    assert_one_line(finished, 78, "operating curve")


def test_damaged_models_are_78(demo_file, pair, model):
    alone = pair(with_manifest=False).with_suffix(".tflite")
    assert_one_line(call("detect", "--model", alone, demo_file), 78, "found no")
    flatbuffer = b"\0" * 100
    assert_one_line(call("detect", "--model", pair(sha256="0" * 64), demo_file), 78, "SHA-256")
    assert_one_line(
        call("detect", "--model", pair(labels=["a", "yes", "no"]), demo_file), 78, "one output for each of 3"
    )
    truncated = pair(flatbuffer=flatbuffer, sha256=hashlib.sha256(flatbuffer).hexdigest())
    assert_one_line(call("detect", "--model", truncated, demo_file), 78, "expected a TFLite model")
    vector = json.loads(pair().read_text())["golden"][0]
    vector["scores"][1] -= 40
    assert_one_line(call("detect", "--model", pair(golden=[vector]), demo_file), 78, "golden scores")
    manifest = pair()
    manifest.write_text("{}")
    assert_one_line(call("detect", "--model", manifest, demo_file), 78, "expected a manifest in")


# ---- devices


def test_an_unknown_device_is_69_unless_it_is_waited_for():
    finished = run("listen", "--no-recover", "--device", "a device that is not there", "--log-level", "error")
    assert_one_line(finished, 69, "expected a capture device named", "keyword-detector devices")


def test_without_portaudio_the_package_is_named_and_the_rest_works(demo_file, demo_words):
    code = (
        "import sys, importlib.abc\n"
        "class F(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'sounddevice': raise OSError('PortAudio library not found')\n"
        "sys.meta_path.insert(0, F())\n"
    )
    command = patched(code)
    for verb in ("listen", "devices"):
        assert_one_line(run(verb, command=command), 69, "apt-get install libportaudio2")
    finished = run("detect", "--json", demo_file, command=command)
    assert (finished.returncode, keywords(finished.stdout)) == (0, demo_words)


ALSA = Path("/usr/share/alsa/alsa.conf")


@pytest.mark.skipif(not ALSA.exists(), reason=f"needs {ALSA}: apt-get install libasound2-data")
def test_a_device_whose_name_is_not_utf8_is_listed_checked_and_heard(tmp_path):
    (tmp_path / "asound.conf").write_bytes(b"pcm.caf\xe9 { type null hint { show on description caf\xe9 } }\n")
    options = {"env": ENVIRONMENT | {"ALSA_CONFIG_PATH": f"{ALSA}:{tmp_path / 'asound.conf'}"}}
    listed = run("devices", **options)
    assert r"caf\xe9  [ALSA" in listed.stdout
    for part in ("caf", r"caf\xe9", os.fsdecode(b"caf\xe9")):
        checked = run("check", "--device", part, **options)
        assert r"microphone caf\xe9 at" in checked.stdout, checked.stderr
    with ended(start("listen", "--device", "caf", **options)) as process:
        assert r"listening to caf\xe9 for" in wait_until_says(process, "listening to")
        end(process)


# ---- names that would act on a terminal or a log


def test_names_from_outside_are_shown_and_do_nothing_else(tmp_path):
    hostile = "a\n00:00:01.000  yes  0.99\x1b[2J\u2028\x9b"
    (tmp_path / "a.toml").write_text(f"{json.dumps(hostile, ensure_ascii=False)} = 1\n".replace("\u2028", "\\u2028"))
    for arguments in (
        ["detect", tmp_path / hostile],
        ["detect", f"--{hostile}"],
        ["detect", "--model", hostile, "a.wav"],
        ["detect", "--words", hostile, "a.wav"],
        ["detect", "--threshold", f"{hostile}=0.5", "a.wav"],
        ["detect", "--config", tmp_path / hostile, "a.wav"],
        ["detect", "--config", tmp_path / "a.toml", "a.wav"],
        ["replay", hostile],
        ["check", "--device", hostile, "--words", "x"],
    ):
        finished = call(*arguments)
        assert finished.returncode != 0
        assert (finished.stdout, finished.stderr.count("\n")) == ("", 1), arguments
        assert is_printable(finished.stderr[:-1]), arguments
    shown = call("config", "--show", "--device", hostile)
    assert all(is_printable(line) for line in shown.stdout.split("\n"))
    assert tomllib.loads(shown.stdout)["device"] == hostile


# ---- a reader that goes away


@pytest.mark.parametrize("verb", ["detect", "listen"])
def test_a_closed_stdout_ends_quietly_with_0(demo_samples, demo_words, verb, tmp_path):
    soundfile.write(tmp_path / "a.wav", demo_samples[: 7 * 16000], 16000)
    command = [*KEYWORD_DETECTOR, verb, "--log-level", "warning", str(tmp_path / "a.wav")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert demo_words[0] in process.stdout.readline().decode()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize("arguments", [["models"], ["detect", "DEMO"], ["--version"], ["--help"]])
def test_a_full_disk_is_70(demo_file, arguments):
    arguments = [demo_file if argument == "DEMO" else argument for argument in arguments]
    with open("/dev/full", "w") as full:
        finished = run(*arguments, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert finished.returncode == 70
    assert len(finished.stderr.splitlines()) == 1
    assert "No space left on device" in finished.stderr


def test_a_reader_that_leaves_before_the_help_is_written_is_no_error():
    script = '( sleep 0.3; "$@" --help; echo $? >&2 ) | true'
    finished = run(command=["sh", "-c", script, "sh", *KEYWORD_DETECTOR])
    assert finished.stderr == "0\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-"])
def test_closed_standard_streams_are_no_error(demo_file, demo_words, closed):
    finished = run("detect", "--json", demo_file, command=["sh", "-c", f'exec "$@" {closed}', "sh", *KEYWORD_DETECTOR])
    assert (finished.returncode, finished.stderr) == (0, "")
    assert keywords(finished.stdout) == ([] if ">&- " in f"{closed} " and not closed.startswith("2") else demo_words)


def test_a_file_that_may_not_be_read_or_named_is_66(demo_file, tmp_path):
    long = tmp_path / f"{'a' * 300}.wav"
    assert_one_line(call("detect", "--log-level", "error", long), 66, "name too long")
    (tmp_path / b"bad\xff.flac".decode(errors="surrogateescape")).write_bytes(demo_file.read_bytes())
    finished = call("detect", "--json", tmp_path / b"bad\xff.flac".decode(errors="surrogateescape"))
    assert finished.returncode == 0
    assert_one_line(call("detect", "--model", f"/x/{'a' * 300}.json", demo_file), 78, "expected a model of two files")


@pytest.mark.parametrize(("rate_hz", "n_channels"), [(16000, 1), (16000, 2), (48000, 1)])
def test_samples_beyond_full_scale_are_clipped(tmp_path, rate_hz, n_channels):
    loud = np.tile(np.array([[99.0], [-99.0]], dtype=np.float32), (rate_hz, n_channels))
    soundfile.write(tmp_path / "a.wav", loud, rate_hz, subtype="FLOAT")
    finished = call("detect", tmp_path / "a.wav")
    assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.parametrize("peak", [70000.0, 2.0**31, 3e38])
def test_samples_of_unknown_units_are_66(tmp_path, peak):
    soundfile.write(tmp_path / "a.wav", np.full(16000, peak), 16000, subtype="FLOAT")
    assert_one_line(call("detect", tmp_path / "a.wav"), 66, "expected samples from -1 to 1", "divide them")


def test_floats_that_count_as_16_bits_do_are_heard_with_a_line(demo_samples, demo_words, tmp_path):
    soundfile.write(tmp_path / "a.wav", demo_samples.astype(np.float32), 16000, subtype="FLOAT")
    finished = call("detect", "--json", tmp_path / "a.wav")
    assert keywords(finished.stdout) == demo_words
    assert "taken for 16-bit ones" in finished.stderr


def test_abbreviated_flags_are_unknown(demo_file):
    assert_one_line(call("detect", "--thr", "0.9", demo_file), 2, "--help'")


def test_a_flag_for_an_operating_point_beats_the_files_threshold(demo_file, tmp_path):
    (tmp_path / "a.toml").write_text("threshold = 0.5\njson = true\n")
    both = call("check", "--config", tmp_path / "a.toml", "--false-accepts-per-hour", "0.000001")
    assert "found both" not in both.stderr
    assert call("check", "--config", tmp_path / "a.toml", "--no-json").stdout.startswith("model ")
    given = ["--threshold", "0.5", "--false-accepts-per-hour", "1"]
    assert_one_line(call("check", *given), 78, "found both")
