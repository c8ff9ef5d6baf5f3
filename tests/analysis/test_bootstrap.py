"""The paired bootstrap of the test set, against sacreBLEU itself, and what is kept of it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from ssrun.analysis import bootstrap
from ssrun.analysis.comparison import comparison_in
from ssrun.config.spec import RunName
from ssrun.errors import Interrupted, StoreError
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import read_manifest
from ssrun.system import signals
from ssrun.system.files import digest
from ssrun.views.tables.footnotes import notes
from tests.support.damage import reseal


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from ssrun.__main__ import run

    out = tmp_path_factory.mktemp("bootstrap") / "smoke"
    wanted = ["compare", "--smoke", "--tasks", "copy", "--strategies", "teacher-forcing,linear"]
    assert run([*wanted, "--seeds", "0..1", "--jobs", "2", "--out", str(out), "--json"]) == 0
    return out


def outputs_in(results: Path) -> dict[RunName, str]:
    """The digests of the outputs, by run."""
    runs = read_manifest(results).runs
    return {run: RunFolder.of(results / "runs", run).scores().files["hypotheses.txt"] for run in runs}


class Texts(RunFolder):
    """A run of which there are texts alone: its first so many outputs of 40 are wrong."""

    def __init__(self, wrong: int) -> None:
        super().__init__(Path(str(wrong)))

    def lines(self, name: str) -> list[str]:
        return [f"a b c d {line}" for line in range(40)]

    def outputs(self) -> list[str]:
        wrong = int(self.path.name)
        return ["a b c x e" if line < wrong else right for line, right in enumerate(self.lines("references.txt"))]


def test_the_p_is_sacrebleus_own_where_outputs_differ() -> None:
    treatment, baseline = Texts(9), Texts(4)
    metric = BLEU(tokenize="none", force=True, references=[treatment.lines("references.txt")])
    systems = [("a", baseline.outputs()), ("b", treatment.outputs())]
    scores = PairedTest(systems, {"BLEU": metric}, None, test_type="bs", n_samples=1000)()[1]["BLEU"]  # type: ignore[arg-type]
    difference, p = bootstrap.compare(treatment, baseline)
    assert (difference, p) == (scores[1].score - scores[0].score, scores[1].p_value)  # type: ignore[union-attr]
    assert difference < 0 < p < 0.5


def test_outputs_that_do_not_differ_are_no_evidence() -> None:
    assert bootstrap.compare(Texts(4), Texts(4)) == (0.0, 1.0)


def test_every_pair_of_runs_is_kept_by_the_digests_of_its_outputs(results: Path) -> None:
    pairs = bootstrap.pairs_of(outputs_in(results), "teacher-forcing")
    assert len(pairs) == 2
    for key, pair in pairs.items():
        folders = [RunFolder.of(results / "runs", run) for run in pair]
        assert all(digest((folder.score_path / "hypotheses.txt").read_bytes()) in key for folder in folders)
    assert bootstrap.kept(results).keys() == pairs.keys()


def test_evidence_without_a_difference_does_not_outlive_the_version_that_kept_it(results: Path) -> None:
    path = results / bootstrap.FILE
    good = path.read_bytes()
    reseal(path, lambda document: document.update(pairs={key: [0.0, 0.001] for key in document["pairs"]}))
    assert bootstrap.kept(results) == {}
    assert len(list(bootstrap.fill(results, outputs_in(results), "teacher-forcing"))) == 2
    assert path.read_bytes() == good


def test_an_environment_variable_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    before = bootstrap.compare(Texts(9), Texts(4))
    monkeypatch.setenv("SACREBLEU_SEED", "7")
    assert bootstrap.compare(Texts(9), Texts(4)) == before


def test_every_seed_stands_in_the_document(results: Path) -> None:
    rows = {row.strategy: row for row in comparison_in(results).rows}
    assert [pair.seed for pair in rows["linear"].estimates["bleu"].bootstrap or []] == [0, 1]
    assert rows["teacher-forcing"].estimates["bleu"].bootstrap is None


def test_what_is_kept_is_not_computed_again_and_damage_is_not_believed(results: Path) -> None:
    assert list(bootstrap.fill(results, outputs_in(results), "teacher-forcing")) == []
    path = results / bootstrap.FILE
    good = path.read_bytes()
    path.write_bytes(good.replace(b"0", b"1", 1))
    with pytest.raises(StoreError, match=r"bootstrap\.json: damaged"):
        comparison_in(results)
    assert len(list(bootstrap.fill(results, outputs_in(results), "teacher-forcing"))) == 2
    assert path.read_bytes() == good


def test_of_too_many_pairs_no_bootstrap_is_made_and_the_table_says_so(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "MOST", 1)
    assert list(bootstrap.fill(results, outputs_in(results), "teacher-forcing")) == []
    found = comparison_in(results)
    assert all(row.estimates["bleu"].bootstrap is None for row in found.rows)
    assert "No bootstrap: 2 pairs of runs, and it is made of at most 1." in notes(found, "*")
    monkeypatch.undo()
    assert not any(note.startswith("No bootstrap") for note in notes(comparison_in(results), "*"))


def test_a_signal_is_heard_between_two_bootstraps(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (results / bootstrap.FILE).unlink()
    counts = bootstrap.fill(results, outputs_in(results), "teacher-forcing")
    assert next(counts) == (1, 2)
    monkeypatch.setattr(signals, "_received", [signal.SIGTERM])
    with pytest.raises(Interrupted):
        next(counts)
