"""Seals: which claims were written down before the runs that judge them began.

A claim confirms something only on seeds whose outcome could not be known when it was written. So before the first of
its runs begins, its digest and its seeds go into the manifest; a claim that is added or edited later is judged all the
same, and is exploratory: also where the runs that it is on were made for another comparison of the same store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ssrun.config.claims import Claim, Operand
from ssrun.config.plan import Plan
from ssrun.config.run import RunConfig
from ssrun.config.spec import RunSpec
from ssrun.errors import StoreError
from ssrun.runs.folder import RunFolder
from ssrun.runs.results_folder import FIELDS, TABLE
from ssrun.system.documents import Count, Document, canonical, read_sealed
from ssrun.system.files import TABLE_LIMIT, digest

SEED = 0  # in whose place every seed of a claim's runs is put, for its digest


class Seal(Document):
    """A claim's digest, and the seeds on which it was written down before their outcome could be known."""

    claim: str
    seeds: tuple[Count, ...]


def seals(
    plan: Plan, runs: Sequence[RunSpec], store: Path, before: Iterable[Seal] = (), kept: Mapping[str, Any] | None = None
) -> tuple[Seal, ...]:
    """Seals the plan's claims on these runs, in the order of the claims; of runs that may have begun before none.

    Args:
        plan: With what tuning found, if it is tuned.
        runs: All that the plan asks for by now.
        store: Where they lie.
        before: Seals that stand in manifests of the store; they go on.
        kept: The fields of a table that is kept where the comparison goes, without its runs.
    """
    experiment = plan.experiment
    looked_at = {*(experiment.tuned_on or ()), *(experiment.tune.seeds if experiment.tune else ())}
    seen = Seen(store, runs, kept or {})
    known: dict[str, set[int]] = {}
    for seal in before:
        known.setdefault(seal.claim, set()).update(seal.seeds)
    for sealed_claim, standing, seeds in kept_claims(kept or {}):
        if standing == "confirmatory":
            known.setdefault(sealed_claim, set()).update(seeds)
    configs = {Operand(strategy, task): config for (task, strategy), config in plan.configs().items()}
    found = []
    for claim in experiment.claims:
        name = claim_id(claim, configs)
        fresh = {seed for seed in seen.seeds if not seen.could_be_judged(claim, seed)}
        found.append(Seal(claim=name, seeds=tuple(sorted((known.get(name, set()) | fresh) - looked_at & seen.seeds))))
    return tuple(found)


def claim_id(claim: Claim, configs: Mapping[Operand, RunConfig]) -> str:
    """Sha256 of what a claim says, and of the runs that it says it of, whatever their seed."""
    runs = [configs[operand].model_copy(update={"seed": SEED}).id for operand in claim.operands()]
    said = claim.model_dump(mode="json", exclude={"source"}, exclude_defaults=True)
    return digest(canonical({"claim": said, "runs": runs}))


class Seen:
    """Which runs have begun, so that something of their outcome may be known."""

    def __init__(self, store: Path, runs: Sequence[RunSpec], kept: Mapping[str, Any]) -> None:
        self.seeds = {run.name.seed for run in runs}
        in_table = {(run["task"], run["strategy"], run["seed"]) for run in kept.get("runs", []) if run["metrics"]}
        self._begun = {run.name[:3] for run in runs if run.name[:3] in in_table or RunFolder.of(store, run.name).begun}

    def could_be_judged(self, claim: Claim, seed: int) -> bool:
        """Whether two runs that the claim compares have both begun."""
        pairs = ((comparison[0], comparison[1]) for comparison in claim.comparisons())
        return any(all((side.task, side.strategy, seed) in self._begun for side in pair) for pair in pairs)


def kept_table(results: Path, plan: str) -> dict[str, Any]:
    """The fields of the table of this plan that is kept in a folder; none where there is no such table."""
    if not (results / TABLE).is_file():
        return {}
    try:
        fields = read_sealed(results / TABLE, FIELDS, "", limit=TABLE_LIMIT)
    except StoreError:
        return {}
    return fields if fields.get("plan") == plan else {}


def kept_claims(table: Mapping[str, Any]) -> Iterator[tuple[str, str, list[int]]]:
    """Of each claim of a kept table its digest, its standing and the table's seeds."""
    for claim in table.get("claims", []):
        if "seal" in claim:
            yield claim["seal"], claim.get("standing", ""), table["seeds"]
