"""A device that is not the processor, with values: what is made on the wrong one raises, as on an accelerator.

Tensors say that they are on torch's device `meta`, which has no values, and hold theirs beside them. Every operation
within `Elsewhere()` is done on those values where all its tensors are there; where they are on two devices it raises,
but for single numbers, and for the lengths that packing wants of the processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

META = torch.device("meta")
aten = torch.ops.aten
PACKING = {aten._pack_padded_sequence.default, aten._pack_padded_sequence_backward.default}


class There(Tensor):
    """A tensor on device `meta` whose values are `here`."""

    here: Tensor

    @staticmethod
    def __new__(cls: type[There], here: Tensor) -> There:
        layout = {"strides": here.stride(), "storage_offset": here.storage_offset(), "dtype": here.dtype}
        made = Tensor._make_wrapper_subclass(cls, here.size(), **layout, device=META, requires_grad=False)
        made.here = here
        return made

    def tolist(self) -> Any:
        return self.here.tolist()

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with Elsewhere():
            return function(*args, **(kwargs or {}))

    __torch_function__ = torch._C._disabled_torch_function_impl


class Elsewhere(TorchDispatchMode):
    """See the module."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
        there = [tensor for tensor in tensors if isinstance(tensor, There)]
        stays = [tensor for tensor in tensors if tensor.dim() and not isinstance(tensor, There)]
        asked = kwargs.get("device")
        moves = function is aten._to_copy.default
        if there and stays and function not in PACKING and function is not aten.copy_.default:
            raise RuntimeError(f"{function}: tensors on two devices: {[tuple(tensor.shape) for tensor in tensors]}")
        goes = torch.device(asked).type == "meta" if asked is not None else bool(there)
        if asked is not None:
            assert moves or not there or goes, f"{function}: made on the processor"
            kwargs["device"] = torch.device("cpu")
        result = function(*here_of(args), **here_of(kwargs))
        for tensor in tensors:
            if isinstance(tensor, There) and result is tensor.here:
                if (tensor.shape, tensor.stride()) != (result.shape, result.stride()):  # a GRU's transpose_
                    with torch._C._DisableTorchDispatch():
                        function(*args, **kwargs)
                return tensor  # in place
        if function is aten._pack_padded_sequence.default:
            data, sizes = result
            return There(data), sizes
        return tree_map_only(Tensor, There, result) if goes else result


def here_of(arguments: Any) -> Any:
    return tree_map_only(There, lambda tensor: tensor.here, arguments)


def elsewhere(act: Callable[[torch.device], Any]) -> Any:
    """What `act` gives with the device to use."""
    with Elsewhere():
        return act(META)
