"""Plugins: known by metadata, loaded where they are named, told in one line where they do not fit; stored as data."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from ssrun import metrics
from ssrun.analysis.document import Comparison, Row, RunValues, read_comparison
from ssrun.config.loading import load_plan
from ssrun.config.resolution import resolve
from ssrun.config.run import RunConfig, ScoringConfig, deciding
from ssrun.config.spec import RunDocument, RunSpec
from ssrun.engines import ENGINES, Options, load_engine
from ssrun.engines.plugins import REGISTRIES, use
from ssrun.engines.worker import JOB, Job, job_of
from ssrun.errors import StoreError, UsageError
from ssrun.metrics import METRICS
from ssrun.runs.folder import RunFolder
from ssrun.runs.manifest import Manifest
from ssrun.runs.result import CompleteResult, Evaluation, OutputScores
from ssrun.strategies import SCHEDULES, STRATEGIES, KeptSchedule
from ssrun.system import plugins
from ssrun.system.documents import canonical, sealed
from ssrun.system.files import digest
from ssrun.system.plugins import GROUPS, Kind
from ssrun.tasks import OUTPUT_METRICS, TASKS, Example, KeptTask
from ssrun.tasks.output_metrics import computed
from tests.support.in_process import SMALL, ssrun
from tests.support.installed import EXAMPLE

ROOT = Path(__file__).parents[2]
MODULE = """
from typing import ClassVar, Literal
from ssrun.metrics import Metric
from ssrun.strategies import Entry, Strategy
from ssrun.strategies.schedules import Schedule
from ssrun.tasks import OutputMetric
from ssrun.tasks.symbols import Copy

print("loaded")

class Twins(Copy):
    'Copy under another name.'
    name: Literal["twins"] = "twins"

class OwnJudge(Copy):
    metrics: ClassVar[tuple[str, ...]] = ("swaps",)
    name: Literal["own-judge"] = "own-judge"

class NoName(Copy):
    name: str

class Half(Schedule):
    name: Literal["half"] = "half"
    start: float = 1.0
    def __call__(self, step, steps):
        return 0.5 * self.start

class Shapeless(Schedule):
    name: Literal["shapeless"] = "shapeless"

class Stranger(Schedule):
    name: Literal["stranger"] = "stranger"
    def __call__(self, step, steps):
        return 1.0

class Wild(Schedule):
    name: Literal["wild"] = "wild"
    def __call__(self, step, steps):
        return 1.5 if step else 1.0

