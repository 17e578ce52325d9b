from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.fixture_use import is_ours, parameter, parametrized_by_hand, uses

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = """
import pytest

@pytest.fixture
def batch_size():
    return "theirs"

@pytest.fixture
def image_batch(image_batch):
    return image_batch

def test_direct(frozen_graph): pass

def test_override(image_batch): pass

def test_theirs(batch_size): pass

def test_plain(tmp_path): pass

@pytest.mark.parametrize("precision", [0.1, [2]])
def test_number(precision): pass

@pytest.mark.parametrize("precision, name", [("fp32", "a")])
def test_by_hand(precision, name, frozen_graph): pass

@pytest.mark.parametrize(argnames=["precision"], argvalues=[("int8",)])
def test_by_keyword(precision, frozen_graph): pass
"""


@pytest.fixture
def items(pytester: pytest.Pytester) -> Mapping[str, pytest.Item]:
    """Map the first item of each test to the test's name."""
    collected, _ = pytester.inline_genitems(pytester.makepyfile(MODULE), "-p", "resnet_fixtures.plugin")
    return {item.name.partition("[")[0]: item for item in reversed(collected)}


@pytest.mark.parametrize(
    ("name", "fixture", "is_used"),
    [
        ("test_direct", "frozen_graph", True),
        ("test_direct", "thread_plan", True),
        ("test_direct", "image_batch", False),
        ("test_override", "image_batch", True),
        ("test_override", "batch_size", False),
        ("test_theirs", "batch_size", False),
        ("test_plain", "tmp_path", False),
        ("test_number", "precision", False),
        ("test_by_hand", "frozen_graph", True),
    ],
)
def test_only_our_own_fixtures_count(items: Mapping[str, pytest.Item], name: str, fixture: str, is_used: bool) -> None:
    assert uses(items[name], fixture) is is_used


def test_tests_of_others_are_not_ours(items: Mapping[str, pytest.Item]) -> None:
    assert {name for name, item in items.items() if is_ours(item)} == {
        "test_direct", "test_override", "test_by_hand", "test_by_keyword"
    }  # fmt: skip


def test_parameters(items: Mapping[str, pytest.Item]) -> None:
    assert parameter(items["test_by_hand"], "precision") == "fp32"
    assert parameter(items["test_by_hand"], "batch_size") is None
    assert parameter(items["test_plain"], "precision") is None


def test_names_parametrized_by_hand(items: Mapping[str, pytest.Item]) -> None:
    assert parametrized_by_hand(items["test_by_hand"]) == {"precision", "name"}
    assert parametrized_by_hand(items["test_by_keyword"]) == {"precision"}
    assert parametrized_by_hand(items["test_direct"]) == set()


def test_item_of_another_kind_uses_nothing(pytester: pytest.Pytester) -> None:
    pytester.makefile(".txt", test_doc=">>> 1 + 1\n2\n")
    items, _ = pytester.inline_genitems("--doctest-glob=*.txt", "-p", "resnet_fixtures.plugin")
    assert [is_ours(item) for item in items] == [False]
