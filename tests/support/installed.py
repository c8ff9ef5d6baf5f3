"""The example plugin, installed into an environment of its own that sees this one's packages; without network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.commands import Done

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "example_plugin"
BATCH = """
import contextlib, io, json, sys
from ssrun.__main__ import run
for arguments in json.loads(sys.stdin.read()):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments)
    print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""


def wheel(folder: Path, version: str | None = None) -> Path:
    """The example as a wheel, made as a build backend makes one: none need be there."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = project["name"].replace("-", "_"), version or project["version"]
    points = "".join(
        f"[{group}]\n" + "".join(f"{point} = {value}\n" for point, value in named.items())
        for group, named in project["entry-points"].items()
    )
    info = f"{name}-{version}.dist-info"
    files = {
        "ssrun_example.py": (EXAMPLE / "ssrun_example.py").read_text(encoding="utf-8"),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": points,
    }
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"]))
    return path


class Environment:
    """A python of its own, beside which packages are installed and uninstalled."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        (self.site,) = folder.glob("lib/python*/site-packages")
        others = [path for path in sys.path if path.endswith("site-packages")]
        (self.site / "others.pth").write_text("".join(f"{path}\n" for path in others), encoding="utf-8")
        self.variables = {**os.environ, "PYTHONPATH": str(ROOT), "PIP_NO_INDEX": "1", "NO_COLOR": "1"}

    def pip(self, *arguments: str | Path) -> None:
        command = [sys.executable, "-m", "pip", "-q", "--python", str(self.python), *map(str, arguments)]
        done = subprocess.run(command, env=self.variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def unpack(self, path: Path) -> None:
        """Installs a wheel as pip does, in no time."""
        for old in self.site.glob("ssrun_example*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        with zipfile.ZipFile(path) as archive:
            archive.extractall(self.site)

    def command(self, *arguments: str | Path) -> list[str]:
        return [str(self.python), "-m", "ssrun", *map(str, arguments)]

    def run(self, cwd: Path, *commands: Sequence[str | Path]) -> list[Done]:
        """Commands one after the other, in one process that imports everything once."""
        told = json.dumps([list(map(str, arguments)) for arguments in commands])
        python = [str(self.python), "-c", BATCH]
        done = subprocess.run(
            python, cwd=cwd, env=self.variables, input=told, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return [Done(*json.loads(line)) for line in done.stdout.splitlines()]
