"""One run, for a terminal: its result; and what is seen inside it, positions and recovery, at most 80 columns wide.

Every sign means the same without colour. `plain` asks for ASCII alone, where the terminal's encoding has no more.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.table import Table
from rich.text import Text

from ssrun.metrics import METRICS
from ssrun.runs.result import DivergedResult, Result, Scored
from ssrun.system.text import plural, visible
from ssrun.views.tables.footnotes import PER_PIECE
from ssrun.views.terminal.console import stdout_console

if TYPE_CHECKING:  # torch: not needed to draw a schedule
    from ssrun.analysis.explanation import Position, Sides, StepView
    from ssrun.seq2seq.error_recovery import Recovery

TOKEN = 14  # cells of a token in a table
PAGE = 80  # columns
LINE = 400  # cells of a source that are shown
OFFSETS = 40  # offsets that are shown
FROM_0 = "Steps, examples and positions count from 0."
SIGNS = {
    "x": ("wrong", "bold red"),
    "r": ("the same as the prediction before", "magenta"),
    "*": ("not the true token", "bold yellow"),
}


def print_result(result: Result, scored: Scored | None, path: Path) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(style="dim")
    if scored:
        for name, value in scored.metrics.items():
            metric = METRICS[name]
            table.add_row(name, f"{value:.{metric.decimals}f}", f"{metric.unit}: {metric.about}")
        for name, value in result.schedule.items():
            table.add_row(name, f"{value:.4g}", "of the schedule, as resolved")
        for name, count in scored.result.facts.items():
            table.add_row(name, str(count), "of the data")
        if (step := scored.result.selected_step) is not None:
            table.add_row("selected_step", str(step), f"whose weights are kept; {result.steps} were trained")
    elif isinstance(result, DivergedResult):
        table.add_row(result.status, Text(visible(result.reason)), "")
    console = stdout_console()
    console.print(table)
    if scored:
        if "source_pieces" in scored.result.facts:
            console.print(Text(PER_PIECE, style="dim"))
        for name, signature in {"signature": scored.scores.bleu_signature, **scored.scores.text_signatures}.items():
            console.print(Text(f"{name:<9}  {signature}", style="dim"))
    else:
        console.print(Text("signature  -", style="dim"))
    console.print(Text(f"run        {visible(path)}"), soft_wrap=True)
    sys.stdout.flush()


def shown(text: str, plain: bool, width: int = LINE) -> str:
    """A user's text as it can be shown: controls as escapes, cut to `width` terminal cells with an ellipsis."""
    text, dots = visible(text), "..." if plain else "…"
    if plain:
        text = text.encode("ascii", "backslashreplace").decode()
    return text if cell_len(text) <= width else set_cell_size(text, width - len(dots)) + dots


