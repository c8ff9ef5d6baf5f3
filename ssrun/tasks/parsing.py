"""Parsing: write the tree of a sentence as a sequence of brackets and words.

A stand-in for parsing WSJ in Bengio et al. 2015 (arXiv 1506.03099), section 4.2 and Table 2, after Vinyals et al. 2015,
"Grammar as a Foreign Language" (arXiv 1412.7449), whose typed brackets `(NP` and `)NP` are used here. Theirs has `XX`
for the words; here the words stay, so that an output can be checked against its sentence.

- The tree is a function of the sentence: there is no second right answer for sampling to confuse. What a
  prefix carries is the stack of open brackets, which teacher forcing always gets right and decoding has
  to keep by itself: one bracket forgotten and the rest is no tree.
- Sampling shows the model its own slips, which should raise `validity` and `bracket_f1` a little (Table 2: 86.5 to
  88.1) as long as true tokens still show what a tree is; with always sampling the paper got no valid trees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Literal

from pydantic import Field

from ssrun.tasks.task import Drawn, Example, Split, Tokens

Bracket = tuple[str, int, int]

DETERMINERS = ("the", "a")
BEINGS = ("boy", "girl", "king", "chef", "dog", "cat")
CLOTHES = ("hat", "coat", "scarf", "belt")
TOOLS = ("mirror", "camera", "stick", "rope")
VERBS = ("saw", "found", "moved", "caught")
LINKS = ("with", "that", "and")
LABELS = ("S", "NP", "VP", "PP", "SBAR")
SLOTS = ("subject", "object", "tool", "second verb")


class Parsing(Drawn):
    """The source is a sentence of a small grammar that looks ambiguous and is not; the target is its tree.

    What the words are settles where they belong. "with" and a piece of clothing belongs to the noun
    before it, "with" and a tool to the main verb; "and" joins like to like, clothes to clothes (within
    the "with"), beings to beings (around it), a verb to the main verb.
    """

    metrics = ("validity", "bracket_f1")

    name: Literal["parsing"] = "parsing"
    modifiers: int = Field(
        2, ge=0, le=4, description=f"the most of {', '.join(SLOTS)} that a sentence has or elaborates"
    )

    def draw(self, random: Random, split: Split = "training") -> Example:
        elaborated = random.sample(SLOTS, random.randint(0, self.modifiers))
        verb = [random.choice(VERBS), *being(random, "object" in elaborated)]
        if "tool" in elaborated:
            verb += ["(PP", "with", *noun(random, TOOLS), ")PP"]
        verb = ["(VP", *verb, ")VP"]
        if "second verb" in elaborated:
            verb = ["(VP", *verb, "and", "(VP", random.choice(VERBS), *noun(random, BEINGS), ")VP", ")VP"]
        target = ("(S", *being(random, "subject" in elaborated), *verb, ")S")
        return Example(leaves(target), target)

    def source_tokens(self) -> list[str]:
        return [*DETERMINERS, *BEINGS, *CLOTHES, *TOOLS, *VERBS, *LINKS]

    def target_tokens(self) -> list[str]:
        return [mark + label for label in LABELS for mark in "()"] + self.source_tokens()

    def judge(self, examples: Sequence[Example], outputs: Sequence[Tokens]) -> dict[str, float]:
        """`validity`, the share of outputs that are a tree over the sentence, and `bracket_f1`.

        F1 = 2 * matched / (right + given): brackets (label, first word, end) of all trees together, as
        EVALB counts them. As there, labels must be equal, equal brackets of a chain count as often as
        both trees have them, and word tags are no brackets (these trees have none, nor the TOP that EVALB
        leaves out, so the root S counts). Unlike EVALB, which skips a sentence whose words do not match,
        an output that is no tree over its sentence counts as one without brackets. EVALB's rules for
        punctuation, for equivalent labels and for sentences over 40 words have nothing to apply to.
        """
        valid = matched = right = given = 0
        for example, output in zip(examples, outputs, strict=True):
            gold = brackets(example.target, example.source) or Counter()
            found = brackets(output, example.source)
            right += gold.total()
            if found is not None:
                valid += 1
                given += found.total()
                matched += (gold & found).total()
        return {"validity": 100 * valid / len(examples), "bracket_f1": 100 * 2 * matched / (right + given)}


def noun(random: Random, nouns: Sequence[str]) -> list[str]:
    """A noun phrase without more."""
    return ["(NP", random.choice(DETERMINERS), random.choice(nouns), ")NP"]


def dressed(random: Random) -> list[str]:
    """A being with a piece of clothing, or with two."""
    clothes = noun(random, CLOTHES)
    if random.random() < 0.5:
        clothes = ["(NP", *clothes, "and", *noun(random, CLOTHES), ")NP"]
    return ["(NP", *noun(random, BEINGS), "(PP", "with", *clothes, ")PP", ")NP"]


def being(random: Random, elaborate: bool) -> list[str]:
    """A being, elaborated by clothes, by another being or by what it does."""
    if not elaborate:
        return noun(random, BEINGS)
    kind = random.choice(("clothes", "another", "deed"))
    if kind == "clothes":
        return dressed(random)
    other = dressed(random) if random.random() < 0.5 else noun(random, BEINGS)
    if kind == "another":
        return ["(NP", *other, "and", *noun(random, BEINGS), ")NP"]
    deed = ["(SBAR", "that", "(VP", random.choice(VERBS), *other, ")VP", ")SBAR"]
    return ["(NP", *noun(random, BEINGS), *deed, ")NP"]


def leaves(tree: Tokens) -> Tokens:
    """The words of a tree."""
    return tuple(token for token in tree if token[0] not in "()")


def brackets(tree: Tokens, sentence: Tokens) -> Counter[Bracket] | None:
    """The brackets of a tree over the sentence, or None where it is no such tree.

    A tree has one root, closes each bracket by its own label, leaves none empty, and has the sentence's words
    as its leaves, in order.
    """
    found: Counter[Bracket] = Counter()
    unclosed: list[tuple[str, int]] = []
    position = 0
    for token in tree:
        if found and not unclosed:
            return None
        if token[0] == "(":
            unclosed.append((token[1:], position))
        elif token[0] == ")":
            if not unclosed or unclosed[-1][0] != token[1:] or unclosed[-1][1] == position:
                return None
            found[(*unclosed.pop(), position)] += 1
        elif unclosed and position < len(sentence) and token == sentence[position]:
            position += 1
        else:
            return None
    return found if found and not unclosed and position == len(sentence) else None
