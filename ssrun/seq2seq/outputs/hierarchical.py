"""Hierarchical softmax: a token is a path down a binary tree, in O(log V) (Morin and Bengio 2005).

At each inner node n it goes left with probability sigmoid(w_n h + b_n), else right; the probability of a token is the
product along its path, so that those of all tokens sum to 1 (Mikolov et al. 2013, arXiv 1310.4546). The tree is
Huffman's (1952) over how often each token was counted: the frequent have short paths.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from ssrun.seq2seq.outputs.output import MASKED, NEVER_SAID, CountedOutput


class Level(NamedTuple):
    """The children of all inner nodes of one depth, C in all.

    Attributes:
        parents: The place of each one's parent in the level above, [C].
        nodes: The number of that inner node, [C].
        sides: 1 for its left child and -1 for its right, [C].
    """

    parents: Tensor
    nodes: Tensor
    sides: Tensor


class HuffmanTree(NamedTuple):
    """Where each of V tokens lies.

    Attributes:
        first: Where a token's path begins in `nodes` and `sides`, [V].
        lengths: How many inner nodes are on it, [V]; 0 where it is never said.
        nodes: The inner nodes of all paths, one after the other, each from the root.
        sides: Where each path goes there: 1 for left and -1 for right.
        levels: The tree again, from the top.
        leaves: Each token's place among the root and all levels laid end to end, [V]; the place after them all where it
            is never said.
    """

    first: Tensor
    lengths: Tensor
    nodes: Tensor
    sides: Tensor
    levels: list[Level]
    leaves: Tensor

    @classmethod
    def of(cls, counts: Tensor) -> Self:
        """The tree over those of V tokens that were counted, two at least, on the processor; ties by their order."""
        heap = [(count, token) for token, count in enumerate(counts.tolist()) if count]
        heapq.heapify(heap)
        children: list[tuple[int, int]] = []  # of each inner node: tokens, and inner nodes from V on
        while len(heap) > 1:
            (one, left), (other, right) = heapq.heappop(heap), heapq.heappop(heap)
            heapq.heappush(heap, (one + other, len(counts) + len(children)))
            children.append((left, right))
        paths: list[list[tuple[int, int]]] = [[] for _ in range(len(counts))]
        leaves = [0] * len(counts)
        levels: list[Level] = []
        above: list[tuple[int, list[tuple[int, int]]]] = [(heap[0][1], [])]
        laid = 1  # of the root and the levels
        while above:
            level, below = [], []
            for place, (tree, path) in enumerate(above):
                if tree < len(counts):
                    paths[tree] = path
                    leaves[tree] = laid - len(above) + place
                    continue
                node = tree - len(counts)
                for child, side in zip(children[node], (1, -1), strict=True):
                    level.append((place, node, side))
                    below.append((child, [*path, (node, side)]))
            if level:
                levels.append(Level(*(torch.tensor(part) for part in zip(*level, strict=True))))
            above, laid = below, laid + len(below)
        for token in NEVER_SAID:
            leaves[token] = laid
        lengths = torch.tensor([len(path) for path in paths])
        steps = [step for path in paths for step in path]
        nodes, sides = (torch.tensor(part) for part in zip(*steps, strict=True))
        return cls(lengths.cumsum(0) - lengths, lengths, nodes, sides, levels, torch.tensor(leaves))

    def to(self, device: torch.device) -> Self:
        levels = [Level(*(part.to(device) for part in level)) for level in self.levels]
        first, lengths, nodes, sides = (part.to(device) for part in self[:4])
        return type(self)(first, lengths, nodes, sides, levels, self.leaves.to(device))


class Hierarchical(CountedOutput[HuffmanTree]):
    """See the module."""

    def __init__(self, hidden: int, vocabulary: int) -> None:
        super().__init__(hidden, vocabulary, vocabulary - len(NEVER_SAID) - 1)

    def made(self) -> HuffmanTree:
        return HuffmanTree.of(self.counts).to(self.counts.device)

    def forward(self, features: Tensor) -> Tensor:
        """Log-probabilities: from the root downwards, a level at a time."""
        scores = nn.functional.linear(features, self.weight, self.bias)
        above = torch.zeros_like(scores[..., :1])
        found = [above]
        for parents, nodes, sides in self.of_counts.levels:
            goes = nn.functional.logsigmoid(scores.index_select(-1, nodes) * sides)
            above = above.index_select(-1, parents) + goes
            found.append(above)
        never = torch.full_like(found[0], MASKED)
        return torch.cat((*found, never), -1).index_select(-1, self.of_counts.leaves)

    def loss(self, features: Tensor, tokens: Tensor, noise: Tensor) -> Tensor:
        """The mean of -log p of the tokens: of their paths alone."""
        tree = self.of_counts
        lengths = tree.lengths[tokens]
        positions = torch.arange(len(tokens), device=tokens.device).repeat_interleave(lengths)
        along = torch.arange(len(positions), device=tokens.device) - (lengths.cumsum(0) - lengths)[positions]
        places = tree.first[tokens][positions] + along
        nodes = tree.nodes[places]
        weights, biases = (nn.functional.embedding(nodes, part) for part in (self.weight, self.bias.unsqueeze(-1)))
        scores = (weights * features[positions]).sum(-1) + biases.squeeze(-1)
        return nn.functional.softplus(-scores * tree.sides[places]).sum() / len(tokens)
