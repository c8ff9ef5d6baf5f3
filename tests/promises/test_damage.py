"""Promise 3: a result is whole or absent; damage is found before it is used, and named."""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ssrun.config.run import ScoringConfig
from ssrun.config.spec import RunDocument
from ssrun.errors import StoreError
from ssrun.runs import verification
from ssrun.runs.folder import RunFolder
from ssrun.runs.trained import load_trained
from ssrun.system.documents import canonical
from tests.support.commands import say, ssrun
from tests.support.damage import flip, reseal, reseal_run
from tests.support.faults import fault, stop_after
from tests.support.runs import EVERYTHING_ON, GRID, experiment, straight, train, train_to_the_same_end
from tests.support.snapshots import fingerprint, run_folder, run_folders, snapshot

FILES = RunFolder.ALL_FILES
SCORES = f"scores/{ScoringConfig().id[:10]}"
EVERY_FILE = (*FILES, *(f"{SCORES}/{name}" for name in RunFolder.SCORE_FILES))
OPTIONS = ("--strategy=linear", *EVERYTHING_ON, "--checkpoint-every=5")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete comparison of four runs in `runs`, with a column that rests on the metrics."""
    folder = tmp_path_factory.mktemp("finished")
    grid = GRID + '[reach]\nmetric = "teacher_forced_loss"\nvalue = 3.25\n'
    text = grid.replace("seeds =", 'metrics = ["bleu", "steps_to_reach"]\nseeds =')
    ssrun("compare", experiment(folder, text), "--out=runs", "--jobs=2", folder=folder).must(0)
    return folder


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped at step 17, its checkpoints of 15 and 17."""
    folder = tmp_path_factory.mktemp("unfinished")
    train(folder, *OPTIONS, faults=[fault(stop_after, step=17)]).must(143)
    return folder


def positions(size: int, count: int) -> list[int]:
    """The first and last byte of a file, and some between."""
    draw = random.Random(size)
    return sorted({0, size - 1, *(draw.randrange(size) for _ in range(count - 2))})


def names_the_file(folder: Path, path: Path) -> None:
    """`ssrun verify` ends with 5 and names the file."""
    done = ssrun("verify", "runs", folder=folder).must(5)
    assert str(path.relative_to(folder)) in done.out + done.err, done.out + done.err


