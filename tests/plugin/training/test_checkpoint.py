from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.checkpoint import Checkpoint, CheckpointFolder, find_checkpoint, read_checkpoint
from resnet_fixtures.training.data_digests import DataDigests
from resnet_fixtures.training.events import Evaluated
from resnet_fixtures.training.recipe import Augmentation, Recipe
from resnet_fixtures.training.tensor_file import pack_tensor_file
from tests.plugin.full_disk import LIMIT_BYTES, full_disk

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
RECIPE = Recipe(Architecture(4, 11, 32), Precision.BF16, 8, 2, drop_epochs=(1.5, 3.0), augmentation=Augmentation.SHIFT)
LOGGED = {"time_ms": 7, "event_type": "POINT_IN_TIME", "key": "seed", "value": 2, "metadata": {}}
DATA = DataDigests("data", "scored on")
EVALUATIONS = (Evaluated(1, 100, 3, 5, 10, 0.25), Evaluated(2, 200, 7, 9, 10, 0.1 + 0.2))
CHILD = """
import itertools, os, signal, sys
from pathlib import Path
from resnet_fixtures.training.checkpoint import CheckpointFolder
from tests.plugin.training.test_checkpoint import make_checkpoint
task, path, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
events = 0

def count(event, arguments):
    global events
    if event in ("open", "os.chmod", "os.rename", "os.remove"):
        events += 1
        if events == number:
            os.kill(os.getpid(), signal.SIGKILL)

with CheckpointFolder(path) as folder:
    print("ready", flush=True)
    if task == "hold":
        sys.stdin.readline()
    if task == "die at an event":
        folder.save(make_checkpoint(1), is_best=True)
        sys.addaudithook(count)
        folder.save(make_checkpoint(2), is_best=True)
    for step in itertools.count(1) if task == "save for ever" else ():
        folder.save(make_checkpoint(step, number), is_best=step % 2 == 0)
        print(step, flush=True)
"""


def make_checkpoint(step: int, size: int = 100) -> Checkpoint:
    tensors = {"weights/dense/bias": np.full(size, step, np.float32), "momentum/dense/bias": np.ones(2, np.float32)}
    return Checkpoint(tensors, step, RECIPE, DATA, EVALUATIONS, 0.1, (LOGGED,))


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


