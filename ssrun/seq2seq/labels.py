"""Labels: what is learned at each position, whatever was fed. The right side of a training step.

A strategy's label is the true token by position (the paper's), what an expert may say after the prefix that was fed, a
teacher's distribution there, or the fed token. Each is another right side for the same fused pass. Where the prefix has
an EOS of the model's own, all but the true token have nothing to teach: such positions do not count.

Shapes: B batch, T target length, V target vocabulary, N pairs of a position and a token that may stand there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ssrun.errors import UsageError
from ssrun.seq2seq.batches import Batch, pad
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.outputs.output import CountedOutput
from ssrun.seq2seq.vocabulary import EOS, PAD, Vocabularies, Vocabulary
from ssrun.strategies import Strategy
from ssrun.system.text import shown_value
from ssrun.tasks import END, Continuation, Example, Task, Tokens
from ssrun.tasks.optimal_completion import Answer, Slot

Ids = NDArray[np.int64]
MOST_SHOWN = 8  # of a teacher's tokens
FAR = np.int16(2**14)  # edits: more than there can be tokens in a row


class Labels(Protocol):
    """What is to be learned in a batch; `counted` [B, T] are the positions that have something to learn."""

    @property
    def counted(self) -> Tensor: ...

    def loss(self, logits: Tensor) -> Tensor:
        """The mean over the counted positions, in nats, of logits [B, T, V]."""
        ...

    def shares(self, row: int) -> list[dict[int, float]]:
        """What is to be learned at each position of one sequence: ids with their probabilities, the first of many."""
        ...


class TokenLabels(NamedTuple):
    """One token a position: ids [B, T], PAD where nothing counts."""

    tokens: Tensor

    @property
    def counted(self) -> Tensor:
        return self.tokens != PAD

    def loss(self, logits: Tensor) -> Tensor:
        return loss_of(logits, self.tokens)

    def shares(self, row: int) -> list[dict[int, float]]:
        return [{token: 1.0} if token != PAD else {} for token in self.tokens[row].tolist()]


class OutputLabels(NamedTuple):
    """One token a position, learned by an output's own loss: of features [B, T, H], where others take logits."""

    labels: TokenLabels
    output: CountedOutput[Any]
    noise: Tensor  # words [B, T, K]

    @classmethod
    def of(cls, labels: TokenLabels, output: CountedOutput[Any], generator: torch.Generator) -> Self:
        """With noise words that the generator draws."""
        noise = output.noise_words((*labels.tokens.shape,), generator)
        return cls(labels, output, noise.to(labels.tokens.device))

    @property
    def counted(self) -> Tensor:
        return self.labels.counted

    def loss(self, logits: Tensor) -> Tensor:
        at = self.counted
        return self.output.loss(logits[at], self.labels.tokens[at], self.noise[at])

    def shares(self, row: int) -> list[dict[int, float]]:
        return self.labels.shares(row)


