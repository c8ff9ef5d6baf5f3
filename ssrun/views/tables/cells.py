"""A comparison's document as text: numbers with their intervals, notes, claims; and the table for the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ssrun.metrics import METRICS

Document = dict[str, Any]
Row = dict[str, Any]
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def visible(text: object) -> str:
    """Text with every control character shown as its escape: it cannot steer a terminal or a page."""
    return CONTROL.sub(lambda match: ascii(match.group())[1:-1], str(text))


def number(value: float | None, metric: str) -> str:
    """A metric's value with its decimals; a dash for none."""
    return "-" if value is None else f"{value:.{METRICS[metric].decimals}f}"


def mean(row: Row, metric: str) -> str:
    """The mean and the half width of its interval: `93.1 ± 2.0`."""
    cell = row.get(metric)
    if cell is None:
        return "-"
    if cell["low"] is None:
        return number(cell["mean"], metric)
    return f"{number(cell['mean'], metric)} ±{number((cell['high'] - cell['low']) / 2, metric)}"


def difference(row: Row, metric: str) -> str:
    """The paired difference and its interval: `+1.2 [+0.3, +2.1]`."""
    cell = row.get(metric, {})
    if cell.get("difference") is None:
        return "-"
    decimals = METRICS[metric].decimals
    text = f"{cell['difference']:+.{decimals}f}"
    if cell["difference_low"] is None:
        return text
    return f"{text} [{cell['difference_low']:+.{decimals}f}, {cell['difference_high']:+.{decimals}f}]"


def bootstrapped(row: Row) -> str:
    """In how many seeds the paired bootstrap over the test set tells the two models' BLEU apart at 5 %: `2/3`."""
    found = row.get("bleu", {}).get("bootstrap")
    return f"{sum(one['p'] < 0.05 for one in found)}/{len(found)}" if found else "-"


def has_bootstrap(document: Document) -> bool:
    """Whether BLEU is shown and its paired bootstrap was computed."""
    return "bleu" in columns(document) and any("bootstrap" in row.get("bleu", {}) for row in document["rows"])


def p_value(value: float | None) -> str:
    """A p value, to three decimals."""
    if value is None:
        return "-"
    return f"{value:.3f}" if value >= 0.001 else "<0.001"


def best(rows: Sequence[Row], metric: str) -> float | None:
    """The best mean of a task's rows; None where no way is better, or all are equal."""
    means = [row[metric]["mean"] for row in rows if metric in row]
    if METRICS[metric].better == "neither" or len(set(means)) < 2:
        return None
    return float(max(means) if METRICS[metric].better == "higher" else min(means))


def by_task(document: Document) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each task."""
    for task in dict.fromkeys(row["task"] for row in document["rows"]):
        yield task, [row for row in document["rows"] if row["task"] == task]


def columns(document: Document) -> list[str]:
    """The metrics that are shown and that some row has."""
    return [metric for metric in document["metrics"] if any(metric in row for row in document["rows"])]


def compared(document: Document) -> list[str]:
    """The metrics whose differences are shown: the first, and the free-running loss."""
    shown = columns(document)
    return [metric for metric in shown if metric in (shown[0], "free_running_loss")]


def paper_headings(document: Document) -> list[str]:
    """A heading for each published number."""
    paper = document["published"]
    return [f"paper: {visible(metric)}" for metric in paper["metrics"]] if paper else []


def paper_cells(document: Document, row: Row) -> list[str]:
    """The published numbers of a row's strategy, to stand beside ours."""
    paper = document["published"]
    if not paper:
        return []
    return [visible(value) for value in paper["rows"].get(row["strategy"], ["-"] * len(paper["metrics"]))]


def count(row: Row) -> str:
    """How many runs stand behind a row: `3`, or `4 of 5`."""
    return str(row["n"]) if row["n"] == row["of"] else f"{row['n']} of {row['of']}"


def notes(document: Document) -> list[str]:
    """What must be known to read the numbers."""
    n = len(document["seeds"])
    lines = [
        f"Mean and 95 % t-interval over seeds (n = {n}); * best mean of the task; losses in nats per position."
        if n > 1
        else "One seed: no interval, no p; a difference may be luck. Use --seeds 0..5 for evidence."
    ]
    if n > 1 and any(row["strategy"] == document["baseline"] for row in document["rows"]):
        lines.append(
            f"Differences are paired by seed with {document['baseline']}; p is the exact sign-flip p, Holm-corrected "
            f"over strategies: with {n} seeds no p can be below {document['smallest_p']:.3g}."
        )
    if document["published"]:
        source = document["published"]["source"]
        lines.append(f"paper: {source}; other data and another model: compare orders, not values.")
    if has_bootstrap(document):
        lines.append("bootstrap: seeds in which BLEU differs at 5 % by sacreBLEU's paired bootstrap of the test set.")
    for task, facts in document.get("facts", {}).items():
        lines.append(f"{task}: " + ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in facts.items()))
    signatures = sorted({signature for all_ in document["signatures"].values() for signature in all_})
    lines += [f"BLEU: {signature}" for signature in signatures]
    for status in ("diverged", "failed", "missing"):
        faults = [fault for fault in document["faults"] if fault["status"] == status]
        if faults:
            first = faults[0]
            reason = f": {first['reason']}" if first["reason"] else ""
            lines.append(
                f"{len(faults)} {status}, counted and not averaged; first: "
                f"{first['task']}/{first['strategy']} seed {first['seed']}{reason}"
            )
    if len(document["environments"]) > 1:
        lines.append(
            f"The runs come from {len(document['environments'])} different environments (machine or versions)."
        )
    return [visible(line) for line in lines]


