"""One client's stream: what is detected in it is what the detector itself detects."""

import numpy as np
import pytest

from detector import Detector
from detector.server.reading import Chunk
from detector.server.session import Offer, Session

MONO = Chunk(16000, 2, 1)


@pytest.fixture
def offer(model):
    return Offer(model, tuple(model.manifest.words), {})


def send(session, samples, *, chunk=MONO, step=1024, width="<i2"):
    """Return what is detected in samples of shape (n,) or (n, n_channels), sent in chunks."""
    found = []
    for first in range(0, len(samples), step):
        sound = np.ascontiguousarray(samples[first : first + step]).astype(width).tobytes()
        if session.is_other_form(chunk):
            found += session.change()
        session.add(chunk, sound)
        while session.is_due:
            found += session.work()
    return found


def hear_all(session, samples, **options):
    return [one.detection for one in send(session, samples, **options) + session.finish()]


def expected(model, samples, **options):
    detector = Detector(model, **options)
    return detector.feed(samples) + detector.finish()


@pytest.mark.parametrize("step", [1, 7, 960, 1024, 100_000])
def test_detections_are_those_of_the_detector_however_the_sound_is_cut_up(offer, model, demo_samples, step):
    samples = demo_samples[: 6 * 16000] if step < 100 else demo_samples
    assert hear_all(Session(offer, "client"), samples, step=step) == expected(model, samples)


def test_a_client_hears_its_own_words_alone(offer, model, demo_samples):
    session = Session(offer, "client")
    assert session.select(["no", "computer", "no"]) == ["computer"]
    assert hear_all(session, demo_samples) == expected(model, demo_samples, words="no")


@pytest.mark.parametrize("names", [None, []])
def test_no_names_are_all_words_on_offer(offer, model, demo_samples, names):
    session = Session(offer, "client")
    session.select(["yes"])
    assert session.select(names) == []
    assert hear_all(session, demo_samples) == expected(model, demo_samples)


def test_of_no_word_on_offer_nothing_is_detected_and_sound_is_not_kept(offer, demo_samples):
    session = Session(offer, "client")
    session.select(["computer"])
    assert hear_all(session, demo_samples) == []
    assert not session._sound


def test_words_may_change_within_a_stream(offer, model, demo_samples):
    session, half = Session(offer, "client"), 13 * 16000
    session.select(["yes"])
    found = send(session, demo_samples[:half])
    session.select(["no"])
    found += send(session, demo_samples[half:]) + session.finish()
    wanted = [
        one for one in expected(model, demo_samples) if one.keyword == ("yes" if one.time_s * 16000 < half else "no")
    ]
    assert [one.detection.keyword for one in found] == [one.keyword for one in wanted]
    assert [one.detection.time_s for one in found] == [one.time_s for one in wanted]


def test_thresholds_of_the_server_hold_for_every_client(model, demo_samples):
    session = Session(Offer(model, ("yes", "no"), {"yes": 1.0}), "client")
    assert hear_all(session, demo_samples) == expected(model, demo_samples, thresholds={"yes": 1.0})


