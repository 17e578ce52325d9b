from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

from resnet_fixtures.live import LiveTerminal

if TYPE_CHECKING:
    import pytest

CHATTY = """
    import sys
    from resnet_fixtures.live import LiveTerminal

    def test_lines(pytestconfig):
        live = LiveTerminal(pytestconfig)
        live.write("a line of its own")
        live.announce("at work")
        print("captured")
        with live.uncaptured():
            print("let through")
            print("progress", file=sys.stderr)
"""


def test_lines_reach_the_terminal_past_the_capture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(CHATTY)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["a line of its own", "resnet_fixtures: at work", "let through*"])
    result.stdout.no_fnmatch_line("*captured*")
    result.stderr.fnmatch_lines(["progress"])


def test_capture_may_be_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(CHATTY)
    result = pytester.runpytest_inprocess("-p", "no:capture")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*a line of its own", "*at work", "captured", "let through"])


def test_nothing_is_written_without_a_terminal(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig("-p", "no:terminal")
    LiveTerminal(config).write("into the void")


SLOW = """
    import time
    from resnet_fixtures.live import LiveBar

    def test_bar(pytestconfig):
        with LiveBar(pytestconfig, "int8 on digits", "images") as bar:
            bar.begin(0, 4)
            for done in range(1, 5):
                time.sleep(0.4)
                bar.advance(done, {"top-1": "0.7500"})
"""


def test_bar_is_drawn_on_a_terminal_although_pytest_captures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SLOW)
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    with subprocess.Popen([sys.executable, "-m", "pytest"], stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        drawn = read_all(master)
    assert process.returncode == 0, drawn
    assert "int8 on digits: " in drawn
    assert "top-1=0.7500" in drawn


def read_all(terminal: int) -> str:
    parts = []
    with suppress(OSError), os.fdopen(terminal, "rb", buffering=0) as file:  # which it is when the other side is closed
        while part := file.read(4096):
            parts.append(part)
    return b"".join(parts).decode()
