"""The notebooks, from top to bottom, on what they make themselves."""

import os
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs nbclient: pip install nbclient ipykernel")
nbclient = pytest.importorskip("nbclient")

from spoken import needs_espeak  # noqa: E402

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "learn").glob("*.ipynb"))


def test_there_are_five():
    assert [notebook.name[0] for notebook in NOTEBOOKS] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_results_are_kept(path):
    for cell in nbformat.read(path, 4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def shorten(source, folder):
    """Return a cell that trains for half as long, on half of the windows, in a few rooms instead of hundreds."""
    recipe = folder / "rooms.toml"
    recipe.write_text("windows = {n_rooms = 10}\n")
    source = re.sub(r'("--steps-per-epoch",\s+)100', r"\g<1>50", source)
    source = re.sub(r'("--distinct-windows",\s+)6000', r"\g<1>3000", source)
    return source.replace('"--workers",', f'"--recipe", "{recipe}", "--workers",')


def test_a_word_is_learnt_without_what_trains_networks():
    code = "\n".join(cell.source for cell in nbformat.read(NOTEBOOKS[4], 4).cells if cell.cell_type == "code")
    imported = set(re.findall(r"^ *(?:from|import) (\w+)", code, re.MULTILINE))
    assert "detector" in imported
    assert imported.isdisjoint({"training", "tensorflow", "keras", "torch"})


@pytest.mark.parametrize(
    "path",
    [
        *(pytest.param(path, marks=pytest.mark.tensorflow) for path in NOTEBOOKS[:4]),
        *(pytest.param(path, marks=needs_espeak) for path in NOTEBOOKS[4:]),
    ],
    ids=lambda path: path.stem,
)
def test_it_runs_and_draws(path, monkeypatch, tmp_path):
    monkeypatch.setitem(os.environ, "CUDA_VISIBLE_DEVICES", "")
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        cell.source = shorten(cell.source, tmp_path)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    sounds = [output for output in outputs if "<audio" in output.get("data", {}).get("text/html", "")]
    assert len(pictures) >= 3
    assert sounds
