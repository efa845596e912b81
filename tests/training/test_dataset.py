import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from detector.errors import AudioFileError, SettingsError
from training.data import decode
from training.data.collection import Collection
from training.data.decode import find_word, read_recording
from training.data.items import SPLITS, Item, Kind, Split, choose_split, describe_items, holds_any_word
from training.data.layouts import index_folders, index_noise, index_words
from training.data.speech import index_speech
from training.data.store import WaveformStore

SILENCE = np.zeros(1600, dtype=np.int16)


def write(path, samples=SILENCE, rate_hz=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz)


@pytest.mark.recordings
def test_the_split_rule_is_the_official_one(data_folder):
    # The folder holds training and validation speakers only, chosen by the official rule, a tenth of them validation.
    speakers = {item.speaker for item in index_words(str(data_folder / "speech_commands"))}
    splits = [choose_split(speaker) for speaker in speakers]
    assert Split.TESTING not in splits
    assert 0.08 < splits.count(Split.VALIDATION) / len(splits) < 0.14


def test_the_split_of_a_speaker_is_a_matter_of_its_name_alone():
    splits = [choose_split(f"speaker {k}") for k in range(5000)]
    assert splits == [choose_split(f"speaker {k}") for k in range(5000)]
    for split, share in ((Split.VALIDATION, 0.1), (Split.TESTING, 0.1), (Split.TRAINING, 0.8)):
        assert splits.count(split) / 5000 == pytest.approx(share, abs=0.02)
    assert set(splits) == set(SPLITS)


@pytest.mark.parametrize("below", ["", "SpeechCommands/speech_commands_v0.02"])
def test_speech_commands_are_found_as_people_unpack_them(tmp_path, below):
    root = tmp_path / below
    for name in ("yes/aa_nohash_0.wav", "yes/aa_nohash_1.flac", "no/bb_nohash_0.ogg", "_background_noise_/hum.wav"):
        write(root / name)
    (root / "README.md").write_text("words")
    items = index_folders(data=[str(tmp_path)], noise=[], speech=[], validation_speakers=[])
    found = [(item.kind, item.word, item.speaker) for item in items]
    assert found == [
        (Kind.WORD, "no", "bb"),
        (Kind.WORD, "yes", "aa"),
        (Kind.WORD, "yes", "aa"),
        (Kind.NOISE, "", "hum"),
    ]


def test_the_lists_of_the_archive_beat_the_rule(tmp_path):
    for k in range(4):
        write(tmp_path / f"yes/s{k}_nohash_0.wav")
    (tmp_path / "validation_list.txt").write_text("yes/s1_nohash_0.wav\n")
    (tmp_path / "testing_list.txt").write_text("yes/s2_nohash_0.wav\n")
    assert [item.split for item in index_words(str(tmp_path))] == [
        Split.TRAINING,
        Split.VALIDATION,
        Split.TESTING,
        Split.TRAINING,
    ]


def test_a_clip_that_stands_in_two_versions_counts_once(tmp_path):
    for version in ("v1", "v2"):
        write(tmp_path / version / "yes/aa_nohash_0.wav")
    items = index_folders(
        data=[str(tmp_path / "v1"), str(tmp_path / "v2")], noise=[], speech=[], validation_speakers=[]
    )
    assert len(items) == 1


def test_a_folder_that_is_missing_or_holds_no_clips_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"found no folder .*none"):
        list(index_words(str(tmp_path / "none")))
    with pytest.raises(SettingsError, match=r"SPEAKER_nohash_N.wav or WORD/FILE, below .*"):
        list(index_words(str(tmp_path)))


def test_lists_hold_words_of_several_words(tmp_path):
    write(tmp_path / "hey computer/s1_nohash_0.wav")
    (tmp_path / "testing_list.txt").write_text("hey computer/s1_nohash_0.wav\n")
    assert [item.split for item in index_words(str(tmp_path))] == [Split.TESTING]


def test_takes_of_an_esc_50_source_are_one_source_and_numbered_noises_are_not(tmp_path):
    names = ["1-211527-A-10", "1-211527-B-10", "noise-free-sound-0001", "noise-free-sound-0002", "coffee-shop"]
    for name in names:
        write(tmp_path / f"{name}.wav")
    sources = {Path(item.path).stem: item.speaker for item in index_noise(str(tmp_path))}
    assert sources["1-211527-A-10"] == sources["1-211527-B-10"] == "1-211527"
    assert sources["noise-free-sound-0001"] != sources["noise-free-sound-0002"]


