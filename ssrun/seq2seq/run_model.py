"""The model of a run: its first weights, what is trained beside it, and what it asks of training pairs first."""

from __future__ import annotations

import torch

from ssrun.config.run import RunConfig
from ssrun.seq2seq import streams
from ssrun.seq2seq.batches import Batches
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.outputs.output import CountedOutput
from ssrun.seq2seq.professor import Discriminator
from ssrun.seq2seq.skip_gram import begin_with_skip_gram
from ssrun.seq2seq.vocabulary import Vocabularies

LOOKED_AT = 10_000  # of the run's training pairs, from the first


def model_of(config: RunConfig, vocabularies: Vocabularies, *, drawn: bool = True) -> Seq2Seq:
    """The run's model, with weights `drawn` by its seed; else whatever torch draws, for those that are to be put in."""
    sizes, strategy = (len(vocabularies.source), len(vocabularies.target)), config.strategy
    first = streams.generator(config.seed, "init") if drawn else None
    model = Seq2Seq(config.model, *sizes, first, sees_prefix=strategy.at_test == "own")
    if strategy.professor_weight:
        own = streams.generator(config.seed, "discriminator") if drawn else None
        model.discriminator = Discriminator(config.model.hidden + sizes[1], config.model.hidden, own)
    return model


def look_at_training_pairs(model: Seq2Seq, batches: Batches) -> None:
    """What a model asks of its training pairs before the first step: vectors of words, and how often each is said.

    Interrupted on a signal.
    """
    learns_vectors, counts = model.config.embeddings == "skip-gram", isinstance(model.output, CountedOutput)
    if not (learns_vectors or counts):
        return
    seen = batches.first(LOOKED_AT)
    if learns_vectors:
        begin_with_skip_gram(model, seen, batches.seed)
    if isinstance(model.output, CountedOutput):
        said = torch.cat([batch.target.flatten() for batch in seen])
        model.output.counted(torch.bincount(said, minlength=model.target_size))
