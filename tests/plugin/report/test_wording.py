from __future__ import annotations

import pytest

from resnet_fixtures.report.wording import say_change, say_number


@pytest.mark.parametrize(
    ("value", "said"), [(0.01234, "0.0123"), (1.5, "1.5"), (17.666, "17.67"), (217.54, "217.5"), (1455.2, "1,455")]
)
def test_numbers_have_the_digits_that_count(value: float, said: str) -> None:
    assert say_number(value) == said


def test_changes_have_a_sign() -> None:
    assert [say_change(0.0421), say_change(-0.06)] == ["+4.2 %", "\N{MINUS SIGN}6.0 %"]
