"""explain, inject, schedule: which run they mean, what they tell as JSON, and what they refuse."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from ssrun.__main__ import run
from ssrun.strategies import SCHEDULES, STRATEGIES
from tests.support.outcomes import HOSTILE

TOKENS = " ".join(HOSTILE).split()


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ssrun.system.signals.listen", lambda: None)
        yield


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of reverse, and one of a hostile corpus."""
    folder = tmp_path_factory.mktemp("results")
    corpus = folder / "text"
    corpus.mkdir()
    lines = [f"{' '.join(TOKENS[index % 5 :][:9])}\t{' '.join(TOKENS[index % 7 :])}\n" for index in range(24)]
    for split in ("train", "valid", "test"):
        (corpus / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
    pairs = ("task.validation_pairs=10", "task.test_pairs=30")
    text = (f"task.path={corpus}", "task.minimum_frequency=1")
    for task, strategy, settings in (
        ("reverse", "uniform", pairs),
        ("reverse", "linear", pairs),
        ("corpus", "uniform", text),
    ):
        arguments = ["train", "--task", task, "--strategy", strategy, "--steps", "30", "--out", folder / task]
        for setting in (*settings, "model.hidden=16", "model.embedding=16", "training.batch_size=8"):
            arguments += ["--set", setting]
        told(*arguments)
    return folder


def told(*arguments: object) -> str:
    """What a command writes to stdout."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    assert code == 0, err.getvalue()
    return out.getvalue()


def refused(*arguments: object) -> tuple[int, str]:
    """The exit code of a command that fails, and the one line that it says."""
    err = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    (line,) = err.getvalue().splitlines()
    return code, line


def document(*arguments: object) -> Any:
    """What a command tells as strict JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(told(*arguments, "--json"), parse_constant=refuse)


def run_of(results: Path, task: str, strategy: str) -> Path:
    return next((results / task / task / strategy).iterdir())


COMMANDS = (("explain",), ("explain", "--step", "20", "--example", "3"), ("inject", "--position", "1"))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_terminal_without_utf_8_gets_ascii(
    results: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    path = run_of(results, "corpus", "uniform")
    assert not told(*command, path).isascii()
    monkeypatch.setattr("rich.console.ConsoleOptions.ascii_only", property(lambda options: True))
    assert told(*command, path).isascii()


def test_json_holds_both_sides_of_the_trained_model(results: Path) -> None:
    found = document("explain", run_of(results, "reverse", "linear"), "--example", 4)
    assert (found["task"], found["strategy"], found["seed"], found["example"]) == ("reverse", "linear", 0, 4)
    assert [position["gold"] for position in found["forced"]] == [*reversed(found["source"]), "<eos>"]
    assert [position["gold"] for position in found["free"]] == [position["gold"] for position in found["forced"]]


def test_json_holds_every_position_of_a_training_step(results: Path) -> None:
    found = document("explain", run_of(results, "reverse", "uniform"), "--step", 25, "--example", 2)
    assert (found["step"], found["steps"], found["rows"]) == (25, 30, 8)
    assert [position["position"] for position in found["positions"]] == list(range(len(found["source"]) + 1))
    assert {position["coin"] for position in found["positions"]} <= {"-", "true", "model"}


def test_a_probability_that_is_no_number_is_null() -> None:
    from ssrun.analysis.explanation import Position
    from ssrun.cli.run import rows_of

    assert rows_of([Position(0, "a", "-", "<bos>", False, "a", False, False, float("nan"))])[0]["p_gold"] is None


def test_inject_tells_every_offset(results: Path) -> None:
    found = document("inject", run_of(results, "reverse", "linear"), "--pairs", 5)
    assert (found["pairs"], found["left_out"], found["position"]) == (5, 0, None)
    assert [offset["offset"] for offset in found["offsets"]] == list(range(len(found["offsets"])))
    assert found["offsets"][0]["excess"] == 0


def test_fields_of_a_schedule_are_set_with_and_without_their_section() -> None:
    for setting in ("k=50", "strategy.k=50", " k =50"):
        assert document("schedule", "inverse-sigmoid", "--set", setting)["k"] == 50
    assert document("schedule", "constant", "--set", "value=0.25")["first"] == 0.25
    shifted = document("schedule", "uniform-token", "--steps", 300, "--set", "half_at=0.3")
    assert shifted["half_share"] == pytest.approx(0.3)
    far = document("schedule", "inverse-sigmoid", "--set", "k=1e12")["resolved"]["half_step"]
    assert far == pytest.approx(1e12 * math.log(1e12))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("invers-sigmoid",), "did you mean 'inverse-sigmoid'"),
        (("linear", "--set", "over"), "write it like --set half_at=0.3"),
        (("linear", "--set", "model.hidden=3"), "write it like --set half_at=0.3"),
        (("linear", "--set", "feed=argmax"), "epsilon does not depend on it"),
        (("linear", "--set", "ovr=1"), "did you mean 'over'"),
        (("linear", "--set", "start=2"), "start = 2: "),
        (("linear", "--steps", "0"), "--steps"),
    ],
)
def test_a_wrong_schedule_says_the_remedy_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    code, line = refused("schedule", *arguments)
    assert code == 2
    assert message in line


def test_completion_knows_strategies_and_schedules() -> None:
    from ssrun.cli.catalogue import schedule_names
    from ssrun.cli.options import completed

    assert completed(schedule_names)("con") == ["constant"]
    assert set(completed(schedule_names)("")) == {*STRATEGIES, *SCHEDULES}


def test_a_schedule_is_drawn_without_torch() -> None:
    program = "import sys; from ssrun.__main__ import run; run(['schedule', 'linear']); print('torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "False"


def test_a_folder_with_one_run_stands_for_it(results: Path) -> None:
    path = run_of(results, "corpus", "uniform")
    first, *others = [document("explain", path), *(document("explain", above) for above in list(path.parents)[:3])]
    assert others == [first] * 3


def test_a_folder_with_several_runs_lists_them(results: Path) -> None:
    for path in (results / "reverse", results / "reverse" / "reverse"):
        code, line = refused("explain", path)
        assert code == 2
        assert "holds 2 runs: give one of them: " in line
        assert line.index("linear") < line.index("uniform")


@pytest.mark.parametrize("command", ["explain", "inject"])
def test_a_place_without_a_run_says_what_to_give(tmp_path: Path, command: str) -> None:
    file = tmp_path / "file"
    file.touch()
    for path in (tmp_path / "nowhere", tmp_path, file):
        code, line = refused(command, path)
        assert code == 5
        assert "no run here: give a run's folder" in line


def test_a_corpus_that_changed_is_refused(results: Path) -> None:
    from ssrun.tasks.corpus import read_split

    test = results / "text" / "test.tsv"
    before = test.read_text(encoding="utf-8")
    try:
        test.write_text(before + "a\tb\n", encoding="utf-8")
        for command in (("explain",), ("explain", "--step", 1), ("inject",)):
            read_split.cache_clear()
            code, line = refused(*command, run_of(results, "corpus", "uniform"))
            assert code == 2
            assert "the corpus has changed" in line
    finally:
        test.write_text(before, encoding="utf-8")
        read_split.cache_clear()


def test_an_example_that_there_is_not_says_which_there_are(results: Path) -> None:
    code, line = refused("explain", run_of(results, "reverse", "linear"), "--example", 30)
    assert code == 2
    assert "the test set has 30 pairs: give 0 to 29" in line
