"""What people see while runs go on: whole lines in a pipe, and on a terminal a view that leaves a clean screen."""

from __future__ import annotations

import io
import itertools
import time

import pytest
from rich.console import Console

from ssrun.errors import Interrupted
from ssrun.runs.events import Evaluated, Failed, Finished, Retried, Started, Stepped, Update, Warned
from ssrun.views.terminal import progress
from ssrun.views.terminal.board import Board, Chart
from tests.support.outcomes import HOSTILE, diverged, evaluation, experiment, finished, run_name

RUN, OTHER = run_name("a"), run_name("b")
SCORED = Update(RUN, Evaluated(evaluation=evaluation()))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What stands on stderr, which is a terminal."""
    file = io.StringIO()
    console = Console(file=file, width=60, height=10, force_terminal=True, color_system=None, highlight=False)
    monkeypatch.setattr(progress, "stderr_console", lambda: console)
    return file


def test_in_a_pipe_each_event_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.watch_comparison(experiment(), [RUN, OTHER], 2, dict, 3) as view:
        for update in (
            Update(RUN, Started()),
            Update(RUN, Stepped(step=3, steps=100, epsilon=0.5, loss=1.0)),
            SCORED,
            Update(RUN, finished()),
            Update(OTHER, Warned(text=" ".join(HOSTILE))),
            Update(OTHER, Retried(reason="killed by SIGKILL")),
            Update(OTHER, Failed(reason="[/] \x1b[2J no memory")),
        ):
            view.update(update)
    out, err = capsys.readouterr()
    assert out == ""
    start, resumed, end, warning, *others = err.splitlines()
    assert start == "planted: 2 runs to train, 3 at once"
    assert resumed == "t/a seed 0: goes on from step 2"
    assert end == "[1/2] t/a seed 0: BLEU 56.8, free loss 0.123 (7 s)"
    assert warning.startswith("t/b seed 0: warning: [/] [bold]b[/bold] \\x1b]0;x\\x07")
    assert others == ["t/b seed 0: retry: killed by SIGKILL", r"[2/2] t/b seed 0: failed: [/] \x1b[2J no memory"]


def test_in_a_pipe_a_single_run_tells_its_evaluations(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.watch_run(RUN) as view:
        view.update(SCORED)
    assert capsys.readouterr().err == (
        "t/a seed 0 step 5: epsilon 0.500, forced loss 1.000, free loss 2.000, BLEU 12.3\n"
    )


def test_a_diverged_run_says_so() -> None:
    assert progress.outcome_of(Finished(result=diverged("loss is nan"))) == "loss is nan"


def test_nothing_to_train_is_nothing_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.watch_comparison(experiment(), [RUN], 0, lambda: {RUN: finished().scored}, 1):
        pass
    assert capsys.readouterr() == ("", "")


ERASED = "\x1b[1A\x1b[2K"


def test_a_runs_last_picture_stays_on_the_screen(terminal: io.StringIO) -> None:
    with progress.watch_run(RUN) as view:
        assert isinstance(view, Chart)
        view.update(SCORED)
    drawn, after = terminal.getvalue().rsplit("teacher-forced", 1)
    assert "free-running" in drawn
    assert ERASED not in after
    assert "\x1b[?25h" in after, "the cursor is shown again"


def comparison_stopped() -> None:
    """A comparison of three runs, the first done before, the second now; then a SIGINT comes."""
    runs = [RUN, OTHER, run_name("c")]
    with progress.watch_comparison(experiment(), runs, 2, lambda: {RUN: finished().scored}, 1) as view:
        view.update(Update(OTHER, finished()))
        raise Interrupted(2)


def run_stopped(*events: Stepped) -> None:
    with progress.watch_run(RUN) as view:
        for event in events:
            view.update(Update(RUN, event))
        raise Interrupted(15)


def test_a_comparisons_board_goes_for_its_table_but_stays_where_it_is_interrupted(terminal: io.StringIO) -> None:
    with progress.watch_comparison(experiment(), [RUN], 1, dict, 1) as view:
        view.update(Update(RUN, finished()))
    assert terminal.getvalue().rsplit("planted", 1)[1].count(ERASED) >= 3
    with pytest.raises(Interrupted):
        comparison_stopped()
    assert ERASED not in terminal.getvalue().rsplit("planted", 1)[1]


def test_an_interruption_says_how_far_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Interrupted, match=r"^interrupted at 2 of 3 runs: the same command goes on from here$") as error:
        comparison_stopped()
    assert error.value.exit_code == 130
    assert capsys.readouterr().err.splitlines()[0] == "planted: 2 of 3 runs to train, 1 at once"
    with pytest.raises(Interrupted, match=r"^interrupted at about step 3 of 100: "):
        run_stopped(Stepped(step=3, steps=100, epsilon=0.5, loss=1.0))
    with pytest.raises(Interrupted, match=r"^interrupted: the same command goes on"):
        run_stopped()


def test_quiet_tells_what_went_wrong_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.watch_comparison(experiment(), [RUN, OTHER], 2, dict, 1, quiet=True) as view:
        for event in (Stepped(step=3, steps=9, epsilon=0.5, loss=1.0), SCORED.event, finished()):
            view.update(Update(RUN, event))
        view.update(Update(OTHER, Warned(text="look")))
        view.update(Update(OTHER, Failed(reason="no memory")))
    with progress.watch_run(RUN, quiet=True) as view:
        view.update(SCORED)
    progress.tell_bootstrap([(1, 1)], quiet=True)
    assert capsys.readouterr().err.splitlines() == [
        "t/b seed 0: warning: look",
        "[2/2] t/b seed 0: failed: no memory",
    ]


def test_warnings_stay_on_the_screen_when_the_board_goes(terminal: io.StringIO) -> None:
    with progress.watch_comparison(experiment(), [RUN], 1, dict, 1) as view:
        assert isinstance(view, Board)
        view.update(Update(RUN, Warned(text="look\x1b at this")))
    assert terminal.getvalue().endswith("t / a / seed 0: look\\x1b at this\n")


def test_bootstraps_are_told_where_they_take_a_while(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    progress.tell_bootstrap([(1, 2), (2, 2)])
    assert capsys.readouterr().err == ""
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)) * 2)
    progress.tell_bootstrap([(1, 2), (2, 2)])
    assert capsys.readouterr().err == "paired bootstrap over the test set: 2 comparisons\n"


def test_on_a_terminal_every_bootstrap_is_told(terminal: io.StringIO) -> None:
    progress.tell_bootstrap([(1, 2), (2, 2)])
    assert terminal.getvalue() == "".join(f"paired bootstrap over the test set {done}/2\r" for done in (1, 2))
