"""Pairs of scripted processes; the real ones are in test_other_python."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import RunError
from resnet_fixtures.gate.interleaved import Side, abba, draw_pair, plan_turns
from resnet_fixtures.gate.sample_order import SampleBudget
from resnet_fixtures.gate.samples import ProcessSample
from tests.plugin.gate.stand_in_python import make_order, stand_in
from tests.plugin.training.processes import expect_death

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Writes its name and each command, in the order in which both sides get them, into a file.
SERVE = """
def note(what):
    with open({log!r}, "a") as file:
        file.write("{name} " + what + "\\n")
note(str(os.getpid()))
greet({warmup_s}, {reference})
while command := read():
    note(command)
    answer(int(command), {step_ns}, {reference_ns})
"""


@pytest.fixture
def make_side(tmp_path: Path) -> Callable[..., Side]:
    """Make a side that keeps to the protocol, each of its steps `step_ns` long."""

    def make(name: str, step_ns: int = 50_000_000, reference: str = "None", reference_ns: str = "()") -> Side:
        warmup_s = f"(9.0, {step_ns / 1e9})"
        script = SERVE.format(
            log=str(tmp_path / "log"), name=name, warmup_s=warmup_s, reference=reference, step_ns=step_ns,
            reference_ns=reference_ns,
        )  # fmt: skip
        return Side(make_order(tmp_path, budget=SampleBudget(steps=8)), stand_in(tmp_path, script, name))

    return make


def read_log(tmp_path: Path) -> list[str]:
    return (tmp_path / "log").read_text().splitlines()


@pytest.mark.parametrize(("is_this_first", "first", "second"), [(False, "other", "this"), (True, "this", "other")])
def test_sides_take_turns(
    make_side: Callable[..., Side], tmp_path: Path, is_this_first: bool, first: str, second: str
) -> None:
    other, this = draw_pair(make_side("other", 60_000_000), make_side("this"), is_this_first=is_this_first)
    loaded, turns = read_log(tmp_path)[:2], read_log(tmp_path)[2:]
    assert [line.split()[0] for line in loaded] == [first, second]
    # 8 steps of at most 60 ms: turns of 2, or 0.12 s
    assert turns == [f"{name} 2" for name in (first, second, second, first) * 2]
    assert other == ProcessSample((0.06,) * 8, (9.0, 0.06))
    assert this == ProcessSample((0.05,) * 8, (9.0, 0.05))


def test_references_are_kept_where_both_sides_have_the_same(make_side: Callable[..., Side]) -> None:
    kernel = {"reference": "{'kernel': 1}", "reference_ns": "(7_000_000,)"}
    other, this = draw_pair(make_side("other", **kernel), make_side("this", **kernel))
    assert other.reference_s == this.reference_s == (0.007,) * 8


def test_references_of_different_kernels_are_left_out(make_side: Callable[..., Side]) -> None:
    pair = draw_pair(
        make_side("other", reference="{'kernel': 1}", reference_ns="(7,)"),
        make_side("this", reference="{'kernel': 2}", reference_ns="(7,)"),
    )
    assert [sample.reference_s for sample in pair] == [(), ()]


def test_side_that_dies_half_way_is_named_and_the_other_one_ended(
    make_side: Callable[..., Side], tmp_path: Path
) -> None:
    dying = Side(
        make_order(tmp_path),
        stand_in(tmp_path, "greet(); read(); complain('no AVX'); os.kill(os.getpid(), 4)", "dying"),
    )
    with pytest.raises(RunError, match=r"^The dying was killed by SIGILL; its last words: no AVX$"):
        draw_pair(dying, make_side("this"))
    expect_death({int(read_log(tmp_path)[0].split()[1])})


def test_second_side_starts_when_the_first_is_ready(make_side: Callable[..., Side], tmp_path: Path) -> None:
    slow = Side(
        make_order(tmp_path), stand_in(tmp_path, f"assert not os.path.exists({str(tmp_path / 'log')!r}); sys.exit(9)")
    )
    with pytest.raises(RunError, match="exit status 9"):
        draw_pair(slow, make_side("this"), os.environ)
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    ("budget", "step_s", "turns", "steps"),
    [
        (SampleBudget(steps=50), 0.02, 8, 7),  # turns of some 0.15 s
        (SampleBudget(steps=50), 0.0001, 2, 25),  # never fewer than two turns, or the order would not balance
        (SampleBudget(steps=4), 1.5, 4, 1),
        (SampleBudget(steps=1), 1.5, 2, 1),
    ],
)
def test_turns_are_even_and_of_some_length(budget: SampleBudget, step_s: float, turns: int, steps: int) -> None:
    assert plan_turns(budget, [[9.0, step_s], [9.0, step_s / 2]]) == (turns, steps)
    assert plan_turns(budget, [[9.0, step_s / 2], [9.0, step_s]]) == (turns, steps)


def test_each_has_as_many_turns_early_as_late() -> None:
    assert abba(4) == [0, 1, 1, 0, 0, 1, 1, 0]
