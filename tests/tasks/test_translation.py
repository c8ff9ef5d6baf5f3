"""The shipped corpus against French grammar, by a lexicon of this file's own, and the task that reads it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from ssrun.errors import UsageError
from ssrun.tasks import HELD_OUT, translation
from ssrun.tasks.translation import Translation

FOLDER = Path(__file__).parents[2] / "data" / "translation"
FILES = [f"{split}.{language}" for split in ("train", "valid", "test") for language in ("en", "fr")]
TASK = Translation(validation_pairs=500)
EXAMPLES = [*TASK.training(), *(example for split in HELD_OUT for example in TASK.held_out(split))]
FRENCH = [example.target for example in EXAMPLES]

MASCULINE = "garçon homme enfant ami professeur chien oiseau hibou livre gâteau jardin hôtel"
FEMININE = "fille femme actrice souris lettre voiture image pomme orange maison école"
NOUNS = dict.fromkeys(MASCULINE.split(), "m") | dict.fromkeys(FEMININE.split(), "f")
ENDINGS = {"u": "x", "s": ""}
PLURALS = {noun + ENDINGS.get(noun[-1], "s"): gender for noun, gender in NOUNS.items()}
ADJECTIVES = {  # the genders and numbers a form can stand for
    "ms": "bon petit vieux vieil nouveau nouvel noir heureux autre jeune triste rouge",
    "fs": "bonne petite vieille nouvelle noire heureuse autre jeune triste rouge",
    "mp": "bons petits vieux nouveaux noirs heureux autres jeunes tristes rouges",
    "fp": "bonnes petites vieilles nouvelles noires heureuses autres jeunes tristes rouges",
}
AGREES = {form: set(words.split()) for form, words in ADJECTIVES.items()}
ADJECTIVE = set().union(*AGREES.values())
DETERMINERS = {
    "ms": "le l' un du au mon son ce cet de d'",
    "fs": "la l' une ma sa mon son cette de d'",
    "p": "les des aux de d' mes ses ces deux trois",
}
PRECEDES = {form: set(DETERMINERS.get(form, DETERMINERS["p"]).split()) for form in ("ms", "fs", "mp", "fp")}
PERSONS = {
    "je": "suis vois mange lis achète cherche parle dors chante aime habite vais viens pense",
    "il": "est voit mange lit achète cherche parle dort chante aime habite va vient pense",
    "nous": "sommes voyons mangeons lisons achetons cherchons parlons dormons chantons aimons habitons "
    "allons venons pensons",
    "ils": "sont voient mangent lisent achètent cherchent parlent dorment chantent aiment habitent vont "
    "viennent pensent",
}
CONJUGATED = {person: set(words.split()) for person, words in PERSONS.items()}


def forms(noun: str) -> list[str]:
    """The gender and number a noun form can stand for: `souris` is both numbers."""
    singular = [NOUNS[noun] + "s"] if noun in NOUNS else []
    return singular + ([PLURALS[noun] + "p"] if noun in PLURALS else [])


def silent_start(word: str) -> bool:
    """Whether French elides before the word: a vowel or a mute h. The h of hibou is not."""
    return unicodedata.normalize("NFD", word)[0] in "aeiouh" and not word.startswith("hibou")


def make(folder: Path, *arguments: str) -> int:
    command = [sys.executable, str(folder / "make.py"), *arguments]
    return subprocess.run(command, check=False, capture_output=True).returncode


def test_check_passes_on_the_files_and_fails_on_one_changed_letter_and_making_them_again_repairs_it(
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(FOLDER, tmp_path / "translation"))
    assert make(folder, "--check") == 0
    path = folder / "valid.fr"
    path.write_bytes(path.read_bytes().replace(b"e", b"a", 1))
    assert make(folder, "--check") == 1
    assert make(folder) == 0
    assert all((folder / name).read_bytes() == (FOLDER / name).read_bytes() for name in FILES)


def test_the_files_hold_8000_500_and_1000_pairs() -> None:
    lines = {name: (FOLDER / name).read_bytes().count(b"\n") for name in FILES}
    assert lines == dict(zip(FILES, (8000, 8000, 500, 500, 1000, 1000), strict=True))
    assert [len(TASK.training()), *(len(TASK.held_out(split)) for split in HELD_OUT)] == [8000, 500, 1000]


def test_every_source_occurs_once_over_all_splits_and_so_has_one_target() -> None:
    assert len({example.source for example in EXAMPLES}) == len(EXAMPLES) == 9500
    assert all(example.references == (example.target,) for example in EXAMPLES)


def test_lines_are_lower_case_with_single_spaces_and_a_final_stop_that_both_sides_share() -> None:
    for name in FILES:
        for line in (FOLDER / name).read_text("utf-8").removesuffix("\n").split("\n"):
            assert re.fullmatch(r"[a-zàâçéèêô'-]+( [a-zàâçéèêô'-]+)+ [.?]", line), line
    assert all(example.source[-1] == example.target[-1] for example in EXAMPLES)


def test_both_sides_have_4_to_18_tokens_and_lengths_vary() -> None:
    for side in ("source", "target"):
        lengths = {len(getattr(example, side)) for example in EXAMPLES}
        assert lengths == set(range(4, 19))


def test_each_vocabulary_has_120_to_180_tokens_most_frequent_first_and_knows_the_held_out_sets() -> None:
    for tokens, side in ((TASK.source_tokens(), "source"), (TASK.target_tokens(), "target")):
        assert 120 <= len(tokens) <= 180
        text = [token for example in TASK.training() for token in getattr(example, side)]
        assert tokens == sorted(set(text), key=lambda token: (-text.count(token), token))
        assert all(set(tokens).issuperset(getattr(example, side)) for example in EXAMPLES)


PHENOMENA = {
    "adjective before the noun": (r"small (girl|apple|car)\b", r"petite (fille|pomme|voiture)"),
    "adjective after the noun": (r"red (cake|orange|book)", r"(gâteau|orange|livre)[sx]? rouges?"),
    "adjectives on both sides": (r"small black (book|picture|owl)", r"petite?s? (livre|image|hibou)[sx]? noir"),
    "vieil and nouvel": (r"(old|new) (man|friend|hotel)\b", r"(vieil|nouvel) (homme|ami|hôtel)"),
    "vieux before an aspirated h": (r"old owl\b", r"vieux hibou"),
    "mon before a feminine": (r"my (other house|picture|school)\b", r"mon (autre maison|image|école)"),
    "two subjects": (r"^the boys? and the \w+ ", r"^(le garçon|les garçons) et l\S+ "),
    "negation of to be": (r"\b(am|is|are) not", r"n' est|ne (suis|sommes|sont)"),
    "negation with do": (r"\b(i|we) do not ", r"(je|nous) (ne|n') \w+ pas "),
    "pas de": (r"\bdo(es)? not (see|read|buy) (a|an|any)\b", r"pas d[e'] "),
    "question with do": (r"^(do|does) ", r"^est-ce qu[e'] .* \?$"),
    "question with be": (r"^(am|is|are) ", r"^est-ce qu[e'] .* (est|suis|sont|sommes) .*\?$"),
    "qui": (r" who ", r" qui "),
    "que": (r" that (i|we) (like|see) ", r" que (j' aime|je vois|nous (aimons|voyons)) "),
    "qu'": (r" that (he|she) (likes|sees) ", r" qu' (il|elle) (aime|voit) "),
    "dont": (r"(?<!think)(?<!thinks) that (i|we|he|she) talks? about", r" dont "),
    "parce que": (r" because ", r" parce qu[e'] "),
    "quand": (r" when ", r" quand "),
    "penser que": (r" thinks? that ", r" pens\w+ qu[e'] "),
    "j'": (r"\bi (like|buy|live) ", r"\bj' (aime|achète|habite) "),
    "du": (r"(from|near|about) the (man|woman|garden) (?!')", r" (du jardin|de l' homme|de la femme) "),
    "des": (r"(from|near|about) the (houses|dogs|cars)", r" des (maisons|chiens|voitures) "),
    "de for de des": (r"(near|about) some ", r"(près|parl\w+)( souvent| toujours)? d[e'] "),
    "au": (r"to the (garden|boy|teacher) (?!')", r" au (jardin|garçon|professeur) "),
    "aux": (r"to the (gardens|boys|teachers) ", r" aux (jardins|garçons|professeurs) "),
    "possessor": (r"the (boy|teacher) 's ", r" du (garçon|professeur) "),
    "de for des before an adjective": (r"some (small|old|other) ", r"\bd[e'] (petit|vie|autre)"),
    "beaucoup d'": (r"many (oranges|children|friends)", r"beaucoup d' (oranges|enfants|amis)"),
    "a verb without its preposition": (r"looks? for", r"cherch"),
    "adverb after the verb": (r"(often|always) reads? ", r" (lit|lis|lisons|lisent) (pas )?(souvent|toujours) "),
}


@pytest.mark.parametrize("phenomenon", PHENOMENA)
def test_the_phenomenon_occurs_and_is_translated_wherever_it_does(phenomenon: str) -> None:
    english, french = PHENOMENA[phenomenon]
    matching = [number for number, example in enumerate(EXAMPLES) if re.search(english, " ".join(example.source))]
    wrong = [" ".join(FRENCH[number]) for number in matching if not re.search(french, " ".join(FRENCH[number]))]
    assert wrong == []
    assert len(matching) >= 10
    assert matching[0] < 8000 <= matching[-1]  # in training and in a held-out set


def test_elision_and_an_occur_before_a_vowel_or_mute_h_and_nowhere_else() -> None:
    full = {"le", "la", "ne", "que", "de", "je", "ma", "sa", "ce", "nouveau"}
    elided = {"l'", "n'", "qu'", "d'", "j'", "cet", "vieil", "nouvel"}
    for sentence in FRENCH:
        for word, following in pairwise(sentence):
            assert not (word in full and silent_start(following)), " ".join(sentence)
            assert not (word in elided and not silent_start(following)), " ".join(sentence)
    for example in EXAMPLES:
        for word, following in pairwise(example.source):
            assert word not in {"a", "an"} or (word == "an") == (following[0] in "aeiou")


def test_no_contraction_is_left_undone() -> None:
    undone = {(word, article) for word in ("de", "à") for article in ("le", "les")}
    undone |= {("de", "des"), ("de", "de"), ("de", "d'"), ("de", "du")}
    assert not undone & {pair for sentence in FRENCH for pair in pairwise(sentence)}


def test_determiners_and_adjectives_agree_with_their_noun() -> None:
    seen = 0
    for sentence in FRENCH:
        for at, word in enumerate(sentence):
            if word in NOUNS or word in PLURALS:
                start = at
                while sentence[start - 1] in ADJECTIVE:
                    start -= 1
                after = [token for token in sentence[at + 1 : at + 2] if token in ADJECTIVE]
                around = [*sentence[start:at], *after]
                assert any(
                    sentence[start - 1] in PRECEDES[form] and AGREES[form].issuperset(around) for form in forms(word)
                ), f"{word}: {' '.join(sentence)}"
                seen += 1
    assert seen > 15_000


def test_verbs_agree_with_a_pronoun_subject() -> None:
    person = {"je": "je", "j'": "je", "il": "il", "elle": "il", "nous": "nous"}
    seen = 0
    for sentence in FRENCH:
        for at, word in enumerate(sentence):
            if word in person:
                verb = next(token for token in sentence[at + 1 :] if token not in {"ne", "n'"})
                assert verb in CONJUGATED[person[word]], " ".join(sentence)
                seen += 1
    assert seen > 4_000


def test_verb_and_predicate_agree_with_a_noun_subject_and_with_two() -> None:
    noun = r"(?:\S+ )(?:(?:%s) )?(\w+)(?: (?:%s))?" % (("|".join(sorted(ADJECTIVE)),) * 2)
    plain = re.compile(rf"(?:est-ce qu[e'] )?{noun}(?: et {noun})? (?:n[e'] )?(\w+)(?: pas)?(?: très)?(?: (\w+))? ")
    single = both = 0
    for sentence in FRENCH:
        match = plain.match(" ".join(sentence))
        if not match or (match[1] not in NOUNS and match[1] not in PLURALS):
            continue
        first, second, verb, predicate = match.groups()
        if verb in {"qui", "que", "qu", "dont", "de", "du"}:
            continue
        possible = forms(first)
        if second:
            possible = ["fp" if forms(first)[0][0] == forms(second)[0][0] == "f" else "mp"]
        single += predicate in ADJECTIVE and not second
        both += predicate in ADJECTIVE and bool(second)
        possible = [form for form in possible if verb in CONJUGATED["ils" if form[1] == "p" else "il"]]
        assert possible, " ".join(sentence)
        if predicate in ADJECTIVE and verb in {"est", "sont"}:
            assert any(predicate in AGREES[form] for form in possible), " ".join(sentence)
    assert single > 500
    assert both > 50


def test_negation_stands_around_the_verb() -> None:
    verbs = set().union(*CONJUGATED.values())
    for sentence in FRENCH:
        for at, word in enumerate(sentence):
            if word in {"ne", "n'"}:
                assert sentence[at + 1] in verbs
                assert sentence[at + 2] == "pas"
        assert sum(word in {"ne", "n'"} for word in sentence) == sentence.count("pas")


def test_fewer_pairs_are_the_first_ones_and_leave_the_vocabulary_as_it_is() -> None:
    small = Translation(pairs=500, validation_pairs=20, test_pairs=30)
    assert small.training() == TASK.training()[:500]
    assert small.held_out("validation") == TASK.held_out("validation")[:20]
    assert small.held_out("test") == TASK.held_out("test")[:30]
    assert (small.source_tokens(), small.target_tokens()) == (TASK.source_tokens(), TASK.target_tokens())


@pytest.mark.parametrize(("field", "most"), [("pairs", 8000), ("validation_pairs", 500), ("test_pairs", 1000)])
def test_more_pairs_than_there_are_and_none_at_all_are_refused(field: str, most: int) -> None:
    for number in (0, most + 1):
        with pytest.raises(ValidationError, match=field):
            Translation(**{field: number})


def test_the_corpus_is_found_inside_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert translation.FOLDERS[1].relative_to(Path(translation.__file__).parents[1]) == Path("data/translation")
    monkeypatch.setattr(translation, "FOLDERS", (tmp_path, FOLDER))
    assert TASK.training() == EXAMPLES[:8000]
    monkeypatch.setattr(translation, "FOLDERS", (tmp_path, tmp_path))
    with pytest.raises(UsageError, match=r"run python data/translation/make\.py"):
        TASK.training()


def test_every_example_of_the_readme_is_in_the_corpus_and_its_counts_are_right() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in readme.split("\n") if line[:1] == "|"]
    examples = {(" ".join(example.source), " ".join(example.target)) for example in EXAMPLES}
    shown = [(row[1].strip("`"), row[2].strip("`")) for row in rows if row[1].endswith(("`",))]
    assert len(shown) >= 15
    assert [pair for pair in shown if pair not in examples] == []
    for tokens, language in ((TASK.source_tokens(), "English"), (TASK.target_tokens(), "French")):
        assert f"{len(tokens)} {language}" in readme
