from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.accuracy.journal import Journal, identify_run, open_journal
from resnet_fixtures.accuracy.predictions import format_results, join_predictions
from resnet_fixtures.data.preprocess import Preprocessing, Scaling
from resnet_fixtures.errors import InputError

if TYPE_CHECKING:
    from resnet_fixtures.accuracy.predictions import Predictions
    from tests.plugin.accuracy.conftest import GraphMaker, PredictionsMaker, SplitWriter

IDENTITY = {"graph": "abc", "data": "def"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "int8.journal"


@pytest.fixture
def batches(make_predictions: PredictionsMaker) -> list[Predictions]:
    return [make_predictions(ranks) for ranks in ([0, 3], [5, 0], [0])]


def interrupt(path: Path, batches: list[Predictions], *, resume: bool = False) -> None:
    with suppress(KeyboardInterrupt), open_journal(path, IDENTITY, resume=resume) as journal:
        for batch in batches:
            journal.append(batch)
        raise KeyboardInterrupt


def read(path: Path) -> list[int]:
    """Give the ranks that a resumed run would start with, and leave the journal as it is."""
    ranks = list[int]()
    with suppress(KeyboardInterrupt), open_journal(path, IDENTITY, resume=True) as journal:
        ranks = journal.scored.ranks.tolist()
        raise KeyboardInterrupt
    return ranks


def test_interrupted_run_leaves_its_batches(path: Path, batches: list[Predictions]) -> None:
    interrupt(path, batches)
    with open_journal(path, IDENTITY, resume=True) as journal:
        assert format_results(journal.scored) == format_results(join_predictions(batches))
        assert journal.scored.ranks.tolist() == [0, 3, 5, 0, 0]


def test_resumed_run_adds_to_what_is_there(path: Path, batches: list[Predictions]) -> None:
    interrupt(path, batches[:1])
    interrupt(path, batches[1:2], resume=True)
    interrupt(path, batches[2:], resume=True)
    assert read(path) == [0, 3, 5, 0, 0]


def test_complete_run_leaves_no_journal(path: Path, batches: list[Predictions]) -> None:
    with open_journal(path, IDENTITY, resume=False) as journal:
        journal.append(batches[0])
        assert path.exists()
    assert not path.exists()
    assert read(path) == []


def test_run_that_does_not_resume_starts_anew(path: Path, batches: list[Predictions]) -> None:
    interrupt(path, batches)
    interrupt(path, batches[1:2])
    assert read(path) == [5, 0]


@pytest.mark.parametrize("kept", [1, 2, 20, -2, -1])
def test_torn_last_line_is_ignored_and_written_again(kept: int, path: Path, batches: list[Predictions]) -> None:
    interrupt(path, batches)
    *whole, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole) + last[:kept])
    assert read(path) == [0, 3, 5, 0]
    interrupt(path, batches[2:], resume=True)
    assert read(path) == [0, 3, 5, 0, 0]
    assert len(path.read_bytes().splitlines()) == 4


@pytest.mark.parametrize("kept", [0, 1, 10, -1])
def test_torn_first_line_is_no_run_at_all(kept: int, path: Path, batches: list[Predictions]) -> None:
    interrupt(path, [])
    path.write_bytes(path.read_bytes()[:kept])
    interrupt(path, batches[:1], resume=True)
    assert read(path) == [0, 3]


@pytest.mark.parametrize(
    "line",
    [
        b"\0\0\0\0\n",
        b"[]\n",
        b"{}\n",
        b"7\n",
        b"\xff\n",
        b'{"filenames": ["a"], "actual": [1], "prediction": [1], "ranks": []}\n',
        b'{"filenames": ["a"], "actual": [1], "prediction": [1], "ranks": ["x"]}\n',
        b'{"filenames": ["a"], "actual": [1], "prediction": [1], "ranks": [0.7]}\n',
        b'{"filenames": ["a"], "actual": [1], "prediction": [1], "ranks": [9223372036854775808]}\n',
        b'{"filenames": 7, "actual": [1], "prediction": [1], "ranks": [0]}\n',
    ],
)
def test_nothing_behind_a_garbled_line_counts(line: bytes, path: Path, batches: list[Predictions]) -> None:
    """What a crash of the whole machine may leave."""
    interrupt(path, batches)
    head, first, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([head, first, line, *others]))
    assert read(path) == [0, 3]
    assert path.read_bytes() == head + first


