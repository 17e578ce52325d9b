"""One scored run, from the fixtures to the result: progress bar, log, journal, results file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from resnet_fixtures.gated_score import judge_score, refuse_incomparable_score
from resnet_fixtures.hardware.facts import machine_facts
from resnet_fixtures.live import LiveBar, LiveTerminal
from resnet_fixtures.report.accuracy_report import accuracy_fields
from resnet_fixtures.report.result_file import write_result
from resnet_fixtures.report.seed_log import SeedLog, open_seed_log
from resnet_fixtures.report.terminal import pack_hits
from resnet_fixtures.suite import RESULT, SUITE, Suite
from resnet_fixtures.versions import result_versions

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from resnet_fixtures.accuracy.evaluate import Evaluation, EvaluationProgress
    from resnet_fixtures.accuracy.predictions import Predictions
    from resnet_fixtures.data.imagenet import LabelledImages
    from resnet_fixtures.inference.session import InferenceSession

HEADLINES = ("top1", "top5", "correct1", "correct5", "images", "top1_interval")


@dataclass(frozen=True)
class Scoring:
    """Scores a session on every labelled image, writes log, JSON and results file, and returns the evaluation."""

    request: pytest.FixtureRequest
    batch_size: int
    is_of_training: bool = False

    def __call__(self, session: InferenceSession, images: LabelledImages, data: str) -> Evaluation:
        """Score them all, or with --resume those that an interrupted run left; `data` names the set in the result."""
        from resnet_fixtures.accuracy.evaluate import evaluate
        from resnet_fixtures.accuracy.journal import identify_run, open_journal
        from resnet_fixtures.inference.kernels import machine_key

        options, now = self._suite.options, datetime.now().astimezone()
        precision, split = session.graph.precision, images.split
        facts = self._facts(session, images, data)
        refuse_incomparable_score(self.request, facts)
        machine = machine_key(self._suite.isa, self._suite.environ)
        identity = identify_run(session.graph, split, images.preprocessing, machine)
        journal_path = options.output_dir / f"accuracy_{data}_{precision}.journal"
        with (
            open_journal(journal_path, identity, resume=options.resume) as journal,
            open_seed_log(options.output_dir, precision, now, self._echo) as log,
            LiveBar(self.request.config, f"{precision} on {data}", "images") as bar,
        ):
            if options.resume and not journal.scored.images:
                LiveTerminal(self.request.config).announce(f"{journal_path} holds nothing to go on with: all is scored")
            bar.begin(journal.scored.images, split.images)
            log.banner("real")
            evaluation = evaluate(
                session,
                split,
                images.preprocessing,
                self.batch_size,
                self._suite.plan,
                journal,
                both(show_batch(bar), log_batch(log)),
            )
            if evaluation.first_batch_s is None:  # no batch was left, but people's scripts read the last line
                log_total(log, evaluation.predictions)
            log.finish(self.batch_size)
            self._record(evaluation, facts, log)
            judge_score(self.request, evaluation.predictions, facts)
            self._write_results(evaluation, session, now)
        return evaluation

    @property
    def _suite(self) -> Suite:
        return self.request.config.stash[SUITE]

    @property
    def _echo(self) -> Callable[[str], None] | None:
        live = LiveTerminal(self.request.config)
        return live.write if live.is_verbose else None

    def _facts(self, session: InferenceSession, images: LabelledImages, data: str) -> dict[str, object]:
        return {
            "precision": str(session.graph.precision),
            "batch_size": self.batch_size,
            "data": data,
            "images_digest": images.split.digest(),
            "graph_sha256": session.graph.sha256,
            "thread_plan": self._suite.plan.as_dict(),
            "isa": self._suite.isa.name,
            "versions": result_versions(),
            "machine": machine_facts(self._suite.topology, self._suite.isa),
        }

    def _record(self, evaluation: Evaluation, facts: dict[str, object], log: SeedLog) -> None:
        fields = accuracy_fields(evaluation, {**facts, **({"of_training": True} if self.is_of_training else {})})
        write_result(log.path, fields)
        self.request.node.user_properties.extend((name, fields[name]) for name in HEADLINES)
        self.request.node.stash[RESULT] = {**fields, "hits1": pack_hits(evaluation.predictions.is_in_top(1))}

    def _write_results(self, evaluation: Evaluation, session: InferenceSession, now: datetime) -> None:
        from resnet_fixtures.accuracy.predictions import write_results_file

        if self._suite.options.output_results:
            path = write_results_file(
                self._suite.options.output_dir, session.graph.precision, now, evaluation.predictions
            )
            LiveTerminal(self.request.config).announce(f"results of {evaluation.predictions.images} images: {path}")


def show_batch(bar: LiveBar) -> Callable[[EvaluationProgress], None]:
    """Return what shows the images that are scored, and their top-1."""
    return lambda progress: bar.advance(progress.images, {"top-1": f"{progress.top1:.4f}"})


def log_batch(log: SeedLog) -> Callable[[EvaluationProgress], None]:
    """Return what logs a batch in the seed's two lines."""
    return lambda progress: log.accuracy(progress.images, progress.top1, progress.top5, progress.inference_s)


def log_total(log: SeedLog, predictions: Predictions) -> None:
    """Log what all images came to."""
    log.accuracy(predictions.images, predictions.top1, predictions.top5, None)


def both(
    first: Callable[[EvaluationProgress], None], second: Callable[[EvaluationProgress], None]
) -> Callable[[EvaluationProgress], None]:
    """Return what tells both."""

    def tell(progress: EvaluationProgress) -> None:
        first(progress)
        second(progress)

    return tell
