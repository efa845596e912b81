"""Options of a command line out of the fields of a Struct."""

import argparse
from typing import Annotated, Literal

import msgspec
import pytest

from detector.cli.options import AddPair, add_option, name_keys, take_given
from detector.types import describe


class Oven(msgspec.Struct, frozen=True):
    heat_s: Annotated[float, describe("how long it heats")] = 60.0
    folder: Annotated[str | None, describe("where recipes lie", unset="nowhere")] = None


class Cake(msgspec.Struct, kw_only=True):
    layers: Annotated[int, describe("layers")] = 3
    sugar: Annotated[float, describe("50 % of the weight")] = 0.25
    shape: Annotated[Literal["round", "heart", "flat"], describe("its shape")] = "round"
    is_iced: Annotated[bool, describe("icing")] = True
    flavours: Annotated[tuple[str, ...], describe("flavours", metavar="lemon,mint")] = ()
    candles: Annotated[tuple[str, ...], describe("candles", metavar="COLOUR")] = ()
    prices: Annotated[dict[str, str], describe("prices")] = {}
    name: Annotated[str, describe("whom it is for")]
    oven: Oven = Oven()


def parse(paths, *arguments, **changes):
    parser = argparse.ArgumentParser("bake")
    for path in paths:
        add_option(parser, Cake, path, **changes)
    return vars(parser.parse_args(arguments))


def help_of(path, **changes):
    parser = argparse.ArgumentParser("bake", add_help=False)
    add_option(parser, Cake, path, **changes)
    return " ".join(parser.format_help().partition("options:\n")[2].split())


@pytest.mark.parametrize(
    ("path", "arguments", "value"),
    [
        ("layers", ["--layers", "4"], 4),
        ("sugar", ["--sugar", "4"], 4.0),
        ("shape", ["--shape", "heart"], "heart"),
        ("is_iced", ["--no-is-iced"], False),
        ("flavours", ["--flavours", "mint, lemon"], ("mint", "lemon")),
        ("candles", ["--candles", "red,blue", "--candles", "green"], ["red,blue", "green"]),
        ("name", ["--name", "Ada"], "Ada"),
        ("oven.heat_s", ["--heat-s", "1e2"], 100.0),
        ("oven.folder", ["--folder", "here"], "here"),
    ],
)
def test_an_option_is_read_as_its_fields_type(path, arguments, value):
    assert parse([path], *arguments) == {path: value}


def test_what_is_not_given_leaves_no_trace():
    assert parse(["layers", "is_iced", "candles", "oven.heat_s"]) == {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("layers", "--layers N layers (default: 3)"),
        ("sugar", "--sugar X 50 % of the weight (default: 0.25)"),
        ("shape", "--shape {round,heart,flat} its shape (default: round)"),
        ("is_iced", "--is-iced, --no-is-iced icing (default: --is-iced)"),
        ("flavours", "--flavours lemon,mint flavours"),
        ("candles", "--candles COLOUR candles; repeatable"),
        ("name", "--name NAME whom it is for"),
        ("oven.heat_s", "--heat-s S how long it heats (default: 60)"),
        ("oven.folder", "--folder NAME where recipes lie (default: nowhere)"),
    ],
)
def test_help_is_the_fields_own_and_ends_with_its_default(path, expected):
    assert help_of(path) == expected


def test_flag_and_parts_of_an_option_can_be_others():
    assert help_of("oven.folder", flag="--recipes", metavar="DIR", help="recipes") == "--recipes DIR recipes"
    with pytest.raises(SystemExit):
        parse(["layers"], required=True)


def test_pairs_are_gathered_in_one_mapping():
    options = parse(
        ["prices"], "--prices", "a=1", "--prices", "b=2", action=AddPair, type=lambda text: tuple(text.split("="))
    )
    assert options == {"prices": {"a": "1", "b": "2"}}
    assert help_of("prices", action=AddPair, metavar="A=B") == "--prices A=B prices; repeatable"


def test_a_value_of_another_type_is_refused(capsys):
    with pytest.raises(SystemExit):
        parse(["shape"], "--shape", "square")
    assert "choose from" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse(["layers"], "--layers", "many")


def test_settings_are_taken_out_of_the_options_as_a_file_would_hold_them():
    options = {"layers": 2, "verb": "bake", "oven.heat_s": 5.0, "oven.folder": "here"}
    assert take_given(options, Cake) == {"layers": 2, "oven": {"heat_s": 5.0, "folder": "here"}}
    assert options == {"verb": "bake"}


def test_the_keys_of_a_file_are_named_with_those_of_its_tables():
    assert name_keys(Cake).endswith("prices, name, oven (a table: heat_s, folder)")
