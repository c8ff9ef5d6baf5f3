"""How much likelier a model holds the true target than another of the test set, position by position."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import torch

from ssrun.seq2seq.batches import batches_of
from ssrun.seq2seq.decoder_inputs import teacher_forced_inputs
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.vocabulary import PAD, Vocabularies, Vocabulary
from ssrun.system import signals
from ssrun.tasks import Example, Tokens


class Margins(NamedTuple):
    """In nats a token: over the last quarter of each target's positions, at least one; and by position."""

    late: float
    by_position: list[float]


@torch.no_grad()
def distractor_margins(model: Seq2Seq, vocabularies: Vocabularies, examples: Sequence[Example]) -> Margins | None:
    """Mean of log p(y_t | y_<t, x) less that of log p(d_t | d_<t, x), d another example's target (Wang, Sennrich 2020).

    It is as long as the true one and unlike it, drawn from a stream of the pair's index alone, so that all runs of a
    task have the same. Pairs without one are left out; None where none is left. Interrupted on a signal.
    """
    found = distractors(vocabularies.target, examples)
    pairs = [example for example, other in zip(examples, found, strict=True) if other]
    others = [Example(example.source, other) for example, other in zip(examples, found, strict=True) if other]
    if not pairs:
        return None
    longest = max(vocabularies.target.length(pair.target) for pair in pairs) + 1
    margins, reached = torch.zeros(2, longest, dtype=torch.double)
    late = positions = 0.0
    true_ones, false_ones = (batches_of(some, vocabularies, model.device) for some in (pairs, others))
    for (_, batch), (_, other) in zip(true_ones, false_ones, strict=True):  # of like lengths, so in one order
        signals.check()
        memory = model.encode(batch.source, batch.lengths)
        of_true, of_false = (
            model.decode(memory, teacher_forced_inputs(target)).log_softmax(-1).gather(-1, target.unsqueeze(-1))
            for target in (batch.target, other.target)
        )
        real = (batch.target != PAD).cpu()
        margin = (of_true - of_false).squeeze(-1).cpu().double().masked_fill(~real, 0)
        columns = real.shape[1]
        margins[:columns] += margin.sum(0)
        reached[:columns] += real.sum(0)
        is_late = real & (torch.arange(columns) >= 3 * real.sum(1, keepdim=True) // 4)  # ceil(n / 4) of n
        late += float(margin[is_late].sum())
        positions += int(is_late.sum())
    return Margins(late / positions, (margins / reached).tolist())


def distractors(vocabulary: Vocabulary, examples: Sequence[Example]) -> list[Tokens | None]:
    """For each example another's target, as long in ids and unlike; None where there is none."""
    by_length: dict[int, list[Tokens]] = defaultdict(list)
    for example in examples:
        by_length[vocabulary.length(example.target)].append(example.target)
    found: list[Tokens | None] = []
    for index, example in enumerate(examples):
        others = [target for target in by_length[vocabulary.length(example.target)] if target != example.target]
        found.append(Random(f"distractor/{index}").choice(others) if others else None)
    return found
