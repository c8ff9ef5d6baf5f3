"""Write the English-French corpus: one derivation of a synchronous grammar gives both sides.

    python data/translation/make.py            write the six files beside this script
    python data/translation/make.py --check    exit 1 if they are not what this script writes

First the lexicon, then the sound rules of each language, then the grammar, from the noun phrase up to the
sentence. Tags hold the meaning in check: a verb names the tags its subject and its object may have.
Every rule draws from the generator it is given, and from nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import NamedTuple

SIZES = {"train": 8000, "valid": 500, "test": 1000}
SHORTEST, LONGEST = 4, 18  # tokens, on either side
Pair = tuple[str, str]  # English, French
Tags = frozenset[str]


def rows(text: str) -> list[list[str]]:
    """The lines of a table and their cells, which `|` divides."""
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


class Noun(NamedTuple):
    """A noun: singular and plural in English and in French, French gender, tags."""

    english: list[str]
    french: list[str]
    gender: str
    tags: Tags


# Some tags bar a phrase that would mean something else: a small friend (petit ami) is a boyfriend, an old
# girl (vieille fille) a spinster, my woman (ma femme) a wife. So `little` may be small, `grown` old, and
# `owned` mine.
NOUNS = [
    Noun(english.split(), french.split(), gender, frozenset(tags.split()))
    for english, french, gender, tags in rows("""
    boy boys           | garçon garçons         | m | person little
    girl girls         | fille filles           | f | person little
    man men            | homme hommes           | m | person grown
    woman women        | femme femmes           | f | person grown
    actress actresses  | actrice actrices       | f | person grown
    child children     | enfant enfants         | m | person little owned
    friend friends     | ami amis               | m | person grown owned
    teacher teachers   | professeur professeurs | m | person grown owned
    dog dogs           | chien chiens           | m | animal grown owned
    bird birds         | oiseau oiseaux         | m | animal grown owned bird
    mouse mice         | souris souris          | f | animal grown owned
    owl owls           | hibou hiboux           | m | animal grown
    book books         | livre livres           | m | thing text owned
    letter letters     | lettre lettres         | f | text owned
    car cars           | voiture voitures       | f | thing owned
    picture pictures   | image images           | f | thing owned
    apple apples       | pomme pommes           | f | food owned
    orange oranges     | orange oranges         | f | food owned
    cake cakes         | gâteau gâteaux         | m | food owned
    house houses       | maison maisons         | f | place owned
    school schools     | école écoles           | f | place owned
    garden gardens     | jardin jardins         | m | place owned
    hotel hotels       | hôtel hôtels           | m | place owned
    """)
]


class Adjective(NamedTuple):
    """An adjective: French m, f, mp, fp forms and one for m before a vowel; its side of the noun."""

    english: str
    french: dict[str, str]
    before: bool
    topic: str  # what it is about: nothing is said twice of a thing
    tags: Tags


# In the order in which English puts them before a noun.
ADJECTIVES = [
    Adjective(
        english,
        dict(zip(("m", "f", "mp", "fp", "mv"), french.split() + french.split()[:1], strict=False)),
        side == "before",
        topic,
        frozenset(tags.split()),
    )
    for english, french, side, topic, tags in rows("""
    other | autre autre autres autres                  | before | -      | person animal thing text food place
    good  | bon bonne bons bonnes                      | before | worth  | text food place
    happy | heureux heureuse heureux heureuses         | after  | mood   | person animal
    sad   | triste triste tristes tristes              | after  | mood   | person animal
    small | petit petite petits petites                | before | size   | little animal thing text food place
    young | jeune jeune jeunes jeunes                  | before | age    | grown
    old   | vieux vieille vieux vieilles vieil         | before | age    | grown thing text place
    new   | nouveau nouvelle nouveaux nouvelles nouvel | before | age    | thing text place
    red   | rouge rouge rouges rouges                  | after  | colour | thing food
    black | noir noire noirs noires                    | after  | colour | animal thing
    """)
]


class Determiner(NamedTuple):
    """A determiner: English singular and plural, French m, f and plural; "-" is a gap."""

    english: list[str]
    french: dict[str, str]
    kind: str
    weight: int


DETERMINERS = [
    Determiner(english.split(), {"m": m, "f": f, "mp": p, "fp": p}, kind, int(weight))
    for english, m, f, p, kind, weight in rows("""
    the the    | le  | la    | les         | definite   | 12
    a some     | un  | une   | des         | indefinite | 7
    this these | ce  | cette | ces         | definite   | 3
    my my      | mon | ma    | mes         | possessive | 3
    his his    | son | sa    | ses         | possessive | 2
    her her    | son | sa    | ses         | possessive | 2
    - two      | -   | -     | deux        | indefinite | 2
    - three    | -   | -     | trois       | indefinite | 2
    - many     | -   | -     | beaucoup de | indefinite | 2
    """)
]


class Frame(NamedTuple):
    """A way to complete a verb: English and French preposition, if any, and what follows."""

    english: str
    french: str
    tags: Tags  # of the object; none: no object
    relative: str  # the French pronoun for that object; none: no relative clause lacks it


FRAMES = {
    name: Frame(english, french, frozenset(tags.split()), relative)
    for name, english, french, tags, relative in rows("""
    alone    |       |         |                                     |
    anything |       |         | person animal thing text food place | que
    food     |       |         | food                                | que
    text     |       |         | text                                | que
    goods    |       |         | thing food                          | que
    for      | for   |         | person animal thing text food       | que
    about    | about | de      | person animal thing text place      | dont
    to-whom  | to    | à       | person                              |
    with     | with  | avec    | person                              |
    in       | in    | dans    | place                               |
    near     | near  | près de | place animal thing                  |
    to       | to    | à       | place                               |
    from     | from  | de      | place                               |
    """)
}


class Verb(NamedTuple):
    """A verb: base and -s form, its je, il, nous, ils forms, who can do it, and its frames."""

    english: list[str]
    french: list[str]
    tags: Tags
    frames: list[Frame]
    definite: bool  # takes a definite object and no adverb: i like the cake


VERBS = [
    Verb(
        english.split(),
        french.split(),
        frozenset(tags.split()),
        [FRAMES[name] for name in frames.split()],
        kind == "definite",
    )
    for english, french, tags, frames, kind in rows("""
    see sees     | vois voit voyons voient              | person animal | anything      |
    eat eats     | mange mange mangeons mangent         | person animal | food          |
    read reads   | lis lit lisons lisent                | person        | text          |
    buy buys     | achète achète achetons achètent      | person        | goods         |
    look looks   | cherche cherche cherchons cherchent  | person animal | for           |
    talk talks   | parle parle parlons parlent          | person        | about to-whom |
    sleep sleeps | dors dort dormons dorment            | person animal | alone in near |
    sing sings   | chante chante chantons chantent      | person bird   | alone in with |
    like likes   | aime aime aimons aiment              | person        | anything      | definite
    live lives   | habite habite habitons habitent      | person animal | in near       | definite
    go goes      | vais va allons vont                  | person        | to            | definite
    come comes   | viens vient venons viennent          | person animal | from          | definite
    """)
]
THINK = ("think", "thinks"), ("pense", "pense", "pensons", "pensent")
BE = ("am", "is", "are", "are"), ("suis", "est", "sommes", "sont")
ADVERBS = [("often", "souvent"), ("always", "toujours")]
CONJUNCTIONS = [("because", "parce que"), ("when", "quand")]
ANIMATE, ANYTHING = frozenset({"person", "animal"}), FRAMES["anything"].tags

CONTENT = {form: word.english[0] for word in (*NOUNS, *VERBS) for form in word.english}
CONTENT |= {word.english: word.english for word in ADJECTIVES} | {"another": "other"}

ASPIRATED = {"hibou", "hiboux"}
BEFORE_VOWEL = {"le": "l'", "la": "l'", "de": "d'", "ne": "n'", "que": "qu'", "je": "j'"}
BEFORE_VOWEL |= {"ma": "mon", "sa": "son", "ce": "cet"}
CONTRACTED = {("de", "le"): "du", ("de", "les"): "des", ("à", "le"): "au", ("à", "les"): "aux"}


def words(*parts: str) -> str:
    """The parts that are not empty, a space between them."""
    return " ".join(filter(None, parts))


def opens_with_vowel(word: str) -> bool:
    """Whether a French word elides what stands before it: it opens with a vowel, or with a mute h."""
    return word[0] in "aeiouhâéêô" and word not in ASPIRATED


def french_sounds(text: str) -> str:
    """Drops des after de (de des chiens, de chiens), elides before a vowel, contracts (de le chien, du chien)."""
    tokens = text.replace(" de des ", " de ").replace(" de de ", " de ").split()
    for at, following in enumerate(tokens[1:]):
        if opens_with_vowel(following):
            tokens[at] = BEFORE_VOWEL.get(tokens[at], tokens[at])
    for at in reversed(range(len(tokens) - 1)):
        if (pair := (tokens[at], tokens[at + 1])) in CONTRACTED:
            tokens[at : at + 2] = [CONTRACTED[pair]]
    return " ".join(tokens)


def english_sounds(text: str) -> str:
    """`a` becomes `an` before a vowel, and `a other` becomes `another`."""
    tokens = f" {text}".replace(" a other ", " another ").split()
    for at, following in enumerate(tokens[1:]):
        if tokens[at] == "a" and following[0] in "aeiou":
            tokens[at] = "an"
    return " ".join(tokens)


@dataclass(frozen=True)
class Phrase:
    """A noun phrase or pronoun in both languages, with what agreement and meaning must know of it."""

    english: str
    french: str
    first: bool = False  # first person
    plural: bool = False
    gender: str = "m"
    tags: Tags = frozenset({"person", "grown"})
    topics: Tags = frozenset()  # already said of it; "*": say no more
    indefinite: bool = False


# What English leaves open, a fixed rule settles: i and we are masculine. There is no you and no they.
PRONOUNS = [
    Phrase("i", "je", first=True),
    Phrase("he", "il"),
    Phrase("she", "elle", gender="f"),
    Phrase("we", "nous", first=True, plural=True),
]


def described(determiner: Pair, noun: Noun, plural: bool, adjectives: list[Adjective]) -> Phrase:
    """Determiner, adjectives and noun: each adjective agrees, on its French side of the noun."""
    english, french = noun.english[plural], noun.french[plural]
    form = noun.gender + "p" * plural
    near = "mv" if form == "m" and opens_with_vowel(french) else form
    before = [each.french[near] for each in adjectives if each.before]
    after = [each.french[form] for each in adjectives if not each.before]
    return Phrase(
        words(determiner[0], *(each.english for each in adjectives), english),
        words("de" if before and determiner[1] == "des" else determiner[1], *before, french, *after),
        plural=plural,
        gender=noun.gender,
        tags=noun.tags,
        topics=frozenset(each.topic for each in adjectives),
    )


def some_adjectives(random: Random, noun: Noun) -> list[Adjective]:
    """None, one, or one for each French side of the noun."""
    sides = ([a for a in ADJECTIVES if a.before == before and a.tags & noun.tags] for before in (True, False))
    chosen = [random.choice(side) for side in sides if side and random.random() < 0.3]
    return sorted(chosen, key=ADJECTIVES.index)


def some_determiner(random: Random, noun: Noun, plural: bool, definite: bool) -> Determiner:
    """A determiner that goes with the noun; no indefinite one if `definite`."""
    kinds = {"definite"} | ({"possessive"} if "owned" in noun.tags else set())
    kinds |= set() if definite else {"indefinite"}
    fits = [each for each in DETERMINERS if each.kind in kinds and each.english[plural] != "-"]
    return random.choices(fits, [each.weight for each in fits])[0]


def noun_phrase(random: Random, tags: Tags, *, definite: bool = False, denied: bool = False, depth: int = 1) -> Phrase:
    """A noun phrase.

    Args:
        random: Where the draws come from.
        tags: The noun has one of them.
        definite: No indefinite determiner.
        denied: It is the direct object of a negated verb: `un livre` becomes `pas de livre`.
        depth: 0 for a phrase without possessor and without relative clause.
    """
    noun = random.choice([each for each in NOUNS if each.tags & tags])
    plural = random.random() < 0.35
    if depth and "owned" in noun.tags and random.random() < 0.12:
        return possessed(random, noun, plural)
    determiner = some_determiner(random, noun, plural, definite)
    english, french = determiner.english[plural].strip("-"), determiner.french[noun.gender + "p" * plural]
    indefinite = determiner.kind == "indefinite"
    if denied and french in {"un", "une", "des"}:
        english, french = english.replace("some", "any"), "de"
    relative = depth and determiner.kind != "possessive" and not (denied and indefinite)
    if relative and random.random() < 0.25:
        return with_relative(random, replace(described((english, french), noun, plural, []), indefinite=indefinite))
    adjectives = some_adjectives(random, noun)
    return replace(described((english, french), noun, plural, adjectives), indefinite=indefinite)


def possessed(random: Random, noun: Noun, plural: bool) -> Phrase:
    """The owner goes before the noun in English, after it in French: le chien de la fille."""
    person = random.choice([each for each in NOUNS if "person" in each.tags])
    determiner = some_determiner(random, person, False, True)
    owner = described((determiner.english[0], determiner.french[person.gender]), person, False, [])
    article = DETERMINERS[0].french[noun.gender + "p" * plural]
    phrase = described((owner.english + " 's", article), noun, plural, some_adjectives(random, noun))
    return replace(phrase, french=words(phrase.french, "de", owner.french))


def with_relative(random: Random, phrase: Phrase) -> Phrase:
    """The phrase and a relative clause, of which it is the subject (qui) or an object (que, dont)."""
    if phrase.tags & ANIMATE and random.random() < 0.5:
        who = replace(phrase, english="who" if "person" in phrase.tags else "that", french="qui")
        clause, topics = statement(random, who, depth=0), frozenset({"*"})
    else:
        gaps = [(v, f) for v in VERBS for f in v.frames if f.relative and f.tags & phrase.tags]
        verb, frame = random.choice(gaps)
        subject = some_subject(random, verb.tags, definite=True, depth=0)
        english, french = finite(subject, verb.english, verb.french, denied=random.random() < 0.15)
        clause = words("that", english, frame.english), words(frame.relative, french)
        topics = phrase.topics
    english, french = words(phrase.english, clause[0]), words(phrase.french, clause[1])
    return replace(phrase, english=english, french=french, topics=topics)


def some_subject(random: Random, tags: Tags, *, definite: bool = False, depth: int = 1) -> Phrase:
    """A pronoun, two persons joined by `and`, or a noun phrase."""
    chance = random.random()
    if chance < 0.3:
        return random.choice(PRONOUNS)
    if depth and chance < 0.4:
        one, two = (noun_phrase(random, frozenset({"person"}), definite=True, depth=0) for _ in range(2))
        gender = "f" if one.gender == two.gender == "f" else "m"
        english, french = words(one.english, "and", two.english), words(one.french, "et", two.french)
        return Phrase(english, french, False, True, gender, one.tags & two.tags, one.topics | two.topics)
    return noun_phrase(random, tags, definite=definite, depth=depth)


def finite(
    subject: Phrase,
    english: Sequence[str],
    french: Sequence[str],
    *,
    denied: bool = False,
    asked: bool = False,
    adverb: Pair = ("", ""),
) -> Pair:
    """Subject and verb with negation, question and adverb in their places; all verbs but `be` need `do`."""
    third = not (subject.first or subject.plural)
    form = 2 * subject.plural + (not subject.first)  # among je, il, nous, ils
    auxiliary, verb = ("does" if third else "do"), english[0]
    if english is BE[0]:
        auxiliary, verb = english[form], ""
    elif not denied and not asked:
        auxiliary, verb = "", english[third]
    opening = words(auxiliary, subject.english) if asked else words(subject.english, auxiliary)
    ne, pas = ("ne", "pas") if denied else ("", "")
    return (
        words(opening, "not" * denied, adverb[0], verb),
        words("est-ce que" * asked, subject.french, ne, french[form], pas, adverb[1]),
    )


def statement(random: Random, subject: Phrase, *, asked: bool = False, depth: int = 1, mood: bool = False) -> Pair:
    """A clause about the subject: a verb and its object, or `is` and an adjective, of mood only if `mood`."""
    denied = not subject.indefinite and random.random() < 0.25
    taken = subject.topics | {"-"}
    adjectives = [a for a in ADJECTIVES if a.tags & subject.tags and a.topic not in taken and "*" not in taken]
    if mood:
        adjectives = [each for each in adjectives if each.topic == "mood"]
    verbs = [each for each in VERBS if each.tags & subject.tags]
    if adjectives and (not verbs or random.random() < 0.2):
        adjective, very = random.choice(adjectives), random.random() < 0.3
        english, french = finite(subject, *BE, denied=denied, asked=asked)
        agreeing = adjective.french[subject.gender + "p" * subject.plural]
        return words(english, "very" * very, adjective.english), words(french, "très" * very, agreeing)
    verb = random.choice(verbs)
    frame = random.choice(verb.frames)
    direct, complement = not frame.french, Phrase("", "")
    if frame.tags:
        definite = verb.definite or (denied and not direct)
        complement = noun_phrase(random, frame.tags, definite=definite, denied=denied and direct, depth=depth)
    plain = verb.definite or (denied and complement.indefinite) or random.random() < 0.8
    adverb = ("", "") if plain else random.choice(ADVERBS)
    english, french = finite(subject, verb.english, verb.french, denied=denied, asked=asked, adverb=adverb)
    return words(english, frame.english, complement.english), words(french, frame.french, complement.french)


def sentence(random: Random) -> Pair:
    """A statement or a question: plain, or two clauses with `thinks that`, `because` or `when`."""
    asked, chance = random.random() < 0.25, random.random()
    joint = inner = ("", "")
    if chance < 0.15:
        outer = finite(some_subject(random, frozenset({"person"}), definite=True, depth=0), *THINK, asked=asked)
        joint, inner = ("that", "que"), statement(random, some_subject(random, ANYTHING), depth=0)
    elif chance < 0.4:
        outer = statement(random, some_subject(random, ANIMATE), asked=asked, depth=0, mood=True)
        joint = random.choice(CONJUNCTIONS)
        inner = statement(random, some_subject(random, ANIMATE, depth=0), depth=0, mood=True)
    else:
        outer = statement(random, some_subject(random, ANYTHING), asked=asked)
    english, french = (words(outer[side], joint[side], inner[side], ".?"[asked]) for side in (0, 1))
    return english_sounds(english), french_sounds(french)


def well_formed(english: str, french: str) -> bool:
    """Both lengths lie in the range, and no noun, verb or adjective comes twice."""
    tokens = english.split()
    content = [CONTENT[token] for token in tokens if token in CONTENT]
    lengths = sorted((len(tokens), len(french.split())))
    return lengths[0] >= SHORTEST and lengths[1] <= LONGEST and len(content) == len(set(content))


def corpus(seed: int = 1) -> dict[str, str]:
    """The text of the six files, by name.

    Raises:
        ValueError: A source has two translations.
    """
    random, pairs = Random(seed), dict[str, str]()
    while len(pairs) < sum(SIZES.values()):
        english, french = sentence(random)
        if well_formed(english, french) and pairs.setdefault(english, french) != french:
            raise ValueError(f"two translations of {english!r}: {pairs[english]!r} and {french!r}")
    drawn, files = list(pairs.items()), {}
    random.shuffle(drawn)  # or the short sentences, which are drawn first, would all be in training
    for split, size in SIZES.items():
        for side, language in enumerate(("en", "fr")):
            files[f"{split}.{language}"] = "".join(pair[side] + "\n" for pair in drawn[:size])
        del drawn[:size]
    return files


def main(arguments: list[str]) -> int:
    """Writes the files, or with `--check` compares them; the exit status."""
    if arguments not in ([], ["--check"]):
        print("usage: python data/translation/make.py [--check]", file=sys.stderr)
        return 2
    paths = {Path(__file__).parent / name: text.encode() for name, text in corpus().items()}
    if not arguments:
        for path, data in paths.items():
            path.write_bytes(data)
        return 0
    stale = [path.name for path, data in paths.items() if not path.exists() or path.read_bytes() != data]
    if stale:
        print(
            f"not what make.py writes: {', '.join(stale)}; run python data/translation/make.py",
            file=sys.stderr,
        )
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
