import contextlib
import sys
import types

import pytest

from detector.errors import SettingsError

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put an nvidia-smi on the path that lists a device."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA T1000 (UUID: GPU-1)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def test_a_gpu_that_the_framework_does_not_see_is_warned_of(nvidia_smi, monkeypatch):
    from training.network import devices

    monkeypatch.setattr(devices, "list_gpus", list)
    first, warning = devices.describe_devices()
    assert first.startswith("training on the CPU with Keras 3.")
    assert "GPU 0: NVIDIA T1000" in warning
    assert "train-gpu" in warning


def test_a_gpu_that_is_seen_is_named_and_trains_in_mixed_precision(nvidia_smi, monkeypatch):
    from training.network import devices

    monkeypatch.setattr(devices, "list_gpus", lambda: ["/physical_device:GPU:0"])
    (line,) = devices.describe_devices()
    assert "/physical_device:GPU:0" in line
    assert devices.choose_precision("auto") == "mixed_float16"
    assert devices.choose_precision("float32") == "float32"


def test_a_precision_that_there_is_not_is_refused(monkeypatch):
    from training.network import devices

    monkeypatch.setattr(devices, "list_gpus", list)
    assert devices.choose_precision("auto") == "float32"
    with pytest.raises(SettingsError, match="found 'int3'"):
        devices.choose_precision("int3")


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 9\n", "no program"])
def test_a_driver_that_does_not_answer_lists_nothing(tmp_path, monkeypatch, script):
    from training.network.devices import list_nvidia_devices

    monkeypatch.setenv("PATH", str(tmp_path))
    assert list_nvidia_devices() == []  # there is none
    (tmp_path / "nvidia-smi").write_text(script)
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert list_nvidia_devices() == []


@pytest.mark.parametrize(("backend", "remedy"), [("torch", "a build of torch for CUDA"), ("jax", "a build of jax")])
def test_what_lets_another_framework_see_a_gpu_is_named(nvidia_smi, monkeypatch, backend, remedy):
    from training.network import devices

    monkeypatch.setattr(devices, "list_gpus", list)
    monkeypatch.setattr(devices.keras.backend, "backend", lambda: backend)
    first, warning = devices.describe_devices()
    assert first.endswith(f"on {backend}")
    assert f"{backend} does not see it: install {remedy}" in warning
    assert devices.needs_jit() == (backend == "jax")


def test_devices_share_a_batch_on_tensorflow_alone(monkeypatch):
    from training.network import devices

    monkeypatch.setattr(devices.keras.backend, "backend", lambda: "torch")
    assert devices.choose_strategy("auto").distribution is None
    with pytest.raises(SettingsError, match=r"expected the TensorFlow backend for --strategy mirrored, found torch"):
        devices.choose_strategy("mirrored")


def test_gpus_are_those_that_the_framework_lists(monkeypatch):
    from training.network import devices

    monkeypatch.setattr(devices.keras.backend, "backend", lambda: "torch")
    cuda = types.SimpleNamespace(device_count=lambda: 2, get_device_name="GPU {}".format)
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))
    assert devices.list_gpus() == ["GPU 0", "GPU 1"]
    monkeypatch.setattr(devices.keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(devices.keras.distribution, "list_devices", lambda: ["cpu:0", "gpu:0"])
    assert devices.list_gpus() == ["gpu:0"]
    assert devices.choose_precision("auto") == "mixed_float16"


def test_one_device_needs_no_scope_and_changes_no_layer():
    import keras

    from training.network.devices import Strategy, choose_strategy

    model = types.SimpleNamespace(layers=[keras.layers.BatchNormalization(), keras.layers.ReLU()])
    assert choose_strategy("one") == Strategy()
    with Strategy().scope() as scope:
        assert scope is None
    Strategy().synchronise(model)
    assert not model.layers[0].synchronized


def test_devices_that_share_a_batch_normalise_all_of_it():
    import keras

    from training.network.devices import Strategy

    shared = Strategy(types.SimpleNamespace(scope=lambda: contextlib.nullcontext("shared")))
    with shared.scope() as scope:
        assert scope == "shared"
    model = types.SimpleNamespace(layers=[keras.layers.BatchNormalization(), keras.layers.ReLU()])
    shared.synchronise(model)
    assert model.layers[0].synchronized
    assert not hasattr(model.layers[1], "synchronized")


@pytest.mark.parametrize(("n_gpus", "is_shared"), [(0, False), (1, False), (2, True)])
def test_several_gpus_share_a_batch_unasked(monkeypatch, n_gpus, is_shared):
    import tensorflow as tf

    from training.network import devices

    names = [f"/device:GPU:{k}" for k in range(n_gpus)]
    monkeypatch.setattr(devices, "list_gpus", lambda: names)
    monkeypatch.setattr(
        tf.config,
        "list_logical_devices",
        lambda kind: [types.SimpleNamespace(name=name) for name in names] * (kind == "GPU"),
    )
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", tuple)
    assert devices.choose_strategy("auto").distribution == (tuple(names) if is_shared else None)
