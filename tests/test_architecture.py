"""The house: who imports whom, what stays light, what is nowhere."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ssrun"
ORDER = [
    {"ssrun", "errors", "metrics"},
    {"files"},
    {"interruption", "schedules", "tasks"},
    {"strategies"},
    {"config"},
    {"vocabulary", "streams", "statistics", "cells", "claims", "surroundings"},
    {"store"},
    {"batches", "model", "experiments", "tables"},
    {"feeding", "decoding", "choosing", "checkpoints", "formats"},
    {"training", "scoring", "listing"},
    {"running"},
    {"trained"},
    {"engines", "explaining", "injecting", "bootstrap", "keeping", "places"},
    {"comparing"},
    {"verifying", "inspecting", "displays", "mirror"},
    {"live", "drawing", "showing", "findings", "housekeeping"},
    {"intervals", "courses"},
    {"figures"},
    {"inlining"},
    {"report"},
    {"options"},
    {"cli"},
    {"cli_results", "cli_inside", "cli_pages"},
    {"commands"},
    {"__main__"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(module: str) -> str:
    """`ssrun.tasks.copy` belongs to `tasks`."""
    return [*module.split("."), "ssrun"][1] if module != "ssrun" else "ssrun"


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ssrun":
            names = [f"ssrun.{alias.name}" for alias in node.names] if node.module == "ssrun" else [node.module]
            found.update("ssrun" if name == "ssrun.__version__" else name for name in names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name.split(".")[0] == "ssrun")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_those_above_it(path: Path) -> None:
    relative = path.relative_to(PACKAGE.parent).with_suffix("")
    own = part_of(".".join(relative.parts).removesuffix(".__init__"))
    for other in imported(path):
        assert part_of(other) == own or RANK[part_of(other)] < RANK[own], f"{own} imports {other}"


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import ssrun.commands", ("torch", "pandas", "scipy", "numpy", "matplotlib")),
        (
            "import ssrun.choosing, ssrun.strategies, ssrun.tasks, ssrun.config",
            ("torch", "pandas", "scipy", "numpy"),
        ),
    ],
)
def test_what_help_and_completion_need_is_light(code: str, heavy: tuple[str, ...]) -> None:
    program = f"import sys; {code}; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_grows_past_300_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_nothing_read_can_run_code() -> None:
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert not [word for word in ("pickle", "torch.load", "eval(", "exec(", "shell=True") if word in text], path
