"""The tasks, by name. To add one, write its file and add it here."""

from ssrun.tasks.any_order import AnyOrder
from ssrun.tasks.captions import Captions
from ssrun.tasks.corpus import Corpus
from ssrun.tasks.frames import Frames
from ssrun.tasks.parsing import Parsing
from ssrun.tasks.star_path import StarPath
from ssrun.tasks.symbols import Copy, Reverse
from ssrun.tasks.task import HELD_OUT, Example, Split, Task, Tokens
from ssrun.tasks.translation import Translation

TASKS: dict[str, type[Task]] = {
    "copy": Copy,
    "reverse": Reverse,
    "translation": Translation,
    "corpus": Corpus,
    "frames": Frames,
    "captions": Captions,
    "parsing": Parsing,
    "any-order": AnyOrder,
    "path": StarPath,
}

__all__ = ["HELD_OUT", "TASKS", "Example", "Split", "Task", "Tokens"]
