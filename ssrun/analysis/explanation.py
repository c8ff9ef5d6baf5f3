"""Seeing inside one run, as plain numbers: what was fed and said position by position, and attention.

Positions, steps, examples and batch rows all count from 0. The token fed at position t stands for the true token
of position t - 1; at position 0 it is BOS. It prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ssrun.config.run import RunConfig
from ssrun.errors import UsageError
from ssrun.runs.execution import prepare
from ssrun.runs.trained import Trained
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batch, collate
from ssrun.seq2seq.decoder_inputs import (
    called,
    draw,
    free_running_inputs,
    scheduled_inputs,
    teacher_forced_inputs,
)
from ssrun.seq2seq.labels import labelling
from ssrun.seq2seq.learning_pass import learner
from ssrun.seq2seq.model import Memory, Seq2Seq
from ssrun.seq2seq.search import greedy, length_limit
from ssrun.seq2seq.training import Diverged, adam, train
from ssrun.seq2seq.vocabulary import EOS, Vocabulary
from ssrun.system import signals
from ssrun.tasks import Example, KeptTask, Tokens


class Position(NamedTuple):
    """One target position.

    Attributes:
        gold: The true token y_t; `<eos>` at the last position.
        coin: Of the fed token: `true`, or else what was fed instead, a token of the `model`, a `random` one, the
            `mask`, or one of the best of a `beam`; `-` for BOS, which has no coin.
        fed: The token fed here, in place of the true token of the position before; where a mixture of tokens is fed,
            the largest of them.
        replaced: The fed token is not the true one.
        predicted: The argmax under this feed.
        wrong: It is not the true token; `repeated`: it is the prediction of the position before.
        p_gold: Probability of the true token under this feed.
        label: What is learned here: tokens with their probabilities, the likeliest first, of a teacher's the first few;
            none where nothing counts, or the teacher is not here.
    """

    position: int
    gold: str
    coin: str
    fed: str
    replaced: bool
    predicted: str
    wrong: bool
    repeated: bool
    p_gold: float
    label: dict[str, float]


class StepView(NamedTuple):
    """One example of one of the run's `steps`, as training fed it.

    Attributes:
        epsilon: What the schedule said; under a clock of positions on average over the horizon.
        loss: Of the whole batch, nats per position.
        rows: Examples in the batch.
        source: The example's source, as the encoder's vocabulary has it.
        positions: All real positions of the target.
    """

    step: int
    steps: int
    epsilon: float
    loss: float
    rows: int
    source: Tokens
    positions: list[Position]


class Sides(NamedTuple):
    """The trained model on one example: fed the true tokens, and fed its own argmax."""

    teacher_forced: list[Position]
    free_running: list[Position]


class AttentionMap(NamedTuple):
    """Attention: a weight for each output token (rows) and source token (columns), each row summing to 1."""

    source: Tokens
    output: Tokens
    weights: list[list[float]]


def explain_step(
    config: RunConfig,
    step: int,
    example: int = 0,
    tell: Callable[[int], None] = lambda done: None,
    store: Path | None = None,
) -> StepView:
    """Replays training from the start up to a step, and looks at one example of that step's batch.

    The learning pass is done as `training.train` does it, gradients recorded, so that its numbers are the same
    to the last bit.

    Args:
        config: Of the run.
        step: The optimiser step to look at; its own update is not made.
        example: Row of its batch.
        tell: Called with the number of steps replayed, after each.
        store: Where its teacher lies, if it has one.

    Raises:
        UsageError: There is no such step or example, or the run diverged before.
        Interrupted: A signal came.
    """
    steps = config.training.steps
    if not 0 <= step < steps:
        raise UsageError(f"--step {step}: the run has {steps} steps: give 0 to {steps - 1}")
    parts = prepare(config, store)
    model, batch = parts.model, parts.batches.at(step)
    rows = len(batch.target)
    if not 0 <= example < rows:
        raise UsageError(f"--example {example}: the batch of step {step} has {rows} pairs: give 0 to {rows - 1}")
    try:
        for done in islice(train(model, adam(model, config), parts.batches, config, teacher=parts.teacher), step):
            signals.check()
            tell(done.step + 1)
    except Diverged as diverged:
        at = diverged.step
        raise UsageError(f"--step {step}: the run diverged at step {at}: give 0 to {at}") from None

    masks = model.masks(rows, streams.generator(config.seed, "dropout", step))
    memory = model.encode(batch.source, batch.lengths, masks)
    strategy = config.strategy
    epsilon = strategy.epsilons(step, steps, batch.target.shape[1] - 1)
    vocabularies = parts.vocabularies
    learn = learner(config, parts.batches.task, vocabularies, parts.teacher)
    inputs, predicted, labels = learn(model, memory, batch, epsilon, step, masks)
    logits = (model.logits(predicted) if config.learns_by_output else predicted).detach()

    row = example * (len(inputs.tokens) // rows)  # of a sequence objective the first of its samples
    said = Said(inputs.tokens[row], called(inputs, row, strategy.feed), logits[row])
    positions = positions_of(batch.target[example], said, labels.shares(row), vocabularies.target)
    source = vocabularies.source.decode(batch.source[example].tolist())
    return StepView(
        step, steps, strategy.epsilon(step, steps), float(labels.loss(predicted).detach()), rows, source, positions
    )


class Said(NamedTuple):
    """One sequence under one way of feeding: inputs [T], coins in words T, logits [T, V]."""

    inputs: Tensor
    coins: Sequence[str]
    logits: Tensor


def positions_of(
    target: Tensor, said: Said, labels: Sequence[dict[int, float]], vocabulary: Vocabulary
) -> list[Position]:
    """The real positions of one sequence, of its target [T] and labels T."""
    gold = target.tolist()
    truth = teacher_forced_inputs(target.unsqueeze(0))[0].tolist()
    fed = said.inputs.tolist()
    predicted = said.logits.argmax(-1).tolist()
    p_gold = said.logits.softmax(-1).gather(-1, target.unsqueeze(-1)).squeeze(-1).tolist()
    name = vocabulary.tokens
    return [
        Position(
            position=t,
            gold=name[gold[t]],
            coin=said.coins[t],
            fed=name[fed[t]],
            replaced=fed[t] != truth[t],
            predicted=name[predicted[t]],
            wrong=predicted[t] != gold[t],
            repeated=t > 0 and predicted[t] == predicted[t - 1],
            p_gold=p_gold[t],
            label={name[token]: share for token, share in sorted(labels[t].items(), key=lambda pair: -pair[1])},
        )
        for t in range(gold.index(EOS) + 1)
    ]


def encoded(trained: Trained, example: Example) -> tuple[Batch, Memory]:
    batch = collate([trained.vocabularies.encode(example)], [example])
    return batch, trained.model.encode(batch.source)


@torch.no_grad()
def explain_trained(trained: Trained, example: Example, teacher: Seq2Seq | None = None) -> Sides:
    """The trained model on one example under either feed, over the target's length; no dropout.

    With what would be learned there, of its teacher if it has one.
    """
    batch, memory = encoded(trained, example)
    target = batch.target

    def side(inputs: Tensor, coin: str) -> list[Position]:
        said = Said(inputs[0], ["-", *[coin] * (target.shape[1] - 1)], trained.model.decode(memory, inputs)[0])
        return shown(trained, batch, said, teacher)

    teacher_forced = side(teacher_forced_inputs(target), "true")
    return Sides(teacher_forced, side(free_running_inputs(trained.model, memory, target), "model"))


@torch.no_grad()
def walk_through(trained: Trained, example: Example, epsilon: float, coin_seed: int) -> list[Position]:
    """The trained model on one example, its inputs chosen by the run's own coin and feed; no dropout.

    Epsilon is the probability of the true token, in [0, 1]; `coin_seed` is that of the coins and samples, from 0.
    """
    batch, memory = encoded(trained, example)
    strategy = trained.config.strategy
    draws = draw(batch.target, strategy.coin, coin_seed, 0)
    inputs = scheduled_inputs(trained.model, memory, batch.target, epsilon, strategy, draws)
    logits = trained.model.decode(memory, inputs.tokens)[0]
    said = Said(inputs.tokens[0], called(inputs, 0, strategy.feed), logits)
    return shown(trained, batch, said)


def shown(trained: Trained, batch: Batch, said: Said, teacher: Seq2Seq | None = None) -> list[Position]:
    """The positions of a batch of one example, with what would be learned there.

    Nothing without its teacher, or the plugin whose expert would say it; nor where whole outputs are learned.
    """
    config = trained.config
    shares: list[dict[int, float]] = [{} for _ in range(batch.target.shape[1])]
    unknown = {"teacher": teacher is None, "expert": isinstance(config.task, KeptTask)}
    if not unknown.get(config.strategy.label) and config.strategy.objective == "likelihood":
        labels = labelling(config.strategy, config.task, trained.vocabularies, teacher)
        shares = labels(batch, said.inputs.unsqueeze(0)).shares(0)
    return positions_of(batch.target[0], said, shares, trained.vocabularies.target)


@torch.no_grad()
def attention_map(trained: Trained, example: Example) -> AttentionMap | None:
    """Where the model looks while it says its own (greedy) output; None where it weighs no positions.

    The output ends with its EOS, or at the length that `search.length_limit` allows.
    """
    batch, memory = encoded(trained, example)
    tokens, weights = greedy(trained.model, memory, length_limit(batch.source.shape[1] - 1), with_attention=True)
    if weights is None:
        return None
    source, target = trained.vocabularies
    return AttentionMap(
        tuple(source.tokens[id_] for id_ in batch.source[0].tolist()),
        tuple(target.tokens[id_] for id_ in tokens[0].tolist()),
        weights[0].tolist(),
    )
