"""Numbers from inside a run: a replayed step is the step that was, a wrong token is followed one step at a time."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from random import Random

import pytest
import torch

from ssrun.analysis.error_recovery import Offset, recovery, wrong_token
from ssrun.analysis.explanation import Position, attention_map, explain_step, explain_trained, walk_through
from ssrun.config.run import RunConfig, resolve
from ssrun.config.spec import Cell
from ssrun.errors import Interrupted, UsageError
from ssrun.runs.execution import execute, prepare
from ssrun.runs.folder import RunFolder
from ssrun.runs.trained import Trained, load_trained, translate
from ssrun.seq2seq.batches import collate
from ssrun.seq2seq.training import Step, adam, train
from ssrun.seq2seq.vocabulary import BOS, SPECIALS
from ssrun.strategies import STRATEGIES
from ssrun.tasks import Example

TINY = {
    "task": {"length": "2..6", "validation_pairs": 10, "test_pairs": 40},
    "model": {"hidden": 16, "embedding": 16},
    "training": {"steps": 30, "batch_size": 8},
}


def tiny(name: str = "inverse-sigmoid", **changes: dict[str, object]) -> RunConfig:
    return resolve("reverse", name, 3, [TINY, changes])


@cache
def steps_of(config: RunConfig) -> list[Step]:
    parts = prepare(config)
    return list(train(parts.model, adam(parts.model, config), parts.batches, config))


def untrained(config: RunConfig) -> Trained:
    parts = prepare(config)
    return Trained(Cell(config.task.name, "a", config), parts.model, parts.source, parts.target)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    cell = Cell("reverse", "inverse-sigmoid", tiny())
    folder = RunFolder.of(tmp_path_factory.mktemp("results"), cell)
    for _ in execute(cell, folder, 0):
        pass
    return folder


@pytest.fixture(scope="module")
def trained(folder: RunFolder) -> Trained:
    return load_trained(folder)


def held_out(trained: Trained) -> list[Example]:
    return list(trained.cell.config.task.held_out("test"))


# A replayed step


CONFIGS = [
    *(tiny(strategy) for strategy in STRATEGIES),
    tiny("always-sampling", model={"dropout": 0.3}),
    tiny("uniform", strategy={"coin": "sequence", "feed": "argmax"}),
    tiny("uniform", strategy={"coin": "batch"}),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.id[:6])
@pytest.mark.parametrize("step", [0, 17, 29])
def test_a_replayed_step_shows_the_tokens_that_training_fed(config: RunConfig, step: int) -> None:
    trained_on, parts = steps_of(config)[step], prepare(config)
    batch = parts.batches.at(step)
    row = step % len(batch.target)
    view = explain_step(config, step, row)
    length = len(view.positions)
    names = parts.target.tokens
    fed = trained_on.fed
    assert [position.fed for position in view.positions] == [names[id_] for id_ in fed.inputs[row, :length].tolist()]
    assert [position.gold for position in view.positions] == [names[id_] for id_ in batch.target[row, :length].tolist()]
    assert not batch.target[row, length:].any()
    assert [position.coin == "true" for position in view.positions] == fed.true[row, :length].tolist()
    assert [position.replaced for position in view.positions] == fed.replaced[row, :length].tolist()
    assert (view.epsilon, view.loss) == (trained_on.epsilon, trained_on.loss)
    assert view.source == parts.source.decode(batch.source[row].tolist())


def test_bos_has_no_coin_and_a_random_token_is_not_called_the_models() -> None:
    own = {name: explain_step(tiny(name), 25).positions for name in ("always-sampling", "uniform-token")}
    assert {name: positions[0].coin for name, positions in own.items()} == {
        "always-sampling": "-",
        "uniform-token": "-",
    }
    assert {position.coin for position in own["always-sampling"][1:]} == {"model"}
    assert {position.coin for position in own["uniform-token"][1:]} <= {"true", "random"}
    assert "random" in {
        position.coin for row in range(8) for position in explain_step(tiny("uniform-token"), 25, row).positions
    }


def test_the_argmax_feed_shows_each_prediction_as_the_next_fed_token() -> None:
    config = tiny("always-sampling", strategy={"feed": "argmax"})
    positions = explain_step(config, 20, 2).positions
    assert [position.fed for position in positions] == ["<bos>", *(p.predicted for p in positions[:-1])]


def test_what_is_replayed_is_the_training_that_made_the_run(folder: RunFolder) -> None:
    config = folder.cell().config
    parts = prepare(config)
    losses = [step.loss for step in train(parts.model, adam(parts.model, config), parts.batches, config)]
    weights = load_trained(folder).model.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in parts.model.state_dict().items())
    assert explain_step(config, 29).loss == losses[29]


def test_a_replay_tells_how_far_it_is_and_stops_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    explain_step(tiny(), 5, 0, told.append)
    assert told == [1, 2, 3, 4, 5]
    monkeypatch.setattr("ssrun.system.signals._received", [15])
    with pytest.raises(Interrupted):
        explain_step(tiny(), 5)


@pytest.mark.parametrize(
    ("step", "example", "remedy"), [(30, 0, "give 0 to 29"), (-1, 0, "give 0 to 29"), (3, 8, "give 0 to 7")]
)
def test_a_step_or_example_that_there_is_not_says_which_there_are(step: int, example: int, remedy: str) -> None:
    with pytest.raises(UsageError, match=remedy):
        explain_step(tiny(), step, example)


def test_a_run_that_diverged_can_be_seen_up_to_that_step_and_no_further() -> None:
    config = tiny(training={"learning_rate": 1e38})
    with pytest.raises(UsageError, match="diverged at step 1: give 0 to 1"):
        explain_step(config, 9)
    assert explain_step(config, 1).loss != explain_step(config, 1).loss  # not a number


# The trained model


def test_the_two_sides_have_the_errors_that_scoring_counts(folder: RunFolder, trained: Trained) -> None:
    sides = [explain_trained(trained, example) for example in held_out(trained)]
    result, positions = folder.result(), sum(len(side.forced) for side in sides)
    for name, wrong in (
        ("next_step_error", [p.wrong for side in sides for p in side.forced]),
        ("decoding_error", [p.wrong for side in sides for p in side.free]),
    ):
        assert 100 * sum(wrong) / positions == pytest.approx(result[name], abs=1e-9)


def test_fed_gold_is_gold_and_fed_its_own_is_its_own(trained: Trained) -> None:
    forced, free = explain_trained(trained, held_out(trained)[1])
    assert [p.fed for p in forced] == ["<bos>", *(p.gold for p in forced[:-1])]
    assert [p.fed for p in free] == ["<bos>", *(p.predicted for p in free[:-1])]
    assert not any(p.replaced for p in forced)
    assert [p.replaced for p in free[1:]] == [p.wrong for p in free[:-1]]
    assert [p.repeated for p in free] == [
        False,
        *(a.predicted == b.predicted for a, b in pairwise(free)),
    ]
    assert [p.position for p in free] == list(range(len(held_out(trained)[1].target) + 1))


def test_a_walk_under_epsilon_1_is_teacher_forcing_and_under_0_with_argmax_free_running() -> None:
    model = untrained(tiny("linear", strategy={"feed": "argmax"}))
    example = held_out(model)[0]
    sides = explain_trained(model, example)
    assert walk_through(model, example, 1, 5) == sides.forced
    assert walk_through(model, example, 0, 5) == sides.free
    assert walk_through(model, example, 0.5, 5) == walk_through(model, example, 0.5, 5)
    coins = {seed: [p.coin for p in walk_through(model, example, 0.5, seed)] for seed in range(8)}
    assert len({tuple(coin) for coin in coins.values()}) > 1
    assert all(isinstance(p, Position) for p in walk_through(model, example, 0.5, 1))


def test_attention_is_a_distribution_for_each_token_of_the_output(trained: Trained) -> None:
    for example in held_out(trained)[:8]:
        found = attention_map(trained, example)
        assert found
        assert found.source == (*example.source, "<eos>")
        output = found.output[:-1] if found.output[-1] == "<eos>" else found.output
        assert output == translate(trained, example.source)
        assert [len(row) for row in found.weights] == [len(found.source)] * len(found.output)
        assert all(sum(row) == pytest.approx(1, abs=1e-5) and min(row) >= 0 for row in found.weights)
    for attention in ("none", "aligned"):
        assert attention_map(untrained(tiny(model={"attention": attention})), held_out(trained)[0]) is None


# A wrong token


def continued(trained: Trained, example: Example, place: int, token: int) -> list[int]:
    """The outputs from `place` on: the true prefix with `token` at `place`, then the argmax, one step at a time."""
    model = trained.model
    ids = trained.target.encode(example.target)
    memory = model.encode(collate([(trained.source.encode(example.source), ids)]).source)
    state, outputs = memory.initial, []
    for position in range(len(ids)):
        if position <= place:
            fed = BOS if position == 0 else ids[position - 1]
        else:
            fed = token if position == place + 1 else outputs[-1]
        hidden, state = model.step(torch.tensor([fed]), state)
        outputs.append(int(model.vocabulary(model.attend(memory, hidden.unsqueeze(1), position)).argmax()))
    return outputs[place:]


def startled() -> Trained:
    """A model that hangs on every word it is fed."""
    model = untrained(tiny("uniform", model={"attention": "none"}))
    with torch.no_grad():
        model.model.target_embedding.weight.mul_(20)
        model.model.output.weight.mul_(5)
    return model


@pytest.mark.parametrize("position", [None, 0, 3])
@pytest.mark.parametrize("calm", [True, False])
@torch.no_grad()
def test_recovery_is_that_of_a_loop_one_pair_and_one_step_at_a_time(
    trained: Trained, position: int | None, calm: bool
) -> None:
    trained = trained if calm else startled()
    real = len(trained.target) - len(SPECIALS)
    rows, finished, left_out = [], [], 0
    for number, example in enumerate(held_out(trained)):
        place = (len(example.target) - 1) // 2 if position is None else position
        if len(example.target) + 1 < place + 2:
            left_out += 1
            continue
        gold = trained.target.encode(example.target)
        token = wrong_token(gold[place], real, place, number)
        without = continued(trained, example, place, gold[place])
        injected = continued(trained, example, place, token)
        assert without[0] == injected[0]
        same = [without[k:] == injected[k:] for k in range(len(without))]
        rows.append([(a != y, b != y, s) for a, b, y, s in zip(without, injected, gold[place:], same, strict=True)])
        if without[-1] == injected[-1]:
            finished.append(max((k for k in range(len(same)) if without[k] != injected[k]), default=0))
    found = recovery(trained, position)
    expected = []
    for offset in range(max(map(len, rows))):
        reached = [row[offset] for row in rows if len(row) > offset]
        n, a, b, same_ = len(reached), *(sum(column) for column in zip(*reached, strict=True))
        expected.append(Offset(offset, n, 100 * a / n, 100 * b / n, 100 * (b - a) / n, 100 * same_ / n))
    assert found.offsets == expected
    assert (found.pairs, found.left_out) == (len(rows), left_out)
    assert (found.recovered, found.untouched) == (len(finished), finished.count(0))
    assert found.mean_steps == (sum(finished) / len(finished) if finished else None)
    assert found.offsets[0].excess == 0
    assert calm or 0 < found.recovered < found.pairs


def test_a_model_that_cannot_see_what_it_is_fed_loses_nothing() -> None:
    model = untrained(tiny())
    with torch.no_grad():
        model.model.target_embedding.weight.zero_()
    found = recovery(model)
    assert (found.recovered, found.untouched, found.mean_steps) == (found.pairs, found.pairs, 0)
    assert {offset.excess for offset in found.offsets} == {0}
    assert {offset.recovered for offset in found.offsets} == {100}


def test_a_wrong_token_is_real_never_the_true_one_and_uniform() -> None:
    drawn = [wrong_token(6, 4, 2, number) for number in range(3000)]
    assert drawn == [wrong_token(6, 4, 2, number) for number in range(3000)]
    assert {token: drawn.count(token) > 900 for token in set(drawn)} == {4: True, 5: True, 7: True}
    assert wrong_token(3, 1, 0, 0) == 4  # the true one is <unk>: the one real token is wrong


def test_the_first_pairs_alone_are_taken_when_asked(trained: Trained) -> None:
    found = recovery(trained, None, 7)
    assert (found.pairs, found.left_out, found.references) == (7, 0, 1)
    longest = max(len(example.target) for example in held_out(trained))
    with pytest.raises(UsageError, match=f"give 0 to {longest - 1}"):
        recovery(trained, longest)
    assert recovery(trained, longest - 1).pairs == sum(len(e.target) == longest for e in held_out(trained))


def test_targets_of_random_lengths_agree_with_a_position_that_is_their_middle(trained: Trained) -> None:
    middles = {(len(example.target) - 1) // 2 for example in held_out(trained)}
    assert len(middles) > 1
    place = Random(1).choice(sorted(middles))
    assert recovery(trained, place).pairs == sum(len(example.target) > place for example in held_out(trained))
