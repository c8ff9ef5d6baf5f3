"""What figures and the report look at in the runs of a comparison, as plain numbers and tokens. It draws nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from os import SEEK_END
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal, NamedTuple

from ssrun.analysis import comparison
from ssrun.config.run import RunConfig
from ssrun.config.spec import RunName
from ssrun.errors import StoreError
from ssrun.runs.folder import RunFolder, tokens_of
from ssrun.runs.manifest import read_manifest
from ssrun.runs.result import CompleteResult, Evaluation
from ssrun.runs.results_folder import is_marked, store_of
from ssrun.strategies import KeptSchedule
from ssrun.system.files import reading
from ssrun.tasks import Example, Tokens

if TYPE_CHECKING:  # torch: a folder of tables alone is shown without it
    from ssrun.analysis.explanation import AttentionMap, Position
    from ssrun.runs.trained import Trained
    from ssrun.seq2seq.error_recovery import Recovery

POINTS = 200  # of a curve that are drawn
PAIRS = 200  # test pairs that a wrong token is injected into
REACHED = 0.05  # share of the pairs that a position must have to be drawn
LONG = 40  # tokens: an example longer than this is shown only where there is no other
NEAREST = 50  # references that an output is set against
SCANNED = 1000  # test pairs among which examples are looked for
ALIGNMENTS = 4_000_000  # cells of alignments, after which no further pair is looked at


class Run(NamedTuple):
    """A complete run, and what it says of itself."""

    name: RunName
    folder: RunFolder
    config: RunConfig
    result: CompleteResult
    metrics: dict[str, float]
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
    if not is_marked(results):
        return {}
    runs, store = Runs(), store_of(results)
    for name, scored in comparison.complete_runs(store, read_manifest(results).runs).items():
        folder = RunFolder.of(store, name)
        run = Run(name, folder, folder.config(), scored.result, scored.metrics, folder.evaluations())
        runs.setdefault((name.task, name.strategy), []).append(run)
    return runs


def curve(series: Sequence[Sequence[tuple[float, float]]]) -> Curve:
    """The curve of several runs' (x, value), at every x that all of them have; POINTS of them at most."""
    values = [dict(points) for points in series]
    shared = sorted(set.intersection(*(set(by_x) for by_x in values))) if values else []
    every = -(-len(shared) // POINTS)
    x = shared[::-1][:: max(every, 1)][::-1]  # the last one stays
    columns = [[by_x[position] for by_x in values] for position in x]
    return Curve(x, [sum(c) / len(c) for c in columns], [min(c) for c in columns], [max(c) for c in columns])


def over_training(runs: Sequence[Run], metric: str) -> Curve:
    """A metric of the evaluations against the step, over the runs whose evaluations have it."""
    series = [[(line.step, line.value(metric)) for line in run.evaluations if line.has(metric)] for run in runs]
    return curve([points for points in series if points])


def scheduled(run: Run) -> Curve:
    """The strategy's epsilon against the step; of a plugin's as the run's evaluations say."""
    if isinstance(run.config.strategy.schedule, KeptSchedule):
        return curve([[(float(line.step - 1), line.epsilon) for line in run.evaluations]])
    last = run.config.training.steps - 1
    steps = sorted({round(part * last / POINTS) for part in range(POINTS + 1)})
    values = [run.config.strategy.epsilon(step, last + 1) for step in steps]
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
        UsageError: A task's targets are too short.
    """
    return {key: [recovery_of(run) for run in group] for key, group in runs.items()}


def recovery_of(run: Run) -> Recovery:
    from ssrun.runs.trained import load_trained
    from ssrun.seq2seq.error_recovery import recovery

    trained = load_trained(run.folder)
    return recovery(trained.model, trained.vocabularies, run.folder.test_pairs()[:PAIRS])


def after_error(recoveries: Sequence[Recovery], field: Literal["excess", "recovered"]) -> Curve:
    """A field of `error_recovery.Offset` against the offset from the wrong token, as far as enough pairs reach."""
    series = []
    for recovery in recoveries:
        reached = [offset for offset in recovery.offsets if recovery.reaches(offset)]
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
    """A test example, its index from 0, and what each strategy's run of this seed makes of it.

    Attributes:
        why: What it stands for.
        like: How many of the `of` test pairs that were looked at are of this kind; None where it is a quantile.
    """

    why: str
    like: int | None
    of: int
    test_index: int
    seed: int
    example: Example
    outputs: list[Output]

    @property
    def error(self) -> float:
        """Errors a token of the reference, the mean over strategies."""
        return fmean(errors_of(output) for output in self.outputs) / max(1, len(self.example.target))

    @property
    def right(self) -> int:
        return sum(output.right for output in self.outputs)


def runs_of_one_seed(runs: Runs, task: str) -> list[Run]:
    """The runs of a task of the first seed that most strategies completed."""
    candidates = [run for group in runs.values() for run in group if run.name.task == task]
    seeds = [run.name.seed for run in candidates]
    seed = max(sorted(set(seeds)), key=seeds.count, default=None)
    return [run for run in candidates if run.name.seed == seed]


def contrasts(runs: Sequence[Run], baseline: str) -> list[Contrast]:
    """Examples of the runs (of one task and seed) that show what is usual and what is not; the typical one first.

    They are the median of the error, averaged over the strategies; where the strategies differ most; where the
    baseline is wrong, and where all are right, the median of the error and of the length; and the error's first and
    last tenth. Each is there once, and only where there is one. Among equals the earlier counts.
    """
    seen = list(set_against(runs))
    if not seen:
        return []
    fit = [one for one in seen if length_of(one) <= LONG] or seen
    by_error = sorted(fit, key=lambda one: (one.error, one.test_index))
    differ = [one for one in fit if 0 < one.right < len(one.outputs)]
    unlike = sorted(differ, key=lambda one: (-kinds_of(one), length_of(one), one.test_index))
    wrong = [one for one in by_error if any(output.strategy == baseline and not output.right for output in one.outputs)]
    right = sorted((one for one in fit if one.right == len(one.outputs)), key=length_of)
    chosen: dict[int, Contrast] = {}

    def choose(why: str, candidates: Sequence[Contrast], quantile: float, counted: Sequence[Contrast] | None) -> None:
        middle = quantile * (len(candidates) - 1)
        nearest = sorted(range(len(candidates)), key=lambda place: abs(place - middle))
        for one in (candidates[place] for place in nearest):
            if one.test_index not in chosen:
                like = None if counted is None else len(counted)
                chosen[one.test_index] = one._replace(why=why, like=like, of=len(fit))
                return

    choose("typical: the median error", by_error, 0.5, None)
    choose("strategies differ: some right, some wrong", unlike, 0.0, differ)
    choose(f"{baseline} is wrong", wrong, 0.5, wrong)
    choose("every strategy is right", right, 0.5, right)
    choose("hard: nine in ten have fewer errors", by_error, 0.9, None)
    choose("easy: nine in ten have more errors", by_error, 0.1, None)
    return list(chosen.values())


def set_against(runs: Sequence[Run]) -> Iterator[Contrast]:
    """The first test pairs with every run's output marked, as far as SCANNED and ALIGNMENTS allow."""
    if not runs:
        return
    said = zip(*(map(tokens_of, run.folder.outputs()) for run in runs), strict=True)
    of_plugins = runs[0].result.of_plugins
    cells, by_position = 0, of_plugins.by_position if of_plugins else runs[0].config.task.by_position
    for index, (example, outputs) in enumerate(islice(zip(runs[0].folder.test_pairs(), said, strict=True), SCANNED)):
        found = {one: marked("", one, example.references, by_position) for one in dict.fromkeys(outputs)}
        marks = [found[output]._replace(strategy=run.name.strategy) for run, output in zip(runs, outputs, strict=True)]
        yield Contrast("", None, 0, index, runs[0].name.seed, example, marks)
        words = sum(len(output) for output, one in found.items() if not one.right)
        cells += words * sum(map(len, example.references[:NEAREST]))
        if cells > ALIGNMENTS:
            return


def length_of(contrast: Contrast) -> int:
    return max(len(contrast.example.source), len(contrast.example.target))


def kinds_of(contrast: Contrast) -> int:
    """How many unlike outputs there are."""
    return len({tuple(token for token, _ in output.tokens) for output in contrast.outputs})


def errors_of(output: Output) -> int:
    return sum(wrong for _, wrong in output.tokens) + output.missing


def marked(strategy: str, output: Tokens, references: Sequence[Tokens], by_position: bool = False) -> Output:
    """An output with its wrong tokens marked, against the reference that it agrees with most.

    By position a token is right where the reference has the same one at its place. Otherwise errors are what would have
    to be changed, added or taken out next to the longest alignment. Of references with equally few errors the first
    counts. Only the first NEAREST references are looked at, unless the output is a right answer.
    """
    if output in references:
        return Output(strategy, [(token, False) for token in output], 0, right=True)
    candidates = []
    for reference in references[:NEAREST]:
        kept = in_place(output, reference) if by_position else aligned(output, reference)
        candidates.append((max(len(reference), len(output)) - len(kept), kept))
    errors, kept = min(candidates, key=lambda candidate: candidate[0])
    tokens = [(token, index not in kept) for index, token in enumerate(output)]
    return Output(strategy, tokens, errors - (len(output) - len(kept)), right=False)


def in_place(output: Tokens, reference: Tokens) -> set[int]:
    """The indices of the output's tokens that are the reference's at the same position."""
    return {index for index, pair in enumerate(zip(output, reference, strict=False)) if pair[0] == pair[1]}


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


class Look(NamedTuple):
    """A strategy's trained model on one example: its walk, and where it looks, or no map without attention weights."""

    walk: Walk
    attention: AttentionMap | None


class Observations:
    """What is looked up in the runs more than once, each looked up once."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self._trained: dict[RunName, Trained] = {}
        self._contrasts: dict[tuple[str, str], list[Contrast]] = {}

    @cached_property
    def recoveries(self) -> dict[tuple[str, str], list[Recovery]]:
        return recoveries(self.runs)

    def contrasts(self, task: str, baseline: str) -> list[Contrast]:
        key = (task, baseline)
        if key not in self._contrasts:
            self._contrasts[key] = contrasts(runs_of_one_seed(self.runs, task), baseline)
        return self._contrasts[key]

    def attention(self, run: Run, example: Example) -> AttentionMap | None:
        """Where a run's model looks; None where its attention weighs no positions."""
        if not run.config.model.weighs_positions:
            return None
        from ssrun.analysis.explanation import attention_map

        return attention_map(self.trained(run), example)

    def looks(self, task: str, example: Example) -> list[Look]:
        """Each run of the task's one seed on an example, all with the same coins.

        Raises:
            StoreError: A model is damaged.
        """
        from ssrun.analysis.explanation import explain_trained, walk_through

        made = []
        for run in runs_of_one_seed(self.runs, task):
            trained, epsilon = self.trained(run), run.result.mean_epsilon
            positions = walk_through(trained, example, epsilon, run.name.seed)
            walk = Walk(run.name.strategy, epsilon, positions, explain_trained(trained, example).free_running)
            made.append(Look(walk, self.attention(run, example)))
        return made

    def trained(self, run: Run) -> Trained:
        from ssrun.runs.trained import load_trained

        if run.name not in self._trained:
            self._trained[run.name] = load_trained(run.folder)
        return self._trained[run.name]


def parameters_of(run: Run) -> int:
    """How many weights a run's model has: single precision is all that its file holds behind the header.

    A batch norm's running statistics are counted with them.

    Raises:
        StoreError: The file is damaged.
    """
    path = run.folder.path / "model.safetensors"
    with reading(path) as file:
        header = int.from_bytes(file.read(8), "little")
        weights, odd = divmod(file.seek(0, SEEK_END) - 8 - header, 4)
    if odd or weights < 0:
        raise StoreError(f"{path}: damaged: remove the run's folder and run the command that made it again")
    return weights