def test_folders_without_recordings_and_speakers_that_are_not_there_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    for index in (index_noise, lambda name: index_speech(name, [])):
        with pytest.raises(SettingsError, match=r"expected recordings below .*empty, found none"):
            list(index(str(tmp_path / "empty")))
    write(tmp_path / "speech/19/19-1-0000.flac")
    with pytest.raises(SettingsError, match="'20'"):
        index_folders(data=[], noise=[], speech=[str(tmp_path / "speech")], validation_speakers=["20"])


def test_without_named_speakers_at_least_one_of_several_is_set_aside(tmp_path):
    for speaker in (1, 2, 3):
        write(tmp_path / f"{speaker}/{speaker}-1-0000.flac")
    assert Split.VALIDATION in [item.split for item in index_speech(str(tmp_path), [])]


def test_cuts_of_one_noise_stay_in_one_split(tmp_path):
    for source in range(30):
        for cut in "ABC":
            write(tmp_path / "rain" / f"1-{source}-{cut}.wav")
    splits = {}
    for item in index_noise(str(tmp_path)):
        splits.setdefault(item.speaker, set()).add(item.split)
    assert len(splits) == 30
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) == {Split.TRAINING, Split.VALIDATION}


def test_librispeech_is_read_with_its_transcripts_and_named_speakers(tmp_path):
    write(tmp_path / "19/198/19-198-0000.flac")
    write(tmp_path / "26/495/26-495-0000.flac")
    (tmp_path / "19/198/19-198.trans.txt").write_text("19-198-0000 OH 'NO' I KNOW\n")
    items = list(index_speech(str(tmp_path), ["26"]))
    assert [(item.kind, item.speaker, item.split) for item in items] == [
        (Kind.SPEECH, "19", Split.TRAINING),
        (Kind.SPEECH, "26", Split.VALIDATION),
    ]
    assert holds_any_word(items[0], ["no"])
    assert not holds_any_word(items[0], ["now", "yes"])
    assert not holds_any_word(items[1], ["no"])


def test_lj_speech_is_read_with_its_transcripts_as_one_speaker(tmp_path):
    root = tmp_path / "ljspeech"
    write(root / "LJ001-0001.wav")
    (root / "metadata.csv").write_text("LJ001-0001|No. 7, said he|No, seven, said he\n")
    (item,) = index_speech(str(root), ["ljspeech"])
    assert (item.speaker, item.split, item.transcript) == ("ljspeech", Split.VALIDATION, "NO SEVEN SAID HE")


def test_a_word_is_found_between_its_first_and_last_loud_ten_milliseconds(rng):
    samples = (rng.standard_normal(16000) * 3).astype(np.int16)
    samples[4000:8000] = 3000
    assert find_word(samples, 16000) == (4000, 8000)
    assert find_word(np.zeros(16000, dtype=np.int16), 16000) == (0, 16000)
    assert find_word(np.zeros(50, dtype=np.int16), 16000) == (0, 50)


def test_recordings_are_decoded_to_mono_at_the_rate_asked_for(tmp_path):
    stereo = np.stack([np.full(48000, 1000), np.full(48000, 3000)], axis=1).astype(np.int16)
    write(tmp_path / "a.wav", stereo, 48000)
    samples = read_recording(str(tmp_path / "a.wav"), 16000)
    assert len(samples) == 16000
    assert abs(int(samples[8000]) - 2000) <= 1
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), 16000, subtype="FLOAT")
    with pytest.raises(AudioFileError, match="NaN or infinity"):
        read_recording(str(tmp_path / "nan.wav"), 16000)
    with pytest.raises(AudioFileError, match=r"expected a recording, found no file .*b\.wav"):
        read_recording(str(tmp_path / "b.wav"), 16000)


