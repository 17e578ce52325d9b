from __future__ import annotations

from pathlib import Path

import pytest

from resnet_fixtures.gate.sample_order import MIN_SAMPLE_WARMUPS, MIN_STEPS, SampleBudget, SampleOrder, typical_step_s
from resnet_fixtures.inference.child import ChildOrder
from resnet_fixtures.precision import Precision
from tests.plugin.gate.stand_in_python import PLAN

CHILD = ChildOrder(Path("/graphs/é 1.pb"), Precision.BF16, PLAN, 128, images_seed=3)


@pytest.mark.parametrize(
    "order",
    [
        SampleOrder(CHILD),
        SampleOrder(CHILD, SampleBudget(3, 0.5, 7), reference_file=Path("reference.pb")),
    ],
)
def test_order_survives_its_journey(order: SampleOrder) -> None:
    assert "\n" not in order.to_json()
    assert SampleOrder.from_json(order.to_json()) == order


def test_paths_are_made_absolute_for_a_process_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    order = SampleOrder(ChildOrder(Path("a.pb"), Precision.INT8, PLAN, 1, Path("b.npy"))).with_absolute_paths()
    assert (order.child.graph_file, order.child.images_file) == (tmp_path / "a.pb", tmp_path / "b.npy")
    assert SampleOrder(CHILD).with_absolute_paths() == SampleOrder(CHILD)


def count_warmups(budget: SampleBudget, step_s: float) -> int:
    done: list[float] = []
    while budget.needs_warmup(done):
        done.append(step_s)
    return len(done)


@pytest.mark.parametrize(
    ("budget", "step_s", "warmups"),
    [
        (SampleBudget(), 0.001, 10),
        (SampleBudget(), 0.05, 6),
        (SampleBudget(), 5.0, MIN_SAMPLE_WARMUPS),
        (SampleBudget(warmup_steps=4), 0.001, 4),
        (SampleBudget(warmup_steps=1), 0.001, MIN_SAMPLE_WARMUPS),
    ],
)
def test_warm_ups_end_with_their_count_or_their_time(budget: SampleBudget, step_s: float, warmups: int) -> None:
    assert count_warmups(budget, step_s) == warmups


@pytest.mark.parametrize(
    ("budget", "step_s", "steps"),
    [
        (SampleBudget(), 0.001, 200),
        (SampleBudget(), 0.01, 200),
        (SampleBudget(), 0.16, 50),
        (SampleBudget(), 4.0, 10),
        (SampleBudget(), 400.0, MIN_STEPS),
        (SampleBudget(steps=20), 0.001, 20),
        (SampleBudget(steps=2), 5.0, 2),
    ],
)
def test_steps_are_fewer_the_longer_they_are(budget: SampleBudget, step_s: float, steps: int) -> None:
    assert budget.plan_steps([9.0, step_s, step_s]) == steps  # the first warm-up says nothing


def test_typical_step_leaves_the_first_out_where_it_can() -> None:
    assert typical_step_s([9.0, 1.0, 3.0, 2.0]) == 2.0
    assert typical_step_s([9.0]) == 9.0
