from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.training.mpirun import Mpirun, find_mpirun, first_sentence, refuse_unreachable_hosts
from tests.plugin.training.processes import expect_death

if TYPE_CHECKING:
    from pathlib import Path


def write_mpirun(folder: Path, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "mpirun"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


SHELL = {"PATH": "/bin:/usr/bin"}
OPEN_MPI_5 = "echo 'mpirun (Open MPI) 5.0.11'"


def test_wheels_mpirun_comes_before_that_on_the_path(tmp_path: Path) -> None:
    wheels = write_mpirun(tmp_path / "venv", OPEN_MPI_5)
    systems = write_mpirun(tmp_path / "usr", "echo 'mpirun (Open MPI) 4.1.4'")
    environ = {"PATH": str(systems.parent)}
    assert find_mpirun(environ, str(tmp_path / "venv/python")) == Mpirun(str(wheels), 5)
    assert find_mpirun(environ, str(tmp_path / "other/python")) == Mpirun(str(systems), 4)


def test_debians_link_calls_itself_openrte(tmp_path: Path) -> None:
    file = write_mpirun(tmp_path, "echo 'orterun (OpenRTE) 4.1.4'")
    assert find_mpirun({"PATH": str(file.parent)}, "/nowhere/python").version == 4


def test_missing_mpirun_is_told_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs mpirun, which is neither .* pip install 'resnet-fixtures\[mpi\]'\.$"):
        find_mpirun({"PATH": str(tmp_path)}, str(tmp_path / "python"))


def test_mpirun_of_another_mpi_is_told_with_the_cure(tmp_path: Path) -> None:
    file = write_mpirun(tmp_path, "echo 'Intel(R) MPI Library for Linux* OS, Version 2021.11'")
    with pytest.raises(InputError, match=rf"^{file} is not Open MPI's: pip install"):
        find_mpirun({"PATH": str(tmp_path)}, "/nowhere/python")


@pytest.mark.parametrize("program", ["#!/nowhere/sh\n", "no program"])
def test_mpirun_that_cannot_be_run_is_told_with_the_cure(tmp_path: Path, program: str) -> None:
    file = write_mpirun(tmp_path, "")
    file.write_text(program)
    with pytest.raises(InputError, match=rf"^{file} cannot be run \(.+\): pip install"):
        find_mpirun({"PATH": str(tmp_path)}, "/nowhere/python")


def test_hosts_that_answer_pass(tmp_path: Path) -> None:
    mpirun = Mpirun(str(write_mpirun(tmp_path, f'echo "$@" >> {tmp_path}/asked')), 5)
    refuse_unreachable_hosts(mpirun, ["a", "b"], {})
    assert sorted((tmp_path / "asked").read_text().splitlines()) == [
        "--allow-run-as-root --host a -n 1 true",
        "--allow-run-as-root --host b -n 1 true",
    ]


def test_host_that_refuses_is_named_with_its_words(tmp_path: Path) -> None:
    script = 'test "$3" = a || { echo "-------------------------"; echo "ssh: no such"; echo "host b."; exit 1; }'
    with pytest.raises(InputError, match=r"^Host b of --mpi-hostnames cannot be reached \(ssh: no such host b\): make"):
        refuse_unreachable_hosts(Mpirun(str(write_mpirun(tmp_path, script)), 5), ["a", "b"], SHELL)


def test_host_that_is_silent_is_given_up_in_time_and_nobody_stays(tmp_path: Path) -> None:
    script = f"echo $$ >> {tmp_path}/started; trap '' TERM; while :; do sleep 0.1; done"
    mpirun = Mpirun(str(write_mpirun(tmp_path, script)), 5)
    start_s = time.monotonic()
    with pytest.raises(InputError, match=r"^Host a of --mpi-hostnames cannot be reached \(no answer within 0\.5 s\)"):
        refuse_unreachable_hosts(mpirun, ["a", "b"], SHELL, 0.5)
    assert time.monotonic() - start_s < 20
    pids = {int(line) for line in (tmp_path / "started").read_text().split()}
    assert len(pids) == 2
    expect_death(pids)


def test_first_sentence_is_one_line_without_rulers() -> None:
    said = "\n" + "-" * 74 + "\nPRTE has lost communication\nwith a remote daemon.\n\nThis is unexpected.\n"
    assert first_sentence(said) == "PRTE has lost communication with a remote daemon"
    assert first_sentence("\n\n") == ""


def test_environments_mpirun_is_found_where_it_is_installed() -> None:
    pytest.importorskip("mpi4py", reason="pip install 'resnet-fixtures[mpi]'")
    assert find_mpirun({}, sys.executable).version >= 4