MINE = Entry(Strategy(schedule=Half(), coin="sequence"), "half and half", "me")
STRANGE = Entry(Strategy(schedule=Stranger()), "of a schedule that nobody knows", "me")
ODD = OutputMetric(Metric("odd", "1", "higher", "odd"), lambda examples, outputs: float("nan"))
UGLY = OutputMetric(Metric("ugly", "1", "higher", "<b>"), lambda examples, outputs: 0.0)
"""
Install = Callable[..., None]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test adds to the registries is gone after it."""
    for registry in REGISTRIES:
        monkeypatch.setattr(registry, "loaded", {})
        monkeypatch.setattr(registry, "given", {})
    monkeypatch.setattr(plugins, "USED", [])
    path, known = list(sys.path), dict(METRICS)
    yield
    sys.path[:] = path
    METRICS.clear()
    METRICS.update(known)
    for name in ("mine", "broken", "leaving", "ssrun_example"):
        sys.modules.pop(name, None)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs entry points, `kind = {name: object}`, of a package `mine`; its modules can be imported."""
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "broken.py").write_text("1 / 0\n", encoding="utf-8")
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    found: dict[Kind, list[EntryPoint]] = {kind: [] for kind in GROUPS}

    def put(distribution: str = "mine", **kinds: dict[str, str]) -> None:
        for kind, points in kinds.items():
            for name, value in points.items():
                point = EntryPoint(name, value, GROUPS[kind])  # type: ignore[index]
                vars(point).update(dist=SimpleNamespace(name=distribution, version="1.0"))
                found[kind].append(point)  # type: ignore[index]

    monkeypatch.setattr(plugins, "points", lambda: found)
    return put


ALL: dict[str, dict[str, str]] = {
    "task": {"twins": "mine:Twins"},
    "schedule": {"half": "mine:Half"},
    "strategy": {"mine": "mine:MINE"},
}


def test_a_plugin_is_known_without_being_imported_and_loaded_when_it_is_named(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(**ALL)
    assert ("twins" in TASKS, "half" in SCHEDULES, "mine" in STRATEGIES, "nobody" in TASKS) == (True,) * 3 + (False,)
    assert [*TASKS][-1] == "twins"
    assert len(TASKS) == len(TASKS.built_in) + 1
    assert ssrun("list", "tasks", "--names").must(0).out.split()[-1] == "twins"
    assert ssrun("list", "plugins", "--names").must(0).out.split() == ["half", "twins", "mine"]
    assert resolve("copy", "linear").task.name == "copy"
    assert "mine" not in sys.modules
    assert resolve("twins", "mine").task.name == "twins"
    assert "mine" in sys.modules
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "loaded\n")  # stdout is for one JSON document


UNFIT: list[tuple[Kind, str, str, str]] = [
    ("task", "copy", "mine:Twins", "this name is taken by ssrun's own: give it another, or uninstall mine"),
    ("task", "two", "mine:Twins", "not a Task of this name: see CONTRIBUTING, or uninstall mine"),
    ("task", "half", "mine:Half", "not a Task of this name"),
    ("task", "mine", "mine:MINE", "not a Task of this name"),
    ("task", "nameless", "mine:NoName", "not a Task of this name"),
    (
        "task",
        "own-judge",
        "mine:OwnJudge",
        "its metric 'swaps' is none of validity, bracket_f1, chrf, ter, ",
    ),
    ("task", "gone", "nowhere:Gone", "cannot be loaded (ModuleNotFoundError: No module named 'nowhere'): mend it, or "),
    ("task", "absent", "mine:Absent", "cannot be loaded (AttributeError: module 'mine' has no attribute 'Absent')"),
    ("task", "broken", "broken:Broken", "cannot be loaded (ZeroDivisionError: division by zero)"),
    ("task", "leaving", "leaving:Leaving", "cannot be loaded (SystemExit: 3)"),
    ("task", "module", "mine", "not a Task of this name"),
    ("schedule", "shapeless", "mine:Shapeless", "not a whole Schedule: it has no __call__"),
    ("strategy", "twins", "mine:Twins", "not a Entry of this name"),
    ("strategy", "strange", "mine:STRANGE", "its schedule 'stranger' is not known: give that too"),
    ("metric", "mine", "mine:MINE", "not a OutputMetric of this name"),
    ("metric", "bleu", "mine:ODD", "this name is taken by ssrun's own"),
    ("metric", "steps", "mine:ODD", "this name is taken by ssrun's own"),
    ("metric", "So-so", "mine:ODD", "a metric is called in small letters"),
    ("metric", "ugly", "mine:UGLY", "its unit and heading are short and plain"),
    ("engine", "twins", "mine:Twins", "not a Engine of this name"),
]


@pytest.mark.parametrize(("kind", "name", "value", "words"), UNFIT)
def test_what_does_not_fit_is_told_when_it_is_named_with_entry_point_and_distribution(
    install: Install, kind: Kind, name: str, value: str, words: str
) -> None:
    install(**{kind: {name: value}})
    registry = next(registry for registry in REGISTRIES if registry.kind == kind)
    with pytest.raises(UsageError) as caught:
        registry[name]
    assert str(caught.value).startswith(f"entry point {name} = {value} of {GROUPS[kind]} (mine 1.0): ")
    assert words in str(caught.value)
    (row,) = [row for row in json.loads(ssrun("list", "plugins", "--json").must(0).out) if row["name"] == name]
    assert row["status"] == str(caught.value)


def test_a_plugin_that_does_not_fit_takes_nothing_else_along(install: Install) -> None:
    install(task={"broken": "broken:Broken", "twins": "mine:Twins", "copy": "mine:Twins"}, strategy={"x": "nowhere:X"})
    install(metric={"y": "nowhere:Y"}, schedule={"linear": "nowhere:Z"})
    rows = {row["name"]: row for row in json.loads(ssrun("list", "tasks", "--json").must(0).out)}
    assert "cannot be loaded (ZeroDivisionError" in rows["broken"]["about"]
    assert (rows["twins"]["plugin"], rows["copy"]["about"]) == ("mine 1.0", "The target is the source.")
    for what in ("tasks", "strategies", "metrics", "fields", "plugins"):
        assert ssrun("list", what).must(0).err == ""
    assert ssrun("train", "--task", "reverse", "--strategy", "inverse-sigmoid", "--show-config").must(0).err == ""
    told = ssrun("train", "--task", "copy", "--show-config").must(2)
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert "entry point copy = mine:Twins of ssrun.tasks (mine 1.0): this name is taken by ssrun's own" in told.err


def test_two_plugins_of_one_name_are_told_both(install: Install) -> None:
    install(task={"twins": "mine:Twins"})
    install("yours", task={"twins": "yours:Twins"})
    both = (
        "(mine 1.0): this name is taken by entry point twins = yours:Twins of ssrun.tasks (yours 1.0): uninstall mine"
    )
    assert both in ssrun("train", "--task", "twins").must(2).err


def test_an_unknown_name_is_told_with_the_nearest_also_a_plugins(install: Install) -> None:
    install(**ALL)
    assert "unknown task 'twin': did you mean 'twins'? known: copy, " in ssrun("train", "--task", "twin").must(2).err


BAD = [
    (["mine"], "--plugin 'mine': write it like module:object, such as twins:Twins"),
    (["mine:"], "write it like module:object"),
    (["../mine:Twins"], "write it like module:object"),
    (["mine:Twins()"], "write it like module:object"),
    (["nowhere:Twins"], "--plugin nowhere:Twins: cannot be loaded (ModuleNotFoundError"),
    (["mine:Absent"], "cannot be loaded (AttributeError"),
    (
        ["broken:Broken"],
        "cannot be loaded (ZeroDivisionError: division by zero): mend it, or leave out --plugin broken",
    ),
    (["mine:Schedule"], "neither a Task, Schedule, Entry, OutputMetric, Engine"),
    (["mine:Twins", "mine:Twins"], "--plugin mine:Twins is given twice: give it once"),
    (["copy=mine:Twins"], "this name is taken by ssrun's own: give it another, or leave out --plugin mine:Twins"),
    (["two=mine:Twins"], "not a Task of this name"),
    (["mine:MINE"], "its schedule 'half' is not known: give that too"),
    (["mine:NoName"], "not a Task"),
]


@pytest.mark.parametrize("command", [("list", "tasks"), ("schedule", "linear"), ("train",), ("compare",)])
@pytest.mark.parametrize(("given", "words"), BAD)
def test_a_file_of_ones_own_that_does_not_fit_is_told_in_one_line(
    install: Install, command: tuple[str, ...], given: list[str], words: str
) -> None:
    told = ssrun(*command, *(f"--plugin={spec}" for spec in given)).must(2)
    assert (told.out, words in told.err) == ("", True), told.err
    assert told.err.replace("loaded\n", "").count("\n") == 1


def test_a_file_of_ones_own_in_the_current_directory_hides_no_module_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MODULE, encoding="utf-8")
    use(["mine:Half", "mine:Twins", "mine:MINE"])
    assert sys.path[-1] == str(tmp_path)
    assert sys.path[0] != str(tmp_path)
    use(["mine:Half", "mine:Twins", "mine:MINE"])  # again, as a worker does with each job
    config = resolve("twins", "mine", 0, [{"strategy": {"start": 0.5}}])
    kept = [(plugin.kind, plugin.name, plugin.object, plugin.distribution) for plugin in config.plugins]
    assert kept == [
        ("task", "twins", "mine:Twins", ""),
        ("schedule", "half", "mine:Half", ""),
        ("strategy", "mine", "mine:MINE", ""),
    ]
    assert {len(plugin.digest) for plugin in config.plugins} == {64}
    assert "give --plugin mine:Twins" in config.plugins[0].lacking


def test_a_job_says_what_a_worker_uses_before_it_reads_the_runs(install: Install) -> None:
    use(["mine:Half", "mine:Twins"])
    run = RunSpec.of("twins", "x", resolve("twins", "teacher-forcing", 0, [{"strategy": {"schedule": "half"}}]))
    line = JOB.dump_json(Job((run,), Path("store"), None, plugins=("mine:Half", "mine:Twins"))).decode()
    for registry in REGISTRIES:
        registry.given.clear()
        registry.loaded.clear()
    plugins.USED.clear()
    assert job_of(line).chain == (run,)


def test_what_a_run_keeps_of_a_plugin_has_its_id_and_is_data(install: Install) -> None:
    install(**ALL)
    config = resolve("twins", "mine", 3, [{"task": {"symbols": 9}, "strategy": {"start": 0.5}}])
    document = RunDocument(run=config.weights_id, config=config)
    text = canonical(document.model_dump(mode="json", exclude={"config": {"scoring"}}))
    back = RunDocument.model_validate_json(text).config
    assert (type(back.task), type(back.strategy.schedule)) == (KeptTask, KeptSchedule)
    assert (back.id, back.weights_id) == (config.id, config.weights_id)
    assert back == config.kept
    assert RunConfig.model_validate(back.model_dump(mode="json")) == config
    assert "training_pairs" not in json.loads(text)["config"]["task"]  # a field that came later, and is not set
    set_later = resolve("twins", "mine", 3, [{"task": {"training_pairs": 50}}])
    assert set_later.kept.id == set_later.id != config.id
    for part, value in (("task", {"symbols": 8}), ("task", {"name": "triplets"}), ("task", {"new": 1})):
        forged = json.loads(text)
        forged["config"][part] |= value
        with pytest.raises(ValueError, match="does not match its id"):
            RunDocument.model_validate_json(canonical(forged))


def test_a_run_that_uses_no_plugin_is_kept_as_ever() -> None:
    config = resolve("reverse", "inverse-sigmoid")
    assert config.kept == config
    assert (config.plugins, config.base) == ([], "")
    assert "base" not in config.model_dump()
    assert ScoringConfig().model_dump() == {"beam": 1, "length_penalty": 1.0}
    assert RunSpec.of("reverse", "inverse-sigmoid", config).name.place == "reverse/inverse-sigmoid-0-a7d6bcc155"
    assert ScoringConfig().id[:10] == "b423bab386"


HOSTILE: list[dict[str, Any]] = [
    {"name": "../../etc"},
    {"name": "a\x1b]0;x\x07"},
    {"name": ""},
    {"name": "x" * 65},
    {"name": "twins", "a\nb": 1},
    {"name": "twins", "[/]": 1},
    {"name": "twins", "deep": {"<script>": 1}},
    {"name": "twins", "deep": [{"\x1b": 1}]},
]


@pytest.mark.parametrize("task", HOSTILE)
def test_a_stored_plugin_with_a_hostile_name_is_damage(install: Install, tmp_path: Path, task: dict[str, Any]) -> None:
    install(**ALL)
    for place in ("task", "schedule"):
        with pytest.raises(StoreError, match="damaged"):
            stored_with(place, task, RunFolder(tmp_path / "run")).weights_config()


def test_a_stored_plugin_is_read_whatever_plain_fields_it_has(tmp_path: Path) -> None:
    plain = {"name": "nobodys", "deep": {"deeper": [{"x": None}]}, "text": "[/]\x1b<script>"}
    config = stored_with("task", plain, RunFolder(tmp_path / "run")).weights_config()
    assert config.task.model_dump() == plain
    stored_with("schedule", plain, RunFolder(tmp_path / "run")).weights_config()


def stored_with(place: str, fields: dict[str, Any], folder: RunFolder) -> RunFolder:
    """A run whose task or schedule is this, with the id that such a run would have."""
    config = resolve("copy", "linear")
    decides, document = deciding(config), config.model_dump(mode="json", exclude={"scoring"})
    for part in (decides, document):
        (part if place == "task" else part["strategy"])[place] = fields
    folder.make()
    stored = {"store": 1, "run": digest(canonical(decides)), "config": document}
    (folder.path / "run.json").write_bytes(canonical(stored))
    return folder


def test_a_table_that_describes_a_metric_in_a_hostile_way_is_damage(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"unit": "%", "better": "higher", "short": "own %", "decimals": 1}
    document = json.loads((ROOT / "results" / "default" / "table.json").read_text())
    document.pop("digest")
    for name, description in (
        ("own", fields | {"short": "<script>"}),
        ("own", fields | {"short": "=cmd"}),
        ("own", fields | {"unit": "\x1b[2J"}),
        ("own", fields | {"decimals": 99}),
        ("own", fields | {"decimals": -1}),
        ("bleu", fields),
        ("status", fields),
        ("Own", fields),
    ):
        path = tmp_path / "table.json"
        path.write_bytes(sealed_fields({**document, "described": {name: description}}))
        with pytest.raises(StoreError, match="damaged"):
            read_comparison(path)
    path.write_bytes(sealed_fields({**document, "described": {"own": fields}}))
    assert read_comparison(path).described["own"].short == "own %"
    assert METRICS["own"].better == "higher"


def sealed_fields(fields: dict[str, Any]) -> bytes:
    return canonical({**fields, "digest": digest(canonical(fields))})


def test_a_name_that_stands_beside_metrics_in_a_document_is_no_metrics() -> None:
    beside = {name for kind in (CompleteResult, OutputScores, Evaluation, Row, RunValues) for name in kind.model_fields}
    assert beside - metrics.BUILT_IN <= metrics.TAKEN
    assert not metrics.TAKEN & metrics.BUILT_IN


def example(*names: str) -> list[str]:
    return [f"ssrun_example:{name}" for name in names]


def test_a_metric_is_computed_where_it_is_asked_for_and_a_trained_run_is_scored_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(EXAMPLE)
    train = ("train", "--task", "copy", "--steps", "2", *SMALL, "--out", tmp_path / "out", "--json")
    plain = json.loads(ssrun(*train).must(0).out)
    weights = Path(plain["run"]) / "model.safetensors"
    made = weights.stat().st_mtime_ns
    given = ("--plugin", *example("LENGTH_RATIO"), "--set", "scoring.metrics=length_ratio")
    scored = json.loads(ssrun(*train, *given).must(0).out)
    assert ("length_ratio" in plain, scored["length_ratio"] >= 0, scored["run"]) == (False, True, plain["run"])
    assert weights.stat().st_mtime_ns == made
    assert len([*weights.parent.glob("scores/*/scores.json")]) == 2
    told = ssrun(*train, "--set", "scoring.metrics=lenght_ratio").must(2).err
    assert "scoring.metrics: unknown metric of a plugin 'lenght_ratio': did you mean 'length_ratio'?" in told


def test_an_experiments_file_may_name_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLE)
    use(example("Rotate", "Smoothstep", "SMOOTHSTEP_SEQUENCE", "LENGTH_RATIO"))
    text = """
    tasks = {rotate = {}, far = {base = "rotate", task = {by = 5}}}
    metrics = ["bleu", "length_ratio"]
    [strategies]
    teacher-forcing = {}
    smoothstep-sequence = {}
    late = {base = "linear", schedule = "smoothstep", end = 0.2}
    [[claims]]
    text = "It says more."
    source = "nobody"
    metric = "length_ratio"
    order = "late > teacher-forcing"
    task = "far"
    """
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    plan = load_plan(str(tmp_path / "own.toml"))
    runs = {run.name[:2]: run.config for run in plan.runs()}
    late = runs["far", "late"]
    assert (late.task.model_dump()["by"], late.strategy.schedule.model_dump()) == (
        5,
        {"name": "smoothstep", "end": 0.2},
    )
    assert {config.scoring.metrics for config in runs.values()} == {("length_ratio",)}
    assert (runs["rotate", "smoothstep-sequence"].base, late.base) == ("smoothstep-sequence", "")
    manifest = Manifest(plan=plan, runs=tuple(run.name for run in plan.runs()), command="x")
    assert Manifest.model_validate_json(sealed_without_digest(manifest)).plan == plan


def sealed_without_digest(manifest: Manifest) -> bytes:
    fields = json.loads(sealed(manifest))
    del fields["digest"]
    return canonical(fields)


def test_what_a_plugin_gives_that_is_no_number_is_refused(install: Install) -> None:
    install(schedule={"wild": "mine:Wild"}, metric={"odd": "mine:ODD"})
    with pytest.raises(UsageError, match=r"schedule wild: epsilon is 1\.5 at step 1: its plugin is to mend it"):
        resolve("copy", "linear", 0, [{"strategy": {"schedule": "wild"}}])
    with pytest.raises(UsageError, match="metric odd: its plugin gives nan"):
        computed(["odd"], [Example(("a",), ("a",))], [("a",)])


def test_a_file_that_no_run_needs_is_refused(install: Install) -> None:
    for command in (("train", "--task", "copy"), ("compare", "--tasks", "copy", "--dry-run")):
        told = ssrun(*command, "--plugin", "mine:Twins").must(2).err
        assert "--plugin mine:Twins: no run here needs the task 'twins': name it too, or leave it out" in told
    given = [f"--plugin=mine:{name}" for name in ("Twins", "MINE", "Half")]
    changed = ("--set", "strategy.schedule=constant", *given)  # its own schedule is needed to name it
    ssrun("train", "--task", "twins", "--strategy", "mine", *changed, "--show-config").must(0)


def test_the_command_that_gives_the_numbers_names_the_file(install: Install, tmp_path: Path) -> None:
    from ssrun.cli.compare import command_of

    assert command_of("default", {"tasks": "twins"}, {}, ("mine:Twins",)) == (
        "ssrun compare --tasks twins --plugin mine:Twins"
    )


def test_what_contributing_shows_works_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = dict.fromkeys(re.findall(r"```(\w+)\n", text))
    assert [*blocks] == ["toml", "python"]
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    (points,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    groups = tomllib.loads(points)["project"]["entry-points"]
    assert {*groups} == {*GROUPS.values()}
    use([f"{name}={value}" for named in groups.values() for name, value in named.items()])
    config = resolve("twins", "half-a-sequence", 0, [{"training": {"steps": 2}, "task": {"test_pairs": 5}}])
    assert config.task.draw(Random(0)).target[:2] == config.task.draw(Random(0)).source[:1] * 2
    assert config.strategy.schedule(0, 2) == 0.5
    assert computed(["length_ratio"], [Example(("a",), ("a",))], [("a", "a")]) == {"length_ratio": 2.0}
    run = RunSpec.of("twins", "half-a-sequence", config)
    assert [*load_engine("one-by-one").run([run], tmp_path / "runs", Options(1))][-1].run == run.name
    assert RunFolder.of(tmp_path / "runs", run.name).complete


def test_the_registries_are_told_apart() -> None:
    assert [registry.kind for registry in (SCHEDULES, TASKS, STRATEGIES, OUTPUT_METRICS, ENGINES)] == [
        registry.kind for registry in REGISTRIES
    ]
    assert Comparison.model_fields["described"].default_factory is dict
