"""Training and scoring make every tensor on the device of the weights, and the numbers there are the processor's.

No accelerator is asked for: the device is `tests.support.elsewhere`, which has values and refuses what is made on the
wrong one. Where there is CUDA, a run on it is stopped and goes on to the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ssrun.config.resolution import resolve
from ssrun.config.run import RunConfig, ScoringConfig
from ssrun.config.spec import RunSpec
from ssrun.errors import UsageError
from ssrun.runs.execution import Prepared, execute, prepare
from ssrun.runs.folder import RunFolder
from ssrun.seq2seq.error_recovery import recovery
from ssrun.seq2seq.model import Seq2Seq
from ssrun.seq2seq.scoring import Scores, score
from ssrun.seq2seq.search import hypotheses
from ssrun.seq2seq.training import train
from ssrun.system.devices import DEVICES, device_named
from ssrun.system.environment import environment
from tests.support import tiny
from tests.support.elsewhere import META, Elsewhere

TINY = {
    "task": {"validation_pairs": 3, "test_pairs": 6},
    "model": {"hidden": 8, "embedding": 8, "layers": 2, "dropout": 0.2},
    "training": {"steps": 2, "batch_size": 6, "learning_rate": 0.05},
}


def configuration(
    task: str = "reverse", attention: str = "dot", model: dict[str, Any] | None = None, **strategy: Any
) -> RunConfig:
    of_model = {"attention": attention, **(model or {})}
    short = {"task": {"length": "2..4"}} if task == "reverse" else {}  # every operation costs, whatever its size
    return resolve(task, "uniform", 1, [TINY, short, {"model": of_model, "strategy": strategy}])


def trained_and_scored(parts: Prepared, config: RunConfig, beam: int = 1) -> tuple[list[float], Scores]:
    optimiser = torch.optim.Adam(parts.model.parameters(), lr=config.training.learning_rate)  # the fused one knows few
    losses = [step.loss for step in train(parts.model, optimiser, parts.batches, config, teacher=parts.teacher)]
    pairs = list(config.task.held_out("test"))
    scores = score(parts.model, config.task, pairs, parts.vocabularies, ScoringConfig(beam=beam), whole=True)
    recovery(parts.model, parts.vocabularies, pairs)
    return losses, scores


@pytest.fixture
def no_inference_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inference mode knows no tensors with values of their own."""

    def no_gradient(mode: object = True) -> Any:
        """As a context, with the mode or without; or around a function."""
        return torch.no_grad()(mode) if callable(mode) else torch.no_grad()

    monkeypatch.setattr(torch, "inference_mode", no_gradient)


@pytest.mark.usefixtures("no_inference_mode")
@pytest.mark.parametrize(
    "changes",
    [
        {"attention": "general"},
        {"attention": "aligned", "feed": "argmax"},
        {"attention": "none", "feed": "uniform-token", "label": "fed"},
        {"clock": "position", "schedule": "linear", "coin": "batch", "feed": "unigram"},
        {"coin": "prefix", "feed": "argmax", "passes": 2},
        {"coin": "confidence", "passes": 1, "temperature": 2.0, "top_k": 5, "threshold": 0.01, "noise_threshold": 0.1},
        {"coin": "count", "feed": "same-sequence"},
        {"feed": "beam-oracle", "attention": "general"},
        {"gradient": "soft", "feed": "argmax", "temperature": 0.5, "gold_weight": 0.5},
        {"gradient": "straight-through", "attention": "aligned"},
        {"feed": "mask", "at_test": "mask", "value": 0},
        {"label": "expert"},
        {"model": {"body": "gru", "norm": "batch"}},
        {"model": {"norm": "layer", "output": "hierarchical"}},
        {"model": {"output": "negative-sampling"}},
        {"model": {"body": "transformer"}, "passes": 2},
        {"model": {"body": "transformer", "attention": "none"}},
        {"task": "any-order", "label": "expert"},
        {"task": "captions", "coin": "sequence", "label": "expert"},
    ],
)
def test_a_run_elsewhere_makes_nothing_on_the_processor_and_has_its_numbers(changes: dict[str, Any]) -> None:
    config = configuration(**changes)
    losses, scores = trained_and_scored(prepare(config), config, beam=2)
    with Elsewhere():
        parts = prepare(config)
        parts.model.to(META)
        there = trained_and_scored(parts, config, beam=2)
    assert there[0] == pytest.approx(losses, rel=1e-4)
    assert there[1].values == pytest.approx(scores.values, rel=1e-3)
    assert there[1].outputs == scores.outputs


