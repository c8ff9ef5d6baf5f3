"""TensorBoard's mirror: what it writes, and what is said where TensorBoard is absent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ssrun.config.run import resolve
from ssrun.config.spec import Cell
from ssrun.engines.local import Update
from ssrun.errors import UsageError
from ssrun.views.tensorboard import Mirror

CELL = Cell("copy", "linear", resolve("copy", "linear"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_evaluation_is_mirrored(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    mirror = Mirror(tmp_path)
    for step in (10, 20):
        mirror.update(Update(CELL, "evaluation", {"step": step, "epsilon": 0.5, "bleu": 2.0 * step, "seconds": 1.0}))
    mirror.update(Update(CELL, "end", {}))
    log = accumulator.EventAccumulator(str(tmp_path / CELL.name))
    log.Reload()
    assert sorted(log.Tags()["scalars"]) == ["bleu", "epsilon"]
    assert [(event.step, event.value) for event in log.Scalars("bleu")] == [(10, 20.0), (20, 40.0)]


def test_without_tensorboard_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install 'ssrun\[tensorboard\]'"):
        Mirror(tmp_path)
