"""Signals that are made: a noisy oscillator, a system with an input, and the equation of Mackey and Glass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from math import cos, erf, pi, sqrt
from random import Random
from typing import NamedTuple

PERIOD = 12  # steps of the oscillator, whose amplitude falls by DAMPING a step
DAMPING = 0.95
HOLD = 0.5  # probability that the input of the NARX system stays for another step
DELAY, GROWTH, DECAY = 17.0, 0.2, 0.1  # of Mackey and Glass: chaos, and the values that everybody takes
STEP = 0.5  # of their integration
SAMPLING = 6.0  # units of time between two values
SETTLING = 300.0  # units of time that are left out, until the history is forgotten


class Law(NamedTuple):
    """y_t = f(y_{t-1}, y_{t-2}, u_t) + noise e_t, with e_t normal."""

    f: Callable[[float, float, float], float]
    noise: float

    def shares(self, expected: float, edges: Iterable[float]) -> list[float]:
        """The probability of what lies between two edges, ascending, where f is `expected`; no end below or above."""
        below = [0.0, *((1 + erf((edge - expected) / (self.noise * sqrt(2)))) / 2 for edge in edges), 1.0]
        return [high - low for low, high in pairwise(below)]


def oscillator(last: float, before: float, _: float) -> float:
    """AR(2) with complex roots: 2 r cos(2 pi / period) y_{t-1} - r^2 y_{t-2}."""
    return 2 * DAMPING * cos(2 * pi / PERIOD) * last - DAMPING**2 * before


def narendra(last: float, before: float, put_in: float) -> float:
    """Narendra and Parthasarathy 1990, example 2: y y' (y + 2.5) / (1 + y^2 + y'^2) + u."""
    return last * before * (last + 2.5) / (1 + last * last + before * before) + put_in


LAWS = {"oscillator": Law(oscillator, 1.0), "narx": Law(narendra, 0.1)}


def walked(law: Law, inputs: Iterable[float], random: Random, rounded: Callable[[float], float]) -> Iterator[float]:
    """The law from rest under these inputs; what is rounded is what goes on."""
    last = before = 0.0
    for put_in in inputs:
        last, before = rounded(law.f(last, before, put_in) + law.noise * random.normalvariate(0, 1)), last
        yield last


def held(random: Random, steps: int) -> Iterator[float]:
    """An input that jumps to anywhere in [-2, 2], and stays there for a while."""
    level = random.uniform(-2, 2)
    for _ in range(steps):
        yield level
        if random.random() >= HOLD:
            level = random.uniform(-2, 2)


def mackey_glass(points: int, history: float = 1.2, step: float = STEP, settling: float = SETTLING) -> list[float]:
    """Dx/dt = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x(t), every 6 units of time (Mackey and Glass 1977).

    Runge and Kutta's fourth order, on a grid that the delay is a multiple of; between two points the delayed value is a
    cubic by their values and slopes. So the error falls with step^4: with 0.5 it is below 2e-6 after 240 units from the
    history, and then grows as all errors do in chaos, while the attractor stays what it is.

    Args:
        points: Values wanted.
        history: What x was until time 0.
        step: Of the integration.
        settling: Units of time that are left out first.
    """
    lag, every, first = round(DELAY / step), round(SAMPLING / step), round(settling / step)
    x, after = history, born(history)
    values, slopes = [history] * (lag + 1), [*[0.0] * lag, after - DECAY * history]
    found = []
    for index in range(1, first + every * points + 1):
        left, right = values[index - 1], values[index]
        bend = step / 8 * (slopes[index - 1] - slopes[index]) if index > lag else 0.0
        before, middle, after = after, born((left + right) / 2 + bend), born(right)
        k1 = before - DECAY * x
        k2 = middle - DECAY * (x + step / 2 * k1)
        k3 = middle - DECAY * (x + step / 2 * k2)
        k4 = after - DECAY * (x + step * k3)
        x += step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        values.append(x)
        slopes.append(after - DECAY * x)
        if index > first and (index - first) % every == 0:
            found.append(x)
    return found


def born(x: float) -> float:
    square = x * x
    fourth = square * square
    return GROWTH * x / (1 + fourth * fourth * square)
