from __future__ import annotations

import pytest

from resnet_fixtures.hardware.cpu_list import format_cpu_list, parse_cpu_list

LISTS = [
    ("", set()),
    ("0", {0}),
    ("0-3", {0, 1, 2, 3}),
    ("0-1,8", {0, 1, 8}),
    ("0,2,4", {0, 2, 4}),
    ("0-2,28-30,111", {0, 1, 2, 28, 29, 30, 111}),
]


@pytest.mark.parametrize(("text", "cpus"), LISTS)
def test_parse(text: str, cpus: set[int]) -> None:
    assert parse_cpu_list(text) == cpus


@pytest.mark.parametrize(("text", "cpus"), LISTS)
def test_format(text: str, cpus: set[int]) -> None:
    assert format_cpu_list(cpus) == text


def test_parse_ignores_the_line_end() -> None:
    assert parse_cpu_list("0-1\n") == {0, 1}


def test_format_takes_any_order_and_repeats() -> None:
    assert format_cpu_list([3, 1, 2, 1]) == "1-3"


def test_parse_refuses_what_is_no_list() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        parse_cpu_list("all")
