"""Path: from the centre of a star to a given tip, where only the first step needs a plan.

The path-star graph of Bachmann and Nagarajan 2024, "The pitfalls of next-token prediction" (arXiv 2403.06963).

- Teacher forcing takes the "Clever Hans" shortcut: each later node follows from the true node before it
  by looking up one edge, so nothing but the first step out of the centre teaches to look at the goal. A
  model that guesses that step has low teacher-forced loss, and a `validity` of 1 / degree.
- Sampling feeds nodes of the wrong arm, from which no edge leads to the target: the shortcut stops paying
  at every position, as in the paper's cure, training without the true prefix ("teacherless"), and what
  remains is to read the goal. A small model may mix the arms instead: then the `free_running_loss`
  improves and `validity` falls below 1 / degree.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Literal, Self

from pydantic import Field, model_validator

from ssrun.tasks.optimal_completion import END
from ssrun.tasks.task import Drawn, Example, Split, Tokens

EDGE_END = "|"
QUESTION = "/"


class StarPath(Drawn):
    """The source is the shuffled edges of a star, its centre and a goal; the target is the path between them.

    `degree` arms leave the centre, each of `path_length` nodes with the centre counted. An edge is written
    `5 2 |`, away from the centre, and the question `/ 5 7`. Node names are drawn afresh for each example.
    """

    metrics = ("validity",)

    name: Literal["path"] = "path"
    degree: int = Field(2, ge=2, le=10, description="how many arms")
    path_length: int = Field(5, ge=4, le=20, description="nodes of a path, the centre and the goal included")
    nodes: int = Field(12, ge=7, le=200, description="how many node names there are")

    @model_validator(mode="after")
    def _enough_nodes(self) -> Self:
        needed = self.degree * (self.path_length - 1) + 1
        if self.nodes < needed:
            raise ValueError(f"{self.degree} arms of {self.path_length} nodes need nodes >= {needed}, not {self.nodes}")
        return self

    def draw(self, random: Random, split: Split = "training") -> Example:
        steps = self.path_length - 1
        centre, *rest = random.sample(self.target_tokens(), self.degree * steps + 1)
        arms = [(centre, *rest[first : first + steps]) for first in range(0, len(rest), steps)]
        edges = [edge for arm in arms for edge in pairwise(arm)]
        random.shuffle(edges)
        source = [token for edge in edges for token in (*edge, EDGE_END)]
        return Example((*source, QUESTION, centre, arms[0][-1]), arms[0])  # the first arm drawn is the one asked for

    def source_tokens(self) -> list[str]:
        return [EDGE_END, QUESTION, *self.target_tokens()]

    def target_tokens(self) -> list[str]:
        return [str(node) for node in range(self.nodes)]

    def is_right(self, source: Tokens, output: Tokens) -> bool:
        """Whether the output leads from the centre to the goal along the source's edges."""
        *graph, _, start, goal = source
        edges = set(zip(graph[::3], graph[1::3], strict=True))
        return bool(output) and (output[0], output[-1]) == (start, goal) and edges.issuperset(pairwise(output))

    def expert(self, example: Example, prefix: Tokens) -> Tokens:
        """The node after the one said last, on the arm that leads to the goal; nothing where it is on none of it."""
        path = (*example.target, END)
        if not prefix:
            return path[:1]
        return () if prefix[-1] not in example.target else (path[path.index(prefix[-1]) + 1],)
