"""Who may import whom; each module in an interpreter of its own."""

import os
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
OF_EXTRAS = {
    "detector.server.announce": "zeroconf",
    "detector.server.client": "wyoming",
    "detector.server.messages": "wyoming",
    "detector.server.server": "wyoming",
    "detector.outputs.client": "paho.mqtt",
    "detector.outputs.mqtt": "paho.mqtt",
    "detector.outputs.prometheus": "prometheus_client",
}
"""Modules that need a package of an extra."""

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
    if module in OF_EXTRAS:
        pytest.importorskip(OF_EXTRAS[module], reason="needs the extras: pip install 'keyword-detector[all]'")
    assert imported(module, HEAVY) == []


LISTEN = """
import os, sys
before = set(sys.modules)
from detector.cli.parser import run
code = run(["listen", "-", *sys.argv[1:]])
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}), file=sys.stderr)
print(*sorted(name for name in sys.modules if name.startswith("detector.outputs.")), file=sys.stderr)
os._exit(code)
"""


def test_listening_without_outputs_imports_none_of_them_and_no_package_of_an_extra():
    """As much as before there were any: what is not asked for costs neither time nor memory."""
    finished = subprocess.run(
        [sys.executable, "-c", LISTEN], input=bytes(64_000), capture_output=True, check=False, timeout=60
    )
    assert finished.returncode == 0, finished.stderr
    packages, modules = finished.stderr.decode().splitlines()[-2:]
    asked = {"paho", "prometheus_client", "wyoming", "zeroconf", "asyncio", "http", "ssl", "soxr", "sounddevice"}
    assert not asked & set(packages.split())
    assert modules.split() == [
        f"detector.outputs.{name}" for name in ("console", "fanout", "opening", "settings", "stamps")
    ]


@pytest.mark.parametrize(
    "module", ["detector.cli.parser", "detector.cli.detect", "detector.core.detector", "detector.audio.sources"]
)
def test_no_sound_library_and_no_resampler_is_loaded_before_it_is_needed(module):
    assert imported(module, ["sounddevice", "soxr"]) == []


@pytest.mark.parametrize("command", ["detector", "training"])
def test_another_package_of_the_same_name_ends_the_commands_with_one_line(tmp_path, command):
    folder = tmp_path / "detector"
    folder.mkdir()
    for entry in PACKAGE.iterdir():
        if entry.name != "__init__.py":
            (folder / entry.name).symlink_to(entry)
    (folder / "__init__.py").write_text("'Detects objects in pictures.'\n")
    finished = subprocess.run(
        [sys.executable, "-m", command, "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert (finished.returncode, finished.stdout) == (78, "")
    (line,) = finished.stderr.splitlines()
    assert (
        f"found another's in {folder / '__init__.py'}: install keyword-detector into an environment of its own" in line
    )


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
