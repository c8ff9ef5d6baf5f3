"""compare: one document, the same bytes again, the runs that it would train, and what its claims come to."""

from __future__ import annotations

import json
import math
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from ssrun.seq2seq.scoring import corpus_bleu
from tests.support.commands import Done
from tests.support.in_process import GRID, SMALL, document, python, ssrun
from tests.tasks.test_corpus import write as write_corpus


def test_compare_ends_with_one_document_of_rows(compared: tuple[Path, Done]) -> None:
    _, done = compared
    assert done.code == 0
    told = json.loads(done.out)
    assert [(row["task"], row["strategy"], row["n"]) for row in told["rows"]] == [
        (task, strategy, 2) for task in ("reverse", "captions") for strategy in ("teacher-forcing", "inverse-sigmoid")
    ]
    for row in told["rows"]:
        for metric in told["metrics"]:
            assert row[metric].keys() >= {"mean", "low", "high"}
            assert row[metric]["low"] <= row[metric]["mean"] <= row[metric]["high"]
    assert "of 8 runs 0 complete, 0 to score, 8 to train" in done.err.splitlines()[0]
    assert "8 runs to train, 2 at once" in done.err.splitlines()[1]
    assert len(re.findall(r"^\[\d/8\] ", done.err, re.MULTILINE)) == 8


def test_compare_again_trains_nothing_and_gives_the_same_bytes(compared: tuple[Path, Done]) -> None:
    results, done = compared
    before = {path: path.stat().st_mtime_ns for path in results.rglob("result.json")}
    again = ssrun("compare", *GRID, *SMALL, "--jobs", "1", "--out", results, "--json")
    assert again == Done(0, done.out, f"results in {results}: of 8 runs 8 complete, 0 to score, 0 to train\n")
    assert {path: path.stat().st_mtime_ns for path in results.rglob("result.json")} == before
    assert len(before) == 8


def test_the_command_in_the_table_gives_the_table(compared: tuple[Path, Done]) -> None:
    results, done = compared
    command = json.loads(done.out)["command"]
    assert command == (
        "ssrun compare --tasks reverse,captions --strategies teacher-forcing,inverse-sigmoid --seeds 0..1 --smoke "
        "--set model.embedding=8 --set model.hidden=8 --set task.test_pairs=20"
    )
    assert ssrun(*command.split()[1:], "--out", results, "--json").must(0).out == done.out


def test_dry_run_prints_the_folders_and_writes_nothing(compared: tuple[Path, Done], tmp_path: Path) -> None:
    dry = ("compare", *GRID, *SMALL, "--dry-run")
    done = ssrun(*dry, "--out", compared[0])
    assert (done.code, done.err) == (0, "8 of 8 runs are done\n")
    assert ssrun(*dry, "--out", "nowhere").err == "0 of 8 runs are done\n"
    assert {Path(line) for line in done.out.splitlines()} == {path.parent for path in compared[0].rglob("result.json")}
    assert document(*dry, "--out", compared[0]) == done.out.splitlines()
    parts = [ssrun(*dry, "--shard", f"{part}/3").out.splitlines() for part in (1, 2, 3)]
    assert sorted(map(len, parts)) == [2, 2, 4], "whole blocks of a task and a seed"
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_is_a_block_a_setting_and_its_command_gives_it_again(tmp_path: Path) -> None:
    grid = ("--tasks", "copy", "--strategies", "teacher-forcing,linear", "--seeds", "0", "--steps", "2", "--jobs", "1")
    done = ssrun("compare", *grid, "--set=model.hidden=4,8", "--set=task.test_pairs=5", "--json", "--quiet").must(0)
    told = json.loads(done.out)
    assert done.err == ""
    assert [(row["task"], row["strategy"]) for row in told["rows"]] == [
        (f"copy-hidden-{hidden}", strategy) for hidden in (4, 8) for strategy in ("teacher-forcing", "linear")
    ]
    assert all("difference" in row["bleu"] for row in told["rows"] if row["strategy"] == "linear")
    assert "--set model.hidden=4,8 " in told["command"]
    again = ssrun(*shlex.split(told["command"])[1:], "--dry-run").must(0)
    assert again.err == "4 of 4 runs are done\n"


def test_the_configuration_of_every_cell_is_shown_and_nothing_trained(tmp_path: Path) -> None:
    given = ("compare", *GRID, *SMALL, "--set", "model.layers=1,2", "--show-config")
    cells = document(*given)["cells"]
    assert tomllib.loads(ssrun(*given).must(0).out) == {"cells": cells}
    assert [cell["name"] for cell in cells][:2] == [
        "reverse-layers-1/teacher-forcing",
        "reverse-layers-1/inverse-sigmoid",
    ]
    assert [cell["model"]["layers"] for cell in cells] == [1, 1, 2, 2] * 2
    assert all(cell["seeds"] == [0, 1] and cell["model"]["hidden"] == 8 for cell in cells)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_that_is_not_settled_did_not_hold_either(compared: tuple[Path, Done], tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        'tasks = ["reverse"]\nstrategies = ["teacher-forcing", "linear"]\nseeds = 0\n[training]\nsteps = 2\n'
        '[[claims]]\ntext = "Better."\nmetric = "bleu"\ntask = "reverse"\norder = "linear > teacher-forcing"\n',
        encoding="utf-8",
    )
    done = ssrun("compare", "own.toml", *SMALL, "--jobs", "1", "--json", "--require-claims").must(4)
    (claim,) = json.loads(done.out)["claims"]
    assert (claim["verdict"], claim["n"]) == ("inconclusive", 1)


