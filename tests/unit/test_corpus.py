"""The corpus of the fuzzers, as it was and changed at random: what once broke something must not do so again."""

import base64
import json
import random
import zlib
from pathlib import Path

import pytest
from fuzz.targets import TARGETS

from detector.core.model import load_model
from detector.errors import ModelFormatError

CORPUS = Path(__file__).parent.parent / "fuzz" / "corpus"
INPUTS = sorted(file for folder in CORPUS.iterdir() for file in folder.iterdir())


@pytest.mark.parametrize("file", INPUTS, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_nothing_that_a_file_or_pipe_holds_is_more_than_a_clear_error(file):
    target, data = TARGETS[file.parent.name], file.read_bytes()
    target(data)
    rng = random.Random(file.name)
    for _ in range(20):
        changed = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            position = rng.randrange(len(changed))
            changed[position : position + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
        target(bytes(changed))


def test_a_few_bytes_of_golden_samples_cannot_fill_the_memory(pair):
    bomb = base64.b64encode(zlib.compress(bytes(2**26), 9)).decode()
    golden = json.loads(pair().read_text())["golden"]
    golden[0]["samples"] = bomb
    with pytest.raises(ModelFormatError, match="too many"):
        load_model(str(pair(golden=golden)))
