from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.ring_cost import PARAMETERS, Ring, ring_table, training_table

REPOSITORY = Path(__file__).parents[3]
SHOWN = re.compile(r"```text\n\$ python (-m benchmarks\.ring_cost[^{\n]*)\n(.*?)```", re.DOTALL)
SLOW_LINK = Ring(ranks=4, gbit_per_s=8.0, size_bytes=1_000_000_000, message_s=0.5)  # a gigabyte a second


def test_ring_sends_twice_all_but_one_part_and_as_many_messages() -> None:
    assert SLOW_LINK.seconds == pytest.approx(2 * 3 / 4 + 6 * 0.5)
    assert Ring(1, 8.0, 1000).seconds == 0


def test_efficiency_is_the_computing_share_of_a_step() -> None:
    assert SLOW_LINK.efficiency(batch_size=9, images_per_s=2) == pytest.approx(0.5)
    batch = SLOW_LINK.batch_for(0.9, images_per_s=2)
    assert SLOW_LINK.efficiency(batch, images_per_s=2) == pytest.approx(0.9)


def test_tables_have_a_line_for_each_link_and_number_of_ranks() -> None:
    size = PARAMETERS * 4
    assert [line.split()[:2] for line in ring_table(size).splitlines()[1:]] == [
        [link, ranks] for link in ("10", "100") for ranks in ("2", "8", "32", "256")
    ]
    lines = training_table(size, images_per_s=3.5, batch_size=16).splitlines()
    assert len({len(line) for line in lines}) == 1


def test_documented_tables_are_what_the_script_prints() -> None:
    shown = SHOWN.findall((REPOSITORY / "docs/scaling.md").read_text())
    assert shown
    for command, output in shown:
        done = subprocess.run(
            [sys.executable, *command.split()], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=30
        )
        assert output == done.stdout
