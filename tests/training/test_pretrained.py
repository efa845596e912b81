"""A network that begins as the embedding gives what the embedding gives, and goes on from there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny_words
from commands import KEYWORD_TRAINER, assert_one_line, call

from detector.core.frontend import LogMel
from detector.core.network import Network
from detector.errors import SettingsError
from training.run.provenance import find_embedding
from training.run.settings import TrainSettings

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore")]  # TensorFlow's own warnings

DEMO = Path(__file__).parents[1] / "recordings" / "demo.flac"
HOP = 4
"""Frames from one of a longer window's embeddings to the next."""
RECIPE = tiny_words.RECIPE.replace('"ts-resnet-tiny"', '"embedding"') + "windows = {n_rooms = 5}\n"


@pytest.fixture(scope="module")
def embedding():
    return find_embedding(TrainSettings(data=("words",), words=("up",)))


@pytest.fixture(scope="module")
def features(embedding):
    samples, _ = soundfile.read(DEMO, dtype="int16")
    return LogMel(embedding[0].frontend)(samples)


def test_the_rebuilt_network_gives_what_the_int8_file_gives(embedding, features):
    from training.network.pretrained import rebuild

    windows = np.stack([features[first : first + 49] for first in range(0, len(features) - 49, 10)])
    network = Network(embedding[1])
    expected = np.stack([network.score(window) for window in windows])
    found = rebuild(embedding[1], n_frames=49, n_mels=40).predict(windows[..., None], verbose=0).reshape(expected.shape)
    # What is left is the rounding of activations, which the rebuilt one does not have.
    assert np.abs(found - expected).mean() < 0.12 * expected.std()
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


def test_a_longer_window_has_the_embeddings_of_those_within_it(embedding, features):
    from training.network.pretrained import rebuild

    short, long = (rebuild(embedding[1], n_frames=n, n_mels=40) for n in (49, 49 + 3 * HOP))
    window = features[20 : 20 + 49 + 3 * HOP]
    parts = np.stack([window[k * HOP : k * HOP + 49] for k in range(4)])
    found = long.predict(window[None, ..., None], verbose=0).reshape(4, -1)
    np.testing.assert_allclose(found, short.predict(parts[..., None], verbose=0).reshape(4, -1), atol=1e-4)


def test_what_cannot_be_rebuilt_is_refused(embedding):
    import keras

    from training.network.pretrained import rebuild
    from training.network.quantize import convert_to_int8

    with pytest.raises(SettingsError, match="at least, found 30 frames: raise window_s"):
        rebuild(embedding[1], n_frames=30, n_mels=40)
    pooled = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.MaxPooling2D(2)])
    flatbuffer = convert_to_int8(pooled, np.zeros((2, 8, 8), dtype=np.float32))
    with pytest.raises(SettingsError, match="found MAX_POOL_2D in it"):
        rebuild(flatbuffer, n_frames=8, n_mels=8)


def test_depthwise_convolutions_strides_and_sums_are_rebuilt(rng):
    import keras
    from keras import layers

    from training.network.pretrained import rebuild
    from training.network.quantize import convert_to_int8

    given = keras.Input((12, 8, 1))
    x = layers.Conv2D(6, (3, 4), strides=(1, 2), padding="same", activation="relu")(given)
    y = layers.DepthwiseConv2D((3, 1), padding="same", activation="relu")(x)
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Conv2D(5, (12, 4))(x)
    model = keras.Model(given, layers.Reshape((5,))(x))
    windows = rng.standard_normal((50, 12, 8)).astype(np.float32)
    rebuilt = rebuild(convert_to_int8(model, windows), n_frames=12, n_mels=8)
    expected = model.predict(windows[..., None], verbose=0)
    found = rebuilt.predict(windows[..., None], verbose=0).reshape(expected.shape)
    assert np.abs(found - expected).max() < 0.05 * expected.std()


def test_a_run_begins_as_the_embedding_and_says_so(data, tmp_path, embedding):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"window_s = 1.25\n{RECIPE}")
    command = ["train", "--recipe", recipe, "--root", data.parent, "--out", tmp_path / "run"]
    finished = call(*command, "--cache", data.parent / "cache", "--workers", 1, command=KEYWORD_TRAINER)
    assert finished.returncode == 0, finished.stderr
    manifest = json.loads((tmp_path / "run" / "model.json").read_text())
    assert manifest["training"]["embedding"] == embedding[0].sha256
    assert manifest["window_s"] == 1.25
    assert len((tmp_path / "run" / "model.tflite").read_bytes()) < 1.1 * len(embedding[1])


def test_an_embedding_of_one_s_own_is_found_and_one_of_other_settings_refused(data, tmp_path, embedding):
    folder = Path(tmp_path, "mine")
    folder.mkdir()
    shipped = Path(__file__).parents[2] / "models" / "learn"
    for suffix in (".json", ".tflite"):
        shutil.copy(shipped / f"embedding{suffix}", folder)
    mine = TrainSettings(data=("words",), words=("up",), embedding=str(folder / "embedding"))
    assert find_embedding(mine)[1] == embedding[1]
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"{RECIPE}\nlevel = {{most_db = 10.0}}\n")
    command = ["train", "--recipe", recipe, "--root", data.parent, "--out", tmp_path / "run"]
    refused = call(*command, "--cache", data.parent / "cache", "--workers", 1, command=KEYWORD_TRAINER)
    assert_one_line(refused, 78, "expected the settings 'level' that the embedding")