@pytest.mark.parametrize("count", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_damage_anywhere_in_any_file_of_a_complete_run_is_named(copied: Path, count: int) -> None:
    """R9, R21, must-show 4: so many flipped bits a file; and the file cut, emptied, longer and gone."""
    run, flipped, others = run_folders(copied)[0], 0, 0
    for path in (run / name for name in EVERY_FILE):
        whole = path.read_bytes()

        def is_named(path: Path = path) -> bool:
            return any(str(path) in fault for fault in verification.faults_of(RunFolder(run)))

        for position in positions(len(whole), count):
            flip(path, position, bit=position % 8)
            assert is_named(), (path, position)
            path.write_bytes(whole)
            flipped += 1
        for content in (whole[:-1], whole[: len(whole) // 2], b"", whole + b"\n", whole + whole):
            path.write_bytes(content)
            assert is_named(), path
            others += 1
        path.unlink()
        assert is_named() or path.name in ("result.json", "scores.json")  # without them the run is unfinished
        path.write_bytes(whole)
        if count > 3 or path.name == "model.safetensors":
            flip(path, len(whole) // 2)
            names_the_file(copied.parent, path)  # the command itself
            path.write_bytes(whole)
    assert verification.faults_of(RunFolder(run)) == []
    say(f"must-show 4: {flipped} flipped bits and {others} cut, emptied or longer files, each named")


@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "result.json",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("environment.json", "metrics.jsonl")),
    ],
)
def test_tables_refuse_a_damaged_run_by_name(copied: Path, finished: Path, name: str) -> None:
    """R9: what `show` and `compare` rest on is checked before it is used."""
    run = run_folders(copied)[2]
    flip(run / name, 30)
    for command in (["show", "runs"], ["show", "runs", "--json"], ["compare", finished / "grid.toml", "--out=runs"]):
        done = ssrun(*command, folder=copied.parent).must(5)
        assert str((run / name).relative_to(copied.parent)) in done.err
        assert done.out == ""
    (run / name).unlink()
    ssrun("verify", "runs", folder=copied.parent).must(0 if name == "result.json" else 5)
    if name != "result.json":
        ssrun("show", "runs", folder=copied.parent).must(5)


@pytest.mark.parametrize("name", ["experiment.json", "bootstrap.json"])
def test_what_a_table_rests_on_beside_its_runs_is_named_where_it_is_damaged(copied: Path, name: str) -> None:
    """R9: and the runs are checked all the same."""
    whole = (copied / name).read_bytes()
    for position in positions(len(whole), 3):
        flip(copied / name, position)
        assert name in ssrun("show", "runs", folder=copied.parent).must(5).err
        done = ssrun("verify", "runs", folder=copied.parent).must(5)
        assert f"runs/{name}: damaged" in done.out
        assert "4 complete runs checked, 0 unfinished, 1 faults" in done.out
        (copied / name).write_bytes(whole)


@pytest.mark.slow
def test_scores_are_recomputed_from_the_stored_text(copied: Path) -> None:
    """R21: scores and texts that were edited, digests and all."""
    run = run_folders(copied)[0]
    whole = {name: (run / name).read_bytes() for name in EVERY_FILE}
    scores, outputs = run / SCORES / "scores.json", run / SCORES / "hypotheses.txt"
    for metric in ("bleu", "exact_match", "edit_rate", "distinct", "next_step_error", "decoding_error"):
        path = run / "result.json" if metric.endswith("error") else scores
        reseal(path, lambda document: document.update({metric: document[metric] + 0.001}))  # noqa: B023
        done = ssrun("verify", "runs", folder=copied.parent).must(5)
        assert f"{metric} is" in done.out
        assert "the stored text gives" in done.out
        path.write_bytes(whole[str(path.relative_to(run))])
    for content in ((run / "references.txt").read_bytes(), outputs.read_bytes() + b"a b\n"):
        outputs.write_bytes(content)
        names_the_file(copied.parent, outputs)
        reseal_run(run)
        names_the_file(copied.parent, scores)
    for name in (f"{SCORES}/scores.json", f"{SCORES}/hypotheses.txt"):
        (run / name).write_bytes(whole[name])
    (run / "metrics.jsonl").write_bytes(b"".join(whole["metrics.jsonl"].splitlines(keepends=True)[1:]))
    names_the_file(copied.parent, run / "metrics.jsonl")


@pytest.mark.parametrize("line", ["x", "null", "[]", '{"step":1e308}', "7", '"', "[" * 100_000])
def test_verify_names_a_line_of_the_metrics_that_is_no_evaluation(copied: Path, line: str) -> None:
    run = run_folders(copied)[0]
    first, *others = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    for lines, named in (([first, line, *others], 2), ([first, *others, line], 2 + len(others))):
        (run / "metrics.jsonl").write_text("\n".join(lines), encoding="utf-8")
        reseal_run(run)
        assert [fault.split(": ")[0] for fault in verification.faults_of(RunFolder(run))] == [
            f"{run / 'metrics.jsonl'}:{named}"
        ]


def mix(payload: Path, sidecar: Path) -> None:
    """Files of two steps."""
    shutil.copy(payload.with_stem("checkpoint-0000000015"), payload)


Damage = Callable[[Path, Path], object]  # of the newest checkpoint's payload and sidecar
DAMAGES: dict[str, Damage] = {
    "payload cut in half": lambda payload, sidecar: os.truncate(payload, payload.stat().st_size // 2),
    "payload cut by a byte": lambda payload, sidecar: os.truncate(payload, payload.stat().st_size - 1),
    "payload emptied": lambda payload, sidecar: payload.write_bytes(b""),
    "payload longer": lambda payload, sidecar: payload.write_bytes(payload.read_bytes() + b"\0"),
    "payload missing": lambda payload, sidecar: payload.unlink(),
    "a bit of the header's length": lambda payload, sidecar: flip(payload, 2),
    "a bit of the header": lambda payload, sidecar: flip(payload, 20),
    "a bit of the header's end": lambda payload, sidecar: flip(payload, 60, bit=3),
    "a low bit of a weight": lambda payload, sidecar: flip(payload, -8),
    "a high bit of a weight": lambda payload, sidecar: flip(payload, -1, bit=6),
    "a bit amid the payload": lambda payload, sidecar: flip(payload, payload.stat().st_size // 2),
    "payload of zeros": lambda payload, sidecar: payload.write_bytes(bytes(payload.stat().st_size)),
    "sidecar cut": lambda payload, sidecar: os.truncate(sidecar, sidecar.stat().st_size // 2),
    "sidecar emptied": lambda payload, sidecar: sidecar.write_bytes(b""),
    "a bit of the sidecar's step": lambda payload, sidecar: flip(sidecar, sidecar.read_bytes().index(b'"step":17') + 8),
    "a bit of the sidecar": lambda payload, sidecar: flip(sidecar, 10),
    "a bit of the sidecar's digest": lambda payload, sidecar: flip(sidecar, sidecar.read_bytes().index(b"digest") + 12),
    "the payload of another step": mix,
    "a list for a sidecar": lambda payload, sidecar: sidecar.write_bytes(b"[1, 2]"),
    "a number for a sidecar": lambda payload, sidecar: sidecar.write_bytes(b"9" * 5000),
    "nesting for a sidecar": lambda payload, sidecar: sidecar.write_bytes(b"[" * 100_000),
}
FAST = ("payload cut in half", "a low bit of a weight", "a bit of the sidecar's step", "the payload of another step")


@pytest.mark.parametrize(
    "damage", [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in DAMAGES]
)
def test_a_damaged_checkpoint_is_refused_and_the_one_before_it_taken(
    unfinished: Path, tmp_path: Path, damage: str
) -> None:
    """R9: with one warning that names the file; the run ends with the same bytes."""
    shutil.copytree(unfinished / "runs", tmp_path / "runs")
    run = run_folder(tmp_path / "runs")
    sidecars = sorted(run.glob("checkpoint-*.json"))
    assert [path.name for path in sidecars] == ["checkpoint-0000000015.json", "checkpoint-0000000017.json"]
    DAMAGES[damage](sidecars[-1].with_suffix(".safetensors"), sidecars[-1])
    done = train_to_the_same_end(tmp_path, *OPTIONS)
    warnings = [line for line in done.err.splitlines() if "warning" in line]
    assert len(warnings) == 1
    assert "checkpoint-0000000017" in warnings[0]
    assert "step 15:" not in done.err  # it went on from 15 and not from the start


def test_a_folder_in_the_place_of_a_checkpoint_is_left_alone(unfinished: Path, tmp_path: Path) -> None:
    """R9: it is not ours; the checkpoint before it is taken, and the run ends with the same bytes."""
    shutil.copytree(unfinished / "runs", tmp_path / "runs")
    run = run_folder(tmp_path / "runs")
    payload = run / "checkpoint-0000000017.safetensors"
    payload.unlink()
    payload.mkdir()
    (payload / "mine").touch()
    assert "checkpoint-0000000017.safetensors: not a regular file" in train(tmp_path, *OPTIONS).must(0).err
    (payload / "mine").unlink()
    payload.rmdir()
    assert fingerprint(run) == straight(*OPTIONS)


def test_a_run_whose_checkpoints_are_all_damaged_begins_again(unfinished: Path, tmp_path: Path) -> None:
    """R9: and does not keep the damaged ones in the place of its own."""
    shutil.copytree(unfinished / "runs", tmp_path / "runs")
    run = run_folder(tmp_path / "runs")
    for path in run.glob("checkpoint-*.safetensors"):
        flip(path, 500)
    done = train(tmp_path, *OPTIONS, faults=[fault(stop_after, step=7)]).must(143)
    assert done.err.count("warning") == 2
    assert sorted(path.stem[-2:] for path in run.glob("checkpoint-*.json")) == ["05", "07"]
    train_to_the_same_end(tmp_path, *OPTIONS)


@pytest.mark.parametrize("position", [3, 200, -5])
def test_metrics_damaged_before_the_checkpoint_are_found_on_resuming(
    unfinished: Path, tmp_path: Path, position: int
) -> None:
    """R9, R22."""
    shutil.copytree(unfinished / "runs", tmp_path / "runs")
    flip(run_folder(tmp_path / "runs") / "metrics.jsonl", position)
    assert "metrics.jsonl: damaged" in train_to_the_same_end(tmp_path, *OPTIONS).err


class Trap:
    """Unpickling one makes a file."""

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (Path("SPRUNG"),)


QUICK = ("run.json", "model.safetensors", "experiment.json")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in (*FILES, "experiment.json")],
)
def test_a_pickle_in_the_place_of_any_file_is_refused(finished: Path, tmp_path: Path, name: str) -> None:
    """R25."""
    shutil.copytree(finished / "runs", tmp_path / "runs")
    run = run_folders(tmp_path / "runs")[0]
    for each in run_folders(tmp_path / "runs") if name != "experiment.json" else [tmp_path / "runs"]:
        (each / name).write_bytes(pickle.dumps(Trap()))
    ssrun("verify", "runs", folder=tmp_path).must(5)
    shown = ("run.json", "environment.json", "metrics.jsonl", "result.json", "experiment.json")
    ssrun("show", "runs", folder=tmp_path).must(5 if name in shown else 0)
    loaded = ("run.json", "model.safetensors", "vocabulary.json", "result.json")
    ssrun("decode", run, folder=tmp_path).must(5 if name in loaded else 0)
    assert not list(tmp_path.rglob("SPRUNG"))


def test_a_pickle_in_the_place_of_a_checkpoint_a_table_or_an_experiment_is_refused(
    unfinished: Path, tmp_path: Path
) -> None:
    """R25."""
    trap = pickle.dumps(Trap())
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "table.json").write_bytes(trap)
    ssrun("show", "table", folder=tmp_path).must(5)
    shutil.copytree(unfinished / "runs", tmp_path / "runs")
    for path in run_folder(tmp_path / "runs").glob("checkpoint-*"):
        path.write_bytes(trap)
    train(tmp_path, *OPTIONS).must(0)
    (tmp_path / "grid.toml").write_bytes(trap)
    ssrun("compare", "grid.toml", folder=tmp_path).must(2)
    assert not list(tmp_path.rglob("SPRUNG"))


def header(entries: dict[str, Any], size: int) -> bytes:
    """Safetensors of these entries, and zeros."""
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + bytes(size)


def one(shape: list[int], end: int, kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [0, end]}


HOSTILE = {
    "100,000 tensors": lambda whole: header({f"t{n}": one([0], 0) for n in range(100_000)}, 0),
    "a header of 100 MB": lambda whole: struct.pack("<Q", 10**8) + b" " * 10**8,
    "a header of 2^63 bytes": lambda whole: struct.pack("<Q", 2**63) + whole[8:],
    "no header": lambda whole: b"\0\0",
    "another shape": lambda whole: header({"output.bias": one([2, 2], 16)}, 16),
    "a huge shape": lambda whole: header({"output.bias": one([2**40], 2**42)}, 16),
    "overlapping offsets": lambda whole: header({"a": one([4], 16), "b": one([4], 16)}, 16),
    "a gigabyte": lambda whole: whole + bytes(2**30),
    "another type": lambda whole: whole.replace(b'"F32"', b'"I32"'),
    "a name more": lambda whole: whole.replace(b"output.bias", b"output.boas"),
    "text": lambda whole: b"hello, world\n" * 100,
}


@pytest.fixture
def memory() -> Callable[[], int]:
    """How many bytes this process' peak has grown since."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return lambda: (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_weights_are_refused_soon_and_cheaply(copied: Path, name: str, memory: Callable[[], int]) -> None:
    """R26: even where the digests are right; in under 2 s of processor time and 200 MB."""
    run = run_folders(copied)[0]
    whole = (run / "model.safetensors").read_bytes()
    load_trained(RunFolder(run))  # what torch imports on first use is there
    if name == "a gigabyte":
        with (run / "model.safetensors").open("ab") as file:
            file.truncate(len(whole) + 2**30)
    else:
        (run / "model.safetensors").write_bytes(HOSTILE[name](whole))
        reseal_run(run)
    started = time.process_time()
    with pytest.raises(StoreError, match="safetensors"):
        load_trained(RunFolder(run))
    assert time.process_time() - started < 2
    assert memory() < 200 * 2**20


def test_the_weights_of_a_giant_are_refused_before_it_is_built(copied: Path, memory: Callable[[], int]) -> None:
    """R26: a configuration of 8 layers of 8,192 units, all digests right."""
    run = run_folders(copied)[0]
    config = RunFolder(run).config()
    giant = config.model.model_copy(update={"hidden": 8192, "layers": 8})
    config = config.model_copy(update={"model": giant})
    document = RunDocument(run=config.weights_id, config=config).model_dump(mode="json")
    (run / "run.json").write_bytes(canonical(document))
    reseal_run(run)
    with pytest.raises(StoreError, match="not the size of this model's"):
        load_trained(RunFolder(run))
    assert memory() < 200 * 2**20


FORGED: dict[str, Any] = {
    "no status": lambda document: document.pop("status"),
    "files a list": lambda document: document.update(files=[1]),
    "files elsewhere": lambda document: document["files"].update({"../../../x": "0"}),
    "no loss": lambda document: document.pop("free_running_loss"),
    "loss a text": lambda document: document.update(free_running_loss="high"),
    "no files": lambda document: document.update(files={}),
    "run a number": lambda document: document.update(run=7),
    "newer": lambda document: document.update(store=99),
    "store a text": lambda document: document.update(store="1"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_result_with_the_right_digest_is_refused_in_one_line(copied: Path, name: str) -> None:
    """R25."""
    path = run_folders(copied)[0] / "result.json"
    reseal(path, FORGED[name])
    assert path.parent.name in ssrun("verify", "runs", folder=copied.parent).must(5).out
    done = ssrun("show", "runs", folder=copied.parent)
    if name != "files elsewhere":
        done.must(5)
    assert len(done.err.splitlines()) <= 1


@pytest.mark.parametrize(
    "change", [{"bleu": "high"}, {"run": "0" * 64}, {"scoring": {"beam": 9}}, {"files": {}}, {"x": "y"}]
)
def test_forged_scores_with_the_right_digest_are_refused_in_one_line(copied: Path, change: dict[str, Any]) -> None:
    """R25."""
    path = run_folders(copied)[0] / SCORES / "scores.json"
    reseal(path, lambda document: document.update(change))
    assert "scores.json: damaged" in ssrun("verify", "runs", folder=copied.parent).must(5).out
    assert len(ssrun("show", "runs", folder=copied.parent).must(5).err.splitlines()) == 1


def test_verify_changes_nothing(copied: Path) -> None:
    """R21, R23."""
    flip(run_folders(copied)[0] / "sources.txt", 3)
    before = snapshot(copied)
    ssrun("verify", "runs", folder=copied.parent).must(5)
    ssrun("verify", "runs", "--json", folder=copied.parent).must(5)
    assert snapshot(copied) == before
