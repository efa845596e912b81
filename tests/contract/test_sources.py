"""What every source keeps to, the real microphone and the others alike."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from detector.audio.capture import Capture
from detector.audio.microphone import Microphone
from detector.audio.recordings import Recording
from detector.audio.ring import RingBuffer
from detector.audio.sources import AudioSource, RawStdin, Silence

RATE_HZ = 16000
SOUND = (np.sin(np.arange(RATE_HZ) ** 1.3 / 50) * 9000).astype(np.int16)


@dataclass
class Case:
    """A source, what it should deliver, and what makes it do so."""

    source: AudioSource
    expected: np.ndarray
    start: Callable[[], None] = lambda: None
    has_end: bool = True


@pytest.fixture(
    params=[
        "recording",
        "recording in real time",
        "stdin",
        "silence",
        pytest.param("microphone", marks=pytest.mark.microphone),
    ]
)
def case(request, tmp_path):
    with contextlib.ExitStack() as stack:
        yield make_case(request, tmp_path, stack)


def make_case(request, folder: Path, stack: contextlib.ExitStack) -> Case:
    wav = folder / "sound.wav"
    soundfile.write(wav, SOUND, RATE_HZ)
    if request.param.startswith("recording"):
        is_real_time = request.param.endswith("real time")
        return Case(Recording(wav, sample_rate_hz=RATE_HZ, is_real_time=is_real_time), SOUND)
    if request.param == "stdin":
        read_end, write_end = os.pipe()
        stack.callback(os.close, read_end)

        def write():
            with open(write_end, "wb") as pipe:
                pipe.write(SOUND.astype("<i2").tobytes())

        writer = threading.Thread(target=write)
        writer.start()
        stack.callback(writer.join, 5)
        return Case(RawStdin(file_descriptor=read_end), SOUND)
    if request.param == "silence":
        return Case(Silence(len(SOUND), sample_rate_hz=RATE_HZ), np.zeros_like(SOUND))
    microphone = request.getfixturevalue("in_process_microphone")
    return Case(Microphone("pulse", sample_rate_hz=RATE_HZ), SOUND, start=lambda: microphone.play(wav), has_end=False)


@pytest.fixture
def in_process_microphone(microphone, monkeypatch):
    """Let PortAudio in this process find the virtual microphone."""
    import sounddevice

    for name, value in microphone.environment.items():
        monkeypatch.setenv(name, value)
    sounddevice._terminate()
    sounddevice._initialize()
    return microphone


def gather(source: AudioSource, case: Case) -> tuple[np.ndarray, bool]:
    """Read until the end, or until the expected sound was heard and a little more; bounded."""
    blocks: list[np.ndarray] = []
    deadline_s = time.monotonic() + 20
    n_heard, n_after = 0, 0
    player = threading.Thread(target=case.start)
    has_started = False
    try:
        while time.monotonic() < deadline_s:
            block = source.read()
            if block is None:
                return np.concatenate(blocks), True
            assert block.samples.dtype == np.int16
            assert block.samples.ndim == 1
            blocks.append(block.samples)
            if not has_started and (case.has_end or len(block.samples)):
                player.start()
                has_started = True
            n_heard += int(np.count_nonzero(block.samples))
            n_after += len(block.samples) if n_heard > 0.9 * len(SOUND) and not block.samples.any() else 0
            if not case.has_end and n_after > 4000:
                return np.concatenate(blocks), False
            if len(block.samples) == 0:
                time.sleep(0.01)
    finally:
        if has_started:
            player.join(20)
    pytest.fail("the source neither ended nor delivered the sound")


def test_a_source_delivers_every_sample_in_order(case):
    with case.source as source:
        samples, has_ended = gather(source, case)
    assert has_ended == case.has_end
    if case.has_end:
        np.testing.assert_array_equal(samples, case.expected)
    else:
        heard = np.flatnonzero(samples)
        expected = np.trim_zeros(case.expected)
        np.testing.assert_array_equal(samples[heard[0] : heard[-1] + 1], expected)


@pytest.mark.microphone
def test_a_device_that_only_runs_at_48_khz_in_stereo_is_converted(in_process_microphone, tmp_path, monkeypatch):
    import sounddevice

    open_stream = sounddevice.InputStream

    def refuse(*, samplerate, channels, **options):
        if (samplerate, channels) != (48000, 2):
            raise sounddevice.PortAudioError("Invalid sample rate")
        return open_stream(samplerate=samplerate, channels=channels, **options)

    monkeypatch.setattr(sounddevice, "InputStream", refuse)
    wav = tmp_path / "tone.wav"
    tone = (8000 * np.sin(2 * np.pi * 1000 * np.arange(2 * RATE_HZ) / RATE_HZ)).astype(np.int16)
    soundfile.write(wav, tone, RATE_HZ)
    microphone = Microphone("pulse", sample_rate_hz=RATE_HZ)
    case = Case(microphone, tone, start=lambda: in_process_microphone.play(wav), has_end=False)
    with microphone as source:
        assert microphone.rate_hz == 48000
        samples, _ = gather(source, case)
    heard = np.flatnonzero(np.abs(samples) > 1000)
    middle = samples[heard[0] + 4000 : heard[0] + 4000 + RATE_HZ].astype(float)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() == 1000  # Hz, of a second
    assert abs(len(heard) / len(tone) - 0.92) < 0.05  # as many samples as were played, but for the zero crossings
    assert np.abs(middle).max() == pytest.approx(8000, rel=0.05)


def test_a_source_stays_at_its_end(case):
    if not case.has_end:
        pytest.skip("a microphone has no end")
    with case.source as source:
        gather(source, case)
        assert source.read() is None
        assert source.read() is None


def test_a_source_closes_twice_and_says_what_it_is(case):
    with case.source as source:
        assert isinstance(source.name, str)
        assert source.name
        assert isinstance(source.is_live, bool)
        assert isinstance(source.can_wait, bool)
    source.__exit__(None, None, None)


def test_a_source_arrives_whole_through_capture_and_ring(case):
    if not case.has_end:
        pytest.skip("a microphone has no end; tests/end_to_end plays into it")
    ring, taken = RingBuffer(4000), []
    with Capture(case.source, ring) as capture:
        while True:
            part = ring.take(1000, timeout_s=5)
            assert part.n_skipped == 0
            taken.append(part.samples)
            if part.is_end:
                break
        capture.raise_failure()
    np.testing.assert_array_equal(np.concatenate(taken), case.expected)


def test_capture_stops_when_told_in_the_middle(case):
    with Capture(case.source, RingBuffer(100)) as capture:
        deadline_s = time.monotonic() + 10
        while not capture.is_open and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert capture.is_open
    assert not [thread for thread in threading.enumerate() if thread.name == "capture"]
