"""Where things stand and who may know whom, read from the imports: wherever they are, inside functions too."""

import ast
from pathlib import Path

import pytest

import detector

PACKAGE = Path(detector.__file__).parent
ROOT_MODULES = {
    "__init__",
    "__main__",
    "assembly",
    "batch",
    "errors",
    "events",
    "files",
    "samples",
    "settings",
    "text",
    "types",
    "validation",
}
FOLDERS = {"audio", "cli", "core", "daemon", "flight", "learn", "outputs", "process", "server"}

MOST_LINES = 300

FORBIDDEN = {
    "core": {"server", "audio", "outputs", "process", "daemon", "cli", "flight", "learn", "assembly", "batch"},
    "audio": {"server", "core", "learn", "outputs", "daemon", "cli", "flight", "assembly", "batch"},
    "outputs": {"server", "core", "audio", "learn", "flight", "daemon", "cli", "assembly", "batch"},
    "flight": {"server", "learn", "outputs", "daemon", "cli", "assembly", "batch"},
    "learn": {"server", "outputs", "daemon", "cli", "batch"},
    "server": {"learn", "outputs", "flight", "daemon", "cli", "batch"},
    "process": {
        "server",
        "core",
        "learn",
        "audio",
        "outputs",
        "flight",
        "daemon",
        "cli",
        "assembly",
        "batch",
        "events",
    },
    "daemon": {"server", "cli", "batch"},
    "events": {"server", "core", "audio", "outputs", "process", "flight", "daemon", "cli"},
    "errors": {"core", "audio", "outputs", "process", "flight", "daemon", "cli", "events"},
    "text": {"core", "audio", "outputs", "process", "flight", "daemon", "cli", "events", "settings"},
    "types": {"core", "audio", "outputs", "process", "flight", "daemon", "cli", "events"},
    "files": {"core", "audio", "outputs", "process", "flight", "daemon", "cli", "events", "settings"},
    "validation": {"core", "audio", "outputs", "process", "flight", "daemon", "cli", "events", "settings"},
    "samples": {"core", "audio", "outputs", "process", "flight", "daemon", "cli", "events"},
    "settings": {"server", "core", "audio", "outputs", "process", "flight", "daemon", "cli", "events"},
    "assembly": {"server", "outputs", "flight", "daemon", "cli", "batch"},
    "batch": {"server", "outputs", "flight", "daemon", "cli", "process"},
}
"""What a folder or a module of the root must not import, as far as it is forbidden in part."""
TABLES = ("outputs.settings.", "server.settings.")
"""What users may choose of the outputs, and of the server, stands beside them; it knows nothing but types."""
OF_ONE_MODULE = {
    "sounddevice": {"audio/devices.py"},
    "soxr": {"audio/resample.py"},
    "wyoming": {"server/messages.py"},
    "zeroconf": {"server/announce.py"},
    "concurrent": {"audio/devices.py", "server/scoring.py"},
    "paho": {"outputs/client.py"},
    "threading": {
        "audio/capture.py",
        "audio/devices.py",
        "audio/ring.py",
        "outputs/fanout.py",
        "outputs/metrics.py",
        "outputs/pages.py",
        "process/outlet.py",
        "process/stacks.py",
    },
}
"""Libraries that only these modules import."""


def find_imports(file, package):
    """Return the modules that a file imports, named from within the package; of others, their first names."""
    inside, outside = set(), set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            first, _, rest = name.partition(".")
            if first == package:
                inside.add(rest)
            else:
                outside.add(first)
    return inside, outside


def files_of(package):
    return sorted(package.rglob("*.py"))


def is_within(module, place):
    return module == place or module.startswith(f"{place}.")


@pytest.mark.parametrize("file", files_of(PACKAGE), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_arrows_point_one_way(file):
    inside, outside = find_imports(file, "detector")
    place = file.relative_to(PACKAGE)
    own = place.parts[0] if len(place.parts) > 1 else place.stem
    allowed = TABLES if own == "settings" else ()
    for forbidden in FORBIDDEN.get(own, ()):
        assert not [module for module in inside if is_within(module, forbidden) and not module.startswith(allowed)]
    for library, owners in OF_ONE_MODULE.items():
        assert library not in outside or str(place) in owners


@pytest.mark.parametrize("folder", ["outputs", "server"])
def test_the_settings_of_outputs_and_of_the_server_know_types_alone(folder):
    inside, _ = find_imports(PACKAGE / folder / "settings.py", "detector")
    assert {module.partition(".")[0] for module in inside} == {"types"}


def test_the_root_holds_what_everybody_needs_and_nothing_else():
    assert {file.stem for file in PACKAGE.glob("*.py")} == ROOT_MODULES
    assert {folder.parent.name for folder in PACKAGE.glob("*/__init__.py")} == FOLDERS


def test_a_module_fits_in_one_reading():
    training = PACKAGE.parent / "training"
    long = {
        str(file.relative_to(PACKAGE.parent)): n_lines
        for file in files_of(PACKAGE) + files_of(training)
        if (n_lines := len(file.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }
    assert long == {}


TRAINING = PACKAGE.parent / "training"
NOT_FOR_TRAINING = ("audio.capture", "audio.microphone", "daemon", "outputs", "flight", "cli", "batch")
SHARED_BY_COMMANDS = ("cli.arguments", "cli.options", "cli.bench")
"""How both commands read their arguments, and how the cost of detection is measured."""


@pytest.mark.skipif(not TRAINING.is_dir(), reason="needs the package training: a checkout or the whole wheel")
def test_training_imports_what_detects_and_nothing_that_listens():
    for file in files_of(TRAINING):
        inside, _ = find_imports(file, "detector")
        for module in inside:
            is_shared = any(is_within(module, place) for place in SHARED_BY_COMMANDS)
            assert is_shared or not any(is_within(module, place) for place in NOT_FOR_TRAINING), (file, module)
