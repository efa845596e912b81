"""TFRecord files, read without TensorFlow as far as that goes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import SettingsError
from training.data.tfds import index_records, read_record, read_record_places


def pack(*records):
    """Return the bytes of a TFRecord file; its checksums are not looked at."""
    return b"".join(struct.pack("<QI", len(record), 0) + record + struct.pack("<I", 0) for record in records)


@given(records=st.lists(st.binary(max_size=60), max_size=8))
def test_every_record_is_found_and_read_back(tmp_path_factory, records):
    file = tmp_path_factory.mktemp("records") / "a.tfrecord"
    file.write_bytes(pack(*records))
    places = list(read_record_places(file))
    assert [read_record(file, place) for place in places] == records
    assert [n_bytes for _, n_bytes in places] == [len(record) for record in records]


def test_a_record_that_ends_after_the_file_is_refused(tmp_path):
    file = tmp_path / "a.tfrecord"
    file.write_bytes(pack(b"whole", b"cut short")[:-6])
    places = read_record_places(file)
    assert next(places) == (12, 5)
    with pytest.raises(SettingsError, match=r"whole records in .*a\.tfrecord, found one that ends after the file"):
        next(places)


def test_a_length_of_exabytes_is_refused_and_not_read(tmp_path):
    file = tmp_path / "a.tfrecord"
    file.write_bytes(struct.pack("<QI", 2**62, 0) + bytes(100))
    with pytest.raises(SettingsError, match="found one that ends after the file"):
        list(read_record_places(file))


def test_a_few_bytes_too_many_are_no_record(tmp_path):
    file = tmp_path / "a.tfrecord"
    file.write_bytes(pack(b"one") + bytes(7))
    assert len(list(read_record_places(file))) == 1


@pytest.mark.tensorflow
def test_files_that_do_not_belong_together_or_lack_their_labels_are_refused(tmp_path):
    first, second = tmp_path / "a/x-train.tfrecord-0", tmp_path / "b/x-train.tfrecord-0"
    for file in (first, second):
        file.parent.mkdir()
        file.write_bytes(b"")
    with pytest.raises(SettingsError, match="expected one data set of TensorFlow Datasets, found several: name one of"):
        list(index_records([first, second]))
    with pytest.raises(SettingsError, match="expected the names of labels beside"):
        list(index_records([first]))
    (tmp_path / "a/x.label.labels.txt").write_text("yes\nno\n")
    assert list(index_records([first])) == []
    other = tmp_path / "a/x-all.tfrecord-0"
    other.write_bytes(b"")
    with pytest.raises(SettingsError, match="expected a file of the split train, validation or test, found"):
        list(index_records([other]))
