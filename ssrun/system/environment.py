"""What a run's numbers may depend on besides its configuration: versions, processor, threads."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any


def environment() -> dict[str, Any]:
    """What a run's numbers may depend on besides its configuration; an allow-list."""
    packages = ("ssrun", "torch", "numpy", "sacrebleu")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "processor": _processor(),
        "threads": 1,
        "packages": {name: version(name) for name in packages},
    }


def _processor() -> str:
    """The processor's model, where the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
