"""Files damaged, and documents changed whose digests are then put right, as one who knows how would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssrun.system.documents import canonical
from ssrun.system.files import digest


def flip(path: Path, position: int, bit: int = 0) -> None:
    """Flips one bit of a file."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(bytes(data))


def reseal(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes a document and puts its digest right."""
    document = json.loads(path.read_bytes())
    document.pop("digest")
    change(document)
    path.write_bytes(canonical({**document, "digest": digest(canonical(document))}))


def reseal_run(run: Path) -> None:
    """Puts the digests of a run's files right in its result and its scores."""

    def update(result: dict[str, Any]) -> None:
        result["files"] = {name: digest((run / name).read_bytes()) for name in result["files"]}

    reseal(run / "result.json", update)
    for scores in run.glob("scores/*/scores.json"):
        files = {"hypotheses.txt": scores.with_name("hypotheses.txt"), "model.safetensors": run / "model.safetensors"}
        digests = {name: digest(path.read_bytes()) for name, path in files.items()}
        reseal(scores, lambda document: document.update(files=digests))  # noqa: B023
