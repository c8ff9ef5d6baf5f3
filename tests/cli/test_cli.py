"""The command line, as a person and as a script use it: every command, every document, every mistake."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from ssrun.cli.commands import app

from ssrun import __version__
from ssrun.__main__ import run
from ssrun.cli.options import completed, experiment_names, metric_names, strategy_names, task_names
from ssrun.config.loading import names
from ssrun.metrics import METRICS
from ssrun.seq2seq.scoring import corpus_bleu
from ssrun.strategies import STRATEGIES
from ssrun.system import signals as interruption
from ssrun.tasks import TASKS
from ssrun.tasks.corpus import read_split
from tests.tasks.test_corpus import write as write_corpus

SMALL = ("--set", "model.hidden=8", "--set", "model.embedding=8", "--set", "task.test_pairs=20")
GRID = ("--tasks", "reverse,captions", "--strategies", "teacher-forcing,inverse-sigmoid", "--seeds", "0..1", "--smoke")
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


def ssrun(*arguments: str | Path, typed: str = "") -> Ran:
    """Runs a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    given, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(typed.encode()))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = run([str(argument) for argument in arguments])
    finally:
        sys.stdin = given
        for number, handler in handlers.items():
            signal.signal(number, handler)
        assert not interruption._received
    return Ran(code, out.getvalue(), err.getvalue())


