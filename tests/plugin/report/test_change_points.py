from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.report.change_points import Level, find_levels


def noisy(levels: list[float], seed: int = 0, noise: float = 0.01) -> list[float]:
    return list(np.array(levels) * np.exp(np.random.default_rng(seed).normal(0, noise, len(levels))))


def test_step_is_found_where_it_is() -> None:
    before, after = find_levels(noisy([80.0] * 20 + [76.0] * 12))
    assert (before.start, before.stop, after.start, after.stop) == (0, 20, 20, 32)
    assert after.value / before.value == pytest.approx(0.95, abs=0.01)


def test_step_and_return_are_two_changes() -> None:
    levels = find_levels(noisy([80.0] * 15 + [76.0] * 10 + [80.0] * 15))
    assert [level.start for level in levels] == [0, 15, 25]


def test_values_without_noise_have_levels() -> None:
    assert find_levels([10.0] * 5 + [11.0] * 5) == [Level(0, 5, 10.0), Level(5, 10, 11.0)]


@pytest.mark.parametrize("number", [1, 2])
def test_one_or_two_odd_runs_are_no_change(number: int) -> None:
    values = noisy([80.0] * 20 + [60.0] * number + [80.0] * 20)
    assert len(find_levels(values)) == 1


def test_change_below_one_percent_is_not_shown() -> None:
    assert len(find_levels(noisy([80.0] * 50 + [79.5] * 50, noise=0.0005))) == 1
    assert len(find_levels(noisy([80.0] * 50 + [78.8] * 50, noise=0.0005))) == 2


@pytest.mark.parametrize("runs", [1, 2, 5])
def test_few_runs_are_one_level(runs: int) -> None:
    (level,) = find_levels([80.0, 40.0, 20.0, 10.0, 5.0][:runs])
    assert (level.start, level.stop) == (0, runs)


def test_change_can_be_found_from_six_runs_on() -> None:
    assert [level.start for level in find_levels([80.0, 80.1, 79.9, 40.0, 40.1, 39.9])] == [0, 3]


def test_no_values_have_no_level() -> None:
    assert find_levels([]) == []


@pytest.mark.parametrize("runs", [10, 30, 200])
def test_noise_is_rarely_a_change(runs: int) -> None:
    alarms = sum(len(find_levels(noisy([80.0] * runs, seed))) > 1 for seed in range(200))
    assert alarms <= 8  # 1 % or less is usual; more than 8 of 200 has odds of 1:5000 then


def test_three_percent_are_seen_within_a_few_runs() -> None:
    seen = sum(len(find_levels(noisy([80.0] * 50 + [77.6] * 8, seed))) > 1 for seed in range(100))
    assert seen >= 85


def test_missing_library_is_said_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "ruptures":
            raise ModuleNotFoundError("No module named 'ruptures'", name="ruptures")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"needs ruptures: pip install 'resnet-fixtures\[report\]'"):
        find_levels([1.0] * 6)
