from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from resnet_fixtures.option_values import (
    parse_batch_sizes,
    parse_cores_per_instance,
    parse_count,
    parse_cpu_dma_latency,
    parse_fraction,
    parse_positive,
    parse_seconds,
)
from resnet_fixtures.options import GraphChoice, Options, add_options, parse_graph_choice, read_options
from resnet_fixtures.precision import Precision
from resnet_fixtures.timing.measurement import StepBudget


def read(pytester: pytest.Pytester, *arguments: str) -> Options:
    return read_options(pytester.parseconfig("-p", "resnet_fixtures.plugin", *arguments))


def test_defaults_leave_the_choice_to_the_suite(pytester: pytest.Pytester) -> None:
    options = read(pytester)
    assert options.in_graphs == ()
    assert options.data_location is None
    assert options.batch_sizes is None
    assert options.budget == StepBudget(warmup_steps=10, steps=50, max_time_s=60.0)
    assert set(options.threads.counts()) == set()
    assert options.cores_per_instance is None
    assert options.cpu_dma_latency is None
    assert options.accuracy_tolerance == 0.0005
    assert options.output_dir == Path("results")
    assert (options.accuracy_only, options.resume, options.output_results) == (False, False, False)


def test_flags_are_the_seed_s(pytester: pytest.Pytester) -> None:
    options = read(
        pytester, "--in-graph", "int8=a.pb", "--in-graph=b.pb", "--data-location", "images", "--batch-size", "1,32",
        "--warmup-steps=3", "--steps=20", "--max-time=1.5", "--socket-id=0", "--num-cores=1", "--num-intra-threads=1",
        "--num-inter-threads=1", "--data-num-intra-threads=1", "--data-num-inter-threads=1", "--accuracy-only",
        "--numa-cores-per-instance=socket", "--accuracy-tolerance=0.01", "--resume", "--output-dir=o",
        "--output-results", "--cpu-dma-latency=0",
    )  # fmt: skip
    assert options.in_graphs == (GraphChoice(Path("a.pb"), Precision.INT8), GraphChoice(Path("b.pb"), None))
    assert options.data_location == Path("images")
    assert options.batch_sizes == (1, 32)
    assert options.budget == StepBudget(3, 20, 1.5)
    assert options.threads.socket_id == 0
    assert set(options.threads.counts().values()) == {1}
    assert len(options.threads.counts()) == 5
    assert options.cores_per_instance == "socket"
    assert options.cpu_dma_latency == 0
    assert options.accuracy_tolerance == 0.01
    assert options.output_dir == Path("o")
    assert options.accuracy_only
    assert options.resume
    assert options.output_results


def test_graphs_of_each_precision(pytester: pytest.Pytester) -> None:
    options = read(pytester, "--in-graph", "int8=a.pb", "--in-graph", "b.pb", "--in-graph", "int8=a.pb")
    assert options.graph_paths(Precision.INT8) == [Path("a.pb"), Path("b.pb")]
    assert options.graph_paths(Precision.INT8, is_selected=False) == [Path("a.pb")]
    assert options.graph_paths(Precision.BF16) == [Path("b.pb")]
    assert options.graph_paths(Precision.BF16, is_selected=False) == []


@pytest.mark.parametrize(
    ("text", "path", "precision"),
    [
        ("graph.pb", "graph.pb", None),
        ("int8=graph.pb", "graph.pb", Precision.INT8),
        ("bf16=a=b.pb", "a=b.pb", Precision.BF16),
    ],
)
def test_graph_choice(text: str, path: str, precision: Precision | None) -> None:
    assert parse_graph_choice(text) == GraphChoice(Path(path), precision)


def test_path_with_an_equals_sign_is_taken_whole_if_it_exists(tmp_path: Path) -> None:
    path = tmp_path / "run=3.pb"
    with pytest.raises(
        argparse.ArgumentTypeError, match=r"is no precision; write int8, fp32 or bf16 before the equals"
    ):
        parse_graph_choice(str(path))
    path.touch()
    assert parse_graph_choice(str(path)) == GraphChoice(path, None)


@pytest.mark.parametrize(
    ("text", "sizes"), [("1", (1,)), ("1,32,128", (1, 32, 128)), ("32,1,32", (32, 1)), (" 4", (4,))]
)
def test_batch_sizes(text: str, sizes: tuple[int, ...]) -> None:
    assert parse_batch_sizes(text) == sizes


@pytest.mark.parametrize(("text", "cores"), [("socket", "socket"), ("4", 4)])
def test_cores_per_instance(text: str, cores: object) -> None:
    assert parse_cores_per_instance(text) == cores


@pytest.mark.parametrize(("text", "limit"), [("system", "system"), ("0", 0), ("20", 20)])
def test_cpu_dma_latency(text: str, limit: object) -> None:
    assert parse_cpu_dma_latency(text) == limit


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "ten", "", "1,,2", "9" * 5000])
def test_batch_size_that_is_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"pass a whole number from|pass one such as 4"):
        parse_batch_sizes(text)


def test_counts_begin_at_0_and_positive_numbers_at_1() -> None:
    assert parse_count("0") == 0
    assert parse_positive("1") == 1
    with pytest.raises(argparse.ArgumentTypeError, match=r"^0 is not positive; pass a whole number from 1$"):
        parse_positive("0")
    with pytest.raises(argparse.ArgumentTypeError, match=r"^-1 is negative; pass a whole number from 0, or leave"):
        parse_count("-1")


def test_whole_numbers_end_where_an_int64_does() -> None:
    assert parse_count(str(2**63 - 1)) == parse_positive(str(2**63 - 1)) == 2**63 - 1
    for text, digits in ((str(2**63), 19), ("9" * 400, 400)):
        match = rf"^a number of {digits} digits is too large; pass a whole number below 9223372036854775808$"
        with pytest.raises(argparse.ArgumentTypeError, match=match):
            parse_positive(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e400", "soon"])
def test_seconds_that_are_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is no positive number of seconds|is not a number"):
        parse_seconds(text)


@pytest.mark.parametrize("text", ["-0.1", "1", "nan", "half"])
def test_fraction_that_is_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"is not between 0 and 1|is not a number"):
        parse_fraction(text)


@pytest.mark.parametrize(("text", "fraction"), [("0", 0.0), ("0.0005", 0.0005), ("1e-3", 0.001)])
def test_fraction(text: str, fraction: float) -> None:
    assert parse_fraction(text) == fraction


def test_every_option_has_help() -> None:
    parser = pytest.Parser(_ispytest=True)
    add_options(parser)
    options = [option for group in parser._groups for option in group.options]
    assert len(options) == 48
    assert all(option.attrs()["help"] for option in options)