@pytest.mark.usefixtures("no_inference_mode")
@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_a_teacher_teaches_elsewhere(beta: float) -> None:
    config = configuration(label="gold").model_copy()
    strategy = config.strategy.model_copy(update={"label": "teacher", "teacher": "a/b", "beta": beta})
    taught = config.model_copy(update={"strategy": strategy})

    def with_teacher(parts: Prepared, teacher: Seq2Seq) -> Prepared:
        return parts._replace(teacher=teacher)

    losses, _ = trained_and_scored(with_teacher(prepare(config), prepare(config.of_seed(2)).model), taught)
    with Elsewhere():
        parts = with_teacher(prepare(config), prepare(config.of_seed(2)).model)
        parts.model.to(META)
        parts.teacher.to(META)
        there, _ = trained_and_scored(parts, taught)
    assert there == pytest.approx(losses, rel=1e-4)


@pytest.mark.usefixtures("no_inference_mode")
@pytest.mark.parametrize("beam", [1, 3])
def test_a_search_elsewhere_finds_the_same(beam: int) -> None:
    model, source = tiny.model(), torch.tensor([[4, 5, 6, 2]])
    here = hypotheses(model, model.encode(source), 9, beam, 1.0)
    with Elsewhere():
        model.to(META)
        there = hypotheses(model, model.encode(source.to(META)), 9, beam, 1.0)
    assert [found.ids for found in there] == [found.ids for found in here]


@pytest.mark.usefixtures("no_inference_mode")
def test_what_is_made_on_the_processor_is_refused_elsewhere() -> None:
    model, batch = tiny.model(), tiny.batch()
    with Elsewhere():
        model.to(META)
        with pytest.raises(RuntimeError, match="two devices"):
            model.encode(batch.source, batch.lengths)


def test_a_device_that_there_is_not_is_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        device_named("gpu")
    for name, there in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())):
        if not there:
            with pytest.raises(UsageError, match=f"--device {name}: .*install the torch"):
                device_named(name)


def test_the_device_is_a_part_of_the_environment() -> None:
    here = environment(1, torch.device("cpu"))
    assert here.model_dump()["device"] == "cpu"
    elsewhere = here.model_copy(update={"device": "cuda: a card", "determinism": {"tf32": "False"}})
    older = type(here).model_validate({**here.model_dump(exclude={"device"})})
    assert here.unlike(older) == []
    assert here.unlike(elsewhere) == older.unlike(elsewhere) == ["determinism", "device"]
    assert DEVICES[0] == type(here).model_fields["device"].default


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA here")
def test_a_run_on_cuda_that_is_stopped_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    config = tiny.configuration()
    name = RunSpec.of("reverse", "inverse-sigmoid", config).name
    whole, stopped = (RunFolder.of(tmp_path / folder, name) for folder in ("whole", "stopped"))
    list(execute(config, whole, 7, "cuda"))
    events = execute(config, stopped, 7, "cuda")
    while not list(stopped.path.glob("checkpoint-*.json")):
        next(events)
    events.close()
    list(execute(config, stopped, 7, "cuda"))
    for file in ("model.safetensors", "decoding.txt"):
        assert (whole.path / file).read_bytes() == (stopped.path / file).read_bytes()
