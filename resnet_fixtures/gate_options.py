"""The options of the gate: judge against a baseline, write one, or run against another side."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.sampling import DEFAULT_MAX_TIME_S
from resnet_fixtures.option_values import parse_seconds
from resnet_fixtures.paths import parse_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


class GateMode(Enum):
    """What the gate does in this run."""

    OFF = "off"
    JUDGE = "--gate"
    UPDATE = "--gate-update"
    AGAINST = "--against"


@dataclass(frozen=True)
class GateOptions:
    """What the user asked for; without a `baseline` it lies beside pytest-benchmark's storage.

    `against_python` is another environment's interpreter, `against_graph` another frozen graph of the same precision.
    """

    mode: GateMode
    baseline: Path | None
    max_time_s: float
    inconclusive_fails: bool
    against_python: Path | None
    against_graph: Path | None


def add_gate_options(group: pytest.OptionGroup) -> None:
    """Register the gate's options."""
    group.addoption("--gate", action="store_true", help="judge every timing and score against the baseline")
    group.addoption("--gate-update", action="store_true", help="measure, and write what passes into the baseline")
    group.addoption(
        "--gate-baseline", type=parse_path, metavar="PATH",
        help="the baseline: a file of --gate-update, or pytest-benchmark's runs (default: gate-baseline.json in its "
        "storage)",
    )  # fmt: skip
    group.addoption(
        "--gate-max-time", type=parse_seconds, default=DEFAULT_MAX_TIME_S, metavar="SECONDS",
        help="time for one test's samples under the gate, of which there are at least 5 processes or pairs "
        "(default %(default)s)",
    )  # fmt: skip
    group.addoption(
        "--gate-inconclusive", choices=("fail", "pass"), default="fail",
        help="what a test is that the samples cannot decide (default %(default)s)",
    )  # fmt: skip
    group.addoption(
        "--against", type=parse_path, metavar="PYTHON",
        help="run against another environment: its interpreter, with tensorflow and numpy",
    )  # fmt: skip
    group.addoption(
        "--against-graph", type=parse_path, metavar="PATH", help="run against another graph of the precision"
    )


def add_gate_settings(parser: pytest.Parser) -> None:
    """Register the gate's line of pytest.ini."""
    parser.addini("gate_tolerance", "allowed change of a metric, such as `images_per_s = 2%`", "linelist", default=[])


def read_gate_options(get: Callable[[str], Any]) -> GateOptions:
    """Return the gate's options as one value; InputError for two that exclude each other."""
    return GateOptions(
        mode=_read_mode(get),
        baseline=get("--gate-baseline"),
        max_time_s=get("--gate-max-time"),
        inconclusive_fails=get("--gate-inconclusive") == "fail",
        against_python=get("--against"),
        against_graph=get("--against-graph"),
    )


def _read_mode(get: Callable[[str], Any]) -> GateMode:
    asked = [mode for mode in (GateMode.JUDGE, GateMode.UPDATE) if get(mode.value)]
    if get("--against") or get("--against-graph"):
        asked.append(GateMode.AGAINST)
    if len(asked) > 1:
        names = " and ".join(mode.value for mode in asked)
        raise InputError(f"{names} exclude each other: pass one of them.")
    return asked[0] if asked else GateMode.OFF