@pytest.mark.parametrize("different", ["graph", "data"])
def test_another_identity_is_refused(different: str, path: Path, batches: list[Predictions]) -> None:
    interrupt(path, batches)
    before = path.read_bytes()
    message = rf"int8\.journal is from another run \(it differs in {different}\): leave --resume out"
    with (
        pytest.raises(InputError, match=message),
        open_journal(path, {**IDENTITY, different: "other"}, resume=True),
    ):
        pytest.fail("the journal was opened")
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["precious\n", "[1]\n", "{}\n"])
def test_file_that_is_no_journal_is_not_resumed(content: str, path: Path) -> None:
    path.parent.mkdir()
    path.write_text(content)
    with (
        pytest.raises(InputError, match=r"from another run \(it differs in graph, data\)"),
        open_journal(path, IDENTITY, resume=True),
    ):
        pytest.fail("the journal was opened")
    assert path.read_text() == content


def test_identity_survives_its_file(path: Path) -> None:
    """Tuples come back from JSON as lists, enums as their values."""
    identity = {"preprocessing": {"means": (1.5, 2.5), "scaling": Scaling.UNIT}, "versions": {"tensorflow": None}}
    for resume in (False, True):
        with pytest.raises(KeyboardInterrupt, match="now"), open_journal(path, identity, resume=resume):
            raise KeyboardInterrupt("now")


def test_identity_is_all_that_the_answers_depend_on(make_graph: GraphMaker, write_split: SplitWriter) -> None:
    import numpy as np

    zeros = np.zeros((768, 11), np.float32)
    graph, other_graph = (make_graph(zeros, np.full(11, bias, np.float32)) for bias in (0, 1))
    split, preprocessing = write_split([1] * 23), Preprocessing.for_image_size(16)
    here, there = {"cpu": ["EPYC", "avx512f"]}, {"cpu": ["EPYC", "avx2"]}
    identities = [
        identify_run(graph, split, preprocessing, here),
        identify_run(other_graph, split, preprocessing, here),
        identify_run(graph, split, Preprocessing(16, 18, scaling=Scaling.UNIT), here),
        identify_run(graph, write_split([1] * 22, [b"jpeg"] * 22), preprocessing, here),
        identify_run(graph, write_split([2] * 23), preprocessing, here),  # converted again: of the same sizes
        identify_run(graph, replace(split, written_ns=(1,) * 23), preprocessing, here),
        identify_run(graph, split, preprocessing, there),
    ]
    assert len({json.dumps(identity) for identity in identities}) == 7
    assert identities[0] == identify_run(graph, split, preprocessing, here)


def test_second_run_is_refused_while_the_first_goes_on(path: Path, batches: list[Predictions]) -> None:
    with open_journal(path, IDENTITY, resume=False) as journal:
        journal.append(batches[0])
        for resume in (True, False):
            with (
                pytest.raises(InputError, match=r"int8\.journal is in use by another run or worker: wait for it"),
                open_journal(path, IDENTITY, resume=resume),
            ):
                pytest.fail("the journal was opened")
        assert len(path.read_bytes().splitlines()) == 2


KILLED = """
import sys, time
from pathlib import Path
import numpy as np
from resnet_fixtures.accuracy.journal import open_journal
from resnet_fixtures.accuracy.predictions import Predictions

one = np.array([1])
with open_journal(Path(sys.argv[1]), {"graph": "abc", "data": "def"}, resume=False) as journal:
    journal.append(Predictions(("a.JPEG",), one, one, one - 1))
    print("scored", flush=True)
    time.sleep(60)
"""


def test_killed_process_keeps_others_out_until_it_is_dead_and_leaves_what_it_scored(path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "scored\n"
            with pytest.raises(InputError, match="in use by another run"), open_journal(path, IDENTITY, resume=True):
                pytest.fail("the journal was opened")
        finally:
            process.kill()
    assert read(path) == [0]


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_folder_that_cannot_be_written_is_the_user_s_error(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    message = r"int8\.journal cannot be written \(.+\): pass an --output-dir that you may write to"
    with (
        pytest.raises(InputError, match=message),
        open_journal(tmp_path / folder / "int8.journal", IDENTITY, resume=True),
    ):
        pytest.fail("the journal was opened")


def test_journal_path_that_is_a_folder_is_the_user_s_error(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written"), open_journal(path, IDENTITY, resume=False):
        pytest.fail("the journal was opened")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device without room")
def test_full_disk_is_named_with_the_way_on(batches: list[Predictions]) -> None:
    with (
        Path("/dev/full").open("wb", buffering=0) as file,
        pytest.raises(
            InputError, match=r"/dev/full cannot be written \(No space left.*make room and go on with --resume"
        ),
    ):
        Journal(file, join_predictions([])).append(batches[0])
