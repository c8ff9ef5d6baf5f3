"""MLflow: a run a run, in the experiment of the comparison's name, in a database of its own or behind the user's URI.

The tag `ssrun.run` is a run's name, and tells it from every other; `ssrun.whole`, the last that is written, is the
digest of what it holds. A run without it, or with that of an earlier state, is deleted and written again.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ssrun.errors import StoreError, UsageError
from ssrun.system.files import must_be_no_link, writing
from ssrun.system.text import ellipsis, is_unicode, shell_word, visible
from ssrun.views.exports.places import held, synced
from ssrun.views.exports.records import Record

DATABASE = "mlflow.db"
ARTIFACTS = "mlruns"
SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "databricks")
QUIET = {  # nothing of us is counted elsewhere; a server that does not answer is told of within seconds
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}  # unless the user has another
AT_ONCE = {"metrics": 1000, "params": 100, "tags": 100}  # that MLflow takes
LONGEST = {"params": 6000, "tags": 5000}  # characters of a value
ENDED = {"complete": "FINISHED", "diverged": "FAILED", "failed": "FAILED"}


@contextmanager
def opened(where: Path | str) -> Iterator[Runs]:
    """The database in a folder, which is made whole or not at all; or what lies behind a URI."""
    os.environ.update(QUIET)
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    if isinstance(where, str):
        must_be_a_store(where)
        with said_in_one_line(shown(where)):
            yield Runs(where, client_of(where))
        return
    database = where / DATABASE
    if not is_unicode(str(database)) or {"%", "?"}.intersection(str(database)):
        raise UsageError(f"{database}: a path that MLflow cannot have in a URI (%, ?, bytes): give another --out DIR")
    with held(where) as scratch, said_in_one_line(str(database)):
        must_be_no_link(database)
        if not database.exists():
            begin(database, scratch)
        yield Runs(uri_of(database), client_of(uri_of(database)), (where / ARTIFACTS).absolute().as_uri())


def begin(database: Path, scratch: Path) -> None:
    """Makes an empty database: elsewhere, for that takes seconds and many steps, and then at once."""
    client_of(uri_of(scratch / DATABASE)).search_experiments(max_results=1)
    synced(scratch / DATABASE)
    with writing(database):
        (scratch / DATABASE).rename(database)


def uri_of(database: Path) -> str:
    return f"sqlite:///{database}"


def must_be_a_store(uri: str) -> None:
    """Raises UsageError for a URI that MLflow keeps nothing behind, or has deprecated."""
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme not in SCHEMES:
        raise UsageError(f"--uri {visible(shown(uri))}: give a database or a server, such as sqlite:///mlflow.db")


def shown(uri: str) -> str:
    """A URI without what may be secret in it."""
    return re.sub(r"//[^@/]*@", "//***@", uri.partition("?")[0])


def client_of(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):  # what MLflow logs at its import is past
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def said_in_one_line(place: str) -> Iterator[None]:
    """Turns what MLflow and its database say, in many lines, into a StoreError."""
    try:
        yield
    except ImportError as error:
        raise UsageError(f"--to mlflow: {error}: pip install 'ssrun[mlflow]'") from None
    except Exception as error:
        kind = type(error).__module__.partition(".")[0]
        if kind not in ("mlflow", "sqlalchemy", "alembic", "sqlite3", "requests"):
            raise
        first = ellipsis(next(filter(None, str(error).splitlines()), type(error).__name__), 200)
        raise StoreError(f"{place}: MLflow says: {shown_in(first)}: check it, or give another --uri") from None


def shown_in(text: str) -> str:
    """A message without passwords."""
    return re.sub(r"//[^@/\s]*@", "//***@", text)


class Runs:
    """What MLflow keeps behind a URI."""

    def __init__(self, uri: str, client: Any, artifacts: str | None = None) -> None:
        self._client, self._artifacts = client, artifacts
        self._experiments: dict[str, str] = {}
        self._known: dict[str, list[Any]] = {}
        self.paths = [shown(uri)]
        is_server = urlsplit(uri).scheme in ("http", "https", "databricks")
        self.look = "" if is_server or "@" in uri else f"mlflow ui --backend-store-uri {shell_word(uri)}"

    def put(self, record: Record) -> bool:
        """Writes a run, unless it is there; deletes what there is of it in another state."""
        experiment = self._experiment(record)
        for run in self._known.get(record.name, []):
            if run.data.tags.get("ssrun.whole") == record.digest:
                return False
            self._client.delete_run(run.info.run_id)
        self._write(experiment, record)
        return True

    def _experiment(self, record: Record) -> str:
        """The id of the run's experiment, which is made where there is none; its runs are known from here on."""
        name = ellipsis(record.about["experiment"], 200)
        if name in self._experiments:
            return self._experiments[name]
        found = self._client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage != "active":
            raise StoreError(
                f"{self.paths[0]}: its experiment {name!r} is deleted: restore it (mlflow experiments restore "
                f"--experiment-id {found.experiment_id}) or give another --uri"
            )
        if found is None:
            labels = record.labels
            tags = {f"ssrun.{part}": cut(labels[part], "tags") for part in ("question", "command") if part in labels}
            tags["mlflow.note.content"] = cut(labels.get("question", name), "tags")
            number = self._client.create_experiment(name, artifact_location=self._artifacts, tags=tags)
        else:
            number = found.experiment_id
        self._experiments[name] = str(number)
        token: str | None = None
        while True:
            page = self._client.search_runs([number], max_results=1000, page_token=token)
            for run in page:
                if ours := run.data.tags.get("ssrun.run"):
                    self._known.setdefault(ours, []).append(run)
            token = page.token
            if not token:
                return self._experiments[name]

    def _write(self, experiment: str, record: Record) -> None:
        began, ended = (round(1000 * when) for when in (record.began, record.began + record.seconds))
        first = {"ssrun.run": record.name}
        run = self._client.create_run(experiment, began, first, ellipsis(record.title, 200)).info.run_id
        for part in batches(record, began, ended):
            self._client.log_batch(run, **part)
        self._client.set_terminated(run, ENDED[record.values.status], ended)
        self._client.set_tag(run, "ssrun.whole", record.digest)


def batches(record: Record, began: int, ended: int) -> Iterator[dict[str, Sequence[Any]]]:
    """What MLflow keeps of a run, in portions that it takes."""
    from mlflow.entities import Metric, Param, RunTag

    times = {evaluation.step: began + round(1000 * evaluation.seconds) for evaluation in record.evaluations}
    metrics = [
        Metric(name, value, times[step], step) for step, found in record.curves() for name, value in found.items()
    ]
    metrics += [Metric(name, value, ended, record.step) for name, value in record.tested.items()]
    params = [Param(name, cut(value, "params")) for name, value in record.parameters.items()]
    tags = [RunTag(f"ssrun.{name}", cut(text, "tags")) for name, text in record.labels.items()]
    if record.reason:
        tags.append(RunTag("mlflow.note.content", cut(record.reason, "tags")))
    portions: dict[str, list[Any]] = {"metrics": metrics, "params": params, "tags": tags}
    for kind, items in portions.items():
        size = AT_ONCE[kind]
        for first in range(0, len(items), size):
            yield {kind: items[first : first + size]}


def cut(value: object, kind: str, longest: Mapping[str, int] = LONGEST) -> str:
    return ellipsis(value, longest[kind])
