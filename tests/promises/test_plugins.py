"""The example plugin, installed by pip: listed, trained, killed, resumed, shown; and without it what it made is read."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.installed import EXAMPLE, Environment, wheel

SIZES = ("--set", "task.test_pairs=12", "--set", "task.validation_pairs=12", "--set", "model.hidden=12", "-q")
TRAIN = ("train", "--task", "rotate", "--strategy", "cosine-sequence", "--set", "task.by=3", *SIZES)
COMPARE = (
    *("compare", "--tasks", "rotate,copy", "--strategies", "teacher-forcing,cosine-sequence"),
    *("--metrics", "bleu,length_ratio", "--seeds", "0,1", "--steps", "12", "--jobs", "2", *SIZES),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("environment")
    environment = Environment(folder / "python")
    environment.install(wheel(folder))
    return environment


@pytest.fixture(scope="module")
def compared(place: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    done = place.run(folder, *COMPARE, "--out", "out")
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.fixture
def without(place: Environment, tmp_path: Path) -> Environment:
    """An environment where the plugin is not installed."""
    return Environment(tmp_path / "without")


def weights(out: Path) -> str:
    (path,) = out.glob("runs/rotate/*/model.safetensors")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_plugin_is_listed_trains_is_killed_resumes_and_is_shown_and_uninstalled_still_is(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = Environment(tmp_path / "python")
    environment.install(wheel(tmp_path))
    assert "rotate" in environment.run(tmp_path, "list", "tasks", "--names").stdout.split()
    (row,) = [row for row in json.loads(environment.run(tmp_path, "list", "tasks", "--json").stdout) if "plugin" in row]
    assert (row["name"], row["plugin"], row["fields"]["by"]) == ("rotate", "ssrun-example-plugin 1.0", 2)

    steps = ("--steps", "150", "--checkpoint-every", "10")
    killed = environment.command(*TRAIN, *steps, "--out", "killed")
    with subprocess.Popen(killed, cwd=tmp_path, env=environment.variables, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not list(tmp_path.glob("killed/runs/rotate/*/checkpoint-*.json")):
            time.sleep(0.005)
        process.kill()
    assert not list(tmp_path.glob("killed/runs/rotate/*/result.json"))
    for out in ("killed", "straight"):
        done = environment.run(tmp_path, *TRAIN, *steps, "--out", out)
        assert done.returncode == 0, done.stderr
    assert weights(tmp_path / "killed") == weights(tmp_path / "straight")

    shown = environment.run(tmp_path, "show", "killed", "--json")
    again = (*TRAIN, *steps, "--out", "killed")
    environment.uninstall()
    assert "rotate" not in environment.run(tmp_path, "list", "tasks", "--names").stdout.split()
    without = environment.run(tmp_path, "show", "killed", "--json")
    assert (without.returncode, without.stdout) == (0, shown.stdout)
    refused = environment.run(tmp_path, *again)
    told = (
        "ssrun: task 'rotate' comes from the plugin ssrun-example-plugin 1.0 (entry point rotate = "
        "ssrun_example:Rotate), which is not installed: pip install ssrun-example-plugin, or give --plugin "
        "module:object\n"
    )
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", told)

    shutil.copy(EXAMPLE / "ssrun_example.py", tmp_path)  # the remedy that it names
    given = [f"--plugin=ssrun_example:{name}" for name in ("Rotate", "Cosine", "COSINE_SEQUENCE")]
    assert environment.run(tmp_path, *again, *given).returncode == 0


@pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="its build backend is not installed")
def test_the_example_is_built_and_installed_from_its_folder(tmp_path: Path) -> None:
    copied = shutil.copytree(EXAMPLE, tmp_path / "source")
    environment = Environment(tmp_path / "python")
    environment.pip("install", "--no-deps", "--no-build-isolation", str(copied))
    rows = json.loads(environment.run(tmp_path, "list", "plugins", "--json").stdout)
    assert {row["status"] for row in rows} == {"ok"}
    assert len(rows) == 5


def test_where_a_plugin_comes_from_is_kept_with_the_run_and_told_below_the_table(
    place: Environment, compared: Path
) -> None:
    kept = {"distribution": "ssrun-example-plugin", "version": "1.0"}
    of_training = [
        {"kind": "task", "name": "rotate", "object": "ssrun_example:Rotate", **kept},
        {"kind": "schedule", "name": "cosine", "object": "ssrun_example:Cosine", **kept},
        {"kind": "strategy", "name": "cosine-sequence", "object": "ssrun_example:COSINE_SEQUENCE", **kept},
    ]
    for environment in compared.glob("runs/rotate/cosine-*/environment.json"):
        assert json.loads(environment.read_text())["plugins"] == of_training
    for environment in compared.glob("runs/copy/constant-*/environment.json"):
        assert "plugins" not in json.loads(environment.read_text())
    for scores in compared.glob("runs/*/*/scores/*/scores.json"):
        document = json.loads(scores.read_text())
        assert document["plugins"] == [
            {"kind": "metric", "name": "length_ratio", "object": "ssrun_example:LENGTH_RATIO", **kept}
        ]
        assert 0 <= document["length_ratio"] <= 5
    made = "(metric length_ratio, schedule cosine, strategy cosine-sequence, task rotate)"
    assert f"Of plugins: ssrun-example-plugin 1.0 {made}." in place.run(compared, "show", ".").stdout


READING = (
    ("show", "."),
    ("show", ".", "--format", "csv"),
    ("show", ".", "--json"),
    ("show", ".", "--metrics", "length_ratio"),
    ("list", "runs", "--store", "runs", "--json"),
    ("verify", ".", "--json"),
    ("report", ".", "--out", "page.html"),
    ("claims", ".."),
    ("inject", "runs/rotate", "--strategy", "cosine-sequence", "--seed", "0", "--json"),
)


def test_results_read_the_same_where_the_plugin_is_not_installed(
    place: Environment, without: Environment, compared: Path
) -> None:
    for command in READING:
        here, there = place.run(compared, *command), without.run(compared, *command)
        assert (there.returncode, there.stdout) == (here.returncode, here.stdout) == (0, here.stdout), there.stderr
    assert "length ratio" in without.run(compared, "show", ".").stdout


def test_what_is_read_imports_no_plugin(place: Environment, compared: Path, tmp_path: Path) -> None:
    """Also where it is installed: its module, replaced by one that leaves a mark, is not run."""
    environment = Environment(tmp_path / "python")
    environment.install(wheel(tmp_path))
    (module,) = (tmp_path / "python").glob("lib/python*/site-packages/ssrun_example.py")
    module.write_text(f"open({str(tmp_path / 'mark')!r}, 'w').close()\nraise SystemExit(7)\n", encoding="utf-8")
    here = shutil.copytree(compared, tmp_path / "out")
    pictures = [("figures", ".", "--only", "means", "--metric", "length_ratio", "--format", "svg")]
    drawn = pictures if importlib.util.find_spec("matplotlib") else []
    for command in (*READING, *drawn, ("list", "plugins", "--names"), ("--help",), ("train", "--help")):
        done = environment.run(here, *command)
        assert done.returncode == 0, done.stderr
    kept = shutil.copy(
        here / "table.json", tmp_path / "tables" if (tmp_path / "tables").mkdir() else tmp_path / "tables"
    )
    assert environment.run(tmp_path, "show", Path(kept).parent).returncode == 0
    assert environment.run(tmp_path, "merge", here, "--out", "merged").returncode == 0
    assert environment.run(tmp_path, "clean", here, "--yes").returncode == 0
    assert not (tmp_path / "mark").exists()
    assert (
        environment.run(tmp_path, "train", "--task", "rotate").returncode == 2
    )  # the control: what names it, loads it
    assert (tmp_path / "mark").exists()


def test_a_run_that_goes_on_under_another_version_is_warned_and_two_versions_are_told(
    tmp_path: Path,
) -> None:
    environment = Environment(tmp_path / "python")
    environment.install(wheel(tmp_path))
    steps = ("--steps", "40", "--checkpoint-every", "10", "--out", "out")
    process = subprocess.Popen(environment.command(*TRAIN, *steps), cwd=tmp_path, env=environment.variables)
    while process.poll() is None and not list(tmp_path.glob("out/runs/rotate/*/checkpoint-*.json")):
        time.sleep(0.005)
    process.kill()
    process.wait()
    environment.install(wheel(tmp_path, "2.0"))
    done = environment.run(tmp_path, *TRAIN, *steps)
    assert done.returncode == 0
    assert "begun in another environment (plugins): an uninterrupted run's numbers may differ" in done.stderr
    shown = environment.run(tmp_path, "show", "out").stdout
    assert "The runs come from 2 different environments" in shown
    assert "ssrun-example-plugin 1.0 (schedule cosine" in shown
    assert "ssrun-example-plugin 2.0 (schedule cosine" in shown
