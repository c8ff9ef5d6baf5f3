"""A comparison's numbers, notes and claims as short texts: what every kind of table is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from ssrun.analysis.convergence import FALL, FLOOR
from ssrun.analysis.document import ClaimEvidence, Comparison, Estimate, Row, best
from ssrun.analysis.power import MOST_SEEDS
from ssrun.analysis.sweeps import in_common
from ssrun.metrics import METRICS, TO_REACH
from ssrun.system.text import plural, visible
from ssrun.views.tables.arrivals import arrival, earliest, is_timed, score

SIGNIFICANT = 0.05
NAMED = 3  # rows that a note names
TWO_HUMPS = (
    "the mean of an outcome with two humps cannot be judged with few seeds; where 15 % of seeds collapse, a verdict "
    "errs in about 27 % at n = 8, when none of them happens to collapse, and in about 6 % at n = 32"
)
Item = TypeVar("Item")
NOT_CONVERGED = "not converged"
ABOUT_CONVERGENCE = (
    f"{NOT_CONVERGED}: runs whose training loss still fell, by over {100 * FALL:g} % and {FLOOR:g} nats from one fifth "
    "of the steps to the last: more steps would change the row. Where ε still falls, it can hide that."
)
PER_PIECE = "losses, perplexity and error rates are per piece of a word, everything else is of whole words"


class Cell(NamedTuple):
    """A table's cell, and whether it is the best of its column."""

    text: str
    best: bool = False


def number(value: float | None, metric: str) -> str:
    """A metric's value with its decimals; a dash for none."""
    return "-" if value is None else f"{value:.{METRICS[metric].decimals}f}"


def interval(difference: float, low: float | None, high: float | None, metric: str) -> str:
    """A difference and its interval, where there is one: `+1.2 [+0.3, +2.1]`."""
    sign = f"+.{METRICS[metric].decimals}f"
    ends = "" if low is None or high is None else f" [{low:{sign}}, {high:{sign}}]"
    return f"{difference:{sign}}{ends}"


def possible_interval(estimate: Estimate, metric: str) -> tuple[float | None, float | None]:
    """An interval within what the metric can be."""
    if estimate.low is None or estimate.high is None:
        return estimate.low, estimate.high
    return max(estimate.low, METRICS[metric].least), min(estimate.high, METRICS[metric].most)


def is_cut(estimate: Estimate, metric: str) -> bool:
    """Whether the interval reaches, as far as decimals are shown, beyond what the metric can be."""
    ends = zip(possible_interval(estimate, metric), (estimate.low, estimate.high), strict=True)
    decimals = METRICS[metric].decimals
    return any(
        end is not None and measured is not None and round(end, decimals) != round(measured, decimals)
        for end, measured in ends
    )


def mean(estimate: Estimate | None, metric: str) -> str:
    """The mean and the half width of its interval, `93.1 ±2.0`; of one that is cut the ends, `85.0 [51.7, 100]`."""
    if estimate is None:
        return "-"
    shown = number(estimate.mean, metric)
    if estimate.low is None or estimate.high is None:
        return shown
    if is_cut(estimate, metric):
        ends = zip(possible_interval(estimate, metric), (estimate.low, estimate.high), strict=True)
        low, high = (number(end, metric) if end == measured else f"{end:g}" for end, measured in ends)
        return f"{shown} [{low}, {high}]"
    return f"{shown} ±{number((estimate.high - estimate.low) / 2, metric)}"


def mean_cells(rows: Sequence[Row], metric: str) -> list[Cell]:
    """The means of these rows, and of times to reach a score the medians, marked where one is the best."""
    if is_timed(rows, metric):
        first = earliest(rows, metric)
        return [
            Cell(arrival(row, metric), metric in row.arrivals and row.arrivals[metric].median == first is not None)
            for row in rows
        ]
    most = best(rows, metric)
    estimates = [row.estimates.get(metric) for row in rows]
    return [Cell(mean(found, metric), found is not None and found.mean == most) for found in estimates]


