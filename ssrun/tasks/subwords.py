"""Words cut into pieces by byte-pair encoding (Sennrich et al. 2016), learned with sentencepiece.

BPE and not a unigram model: it merges by counts, which are whole numbers, so that the same text gives the same
pieces on every machine. The text is taken as it is, without normalisation, and no piece crosses a space: a word
has the same pieces wherever it stands, and they make it again.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ssrun.errors import UsageError
from ssrun.tasks.task import Tokens

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

SPACE = "\u2581"  # what a piece has for the space before a word
UNKNOWN = "<unk>"  # a word of the text that says that it is unknown is not learned from
NEEDED = "subwords need sentencepiece: pip install 'ssrun[subwords]'"


def sentencepiece() -> Any:
    try:
        import sentencepiece
    except ImportError:
        raise UsageError(NEEDED) from None
    return sentencepiece


def learn(sentences: Iterable[Tokens], pieces: int, name: str) -> bytes:
    """A model of so many pieces, each a part of the sentences' words; UsageError where they are too few or too many.

    Every letter of the sentences is a piece. `name` is that of the side, for the message.
    """
    trainer = sentencepiece().SentencePieceTrainer
    texts = (" ".join(word for word in sentence if word != UNKNOWN) for sentence in sentences)
    model = io.BytesIO()
    try:
        trainer.train(
            sentence_iterator=(text for text in texts if text),
            model_writer=model,
            model_type="bpe",
            vocab_size=pieces + 1,  # and the unknown piece
            unk_id=0,
            bos_id=-1,
            eos_id=-1,
            pad_id=-1,
            character_coverage=1.0,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            max_sentence_length=2**30,
            input_sentence_size=0,
            shuffle_input_sentence=False,
            num_threads=1,
            minloglevel=3,
        )
    except RuntimeError as error:
        raise UsageError(f"task.subwords = {pieces}: {remedy(str(error), name)}") from None
    return model.getvalue()


def remedy(fault: str, name: str) -> str:
    """What a fault of sentencepiece says of the size that was asked for, counted without the unknown piece."""
    if found := re.search(r"required_chars\. \d+ vs (\d+)", fault):
        return f"the {name} side needs at least {int(found[1]) - 1}, one a letter"
    if found := re.search(r"value <= (\d+)", fault):
        return f"the words of the {name} side give at most {int(found[1]) - 1}; 0 is whole words"
    return f"nothing can be learned from the {name} side: give 0 for whole words"


@lru_cache(maxsize=8)
def processor(model: bytes) -> SentencePieceProcessor:
    """What cuts words into a model's pieces; ValueError where it is no model."""
    if not model:
        raise ValueError("no sentencepiece model")
    try:
        made: SentencePieceProcessor = sentencepiece().SentencePieceProcessor(model_proto=model)
    except RuntimeError:
        raise ValueError("no sentencepiece model") from None
    return made
