from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.training.communicator import Alone, connect, run_rank
from resnet_fixtures.training.events import Refused, parse_event
from resnet_fixtures.training.mpirun import find_mpirun
from tests.plugin.training.mpi_probe import vector_of

if TYPE_CHECKING:
    from collections.abc import Callable

PROBE = Path(__file__).with_name("mpi_probe.py")
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module", params=[2, 3])
def reports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return what each rank found, with its `mean`."""
    if find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not here: pip install 'resnet-fixtures[mpi]'")
    folder = tmp_path_factory.mktemp("ranks")
    crowd = ["--allow-run-as-root", "-n", str(request.param), "--bind-to", "none", "--oversubscribe"]
    subprocess.run(
        [find_mpirun().path, *crowd, sys.executable, str(PROBE), str(folder)],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    return [
        {**json.loads((folder / f"{rank}.json").read_text()), "mean": np.load(folder / f"{rank}.npy")}
        for rank in range(request.param)
    ]


def test_mean_is_the_ranks_mean_and_the_same_bits_everywhere(reports: list[dict[str, Any]]) -> None:
    expected = np.mean([vector_of(rank) for rank in range(len(reports))], axis=0, dtype=np.float64)
    for report in reports:
        assert report["mean"].dtype == np.float32
        assert report["mean"].tobytes() == reports[0]["mean"].tobytes()
        np.testing.assert_allclose(report["mean"], expected, rtol=1e-6)
        assert report["is_input_unchanged"]
        assert report["second_mean"] == [(len(reports) - 1) / 2] * 3


def test_ranks_know_each_other(reports: list[dict[str, Any]]) -> None:
    assert {report["kind"] for report in reports} == {"Mpi"}
    assert [report["size"] for report in reports] == [len(reports)] * len(reports)
    assert {report["name"] for report in reports} == {os.uname().nodename}


def test_numbers_are_added_up_beyond_32_bits(reports: list[dict[str, Any]]) -> None:
    size = len(reports)
    assert [report["total"] for report in reports] == [[size * (size + 1) // 2, size * 2**40]] * size


def test_all_hear_rank_0s_text_and_obey_its_decision(reports: list[dict[str, Any]]) -> None:
    for report in reports:
        assert report["is_text_heard"]
        assert report["empty_text"] == ""
        assert report["decisions"] == [True, False]


@pytest.mark.parametrize("environ", [{}, {"OMPI_COMM_WORLD_SIZE": "1"}])
def test_process_without_mpirun_is_alone_and_answers_itself(environ: dict[str, str]) -> None:
    alone = connect(environ)
    flat = np.arange(3, dtype=np.float32)
    assert isinstance(alone, Alone)
    assert (alone.rank, alone.size, alone.name) == (0, 1, os.uname().nodename)
    np.testing.assert_array_equal(alone.mean(flat), flat)
    assert alone.total([1, 2]) == [1, 2]
    assert alone.broadcast("text") == "text"
    assert alone.decide(True)
    assert not alone.decide(False)


def test_rank_0_has_something_to_tell() -> None:
    with pytest.raises(TypeError, match="rank 0 has nothing to tell"):
        Alone().broadcast(None)


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((2, 2), np.float32)])
def test_mean_of_anything_else_than_a_float32_vector_is_refused(values: np.ndarray) -> None:
    with pytest.raises(TypeError, match=r"float32 vector, not of float\d\d with \d dim"):
        Alone().mean(values)


class Left(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def last_status(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    statuses: list[int] = []

    def leave(status: int) -> None:
        statuses.append(status)
        raise Left

    monkeypatch.setattr(os, "_exit", leave)
    return lambda: statuses[-1]


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (ValueError("a bug"), 1, "ValueError: a bug"),
        (SystemExit(3), 3, ""),
        (SystemExit(None), 0, ""),
        (SystemExit("that is all"), 1, "that is all"),
        (KeyboardInterrupt(), 1, "KeyboardInterrupt"),
    ],
)
def test_error_ends_the_rank_at_once(
    error: BaseException,
    status: int,
    words: str,
    last_status: Callable[[], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> None:
        raise error

    with pytest.raises(Left):
        run_rank(fail)
    assert last_status() == status
    assert words in capsys.readouterr().err


def test_input_error_is_told_as_an_event(last_status: Callable[[], int], capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: object) -> None:
        raise InputError("--data-location x is empty: pass another.")

    with pytest.raises(Left):
        run_rank(fail)
    assert last_status() == 4
    assert parse_event(capsys.readouterr().out) == Refused("--data-location x is empty: pass another.")


def test_work_gets_the_communicator_and_goes_home_in_peace() -> None:
    seen: list[object] = []
    run_rank(seen.append)
    assert isinstance(seen[0], Alone)
