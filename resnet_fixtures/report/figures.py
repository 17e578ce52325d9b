"""Draw trends and comparisons as plotly's figures: plain values of its JSON schema, without colours of a theme.

Text in them is HTML to plotly, so what comes from results is escaped here.
"""

from __future__ import annotations

from collections import defaultdict
from html import escape
from typing import TYPE_CHECKING, Any

from resnet_fixtures.accuracy.published import PUBLISHED
from resnet_fixtures.precision import Precision
from resnet_fixtures.report.wording import say_change, say_interval, say_number, say_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from resnet_fixtures.report.history import Machine, Point, Result, Score, Series

Figure = dict[str, Any]

# Okabe and Ito's palette for the colour-blind, a little lighter, so that they are seen on white and on near black.
COLOURS = {"int8": "#2f86c6", "bf16": "#d9820f", "fp32": "#1a9a76"}
OTHER_COLOUR = "#8c6bb1"
GREY = "#8a8f98"
SMALL_MARKER, LARGE_MARKER, MANY_POINTS = 3.5, 6, 100


def draw_trend(series: Series) -> Figure:
    """Draw images per second over time: runs, their 95 % intervals as a band, levels, and the changes between them."""
    points, colour = series.points, colour_of(series.newest.precision)
    times = [stamp(point) for point in points]
    values = [point.result.images_per_s for point in points]
    ends = [point.result.interval or (point.result.images_per_s,) * 2 for point in points]
    marker = SMALL_MARKER if len(points) > MANY_POINTS else LARGE_MARKER
    edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "x": times}
    traces: list[dict[str, Any]] = [
        {**edge, "y": [low for low, _ in ends]},
        {**edge, "y": [high for _, high in ends], "fill": "tonexty", "fillcolor": fade(colour, 0.22)},
        {
            "x": times, "y": values, "mode": "markers", "marker": {"size": marker, "color": colour, "opacity": 0.8},
            "text": [_hover(point) for point in points], "hovertemplate": "%{text}<extra></extra>",
            "customdata": [f"run-{point.number}" for point in points], "showlegend": False,
        },
        _level_lines(series, times, colour),
    ]  # fmt: skip
    if series.baseline is not None:
        traces.append(_baseline_line(series.baseline, times))
    return {"data": traces, "layout": {**_axes("", "images/s"), **_mark_changes(series)}}


def draw_latencies(series: Series) -> Figure:
    """Draw which share of the newest run's steps was done within a time, and of the run before it."""
    colour = colour_of(series.newest.precision)
    lines = {"newest": (series.points[-1], colour, 2.2)}
    if len(series.points) > 1:
        lines = {"run before": (series.points[-2], GREY, 1.4), **lines}
    traces = [
        {
            "name": name, "mode": "lines" if len(point.result.quantiles) > 10 else "lines+markers",
            "x": [seconds * 1e3 for _, seconds in point.result.quantiles],
            "y": [share * 100 for share, _ in point.result.quantiles],
            "line": {"color": line_colour, "width": width}, "marker": {"size": 5},
            "hovertemplate": "%{y:.0f} % of the steps within %{x:.4g} ms",
        }
        for name, (point, line_colour, width) in lines.items()
    ]  # fmt: skip
    layout = _axes("step, ms", "share of steps, %")
    layout["yaxis"] |= {"range": [0, 102], "tickvals": [0, 25, 50, 75, 90, 100]}
    return {"data": traces, "layout": layout}


def draw_precisions(trends: Iterable[Series]) -> Figure:
    """Draw images per second of each precision side by side, for each batch size; newest runs."""
    traces = [
        {**trace, "type": "bar", "marker": {"color": colour_of(trace["name"])}, "x": [f"batch {x}" for x in trace["x"]]}
        for trace in _by_precision(trends)
    ]
    layout = _axes("", "images/s")
    layout["yaxis"]["rangemode"] = "tozero"
    return {"data": traces, "layout": {**layout, "barmode": "group", "bargap": 0.35}}


def draw_batch_sizes(trends: Iterable[Series]) -> Figure:
    """Draw images per second against the batch size, a line for each precision; newest runs."""
    traces = [
        {
            **trace, "mode": "lines+markers", "line": {"color": colour_of(trace["name"]), "width": 2},
            "marker": {"size": 7},
        }
        for trace in _by_precision(trends)
    ]  # fmt: skip
    layout = _axes("batch size", "images/s")
    sizes = sorted({x for trace in traces for x in trace["x"]})
    layout["xaxis"] |= {"type": "log", "tickvals": sizes, "ticktext": [str(size) for size in sizes]}
    layout["yaxis"]["rangemode"] = "tozero"
    return {"data": traces, "layout": layout}


def draw_scores(scores: Sequence[Score]) -> Figure:
    """Draw the top-1 of each precision on one data set with its 95 % interval, and the published one."""
    rows = [escape(score.precision, quote=False) for score in scores]
    traces: list[dict[str, Any]] = [
        {
            "name": "top-1, 95 % interval", "mode": "markers", "y": rows,
            "x": [100 * score.correct1 / score.images for score in scores],
            "error_x": {
                "type": "data", "symmetric": False, "thickness": 1.6, "width": 5, "color": GREY,
                "array": [100 * (score.interval[1] - score.correct1 / score.images) for score in scores],
                "arrayminus": [100 * (score.correct1 / score.images - score.interval[0]) for score in scores],
            },
            "marker": {"size": 9, "color": [colour_of(score.precision) for score in scores]},
            "text": [f"{score.correct1:,} of {score.images:,} images" for score in scores],
            "hovertemplate": "%{x:.2f} %, %{text}<extra></extra>",
        }
    ]  # fmt: skip
    published = {score.precision: 100 * share for score in scores if (share := published_top1(score)) is not None}
    if published:
        traces.append({
            "name": "published", "mode": "markers", "x": list(published.values()), "y": list(published),
            "marker": {"symbol": "line-ns", "size": 20, "line": {"width": 2.4, "color": GREY}},
            "hovertemplate": "published: %{x:.2f} %<extra></extra>",
        })  # fmt: skip
    layout = _axes("top-1, % of the images", "")
    layout["yaxis"] |= {"type": "category", "autorange": "reversed"}
    return {"data": traces, "layout": layout}


