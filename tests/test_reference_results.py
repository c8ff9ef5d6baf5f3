"""What is committed of the reference runs: tables, the claims page and the README say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ssrun.analysis.document import Comparison, read_comparison
from ssrun.config.loading import load, names
from ssrun.metrics import METRICS
from ssrun.views.formats import FILES, text_of
from ssrun.views.tables.claims_page import claims_page, comparisons_in
from ssrun.views.terminal.catalogue import experiments

ROOT = Path(__file__).parents[1]
FORMER = ("bengio-table-2",)  # six seeds that were looked at, claims that were not sealed
RESULTS = ROOT / "results"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def kept(name: str) -> Comparison:
    return read_comparison(RESULTS / name / "table.json")


def block(name: str) -> str:
    match = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.S)
    assert match, name
    return match[1]


@pytest.mark.parametrize("name", names())
def test_every_experiment_has_its_reference_tables_which_agree_in_every_format(name: str) -> None:
    comparison, experiment = kept(name), load(name)
    assert comparison.experiment == name
    assert comparison.question == experiment.question
    assert [claim.text for claim in comparison.claims] == [claim.text for claim in experiment.claims]
    assert len(comparison.rows) == len(experiment.cells) * len(experiment.strategies)
    assert {row.n for row in comparison.rows} == {len(experiment.seeds)}
    assert comparison.faults == []
    for format, file in FILES.items():
        assert (RESULTS / name / file).read_text(encoding="utf-8") == text_of(comparison, format)


@pytest.mark.parametrize("name", names())
def test_every_experiment_has_eight_fresh_seeds_claims_a_question_and_minutes(name: str) -> None:
    experiment = load(name)
    assert experiment.claims
    if name not in FORMER:
        assert len(experiment.seeds) >= (3 if name == "corpus-expert" else 8)
        standings = [claim.standing for claim in kept(name).claims]
        assert None not in standings
        assert "confirmatory" in standings  # exploratory are those on runs that another experiment had made before
    assert experiment.question.endswith("?")
    assert experiment.minutes is not None
    assert experiment.minutes <= {"default": 10, "corpus-expert": 90}.get(name, 30)


def test_the_claims_page_is_made_of_the_tables() -> None:
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == claims_page(comparisons_in(RESULTS))


def test_the_readme_shows_the_committed_table() -> None:
    rows = [line for line in text_of(kept("default"), "markdown").splitlines() if "| " in line]
    shown = [re.sub(r"[\s|*\\]+", " ", line).strip() for line in block("table").splitlines() if line.startswith("| ")]
    whole = [re.sub(r"[\s|*\\]+", " ", line).strip() for line in rows]
    for line in shown[2:]:
        assert any(other.startswith(line) for other in whole), line
    assert len(shown) == 2 + len(kept("default").rows)


def test_the_readme_shows_the_committed_differences_by_budget() -> None:
    whole = text_of(kept("budget"), "markdown").splitlines()
    shown = block("budget").splitlines()
    assert len(shown) > 2
    assert set(shown) <= set(whole)


def test_the_readme_opens_with_the_committed_finding() -> None:
    whole = kept("dagger")
    estimates = {(row.task, row.strategy): row.estimates for row in whole.rows}
    told = re.findall(r"^\| (\S+?), `(\S+?)` (.*?) \| (.*) \|$", block("dagger"), re.M)
    assert len(told) >= 8
    strategies = ("teacher-forcing", "sampled-gold", "sampled-expert", "half-gold", "half-expert")
    for task, metric, _, cells in told:
        for strategy, cell in zip(strategies, cells.split(" | "), strict=True):
            mean = estimates[task, strategy][metric].mean
            assert re.match(rf"\**{mean:.{METRICS[metric].decimals}f} ±", cell), (task, metric, strategy)


def test_the_readme_lists_every_experiment() -> None:
    listed = re.findall(r"^\| `([a-z0-9-]+)` \| (.*?) \| (\d+) \| ([\d.]+) \|$", block("experiments"), re.M)
    assert [(name, question) for name, question, _, _ in listed] == [
        (row["name"], row["question"].replace("|", "\\|")) for row in experiments()
    ]
    for name, _, runs, minutes in listed:
        experiment = load(name)
        assert int(runs) == len(experiment.cells) * len(experiment.strategies) * len(experiment.seeds)
        assert float(minutes) == experiment.minutes


def test_every_verdict_in_the_readme_is_that_of_the_page() -> None:
    verdicts = {
        (comparison.experiment, claim.text): claim.verdict
        for comparison in comparisons_in(RESULTS)
        for claim in comparison.claims
    }
    told = re.findall(r"^\| \*\*(agree|disagree|inconclusive)\*\* \| (.*?) \| `(.*?)` \|", block("claims"), re.M)
    assert len(told) > 10
    for verdict, text, experiment in told:
        assert verdicts[experiment, text] == verdict
