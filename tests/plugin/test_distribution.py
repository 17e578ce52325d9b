from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.distribution import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

MODULE = """
import pytest

@pytest.mark.accuracy
@pytest.mark.parametrize("name", "ABC")
def test_score(name, thread_plan):
    pass

@pytest.mark.skip
@pytest.mark.parametrize("name", "xy")
def test_skipped(name, thread_plan):
    pass

@pytest.mark.skip
def test_foreign_skipped():
    pass

@pytest.mark.accuracy
def test_foreign():
    pass
"""


@pytest.fixture
def items(pytester: pytest.Pytester) -> Sequence[pytest.Item]:
    collected, _ = pytester.inline_genitems(pytester.makepyfile(MODULE), "-p", "resnet_fixtures.plugin")
    return collected


def names(items: Sequence[pytest.Item]) -> list[str]:
    return [item.name.removeprefix("test_") for item in items]


def test_each_that_scores_is_followed_by_one_that_is_skipped(items: Sequence[pytest.Item]) -> None:
    assert names(spread(items)) == [
        "score[A]", "skipped[x]", "score[B]", "skipped[y]", "score[C]", "foreign_skipped", "foreign"
    ]  # fmt: skip


def test_others_keep_their_order(items: Sequence[pytest.Item]) -> None:
    foreign = list(items[-2:])
    assert spread(foreign) == foreign
    assert spread(items[:3]) == list(items[:3])
    assert spread([]) == []
