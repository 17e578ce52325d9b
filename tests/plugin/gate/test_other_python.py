from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.fresh_process import THIS_INTERPRETER
from resnet_fixtures.gate.interleaved import Side, draw_pair
from resnet_fixtures.gate.other_python import check_interpreter, other_interpreter
from resnet_fixtures.gate.sample_order import SampleBudget, SampleOrder
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.child import ChildOrder
from resnet_fixtures.precision import Precision
from tests.plugin.gate.bare_environment import make_environment
from tests.plugin.gate.stand_in_python import write_script

CPUS = tuple(sorted(os.sched_getaffinity(0)))
PLAN = ThreadPlan(CPUS, len(CPUS), 1, 1, 1, None, (0,), (0,))


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("other") / "venv", "tensorflow", "numpy")


def test_environment_with_tensorflow_and_numpy_alone_is_enough(bare_python: Path, fp32_file: Path) -> None:
    versions = {"python": platform.python_version(), "numpy": version("numpy"), "tensorflow": version("tensorflow")}
    assert check_interpreter(bare_python, {**os.environ, "PYTHONPATH": ":".join(sys.path)}) == versions
    order = SampleOrder(ChildOrder(fp32_file, Precision.FP32, PLAN, 1), SampleBudget(steps=6))
    with other_interpreter(bare_python) as interpreter:
        other, this = draw_pair(Side(order, interpreter), Side(order))
    assert len(other.steps_s) == len(this.steps_s) >= 6
    assert len(other.warmup_s) >= 2


def test_other_interpreter_sees_the_package_alone_for_a_while(bare_python: Path) -> None:
    with other_interpreter(bare_python) as interpreter:
        assert interpreter.packages is not None
        assert interpreter.python == str(bare_python)  # a link that must stay one
        assert [path.name for path in interpreter.packages.iterdir()] == ["resnet_fixtures"]
        assert (interpreter.packages / "resnet_fixtures" / "gate" / "sample_worker.py").is_file()
        packages = interpreter.packages
    assert not packages.exists()
    assert (Path(__file__).parents[3] / "resnet_fixtures" / "gate").is_dir()  # the link went, not what it led to


def test_no_other_interpreter_is_this_one() -> None:
    with other_interpreter(None) as interpreter:
        assert interpreter is THIS_INTERPRETER


def test_environment_without_numpy_is_told_how_to_get_it(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv")
    message = rf"^--against {python} cannot import numpy \(No module named 'numpy'\): install it there with .* numpy\.$"
    with pytest.raises(InputError, match=message):
        check_interpreter(python, {**os.environ, "PYTHONPATH": ":".join(sys.path)})  # this one's packages do not leak


def test_environment_without_tensorflow_is_told_how_to_get_it(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv", "numpy")
    with pytest.raises(
        InputError, match=r"cannot import tensorflow \(No module named 'tensorflow'\): install it there"
    ):
        check_interpreter(python)


def test_relative_path_and_bare_name_are_found(bare_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bare_python.parent)
    with other_interpreter(Path("python")) as interpreter:
        assert interpreter.python == str(bare_python)
    monkeypatch.setenv("PATH", str(bare_python.parent))
    monkeypatch.chdir("/")
    with other_interpreter("python") as interpreter:
        assert interpreter.python == str(bare_python)


def test_path_that_is_no_interpreter_is_refused(tmp_path: Path) -> None:
    cure = "pass the Python of an environment that has tensorflow and numpy"
    with pytest.raises(InputError, match=rf"^--against {tmp_path}/none is not there: {cure}\.$"):
        check_interpreter(tmp_path / "none")
    with pytest.raises(
        InputError, match=rf"^--against {tmp_path} is a folder: {cure}, for example {tmp_path}/bin/python"
    ):
        check_interpreter(tmp_path)
    (tmp_path / "text").write_text("text")
    with pytest.raises(InputError, match=rf"^--against {tmp_path}/text is not executable: {cure}\.$"):
        check_interpreter(tmp_path / "text")
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(InputError, match=rf"^--against {tmp_path}/text cannot be started \(Exec format error\)"):
        check_interpreter(tmp_path / "text")


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("print('hello')", r"is no Python that can import tensorflow \(it ended with exit status 0; .* none\)"),
        ("import os; os.kill(os.getpid(), 4)", r"is no Python .* \(it was killed by SIGILL; its last words: none\)"),
        ("print('resnet_fixtures found {\"python\": \"3.9.1\"}')", r"is Python 3\.9\.1: pass one of 3\.10 or newer\.$"),
        ("print('resnet_fixtures found {')", r"is no Python that can import tensorflow"),
        ("print('resnet_fixtures found {\"numpy\": \"2\"}')", r"is no Python that can import tensorflow"),
        ("print('resnet_fixtures found [1]')", r"is no Python that can import tensorflow"),
        ("import time; time.sleep(60)", r"has not imported tensorflow within 1 s"),
    ],
)  # fmt: skip
def test_interpreter_that_cannot_do_it_is_refused(tmp_path: Path, script: str, sentence: str) -> None:
    python = write_script(tmp_path / "python", script)
    with pytest.raises(InputError, match=f"^--against {python} {sentence}"):
        check_interpreter(python, timeout_s=1)
