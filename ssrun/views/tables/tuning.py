"""What was tried of each strategy, what won, and what more trials were worth, as a table."""

from __future__ import annotations

from ssrun.analysis.document import Tuning
from ssrun.analysis.tuning import budgets, expected_best
from ssrun.config.tuning import words_of
from ssrun.metrics import METRICS
from ssrun.system.text import plural, visible
from ssrun.views.tables.cells import number

TITLE = "What tuning found"


def about(tuning: Tuning) -> str:
    """How the settings were chosen, in a sentence."""
    trials = max((len(cell.trials) for cell in tuning.cells), default=0)
    seeds = f"{plural(len(tuning.seeds), 'seed')} ({', '.join(map(str, tuning.seeds))})"
    return (
        f"Settings by the mean {METRICS[tuning.metric].short} on the validation set over {seeds}, none of which a "
        f"verdict rests on; {plural(trials, 'trial')} a strategy and task. Best of k: what the best of k trials, drawn "
        "from these, is expected to have (Dodge et al. 2019)."
    )


def grid(tuning: Tuning) -> tuple[list[str], list[list[str]]]:
    """The headings, and a row a strategy and task; the first three columns are words."""
    most = max((len(cell.trials) for cell in tuning.cells), default=0)
    headings = ["task", "strategy", "what won", METRICS[tuning.metric].short]
    headings += [f"best of {count}" for count in budgets(most)[:-1]]
    rows = []
    for cell in tuning.cells:
        values = [trial.value for trial in cell.trials if trial.value is not None]
        expected = [expected_best(values, count, tuning.metric) for count in budgets(most)[:-1]]
        numbers = [number(value, tuning.metric) for value in (cell.value, *expected)]
        rows.append([visible(cell.task), visible(cell.strategy), visible(words_of(cell.settings)), *numbers])
    return headings, rows
