"""Words cut into pieces: the same pieces everywhere, words again afterwards, and a run that keeps what it needs."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssrun.config.resolution import resolve
from ssrun.errors import UsageError
from ssrun.runs.execution import prepare
from ssrun.runs.folder import RunFolder
from ssrun.runs.verification import faults_of
from ssrun.seq2seq.vocabulary import EOS, SPECIALS, UNKNOWN, Subwords, Vocabularies
from ssrun.tasks.corpus import models_of
from ssrun.tasks.subwords import learn
from ssrun.tasks.task import Split
from ssrun.tasks.translation import read
from tests.support.commands import Done
from tests.support.faults import fault, stop_after
from tests.support.in_process import document, ssrun
from tests.support.runs import EVERYTHING_ON, train, train_to_the_same_end
from tests.support.snapshots import run_folder
from tests.tasks.test_corpus import corpus, write

SENTENCES = [pair.target for pair in read("training")[:400]]
LETTERS = sorted({letter for sentence in SENTENCES for word in sentence for letter in word})
PIECES = 120
SMALL = ("--set=model.hidden=8", "--set=model.embedding=8", "--set=training.batch_size=8", "--steps=6")


@pytest.fixture(scope="module")
def vocabulary() -> Subwords:
    return Subwords(learn(SENTENCES, PIECES, "target"))


def text(folder: Path) -> Path:
    """A corpus of two hundred pairs."""
    sizes: dict[str, tuple[Split, int]] = {
        "train": ("training", 200),
        "valid": ("validation", 10),
        "test": ("test", 10),
    }
    pairs = {name: read(split)[:size] for name, (split, size) in sizes.items()}
    return write(folder, {n: [(" ".join(p.source), " ".join(p.target)) for p in part] for n, part in pairs.items()})


def test_there_are_as_many_pieces_as_were_asked_for(vocabulary: Subwords) -> None:
    assert len(vocabulary) == PIECES + len(SPECIALS)
    assert set(LETTERS) < set(vocabulary.tokens)


def test_the_same_text_and_size_are_the_same_pieces_and_another_size_is_not() -> None:
    assert learn(SENTENCES, PIECES, "target") == learn(list(SENTENCES), PIECES, "source")
    assert learn(SENTENCES, PIECES, "target") != learn(SENTENCES, PIECES + 1, "target")


@settings(max_examples=100)
@given(st.lists(st.text(LETTERS, min_size=1), min_size=1))
def test_words_of_known_letters_come_back_as_they_were(words: list[str]) -> None:
    vocabulary = Subwords(learn(SENTENCES, PIECES, "target"))
    ids = vocabulary.encode(words)
    assert ids[-1] == EOS
    assert ids.count(EOS) == 1
    assert vocabulary.decode(ids) == tuple(words)
    assert vocabulary.length(words) == len(ids) - 1
    assert vocabulary.unknown(words) == []


def test_a_letter_that_training_has_not_is_unknown_within_its_word(vocabulary: Subwords) -> None:
    ids = vocabulary.encode(("fille", "la☃", "<unk>", "la"))
    assert ids.count(UNKNOWN) == 2
    assert vocabulary.decode(ids) == ("fille", "la<unk>", "<unk>", "la")
    assert vocabulary.unknown(("fille", "la☃")) == ["la☃"]


def test_a_vocabulary_that_was_kept_is_the_same_again(vocabulary: Subwords) -> None:
    kept = json.loads(json.dumps(Vocabularies(vocabulary, vocabulary).kept()))
    assert kept["target"] == vocabulary.tokens[len(SPECIALS) :]
    again = Vocabularies.read(kept).target
    assert again.tokens == vocabulary.tokens
    assert again.encode(("triste", "fille")) == vocabulary.encode(("triste", "fille"))
    for model in ("", "garbage", "Z2FyYmFnZQ=="):
        with pytest.raises((ValueError, KeyError)):
            Vocabularies.read({"source_model": ["Z2FyYmFnZQ=="], "target_model": [model]})


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        (3, "task.subwords = 3: the source side needs at least 9, one a letter"),
        (4000, "task.subwords = 4000: the words of the source side give at most 31; 0 is whole words"),
    ],
)
def test_a_size_that_the_corpus_cannot_have_is_refused_before_anything_is_written(
    tmp_path: Path, pieces: int, message: str
) -> None:
    folder = write(tmp_path / "corpus", form="tsv")
    given = (f"--corpus={folder}", f"--set=task.subwords={pieces}", f"--out={tmp_path / 'runs'}")
    for command in ("train", "compare"):
        assert ssrun(command, *given).must(2).err.partition("task.")[::2] in (
            ("ssrun: ", f"{message}\n".removeprefix("task.")),
            ("ssrun: default: ", f"{message}\n".removeprefix("task.")),
        )
    assert not (tmp_path / "runs").exists()


def test_what_is_of_words_alone_is_refused_beside_pieces(tmp_path: Path) -> None:
    fields = {"path": str(write(tmp_path / "corpus", form="tsv")), "subwords": 12, "minimum_frequency": 1}
    with pytest.raises(UsageError, match=r"minimum_frequency is of whole words: leave it out, or subwords"):
        resolve("corpus", "linear", 0, [{"task": fields}])


def test_without_sentencepiece_the_remedy_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    models_of.cache_clear()
    done = ssrun("train", f"--corpus={write(tmp_path / 'c', form='tsv')}", "--set=task.subwords=12").must(2)
    assert done.err == "ssrun: subwords need sentencepiece: pip install 'ssrun[subwords]'\n"


def test_the_model_sees_pieces_and_the_id_says_how_many(tmp_path: Path) -> None:
    folder = text(tmp_path / "corpus")
    task = {"path": str(folder), "source_language": "de", "target_language": "en"}
    plain, cut, other = (resolve("corpus", "linear", 0, [{"task": {**task, "subwords": n}}]) for n in (0, 60, 61))
    assert plain.id == resolve("corpus", "linear", 0, [{"task": task}]).id
    assert len({plain.id, cut.id, other.id}) == 3
    parts = prepare(cut)
    assert parts.model.target_size == 60 + len(SPECIALS)
    first = cut.task.held_out("test")[0]
    assert len(parts.vocabularies.encode(first)[1]) > len(first.target) + 1
    assert corpus(folder, subwords=60).facts() == {
        "training_pairs": 200, "left_out_pairs": 0, "source_pieces": 60, "target_pieces": 60
    }  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A run on pieces, its corpus taken away, and what training said."""
    folder = tmp_path_factory.mktemp("pieces")
    given = (f"--corpus={text(folder / 'corpus')}", "--source-language=de", "--target-language=en")
    done = ssrun("train", *given, *SMALL, "--set=task.subwords=60", "--set=scoring.beam=2", f"--out={folder / 'runs'}")
    shutil.rmtree(folder / "corpus")
    return run_folder(folder / "runs"), done.must(0)


