"""Whoever types what a page says gets what it says: its commands are run, its settings read."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
from commands import ENVIRONMENT, WITHIN_S

from detector.settings import Settings
from detector.validation import convert

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ("container", "metrics", "outputs", "troubleshooting")
ELSEWHERE = {"mqtt", "wyoming"}
"""Pages that the tests of what they describe try."""
DESCRIBING = {"cli", "evaluation", "experiments", "raspberry-pi", "reliability"}
"""A reference, reports of what was measured, and what is done on other hardware."""
TOOLS = {"curl": "curl", "ffmpeg": "ffmpeg", "promtool": "prometheus"}
"""Programs of others that pages use, and the packages that they are in."""
SHOWN = {"", "dockerfile", "json", "python", "text", "yaml"}
"""What is shown, not typed, by the name of its language."""
PROGRAM = """#!/bin/sh
if [ "$1" = listen ]; then
  for argument; do
    [ "$argument" != - ] && [ ! -f "$argument" ] || exec "{python}" -m detector "$@"
  done
  exec "{python}" -m detector "$@" tests/recordings/flight-1.flac
fi
exec "{python}" -m detector "$@"
"""
"""What listens to a microphone listens to a recording instead."""

if not DOCS.is_dir():
    pytest.skip("needs the documents: a checkout", allow_module_level=True)


class Block(NamedTuple):
    """A block of code in a page."""

    page: str
    line: int
    language: str
    """Of a block that is indented "sh", a shell's."""
    text: str
    needs: str
    """What it needs that a test does not have."""


def read_blocks(page):
    """Return the blocks of code of a page: those between fences, and those that are indented by four."""
    blocks, needs, lines = [], "", (DOCS / f"{page}.md").read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        line, first = lines[number], number + 1
        number += 1
        if marked := re.fullmatch(r"<!-- not run: needs (.*) -->", line):
            needs = marked[1]
        elif line.startswith("```"):
            end = lines.index("```", number)
            blocks.append(Block(page, first, line[3:], "\n".join(lines[number:end]), needs))
            number = end + 1
        elif line.startswith("    ") and (first == 1 or not lines[first - 2].strip()):
            end = number
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            blocks.append(Block(page, first, "sh", "\n".join(one[4:] for one in lines[first - 1 : end]), needs))
            number = end
        elif line.strip():
            needs = ""
    return blocks


BLOCKS = [block for page in PAGES for block in read_blocks(page)]
TRIED = [block for block in BLOCKS if block.language not in SHOWN]


@pytest.fixture
def place(tmp_path):
    """A folder that looks like a checkout, in which the commands are those of this environment."""
    for name in ("docs", "models", "systemd", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, text in (
        ("keyword-detector", PROGRAM.format(python=sys.executable)),
        ("keyword-trainer", f'#!/bin/sh\nexec "{sys.executable}" -m training "$@"\n'),
    ):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return tmp_path


def find_free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_no_page_is_forgotten():
    assert {file.stem for file in DOCS.glob("*.md")} == {*PAGES, *ELSEWHERE, *DESCRIBING}


def test_a_page_is_understood_as_it_is_meant():
    found = [(block.line, block.language, block.needs) for block in read_blocks("container")]
    assert found[0][1:] == ("dockerfile", "")
    assert {language for _, language, _ in found[1:]} == {"sh"}
    assert all(needs for _, language, needs in found if language == "sh")


@pytest.mark.parametrize("block", TRIED, ids=[f"{block.page}-{block.line}" for block in TRIED])
def test_what_a_page_says_is_so(block, place):
    if block.language == "toml":
        convert(tomllib.loads(block.text), Settings, block.page)
        return
    assert block.language == "sh"
    checked = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    if block.needs:
        pytest.skip(f"needs {block.needs}")
    words = set(shlex.split(block.text, comments=True))
    search = os.pathsep.join(
        [str(place / ".venv" / "bin"), os.environ["PATH"], str(ROOT / ".venv" / "prometheus" / "usr" / "bin")]
    )
    for tool, package in TOOLS.items():
        if tool in words and shutil.which(tool, path=search) is None:
            pytest.skip(f"needs {tool}: apt-get install {package}")
    script = block.text.replace("9275", str(find_free_port()))
    script = script.replace("/tmp/", f"{place}/")
    places = os.pathsep.join([str(ROOT), *filter(None, [ENVIRONMENT.get("PYTHONPATH")])])
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=place,
        env=ENVIRONMENT | {"PATH": search, "PYTHONPATH": places, "HOME": str(place)},
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr
