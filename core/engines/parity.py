"""Runs of the authors' own code, done again with ours: how far apart the results are.

A case is a folder: weights as published, `case.json` with the settings, and `expected.safetensors` with

    reference        uint8 [H, W, 3]             the reference picture
    poses            uint8 [T, H, W, 3]          the control pictures; [K, T, H, W, 3] for an engine that reads K kinds
    initial_latents  f32 [1, 4, T, H/8, W/8]     the noise
    final_latents    f32, of that shape          after the last step
    frames           f32 [1, 3, T, H, W] 0..1    decoded
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from ..diffusion.sd15.config import TemporalConfig
from ..errors import InvalidWeights, UnknownEngine
from ..protocol import DECODE_BATCH, GenerationSettings
from . import catalog
from .checkpoints import read, read_config
from .clip_diffusion import ClipDiffusionEngine
from .interface import Runtime

TENSORS = ("reference", "poses", "initial_latents", "final_latents", "frames")
ONE_PIXEL = 8  # latents a side: the coarsest maps are one pixel
BAR = 1e-3  # of `latents_rel`: a case that is nearer is reproduced


def measure(folder: Path, device: str = "cpu") -> dict[str, Any]:
    """Run the case in `folder` and compare: `latents_abs`, the largest absolute difference of the final latents;
    `latents_rel`, that over their largest absolute value; `frames_abs`, of the decoded frames in 0..1.

    They are of a run in float32, as the cases were made, the reference encoded in the precision `reference_encoded`. Where
    they leave more than `BAR`, those of a run in float64 stand beside, which say what is rounding: pictures of 64 pixels a side
    bring the networks' maps down to one pixel, where narrow networks' group norms, of one or two values, magnify rounding ten
    thousandfold. The authors' own code, run again on another machine or with other instructions, then differs from itself by up
    to 4e-3 (MagicAnimate) and 1e-1 (AnimateAnyone). In float64 ours and theirs agree to 1e-11 and 1e-6. One thread is used, for
    the same bits everywhere.

    Raises `InvalidWeights`, `InvalidRequest`, `UnknownEngine`.
    """
    case, expected = read_config(folder / "case.json"), read(folder / "expected.safetensors")
    if missing := [name for name in TENSORS if name not in expected]:
        raise InvalidWeights(f"{folder / 'expected.safetensors'} lacks {', '.join(missing)}.")
    engine = catalog.create(str(case.get("family")))
    if not isinstance(engine, ClipDiffusionEngine):
        raise UnknownEngine(f"{folder} is a case of engine {case['family']}, which nothing else computes.")
    engine.published = published(engine, case)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # One pixel's norms magnify the last bits.
        plain = max(expected["initial_latents"].shape[-2:]) <= ONE_PIXEL
        measured = functools.partial(_measure, engine, folder, case, expected, device, plain)
        found = {"precision": "float32", "reference_encoded": "float32", **measured("float32")}
        if plain and device != "mps":
            found["reference_encoded"] = str(engine.encoded).removeprefix("torch.")
        if found["latents_rel"] > BAR and device != "mps":  # which has no float64
            found["float64"] = measured("float64")
        return found
    finally:
        torch.set_num_threads(threads)


def _measure(
    engine: ClipDiffusionEngine,
    folder: Path,
    case: Mapping[str, Any],
    expected: Mapping[str, Tensor],
    device: str,
    plain: bool,
    precision: str,
) -> dict[str, Any]:
    engine.load(device, folder, Runtime(precision=precision, plain=plain))
    poses = expected["poses"].numpy()
    kinds = poses if poses.ndim == 5 else poses[None]

    def controls(frames: Sequence[int]) -> list[np.ndarray]:
        return [kind[list(frames)] for kind in kinds]

    latents = engine.render(
        controls,
        kinds.shape[1],
        expected["reference"].numpy(),
        settings(engine.spec.name, case),
        on_progress=lambda _: None,
        initial_latents=_frames_first(expected["initial_latents"]),
    ).cpu()
    with torch.inference_mode():
        frames = torch.cat([engine.decode(some).cpu() for some in latents.split(DECODE_BATCH)])
    wanted = _frames_first(expected["final_latents"])
    apart = float((latents - wanted).abs().max())
    return {
        "latents_abs": apart,
        "latents_rel": apart / float(wanted.abs().max()),
        "frames_abs": float((frames - _frames_first(expected["frames"])).abs().max()),
    }


def published(engine: ClipDiffusionEngine, case: Mapping[str, Any]):
    """What the engine's authors publish, with what the case did in another way."""
    changed: dict[str, Any] = {"undivided": True}
    if "scheduler" in case:
        changed["scheduler"] = {**case["scheduler"], **engine.enforced}
    if "fusion" in case:
        changed["reference"] = case["fusion"]
    if (network := case.get("unet_additional_kwargs")) is not None:
        changed["temporal"] = temporal(network)
        if "use_inflated_groupnorm" in network:
            changed["joint_norm"] = not network["use_inflated_groupnorm"]
    return dataclasses.replace(engine.published, **changed)


def temporal(network: Mapping[str, Any]) -> TemporalConfig | None:
    """The temporal modules as the authors' configuration describes them."""
    if not network.get("use_motion_module", False):
        return None
    modules = network["motion_module_kwargs"]
    return TemporalConfig(
        heads=modules["num_attention_heads"],
        blocks=modules["num_transformer_block"],
        attentions=len(modules["attention_block_types"]),
        positions=modules["temporal_position_encoding_max_len"],
        division=modules["temporal_attention_dim_div"],
        levels=tuple(resolution.bit_length() - 1 for resolution in network["motion_module_resolutions"]),
        down=not network["motion_module_decoder_only"],
        mid=network["motion_module_mid_block"],
    )


def settings(engine: str, case: Mapping[str, Any]) -> GenerationSettings:
    """The case's settings, and the engine's published ones where it is silent."""
    same = ("seed", "width", "height", "steps", "guidance", "context_frames", "context_overlap", "context_stride")
    given = {name: case[name] for name in same if name in case}
    if "closed_loop" in case:
        given["context_layout"] = "loop" if case["closed_loop"] else "open"
    return dataclasses.replace(catalog.find(engine).settings("exact"), **given)


def _frames_first(video: Tensor) -> Tensor:
    return rearrange(video, "1 c t h w -> t c h w")