@contextmanager
def child(task: str, folder: Path, number: int = 0, *, prefix: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    command = [*prefix, sys.executable, "-c", CHILD, task, str(folder), str(number)]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "checkpoint"


def save(path: Path, *checkpoints: Checkpoint, is_best: bool = False) -> Path:
    with CheckpointFolder(path, patience_s=0) as folder:
        return [folder.save(one, is_best) for one in checkpoints][-1]


def load(path: Path, recipe: Recipe = RECIPE, data: DataDigests = DATA) -> Checkpoint | None:
    with CheckpointFolder(path, patience_s=0) as folder:
        return folder.load(recipe, data)


def load_step(path: Path) -> int | None:
    found = load(path)
    return found.step if found else None


def assert_same(found: Checkpoint | None, expected: Checkpoint) -> None:
    assert found is not None
    assert replace(found, tensors={}).__dict__ == replace(expected, tensors={}).__dict__
    assert {name: array.tolist() for name, array in found.tensors.items()} == {
        name: array.tolist() for name, array in expected.tensors.items()
    }


def test_an_empty_folder_has_none(path: Path) -> None:
    assert load(path) is None
    assert list_names(path) == []


def test_all_comes_back(path: Path) -> None:
    assert save(path, make_checkpoint(1234)) == path / "step-0000001234.safetensors"
    assert_same(load(path), make_checkpoint(1234))
    assert list_names(path) == ["step-0000001234.safetensors"]


def test_the_newest_and_the_best_are_kept(path: Path) -> None:
    save(path, make_checkpoint(8), make_checkpoint(9))
    save(path, make_checkpoint(10), is_best=True)
    save(path, make_checkpoint(11))
    assert list_names(path) == ["best.safetensors", "step-0000000011.safetensors"]
    assert_same(load(path), make_checkpoint(11))
    assert_same(read_checkpoint(path), make_checkpoint(10))
    assert_same(read_checkpoint(path / "step-0000000011.safetensors"), make_checkpoint(11))


def test_more_steps_than_ten_digits(path: Path) -> None:
    save(path, make_checkpoint(9_999_999_999), make_checkpoint(10_000_000_000))
    assert load_step(path) == 10_000_000_000
    assert len(list_names(path)) == 1


def test_a_run_killed_between_best_and_newest_goes_on_from_the_best(path: Path) -> None:
    save(path, make_checkpoint(3))
    save(path, make_checkpoint(4), is_best=True)
    (path / "step-0000000004.safetensors").unlink()
    assert load_step(path) == 4
    save(path, make_checkpoint(5))
    assert load_step(path) == 5


def test_what_killed_writers_leave_is_removed(path: Path) -> None:
    save(path, make_checkpoint(3))
    for name in (".step-0000000004.safetensors.x8_1", ".best.safetensors.q", "notes.txt", ".hidden"):
        (path / name).write_bytes(b"part")
    assert load_step(path) == 3
    assert list_names(path) == [".hidden", "notes.txt", "step-0000000003.safetensors"]


def test_weights_are_named_as_the_graph_names_them() -> None:
    assert list(make_checkpoint(5).weights) == ["dense/bias"]


@pytest.mark.parametrize(("step", "expected"), [(100, EVALUATIONS[0]), (200, EVALUATIONS[1]), (150, None)])
def test_only_the_evaluation_of_these_weights_counts(step: int, expected: Evaluated | None) -> None:
    assert make_checkpoint(step).evaluation == expected


def test_another_recipe_is_refused_with_the_differences(path: Path) -> None:
    save(path, make_checkpoint(3))
    named = r"step-0000000003\.safetensors belongs to another training \(batch_size 8 instead of 16, seed 2 instead of"
    with pytest.raises(InputError, match=named + r" 5\): pass what that one was given, or another --checkpoint\."):
        load(path, replace(RECIPE, batch_size=16, seed=5))


@pytest.mark.parametrize(
    ("data", "difference"),
    [
        (DataDigests("abcdef0123456789", "scored on"), "training data data instead of abcdef012345"),
        (DataDigests("data", "abcdef0123456789"), "validation data scored on instead of abcdef012345"),
    ],
)
def test_other_data_are_refused(path: Path, data: DataDigests, difference: str) -> None:
    save(path, make_checkpoint(3))
    with pytest.raises(InputError, match=rf"belongs to another training \({difference}\): pass what that one was"):
        load(path, data=data)


@pytest.mark.parametrize(
    ("there", "here"), [(DataDigests("data"), DATA), (DATA, DataDigests("data")), (DataDigests(), DataDigests())]
)
def test_a_run_that_scores_nothing_cares_for_no_validation_data(
    path: Path, there: DataDigests, here: DataDigests
) -> None:
    unscored = replace(make_checkpoint(3), data=there, evaluations=())
    save(path, unscored)
    assert_same(load(path, data=here), unscored)


def test_scores_of_an_earlier_version_may_be_those_of_other_images(path: Path) -> None:
    save(path, replace(make_checkpoint(3), data=DataDigests("data")))
    sentence = r"3\.safetensors does not say which validation images .+: pass another --checkpoint to train from the"
    with pytest.raises(InputError, match=sentence):
        load(path)
    assert read_checkpoint(path).step == 3  # to freeze it


def test_a_truncated_newest_is_named(path: Path) -> None:
    file = save(path, make_checkpoint(3))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"step-0000000003\.safetensors is damaged .+: delete it, or pass another"):
        load(path)


