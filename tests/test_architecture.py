"""The house: which rooms there are, who imports whom, what stays light, what is nowhere."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ssrun"
LIGHT = ("torch", "pandas", "scipy", "numpy", "matplotlib")
ROOMS = """
errors metrics < system < strategies tasks < config < seq2seq < runs < engines < analysis < views < api < ssrun cli
< __main__
"""
FLOOR = {room: floor for floor, rooms in enumerate(ROOMS.split("<")) for room in rooms.split()}
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def room_of(module: str) -> str:
    """`ssrun.tasks.symbols` lies in `tasks`."""
    return [*module.split("."), "ssrun"][1] if module != "ssrun" else "ssrun"


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ssrun":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name.split(".")[0] == "ssrun")
    return found


IMPORTS = {module: imported(path) for module, path in MODULES.items()}


@pytest.mark.parametrize("module", MODULES)
def test_a_room_imports_only_from_those_below_it(module: str) -> None:
    own = room_of(module)
    for other in map(room_of, IMPORTS[module]):
        assert other == own or FLOOR[other] < FLOOR[own], f"{own} imports {other}"


def test_no_import_goes_in_a_circle() -> None:
    left = {module: others & MODULES.keys() for module, others in IMPORTS.items()}
    while free := {module for module, others in left.items() if not others - {module}}:
        left = {module: others - free for module, others in left.items() if module not in free}
    assert not left


@pytest.mark.parametrize("module", ["ssrun.cli.app", "ssrun.config.loading", "ssrun.strategies", "ssrun.tasks"])
def test_what_help_and_completion_need_is_light(module: str) -> None:
    program = f"import sys, {module}; print([name for name in {LIGHT} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_nothing_read_can_run_code() -> None:
    for path in MODULES.values():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pickle|torch\.load|\beval\((?!\))|\bexec\(|shell=True", text), path
