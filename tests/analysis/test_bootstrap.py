"""The paired bootstrap of the test set, against sacreBLEU itself, and what is kept of it."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from ssrun.analysis import bootstrap
from ssrun.analysis.comparison import comparison_in
from ssrun.config.spec import RunName
from ssrun.errors import Interrupted, StoreError
from ssrun.runs.manifest import read_manifest
from ssrun.system import signals
from ssrun.system.files import digest


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ssrun.__main__ import run

    out = tmp_path_factory.mktemp("bootstrap") / "smoke"
    wanted = ["compare", "--smoke", "--tasks", "copy", "--strategies", "teacher-forcing,linear"]
    assert run([*wanted, "--seeds", "0..1", "--jobs", "2", "--out", str(out), "--json"]) == 0
    return out


def runs_in(results: Path) -> Sequence[RunName]:
    return read_manifest(results).runs


def test_the_p_is_sacrebleus_own(results: Path) -> None:
    pairs = bootstrap.pairs_of(results, runs_in(results), "teacher-forcing")
    assert len(pairs) == 2
    for key, (_, treatment, baseline) in pairs.items():
        assert all(
            digest((folder.score_path / "hypotheses.txt").read_bytes()) in key for folder in (treatment, baseline)
        )
        metric = BLEU(tokenize="none", force=True, references=[treatment.lines("references.txt")])
        systems = [("a", baseline.outputs()), ("b", treatment.outputs())]
        scores = PairedTest(systems, {"BLEU": metric}, None, test_type="bs", n_samples=1000)()[1]["BLEU"]  # type: ignore[arg-type]
        assert bootstrap.kept(results)[key] == (scores[1].score - scores[0].score, scores[1].p_value)  # type: ignore[union-attr]


def test_an_environment_variable_changes_no_number(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((_, treatment, baseline), *_) = bootstrap.pairs_of(results, runs_in(results), "teacher-forcing").values()
    before = bootstrap.compare(treatment, baseline)
    monkeypatch.setenv("SACREBLEU_SEED", "7")
    assert bootstrap.compare(treatment, baseline) == before


def test_every_seed_stands_in_the_document(results: Path) -> None:
    rows = {row.strategy: row for row in comparison_in(results).rows}
    assert [pair.seed for pair in rows["linear"].estimates["bleu"].bootstrap or []] == [0, 1]
    assert rows["teacher-forcing"].estimates["bleu"].bootstrap is None


def test_what_is_kept_is_not_computed_again_and_damage_is_not_believed(results: Path) -> None:
    assert list(bootstrap.fill(results, runs_in(results), "teacher-forcing")) == []
    path = results / bootstrap.FILE
    good = path.read_bytes()
    path.write_bytes(good.replace(b"0", b"1", 1))
    with pytest.raises(StoreError, match=r"bootstrap\.json: damaged"):
        comparison_in(results)
    assert len(list(bootstrap.fill(results, runs_in(results), "teacher-forcing"))) == 2
    assert path.read_bytes() == good


def test_a_signal_is_heard_between_two_bootstraps(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (results / bootstrap.FILE).unlink()
    counts = bootstrap.fill(results, runs_in(results), "teacher-forcing")
    assert next(counts) == (1, 2)
    monkeypatch.setattr(signals, "_received", [signal.SIGTERM])
    with pytest.raises(Interrupted):
        next(counts)