class TokenSets(NamedTuple):
    """Some tokens a position, each with its share: never a row of the vocabulary.

    Attributes:
        counted: [B, T].
        positions: Where each of the N tokens may stand, [N]: b T + t, ascending.
        tokens: Its id, [N].
        weights: Its probability, [N]: those of one position sum to 1.
    """

    counted: Tensor
    positions: Tensor
    tokens: Tensor
    weights: Tensor

    def to(self, device: torch.device) -> Self:
        return type(self)(*(part.to(device) for part in self))

    def loss(self, logits: Tensor) -> Tensor:
        """The cross-entropy -sum_v w(v) log p(v), mean over positions; 0 where none counts."""
        return self.nats(logits).sum() / self.counted.sum().clamp_min(1)

    def shares(self, row: int) -> list[dict[int, float]]:
        length = self.counted.shape[1]
        found: list[dict[int, float]] = [{} for _ in range(length)]
        mine = (self.positions // length == row).nonzero().squeeze(1)
        for part in zip(
            *(values[mine].tolist() for values in (self.positions, self.tokens, self.weights)), strict=True
        ):
            position, token, weight = part
            found[position % length][token] = weight
        return found

    def nats(self, logits: Tensor) -> Tensor:
        """The parts of the cross-entropy, [N]."""
        log_p = logits.log_softmax(-1).flatten(0, 1)
        return -self.weights * log_p[self.positions, self.tokens]

    def entropy(self) -> Tensor:
        """The parts of the expert's own entropy in nats, [N]."""
        return -torch.xlogy(self.weights, self.weights)

    def by_position(self, parts: Tensor) -> Tensor:
        """The sums [B, T] of parts [N]."""
        sums = parts.new_zeros(self.counted.numel()).index_add_(0, self.positions, parts)
        return sums.view_as(self.counted)


class Distributions(NamedTuple):
    """A teacher's distribution at each position, learned by the generalised Jensen-Shannon divergence.

    With teacher P, model Q and M = beta P + (1 - beta) Q it is beta KL(P, M) + (1 - beta) KL(Q, M), whose ends are
    taken as KL(P, Q) at beta = 0 and KL(Q, P) at 1 (Agarwal et al. 2024, arXiv 2306.13649). Both are softmax(logits /
    temperature); log P is [B, T, V].
    """

    counted: Tensor
    log_p: Tensor
    beta: float
    temperature: float

    def loss(self, logits: Tensor) -> Tensor:
        teacher, model = self.log_p[self.counted], (logits[self.counted] / self.temperature).log_softmax(-1)
        if self.beta in (0, 1):
            one, other = (teacher, model) if self.beta == 0 else (model, teacher)
            return divergence(one, other).mean()
        share = torch.tensor(self.beta)
        mixture = torch.logaddexp(teacher + share.log(), model + (1 - share).log())
        return (self.beta * divergence(teacher, mixture) + (1 - self.beta) * divergence(model, mixture)).mean()

    def shares(self, row: int) -> list[dict[int, float]]:
        p, tokens = (part.tolist() for part in self.log_p[row].exp().topk(min(MOST_SHOWN, self.log_p.shape[-1])))
        rows = zip(self.counted[row].tolist(), tokens, p, strict=True)
        return [dict(zip(likeliest, shares, strict=True)) if counts else {} for counts, likeliest, shares in rows]


def divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p, q) = sum_v p(v) (log p(v) - log q(v)) over the last dimension, in nats."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def loss_of(logits: Tensor, target: Tensor) -> Tensor:
    """Mean of -log p(y_t) over the real positions, EOS included: logits [B, T, V], target [B, T]; nats."""
    return nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=PAD)


Labelling = Callable[[Batch, Tensor], Labels]  # of a batch and what its decoder was fed, [B, T]


def labelling(strategy: Strategy, task: Task, vocabularies: Vocabularies, teacher: Seq2Seq | None = None) -> Labelling:
    """How a strategy labels a batch. Where its label is a teacher's, ValueError without one."""

    def gold(batch: Batch, _: Tensor) -> Labels:
        return TokenLabels(batch.target)

    def fed(batch: Batch, inputs: Tensor) -> Labels:
        return TokenLabels(fed_labels(batch.target, inputs))

    def expert(batch: Batch, inputs: Tensor) -> Labels:
        return expert_labels(task, vocabularies.target, batch, inputs)

    def of_teacher(batch: Batch, inputs: Tensor) -> Labels:
        if teacher is None:
            raise ValueError("label teacher: there is no teacher")
        with torch.no_grad():
            logits = teacher.decode(teacher.encode(batch.source, batch.lengths), inputs)
        log_p = (logits / strategy.teacher_temperature).log_softmax(-1)
        return Distributions(teachable(batch.target, inputs), log_p, strategy.beta, strategy.teacher_temperature)

    return {"gold": gold, "fed": fed, "expert": expert, "teacher": of_teacher}[strategy.label]


def teachable(target: Tensor, inputs: Tensor) -> Tensor:
    """The real positions [B, T] of a target before which no EOS was fed."""
    return (target != PAD) & ((inputs == EOS).cumsum(1) == 0)


def fed_labels(target: Tensor, inputs: Tensor) -> Tensor:
    """The token that is fed next as the label [B, T], EOS where it ends: what is learned is what is fed."""
    following = torch.cat((inputs[:, 1:], torch.full_like(inputs[:, :1], EOS)), 1)
    labels = torch.where(target == EOS, target, following)
    return torch.where(teachable(target, inputs), labels, PAD)


