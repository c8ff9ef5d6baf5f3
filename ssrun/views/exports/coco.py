"""COCO's caption format: a run's outputs and all references, as pycocotools reads and pycocoevalcap scores them.

`image_id` is the number of the test pair, from 0, as in `ssrun explain --example`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssrun.errors import StoreError
from ssrun.system.documents import canonical
from ssrun.system.files import must_be_no_link, read_bytes, sweep_temporaries, write, writing
from ssrun.views.exports.places import held
from ssrun.views.exports.records import Record

FILES = ("annotations.json", "results.json")
LIMIT = 2**33  # bytes of a file that is compared


@contextmanager
def opened(out: Path) -> Iterator[Captions]:
    """The folder of the runs' folders."""
    with held(out):
        yield Captions(out)


class Captions:
    """A folder of folders `<task>/<strategy>/seed-<n>-<id>`, each with `annotations.json` and `results.json`."""

    look = ""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.paths = [str(out)]

    def put(self, record: Record) -> bool:
        """Writes a run's two files, the results last, unless the same are there."""
        folder = self._out / record.name
        for step in (folder.parent.parent, folder.parent, folder):
            must_be_no_link(step)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        sweep_temporaries(folder, FILES)
        files = dict(zip(FILES, (annotations_of(record), results_of(record)), strict=True))
        changed = {folder / name: content for name, content in map(as_bytes, files.items())}
        changed = {
            path: text for path, text in changed.items() if not path.is_file() or read_bytes(path, LIMIT) != text
        }
        for path, content in changed.items():
            write(path, content)
        return bool(changed)


def as_bytes(file: tuple[str, Any]) -> tuple[str, bytes]:
    return file[0], canonical(file[1]) + b"\n"


def results_of(record: Record) -> list[dict[str, Any]]:
    """The outputs, one a test pair."""
    return [{"image_id": number, "caption": output} for number, output in enumerate(folder_of(record).outputs())]


def annotations_of(record: Record) -> dict[str, Any]:
    """The references: every one of a source is an annotation of its image."""
    pairs = folder_of(record).test_pairs()
    captions = [(number, " ".join(reference)) for number, pair in enumerate(pairs) for reference in pair.references]
    return {
        "info": {"description": record.title, "run": record.name},
        "licenses": [],
        "type": "captions",
        "images": [{"id": number, "source": " ".join(pair.source)} for number, pair in enumerate(pairs)],
        "annotations": [
            {"image_id": image, "id": number, "caption": caption}
            for number, (image, caption) in enumerate(captions, start=1)
        ],
    }


def folder_of(record: Record) -> Any:
    if record.folder is None:
        raise StoreError(f"{record.title}: kept without its outputs, which coco is made of: run its command again")
    return record.folder
