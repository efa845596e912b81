"""Which of several channels is listened to: on the demo's words, whose one good channel is to be heard whole."""

import numpy as np
import pytest

from detector import Detector
from detector.audio.channels import Mixer
from detector.samples import to_float, to_int16

RATE_HZ = 16000


@pytest.fixture(scope="module")
def voice(demo_samples):
    return to_float(demo_samples)


def mix(frames, choice="auto", length=4096, *, is_live=False):
    mixer = Mixer(choice, n_channels=frames.shape[1], rate_hz=RATE_HZ, name="here", is_live=is_live)
    frames = frames.astype(np.float32)
    mixed = [mixer.mix(frames[first : first + length]) for first in range(0, len(frames), length)]
    return np.concatenate([*mixed, mixer.finish()])


def noise(n, level_dbfs, seed=0):
    return np.random.default_rng(seed).normal(size=n) * 10.0 ** (level_dbfs / 20.0)


def hum(n, level_dbfs):
    return np.sqrt(2.0) * 10.0 ** (level_dbfs / 20.0) * np.sin(2.0 * np.pi * 50.0 * np.arange(n) / RATE_HZ)


def beginning_late(sound, part=0.4):
    late = sound.copy()
    late[: int(part * len(sound))] = 0.0
    return late


CASES = {
    "inverse": lambda v: (v, -v),
    "inverse, swapped": lambda v: (-v, v),
    "inverse, fainter": lambda v: (v, -0.7 * v),
    "inverse, much fainter": lambda v: (-0.3 * v, v),
    "inverse, each with noise": lambda v: (v + noise(len(v), -60, 1), -v + noise(len(v), -60, 2)),
    "noise left": lambda v: (noise(len(v), -20), v),
    "noise right": lambda v: (v, noise(len(v), -20)),
    "fainter noise": lambda v: (v, noise(len(v), -30)),
    "faint noise": lambda v: (v, noise(len(v), -42)),
    "hum": lambda v: (hum(len(v), -15), v),
    "one dead": lambda v: (v, np.zeros(len(v))),
    "the same twice": lambda v: (v, v),
    "one a little fainter": lambda v: (0.6 * v, v),
    "four, a loopback that is silent": lambda v: (v, 0.9 * v, 1.1 * v, np.zeros(len(v))),
    "six, one of them noise": lambda v: (v, 0.9 * v, v, 0.8 * v, noise(len(v), -20), v),
    "three, one of them inverse": lambda v: (v, -v, 0.5 * v),
    "eight, of which one hears": lambda v: (*[np.zeros(len(v))] * 3, v, *[np.zeros(len(v))] * 4),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("is_live", [False, True])
def test_the_words_are_heard_whole(model, voice, demo_words, name, is_live):
    detector = Detector(model)
    heard = detector.feed(to_int16(mix(np.stack(CASES[name](voice), 1), is_live=is_live))) + detector.finish()
    assert [one.keyword for one in heard] == demo_words


def test_a_channel_that_begins_to_float_drowns_the_other_until_a_second_later_somebody_speaks(voice):
    frames = np.stack((beginning_late(noise(len(voice), -20)), voice), 1)
    mono = mix(frames)
    begun = int(0.4 * len(voice)) + RATE_HZ
    spoken = begun + int(np.flatnonzero(np.abs(voice[begun:]) > 0.1)[0])
    changed = spoken + RATE_HZ // 5
    np.testing.assert_array_equal(mono[changed:], frames[changed:, 1].astype(np.float32))


def test_a_microphone_in_a_noisy_room_is_not_left_out_for_an_input_with_nothing_plugged_in(model, voice, demo_words):
    room = voice + noise(len(voice), -46, 1)
    for idle in (noise(len(voice), -80, 2), np.zeros(len(voice)), noise(len(voice), -70, 2) + 0.001 * voice):
        frames = np.stack((room, idle), 1).astype(np.float32)
        np.testing.assert_array_equal(mix(frames), frames.mean(axis=1))


def test_a_click_on_an_idle_input_does_not_make_it_the_microphone_for_longer_than_until_somebody_speaks(voice):
    room = np.concatenate((noise(3 * RATE_HZ, -40, 1), voice + noise(len(voice), -60, 1)))
    idle = noise(len(room), -80, 2)
    idle[2 * RATE_HZ : 2 * RATE_HZ + 200] += 0.01
    frames = np.stack((room, idle), 1).astype(np.float32)
    mono = mix(frames)
    spoken = 3 * RATE_HZ + int(np.flatnonzero(np.abs(voice) > 0.05)[0]) + RATE_HZ // 5
    np.testing.assert_array_equal(mono[spoken:], frames[spoken:].mean(axis=1))


def test_the_first_word_of_a_recording_is_whole_though_its_channels_cancel(voice):
    frames = np.stack((voice, -voice), 1).astype(np.float32)
    np.testing.assert_array_equal(mix(frames), frames[:, 0])


@pytest.mark.parametrize("length", [1, 333, 1600, 100000])
def test_any_blocks_give_the_same_sound(voice, length):
    frames = np.stack((noise(len(voice), -25), voice, -voice), 1)[: 3 * RATE_HZ if length > 1 else 5000]
    for is_live in (False, True):
        np.testing.assert_array_equal(mix(frames, length=length, is_live=is_live), mix(frames, is_live=is_live))


def test_channels_that_agree_are_averaged_to_the_bit(voice):
    frames = np.stack((voice, 0.5 * voice + noise(len(voice), -60)), 1).astype(np.float32)
    np.testing.assert_array_equal(mix(frames), frames.mean(axis=1))


def test_two_voices_are_both_kept(voice):
    """Two people at two microphones are no noise: neither is left out."""
    half = len(voice) // 2  # of the same noise
    frames = np.stack((voice[:half], np.roll(voice[:half], 3 * RATE_HZ)), 1).astype(np.float32)
    np.testing.assert_array_equal(mix(frames), frames.mean(axis=1))


def test_what_was_chosen_is_logged_once_with_its_reason(voice, caplog):
    mix(np.stack((voice, -0.7 * voice), 1))
    (line,) = caplog.messages
    assert line.startswith("here: channels 1 and 2 cancel each other (correlation -1.00); channel 1 is used alone")
    caplog.clear()
    mix(np.stack((noise(len(voice), -20), voice), 1))
    (line,) = caplog.messages
    assert line.startswith("here: channel 1 has steady noise at -20 dBFS, channel 2 less; channel 2 is used alone")


def test_a_channel_or_the_mean_may_be_asked_for(voice, caplog):
    frames = np.stack((voice, -voice, noise(len(voice), -20)), 1).astype(np.float32)
    np.testing.assert_array_equal(mix(frames, 2), frames[:, 1])
    np.testing.assert_array_equal(mix(frames, "mix"), frames.mean(axis=1))
    assert not caplog.messages


def test_when_the_reason_has_gone_the_mean_is_taken_again(voice):
    frames = np.stack((voice, np.concatenate((-voice[: 5 * RATE_HZ], voice[5 * RATE_HZ :]))), 1).astype(np.float32)
    frames += noise(len(frames), -50)[:, None].astype(np.float32)  # of the room, at both
    frames[: 5 * RATE_HZ, 1] -= 2 * noise(len(frames), -50)[: 5 * RATE_HZ].astype(np.float32)
    mono = mix(frames)
    np.testing.assert_array_equal(mono[4 * RATE_HZ : 5 * RATE_HZ], frames[4 * RATE_HZ : 5 * RATE_HZ, 0])
    np.testing.assert_array_equal(mono[13 * RATE_HZ :], frames[13 * RATE_HZ :].mean(axis=1))
