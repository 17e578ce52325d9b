"""The pytest plugin: it wires hooks to what does the work, nothing else."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures import command_line, gate_preflight, gating, markers, options, preflight, suite
from resnet_fixtures.errors import InputError, RunError
from resnet_fixtures.fixture_use import is_ours
from resnet_fixtures.summary import ResultSummary, attach_reason, attach_result

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

pytest_plugins = (
    "resnet_fixtures.fixtures.machine",
    "resnet_fixtures.fixtures.graphs",
    "resnet_fixtures.fixtures.images",
    "resnet_fixtures.fixtures.runs",
    "resnet_fixtures.fixtures.training",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest captures the output
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    command_line.restart_with_joined_paths(early_config)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    markers.register_markers(config)
    with preflight.usage_errors(config):
        command_line.refuse_mistaken_paths(config)
        state = config.stash[suite.SUITE] = suite.make_suite(config)
        preflight.check_combinations(config, state)
        gate_preflight.check_gate_combinations(config)
    if gating.is_gated(config):
        from resnet_fixtures.gate_plugin import GatePlugin

        config.pluginmanager.register(GatePlugin(), "resnet_fixtures.gate_plugin")
    config.stash[suite.CLEANUP] = ExitStack()
    config.pluginmanager.register(ResultSummary(), "resnet_fixtures.summary")


def pytest_unconfigure(config: pytest.Config) -> None:
    if suite.CLEANUP in config.stash:
        config.stash[suite.CLEANUP].close()


def pytest_report_header(config: pytest.Config) -> str:
    return suite.describe(config.stash[suite.SUITE])


@pytest.hookimpl(trylast=True)  # a precision by hand comes before the batch size, as in every id
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    markers.parametrize(metafunc)


def pytest_itemcollected(item: pytest.Item) -> None:
    markers.mark_precision(item)
    markers.mark_replay(item)


@pytest.hookimpl(trylast=True)  # when -m has chosen
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    markers.select(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    if preflight.is_needed(session):
        with preflight.usage_errors(session.config):
            preflight.make_ready(session.config, session.items)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    preflight.pass_on_error(node)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup() -> Generator[None, Any, Any]:
    return (yield from fail_in_one_sentence())


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    outcome = yield from fail_in_one_sentence()
    if not gating.is_gated(pyfuncitem.config):
        markers.fail_unless_measured(pyfuncitem)
    return outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    attach_result(report, item.stash.get(suite.RESULT, None))
    if is_ours(item):
        attach_reason(report)
    return report


def fail_in_one_sentence() -> Generator[None, Any, Any]:
    """Let what the user can cure, or a process that died, fail the test without a traceback."""
    try:
        return (yield)
    except (InputError, RunError) as error:
        sentence = str(error)
    pytest.fail(sentence, pytrace=False)  # not above, where pytest would show both errors
