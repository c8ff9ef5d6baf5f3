"""What a run's numbers may depend on besides its configuration: versions, processor, threads. An allow-list."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from ssrun.system.documents import Count, Document


class Environment(Document):
    """Where a run was made."""

    python: str
    machine: str
    system: str
    processor: str
    threads: Count
    packages: dict[str, str]


def environment(threads: int) -> Environment:
    """This process' environment; `threads` are those that torch computes with."""
    return Environment(
        python=platform.python_version(),
        machine=platform.machine(),
        system=platform.system(),
        processor=_processor(),
        threads=threads,
        packages={name: version(name) for name in ("ssrun", "torch", "numpy", "sacrebleu")},
    )


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
