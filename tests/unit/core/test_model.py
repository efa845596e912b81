import hashlib
import importlib
import sys

import numpy as np
import pytest

from detector import errors, load_model
from detector.core.folders import find_model, list_models
from detector.core.network import Network, dequantize, find_interpreter, quantize


def test_quantising_rounds_half_to_even_and_clips():
    # 14.0 at scale 0.1 and zero point -10 must saturate, not wrap around; 0.04 rounds, it is not cut off.
    assert quantize(np.array([14.0, 0.04, -100.0]), 0.1, -10).tolist() == [127, -10, -128]
    assert quantize(np.array([0.25, 0.75, 1.25, -0.25]), 0.5, 0).tolist() == [0, 2, 2, 0]
    assert quantize(np.zeros((2, 3)), 0.1, -10).dtype == np.int8


def test_dequantising_inverts_quantising_for_every_step():
    steps = np.arange(-128, 128).astype(np.int8)
    assert quantize(dequantize(steps, 0.0123, 7), 0.0123, 7).tolist() == steps.tolist()


def test_the_shipped_model_loads_and_scores_sum_to_one(model):
    features = np.full((49, 40), -1.0, dtype=np.float32)
    scores = model.score(features)
    assert scores.shape == (len(model.manifest.labels),)
    assert scores.sum() == pytest.approx(1.0, abs=0.03)
    assert model.size_bytes <= 100_000


def test_models_are_found_by_name_and_by_the_path_of_either_file(pair):
    manifest = pair()
    assert find_model("yes-no") in list_models()
    for path in (manifest, manifest.with_suffix(".tflite"), manifest.with_suffix("")):
        assert load_model(str(path)).manifest.name == "yes-no"


def test_an_unknown_name_lists_the_models_there_are():
    with pytest.raises(errors.ModelNotFoundError, match=r"the name of a model \(.*yes-no.*\) or a path, found 'maybe'"):
        find_model("maybe")


def test_half_a_pair_is_not_found(pair):
    manifest = pair(with_manifest=False)
    with pytest.raises(errors.ModelNotFoundError, match=r"found no .*copy\.json"):
        load_model(str(manifest.with_suffix(".tflite")))


def test_a_checksum_that_does_not_agree_is_refused(pair):
    with pytest.raises(errors.ModelMismatchError, match=r"SHA-256 0123.*damaged or belongs to another manifest"):
        load_model(str(pair(sha256="0123" * 16)))


@pytest.mark.parametrize("length", [0, 10, 1000, 40000])
def test_a_truncated_network_is_refused_even_with_its_checksum(pair, length):
    if find_interpreter()[1] == "tflite_runtime":
        pytest.skip("tflite-runtime reads past the end of a file cut short; there the checksum alone protects")
    flatbuffer = find_model("yes-no").with_suffix(".tflite").read_bytes()[:length]
    manifest = pair(flatbuffer=flatbuffer or b"\0", sha256=hashlib.sha256(flatbuffer or b"\0").hexdigest())
    with pytest.raises(errors.ModelFormatError, match="expected a TFLite model"):
        load_model(str(manifest))


def test_labels_that_do_not_fit_the_network_are_refused(pair, model):
    labels = [*model.manifest.labels, "maybe"]
    with pytest.raises(errors.ModelMismatchError, match=r"one output for each of 5 labels, found \(1, 4\)"):
        load_model(str(pair(labels=labels)))


def test_a_window_that_does_not_fit_the_network_is_refused(pair):
    with pytest.raises(errors.ModelMismatchError, match=r"expected network input \(1, 24, 40, 1\)"):
        load_model(str(pair(window_s=0.5)))


def test_golden_features_that_differ_are_refused(pair, model):
    import msgspec

    frontend = msgspec.to_builtins(model.manifest.frontend) | {"floor": 1e-7}
    with pytest.raises(errors.ModelMismatchError, match=r"golden features within 0\.001, found a difference"):
        load_model(str(pair(frontend=frontend)))


@pytest.mark.parametrize("change", [8, -8])  # the runtimes themselves differ by up to 2
def test_golden_scores_that_differ_by_more_than_four_steps_are_refused(pair, model, change):
    import msgspec

    vector = msgspec.to_builtins(model.manifest.golden[0])
    vector["scores"][0] += change
    with pytest.raises(errors.ModelMismatchError, match="golden scores"):
        load_model(str(pair(golden=[vector])))


def test_labels_in_another_order_are_refused(pair, model):
    first, second, yes, no = model.manifest.labels
    with pytest.raises(errors.ModelMismatchError, match="golden scores"):
        load_model(str(pair(labels=[first, second, no, yes])))


def test_golden_vectors_that_are_not_base64_are_refused(pair, model):
    import msgspec

    vector = msgspec.to_builtins(model.manifest.golden[0]) | {"samples": "?"}
    with pytest.raises(errors.ModelFormatError, match="expected base64"):
        load_model(str(pair(golden=[vector])))


def test_without_a_runtime_the_message_names_one(monkeypatch):
    for name in (
        "ai_edge_litert",
        "ai_edge_litert.interpreter",
        "tflite_runtime",
        "tflite_runtime.interpreter",
        "tensorflow",
        "tensorflow.lite",
    ):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(errors.ModelError, match="pip install ai-edge-litert"):
        find_interpreter()


def test_a_runtime_that_imports_but_does_not_work_is_named(monkeypatch):
    class Interpreter:
        def __init__(self, **_):
            raise SystemError("initialization of _pywrap returned a result with an exception set")

    monkeypatch.setattr(
        importlib.import_module("detector.core.network"), "find_interpreter", lambda: (Interpreter, "old_runtime")
    )
    with pytest.raises(errors.ModelError, match=r"old_runtime fails under NumPy .*numpy<2"):
        Network(b"")


def test_a_network_that_is_not_int8_is_refused(monkeypatch):
    class Interpreter:
        def __init__(self, **_):
            pass

        def allocate_tensors(self):
            pass

        def get_input_details(self):
            return [{"dtype": np.float32}]

        get_output_details = get_input_details

    monkeypatch.setattr(
        importlib.import_module("detector.core.network"), "find_interpreter", lambda: (Interpreter, "fake")
    )
    with pytest.raises(errors.ModelFormatError, match="expected int8 input and output, found float32"):
        Network(b"")


@pytest.mark.tensorflow
def test_tensorflows_own_interpreter_is_the_last_resort(demo_file):
    import subprocess

    code = (
        "import sys; sys.modules['ai_edge_litert'] = None; sys.modules['tflite_runtime'] = None\n"
        "from detector import load_model; print(load_model('yes-no').network.runtime)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert finished.stdout == "tensorflow\n"
