"""The page on many machines: its Slurm job, with a stand-in for sbatch, ends with the table of one machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT, ssrun
from tests.support.runs import GRID, experiment

PAGE = ROOT / "experiments" / "README.md"
SBATCH = """#!/bin/bash
# Runs what is submitted at once: each task of an array in turn, or what --wrap says.
for word in "$@"; do
  case "$word" in
    --wrap) wrap=next ;;
    -*) ;;
    *) if [ "$wrap" = next ]; then wrap="$word"; else script="$word"; fi ;;
  esac
done
if [ -n "$wrap" ]; then bash -c "$wrap"; exit; fi
last=$(sed -n 's/^#SBATCH --array=1-//p' "$script")
export SLURM_ARRAY_TASK_COUNT=$last SLURM_CPUS_PER_TASK=$(sed -n 's/^#SBATCH --cpus-per-task=//p' "$script")
for task in $(seq "$last"); do SLURM_ARRAY_TASK_ID=$task bash "$script" || exit; done
echo 4711
"""


@pytest.mark.slow
def test_the_array_job_of_the_page_makes_the_table_of_one_machine(tmp_path: Path) -> None:
    job, submission = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"sbatch": SBATCH, "ssrun": f'#!/bin/sh\nexec {sys.executable} -m ssrun "$@"\n'}.items():
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    (tmp_path / "shards.sh").write_text(job, encoding="utf-8")
    experiment(tmp_path, GRID)
    path = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "EXPERIMENT": "grid.toml"}
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", submission],
        cwd=tmp_path,
        env={**os.environ, **path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ssrun("compare", "grid.toml", "--out=whole", folder=tmp_path).must(0)
    for name in ("table.json", "table.md", "table.csv"):
        assert (tmp_path / "merged" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