def python(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test in a folder of its own: nothing lands in the checkout, and no corpus is remembered by its path."""
    read_split.cache_clear()
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """A small comparison, trained once."""
    results = tmp_path_factory.mktemp("compared") / "results"
    return results, ssrun("compare", *GRID, *SMALL, "--jobs", "2", "--out", results, "--json")


@pytest.fixture(scope="module")
def results(compared: tuple[Path, Ran]) -> Path:
    return compared[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """A single run, trained once."""
    folder = tmp_path_factory.mktemp("trained") / "results"
    arguments = ["train", "--strategy", "inverse-sigmoid", "--steps", "12", "--set", "training.evaluate_every=6"]
    return folder, ssrun(*arguments, *SMALL, "--out", folder, "--json")


# ---------------------------------------------------------------- help


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_ends_with_an_example_that_parses(command: str) -> None:
    ran = ssrun(command, "--help")
    assert ran.code == 0
    assert re.search(rf"\n  Example:.*\bssrun {command}\b", ran.out, re.DOTALL)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns_and_cuts_nothing_off(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = ssrun(*([command] if command else []), "--help").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "…" in line]


def test_the_help_of_all_names_every_command_and_the_first_thing_to_do() -> None:
    ran = ssrun("--help")
    assert all(re.search(rf"^  {command} ", ran.out, re.MULTILINE) for command in COMMANDS)
    assert "ssrun compare" in ran.out
    assert set(COMMANDS) >= {"train", "compare", "show", "list", "decode", "verify", "merge", "clean"}


def test_every_option_has_a_help() -> None:
    for command in typer.main.get_command(app).commands.values():  # type: ignore[attr-defined]
        assert command.help
        for parameter in command.params:
            assert getattr(parameter, "help", None), (command.name, parameter.name)


def test_the_version_is_printed_and_no_command_prints_the_help() -> None:
    assert ssrun("--version") == Ran(0, f"ssrun {__version__}\n", "")
    ran = python("-m", "ssrun")
    assert "Usage: ssrun" in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


def test_python_m_ssrun_is_the_same_program() -> None:
    ran = python("-m", "ssrun", "list", "metrics", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [row["name"] for row in json.loads(ran.stdout)] == list(METRICS)


# ---------------------------------------------------------------- list and completion


@pytest.mark.parametrize(
    ("what", "known"),
    [("tasks", list(TASKS)), ("strategies", list(STRATEGIES)), ("metrics", list(METRICS)), ("experiments", names())],
)
def test_list_shows_all_there_is(what: str, known: list[str]) -> None:
    assert [row["name"] for row in json.loads(ssrun("list", what, "--json").out)] == known
    text = ssrun("list", what).out
    assert all(re.search(rf"^{name}\b", text, re.MULTILINE) for name in known)
    assert "Range(" not in text
    assert "None" not in text


def test_list_strategies_says_which_the_papers_uniform_row_is() -> None:
    rows = {row["name"]: row for row in json.loads(ssrun("list", "strategies", "--json").out)}
    assert "this IS the paper's row 'Uniform Scheduled Sampling' (Table 1)" in rows["uniform-token"]["about"]
    assert "NOT the paper's row 'Uniform Scheduled Sampling'" in rows["uniform"]["about"]
    assert all(row["formula"] and row["source"] for row in rows.values())
    flat = " ".join(ssrun("list", "strategies").out.split())
    assert all(row["formula"] in flat or " ".join(row["formula"].split()) in flat for row in rows.values())


@pytest.mark.parametrize(
    ("known", "typed", "offered"),
    [
        (task_names, "re", ["reverse"]),
        (task_names, "", list(TASKS)),
        (strategy_names, "linear,in", ["linear,inverse-sigmoid"]),
        (metric_names, "bleu,ex", ["bleu,exact_match", "bleu,exposure_gap"]),
        (experiment_names, "hu", ["huszar"]),
        (strategy_names, "x", []),
    ],
)
def test_completion_offers_what_begins_like_that(
    known: Callable[[], Sequence[str]], typed: str, offered: list[str]
) -> None:
    assert completed(known)(typed) == offered


def test_the_shell_completes_through_the_program() -> None:
    words = {"_SSRUN_COMPLETE": "complete_bash", "COMP_WORDS": "ssrun train --strategy inv", "COMP_CWORD": "3"}
    ran = python("-c", "from ssrun.__main__ import main; main()", **words)
    assert (ran.returncode, ran.stdout.split()) == (0, ["inverse-sigmoid"])


# ---------------------------------------------------------------- train


def test_train_ends_with_one_document_that_has_what_a_script_needs(trained: tuple[Path, Ran]) -> None:
    folder, ran = trained
    assert ran.code == 0
    assert ran.out.count("\n") == 1
    found = json.loads(ran.out)
    assert found.keys() >= {
        "task", "strategy", "seed", "steps", "bleu", "bleu_signature", "free_running_loss", "teacher_forced_loss",
        "exposure_gap", "next_step_error", "decoding_error", "exact_match", "realised_epsilon", "replaced", "seconds",
        "run",
    }  # fmt: skip
    assert (found["task"], found["strategy"], found["seed"], found["steps"]) == ("reverse", "inverse-sigmoid", 0, 12)
    assert Path(found["run"]).parent == folder / "reverse" / "inverse-sigmoid"
    assert (Path(found["run"]) / "result.json").is_file()
    assert [line.partition(":")[0] for line in ran.err.splitlines()] == [
        "reverse/inverse-sigmoid seed 0 step 6",
        "reverse/inverse-sigmoid seed 0 step 12",
        "[1/1] reverse/inverse-sigmoid seed 0",
    ]


def test_train_again_trains_nothing_and_shows_the_same(trained: tuple[Path, Ran]) -> None:
    folder, ran = trained
    again = ssrun(
        "train", "--strategy", "inverse-sigmoid", "--steps", "12", "--set", "training.evaluate_every=6", *SMALL,
        "--out", folder,
    )  # fmt: skip
    found = json.loads(ran.out)
    assert (again.code, again.err) == (0, "")
    for name in ("bleu", "free_running_loss", "teacher_forced_loss", "exposure_gap", "realised_epsilon", "replaced"):
        assert re.search(rf"^{name} +{found[name]:.{METRICS[name].decimals}f} ", again.out, re.MULTILINE)
    assert again.out.rstrip().endswith(found["run"])


def test_a_trained_model_decodes_lines(trained: tuple[Path, Ran]) -> None:
    place = json.loads(trained[1].out)["run"]
    ran = ssrun("decode", place, typed="a b c d\nz y x\n")
    assert (ran.code, ran.err, ran.out.count("\n")) == (0, "", 2)
    found = json.loads(ssrun("decode", place, "--json", typed="a b c d\nz y x").out)
    assert [one["source"] for one in found] == [["a", "b", "c", "d"], ["z", "y", "x"]]
    assert [" ".join(one["output"]) for one in found] == ran.out.splitlines()
    assert ssrun("decode", place, "--beam", "3", typed="a b c d\n").code == 0


@pytest.mark.parametrize(
    ("typed", "message"),
    [("a b\n\nc\n", "stdin:2: an empty line: give at least one token"), ("\n", "stdin:1: an empty line")],
)
def test_a_line_that_is_no_source_is_refused(trained: tuple[Path, Ran], typed: str, message: str) -> None:
    ran = ssrun("decode", json.loads(trained[1].out)["run"], typed=typed)
    assert ran.code == 2
    assert ran.err.startswith(f"ssrun: {message}")


# ---------------------------------------------------------------- compare and show


def test_compare_ends_with_one_document_of_rows(compared: tuple[Path, Ran]) -> None:
    _, ran = compared
    assert ran.code == 0
    found = json.loads(ran.out)
    assert [(row["task"], row["strategy"], row["n"]) for row in found["rows"]] == [
        (task, strategy, 2) for task in ("reverse", "captions") for strategy in ("teacher-forcing", "inverse-sigmoid")
    ]
    for row in found["rows"]:
        for metric in found["metrics"]:
            assert row[metric].keys() >= {"mean", "low", "high"}
            assert row[metric]["low"] <= row[metric]["mean"] <= row[metric]["high"]
    assert "8 runs to train, 2 at once" in ran.err.splitlines()[0]
    assert len(re.findall(r"^\[\d/8\] ", ran.err, re.MULTILINE)) == 8


def test_compare_again_trains_nothing_and_gives_the_same_bytes(compared: tuple[Path, Ran]) -> None:
    results, ran = compared
    before = {path: path.stat().st_mtime_ns for path in results.rglob("result.json")}
    again = ssrun("compare", *GRID, *SMALL, "--jobs", "1", "--out", results, "--json")
    assert again == Ran(0, ran.out, "")
    assert {path: path.stat().st_mtime_ns for path in results.rglob("result.json")} == before
    assert len(before) == 8


def test_show_prints_what_compare_printed_and_the_files_beside_the_runs(compared: tuple[Path, Ran]) -> None:
    results, ran = compared
    assert ssrun("show", results, "--json") == Ran(0, ran.out, "")
    for name, file in [("markdown", "md"), ("csv", "csv"), ("json", "json"), ("latex", "tex")]:
        shown = ssrun("show", results, "--format", name)
        assert shown == Ran(0, (results / f"table.{file}").read_text(encoding="utf-8"), "")
    table = ssrun("show", results).out
    assert all(name in table for name in ("teacher-forcing", "inverse-sigmoid", "reverse", "captions", "BLEU", "±"))


def test_the_command_in_the_table_gives_the_table(compared: tuple[Path, Ran]) -> None:
    results, ran = compared
    command = json.loads(ran.out)["command"]
    assert command == (
        "ssrun compare --tasks reverse,captions --strategies teacher-forcing,inverse-sigmoid --seeds 0..1 --smoke "
        "--set model.embedding=8 --set model.hidden=8 --set task.test_pairs=20"
    )
    again = ssrun(*command.split()[1:], "--out", results, "--json")
    assert again == Ran(0, ran.out, "")


def test_a_single_run_is_shown_too(trained: tuple[Path, Ran]) -> None:
    found = json.loads(ssrun("show", trained[0], "--json").out)
    assert [(row["strategy"], row["n"]) for row in found["rows"]] == [("inverse-sigmoid", 1)]


def test_dry_run_prints_the_folders_and_writes_nothing(compared: tuple[Path, Ran], tmp_path: Path) -> None:
    ran = ssrun("compare", *GRID, *SMALL, "--dry-run", "--out", compared[0])
    assert (ran.code, ran.err) == (0, "")
    made = {path.parent for path in compared[0].rglob("result.json")}
    assert {Path(line) for line in ran.out.splitlines()} == made
    parts = [
        ssrun("compare", *GRID, *SMALL, "--dry-run", "--shard", f"{part}/3").out.splitlines() for part in (1, 2, 3)
    ]
    assert sorted(map(len, parts)) == [2, 3, 3]
    assert list(tmp_path.iterdir()) == []


def test_the_default_comparison_is_54_runs() -> None:
    assert len(ssrun("compare", "--dry-run").out.splitlines()) == 54


def test_a_comparison_verifies_and_cleans_up_after_itself(compared: tuple[Path, Ran], tmp_path: Path) -> None:
    results, ran = compared
    checked = ssrun("verify", results, "--json")
    assert (checked.code, json.loads(checked.out)) == (0, {"complete": 8, "unfinished": 0, "faults": []})
    merged = ssrun("merge", results, "--out", tmp_path / "copy", "--json")
    assert (merged.code, merged.out) == (0, ran.out)
    assert ssrun("clean", tmp_path / "copy", typed="n\n").code == 0
    assert (tmp_path / "copy").is_dir()
    assert ssrun("clean", tmp_path / "copy", "--yes").code == 0
    assert list(tmp_path.iterdir()) == []


def test_a_users_own_experiment_runs_and_a_wrong_claim_ends_with_4_where_asked(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        'question = "Is more training worse?"\ntasks = ["reverse"]\nseeds = "0..2"\nbaseline = "early"\n'
        '[strategies]\nearly = { base = "inverse-sigmoid", half_at = 0.2, training.steps = 2 }\n'
        'late = { base = "inverse-sigmoid", half_at = 0.8, training.steps = 30, training.learning_rate = 0.02 }\n'
        '[[claims]]\ntext = "More is worse."\nsource = "nobody"\nmetric = "teacher_forced_loss"\ntask = "reverse"\n'
        'order = "late > early"\n',
        encoding="utf-8",
    )
    given = ["own.toml", *SMALL, "--set", "task.validation_pairs=5", "--jobs", "1"]
    ran = ssrun("compare", *given, "--json", "--require-claims")
    (claim,) = json.loads(ran.out)["claims"]
    assert claim.keys() >= {"text", "source", "verdict", "difference", "low", "high", "p", "n"}
    assert (claim["verdict"], claim["n"], claim["text"], claim["source"]) == ("disagree", 3, "More is worse.", "nobody")
    assert ran.code == 4
    assert ran.err.splitlines()[-1].startswith("ssrun: ")
    shown = ssrun("show", "results/own")
    assert shown.code == 0
    assert re.search(r"disagree  More is worse\. \(nobody\)", shown.out)
    assert ssrun("compare", *given).code == 0


def by_sacrebleus_command(references: Path, hypotheses: Path, count: int) -> float:
    """BLEU by the command that others score with."""
    several = ["--num-refs", str(count)] if count > 1 else []
    ran = python(
        "-m", "sacrebleu", references, "-i", hypotheses, *several, "--tokenize", "none", "--score-only", "--width", "9",
        "--force", PYTHONWARNINGS="ignore",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return float(ran.stdout)


@pytest.mark.parametrize(("task", "count"), [("reverse", 1), ("captions", 16)])
def test_sacrebleus_own_command_gives_the_stored_bleu(results: Path, tmp_path: Path, task: str, count: int) -> None:
    folder = next(results.glob(f"{task}/teacher-forcing/seed-0-*"))
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["references"] == count
    stored = by_sacrebleus_command(folder / "references.txt", folder / "hypotheses.txt", count)
    assert stored == pytest.approx(result["bleu"], abs=1e-8)

    lines = [line.split("\t") for line in (folder / "references.txt").read_text(encoding="utf-8").splitlines()]
    references = [[tuple(reference.split(" ")) for reference in line] for line in lines]
    better = [of_one[-1][:-1] if number % 3 else of_one[0] for number, of_one in enumerate(references)]
    (tmp_path / "better.txt").write_text("".join(f"{' '.join(one)}\n" for one in better), encoding="utf-8")
    expected, _ = corpus_bleu(better, references)
    assert 50 < expected < 100
    found = by_sacrebleus_command(folder / "references.txt", tmp_path / "better.txt", count)
    assert found == pytest.approx(expected, abs=1e-8)


def test_a_corpus_of_ones_own_is_trained_on_from_the_command_line(tmp_path: Path) -> None:
    folder = write_corpus(tmp_path / "corpus")
    ran = ssrun(
        "train", "--task", "corpus", "--corpus", folder, "--source-language", "de", "--target-language", "en",
        "--steps", "2", "--set", "model.hidden=8", "--set", "training.batch_size=2", "--out", tmp_path / "runs",
    )  # fmt: skip
    assert ran.code == 0
    assert re.search(r"source_unknown_words +2 +of the corpus", ran.out)


# ---------------------------------------------------------------- mistakes

OWN = 'question = "?"\ntasks = ["reverse"]\nstrategies = ["teacher-forcing", "linear"]\nseeds = [0, 1]\n'
CLAIMS = '[[claims]]\ntext = "t"\nmetric = "bleu"\ntask = "reverse"\norder = "linear > teacher-forcing"\n'
FILES = {
    "key.toml": OWN + "[modle]\nhidden = 3\n",
    "broken.toml": OWN + "x = = 3\n",
    "strategy.toml": OWN + CLAIMS.replace("linear >", "liner >"),
    "task.toml": OWN + CLAIMS.replace('"reverse"', '"revers"'),
    "metric.toml": OWN + CLAIMS.replace('"bleu"', '"blue"'),
    "direction.toml": OWN + CLAIMS.replace(">", "and"),
    "one-seed.toml": OWN.replace("[0, 1]", "[0]") + CLAIMS,
}
CORPUS = ("--task", "corpus", "--corpus", "corpus", "--source-language", "de", "--target-language", "en")
MISTAKES: list[tuple[list[str], str]] = [
    (["train", "--task", "revers"], "unknown task 'revers': did you mean 'reverse'? known: copy, "),
    (["train", "--strategy", "lineer"], "unknown strategy 'lineer': did you mean 'linear'? known: "),
    (["train", "--set", "model.hiden=3"], "model.hiden: unknown field 'hiden': did you mean 'hidden'? known: "),
    (["train", "--strategy", "linear", "--set", "strategy.k=3"], "strategy linear: unknown field 'k': known: coin, "),
    (["train", "--strategy", "inverse-sigmoid", "--set", "strategy.k=0.5"], "strategy.k = 0.5: input should be "),
    (["train", "--strategy", "exponential", "--set", "strategy.k=1"], "strategy.k = 1: input should be less than 1"),
    (["train", "--strategy", "inverse-sigmoid", "--set", "strategy.k=9", "--set", "strategy.half_at=0.5"],
     "strategy: k = 9 and half_at = 0.5 say the same thing: give one"),
    (["train", "--steps", "-1"], "training.steps = -1: input should be greater than or equal to 1"),
    (["train", "--steps", "many"], "Invalid value for '--steps': "),
    (["train", "--beam", "0"], "scoring.beam = 0: input should be greater than or equal to 1"),
    (["train", "--seed", "-1"], "seed = -1: input should be greater than or equal to 0"),
    (["train", "--corpus", "corpus"], "--corpus: no task here is a corpus: add --task corpus"),
    (["train", "--task", "corpus"], "task: task corpus needs a folder: --corpus DIR"),
    (["train", *CORPUS[:2], "--corpus", "nowhere"], "nowhere: no such corpus folder: give the folder that holds"),
    (["train", "--out", "theirs"], "theirs: holds files that are not ssrun's: give another --out DIR"),
    (["train", "--out", "key.toml"], "key.toml: not a folder: give another --out DIR"),
    (["train", "--strateggy", "linear"], "No such option: --strateggy"),
    (["trian"], "No such command 'trian'. Did you mean 'train'?"),
    (["compare", "hussar"], "unknown experiment 'hussar': did you mean 'huszar'? known: default, "),
    (["compare", "nowhere.toml"], "nowhere.toml: No such file or directory: give an experiment's name or file"),
    (["compare", "key.toml"], "key.toml: modle: unknown field 'modle': did you mean 'model'? known: "),
    (["compare", "broken.toml"], "broken.toml: not TOML: "),
    (["compare", "strategy.toml"], "strategy.toml: claim 't': unknown strategy 'liner': did you mean 'linear'? "),
    (["compare", "task.toml"], "task.toml: claim 't': unknown task 'revers': did you mean 'reverse'? "),
    (["compare", "metric.toml"], "metric.toml: claims.0: unknown metric 'blue': did you mean 'bleu'? "),
    (["compare", "direction.toml"], "direction.toml: claims.0: order = 'linear and teacher-forcing' has no "),
    (["compare", "one-seed.toml"], "one-seed.toml: claims need at least two seeds: give more, like --seeds 0..5"),
    (["compare", "huszar", "--seeds", "3"], "huszar: claims need at least two seeds: give more, like --seeds 0..5"),
    (["compare", "--tasks", "copy,copi"], "unknown task 'copi': did you mean 'copy'? "),
    (["compare", "--tasks", "copy,copy"], "task 'copy' is given twice: give it once"),
    (["compare", "--strategies", "swich"], "unknown strategy 'swich': did you mean 'switch'? "),
    (["compare", "--metrics", "blue"], "default: unknown metric 'blue': did you mean 'bleu'? "),
    (["compare", "--metrics", "bracket_f1"], "default: no task of the grid has the metric 'bracket_f1': choose "),
    (["compare", "--baseline", "switch"], "--baseline: unknown strategy 'switch': known: "),
    (["compare", "--seeds", "4..0"], "default: seeds: '4..0' counts down: write the lower seed first"),
    (["compare", "--shard", "5/4"], "--shard '5/4': write it like 1/4, the first of four parts"),
    (["compare", "--steps", "-1"], "default: training.steps = -1: input should be greater than or equal to 1"),
    (["compare", "--corpus", "corpus"], "--corpus: no task here is a corpus: add --task corpus"),
    (["compare", "--out", "theirs"], "theirs: holds files that are not ssrun's: give another --out DIR"),
    (["compare", "--jobs", "0"], "Invalid value for '--jobs': "),
    (["show", "theirs", "--format", "html"], "--format: unknown format 'html': known: rich, "),
    (["list", "task"], "unknown list 'task': did you mean 'tasks'? known: "),
]  # fmt: skip


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Path]:
    """A folder with files of the user's; nothing in it may change."""
    write_corpus(tmp_path / "corpus")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").write_text("mine", encoding="utf-8")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    before = contents(tmp_path)
    yield tmp_path
    assert contents(tmp_path) == before, "a command that was refused has written something"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=lambda value: " ".join(value)[:60])