def test_a_store_gives_every_recording_and_decodes_once(tmp_path, rng, monkeypatch):
    sounds = [(rng.standard_normal(n) * 1000).astype(np.int16) for n in (1600, 1, 5000)]
    for k, sound in enumerate(sounds):
        write(tmp_path / f"noise/{k}.wav", sound)
    items = list(index_noise(str(tmp_path / "noise")))
    build = {"folder": tmp_path / "cache", "sample_rate_hz": 16000}
    store = WaveformStore.build(items, **build)
    assert len(store) == 3
    for position, sound in enumerate(sounds):
        np.testing.assert_array_equal(store[position], sound)

    monkeypatch.setattr("training.data.decode.read_recording", lambda *_, **__: pytest.fail("decoded again"))
    np.testing.assert_array_equal(WaveformStore.build(items, **build)[2], sounds[2])
    # Nor when the same recordings lie elsewhere and are younger; but when one of them holds something else.
    shutil.copytree(tmp_path / "noise", tmp_path / "moved", copy_function=shutil.copyfile)
    moved = list(index_noise(str(tmp_path / "moved")))
    np.testing.assert_array_equal(WaveformStore.build(moved, **build)[2], sounds[2])
    write(tmp_path / "moved/1.wav", sounds[1] + 1)
    with pytest.raises(pytest.fail.Exception, match="decoded again"):
        WaveformStore.build(moved, **build)


def test_a_recording_of_many_parts_is_decoded_once(tmp_path, rng, monkeypatch):
    sound = (rng.standard_normal(160_000) * 1000).astype(np.int16)
    write(tmp_path / "long.wav", sound)
    spans_s = [(float(s), s + 0.5) for s in (8, 1, 3, 3, 0)] + [(9.0, np.inf)]
    items = [
        Item(str(tmp_path / "long.wav"), Kind.WORD, Split.TRAINING, word=str(k), span_s=s)
        for k, s in enumerate(spans_s)
    ]
    opened = []
    once = decode.open_sound
    monkeypatch.setattr(decode, "open_sound", lambda path: opened.append(path) or once(path))
    store = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)
    for position, (start_s, end_s) in enumerate(spans_s):
        last = len(sound) if np.isinf(end_s) else round(end_s * 16000)
        np.testing.assert_array_equal(store[position], sound[round(start_s * 16000) : last])
    assert len(opened) == 1
    items[1:3] = [msgspec.structs.replace(items[k], span_s=(10.0 + k, 20.0)) for k in (1, 2)]
    with pytest.raises(
        AudioFileError, match=r"found 2 to be mended or removed: .*from 11 s on.*from 12 s on.*ends at 10 s"
    ):
        WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)


def test_recordings_are_described_by_kind_and_split():
    words = [Item(str(k), Kind.WORD, split, speaker=f"s{k % 2}") for k, split in enumerate([*SPLITS, Split.TRAINING])]
    noises = [Item("hum", Kind.NOISE, Split.VALIDATION, speaker="hum")]
    assert describe_items([*noises, *words]) == [
        "word: 2 training, 1 validation, 1 testing; 2 speakers",
        "noise: 1 validation",
    ]
    assert describe_items([]) == []


def test_a_store_that_lacks_samples_says_what_to_delete(tmp_path):
    write(tmp_path / "noise/hum.wav", np.ones(100, dtype=np.int16))
    items = list(index_noise(str(tmp_path / "noise")))
    file = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000).file
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(SettingsError, match=r"expected 100 samples in .*\.int16, found 90: delete this file"):
        WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)


def count_decoded(monkeypatch):
    """Return the list to which the name of each recording is added that is decoded from now on."""
    decoded, once = [], decode.read_recording
    monkeypatch.setattr(
        decode, "read_recording", lambda path, *a, **k: decoded.append(Path(path).stem) or once(path, *a, **k)
    )
    return decoded


def test_what_many_failures_end_is_not_decoded_again_but_for_those(tmp_path, monkeypatch):
    write(tmp_path / "noise/a.wav", np.ones(100, dtype=np.int16))
    for name in "bcd":
        (tmp_path / f"noise/{name}.wav").write_bytes(b"no sound")
    items = list(index_noise(str(tmp_path / "noise")))
    for _ in range(2):
        with pytest.raises(AudioFileError, match=r"in 4 recordings, found 3 .*b\.wav"):
            WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)
    decoded = count_decoded(monkeypatch)
    for name in "bcd":
        write(tmp_path / f"noise/{name}.wav", np.full(50, 7, dtype=np.int16))
    store = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)
    assert ([len(store[k]) for k in range(4)], store.failed) == ([100, 50, 50, 50], {})
    assert sorted(decoded) == ["b", "c", "d"]