def claim_lines(claim: Document) -> tuple[str, str]:
    """A claim's verdict with its sentence, and its evidence."""
    margin = f" by at least {claim['by']:g}" if claim["by"] else ""
    unit = METRICS[claim["metric"]]
    if claim["difference"] is None:
        found = "no pair of complete runs"
    else:
        found = f"difference {claim['difference']:+.{unit.decimals}f}"
        if claim["low"] is not None:
            found += f" [{claim['low']:+.{unit.decimals}f}, {claim['high']:+.{unit.decimals}f}]"
        found += f", p = {p_value(claim['p'])}, n = {claim['n']}"
    source = f" ({claim['source']})" if claim["source"] else ""
    return visible(f"{claim['text']}{source}"), visible(f"{claim['metric']}: {claim['order']}{margin}: {found}")


def reading(document: Document) -> str:
    """What to make of the table, as one paragraph: the file's line ends are not the reader's."""
    return visible(" ".join(document["reading"].split()))


def terminal(document: Document) -> RenderableType:
    """The whole comparison for a terminal."""
    parts: list[RenderableType] = [Text(visible(document["question"]), style="bold")]
    for task, rows in by_task(document):
        parts += [Text(), Fitting(*(means(document, task, rows, snug) for snug in (False, True)))]
        if any(row.get(metric, {}).get("difference") is not None for metric in compared(document) for row in rows):
            parts.append(Fitting(*(differences(document, rows, snug) for snug in (False, True))))
    parts += [Text(), *(Text(line, style="dim") for line in notes(document))]
    if document["claims"]:
        parts += [Text(), Text("Claims", style="bold cyan")]
        styles = {"agree": "bold green", "disagree": "bold red", "inconclusive": "bold yellow"}
        for claim in document["claims"]:
            sentence, found = claim_lines(claim)
            parts.append(Text.assemble((f"{claim['verdict']:>12}  ", styles[claim["verdict"]]), sentence))
            parts.append(Text(f"{'':14}{found}", style="dim"))
    if document["reading"]:
        parts += [Text(), Text(reading(document))]
    return Group(*parts)


class Fitting:
    """Of several tables the first that the terminal has room for; else the last, its cells wrapped."""

    def __init__(self, *tables: Table) -> None:
        self.tables = tables

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        free = options.update_width(10_000)
        fits = (table for table in self.tables if console.measure(table, options=free).maximum <= options.max_width)
        yield next(fits, self.tables[-1])


def means(document: Document, task: str, rows: Sequence[Row], snug: bool) -> Table:
    """The means of one task; snug: columns stand closer, and an n that all rows share stands in the title."""
    metrics, counts = columns(document), {count(row) for row in rows}
    own_n = not snug or len(counts) > 1
    title = task if own_n else f"{task}, n = {', '.join(counts)}"
    table = bare(title, "bold cyan", snug)
    if own_n:
        table.add_column("n", justify="right", no_wrap=True)
    for metric in metrics:
        table.add_column(METRICS[metric].short, justify="right")
    for heading in paper_headings(document):
        table.add_column(Text(heading), justify="right", style="dim")
    for row in rows:
        cells = [Text(row["strategy"]), *([Text(count(row))] if own_n else [])]
        for metric in metrics:
            is_best = metric in row and row[metric]["mean"] == best(rows, metric)
            cells.append(Text(("*" if is_best else "") + mean(row, metric), style="bold green" if is_best else ""))
        table.add_row(*cells, *map(Text, paper_cells(document, row)))
    return table


def differences(document: Document, rows: Sequence[Row], snug: bool) -> Table:
    """The paired differences from the baseline, of one task; snug: columns stand closer."""
    metrics = compared(document)
    table = bare(f"difference from {document['baseline']}", "italic", snug)
    for metric in metrics:
        table.add_column(METRICS[metric].short, justify="right")
        table.add_column("p", justify="right")
    if has_bootstrap(document):
        table.add_column("boot." if snug else "bootstrap", justify="right")
    for row in rows:
        if all(row.get(metric, {}).get("difference") is None for metric in metrics):
            continue
        cells = [Text(row["strategy"])]
        for metric in metrics:
            cells += [Text(difference(row, metric)), Text(p_value(row.get(metric, {}).get("p_holm")))]
        if has_bootstrap(document):
            cells.append(Text(bootstrapped(row)))
        table.add_row(*cells)
    return table


def bare(title: str, style: str, snug: bool) -> Table:
    """A table without lines, its first column the strategy."""
    table = Table(
        title=Text(title), title_justify="left", title_style=style, box=None, pad_edge=False, collapse_padding=snug
    )
    table.add_column("strategy", no_wrap=True)
    return table
