from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.hardware.isa import Isa
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.hardware.topology import Cpu, Topology, read_topology
from resnet_fixtures.suite import Suite, describe, is_controller, is_distributed, make_suite

if TYPE_CHECKING:
    from resnet_fixtures.options import Options

PLAN = ThreadPlan((0, 1), intra=2, inter=1, data_intra=2, data_inter=1, quota=None, sockets=(0,), nodes=(0,))
TOPOLOGY = Topology((Cpu(0, 0, 0, 0), Cpu(1, 1, 0, 0)), None)


def make_state(cpu_dma_latency_us: int | None = None, **flags: bool) -> Suite:
    isa = Isa("avx2", frozenset(name for name, is_there in flags.items() if is_there), "CPU")
    options: Options = SimpleNamespace()  # type: ignore[assignment] # none is read
    return Suite(options, TOPOLOGY, isa, PLAN, {}, cpu_dma_latency_us)


def configure(pytester: pytest.Pytester, *arguments: str) -> pytest.Config:
    return pytester.parseconfig("-p", "resnet_fixtures.plugin", *arguments)


def test_header_names_what_the_cpu_emulates() -> None:
    assert describe(make_state()) == (
        "resnet_fixtures: 2 cores (0-1) on socket 0, intra 2, inter 1, data 2/1, avx2 (int8 and bf16 emulated)"
    )
    assert describe(make_state(avx_vnni=True)).endswith("avx2 (bf16 emulated)")
    assert describe(make_state(avx512_vnni=True, avx512_bf16=True)).endswith("data 2/1, avx2")


def test_header_says_how_fast_cores_must_wake_up() -> None:
    assert describe(make_state(0)).endswith("avx2 (int8 and bf16 emulated), cores wake up within 0 us")


def test_suite_keeps_the_user_s_environment(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configure(pytester)
    monkeypatch.setenv("SOMETHING", "of the user's")
    state = make_suite(config)
    monkeypatch.setenv("SOMETHING", "else")
    assert state.environ["SOMETHING"] == "of the user's"
    assert state.graphs is None
    assert state.split is None
    assert state.plan.cpus == tuple(cpu.id for cpu in state.topology.physical)


def test_more_cores_than_there_are(pytester: pytest.Pytester) -> None:
    with pytest.raises(InputError, match=r"^--num-cores 9999 is more than"):
        make_suite(configure(pytester, "--num-cores=9999"))


@pytest.mark.skipif(len(read_topology().physical) < 2, reason="needs 2 cores")
def test_workers_have_cores_of_their_own(pytester: pytest.Pytester) -> None:
    plans = []
    for number in range(2):
        config: Any = configure(pytester, "--num-cores=2")
        config.workerinput = {"workerid": f"gw{number}", "workercount": 2}
        plans.append(make_suite(config).plan)
    assert [len(plan.cpus) for plan in plans] == [1, 1]
    assert [plan.intra for plan in plans] == [1, 1]
    assert plans[0].cpus != plans[1].cpus


@pytest.mark.parametrize(("arguments", "expected"), [((), False), (("-n", "0"), False), (("-n", "2"), True)])
def test_controller_is_told_from_a_plain_run(
    pytester: pytest.Pytester, arguments: tuple[str, ...], expected: bool
) -> None:
    config = configure(pytester, *arguments)
    config.option.dist = "load" if config.getoption("-n") else "no"  # as xdist does when it starts
    assert is_distributed(config) is expected
    assert is_controller(config) is expected


def test_worker_is_no_controller(pytester: pytest.Pytester) -> None:
    config: Any = configure(pytester)
    config.workerinput = {"workerid": "gw0", "workercount": 1}
    assert is_distributed(config)
    assert not is_controller(config)


def test_suite_is_one_value() -> None:
    state = make_state()
    assert replace(state, plan=PLAN) == state
