import json
import logging
import shutil

import msgspec
import numpy as np
import pytest
import soundfile
from commands import KEYWORD_TRAINER, assert_one_line, run

from detector.errors import DetectorError, SettingsError
from detector.learn import voices as engines
from detector.learn.voices import LANGUAGES, describe_engines, pronounce, speak

pytest.importorskip("tqdm", reason="needs the extra train: pip install 'keyword-detector[train-cpu]'")

from training.data.layouts import index_words
from training.synthesis import synthesize as synthesis
from training.synthesis.near import find_near_words, make_up_words
from training.synthesis.settings import SynthesisSettings
from training.synthesis.vocabulary import differs_by_one, read_vocabulary, sort_vocabulary
from training.synthesis.voices import find_voices

needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="needs espeak-ng: apt-get install espeak-ng"
)

VOCABULARY = "the cat know the dog, the nose; the cat would go yesterday Go banana knows yes"


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text(VOCABULARY)
    return file


@pytest.fixture(scope="session")
def voices():
    return find_voices()


@pytest.fixture
def known_voices(voices, monkeypatch):
    """Spare the search for voices, which speaks with each."""
    monkeypatch.setattr(synthesis, "find_voices", lambda *_given, **_how: voices)


def settings(text, **changes):
    few = {
        "vocabulary": (str(text),),
        "clips_per_keyword": 6,
        "clips_per_neighbour": 3,
        "clips_per_word": 1,
        "n_words": 4,
    }
    return SynthesisSettings(words=("yes", "no"), **{**few, **changes})


def synthesize(chosen, out):
    return synthesis.synthesize(chosen, out)


def contents(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@needs_espeak
def test_clips_are_found_as_speech_commands_with_a_voice_as_speaker(tmp_path, text, voices, known_voices):
    (line,) = synthesize(settings(text), tmp_path / "out")
    items = list(index_words(str(tmp_path / "out")))
    assert len(items) == 2 * 6 + 4 * 3 + 3
    assert f"{len(items)} clips of 9 words" in line
    assert {item.word for item in items} == {"yes", "no", "the", "cat", "dog", "nose", "knows", "go", "yesterday"}
    assert {item.speaker for item in items} <= {voice.name for voice in voices}
    for item in items:
        samples, rate_hz = soundfile.read(item.path, dtype="int16")
        assert (rate_hz, samples.ndim, soundfile.info(item.path).subtype) == (16000, 1, "PCM_16")
        assert samples.any()
        assert 0.1 < len(samples) / rate_hz < 2.0


@needs_espeak
def test_the_seed_decides_every_byte(tmp_path, text, known_voices):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        synthesize(settings(text, seed=seed), tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a").keys() != contents(tmp_path / "c").keys()


@needs_espeak
def test_homophones_are_left_out_and_named(tmp_path, text, caplog, known_voices):
    with caplog.at_level(logging.INFO):
        synthesize(settings(text, also=("know", "go")), tmp_path / "out")
    assert "left out, as they sound like a keyword: know (no)" in caplog.text
    assert not (tmp_path / "out/know").exists()
    assert len(list((tmp_path / "out/go").iterdir())) == 3
    summary = json.loads((tmp_path / "out/synthesis.json").read_text())
    assert summary["homophones_left_out"] == {"know": "no"}
    assert summary["n_clips"] == 2 * 6 + 3 + 3
    assert str(tmp_path) not in json.dumps(summary)


@needs_espeak
def test_words_that_are_almost_a_keyword_or_begin_or_end_with_one_are_its_neighbours():
    words = ["nose", "go", "yesterday", "casino", "yet", "banana", "know", "note", "elephant"]
    vocabulary = sort_vocabulary(words, ["yes", "no"], LANGUAGES)
    assert vocabulary.homophones == {"know": "no"}
    assert vocabulary.neighbours == {
        "nose": "no",
        "go": "no",
        "yesterday": "yes",
        "casino": "no",
        "yet": "yes",
        "note": "no",
    }
    assert vocabulary.words == [word for word in words if word != "know"]


@needs_espeak
def test_an_accent_is_enough_to_be_a_homophone():
    assert pronounce(["four"], "en-us") != pronounce(["for"], "en-us")
    assert sort_vocabulary(["for", "to", "won"], ["one", "two", "four"], LANGUAGES).homophones == {
        "for": "four",
        "to": "two",
        "won": "one",
    }


@needs_espeak
def test_words_are_pronounced_each_by_itself():
    assert pronounce(["to", "no", "to"], "en-us") == [("t", "u\u02d0"), ("n", "o\u028a"), ("t", "u\u02d0")]
    assert pronounce([], "en-us") == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("no", "no", True),
        ("no", "go", True),
        ("no", "o", True),
        ("no", "nos", True),
        ("aa", "aaa", True),
        ("no", "on", False),
        ("no", "", False),
        ("yes", "gas", False),
        ("abc", "cab", False),
    ],
)
def test_one_change_makes_neighbours(one, other, expected):
    assert differs_by_one(one, other) is expected
    assert differs_by_one(other, one) is expected


