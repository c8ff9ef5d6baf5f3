"""The tasks, by name. To add one, write its file and add it here; or see CONTRIBUTING for a package of one's own."""

from ssrun.metrics import METRICS_OF_TASKS
from ssrun.system.plugins import Registry, below, unlike_its_name
from ssrun.tasks.any_order import AnyOrder
from ssrun.tasks.autoencoder import Autoencoder
from ssrun.tasks.captions import Captions
from ssrun.tasks.corpus import Corpus
from ssrun.tasks.frames import Frames
from ssrun.tasks.language_model import LanguageModel
from ssrun.tasks.optimal_completion import END
from ssrun.tasks.output_metrics import OUTPUT_METRICS, OutputMetric
from ssrun.tasks.parsing import Parsing
from ssrun.tasks.series import Series
from ssrun.tasks.star_path import StarPath
from ssrun.tasks.symbols import Copy, Reverse
from ssrun.tasks.task import HELD_OUT, Continuation, Example, KeptTask, Split, Task, Tokens
from ssrun.tasks.translation import Translation

BUILT_IN = (
    Copy,
    Reverse,
    Translation,
    Corpus,
    Frames,
    Captions,
    Parsing,
    AnyOrder,
    StarPath,
    LanguageModel,
    Autoencoder,
    Series,
)


def unfit(name: str, task: type[Task]) -> str:
    """What is wrong with a plugin's task under this name."""
    unknown = [metric for metric in (*task.metrics, *task.text_metrics) if metric not in METRICS_OF_TASKS]
    told = f"its metric {unknown[0]!r} is none of {', '.join(METRICS_OF_TASKS)}: add an OutputMetric" if unknown else ""
    return unlike_its_name(name, task) or told


TASKS: Registry[type[Task]] = Registry(
    "task", {kind.model_fields["name"].default: kind for kind in BUILT_IN}, below(Task), unfit
)

__all__ = [
    "END",
    "HELD_OUT",
    "OUTPUT_METRICS",
    "TASKS",
    "Continuation",
    "Example",
    "KeptTask",
    "OutputMetric",
    "Split",
    "Task",
    "Tokens",
]
