"""The trained networks as one safetensors file, in half precision."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from ..diffusion.bundled import Understudy


def export(folder: Path, model: Understudy) -> Path:
    """Write `folder/understudy.safetensors`, whole or not at all, and return its path."""
    tensors = {key: value.detach().to(torch.bfloat16).contiguous() for key, value in model.state_dict().items()}
    path = folder / "understudy.safetensors"
    part = path.with_suffix(".part")
    save_file(tensors, part)
    part.replace(path)
    return path
