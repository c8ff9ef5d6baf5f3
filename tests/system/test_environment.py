"""What numbers may depend on is written down, and what older documents do not know stays unknown."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ssrun.system.documents import read_as, read_sealed, write_sealed
from ssrun.system.environment import VARIABLES, Environment, environment

OLD = Environment(python="3", machine="m", system="s", processor="p", threads=1, packages={"ssrun": "1"})


def test_kernels_and_the_variables_that_choose_them_are_known_and_no_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    plain = environment(1, torch.device("cpu"))
    assert plain.kernels == torch.backends.cpu.get_cpu_capability()
    assert plain.variables == {}
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "de\udcfffault\x1b")
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    known = environment(1, torch.device("cpu"))
    assert known.variables == {"ATEN_CPU_CAPABILITY": "de\\udcfffault\\x1b", "MKL_CBWR": "COMPATIBLE"}
    assert known.unlike(plain) == plain.unlike(known) == ["variables"]
    write_sealed(tmp_path / "file", known)
    assert read_sealed(tmp_path / "file", Environment, "again") == known


def test_what_an_older_document_does_not_know_is_neither_written_nor_a_difference() -> None:
    fields = OLD.model_dump(mode="json")
    assert fields.keys() == {"python", "machine", "system", "processor", "threads", "packages"}
    assert read_as(Path("old"), fields, Environment, "again").model_dump() == fields
    newer = OLD.model_copy(update={"kernels": "AVX2", "variables": {}})
    assert OLD.unlike(newer) == newer.unlike(OLD) == []
    assert OLD.unlike(newer.model_copy(update={"threads": 2})) == ["threads"]
