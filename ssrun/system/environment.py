"""What a run's numbers may depend on besides its configuration: versions, device, kernels. An allow-list."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ssrun.system.devices import CPU, determinism_of, title_of
from ssrun.system.documents import Count, Sparse
from ssrun.system.plugins import Plugin
from ssrun.system.text import ellipsis

if TYPE_CHECKING:
    import torch

VARIABLES = (  # those by which the libraries below us choose other kernels, and so other last digits
    "ATEN_CPU_CAPABILITY",
    "DNNL_CPU_ISA_HINTS",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "GLIBC_TUNABLES",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "NVIDIA_TF32_OVERRIDE",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "ONEDNN_CPU_ISA_HINTS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "PYTORCH_ENABLE_MPS_FALLBACK",
)


class Environment(Sparse):
    """Where a run was made.

    Attributes:
        kernels: The processor's instructions that torch uses, such as `AVX512`; unknown in older documents.
        variables: Those of VARIABLES that are set; unknown in older documents.
        device: What computes, such as `cuda: NVIDIA H200`; older documents know none but the processor.
        determinism: The settings by which an accelerator repeats its numbers.
        plugins: Where the parts of the run come from that plugins have made; left out where there are none.
    """

    python: str
    machine: str
    system: str
    processor: str
    threads: Count
    packages: dict[str, str]
    kernels: str = ""
    variables: dict[str, str] = Field(default_factory=dict)
    device: str = CPU
    determinism: dict[str, str] = Field(default_factory=dict)
    plugins: list[Plugin] = Field(default_factory=list)

    def unlike(self, other: Environment) -> list[str]:
        """The fields, of those that both know, in which this environment is not as the other."""
        known = {*(self.model_fields_set & other.model_fields_set), "device", "determinism"}
        return sorted(name for name in known if getattr(self, name) != getattr(other, name))


def environment(threads: int, device: torch.device, plugins: Sequence[Plugin] = ()) -> Environment:
    """This process' environment; `threads` are those that torch computes with, where it uses the processor.

    The plugins are those that a run needs.
    """
    from torch.backends import cpu  # not before it is needed: help is instant

    own: dict[str, Any] = {"determinism": determinism_of(device), "plugins": list(plugins)}
    return Environment(
        python=platform.python_version(),
        machine=platform.machine(),
        system=platform.system(),
        processor=_processor(),
        threads=threads,
        packages={name: version(name) for name in ("ssrun", "torch", "numpy", "sacrebleu")},
        kernels=cpu.get_cpu_capability(),
        variables={name: ellipsis(os.environ[name], 200) for name in VARIABLES if name in os.environ},
        device=title_of(device),
        **{name: value for name, value in own.items() if value},
    )


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
