"""What the documents say is what the commands do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import KEYWORD_DETECTOR, KEYWORD_TRAINER, assert_one_line, run

from detector import __version__

ROOT = Path(__file__).parent.parent.parent


def test_the_python_example_of_the_readme_runs(demo_words):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert re.findall(r"s: (\w+) \(", finished.stdout) == demo_words


def test_the_demo_output_of_the_readme_is_what_the_demo_prints(demo_file):
    shown = re.findall(r"^\d\d:\d\d:\d\d\.\d{3}  \w+  \d\.\d\d$", (ROOT / "README.md").read_text(), re.MULTILINE)
    printed = run("detect", demo_file).stdout.splitlines()
    assert [line.split()[1] for line in shown] == [line.split()[1] for line in printed]
    assert len(shown) >= 6


@pytest.mark.parametrize("command", [KEYWORD_DETECTOR, KEYWORD_TRAINER])
def test_every_verb_and_option_is_in_the_reference(command):
    pytest.importorskip("tqdm", reason="needs the extra train: pip install 'keyword-detector[train-cpu]'")
    reference = (ROOT / "docs" / "cli.md").read_text()
    verbs = re.findall(r"^    ([a-z-]+)(?: |$)", run("--help", command=command).stdout, re.MULTILINE)
    assert len(verbs) >= 5
    for verb in verbs:
        assert f"`{verb}" in reference
        if command is KEYWORD_DETECTOR:
            for option in re.findall(r"--[a-z-]+", run(verb, "--help", command=command).stdout):
                assert option in reference or option in ("--help", "--version")


DOCUMENTS = sorted(
    file for pattern in ("*.md", "docs/*.md", "systemd/*.md", "models/*.md") for file in ROOT.glob(pattern)
)


def anchors_of(document):
    """Return what a page's headings are linked to by: their words in small letters, with hyphens between."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.skipif(not (ROOT / "training").is_dir(), reason="needs the packages that pages link to: a checkout")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_link_leads_to_what_is_there(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        place = (document.parent / path).resolve() if path else document
        assert place.exists(), target
        assert not anchor or anchor in anchors_of(place), target


def test_the_newest_version_of_the_changelog_is_this_one():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text, re.MULTILINE)[0] == __version__
    for section in text.split("\n## ")[1:]:
        headings = re.findall(r"^### (.*)$", section, re.MULTILINE)
        assert headings == [
            name for name in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security") if name in headings
        ]


def test_the_trainer_without_its_packages_names_them():
    code = "import sys; sys.modules['tqdm'] = None\nfrom training.__main__ import main\nsys.exit(main())"
    finished = run("evaluate", "yes-no", "--data", ".", command=[sys.executable, "-c", code])
    assert_one_line(finished, 78, "expected the package tqdm, found none", "pip install 'keyword-detector[train]'")
