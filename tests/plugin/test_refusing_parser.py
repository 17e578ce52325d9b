"""A command's answer, on a terminal of few characters and on a full disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = (
    "from resnet_fixtures.refusing_parser import RefusingParser\n"
    "RefusingParser(prog='python -m it').answer('99.9 % interval \\N{MINUS SIGN}7.4 … %')\n"
)


def run(encoding: str, place: str = "/dev/stdout") -> subprocess.CompletedProcess[str]:
    command = 'exec "$0" -c "$1" > "$2"'
    return subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, SCRIPT, place],
        env={"PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("encoding", "output"),
    [("utf-8", "99.9 % interval −7.4 … %\n"), ("ascii", "99.9 % interval \\u22127.4 \\u2026 %\n")],  # noqa: RUF001
)
def test_answer_is_printed_whatever_the_characters(encoding: str, output: str) -> None:
    done = run(encoding)
    assert (done.returncode, done.stdout, done.stderr) == (0, output, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_disk_that_is_full_is_told_in_one_sentence() -> None:
    done = run("utf-8", "/dev/full")
    assert done.returncode == 4
    assert done.stderr == (
        "python -m it: error: the standard output cannot be written (No space left on device): "
        "write to a file that has room.\n"
    )
