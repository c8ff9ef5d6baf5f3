"""TensorBoard: a log a run, whose scalars all its readers know; the fields of its configuration are its hparams."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ssrun.system.files import writing
from ssrun.system.text import shell_word
from ssrun.views.exports.places import held, is_in, put
from ssrun.views.exports.records import Record

EVENTS = re.compile(r"events\.out\.tfevents\..+")


@contextmanager
def opened(out: Path) -> Iterator[Logs]:
    """The folder of the logs."""
    with held(out) as scratch:
        yield Logs(out, scratch)


class Logs:
    """A folder of logs: `<task>/<strategy>/seed-<n>-<id>`."""

    def __init__(self, out: Path, scratch: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter
        self._out, self._scratch = out, scratch
        self.paths = [str(out)]
        self.look = f"tensorboard --logdir {shell_word(str(out))}"

    def put(self, record: Record) -> bool:
        """Writes a run's log, unless it is there."""
        folder = self._out / record.name
        if is_in(folder, record):
            return False
        built = self._scratch / "log"
        with writing(folder), closing(self._writer(os.fspath(built))) as writer:
            fill(writer, record)
        put(built, folder, record, EVENTS)
        return True


def fill(writer: Any, record: Record) -> None:
    """The numbers of a run as scalars, which are of single precision; the rest as text, with the test metrics whole."""
    from torch.utils.tensorboard.summary import hparams

    for part in hparams(record.parameters, record.tested):  # type: ignore[no-untyped-call, unused-ignore]
        writer.file_writer.add_summary(part, walltime=record.began)
    said = {**record.labels, **{name: repr(value) for name, value in record.tested.items()}}
    rows = "\n".join(f"| {name} | {text.replace('|', '&#124;')} |" for name, text in said.items())
    writer.add_text("ssrun", f"| | |\n|-|-|\n{rows}", walltime=record.began)
    times = {evaluation.step: record.began + evaluation.seconds for evaluation in record.evaluations}
    for step, numbers in record.curves():
        for name, value in numbers.items():
            writer.add_scalar(name, value, step, walltime=times[step])
    for name, value in record.tested.items():
        writer.add_scalar(name, value, record.step, walltime=record.began + record.seconds)