CHANGES: dict[str, Any] = {
    "missing step": {"step": None},
    "step of another type": {"step": "7"},
    "a flag for a step": {"step": True},
    "no data": {"data": 7},
    "validation data that are none": {"validation": 7},
    "no recipe": {"recipe": []},
    "unknown recipe field": {"recipe": RECIPE.as_dict() | {"optimizer": "lars"}},
    "unknown precision": {"recipe": RECIPE.as_dict() | {"precision": "fp8"}},
    "width": {"recipe": RECIPE.as_dict() | {"architecture": {"width": 10**30, "classes": 11, "image_size": 32}}},
    "no width": {"recipe": RECIPE.as_dict() | {"architecture": {"width": "4", "classes": 11, "image_size": 32}}},
    "evaluation of nothing": {"evaluations": [{**EVALUATIONS[0].__dict__, "images": 0}]},
    "evaluation of text": {"evaluations": [{**EVALUATIONS[0].__dict__, "correct1": "3"}]},
    "evaluation without a field": {"evaluations": [{"epoch": 1}]},
    "evaluation that is none": {"evaluations": [1]},
    "more right than there are": {"evaluations": [{**EVALUATIONS[0].__dict__, "correct1": 10**6, "correct5": 10**6}]},
    "step before the first": {"step": -1},
    "seconds": {"seconds": "soon"},
    "no seconds": {"seconds": float("nan")},
    "log": {"log": [7]},
    "log without a key": {"log": [{}]},
    "log of an entry without a time": {"log": [LOGGED, {**LOGGED, "time_ms": None}]},
    "log of an accuracy that is none": {"log": [{**LOGGED, "key": "eval_accuracy", "value": "high"}]},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_fields_of_another_version(path: Path, change: dict[str, Any]) -> None:
    fields = {
        "step": 3, "recipe": RECIPE.as_dict(), "data": "data", "evaluations": [], "seconds": 1.0, "log": [], **change
    }  # fmt: skip
    path.mkdir(parents=True)
    (path / "step-0000000003.safetensors").write_bytes(
        pack_tensor_file({}, {name: value for name, value in fields.items() if value is not None})
    )
    with pytest.raises(InputError, match=r"is no checkpoint of this version \(\w+: .+\): delete it, or pass another"):
        load(path)


def test_the_fields_as_they_are_can_be_read(path: Path) -> None:
    """Else the test above would pass for nothing."""
    path.mkdir(parents=True)
    fields = {"step": 3, "recipe": RECIPE.as_dict(), "data": "data", "evaluations": [], "seconds": 1.0, "log": []}
    (path / "step-0000000003.safetensors").write_bytes(pack_tensor_file({}, fields))
    assert load_step(path) == 3


def test_nothing_to_read(path: Path) -> None:
    with pytest.raises(InputError, match=r"--checkpoint .+/checkpoint does not exist: pass the folder of a training"):
        find_checkpoint(path)
    path.mkdir(parents=True)
    with pytest.raises(InputError, match=r"--checkpoint .+/checkpoint has no checkpoint in it: pass the folder"):
        find_checkpoint(path)


def test_a_folder_that_cannot_be_made(path: Path) -> None:
    path.parent.write_text("a file")
    with pytest.raises(InputError, match=r"checkpoint cannot be used \(.+\): pass a --checkpoint folder that you may"):
        load(path)


def test_one_writer(path: Path) -> None:
    with CheckpointFolder(path), pytest.raises(InputError, match=r"checkpoint is in use by another training: wait"):
        load(path)
    assert load(path) is None


def test_an_error_inside_gives_the_lock_back(path: Path) -> None:
    folder = CheckpointFolder(path)  # else its end would free the lock too
    with pytest.raises(KeyError, match="inside"), folder:
        raise KeyError("inside")
    assert load(path) is None


def test_a_killed_holders_lock_is_free_at_once(path: Path) -> None:
    with child("hold", path) as holder:
        assert wait_for_line(holder) == "ready"
        with pytest.raises(InputError, match="in use by another training"):
            load(path)
        holder.kill()
        holder.wait()
        assert load(path) is None


def test_a_holder_that_is_about_to_end_is_waited_for(path: Path) -> None:
    with child("hold", path) as holder:
        assert wait_for_line(holder) == "ready"
        assert holder.stdin is not None
        holder.stdin.write("\n")
        holder.stdin.flush()
        with CheckpointFolder(path, patience_s=60) as folder:
            assert folder.load(RECIPE, DATA) is None


def test_killed_at_any_point_of_a_save(tmp_path: Path) -> None:
    """A child kills itself at the first, second, third… file operation of its second save, until it survives."""
    steps, leftovers, status = list[int](), 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        folder = tmp_path / f"killed at {len(steps) + 1}"
        with child("die at an event", folder, len(steps) + 1) as process:
            errors = process.communicate(timeout=120)[1]
            status = process.returncode
        leftovers += any(name.startswith(".") for name in list_names(folder))
        steps.append(check_after_kill(folder))
    assert status == 0, errors
    assert steps == sorted(steps)
    assert set(steps) == {1, 2}
    assert len(steps) >= 8
    assert leftovers >= 4


def check_after_kill(folder: Path) -> int:
    """Check that newest and best are whole and the same, and that the folder works on; return the step."""
    found, best = load(folder), read_checkpoint(folder)
    assert found is not None
    assert_same(found, make_checkpoint(found.step))
    assert_same(best, make_checkpoint(best.step))
    assert found.step == best.step
    save(folder, make_checkpoint(3), is_best=True)
    assert list_names(folder) == ["best.safetensors", "step-0000000003.safetensors"]
    return found.step


def test_killed_while_writing(path: Path) -> None:
    """Files of 16 MB take long enough for a SIGKILL to fall into the middle of most of them."""
    delays_s = np.random.default_rng(1).uniform(0, 0.2, 5)
    for number, delay_s in enumerate(delays_s):
        folder = path.with_name(f"killed {number}")
        with child("save for ever", folder, 4 << 20) as process:
            assert [wait_for_line(process) for _ in range(2)] == ["ready", "1"]
            time.sleep(delay_s)
            process.kill()
            rest, _ = process.communicate()
        last = int((rest.split() or ["1"])[-1])
        found = load(folder)
        assert found is not None
        assert found.step in (last, last + 1)
        assert_same(found, make_checkpoint(found.step, 4 << 20))


@pytest.mark.parametrize("is_best", [True, False])
def test_a_full_disk_leaves_the_last_good_one(path: Path, is_best: bool) -> None:
    save(path, make_checkpoint(3), is_best=True)
    refused = "best" if is_best else "step-0000000004"
    sentence = rf"{refused}\.safetensors cannot be written \(File too large\): make room, or"
    with pytest.raises(InputError, match=sentence), full_disk():
        save(path, make_checkpoint(4, LIMIT_BYTES), is_best=is_best)
    assert list_names(path) == ["best.safetensors", "step-0000000003.safetensors"]
    assert_same(load(path), make_checkpoint(3))
    assert_same(read_checkpoint(path), make_checkpoint(3))


MOUNT = 'mount -t tmpfs -o size=8m tmpfs "$0" && "$@"; status=$?; cp "$0"/*.safetensors "$0"/../kept; exit $status'


def test_a_small_disk_fills_up(tmp_path: Path) -> None:
    """A real file system without room, mounted where only the child sees it."""
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("only root may mount a small file system")
    folder, kept = tmp_path / "disk", tmp_path / "kept"
    folder.mkdir()
    kept.mkdir()
    private, trial = ("unshare", "--mount", "sh", "-c"), 'mount -t tmpfs tmpfs "$0"'
    if subprocess.run([*private, trial, str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let root mount a file system")
    with child("save for ever", folder, 1_050_000, prefix=(*private, MOUNT, str(folder))) as process:
        output, errors = process.communicate(timeout=120)
    assert "cannot be written (No space left on device): make room, or name another folder." in errors
    assert output.split() == ["ready", "1"]
    assert list_names(kept) == ["step-0000000001.safetensors"]
    assert_same(load(kept), make_checkpoint(1, 1_050_000))
