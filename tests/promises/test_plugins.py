"""The example plugin: it is listed, trains, is killed, resumes and is shown; and without it what it made is read."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.in_process import ssrun
from tests.support.installed import EXAMPLE, Environment, wheel

SIZES = ("--set", "task.test_pairs=12", "--set", "task.validation_pairs=12", "--set", "model.hidden=12", "-q")
TRAIN = ("train", "--task", "rotate", "--strategy", "smoothstep-sequence", "--set", "task.by=3", *SIZES)
COMPARE = (
    *("compare", "--tasks", "rotate,copy", "--strategies", "teacher-forcing,smoothstep-sequence"),
    *("--metrics", "bleu,length_ratio", "--seeds", "0", "--steps", "12", "--jobs", "1", *SIZES),
)
READING = (
    ("show", "."),
    ("show", ".", "--format", "csv"),
    ("show", ".", "--json"),
    ("show", ".", "--metrics", "length_ratio"),
    ("list", "runs", "--store", "runs", "--json"),
    ("verify", ".", "--json"),
    ("claims", ".."),
    ("inject", "runs/rotate", "--strategy", "smoothstep-sequence", "--json"),
)
KEPT = {"distribution": "ssrun-example-plugin", "version": "1.0"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("environment")
    environment = Environment(folder / "python")
    environment.unpack(wheel(folder))
    return environment


@pytest.fixture(scope="module")
def compared(place: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    (done,) = place.run(folder, (*COMPARE, "--out", "out"))
    done.must(0)
    return folder / "out"


def weights(out: Path) -> str:
    (path,) = out.glob("runs/rotate/*/model.safetensors")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def killed_at_a_checkpoint(environment: Environment, cwd: Path, *arguments: str) -> None:
    """A training that is killed once it has a checkpoint."""
    with subprocess.Popen(environment.command(*arguments), cwd=cwd, env=environment.variables) as process:
        while process.poll() is None and not list(cwd.glob("*/runs/rotate/*/checkpoint-*.json")):
            time.sleep(0.005)
        process.kill()
    assert not list(cwd.glob("*/runs/rotate/*/result.json"))


@pytest.mark.slow
def test_a_plugin_is_listed_trains_is_killed_resumes_and_is_shown_and_uninstalled_still_is(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "python")
    environment.pip("install", "--no-deps", wheel(tmp_path))
    steps = ("--steps", "150", "--checkpoint-every", "10")
    killed_at_a_checkpoint(environment, tmp_path, *TRAIN, *steps, "--out", "killed")
    straight = shutil.copytree(tmp_path / "killed", tmp_path / "other") and "straight"
    names, listed, resumed, done, shown = environment.run(
        tmp_path,
        ("list", "tasks", "--names"),
        ("list", "tasks", "--json"),
        (*TRAIN, *steps, "--out", "killed"),
        (*TRAIN, *steps, "--out", straight),
        ("show", "killed", "--json"),
    )
    assert "rotate" in names.must(0).out.split()
    (row,) = [row for row in json.loads(listed.must(0).out) if "plugin" in row]
    assert (row["name"], row["plugin"], row["fields"]["by"]) == ("rotate", "ssrun-example-plugin 1.0", 2)
    assert (resumed.must(0).code, done.must(0).code) == (0, 0)
    assert weights(tmp_path / "killed") == weights(tmp_path / straight)

    environment.pip("uninstall", "-y", "ssrun-example-plugin")
    names, without, refused = environment.run(
        tmp_path,
        ("list", "tasks", "--names"),
        ("show", "killed", "--json"),
        (*TRAIN, *steps, "--out", "killed"),
    )
    assert "rotate" not in names.must(0).out.split()
    assert (without.must(0).out, shown.code) == (shown.out, 0)
    told = (
        "ssrun: task 'rotate' comes from the plugin ssrun-example-plugin 1.0 (entry point rotate = "
        "ssrun_example:Rotate), which is not installed: pip install ssrun-example-plugin, or give --plugin "
        "module:object\n"
    )
    assert (refused.code, refused.out, refused.err) == (2, "", told)

    shutil.copy(EXAMPLE / "ssrun_example.py", tmp_path)  # the remedy that it names
    given = [f"--plugin=ssrun_example:{name}" for name in ("Rotate", "Smoothstep", "SMOOTHSTEP_SEQUENCE")]
    killed, explained, both = environment.run(
        tmp_path,
        (*TRAIN, *steps, "--out", "other", *given),
        ("explain", "other", "--step", "2", *given),
        ("show", "other", "--json"),
    )
    assert "begun in another environment (plugins): an uninterrupted run's numbers may differ" in killed.must(0).err
    assert weights(tmp_path / "other") == weights(tmp_path / "killed")
    assert "rotate / smoothstep-sequence / seed 0" in explained.must(0).out
    made_in = [made["plugins"] for made in json.loads(both.must(0).out)["environments"]]
    assert [[plugin.get("version") for plugin in plugins] for plugins in made_in] == [[None] * 3, ["1.0"] * 3]
    assert {len(plugin["digest"]) for plugin in made_in[0]} == {64}


@pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="its build backend is not installed")
def test_the_example_is_built_and_installed_from_its_folder(tmp_path: Path) -> None:
    source = shutil.copytree(EXAMPLE, tmp_path / "source")
    environment = Environment(tmp_path / "python")
    environment.pip("install", "--no-deps", "--no-build-isolation", source)
    (done,) = environment.run(tmp_path, ("list", "plugins", "--json"))
    assert [row["status"] for row in json.loads(done.must(0).out)] == ["ok"] * 5


def test_where_a_plugin_comes_from_is_kept_with_runs_and_scores_and_told_below_the_table(compared: Path) -> None:
    of_training = [
        {"kind": "task", "name": "rotate", "object": "ssrun_example:Rotate", **KEPT},
        {"kind": "schedule", "name": "smoothstep", "object": "ssrun_example:Smoothstep", **KEPT},
        {"kind": "strategy", "name": "smoothstep-sequence", "object": "ssrun_example:SMOOTHSTEP_SEQUENCE", **KEPT},
    ]
    metric = {"kind": "metric", "name": "length_ratio", "object": "ssrun_example:LENGTH_RATIO", **KEPT}
    (environment,) = compared.glob("runs/rotate/smoothstep-*/environment.json")
    assert json.loads(environment.read_text())["plugins"] == of_training
    (plain,) = compared.glob("runs/copy/constant-*/environment.json")
    assert "plugins" not in json.loads(plain.read_text())
    all_scores = [json.loads(path.read_text()) for path in compared.glob("runs/*/*/scores/*/scores.json")]
    assert [scores["plugins"] for scores in all_scores] == [[metric]] * 4
    assert all(0 <= scores["length_ratio"] <= 5 for scores in all_scores)
    table = json.loads((compared / "table.json").read_text())
    assert len(table["environments"]) == 1  # that one run needs a plugin and another does not makes no two
    made = "(metric length\\_ratio, schedule smoothstep, strategy smoothstep-sequence, task rotate)"
    assert f"Of plugins: ssrun-example-plugin 1.0 {made}." in (compared / "table.md").read_text()


@pytest.mark.slow
def test_results_read_the_same_where_the_plugin_is_not_installed(
    place: Environment, compared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(compared)
    here, there = place.run(compared, *READING), [ssrun(*command) for command in READING]
    assert [done.must(0) for done in here] == [done.must(0) for done in there]
    assert "length ratio" in there[0].out
    assert json.loads(here[2].out) == json.loads((compared / "table.json").read_text())


@pytest.fixture
def marked(tmp_path: Path) -> Environment:
    """The plugin is installed; where its module is imported, it leaves a file `mark` and fails."""
    environment = Environment(tmp_path / "python")
    environment.unpack(wheel(tmp_path))
    text = f"open({str(tmp_path / 'mark')!r}, 'w').close()\nraise SystemExit(7)\n"
    (environment.site / "ssrun_example.py").write_text(text, encoding="utf-8")
    return environment


@pytest.mark.slow
def test_what_is_read_imports_no_plugin_also_where_it_is_installed(
    marked: Environment, compared: Path, tmp_path: Path
) -> None:
    here, tables = shutil.copytree(compared, tmp_path / "out"), tmp_path / "tables"
    tables.mkdir()
    shutil.copy(here / "table.json", tables)
    done = marked.run(
        here,
        *READING,
        ("show", "../tables"),
        ("list", "plugins", "--names"),
        ("list", "tasks", "--names"),
        ("train", "--help"),
        ("merge", ".", "--out", "../merged"),
        ("clean", "../merged", "--yes"),
    )
    assert [one.must(0).code for one in done] == [0] * len(done)
    assert not (tmp_path / "mark").exists()
    (control,) = marked.run(tmp_path, ("train", "--task", "rotate"))  # what names it, loads it
    assert (control.code, control.err.count("\n"), (tmp_path / "mark").exists()) == (2, 1, True)
    where = "entry point rotate = ssrun_example:Rotate of ssrun.tasks (ssrun-example-plugin 1.0)"
    assert f"{where}: cannot be loaded (SystemExit: 7): mend it, or uninstall ssrun-example-plugin" in control.err


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="pictures need matplotlib")
def test_pages_and_pictures_import_no_plugin_either(marked: Environment, compared: Path, tmp_path: Path) -> None:
    here = shutil.copytree(compared, tmp_path / "out")
    pictures = ("figures", ".", "--format", "svg")
    for done in marked.run(here, ("report", "."), pictures, (*pictures, "--metric", "length_ratio")):
        done.must(0)
    assert not (tmp_path / "mark").exists()
