from __future__ import annotations

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
