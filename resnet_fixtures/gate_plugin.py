"""What the gate adds to pytest where it is on: a verdict for each test, one for each that is missing, and the files."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate_options import GateMode
from resnet_fixtures.gate_preflight import (
    MissingTest,
    find_missing,
    is_gone,
    is_judged,
    is_left_out,
    make_gate,
    make_gate_ready,
)
from resnet_fixtures.gating import GATE, find_gate
from resnet_fixtures.preflight import usage_errors
from resnet_fixtures.suite import SUITE
from resnet_fixtures.unique_file import write_new_file

if TYPE_CHECKING:
    from collections.abc import Generator

    from resnet_fixtures.gating import Gate


class GatePlugin:
    """The hooks of a run with a gate."""

    def __init__(self) -> None:
        self._written: str | None = None

    @pytest.hookimpl(wrapper=True, tryfirst=True)  # before -m and -k choose, and after
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Read the baseline, and let each of its tests that was not collected fail under its own name."""
        collected = {item.nodeid for item in items}
        yield
        if config.option.collectonly:
            return
        with usage_errors(config):
            gate = config.stash[GATE] = make_gate(config)
        missing = find_missing(config, gate, collected)
        if gate.options.mode is GateMode.UPDATE:
            # A file that is broken or skips itself hides its tests.
            gate.gone = frozenset(test for test in missing if is_gone(config, test, collected))
        else:
            items.extend(MissingTest.from_parent(session, name=test, gate=gate) for test in missing)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Check the other side, and count what is judged together."""
        if GATE in session.config.stash:
            with usage_errors(session.config):
                make_gate_ready(session.config, session.items)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Let a test that has passed fail by its verdict."""
        outcome = yield
        if is_judged(pyfuncitem):
            pyfuncitem.config.stash[GATE].fail_unless_green(pyfuncitem.nodeid)
        return outcome

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the verdict into the report and JUnit's file; what is not green fails, what did not pass is not kept."""
        gate = item.config.stash[GATE]
        if call.when == "call" and item.nodeid in gate.judgements:
            item.user_properties.append(verdict_property(gate, item))
        report = yield
        if report.skipped or (report.passed and report.when == "call"):
            refuse_excuse(gate, item, report)
        if not report.passed and gate.options.mode is GateMode.UPDATE:
            gate.entries.pop(item.nodeid, None)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the baseline or the run; a run that measured nothing is not green."""
        gate = find_gate(session.config)
        if gate is None or session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return
        try:
            self._written = write_entries(session.config, gate)
        except InputError as error:
            self._written, session.exitstatus = str(error), pytest.ExitCode.USAGE_ERROR
            return
        if not gate.entries and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write one line a verdict, how many there are of each, and where the entries are."""
        gate = find_gate(terminalreporter.config)
        if gate is None:
            return
        from resnet_fixtures.gate.verdict import count_verdicts

        terminalreporter.section(f"gate ({gate.options.mode.value})")
        judgements = gate.judgements.values()
        for line in (gate.against, *map(str, judgements), count_verdicts(judgements), self._written):
            if line:
                terminalreporter.write_line(line)


def refuse_excuse(gate: Gate, item: pytest.Item, report: pytest.TestReport) -> None:
    """Let a test fail that is not green and has not failed: it was skipped, was expected to fail, or took no notice."""
    is_expected = gate.options.mode is GateMode.JUDGE and item.nodeid in gate.baseline
    if is_expected and item.nodeid not in gate.judgements and is_judged(item) and not is_left_out(item):
        gate.judge_unmeasured(item.nodeid)
        item.user_properties.append(verdict_property(gate, item))
    judgement = gate.judgements.get(item.nodeid)
    if judgement and not gate.is_green(judgement):
        excuse = f" ({report.longrepr[2]})" if isinstance(report.longrepr, tuple) else ""
        report.outcome, report.longrepr = "failed", f"{judgement.verdict.value}: {judgement.reason}{excuse}"
        report.when = "call"  # a failure in JUnit's file, no error
        vars(report).pop("wasxfail", None)


def verdict_property(gate: Gate, item: pytest.Item) -> tuple[str, str]:
    """Return what stands in JUnit's file."""
    return "gate", gate.judgements[item.nodeid].verdict.value


def write_entries(config: pytest.Config, gate: Gate) -> str:
    """Write what was measured, and say where it is; InputError where that cannot be written."""
    from resnet_fixtures.gate.baseline import update_baseline
    from resnet_fixtures.gate.run_file import format_run

    if not gate.entries and not gate.judgements:
        return "nothing was measured, so nothing was written"
    if gate.options.mode is GateMode.UPDATE:
        update_baseline(gate.baseline_path, gate.entries, gone=gate.gone)
        gone = f", and {len(gate.gone)} that no longer exist taken out" if gate.gone else ""
        return f"{len(gate.entries)} written into {gate.baseline_path}{gone}"
    output_dir = config.stash[SUITE].options.output_dir
    content = format_run(gate.entries, gate.judgements)
    path = write_new_file(output_dir, f"gate_{datetime.now().astimezone():%Y%m%d_%H%M%S}", ".json", content)
    return f"the run is in {path}" if gate.entries else f"nothing was measured, the verdicts are in {path}"