def published_top1(score: Score) -> float | None:
    """Return the published top-1 that a score is held against: ImageNet's alone has one."""
    known = {str(precision): threshold.top1 for precision, threshold in PUBLISHED.items()}
    return known.get(score.precision) if score.data == "imagenet" else None


def group_by_machine(trends: Iterable[Series]) -> Mapping[Machine, list[Series]]:
    """Put the inference tests of each kind of machine together: those that can be compared by precision and batch."""
    groups: dict[Machine, list[Series]] = defaultdict(list)
    for series in trends:
        if series.newest.mode != "training":
            groups[series.newest.machine].append(series)
    return groups


def colour_of(precision: str) -> str:
    """Return the precision's colour, one for all that are unknown."""
    return COLOURS.get(precision, OTHER_COLOUR)


def fade(colour: str, opacity: float) -> str:
    """Return #rrggbb as plotly's colour of that opacity."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def stamp(point: Point) -> str:
    """Return a run's time as plotly reads it, in UTC."""
    return point.run.time.strftime("%Y-%m-%d %H:%M:%S")


def _by_precision(trends: Iterable[Series]) -> list[dict[str, Any]]:
    """Return a trace for each precision: batch sizes, images per second, intervals; `meta` is what the filters ask."""
    newest: dict[str, dict[int, Result]] = defaultdict(dict)
    for series in trends:
        result = series.newest
        known = newest[result.precision].get(result.batch_size)
        # Of several tests of one precision and batch, such as one and many instances, the faster one is drawn.
        if known is None or result.images_per_s > known.images_per_s:
            newest[result.precision][result.batch_size] = result
    order = [*map(str, (Precision.INT8, Precision.BF16, Precision.FP32))]
    names = sorted(newest, key=lambda name: (order.index(name) if name in order else len(order), name))
    return [_precision_trace(name, dict(sorted(newest[name].items()))) for name in names]


def _precision_trace(name: str, results: Mapping[int, Result]) -> dict[str, Any]:
    values = [result.images_per_s for result in results.values()]
    ends = [result.interval or (result.images_per_s,) * 2 for result in results.values()]
    return {
        "name": escape(name, quote=False),
        "meta": {"precision": name, "batch_sizes": list(results)},
        "x": list(results),
        "y": values,
        "error_y": {
            "type": "data", "symmetric": False, "thickness": 1.2, "width": 3, "color": GREY,
            "array": [high - value for (_, high), value in zip(ends, values, strict=True)],
            "arrayminus": [value - low for (low, _), value in zip(ends, values, strict=True)],
        },
        "hovertemplate": "%{y:.4g} images/s",
    }  # fmt: skip


def _level_lines(series: Series, times: Sequence[str], colour: str) -> dict[str, Any]:
    """Draw each level from its first run to its last, with a gap between two."""
    x: list[str | None] = []
    y: list[float | None] = []
    for level in series.levels:
        x += [times[level.start], times[level.stop - 1], None]
        y += [level.value, level.value, None]
    line = {"color": colour, "width": 2.2}
    return {"x": x, "y": y, "mode": "lines", "line": line, "hoverinfo": "skip", "showlegend": False}


def _baseline_line(value: float, times: Sequence[str]) -> dict[str, Any]:
    line = {"color": GREY, "width": 1.4, "dash": "dash"}
    hover = "the gate's baseline: %{y:.4g} images/s<extra></extra>"
    return {
        "x": [times[0], times[-1]], "y": [value, value], "mode": "lines", "line": line, "name": "baseline",
        "hovertemplate": hover, "showlegend": False,
    }  # fmt: skip


def _mark_changes(series: Series) -> dict[str, Any]:
    """Return a dotted line and the size of the change at each change point."""
    line = {"width": 1, "dash": "dot", "color": GREY}
    changes = [(stamp(change.point), say_change(change.relative)) for change in series.changes]
    return {
        "shapes": [
            {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line} for x, _ in changes
        ],
        "annotations": [
            {
                "x": x, "y": 1, "yref": "paper", "text": text, "showarrow": False, "xanchor": "left", "yanchor": "top",
                "xshift": 3, "font": {"size": 12},
            }
            for x, text in changes
        ],
    }  # fmt: skip


def _hover(point: Point) -> str:
    result = point.result
    lines = (
        f"<b>{say_number(result.images_per_s)} images/s</b> {say_interval(result)}",
        f"median {say_number(result.latency_s * 1e3)} ms, {result.steps} steps",
        f"run {point.number}, {say_time(point.run.time)} UTC",
        escape(point.run.commit[:60], quote=False),
    )
    return "<br>".join(line for line in lines if line)


def _axes(x: str, y: str) -> dict[str, Any]:
    return {"xaxis": {"title": {"text": x}}, "yaxis": {"title": {"text": y}}}
