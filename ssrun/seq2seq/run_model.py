"""The model of a run: its sizes, its first weights, and what is trained beside it."""

from __future__ import annotations

from ssrun.config.run import RunConfig
from ssrun.seq2seq import streams
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.professor import Discriminator
from ssrun.seq2seq.vocabulary import Vocabularies


def model_of(config: RunConfig, vocabularies: Vocabularies, *, drawn: bool = True) -> Seq2Seq:
    """The run's model, with weights `drawn` by its seed; else whatever torch draws, for those that are to be put in."""
    sizes, strategy = (len(vocabularies.source), len(vocabularies.target)), config.strategy
    first = streams.generator(config.seed, "init") if drawn else None
    model = Seq2Seq(config.model, *sizes, first, sees_prefix=strategy.at_test == "own")
    if strategy.professor_weight:
        own = streams.generator(config.seed, "discriminator") if drawn else None
        model.discriminator = Discriminator(config.model.hidden + sizes[1], config.model.hidden, own)
    return model
