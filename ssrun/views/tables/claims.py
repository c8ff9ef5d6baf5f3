"""The claims of a comparison as short texts: the verdict, what was measured, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

from ssrun.analysis.document import ClaimEvidence, Comparison
from ssrun.analysis.power import MOST_SEEDS
from ssrun.system.text import plural, visible
from ssrun.views.tables.cells import interval, p_value


def claim_lines(claim: ClaimEvidence) -> tuple[str, str]:
    """A claim's sentence with its source, and its evidence."""
    if claim.difference is None:
        found = "no pair of complete runs"
    else:
        p = f"p = {p_values(claim)}".replace("= <", "< ")
        found = f"difference {interval(claim.difference, claim.low, claim.high, claim.metric)}, {p}"
        found += f", n = {claim.n}{needed(claim)}"
    source = f" ({claim.source})" if claim.source else ""
    return visible(f"{claim.text}{source}"), visible(f"{measured(claim)}: {found}")


def measured(claim: ClaimEvidence) -> str:
    """What a claim compares: `bleu: a < b by at least 1.5`."""
    margin = f" by at least {claim.by:g}" if claim.by else ""
    within = f" within {claim.within:g}" if claim.within else ""
    return f"{claim.metric}: {claim.order}{margin}{within}{budget(claim.steps)}"


def budget(steps: Sequence[int]) -> str:
    """After how many steps something was measured: ` at 1,000 steps`."""
    return f" at {' and '.join(f'{count:,}' for count in steps)} steps" if steps else ""


def is_exploratory(claim: ClaimEvidence) -> bool:
    return claim.standing == "exploratory"


def verdict(claim: ClaimEvidence) -> str:
    """The verdict, and whether it confirms nothing: `agree`, or `agree (exploratory)`."""
    return f"{claim.verdict} (exploratory)" if is_exploratory(claim) else claim.verdict


def p_values(claim: ClaimEvidence) -> str:
    """The p that decided, and beside it the exact one, or that none could be small enough: `0.002 (t only)`."""
    shown = p_value(claim.p)
    if claim.t_only:
        return f"{shown} (t only)"
    return shown if claim.exact_p is None else f"{shown} (exact {p_value(claim.exact_p)})"


def needed(claim: ClaimEvidence) -> str:
    """How many seeds would decide a claim, where that can be said: `; needs about 63`."""
    return "" if claim.seeds_needed is None else f"; needs {about([claim.seeds_needed])}"


def about(seeds: Sequence[int]) -> str:
    """Numbers of seeds that were reckoned: `about 63`, `about 12 to 63`, `about 12 to >1,000`, `>1,000`."""
    ends = dict.fromkeys(f">{MOST_SEEDS:,}" if n > MOST_SEEDS else f"{n}" for n in (min(seeds), max(seeds)))
    return f"{'' if min(seeds) > MOST_SEEDS else 'about '}{' to '.join(ends)}"


def about_standing(comparison: Comparison) -> list[str]:
    """Whether the claims were written down before their runs; nothing where that is not known."""
    known = [claim for claim in comparison.claims if claim.standing]
    exploratory = sum(map(is_exploratory, known))
    lines = []
    if exploratory < len(known):
        lines.append(
            f"{plural(len(known) - exploratory, 'claim')} sealed before the first of the runs that judge them."
        )
    if exploratory:
        lines.append(
            "Exploratory: the claim was written or changed when runs on its seeds were there, or its settings were "
            "chosen on these seeds; fresh ones (--seeds) can confirm it."
        )
    return lines


def about_looks(comparison: Comparison) -> list[str]:
    """How often the claims were looked at, where that is more than once."""
    lines = []
    if planned := comparison.looks:
        made = ", ".join(str(n) for n in planned if n <= len(comparison.seeds))
        lines.append(
            f"Seeds added until decided: looked at {made} of at most {planned[-1]} seeds; the 5 % of false verdicts "
            "are shared out over all looks."
        )
    if before := comparison.looked_before:
        made = " and ".join(map(str, before))
        lines.append(
            f"These claims were judged before, on {made} of these seeds: to look again with more errs in more than "
            "5 %; --until-decided does not."
        )
    return lines


def power(comparison: Comparison) -> list[str]:
    """How many seeds the undecided claims would need, in a line; none where all are decided."""
    seeds = [claim.seeds_needed for claim in comparison.claims if claim.seeds_needed is not None]
    conditions = "seeds for 80 % power, if the differences are as they look now"
    return [f"Undecided claims would need {about(seeds)} {conditions}."] if seeds else []
