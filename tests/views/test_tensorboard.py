"""TensorBoard's mirror: what it writes and where, and what is said where TensorBoard is absent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ssrun.config.spec import RunName
from ssrun.errors import StoreError, UsageError
from ssrun.runs.events import Evaluated, Failed, Update
from ssrun.views.tensorboard import Mirror
from tests.support.outcomes import evaluation

RUN = RunName("copy", "linear", 0, "copy/linear-0-0123456789", "0123456789")


def evaluated(step: int) -> Update:
    return Update(RUN, Evaluated(evaluation=evaluation(step, free_running=2.0 * step)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_evaluation_is_mirrored(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    mirror = Mirror(tmp_path)
    for step in (10, 20):
        mirror.update(evaluated(step))
    mirror.update(Update(RUN, Failed(reason="it ends")))
    log = accumulator.EventAccumulator(str(tmp_path / "copy" / "linear" / "seed-0-0123456789"))
    log.Reload()
    losses = {"training_loss", "free_running_loss", "teacher_forced_loss"}
    assert set(log.Tags()["scalars"]) == {"bleu", "epsilon", "realised_epsilon", "replaced"} | losses
    assert [(event.step, event.value) for event in log.Scalars("free_running_loss")] == [(10, 20.0), (20, 40.0)]


def test_no_link_below_the_folder_is_followed(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "copy").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="a link"):
        Mirror(logs).update(evaluated(10))
    assert list(elsewhere.iterdir()) == []


def test_without_tensorboard_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"pip install 'ssrun\[tensorboard\]'"):
        Mirror(tmp_path)
