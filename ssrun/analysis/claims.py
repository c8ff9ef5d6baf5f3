"""What became of the claims: their verdicts, at which look, at which budget, and whether they were sealed before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import pandas as pd

from ssrun.analysis.document import ClaimEvidence, PairEvidence, Row
from ssrun.analysis.looks import decided_at_looks
from ssrun.analysis.outcomes import paired_values, scored_pairs
from ssrun.analysis.verdicts import ALPHA, ClaimVerdict, Confirmation, Link, confirmations, seeds_needed, verdicts
from ssrun.config.claims import Claim, Operand
from ssrun.config.experiment import Experiment
from ssrun.metrics import METRICS
from ssrun.runs.manifest import Manifest


def judge_at_looks(experiment: Experiment, outcomes: pd.DataFrame, planned: Sequence[int]) -> list[ClaimEvidence]:
    """The claims as the looks decided them that these seeds allow; `planned` is of `looks`."""

    def at(claims: Sequence[int], n: int, alpha: float) -> list[ClaimEvidence]:
        asked = experiment.model_copy(update={"claims": tuple(experiment.claims[place] for place in claims)})
        return judge(asked, outcomes[outcomes["seed"].isin(experiment.seeds[:n])], alpha)

    made = sum(n <= len(experiment.seeds) for n in planned)
    return decided_at_looks(len(experiment.claims), planned, made, at)


def judge(experiment: Experiment, outcomes: pd.DataFrame, alpha: float = ALPHA) -> list[ClaimEvidence]:
    """The claims with their verdicts, whose chance of any false one is alpha."""
    families = [links_of(claim, outcomes) for claim in experiment.claims]
    judged = verdicts(families, alpha)
    exact = confirmations(families, judged, alpha)
    return [evidence(*parts) for parts in zip(experiment.claims, families, judged, exact, strict=True)]


def at_steps(claim: Claim, evidence: ClaimEvidence, rows: Sequence[Row]) -> ClaimEvidence:
    """The evidence with the budgets of the rows that it is on."""
    operands = set(claim.operands())
    of_rows = (row.steps for row in rows if Operand(row.strategy, row.task) in operands)
    return evidence.model_copy(update={"steps": sorted({steps for found in of_rows for steps in found})})


def links_of(claim: Claim, outcomes: pd.DataFrame) -> list[Link]:
    links = []
    for left, right, relation in claim.comparisons():
        margin = claim.within if relation == "equal" and claim.within else claim.by
        resolution = METRICS[claim.metric].resolution(scored_pairs(outcomes, left.task, right.task))
        links.append(Link(*paired_values(outcomes, claim.metric, left, right), relation, margin, resolution))
    return links


def evidence(claim: Claim, links: Sequence[Link], judged: ClaimVerdict, exact: Confirmation) -> ClaimEvidence:
    """A claim as the tables show it."""
    pairs = [
        PairEvidence(left=" @ ".join(left), right=" @ ".join(right), direction=relation, **interval._asdict())
        for (left, right, relation), interval in zip(claim.comparisons(), judged.intervals, strict=True)
    ]
    decided = judged.verdict != "inconclusive"
    return ClaimEvidence(
        **claim.model_dump(include={"text", "source", "metric", "order", "by", "within"}),
        **judged.intervals[judged.weakest]._replace(p=judged.p)._asdict(),
        verdict=judged.verdict,
        exact_p=None if judged.p is None else exact.p,
        t_only=decided and not exact.possible,
        seeds_needed=None if decided else seeds_needed(links, judged.alpha),
        comparisons=pairs,
    )


def with_standing(claims: Sequence[ClaimEvidence], manifest: Manifest) -> list[ClaimEvidence]:
    """The claims, each said to be confirmatory or exploratory where its manifest has its seal."""
    said = []
    for claim, evidence, seal in zip_longest(manifest.experiment.claims, claims, manifest.seals):
        if seal is None:
            said.append(evidence)
            continue
        operands = set(claim.operands())
        judged_on = {run.seed for run in manifest.runs if Operand(run.strategy, run.task) in operands}
        standing = "confirmatory" if judged_on <= {*seal.seeds} else "exploratory"
        said.append(evidence.model_copy(update={"seal": seal.claim, "standing": standing}))
    return said


def looked_before(manifest: Manifest, others: Iterable[Manifest]) -> list[int]:
    """How many seeds the same claims were judged on before, where seeds were added to them since; in order.

    Args:
        manifest: Of this comparison.
        others: Of the comparisons beside it.
    """
    seeds, sealed = {run.seed for run in manifest.runs}, {seal.claim for seal in manifest.seals}
    earlier = [{run.seed for run in other.runs} for other in others if sealed & {seal.claim for seal in other.seals}]
    return sorted({len(looked_at) for looked_at in earlier if looked_at < seeds})
