"""Which detectors that run are said to take over what was learnt: those that listen to it, as far as that is known."""

from __future__ import annotations

import pytest

from detector.cli.reloading import listens_to
from detector.core import folders
from detector.learn.words import KeptWord
from detector.process.daemons import Daemon


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Return a learnt word, and have the user's models lie where it is."""
    monkeypatch.setattr(folders, "FOLDERS", (tmp_path / "models", *folders.SHIPPED_FOLDERS))
    (tmp_path / "models").mkdir()
    (tmp_path / "models/hey-computer.json").touch()
    (tmp_path / "here.toml").write_text('model = ["yes-no", "hey-computer"]\n')
    (tmp_path / "other.toml").write_text("json = true\n")
    (tmp_path / "broken.toml").write_text("model = \n")
    return KeptWord(tmp_path / "models", "hey computer")


@pytest.mark.parametrize(
    ("arguments", "listens"),
    [
        (["--model", "hey-computer"], True),
        (["--model=yes-no,hey-computer", "--json"], True),
        (["--model", "yes-no", "--model", "hey-computer"], True),
        (["--model", "models/hey-computer"], True),
        (["--model", "models/hey-computer.tflite"], True),
        (["--config", "here.toml"], True),
        (["--config=here.toml"], True),
        (["--config", "here.toml", "--model", "yes-no"], False),
        (["--config", "other.toml"], False),
        (["--config", "broken.toml"], False),
        (["--config", "missing.toml"], False),
        (["--model", "hey"], False),
        (["--model", "elsewhere/hey-computer"], False),
        (["--model"], False),
        ([], False),
    ],
)
def test_a_detector_listens_to_a_word_whose_model_it_names(kept, tmp_path, arguments, listens):
    command = ("/opt/venv/bin/python", "/opt/venv/bin/keyword-detector", "listen", *arguments)
    assert listens_to(Daemon(1, 0, None, command, tmp_path), kept) == listens


def test_what_cannot_be_known_is_not_claimed(kept, tmp_path, monkeypatch):
    command = ("keyword-detector", "listen", "--model", "models/hey-computer")
    assert not listens_to(Daemon(1, 0, None, command, None), kept)
    monkeypatch.setattr(folders, "FOLDERS", folders.SHIPPED_FOLDERS)
    named = ("keyword-detector", "listen", "--model", "hey-computer")
    assert not listens_to(Daemon(1, 0, None, named, tmp_path), kept), "a name is not looked up where it was learnt"
