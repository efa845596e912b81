"""Lines on a stdout that is not UTF-8: text shows in ASCII what it lacks, JSON Lines are UTF-8 always."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import soundfile
from commands import ENVIRONMENT, KEYWORD_DETECTOR

WORDS = {"yes": "はい", "no": "größe"}
ENCODINGS = {
    "ascii": ({"PYTHONIOENCODING": "ascii"}, "ascii"),
    "latin-1": ({"PYTHONIOENCODING": "latin-1"}, "latin-1"),
    "ascii:strict": ({"PYTHONIOENCODING": "ascii:strict"}, "ascii"),
    "the locale C": ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "ascii"),
    "utf-8": ({"PYTHONIOENCODING": "utf-8"}, "utf-8"),
}


@pytest.fixture
def arguments(pair, demo_samples, tmp_path):
    """Options that name a model with words, and a recording with a name, that few encodings have."""
    manifest = pair()
    text = manifest.read_text()
    for word, other in WORDS.items():
        text = text.replace(f'"{word}"', json.dumps(other))
    manifest.write_text(text)
    soundfile.write(tmp_path / "ü.wav", demo_samples[: 6 * 16000], 16000)
    (tmp_path / "ü.wav").rename(os.fsdecode(os.fsencode(tmp_path / "caf") + b"\xe9.wav"))
    return ["--model", str(manifest), os.fsdecode(os.fsencode(tmp_path / "caf") + b"\xe9.wav")]


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("verb", ["detect", "listen"])
def test_text_shows_what_an_encoding_lacks_and_json_is_utf8(arguments, name, verb, demo_words):
    environment, encoding = ENCODINGS[name]

    def detect(*options):
        command = [*KEYWORD_DETECTOR, verb, *arguments, *options]
        return subprocess.run(command, env=ENVIRONMENT | environment, capture_output=True, check=True).stdout

    expected = [WORDS[word] for word in demo_words[:2]]
    lines = [json.loads(line) for line in detect("--json").decode("utf-8").splitlines()]
    assert [line["keyword"] for line in lines] == expected
    assert all(line["source"].endswith(r"caf\xe9.wav") for line in lines)
    shown = [word.encode(encoding, errors="backslashreplace") for word in expected]
    assert [line.split()[1] for line in detect().splitlines()] == shown


def test_other_answers_are_utf8_where_they_are_json(arguments):
    command = [*KEYWORD_DETECTOR, "check", *arguments[:2]]
    options = {"env": ENVIRONMENT | {"PYTHONIOENCODING": "ascii"}, "capture_output": True}
    words = json.loads(subprocess.run([*command, "--json"], check=True, **options).stdout.decode("utf-8"))["words"]
    assert set(words) == set(WORDS.values())
    assert rb"word       gr\xf6\xdfe: threshold" in subprocess.run(command, check=True, **options).stdout
