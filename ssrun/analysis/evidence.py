"""What figures and the report look at in the runs of a comparison, as plain numbers and tokens. It draws nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ssrun.config.run import RunConfig
from ssrun.runs.folder import RunFolder
from ssrun.runs.folder import runs as run_folders
from ssrun.runs.manifest import recall
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
    """A complete run: its labels, its folder, and what it says of itself."""

    task: str
    strategy: str
    seed: int
    folder: RunFolder
    config: RunConfig
    result: dict[str, Any]
    evaluations: list[dict[str, Any]]


Runs = dict[tuple[str, str], list[Run]]  # by task and strategy, in the experiment's order


class Curve(NamedTuple):
    """A value against x: the mean over runs, and the lowest and the highest run."""

    x: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


def complete(results: Path) -> Runs:
    """The complete runs of a comparison; none where only its tables are kept.

    Raises:
        StoreError: A run is damaged.
    """
    if not (results / "experiment.json").is_file() and not run_folders(results):
        return {}
    found: Runs = {}
    for place in recall(results)[1]:
        folder = RunFolder(results / place.name)
        if folder.complete and (result := folder.result())["status"] == "complete":
            run = Run(*place[:3], folder, folder.cell().config, result, folder.metrics())
            found.setdefault((place.task, place.strategy), []).append(run)
    return found


def curve(series: Sequence[Sequence[tuple[float, float]]]) -> Curve:
    """The curve of several runs' (x, value), at every x that all of them have; POINTS of them at most."""
    values = [dict(one) for one in series]
    shared = sorted(set.intersection(*(set(one) for one in values)))
    every = -(-len(shared) // POINTS)
    x = shared[::-1][:: max(every, 1)][::-1]  # the last one stays
    columns = [[one[place] for one in values] for place in x]
    return Curve(x, [sum(c) / len(c) for c in columns], [min(c) for c in columns], [max(c) for c in columns])


def over_training(runs: Sequence[Run], metric: str) -> Curve:
    """A metric of the evaluations against the step."""
    return curve([[(line["step"], line[metric]) for line in run.evaluations] for run in runs])


def scheduled(run: Run) -> Curve:
    """The schedule's epsilon against the step."""
    steps = run.config.training.steps
    places = sorted({round(part * (steps - 1) / POINTS) for part in range(POINTS + 1)})
    values = [run.config.strategy.schedule(step, steps) for step in places]
    return Curve([float(step) for step in places], values, values, values)


def by_position(runs: Sequence[Run], kind: str) -> Curve:
    """Errors in % (`next_step` or `decoding`) against the target position, from 1, as far as enough pairs reach."""

    def of(run: Run) -> list[tuple[float, float]]:
        curves = run.result["curves"]
        enough = REACHED * curves["positions"][0]
        return [
            (t, error)
            for t, (error, pairs) in enumerate(zip(curves[kind], curves["positions"], strict=True), start=1)
            if pairs >= enough
        ]

    return curve([of(run) for run in runs])


def recoveries(runs: Runs) -> dict[tuple[str, str], list[Recovery]]:
    """How each run takes one wrong token in the middle of the target.

    Raises:
        StoreError: A model is damaged.
        UsageError: A task's test set is not at hand, or its targets are too short.
    """
    from ssrun.analysis.error_recovery import recovery
    from ssrun.runs.trained import load_trained

    return {key: [recovery(load_trained(run.folder), None, PAIRS) for run in of] for key, of in runs.items()}


def after_error(found: Sequence[Recovery], field: str) -> Curve:
    """A field of `injecting.Offset` against the offset from the wrong token, as far as enough pairs reach."""
    return curve(
        [
            [(offset.offset, getattr(offset, field)) for offset in one.offsets if offset.pairs >= REACHED * one.pairs]
            for one in found
        ]
    )


class Output(NamedTuple):
    """A strategy's output for an example, set against the nearest right answer.

    Attributes:
        strategy: Whose.
        tokens: Each with whether it is wrong: not part of the longest alignment.
        missing: Errors beyond the wrong tokens: what the right answer has more.
        right: It is a right answer.
    """

    strategy: str
    tokens: list[tuple[str, bool]]
    missing: int
    right: bool


class Contrast(NamedTuple):
    """A test example and what each strategy makes of it.

    Attributes:
        number: In the test set, from 0.
        seed: Of the runs.
        example: Source and references.
        outputs: By strategy, in the experiment's order.
    """

    number: int
    seed: int
    example: Example
    outputs: list[Output]


def of_one_seed(runs: Runs, task: str) -> list[Run]:
    """The runs of a task of the first seed that most strategies completed."""
    all_ = [run for (of, _), group in runs.items() if of == task for run in group]
    seeds = [run.seed for run in all_]
    seed = max(sorted(set(seeds)), key=seeds.count, default=None)
    return [run for run in all_ if run.seed == seed]


def tokens_of(line: str) -> Tokens:
    """A stored line's tokens."""
    return tuple(filter(None, line.split(" ")))


def examples_of(run: Run) -> Iterator[Example]:
    """The test pairs, as the run stored them."""
    for source, references in zip(run.folder.lines("sources.txt"), run.folder.lines("references.txt"), strict=True):
        target, *others = map(tokens_of, references.split("\t"))
        yield Example(tokens_of(source), target, tuple(others))


def contrasts(runs: Sequence[Run], wanted: int) -> list[Contrast]:
    """Examples on which the runs (of one task and seed) differ most: some right and some wrong, outputs unlike.

    Of equally telling examples the shorter comes first, then the earlier.
    """
    if not runs:
        return []
    outputs = [[tokens_of(line) for line in run.folder.lines("hypotheses.txt")[:SCANNED]] for run in runs]
    telling = []
    for number, example in enumerate(examples_of(runs[0])):
        if number >= len(outputs[0]):
            break
        said = [of_run[number] for of_run in outputs]
        right = sum(output in example.references for output in said)
        length = max(len(example.source), len(example.target))
        rank = (length > LONG, not 0 < right < len(said), -len(set(said)), length, number)
        telling.append((rank, number, example, said))
    telling.sort(key=lambda one: one[0])
    return [
        Contrast(
            number,
            runs[0].seed,
            example,
            [marked(run.strategy, output, example.references) for run, output in zip(runs, said, strict=True)],
        )
        for _, number, example, said in telling[:wanted]
    ]


def marked(strategy: str, output: Tokens, references: Sequence[Tokens]) -> Output:
    """An output with its wrong tokens marked, against the reference that it agrees with most."""
    if output in references:
        return Output(strategy, [(token, False) for token in output], 0, right=True)
    nearest: tuple[int, set[int]] | None = None
    for reference in references[:NEAREST]:
        blocks = SequenceMatcher(None, reference, output, autojunk=False).get_matching_blocks()
        kept = {block.b + place for block in blocks for place in range(block.size)}
        errors = max(len(reference), len(output)) - len(kept)
        if nearest is None or errors < nearest[0]:
            nearest = (errors, kept)
    assert nearest is not None  # noqa: S101 - an example has a reference
    errors, kept = nearest
    tokens = [(token, place not in kept) for place, token in enumerate(output)]
    return Output(strategy, tokens, errors - (len(output) - len(kept)), right=False)


class Walk(NamedTuple):
    """A strategy's trained model on one example, position by position.

    Attributes:
        strategy: Whose.
        epsilon: The strategy's mean over its run.
        trained: Its inputs chosen as in training, with that epsilon.
        used: Its inputs its own argmax, as in use.
    """

    strategy: str
    epsilon: float
    trained: list[Position]
    used: list[Position]


def walks(runs: Sequence[Run], example: Example) -> list[Walk]:
    """Each run's walk through one example, all with the same coins.

    Raises:
        StoreError: A model is damaged.
    """
    from ssrun.analysis.explanation import explain_trained, walk_through
    from ssrun.runs.trained import load_trained

    found = []
    for run in runs:
        trained, epsilon = load_trained(run.folder), float(run.result["mean_epsilon"])
        positions = walk_through(trained, example, epsilon, run.seed)
        found.append(Walk(run.strategy, epsilon, positions, explain_trained(trained, example).free_running))
    return found


def attention(run: Run, example: Example) -> AttentionMap | None:
    """Where a run's model looks; None where it has no dot attention."""
    if run.config.model.attention != "dot":
        return None
    from ssrun.analysis.explanation import attention_map
    from ssrun.runs.trained import load_trained

    return attention_map(load_trained(run.folder), example)
