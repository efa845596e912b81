"""`learn`, `wrong` and `missed` from the command line; what is learnt is a stand-in, see `lessons`."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading

import lessons
import numpy as np
import pytest
import soundfile
from commands import (
    ENVIRONMENT,
    WITHIN_S,
    assert_last_line,
    assert_one_line,
    call,
    end,
    ended,
    keywords,
    patched,
    read_until_heard,
    run,
    start,
    wait_until_idle,
    wait_until_listening,
    wait_until_says,
)
from embeddings import write_resources
from spoken import RATE_HZ, needs_espeak, record, say, write_takes

from detector.core import folders
from detector.errors import ModelNotFoundError
from detector.learn.resources import find_folder

ALONE, BOTH = ["computer", "computer"], ["computer"] * 4
"""What is detected in the first ten seconds of the demo: its "yes", or its "no", too."""


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Have words learnt by the stand-in, into a folder of the user's own."""
    monkeypatch.setattr("detector.cli.lessons.learn_from", lessons.learn)
    for verb in ("learn", "correct"):
        monkeypatch.setattr(f"detector.cli.{verb}.open_resources", lambda: "none")
    folder = tmp_path / "models"
    monkeypatch.setattr(folders, "USER_FOLDER", folder)
    monkeypatch.setattr(folders, "SERVICE_FOLDER", tmp_path / "service")
    monkeypatch.setattr(folders, "FOLDERS", (folder, *folders.SHIPPED_FOLDERS))
    return folder


@pytest.fixture
def takes(tmp_path):
    return lessons.write_yes(tmp_path / "takes")


@pytest.fixture
def computer(models, takes):
    """Return the path of a learnt word, as `--model` takes it."""
    assert call("learn", "computer", *takes).returncode == 0
    return models / "computer"


def names_in(folder):
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def kept_in(folder):
    return sorted(folder.glob("*.flac"))


# ---- learn


def test_a_word_learnt_from_recordings_is_detected_by_its_name(models, takes, demo_file):
    finished = call("learn", "hey computer", *takes, "--speaker", "anna")
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[0] == "learnt         'hey computer' from 3 takes"
    assert lines[1] == "misses         not known: nobody else said it"
    assert lines[2] == "false accepts  0.5 an hour (0-2): 0.5 h of speech"
    assert "listen         keyword-detector listen --model hey-computer" in lines
    assert "beside others  keyword-detector listen --model yes-no,hey-computer" in lines
    assert names_in(models) == ["hey-computer.json", "hey-computer.takes", "hey-computer.tflite"]
    detected = call("detect", demo_file, "--model", "yes-no,hey-computer", "--words", "hey computer", "--json")
    assert set(keywords(detected.stdout)) == {"hey computer"}


def speakers_in(models, word):
    index = json.loads((models / f"{word}.takes/index.json").read_text())
    return [take["speaker"] for take in index["takes"]]


def test_folders_in_a_folder_are_speakers_and_the_rest_is_whose_it_is_said_to_be(models, takes, tmp_path):
    for place, names in (("anna", "12"), ("ben/monday", "1"), ("", "3")):
        (tmp_path / "people" / place).mkdir(parents=True, exist_ok=True)
        for k, name in enumerate(names):
            shutil.copy(takes[k], tmp_path / "people" / place / f"{name}.wav")
    shutil.copy(takes[1], tmp_path / "0a7c2a8d_nohash_0.wav")
    given = [tmp_path / "people", tmp_path / "0a7c2a8d_nohash_0.wav", takes[2]]
    finished = call("learn", "computer", *given, "--speaker", "me")
    assert finished.stdout.startswith("learnt         'computer' from 6 takes in 4 voices\n"), finished.stderr
    assert speakers_in(models, "computer") == ["me", "anna", "anna", "ben", "0a7c2a8d", "me"]
    tree = tmp_path / "tree/jarvis"
    shutil.copytree(tmp_path / "people", tree)
    assert call("learn", "--from", tmp_path / "tree").returncode == 0
    assert speakers_in(models, "jarvis") == [None, "anna", "anna", "ben"]


