"""Skip-gram with negative sampling: vectors of words from the words around them (Mikolov et al. 2013, arXiv 1310.4546).

For a word w and one that stands near it, c, a step lowers

    -log sigmoid(u_c v_w) - sum over K noise words n of log sigmoid(-u_n v_w)

whose noise is drawn from the words' frequencies to the power 3/4. A word's window is 1 to WINDOW wide on either side,
drawn for each place. v are the vectors that a model begins with; it learns on from there as ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batch
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.noise import Noise, told_from_noise
from ssrun.seq2seq.vocabulary import EOS, PAD
from ssrun.system import signals

WINDOW = 5
NOISE = 5  # K
AT_ONCE = 1024  # places a step
RATE = 1e-2  # Adam's


@torch.no_grad()
def begin_with_skip_gram(model: Seq2Seq, seen: Sequence[Batch], seed: int) -> None:
    """Puts vectors of the words of some training pairs, by a run's seed, into a model's embeddings.

    They are centred, and as large as its drawn ones are; what those pairs do not hold keeps what was drawn.
    Interrupted on a signal.
    """
    sides = {
        "source": (model.source_embedding, [batch.source for batch in seen]),
        "target": (model.target_embedding, [batch.target for batch in seen]),
    }
    for number, (embedding, texts) in enumerate(sides.values()):
        generator = streams.generator(seed, "skip-gram", number)
        size, width = embedding.weight.shape
        found = skip_gram(texts, size, width, generator)
        held = torch.bincount(torch.cat([text.flatten() for text in texts]), minlength=len(found)) > 0
        held[: EOS + 1] = False
        if held.any():
            deviation = model.config.embedding_scale * model.config.embedding**-0.5
            of_words = found[held] - found[held].mean(0)  # noise pushes all the same way, which tells nothing
            scaled = of_words * deviation / of_words.square().mean().sqrt().clamp_min(torch.finfo(found.dtype).tiny)
            embedding.weight[held.to(model.device)] = scaled.to(model.device)


@torch.enable_grad()
def skip_gram(texts: list[Tensor], size: int, width: int, generator: torch.Generator) -> Tensor:
    """The vectors v [size, width] after one pass over batches of texts [B, T], PAD after each one's end."""
    counts = sum((torch.bincount(text.flatten(), minlength=size) for text in texts), torch.zeros(size)).float()
    counts[PAD] = 0
    noise_words = Noise.of(counts)
    vectors = nn.Parameter((torch.rand(size, width, generator=generator) - 0.5) / width)
    contexts = nn.Parameter(torch.zeros(size, width))
    optimiser = torch.optim.Adam([vectors, contexts], lr=RATE, fused=True)
    for words, near in grouped(texts, generator):
        signals.check()
        noise = noise_words.draw((len(words), NOISE), generator)
        loss = noise_contrast(vectors[words], contexts[near], contexts[noise])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return vectors.detach()


def noise_contrast(words: Tensor, near: Tensor, noise: Tensor) -> Tensor:
    """The mean over N places of what is lowered: v [N, E], u of what is near [N, E] and of noise [N, K, E]; nats."""
    return told_from_noise((words * near).sum(-1), (noise @ words.unsqueeze(-1)).squeeze(-1)).mean()


def grouped(texts: list[Tensor], generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """All pairs of a word and one within its window, in an order that is drawn, some at once."""
    words, near = [], []
    for text in texts:
        widths = torch.randint(1, WINDOW + 1, text.shape, generator=generator)
        for distance in range(1, min(WINDOW, text.shape[1] - 1) + 1):
            left, right = text[:, :-distance], text[:, distance:]
            real = (left != PAD) & (right != PAD)
            of_left, of_right = real & (widths[:, :-distance] >= distance), real & (widths[:, distance:] >= distance)
            words += [left[of_left], right[of_right]]
            near += [right[of_left], left[of_right]]
    if not words:
        return []
    all_words, all_near = torch.cat(words), torch.cat(near)
    order = torch.randperm(len(all_words), generator=generator)
    return list(zip(*(torch.split(ids[order], AT_ONCE) for ids in (all_words, all_near)), strict=True))
