"""The figures that there are, by name, and the formats of their files. It imports nothing heavy."""

from __future__ import annotations

FIGURES = {
    "finding": "quality and both losses of every strategy, at a glance",
    "means": "every metric of the table, strategy by strategy",
    "differences": "how strategies differ from the baseline, paired by seed",
    "gap": "the exposure gap",
    "survival": "who has not reached the score yet, where the experiment has one to reach",
    "budget": "differences from the baseline against steps and equal compute, and where they cross zero",
    "map": "differences from the baseline over two fields that were swept, a square each",
    "learning": "losses and quality over training",
    "schedules": "epsilon as planned and realised, and the share of tokens replaced",
    "positions": "errors by target position, under either feed",
    "recovery": "what follows one injected error",
    "attention": "where two strategies look on one example",
}
OF_METRICS = ("means", "differences", "budget", "map", "learning")  # that show the metrics they are asked for
OF_RUNS = ("learning", "schedules", "positions", "recovery", "attention")  # that tables alone do not give
WIDTH, LEAST, MOST = 7.0, 3.0, 20.0  # inches of a figure: two columns of a page in print; and what it may be
KINDS = ("svg", "pdf", "png")
