from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.hardware.pinning import pin, pinned, with_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

linux_only = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin threads")


@pytest.fixture
def thread_id() -> Iterator[int]:
    """Run a second thread for as long as the test lasts."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    assert thread.native_id is not None
    yield thread.native_id
    done.set()
    thread.join()


@linux_only
def test_pinned_holds_every_thread_and_gives_back(thread_id: int) -> None:
    before = os.sched_getaffinity(0)
    one = {max(before)}
    with pinned(one):
        assert os.sched_getaffinity(0) == one
        assert os.sched_getaffinity(thread_id) == one
    assert os.sched_getaffinity(0) == os.sched_getaffinity(thread_id) == before


@linux_only
def test_pinned_gives_back_after_an_error() -> None:
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyError, match="stop"), pinned({min(before)}):
        raise KeyError("stop")
    assert os.sched_getaffinity(0) == before


@linux_only
def test_pin_returns_the_earlier_cpus() -> None:
    before = os.sched_getaffinity(0)
    assert pin({min(before)}) == before
    assert pin(before) == {min(before)}


@linux_only
def test_threads_that_ended_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / str(2**22 + 1)).mkdir()  # beyond the largest id that Linux gives
    assert pin(os.sched_getaffinity(0), tasks=tmp_path) == os.sched_getaffinity(0)


@linux_only
def test_without_proc_the_calling_thread_is_pinned(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    with pinned({min(before)}, tasks=tmp_path / "absent"):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before


@linux_only
def test_cpu_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"cannot be pinned to CPUs 1000-1001 \(.+\); choose among .* --num-cores\.$"):
        pin({1000, 1001})


def test_nothing_happens_where_the_system_cannot_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert pin({1000}) == frozenset()
    with pinned({1000}):
        pass


def test_environment_is_set_and_put_back() -> None:
    environ = {"KMP_BLOCKTIME": "200", "HOME": "/root"}
    with with_environment({"KMP_BLOCKTIME": "1", "OMP_NUM_THREADS": "2"}, environ):
        assert environ == {"KMP_BLOCKTIME": "1", "OMP_NUM_THREADS": "2", "HOME": "/root"}
    assert environ == {"KMP_BLOCKTIME": "200", "HOME": "/root"}


def test_environment_is_put_back_after_an_error() -> None:
    environ: dict[str, str] = {}
    with pytest.raises(KeyError, match="stop"), with_environment({"OMP_NUM_THREADS": "2"}, environ):
        raise KeyError("stop")
    assert environ == {}


def test_variable_that_was_removed_meanwhile_does_not_matter() -> None:
    environ: dict[str, str] = {}
    with with_environment({"OMP_NUM_THREADS": "2"}, environ):
        del environ["OMP_NUM_THREADS"]
    assert environ == {}


def test_environment_is_the_process_own_by_default() -> None:
    with with_environment({"RESNET_FIXTURES_TEST": "1"}):
        assert os.environ["RESNET_FIXTURES_TEST"] == "1"
    assert "RESNET_FIXTURES_TEST" not in os.environ