def test_a_folder_that_is_not_looked_into_is_named_in_full(models, takes, tmp_path, monkeypatch, demo_file):
    monkeypatch.chdir(tmp_path)
    finished = call("learn", "computer", *takes, "--folder", ".")
    assert f"listen         keyword-detector listen --model {tmp_path}/computer" in finished.stdout.splitlines()
    assert set(keywords(call("detect", demo_file, "--model", tmp_path / "computer", "--json").stdout)) == {"computer"}


def test_who_listens_to_a_word_is_said_to_take_it_over_and_nobody_else(models, takes, tmp_path):
    process, _ = listen(tmp_path, "yes-no")
    with ended(process):  # others may run beside this test
        assert f" {process.pid}:" not in call("learn", "computer", *takes).stdout
    process, _ = listen(tmp_path, models / "computer")
    with ended(process):
        line = f"reload         kill -HUP {process.pid}: the detector that listens to it takes it over"
        assert line in call("learn", "computer", takes[0], "--add").stdout.splitlines()
        assert line in call("learn", "computer", "--undo").stdout.splitlines()


def test_what_was_learnt_is_listed(models, computer):
    assert "computer: 3 takes, 0 false alarms" in call("learn").stdout
    (word,) = json.loads(call("learn", "--json").stdout)["words"]
    assert (word["word"], word["n_takes"], word["can_undo"]) == ("computer", 3, False)
    assert word["path"] == str(computer) + ".json"
    assert word["report"]["false_accepts_per_hour"] == 0.5


def test_nothing_was_learnt_yet(models):
    finished = call("learn")
    assert (finished.returncode, finished.stdout) == (0, "")
    assert "no word was learnt yet" in finished.stderr
    assert not models.exists()


def test_more_takes_are_added_and_undone(models, computer, takes, tmp_path):
    assert_one_line(call("learn", "computer", *takes), 78, "--add", "--forget")
    assert_last_line(call("learn", "jarvis", *takes, "--add"), 78, "leave --add out")
    room = tmp_path / "room.wav"
    soundfile.write(room, np.zeros(16000, dtype=np.int16), RATE_HZ)
    finished = call(
        "learn", "computer", takes[0], "--add", "--json", "--background", room, "--false-accepts-per-hour", "2"
    )
    answer = json.loads(finished.stdout)
    assert answer["report"]["n_takes"] == answer["counts"]["n_takes"] == answer["counts_before"]["n_takes"] == 4
    (word,) = json.loads(call("learn", "--json").stdout)["words"]
    assert (word["n_takes"], word["false_accepts_per_hour"], word["can_undo"]) == (4, 2.0, True)
    assert "from 3 takes and 0 false alarms" in call("learn", "computer", "--undo").stdout
    assert_last_line(call("learn", "computer", "--undo"), 78, "nothing to undo")


def test_a_word_is_forgotten(models, computer, takes):
    assert call("learn", "computer", "--forget").returncode == 0
    assert names_in(models) == []
    assert_one_line(call("learn", "computer", "--forget"), 78, "expected a learnt word")


