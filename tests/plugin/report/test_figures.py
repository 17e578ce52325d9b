from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.report.figures import (
    COLOURS,
    OTHER_COLOUR,
    colour_of,
    draw_batch_sizes,
    draw_latencies,
    draw_precisions,
    draw_scores,
    draw_trend,
    fade,
    group_by_machine,
    published_top1,
)
from resnet_fixtures.report.stored_history import read_history
from tests.plugin.report.hostile import write_hostile_history
from tests.plugin.report.told_runs import write_baseline, write_history, write_score

if TYPE_CHECKING:
    from pathlib import Path

    from resnet_fixtures.report.history import History


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    folder = tmp_path_factory.mktemp("storage")
    write_history(folder, 40)
    write_baseline(folder / "gate-baseline.json")
    for precision, correct in {"int8": 38_110, "fp32": 38_250}.items():
        write_score(folder, precision, correct)
    write_score(folder, "int8", 350, 360, "digits", day=21)
    return read_history(folder, folder)


def every_figure(history: History) -> list[dict[str, Any]]:
    figures = [draw(series) for series in history.series for draw in (draw_trend, draw_latencies)]
    for group in group_by_machine(history.series).values():
        figures += [draw_precisions(group), draw_batch_sizes(group)]
    return [*figures, draw_scores(history.newest_scores())]


def test_plotly_knows_every_property(history: History) -> None:
    """Its own Figure refuses what its schema does not have; the page gives the same values to plotly.js."""
    from plotly.graph_objects import Figure

    for figure in every_figure(history):
        assert Figure(figure).data
        json.dumps(figure, allow_nan=False)


def test_trend_has_runs_band_levels_and_baseline(history: History) -> None:
    series = history.series[1]
    assert series.name == "test_batch_inference[int8-bs128]"
    low, high, points, levels, baseline = draw_trend(series)["data"]
    assert len(low["x"]) == len(high["x"]) == len(points["x"]) == 40
    assert all(a < b < c for a, b, c in zip(low["y"], points["y"], high["y"], strict=True))
    assert points["customdata"][:2] == ["run-1", "run-2"]
    assert levels["x"].count(None) == 2
    assert baseline["y"] == [series.baseline] * 2


def test_change_is_marked_with_its_size(history: History) -> None:
    layout = draw_trend(history.series[1])["layout"]
    (line,), (note,) = layout["shapes"], layout["annotations"]
    assert line["x0"] == note["x"] == "2026-03-23 02:17:00"
    assert -7.5 < float(note["text"].replace("\N{MINUS SIGN}", "-").removesuffix(" %")) < -4.5


def test_latencies_rise_to_all_steps(history: History) -> None:
    before, newest = draw_latencies(history.series[0])["data"]
    assert (before["name"], newest["name"]) == ("run before", "newest")
    assert newest["x"] == sorted(newest["x"])
    assert newest["y"][-1] == 100


def test_axes_have_units(history: History) -> None:
    series = history.series[0]
    assert draw_trend(series)["layout"]["yaxis"]["title"]["text"] == "images/s"
    assert draw_latencies(series)["layout"]["xaxis"]["title"]["text"] == "step, ms"
    assert draw_batch_sizes(history.series)["layout"]["xaxis"]["title"]["text"] == "batch size"


def test_comparisons_have_a_trace_for_each_precision(history: History) -> None:
    bars, lines = draw_precisions(history.series)["data"], draw_batch_sizes(history.series)["data"]
    assert [trace["name"] for trace in bars] == [trace["name"] for trace in lines] == ["int8", "bf16", "fp32"]
    assert bars[0]["x"] == ["batch 1", "batch 128"]
    assert lines[0]["meta"] == {"precision": "int8", "batch_sizes": [1, 128]}


def test_published_accuracy_is_imagenets_alone(history: History) -> None:
    scores = history.newest_scores()
    assert [(score.data, published_top1(score)) for score in scores] == [
        ("digits", None),
        ("imagenet", 0.7623),
        ("imagenet", 0.7651),
    ]
    measured, published = draw_scores(scores[1:])["data"]
    assert measured["x"] == [pytest.approx(76.22), pytest.approx(76.5)]
    assert published["x"] == [76.23, 76.51]


def test_text_of_results_is_no_markup(tmp_path: Path) -> None:
    """Plotly takes <b>, <a> and so on in its texts; the angle brackets that are left are our own."""
    write_hostile_history(tmp_path)
    texts = json.dumps(every_figure(read_history(tmp_path, tmp_path)))
    for ours in ("<b>", "</b>", "<br>", "<extra></extra>"):
        texts = texts.replace(ours, "")
    # `meta` and `type` are no texts to plotly
    assert texts.count("<script") == texts.count('"meta": {"precision": "</script><script')


def test_unknown_precision_has_a_colour() -> None:
    assert colour_of("int8") == COLOURS["int8"]
    assert colour_of("fp8") == OTHER_COLOUR
    assert fade("#102030", 0.5) == "rgba(16,32,48,0.5)"
