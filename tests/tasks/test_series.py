"""Forecasts: the signals, what is cut from them, what their laws say next, and how far off a forecast is."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import fmean, pstdev

import pytest
import torch
from pydantic import ValidationError
from scipy.integrate import solve_ivp

from ssrun.config.resolution import resolve
from ssrun.config.run import ScoringConfig
from ssrun.errors import UsageError
from ssrun.seq2seq.scoring import score
from ssrun.tasks import END, Example, Tokens
from ssrun.tasks.dynamics import DAMPING, LAWS, PERIOD, held, mackey_glass, walked
from ssrun.tasks.series import Scale, Series, made_of, numbers_of
from tests.support.tiny import untrained

SMALL = {"training_pairs": 60, "validation_pairs": 10, "test_pairs": 20, "context": 5, "horizon": 8, "bins": 16}
MADE = ("mackey-glass", "oscillator", "narx")


def small(signal: str, **fields: object) -> Series:
    needed = {name: value for name, value in SMALL.items() if (name, signal) != ("context", "narx")}
    return Series.model_validate({"signal": signal, **needed, **fields})


def csv_of(folder: Path, values: list[float], name: str = "level") -> Path:
    path = folder / "series.csv"
    path.write_text("".join([f"day,{name}\n", *(f"{day},{value}\n" for day, value in enumerate(values))]))
    return path


def wave(count: int) -> list[float]:
    return [round(5 + 3 * math.sin(0.4 * t) + math.cos(0.11 * t), 6) for t in range(count)]


def of_file(folder: Path, values: list[float], **fields: object) -> Series:
    return small("file", path=str(csv_of(folder, values)), column="level", **fields).prepared()


# The signals


def test_mackey_glass_is_the_equation_by_the_method_of_steps() -> None:
    """Each stretch of a delay is an ordinary equation, its delayed values known from the stretch before."""
    known, pieces, x = (lambda t: 1.2), [], [1.2]
    for stretch in range(6):
        solved = solve_ivp(
            lambda t, y, known=known: 0.2 * known(t - 17) / (1 + known(t - 17) ** 10) - 0.1 * y,
            (17 * stretch, 17 * stretch + 17),
            x,
            rtol=1e-11,
            atol=1e-12,
            dense_output=True,
        )
        pieces.append(solved.sol)
        known, x = (lambda t, sol=solved.sol: sol(t)[0]), solved.y[:, -1]
    exact = [float(pieces[int(t // 17)](t)[0]) for t in range(6, 97, 6)]
    assert mackey_glass(16, settling=0) == pytest.approx(exact, abs=2e-6)
    assert mackey_glass(16, settling=0, step=0.25) == pytest.approx(exact, abs=2e-7)


def test_mackey_glass_settles_on_one_attractor_from_every_history() -> None:
    for history in (1.2, 0.9, 0.5):
        values = mackey_glass(1500, history)
        assert (fmean(values), pstdev(values)) == pytest.approx((0.93, 0.226), abs=0.01)
        assert 0.2 < min(values) < max(values) < 1.4


def test_the_oscillator_has_the_deviation_and_the_correlations_of_its_law() -> None:
    values = list(walked(LAWS["oscillator"], [0.0] * 60_000, Random(1), float))[100:]
    a, b = 2 * DAMPING * math.cos(2 * math.pi / PERIOD), -(DAMPING**2)
    first = a / (1 - b)
    expected = [first, a * first + b, a * (a * first + b) + b * first]
    variance = 1 / (1 - a * expected[0] - b * expected[1])
    assert pstdev(values) == pytest.approx(math.sqrt(variance), rel=0.03)
    for lag, correlation in enumerate(expected, start=1):
        products = [one * other for one, other in zip(values, values[lag:], strict=False)]
        assert fmean(products) / variance == pytest.approx(correlation, abs=0.05)


def test_an_input_jumps_within_its_range_and_stays_for_a_while() -> None:
    put_in = list(held(Random(2), 5000))
    assert -2 <= min(put_in) < -1.9 < 1.9 < max(put_in) <= 2
    assert fmean(one == other for one, other in pairwise(put_in)) == pytest.approx(0.5, abs=0.03)


# Bins and windows


@pytest.mark.parametrize("bins", [2, 3, 16, 32, 33, 100, 999, 1000])
def test_a_token_is_the_centre_of_its_bin_and_no_two_are_alike(bins: int) -> None:
    numbers, scale = numbers_of(bins), Scale(10.0, 2.0, bins)
    assert len(numbers) == bins
    assert "-0.0" not in {token.rstrip("0") for token in numbers}
    for token, centre in numbers.items():
        assert float(token) == pytest.approx(centre, abs=3 / bins)
        assert scale.token(10 + 2 * centre) == token
        assert scale.value(token) == pytest.approx(10 + 2 * centre)
    assert scale.token(-1e9) == next(iter(numbers))
    assert scale.token(1e9) == [*numbers][-1]
    assert [*map(scale.place, scale.edges)] == pytest.approx([*range(1, bins)], abs=1)


@pytest.mark.parametrize("signal", MADE)
def test_windows_are_as_many_and_as_long_as_asked_and_the_same_again(signal: str) -> None:
    task = small(signal)
    training, validation, test = task.training(), task.held_out("validation"), task.held_out("test")
    assert (len(training), len(validation), len(test)) == (60, 10, 20)
    for example in (*training, *validation, *test):
        assert (len(example.source), len(example.target)) == (8 if signal == "narx" else 5, 8)
        assert {*example.source, *example.target} <= {*task.source_tokens()}
    made_of.cache_clear()
    assert (task.training(), task.held_out("test")) == (training, test)
    assert task.facts() == {"training_pairs": 60}


@pytest.mark.parametrize("signal", MADE)
def test_the_defaults_are_in_units_of_the_deviation(signal: str) -> None:
    task = Series.model_validate({"signal": signal, "training_pairs": 2000})
    values = [task.numbers[token] for example in task.held_out("test") for token in example.target]
    assert fmean(values) == pytest.approx(0, abs=0.15)
    assert pstdev(values) == pytest.approx(1, abs=0.15)


def test_a_made_signal_is_another_one_in_every_split_and_mackey_glass_returns_as_often_as_said() -> None:
    for signal in ("oscillator", "narx"):
        task = Series.model_validate({"signal": signal})
        assert not {*task.training()} & {*task.held_out("test"), *task.held_out("validation")}
    task = Series()
    known = {example.source for example in task.training()}
    assert fmean(example.source in known for example in task.held_out("test")) == pytest.approx(0.14, abs=0.005)


def test_a_file_is_split_by_time_and_no_later_value_changes_what_is_learned(tmp_path: Path) -> None:
    values = wave(300)
    task = of_file(tmp_path, values, training_pairs=1000)
    scale = Scale(fmean(values[:210]), pstdev(values[:210]), 16)
    tokens = tuple(map(scale.token, values))
    assert made_of(task).scale == scale
    windows = [Example(tokens[k : k + 5], tokens[k + 5 : k + 13]) for k in range(288)]
    assert list(task.training()) == windows[:198]
    assert len(task.held_out("validation")) == 10
    assert {*task.held_out("validation")} <= {*windows[210:228]}
    assert list(task.held_out("test")) == [windows[240 + k * 48 // 20] for k in range(20)]
    (tmp_path / "later").mkdir()
    other = of_file(tmp_path / "later", [*values[:210], *(9 - value for value in values[210:])], training_pairs=1000)
    assert list(other.training()) == list(task.training())
    assert other.digest != task.digest
    assert list(task.model_copy(update={"training_pairs": 7}).training()) == windows[191:198], "the latest"


def test_values_beyond_the_bins_are_counted_and_kept_at_the_end(tmp_path: Path) -> None:
    task = of_file(tmp_path, [*wave(240), *[1000.0] * 60])
    assert task.facts() == {"training_pairs": 60, "test_values_beyond_the_bins": 60}
    assert {token for example in task.held_out("test") for token in example.target} == {task.source_tokens()[-1]}


# What a law says next


@pytest.mark.parametrize("signal", ["oscillator", "narx"])
def test_the_expert_is_how_often_the_law_goes_on_so_in_its_own_loop(signal: str) -> None:
    task, law, random = small(signal), LAWS[signal], Random(3)
    made = made_of(task)
    example = task.held_out("test")[0]
    for prefix in ((), example.target[:1], example.target[:3], example.target[3:5] * 2):
        said = task.expert(example, prefix)
        assert isinstance(said, dict)
        assert sum(said.values()) == pytest.approx(1)
        known = [*([] if signal == "narx" else map(made.scale.value, example.source)), *map(made.scale.value, prefix)]
        last, before = [*reversed(known), 0.0, 0.0][:2]
        put_in = made.inputs.value(example.source[len(prefix)]) if made.inputs else 0.0
        counts = dict.fromkeys(task.source_tokens(), 0)
        for _ in range(4000):
            counts[made.scale.token(law.f(last, before, put_in) + law.noise * random.normalvariate())] += 1
        for token, count in counts.items():
            share = said.get(token, 0.0)
            assert abs(count - 4000 * share) <= 5 * math.sqrt(4000 * share * (1 - share)) + 1, (prefix, token)


@pytest.mark.parametrize("signal", ["oscillator", "narx"])
def test_a_signal_is_as_surprising_as_its_law_says(signal: str) -> None:
    """Were it not rounded in its own loop, the tokens before would not tell all that the next one depends on."""
    task = small(signal, test_pairs=400)
    surprises, entropies = [], []
    for example in task.held_out("test"):
        for place, token in enumerate(example.target):
            said = task.expert(example, example.target[:place])
            assert isinstance(said, dict)
            surprises.append(-math.log(said[token]))
            entropies.append(-sum(share * math.log(share) for share in said.values()))
    assert fmean(surprises) == pytest.approx(fmean(entropies), abs=4 * pstdev(surprises) / math.sqrt(len(surprises)))


def test_the_expert_takes_what_was_said_for_true_and_what_is_no_value_for_the_true_one() -> None:
    task = small("oscillator")
    example = task.held_out("test")[0]
    true, top = example.target[:3], task.source_tokens()[-1]
    assert task.expert(example, (*true, top)) != task.expert(example, (*true, example.target[3]))
    assert task.expert(example, ("<unk>", *true[1:])) == task.expert(example, true)
    assert task.expert(example, (*true[:2], "<unk>")) == task.expert(example, true)
    assert task.expert(example, example.target) == task.expert(example, (top,) * 8) == (END,)


def test_without_a_law_of_tokens_the_expert_says_the_true_value_of_the_step(tmp_path: Path) -> None:
    for task in (small("mackey-glass"), of_file(tmp_path, wave(300))):
        example = task.held_out("test")[0]
        for place, token in enumerate((*example.target, END)):
            assert task.expert(example, (task.source_tokens()[0],) * place) == (token,)


# How far off


def judged(task: Series, target: str, output: str) -> dict[str, float]:
    return task.judge([Example(("0.5",), tuple(target.split()))], [tuple(output.split())])


def test_errors_are_in_deviations_and_what_is_missing_counts_as_the_mean() -> None:
    task = Series(bins=6, horizon=5)  # -2.5, -1.5, -0.5, 0.5, 1.5, 2.5
    target = "0.5 0.5 1.5 -2.5 2.5"
    assert judged(task, target, target) == {"forecast_rmse": 0, "forecast_rmse_late": 0}
    said = judged(task, target, "1.5 0.5 -0.5 -2.5 0.5")
    assert said == pytest.approx({"forecast_rmse": math.sqrt((1 + 4 + 4) / 5), "forecast_rmse_late": math.sqrt(4 / 2)})
    early = math.sqrt((2.5**2 + 2.5**2) / 5), 2.5
    assert tuple(judged(task, target, "0.5 0.5 1.5").values()) == pytest.approx(early)
    assert tuple(judged(task, target, "0.5 0.5 1.5 <unk> <eos>").values()) == pytest.approx(early)
    assert judged(task, target, f"{target} 2.5 2.5") == judged(task, target, target), "what comes after is not seen"
    assert judged(task, target, "") == judged(task, target, "<unk> " * 5)


def test_a_run_is_scored_by_step_under_both_feeds() -> None:
    trained = untrained(resolve("series", "linear", 0, [{"task": SMALL, "model": {"hidden": 8, "embedding": 8}}]))
    with torch.no_grad():
        for weight in trained.model.parameters():
            weight.mul_(6)  # so that what is fed matters
    task, examples = trained.config.task, list(trained.config.task.held_out("test"))
    scores = score(trained.model, task, examples, trained.vocabularies, ScoringConfig())

    def by_hand(predicted: list[Tokens]) -> list[float]:
        numbers = numbers_of(16)
        columns = zip(
            *(
                [(numbers.get(p, 0.0) - numbers[t]) ** 2 for p, t in zip(said, example.target, strict=False)]
                for said, example in zip(predicted, examples, strict=True)
            ),
            strict=True,
        )
        return [math.sqrt(fmean(column)) for column in columns]

    one_step, free = by_hand(scores.teacher_forced), by_hand(scores.free_running)
    assert one_step != free
    assert scores.curves["one_step_rmse"] == pytest.approx(one_step, abs=1e-4)
    assert scores.curves["forecast_rmse"] == pytest.approx(free, abs=1e-4)
    assert scores.values["one_step_rmse"] == pytest.approx(math.sqrt(fmean(error**2 for error in one_step)))
    assert scores.quality["forecast_rmse"] == task.judge(examples, scores.outputs)["forecast_rmse"]
    plain = untrained(resolve("copy", "linear", 0, [{"model": {"hidden": 8, "embedding": 8}}]))
    some = list(plain.config.task.held_out("validation"))[:5]
    other = score(plain.model, plain.config.task, some, plain.vocabularies, ScoringConfig())
    assert not {"one_step_rmse", "forecast_rmse"} & {*other.values, *other.quality, *other.curves}


# What is refused


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"signal": "file"}, "signal file needs a CSV: --corpus FILE"),
        ({"path": "x.csv"}, "path: it is of a file, and the signal is mackey-glass: give task.signal=file"),
        ({"column": "x"}, "column: it is of a file"),
        ({"signal": "narx", "context": 8}, "context = 8: the source of narx is its input alone"),
        ({"signal": "file", "path": "\udcff"}, "the name is not UTF-8"),
    ],
)
def test_what_would_be_ignored_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Series.model_validate(fields)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("day,level\n1,2\n2,x\n", r"series\.csv:3: 'x' is no number that can be forecast"),
        ("day,level\n1,2\n2\n", r"series\.csv:3: '' is no number"),
        ("day,level\n1,nan\n", r"series\.csv:2: 'nan' is no number"),
        ("day,level\n1,1e999\n", r"series\.csv:2: '1e999' is no number"),
        ("day,height\n1,2\n", r"series\.csv:1: task\.column: unknown column 'level'"),
        ("", r"series\.csv:1: task\.column"),
        ("day,level\n" + "1,2\n2,3\n" * 20, r"its validation part has 4 values, a window 13: lower task\.context"),
        ("day,level\n" + "1,2\n" * 300, r"column 'level' is the same in all of its training part"),
    ],
)
def test_a_file_that_cannot_be_forecast_is_refused_by_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        small("file", path=str(path), column="level").prepared()


def test_a_missing_or_changed_file_is_refused(tmp_path: Path) -> None:
    for name in ("none.csv", "x" * 300):
        with pytest.raises(UsageError, match="no such file: give a CSV"):
            small("file", path=str(tmp_path / name)).prepared()
    task = of_file(tmp_path, wave(300))
    assert task.prepared() == task
    assert small("file", path=str(csv_of(tmp_path, wave(300))), column="level").prepared() == task
    (tmp_path / "later").mkdir()
    changed = task.model_copy(update={"path": str(csv_of(tmp_path / "later", wave(301)))})
    with pytest.raises(UsageError, match="the values have changed since this run: put back the old file"):
        changed.prepared()


def test_of_one_column_the_name_need_not_be_said(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("level\n" + "".join(f"{value}\n" for value in wave(300)))
    task = small("file", path=str(path)).prepared()
    assert list(task.training()) == list(of_file(tmp_path, wave(300)).training())
