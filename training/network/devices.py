"""What a run trains on: which devices Keras' backend sees, and the number format that suits them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import keras

from detector.errors import SettingsError

STRATEGIES = ("auto", "one", "mirrored")
PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")


def list_gpus() -> list[str]:
    """Return the names of the GPUs that the backend can use."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return [device.name for device in tf.config.list_physical_devices("GPU")]
    if backend == "torch":  # keras.distribution knows nothing of PyTorch
        import torch

        return [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    return [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]


def list_nvidia_devices() -> list[str]:
    """Return the NVIDIA devices that the driver reports, whether a framework sees them or not."""
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return answer.stdout.splitlines() if answer.returncode == 0 else []


def describe_devices() -> list[str]:
    """Return lines that name what the run trains on, with a warning when a GPU lies idle."""
    backend, gpus = keras.backend.backend(), list_gpus()
    lines = [f"training on {', '.join(gpus) if gpus else 'the CPU'} with Keras {keras.__version__} on {backend}"]
    nvidia = [] if gpus else list_nvidia_devices()
    if nvidia:
        remedy = (
            "install the extra train-gpu (pip install 'keyword-detector[train-gpu]')"
            if backend == "tensorflow"
            else f"install a build of {backend} for CUDA"
        )
        lines.append(f"warning: {nvidia[0]} is present but {backend} does not see it: {remedy}")
    return lines


def needs_jit() -> bool:
    """Whether steps must be compiled by XLA: JAX is slow without, TensorFlow on a CPU is eight times slower with it."""
    return str(keras.backend.backend()) == "jax"


def choose_precision(precision: str) -> str:
    """Return the Keras dtype policy for a setting: "auto" is mixed_float16 on a GPU and float32 elsewhere.

    Raises
    ------
    SettingsError
        If the setting is none of `PRECISIONS`.
    """
    if precision not in PRECISIONS:
        raise SettingsError(f"expected a precision of {', '.join(PRECISIONS)}, found '{precision}'")
    if precision == "auto":
        return "mixed_float16" if list_gpus() else "float32"
    return precision


@dataclass(frozen=True)
class Strategy:
    """How a batch is divided among devices."""

    distribution: Any = None
    """A tf.distribute strategy; None trains on one device."""

    def scope(self) -> AbstractContextManager[Any]:
        """Return the context in which a model must be built."""
        return contextlib.nullcontext() if self.distribution is None else self.distribution.scope()

    def synchronise(self, model: keras.Model) -> None:
        """Let batch normalisation see the whole batch: several devices then compute what one would."""
        if self.distribution is not None:
            for layer in model.layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.synchronized = True


def choose_strategy(strategy: str) -> Strategy:
    """Return the strategy for a setting: "auto" is mirrored when TensorFlow sees several GPUs, else one device.

    "mirrored" without GPUs divides a batch among the logical CPUs, as tests do.

    Raises
    ------
    SettingsError
        If the setting is none of `STRATEGIES`, or several devices are asked for with a backend other than TensorFlow.
    """
    if strategy not in STRATEGIES:
        raise SettingsError(f"expected a strategy of {', '.join(STRATEGIES)}, found '{strategy}'")
    backend = keras.backend.backend()
    if strategy == "mirrored" and backend != "tensorflow":
        raise SettingsError(f"expected the TensorFlow backend for --strategy mirrored, found {backend}")
    if strategy == "one" or backend != "tensorflow" or (strategy == "auto" and len(list_gpus()) < 2):
        return Strategy()
    import tensorflow as tf

    devices = [device.name for device in tf.config.list_logical_devices("GPU" if list_gpus() else "CPU")]
    return Strategy(tf.distribute.MirroredStrategy(devices))