def test_the_timestamp_of_a_detection_is_that_of_the_sound_that_completed_it(offer, demo_samples):
    session, found = Session(offer, "client"), []
    for first in range(0, len(demo_samples), 1600):
        chunk = Chunk(16000, 2, 1, timestamp=5_000_000 + first // 16)
        found += send(session, demo_samples[first : first + 1600], chunk=chunk, step=1600)
    assert len(found) >= 7
    for one in found:
        assert one.timestamp <= 5_000_000 + one.detection.time_s * 1000 <= one.timestamp + 100


def test_sound_without_timestamps_is_counted_from_its_first_sample(offer, demo_samples):
    found = send(Session(offer, "client"), demo_samples)
    assert [one.timestamp for one in found] == [round(one.detection.time_s * 1000) for one in found]


@pytest.mark.parametrize(
    ("rate", "width", "coding", "shift"),
    [(16000, 3, "s24", 8), (16000, 4, "<i4", 16), (48000, 2, "<i2", 0), (8000, 2, "<i2", 0), (44100, 2, "<i2", 0)],
)
def test_sound_of_any_form_is_converted(offer, demo_samples, demo_words, rate, width, coding, shift):
    from detector.audio.resample import resample
    from detector.samples import to_float, to_int16

    samples = to_int16(resample(to_float(demo_samples), 16000, rate)).astype(np.int32) << shift
    if coding == "s24":
        sound = np.stack([samples & 255, samples >> 8 & 255, samples >> 16 & 255], axis=1).astype(np.uint8)
        coding = np.uint8
    else:
        sound = samples
    found = hear_all(Session(offer, "client"), sound, chunk=Chunk(rate, width, 1), width=coding)
    heard = [one.keyword for one in found]
    assert heard == demo_words or (rate == 8000 and set(heard) <= set(demo_words))


def test_the_same_samples_in_more_bits_or_on_two_channels_are_the_same_detections(offer, model, demo_samples):
    wanted = expected(model, demo_samples)
    wide = demo_samples.astype(np.int32) << 16
    assert hear_all(Session(offer, "client"), wide, chunk=Chunk(16000, 4, 1), width="<i4") == wanted
    stereo = np.stack([demo_samples, demo_samples], axis=1)
    assert hear_all(Session(offer, "client"), stereo, chunk=Chunk(16000, 2, 2)) == wanted


def test_eight_bits_are_unsigned_as_in_a_wav(offer, demo_samples, demo_words):
    coarse = (demo_samples.astype(np.int32) + 128 >> 8) + 128
    found = hear_all(Session(offer, "client"), np.clip(coarse, 0, 255), chunk=Chunk(16000, 1, 1), width="u1")
    assert [one.keyword for one in found] == demo_words


def test_a_chunk_that_ends_within_a_sample_goes_on_in_the_next(offer, model, demo_samples):
    session, sound, found = Session(offer, "client"), demo_samples.tobytes(), []
    for first in range(0, len(sound), 1001):
        session.add(MONO, sound[first : first + 1001])
        while session.is_due:
            found += session.work()
    assert [one.detection for one in found + session.finish()] == expected(model, demo_samples)


def test_another_form_continues_the_stream(offer, model, demo_samples):
    session, half = Session(offer, "client"), 10 * 16000
    found = send(session, demo_samples[:half])
    wide = demo_samples[half:].astype(np.int32) << 16
    found += send(session, wide, chunk=Chunk(16000, 4, 1), width="<i4") + session.finish()
    assert [one.detection for one in found] == expected(model, demo_samples)


def test_a_new_stream_knows_nothing_of_the_one_before(offer, model, demo_samples):
    session = Session(offer, "client")
    session.select(["no"])
    send(session, demo_samples[:12345])
    session.start()
    assert session.n_detections == 0
    assert hear_all(session, demo_samples) == expected(model, demo_samples, words="no")


def test_what_comes_in_a_pause_is_left_out_and_counted(offer, model, demo_samples):
    session, first, last = Session(offer, "client"), 5 * 16000, 9 * 16000
    found = send(session, demo_samples[:first])
    session.is_paused = True
    assert send(session, demo_samples[first:last]) == []
    session.is_paused = False
    found += send(session, demo_samples[last:]) + session.finish()
    detector = Detector(model)
    wanted = detector.feed(demo_samples[:first])
    detector.skip(last - first)
    wanted += detector.feed(demo_samples[last:]) + detector.finish()
    assert [one.keyword for one in wanted] == [one.detection.keyword for one in found]
    assert [round(one.time_s, 1) for one in wanted] == [round(one.detection.time_s, 1) for one in found]


@pytest.mark.parametrize("is_paused", [True, False])
def test_what_is_left_out_at_the_beginning_is_counted_too(offer, demo_samples, is_paused):
    session, before = Session(offer, "client"), 3 * 16000
    if is_paused:
        session.is_paused = True
    else:
        session.select(["computer"])
    assert send(session, demo_samples[:before]) == []
    session.is_paused = False
    session.select(None)
    found = send(session, demo_samples) + session.finish()
    wanted = send(Session(offer, "client"), demo_samples)
    assert [one.detection.keyword for one in found] == [one.detection.keyword for one in wanted]
    assert [one.timestamp for one in found] == [one.timestamp + 3000 for one in wanted]


def test_no_sound_is_no_detection(offer):
    session = Session(offer, "client")
    assert session.finish() == []
    session.add(MONO, b"")
    assert not session.is_due
    assert session.finish() == []
