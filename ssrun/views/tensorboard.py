"""A mirror of the metrics for TensorBoard: written beside the runs, never read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssrun.config.spec import RunName
from ssrun.errors import UsageError
from ssrun.metrics import METRICS
from ssrun.runs.events import Evaluated, Failed, Finished, Update
from ssrun.runs.folder import RunFolder
from ssrun.runs.result import Evaluation
from ssrun.system.files import must_be_no_link

SCALARS = ("epsilon", "training_loss", *(name for name in METRICS if name != "seconds"))


class Mirror:
    """Takes updates, as a live view does, and writes each evaluation as scalars, one log a run.

    Args:
        folder: Where the logs go; look at them with `tensorboard --logdir FOLDER`.

    Raises:
        UsageError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UsageError("--tensorboard needs TensorBoard: pip install 'ssrun[tensorboard]'") from None
        self._open: Any = SummaryWriter
        self._folder = folder
        self._writers: dict[RunName, Any] = {}

    def update(self, update: Update) -> None:
        """Mirrors an evaluation; closes a run's log at its end.

        Raises:
            StoreError: A link on the way to the log leads elsewhere.
        """
        match update.event:
            case Evaluated(evaluation=evaluation):
                self._write(update.run, evaluation)
            case Finished() | Failed():
                self._close(update.run)

    def fill(self, run: RunName, folder: RunFolder) -> None:
        """Mirrors a complete run that has no log yet, from its stored evaluations.

        Raises:
            StoreError: A link on the way to the log leads elsewhere.
        """
        if folder.complete and not self._log(run).exists():
            for evaluation in folder.evaluations():
                self._write(run, evaluation)
            self._close(run)

    def close(self) -> None:
        """Closes what an interrupted comparison left open."""
        for run in list(self._writers):
            self._close(run)

    def _log(self, run: RunName) -> Path:
        task = self._folder / run.task
        strategy = task / run.strategy
        log = strategy / f"seed-{run.seed}-{run.place.rpartition('-')[2]}"
        for path in (self._folder, task, strategy, log):
            must_be_no_link(path)
        return log

    def _write(self, run: RunName, evaluation: Evaluation) -> None:
        if run not in self._writers:
            self._writers[run] = self._open(str(self._log(run)))
        for name in SCALARS:
            if evaluation.has(name):
                self._writers[run].add_scalar(name, evaluation.value(name), evaluation.step)
        self._writers[run].flush()

    def _close(self, run: RunName) -> None:
        if run in self._writers:
            self._writers.pop(run).close()
