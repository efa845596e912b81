"""Takes at a real microphone, asked for by a process that nobody can press keys at."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import soundfile
from commands import WITHIN_S, ended, start, wait_until_says
from spoken import RATE_HZ, needs_espeak, record, say

PROGRAM = """
import json
from detector.audio.microphone import Microphone
from detector.learn.dialogue import record_room, record_takes
from detector.learn.terminal import Terminal
from detector.process.signals import StopFlag

stop = StopFlag()
microphone = Microphone(sample_rate_hz=16000)
with Terminal() as screen:
    for take in record_takes(microphone, "computer", screen=screen, stop=stop, n_takes=3):
        print(json.dumps([take.source, take.start, take.end, len(take.samples), take.warnings]), flush=True)
    print(len(record_room(microphone, screen=screen, stop=stop, room_s=0.5)))
"""


@pytest.mark.microphone
@needs_espeak
def test_takes_played_into_a_microphone_come_out_one_by_one(microphone, tmp_path):
    words = [say("computer", voice=voice) for voice in ("en-us", "en-gb+f3", "en-us+m3")]
    program = start(command=[sys.executable, "-c", PROGRAM], env=microphone.environment, stdin=subprocess.DEVNULL)
    with ended(program) as process:
        for k, word in enumerate(words, 1):
            wait_until_says(process, f"say 'computer', take {k} of 3")
            wav = tmp_path / f"{k}.wav"
            soundfile.write(wav, record(word, before_s=0.3, after_s=0.3, room_dbfs=-95.0), RATE_HZ)
            microphone.play(wav)
        stdout, stderr = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, stderr
    *takes, n_room = map(json.loads, stdout.splitlines())
    assert [source for source, *_ in takes] == ["take 1", "take 2", "take 3"]
    for word, (_, first, last, n_samples, warnings) in zip(words, takes, strict=True):
        assert warnings == []
        assert abs((last - first) - len(word)) <= 0.1 * RATE_HZ
        assert n_samples > last - first + 0.7 * RATE_HZ
    assert n_room == 8000
