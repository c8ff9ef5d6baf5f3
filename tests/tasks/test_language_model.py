"""A text that is said from nothing: its examples, what is held out, and that everything copes without a source."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from ssrun import api
from ssrun.analysis.explanation import attention_map, explain_trained
from ssrun.config.resolution import resolve
from ssrun.config.run import ScoringConfig
from ssrun.config.spec import RunSpec
from ssrun.errors import UsageError
from ssrun.runs.trained import load_trained, translate
from ssrun.runs.verification import faults_of
from ssrun.seq2seq.batches import Batches
from ssrun.seq2seq.scoring import score
from ssrun.seq2seq.vocabulary import EOS
from ssrun.tasks import END, Example
from ssrun.tasks.language_model import RHYMES, LanguageModel, shipped, text_of
from tests.support.in_process import ssrun
from tests.support.runs import finished
from tests.support.tiny import untrained

TEXT = "one two three\n four  five\n\nsix seven\none two three\n"


def own(folder: Path, text: str = TEXT, **fields: object) -> LanguageModel:
    path = folder / "text.txt"
    path.write_text(text)
    return LanguageModel.model_validate({"path": str(path), "held_out_share": 0, **fields}).prepared()


def said(task: LanguageModel) -> list[str]:
    return [" ".join(example.target) for example in task.training()]


# Examples


def test_the_rhymes_are_lower_case_words_and_mary_is_whole() -> None:
    assert [Path(path).stem for path in shipped("all")] == list(RHYMES)
    for path in shipped("all"):
        text = text_of(path)
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyz' \n")
        assert text == Path(path).read_text().removesuffix("\n")
    stanzas = said(LanguageModel(rhyme="mary", example="stanza", held_out_share=0))
    assert [stanza.count("/") for stanza in stanzas] == [7, 7, 7]
    assert stanzas[0].startswith(
        "mary had a little lamb / its fleece was white as snow / and everywhere that mary went"
    )
    assert stanzas[2].endswith("and make them follow at your call / if you are always kind")
    assert said(LanguageModel(rhyme="mary", example="text", held_out_share=0)) == [" / ".join(stanzas)]


def test_an_example_is_a_line_a_stanza_or_a_text_in_words_or_characters(tmp_path: Path) -> None:
    assert said(own(tmp_path)) == ["one two three", "four five", "six seven", "one two three"]
    assert said(own(tmp_path, example="stanza")) == ["one two three / four five", "six seven / one two three"]
    assert said(own(tmp_path, example="text")) == ["one two three / four five / six seven / one two three"]
    (first, *_) = own(tmp_path, unit="characters").training()
    assert first.target == tuple("one▁two▁three")
    assert {example.source for example in own(tmp_path).training()} == {()}
    assert (own(tmp_path).source_tokens(), own(tmp_path).target_tokens()[:3]) == ([], ["one", "three", "two"])


# What is held out


def test_what_is_held_out_is_nowhere_in_training_and_all_is_somewhere() -> None:
    task = LanguageModel()
    training, validation, test = ({e.target for e in part} for part in (task.training(), *map(task.held_out, SPLITS)))
    assert not training & (validation | test)
    assert not validation & test
    everything = {example.target for example in task.examples()}
    assert training | validation | test == everything
    assert len(validation) == len(test) == round(0.1 * len(everything))
    assert [*task.training()] == [example for example in task.examples() if example.target in training]
    assert task.model_copy(update={"test_pairs": 2}).held_out("test") == task.held_out("test")[:2]
    facts = task.facts()
    assert facts["target_test_words"] == sum(map(len, test))
    assert facts["target_unknown_words"] == sum(
        word not in task.target_tokens() for example in task.held_out("test") for word in example.target
    )


SPLITS = ("validation", "test")


def test_with_nothing_held_out_the_text_itself_is_asked_for_once_each(tmp_path: Path) -> None:
    task = own(tmp_path)
    assert len(task.training()) == 4
    assert task.held_out("test") == task.held_out("validation") == list(task.training())[:3]


def test_too_little_to_hold_out_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the text has 2 different examples, too few: 0 asks for what was learned"):
        own(tmp_path, example="stanza", held_out_share=0.1)
    assert len(own(tmp_path, held_out_share=0.1).training()) in (1, 2)


# Without a source


def test_everything_copes_without_a_source(tmp_path: Path) -> None:
    layers = [{"task": {"rhyme": "star", "example": "stanza"}, "model": {"hidden": 8}, "training": {"steps": 2}}]
    config = resolve("language-model", "always-sampling", 0, layers)
    folder = finished(tmp_path / "runs", RunSpec.of("language-model", "always-sampling", config))
    assert [example.source for example in folder.test_pairs()] == [()]
    assert faults_of(folder) == []
    trained = load_trained(folder)
    assert not trained.has_source
    batch = Batches(config.task, trained.vocabularies, 8, 0).at(0)
    assert batch.source.tolist() == [[EOS]] * len(batch.source)
    (example,) = folder.test_pairs()
    assert len(explain_trained(trained, example).free_running) == len(example.target) + 1
    seen = attention_map(trained, example)
    assert seen is None or len(seen.source) == 1
    model = api.Model(trained)
    assert model.translate("") == translate(trained, ())
    assert model.score("", "twinkle twinkle") < 0
    with pytest.raises(UsageError, match="this model has no source: give an empty one"):
        model.translate("a b")
    told = ssrun("decode", folder.path, typed="\n\n").must(0).out.splitlines()
    assert told == [" ".join(translate(trained, ()))] * 2
    refused = ssrun("decode", folder.path, typed="a b\n").must(2).err
    assert refused == "ssrun: stdin:1: this model has no source: give empty lines, one an output\n"
    assert "source  none" in ssrun("explain", folder.path).must(0).out
    assert ssrun("inject", folder.path).must(0)


def test_one_output_to_no_source_is_all_that_is_said() -> None:
    trained = untrained(
        resolve("language-model", "teacher-forcing", 0, [{"task": {"rhyme": "cole", "held_out_share": 0}}])
    )
    task, examples = trained.config.task, list(trained.config.task.held_out("test"))
    with torch.no_grad():  # whatever it has heard, it says nothing more
        trained.model.output.weight.zero_()
        trained.model.output.bias[EOS] += 9
    scores = score(trained.model, task, examples, trained.vocabularies, ScoringConfig())
    assert scores.outputs == [()] * len(examples)
    assert scores.quality["distinct"] == 100, "one output to the one source"
    assert {said[-1] for said in scores.free_running} == {END}


# What is refused


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"path": "x.txt", "rhyme": "mary"}, "rhyme = mary: the text is that of path: leave one of them out"),
        ({"digest": "0"}, "digest: it is of a text of one's own"),
        ({"path": "\udcff"}, "the name is not UTF-8"),
        ({"rhyme": "nobody"}, "rhyme"),
    ],
)
def test_what_would_be_ignored_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LanguageModel.model_validate(fields)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"text\.txt:1: no text: give at least one line"),
        (b"\n \n", r"text\.txt:1: no text"),
        (b"a b\r\n", r"text\.txt:1: CRLF line end"),
        (b"a\n\xff\n", r"text\.txt:2: invalid UTF-8"),
        (b"a <eos>\n", r"text\.txt:1: <bos>, <eos>, <pad> are reserved"),
        (b"a " * 2001, r"an example has 2,001 tokens, more than 2,000: cut it"),
    ],
)
def test_a_text_that_is_none_is_refused_by_its_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        LanguageModel(path=str(path), held_out_share=0).prepared()


def test_a_missing_or_changed_text_is_refused(tmp_path: Path) -> None:
    for name in ("none.txt", "x" * 300):
        with pytest.raises(UsageError, match="no such file: give a text"):
            LanguageModel(path=str(tmp_path / name)).prepared()
    task = own(tmp_path)
    assert task.prepared() == task
    (tmp_path / "other").mkdir()
    other = own(tmp_path / "other", TEXT + "eight\n")
    with pytest.raises(UsageError, match="the text has changed since this run"):
        task.model_copy(update={"path": other.path}).prepared()
    assert Example((), ("eight",)) in other.training()
