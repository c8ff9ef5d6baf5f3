"""Folders of results: what a comparison may write to, where its runs lie, and the stores that hold them.

    results/runs/<task>/<run>/     the store: every run once, whichever comparisons want it
    results/<name>/                a comparison: its manifest, and files that are made from its runs
    DIR/ and DIR/runs/             the same, whole in a folder of the user's own (--out DIR)

What is ours is known by a sealed mark in the folder, or by a kept `table.json` whose seal is whole; never by names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter

from ssrun.config.spec import RunSpec
from ssrun.errors import StoreError, UsageError
from ssrun.runs.folder import RunFolder
from ssrun.system import files
from ssrun.system.documents import VERSION, Document, read_sealed, sealed

RESULTS = Path("results")
RUNS: Literal["runs"] = "runs"
SHARED: Literal["../runs"] = "../runs"
MARK = ".ssrun"
LOCK = ".ssrun.lock"  # held while the list of single runs changes
TABLE = "table.json"
DERIVED = (
    "table.md",
    "table.csv",
    TABLE,
    "table.tex",
    "runs.csv",
    "bootstrap.json",
    "report.html",
    "experiment.json",
    "mlflow.db",
    LOCK,
    ".ssrun-export.lock",
)
BESIDE = (MARK, *DERIVED)  # what is written in a comparison's folder
REMEDY = "remove it, and make the comparison again"
FIELDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
SINGLE_RUNS = "single runs"  # what `train` gathers in its folder, in the place of a plan's id


class Mark(Document):
    """`.ssrun`: this folder is ours.

    Attributes:
        plan: The id of what was asked for.
        runs: The store, from here.
        kept: Files that were there before, such as the tables of a reference comparison; they are never removed.
    """

    store: Literal[1] = VERSION
    plan: str
    runs: Literal["runs", "../runs"]
    kept: tuple[str, ...] = ()


class Destination(NamedTuple):
    """Where a comparison goes: its folder, and its store from there."""

    path: Path
    runs: Literal["runs", "../runs"]

    @property
    def store(self) -> Path:
        return store_at(self.path, self.runs)


def store_at(results: Path, runs: str) -> Path:
    return results / RUNS if runs == RUNS else results.parent / RUNS


def store_of(results: Path) -> Path:
    """The store of a comparison's runs; StoreError where the folder is none of ours."""
    return store_at(results, read_mark(results).runs)


def is_marked(results: Path) -> bool:
    return (results / MARK).is_file()


def read_mark(results: Path) -> Mark:
    if not is_marked(results):
        raise StoreError(f"{results}: no comparison here: give a folder that `ssrun compare` or `train` wrote")
    return read_sealed(results / MARK, Mark, REMEDY)


def destination(stem: str, plan: str, own: bool, name: str | None = None, out: Path | None = None) -> Destination:
    """Where a comparison goes, so that it overwrites no other.

    Args:
        stem: The name of its experiment, and what stands for its short forms, such as `default-smoke`.
        plan: Its id.
        own: Whether it is all that the experiment's file says, and so may bear its name.
        name: The folder below `results`, where the user says it.
        out: Any folder, where the user says it; it has its own store.

    Raises:
        UsageError: The folder that the user names holds something else.
    """
    if out is not None or name is not None:
        chosen = Destination(out, RUNS) if out is not None else Destination(RESULTS / str(name), SHARED)
        if held(chosen.path) not in (None, plan):
            raise UsageError(
                f"{chosen.path}: holds another comparison: give another {'--out DIR' if out else '--name'}"
            )
        return chosen
    candidates = [RESULTS / stem] if own else []
    candidates.append(RESULTS / f"{stem}-{plan[:6]}")
    return next(Destination(path, SHARED) for path in candidates if path is candidates[-1] or holds(path, plan))


def holds(path: Path, plan: str) -> bool:
    """Whether a folder is free, or has this plan already."""
    try:
        return held(path) in (None, plan)
    except (StoreError, UsageError):
        return False


def held(path: Path) -> str | None:
    """The id of the plan that a folder holds; None where it is free.

    Raises:
        UsageError: It is a file, or holds something that is not ours.
        StoreError: Its mark is damaged.
    """
    with files.writing(path):
        if not path.exists():
            return None
        if not path.is_dir():
            raise UsageError(f"{path}: not a folder: give another --out DIR")
        if is_marked(path):
            return read_mark(path).plan
        if (path / TABLE).is_file():
            return plan_of_table(path)
        if any(not files.is_temporary(entry.name, BESIDE) for entry in path.iterdir()):
            raise UsageError(f"{path}: holds files that are not ssrun's: give another --out DIR")
        return None


def plan_of_table(path: Path) -> str:
    """The id of the plan of a kept table; UsageError where its seal is not whole."""
    try:
        fields = read_sealed(path / TABLE, FIELDS, "", limit=files.TABLE_LIMIT)
    except StoreError:
        raise UsageError(f"{path}: holds files that are not ssrun's: give another --out DIR") from None
    return str(fields.get("plan", ""))


def claim(place: Destination, plan: str) -> None:
    """Makes a folder ours, for this plan; of two processes with two plans one does.

    UsageError where it holds something else by now.
    """
    path = place.path
    with files.writing(path):
        path.mkdir(parents=True, exist_ok=True)
    if not is_marked(path):
        kept = tuple(name for name in DERIVED if (path / name).is_file())
        files.write_first(path / MARK, sealed(Mark(plan=plan, runs=place.runs, kept=kept)))
    if held(path) != plan:
        raise UsageError(f"{path}: holds another comparison: give another --out DIR or --name")
    files.sweep_temporaries(path, BESIDE)


def run_folders(store: Path) -> list[RunFolder]:
    """The runs in a store (or the one that the folder is itself), complete or not, in order of their names."""
    if (itself := RunFolder(store)).begun:
        return [itself]
    paths = sorted((path for path in store.glob("*/*") if path.is_dir()), key=str)
    return [folder for folder in map(RunFolder.at, paths) if folder.begun]


def incomplete(store: Path, runs: Sequence[RunSpec]) -> list[RunSpec]:
    """The runs that are not complete yet; sweeps what killed processes left of the others."""
    missing = []
    for run in runs:
        folder = RunFolder.of(store, run.name)
        if folder.complete:
            folder.sweep()
        else:
            missing.append(run)
    return missing


def comparisons_of(store: Path) -> Iterator[Path]:
    """The folders of the comparisons whose runs lie in this store: around it, or beside it."""
    for path in (store.parent, *sorted(store.parent.iterdir())):
        if path.is_dir() and is_marked(path) and store_of(path).resolve() == store.resolve():
            yield path
