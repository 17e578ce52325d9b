"""Run two parts of these tests in pytest processes of their own, beside the rest: most use one core or wait.

Where a run has tests of a part and others, the part's process starts with the first of them, and its reports are given
out after the others, before any test that lies elsewhere: nothing is timed meanwhile. A test that it did not report on
fails. The hooks are the conftest's.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import select
import shlex
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.training.leash import leash_command

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = "tests/plugin/"
# The parts and the rest take about a third of the time each.
PARTS = (
    (f"{HERE}test_documentation.py", f"{HERE}stats/"),
    (f"{HERE}training/", f"{HERE}gate/"),
)
BESIDE = pytest.StashKey["list[SideProcess]"]()
PIPE = "SIDE_PYTEST_PIPE"  # the variable that names a side process' end of it
ITEMS = "SIDE_PYTEST_ITEMS"  # and the one that names the file of its items
PLAIN = re.compile(r"[^-].*|-[qvx]+|-r\w+|--(durations|durations-min|junit-?xml|tb|maxfail|color|max-time)=.*")
PIPE_BYTES = 1 << 20
PATIENCE_S = 600.0
SHOWN_CHARACTERS = 2000


class SideProcess:
    """A pytest process for some items: started once, asked for the reports of each."""

    def __init__(self, config: pytest.Config, items: Sequence[pytest.Item]) -> None:
        self.items = frozenset(item.nodeid for item in items)
        self._config = config
        self._files = sorted({str(item.path) for item in items})
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`, as is the next
        self._items = tempfile.NamedTemporaryFile("w", suffix=".json")  # noqa: SIM115
        json.dump(sorted(self.items), self._items)
        self._items.flush()
        self.is_silent = False
        self._pipe = -1  # a pipe, because some tests limit what a file may hold
        self._unread = b""
        self._told: dict[str, list[pytest.TestReport]] = {}

    def start(self) -> None:
        """Start it, unless it has been."""
        if self._process is not None:
            return
        self._pipe, theirs = os.pipe()
        fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        os.set_blocking(self._pipe, False)
        plugins = ("-p", "no:cacheprovider", "-p", "tests.plugin.tell_reports")
        command = [sys.executable, "-m", "pytest", "-q", *plugins, *self._files]
        self._process = subprocess.Popen(
            leash_command("TERM", command, is_rank=False),
            cwd=self._config.rootpath,
            env={**self._environ(), PIPE: str(theirs), ITEMS: self._items.name},
            pass_fds=[theirs],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        os.close(theirs)

    def has_told(self, item: pytest.Item) -> bool:
        """Tell whether the last report of an item is here."""
        return any(report.when == "teardown" for report in self._told.get(item.nodeid, []))

    def reports(self, item: pytest.Item) -> list[pytest.TestReport]:
        """Return the reports of an item; a failure is among them where they did not come."""
        told = self._told.setdefault(item.nodeid, [])
        if self.has_told(item):
            return told
        missing = f"the pytest process beside this one did not report on it; its last words: {self._last_words()}"
        return [*told, pytest.TestReport(item.nodeid, item.location, {}, "failed", missing, "call")]

    def fileno(self) -> int:
        """Return what `select` asks for."""
        return self._pipe

    def hear(self) -> None:
        """Take what it has told; nothing is told by one that has ended."""
        heard = os.read(self._pipe, PIPE_BYTES)
        *lines, self._unread = (self._unread + heard).split(b"\n")
        for line in lines:
            report = self._config.hook.pytest_report_from_serializable(
                config=self._config, data=with_tuples(json.loads(line))
            )
            self._told.setdefault(report.nodeid, []).append(report)
        self.is_silent = not heard

    def wait(self) -> None:
        """Wait for its end; nothing is timed before."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_S)

    def end(self) -> None:
        """End it if it still runs."""
        if self._process:
            with self._process:
                self._process.terminate()
            os.close(self._pipe)
        self._log.close()
        self._items.close()

    def _environ(self) -> dict[str, str]:
        """Leave out what tells pytest what to do: the options are for the first process."""
        names = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST")
        own = {name: value for name, value in os.environ.items() if name not in names}
        paths = [str(self._config.rootpath), *filter(None, [own.get("PYTHONPATH")])]
        return {**own, "PYTHONPATH": os.pathsep.join(paths)}

    def _last_words(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-SHOWN_CHARACTERS:]


def with_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """Give a report's fields the tuples back that JSON made lists of."""
    pairs = {name: [tuple(pair) for pair in fields[name]] for name in ("user_properties", "sections")}
    why = fields["longrepr"]  # of a skip: file, line and reason
    return {
        **fields,
        **pairs,
        "location": tuple(fields["location"]),
        "longrepr": tuple(why) if isinstance(why, list) else why,
    }


def plan(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose the items of the processes beside and put them behind the others of this folder."""
    ours = [item for item in items if item.nodeid.startswith(HERE)]
    parts = [[item for item in ours if item.nodeid.startswith(part)] for part in PARTS]
    beside = list(itertools.chain(*parts))
    first = next((number for number, item in enumerate(items) if item in ours), 0)
    is_together = items[first : first + len(ours)] == ours
    if not is_together or len(beside) in (0, len(ours)) or not is_possible(config):
        return
    items[first : first + len(ours)] = [item for item in ours if item not in beside] + beside
    config.stash[BESIDE] = [SideProcess(config, part) for part in parts if part]


def is_possible(config: pytest.Config) -> bool:
    """Tell whether there is a second core, and this process was given no option that the others would have to know."""
    given = [*config.invocation_params.args, *shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))]
    is_plain = all(PLAIN.fullmatch(argument) for argument in given)
    return is_plain and PIPE not in os.environ and len(os.sched_getaffinity(0)) > 1


def run(config: pytest.Config, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Start the processes beside if there are any, and give out their reports of an item; tell whether it is theirs."""
    processes = config.stash.get(BESIDE, [])
    if not item.nodeid.startswith(HERE):  # pytest asks for every item of the run
        return False
    for process in processes:
        process.start()
    listen(processes, 0.0)
    owner = next((process for process in processes if item.nodeid in process.items), None)
    if owner is None:
        return False
    while not owner.has_told(item) and not owner.is_silent and listen(processes, PATIENCE_S):
        pass
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in owner.reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    if nextitem is None or nextitem.nodeid not in owner.items:
        owner.wait()
    item.session._setupstate.teardown_exact(nextitem)  # what the tests before set up and share with this one's folder
    return True


def listen(processes: Sequence[SideProcess], timeout_s: float) -> bool:
    """Take what the processes have told, so that none waits for a full pipe; False where none told anything in time."""
    heard = select.select([process for process in processes if not process.is_silent], [], [], timeout_s)[0]
    for process in heard:
        process.hear()
    return bool(heard)


def end(config: pytest.Config) -> None:
    """End the processes beside, if there are any."""
    for process in config.stash.get(BESIDE, []):
        process.end()
