from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.baseline import default_baseline_path, read_baseline, update_baseline
from resnet_fixtures.gate.run_file import read_run, write_run
from tests.plugin.full_disk import full_disk
from tests.plugin.gate.stored import ONLINE, SCORED, make_accuracy, make_benchmark, make_saved, make_timing, save

if TYPE_CHECKING:
    from resnet_fixtures.gate.samples import Entry

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".benchmarks" / "gate-baseline.json"


def by_test(*entries: Entry) -> dict[str, Entry]:
    return {entry.test: entry for entry in entries}


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        ("file://./.benchmarks", ".benchmarks/gate-baseline.json"),
        (".benchmarks", ".benchmarks/gate-baseline.json"),
        ("file:///var/lib/bench", "/var/lib/bench/gate-baseline.json"),
        ("/var/lib/bench/", "/var/lib/bench/gate-baseline.json"),
        ("with space", "with space/gate-baseline.json"),
    ],
)
def test_default_path_follows_the_storage(storage: str, expected: str) -> None:
    assert default_baseline_path(storage) == Path(expected)


@pytest.mark.parametrize("storage", ["elasticsearch+http://host:9200/index", "s3://bucket"])
def test_storage_without_a_folder(storage: str) -> None:
    with pytest.raises(InputError, match=r"has no folder for a baseline: pass --gate-baseline") as error:
        default_baseline_path(storage)
    assert str(error.value).startswith(f"--benchmark-storage {storage} ")


def test_first_update_makes_file_and_folder(path: Path) -> None:
    update_baseline(path, by_test(make_timing()))
    assert read_baseline(path) == by_test(make_timing())


def test_other_tests_keep_theirs(path: Path) -> None:
    update_baseline(path, by_test(make_timing(), make_accuracy()))
    update_baseline(path, by_test(make_timing(step_s=0.02)))
    assert read_baseline(path) == by_test(make_timing(step_s=0.02), make_accuracy())


def test_link_goes_on_pointing_at_the_baseline(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    path.parent.mkdir()
    link.symlink_to(path)
    update_baseline(link, by_test(make_timing()))
    assert link.is_symlink()
    assert read_run(path) == by_test(make_timing())


def test_missing_baseline(path: Path) -> None:
    with pytest.raises(InputError, match=r"gate-baseline\.json does not exist: write a baseline with --gate-update, "):
        read_baseline(path)


NEWER = '{"schema":"resnet_fixtures.gate","version":2,"entries":{}}'
BROKEN = '{"schema":"resnet_fixtures.gate","version":1,"entries":{"a":{}}}'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is damaged"),
        ('{"schema":"resnet_fix', "is damaged"),
        (BROKEN, "is damaged"),
        ('{"benchmarks": []}', "is not the gate's"),
        ("[]", "is not the gate's"),
        (NEWER, "has format 2"),
    ],
)
def test_what_is_not_understood_is_never_overwritten(content: str, reason: str, path: Path) -> None:
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(InputError, match=rf"gate-baseline\.json {reason}"):
        update_baseline(path, by_test(make_timing()))
    assert path.read_text() == content


def test_folder_in_the_place_of_the_file(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(InputError, match="is no regular file"):
        update_baseline(path, by_test(make_timing()))


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"baseline\.json cannot be written \(.+\): pass a --gate-baseline that can"):
        update_baseline(tmp_path / "file" / "baseline.json", by_test(make_timing()))


def test_full_disk_leaves_the_old_baseline(path: Path) -> None:
    update_baseline(path, by_test(make_timing()))
    old = path.read_bytes()
    with (
        pytest.raises(InputError, match=r"gate-baseline\.json cannot be written \(File too large\)"),
        full_disk(4 << 10),
    ):
        update_baseline(path, by_test(make_accuracy([0] * 5000)))
    assert path.read_bytes() == old
    assert sorted(entry.name for entry in path.parent.iterdir()) == [".gate-baseline.json.lock", path.name]


UPDATE = """
import sys
from pathlib import Path
from resnet_fixtures.gate.baseline import update_baseline
from tests.plugin.gate.stored import make_timing

sys.stdin.readline()
for number in range(20):
    test = f"{sys.argv[2]}{number}"
    update_baseline(Path(sys.argv[1]), {test: make_timing(test)})
"""


def test_gates_that_write_at_once_lose_nothing(path: Path) -> None:
    with (
        subprocess.Popen(command(UPDATE, path, "a"), stdin=subprocess.PIPE, cwd=ROOT) as first,
        subprocess.Popen(command(UPDATE, path, "b"), stdin=subprocess.PIPE, cwd=ROOT) as second,
    ):
        for process in (first, second):
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
    assert (first.returncode, second.returncode) == (0, 0)
    assert sorted(read_run(path)) == sorted(f"{gate}{number}" for gate in "ab" for number in range(20))


HOLD = """
import sys, time
from pathlib import Path
from resnet_fixtures.gate import baseline
from tests.plugin.gate.stored import make_timing

def stop(*_):
    print("held", flush=True)
    time.sleep(60)

baseline.write_run = stop
baseline.update_baseline(Path(sys.argv[1]), {"new": make_timing("new")})
"""


def test_killed_update_leaves_the_old_baseline_and_no_lock(path: Path) -> None:
    update_baseline(path, by_test(make_timing()))
    with subprocess.Popen(command(HOLD, path), stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            with pytest.raises(InputError, match=r"is being updated by another run: wait for it, or pass --gate-basel"):
                update_baseline(path, by_test(make_accuracy()), patience_s=0.05)
            assert read_baseline(path) == by_test(make_timing())
        finally:
            process.kill()
    update_baseline(path, by_test(make_accuracy()))
    assert sorted(read_baseline(path)) == sorted([ONLINE, SCORED])


def command(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", code, *map(str, arguments)]


def test_file_of_pytest_benchmark_is_a_baseline_too(path: Path) -> None:
    notes: list[str] = []
    save(path, make_saved(make_benchmark(), make_benchmark("other", step_s=None)))
    assert sorted(read_baseline(path, notes.append)) == ["other", ONLINE]
    assert notes == [
        "1 of 2 saved timings have no rounds, so their medians stand for them: save with --benchmark-save-data."
    ]


def test_storage_is_a_baseline_and_the_gate_s_own_file_in_it_is_not(path: Path) -> None:
    write_run(path.parent / "gate-baseline.json", by_test(make_accuracy()))
    save(path.parent / "Linux-64bit" / "0001_x.json", make_saved(make_benchmark()))
    assert list(read_baseline(path.parent)) == [ONLINE]


def test_storage_with_the_gate_s_own_file_alone_has_no_history(path: Path) -> None:
    write_run(path, by_test(make_accuracy()))
    with pytest.raises(InputError, match=r"\.benchmarks has no timing of this suite: .* or pass a file that --gate-up"):
        read_baseline(path.parent)


def test_foreign_file_is_no_baseline(path: Path) -> None:
    with pytest.raises(InputError, match="is not the gate's"):
        read_baseline(save(path, {"a": 1}))
