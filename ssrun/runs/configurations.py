"""The configurations of many runs, read back: of those that differ in nothing but their seed one is validated."""

from __future__ import annotations

from ssrun.config.spec import EverySeed, RunDocument
from ssrun.runs.folder import NO_RUN, RunFolder
from ssrun.system.documents import canonical, read_as
from ssrun.system.files import parsed, read_bytes

KNOWN = 1_000  # configurations that are remembered; runs by data of their own seed have one each
SEEDS = range(2**31)


class Configurations:
    """What `run.json` says, of run after run. A text that was validated is not validated again with another seed.

    The run's id is made of the configuration and of this seed all the same, and must be the one that the file says.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, EverySeed] = {}

    def read(self, folder: RunFolder, content: bytes | None = None) -> tuple[EverySeed, int]:
        """A run's configuration, and its seed; from the content of its `run.json`, where that is read already.

        Raises:
            StoreError: It is missing or damaged.
        """
        path = folder.path / "run.json"
        fields, _ = parsed(path, read_bytes(path) if content is None else content, canonical)
        config = fields.get("config")
        seed = config.get("seed") if isinstance(config, dict) else None
        text = canonical({**fields, "run": "", "config": {**config, "seed": 0}} if isinstance(config, dict) else {})
        known = self._known.get(text)
        if known and type(seed) is int and seed in SEEDS and known.weights_id(seed) == fields["run"]:
            return known, seed
        found = read_as(path, fields, RunDocument, NO_RUN).config
        if len(self._known) == KNOWN:
            self._known.clear()
        self._known[text] = EverySeed(found)
        return self._known[text], found.seed
