"""Another environment's Python, which has TensorFlow and numpy, and gets this package without this environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.fresh_process import THIS_INTERPRETER, Interpreter, foreign_environment
from resnet_fixtures.inference.child import describe_end
from resnet_fixtures.paths import exists, is_file, is_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OLDEST_PYTHON = (3, 10)
TIMEOUT_S = 300.0  # for importing TensorFlow, on a cold disk
MARK = "resnet_fixtures found "
# For any Python, old ones too. What the imports print comes before the answer.
SCRIPT = f"""
import json, sys
found = {{"python": "%d.%d.%d" % sys.version_info[:3]}}
if sys.version_info >= {OLDEST_PYTHON}:
    for name in ("numpy", "tensorflow"):
        try:
            module = __import__(name)
            found[name] = str(module.__version__)
        except (ImportError, AttributeError) as error:
            found["missing"], found["reason"] = name, str(error)
            break
sys.stdout.write("\\n{MARK}" + json.dumps(found) + "\\n")
"""


@contextmanager
def other_interpreter(python: Path | str | None) -> Iterator[Interpreter]:
    """Yield the interpreter, with a folder that shows it this package alone; None is this very Python.

    `check_interpreter` says beforehand whether it can run.
    """
    if python is None:
        yield THIS_INTERPRETER
        return
    with tempfile.TemporaryDirectory(prefix="resnet_fixtures_") as folder:
        package = Path(__file__).parents[1]
        Path(folder, package.name).symlink_to(package, target_is_directory=True)
        path = _find(python)
        yield Interpreter(path, Path(folder), f"The process of {path}")


def check_interpreter(
    python: Path | str, environ: Mapping[str, str] = os.environ, timeout_s: float = TIMEOUT_S
) -> dict[str, str]:
    """Import TensorFlow and numpy by the interpreter and return the versions of python, numpy and tensorflow.

    InputError for one that is not there, is no Python, is too old, lacks a library, or dies.
    """
    found = _ask(_find(python), environ, timeout_s)
    old = tuple(int(number) for number in found["python"].split(".")[:2]) < OLDEST_PYTHON
    if old:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        raise InputError(f"--against {python} is Python {found['python']}: pass one of {wanted} or newer.")
    if "missing" in found:
        missing = found["missing"]
        raise InputError(
            f"--against {python} cannot import {missing} ({found['reason']}): "
            f"install it there with {python} -m pip install {missing}."
        )
    return found


def _find(python: Path | str) -> str:
    """Return the absolute path of the interpreter, links kept: a virtual environment's Python is one."""
    cure = "pass the Python of an environment that has tensorflow and numpy"
    path = Path(python if is_file(Path(python)) else shutil.which(python) or python).absolute()
    if is_folder(path):
        raise InputError(f"--against {python} is a folder: {cure}, for example {path / 'bin' / 'python'}.")
    if not exists(path):
        raise InputError(f"--against {python} is not there: {cure}.")
    if not os.access(path, os.X_OK):
        raise InputError(f"--against {python} is not executable: {cure}.")
    return str(path)


def _ask(python: str, environ: Mapping[str, str], timeout_s: float) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:  # `python -c` looks for modules in the current one
        try:
            child = subprocess.run(
                [python, "-c", SCRIPT],
                env={**foreign_environment(environ), "TF_CPP_MIN_LOG_LEVEL": "2"},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except OSError as error:
            raise InputError(
                f"--against {python} cannot be started ({error.strerror}): pass another Python."
            ) from error
        except subprocess.TimeoutExpired:
            message = f"--against {python} has not imported tensorflow within {timeout_s:g} s"
            raise InputError(f"{message}: pass the Python of an environment where that works.") from None
    found = _parse_answer(child.stdout)
    if found is None:
        end = describe_end(child.returncode, child.stderr)
        raise InputError(f"--against {python} is no Python that can import tensorflow (it {end}): pass another.")
    return found


def _parse_answer(output: str) -> dict[str, str] | None:
    """Take what SCRIPT found out of the output; None where something else wrote it, or it did not get so far."""
    answer = re.search(rf"^{MARK}(.*)$", output, re.MULTILINE)
    try:
        found = json.loads(answer[1]) if answer else None
    except ValueError:
        return None
    if not isinstance(found, dict) or not re.match(r"\d+\.\d+", str(found.get("python"))):
        return None
    return {name: str(value) for name, value in found.items()}
