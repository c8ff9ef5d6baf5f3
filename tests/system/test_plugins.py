"""A package of one's own adds a task, a schedule and a strategy; one that does not fit is told by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HALVES = """
from typing import ClassVar, Literal
from ssrun.strategies.schedules import Schedule

class Half(Schedule):
    formula: ClassVar[str] = "0.5 start"
    source: ClassVar[str] = "me"
    name: Literal["half"] = "half"
    start: float = 1.0

    def __call__(self, step, steps):
        return 0.5 * self.start
"""
TWINS = """
from typing import Literal
from ssrun.tasks.symbols import Copy

class Twins(Copy):
    'Copy under another name.'
    name: Literal["twins"] = "twins"
"""
ENTRIES = """
from halves import Half
from ssrun.strategies import Entry, Strategy

MINE = Entry(Strategy(schedule=Half(), coin="sequence"), "half and half", "me")
"""
MODULES = {"halves": HALVES, "twins": TWINS, "entries": ENTRIES}
POINTS = {
    "ssrun.schedules": "half = halves:Half",
    "ssrun.tasks": "twins = twins:Twins",
    "ssrun.strategies": "mine = entries:MINE",
}


def run(folder: Path, points: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command where a package with these entry points is installed."""
    info = folder / "mine-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n", encoding="utf-8")
    text = "".join(f"[{group}]\n{point}\n" for group, point in points.items())
    (info / "entry_points.txt").write_text(text, encoding="utf-8")
    for name, module in MODULES.items():
        (folder / f"{name}.py").write_text(module, encoding="utf-8")
    door = "sys.argv = ['ssrun', *sys.argv[1:]]\nfrom ssrun.__main__ import main\nmain()"
    code = f"import sys\nsys.path.append({str(folder)!r})\n{door}"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_what_a_package_adds_is_known_everywhere_and_trains(tmp_path: Path) -> None:
    assert "mine" in run(tmp_path, POINTS, "list", "strategies", "--names").stdout.split()
    sizes = ("--set", "task.test_pairs=5", "--set", "task.validation_pairs=5", "--steps", "2", "--json")
    done = run(
        tmp_path, POINTS, "train", "--task", "twins", "--strategy", "mine", "--set", "strategy.start=0.5", *sizes
    )
    assert done.returncode == 0, done.stderr
    assert '"mean_epsilon":0.25' in done.stdout.replace(" ", "")


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ({"ssrun.tasks": "copy = twins:Twins"}, "this name is taken"),
        ({"ssrun.tasks": "two = twins:Twins"}, "not a Task of this name"),
        ({"ssrun.tasks": "half = halves:Half"}, "not a Task of this name"),
        ({"ssrun.strategies": "mine = nowhere:MINE"}, "cannot be loaded (ModuleNotFoundError"),
    ],
)
def test_what_does_not_fit_is_told_by_name_in_one_line(tmp_path: Path, points: dict[str, str], words: str) -> None:
    done = run(tmp_path, points, "list", "tasks")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert words in done.stderr
