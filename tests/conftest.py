"""Fixtures of all tests: the shipped model, recordings made by ourselves, a microphone that is not one."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from commands import end_started
from lenient import open_lenient_detector
from pipewire import missing_packages
from pulse import VirtualMicrophone, missing_programs, virtual_microphone
from supervisor import Supervisor

from detector import Detector, Model, load_model
from detector.core import folders

RECORDINGS = Path(__file__).parent / "recordings"

hypothesis.settings.register_profile("no test asserts a time", deadline=None)
hypothesis.settings.load_profile("no test asserts a time")
POLITE = 10
"""Niceness of what trains."""
LONGEST = [
    "training/test_train.py",
    "end_to_end/test_notebooks.py",
    "end_to_end/test_listen.py",
    "end_to_end/test_load.py",
    "end_to_end/test_learn.py",
    "training/test_architectures.py",
    "training/test_tutorial.py",
    "end_to_end/test_soak.py",
    "end_to_end/test_pipewire.py",
    "end_to_end/test_recovery.py",
    "end_to_end/test_pages.py",
    "end_to_end/test_metrics.py",
    "end_to_end/test_service.py",
    "end_to_end/test_mqtt.py",
    "training/test_teachers.py",
]
"""Files that keep a process busy for longest come first, so that no process waits at the end for one that has just
begun; what trains and what waits for a sound server in turn."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine lacks, and say what would run it; put the longest first."""
    missing, missing_of_pipewire = missing_programs(), missing_packages()
    folder = os.environ.get("KEYWORD_DETECTOR_DATA", "")
    for item in items:
        if missing and "microphone" in item.keywords:
            item.add_marker(pytest.mark.skip(f"needs {missing[0]}: apt-get install pulseaudio pulseaudio-utils"))
        if missing_of_pipewire and "pipewire" in item.keywords:
            item.add_marker(pytest.mark.skip(f"needs PipeWire: apt-get install {' '.join(missing_of_pipewire)}"))
        if importlib.util.find_spec("tensorflow") is None and "tensorflow" in item.keywords:
            item.add_marker(pytest.mark.skip("needs TensorFlow: pip install 'keyword-detector[train-cpu]'"))
        if not Path(folder or "missing").is_dir() and "recordings" in item.keywords:
            item.add_marker(pytest.mark.skip("needs real recordings: set KEYWORD_DETECTOR_DATA to their folder"))
    items.sort(key=find_place)


def find_place(item: pytest.Item) -> int:
    """Return where a test comes: by its file alone, so that a file's tests stay together."""
    file = "/".join(item.path.parts[-2:])
    return LONGEST.index(file) if file in LONGEST else len(LONGEST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let what trains give way to what has to keep up with real time in another process."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    if "tensorflow" in item.keywords:
        os.setpriority(os.PRIO_PROCESS, 0, max(before, POLITE))
    try:
        return (yield)
    finally:
        with contextlib.suppress(PermissionError):  # not root: what follows in this process gives way, too
            os.setpriority(os.PRIO_PROCESS, 0, before)


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """End what a test has started, however it ends."""
    yield
    end_started()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    return Path(os.environ["KEYWORD_DETECTOR_DATA"])


@pytest.fixture(scope="session", autouse=True)
def no_models_of_ones_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """See that what somebody has learnt on this machine is not among the models that tests list and choose from."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("XDG_DATA_HOME", str(home))
        patch.setattr(folders, "USER_FOLDER", home / folders.PLACE)
        patch.setattr(folders, "FOLDERS", (home / folders.PLACE, *folders.SHIPPED_FOLDERS))
        yield


@pytest.fixture(scope="session")
def model() -> Model:
    return load_model("yes-no")


@pytest.fixture(scope="session")
def flatbuffer() -> bytes:
    """The network of the shipped model that listens by default."""
    return folders.find_model("yes-no").with_suffix(".tflite").read_bytes()


@pytest.fixture
def detector(model: Model) -> Detector:
    return Detector(model)


@pytest.fixture
def lenient_detector(model: Model) -> Detector:
    return open_lenient_detector(model)


@pytest.fixture(scope="session")
def demo_file() -> Path:
    return RECORDINGS / "demo.flac"


@pytest.fixture(scope="session")
def demo_truth() -> list[dict[str, Any]]:
    """The keywords of the demo recording and where they stand, in order."""
    return json.loads((RECORDINGS / "demo.json").read_text())["words"]


@pytest.fixture(scope="session")
def demo_words(demo_truth: list[dict[str, Any]]) -> list[str]:
    """The keywords of the demo recording, in order."""
    return [word["word"] for word in demo_truth]


@pytest.fixture(scope="session")
def demo_samples(demo_file: Path) -> np.ndarray:
    import soundfile

    return soundfile.read(demo_file, dtype="int16")[0]


@pytest.fixture
def words(demo_samples: np.ndarray, tmp_path: Path) -> Path:
    """A recording of the demo's first two words, more than a window after whatever was before it."""
    import soundfile

    wav = tmp_path / "words.wav"
    before, after = np.zeros(2 * 16000, dtype=np.int16), np.zeros(8000, dtype=np.int16)
    soundfile.write(wav, np.concatenate((before, demo_samples[: 6 * 16000], after)), 16000)
    return wav


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture(scope="session")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMicrophone]:
    with virtual_microphone(tmp_path_factory.mktemp("pulse")) as running:
        yield running


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with contextlib.closing(Supervisor(tmp_path)) as receiver:
        yield receiver


@pytest.fixture
def pair(model: Model, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies the shipped pair, with changes, and returns the path of the manifest."""
    from detector.core.folders import find_model

    source = find_model("yes-no")

    def copy(*, flatbuffer: bytes | None = None, with_manifest: bool = True, **changes: object) -> Path:
        manifest = json.loads(source.read_text()) | changes
        (tmp_path / "copy.tflite").write_bytes(flatbuffer or source.with_suffix(".tflite").read_bytes())
        if with_manifest:
            (tmp_path / "copy.json").write_text(json.dumps(manifest))
        return tmp_path / "copy.json"

    return copy


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str
    """Standard error, then what was logged, a line each."""


@pytest.fixture
def keyword_detector(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[..., Ended]]:
    """Return a function that runs the command in this process; tests/commands.py has one for a process of its own."""
    from detector.cli.parser import run

    level = logging.getLogger().level

    def run_here(*arguments: object) -> Ended:
        caplog.clear()
        try:
            code = run(list(map(str, arguments)))
        except SystemExit as exc:
            code = int(exc.code or 0)
        captured = capsys.readouterr()
        logged = "".join(f"{record.getMessage()}\n" for record in caplog.records)
        return Ended(code, captured.out, captured.err + logged)

    yield run_here
    logging.getLogger().setLevel(level)
