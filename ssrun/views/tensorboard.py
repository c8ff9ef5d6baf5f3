"""A mirror of the metrics for TensorBoard: written beside the runs, never read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssrun.config.spec import Cell
from ssrun.engines.local import Update
from ssrun.errors import UsageError
from ssrun.metrics import METRICS
from ssrun.runs.folder import RunFolder


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
        self._new: Any = SummaryWriter
        self._folder = folder
        self._writers: dict[Cell, Any] = {}

    def update(self, update: Update) -> None:
        """Mirrors an evaluation; closes a run's log at its end."""
        if update.kind == "evaluation":
            if update.cell not in self._writers:
                self._writers[update.cell] = self._new(str(self._folder / update.cell.name))
            writer, values = self._writers[update.cell], update.values
            for name in ("epsilon", "training_loss", *METRICS):
                if name in values and name != "seconds":
                    writer.add_scalar(name, values[name], values["step"])
            writer.flush()
        elif update.kind in ("end", "failed") and update.cell in self._writers:
            self._writers.pop(update.cell).close()

    def fill(self, cell: Cell, folder: RunFolder) -> None:
        """Mirrors a complete run that has no log yet, from its stored metrics."""
        if folder.complete and not (self._folder / cell.name).exists():
            for line in folder.metrics():
                self.update(Update(cell, "evaluation", line))
            self.update(Update(cell, "end", {}))

    def close(self) -> None:
        """Closes what an interrupted comparison left open."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