def test_fewer_than_three_takes_are_refused_each_and_nothing_is_kept(models, takes, tmp_path):
    silence = tmp_path / "silence.wav"
    soundfile.write(silence, np.zeros(32000, dtype=np.int16), RATE_HZ)
    finished = call("learn", "computer", *takes[:2], silence, tmp_path / "missing.wav")
    assert finished.returncode == 78
    first, second, last = finished.stderr.splitlines()
    assert "silence.wav: expected a word, found digital silence" in first
    assert "missing.wav" in second
    assert "expected 3 takes of 'computer' or more, found 2, and 2 that cannot be learnt from" in last
    assert not models.exists()
    assert call("learn", "computer", *takes, silence).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["computer", "missing.wav"], 66, "expected 3 takes"),
        (["computer", "missing"], 66, "found no file 'missing'"),
        (["a,b", "FOLDER"], 78, "a comma"),
        (["yes-no", "FOLDER"], 78, "a shipped model"),
        (["a.wav", "b.wav", "c.wav"], 78, "a word, or a few, to learn, found the file 'a.wav'"),
        (["takes/"], 78, "a slash in 'takes/'"),
        (["--add"], 78, "the word that --add is meant for"),
        (["computer", "FOLDER", "--takes", "3"], 78, "at the microphone"),
        (["computer", "--takes", "2"], 78, "3 to 50 takes"),
        (["computer", "--room-s", "601"], 78, "0 to 600 s"),
        (["computer", "FOLDER", "--false-accepts-per-hour", "0"], 78, "above 0"),
        (["computer", "--from", "FOLDER"], 78, "--from alone"),
        (["--from", "FOLDER"], 66, "a folder for each word"),
        (["--from", "missing"], 66, "a folder of words"),
        (["computer", "EMPTY"], 66, "with none in it"),
        (["computer", "FOLDER", "--background", "missing.wav"], 66, "missing.wav"),
        (["computer", "--forget", "--undo"], 78, "--forget and a word alone"),
        (["computer", "FOLDER", "--folder", "FILE/models"], 78, "Not a directory"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(models, takes, tmp_path, monkeypatch, arguments, code, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    named = {"FOLDER": "takes", "EMPTY": "empty", "FILE/models": "file/models"}
    finished = call("learn", *[named.get(argument, argument) for argument in arguments])
    assert_last_line(finished, code, text)
    assert not models.exists()


def test_a_model_of_that_name_that_was_not_learnt_is_left_alone(models, takes):
    models.mkdir()
    (models / "computer.json").write_text("mine")
    assert_one_line(call("learn", "computer", *takes), 78, "a name that no model in")
    assert (models / "computer.json").read_text() == "mine"


def test_a_tree_is_a_word_a_folder_and_one_that_fails_keeps_no_other_from_being_learnt(models, takes, tmp_path):
    tree = tmp_path / "tree"
    for word, n_takes in (("computer", 3), ("jarvis", 2), ("snow white", 3)):
        (tree / word).mkdir(parents=True)
        for file in takes[:n_takes]:
            shutil.copy(file, tree / word)
    (tree / "_background_noise_").mkdir()
    soundfile.write(tree / "_background_noise_" / "a.wav", np.ones(1600, dtype=np.int16), RATE_HZ)
    finished = call("learn", "--from", tree, "--json")
    assert finished.returncode == 78
    assert "jarvis: expected 3 takes of 'jarvis' or more, found 2" in finished.stderr
    assert [json.loads(line)["word"] for line in finished.stdout.splitlines()] == ["computer", "snow white"]
    assert [name for name in names_in(models) if name.endswith(".json")] == ["computer.json", "snow-white.json"]
    assert (models / "computer.takes/room/0001.flac").is_file()


@needs_espeak
def test_what_cannot_be_learnt_from_gets_a_line_each(models, takes, tmp_path):
    bad = {
        "two words": record(say("computer"), say("banana")),
        "twice": record(say("computer"), say("computer")),
        "long": record(say("computer turn on all the lights in the kitchen")),
        "noise": record(),
        "empty": np.zeros(0, dtype=np.int16),
    }
    for name, samples in bad.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE_HZ)
    finished = call("learn", "computer", takes[0], *(tmp_path / f"{name}.wav" for name in bad))
    assert finished.returncode == 78
    expected = [
        "expected one word, found 2 with pauses of 0.7 s",
        "expected the word once, found it 2 times",
        "expected a word of at most 1.2 s",
        "found nothing that stands out from the room",
        "found a recording of 0.00 s",
        "expected 3 takes of 'computer' or more, found 1, and 5 that cannot be learnt from",
    ]
    lines = finished.stderr.splitlines()
    assert len(lines) == len(expected)
    for line, text in zip(lines, expected, strict=True):
        assert text in line
    long = "turn on all the lights in the kitchen please"
    assert_last_line(call("learn", long, "--say", "--language", "en"), 78, f"found that '{long}' takes voices longer")
    assert not models.exists()


@needs_espeak
def test_a_word_is_learnt_from_its_spelling_alone_or_beside_recordings(models, takes):
    finished = call("learn", "yes", "--say", "--language", "en", "--json")
    assert finished.returncode == 0, finished.stderr
    alone = json.loads(finished.stdout)["report"]
    assert alone["n_takes"] >= alone["n_speakers"] > 20
    assert "what voices alone are worth is not known" in finished.stderr
    beside = json.loads(call("learn", "computer", takes[0], "--say", "--language", "en", "--json").stdout)["report"]
    assert (beside["n_takes"], beside["n_speakers"]) == (61, alone["n_speakers"] + 1)
    assert_one_line(call("learn", "jarvis", "--language", "de"), 78, "with --say")
    assert_last_line(call("learn", "jarvis", "--say", "--language", "xx"), 78, "xx")


@needs_espeak
def test_other_voices_are_refused_where_that_is_asked_for_and_let_through_again(models, takes):
    finished = call("learn", "yes", *takes, "--only-me", "--language", "en")
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert "only me costs  25 % more misses (5-70): 1 of 4 takes" in lines
    assert "and refuses    70 % of synthetic voices (50-90): 21 of 30 voices" in lines
    assert "having 'yes' said by other voices" in finished.stderr
    (word,) = json.loads(call("learn", "--json").stdout)["words"]
    assert (word["only_me"], word["report"]["veto"]["refused_synthetic"]) == (True, 0.7)
    assert "only me costs" in call("learn", "yes", "--add", takes[0]).stdout
    assert "only me" not in call("learn", "yes", "--no-only-me").stdout
    (word,) = json.loads(call("learn", "--json").stdout)["words"]
    assert (word["only_me"], word["report"]["veto"], word["n_takes"]) == (False, None, 4)
    assert "only me costs" in call("learn", "yes", "--only-me").stdout
    assert call("learn", "yes", "--undo").returncode == 0
    (word,) = json.loads(call("learn", "--json").stdout)["words"]
    assert word["only_me"] is False


@needs_espeak
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["jarvis", "--only-me", "--language", "xx"], "xx"),
        (["джарвис", "FOLDER", "--only-me", "--language", "en"], "джарвис"),
        (["--only-me"], "the word that --only-me is meant for"),
        (["jarvis", "--forget", "--only-me"], "--forget and a word alone"),
        (["jarvis", "FOLDER", "--only-me", "--voices", "FOLDER"], "with --say"),
    ],
)
def test_what_other_voices_cannot_say_is_refused_before_anybody_is_asked(models, takes, arguments, text):
    finished = call("learn", *[takes[0].parent if one == "FOLDER" else one for one in arguments])
    assert_one_line(finished, 78, text)
    assert not models.exists()


