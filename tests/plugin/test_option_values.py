"""The values of training's options; test_options.py has those of inference's."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.option_values import (
    parse_epochs,
    parse_names,
    parse_number,
    parse_rising_epochs,
    parse_whole_epochs,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(("text", "number"), [("0", 0.0), ("0.128", 0.128), ("1e-4", 1e-4), ("5", 5.0)])
def test_number(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e400", "-0.1"])
def test_number_that_is_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=rf"^{text} is not a number from 0; pass one such as 0\.1$"):
        parse_number(text)


@pytest.mark.parametrize("text", ["much", "", "0,1"])
def test_text_that_is_no_number(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=rf"^'{text}' is not a number$"):
        parse_number(text)


@pytest.mark.parametrize(
    ("text", "numbers"), [("30,60,80,90", (30.0, 60.0, 80.0, 90.0)), ("2.5", (2.5,)), ("", ()), ("0,1", (0.0, 1.0))]
)
def test_rising_epochs(text: str, numbers: tuple[float, ...]) -> None:
    assert parse_rising_epochs(text) == numbers


@pytest.mark.parametrize("text", ["60,30", "30,30", "1,2,1.5"])
def test_epochs_that_do_not_rise(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=rf"^{text} does not rise; pass numbers such as 30,60,80$"):
        parse_rising_epochs(text)


@pytest.mark.parametrize(("text", "what"), [("30,,60", "''"), ("30,x", "'x'"), ("30,", "''")])
def test_one_of_the_epochs_is_none(text: str, what: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=rf"^{what} is not a number$"):
        parse_rising_epochs(text)


@pytest.mark.parametrize("parse", [parse_epochs, parse_whole_epochs, parse_rising_epochs])
def test_epochs_whose_steps_are_no_number_any_more(parse: Callable[[str], object]) -> None:
    assert parse("1000000") in (1_000_000, (1_000_000.0,))
    with pytest.raises(
        argparse.ArgumentTypeError, match=r"^1000001 is more than 1000000 epochs; pass at most as many$"
    ):
        parse("1000001")


@pytest.mark.parametrize(("text", "names"), [("a", ("a",)), ("a,b", ("a", "b")), ("a, b", ("a", "b"))])
def test_names(text: str, names: tuple[str, ...]) -> None:
    assert parse_names(text) == names


@pytest.mark.parametrize("text", ["", "a,", "a,,b", "a,a", " "])
def test_names_that_are_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"has an empty or a double name; pass names such as a,b$"):
        parse_names(text)
