"""The parts of a strategy by name, each with its rule and where it comes from.

u is a uniform draw, t the position of the fed token in its target, from 0, s the logits it is predicted by.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Clock = Literal["step", "position", "both"]
Coin = Literal["token", "sequence", "batch", "prefix", "count", "confidence"]
Feed = Literal["sample", "argmax", "uniform-token", "unigram", "same-sequence", "mask", "beam-oracle"]
Label = Literal["gold", "expert", "teacher", "fed"]
Gradient = Literal["none", "soft", "straight-through"]
Objective = Literal["likelihood", "minimum-risk", "self-critical"]

CLOCKS: dict[Clock, str] = {  # what the schedule's epsilon becomes; T is the horizon
    "step": "",
    "position": "t in place of i, horizon in place of N",
    "both": "t · (1 - ε(i)) in place of i, horizon in place of N",
}
LOSSES: dict[Label, str] = {  # of a position, in nats: what each label asks for; p is the model's distribution there
    "gold": "-log p(y_t)",
    "expert": "-Σ_v e(v) log p(v), e: what an expert may say after the prefix that was fed",
    "teacher": "β KL(P, M) + (1 - β) KL(p, M), M = β P + (1 - β) p, P: the teacher's",
    "fed": "-log p(x_t+1), x: what is fed",
}
GRADIENTS: dict[Gradient, str] = {  # what is fed in place of a token, so that gradient flows through it; E: vectors
    "none": "",
    "soft": "Σ_v E_v softmax((s + g) / temperature)_v, g: Gumbel noise for a sample, else 0",
    "straight-through": "E_v of the largest (s + g)_v, with the gradient of soft",
}

OBJECTIVES: dict[Objective, str] = {  # in the place of a label's loss, of whole outputs; r: sentence BLEU, 0 to 1
    "likelihood": "",
    "minimum-risk": "Σ_y Q(y) (1 - r(y)), Q(y) ∝ p(y)^sharpness over a set of samples",
    "self-critical": "-(r(y) - r(argmax's)) log p(y), y: one sample",
}


class Part(NamedTuple):
    """A coin or a feed.

    Attributes:
        rule: Of a coin which tokens are true; of a feed what replaces one that is not.
        source: Who said so.
        called: Of a feed, what its tokens are called where they are shown.
        predicts: Whether it feeds what the model says there, so that there is a walk, or passes.
    """

    rule: str
    source: str
    called: str = "random"
    predicts: bool = False


_PAPER = "Bengio et al. 2015"
COINS: dict[Coin, Part] = {
    "token": Part("where u < ε, one u a token", _PAPER),
    "sequence": Part("where u < ε, one u a sequence", f"{_PAPER}, footnote 2"),
    "batch": Part("where u < ε, one u a batch", "a widespread reading"),
    "prefix": Part(
        "where t < round(ε n), n: the target's tokens",
        "peeling back of Mihaylova and Martins 2019, arXiv 1906.07651; the curriculum of Ranzato et al. 2016 (MIXER)",
    ),
    "count": Part(
        "exactly round(ε n) of the batch's n tokens, those of the smallest u",
        "Tensor2Tensor's sampling of video frames",
    ),
    "confidence": Part(
        "where u < ε or c <= threshold; noise where c > noise_threshold, c = p(y_t+1 | true prefix)",
        "Liu et al. 2021, ACL Findings, arXiv 2107.10427",
    ),
}
FEEDS: dict[Feed, Part] = {
    "sample": Part("a draw from softmax(s / temperature), of the top_k likeliest", _PAPER, "model", predicts=True),
    "argmax": Part("argmax s", _PAPER, "model", predicts=True),
    "uniform-token": Part("each real token of the vocabulary alike", f"{_PAPER}, section 4.1"),
    "unigram": Part("each token of the batch's targets alike", "unigram noise of Xie et al. 2017, arXiv 1703.02573"),
    "same-sequence": Part("each token of the same target alike", "Liu et al. 2021, ACL Findings, arXiv 2107.10427"),
    "mask": Part("<unk>", "word dropout of Bowman et al. 2016, arXiv 1511.06349", "mask"),
    "beam-oracle": Part(
        "of oracle_beam outputs as long as the target, the one with the best sentence BLEU",
        "Zhang et al. 2019, arXiv 1906.02448",
        "beam",
    ),
}
PREDICTED: tuple[Feed, ...] = tuple(name for name, part in FEEDS.items() if part.predicts)