# ---- wrong and missed


def feed(process, samples):
    process.stdin.buffer.write(samples.tobytes())
    process.stdin.buffer.flush()


def listen(tmp_path, model, **changes):
    settings = tmp_path / "settings.toml"
    lines = {"model": str(model), "json": True, "record": {"folder": str(tmp_path / "kept")}, **changes}
    settings.write_text("".join(f"{key} = {_to_toml(value)}\n" for key, value in lines.items()))
    process = start("listen", "-", "--config", settings, stdin=subprocess.PIPE)
    wait_until_listening(process)
    return process, settings


def _to_toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_to_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


def test_a_false_detection_is_learnt_from_while_the_detector_listens_on(models, computer, demo_samples, tmp_path):
    """The stand-in takes "no" for the word until it is corrected: of 2 x 4 words, then, 4 and 2 are detected."""
    first = demo_samples[: round(13.5 * RATE_HZ)]
    process, settings = listen(tmp_path, computer)
    with ended(process):
        feed(process, first)
        before = read_until_heard(process, 4)
        assert keywords(before) == BOTH
        wait_until_idle(process)
        *_, file = kept_in(tmp_path / "kept")
        finished = call("wrong", "--config", settings)
        assert finished.returncode == 0, finished.stderr
        lines = finished.stdout.splitlines()
        assert lines[0] == "learnt         'computer' from 3 takes and 1 false alarm"
        assert lines[1].startswith(f"without        {file.stem} at ")
        assert "of its takes   3 of 3 detected, 3 before" in lines
        assert "false alarms   0 of 1 fire, 1 before" in lines
        assert lines[-1] == f"reloaded       the detector that records into {tmp_path / 'kept'}, process {process.pid}"
        wait_until_says(process, "settings were read anew")
        feed(process, first)
        after = read_until_heard(process, 2)
        wait_until_idle(process)
        stdout, _ = end(process)
    assert keywords(after + stdout) == ALONE
    times = [json.loads(line)["time_s"] for line in before.splitlines()]
    again = [json.loads(line)["time_s"] - len(first) / RATE_HZ for line in after.splitlines()]
    for time_s in again:  # no sample was lost, and none came twice
        assert np.abs(np.array(times) - time_s).min() < 0.061
    call("wrong", "--undo", tmp_path / "kept")
    (word,) = json.loads(call("learn", "--json").stdout)["words"]
    assert (word["n_takes"], word["n_false_alarms"]) == (3, 0)


