"""A framework that is not installed is named, and what installs it; the one that is asked for is Keras'."""

from __future__ import annotations

import os
import sys

import pytest

from detector.errors import SettingsError
from training.network.backends import import_keras


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Give back what a framework is chosen by."""
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")


@pytest.mark.parametrize(
    ("backend", "remedy"),
    [
        (
            "tensorflow",
            r"pip install 'keyword-detector\[train\]', or in a checkout \.venv/bin/pip install -e '\.\[train\]'",
        ),
        ("torch", "pip install torch keras"),
        ("jax", "pip install jax keras"),
    ],
)
def test_a_framework_that_is_missing_is_named_with_what_installs_it(monkeypatch, backend, remedy):
    monkeypatch.setitem(sys.modules, backend, None)
    with pytest.raises(SettingsError, match=f"^expected {backend} and Keras for training, found none: {remedy}$"):
        import_keras(backend)


def test_a_framework_without_keras_is_not_enough(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", sys)
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(SettingsError, match=r"^expected torch and Keras for training, found none"):
        import_keras("torch")


def test_keras_takes_the_framework_that_is_asked_for(monkeypatch):
    for name in ("jax", "keras"):
        monkeypatch.setitem(sys.modules, name, sys)  # there already: nothing is loaded
    import_keras("jax")
    assert os.environ["KERAS_BACKEND"] == "jax"
