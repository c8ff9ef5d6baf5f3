"""What must be known to read a comparison's tables, as lines below them."""

from __future__ import annotations

from collections.abc import Mapping

from ssrun.analysis import bootstrap
from ssrun.analysis.convergence import FALL, FLOOR
from ssrun.analysis.document import Comparison
from ssrun.analysis.sweeps import in_common
from ssrun.metrics import METRICS, TO_REACH
from ssrun.system.text import visible
from ssrun.views.tables.arrivals import is_timed, score
from ssrun.views.tables.cells import (
    NOT_CONVERGED,
    compared,
    has_bootstrap,
    has_difference,
    has_not_converged,
    is_cut,
    p_value,
    shows_p,
)
from ssrun.views.tables.claims import about_looks, about_standing, power

NAMED = 3  # rows that a note names
TWO_HUMPS = (
    "the mean of an outcome with two humps cannot be judged with few seeds; where 15 % of seeds collapse, a verdict "
    "errs in about 27 % at n = 8, when none of them happens to collapse, and in about 6 % at n = 32"
)
ABOUT_CONVERGENCE = (
    f"{NOT_CONVERGED}: runs whose training loss still fell, by over {100 * FALL:g} % and {FLOOR:g} nats from one fifth "
    "of the steps to the last: more steps would change the row. Where ε still falls, it can hide that."
)
PER_PIECE = "losses, perplexity and error rates are per piece of a word, everything else is of whole words"


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
    lines += about_plugins(comparison)
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
    for task, seed in in_common(comparison, comparison.data_seeds).items():
        drawn.setdefault(data_words(seed), []).append(task)
    lines += [f"{', '.join(tasks)}: {by}." for by, tasks in drawn.items()]
    return lines


def about_plugins(comparison: Comparison) -> list[str]:
    """Which plugins have made what of these runs; nothing where none has."""
    parts: dict[str, dict[str, None]] = {}
    for plugin in (plugin for environment in comparison.environments for plugin in environment.plugins):
        parts.setdefault(plugin.origin, {})[f"{plugin.kind} {plugin.name}"] = None
    told = "; ".join(f"{origin} ({', '.join(made)})" for origin, made in sorted(parts.items()))
    return [f"Of plugins: {told}."] if told else []


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
    pairs = sum(row.estimates["bleu"].pairs or 0 for row in comparison.rows if "bleu" in row.estimates)
    if "bleu" in comparison.columns and pairs > bootstrap.MOST:
        lines.append(f"No bootstrap: {pairs:,} pairs of runs, and it is made of at most {bootstrap.MOST:,}.")
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