def test_a_damaged_recording_is_left_out_and_named_each_time(tmp_path, monkeypatch):
    for k in range(20):
        write(tmp_path / f"noise/{k:02d}.wav", np.full(100, k + 1, dtype=np.int16))
    (tmp_path / "noise/07.wav").write_bytes(b"no sound")
    items = list(index_noise(str(tmp_path / "noise")))
    for _ in range(2):
        collection = Collection.open(items, cache=tmp_path / "cache", sample_rate_hz=16000)
        assert [collection[k][0] for k in range(19)] == [k + 1 for k in range(20) if k != 7]
        assert [item.path for item in collection.items] == [item.path for item in items if "07" not in item.path]
        ((reason, names),) = collection.left_out.items()
        assert "could not be decoded" in reason
        assert names == [str(tmp_path / "noise/07.wav")]
    decoded = count_decoded(monkeypatch)
    write(tmp_path / "noise/07.wav", np.full(100, 8, dtype=np.int16))
    mended = Collection.open(items, cache=tmp_path / "cache", sample_rate_hz=16000)
    assert (len(mended), mended[7][0], mended.left_out) == (20, 8, {})
    assert decoded == ["07"]


def test_what_can_be_decoded_later_without_having_changed_is(tmp_path, monkeypatch):
    write(tmp_path / "noise/a.wav", np.ones(100, dtype=np.int16))
    items, once = list(index_noise(str(tmp_path / "noise"))), decode.read_recording

    def lacks_program(*_, **__):
        raise AudioFileError("expected ffmpeg, found none")

    with monkeypatch.context() as patch:
        patch.setattr(decode, "read_recording", lacks_program)
        store = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)
        assert (len(store[0]), [str(error) for error in store.failed.values()]) == (0, ["expected ffmpeg, found none"])
    assert decode.read_recording is once
    store = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)
    assert (len(store[0]), store.failed) == (100, {})


def test_of_recordings_of_which_one_changed_that_one_is_decoded(tmp_path, rng, monkeypatch):
    sounds = {f"{k}": (rng.standard_normal(200 + k) * 1000).astype(np.int16) for k in range(6)}
    for name, sound in sounds.items():
        write(tmp_path / f"noise/{name}.wav", sound)
    items = list(index_noise(str(tmp_path / "noise")))
    WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)
    decoded = count_decoded(monkeypatch)
    sounds |= {"3": sounds["3"] + 1, "new": sounds["0"] - 1}
    write(tmp_path / "noise/3.wav", sounds["3"])
    write(tmp_path / "noise/new.wav", sounds["new"])
    (tmp_path / "noise/1.wav").unlink()
    items = list(index_noise(str(tmp_path / "noise")))
    store = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)
    for position, item in enumerate(items):
        np.testing.assert_array_equal(store[position], sounds[Path(item.path).stem])
    assert sorted(decoded) == ["3", "new"]
    WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=8000)
    assert len(decoded) == 2 + 6  # at another rate none is the same


def test_recordings_without_samples_are_kept_as_such(tmp_path):
    write(tmp_path / "noise/none.wav", SILENCE[:0])
    store = WaveformStore.build(
        list(index_noise(str(tmp_path / "noise"))), folder=tmp_path / "cache", sample_rate_hz=16000
    )
    assert (len(store), len(store[0])) == (1, 0)


def test_of_speakers_whom_the_rule_trains_on_the_first_is_set_aside(tmp_path):
    """Three that the rule trains on, one that is alone."""
    trained = [str(k) for k in range(999) if choose_split(str(k), testing_percent=0.0) == Split.TRAINING][:3]
    for speaker in trained:
        write(tmp_path / "several" / f"{speaker}-1-0000.flac")
    splits = {item.speaker: item.split for item in index_speech(str(tmp_path / "several"), [])}
    assert [speaker for speaker, split in splits.items() if split == Split.VALIDATION] == [min(trained)]
    write(tmp_path / "alone" / f"{trained[0]}-1-0000.flac")
    assert [item.split for item in index_speech(str(tmp_path / "alone"), [])] == [Split.TRAINING]
