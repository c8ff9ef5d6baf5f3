"""The paired bootstrap of the test set, against sacreBLEU itself, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from ssrun.analysis import bootstrap
from ssrun.analysis.comparison import document
from ssrun.errors import StoreError
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import Place, recall


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ssrun.__main__ import run

    out = tmp_path_factory.mktemp("bootstrap") / "smoke"
    wanted = ["compare", "--smoke", "--tasks", "copy", "--strategies", "teacher-forcing,linear"]
    assert run([*wanted, "--seeds", "0..1", "--jobs", "2", "--out", str(out), "--json"]) == 0
    return out


def places(results: Path) -> list[Place]:
    return recall(results)[1]


def test_the_p_is_sacrebleus_own(results: Path) -> None:
    pairs = bootstrap.pairs_of(results, places(results), "teacher-forcing")
    assert len(pairs) == 2
    for key, (ours, baseline) in pairs.items():
        metric = BLEU(tokenize="none", force=True, references=[ours.lines("references.txt")])
        systems = [("a", baseline.lines("hypotheses.txt")), ("b", ours.lines("hypotheses.txt"))]
        scores = PairedTest(systems, {"BLEU": metric}, None, test_type="bs", n_samples=1000)()[1]["BLEU"]  # type: ignore[arg-type]
        assert bootstrap.known(results)[key] == [scores[1].score - scores[0].score, scores[1].p_value]  # type: ignore[union-attr]


def test_an_environment_variable_changes_no_number(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ((ours, baseline), *_) = bootstrap.pairs_of(results, places(results), "teacher-forcing").values()
    before = bootstrap.compare(ours, baseline)
    monkeypatch.setenv("SACREBLEU_SEED", "7")
    assert bootstrap.compare(ours, baseline) == before


def test_every_seed_stands_in_the_document(results: Path) -> None:
    rows = {row["strategy"]: row for row in document(results)["rows"]}
    assert [one["seed"] for one in rows["linear"]["bleu"]["bootstrap"]] == [0, 1]
    assert "bootstrap" not in rows["teacher-forcing"]["bleu"]


def test_what_is_kept_is_not_computed_again_and_damage_is_not_believed(results: Path) -> None:
    assert list(bootstrap.fill(results, places(results), "teacher-forcing")) == []
    path = results / bootstrap.FILE
    good = path.read_bytes()
    path.write_bytes(good.replace(b"0", b"1", 1))
    with pytest.raises(StoreError, match=r"bootstrap\.json: damaged"):
        document(results)
    assert len(list(bootstrap.fill(results, places(results), "teacher-forcing"))) == 2
    assert path.read_bytes() == good


def test_other_outputs_are_another_comparison(results: Path) -> None:
    keys = bootstrap.pairs_of(results, places(results), "teacher-forcing")
    for key, (ours, baseline) in keys.items():
        assert RunFolder(ours.path).result()["files"]["hypotheses.txt"] in key
        assert RunFolder(baseline.path).result()["files"]["hypotheses.txt"] in key
