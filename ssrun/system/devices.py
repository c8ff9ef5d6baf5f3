"""The devices that runs can be computed on, and what is set so that one of them gives the same numbers again.

The processor needs nothing but its one thread. On CUDA torch's deterministic kernels are asked for (where an operation
has none torch's only one is used), tensor cores do not round to TF32, and cuDNN does not choose kernels by time. MPS
has no such settings, and promises nothing.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from ssrun.errors import UsageError, unknown

if TYPE_CHECKING:
    import torch

DEVICES = ("cpu", "cuda", "mps")
CPU = "cpu"
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # read by cuBLAS and cuDNN when a process first uses them
SMALL_WORKSPACE = ":16:8"  # the setting that both of them hold for deterministic


def check_device(name: str) -> None:
    """UsageError where there is no such name, or no such device here."""
    if name not in DEVICES:
        raise UsageError(f"--device: {unknown('device', name, DEVICES)}")
    if name == CPU:
        return
    import torch  # not before it is needed: help is instant

    is_there = torch.cuda.is_available() if name == "cuda" else torch.backends.mps.is_available()
    if not is_there:
        remedy = "install the torch that is built for it, or leave --device out"
        raise UsageError(f"--device {name}: torch {torch.__version__} finds no such device here: {remedy}")


def device_named(name: str) -> torch.device:
    """The device, set to repeat its numbers; UsageError as `check_device`."""
    import torch

    check_device(name)
    if name == "cuda":
        os.environ[WORKSPACE] = SMALL_WORKSPACE
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        warnings.filterwarnings("ignore", "(?s).*does not have a deterministic implementation")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device(name)


def title_of(device: torch.device) -> str:
    """`cpu`, `mps`, or `cuda: ` and what the accelerator is called."""
    import torch

    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def determinism_of(device: torch.device) -> dict[str, str]:
    """The settings by which the device repeats its numbers, as they are now; none where it has none."""
    import torch

    if device.type != "cuda":
        return {}
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    asked = torch.are_deterministic_algorithms_enabled()
    return {
        WORKSPACE: os.environ.get(WORKSPACE, ""),
        "cudnn.benchmark": str(torch.backends.cudnn.benchmark),
        "deterministic_algorithms": "where there are some" if asked and warned else str(asked),
        "tf32": str(torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32),
    }
