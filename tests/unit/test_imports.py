"""Who may import whom; each module in an interpreter of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

import detector

PACKAGE = Path(detector.__file__).parent  # the checkout's, or the installed wheel's
MODULES = sorted(
    str(file.relative_to(PACKAGE.parent).with_suffix("")).replace("/", ".").removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
)
assert len(MODULES) > 20
HEAVY = ("tensorflow", "keras", "training", "scipy", "torch")

CODE = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*(name for name in sys.argv[2:] if name in sys.modules))
"""


def imported(module, names):
    command = [sys.executable, "-c", CODE, module, *names]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split()


@pytest.mark.parametrize("module", MODULES)
def test_the_detector_never_imports_training_or_tensorflow(module):
    assert imported(module, HEAVY) == []


@pytest.mark.parametrize(
    "module", ["detector.cli.parser", "detector.cli.detect", "detector.core.detector", "detector.audio.sources"]
)
def test_no_sound_library_and_no_resampler_is_loaded_before_it_is_needed(module):
    assert imported(module, ["sounddevice", "soxr"]) == []


def test_importing_the_package_alone_loads_no_numpy():
    assert imported("detector", ["numpy"]) == []


def test_training_leaves_threads_and_the_command_line_of_the_detector_alone():
    pytest.importorskip("tqdm", reason="needs the extra train: pip install 'keyword-detector[train-cpu]'")
    pytest.importorskip("scipy", reason="needs the extra train: pip install 'keyword-detector[train-cpu]'")
    forbidden = ["detector.audio.capture", "detector.cli.parser", "detector.daemon.listen", "detector.outputs.console"]
    for module in (
        "training.cli",
        "training.evaluate.streams",
        "training.evaluate.judge",
        "training.evaluate.clips",
        "training.windows.features",
    ):
        assert imported(module, forbidden) == []