def test_a_users_own_experiment_runs_and_a_wrong_claim_ends_with_4_where_asked(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        'question = "Is more training worse?"\ntasks = ["reverse"]\nseeds = "0..2"\nbaseline = "early"\n'
        '[strategies]\nearly = { base = "inverse-sigmoid", half_at = 0.2, training.steps = 2 }\n'
        'late = { base = "inverse-sigmoid", half_at = 0.8, training.steps = 30, training.learning_rate = 0.02 }\n'
        '[[claims]]\ntext = "More is worse."\nsource = "nobody"\nmetric = "teacher_forced_loss"\ntask = "reverse"\n'
        'order = "late > early"\n',
        encoding="utf-8",
    )
    given = ["own.toml", *SMALL, "--set", "task.validation_pairs=5", "--jobs", "1", "--name", "own"]
    done = ssrun("compare", *given, "--json", "--require-claims").must(4)
    (claim,) = json.loads(done.out)["claims"]
    assert claim.keys() >= {"text", "source", "verdict", "difference", "low", "high", "p", "n"}
    assert (claim["verdict"], claim["n"], claim["text"], claim["source"]) == ("disagree", 3, "More is worse.", "nobody")
    assert done.err.splitlines()[-1].startswith("ssrun: ")
    shown = ssrun("show", "results/own").must(0)
    assert re.search(r"disagree  More is worse\. \(nobody\)", shown.out)
    ssrun("compare", *given).must(0)


def by_sacrebleus_command(references: Path, hypotheses: Path, count: int) -> float:
    """BLEU by the command that others score with."""
    command = f"-m sacrebleu {references} -i {hypotheses} --tokenize none --score-only --width 9 --force".split()
    several = ["--num-refs", count] if count > 1 else []
    done = python(*command, *several, PYTHONWARNINGS="ignore")
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.parametrize(("task", "count"), [("reverse", 1), ("captions", 16)])
def test_sacrebleus_own_command_gives_the_stored_bleu(
    compared: tuple[Path, Done], tmp_path: Path, task: str, count: int
) -> None:
    folder = next(compared[0].glob(f"runs/{task}/constant-0-*"))
    assert json.loads((folder / "result.json").read_text(encoding="utf-8"))["references"] == count
    (scores,) = folder.glob("scores/*/scores.json")
    stored = by_sacrebleus_command(folder / "references.txt", scores.with_name("hypotheses.txt"), count)
    assert stored == pytest.approx(json.loads(scores.read_bytes())["bleu"], abs=1e-8)

    lines = [line.split("\t") for line in (folder / "references.txt").read_text(encoding="utf-8").splitlines()]
    references = [[tuple(reference.split(" ")) for reference in line] for line in lines]
    outputs = [group[-1][:-1] if index % 3 else group[0] for index, group in enumerate(references)]
    (tmp_path / "better.txt").write_text("".join(f"{' '.join(output)}\n" for output in outputs), encoding="utf-8")
    expected, _ = corpus_bleu(outputs, references)
    assert 50 < expected < 100
    scored = by_sacrebleus_command(folder / "references.txt", tmp_path / "better.txt", count)
    assert scored == pytest.approx(expected, abs=1e-8)


def test_a_corpus_folder_alone_is_compared_as_the_task_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = ("--corpus", write_corpus(Path("2024"), form="tsv").name, "--strategies", "linear,uniform", "--seeds", "0")
    given = ("compare", *folder, "--steps", 2, "--set", "model.hidden=8", "--set", "training.batch_size=2", "--jobs", 1)
    told = document(*given)
    assert told["command"].startswith("ssrun compare --tasks corpus --strategies linear,uniform --seeds 0 ")
    assert told["command"].endswith("--set 'task.path=\"2024\"' --set training.batch_size=2 --set training.steps=2")
    assert document(*shlex.split(told["command"])[1:]) == told
    refused = ssrun("compare", "--tasks", "copy", *folder, "--dry-run").must(2)
    assert refused.err.startswith("ssrun: --corpus: no task here is a corpus: ")


@pytest.mark.slow
def test_metrics_of_text_stand_in_the_table_that_asks_for_them_with_their_signatures(tmp_path: Path) -> None:
    tiny = (
        "--tasks",
        "translation",
        "--strategies",
        "linear",
        "--seeds",
        "0",
        "--smoke",
        *SMALL,
        "--out",
        tmp_path / "runs",
    )
    plain = document("compare", *tiny)
    assert not {"chrf", "ter", "perplexity", "text_signatures"} & {*plain["rows"][0], *plain}
    asked = ("compare", *tiny[:-1], tmp_path / "asked", "--metrics", "bleu,chrf,ter,perplexity")
    told = document(*asked)
    (row,) = told["rows"]
    assert {name: row[name]["mean"] for name in plain["rows"][0] if name in ("bleu", "free_running_loss")} == {
        name: plain["rows"][0][name]["mean"] for name in ("bleu", "free_running_loss")
    }
    assert row["perplexity"]["mean"] == pytest.approx(math.exp(row["teacher_forced_loss"]["mean"]))
    shown = ssrun(*asked).must(0).out
    assert re.search(r"BLEU +chrF +TER % +perplexity", shown)
    for name, signature in (("chrF", "nrefs:1|case:mixed|eff:yes|nc:6|"), ("TER %", "nrefs:1|case:lc|tok:tercom|")):
        assert f"{name}: {signature}" in shown
    refused = ssrun("compare", "--tasks", "copy", "--metrics", "ter", "--dry-run").must(2)
    assert "no task of the grid has the metric 'ter'" in refused.err
