"""Standard input and silence, where tests/contract does not look."""

import os

import pytest
from clocks import Clock

from detector.audio.sources import Silence
from detector.audio.stdin import Stdin
from detector.errors import AudioFileError


@pytest.fixture
def pipe():
    read_end, write_end = os.pipe()
    yield read_end, write_end
    for end in (read_end, write_end):
        try:
            os.close(end)
        except OSError:  # a test closed it
            continue


def test_samples_that_arrive_in_pieces_are_put_together_and_an_odd_last_byte_is_dropped(pipe, caplog):
    read_end, write_end = pipe
    with Stdin(sample_rate_hz=16000, file_descriptor=read_end) as source:
        os.write(write_end, b"\x01\x00\x02")
        assert source.read().samples.tolist() == [1]
        os.write(write_end, b"\x01\xff\xff\x07")
        assert source.read().samples.tolist() == [0x102, -1]
        os.close(write_end)
        assert source.read() is None
    assert caplog.messages == ["standard input ended in the middle of a sample; its odd last byte was dropped"]


def test_nothing_that_has_arrived_is_an_empty_block(pipe):
    with Stdin(sample_rate_hz=16000, file_descriptor=pipe[0], poll_s=0.0) as source:
        assert len(source.read().samples) == 0


def test_a_descriptor_that_is_closed_or_cannot_be_read_is_an_error(pipe, tmp_path):
    read_end, _ = pipe
    folder = os.open(tmp_path, os.O_RDONLY)
    with (
        Stdin(sample_rate_hz=16000, file_descriptor=folder) as source,
        pytest.raises(AudioFileError, match="expected samples on standard input, found: Is a directory"),
    ):
        source.read()
    os.close(folder)
    os.close(read_end)
    with (
        pytest.raises(AudioFileError, match="expected samples on standard input, found it closed"),
        Stdin(sample_rate_hz=16000, file_descriptor=read_end),
    ):
        pass


def test_silence_in_real_time_waits_until_it_is_due():
    clock = Clock()
    with Silence(2400, sample_rate_hz=16000, is_real_time=True, clock=clock) as source:
        lengths = []
        while (block := source.read()) is not None:
            lengths.append(len(block.samples))
            clock.advance(0.0625)
    assert lengths == [0, 0, 1600, 800]
