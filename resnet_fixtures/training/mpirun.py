"""Open MPI's mpirun: where it is, which version it is, and whether it reaches the hosts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION_TIME_S = 30.0
MERCY_S = 2.0  # from asking an mpirun to end to killing it
PROBE_TIME_S = 30.0  # ssh's own patience with a host that is switched off is minutes


@dataclass(frozen=True)
class Mpirun:
    """An mpirun of Open MPI and its major version."""

    path: str
    version: int

    @property
    def socket(self) -> str:
        """Name a socket as --map-by has it."""
        return "package" if self.version >= 5 else "socket"


def find_mpirun(environ: Mapping[str, str] = os.environ, python: str = sys.executable) -> Mpirun:
    """Find the wheel's mpirun beside this Python, else the one on PATH; none, or another MPI's, is an InputError."""
    beside = str(Path(python).parent)
    path = shutil.which("mpirun", path=os.pathsep.join([beside, environ.get("PATH", "")]))
    if path is None:
        raise InputError(
            "--mpi-num-processes needs mpirun, which is neither beside this Python nor on PATH: "
            "pip install 'resnet-fixtures[mpi]'."
        )
    return Mpirun(path, read_version(path))


def read_version(path: str) -> int:
    """Ask an mpirun for its major version."""
    command = [path, "--version"]
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=VERSION_TIME_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = "it does not answer" if isinstance(error, subprocess.TimeoutExpired) else error.strerror
        raise InputError(f"{path} cannot be run ({reason}): pip install 'resnet-fixtures[mpi]'.") from error
    version = re.search(r"\(Open ?(?:MPI|RTE)\) (\d+)\.", told.stdout)
    if version is None:
        raise InputError(f"{path} is not Open MPI's: pip install 'resnet-fixtures[mpi]', or put Open MPI's on PATH.")
    return int(version[1])


def refuse_unreachable_hosts(
    mpirun: Mpirun, hostnames: Sequence[str], environ: Mapping[str, str], patience_s: float = PROBE_TIME_S
) -> None:
    """Start `true` on every host at once, by mpirun alone; the first that does not answer is an InputError."""
    probes = [_start_probe(mpirun, hostname, environ) for hostname in hostnames]
    end_s = time.monotonic() + patience_s
    try:
        for hostname, probe in zip(hostnames, probes, strict=True):
            _expect_answer(hostname, probe, end_s, patience_s)
    finally:
        _end(probes)


def _start_probe(mpirun: Mpirun, hostname: str, environ: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [mpirun.path, "--allow-run-as-root", "--host", hostname, "-n", "1", "true"],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # without a terminal ssh cannot ask for a password
    )


def _expect_answer(hostname: str, probe: subprocess.Popen[str], end_s: float, patience_s: float) -> None:
    try:
        said, _ = probe.communicate(timeout=max(0.1, end_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        why = f"no answer within {patience_s:g} s"
    else:
        if probe.returncode == 0:
            return
        why = first_sentence(said) or f"exit status {probe.returncode}"
    raise InputError(
        f"Host {hostname} of --mpi-hostnames cannot be reached ({why}): make sure that `ssh {hostname} true` works "
        "without a password and that Open MPI is installed there, or leave the host out."
    )


def first_sentence(said: str) -> str:
    """Give the first paragraph of what mpirun said between its rulers, on one line, without a full stop."""
    paragraphs = re.split(r"\n\s*\n|-{20,}", said)
    texts = (" ".join(paragraph.split()) for paragraph in paragraphs)
    return next((text.rstrip(".:") for text in texts if text), "")


def _end(probes: Sequence[subprocess.Popen[str]]) -> None:
    """Let each mpirun take its daemons with it, and end those anyway that do not hear."""
    for probe in probes:
        probe.terminate()
    end_s = time.monotonic() + MERCY_S
    for probe in probes:
        with probe:
            with suppress(subprocess.TimeoutExpired):
                probe.wait(max(0.0, end_s - time.monotonic()))
            probe.kill()