def test_a_mistake_is_one_line_that_names_the_place_the_value_and_the_remedy(
    arguments: list[str], message: str
) -> None:
    ran = ssrun(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"ssrun: {message}")
    assert ran.err.count("\n") == 1
    assert ran.err.isprintable() or ran.err.removesuffix("\n").isprintable()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "train.de",
            b"ein\n",
            "corpus/train.de has 1 lines and corpus/train.en has 3: line k of one must",
        ),
        ("train.en", b"a\n\nb\n", "corpus/train.en:2: an empty side: remove the pair from both sides"),
        ("test.de", b"a\n\xff\n", "corpus/test.de:2: invalid UTF-8 at byte 1: convert the file to UTF-8"),
        ("valid.en", b"", "corpus/valid.en:1: no lines: give at least one sentence a file"),
        ("valid.en", None, "corpus/valid.en: no such file: the validation side of the corpus is missing"),
    ],
    ids=["lengths", "empty", "utf-8", "no-lines", "missing"],
)
@pytest.mark.parametrize("command", ["train", "compare"])
def test_a_corpus_that_is_none_is_refused_before_anything_is_written(
    tmp_path: Path, command: str, name: str, data: bytes | None, message: str
) -> None:
    folder = write_corpus(tmp_path / "corpus")
    if data is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(data)
    before = contents(tmp_path)
    task = [command, "--tasks" if command == "compare" else "--task", *CORPUS[1:]]
    ran = ssrun(*task)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith(f"ssrun: {'default: ' if command == 'compare' else ''}{message}")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "nowhere"], "nowhere: no such folder: give one that `ssrun compare` wrote"),
        (["show", "."], ".: no results here: give a folder that `ssrun compare` or `train` wrote"),
        (["decode", "nowhere"], "nowhere: no run here: give a run's folder such as "),
        (["verify", "nowhere"], "nowhere: no runs here: give a folder that `ssrun compare` wrote"),
        (["clean", "nowhere", "--yes"], "nowhere: no folder of results: give one that `ssrun compare` wrote"),
    ],
)
def test_a_place_without_results_ends_with_5(arguments: list[str], message: str) -> None:
    ran = ssrun(*arguments)
    assert (ran.code, ran.out) == (5, "")
    assert ran.err.startswith(f"ssrun: {message}")
    assert ran.err.count("\n") == 1


def test_a_traceback_comes_with_debug_alone(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="unknown task 'revers'"):
        ssrun("--debug", "train", "--task", "revers")
    (tmp_path / "here").write_text("", encoding="utf-8")
    hidden = importlib.import_module("ssrun.runs.folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hidden, "claim", lambda results: 1 / 0)
        ran = ssrun("train")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "ssrun: ZeroDivisionError: division by zero (a traceback with: ssrun --debug ...)\n"


def test_nothing_that_a_command_prints_as_data_goes_to_stderr_and_the_other_way_round(compared: Any) -> None:
    assert not re.search(r"[{}]", compared[1].err)
    assert "\x1b" not in compared[1].err + compared[1].out
