"""Weights & Biases: a run a run, written offline; `wandb sync` brings them to a server, if somebody wants that.

A run's id at W&B is made from its name, so that it is one run however often it is synced.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssrun.errors import StoreError
from ssrun.system.files import digest, must_be_no_link
from ssrun.system.text import ellipsis, shell_word
from ssrun.views.exports.places import discard, held, is_in, put
from ssrun.views.exports.records import Record

OURS = re.compile(r"run-ssrun-[0-9a-f]{16}\.wandb(\.synced)?")
PREFIX = "offline-run-"


@contextmanager
def opened(out: Path) -> Iterator[OfflineRuns]:
    """The folder of the runs' folders; W&B's own process ends with it."""
    with held(out) as scratch, alone(scratch):
        import wandb

        try:
            yield OfflineRuns(out, scratch, wandb)
        finally:
            wandb.teardown()


@contextmanager
def alone(scratch: Path) -> Iterator[None]:
    """Lets no variable of the user's steer what is written (`WANDB_RUN_ID`, `WANDB_MODE`), nor W&B report or keep logs.

    Credentials stay where they are: nothing here needs them.
    """
    before = {name: value for name, value in os.environ.items() if name.startswith("WANDB_")}
    own = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
    own |= {f"WANDB_{kind}_DIR": str((scratch / kind.lower()).absolute()) for kind in ("CACHE", "CONFIG", "DATA")}
    for name in before:
        del os.environ[name]
    os.environ.update(own)
    try:
        yield
    finally:
        for name in own:
            os.environ.pop(name, None)
        os.environ.update(before)


class OfflineRuns:
    """A folder of `offline-run-<time>-<id>`, each with the run as W&B keeps it, and nothing of this machine."""

    def __init__(self, out: Path, scratch: Path, wandb: Any) -> None:
        self._out, self._scratch, self._wandb = out, scratch, wandb
        self.paths = [str(out)]
        self.look = f"wandb sync {shell_word(str(out))}/{PREFIX}*"

    def put(self, record: Record) -> bool:
        """Writes a run, unless it is there; removes what there is of it in another state."""
        run_id = id_of(record)
        there = sorted(self._out.glob(f"{PREFIX}*-{run_id}"))
        for folder in there:
            must_be_no_link(folder)
            if is_in(folder, record):
                return False
        built = self._write(record, run_id)
        for folder in there:
            discard(folder, OURS)
        put(built, self._out / built.name, record, OURS)
        return True

    def _write(self, record: Record, run_id: str) -> Path:
        """Writes a run in the scratch folder, and leaves of its files the one that holds it."""
        settings = self._wandb.Settings(
            mode="offline",
            root_dir=str(self._scratch),
            silent=True,
            console="off",
            symlink=False,
            save_code=False,
            disable_code=True,
            disable_git=True,
            disable_job_creation=True,
            host="",
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
        )
        about = record.about["experiment"]
        run = self._wandb.init(
            id=run_id,
            project=re.sub(r"[/\\#?%:\x00-\x1f]", "-", about)[:100] or "ssrun",
            name=ellipsis(record.title, 120),
            group=ellipsis(f"{record.values.task} / {record.values.strategy}", 120),
            notes=record.about["question"],
            tags=[record.values.status],
            config={**record.parameters, "ssrun": record.labels},
            dir=str(self._scratch),
            resume="never",
            reinit="create_new",
            settings=settings,
        )
        for step, numbers in record.curves():
            run.log(numbers, step=step)
        run.summary.update({**record.tested, "status": record.values.status})
        folder = Path(run.dir).parent
        run.finish(exit_code=0 if record.values.status == "complete" else 1)
        built = self._scratch / folder.name
        built.mkdir()
        name = f"run-{run_id}.wandb"
        if not (folder / name).is_file():
            raise StoreError(f"{folder / name}: W&B has not written it: try again, or give another --out DIR")
        (folder / name).rename(built / name)
        return built


def id_of(record: Record) -> str:
    return f"ssrun-{digest(record.name.encode())[:16]}"
