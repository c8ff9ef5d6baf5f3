"""epsilon over training: each schedule against its closed form, written here a second time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import expit, lambertw

from ssrun.config.overrides import parse_settings
from ssrun.config.resolution import resolve
from ssrun.strategies.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Cycle,
    Decay,
    Exponential,
    InverseSigmoid,
    Linear,
    Piecewise,
    Schedule,
    Staircase,
    Switch,
    lambert_w,
    logistic,
)

N = 2000
I = np.arange(N)  # noqa: E741 - the paper's i
LATE = 10**7


def epsilons(schedule: Schedule, steps: int = N) -> np.ndarray:
    return np.array([schedule(step, steps) for step in range(steps)])


def k_of(half_at: float, steps: int = N) -> float:
    return half_at * steps / lambertw(half_at * steps).real


CLOSED_FORMS = [
    (Piecewise(points=((0, 1.0), (500, 1.0), (1500, 0.2))), np.interp(I, [0, 500, 1500], [1, 1, 0.2])),
    (Constant(), np.ones(N)),
    (Constant(value=0.25), np.full(N, 0.25)),
    (Linear(), 1 - I / N),
    (Linear(start=0.9, end=0.2, over=0.5), np.clip(0.9 - 0.7 * I / (N / 2), 0.2, None)),
    (Linear(start=0.25, over=2), 0.25 * (1 - I / (2 * N))),
    (Exponential(k=0.999), 0.999**I),
    (Exponential(k=0.99, start=0.8, end=0.1), np.maximum(0.1, 0.8 * 0.99**I)),
    (Exponential(), 0.5 ** (I / (0.5 * N))),
    (Exponential(half_at=0.1), 0.5 ** (I / (0.1 * N))),
    (InverseSigmoid(k=100), 100 / (100 + np.exp(I / 100))),
    (InverseSigmoid(k=40, start=0.9, end=0.3), np.maximum(0.3, 0.9 * 40 / (40 + np.exp(I / 40)))),
    (InverseSigmoid(), k_of(0.5) / (k_of(0.5) + np.exp(I / k_of(0.5)))),
    (InverseSigmoid(half_at=0.25), k_of(0.25) / (k_of(0.25) + np.exp(I / k_of(0.25)))),
    (Cosine(), (1 + np.cos(np.pi * I / N)) / 2),
    (Cosine(start=0.9, end=0.2, over=0.5), 0.2 + 0.35 * (1 + np.cos(np.pi * np.minimum(1, I / (N / 2))))),
    (Staircase(start=0.9, end=0.6), np.repeat([0.9, 0.8, 0.7, 0.6], N // 4)),
    (Staircase(levels=3, over=0.3), np.repeat([1, 0.5, 0], [N // 10, N // 10, 8 * N // 10])),
    (Switch(), np.where(I < N / 2, 1, 0)),
    (Switch(at=0.1), np.where(I < N / 10, 1, 0)),
    (Cycle(), np.where(I // 50 % 2 == 0, 1, 0)),
    (Cycle(period=8, duty=0.25), np.where(I % 8 < 2, 1, 0)),
]
every = pytest.mark.parametrize("schedule", [schedule for schedule, _ in CLOSED_FORMS], ids=str)


@pytest.mark.parametrize(("schedule", "closed_form"), CLOSED_FORMS, ids=lambda value: str(value)[:60])
def test_a_schedule_is_its_closed_form_over_the_whole_run(schedule: Schedule, closed_form: np.ndarray) -> None:
    np.testing.assert_allclose(epsilons(schedule), closed_form, rtol=1e-9, atol=1e-12)


def test_the_closed_forms_cover_every_schedule() -> None:
    assert {type(schedule) for schedule, _ in CLOSED_FORMS} == set(SCHEDULES.values())


@every
def test_epsilon_is_a_probability_at_every_step_and_far_beyond(schedule: Schedule) -> None:
    for steps in (1, 2, N, LATE):
        for step in (0, 1, steps // 2, steps - 1, steps, LATE):
            assert 0 <= schedule(step, steps) <= 1


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Linear(end=0.1), 0.1),
        (Exponential(k=0.999999), 0.999999**LATE),
        (Exponential(k=0.9, end=0.05), 0.05),
        (InverseSigmoid(k=1), 0.0),
        (InverseSigmoid(k=100), 0.0),
        (InverseSigmoid(k=1e6), 1e6 / (1e6 + math.exp(10))),
        (InverseSigmoid(k=1e5, end=0.2), 0.2),
    ],
    ids=str,
)
def test_ten_million_steps_do_not_overflow(schedule: Schedule, expected: float) -> None:
    assert schedule(LATE, N) == pytest.approx(expected, rel=1e-6, abs=1e-300)


# Half points and floors


@pytest.mark.parametrize("steps", [10, 1000, 1_000_000])
@pytest.mark.parametrize("half_at", [0.05, 0.25, 0.5, 0.9, 3])
@pytest.mark.parametrize("kind", [Exponential, InverseSigmoid])
def test_epsilon_is_a_half_where_half_at_says(kind: type[Schedule], half_at: float, steps: int) -> None:
    assert kind(half_at=half_at)(half_at * steps, steps) == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("half_at", [0.1, 0.5, 2])
def test_the_k_of_half_at_is_the_papers(half_at: float) -> None:
    assert InverseSigmoid(half_at=half_at).resolved(N) == pytest.approx({"k": k_of(half_at), "half_step": half_at * N})
    k = 0.5 ** (1 / (half_at * N))
    assert Exponential(half_at=half_at).resolved(N) == pytest.approx({"k": k, "half_step": half_at * N})
    for decay in (InverseSigmoid(half_at=half_at), Exponential(half_at=half_at)):
        resolved = decay.resolved(N)
        assert type(decay)(k=resolved["k"]).resolved(N) == pytest.approx(resolved)


# What is refused


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("exponential", {"k": 0.9, "half_at": 0.5}, "say the same thing"),
        ("inverse-sigmoid", {"k": 9, "half_at": 0.5}, "say the same thing"),
        ("exponential", {"half_at": None}, "give k or half_at"),
        ("exponential", {"k": 0}, "greater than 0"),
        ("exponential", {"k": 1}, "less than 1"),
        ("exponential", {"k": -0.5}, "greater than 0"),
        ("exponential", {"k": math.nan}, "finite"),
        ("inverse-sigmoid", {"k": 0.99}, "greater than or equal to 1"),
        ("inverse-sigmoid", {"k": math.inf}, "finite"),
        ("inverse-sigmoid", {"half_at": 0}, "greater than or equal to 0.000000001"),
        ("inverse-sigmoid", {"k": 1e13}, "less than or equal to 1000000000000"),
        ("inverse-sigmoid", {"start": 0.2, "end": 0.4}, "a decay falls"),
        ("linear", {"start": 1.1}, "less than or equal to 1"),
        ("linear", {"end": -0.1}, "greater than or equal to 0"),
        ("linear", {"over": 0}, "greater than or equal to 0.000000001"),
        ("constant", {"value": 1.5}, "less than or equal to 1"),
        ("switch", {"at": 2}, "less than or equal to 1"),
        ("cycle", {"period": 0}, "greater than or equal to 1"),
        ("cycle", {"duty": -1}, "greater than or equal to 0"),
        ("linear", {"k": 5}, "Extra inputs"),
    ],
)
def test_a_field_out_of_its_range_is_refused(name: str, fields: dict[str, float], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SCHEDULES[name](**fields)


@every
def test_a_schedule_stores_itself(schedule: Schedule) -> None:
    assert type(schedule).model_validate(schedule.model_dump()) == schedule
    assert type(schedule).model_validate_json(schedule.model_dump_json()) == schedule


# Means


@every
@pytest.mark.parametrize("steps", [1, 7, N, 20_001])
def test_the_mean_is_over_every_step(schedule: Schedule, steps: int) -> None:
    assert schedule.mean(steps) == pytest.approx(epsilons(schedule, steps).mean())


@pytest.mark.parametrize(("steps", "error"), [(200_000, 0), (10**9, 2e-3)])
@pytest.mark.parametrize("period", [2, 64, 100, 1000, 12_345])
def test_the_mean_of_a_long_run_misses_no_period(period: int, steps: int, error: float) -> None:
    share = sum(Cycle(period=period)(step, steps) for step in range(period)) / period
    cut_short = period / steps
    assert Cycle(period=period).mean(steps) == pytest.approx(share, abs=error + cut_short)
    assert Cycle().mean(steps) == pytest.approx(0.5, abs=error)


def test_the_mean_of_a_decay_over_a_long_run_is_its_integral() -> None:
    assert Linear().mean(10**9) == pytest.approx(0.5, abs=1e-4)
    assert Exponential().mean(10**9) == pytest.approx(0.75 / (2 * math.log(2)), abs=1e-4)


@pytest.mark.parametrize("kind", [Linear, Exponential, InverseSigmoid, Cosine, Staircase])
@pytest.mark.parametrize("mean", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("steps", [500, 50_000])
def test_a_matched_decay_has_the_mean_that_was_asked_for(kind: type[Decay], mean: float, steps: int) -> None:
    assert kind().matched(mean, steps).mean(steps) == pytest.approx(mean, abs=5e-3)


def test_a_matched_decay_is_the_same_for_ever_for_it_names_runs() -> None:
    matched = [kind().matched(0.5, steps) for kind in (Linear, Exponential, InverseSigmoid) for steps in (700, 9000)]
    assert [getattr(decay, decay.shape[0]) for decay in matched] == pytest.approx(
        [
            0.9985714285714289,
            0.9994444444444446,
            0.43411606158012817,
            0.4346258390472616,
            0.4992857142857151,
            0.4997222222222225,
        ],
        rel=1e-15,
    )


def test_matching_keeps_every_other_field() -> None:
    matched = InverseSigmoid(k=20, start=0.9, end=0.1).matched(0.6, 500)
    assert (matched.start, matched.end, matched.k) == (0.9, 0.1, None)


def test_a_mean_that_no_shape_reaches_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no half_at gives exponential a mean epsilon of 0\.200"):
        Exponential(end=0.4).matched(0.2, N)


# The two functions they stand on


def test_lambert_w_is_scipys() -> None:
    x = np.concatenate(([0, 1e-12, 1e-3], np.logspace(-2, 12, 200)))
    np.testing.assert_allclose([lambert_w(value) for value in x], lambertw(x).real, rtol=1e-12, atol=1e-15)


def test_logistic_is_scipys_at_every_size() -> None:
    x = np.array([-1e9, -800, -709, -30, -1, 0, 1, 30, 709, 800, 1e9])
    np.testing.assert_allclose([logistic(value) for value in x], expit(x), rtol=1e-12)


@every
def test_a_schedule_that_is_not_stretched_over_the_run_is_the_same_however_long_it_is(schedule: Schedule) -> None:
    """And one that is stretched is another at some step, so that none is kept from sharing its training."""
    shorter = [schedule(step, N) for step in range(N)]
    longer = [schedule(step, 3 * N) for step in range(N)]
    assert (shorter == longer) is not schedule.stretched


# Piecewise


def test_points_are_joined_by_straight_lines_and_level_outside() -> None:
    piecewise = Piecewise(points=((10, 0.8), (20, 0.4), (20, 1.0), (30, 0.0)))
    assert [piecewise(step, 100) for step in (0, 10, 15, 19)] == pytest.approx([0.8, 0.8, 0.6, 0.44])
    assert [piecewise(step, 100) for step in (20, 25, 30, 99)] == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert not piecewise.stretched
    assert piecewise(15, 100) == piecewise(15, 10_000)


@pytest.mark.parametrize(
    ("points", "fault"),
    [([], "at least 1"), ([[5, 0.5], [3, 0.1]], "step 3 stands after step 5"), ([[0, 1.5]], "less than or equal to 1")],
)
def test_points_that_make_no_schedule_are_refused(points: list[list[float]], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Piecewise.model_validate({"name": "piecewise", "points": points})


def test_points_can_be_set_on_the_command_line() -> None:
    overrides = parse_settings(["strategy.schedule=piecewise", "strategy.points=[[0, 1], [50, 1], [50, 0]]"])
    schedule = resolve("copy", "uniform", 0, [overrides]).strategy.schedule
    assert [schedule(step, 100) for step in (0, 49, 50)] == [1, 1, 0]
