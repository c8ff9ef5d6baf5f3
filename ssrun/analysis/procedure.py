"""What a comparison does, in order: it tunes, writes its claims down, and trains; where asked for it adds seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ssrun.analysis.comparison import compare_runs
from ssrun.analysis.looks import looks
from ssrun.config.loading import take_shard
from ssrun.config.plan import Plan
from ssrun.config.spec import RunName, RunSpec
from ssrun.errors import UsageError
from ssrun.runs.manifest import FILE, Manifest, manifests_in, read_manifest, write_manifest
from ssrun.runs.results_folder import Destination
from ssrun.runs.seals import kept_table, seals
from ssrun.runs.tuning import Tuned, tuned, unfinished
from ssrun.system.text import plural
from ssrun.tasks.output_metrics import descriptions

Train = Callable[
    [Sequence[RunSpec], str], None
]  # brings runs to their ends, told by this noun; complete ones cost nothing


def carry_out(plan: Plan, place: Destination, command: str, train: Train, shard: str | None = None) -> list[RunName]:
    """Trains what a plan asks for, tuned where it says so, its claims sealed first; returns the runs of the comparison.

    Args:
        plan: What is asked for, without what tuning found.
        place: Where it goes.
        command: What makes it again.
        train: Drives an engine.
        shard: Only a part of the runs, such as `1/4`.

    Raises:
        UsageError: The folder holds another comparison, or trials of another shard are missing.
        StoreError: Something that is kept is damaged, or no trial of a strategy came to its end.
        Interrupted: A signal came.
    """
    plan_id, trials = plan.id, plan.trials()
    described = descriptions(plan.experiment.asked_metrics)
    names = tuple(run.name for trial in trials for run in trial.runs)
    found: tuple[Tuned, ...] = ()
    if plan.experiment.tune:
        if not is_tuned(place):  # or else what it found stands in the manifest already, and would be lost meanwhile
            wanted = names_of(plan.runs())
            untuned = Manifest(plan=plan, described=described, runs=wanted, trials=names, command=command)
            write_manifest(place, plan_id, untuned)
        train(take_shard([run for trial in trials for run in trial.runs], shard), "trial")
        if left := unfinished(trials, place.store):
            told = f"{plural(len(left), 'trial')} of tuning left for other shards"
            raise UsageError(f"{told}: `ssrun merge` them, then the same command with --out of what was merged")
        found = tuple(tuned(trials, place.store, plan.experiment.tune))
        plan = plan.model_copy(update={"tuned": tuple(cell.winner for cell in found)})
    runs = plan.runs()
    kept = {} if (place.path / FILE).is_file() else kept_table(place.path, plan_id)
    before = [seal for manifest in manifests_in(place.store) for seal in manifest.seals]
    compared: list[RunSpec] = []
    while runs:
        compared += runs
        manifest = Manifest(
            plan=plan,
            described=described,
            runs=names_of(compared),
            trials=names,
            tuning=found,
            command=command,
            seals=seals(plan, compared, place.store, before, kept),
        )
        before += manifest.seals
        write_manifest(place, plan_id, manifest)
        shared = take_shard(runs, shard)
        if teachers := plan.teachers(shared):
            train(teachers, "teacher")
        train(shared, "run")
        runs = runs_of_next_look(place, manifest) if plan.most else []
    return [run.name for run in take_shard(compared, shard)]


def runs_of_next_look(place: Destination, manifest: Manifest) -> list[RunSpec]:
    """The runs that undecided claims need for their next look; none where all are decided, or no look is left."""
    plan, seeds = manifest.plan, manifest.plan.seed_order
    made = len({run.seed for run in manifest.runs})
    after = [n for n in looks(len(plan.experiment.seeds), len(seeds)) if n > made]
    judged = compare_runs(place.path, manifest).claims
    undecided = [
        claim for claim, found in zip(plan.experiment.claims, judged, strict=True) if found.verdict == "inconclusive"
    ]
    pairs = {(operand.task, operand.strategy) for claim in undecided for operand in claim.operands()}
    return plan.runs_of(seeds[made : after[0]], pairs) if after and pairs else []


def is_tuned(place: Destination) -> bool:
    return (place.path / FILE).is_file() and bool(read_manifest(place.path).tuning)


def names_of(runs: Sequence[RunSpec]) -> tuple[RunName, ...]:
    return tuple(run.name for run in runs)
