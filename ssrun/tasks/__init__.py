"""The tasks, by name. To add one, write its file and add it here."""

from ssrun.system.plugins import of_kind
from ssrun.tasks.any_order import AnyOrder
from ssrun.tasks.captions import Captions
from ssrun.tasks.corpus import Corpus
from ssrun.tasks.frames import Frames
from ssrun.tasks.optimal_completion import END
from ssrun.tasks.parsing import Parsing
from ssrun.tasks.star_path import StarPath
from ssrun.tasks.symbols import Copy, Reverse
from ssrun.tasks.task import HELD_OUT, Continuation, Example, Split, Task, Tokens
from ssrun.tasks.translation import Translation

TASKS: dict[str, type[Task]] = {
    kind.model_fields["name"].default: kind
    for kind in (Copy, Reverse, Translation, Corpus, Frames, Captions, Parsing, AnyOrder, StarPath)
}
TASKS |= of_kind("ssrun.tasks", Task, TASKS)

__all__ = ["END", "HELD_OUT", "TASKS", "Continuation", "Example", "Split", "Task", "Tokens"]
