"""Lines and progress bars that reach the terminal while a test runs, although pytest captures its output."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pytest


class LiveTerminal:
    """Writes past pytest's capture; silent where there is no terminal reporter, as in an xdist worker."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._manager = config.pluginmanager

    def write(self, line: str) -> None:
        """Write a line of its own."""
        reporter = self._manager.get_plugin("terminalreporter")
        if reporter is not None:
            with self.uncaptured():
                reporter.ensure_newline()
                reporter.write_line(line)

    @property
    def is_verbose(self) -> bool:
        """Tell whether -v asks for what else would only be in the logs."""
        return bool(self._config.getoption("verbose", 0) > 0)  # without pytest's terminal there is no such option

    def announce(self, what: str) -> None:
        """Write a line that says what the suite is doing."""
        self.write(f"resnet_fixtures: {what}")

    @contextmanager
    def uncaptured(self) -> Iterator[None]:
        """Let output pass for a while."""
        capture = self._manager.get_plugin("capturemanager")
        if capture is None:
            yield
        else:
            with capture.global_and_fixture_disabled():
                yield


class LiveBar:
    """A progress bar with counts, rate, time left and notes, past pytest's capture; drawn rarely without a terminal."""

    def __init__(self, config: pytest.Config, title: str, unit: str) -> None:
        from tqdm import tqdm

        self._live = LiveTerminal(config)
        with self._live.uncaptured():
            interval_s = 0.5 if sys.stderr.isatty() else 30.0
            self._bar = tqdm(
                desc=title, unit=f" {unit}", file=sys.stderr, leave=False, disable=hasattr(config, "workerinput"),
                mininterval=interval_s, delay=interval_s,
            )  # fmt: skip

    def begin(self, done: int, total: int) -> None:
        """Say how many there are, and how many an earlier run has left done, which do not count for the rate."""
        self._bar.total, self._bar.initial, self._bar.n = total, done, done

    def advance(self, done: int, notes: Mapping[str, str]) -> None:
        """Show how many are done now."""
        with self._live.uncaptured():
            self._bar.set_postfix(notes, refresh=False)
            self._bar.update(done - self._bar.n)

    def __enter__(self) -> LiveBar:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._live.uncaptured():
            self._bar.close()
