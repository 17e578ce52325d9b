from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.benchmark_storage import Found, join_baseline, join_runs, list_runs, read_runs
from tests.plugin.gate.stored import BATCH, FACTS, ONLINE, make_benchmark, make_saved, save

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / ".benchmarks"


def save_run(storage: Path, number: int, *benchmarks: dict[str, Any], day: int | None = None) -> Path:
    content = make_saved(*benchmarks, day=number if day is None else day)
    return save(storage / "Linux-CPython-3.11-64bit" / f"{number:04}_abc_2026.json", content)


def read_storage(storage: Path) -> Found:
    return join_runs(storage, read_runs(list_runs(storage)))


def medians(storage: Path, test: str = ONLINE) -> list[float]:
    return [sample.steps_s[0] for sample in read_storage(storage).entries[test].samples]


def test_every_run_is_a_sample_the_oldest_first(storage: Path) -> None:
    save_run(storage, 1, make_benchmark(step_s=0.03), make_benchmark(BATCH), day=9)
    save_run(storage, 2, make_benchmark(step_s=0.01), day=1)
    save_run(storage, 3, make_benchmark(step_s=0.02), day=2)
    found = read_storage(storage)
    assert medians(storage) == [0.01, 0.02, 0.03]
    assert len(found.entries[BATCH].samples) == 1
    assert found.notes == ()


def test_runs_under_the_gate_bring_all_their_processes(storage: Path) -> None:
    save_run(storage, 1, make_benchmark(step_s=0.01))
    save_run(storage, 2, make_benchmark(step_s=0.05, gate_process_medians_s=[0.02, 0.03]))
    assert medians(storage) == [0.01, 0.02, 0.03]


def test_one_machine_s_folder_is_a_storage(storage: Path) -> None:
    path = save_run(storage, 1, make_benchmark())
    assert read_storage(path.parent) == read_storage(storage)


def test_runs_past_the_ten_thousandth(storage: Path) -> None:
    save_run(storage, 12345, make_benchmark(), day=1)
    assert len(medians(storage)) == 1


def test_files_that_are_no_saved_runs_are_not_read(storage: Path) -> None:
    save_run(storage, 1, make_benchmark())
    (storage / "gate-baseline.json").write_text("{")
    (storage / "Linux-CPython-3.11-64bit" / "notes.json").write_text("{")
    assert len(medians(storage)) == 1


def test_runs_by_other_means_than_the_newest_are_left_out_and_counted(storage: Path) -> None:
    old: dict[str, Any] = {"versions": {**FACTS["versions"], "tensorflow": "2.20.0"}}
    save_run(storage, 1, make_benchmark(step_s=0.01, **old))
    save_run(storage, 2, make_benchmark(step_s=0.02))
    save_run(storage, 3, make_benchmark(step_s=0.03, machine={**FACTS["machine"], "cpu_model": "Other"}))
    save_run(storage, 4, make_benchmark(step_s=0.04))
    assert medians(storage) == [0.02, 0.04]
    what = "CPU model, tensorflow 2.20.0 -> 2.21.0"
    assert read_storage(storage).notes == (
        f"{ONLINE}: 2 of 4 saved runs differ from the newest ({what}) and are left out.",
    )


def test_memory_that_a_boot_counted_otherwise_is_the_same_machine(storage: Path) -> None:
    save_run(storage, 1, make_benchmark(machine={**FACTS["machine"], "memory_bytes": 7}))
    save_run(storage, 2, make_benchmark())
    assert len(medians(storage)) == 2
    assert read_storage(storage).entries[ONLINE].facts == FACTS


def test_newest_run_stays_even_where_it_says_little_of_its_machine(storage: Path) -> None:
    save_run(storage, 1, make_benchmark(machine={}))
    assert len(medians(storage)) == 1


def test_medians_that_stand_for_rounds_are_counted(storage: Path) -> None:
    for number in (1, 2, 3):
        save_run(storage, number, make_benchmark(step_s=None if number < 3 else 0.02))
    assert medians(storage) == [0.025, 0.025, 0.02]
    assert read_storage(storage).notes == (
        "2 of 3 saved timings have no rounds, so their medians stand for them: save with --benchmark-save-data.",
    )


def test_baseline_is_made_of_what_the_gate_called_green(storage: Path) -> None:
    """The newest run, which regressed with another TensorFlow, would hide all others."""
    for number, verdict in enumerate(("PASS", "IMPROVED", "INCONCLUSIVE", "REGRESSED"), start=2):
        more: dict[str, Any] = {"versions": {**FACTS["versions"], "tensorflow": "3.0"}} if number == 5 else {}
        save_run(storage, number, make_benchmark(step_s=number / 100, gate={"verdict": verdict}, **more))
    save_run(storage, 1, make_benchmark(step_s=0.01))
    saved = read_runs(list_runs(storage))
    found = join_baseline(storage, saved)
    assert [sample.steps_s[0] for sample in found.entries[ONLINE].samples] == [0.01, 0.02, 0.03]
    assert found.notes == ("2 of 5 saved timings were not green under the gate and are left out.",)
    with pytest.raises(InputError, match=r"has no timing that the gate called green: pass a file that --gate-update"):
        join_baseline(storage, saved[-2:])


@pytest.mark.parametrize("benchmarks", [[], [{"fullname": "a", "stats": {}}]])
def test_storage_without_any_of_ours(benchmarks: list[dict[str, Any]], storage: Path) -> None:
    save_run(storage, 1, *benchmarks)
    message = r"\.benchmarks has no timing of this suite: run it with --benchmark-autosave --benchmark-save-data, or"
    with pytest.raises(InputError, match=message):
        read_storage(storage)


def test_empty_storage(storage: Path) -> None:
    storage.mkdir()
    with pytest.raises(InputError, match="has no timing of this suite"):
        read_storage(storage)


def test_one_truncated_run_is_named(storage: Path) -> None:
    save_run(storage, 1, make_benchmark())
    path = save_run(storage, 2, make_benchmark())
    path.write_text(path.read_text()[:-5])
    with pytest.raises(
        InputError, match=r"0002_abc_2026\.json is damaged \(.+\): restore it from a copy, or delete it"
    ):
        read_storage(storage)


def test_what_pytest_benchmark_itself_saves(storage: Path, pytester: pytest.Pytester) -> None:
    fields = {**make_benchmark()["extra_info"], "warmup_s": [0.5]}
    pytester.makepyfile(
        test_it=f"""
        import json

        def test_it(benchmark):
            benchmark.extra_info.update(json.loads({json.dumps(fields)!r}))
            benchmark.pedantic(lambda: None, rounds=4, iterations=1)
        """
    )
    common = ["-p", "no:cacheprovider", f"--benchmark-storage=file://{storage}", "-q"]
    for options in (["--benchmark-autosave"], ["--benchmark-save=x", "--benchmark-save-data"]):
        assert pytester.runpytest_subprocess(*common, *options).ret == 0
    samples = read_storage(storage).entries["test_it.py::test_it"].samples
    assert [len(sample.steps_s) for sample in samples] == [1, 4]
