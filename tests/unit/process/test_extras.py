"""A package that is not installed is named, with what installs it."""

import importlib

import pytest

from detector.errors import SettingsError
from detector.process.extras import needing_extra


def test_a_missing_package_is_one_line_that_says_what_to_install():
    with pytest.raises(SettingsError) as caught, needing_extra("mqtt", "--mqtt"):
        importlib.import_module("no_such_package_of_anybody")
    assert str(caught.value) == (
        "expected the package no_such_package_of_anybody for --mqtt, found none: pip install 'keyword-detector[mqtt]'"
    )
    assert caught.value.exit_code == 78


def test_what_is_installed_is_imported():
    with needing_extra("mqtt", "--mqtt"):
        import json
    assert json.loads("1") == 1
