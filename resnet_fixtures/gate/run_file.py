"""Keep a run, or a baseline, as JSON: raw samples, facts, and the answers for every image.

Each test has a line of its own, sorted by id, so that a baseline under version control shows what changed.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from resnet_fixtures.atomic_file import write_atomically
from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.json_file import damaged, read_json
from resnet_fixtures.gate.samples import Entry, Metric, ProcessSample, ScoredImages
from resnet_fixtures.gate.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


SCHEMA = "resnet_fixtures.gate"
VERSION = 1
LARGEST = 2**31  # above any class and any rank


def write_run(
    path: Path,
    entries: Mapping[str, Entry],
    judgements: Mapping[str, Judgement] | None = None,
    created: datetime | None = None,
) -> None:
    """Write `format_run`'s text; InputError if the disk refuses."""
    write_atomically(path, format_run(entries, judgements, created))


def format_run(
    entries: Mapping[str, Entry], judgements: Mapping[str, Judgement] | None = None, created: datetime | None = None
) -> bytes:
    """Give the file's content: the entries by test id, with the verdicts on them if there are any.

    The verdicts on tests that were not measured stand apart, as `unmeasured`.
    `created` is now unless another time is given. The facts have to be JSON's.
    """
    verdicts = {test: judgement.as_dict() for test, judgement in (judgements or {}).items()}
    lines = [
        f"{_to_text(test)}:{_to_text({**entry_to_json(entries[test]), **verdicts.get(test, {})})}"
        for test in sorted(entries)
    ]
    unmeasured = {test: verdict for test, verdict in sorted(verdicts.items()) if test not in entries}
    time = created or datetime.now().astimezone()
    head: dict[str, object] = {"schema": SCHEMA, "version": VERSION, "created": time.isoformat()}
    if unmeasured:
        head["unmeasured"] = unmeasured
    joined = ",\n".join(lines)
    return f'{_to_text(head)[:-1]},"entries":{{\n{joined}\n}}}}\n'.encode()


def read_run(path: Path) -> dict[str, Entry]:
    """Read what `write_run` wrote; a truncated, foreign, newer or wrong file is an InputError."""
    return parse_run(path, read_json(path))


def is_run(content: object) -> bool:
    """Tell whether a file's content says that it is a run of the gate, in whatever version."""
    return isinstance(content, dict) and content.get("schema") == SCHEMA


def parse_run(path: Path, content: Any) -> dict[str, Entry]:
    """Take the entries out of a file's content; `path` is for the InputError where they are none."""
    if not is_run(content):
        raise InputError(f"{path} is not the gate's: pass a file that --gate or --gate-update wrote.")
    version, tests = content.get("version"), content.get("entries")
    if is_whole(version) and version > VERSION:
        raise InputError(
            f"{path} has format {version} and this resnet-fixtures reads up to {VERSION}: "
            "install the version that wrote it, or a newer one."
        )
    if not is_whole(version) or version != VERSION or not isinstance(tests, dict):
        raise damaged(path, "it has no version or no entries")
    return {test: _parse_entry(path, test, fields) for test, fields in tests.items()}


def read_unmeasured(path: Path) -> list[Judgement]:
    """Read the verdicts on tests that the run did not measure; InputErrors as `read_run`'s."""
    content = read_json(path)
    parse_run(path, content)
    unmeasured = content.get("unmeasured", {})
    try:
        return [
            Judgement(test, Verdict(fields["verdict"]), str(fields["reason"])) for test, fields in unmeasured.items()
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"unmeasured: {error}") from error


def entry_to_json(entry: Entry) -> dict[str, object]:
    """Name an entry's fields as the file does; what is empty is absent."""
    fields: dict[str, object] = {
        "metric": entry.metric.value, "batch_size": entry.batch_size, "facts": dict(entry.facts),
    }  # fmt: skip
    for name, samples in (("samples", entry.samples), ("against_samples", entry.against_samples)):
        if samples:
            fields[name] = [_sample_to_json(sample) for sample in samples]
    if entry.scored:
        scored = entry.scored
        fields["scored"] = {
            "images_sha256": scored.images_sha256, "predictions": scored.predictions, "ranks": scored.ranks,
        }  # fmt: skip
    return fields


def _sample_to_json(sample: ProcessSample) -> dict[str, object]:
    times_s = {"steps_s": sample.steps_s, "warmup_s": sample.warmup_s, "reference_s": sample.reference_s}
    return {name: values for name, values in times_s.items() if values}


def _parse_entry(path: Path, test: str, fields: Any) -> Entry:
    try:
        return parse_entry(test, fields)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise damaged(path, f"{test!r}: {reason}") from error


def parse_entry(test: str, fields: Any) -> Entry:
    """Take an entry out of JSON; a KeyError, TypeError, ValueError or OverflowError says what is wrong with it."""
    if not is_test_id(test) or not isinstance(fields, dict) or not isinstance(fields["facts"], dict):
        raise TypeError("the test has no name, no fields or no facts")
    samples, against = (_parse_samples(fields.get(name, [])) for name in ("samples", "against_samples"))
    scored = fields.get("scored")
    metric = Metric(fields["metric"])
    if not is_whole(fields["batch_size"]) or (metric is Metric.IMAGES_PER_S and not fields["batch_size"]):
        raise ValueError("batch_size is no count of images")
    if bool(samples) is (metric is Metric.ACCURACY):
        raise ValueError("timings have samples, and accuracy has none")
    if len(against) not in (0, len(samples)):
        raise ValueError("each sample needs one of the other side, or none does")
    if (scored is not None) is not (metric is Metric.ACCURACY):
        raise ValueError("accuracy has scored images, and timings have none")
    return Entry(
        test,
        metric,
        fields["batch_size"],
        fields["facts"],
        samples,
        None if scored is None else _parse_scored(scored),
        against,
    )


def _parse_samples(samples: object) -> tuple[ProcessSample, ...]:
    if not isinstance(samples, list):
        raise TypeError("samples are no list")
    return tuple(map(parse_sample, samples))


def parse_sample(fields: Mapping[str, Any]) -> ProcessSample:
    """Take a process' times out of JSON; errors as `parse_entry`'s."""
    return ProcessSample(
        parse_seconds(fields["steps_s"]),
        parse_seconds(fields.get("warmup_s", [])),
        parse_seconds(fields.get("reference_s", [])),
    )


def parse_seconds(values: object) -> tuple[float, ...]:
    """Take times out of a JSON list; a ValueError where it is no list of numbers."""
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        raise ValueError("times are no list of finite numbers")
    return tuple(map(float, values))


def _parse_scored(fields: Mapping[str, Any]) -> ScoredImages:
    predictions, ranks = (_parse_whole_numbers(fields[name]) for name in ("predictions", "ranks"))
    if not isinstance(fields["images_sha256"], str) or not predictions or len(predictions) != len(ranks):
        raise ValueError("scored images need a digest, and one prediction and rank for each image")
    return ScoredImages(fields["images_sha256"], predictions, ranks)


def _parse_whole_numbers(values: object) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(map(is_whole, values)):
        raise ValueError("predictions or ranks are no list of whole numbers")
    return tuple(values)


def is_test_id(value: object) -> bool:
    """Tell a test's id, which is shown on one line, from all else."""
    return isinstance(value, str) and value.isprintable() and value != ""


def is_whole(value: Any) -> bool:
    """Tell a count, a class or a rank from all else; True is none of them."""
    return type(value) is int and 0 <= value < LARGEST


def _to_text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
