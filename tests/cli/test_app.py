"""The program: its help, its streams, its exit codes, and one line for every mistake."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from ssrun import __version__
from ssrun.cli.app import app
from ssrun.metrics import METRICS
from tests.support.commands import Done
from tests.support.in_process import python, ssrun
from tests.tasks.test_corpus import write as write_corpus

PROGRAM = typer.main.get_command(app)
COMMANDS = list(PROGRAM.commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_ends_with_an_example_that_parses(command: str) -> None:
    help_text = ssrun(command, "--help").must(0).out
    example = re.search(rf"\n  Example:\n    (?:.*\| )?ssrun ({command}\b[^|>\n]*)", help_text)
    assert example
    PROGRAM.commands[command].make_context(command, example[1].split()[1:])  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_80_columns_and_cuts_nothing_off(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = ssrun(*([command] if command else []), "--help").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "…" in line]


def test_the_help_of_all_names_every_command_by_use() -> None:
    listed = re.findall(r"^  ([a-z]+) ", ssrun("--help").must(0).out.partition("Commands:")[2], re.MULTILINE)
    of_results = "compare show figures report claims export"
    assert " ".join(listed) == f"train explain inject decode nearest {of_results} list schedule verify merge clean"


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ((), ("--help",)),
        (("-h",), ("--help",)),
        (("help",), ("--help",)),
        (("train", "-h"), ("train", "--help")),
        (("help", "train"), ("train", "--help")),
    ],
)
def test_help_is_found_by_every_way_to_it(words: tuple[str, ...], same: tuple[str, ...]) -> None:
    asked = ssrun(*words)
    assert asked == ssrun(*same)
    assert (asked.code, asked.err) == (0, "")
    assert asked.out.startswith("Usage: ssrun")


def test_help_comes_at_once_for_it_imports_no_library_but_the_one_that_writes_it() -> None:
    def libraries(program: str) -> set[str]:
        names = "{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names"
        return {*python("-c", f"import sys\n{program}\nprint(*{names})").stdout.splitlines()[-1].split()}

    asked = libraries("from ssrun.__main__ import run\nrun(['--help'])")
    assert asked - libraries("import typer.main") == {"ssrun"}


def test_every_option_has_a_help() -> None:
    for command in PROGRAM.commands.values():  # type: ignore[attr-defined]
        assert command.help
        for parameter in command.params:
            assert getattr(parameter, "help", None), (command.name, parameter.name)


def test_the_version_is_printed() -> None:
    assert ssrun("--version") == Done(0, f"ssrun {__version__}\n", "")


def test_python_m_ssrun_is_the_same_program() -> None:
    done = python("-m", "ssrun", "list", "metrics", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["name"] for row in json.loads(done.stdout)] == list(METRICS)


def test_the_shell_completes_through_the_program() -> None:
    words = {"_SSRUN_COMPLETE": "complete_bash", "COMP_WORDS": "ssrun train --strategy inv", "COMP_CWORD": "3"}
    done = python("-c", "from ssrun.__main__ import main; main()", **words)
    assert (done.returncode, done.stdout.split()) == (0, ["inverse-sigmoid"])


def completed(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> list[str]:
    """What bash is offered for the last of its words."""
    monkeypatch.setenv("_SSRUN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "\n".join(["ssrun", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    return ssrun().must(0).out.split()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("train --set model.at", ["model.attention="]),
        ("train --set model.attention =", ["none", "dot", "general", "aligned"]),
        ("train --set model.attention = do", ["dot"]),
        ("train --set = strategy.feed = arg", ["argmax"]),
        ("compare --set strategy.coin = token,s", ["token,sequence"]),
        ("schedule linear --set ov", ["over="]),
        ("list f", ["fields"]),
    ],
)
def test_settings_are_completed_though_bash_cuts_words_at_the_equals_sign(
    monkeypatch: pytest.MonkeyPatch, typed: str, offered: list[str]
) -> None:
    assert completed(monkeypatch, typed.split(" ")) == offered


def test_who_asks_for_completion_without_words_is_offered_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COMP_WORDS", "COMP_CWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("_SSRUN_COMPLETE", "complete_bash")
    assert ssrun().must(0).out.split() == COMMANDS


def test_the_completion_of_a_shell_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("_SSRUN_COMPLETE", raising=False)
    assert "#compdef ssrun" in ssrun("--show-completion", "zsh").must(0).out
    assert "complete --command ssrun" in ssrun("--show-completion", "fish").must(0).out
    assert "_SSRUN_COMPLETE" not in os.environ


def test_a_traceback_comes_with_debug_alone() -> None:
    for words in (("--debug", "train", "--task", "revers"), ("train", "--task", "revers", "--debug")):
        with pytest.raises(Exception, match="unknown task 'revers'"):
            ssrun(*words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            importlib.import_module("ssrun.runs.results_folder"), "destination", lambda *given, **named: 1 / 0
        )
        done = ssrun("train")
    assert done == Done(1, "", "ssrun: ZeroDivisionError: division by zero (a traceback with: ssrun --debug ...)\n")


def test_data_goes_to_stdout_and_words_to_stderr(compared: tuple[Path, Done]) -> None:
    done = compared[1]
    assert not re.search(r"[{}]", done.err)
    assert "\x1b" not in done.err + done.out


# Mistakes

OWN = 'question = "?"\ntasks = ["reverse"]\nstrategies = ["teacher-forcing", "linear"]\nseeds = [0, 1]\n'
CORPUS = ("corpus", "--corpus", "corpus", "--source-language", "de", "--target-language", "en")
MISTAKES: list[tuple[list[str], str]] = [
    (["train", "--task", "revers"], "unknown task 'revers': did you mean 'reverse'? known: copy, "),
    (["train", "--strategy", "linear", "--set", "strategy.k=3"], "strategy linear: unknown field 'k': known: coin, "),
    (["train", "--strategy", "exponential", "--set", "strategy.k=1"], "strategy.k = 1: input should be less than 1"),
    (["train", "--steps", "5", "--set", "training.steps=7"], "training.steps is given twice, as 5 and as 7: give one"),
    (["train", "--steps", "-1"], "training.steps = -1: input should be greater than or equal to 1"),
    (["train", "--steps", "many"], "Invalid value for '--steps': "),
    (["train", "--beam", "0"], "scoring.beam = 0: input should be greater than or equal to 1"),
    (["train", "--set", "strategy.schedule={}"], "schedule = {}: give a name: constant, linear, "),
    (["schedule", "linear", "--set", "schedule=[1]"], "schedule = [1]: give a name: constant, linear, "),
    (["train", "--seed", "-1"], "seed = -1: input should be greater than or equal to 0"),
    (["train", "--task", "copy", "--corpus", "corpus"], "--corpus: no task here is a corpus: add --task corpus"),
    (["train", "--task", *CORPUS], "corpus/valid.en:1: no lines: give at least one sentence a file"),
    (["compare", "--tasks", *CORPUS], "default: corpus/valid.en:1: no lines: give at least one sentence a file"),
    (["train", "--out", "theirs"], "theirs: holds files that are not ssrun's: give another --out DIR"),
    (["train", "--out", "key.toml"], "key.toml: not a folder: give another --out DIR"),
    (["train", "--strateggy", "linear"], "No such option: --strateggy"),
    (["trian"], "No such command 'trian'. Did you mean 'train'?"),
    (["compare", "hussar"], "unknown experiment 'hussar': did you mean 'huszar'? known: default, "),
    (["compare", "key.toml"], "key.toml: modle: unknown field 'modle': did you mean 'model'? known: "),
    (["compare", "--tasks", "copy,copi"], "unknown task 'copi': did you mean 'copy'? "),
    (["compare", "--strategies", "swich"], "unknown strategy 'swich': did you mean 'switch'? "),
    (["compare", "--metrics", "bracket_f1"], "default: no task of the grid has the metric 'bracket_f1': choose "),
    (["compare", "--baseline", "switch"], "--baseline: unknown strategy 'switch': known: "),
    (["compare", "--seeds", "4..0"], "default: seeds: '4..0' counts down: write the lower seed first"),
    (["compare", "--shard", "5/4"], "--shard '5/4': write it like 1/4, the first of four parts"),
    (["compare", "--steps", "-1"], "default: training.steps = -1: input should be greater than or equal to 1"),
    (["compare", "--tasks", "copy", "--corpus", "corpus"], "--corpus: no task here is a corpus: add --task corpus"),
    (["compare", "--out", "theirs"], "theirs: holds files that are not ssrun's: give another --out DIR"),
    (["compare", "--jobs", "0"], "Invalid value for '--jobs' / '-j': "),
    (["compare", "--require-claims", "--tasks", "copy"], "--require-claims: no claim of default is on these tasks "),
    (["compare", "--set", "model.hidden=8,x"], "default: model.hidden = 'x': input should be a valid integer"),
    (["compare", "--set", "model.hidden=8,8"], "default: sweep: model.hidden: a value is given twice: give it once"),
    (["compare", "--dry-run", "--show-config"], "--show-config and --dry-run: give one of them"),
    (["train", "--set", "model.hidden=8,16"], "--set 'model.hidden=8,16': 2 values: give one, or sweep with `ssrun "),
    (["train", "--lr", "3"], "No such option: --lr: did you mean --set training.learning_rate=3?"),
    (["train", "--hiden=3"], "No such option: --hiden: did you mean --set model.hidden=3?"),
    (["compare", "--batch-size"], "No such option: --batch-size: did you mean --set training.batch_size=...?"),
    (["compare", "--metrics", "bluu"], "unknown metric 'bluu': did you mean 'bleu'? known: "),
    (["train", "--strategy", "Linear"], "unknown strategy 'Linear': did you mean 'linear'? known: "),
    (["--show-completion", "csh"], "--show-completion: unknown shell 'csh': "),
    (["--install-completion", "zsh"], "--install-completion zsh: it is installed for the shell that it is typed in: "),
    (["list", "tasks", "--names", "--json"], "--names and --json: give one of them"),
    (["show", "theirs", "--format", "html"], "--format: unknown format 'html': known: rich, "),
    (["show", "theirs", "--format", "latex", "--json"], "--json and --format latex: give one of them"),
    (["compare", "--baseline", "linear", "--baseline", "switch"], "--baseline is given twice: give it once"),
    (["train", "--seed", "1", "--seed", "2"], "--seed is given twice: give it once"),
    (["list", "task"], "unknown list 'task': did you mean 'tasks'? known: "),
]  # fmt: skip
NO_RESULTS: list[tuple[list[str], str]] = [
    (["show", "nowhere"], "nowhere: no such folder: give one that `ssrun compare` wrote"),
    (["show", "theirs"], "theirs: no results here: give a folder that `ssrun compare` or `train` wrote"),
    (["decode", "nowhere"], "nowhere: no run here: give a run's folder, or a comparison's such as "),
    (["explain", "."], ".: no run here: give a run's folder, or a comparison's such as "),
    (["verify", "nowhere"], "nowhere: no runs here: give a folder that `ssrun compare` wrote"),
    (["clean", "nowhere", "--yes"], "nowhere: no folder of results: give one that `ssrun compare` wrote"),
]


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Path]:
    """A folder with files of the user's; nothing in it may change."""
    (write_corpus(tmp_path / "corpus") / "valid.en").write_bytes(b"")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "key.toml").write_text(OWN + "[modle]\nhidden = 3\n", encoding="utf-8")
    before = contents(tmp_path)
    yield tmp_path
    assert contents(tmp_path) == before, "a command that was refused has written something"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize(("arguments", "message"), MISTAKES + NO_RESULTS, ids=lambda value: " ".join(value)[:60])
def test_a_mistake_is_one_line_that_names_the_place_the_value_and_the_remedy(
    arguments: list[str], message: str
) -> None:
    done = ssrun(*arguments)
    assert (done.code, done.out) == (5 if (arguments, message) in NO_RESULTS else 2, "")
    assert done.err.startswith(f"ssrun: {message}")
    assert done.err.count("\n") == 1
    assert done.err.removesuffix("\n").isprintable()
