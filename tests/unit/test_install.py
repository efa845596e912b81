"""What installs the service: the versions that are locked, and an environment that runs where it is put."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "systemd" / "requirements.lock"

pytestmark = pytest.mark.skipif(not LOCK.is_file(), reason="needs the units: run it in a checkout")


# ---- the lock


@pytest.fixture(scope="module")
def locked():
    """Requirements of the lock, and how many hashes each has."""
    entries = re.findall(
        r"^(\S.*?) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", LOCK.read_text(), re.MULTILINE
    )
    return [(Requirement(requirement), hashes.count("--hash=")) for requirement, hashes in entries]


@pytest.fixture(params=itertools.product(("x86_64", "aarch64"), ("3.11", "3.12", "3.13")), ids="-".join)
def environment(request):
    machine, version = request.param
    return default_environment() | {
        "platform_machine": machine,
        "python_version": version,
        "python_full_version": f"{version}.2",
        "sys_platform": "linux",
        "extra": "",
    }


def test_every_line_of_the_lock_is_a_version_with_its_hashes_or_one_of_them(locked):
    lines = LOCK.read_text().splitlines()
    assert len(lines) == sum(1 + n_hashes for _, n_hashes in locked)
    assert all(re.fullmatch(r"==[^,*]+", str(requirement.specifier)) for requirement, _ in locked)


def test_the_lock_names_no_registry():
    assert "://" not in LOCK.read_text()
    assert "index" not in LOCK.read_text()


def test_what_the_project_needs_is_locked_to_a_version_that_it_takes(locked, environment):
    versions = {
        canonicalize_name(requirement.name): str(requirement.specifier).removeprefix("==")
        for requirement, _ in locked
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    # With the extra "all", which is of other extras, as it is installed.
    needed = [Requirement(text) for text in (*project["dependencies"], "keyword-detector[all]")]
    while own := [one for one in needed if one.name == project["name"]]:
        texts = [text for one in own for extra in one.extras for text in project["optional-dependencies"][extra]]
        needed = [one for one in needed if one not in own] + [Requirement(text) for text in texts]
    needed = [one for one in needed if one.marker is None or one.marker.evaluate(environment)]
    assert len(needed) >= 6
    assert {"numpy", "ai-edge-litert", "soundfile", "paho-mqtt", "wyoming"} <= {one.name for one in needed}
    for one in needed:
        assert one.specifier.contains(versions[canonicalize_name(one.name)]), f"'make lock' is due: {one}"


def test_no_version_is_locked_twice_for_one_machine(locked, environment):
    names = [one.name for one, _ in locked if one.marker is None or one.marker.evaluate(environment)]
    assert len(set(names)) == len(names) >= 12


# ---- the environment


def test_an_environment_runs_where_it_is_put_and_names_no_other_place(tmp_path):
    tree, home = tmp_path / "tree with a space" / "venv", tmp_path / "home"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tree], check=True)
    (packages,) = tree.glob("lib/python3*/site-packages")
    (packages / "greeting.py").write_text("def greet():\n    raise SystemExit('hello from ' + __file__)\n")
    script = tree / "bin" / "hello"
    script.write_text(
        f"#!/bin/sh\n'''exec' '{tree}/bin/python' \"$0\" \"$@\"\n' '''\nimport greeting\ngreeting.greet()\n"
    )
    script.chmod(0o755)
    subprocess.run([tree / "bin" / "python", ROOT / "systemd" / "relocate.py", tree, home], check=True)
    naming = [file for file in tree.rglob("*") if file.is_file() and bytes(tree) in file.read_bytes()]
    assert naming == []
    (compiled,) = tree.rglob("greeting.*.pyc")
    assert bytes(home / packages.relative_to(tree) / "greeting.py") in compiled.read_bytes()
    tree.rename(home)
    finished = subprocess.run([home / "bin" / "hello"], capture_output=True, text=True, check=False)
    assert finished.stderr == f"hello from {home / packages.relative_to(tree) / 'greeting.py'}\n"