@pytest.fixture
def flight(models, computer, demo_samples, tmp_path):
    """Return a recording in which the word was detected in "yes" and in "no"."""
    process, _ = listen(tmp_path, computer)
    with ended(process):
        feed(process, demo_samples[: round(13.5 * RATE_HZ)])
        read_until_heard(process, 4)
        wait_until_idle(process)
        end(process)
    return kept_in(tmp_path / "kept")[-1]


def test_all_detections_of_a_recording_may_be_wrong(flight):
    answer = json.loads(call("wrong", flight, "--all", "--json").stdout)
    assert (answer["n_false_alarms"], answer["counts_before"]["n_fired"]) == (4, 4)
    assert answer["counts"]["n_fired"] < 4
    assert "reloaded" not in answer
    assert "no detector records into" in call("wrong", "--undo", flight).stdout


def test_what_was_learnt_from_already_is_refused(flight):
    assert call("wrong", flight).returncode == 0
    assert_last_line(call("wrong", flight), 78, "learnt from", "already")


def test_another_word_than_the_one_detected_is_refused(flight, takes):
    assert_one_line(call("wrong", flight, "--word", "jarvis"), 78, "found no 'jarvis'")
    assert call("learn", "jarvis", *takes).returncode == 0
    assert_one_line(call("wrong", flight, "--word", "jarvis"), 78, "jarvis was detected, found computer in it")
    assert "'computer'" in call("wrong", flight).stdout


def test_what_is_no_recording_is_refused(models, computer, tmp_path):
    assert_one_line(call("wrong", "--config", "/dev/null"), 78, "expected settings")
    (tmp_path / "settings.toml").write_text("json = true\n")
    assert_one_line(call("wrong", "--config", tmp_path / "settings.toml"), 78, "none named and no folder")
    assert_one_line(call("wrong", tmp_path / "a.flac"), 66, "expected a recording of the flight recorder")
    assert_one_line(call("missed", tmp_path), 66, "found none")
    assert_one_line(call("missed", tmp_path, "--last", "0"), 78, "above 0")
    call("learn", "computer", "--forget")
    assert_one_line(call("wrong", tmp_path / "a.flac"), 78, "expected a learnt word, found none")


def test_a_missed_word_is_kept_by_the_detector_and_learnt(models, computer, demo_samples, tmp_path):
    """It is missed since the detector listens for other words, to a threshold that none reaches."""
    process, settings = listen(tmp_path, "yes-no", threshold=1.0)
    n_said = round(4.2 * RATE_HZ)
    with ended(process):
        feed(process, demo_samples[:n_said])
        wait_until_idle(process)
        enough = threading.Event()

        def go_on():
            for first in range(n_said, len(demo_samples), 1600):
                if not enough.wait(0.05):
                    feed(process, demo_samples[first : first + 1600])

        feeder = threading.Thread(target=go_on)
        feeder.start()
        try:
            finished = call("missed", "--last", "30", "--config", settings, "--json")
        finally:
            enough.set()
            feeder.join()
        end(process)
    assert finished.returncode == 0, finished.stderr
    answer = json.loads(finished.stdout)
    assert (answer["word"], answer["counts"]["n_takes"]) == ("computer", 4)


@pytest.mark.microphone
@needs_espeak
def test_a_word_is_asked_for_at_the_microphone(microphone, tmp_path):
    environment = microphone.environment | {"XDG_DATA_HOME": str(tmp_path), "PYTHONPATH": "tests"}
    program = patched("import lessons\nlessons.install()")
    arguments = ["learn", "computer", "--takes", "3", "--room-s", "0.5", "--speaker", "me"]
    with ended(start(*arguments, command=program, env=environment, stdin=subprocess.DEVNULL)) as process:
        for k, voice in enumerate(("en-us", "en-gb+f3", "en-us+m3"), 1):
            wait_until_says(process, f"say 'computer', take {k} of 3")
            wav = tmp_path / f"{k}.wav"
            soundfile.write(wav, record(say("yes", voice=voice), before_s=0.3, after_s=0.3, room_dbfs=-95.0), RATE_HZ)
            microphone.play(wav)
        stdout, stderr = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, stderr
    assert "learnt         'computer' from 3 takes" in stdout
    kept = tmp_path / "keyword-detector/models/computer.takes"
    assert names_in(kept) == ["0001.flac", "0002.flac", "0003.flac", "index.json", "room"]
    assert soundfile.info(kept / "room/0001.flac").frames == 8000