def test_outputs_and_references_are_words_and_what_is_predicted_are_pieces(run: tuple[Path, Done]) -> None:
    folder = RunFolder(run[0])
    pieces = set(folder.vocabularies()["target"])
    assert folder.lines("references.txt") == [" ".join(pair.target) for pair in read("test")[:10]]
    assert "\u2581" not in "".join(folder.outputs())
    for name in ("next_step.txt", "decoding.txt"):
        assert {piece for line in folder.lines(name) for piece in line.split(" ")} <= {*pieces, "<eos>", "<unk>"}
    assert "per piece of a word" in run[1].out
    assert "per piece of a word" in ssrun("show", run[0].parents[2]).must(0).out.replace("\n", " ")


def test_a_run_on_pieces_is_verified_from_its_text(run: tuple[Path, Done]) -> None:
    assert faults_of(RunFolder(run[0])) == []


def test_a_run_on_pieces_is_used_and_looked_into_without_its_corpus(run: tuple[Path, Done]) -> None:
    path = run[0]
    (told,) = document("decode", path, "--n-best", 2, typed="the girl zz☃\n")
    assert told["unknown"] == ["zz☃"]
    assert len(told["n_best"]) == 2
    looked = document("explain", path, "--example", 1)
    assert looked["source"] == list(read("test")[1].source)
    gold = [position["gold"] for position in looked["forced"]]
    assert "".join(gold[:-1]).replace("\u2581", " ").split() == list(read("test")[1].target)
    assert document("inject", path)["pairs"] == 10


@pytest.mark.slow
def test_a_stopped_run_on_pieces_ends_with_the_same_bytes(tmp_path: Path) -> None:
    folder = text(tmp_path / "corpus")
    options = ("--task=corpus", f"--corpus={folder}", "--source-language=de", "--target-language=en", *EVERYTHING_ON)
    options = (*options, "--set=task.subwords=60", "--strategy=linear", "--set=training.select=best")
    for step in (3, 11):
        train(tmp_path, *options, faults=[fault(stop_after, step=step)]).must(143)
    train_to_the_same_end(tmp_path, *options)
