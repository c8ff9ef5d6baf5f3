"""An experiment of a user's own: two variants of one strategy on two tasks, and a claim."""

from __future__ import annotations

CLAIM = """
[[claims]]
text = "Earlier is better."
source = "me"
metric = "bleu"
task = "short"
order = "early > late"
by = 0.5
"""
OWN = f"""
question = "Two variants of one strategy, on two tasks of my own?"
seeds = "3..5"
baseline = "late"
metrics = ["bleu", "decoding_error"]

[tasks]
short = {{ base = "reverse", task.length = "4..5", training.steps = 30 }}
long = {{ base = "copy", task.length = "6..8", model.hidden = 12 }}

[strategies]
late = {{ base = "inverse-sigmoid", half_at = 0.8 }}
early = {{ base = "inverse-sigmoid", half_at = 0.2, coin = "sequence" }}

[model]
embedding = 8

[training]
steps = 40
{CLAIM}
"""
