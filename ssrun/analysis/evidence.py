"""What figures and the report look at in the runs of a comparison, as plain numbers and tokens. It draws nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ssrun.analysis.comparison import complete_results
from ssrun.config.run import RunConfig
from ssrun.config.spec import RunName
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import read_manifest
from ssrun.runs.result import CompleteResult, Evaluation
from ssrun.runs.results_folder import run_folders
from ssrun.tasks import Example, Tokens

if TYPE_CHECKING:  # torch: a folder of tables alone is shown without it
    from ssrun.analysis.error_recovery import Recovery
    from ssrun.analysis.explanation import AttentionMap, Position

POINTS = 200  # of a curve that are drawn
PAIRS = 200  # test pairs that a wrong token is injected into
REACHED = 0.05  # share of the pairs that a position must have to be drawn
LONG = 40  # tokens: an example longer than this is shown only where there is no other
NEAREST = 50  # references that an output is set against
SCANNED = 2000  # test pairs among which examples are looked for


class Run(NamedTuple):
    """A complete run, and what it says of itself."""

    name: RunName
    folder: RunFolder
    config: RunConfig
    result: CompleteResult
    evaluations: list[Evaluation]


Runs = dict[tuple[str, str], list[Run]]  # by task and strategy, in the experiment's order


class Curve(NamedTuple):
    """A value against x: the mean over runs, and the lowest and the highest run."""

    x: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


def complete_runs(results: Path) -> Runs:
    """The complete runs of a comparison; none where only its tables are kept.

    Raises:
        StoreError: A run is damaged.
    """
    if not (results / "experiment.json").is_file() and not run_folders(results):
        return {}
    runs: Runs = {}
    for name, result in complete_results(results, read_manifest(results).runs).items():
        folder = RunFolder.of(results, name)
        run = Run(name, folder, folder.spec().config, result, folder.evaluations())
        runs.setdefault((name.task, name.strategy), []).append(run)
    return runs


def curve(series: Sequence[Sequence[tuple[float, float]]]) -> Curve:
    """The curve of several runs' (x, value), at every x that all of them have; POINTS of them at most."""
    values = [dict(points) for points in series]
    shared = sorted(set.intersection(*(set(by_x) for by_x in values)))
    every = -(-len(shared) // POINTS)
    x = shared[::-1][:: max(every, 1)][::-1]  # the last one stays
    columns = [[by_x[position] for by_x in values] for position in x]
    return Curve(x, [sum(c) / len(c) for c in columns], [min(c) for c in columns], [max(c) for c in columns])


def over_training(runs: Sequence[Run], metric: str) -> Curve:
    """A metric of the evaluations against the step."""
    return curve([[(line.step, line.value(metric)) for line in run.evaluations] for run in runs])


def scheduled(run: Run) -> Curve:
    """The schedule's epsilon against the step."""
    last = run.config.training.steps - 1
    steps = sorted({round(part * last / POINTS) for part in range(POINTS + 1)})
    values = [run.config.strategy.schedule(step, last + 1) for step in steps]
    return Curve([float(step) for step in steps], values, values, values)


def by_position(runs: Sequence[Run], errors: Literal["next_step", "decoding"]) -> Curve:
    """Errors in % against the target position, from 1, as far as enough pairs reach."""
    series = []
    for run in runs:
        curves = run.result.curves
        points = enumerate(zip(getattr(curves, errors), curves.positions, strict=True), start=1)
        enough = REACHED * curves.positions[0] if curves.positions else 0
        series.append([(float(position), value) for position, (value, pairs) in points if pairs >= enough])
    return curve(series)


def recoveries(runs: Runs) -> dict[tuple[str, str], list[Recovery]]:
    """How each run takes one wrong token in the middle of the target.

    Raises:
        StoreError: A model is damaged.
        UsageError: The targets are too short.
    """
    from ssrun.analysis.error_recovery import recovery
    from ssrun.runs.trained import load_trained

    def of(run: Run) -> Recovery:
        return recovery(load_trained(run.folder), list(examples_of(run.folder)), None, PAIRS)

    return {key: list(map(of, group)) for key, group in runs.items()}


def after_error(recoveries: Sequence[Recovery], field: Literal["excess", "recovered"]) -> Curve:
    """A field of `error_recovery.Offset` against the offset from the wrong token, as far as enough pairs reach."""
    series = []
    for recovery in recoveries:
        reached = [offset for offset in recovery.offsets if offset.pairs >= REACHED * recovery.pairs]
        series.append([(float(offset.offset), getattr(offset, field)) for offset in reached])
    return curve(series)


class Output(NamedTuple):
    """A strategy's output for an example, set against the nearest right answer.

    Attributes:
        tokens: Each with whether it is wrong: not part of the longest alignment.
        missing: Errors beyond the wrong tokens: what the right answer has more.
    """

    strategy: str
    tokens: list[tuple[str, bool]]
    missing: int
    right: bool


class Contrast(NamedTuple):
    """A test example, its index from 0, and what each strategy's run of this seed makes of it."""

    test_index: int
    seed: int
    example: Example
    outputs: list[Output]


def runs_of_one_seed(runs: Runs, task: str) -> list[Run]:
    """The runs of a task of the first seed that most strategies completed."""
    candidates = [run for group in runs.values() for run in group if run.name.task == task]
    seeds = [run.name.seed for run in candidates]
    seed = max(sorted(set(seeds)), key=seeds.count, default=None)
    return [run for run in candidates if run.name.seed == seed]


def tokens_of(line: str) -> Tokens:
    return tuple(filter(None, line.split(" ")))


def examples_of(folder: RunFolder) -> Iterator[Example]:
    """The test pairs, as a complete run stored them: a corpus need not be at hand.

    Raises:
        StoreError: They are damaged.
    """
    for source, references in zip(folder.lines("sources.txt"), folder.lines("references.txt"), strict=True):
        target, *others = map(tokens_of, references.split("\t"))
        yield Example(tokens_of(source), target, tuple(others))


def contrasts(runs: Sequence[Run], wanted: int) -> list[Contrast]:
    """Examples on which the runs (of one task and seed) differ most: some right and some wrong, outputs unlike.

    Of equally telling examples the shorter comes first, then the earlier.
    """
    if not runs:
        return []
    said = zip(*(map(tokens_of, run.folder.lines("hypotheses.txt")) for run in runs), strict=True)
    ranked = []
    for index, (example, outputs) in enumerate(islice(zip(examples_of(runs[0].folder), said, strict=True), SCANNED)):
        right = sum(output in example.references for output in outputs)
        length = max(len(example.source), len(example.target))
        rank = (length > LONG, not 0 < right < len(outputs), -len(set(outputs)), length, index)
        ranked.append((rank, example, outputs))
    chosen = []
    for (*_, index), example, outputs in sorted(ranked)[:wanted]:  # no two ranks are equal
        by_run = zip(runs, outputs, strict=True)
        marks = [marked(run.name.strategy, output, example.references) for run, output in by_run]
        chosen.append(Contrast(index, runs[0].name.seed, example, marks))
    return chosen


def marked(strategy: str, output: Tokens, references: Sequence[Tokens]) -> Output:
    """An output with its wrong tokens marked, against the reference that it agrees with most.

    Errors are what would have to be changed, added or taken out next to the longest alignment; of references with
    equally few the first counts. Only the first NEAREST references are looked at, unless the output is a right answer.
    """
    if output in references:
        return Output(strategy, [(token, False) for token in output], 0, right=True)
    candidates = []
    for reference in references[:NEAREST]:
        kept = aligned(output, reference)
        candidates.append((max(len(reference), len(output)) - len(kept), kept))
    errors, kept = min(candidates, key=lambda candidate: candidate[0])
    tokens = [(token, index not in kept) for index, token in enumerate(output)]
    return Output(strategy, tokens, errors - (len(output) - len(kept)), right=False)


def aligned(output: Tokens, reference: Tokens) -> set[int]:
    """The indices of the output's tokens that are part of its longest common subsequence with the reference.

    Of several longest ones it is the one whose tokens come first in the output.
    """
    height, width = len(output), len(reference)
    longest = [[0] * (width + 1) for _ in range(height + 1)]  # [i][j]: of output[i:] and reference[j:]
    for i in reversed(range(height)):
        row, below = longest[i], longest[i + 1]
        for j in reversed(range(width)):
            row[j] = below[j + 1] + 1 if output[i] == reference[j] else max(below[j], row[j + 1])
    kept, start = set(), 0
    for i, token in enumerate(output):
        if token in reference[start:]:
            j = reference.index(token, start)
            if longest[i + 1][j + 1] + 1 == longest[i][start]:
                kept.add(i)
                start = j + 1
    return kept


class Walk(NamedTuple):
    """A strategy's trained model on one example, position by position.

    Attributes:
        epsilon: The strategy's mean over its run.
        as_trained: Its inputs chosen as in training, with that epsilon.
        free_running: Its inputs its own argmax, as in use.
    """

    strategy: str
    epsilon: float
    as_trained: list[Position]
    free_running: list[Position]


def walks(runs: Sequence[Run], example: Example) -> list[Walk]:
    """Each run's walk through one example, all with the same coins.

    Raises:
        StoreError: A model is damaged.
    """
    from ssrun.analysis.explanation import explain_trained, walk_through
    from ssrun.runs.trained import load_trained

    made = []
    for run in runs:
        trained, epsilon = load_trained(run.folder), run.result.mean_epsilon
        positions = walk_through(trained, example, epsilon, run.name.seed)
        made.append(Walk(run.name.strategy, epsilon, positions, explain_trained(trained, example).free_running))
    return made


def attention(run: Run, example: Example) -> AttentionMap | None:
    """Where a run's model looks; None where it has no dot attention."""
    if run.config.model.attention != "dot":
        return None
    from ssrun.analysis.explanation import attention_map
    from ssrun.runs.trained import load_trained

    return attention_map(load_trained(run.folder), example)
