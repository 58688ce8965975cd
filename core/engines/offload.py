"""Weights that stay in the computer's memory, and are on the device only while their layer computes.

Not diffusers' group offloading: that needs `accelerate`, and learns from one run of a whole network which layer comes next,
while ours are entered at several places: a text or a reference is read apart from the rest.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def offload(module: nn.Module, device: torch.device) -> None:
    """Have every layer in `module`, which is on the CPU, compute on `device`."""
    for layer in module.modules():
        if layer._parameters or layer._buffers:
            _Visit(layer, device)


class _Visit:
    """The hooks of one layer. Copies wait in the device's queue with the rest of its work, so none is used half made."""

    def __init__(self, layer: nn.Module, device: torch.device):
        self._device = device
        self._kept = [(group, name, self._keep(tensor)) for group, name, tensor in _tensors(layer)]
        self._leave()
        layer.register_forward_pre_hook(self._enter)
        layer.register_forward_hook(self._leave, always_call=True)

    def _keep(self, tensor: Tensor) -> Tensor:
        pinned = tensor.pin_memory() if self._device.type == "cuda" else tensor  # else a copy would hold up the processor
        return _like(tensor, pinned)

    def _enter(self, _layer: nn.Module, inputs: tuple) -> tuple:
        """What comes from a look at the weights, which are elsewhere, comes along: the time, for one."""
        for group, name, tensor in self._kept:
            group[name] = _like(tensor, tensor.to(self._device, non_blocking=True))
        return tuple(part.to(self._device) if isinstance(part, Tensor) else part for part in inputs)

    def _leave(self, *_) -> None:
        for group, name, tensor in self._kept:
            group[name] = tensor


def _tensors(layer: nn.Module) -> list[tuple[dict, str, Tensor]]:
    groups = (layer._parameters, layer._buffers)
    return [(group, name, tensor) for group in groups for name, tensor in group.items() if tensor is not None]


def _like(kept: Tensor, moved: Tensor) -> Tensor:
    return nn.Parameter(moved, requires_grad=False) if isinstance(kept, nn.Parameter) else moved
