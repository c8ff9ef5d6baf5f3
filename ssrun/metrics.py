"""The metrics by name: what each is, its unit, which way is better, and what it can be."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple


class Metric(NamedTuple):
    """What a table needs to know of a metric.

    Attributes:
        about: What it is.
        unit: Of its values.
        better: Which way.
        short: The heading of its column.
        decimals: That are shown.
        least: The least that it can be; `most` the most.
        on_request: A comparison holds it only where its columns or claims ask for it.
        of_outputs: It is a share of the outputs, and goes in steps of one of them.
        formula: Where `about` is not all.
        source: Who said so first.
    """

    about: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    short: str
    decimals: int = 2
    least: float = 0.0
    most: float = math.inf
    on_request: bool = False
    of_outputs: bool = False
    formula: str = ""
    source: str = ""

    @property
    def range(self) -> str:
        """What it can be, such as `>= 0, <= 100`; empty where that is any number."""
        ends = ((">=", self.least), ("<=", self.most))
        return ", ".join(f"{sign} {end:g}" for sign, end in ends if math.isfinite(end))

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
    "rouge_l": Metric(
        "longest common subsequence of each output with its best reference",
        "0-100",
        "higher",
        "ROUGE-L",
        1,
        most=100.0,
        on_request=True,
        formula="mean of 100 (1 + b^2) P R / (R + b^2 P), P = LCS / |output|, R = LCS / |reference|, each the best of "
        "the references; b = 1.2, as in the COCO evaluation",
        source="Lin 2004",
    ),
    "cider_d": Metric(
        "n-grams that outputs share with their references, the rare ones more",
        "0-10",
        "higher",
        "CIDEr-D",
        2,
        most=10.0,
        on_request=True,
        formula="10 mean over n = 1..4 and references of exp(-d^2 / 72) <min(o, r), r> / (|o| |r|), o, r: counts of "
        "n-grams times log(outputs / outputs with a reference that has it), d: words by which lengths differ",
        source="Vedantam et al. 2015 (arXiv 1411.5726)",
    ),
    "exact_match": Metric("outputs equal to a reference", "%", "higher", "exact %", 1, most=100.0, of_outputs=True),
    "validity": Metric("outputs that the task accepts", "%", "higher", "valid %", 1, most=100.0, of_outputs=True),
    "bracket_f1": Metric("labelled bracket F1, as EVALB", "%", "higher", "F1 %", 1, most=100.0),
    "forecast_rmse": Metric(
        "root mean square error of the values that are said, fed its own; a missing one counts as the training mean",
        "deviations",
        "lower",
        "RMSE",
        3,
        formula="sqrt(mean over test windows and steps of (value said - true value)^2), values the centres of bins, in "
        "standard deviations of the training part; curves.forecast_rmse in result.json is by step",
    ),
    "forecast_rmse_late": Metric(
        "the same of the last quarter of the steps",
        "deviations",
        "lower",
        "late RMSE",
        3,
        formula="as forecast_rmse, over the last ceil(n / 4) of n steps",
    ),
    "one_step_rmse": Metric(
        "root mean square error of the likeliest value at each step, fed the true values before it",
        "deviations",
        "lower",
        "1-step RMSE",
        3,
        formula="as forecast_rmse, of next-step predictions; curves.one_step_rmse in result.json is by step",
    ),
    "free_running_loss": Metric("loss when fed its own argmax", "nats", "lower", "free loss", 3),
    "teacher_forced_loss": Metric("loss when fed the true tokens", "nats", "lower", "forced loss", 3),
    "perplexity": Metric("exp(teacher_forced_loss)", "1", "lower", "perplexity", 2, least=1.0, on_request=True),
    "bits_per_token": Metric(
        "teacher_forced_loss in bits, a position", "bits", "lower", "bits", 3, on_request=True, formula="loss / ln 2"
    ),
    "exposure_gap": Metric("free_running_loss - teacher_forced_loss", "nats", "neither", "gap", 3, least=-math.inf),
    "next_step_error": Metric("wrong argmax when fed the true tokens", "%", "lower", "next-step %", 1, most=100.0),
    "decoding_error": Metric("wrong argmax when fed its own argmax", "%", "lower", "decoding %", 1, most=100.0),
    "edit_rate": Metric(
        "edits that make each output its nearest reference, of all its tokens",
        "%",
        "lower",
        "edit %",
        1,
        formula="100 sum d(output, nearest reference) / sum |nearest reference|, d: tokens put in, left out or changed",
        source="Levenshtein 1966",
    ),
    "distinct": Metric(
        "different outputs of those to different sources",
        "%",
        "neither",
        "distinct %",
        1,
        most=100.0,
        of_outputs=True,
        formula="100 |{outputs}| / |{sources}|",
        source="distinct-n of Li et al. 2016 (arXiv 1510.03055), of whole outputs",
    ),
    "calibration_error": Metric(
        "how far the argmax's probability is from how often it is right, when fed the true tokens",
        "%",
        "lower",
        "calibration %",
        1,
        most=100.0,
        formula="100 sum_m |B_m| / n |accuracy(B_m) - confidence(B_m)|, B_m: positions by confidence in 15 equal bins",
        source="expected calibration error of Guo et al. 2017 (arXiv 1706.04599)",
    ),
    "expert_loss": Metric(
        "cross-entropy from what the task's expert may say, when fed its own argmax",
        "nats",
        "lower",
        "expert loss",
        3,
        on_request=True,
        formula="mean over positions of -sum_v e(v) log p(v), e the expert's distribution after the model's own prefix",
        source="the loss of DAgger, Ross et al. 2011",
    ),
    "expert_error": Metric(
        "own argmax that is not among the expert's likeliest tokens, when fed its own argmax",
        "%",
        "lower",
        "expert err %",
        1,
        most=100.0,
        on_request=True,
        source="the 0-1 loss of DAgger, Ross et al. 2011",
    ),
    "expert_choices": Metric(
        "tokens that the expert holds equally good after the model's own prefix: of many, a label says little",
        "tokens",
        "neither",
        "choices",
        2,
        least=1.0,
        on_request=True,
        formula="mean over positions of exp(entropy of the expert)",
    ),
    "excess_error": Metric(
        "how much further from the expert the model is under its own prefixes than under the data's",
        "%",
        "lower",
        "excess %",
        1,
        least=-100.0,
        on_request=True,
        formula="100 (K_model / K_data - 1), K = sum over positions of the mean KL(expert, model), up to the one "
        "that half of the targets reach; prefixes sampled from the model, or true",
        source="ExAccErr of Arora et al. 2022 (arXiv 2204.01171)",
    ),
    "self_recovery": Metric(
        "pairs whose own continuation is soon as if no wrong token had been put into the middle of the true prefix",
        "%",
        "higher",
        "recovered %",
        1,
        most=100.0,
        on_request=True,
        of_outputs=True,
        formula="100 |{pairs whose outputs agree again before the end}| / |{pairs}|, as `ssrun inject` counts them",
        source="self-recovery: He et al. 2021 (arXiv 1905.10617)",
    ),
    "distractor_margin": Metric(
        "how much likelier a target's last quarter is than that of another target of its length; true prefixes both",
        "nats",
        "higher",
        "margin",
        3,
        least=-math.inf,
        on_request=True,
        formula="mean over the last ceil(n / 4) positions of log p(y_t, after y_<t) - log p(d_t, after d_<t), d: "
        "another test target of as many positions n; curves.distractor_margin in result.json is by position",
        source="Wang and Sennrich 2020 (arXiv 2005.03642)",
    ),
    "repetition": Metric(
        "four tokens in a row that an output has said before",
        "%",
        "lower",
        "repeated %",
        1,
        most=100.0,
        on_request=True,
        formula="mean over outputs of 100 (1 - unique 4-grams / 4-grams); none where all have fewer than four tokens",
        source="seq-rep-4 of Welleck et al. 2020 (arXiv 1908.04319)",
    ),
    "beam_drop": Metric(
        "what the beam that a run is scored with loses against greedy search; only where that is more than 1",
        "BLEU",
        "lower",
        "beam drop",
        1,
        least=-100.0,
        most=100.0,
        on_request=True,
        formula="BLEU(beam 1) - BLEU(scoring.beam)",
        source="the beam problem of Wang and Sennrich 2020 (arXiv 2005.03642)",
    ),
    "generalisation_gap": Metric(
        "loss on the test set less the loss on training pairs, both when fed the true tokens: what exposure is not",
        "nats",
        "lower",
        "gen. gap",
        3,
        least=-math.inf,
        on_request=True,
        formula="teacher_forced_loss(test) - teacher_forced_loss(as many pairs of the run's first batches)",
        source="Schmidt 2019 (arXiv 1910.00292)",
    ),
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
BUILT_IN = frozenset(METRICS)
# fmt: off
TAKEN = frozenset({  # that stand beside metrics, in a result, a row of a table or a line of the evaluations
    "arrivals", "bleu_signature", "converged", "curves", "diverged", "epsilon", "facts", "failed", "files",
    "mean_epsilon", "metrics", "missing", "n", "not_converged", "of", "of_plugins", "pairs", "plugins", "reached",
    "reason", "references", "run", "schedule", "scoring", "seed", "selected_step", "settings", "signature",
    "status", "step", "steps", "store", "strategy", "task", "test_pairs", "text_signatures", "training_loss",
    "walk_share",
})
# fmt: on


def describe(name: str, metric: Metric) -> None:
    """Adds a plugin's metric to METRICS, from now on: after those that are built in, in the order of their names."""
    of_plugins = {other: METRICS.pop(other) for other in list(METRICS) if other not in BUILT_IN}
    METRICS.update(sorted({**of_plugins, name: metric}.items()))


TO_REACH = ("steps_to_reach", "seconds_to_reach")  # that only an experiment with a score to reach has
OF_EXPERT = ("expert_loss", "expert_error", "expert_choices", "excess_error", "self_recovery")  # of the test set alone
METRICS_OF_TASKS = (  # that only some tasks have
    "validity",
    "bracket_f1",
    "chrf",
    "ter",
    "rouge_l",
    "cider_d",
    "forecast_rmse",
    "forecast_rmse_late",
    "one_step_rmse",
)
OF_ENDS = ("distractor_margin", "generalisation_gap")  # of the test set alone, too
# that an evaluation may lack: a line too long, a loss too large
NOT_ALWAYS = ("ter", "perplexity", "repetition", "beam_drop", *OF_EXPERT, *OF_ENDS)
OF_EVERY_TASK = (  # those of outputs and losses that can say which evaluation is best, whatever the task
    "bleu",
    "exact_match",
    "free_running_loss",
    "teacher_forced_loss",
    "exposure_gap",
    "next_step_error",
    "decoding_error",
    "edit_rate",
    "calibration_error",
)
