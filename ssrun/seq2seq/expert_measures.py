"""What an expert says of a model: measures that do not hold one right answer of many against it.

Under the model's own prefixes the true token by position is a wrong yardstick wherever there is more than one right
answer. The expert of the task tells what may be said from there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batch
from ssrun.seq2seq.decoder_inputs import replaceable, teacher_forced_inputs, walk
from ssrun.seq2seq.labels import TokenSets, expert_labels
from ssrun.seq2seq.model import Memory, Seq2Seq
from ssrun.seq2seq.vocabulary import PAD, Vocabulary
from ssrun.tasks import Task

SEED = 0  # of the sampled prefixes: every model draws by the same numbers
NEARLY = 1e-6  # below the largest share of a position: as likely, but for rounding


class ExpertMeasures:
    """Sums over batches, in nats and positions; those after an EOS of the model's own do not count.

    Attributes:
        loss: Cross-entropy from the expert under the model's own argmax.
        errors: Positions where that argmax is none of the expert's likeliest tokens.
        choices: exp(entropy of the expert), which of equally likely tokens is their number.
        positions: That count under the model's own argmax.
    """

    def __init__(self, task: Task, vocabulary: Vocabulary, longest: int) -> None:
        self.task, self.vocabulary = task, vocabulary
        self.loss = self.choices = 0.0
        self.errors = self.positions = self.batches = 0
        # KL(expert, model) and positions by position: under data prefixes, and under prefixes sampled from the model
        self.divergences = torch.zeros(2, longest, dtype=torch.double)
        self.counts = torch.zeros(2, longest, dtype=torch.double)
        self.reached = torch.zeros(longest, dtype=torch.double)

    def add(self, model: Seq2Seq, memory: Memory, batch: Batch, own: Tensor) -> None:
        """Counts a batch in, with the examples; `own` [B, T] are the decoder inputs of free running."""
        self._add_own(model.decode(memory, own), self._labels(batch, own))
        forced = teacher_forced_inputs(batch.target)
        uniform = torch.rand(own.shape, generator=streams.generator(SEED, "sample", self.batches)).to(own.device)
        sampled = walk(model, memory, forced, replaceable(batch.target), uniform)
        for row, inputs in enumerate((forced, sampled)):
            labels, length = self._labels(batch, inputs), inputs.shape[1]
            parts = labels.nats(model.decode(memory, inputs)) - labels.entropy()
            labels = labels.to(self.divergences.device)
            self.divergences[row, :length] += labels.by_position(parts.cpu().double()).sum(0)
            self.counts[row, :length] += labels.counted.sum(0)
        self.reached[:length] += (batch.target != PAD).sum(0).cpu()
        self.batches += 1

    def _labels(self, batch: Batch, inputs: Tensor) -> TokenSets:
        return expert_labels(self.task, self.vocabulary, batch, inputs)

    def _add_own(self, logits: Tensor, labels: TokenSets) -> None:
        counted = labels.counted
        self.positions += int(counted.sum())
        self.loss += float(labels.nats(logits).cpu().double().sum())
        self.choices += float(labels.by_position(labels.entropy())[counted].exp().cpu().double().sum())
        predicted = logits.argmax(-1).flatten()
        largest = labels.weights.new_zeros(counted.numel())
        largest.scatter_reduce_(0, labels.positions, labels.weights, "amax")
        likeliest = labels.weights >= largest[labels.positions] - NEARLY
        right = likeliest & (labels.tokens == predicted[labels.positions])
        self.errors += int(counted.sum()) - int(right.sum())

    def excess_by_length(self) -> list[float]:
        """Arora et al. 2022 (arXiv 2204.01171), ExAccErr(l) in %, for each length l from 1.

        100 (K_model(l) / K_data(l) - 1), K(l) the sum over the first l positions of the mean KL(expert, model), under
        prefixes sampled from the model or of the data. It ends where a divergence is 0 or no sampled prefix goes on.
        """
        found = []
        data, own = (self.divergences / self.counts).cumsum(1).tolist()
        for of_data, of_own in zip(data, own, strict=True):
            if not of_data > 0 or math.isnan(of_own):  # NaN where no prefix goes on
                break
            found.append(100 * (of_own / of_data - 1))
        return found

    @property
    def values(self) -> dict[str, float]:
        """By metric, none where the expert was silent. The excess error is of the length that half of them reach."""
        if not self.positions:
            return {}
        excess = self.excess_by_length()
        at = int((2 * self.reached >= self.reached[0]).sum())
        return {
            "expert_loss": self.loss / self.positions,
            "expert_error": 100 * self.errors / self.positions,
            "expert_choices": self.choices / self.positions,
            **({"excess_error": excess[at - 1]} if len(excess) >= at else {}),
        }