def difference(estimate: Estimate | None, metric: str) -> str:
    if estimate is None or estimate.difference is None:
        return "-"
    return interval(estimate.difference, estimate.difference_low, estimate.difference_high, metric)


def has_difference(rows: Sequence[Row], metrics: Sequence[str]) -> bool:
    """Whether any of these rows differs from the baseline by a number, in any of these metrics."""
    found = (row.estimates.get(metric) for row in rows for metric in metrics)
    return any(estimate is not None and estimate.difference is not None for estimate in found)


def p_value(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if value >= 0.001 else "<0.001"


def p_holm(estimate: Estimate | None) -> str:
    return p_value(estimate.p_holm if estimate else None)


def shows_p(comparison: Comparison) -> bool:
    """Whether any p of the table can be below 5 %, with so many seeds and strategies."""
    return comparison.smallest_p is not None and comparison.smallest_p < SIGNIFICANT


def told_apart(row: Row) -> tuple[int, int, int] | None:
    """By the paired bootstrap over the test set, at 5 %: seeds of better BLEU than the baseline's, of worse, of all."""
    bleu = row.estimates.get("bleu")
    if bleu is None or not bleu.bootstrap:
        return None
    apart = [pair.difference for pair in bleu.bootstrap if pair.p < SIGNIFICANT]
    return sum(found > 0 for found in apart), sum(found < 0 for found in apart), len(bleu.bootstrap)


def bootstrapped(row: Row) -> str:
    """In how many seeds the paired bootstrap tells the two models' BLEU apart: `5+ 2- of 8`, better and worse."""
    counts = told_apart(row)
    return "-" if counts is None else "{}+ {}- of {}".format(*counts)


def has_bootstrap(comparison: Comparison) -> bool:
    """Whether BLEU is shown and its paired bootstrap was computed."""
    return "bleu" in comparison.columns and any(bootstrapped(row) != "-" for row in comparison.rows)


def in_groups(items: Sequence[Item], count: int) -> list[Sequence[Item]]:
    """The items in so many groups of about the same size, in order."""
    size = math.ceil(len(items) / count)
    return [items[start : start + size] for start in range(0, len(items), size)]


def compared(comparison: Comparison) -> list[str]:
    """The metrics whose differences are shown: the first, and the free-running loss."""
    return [metric for metric in comparison.columns if metric in (comparison.columns[0], "free_running_loss")]


def paper_headings(comparison: Comparison) -> list[str]:
    paper = comparison.published
    return [f"paper: {visible(metric)}" for metric in paper.metrics] if paper else []


def paper_cells(comparison: Comparison, row: Row) -> list[str]:
    """The published numbers of a row's strategy."""
    paper = comparison.published
    return [visible(value) for value in paper.rows.get(row.strategy, ["-"] * len(paper.metrics))] if paper else []


def count(row: Row) -> str:
    """How many runs stand behind a row: `3`, or `4 of 5`."""
    return str(row.n) if row.n == row.of else f"{row.n} of {row.of}"


def not_converged(row: Row) -> str:
    """How many of a row's runs had not converged: `3 of 8`."""
    return f"{row.not_converged} of {row.n}" if row.not_converged else "-"


def has_not_converged(comparison: Comparison) -> bool:
    return any(row.not_converged for row in comparison.rows)


def conditions(comparison: Comparison) -> str:
    """What a number of the table is, over how many seeds, after how many steps."""
    seeds, steps = comparison.seeds, comparison.steps
    budget = f"{f'{steps[0]:,} to ' if len(steps) > 1 else ''}{steps[-1]:,} steps a run" if steps else ""
    if len(seeds) > 1:
        return f"Mean and 95 % t-interval over seeds (n = {len(seeds)}{f'; {budget}' if budget else ''})"
    return f"One seed{f' ({budget})' if budget else ''}: no interval, no p; a difference may be luck"


def notes(comparison: Comparison, best_mark: str) -> list[str]:
    """What must be known to read the numbers; `best_mark` tells the best means: the sign before them, or `bold:`."""
    if len(comparison.seeds) > 1:
        nats = any(METRICS[metric].unit == "nats" for metric in comparison.columns)
        line = f"{conditions(comparison)}; {best_mark} best mean of the task; "
        lines = [f"{line}losses in nats per position." if nats else f"{line[:-2]}."]
    else:
        lines = [f"{conditions(comparison)}. Use --seeds 0..5 for evidence."]
    columns = [metric for metric in comparison.columns if not is_timed(comparison.rows, metric)]
    shown = [(row.estimates.get(metric), metric) for row in comparison.rows for metric in columns]
    if any(estimate is not None and is_cut(estimate, metric) for estimate, metric in shown):
        lines.append(
            "An interval that would reach beyond what a metric can be is cut there, and both its ends are given."
        )
    if has_not_converged(comparison):
        lines.append(ABOUT_CONVERGENCE)
    lines += about_times(comparison)
    lines += (
        about_differences(comparison) + about_humps(comparison) + about_standing(comparison) + about_looks(comparison)
    )
    lines += power(comparison)
    if comparison.published:
        source = comparison.published.source
        lines.append(f"paper: {source}; other data and another model: compare orders, not values.")
    lines += about_data(comparison)
    signatures = sorted({signature for found in comparison.signatures.values() for signature in found})
    of_bleu = "bleu" in comparison.columns or any(claim.metric == "bleu" for claim in comparison.claims)
    lines += [f"BLEU: {signature}" for signature in signatures if of_bleu]
    for name, of_metric in comparison.text_signatures.items():
        lines += [f"{METRICS[name].short}: {signature}" for signature in of_metric]
    lines += about_faults(comparison)
    if len(comparison.environments) > 1:
        many = f"{len(comparison.environments)} different environments"
        lines.append(f"The runs come from {many} (machine, versions or variables).")
    return [visible(line) for line in lines]


def about_data(comparison: Comparison) -> list[str]:
    """What the data were: counts of a corpus, and whether seeds draw them."""
    lines = []
    for task, facts in in_common(comparison, comparison.facts).items():
        lines.append(f"{task}: {corpus_words(facts)}")
        if "source_pieces" in facts:
            lines.append(f"{task}: {PER_PIECE}.")
    drawn: dict[str, list[str]] = {}
    for task in comparison.tasks:
        if task in comparison.data_seeds:
            drawn.setdefault(data_words(comparison.data_seeds[task]), []).append(task)
    lines += [f"{', '.join(tasks)}: {by}." for by, tasks in drawn.items()]
    return lines


def about_faults(comparison: Comparison) -> list[str]:
    """How many runs are not in the means, and why the first of each kind is not."""
    lines = []
    for status in ("diverged", "failed", "missing"):
        if faults := [fault for fault in comparison.faults if fault.status == status]:
            first = faults[0]
            reason = f": {first.reason}" if first.reason else ""
            name = f"{first.task}/{first.strategy} seed {first.seed}"
            lines.append(f"{len(faults)} {status}, counted and not averaged; first: {name}{reason}")
    return lines


def about_times(comparison: Comparison) -> list[str]:
    """What must be known to read the times to a score; nothing where none is to be reached."""
    timed = [metric for metric in TO_REACH if is_timed(comparison.rows, metric)]
    if not timed or comparison.reach is None:
        return []
    headings = " and ".join(METRICS[metric].short for metric in timed)
    lines = [
        f"{headings} {score(comparison.reach)} on the validation set: Kaplan-Meier median, and how many runs reached "
        "it; one that did not is censored at its end. Differences and claims are of means restricted to the run: there "
        "it counts with all of it."
    ]
    for task, rows in comparison.by_task():
        tests = [(row.strategy, row.arrivals[timed[0]].p_holm) for row in rows if timed[0] in row.arrivals]
        if known := [f"{name} {p_value(p)}" for name, p in tests if p is not None]:
            told = f"{task}: log-rank p against {comparison.baseline}, Holm-corrected over strategies"
            lines.append(f"{told}: {', '.join(known)}.")
    return lines


def about_humps(comparison: Comparison) -> list[str]:
    """A warning where outcomes fall into two groups, such as those of runs that collapse and of those that do not."""
    found = [
        f"{row.task} {row.strategy} ({METRICS[metric].short})"
        for row in comparison.rows
        for metric in compared(comparison)
        if (estimate := row.estimates.get(metric)) and estimate.robust and estimate.robust.two_humps
    ]
    named = ", ".join(found[:NAMED]) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
    return [f"Two humps: {named}: {TWO_HUMPS}."] if found else []


def about_differences(comparison: Comparison) -> list[str]:
    """What must be known to read the differences; or why there are none."""
    if not has_difference(comparison.rows, compared(comparison)):
        lacking = len(comparison.strategies) > 1 and comparison.baseline not in comparison.strategies
        hint = f"No differences: the baseline {comparison.baseline} is not among the strategies: give --baseline NAME."
        return [hint] if lacking else []
    n, smallest = len(comparison.seeds), comparison.smallest_p
    line = f"Differences are paired by seed with {comparison.baseline}"
    if shows_p(comparison):
        line += "; p is the exact sign-flip p, Holm-corrected over strategies: "
        line += f"with {n} seeds no p can be below {smallest:.3g}"
    elif n > 1 and smallest is not None:
        line += f"; no p: with {n} seeds, Holm-corrected over strategies, none can be below {smallest:.3g}"
    lines = [f"{line}."]
    if has_bootstrap(comparison):
        lines.append(
            "bootstrap: seeds in which BLEU is better (+) and worse (-) than the baseline's at 5 %, by sacreBLEU's "
            "paired bootstrap of the test set."
        )
    return lines


def data_words(data_seed: int | str) -> str:
    """What drew a task's pairs, in words; `data_seed` as the document has it."""
    if data_seed == "seed":
        return "each seed draws its own training, validation and test pairs"
    if data_seed == "fixed":
        return "every seed has the same training, validation and test pairs"
    return f"training, validation and test pairs are those of data seed {data_seed}"


def corpus_words(facts: Mapping[str, int]) -> str:
    """The counts of a corpus in words: `1,500 training pairs; 14 % of 2,398 source test words unknown`."""
    left, parts = dict(facts), []
    if "training_pairs" in left:
        parts.append(f"{left.pop('training_pairs'):,} training pairs")
        if left_out := left.pop("left_out_pairs", 0):
            parts.append(f"{left_out:,} more left out as too long")
    for side in ("source", "target"):
        if f"{side}_vocabulary" in left:
            parts.append(f"{left.pop(f'{side}_vocabulary'):,} {side} words known")
        if f"{side}_unknown_words" in left and (words := left.pop(f"{side}_test_words", 0)):
            share = 100 * left.pop(f"{side}_unknown_words") / words
            parts.append(f"{share:.3g} % of {words:,} {side} test words unknown")
    parts += [f"{count:,} {name.replace('_', ' ')}" for name, count in left.items()]
    return ", ".join(parts)


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


def power(comparison: Comparison) -> list[str]:
    """How many seeds the undecided claims would need, in a line; none where all are decided."""
    seeds = [claim.seeds_needed for claim in comparison.claims if claim.seeds_needed is not None]
    conditions = "seeds for 80 % power, if the differences are as they look now"
    return [f"Undecided claims would need {about(seeds)} {conditions}."] if seeds else []


def reading(comparison: Comparison) -> str:
    """What to make of the table, as one paragraph: the file's line ends are not the reader's."""
    return visible(" ".join(comparison.reading.split()))
