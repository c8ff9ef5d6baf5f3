"""A process computes with one thread, whatever its environment asks for."""

from __future__ import annotations

import os
import subprocess
import sys


def test_torch_has_one_thread_where_the_door_says_so() -> None:
    code = "from ssrun.system.threads import use_one_thread\nuse_one_thread()\nimport torch\n"
    asked = {**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    command = [sys.executable, "-c", f"{code}print(torch.get_num_threads())"]
    assert subprocess.run(command, env=asked, capture_output=True, check=True).stdout == b"1\n"
