"""Where results can go, by name: each tracker or format is a file beside this one, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from ssrun.errors import UsageError

if TYPE_CHECKING:
    from ssrun.views.exports.records import Record

STATUSES = ("complete", "diverged", "failed", "missing")
BEGUN = STATUSES[:3]


class Export(Protocol):
    """A place that takes runs.

    Attributes:
        paths: What is there in the end, files, folders or a URI.
        look: The command that shows it, if there is one.
    """

    paths: Sequence[str]
    look: str

    def put(self, record: Record) -> bool:
        """Writes a run whole, unless it is there, whole and as it is now; returns whether it was written."""
        ...


class Target(NamedTuple):
    """What a run can be written for.

    Attributes:
        about: What is written.
        module: The file beside this one; its `opened(where)` gives an `Export`.
        title: What it is called.
        folder: Where, below the results, unless told.
        package: What must be installed for it, by the name it is imported under, and the extra that installs it.
        statuses: Runs of which it takes.
        has_uri: Whether it may lie behind a URI.
    """

    about: str
    module: str
    title: str
    folder: str
    package: str = ""
    statuses: Iterable[str] = BEGUN
    has_uri: bool = False

    def must_be_there(self, name: str) -> None:
        """Raises UsageError, with the remedy, where its package is not installed."""
        if self.package and find_spec(self.package) is None:
            raise UsageError(f"--to {name} needs {self.title}: pip install 'ssrun[{self.package}]'")

    def opened(self, where: Path | str) -> AbstractContextManager[Export]:
        """Its place, a folder, or a URI where it has one; it is made where there is none.

        Raises:
            UsageError: There can be no such place.
            StoreError: It cannot be written.
        """
        open_it = import_module(f"{__name__}.{self.module}").opened
        return cast("AbstractContextManager[Export]", open_it(where))


TARGETS: dict[str, Target] = {
    "tensorboard": Target(
        "a log a run: curves, test scores, hparams", "tensorboard", "TensorBoard", "tensorboard", "tensorboard"
    ),
    "mlflow": Target("a run a run, in a database of its own", "mlflow", "MLflow", ".", "mlflow", has_uri=True),
    "wandb": Target("a run a run, offline: for `wandb sync`", "wandb", "W&B", "wandb", "wandb"),
    "csv": Target("runs.csv, a line a run, and curves.csv", "sheets", "nothing", "csv", statuses=STATUSES),
    "coco": Target(
        "outputs and references, as pycocoevalcap reads them", "coco", "nothing", "coco", statuses=("complete",)
    ),
}