def empty_table(*columns: str) -> Table:
    """An empty table; a heading that begins with `>` is of numbers, aligned on the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column[:1] == ">" else "left", no_wrap=True)
    return table


def said(position: Position, plain: bool) -> tuple[Text, Text]:
    """A predicted token, in the colour of an error where it is one, and its signs."""
    signs = "x" * position.wrong + "r" * position.repeated
    token = Text(shown(position.predicted, plain, TOKEN), style=SIGNS["x"][1] if position.wrong else "")
    return token, Text.assemble(*((sign, SIGNS[sign][1]) for sign in signs))


def page(*parts: RenderableType) -> RenderableType:
    """The parts under each other, at most PAGE columns wide."""
    return Constrain(Group(*parts), PAGE)


def example_page(
    title: str, facts: str, source: Sequence[str], table: Table, signs: str, texts: Sequence[str], plain: bool
) -> RenderableType:
    """An example with its table, what the signs in it mean, and two texts: how to read it, and what came out."""
    line = Text.assemble(("source  ", "dim"), shown(" ".join(source), plain) if source else "none")
    pairs = [((sign, SIGNS[sign][1]), (f" {SIGNS[sign][0]}   ", "dim")) for sign in signs]
    legend = Text.assemble(*(part for pair in pairs for part in pair))
    head = [Text(shown(title, plain), style="bold"), Text(facts), line, Text()]
    return page(*head, table, Text(), legend, Text(texts[0], style="dim"), Text(texts[1]))


def step_view(title: str, example: int, view: StepView, plain: bool = False) -> RenderableType:
    """One example of one training step: gold, coin, fed and predicted, position by position."""
    labelled = any(is_not_gold(position) for position in view.positions)
    table = empty_table(">t", "coin", "fed", "", "predicted", "", "gold", ">p(gold)", *["label"] * labelled)
    for position in view.positions:
        coin = Text(position.coin, style="" if position.coin in ("true", "-") else "cyan")
        style = SIGNS["*"][1] if position.replaced else ""
        fed = [Text(text, style=style) for text in (shown(position.fed, plain, TOKEN), "*" * position.replaced)]
        gold = Text(shown(position.gold, plain, TOKEN))
        cells = [*fed, *said(position, plain), gold, Text(f"{position.p_gold:.2f}")]
        table.add_row(str(position.position), coin, *cells, *[label_of(position, plain, 3)] * labelled)
    drawn = [position for position in view.positions if position.coin not in ("true", "-")]
    replaced = sum(position.replaced for position in drawn)
    wrong = sum(position.wrong for position in view.positions)
    facts = f"step {view.step} of {view.steps}   {'epsilon' if plain else 'ε'} {view.epsilon:.3f}"
    facts += f"   loss {view.loss:.3f}   example {example} of {view.rows}"
    texts = [
        f"The token fed at t stands for the true one before it, gold at t - 1. {FROM_0}",
        f"{len(drawn)} of {plural(len(view.positions) - 1, 'coin')} did not say true, and {replaced} of them "
        f"changed the token.  {plural(wrong, 'error')} in {plural(len(view.positions), 'position')}.",
    ]
    return example_page(title, facts, view.source, table, "*xr", texts, plain)


def is_not_gold(position: Position) -> bool:
    """Whether something else than the true token is learned."""
    return [*position.label] != [position.gold]


def label_of(position: Position, plain: bool, most: int) -> Text:
    """What is learned at a position, the likeliest first and at most so many; in colour where it is not gold."""
    some = [shown(token, plain, TOKEN) for token in [*position.label][:most]]
    more = len(position.label) - most
    text = " ".join([*some, *([f"+{more}"] if more > 0 else [])]) or "-"
    return Text(text, style="bold cyan" if is_not_gold(position) else "")


def sides_view(
    title: str, example: int, examples: int, source: Sequence[str], sides: Sides, plain: bool
) -> RenderableType:
    """The trained model on one test example: predicted when fed gold, beside predicted when fed its own argmax.

    Where the run's label after its own is not always the true token it stands there, in the place of p(gold).
    """
    labelled = any(is_not_gold(position) for position in sides.free_running)
    last = "label" if labelled else ">p(gold)"
    table = empty_table(">t", "gold", "fed gold", "", ">p(gold)", "fed its own", "", last)
    for forced, free in zip(sides.teacher_forced, sides.free_running, strict=True):
        cells = [*said(forced, plain), Text(f"{forced.p_gold:.2f}"), *said(free, plain)]
        learned = label_of(free, plain, 2) if labelled else Text(f"{free.p_gold:.2f}")
        table.add_row(str(forced.position), Text(shown(forced.gold, plain, TOKEN)), *cells, learned)

    def errors(side: Sequence[Position]) -> str:
        wrong = [position.position for position in side if position.wrong]
        return plural(len(wrong), "error") + (f", the first at {wrong[0]}" if wrong else "")

    found = f"Fed gold: {errors(sides.teacher_forced)}.  Fed its own: {errors(sides.free_running)}.  "
    found += f"{len(sides.teacher_forced)} positions."
    return example_page(title, f"test example {example} of {examples}", source, table, "xr", [FROM_0, found], plain)


def excess_bar(points: float, plain: bool) -> str:
    """Percentage points as a bar, five of them a cell."""
    eighths = max(0, round(points * 8 / 5))
    if plain:
        return "#" * round(eighths / 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def recovery_view(title: str, recovery: Recovery, plain: bool = False) -> RenderableType:
    """A table with a bar per offset, and how many recover, and when."""
    table = empty_table(">offset", ">pairs", ">without", ">injected", ">excess", "", ">recovered")
    few = any(not recovery.reaches(offset) for offset in recovery.offsets[:OFFSETS])
    for offset in recovery.offsets[:OFFSETS]:
        errors = (f"{offset.without:.1f} %", f"{offset.injected:.1f} %", f"{offset.excess:+.1f}")
        bar = Text(f"{excess_bar(offset.excess, plain):<20}", style="red")
        pairs, style = (str(offset.pairs), None) if recovery.reaches(offset) else (f"({offset.pairs})", "dim")
        table.add_row(str(offset.offset), pairs, *errors, bar, f"{offset.recovered:.1f} %", style=style)
    where = "the middle of each target" if recovery.position is None else f"position {recovery.position}"
    lines = [
        f"{recovery.recovered} of {recovery.pairs} recover ({recovery.untouched} of them never differ); "
        f"{recovery.pairs - recovery.recovered} do not before the target ends."
    ]
    if recovery.mean_steps is not None:
        lines.append(f"Those that recover do so after {recovery.mean_steps:.2f} outputs on average.")
    if recovery.left_out:
        lines.append(f"{plural(recovery.left_out, 'pair')} left out: too short for a wrong token there.")
    notes = [
        "Offset 0 is the swapped position, still predicted from true tokens; from offset 1 on the model is fed its "
        "own argmax, after the true prefix (without) and after the one with the wrong token (injected). Errors in %, "
        "excess in points. Recovered: from here to the target's end, the same outputs as without the wrong token."
    ]
    if few:
        notes.append("In brackets: so few pairs reach so far that what is said of them may be luck.")
    if recovery.references > 1:
        notes.append("This task has several right answers, and errors count against the first: trust `recovered` more.")
    more = len(recovery.offsets) - OFFSETS
    return page(
        Text(shown(title, plain), style="bold"),
        Text(f"one wrong token at {where}, {plural(recovery.pairs, 'test pair')}"),
        Text(),
        table,
        *([Text(f"{plural(more, 'offset')} more: see --json", style="dim")] if more > 0 else []),
        Text(),
        *(Text(line) for line in lines),
        *(Text(note, style="dim") for note in notes),
    )
