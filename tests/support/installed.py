"""The example plugin, installed by pip into an environment of its own that sees this one's packages; without network."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "example_plugin"
Done = subprocess.CompletedProcess[str]


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
    """A python of its own, beside which pip installs and uninstalls."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        (site,) = folder.glob("lib/python*/site-packages")
        others = [path for path in sys.path if path.endswith("site-packages")]
        (site / "others.pth").write_text("".join(f"{path}\n" for path in others), encoding="utf-8")
        self.variables = {**os.environ, "PYTHONPATH": str(ROOT), "PIP_NO_INDEX": "1"}

    def pip(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "-q", "--python", str(self.python), *arguments]
        done = subprocess.run(command, env=self.variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def install(self, path: Path) -> None:
        self.pip("install", "--no-deps", str(path))

    def uninstall(self) -> None:
        self.pip("uninstall", "-y", "ssrun-example-plugin")

    def command(self, *arguments: str | Path) -> list[str]:
        return [str(self.python), "-m", "ssrun", *map(str, arguments)]

    def run(self, cwd: Path, *arguments: str | Path) -> Done:
        command = self.command(*arguments)
        return subprocess.run(command, cwd=cwd, env=self.variables, capture_output=True, text=True, check=False)
