"""What people see of one run: readable at 80 columns, hostile tokens as themselves, numbers that are the schedule's."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from ssrun.cli.inside import register, schedule_names, strategy_of
from ssrun.cli.options import completed
from ssrun.config.run import resolve
from ssrun.config.spec import Cell
from ssrun.errors import SsrunError, StoreError, UsageError
from ssrun.runs.execution import execute
from ssrun.runs.folder import RunFolder
from ssrun.strategies import STRATEGIES
from ssrun.strategies.schedules import SCHEDULES, Linear
from ssrun.strategies.trajectory import Trajectory
from ssrun.views.terminal.run import bar, shown
from ssrun.views.terminal.schedule import schedule_view

HOSTILE = ("[/]", "[red]x", "\x1b[31mred", "<script>alert(1)</script>", "漢字漢字漢字漢字漢字", "a\u202eb", "|", "``")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of reverse, and one of a hostile corpus."""
    folder = tmp_path_factory.mktemp("results")
    corpus = folder / "text"
    corpus.mkdir()
    lines = [f"{HOSTILE[n % 8]} {HOSTILE[n * 3 % 8]}\t{' '.join(HOSTILE[n % 5 :])}\n" for n in range(24)]
    for split in ("train", "valid", "test"):
        (corpus / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
    sizes = {"model": {"hidden": 16, "embedding": 16}, "training": {"steps": 30, "batch_size": 8}}
    pairs = {"task": {"validation_pairs": 10, "test_pairs": 30}}
    text = {"task": {"path": str(corpus), "minimum_frequency": 1}}
    for task, strategy, layer in (
        ("reverse", "uniform", pairs),
        ("reverse", "linear", pairs),
        ("corpus", "uniform", text),
    ):
        cell = Cell(task, strategy, resolve(task, strategy, 0, [sizes, layer]))
        for _ in execute(cell, RunFolder.of(folder / task, cell), 0):
            pass
    return folder


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssrun.system.signals.listen", lambda: None)


def told(*arguments: object) -> str:
    """What a command writes to stdout; its error, where it has one."""
    app = typer.Typer()
    register(app)
    outcome = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(outcome.exception, SsrunError):
        raise outcome.exception
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def document(*arguments: object) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(told(*arguments, "--json"), parse_constant=refuse)


def run_of(results: Path, task: str, strategy: str) -> Path:
    return next((results / task / task / strategy).iterdir())


# Readable


COMMANDS = [
    tuple(line.split()) for line in ("explain", "explain --step 20 --example 3", "inject", "inject --position 1")
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("task", ["reverse", "corpus"])
def test_no_line_is_longer_than_80_columns(results: Path, task: str, command: tuple[str, ...]) -> None:
    lines = told(*command, run_of(results, task, "uniform")).splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert len(lines) > 8


@pytest.mark.parametrize("name", [*STRATEGIES, "constant"])
def test_a_schedule_fits_80_columns_and_24_rows(name: str) -> None:
    lines = told("schedule", name).splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert len(lines) <= 23


def test_hostile_tokens_show_as_themselves(results: Path) -> None:
    run = run_of(results, "corpus", "uniform")
    text = "".join(told("explain", run, "--example", example) for example in range(8))
    text += "".join(told("explain", run, "--example", example, "--step", 9) for example in range(8))
    for token in ("[/]", "[red]x", r"\x1b[31mred", "<script>alert…", r"a\u202eb", "漢字漢字漢字 …", "``"):
        assert token in text
    assert not {"\x1b", "\u202e"} & set(text)


def test_signs_say_what_colours_say(results: Path) -> None:
    run = run_of(results, "reverse", "uniform")
    positions = document("explain", run, "--step", 25, "--example", 2)["positions"]
    rows = told("explain", run, "--step", 25, "--example", 2).splitlines()[5:]
    for position, row in zip(positions, rows, strict=False):
        signs = ("*" * position["replaced"], "x" * position["wrong"] + "r" * position["repeated"])
        words = [position["position"], position["coin"], position["fed"], signs[0], position["predicted"], signs[1]]
        words += [position["gold"], f"{position['p_gold']:.2f}"]
        assert row.split() == [str(word) for word in words if word != ""]
    assert any(position["wrong"] for position in positions)


def test_a_terminal_without_utf_8_gets_ascii(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console.ConsoleOptions.ascii_only", property(lambda options: True))
    for command in (("schedule", "inverse-sigmoid"), *((*c, run_of(results, "corpus", "uniform")) for c in COMMANDS)):
        text = told(*command)
        assert text.isascii()
        assert max(map(len, text.splitlines())) <= 80


def test_a_token_is_cut_by_cells_and_not_by_characters() -> None:
    assert shown("漢字漢字", False, 7) == "漢字漢…"
    assert shown("漢字漢字", False, 8) == "漢字漢字"
    assert shown("abcdef", True, 5) == "ab..."
    assert shown("é\x07", True, 20) == r"\xe9\x07"


# Numbers


def test_json_holds_both_sides_of_the_trained_model(results: Path) -> None:
    found = document("explain", run_of(results, "reverse", "linear"), "--example", 4)
    assert (found["task"], found["strategy"], found["seed"], found["example"]) == ("reverse", "linear", 0, 4)
    assert [p["gold"] for p in found["forced"]] == [*reversed(found["source"]), "<eos>"]
    assert [p["gold"] for p in found["free"]] == [p["gold"] for p in found["forced"]]


def test_a_probability_that_is_no_number_is_null() -> None:
    from ssrun.analysis.explanation import Position
    from ssrun.cli.inside import rows

    assert rows([Position(0, "a", "-", "<bos>", False, "a", False, False, float("nan"))])[0]["p_gold"] is None


def test_inject_tells_every_offset(results: Path) -> None:
    found = document("inject", run_of(results, "reverse", "linear"), "--pairs", 5)
    assert (found["pairs"], found["left_out"], found["position"]) == (5, 0, None)
    assert [offset["offset"] for offset in found["offsets"]] == list(range(len(found["offsets"])))
    assert found["offsets"][0]["excess"] == 0


@pytest.mark.parametrize("plain", [True, False])
def test_the_curve_is_drawn_where_epsilon_is(plain: bool) -> None:
    console = Console(width=80, record=True, file=sys.stderr, color_system=None)
    with console.capture() as capture:
        console.print(schedule_view("linear", Trajectory.of(Linear(), 61), "", plain))
    lines = [line[9:69].ljust(60) for line in capture.get().splitlines()[1:12]]
    drawn = [[row for row in range(11) if lines[row][column] != " "] for column in range(60)]
    assert all(abs(row - column / 6) <= 1 for column, rows_ in enumerate(drawn) for row in rows_)
    assert all(drawn)


def test_bars_are_five_points_a_cell() -> None:
    assert [bar(points, False) for points in (100, 7.5, 0.7, 0, -3)] == ["█" * 20, "█▌", "▏", "", ""]
    assert [bar(points, True) for points in (100, 7.6, 0.7, -3)] == ["#" * 20, "##", "", ""]


def test_fields_are_set_with_and_without_their_section() -> None:
    wanted = {"k": 50.0, "half_at": None}
    for setting in ("k=50", "strategy.k=50", " k =50"):
        found = strategy_of("inverse-sigmoid", [setting]).schedule.model_dump()
        assert wanted.items() <= found.items()
    assert strategy_of("constant", ["value=0.25"]).schedule(0, 1) == 0.25
    assert document("schedule", "uniform-token", "--steps", 300, "--set", "half_at=0.3")["half_share"] == pytest.approx(
        0.3
    )
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
    ],
)
def test_a_wrong_schedule_says_the_remedy_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        told("schedule", *arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_steps_must_be_at_least_one() -> None:
    app = typer.Typer()
    register(app)
    assert CliRunner().invoke(app, ["schedule", "linear", "--steps", "0"]).exit_code == 2


def test_completion_knows_strategies_and_schedules() -> None:
    assert completed(schedule_names)("con") == ["constant"]
    assert set(completed(schedule_names)("")) == {*STRATEGIES, *SCHEDULES}


def test_a_schedule_is_drawn_without_torch() -> None:
    program = (
        "import sys; from ssrun.__main__ import run; import typer; import ssrun.cli.inside as c;"
        "app = typer.Typer(); c.register(app); typer.main.get_command(app).main(['schedule', 'linear'], "
        "standalone_mode=False); print('torch' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "False"


# Which run


def test_a_folder_with_one_run_stands_for_it(results: Path) -> None:
    run = run_of(results, "corpus", "uniform")
    one = [document("explain", path) for path in (run, run.parent, run.parent.parent, results / "corpus")]
    assert one == [one[0]] * 4


def test_a_folder_with_several_runs_lists_them(results: Path) -> None:
    for path in (results / "reverse", results / "reverse" / "reverse"):
        with pytest.raises(UsageError, match=r"holds 2 runs: give one of them: .*linear.*uniform"):
            told("explain", path)


@pytest.mark.parametrize("command", ["explain", "inject"])
def test_a_place_without_a_run_says_what_to_give(results: Path, tmp_path: Path, command: str) -> None:
    file = tmp_path / "file"
    file.touch()
    for path in (tmp_path / "nowhere", tmp_path, file):
        with pytest.raises(StoreError, match=r"no run here: give a run's folder"):
            told(command, path)


def test_a_corpus_that_changed_is_refused(results: Path) -> None:
    from ssrun.tasks.corpus import read_split

    test = results / "text" / "test.tsv"
    before = test.read_text(encoding="utf-8")
    try:
        test.write_text(before + "a\tb\n", encoding="utf-8")
        for command in (("explain",), ("explain", "--step", 1), ("inject",)):
            read_split.cache_clear()
            with pytest.raises(UsageError, match="the corpus has changed"):
                told(*command, run_of(results, "corpus", "uniform"))
    finally:
        test.write_text(before, encoding="utf-8")
        read_split.cache_clear()


def test_an_example_that_there_is_not_says_which_there_are(results: Path) -> None:
    with pytest.raises(UsageError, match="the test set has 30 pairs: give 0 to 29"):
        told("explain", run_of(results, "reverse", "linear"), "--example", 30)
