"""Types for who uses the package; `make lint` checks them, these tests that the program they are checked on works."""

from importlib.resources import files

import pytest
import typed_consumer


@pytest.mark.parametrize("package", ["detector", "training"])
def test_a_package_is_marked_as_typed(package):
    assert (files(package) / "py.typed").is_file()


def test_the_typed_program_hears_the_demo(demo_samples, demo_words):
    assert [keyword for keyword, _, _ in typed_consumer.hear("yes-no", demo_samples)] == demo_words


def test_the_typed_program_explains_a_model_that_is_missing():
    assert typed_consumer.explain("yes-no") == "yes,no"
    assert "found 'maybe'" in typed_consumer.explain("maybe")
