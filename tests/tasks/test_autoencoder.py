"""Sentences that are to be said again."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from ssrun.config.resolution import resolve
from ssrun.errors import UsageError
from ssrun.tasks.autoencoder import Autoencoder
from ssrun.tasks.translation import Translation
from tests.support.corpora import parallel


@pytest.mark.parametrize(("language", "side"), [("en", "source"), ("fr", "target")])
def test_the_sentences_are_one_side_of_the_translations(language: str, side: str) -> None:
    task, pairs = Autoencoder(language=language, pairs=50, test_pairs=20), Translation()
    for split, count in (("training", 50), ("test", 20)):
        found = task.training() if split == "training" else task.held_out("test")
        there = pairs.training() if split == "training" else pairs.held_out("test")
        assert [example.target for example in found] == [getattr(pair, side) for pair in list(there)[:count]]
        assert all(example.source == example.target for example in found)
    assert task.source_tokens() == task.target_tokens() == getattr(pairs, f"{side}_tokens")()
    assert task.facts() == {"training_pairs": 50, "left_out_pairs": 0}


def test_there_is_no_attention_unless_it_is_asked_for() -> None:
    assert resolve("autoencoder", "linear").model.attention == "none"
    assert resolve("autoencoder", "linear", 0, [{"model": {"attention": "dot"}}]).model.attention == "dot"


def test_a_corpus_of_ones_own_has_a_digest_and_long_sentences_do_not_train(tmp_path: Path) -> None:
    folder = parallel(tmp_path / "corpus")
    (folder / "train.de").write_text("ein Haus\nein sehr langer Satz\n", encoding="utf-8")
    task = Autoencoder(path=str(folder), language="de", maximum_length=3).prepared()
    assert [" ".join(example.source) for example in task.training()] == ["ein Haus"]
    assert task.facts() == {"training_pairs": 1, "left_out_pairs": 1}
    assert task.prepared() == task
    with pytest.raises(UsageError, match="the corpus has changed since this run"):
        task.model_copy(update={"digest": "0" * 64}).prepared()
    with pytest.raises(UsageError, match=r"no sentence is within maximum_length = 1: raise it"):
        Autoencoder(path=str(folder), language="de", maximum_length=1).prepared()
    with pytest.raises(UsageError, match=r"train\.fr: no such file"):
        Autoencoder(path=str(folder), language="fr").prepared()


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"language": "de"}, "the shipped sentences are en and fr: or give --corpus DIR"), ({"digest": "0"}, "digest")],
)
def test_what_is_not_there_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Autoencoder.model_validate(fields)