def test_the_vocabulary_is_read_most_frequent_first_without_the_speakers_to_skip(tmp_path, text):
    assert read_vocabulary([str(text)])[:3] == ["the", "cat", "go"]
    for speaker, said in (("19", "OH DON'T"), ("26", "A SECRET")):
        folder = tmp_path / "speech" / speaker
        folder.mkdir(parents=True)
        (folder / f"{speaker}-1.trans.txt").write_text(f"{speaker}-1-0000 {said}\n")
    assert read_vocabulary([str(tmp_path / "speech")], ["26"]) == ["oh", "don't"]
    lj_speech = tmp_path / "ljspeech"
    lj_speech.mkdir()
    (lj_speech / "metadata.csv").write_text("LJ001-0001|No. 7|No, seven, no\n")
    assert read_vocabulary([str(lj_speech)]) == read_vocabulary([str(lj_speech / "metadata.csv")]) == ["no", "seven"]
    with pytest.raises(SettingsError, match="no transcript of '27'"):
        read_vocabulary([str(tmp_path / "speech")], ["27"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match=r"expected \*.trans.txt or metadata.csv in .*empty, found none"):
        read_vocabulary([str(tmp_path / "empty")])
    with pytest.raises(SettingsError, match=r"expected a text in .*missing.txt"):
        read_vocabulary([str(tmp_path / "missing.txt")])


@needs_espeak
def test_an_interrupted_run_is_finished_to_what_it_would_have_been(tmp_path, text, monkeypatch, known_voices):
    synthesize(settings(text), tmp_path / "whole")
    spoken = []

    def speak_ten(voice, word, **how):
        if len(spoken) == 10:
            raise KeyboardInterrupt
        spoken.append(word)
        return speak(voice, word, **how)

    with monkeypatch.context() as patched:
        patched.setattr(synthesis, "speak", speak_ten)
        with pytest.raises(KeyboardInterrupt):
            synthesize(settings(text), tmp_path / "resumed")
    assert len(list((tmp_path / "resumed").glob("*/*.flac"))) == 10
    assert not (tmp_path / "resumed/synthesis.json").exists()
    kept = next((tmp_path / "resumed").glob("*/*.flac"))
    written_ns = kept.stat().st_mtime_ns
    synthesize(settings(text), tmp_path / "resumed")
    assert kept.stat().st_mtime_ns == written_ns
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")


@needs_espeak
def test_a_folder_of_something_else_is_left_alone(tmp_path, text, known_voices):
    synthesize(settings(text), tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(SettingsError, match="the same settings, texts and engines"):
        synthesize(settings(text, seed=1), tmp_path / "out")
    assert contents(tmp_path / "out") == before
    with pytest.raises(SettingsError, match="to be empty or begun by this command"):
        synthesize(settings(text), tmp_path)


@needs_espeak
@pytest.mark.parametrize("name", ["synthesis.json", "synthesis.partial.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"{}", b"\xff\xfe", b"[" * 100_000])
def test_a_folder_whose_summary_is_damaged_is_left_alone(tmp_path, text, known_voices, name, content):
    out = tmp_path / "out"
    (out / "yes").mkdir(parents=True)
    (out / name).write_bytes(content)
    with pytest.raises(SettingsError, match=rf"expected the settings of a synthesis in .*{name}, found none: delete"):
        synthesize(settings(text), out)
    assert [path.name for path in sorted(out.iterdir())] == [name, "yes"]
    assert (out / name).read_bytes() == content


@needs_espeak
def test_clips_without_sound_are_counted_and_left_out(tmp_path, text, monkeypatch, caplog, known_voices):
    def speak_all_but_go(voice, word, **how):
        return np.zeros(800 * (voice.engine == "flite"), np.int16) if word == "go" else speak(voice, word, **how)

    monkeypatch.setattr(synthesis, "speak", speak_all_but_go)
    synthesize(settings(text), tmp_path / "out")
    assert "left out: 3 of 27 clips, in which the voice made no sound" in caplog.text
    assert not (tmp_path / "out/go").exists()
    assert json.loads((tmp_path / "out/synthesis.json").read_text())["n_clips_without_sound"] == 3


def test_at_most_a_tenth_of_a_second_of_silence_is_left_around_a_word():
    samples = np.zeros(16000, dtype=np.int16)
    samples[4000:8000] = 3000
    samples[8000:8800] = 30  # the end of an "s", 40 dB below
    trimmed = synthesis.trim(samples, 16000)
    np.testing.assert_array_equal(trimmed, samples[4000 - 1600 : 8800 + 1600])
    assert synthesis.trim(np.zeros(16000, dtype=np.int16), 16000).size == 0


@needs_espeak
def test_pace_and_pitch_are_heard(voices):
    for engine in describe_engines():
        voice = next(voice for voice in voices if voice.engine == engine)
        slow, fast, high = (
            speak(voice, "yesterday", pace=pace, pitch=pitch) for pace, pitch in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
        )
        assert len(slow) > 1.2 * len(fast)
        assert slow.tobytes() != high.tobytes()


def test_a_missing_engine_is_named_with_what_installs_it(tmp_path, text, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match=r"espeak-ng .*found none: .*sudo apt-get install espeak-ng"):
        synthesize(settings(text), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo broken >&2; exit 3", r"found exit code 3 \(broken\)"),
        ("echo noise", "expected a recording"),
        ("sleep 5", "found it running"),
    ],
)
def test_an_engine_that_fails_is_an_error(tmp_path, monkeypatch, script, message):
    program = tmp_path / "espeak-ng"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(engines, "ESPEAK", str(program))
    monkeypatch.setattr(engines, "CLIP_TIMEOUT_S", 0.5)
    voice = engines.Voice(name="espeak-en-us", engine=str(program), code="en-us")
    with pytest.raises(DetectorError, match=message):
        speak(voice, "no", pace=0.5, pitch=0.5)


@pytest.mark.parametrize("word", ["../up", "-v", "a_nohash_1", "7", "up ", "up\n"])
def test_words_that_cannot_be_said_or_name_a_folder_are_refused(tmp_path, text, word):
    with pytest.raises(SettingsError, match="expected words of letters"):
        synthesize(msgspec.structs.replace(settings(text), also=(word,)), tmp_path / "out")


@needs_espeak
def test_the_command_speaks_words(tmp_path, text):
    finished = run(
        *("synthesize", "--out", tmp_path / "out", "--words", "yes", "--vocabulary", text, "--n-words", 1),
        *("--clips-per-keyword", 2, "--clips-per-neighbour", 1, "--clips-per-word", 1, "--seed", 3),
        command=KEYWORD_TRAINER,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith(f"{tmp_path / 'out'}: 4 clips of 3 words in ")
    finished = run("synthesize", "--out", tmp_path / "out", "--words", "yes", command=KEYWORD_TRAINER)
    assert_one_line(finished, 78, "expected --vocabulary TEXT or --also go,down")


DICTIONARY = """\
;;; a few lines as CMUdict has them
COMPUTER  K AH0 M P Y UW1 T ER0
computers K AH0 M P Y UW1 T ER0 Z
commuter K AH0 M Y UW1 T ER0 # a comment
compute K AH0 M P Y UW1 T
COMMUTE(1)  K AH0 M Y UW1 T
cat K AE1 T
hey HH EY1
kompjuter K AH0 M P Y UW1 T ER0
"""


@pytest.fixture
def dictionary(tmp_path):
    file = tmp_path / "cmudict.dict"
    file.write_text(DICTIONARY)
    return file


def test_the_nearest_words_of_a_dictionary_are_found_but_none_that_holds_the_keyword(dictionary, caplog):
    assert find_near_words(dictionary, ["computer"], 10) == ["commuter", "compute", "commute"]
    assert find_near_words(dictionary, ["Computer"], 1) == ["commuter"]
    assert find_near_words(dictionary, ["hey computer"], 3) == ["computer", "kompjuter", "commuter"]
    with caplog.at_level(logging.INFO):
        assert find_near_words(dictionary, ["hey jarvis"], 10) == []
    assert "cmudict.dict has no 'jarvis': what sounds nearly like it is made up alone" in caplog.text


def test_a_dictionary_that_is_none_is_refused(tmp_path, text):
    with pytest.raises(SettingsError, match="expected lines as 'CAT  K AE1 T' in"):
        find_near_words(text, ["yes"], 3)
    with pytest.raises(SettingsError, match="cannot be read"):
        find_near_words(tmp_path / "none", ["yes"], 3)


@needs_espeak
def test_near_words_and_made_up_ones_are_spoken_often(tmp_path, dictionary, known_voices):
    chosen = SynthesisSettings(
        words=("computer",), dictionary=str(dictionary), n_made_up=4, clips_per_keyword=5, clips_per_neighbour=2
    )
    synthesize(chosen, tmp_path / "out")
    summary = json.loads((tmp_path / "out/synthesis.json").read_text())
    assert summary["near_in_dictionary"] == ["commuter", "compute", "commute"]
    assert summary["made_up"] == make_up_words(["computer"], 4, LANGUAGES, 0)
    assert len(summary["made_up"]) == 4
    assert summary["settings"]["dictionary"] == "cmudict.dict"
    spoken = {folder.name: len(list(folder.iterdir())) for folder in (tmp_path / "out").iterdir() if folder.is_dir()}
    near = [*summary["near_in_dictionary"], *summary["made_up"]]
    assert spoken == {"computer": 5} | dict.fromkeys(near, 2)


@needs_espeak
def test_words_that_name_folders_of_noise_are_not_spoken(tmp_path, known_voices):
    chosen = settings(tmp_path, vocabulary=(), also=("noise", "silence", "go"), clips_per_neighbour=1)
    synthesize(chosen, tmp_path / "out")
    assert {folder.name for folder in (tmp_path / "out").iterdir() if folder.is_dir()} == {"yes", "no", "go"}


@needs_espeak
def test_any_language_of_espeak_ng_is_spoken(tmp_path):
    chosen = SynthesisSettings(words=("чайник",), language="ru", n_made_up=2, clips_per_keyword=3)
    synthesize(chosen, tmp_path / "out")
    items = list(index_words(str(tmp_path / "out")))
    assert sum(item.word == "чайник" for item in items) == 3
    assert {item.speaker.partition("-")[2][:2] for item in items} == {"ru"}
    assert len({item.word for item in items}) == 3


@needs_espeak
def test_natural_voices_have_their_share_and_a_folder_of_piper_s_is_one_of_them(tmp_path, monkeypatch):
    from detector.learn.piper import PiperVoice
    from training.synthesis import voices as speakers

    found = [PiperVoice(name=f"piper-{k}", engine="piper", code="p.onnx", speaker=k) for k in range(2)]
    monkeypatch.setattr(speakers, "find_piper_voices", lambda folder, language: found)
    chosen = find_voices("en", tmp_path, natural_share=0.4)
    shares = {}
    for voice in chosen:
        shares[voice.engine] = shares.get(voice.engine, 0.0) + voice.share
    natural = [engine for engine in shares if engine != "espeak-ng"]
    assert "piper" in natural
    assert shares == pytest.approx({"espeak-ng": 0.6} | dict.fromkeys(natural, 0.4 / len(natural)))


@needs_espeak
def test_what_piper_says_goes_into_the_folder(tmp_path, monkeypatch):
    from detector.learn.piper import PiperVoice
    from training.synthesis.voices import PiperSpeaker

    asked = []

    def speak_piper(voice, word, *, pace, pitch, sample_rate_hz):
        asked.append((voice.name, isinstance(voice, PiperVoice), word))
        return np.full(sample_rate_hz // 2, 1000, dtype=np.int16)

    voice = PiperSpeaker(name="piper-amy", engine="piper", code="amy.onnx", share=1.0)
    monkeypatch.setattr(synthesis, "find_voices", lambda *_given, **_how: [voice])
    monkeypatch.setattr(synthesis, "speak_piper", speak_piper)
    synthesize(
        SynthesisSettings(words=("yes",), also=("go",), clips_per_keyword=1, clips_per_neighbour=1), tmp_path / "o"
    )
    assert asked == [("piper-amy", True, "go"), ("piper-amy", True, "yes")]
    assert (tmp_path / "o/yes/piper-amy_nohash_0.flac").is_file()


@pytest.mark.parametrize("word", ["नमस्ते", "hey computer", "aujourd'hui", "o\u2019clock"])
def test_words_of_any_script_can_be_spoken(word):
    synthesis.check_words([word])


@pytest.mark.parametrize("word", ["", "a  b", "-a", "a1", "a/b", ".", "a-"])
def test_what_is_no_word_of_letters_is_refused(word):
    with pytest.raises(SettingsError, match="expected words of letters"):
        synthesis.check_words([word])
