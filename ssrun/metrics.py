"""The metrics by name: what each is, its unit, which way is better, and what it can be."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple


class Metric(NamedTuple):
    """What a table needs to know of a metric; `least` and `most` are the ends of what it can be."""

    about: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    short: str
    decimals: int = 2
    least: float = 0.0
    most: float = math.inf
    on_request: bool = False  # a comparison holds it only where its columns or claims ask for it
    of_outputs: bool = False  # a share of the outputs: it goes in steps of one of them

    def resolution(self, test_pairs: int | None = None) -> float:
        """The least difference that it shows: of the last decimal, and of one output among so many test pairs."""
        last_decimal = 10.0**-self.decimals
        return max(last_decimal, 100 / test_pairs) if self.of_outputs and test_pairs else last_decimal


METRICS: dict[str, Metric] = {
    "bleu": Metric("corpus BLEU of the decoded outputs", "0-100", "higher", "BLEU", 1, most=100.0),
    "chrf": Metric("chrF of the decoded outputs", "0-100", "higher", "chrF", 1, most=100.0, on_request=True),
    "ter": Metric(
        "translation edit rate; none where a line has over 200 words", "%", "lower", "TER %", 1, on_request=True
    ),
    "exact_match": Metric("outputs equal to a reference", "%", "higher", "exact %", 1, most=100.0, of_outputs=True),
    "validity": Metric("outputs that the task accepts", "%", "higher", "valid %", 1, most=100.0, of_outputs=True),
    "bracket_f1": Metric("labelled bracket F1, as EVALB", "%", "higher", "F1 %", 1, most=100.0),
    "free_running_loss": Metric("loss when fed its own argmax", "nats", "lower", "free loss", 3),
    "teacher_forced_loss": Metric("loss when fed the true tokens", "nats", "lower", "forced loss", 3),
    "perplexity": Metric("exp(teacher_forced_loss)", "1", "lower", "perplexity", 2, least=1.0, on_request=True),
    "exposure_gap": Metric("free_running_loss - teacher_forced_loss", "nats", "neither", "gap", 3, least=-math.inf),
    "next_step_error": Metric("wrong argmax when fed the true tokens", "%", "lower", "next-step %", 1, most=100.0),
    "decoding_error": Metric("wrong argmax when fed its own argmax", "%", "lower", "decoding %", 1, most=100.0),
    "steps_to_reach": Metric(
        "steps until the score asked for is reached, at most the run's", "steps", "lower", "steps to", 0
    ),
    "seconds_to_reach": Metric(
        "training seconds until then, at most the run's", "s", "lower", "seconds to", 1, on_request=True
    ),
    "realised_epsilon": Metric("share of coins that said true", "0-1", "neither", "ε", 3, most=1.0),
    "replaced": Metric("share of fed tokens unlike the true ones", "0-1", "neither", "replaced", 3, most=1.0),
    "seconds": Metric("wall-clock seconds of the run", "s", "neither", "seconds", 1, on_request=True),
}
TO_REACH = ("steps_to_reach", "seconds_to_reach")  # that only an experiment with a score to reach has
NOT_ALWAYS = ("ter", "perplexity")  # that an evaluation may lack: a line too long, a loss too large
OF_EVERY_TASK = (  # those of outputs and losses that each evaluation has, whatever the task
    "bleu",
    "exact_match",
    "free_running_loss",
    "teacher_forced_loss",
    "exposure_gap",
    "next_step_error",
    "decoding_error",
)
