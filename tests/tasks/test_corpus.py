"""Corpora: what is read is what is there, and what is no corpus is refused with file, line and remedy."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssrun.config.resolution import resolve
from ssrun.errors import UsageError
from ssrun.tasks import Example
from ssrun.tasks.corpus import Corpus, checked_lines, frequent

PAIRS = {
    "train": [("ein Haus", "a house"), ("ein Hund", "a dog"), ("ein Haus und ein Hund", "a house and a dog")],
    "valid": [("ein Hund", "a dog")],
    "test": [("ein Pferd", "a horse"), ("das Haus", "the house")],
}


def write(
    folder: Path, pairs: dict[str, list[tuple[str, str]]] = PAIRS, form: str = "sides", zipped: bool = False
) -> Path:
    """A corpus of these pairs: two files a split, or one TSV."""
    folder.mkdir(exist_ok=True)
    for split, of_split in pairs.items():
        texts = {f"{split}.tsv": "".join(f"{source}\t{target}\n" for source, target in of_split)}
        if form == "sides":
            texts = {f"{split}.{e}": "".join(f"{p[k]}\n" for p in of_split) for k, e in enumerate(("de", "en"))}
        for name, text in texts.items():
            data = text.encode()
            (folder / f"{name}{'.gz' if zipped else ''}").write_bytes(gzip.compress(data) if zipped else data)
    return folder


def read_lines(path: Path) -> list[str]:
    return [line for block in checked_lines(path) for line in block]


def corpus(folder: Path, form: str = "sides", **fields: Any) -> Corpus:
    languages = {"source_language": "de", "target_language": "en"} if form == "sides" else {}
    return Corpus(path=str(folder), **languages | fields).prepared()  # type: ignore[arg-type]


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", ["sides", "tsv"])
def test_two_files_or_one_tsv_plain_or_gzip_are_the_same_corpus(tmp_path: Path, form: str, zipped: bool) -> None:
    found = corpus(write(tmp_path / "corpus", form=form, zipped=zipped), form)
    assert found.training() == [Example(tuple(s.split()), tuple(t.split())) for s, t in PAIRS["train"]]
    assert [e.source for e in found.held_out("validation")] == [("ein", "Hund")]
    assert [e.target for e in found.held_out("test")] == [("a", "horse"), ("the", "house")]
    assert found.digest == corpus(write(tmp_path / "other")).digest


@pytest.mark.parametrize(
    "stems", [("training", "dev", "test"), ("train", "val", "test"), ("train", "validation", "test")]
)
def test_a_split_may_have_its_other_names(tmp_path: Path, stems: tuple[str, ...]) -> None:
    folder = write(tmp_path / "corpus", dict(zip(stems, PAIRS.values(), strict=True)))
    assert corpus(folder).digest == corpus(write(tmp_path / "plain")).digest


def test_words_rarer_than_the_minimum_are_unknown_and_counted(tmp_path: Path) -> None:
    found = corpus(write(tmp_path / "corpus"))
    assert (found.source_tokens(), found.target_tokens()) == (["ein", "Haus", "Hund"], ["a", "dog", "house"])
    assert found.facts() == {
        "training_pairs": 3, "left_out_pairs": 0, "source_vocabulary": 3, "target_vocabulary": 3,
        "source_test_words": 4, "source_unknown_words": 2, "target_test_words": 4, "target_unknown_words": 2,
    }  # fmt: skip
    assert corpus(tmp_path / "corpus", minimum_frequency=1).source_tokens() == ["ein", "Haus", "Hund", "und"]


def test_training_pairs_that_are_too_long_are_left_out_and_counted_and_held_out_ones_never(tmp_path: Path) -> None:
    found = corpus(write(tmp_path / "corpus", {**PAIRS, "test": [("w " * 30, "v " * 31)]}), maximum_length=4)
    assert [len(e.source) for e in found.training()] == [2, 2]
    assert [(len(e.source), len(e.target)) for e in found.held_out("test")] == [(30, 31)]
    assert (found.facts()["training_pairs"], found.facts()["left_out_pairs"]) == (2, 1)
    one_side = corpus(write(tmp_path / "one", {**PAIRS, "train": [("a", "b"), ("a", "b c")]}), maximum_length=1)
    assert len(one_side.training()) == 1


def test_a_corpus_without_a_pair_short_enough_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no training pair is within maximum_length = 1: raise it"):
        corpus(write(tmp_path / "corpus"), maximum_length=1)


def test_the_first_pairs_are_held_out_where_fewer_are_asked_for(tmp_path: Path) -> None:
    found = corpus(write(tmp_path / "corpus"), test_pairs=1)
    assert [e.target for e in found.held_out("test")] == [("a", "horse")]
    assert len(corpus(tmp_path / "corpus").held_out("test")) == 2


@settings(max_examples=50)
@given(st.lists(st.text(st.characters(exclude_characters="\n\r\0\ufeff", exclude_categories=["Cs"])), min_size=1))
def test_lines_are_those_that_wc_counts(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.mktemp("lines") / "text"
    lines = [f"x{line}" for line in lines]
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    assert read_lines(path) == lines


def test_separators_that_are_no_line_feed_do_not_end_a_line(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("a\u2028b\nc\x85d\x0b\x0c\x1c\ne\u2029", encoding="utf-8", newline="")
    assert read_lines(path) == ["a\u2028b", "c\x85d\x0b\x0c\x1c", "e\u2029"]
    counted = int(subprocess.run(["wc", "-l", path], capture_output=True, text=True, check=True).stdout.split()[0])
    assert counted == len(read_lines(path)) - 1, "the last line has no line feed, and is a line all the same"


def test_spaces_around_and_between_tokens_are_no_tokens(tmp_path: Path) -> None:
    found = corpus(write(tmp_path / "corpus", {**PAIRS, "test": [("  ein   Haus ", "a  house")]}))
    assert [(e.source, e.target) for e in found.held_out("test")] == [(("ein", "Haus"), ("a", "house"))]


def test_words_are_ordered_by_frequency_then_by_alphabet() -> None:
    assert frequent([("b", "a", "c"), ("c", "b", "a"), ("c",)], 2) == ["c", "a", "b"]


def test_a_corpus_that_has_changed_is_another_configuration(tmp_path: Path) -> None:
    folder = write(tmp_path / "corpus")
    digest = corpus(folder).digest
    with pytest.raises(UsageError, match="the corpus has changed since this run: put back the old text"):
        corpus(write(tmp_path / "new", {**PAIRS, "test": [("x", "y")]}), digest=digest)


def damaged(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    (folder / name).write_bytes(change((folder / name).read_bytes()))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("train.de", lambda d: d + b"x\n", "train.de has 4 lines and {}/train.en has 3: line k of one"),
        ("train.en", lambda d: d.replace(b"a dog\n", b"\n", 1), "train.en:2: an empty side: remove the pair"),
        ("test.en", lambda d: d.replace(b"a horse", b"   "), "test.en:1: an empty side"),
        ("train.de", lambda d: d.replace(b"Hund", b"H\xfcnd", 1), "train.de:2: invalid UTF-8 at byte 6: convert"),
        ("valid.de", lambda d: b"", "valid.de:1: no lines: give at least one sentence a file"),
        ("valid.de", lambda d: b"\xef\xbb\xbf" + d, "valid.de:1: begins with a byte-order mark: save it"),
        ("test.de", lambda d: d.replace(b"\n", b"\r\n"), "test.de:1: CRLF line end: convert the file to LF"),
        ("test.de", lambda d: d.replace(b"Haus", b"Ha\0us"), "test.de:2: a NUL byte: this is not plain text"),
        ("test.de", lambda d: b"x" * 1_000_001, "test.de:1: a line of more than 1,000,000 bytes: one"),
        ("test.de", lambda d: d.replace(b"das Haus", b"das\tHaus"), "test.de:2: a tab within a line: put spaces"),
        ("train.en", lambda d: d.replace(b"house", b"<eos>", 1), "train.en:1: <bos>, <eos>, <pad> are reserved: "),
    ],
    ids=["lengths", "empty", "blank", "utf-8", "no-lines", "mark", "crlf", "nul", "long", "tab", "reserved"],
)  # fmt: skip
def test_text_that_is_no_corpus_is_refused_with_file_line_and_remedy(
    tmp_path: Path, name: str, change: Callable[[bytes], bytes], message: str
) -> None:
    folder = write(tmp_path / "corpus")
    damaged(folder, name, change)
    with pytest.raises(UsageError) as error:
        corpus(folder)
    assert str(error.value).startswith(f"{folder}/{message.format(folder)}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [("no tab", "1 columns, not 2: source, tab, target"), ("a\tb\tc", "3 columns, not 2"), ("\tb", "an empty")],
)
def test_a_tsv_line_that_is_no_pair_is_refused(tmp_path: Path, line: str, message: str) -> None:
    folder = write(tmp_path / "corpus", form="tsv")
    damaged(folder, "train.tsv", lambda data: data + f"{line}\n".encode())
    with pytest.raises(UsageError, match=rf"train\.tsv:4: {message}"):
        corpus(folder, "tsv")


def test_what_is_missing_is_named_with_the_remedy(tmp_path: Path) -> None:
    folder = write(tmp_path / "corpus")
    with pytest.raises(UsageError, match=r"train\.tsv: no such file: .*\(or give --source-language and --target"):
        corpus(folder, "tsv")
    with pytest.raises(UsageError, match=r"nowhere: no such corpus folder: give the folder that holds"):
        corpus(tmp_path / "nowhere")
    (folder / "valid.de").unlink()
    with pytest.raises(UsageError, match=r"valid\.de: no such file: the validation side of the corpus is missing"):
        corpus(folder)


def test_two_files_of_one_split_are_refused(tmp_path: Path) -> None:
    folder = write(write(tmp_path / "corpus"), zipped=True)
    with pytest.raises(UsageError, match=r"train\.de and .*train\.de\.gz are both there: remove one"):
        corpus(folder)


def test_a_file_that_is_not_gzip_or_cut_off_is_refused(tmp_path: Path) -> None:
    for change in (lambda data: b"not gzip\n", lambda data: data[:-9], lambda data: data[:20] + b"x"):
        folder = write(tmp_path / "corpus", zipped=True)
        damaged(folder, "train.de.gz", change)
        with pytest.raises(UsageError, match=r"train\.de\.gz:\d+: cannot be read \(.*\): check the file"):
            corpus(folder)


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "corpus")
    (folder / "train.de").unlink()
    (folder / "train.de").mkdir()
    with pytest.raises(UsageError, match=r"train\.de:1: not a regular file: give a text file"):
        corpus(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "task: task corpus needs a folder: --corpus DIR"),
        ({"path": "x", "source_language": "de"}, "task: give both --source-language and --target-language"),
        ({"path": "x", "source_language": "de", "target_language": "de"}, "task: source and target language are both"),
        ({"path": "x", "source_language": "../de"}, "task.source_language = '../de': string should"),
        ({"path": "x", "minimum_frequency": 0}, "task.minimum_frequency = 0: input should be greater than or equal"),
    ],
)
def test_fields_that_make_no_sense_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve("corpus", "linear", 0, [{"task": fields}])
    assert str(error.value).startswith(message)
