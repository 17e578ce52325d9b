"""Run `python` and `pytest` commands in processes that need not import TensorFlow: each is a fork of one that has.

Started as a script with the path of a socket, it listens there; `write_commands` writes a `python` and a `pytest` that
send it their arguments, folder, environment and open files, and end with the status that it answers. So a shell runs
the documentation's commands as they are written, and each, child processes included, costs a second instead of seven.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

START_TIME_S = 120.0
CLIENT = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    request = dict(program={program!r}, executable=__file__, arguments=sys.argv[1:])
    message = json.dumps(dict(request, folder=os.getcwd(), environment=dict(os.environ))).encode()
    socket.send_fds(server, [len(message).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(message)
    status = server.recv(1)
sys.exit(status[0] if status else 1)
"""


@dataclass(frozen=True)
class Request:
    """What a command was called with."""

    program: str
    executable: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]


@contextmanager
def warm_python(folder: Path) -> Iterator[Path]:
    """Start the server and give a folder with the `python` and the `pytest` that it runs."""
    address, commands = folder / "socket", folder / "bin"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    server = subprocess.Popen([sys.executable, __file__, str(address)], env=environment, stdin=subprocess.PIPE)
    try:
        write_commands(commands, address)
        wait_for(address, server)
        yield commands
    finally:
        with server:  # closes the pipe and waits
            server.kill()


def write_commands(folder: Path, address: Path) -> None:
    """Write the two programs that ask the server."""
    folder.mkdir()
    for program in ("python", "pytest"):
        file = folder / program
        file.write_text(CLIENT.format(python=sys.executable, address=str(address), program=program))
        file.chmod(0o755)


def wait_for(address: Path, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server listens."""
    deadline_s = time.monotonic() + START_TIME_S
    while not address.exists():
        if server.poll() is not None or time.monotonic() > deadline_s:
            raise RuntimeError(f"the warm Python did not start, exit status {server.returncode}")
        time.sleep(0.05)


def serve(address: str) -> None:
    """Import TensorFlow, then fork for each request."""
    import tensorflow  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the handlers
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.new")
        listener.listen()
        Path(f"{address}.new").rename(address)  # whoever sees it may connect
        while select.select([listener, sys.stdin], [], [])[0] == [listener]:  # until the parent's pipe ends
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    answer(connection)


def answer(connection: socket.socket) -> NoReturn:
    """Run one request in a process of its own, tell its exit status, and end this process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(connection, 8, 3)
    request = Request(**json.loads(receive(connection, int.from_bytes(size, "big"))))
    child = os.fork()
    if child == 0:
        connection.close()
        run_child(request, files)
    for file in files:
        os.close(file)
    _, status = os.waitpid(child, 0)
    with suppress(BrokenPipeError):  # whoever asked has been killed
        connection.sendall(bytes([os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128]))
    os._exit(0)


def receive(connection: socket.socket, size: int) -> bytes:
    """Receive so many bytes."""
    parts = []
    while size and (part := connection.recv(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def run_child(request: Request, files: list[int]) -> NoReturn:
    """Become the program that was asked for, and end this process."""
    status = 1
    try:
        for target, file in enumerate(files):
            os.dup2(file, target)
            os.close(file)
        become(request)
        status = run_program(request.program)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
        ctypes.CDLL(None).fflush(None)  # what C code, such as oneDNN's, has printed
        os._exit(status)


def become(request: Request) -> None:
    """Take over folder, environment and arguments."""
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.executable = str(Path(request.executable).with_name("python"))  # child processes are warm too
    script = [request.executable] if request.program != "python" else []
    sys.argv[:] = [request.executable, *request.arguments]
    sys.orig_argv[:] = [sys.executable, *script, *request.arguments]
    sys.path[:] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path] + sys.path[1:]


def run_program(program: str) -> int:
    """Run `pytest …`, or `python` with -m, with -c, with a file, or with a program on standard input."""
    if program == "pytest":
        import pytest

        return int(pytest.main())
    arguments = sys.argv[1:]
    while arguments and arguments[0] in ("-u", "-P", "-I", "-B"):
        del arguments[0]
    if arguments and re.match("-m.", arguments[0]):
        arguments[:1] = ["-m", arguments[0][2:]]
    sys.path.insert(0, "")
    match arguments:
        case ["-m", module, *_]:
            sys.argv[:] = arguments[1:]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", program, *_]:
            sys.argv[:] = ["-c", *arguments[2:]]
            execute(program)
        case [file, *_]:
            sys.argv[:] = arguments
            runpy.run_path(file, run_name="__main__")
        case _:
            execute(sys.stdin.read())
    return 0


def execute(program: str) -> None:
    """Run a text as the main module."""
    namespace = vars(sys.modules["__main__"])
    exec(compile(program, "<string>", "exec"), namespace)  # noqa: S102 - our own documentation's


if __name__ == "__main__":
    serve(sys.argv[1])