@pytest.mark.microphone
def test_a_dialogue_that_is_ended_leaves_nothing(microphone, tmp_path):
    environment = microphone.environment | {"XDG_DATA_HOME": str(tmp_path), "PYTHONPATH": "tests"}
    program = patched("import lessons\nlessons.install()")
    with ended(start("learn", "computer", command=program, env=environment, stdin=subprocess.DEVNULL)) as process:
        wait_until_says(process, "say 'computer', take 1 of 5")
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, stdout) == (0, "")
    assert names_in(tmp_path) == []


# ---- with a learner that learns


@needs_espeak
def test_a_lesson_tells_a_word_from_others_and_keeps_to_it_when_it_is_corrected(
    tmp_path, monkeypatch, demo_file, demo_samples
):
    """On an embedding that knows little but "yes", so that this is what is learnt."""
    models = tmp_path / "models"
    monkeypatch.setattr("detector.learn.resources.SHIPPED_FOLDERS", (write_resources(tmp_path / "shipped"),))
    takes = tmp_path / "takes"
    takes.mkdir()
    write_takes(takes, "yes")
    finished = call("learn", "oh yes", takes, "--folder", models)
    assert finished.returncode == 0, finished.stderr
    assert f"listen         keyword-detector listen --model {models / 'oh-yes'}" in finished.stdout
    heard = call("detect", demo_file, "--model", models / "oh-yes", "--json")
    assert keywords(heard.stdout) == ["oh yes"] * 4
    options = ["--model", models / "oh-yes", "--record", tmp_path / "kept"]
    listened = run("listen", "-", *options, input=demo_samples.tobytes())
    assert len(listened.stdout.splitlines()) == 4
    answer = json.loads(call("wrong", tmp_path / "kept", "--folder", models, "--json").stdout)
    assert answer["counts_before"]["n_fired"] == answer["n_false_alarms"] == 1
    assert call("wrong", tmp_path / "kept", "--folder", models, "--undo").returncode == 0
    assert call("detect", demo_file, "--model", models / "oh-yes", "--json").stdout == heard.stdout


def has_embedding():
    try:
        find_folder()
    except ModelNotFoundError:
        return False
    return True


@pytest.mark.skipif(not has_embedding(), reason="needs models/learn: the embedding that words are learnt on")
@needs_espeak
def test_a_word_of_five_takes_is_detected_in_another_voice_and_others_are_not(tmp_path):
    environment = ENVIRONMENT | {"XDG_DATA_HOME": str(tmp_path)}
    takes = tmp_path / "takes"
    takes.mkdir()
    write_takes(takes, "computer")
    finished = run("learn", "computer", takes, "--json", env=environment)
    assert finished.returncode == 0, finished.stderr
    answer = json.loads(finished.stdout)
    assert answer["report"]["n_takes"] == answer["counts"]["n_takes"] == 5
    assert answer["counts"]["n_detected"] >= 4
    heard = tmp_path / "heard.wav"
    words = [say(word, voice="en-us+m7") for word in ("computer", "weather", "tomorrow", "computer", "seventeen")]
    soundfile.write(heard, record(*words, pause_s=1.5), RATE_HZ)
    detected = run("detect", heard, "--model", "yes-no,computer", "--words", "computer", "--json", env=environment)
    assert keywords(detected.stdout) == ["computer", "computer"], detected.stderr


@pytest.mark.skipif(not has_embedding(), reason="needs models/learn: the embedding that words are learnt on")
@needs_espeak
def test_another_word_among_the_takes_is_named_and_no_other(tmp_path):
    takes = tmp_path / "takes"
    takes.mkdir()
    write_takes(takes, "computer")
    soundfile.write(takes / "z.wav", record(say("banana")), RATE_HZ)
    finished = call("learn", "computer", takes, "--folder", tmp_path / "models")
    assert finished.returncode == 0, finished.stderr
    unlike = [line for line in finished.stderr.splitlines() if "does not sound like the rest" in line]
    assert len(unlike) == 1
    assert "z.wav does not sound like the rest: say it again?" in unlike[0]
