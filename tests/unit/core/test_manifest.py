import json

import msgspec
import numpy as np
import pytest

from detector import errors
from detector.core.golden import GoldenVector
from detector.core.manifest import Manifest, encode_manifest, read_manifest


def test_a_manifest_survives_writing_and_reading(model, tmp_path):
    (tmp_path / "m.json").write_bytes(encode_manifest(model.manifest))
    assert read_manifest(tmp_path / "m.json") == model.manifest


def test_golden_vectors_survive_their_text():
    samples = np.array([-32768, 0, 32767], dtype=np.int16)
    features = np.array([[0.5, -1.0], [0.25, 1e-7]], dtype=np.float32)
    vector = GoldenVector.encode(samples, features, np.array([-128, 127], dtype=np.int8), "yes")
    np.testing.assert_array_equal(vector.decode_samples(), samples)
    np.testing.assert_array_equal(vector.decode_features(2), features)
    assert vector.scores == [-128, 127]
    with pytest.raises(errors.ModelFormatError, match="rows of 3"):
        vector.decode_features(3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "format_version must be 1, found 2"),
        ({"words": ["yes", "maybe"]}, "every word must be a label, 'maybe' is none"),
        ({"words": ["yes"]}, "decision.words must name exactly"),
        ({"labels": ["yes", "yes", "no", "x"]}, "labels must differ"),
        ({"stride_s": 0.05}, "multiple of the hop"),
        ({"window_s": 0.01}, "at least one frame"),
        ({"window_s": 1e308}, "window_s"),
        ({"stride_s": 1e-9}, "multiple of the hop"),
        ({"colour": 1}, "unknown field `colour`"),
        ({"window_s": "long"}, r"Expected `float`, got `str` - at `\$.window_s`"),
        ({"sha256": ""}, r"at `\$.sha256`"),
        ({"name": "a\x1b[2J"}, "without control characters, found 'a"),
        ({"labels": ["silence", "unknown", "yes\n00:00:01.000  no", "no"]}, "without control characters, found 'yes"),
        ({"words": ["yes", "no\u202e"]}, "without control characters, found 'no"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused_with_the_field(pair, changes, message):
    with pytest.raises(errors.ModelFormatError, match=message):
        read_manifest(pair(**changes))


def test_a_rearm_level_must_lie_below_the_threshold(pair, model):
    decision = msgspec.to_builtins(model.manifest.decision)
    decision["words"]["yes"] |= {"threshold": 0.5, "rearm": 0.5}
    with pytest.raises(errors.ModelFormatError, match="rearm must be below the threshold"):
        read_manifest(pair(decision=decision))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    file = tmp_path / "m.json"
    file.write_bytes(text)
    with pytest.raises(errors.ModelFormatError, match="expected a manifest in"):
        read_manifest(file)


def test_what_is_nested_without_end_is_refused(pair):
    file = pair(training={"deep": 0})
    file.write_text(file.read_text().replace('{"deep": 0}', '{"deep": ' + "[" * 100_000 + "]" * 100_000 + "}"))
    with pytest.raises(errors.ModelFormatError, match="recursion"):
        read_manifest(file)


def test_a_missing_manifest_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(errors.ModelNotFoundError):
        read_manifest(tmp_path / "none.json")
    with pytest.raises(errors.ModelFormatError, match="cannot be read"):
        read_manifest(tmp_path)


def test_the_shipped_manifest_says_where_its_model_comes_from(model):
    training = model.manifest.training
    assert set(training) >= {"sessions", "data", "settings", "epochs"}
    for folder in training["data"].values():
        assert folder["licence"] not in ("", "not stated")
        assert folder["n_recordings"] >= 0  # none of a folder that is set aside for validation as a whole
        assert len(folder["sha256"]) == 64
    assert sum(folder["n_recordings"] for folder in training["data"].values()) > 10000
    for session in training["sessions"]:
        assert len(session["commit"]) >= 40
        assert "tensorflow" in session["versions"]
    assert "seed" in training["settings"]
    assert not any(text.startswith("/") for text in _texts(training))
    assert model.manifest.clip_accuracy is not None
    assert json.loads(msgspec.json.encode(model.manifest))["labels"] == ["silence", "unknown", "yes", "no"]
    assert isinstance(model.manifest, Manifest)


def _texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
