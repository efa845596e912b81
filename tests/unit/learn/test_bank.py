import numpy as np
import pytest

from detector.errors import ModelFormatError
from detector.learn.bank import Bank, Entry, Kind, holds, read_bank, write_bank

SHA256 = "ab" * 32


@pytest.fixture
def bank(rng):
    def entry(kind, is_learnt_from, text, n):
        return Entry(kind, is_learnt_from, text, rng.integers(-128, 128, (n, 4)).astype(np.int8))

    entries = [
        entry(Kind.SPEECH, True, "he commuted to work", 5),
        entry(Kind.SPEECH, False, "two computers are on", 7),
        entry(Kind.WORD, True, "happy", 3),
        entry(Kind.NOISE, False, "", 2),
    ]
    return Bank(entries, tap_s=0.24)


def test_a_bank_is_read_as_it_was_written(bank, tmp_path):
    write_bank(tmp_path / "bank.npz", bank, sha256=SHA256)
    again = read_bank(tmp_path / "bank.npz", n_outputs=4, sha256=SHA256)
    assert again.tap_s == 0.24
    for one, other in zip(again.entries, bank.entries, strict=True):
        assert (one.kind, one.is_learnt_from, one.text) == (other.kind, other.is_learnt_from, other.text)
        np.testing.assert_array_equal(one.outputs, other.outputs)


def test_entries_that_hold_the_word_are_left_out(bank):
    def texts(word):
        return [e.text for side in (True, False) for e in bank.select(is_learnt_from=side, without=word)]

    assert texts("computer") == ["he commuted to work", "happy", ""]
    assert texts("Happy") == ["he commuted to work", "two computers are on", ""]
    assert len(texts("comput\u00e9")) == len(texts("")) == 4


def test_kinds_and_sides_are_selected(bank):
    assert [e.text for e in bank.select(is_learnt_from=True, kinds=[Kind.WORD])] == ["happy"]
    assert [e.kind for e in bank.select(is_learnt_from=False)] == [Kind.SPEECH, Kind.NOISE]


def test_a_word_is_held_at_the_beginning_of_a_word_alone():
    assert holds("the computers", "computer")
    assert not holds("supercomputer", "computer")
    assert not holds("the computers", "")
    assert holds("what a (b+", "(b+")


def test_a_bank_that_is_none_is_refused_in_one_line(bank, tmp_path):
    file = tmp_path / "bank.npz"
    with pytest.raises(ModelFormatError, match="expected a bank in"):
        read_bank(file, n_outputs=4, sha256=SHA256)
    write_bank(file, bank, sha256=SHA256)
    with pytest.raises(ModelFormatError, match="expected a bank of the network cdcdcd"):
        read_bank(file, n_outputs=4, sha256="cd" * 32)
    with pytest.raises(ModelFormatError, match="do not fit each other"):
        read_bank(file, n_outputs=5, sha256=SHA256)
    whole = file.read_bytes()
    for content in (b"", b"PK", whole[: len(whole) // 2], b"\x00" * 100):
        file.write_bytes(content)
        with pytest.raises(ModelFormatError, match="expected a bank in") as raised:
            read_bank(file, n_outputs=4, sha256=SHA256)
        assert "\n" not in str(raised.value)
    objects = {name: np.array([{}], dtype=object) for name in ("sha256", "tap_s", "kinds", "is_learnt_from")}
    np.savez(file, **objects, lengths=np.zeros(1), texts=np.zeros(1), outputs=np.zeros((1, 4)))
    with pytest.raises(ModelFormatError, match="allow_pickle"):
        read_bank(file, n_outputs=4, sha256=SHA256)
