"""train, explain, inject, decode: which run they mean, what they tell, and what they refuse."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from ssrun.metrics import METRICS
from ssrun.tasks.corpus import read_split
from tests.support.commands import Done
from tests.support.in_process import TRAIN, document, ssrun
from tests.support.outcomes import HOSTILE
from tests.tasks.test_corpus import write as write_corpus

TOKENS = " ".join(HOSTILE).split()


def test_train_ends_with_one_document_that_has_what_a_script_needs(trained: tuple[Path, Done]) -> None:
    results, done = trained
    assert done.code == 0
    assert done.out.count("\n") == 1
    told = json.loads(done.out)
    fields = "task strategy seed steps bleu bleu_signature free_running_loss teacher_forced_loss exposure_gap"
    more = "next_step_error decoding_error exact_match realised_epsilon replaced seconds run"
    assert told.keys() >= {*fields.split(), *more.split()}
    assert (told["task"], told["strategy"], told["seed"], told["steps"]) == ("reverse", "inverse-sigmoid", 0, 12)
    assert Path(told["run"]).parent == results / "runs" / "reverse"
    assert (Path(told["run"]) / "result.json").is_file()
    assert [line.partition(":")[0] for line in done.err.splitlines()] == [
        "reverse/inverse-sigmoid seed 0 step 6",
        "reverse/inverse-sigmoid seed 0 step 12",
        "[1/1] reverse/inverse-sigmoid seed 0",
    ]


@pytest.mark.parametrize("body", ["gru", "transformer"])
def test_what_is_asked_of_a_run_is_told_of_another_body_too(body: str, tmp_path: Path) -> None:
    asked = (*TRAIN, "--task", "reverse", "--set", f"model.body={body}", "--out", str(tmp_path / "runs"))
    run = document(*asked)["run"]
    for command in (["explain"], ["explain", "--step", "7"], ["inject"], ["decode", "--beam", "4"]):
        ssrun(command[0], run, *command[1:], typed="a b c d\n").must(0)


def test_a_pair_too_long_for_a_body_is_refused_in_one_line(tmp_path: Path) -> None:
    changes = ("--set", "model.body=transformer", "--set", "model.positions=9")
    done = ssrun(*TRAIN, "--task", "reverse", *changes, "--out", str(tmp_path / "runs")).must(2)
    assert done.err.count("\n") == 1
    assert "give model.positions=16" in done.err
    assert not list(tmp_path.rglob("run.json"))


def test_train_again_trains_nothing_and_shows_the_same(trained: tuple[Path, Done]) -> None:
    results, done = trained
    told = json.loads(done.out)
    assert ssrun(*TRAIN, "--out", results, "--json") == Done(0, done.out, "")
    shown = ssrun(*TRAIN, "--out", results)
    run = told["run"]
    assert (shown.code, shown.err) == (
        0,
        f"next: ssrun explain {run}; ssrun inject {run}; ssrun report {results}\n",
    )
    assert ssrun(*TRAIN, "--out", results, "--quiet").err == ""
    for name in ("bleu", "free_running_loss", "teacher_forced_loss", "exposure_gap", "realised_epsilon", "replaced"):
        assert re.search(rf"^{name} +{told[name]:.{METRICS[name].decimals}f} ", shown.out, re.MULTILINE)
    assert shown.out.rstrip().endswith(told["run"])


@pytest.mark.parametrize("strategy", ["linear", "inverse-sigmoid", "uniform-token", "cycle"])
def test_the_configuration_that_is_shown_can_be_given_back_as_settings(strategy: str, tmp_path: Path) -> None:
    given = ("train", "--task", "frames", "--strategy", strategy, "--seed", "3", "--set", "model.hidden=9")
    shown = ssrun(*given, "--show-config").must(0).out
    settings = [word for line in shown.splitlines() if not line.startswith("seed") for word in ("--set", line)]
    again = ("train", "--task", "frames", "--strategy", "teacher-forcing", "--seed", "3", *settings)
    assert ssrun(*again, "--show-config").must(0).out == shown
    told = document(*given, "--show-config")
    assert tomllib.loads(shown) == told
    assert (told["seed"], told["model"]["hidden"], told["model"]["attention"]) == (3, 9, "aligned")
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_of_ones_own_is_trained_on_from_the_command_line(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "corpus")
    corpus = ("--task", "corpus", "--corpus", folder, "--source-language", "de", "--target-language", "en")
    tiny = ("--steps", "2", "--set", "model.hidden=8", "--set", "training.batch_size=2")
    done = ssrun("train", *corpus, *tiny, "--out", tmp_path / "runs").must(0)
    assert re.search(r"source_unknown_words +2 +of the data", done.out)
    again = ssrun("train", *corpus[2:], *tiny, "--out", tmp_path / "runs").must(0)
    assert (again.out, again.err.count("\n")) == (done.out, 1), "what to do next, and nothing else"
    refused = ssrun("train", "--task", "copy", *corpus[2:], "--out", tmp_path / "other").must(2)
    assert refused.err.startswith("ssrun: --corpus: no task here is a corpus: ")


def test_a_trained_model_decodes_lines(trained: tuple[Path, Done]) -> None:
    run = json.loads(trained[1].out)["run"]
    done = ssrun("decode", run, typed="a b c d\nz y x\n")
    assert (done.code, done.err, done.out.count("\n")) == (0, "", 2)
    told = json.loads(ssrun("decode", run, "--json", typed="a b c d\nz y x").out)
    assert [pair["source"] for pair in told] == [["a", "b", "c", "d"], ["z", "y", "x"]]
    assert [" ".join(pair["output"]) for pair in told] == done.out.splitlines()
    ssrun("decode", run, "--beam", "3", typed="a b c d\n").must(0)


def test_an_empty_line_in_is_an_empty_line_out(trained: tuple[Path, Done]) -> None:
    run = json.loads(trained[1].out)["run"]
    alone = ssrun("decode", run, typed="a b c d\nx y\n").must(0).out.split("\n")
    together = ssrun("decode", run, typed="a b c d\n\n  \r\nx y\n").must(0).out.split("\n")
    assert together == [alone[0], "", "", *alone[1:]]
    assert document("decode", run, typed="\n")[0] == {"source": [], "output": [], "log_p": None, "unknown": []}


def test_the_end_of_a_line_is_no_part_of_its_last_word(trained: tuple[Path, Done]) -> None:
    run = json.loads(trained[1].out)["run"]
    assert ssrun("decode", run, typed="a b\r\nc d\r\n") == ssrun("decode", run, typed="a b\nc d\n").must(0)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("a b\na\tb\n", "stdin:2: a tab within the line: put spaces between words"),
        ("\ufeffa b\n", "stdin:1: begins with a byte-order mark: save it as UTF-8 without one"),
        ("a\rb\n", "stdin:1: a carriage return inside the line"),
    ],
)
def test_a_line_that_no_corpus_could_hold_is_refused(trained: tuple[Path, Done], typed: str, message: str) -> None:
    done = ssrun("decode", json.loads(trained[1].out)["run"], typed=typed).must(2)
    assert done.err.startswith(f"ssrun: {message}")
    assert done.err.count("\n") == 1


def test_words_that_the_model_does_not_know_are_counted_and_named(trained: tuple[Path, Done]) -> None:
    run = json.loads(trained[1].out)["run"]
    done = ssrun("decode", run, typed="a Z ü\nb\nQ\n").must(0)
    assert done.err == "3 unknown words became <unk>\n"
    assert done.out.count("\n") == 3
    assert [line["unknown"] for line in document("decode", run, typed="a Z ü\nb\n")] == [["Z", "ü"], []]


def test_outputs_may_have_their_log_probability_and_the_next_best_after_them(trained: tuple[Path, Done]) -> None:
    run = json.loads(trained[1].out)["run"]
    for beam in (1, 4):
        (told,) = document("decode", run, "--beam", beam, typed="a b c d\n")
        score, output = ssrun("decode", run, "--scores", "--beam", beam, typed="a b c d\n").must(0).out.split("\t")
        assert (score, output.split()) == (f"{told['log_p']:.4f}", told["output"])
        assert told["log_p"] < 0
    lines = ssrun("decode", run, "--beam", 4, "--n-best", 3, "--scores", typed="a b\n\nc\n").must(0).out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["1", "1", "1", "2", "3", "3", "3"]
    several = document("decode", run, "--beam", 4, "--n-best", 3, typed="a b\n")[0]
    assert (several["output"], several["log_p"]) == tuple(several["n_best"][0].values())
    refused = ssrun("decode", run, "--n-best", 3, typed="a b\n").must(2)
    assert refused.err == "ssrun: --n-best 3: the beam keeps 1: add --beam 3\n"


# Inside a run


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of reverse, and one of a hostile corpus."""
    folder = tmp_path_factory.mktemp("results")
    corpus = folder / "text"
    corpus.mkdir()
    lines = [f"{' '.join(TOKENS[index % 5 :][:9])}\t{' '.join(TOKENS[index % 7 :])}\n" for index in range(24)]
    for split in ("train", "valid", "test"):
        (corpus / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
    tiny = ("--steps=30", "--set=model.hidden=16", "--set=model.embedding=16", "--set=training.batch_size=8")
    pairs = ("--task=reverse", "--set=task.validation_pairs=10", "--set=task.test_pairs=30")
    for strategy in ("uniform", "linear"):
        ssrun("train", f"--strategy={strategy}", *pairs, *tiny, f"--out={folder / 'reverse'}").must(0)
    text = ("--task=corpus", f"--corpus={corpus}", "--set=task.minimum_frequency=1")
    ssrun("train", "--strategy=uniform", *text, *tiny, f"--out={folder / 'corpus'}").must(0)
    return folder


def run_of(results: Path, task: str, strategy: str) -> Path:
    schedule = {"uniform": "constant"}.get(strategy, strategy)
    return next((results / task / "runs" / task).glob(f"{schedule}-*"))


@pytest.mark.parametrize(
    "command", ["explain", "explain --step 20 --example 3", "inject", "inject --position 1"], ids=str
)
def test_a_terminal_without_utf_8_gets_ascii(results: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    path = run_of(results, "corpus", "uniform")
    assert not ssrun(*command.split(), path).must(0).out.isascii()
    monkeypatch.setattr("rich.console.ConsoleOptions.ascii_only", property(lambda options: True))
    assert ssrun(*command.split(), path).must(0).out.isascii()


def test_json_holds_both_sides_of_the_trained_model(results: Path) -> None:
    told = document("explain", run_of(results, "reverse", "linear"), "--example", 4)
    assert (told["task"], told["strategy"], told["seed"], told["example"]) == ("reverse", "linear", 0, 4)
    assert [position["gold"] for position in told["forced"]] == [*reversed(told["source"]), "<eos>"]
    assert [position["gold"] for position in told["free"]] == [position["gold"] for position in told["forced"]]


def test_json_holds_every_position_of_a_training_step(results: Path) -> None:
    told = document("explain", run_of(results, "reverse", "uniform"), "--step", 25, "--example", 2)
    assert (told["step"], told["steps"], told["rows"]) == (25, 30, 8)
    assert [position["position"] for position in told["positions"]] == list(range(len(told["source"]) + 1))
    assert {position["coin"] for position in told["positions"]} <= {"-", "true", "model"}


def test_a_probability_that_is_no_number_is_null() -> None:
    from ssrun.analysis.explanation import Position
    from ssrun.cli.run import rows_of

    assert rows_of([Position(0, "a", "-", "<bos>", False, "a", False, False, float("nan"), {})])[0]["p_gold"] is None


def test_a_replay_on_another_machine_says_so(trained: tuple[Path, Done], monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("explain", trained[0], "--step", 2)
    said = "trained on another machine or other versions: "
    assert said not in ssrun(*command).must(0).err
    monkeypatch.setattr("platform.machine", lambda: "a toaster")
    assert said in ssrun(*command).must(0).err


def test_inject_tells_every_offset(results: Path) -> None:
    told = document("inject", run_of(results, "reverse", "linear"), "--pairs", 5)
    assert (told["pairs"], told["left_out"], told["position"]) == (5, 0, None)
    assert [offset["offset"] for offset in told["offsets"]] == list(range(len(told["offsets"])))
    assert told["offsets"][0]["excess"] == 0


def test_a_folder_with_one_run_stands_for_it(results: Path) -> None:
    path = run_of(results, "corpus", "uniform")
    first, *others = [document("explain", path), *(document("explain", above) for above in list(path.parents)[:3])]
    assert others == [first] * 3


def test_of_several_runs_one_is_found_by_its_labels(results: Path) -> None:
    both = results / "reverse"
    for path in (both, both / "runs", both / "runs" / "reverse"):
        told = ssrun("explain", path).must(2).err
        assert "holds 2 runs: give one of each: --strategy " in told
        assert {"uniform", "linear"} <= set(re.findall(r"\w+", told))
    found = document("inject", both, "--strategy", "linear", "--seed", 0, "--pairs", 5)
    assert found["run"] == str(run_of(results, "reverse", "linear"))
    assert "no run with --seed 7: there are --strategy" in ssrun("decode", both, "--seed", 7).must(2).err


@pytest.mark.slow
def test_only_a_replay_needs_the_corpus_itself(results: Path) -> None:
    path, test = run_of(results, "corpus", "uniform"), results / "text" / "test.tsv"
    commands = (("explain", path), ("inject", path), ("decode", path), ("report", results / "corpus"))
    said = [ssrun(*command, typed="a\n").must(0).out for command in commands]
    before = test.read_text(encoding="utf-8")
    try:
        test.write_text(before + "a\tb\n", encoding="utf-8")
        read_split.cache_clear()
        assert "the corpus has changed" in ssrun("explain", "--step", 1, path).must(2).err
        test.rename(test.with_suffix(".away"))
        read_split.cache_clear()
        assert [ssrun(*command, typed="a\n").must(0).out for command in commands] == said
    finally:
        test.with_suffix(".away").unlink(missing_ok=True)
        test.write_text(before, encoding="utf-8")
        read_split.cache_clear()


def test_an_example_out_of_range_says_which_there_are(results: Path) -> None:
    done = ssrun("explain", run_of(results, "reverse", "linear"), "--example", 30).must(2)
    assert "the test set has 30 pairs: give 0 to 29" in done.err
