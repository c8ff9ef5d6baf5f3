"""COCO: what pycocotools' reader asks of both files, and every reference of every source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ssrun.views.exports.records import Record
from tests.support.commands import Done
from tests.support.in_process import ssrun
from tests.support.snapshots import snapshot


class Coco:
    """What `pycocotools.coco.COCO` does with captions: its index, and `loadRes` with the assertions that it makes."""

    def __init__(self, path: Path) -> None:
        self.dataset = json.loads(path.read_text(encoding="utf-8"))
        assert type(self.dataset) is dict
        self.images = {image["id"]: image for image in self.dataset["images"]}
        self.annotations = {one["id"]: one for one in self.dataset["annotations"]}
        self.of_image: dict[int, list[Any]] = {}
        for annotation in self.dataset["annotations"]:
            self.of_image.setdefault(annotation["image_id"], []).append(annotation)
        assert len(self.annotations) == len(self.dataset["annotations"]), "ids are unique"

    def load_results(self, path: Path) -> dict[int, str]:
        found = json.loads(path.read_text(encoding="utf-8"))
        assert type(found) is list
        assert "caption" in found[0]
        assert {one["image_id"] for one in found} <= self.images.keys()
        return {one["image_id"]: one["caption"] for one in found}


@pytest.fixture(scope="module")
def captions(compared: tuple[Path, Done], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("captions")
    ssrun("export", compared[0], "--to", "coco", "--out", out).must(0)
    return out


def test_its_reader_gives_back_outputs_and_all_references(captions: Path, compared_records: list[Record]) -> None:
    most = 0
    for record in compared_records:
        coco = Coco(captions / record.name / "annotations.json")
        assert {"info", "licenses", "type"} <= coco.dataset.keys()
        outputs = coco.load_results(captions / record.name / "results.json")
        assert list(outputs.values()) == record.folder.outputs()
        references = [line.split("\t") for line in record.folder.lines("references.txt")]
        assert [[one["caption"] for one in coco.of_image[number]] for number in outputs] == references
        assert [image["source"] for image in coco.images.values()] == record.folder.lines("sources.txt")
        most = max(most, *map(len, references))
    assert most > 1, "a task of these has several references"


def test_the_same_export_again_changes_nothing_and_half_a_one_is_made_whole(
    captions: Path, compared: tuple[Path, Done], compared_records: list[Record]
) -> None:
    before = snapshot(captions)
    again = ("export", compared[0], "--to", "coco", "--out", captions)
    assert "0 runs written, 8 there already" in ssrun(*again).must(0).err
    assert snapshot(captions) == before
    (captions / compared_records[0].name / "results.json").unlink()
    assert "1 run written, 7 there already" in ssrun(*again).must(0).err
    assert {name: digest for name, (_, digest) in snapshot(captions).items()} == {
        name: digest for name, (_, digest) in before.items()
    }


def test_runs_without_outputs_are_said_to_be_left_out(spoilt: Path, tmp_path: Path) -> None:
    done = ssrun("export", spoilt, "--to", "coco", "--out", tmp_path / "coco").must(0)
    assert "left out: copy / linear / seed 0: diverged (the loss is no number)" in done.err
    assert done.err.count("left out: ") == 3
    assert "1 run written" in done.err


def test_tables_alone_have_no_outputs(kept: Path, tmp_path: Path) -> None:
    done = ssrun("export", kept, "--to", "coco").must(5)
    assert "kept without its runs, whose outputs this needs" in done.err
    assert not (kept / "coco").exists()
