"""What is looked at in the runs: curves, the examples that tell most, and which tokens of an output are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssrun.analysis import evidence
from ssrun.analysis.evidence import (
    Run,
    complete_runs,
    contrasts,
    curve,
    errors_of,
    marked,
    over_training,
    parameters_of,
    runs_of_one_seed,
    set_against,
)
from ssrun.errors import StoreError
from ssrun.runs.folder import RunFolder
from ssrun.runs.trained import load_trained
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


def test_one_token_that_breaks_a_row_is_one_wrong_token_and_by_position_each_answers_for_its_own() -> None:
    def wrong(output: str, reference: str, by_position: bool = False) -> list[int]:
        tokens = marked("x", tuple(output), [tuple(reference)], by_position).tokens
        return [index for index, (_, is_wrong) in enumerate(tokens) if is_wrong]

    assert wrong("aaaaacaaaaaaaaa", "a" * 15) == [5]
    assert wrong("abbc", "aabbc") == []
    assert wrong("abbc", "aabbc", by_position=True) == [1, 3]
    assert marked("x", tuple("abbc"), [tuple("aabbc")], True).missing == 1


@pytest.fixture
def planted(results: Path) -> Iterator[list[Run]]:
    """The runs of one seed; of 40 pairs the first 10 are right for all, the next 10 for the last strategy alone."""
    runs = runs_of_one_seed(complete_runs(results), "reverse")
    assert [(run.name.strategy, run.name.seed) for run in runs] == [(strategy, 0) for strategy in STRATEGIES]
    said = {run.name: run.folder.outputs() for run in runs}
    right = [example.target for example in runs[0].folder.test_pairs()]
    with pytest.MonkeyPatch.context() as patch:

        def outputs(folder: RunFolder) -> list[str]:
            run = next(run for run in runs if run.folder.path == folder.path)
            free = 10 if run is not runs[-1] else 20
            wrong = ["z " * (index - free) + line for index, line in enumerate(said[run.name]) if index >= free]
            return [*map(" ".join, right[:free]), *wrong]

        patch.setattr(RunFolder, "outputs", outputs)
        yield runs


def test_examples_are_chosen_by_what_is_usual_and_what_is_not(planted: list[Run]) -> None:
    seen = list(set_against(planted))
    chosen = contrasts(planted, "teacher-forcing")
    assert [one.why.partition(":")[0] for one in chosen] == [
        "typical", "strategies differ", "teacher-forcing is wrong", "every strategy is right", "hard", "easy",
    ]  # fmt: skip
    typical, differ, wrong, right, hard, easy = chosen
    errors = sorted(one.error for one in seen)
    assert typical.error in errors[19:21]
    assert easy.error <= typical.error <= hard.error
    assert hard.error >= errors[30]
    assert (0 < differ.right < 3, differ.like) == (True, 10)
    assert (wrong.outputs[0].right, wrong.like) == (False, 30)
    assert (right.right, right.like, right.of) == (3, 10, 40)
    assert len({one.test_index for one in chosen}) == len(chosen)
    assert contrasts(planted, "teacher-forcing") == chosen


def test_a_kind_that_is_not_there_is_left_out(results: Path) -> None:
    runs = runs_of_one_seed(complete_runs(results), "corpus")
    seen = list(set_against(runs))
    assert not any(one.right for one in seen)
    kinds = [one.why.partition(":")[0] for one in contrasts(runs, "teacher-forcing")]
    assert kinds == ["typical", "teacher-forcing is wrong", "hard", "easy"]
    assert all(one.error * len(one.example.target) == pytest.approx(mean_errors(one)) for one in seen)


def mean_errors(contrast: evidence.Contrast) -> float:
    return sum(map(errors_of, contrast.outputs)) / len(contrast.outputs)


def test_long_outputs_are_looked_at_within_reason(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = runs_of_one_seed(complete_runs(results), "reverse")
    monkeypatch.setattr(evidence, "ALIGNMENTS", 0)
    assert 0 < len(list(set_against(runs))) < 40
    assert len(contrasts(runs, "teacher-forcing")) >= 1


def test_there_are_no_examples_without_runs(tmp_path: Path) -> None:
    assert contrasts([], "teacher-forcing") == []
    assert complete_runs(tmp_path) == {}


def test_the_parameters_of_a_model_are_counted_without_reading_them(results: Path) -> None:
    run = complete_runs(results)["reverse", "teacher-forcing"][0]
    model = load_trained(run.folder).model
    assert parameters_of(run) == sum(weight.numel() for weight in model.state_dict().values())
    path = run.folder.path / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(StoreError, match="damaged"):
        parameters_of(run)
    path.write_bytes(whole)


def test_an_evaluation_without_the_metric_has_no_point(results: Path) -> None:
    runs = complete_runs(results)["reverse", "teacher-forcing"]
    assert over_training(runs, "bracket_f1").x == []
