"""A child process that is asked and answers in lines, as its parent sees it."""

from __future__ import annotations

import select
import subprocess
import tempfile
from typing import TYPE_CHECKING, ClassVar

from resnet_fixtures.errors import InputError, RunError
from resnet_fixtures.inference.child import describe_end

if TYPE_CHECKING:
    import io
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

EXIT_TIME_S = 10.0  # from the end of a child's output to its exit status


class PipedChild:
    """A child process and the lines to and from it; it is killed at the end of the block.

    One that cannot be started, dies, or says nothing for `patience_s` is an error of type `death`, with its name and
    its last words.
    """

    death: ClassVar[type[RunError]] = RunError

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str],
        patience_s: float,
        folder: Path | None = None,
    ) -> None:
        self._name = name
        self._patience_s = patience_s
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._log_start = 0
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command, bufsize=0, stdin=pipe, stdout=pipe, stderr=self._log, env=environ, cwd=folder
            )
        except OSError as error:
            self._log.close()
            raise self.death(f"{self._name} cannot be started ({error.strerror}).") from error
        self._poll = select.poll()
        self._poll.register(self._reports, select.POLLIN)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def close(self) -> None:
        """Kill the process, wherever it is, and free what belongs to it."""
        with self._process:  # closes the pipes and waits
            self._process.kill()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, line: bytes) -> None:
        """Write to the child, which must be alive."""
        try:
            self._process.stdin.write(line)  # type: ignore[union-attr]
        except BrokenPipeError:
            self._fail()

    def _receive(self) -> bytes:
        """Wait for a line and return it, with its end."""
        if not self._poll.poll(self._patience_s * 1000):
            raise self.death(
                f"{self._name} has not answered for {self._patience_s:g} s: it hangs, or its steps take longer."
            )
        line = self._reports.readline()
        if not line.endswith(b"\n"):
            self._fail()
        return line

    def _forget_log(self) -> None:
        """Take what the child has written so far for no last words."""
        self._log_start = self._log.seek(0, 2)

    def _fail(self) -> None:
        """Raise what the child's end means."""
        try:
            status = self._process.wait(EXIT_TIME_S)
        except subprocess.TimeoutExpired:
            raise self.death(f"{self._name} has closed its output, but it has not ended.") from None
        self._log.seek(self._log_start)
        raise self._explain_end(status, self._log.read().decode(errors="replace"))

    def _explain_end(self, status: int, log: str) -> RunError | InputError:
        return self.death(f"{self._name} {describe_end(status, log)}")

    @property
    def _reports(self) -> io.FileIO:
        reports: io.FileIO = self._process.stdout  # type: ignore[assignment]
        return reports
