"""The strategies, by name: how decoder inputs are chosen. To add one, add an entry to STRATEGIES.

Commands, completion, `ssrun list` and the tests follow. A package of one's own adds one by an entry point of the group
`ssrun.strategies`: see CONTRIBUTING.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ssrun.errors import UsageError, unknown
from ssrun.strategies.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Cycle,
    Exponential,
    InverseSigmoid,
    KeptSchedule,
    Linear,
    Staircase,
    Switch,
)
from ssrun.strategies.strategy import Strategy, parameters
from ssrun.system.plugins import Registry
from ssrun.system.text import shown_value

__all__ = ["SCHEDULES", "STRATEGIES", "Entry", "KeptSchedule", "Strategy", "parameters", "variant"]


class Entry(NamedTuple):
    """A strategy with what a person should know of it."""

    strategy: Strategy
    about: str
    source: str


_PAPER = "Bengio et al. 2015"
BUILT_IN: dict[str, Entry] = {
    "teacher-forcing": Entry(Strategy(schedule=Constant(value=1)), "always the true token", "Williams and Zipser 1989"),
    "always-sampling": Entry(
        Strategy(schedule=Constant(value=0)), "always the model's own token", f"{_PAPER}, Tables 1-3"
    ),
    "uniform": Entry(
        Strategy(schedule=Constant(value=0.5)),
        "a fair coin throughout; NOT the paper's row 'Uniform Scheduled Sampling': that is uniform-token",
        "a widespread reading of the paper's Table 1",
    ),
    "linear": Entry(Strategy(schedule=Linear()), "the true token ever less often, at a steady rate", _PAPER),
    "exponential": Entry(Strategy(schedule=Exponential()), "a fast decay from the first step", _PAPER),
    "inverse-sigmoid": Entry(
        Strategy(schedule=InverseSigmoid()), "teacher forcing first, then a smooth change to sampling", _PAPER
    ),
    "uniform-token": Entry(
        Strategy(schedule=InverseSigmoid(), feed="uniform-token"),
        "inverse-sigmoid, but feeding random tokens of the vocabulary; this IS the paper's row 'Uniform "
        "Scheduled Sampling' (Table 1), as its section 4.1 describes it: a control for mere regularisation",
        f"{_PAPER}, section 4.1",
    ),
    "dagger": Entry(
        Strategy(schedule=Constant(value=0), label="expert"),
        "always the model's own token, and the label is what an expert may say after it: each token that "
        "keeps the edits to a right answer fewest, or what the task knows better",
        "Ross et al. 2011 (DAgger); Sabour et al. 2019, arXiv 1810.01398",
    ),
    "expert-sampling": Entry(
        Strategy(schedule=Constant(value=0.5), label="expert"),
        "a fair coin throughout, with the expert's labels",
        "Ross et al. 2011, beta = 0.5",
    ),
    "distillation": Entry(
        Strategy(schedule=Constant(value=0.5), coin="batch", label="teacher"),
        "on-policy distillation: by a fair coin a batch is the model's own (lambda = 1 - epsilon); the label is a "
        "teacher's distribution, by the generalised Jensen-Shannon divergence; needs `strategy.teacher`",
        "Agarwal et al. 2024, arXiv 2306.13649",
    ),
    "raml": Entry(
        Strategy(schedule=Constant(value=0.9), feed="uniform-token", label="fed"),
        "true tokens changed at random, and the changed sequence learned: reward-augmented likelihood whose reward is "
        "minus the number of changes, exactly so with epsilon = 1 / (1 + V / (exp(1 / tau) - 1))",
        "Norouzi et al. 2016, arXiv 1609.00150",
    ),
    "decoding-step": Entry(
        Strategy(schedule=Exponential(k=0.99), clock="position", horizon=128),
        "the true token ever less often along the target, since errors accumulate there; the model's own token is fed "
        "in place of its expected embedding",
        "Liu et al. 2021, EMNLP, arXiv 2108.12963",
    ),
    "decoding-step-inverse": Entry(
        Strategy(schedule=Exponential(k=0.99), clock="position", horizon=128, inverse=True),
        "the control of decoding-step: the true token ever more often along the target",
        "Liu et al. 2021, EMNLP, arXiv 2108.12963",
    ),
    "composite": Entry(
        Strategy(schedule=Exponential(), clock="both"),
        "decoding-step, at a pace that grows over training; here one shape gives both clocks",
        "Liu et al. 2021, EMNLP, arXiv 2108.12963",
    ),
    "confidence-aware": Entry(
        Strategy(schedule=Switch(at=1 / 3), coin="confidence", feed="argmax", passes=1, gold_weight=1),
        "the true token where the model is unsure of what follows, its own where it is sure, a random one of the "
        "target where it is surer still; by no chance, after a third of teacher forcing, whose loss it keeps",
        "Liu et al. 2021, ACL Findings, arXiv 2107.10427",
    ),
    "differentiable": Entry(
        Strategy(schedule=InverseSigmoid(), feed="argmax", gradient="soft"),
        "inverse-sigmoid, with a soft argmax fed that gradient flows through; the lower the temperature the sharper",
        "Goyal et al. 2017, arXiv 1704.06970",
    ),
    "gumbel-st": Entry(
        Strategy(schedule=InverseSigmoid(), gradient="straight-through"),
        "inverse-sigmoid, with samples fed that gradient flows through as if they were soft",
        "Jang et al. 2017, arXiv 1611.01144",
    ),
    "word-oracle": Entry(
        Strategy(schedule=InverseSigmoid(), passes=1),
        "inverse-sigmoid, with tokens of one pass over the true ones: what Gumbel noise on the logits comes to",
        "Zhang et al. 2019, arXiv 1906.02448",
    ),
    "sentence-oracle": Entry(
        Strategy(schedule=InverseSigmoid(), coin="batch", feed="beam-oracle"),
        "inverse-sigmoid, with the tokens of that output of a beam that is most like the target",
        "Zhang et al. 2019, arXiv 1906.02448",
    ),
    "parallel": Entry(
        Strategy(schedule=InverseSigmoid(), passes=2),
        "inverse-sigmoid, with two passes over whole sequences in place of the walk",
        "Duckworth et al. 2019, arXiv 1906.04331",
    ),
    "peeling-back": Entry(
        Strategy(schedule=Linear(), coin="prefix", feed="argmax", passes=1),
        "the target's beginning true, the rest the model's own, from ever further back",
        "Mihaylova and Martins 2019, arXiv 1906.07651",
    ),
    "counted": Entry(
        Strategy(schedule=InverseSigmoid(), coin="count"),
        "inverse-sigmoid, with exactly its share of true tokens in every batch: no chance in how many",
        "Tensor2Tensor's sampling of video frames",
    ),
    "minimum-risk": Entry(
        Strategy(schedule=Constant(value=0), initial="teacher", objective="minimum-risk"),
        "a trained run, fine-tuned to say outputs of a lower expected risk, which is 1 less sentence BLEU, among "
        "samples of its own; published with 100 of them; needs `strategy.teacher`, the run",
        "Shen et al. 2016, arXiv 1512.02433",
    ),
    "self-critical": Entry(
        Strategy(schedule=Constant(value=0), initial="teacher", objective="self-critical"),
        "a trained run, fine-tuned by REINFORCE: samples that have a better sentence BLEU than what the argmax says "
        "become likelier; needs `strategy.teacher`, the run",
        "Rennie et al. 2017, arXiv 1612.00563",
    ),
    "professor-forcing": Entry(
        Strategy(schedule=Constant(value=1), professor_weight=1),
        "teacher forcing, and a discriminator to fool, which sees the decoder's states and outputs: fed its own "
        "samples it should look as if it were fed the true tokens",
        "Lamb et al. 2016, arXiv 1610.09038",
    ),
    "word-dropout": Entry(
        Strategy(schedule=Constant(value=0.75), feed="mask"),
        "true tokens blanked at random: a control for not knowing the prefix",
        "Bowman et al. 2016, arXiv 1511.06349",
    ),
    "unigram-noise": Entry(
        Strategy(schedule=Constant(value=0.75), feed="unigram"),
        "true tokens changed at random to frequent ones: a control for noise in the prefix",
        "Xie et al. 2017, arXiv 1703.02573",
    ),
    "teacherless": Entry(
        Strategy(schedule=Constant(value=0), feed="mask", at_test="mask"),
        "no token of the prefix is ever seen, at test neither: nothing to be biased by",
        "Bachmann and Nagarajan 2024, arXiv 2403.06963",
    ),
    "cosine": Entry(
        Strategy(schedule=Cosine()), "the true token ever less often: level, steep, level", "Tacotron-2 implementations"
    ),
    "staircase": Entry(
        Strategy(schedule=Staircase(start=0.9, end=0.6)),
        "the true token less often on every level: .9, .8, .7, .6, each for a quarter of the run",
        "Espresso's list of values by epoch",
    ),
    "switch": Entry(Strategy(schedule=Switch()), "forced first half, free second half", "a control"),
    "cycle": Entry(Strategy(schedule=Cycle()), "forced and free in turn", "a control"),
}


def unfit(name: str, entry: Entry) -> str:
    """What is wrong with a plugin's strategy: nobody could read it again where its schedule is none that is known."""
    schedule = entry.strategy.schedule.name
    return "" if schedule in SCHEDULES else f"its schedule {schedule!r} is not known: give that too"


