"""The frameworks that Keras trains on."""

from __future__ import annotations

import importlib
import logging
import os

from detector.core.native import native_messages_to_log
from detector.errors import SettingsError

INSTALL = "pip install 'keyword-detector[train]', or in a checkout .venv/bin/pip install -e '.[train]'"
"""What training needs."""
BACKENDS = ("tensorflow", "torch", "jax")


def import_keras(backend: str = BACKENDS[0]) -> None:
    """Import Keras on a framework, with the first messages of native code in the log alone.

    Raises
    ------
    SettingsError
        If the framework or Keras is not installed.
    """
    os.environ["KERAS_BACKEND"] = backend
    logging.getLogger("jax").setLevel(logging.WARNING)  # it reports which devices are missing
    try:
        with native_messages_to_log():
            importlib.import_module(backend)
            importlib.import_module("keras")
    except ImportError as exc:
        extra = INSTALL if backend == "tensorflow" else f"pip install {backend} keras"
        raise SettingsError(f"expected {backend} and Keras for training, found none: {extra}") from exc
