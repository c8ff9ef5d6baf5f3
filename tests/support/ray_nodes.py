"""A Ray of two nodes on this machine, in a process of its own; a node of it can be killed, and another be added."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.support.commands import ROOT


class Nodes:
    """The head and one more node, each with room for one run; `environment` leads a command there."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.support.ray_nodes"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, start_new_session=True
        )
        self.environment = {"RAY_ADDRESS": self._answer()}

    def _answer(self) -> str:
        return self.process.stdout.readline().strip()

    def tell(self, word: str) -> None:
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self._answer() == word

    def kill_node(self) -> None:
        """Kills the node that is not the head, and all that runs there."""
        self.tell("kill")

    def add_node(self) -> None:
        self.tell("add")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def main() -> None:
    from ray.cluster_utils import Cluster

    out = sys.stdout
    sys.stdout = sys.stderr
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1)]
    print(cluster.address, file=out, flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            cluster.remove_node(nodes.pop(), allow_graceful=False)
        else:
            nodes.append(cluster.add_node(num_cpus=1))
        print(line.strip(), file=out, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
