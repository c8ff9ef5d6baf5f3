"""Skip-gram: its loss by its definition, words of like company alike, nothing else changed; and who is nearest."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from ssrun.analysis.neighbours import neighbours
from ssrun.config.resolution import resolve
from ssrun.config.spec import RunSpec
from ssrun.errors import UsageError
from ssrun.runs.execution import prepare
from ssrun.runs.trained import load_trained
from ssrun.seq2seq import streams
from ssrun.seq2seq.skip_gram import WINDOW, grouped, noise_contrast, skip_gram
from ssrun.seq2seq.vocabulary import EOS, PAD, SPECIALS
from tests.support import in_process
from tests.support.runs import finished

SMALL = {
    "task": {"validation_pairs": 10, "test_pairs": 20},
    "model": {"embedding": 16, "hidden": 16},
    "training": {"steps": 20, "batch_size": 16},
}
OWN = {"model": {"embeddings": "skip-gram"}}


def test_the_loss_is_that_of_a_word_beside_a_true_neighbour_and_noise() -> None:
    generator = torch.Generator().manual_seed(1)
    words, near, noise = (torch.randn(size, generator=generator) for size in ((3, 4), (3, 4), (3, 2, 4)))

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    nats = [
        -math.log(sigmoid(float(words[n] @ near[n]))) - sum(math.log(sigmoid(-float(u @ words[n]))) for u in noise[n])
        for n in range(3)
    ]
    assert float(noise_contrast(words, near, noise)) == pytest.approx(sum(nats) / 3, rel=1e-5)


def test_every_pair_is_of_one_text_within_the_window_and_no_padding_is_a_word() -> None:
    text = torch.tensor([[11, 12, 13, 14, 15, 16, 17, 18, EOS], [21, 22, EOS, *[PAD] * 6]])
    found = {
        pair
        for words, others in grouped([text], streams.generator(0, "skip-gram"))
        for pair in zip(words.tolist(), others.tolist(), strict=True)
    }
    places = [{token: place for place, token in enumerate(row) if token > EOS} for row in text.tolist()]
    for word, other in found:
        assert PAD not in (word, other)
        if word > EOS and other > EOS:
            row = next(row for row in places if word in row)
            assert 0 < abs(row[word] - row[other]) <= WINDOW
    assert all((word, other) in found for word, other in ((11, 12), (12, 11), (22, 21)))  # next to each other, always


def test_words_of_like_company_become_alike() -> None:
    draw = torch.Generator().manual_seed(0)
    cats, dogs, meat, bone = 4, 5, (6, 7), (8, 9)  # two words that stand beside the same ones, and others

    def text(word: int, company: tuple[int, ...]) -> list[int]:
        return [
            company[int(torch.randint(2, (), generator=draw))],
            word,
            company[int(torch.randint(2, (), generator=draw))],
        ]

    rows = [text(word, meat) for word in (cats, dogs) for _ in range(400)] + [text(10, bone) for _ in range(400)]
    vectors = skip_gram([torch.tensor(rows)] * 20, 12, 8, streams.generator(0, "skip-gram"))
    words = vectors[4:11]
    unit = torch.nn.functional.normalize(vectors - words.mean(0), dim=1)
    assert unit[cats] @ unit[dogs] > 0.9
    assert unit[cats] @ unit[10] < 0


def test_only_the_embeddings_of_words_that_were_seen_begin_otherwise_and_as_large() -> None:
    plain, own = (prepare(resolve("translation", "linear", 3, [SMALL, more])).model for more in ({}, OWN))
    for name, weight in plain.state_dict().items():
        assert torch.equal(own.state_dict()[name], weight) == (not name.endswith("embedding.weight")), name
    for side in ("source_embedding", "target_embedding"):
        before, after = getattr(plain, side).weight, getattr(own, side).weight
        assert torch.equal(after[: EOS + 1], before[: EOS + 1])
        changed = (after != before).any(1)
        assert float(after[changed].detach().square().mean().sqrt()) == pytest.approx(16**-0.5, rel=1e-4)


def test_the_same_run_begins_with_the_same_vectors_and_another_seed_with_others() -> None:
    one, again, other = (prepare(resolve("copy", "linear", seed, [SMALL, OWN])).model for seed in (0, 0, 1))
    assert torch.equal(one.target_embedding.weight, again.target_embedding.weight)
    assert not torch.equal(one.target_embedding.weight, other.target_embedding.weight)


def test_the_nearest_words_are_by_cosine_of_the_trained_vectors(tmp_path: Path) -> None:
    folder = finished(tmp_path, RunSpec.of("copy", "linear", resolve("copy", "linear", 0, [SMALL, OWN])))
    trained = load_trained(folder)
    table, tokens = trained.model.source_embedding.weight.detach(), trained.vocabularies.source.tokens
    word = tokens[len(SPECIALS)]
    found = neighbours(trained, word, "source", 3)
    cosines = {
        token: float(torch.cosine_similarity(table[index], table[len(SPECIALS)], dim=0))
        for index, token in enumerate(tokens[len(SPECIALS) + 1 :], start=len(SPECIALS) + 1)
    }
    assert [each.word for each in found] == sorted(cosines, key=cosines.__getitem__, reverse=True)[:3]
    assert [each.cosine for each in found] == pytest.approx([cosines[each.word] for each in found], abs=1e-6)
    done = in_process.ssrun("nearest", folder.path, word, "--side=source", "--count=3", "--json").must(0)
    assert [each["word"] for each in json.loads(done.out)["nearest"]] == [each.word for each in found]
    assert len(in_process.ssrun("nearest", folder.path, word).must(0).out.splitlines()) == 10
    with pytest.raises(UsageError, match="target: unknown word 'zebra'"):
        neighbours(trained, "zebra")
