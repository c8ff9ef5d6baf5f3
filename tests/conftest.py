"""What every test needs: one thread, no colours, and small finished runs, trained once."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["NO_COLOR"] = "1"
os.environ["COLUMNS"] = "100"
for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(name, None)

import shutil  # noqa: E402 - after the threads are set
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402
import torch  # noqa: E402

from tests.support import in_process  # noqa: E402
from tests.support.commands import Done, ssrun  # noqa: E402
from tests.support.runs import GRID, experiment  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The results of a single run by `ssrun train`, and what it said."""
    results = tmp_path_factory.mktemp("trained") / "results"
    return results, in_process.ssrun(*in_process.TRAIN, "--out", results, "--json")


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The results of eight runs by `ssrun compare`, and what it said."""
    results = tmp_path_factory.mktemp("compared") / "results"
    return results, in_process.ssrun(
        "compare", *in_process.GRID, *in_process.SMALL, "--jobs", "2", "--out", results, "--json"
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the experiment `grid.toml` and its four runs in `runs`."""
    folder = tmp_path_factory.mktemp("finished")
    experiment(folder, GRID)
    ssrun("compare", "grid.toml", "--out=runs", "--jobs=2", folder=folder).must(0)
    return folder


@pytest.fixture(scope="session")
def database(compared: tuple[Path, Done], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with the eight runs of `compared`; making one takes seconds."""
    pytest.importorskip("mlflow")
    out = tmp_path_factory.mktemp("exported")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # MLflow's own, about what it uses itself
        in_process.ssrun("export", compared[0], "--to", "mlflow", "--out", out).must(0)
    return out / "mlflow.db"


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """The runs of a copy of it, which is the test's own folder."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path / "runs"
