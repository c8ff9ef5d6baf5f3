"""Inside one run: a replayed step is the step that was, and the trained model is shown as scoring sees it."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from ssrun.analysis.explanation import Position, attention_map, explain_step, explain_trained, walk_through
from ssrun.config.run import RunConfig
from ssrun.config.spec import RunSpec
from ssrun.errors import Interrupted, UsageError
from ssrun.runs.execution import prepare
from ssrun.runs.folder import RunFolder
from ssrun.runs.trained import Trained, load_trained, translate
from ssrun.seq2seq.training import Step, adam, train
from ssrun.tasks import Example
from tests.support import tiny
from tests.support.runs import UNTAUGHT, finished


@cache
def steps_of(config: RunConfig) -> list[Step]:
    parts = prepare(config)
    return list(train(parts.model, adam(parts.model, config), parts.batches, config))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return tiny.finished_run(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def trained(folder: RunFolder) -> Trained:
    return load_trained(folder)


# A replayed step


CONFIGS = [
    *(tiny.configuration(strategy) for strategy in UNTAUGHT),
    tiny.configuration("always-sampling", model={"dropout": 0.3}),
    tiny.configuration("uniform", strategy={"coin": "sequence", "feed": "argmax"}),
    tiny.configuration("uniform", strategy={"coin": "batch"}),
    tiny.configuration("uniform", model={"output": "hierarchical"}),
    tiny.configuration("uniform", model={"output": "negative-sampling"}),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id[:6])
@pytest.mark.parametrize("step", [0, 17, 29])
def test_a_replayed_step_shows_the_tokens_that_training_fed(config: RunConfig, step: int) -> None:
    trained_on, parts = steps_of(config)[step], prepare(config)
    batch = parts.batches.at(step)
    row = step % len(batch.target)
    view = explain_step(config, step, row)
    length = len(view.positions)
    names = parts.vocabularies.target.tokens
    inputs = trained_on.inputs
    assert [position.fed for position in view.positions] == [names[id_] for id_ in inputs.tokens[row, :length].tolist()]
    assert [position.gold for position in view.positions] == [names[id_] for id_ in batch.target[row, :length].tolist()]
    assert not batch.target[row, length:].any()
    assert [position.coin == "true" for position in view.positions] == inputs.true[row, :length].tolist()
    assert [position.replaced for position in view.positions] == inputs.replaced[row, :length].tolist()
    assert (view.epsilon, view.loss) == (trained_on.epsilon, trained_on.loss)
    assert view.source == parts.vocabularies.source.decode(batch.source[row].tolist())


def test_bos_has_no_coin_and_a_random_token_is_not_called_the_models() -> None:
    positions = explain_step(tiny.configuration("always-sampling"), 25).positions
    assert [position.coin for position in positions] == ["-", *["model"] * (len(positions) - 1)]
    rows = [explain_step(tiny.configuration("uniform-token"), 25, row).positions for row in range(8)]
    assert {positions[0].coin for positions in rows} == {"-"}
    assert {position.coin for positions in rows for position in positions[1:]} == {"true", "random"}


def test_the_argmax_feed_shows_each_prediction_as_the_next_fed_token() -> None:
    config = tiny.configuration("always-sampling", strategy={"feed": "argmax"})
    positions = explain_step(config, 20, 2).positions
    assert [position.fed for position in positions] == ["<bos>", *(p.predicted for p in positions[:-1])]


def test_what_is_replayed_is_the_training_that_made_the_run(folder: RunFolder) -> None:
    config = folder.config()
    parts = prepare(config)
    losses = [step.loss for step in train(parts.model, adam(parts.model, config), parts.batches, config)]
    weights = load_trained(folder).model.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in parts.model.state_dict().items())
    assert explain_step(config, 29).loss == losses[29]


def test_a_replay_tells_how_far_it_is_and_stops_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    explain_step(tiny.configuration(), 5, 0, told.append)
    assert told == [1, 2, 3, 4, 5]
    monkeypatch.setattr("ssrun.system.signals._received", [15])
    with pytest.raises(Interrupted):
        explain_step(tiny.configuration(), 5)


@pytest.mark.parametrize(
    ("step", "example", "remedy"), [(30, 0, "give 0 to 29"), (-1, 0, "give 0 to 29"), (3, 8, "give 0 to 7")]
)
def test_a_step_or_example_that_there_is_not_says_which_there_are(step: int, example: int, remedy: str) -> None:
    with pytest.raises(UsageError, match=remedy):
        explain_step(tiny.configuration(), step, example)


def test_a_run_that_diverged_can_be_seen_up_to_that_step_and_no_further() -> None:
    config = tiny.configuration(training={"learning_rate": 1e38})
    with pytest.raises(UsageError, match="diverged at step 1: give 0 to 1"):
        explain_step(config, 9)
    assert explain_step(config, 1).loss != explain_step(config, 1).loss  # not a number


# The trained model


def test_the_two_sides_have_the_errors_that_scoring_counts(folder: RunFolder, trained: Trained) -> None:
    sides = [explain_trained(trained, example) for example in tiny.held_out(trained)]
    scored, positions = folder.scored(), sum(len(side.teacher_forced) for side in sides)
    assert scored
    for name, wrong in (
        ("next_step_error", [p.wrong for side in sides for p in side.teacher_forced]),
        ("decoding_error", [p.wrong for side in sides for p in side.free_running]),
    ):
        assert 100 * sum(wrong) / positions == pytest.approx(scored.metrics[name], abs=1e-9)


def test_fed_gold_is_gold_and_fed_its_own_is_its_own(trained: Trained) -> None:
    forced, free = explain_trained(trained, tiny.held_out(trained)[1])
    assert [p.fed for p in forced] == ["<bos>", *(p.gold for p in forced[:-1])]
    assert [p.fed for p in free] == ["<bos>", *(p.predicted for p in free[:-1])]
    assert not any(p.replaced for p in forced)
    assert [p.replaced for p in free[1:]] == [p.wrong for p in free[:-1]]
    assert [p.repeated for p in free] == [False, *(a.predicted == b.predicted for a, b in pairwise(free))]
    assert [p.position for p in free] == list(range(len(tiny.held_out(trained)[1].target) + 1))


def test_a_walk_under_epsilon_1_is_teacher_forcing_and_under_0_with_argmax_free_running() -> None:
    model = tiny.untrained(tiny.configuration("linear", strategy={"feed": "argmax"}))
    example = tiny.held_out(model)[0]
    sides = explain_trained(model, example)
    assert walk_through(model, example, 1, 5) == sides.teacher_forced
    assert walk_through(model, example, 0, 5) == sides.free_running
    assert walk_through(model, example, 0.5, 5) == walk_through(model, example, 0.5, 5)
    coins = {seed: [p.coin for p in walk_through(model, example, 0.5, seed)] for seed in range(8)}
    assert len({tuple(coin) for coin in coins.values()}) > 1


@pytest.mark.parametrize("attention", ["dot", "general"])
def test_attention_is_a_distribution_for_each_token_of_the_output(trained: Trained, attention: str) -> None:
    if attention == "general":
        trained = tiny.untrained(tiny.configuration(model={"attention": attention}))
    for example in tiny.held_out(trained)[:8]:
        found = attention_map(trained, example)
        assert found
        assert found.source == (*example.source, "<eos>")
        output = found.output[:-1] if found.output[-1] == "<eos>" else found.output
        assert output == translate(trained, example.source)
        assert [len(row) for row in found.weights] == [len(found.source)] * len(found.output)
        assert all(sum(row) == pytest.approx(1, abs=1e-5) and min(row) >= 0 for row in found.weights)
    for without in ("none", "aligned"):
        other = tiny.untrained(tiny.configuration(model={"attention": without}))
        assert attention_map(other, tiny.held_out(trained)[0]) is None


# The label


def test_the_label_differs_from_gold_exactly_where_the_fed_prefix_went_wrong() -> None:
    """Where it has never gone wrong the label is gold; right after a wrong token it is not gold alone."""
    config = tiny.configuration("dagger", task={"symbols": 26})
    seen = 0
    for row in range(8):
        positions = explain_step(config, 25, row).positions
        wrong = [position.replaced for position in positions]
        for t, position in enumerate(positions):
            if not any(wrong[: t + 1]):
                assert position.label == {position.gold: 1.0}
            elif wrong[t] and not any(wrong[:t]) and position.gold != positions[t - 1].gold:
                assert {position.gold, positions[t - 1].gold} <= set(position.label) or position.fed == "<eos>"
                assert sum(position.label.values()) == pytest.approx(1) or position.fed == "<eos>"
                seen += 1
    assert seen > 3


def test_after_an_end_of_its_own_no_label_is_shown() -> None:
    config = tiny.configuration("dagger", task={"symbols": 3})
    shown = [position for row in range(8) for position in rows_after_end(explain_step(config, 0, row).positions)]
    assert shown
    assert all(position.label == {} for position in shown)


def rows_after_end(positions: list[Position]) -> list[Position]:
    fed = [position.fed for position in positions]
    return positions[fed.index("<eos>") :] if "<eos>" in fed else []


def test_a_gold_label_is_the_true_token_at_every_position() -> None:
    for position in explain_step(tiny.configuration("always-sampling"), 25, 1).positions:
        assert position.label == {position.gold: 1.0}


def test_the_trained_model_shows_the_label_after_its_own_words(tmp_path: Path) -> None:
    run = RunSpec.of("reverse", "dagger", tiny.configuration("dagger"))
    trained = load_trained(finished(tmp_path, run))
    labels = [position.label for example in tiny.held_out(trained) for position in explained(trained, example)]
    assert any(len(label) > 1 for label in labels)


def explained(trained: Trained, example: Example) -> list[Position]:
    sides = explain_trained(trained, example)
    assert all(position.label == {position.gold: 1.0} for position in sides.teacher_forced)
    return sides.free_running