def expert_labels(task: Task, vocabulary: Vocabulary, batch: Batch, inputs: Tensor) -> TokenSets:
    """What the task's expert may say after each prefix that was fed; ValueError where that is no answer."""
    counted = teachable(batch.target, inputs)
    if type(task).expert is not Task.expert:
        return told_labels(task, vocabulary, batch.examples, inputs, counted)
    if type(task).answers is not Task.answers:
        answers = EncodedAnswers.of([task.answers(example) for example in batch.examples], vocabulary)
    elif any(example.others for example in batch.examples):
        answers = EncodedAnswers.references([example.references for example in batch.examples], vocabulary)
    else:
        answers = EncodedAnswers.targets(batch.target.cpu().numpy())
    return completion_labels(answers, inputs, counted)


def check_expert(task: Task) -> None:
    """Asks a task's own expert for the first word of a held-out pair; UsageError where that is no answer."""
    own_expert, own_answers = type(task).expert is not Task.expert, type(task).answers is not Task.answers
    if not (own_expert or own_answers):
        return
    where = f"task {task.name}: its expert"
    if task.subword_models():
        raise UsageError(f"{where} speaks in words, which the task cuts into pieces: leave one of them out")
    example = task.held_out("validation")[0]
    try:
        said = shares_of(task.expert(example, ()))
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    if unknown := sorted(said.keys() - {END, *example.target, *task.target_tokens()}):
        raise UsageError(f"{where} says {shown_value(unknown[0])}, which is not among its target_tokens: add it there")


def completion_labels(answers: EncodedAnswers, inputs: Tensor, counted: Tensor) -> TokenSets:
    """What keeps the edits to the nearest of the answers fewest, equally likely, at the positions [B, T] that count."""
    places, tokens = answers.completions(inputs.cpu().numpy(), counted.cpu().numpy())
    positions = torch.from_numpy(places)
    choices = torch.bincount(positions, minlength=counted.numel())
    return TokenSets(counted, positions, torch.from_numpy(tokens), 1 / choices[positions]).to(inputs.device)


