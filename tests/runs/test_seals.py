"""A claim confirms on seeds whose outcome nobody could know when it was written, and on no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssrun.config.experiment import Experiment
from ssrun.config.plan import Plan
from ssrun.runs.folder import RunFolder
from ssrun.runs.seals import Seal, seals

CLAIM = {"text": "Less.", "metric": "bleu", "task": "reverse", "order": "linear < teacher-forcing"}


def plan_of(seeds: str = "0..2", **changes: object) -> Plan:
    given = {"tasks": ["reverse"], "strategies": ["teacher-forcing", "linear", "uniform"], "seeds": seeds}
    experiment = {"question": "?", **given, "claims": [CLAIM | changes.pop("claim", {})], **changes}  # type: ignore[operator]
    return Plan(experiment=Experiment.model_validate(experiment))


def sealed(store: Path, plan: Plan, before: tuple[Seal, ...] = (), kept: dict[str, object] | None = None) -> Seal:
    (seal,) = seals(plan, plan.runs(), store, before, kept)
    return seal


def begin(store: Path, plan: Plan, *labels: tuple[str, int]) -> None:
    for run in plan.runs():
        if (run.name.strategy, run.name.seed) in labels:
            folder = RunFolder.of(store, run.name)
            with folder.locked():
                folder.start(run.config)


def test_a_claim_is_sealed_on_the_seeds_of_which_no_two_runs_that_it_compares_have_begun(tmp_path: Path) -> None:
    plan = plan_of()
    first = sealed(tmp_path, plan)
    assert first.seeds == (0, 1, 2)
    begin(tmp_path, plan, ("teacher-forcing", 0), ("linear", 0), ("teacher-forcing", 1), ("uniform", 1))
    assert sealed(tmp_path, plan).seeds == (1, 2)
    assert sealed(tmp_path, plan, (first,)) == first


@pytest.mark.parametrize(
    "edited", [{"text": "More."}, {"order": "linear > teacher-forcing"}, {"metric": "exact_match"}, {"by": 0.5}]
)
def test_an_edited_claim_is_another_claim(tmp_path: Path, edited: dict[str, object]) -> None:
    plan = plan_of()
    first = sealed(tmp_path, plan)
    begin(tmp_path, plan, *((name, seed) for name in ("teacher-forcing", "linear") for seed in range(3)))
    changed = sealed(tmp_path, plan_of(claim=edited), (first,))
    assert changed.claim != first.claim
    assert changed.seeds == ()
    assert sealed(tmp_path, plan_of("2..5", claim=edited), (first,)).seeds == (3, 4, 5)


def test_a_claim_of_other_runs_is_another_claim_and_its_source_is_no_part_of_it(tmp_path: Path) -> None:
    first = sealed(tmp_path, plan_of())
    assert sealed(tmp_path, plan_of(training={"steps": 7})).claim != first.claim
    assert sealed(tmp_path, plan_of(claim={"source": "somebody"}, seeds="4..9")).claim == first.claim


def test_seeds_that_settings_were_chosen_on_confirm_nothing(tmp_path: Path) -> None:
    tune = {"grid": {"model.hidden": [4, 5]}, "seeds": "7..9"}
    assert sealed(tmp_path, plan_of("0..3", tuned_on="0..1", tune=tune)).seeds == (2, 3)


def test_a_kept_table_without_its_runs_says_what_was_seen(tmp_path: Path) -> None:
    plan = plan_of()
    first = sealed(tmp_path, plan)
    values = [
        {"task": "reverse", "strategy": name, "seed": seed, "metrics": {"bleu": 1.0}}
        for name in ("teacher-forcing", "linear")
        for seed in range(3)
    ]
    kept = {"seeds": [0, 1, 2], "runs": values, "claims": [{"seal": first.claim, "standing": "confirmatory"}]}
    assert sealed(tmp_path, plan, kept=kept) == first
    assert sealed(tmp_path, plan_of(claim={"text": "More."}), kept=kept).seeds == ()
