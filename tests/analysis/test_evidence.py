"""What is looked at in the runs: curves, the examples that tell most, and which tokens of an output are wrong."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssrun.analysis.evidence import complete_runs, contrasts, curve, marked, over_training, runs_of_one_seed
from tests.support.hostile import STRATEGIES, comparison


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return comparison(tmp_path_factory.mktemp("hostile"))


def test_a_curve_is_the_mean_and_the_range_at_the_shared_places() -> None:
    found = curve([[(1, 2.0), (2, 4.0), (3, 0.0)], [(1, 4.0), (2, 8.0)]])
    assert found == ([1, 2], [3.0, 6.0], [2.0, 4.0], [4.0, 8.0])


def test_a_long_curve_is_thinned_and_keeps_its_end() -> None:
    found = curve([[(step, float(step)) for step in range(1, 10_001)]])
    assert len(found.x) <= 200
    assert found.x[-1] == 10_000
    assert found.mean == found.x


def test_curves_over_training_are_those_of_the_stored_evaluations(results: Path) -> None:
    runs = complete_runs(results)["reverse", "always-sampling"]
    found = over_training(runs, "free_running_loss")
    assert found.x == [6, 12, 18, 24]
    last = [run.folder.evaluations()[-1].free_running_loss for run in runs]
    assert found.mean[-1] == pytest.approx(sum(last) / 2)
    assert (found.low[-1], found.high[-1]) == (min(last), max(last))


@pytest.mark.parametrize(
    ("output", "references", "marks", "missing"),
    [
        ("a b c", ["a b c"], "...", 0),
        ("a x c", ["a b c"], ".x.", 0),
        ("a c", ["a b c"], "..", 1),
        ("", ["a b"], "", 2),
        ("x y", ["a b c"], "xx", 1),
        ("c d e", ["a b", "c d"], "..x", 0),
    ],
)
def test_wrong_tokens_are_those_outside_the_alignment(
    output: str, references: list[str], marks: str, missing: int
) -> None:
    found = marked("s", tuple(output.split()), [tuple(reference.split()) for reference in references])
    assert "".join("x" if wrong else "." for _, wrong in found.tokens) == marks
    assert found.missing == missing
    assert found.right == (output in references)


def is_within(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    rest = iter(whole)
    return all(token in rest for token in part)


def best_alignment(output: tuple[str, ...], reference: tuple[str, ...]) -> tuple[int, ...]:
    """By trying all: the longest choice of the output's positions that stands in the reference, the earliest first."""
    for size in range(len(output), -1, -1):
        for kept in combinations(range(len(output)), size):
            if is_within(tuple(output[index] for index in kept), reference):
                return kept
    raise AssertionError


words = st.lists(st.sampled_from("abc"), max_size=8).map(tuple)


@given(words, st.lists(words, min_size=1, max_size=3))
def test_marks_are_the_longest_alignment_with_the_nearest_reference(
    output: tuple[str, ...], references: list[tuple[str, ...]]
) -> None:
    found = marked("s", output, references)
    kept = [best_alignment(output, reference) for reference in references]
    errors = [max(len(output), len(reference)) - len(one) for reference, one in zip(references, kept, strict=True)]
    nearest = errors.index(min(errors))
    assert tuple(index for index, (_, wrong) in enumerate(found.tokens) if not wrong) == kept[nearest]
    assert found.missing + sum(wrong for _, wrong in found.tokens) == errors[nearest]
    assert found.right == (output in references)


def test_examples_shown_first_are_those_that_differ(results: Path) -> None:
    runs = runs_of_one_seed(complete_runs(results), "reverse")
    assert [(run.name.strategy, run.name.seed) for run in runs] == [(strategy, 0) for strategy in STRATEGIES]
    every = contrasts(runs, 40)
    kinds = [len({tuple(output.tokens) for output in contrast.outputs}) for contrast in every]
    assert contrasts(runs, 3) == every[:3]
    assert len(every) == 40
    assert kinds[0] == max(kinds)


def test_there_are_no_examples_without_runs(tmp_path: Path) -> None:
    assert contrasts([], 3) == []
    assert complete_runs(tmp_path) == {}
