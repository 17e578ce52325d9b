"""The gate's options: values, defaults, and those that exclude each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate_options import GateMode, GateOptions, read_gate_options

if TYPE_CHECKING:
    from tests.plugin.conftest import SuiteRunner

DEFAULTS: dict[str, Any] = {
    "--gate": False, "--gate-update": False, "--gate-baseline": None, "--gate-max-time": 600.0,
    "--gate-inconclusive": "fail", "--against": None, "--against-graph": None,
}  # fmt: skip


def read(**given: Any) -> GateOptions:
    values = {**DEFAULTS, **{f"--{name.replace('_', '-')}": value for name, value in given.items()}}
    return read_gate_options(values.__getitem__)


def test_without_an_option_the_gate_is_off() -> None:
    assert read() == GateOptions(GateMode.OFF, None, 600.0, True, None, None)


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({"gate": True}, GateMode.JUDGE),
        ({"gate_update": True}, GateMode.UPDATE),
        ({"against": Path("python")}, GateMode.AGAINST),
        ({"against_graph": Path("graph.pb")}, GateMode.AGAINST),
        ({"against": Path("python"), "against_graph": Path("graph.pb")}, GateMode.AGAINST),
        ({"gate_baseline": Path("base.json"), "gate_inconclusive": "pass"}, GateMode.OFF),
    ],
)
def test_mode(given: dict[str, Any], mode: GateMode) -> None:
    assert read(**given).mode is mode


def test_inconclusive_may_pass() -> None:
    assert not read(gate=True, gate_inconclusive="pass").inconclusive_fails


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"gate": True, "gate_update": True}, "--gate and --gate-update"),
        ({"gate": True, "against": Path("python")}, "--gate and --against"),
        ({"gate_update": True, "against_graph": Path("graph.pb")}, "--gate-update and --against"),
    ],
)
def test_modes_exclude_each_other(given: dict[str, Any], names: str) -> None:
    with pytest.raises(InputError, match=rf"^{names} exclude each other: pass one of them\.$"):
        read(**given)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--gate-max-time", "0"), "*error: argument --gate-max-time: 0 is no positive number of seconds; *"),
        (("--gate-max-time", "soon"), "*error: argument --gate-max-time: *soon*"),
        (("--gate-inconclusive", "maybe"), "*error: argument --gate-inconclusive: invalid choice: 'maybe' *"),
        (("--gate", "--gate-update"), "ERROR: --gate and --gate-update exclude each other: pass one of them."),
        (("--gate", "--against=python"), "ERROR: --gate and --against exclude each other: pass one of them."),
        (
            ("--gate-baseline=base.json",),
            "ERROR: --gate-baseline says how the gate judges, and it is off: pass --gate or --gate-update too.",
        ),
        (("--gate-max-time", "9"), "ERROR: --gate-max-time says how the gate judges, and it is off: pass --gate or *"),
        (("--gate-inconclusive=pass",), "ERROR: --gate-inconclusive says how the gate judges, and it is off: *"),
        (
            ("--against=python", "--gate-baseline", "base.json"),
            "ERROR: --against judges by its other side: leave --gate-baseline out.",
        ),
    ],
)
def test_bad_command_line(
    pytester: pytest.Pytester, run_suite: SuiteRunner, arguments: tuple[str, ...], sentence: str
) -> None:
    pytester.makepyfile("def test_nothing():\n    raise AssertionError('a test ran')\n")
    result = run_suite(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([sentence])
    output = result.stderr.str() + result.stdout.str()
    assert "Traceback" not in output
    assert "a test ran" not in output


def test_settings_of_a_project_stand_ready_for_its_gate(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    pytester.makepyfile("def test_nothing():\n    pass\n")
    run_suite("-o", "addopts=--gate-baseline=base.json --gate-max-time=9").assert_outcomes(passed=1)
