"""What Home Assistant is sent: entities that keep their identity, and events of one word alone."""

from __future__ import annotations

import json

import pytest

from detector.events import Detection, Opened
from detector.outputs.discovery import Topics, describe_device, find_words, identify, remove_words

STREAM = Opened("microphone", True, "yes-no", "litert", 16000, {"yes": 0.9, "no": 0.9})
ODD = ["yes", 'say "hi" %}', "größer/als+#", "😀 it's", "{{ 7 * 6 }}"]


@pytest.fixture
def machine_id(tmp_path):
    file = tmp_path / "machine-id"
    file.write_text("0123456789abcdef0123456789abcdef\n")
    return file


def test_a_detector_keeps_its_identifier_and_no_other_has_it(machine_id, tmp_path):
    found = identify("kitchen", [tmp_path / "missing", machine_id])
    assert found == identify("kitchen", [machine_id]) == "3f1cbd752fefd959"
    other = tmp_path / "other"
    other.write_text("fedcba9876543210fedcba9876543210\n")
    assert len({found, identify(None, [machine_id]), identify("bath", [machine_id]), identify("kitchen", [other])}) == 4
    assert identify(None, [tmp_path / "missing"]) == identify(None, [])


def test_a_name_that_is_not_utf_8_is_announced_as_it_is_shown(machine_id):
    name = b"k\xe9".decode(errors="surrogateescape")
    assert identify(name, [machine_id]) != identify("k", [machine_id])
    config = describe_device("abc", name, Topics("home/ears"), ["yes"], "yes-no")
    assert json.loads(config.encode())["device"]["name"] == r"Keyword detector k\xe9"


def test_the_identifier_does_not_hold_that_of_the_machine(machine_id):
    assert identify("kitchen", [machine_id]) not in machine_id.read_text()


def test_each_entity_has_an_identity_of_its_own_which_does_not_depend_on_the_others():
    topics = Topics("home/ears")
    few, many = (
        json.loads(describe_device("abc", None, topics, words, "yes-no"))["components"] for words in (["no"], ODD)
    )
    identities = [component["unique_id"] for component in many.values()]
    assert len(set(identities)) == len(ODD) + 4
    assert all(few[key] == many[key] for key in few.keys() & many.keys())
    assert few["word_no"]["unique_id"] == "abc_word_no"


@pytest.mark.parametrize("word", ODD)
def test_an_entity_of_a_word_makes_an_event_of_its_detections_alone(word):
    jinja2 = pytest.importorskip("jinja2", reason="needs the group test: pip install --group test")
    config = json.loads(describe_device("abc", None, Topics("home/ears"), ODD, "yes-no"))
    (entity,) = [one for one in config["components"].values() if one["name"] == word and one["platform"] == "event"]
    template = jinja2.Environment(autoescape=False).from_string(entity["value_template"])
    template.environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    for other in ODD:
        detection = json.loads(Detection(other, 0.97, 2.0, 1.5).encode(STREAM))
        made = template.render(value_json=detection)
        if other == word:
            assert json.loads(made) == detection | {"event_type": "detected"}
        else:
            assert made == ""


def test_words_are_found_in_what_was_announced_and_those_that_go_are_left_with_their_platform_alone():
    config = describe_device("abc", None, Topics("home/ears"), ODD, "yes-no")
    assert find_words(config) == find_words(config.encode()) == set(ODD)
    removing = remove_words(config, ["old", ODD[2]])
    assert find_words(removing) == set(ODD) - {ODD[2]}
    assert json.loads(removing)["components"]["word_old"] == {"platform": "event"}


@pytest.mark.parametrize(
    "message",
    [b"", b"\xff", b"{}", b"[]", b"7", b'{"components": []}', b'{"components": {"word_x": null}}', b"[" * 10**5],
)
def test_in_a_message_of_another_make_no_words_are_found(message):
    assert find_words(message) == set()
