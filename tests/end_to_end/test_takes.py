"""Takes at a real microphone, asked for by a process that nobody can press keys at."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import termios

import pytest
import soundfile
from commands import WITHIN_S, ended, start, wait_until_says
from spoken import RATE_HZ, needs_espeak, record, say

PROGRAM = """
import json
import os
import signal
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


INTERACTIVE = """
from detector.process.signals import deferred_stop, end_on_signals
end_on_signals()
from detector.audio.microphone import Microphone
from detector.learn.dialogue import record_takes
from detector.learn.terminal import Terminal

with deferred_stop() as stop, Terminal() as screen:
    for take in record_takes(Microphone(sample_rate_hz=16000), "computer", screen=screen, stop=stop):
        print(take.source)
print("ended as asked", stop.is_set())
"""


@pytest.mark.microphone
@pytest.mark.parametrize("end", [b"q", signal.SIGINT], ids=["q", "SIGINT"])
def test_a_dialogue_at_a_terminal_ends_when_asked_and_gives_the_terminal_back(microphone, end):
    person, own = os.openpty()
    before = termios.tcgetattr(own)
    command = [sys.executable, "-c", INTERACTIVE]
    with ended(start(command=command, env=microphone.environment, stdin=own, stderr=own)) as process:
        text = b""
        while b"take 1 of 5" not in text:
            assert select.select([person], [], [], WITHIN_S)[0], text
            text += os.read(person, 4096)
        assert b"Enter keeps a take, p plays it, r records it again, q quits" in text
        assert termios.tcgetattr(own) != before
        if isinstance(end, bytes):
            os.write(person, end)
        else:
            process.send_signal(end)
        stdout, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0
    assert stdout == "ended as asked True\n"
    assert termios.tcgetattr(own) == before
    os.close(own)
    os.close(person)
