"""A tiny finished comparison of a corpus whose tokens, and an experiment whose words, try to break out."""

from __future__ import annotations

import shutil
from pathlib import Path

from ssrun.analysis.comparison import comparison_in
from ssrun.config.experiment import Experiment
from ssrun.config.plan import Plan
from ssrun.config.run import validated
from ssrun.runs.manifest import Manifest, write_manifest
from ssrun.runs.results_folder import Destination
from ssrun.views.formats import write_tables
from tests.support.runs import finished

TOKENS = ("<script>alert(1)</script>", "[/]", "=1+1", "\x1b]0;x\x07", r"a_b$%&\\", "'\"><b", "$x^2$", "\u202eright")
WORDS = "Is <script>alert(2)</script> [/] \x1b[2J \"quoted\" 'text' & $x^2$ safe?"
STRATEGIES = ("teacher-forcing", "always-sampling", "inverse-sigmoid")


def corpus(folder: Path) -> Path:
    """A parallel corpus of the tokens: the target is the source backwards."""
    folder.mkdir()
    for stem, size in (("train", 60), ("valid", 8), ("test", 12)):
        for language in ("de", "en"):
            lines = []
            for index in range(size):
                words = [*TOKENS[index % len(TOKENS) :], *TOKENS[: index % len(TOKENS)], *TOKENS[: index % 3]]
                lines.append(" ".join(words if language == "de" else words[::-1]))
            (folder / f"{stem}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return folder


def comparison(folder: Path, steps: int = 24) -> Path:
    """The results of a few training steps of each of three strategies with two seeds, on two tasks."""
    text = {"path": str(corpus(folder / "text")), "source_language": "de", "target_language": "en"}
    document = {
        "name": "hostile",
        "question": WORDS,
        "tasks": {
            "corpus": {"task": {**text, "minimum_frequency": 1}},
            "reverse": {"task": {"symbols": 6, "validation_pairs": 10, "test_pairs": 40}},
        },
        "strategies": list(STRATEGIES),
        "seeds": "0..1",
        "model": {"hidden": 16, "embedding": 16},
        "training": {"steps": steps, "evaluate_every": 6, "batch_size": 16},
        "reach": {"metric": "teacher_forced_loss", "value": 2.0},
        "reading": f"{WORDS}\n\nA second paragraph.",
        "claims": [
            {"text": WORDS, "source": "<img src=x onerror=alert(3)>", "metric": "free_running_loss", "task": task,
             "order": "always-sampling < teacher-forcing"}
            for task in ("corpus", "reverse")
        ],
        "published": {"source": WORDS, "metrics": ["<i>m</i>"], "rows": {"teacher-forcing": ["<u>1</u>"]}},
    }  # fmt: skip
    plan = Plan(experiment=validated(Experiment, document))
    results, runs = folder / "results", plan.runs()
    manifest = Manifest(plan=plan, runs=tuple(run.name for run in runs), command=f"ssrun compare {WORDS}")
    write_manifest(Destination(results, "runs"), plan.id, manifest)
    for run in runs:
        finished(results / "runs", run)
    write_tables(results, comparison_in(results))
    return results


def tables_alone(results: Path, folder: Path) -> Path:
    """A folder that holds only the comparison's tables, as they are committed."""
    folder.mkdir()
    shutil.copy(results / "table.json", folder)
    return folder