class EncodedAnswers(NamedTuple):
    """Right answers as ids: what `tasks.optimal_completion` knows of one prefix, for a batch at once.

    R answers of at most L places, the last of each its EOS, each with at most K tokens that are right there.

    Attributes:
        tokens: Ids [R, L, K], filled up with PAD.
        costs: Edits that leaving a place out costs, [R, L], 0 or 1.
        owners: The row of the batch that each answer belongs to, [R], ascending, from 0.
    """

    tokens: Ids
    costs: NDArray[np.int16]
    owners: Ids

    @classmethod
    def targets(cls, target: Ids) -> Self:
        """The targets [B, T] alone."""
        return cls(target[:, :, None], np.ones(target.shape, np.int16), np.arange(len(target)))

    @classmethod
    def references(cls, references: Sequence[Sequence[Tokens]], vocabulary: Vocabulary) -> Self:
        """The references of each row of a batch."""
        ids = pad([vocabulary.encode(reference) for accepted in references for reference in accepted])
        owners = [row for row, accepted in enumerate(references) for _ in accepted]
        return cls.targets(ids.numpy())._replace(owners=np.array(owners))

    @classmethod
    def of(cls, answers: Sequence[Sequence[Answer]], vocabulary: Vocabulary) -> Self:
        """Those of each row of a batch."""
        known = [[*answer, Slot(frozenset({END}))] for accepted in answers for answer in accepted]
        choices = {slot.tokens for answer in known for slot in answer}
        most, length = max(map(len, choices)), max(map(len, known))
        ids = {tokens: [*vocabulary.encode((*tokens,))[:-1], *[PAD] * (most - len(tokens))] for tokens in choices}
        none = [PAD] * most
        tokens = [[*(ids[slot.tokens] for slot in answer), *[none] * (length - len(answer))] for answer in known]
        costs = [[*(not slot.optional for slot in answer), *[True] * (length - len(answer))] for answer in known]
        owners = [row for row, accepted in enumerate(answers) for _ in accepted]
        return cls(np.array(tokens), np.array(costs, np.int16), np.array(owners))

    def completions(self, inputs: Ids, counted: NDArray[np.bool_]) -> tuple[Ids, Ids]:
        """The tokens that keep the edits to the nearest answer fewest.

        Args:
            inputs: What was fed, [B, T]; the prefix at position t is inputs[:, 1..t].
            counted: The positions [B, T] that are asked for.

        Returns:
            Positions b T + t and tokens, [N] each, ascending.
        """
        (size, length), (rows, columns, _) = inputs.shape, self.tokens.shape
        fed, costs = inputs[self.owners], self.costs[:, :-1]
        # Edits, less what leaving out all places before costs: then leaving one out costs nothing more, and the least
        # so far is a running minimum.
        beyond = np.zeros((length, rows, columns), np.int16)
        for t in range(1, length):
            row, above = beyond[t - 1] + 1, beyond[t - 1, :, :-1]
            unlike = (self.tokens[:, :-1] != fed[:, t, None, None]).all(2)
            np.minimum(row[:, 1:], above + unlike - costs, out=row[:, 1:])
            np.minimum.accumulate(row, axis=1, out=beyond[t])
        before = np.zeros_like(self.costs)
        np.cumsum(costs, axis=1, out=before[:, 1:])
        edits = np.where(self.tokens[:, :, 0] == PAD, FAR, beyond + before)
        least = edits.min(2)
        if rows > size:
            first = np.searchsorted(self.owners, np.arange(size))
            least = np.minimum.reduceat(least, first, axis=1)[:, self.owners]
        t, r, j = ((edits == least[..., None]) & counted.T[:, self.owners, None]).nonzero()
        ids = int(self.tokens.max()) + 1
        found = (self.owners[r] * length + t)[:, None] * ids + self.tokens[r, j]
        both = np.unique(found[self.tokens[r, j] != PAD])  # a token may stand at several of the places
        return both // ids, both % ids


def told_labels(
    task: Task, vocabulary: Vocabulary, examples: Sequence[Example], inputs: Tensor, counted: Tensor
) -> TokenSets:
    """The same of a task that knows better: asked prefix by prefix. Positions at which it says nothing do not count."""
    positions: list[int] = []
    tokens: list[int] = []
    weights: list[float] = []
    ids: dict[str, int] = {}
    length = inputs.shape[1]
    for row, (example, fed, asked) in enumerate(zip(examples, inputs.tolist(), counted.tolist(), strict=True)):
        said = tuple(vocabulary.tokens[index] for index in fed)
        for t in (t for t, wanted in enumerate(asked) if wanted):
            told: dict[int, float] = {}
            for token, share in shares_of(task.expert(example, said[1 : t + 1])).items():
                if token not in ids:
                    ids[token] = vocabulary.encode((token,))[0]
                told[ids[token]] = told.get(ids[token], 0.0) + share  # unknown words are one token
            positions += [row * length + t] * len(told)
            tokens += told
            weights += told.values()
    places = torch.tensor(positions, dtype=torch.long)
    answered = torch.zeros(counted.numel(), dtype=torch.bool).index_fill_(0, places, value=True)
    return TokenSets(
        answered.view_as(counted),
        places,
        torch.tensor(tokens, dtype=torch.long),
        torch.tensor(weights, dtype=torch.float),
    ).to(inputs.device)


def shares_of(continuation: Continuation) -> dict[str, float]:
    """The probability of each token that an expert may say; ValueError where they are none."""
    if isinstance(continuation, str):
        raise ValueError(f"an expert says tokens, such as ({continuation!r},), and not a text")
    if not isinstance(continuation, Mapping):
        tokens = dict.fromkeys(continuation)
        return dict.fromkeys(tokens, 1 / len(tokens)) if tokens else {}
    total = sum(continuation.values())
    if continuation and not (min(continuation.values()) >= 0 and 0.999 < total < 1.001):
        raise ValueError(f"an expert's probabilities sum to {total}, not to 1, or one is below 0")
    return {token: share / total for token, share in continuation.items() if share}