STRATEGIES: Registry[Entry] = Registry("strategy", BUILT_IN, lambda thing: isinstance(thing, Entry), unfit)


def schedule_names() -> list[str]:
    """What has an epsilon over training: strategies, and schedules alone."""
    return list(dict.fromkeys([*STRATEGIES, *SCHEDULES]))


def variant(base: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the strategy `base`, a name in STRATEGIES, with these changes, for `Strategy` to check.

    Changes are by field: those of `Strategy`, where `schedule` is another schedule's name, with its defaults; or any
    field of the schedule (`k`, `half_at`, `start`, `end` ...). UsageError where a name or field is unknown.
    """
    if base not in STRATEGIES:
        raise UsageError(unknown("strategy", base, STRATEGIES))
    strategy = STRATEGIES[base].strategy
    changes = dict(changes)
    schedule: dict[str, Any] = strategy.schedule.model_dump(exclude_unset=True) | {"name": strategy.schedule.name}
    if "schedule" in changes:
        name = changes.pop("schedule")
        if not isinstance(name, str):
            raise UsageError(f"schedule = {shown_value(name)}: give a name: {', '.join(SCHEDULES)}")
        if name not in SCHEDULES:
            raise UsageError(unknown("schedule", name, SCHEDULES))
        schedule = {"name": name}
    fields = strategy.model_dump(exclude={"schedule"}, exclude_unset=True)
    of_strategy = [name for name in Strategy.model_fields if name != "schedule"]
    known = [name for name in SCHEDULES[schedule["name"]].model_fields if name != "name"]
    for name, value in changes.items():
        if name in of_strategy:
            fields[name] = value
        elif name in known:
            schedule[name] = value
        else:
            raise UsageError(f"strategy {base}: {unknown('field', name, [*of_strategy, 'schedule', *known])}")
    return {"schedule": schedule, **fields}
