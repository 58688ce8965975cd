"""Networks onto a device: their precision, where their weights are kept, and how they are run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers.hooks import apply_layerwise_casting
from torch import nn

from ..diffusion import winograd
from ..diffusion.attention import set_attention_backend
from ..errors import InvalidRequest
from .interface import Runtime
from .offload import offload

KEPT_WHOLE = ("norm", "time_embedding")  # in sixteen bits: small, and the last tells what the rest computes in
COMPILED_FORMS = 64  # of one block's code: for every width, with and without a reference
DTYPES = {
    "float64": torch.float64,  # only asked for where results are compared
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def fastest(device: torch.device | str) -> str:
    """The precision that "auto" stands for: of sixteen bits where the device has instructions for it."""
    device = torch.device(device)
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    # A build of torch without oneDNN has no such operator to ask.
    if device.type == "cpu" and torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return "bfloat16"
    return "float32"


def choose(device: str, runtime: Runtime) -> tuple[torch.device, torch.dtype]:
    """Where and in what an engine computes; the attention kernel is chosen for the process, which holds one engine.

    Raises `InvalidRequest` for what there is not here.
    """
    if runtime.precision == "float8" and device.startswith("mps"):
        raise InvalidRequest("Apple's graphics processors have no eight-bit floats.", "Choose float16 as the precision.")
    if runtime.offload and runtime.compile and device != "cpu":
        raise InvalidRequest("Networks whose weights come and go cannot be compiled.", "Turn Offload or Compile off.")
    set_attention_backend("matmul" if runtime.plain else runtime.attention)
    return torch.device(device), compute_dtype(torch.device(device), runtime)


def compute_dtype(device: torch.device, runtime: Runtime) -> torch.dtype:
    """What the networks compute in; "float8" is a way to keep weights, computed with in sixteen bits."""
    if runtime.precision == "float8":
        return torch.float16 if fastest(device) == "float16" else torch.bfloat16
    return DTYPES[fastest(device) if runtime.precision == "auto" else runtime.precision]


def place(
    module: nn.Module,
    device: torch.device,
    runtime: Runtime,
    layout: torch.memory_format = torch.channels_last,
    repeated: tuple[type[nn.Module], ...] = (),
) -> None:
    """Make `module` ready to be run on `device`, in `compute_dtype`, its convolutions' weights in that layout.

    Where it is to be compiled, its parts of the kinds `repeated` are, or else its children.
    """
    dtype = compute_dtype(device, runtime)
    # Not `module.to`: diffusers' own warns of a change of dtype, whatever is kept.
    nn.Module.to(module.eval().requires_grad_(False), dtype=dtype, memory_format=layout)
    if device.type == "cpu" and dtype == torch.float32 and layout == torch.channels_last and not runtime.compile:
        winograd.adopt(module)  # its loop over tiles would be compiled tile by tile
    if runtime.precision == "float8":
        apply_layerwise_casting(module, torch.float8_e4m3fn, dtype, skip_modules_pattern=KEPT_WHOLE)
    if runtime.offload and device.type != "cpu":
        offload(module, device)
    else:
        module.to(device)
    if runtime.compile:
        torch._dynamo.config.recompile_limit = COMPILED_FORMS
        for part in compiled_parts(module, repeated):
            part.compile()


def compiled_parts(module: nn.Module, repeated: tuple[type[nn.Module], ...]) -> Iterator[nn.Module]:
    """What of `module` is compiled. Any of its methods may be called, and all of them call its parts; and parts that are alike
    are compiled once for all."""
    if repeated:
        yield from (part for part in module.modules() if isinstance(part, repeated))
        return
    for part in module.children():
        if isinstance(part, nn.ModuleList):
            yield from compiled_parts(part, repeated)
        elif any(part.children()):  # a single layer is one kernel already
            yield part


@contextmanager
def compiling_named(runtime: Runtime) -> Iterator[None]:
    """Turn what keeps networks from being compiled, which shows when they are first run, into `InvalidRequest`."""
    if not runtime.compile:
        yield
        return
    try:
        yield
    except torch._dynamo.exc.TorchDynamoException as error:
        reason = str(error).partition("\n")[0]
        raise InvalidRequest(
            f"The networks cannot be compiled here: {reason}",
            "Turn Compile off, or install what torch.compile needs: a C++ compiler, and Triton for a graphics card.",
        ) from error
