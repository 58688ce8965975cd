"""Tiny networks with random weights, saved in the layout and under the names in which the real ones are published."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import save_file
from torch import nn
from understudy.core.diffusion.sd15.clip import ImageEncoder, TextEncoder
from understudy.core.diffusion.sd15.config import TemporalConfig, UNetConfig
from understudy.core.diffusion.sd15.guiders import GuidanceEncoder, PoseGuider, PyramidGuider
from understudy.core.diffusion.sd15.unet import ControlNet, Denoiser, ReferenceEncoder

UNET = {
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [32, 32, 64, 64],
    "cross_attention_dim": 32,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
}
WIDENING_UNET = UNET | {"block_out_channels": [32, 64, 128, 128]}
TOWER = {
    "hidden_act": "quick_gelu",
    "hidden_size": 32,
    "intermediate_size": 64,
    "layer_norm_eps": 1e-05,
    "num_attention_heads": 4,
    "num_hidden_layers": 1,
}
IMAGE_ENCODER = {**TOWER, "image_size": 224, "patch_size": 112, "projection_dim": 32}
TEXT_ENCODER = {**TOWER, "vocab_size": 4, "max_position_embeddings": 77}
AUTOENCODER = {
    "block_out_channels": [32] * 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
}
TINY_AUTOENCODER = {"encoder_block_out_channels": [8] * 4, "decoder_block_out_channels": [8] * 4}


def animate_anyone(folder: Path) -> Path:
    _networks(folder, UNET, positions=32)
    write(folder / "pose_guider.pth", tensors(PoseGuider(32), seed=3))
    configure(folder / "stable-diffusion-v1-5/unet", UNET)
    return folder


def musepose(folder: Path) -> Path:
    _networks(folder, UNET, positions=128, subfolder="MusePose")
    write(folder / "MusePose/pose_guider.pth", tensors(PoseGuider(32), seed=3))
    configure(folder / "sd-image-variations-diffusers/unet", UNET)
    return folder


def aniportrait(folder: Path) -> Path:
    _networks(folder, WIDENING_UNET, positions=32)
    guider = tensors(PyramidGuider(32, width=88), seed=3)
    write(folder / "pose_guider.pth", guider)
    configure(folder / "stable-diffusion-v1-5/unet", WIDENING_UNET)
    return folder


def champ(folder: Path) -> Path:
    _networks(folder, UNET, positions=32, subfolder="champ")
    unread = {"attentions.1.proj_in.bias": torch.zeros(32), "guidance_attention.norm.weight": torch.zeros(256)}
    for seed, kind in enumerate(("depth", "normal", "semantic_map", "dwpose"), 10):
        write(folder / f"champ/guidance_encoder_{kind}.pth", tensors(GuidanceEncoder(32), seed) | unread)
    configure(folder / "stable-diffusion-v1-5/unet", UNET)
    return folder


def _networks(folder: Path, unet: dict, positions: int, subfolder: str = "") -> None:
    """What AnimateAnyone and all that was made of it have in common."""
    config, own = UNetConfig.from_json(unet, temporal=TemporalConfig(positions=positions)), folder / subfolder
    denoiser = tensors(Denoiser(config), seed=1)
    temporal = {key: value for key, value in denoiser.items() if "motion_modules" in key}
    write(own / "denoising_unet.pth", {key: value for key, value in denoiser.items() if key not in temporal})
    write(own / "motion_module.pth", {wrapped(key): value for key, value in temporal.items()})
    # The published reference network is whole but for its output: what comes after the last attention is not read.
    last = "up_blocks.3.attentions.1"
    rest = {f"{last}.proj_out.weight": torch.zeros(32, 32, 1, 1), f"{last}.transformer_blocks.0.ff.net.2.bias": torch.zeros(32)}
    write(own / "reference_unet.pth", tensors(ReferenceEncoder(config), seed=2) | rest)
    write(folder / "image_encoder/pytorch_model.bin", tensors(ImageEncoder(IMAGE_ENCODER), seed=4), IMAGE_ENCODER)
    autoencoder(folder)


def magic_animate(folder: Path) -> Path:
    config = UNetConfig.from_json(UNET, temporal=TemporalConfig(positions=24, mid=False), joint_norm=True)
    denoiser = tensors(Denoiser(config), seed=1)
    temporal = {key: value for key, value in denoiser.items() if "motion_modules" in key}
    unet = {key: value for key, value in denoiser.items() if key not in temporal}
    write(folder / "stable-diffusion-v1-5/unet/diffusion_pytorch_model.safetensors", unet, UNET)
    trained = {"state_dict": {f"module.unet.{wrapped(key)}": value for key, value in temporal.items()}}
    write(folder / "MagicAnimate/temporal_attention/temporal_attention.ckpt", trained)
    part = "diffusion_pytorch_model.safetensors"
    write(folder / "MagicAnimate/appearance_encoder" / part, tensors(ReferenceEncoder(config), seed=2), UNET)
    control = UNET | {"conditioning_embedding_out_channels": [16, 32, 96, 256]}
    write(folder / "MagicAnimate/densepose_controlnet" / part, tensors(ControlNet(config), seed=3), control)
    text = folder / "stable-diffusion-v1-5/text_encoder/pytorch_model.bin"
    position_ids = {"text_model.embeddings.position_ids": torch.arange(77)[None]}  # older files have them
    write(text, tensors(TextEncoder(TEXT_ENCODER), seed=4) | position_ids, TEXT_ENCODER)
    configure(folder / "stable-diffusion-v1-5/tokenizer", {"a": 0, "<|startoftext|>": 2, "<|endoftext|>": 3}, "vocab.json")
    autoencoder(folder)
    return folder


def autoencoder(folder: Path) -> None:
    """As it was first published: with the names that its attention had then."""
    present = tensors(AutoencoderKL(**AUTOENCODER), seed=5)
    before = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {}
    for key, value in present.items():
        for name, first in before.items():
            key = key.replace(f".{name}.", f".{first}.") if "attentions" in key else key
        old[key] = value
    write(folder / "sd-vae-ft-mse/diffusion_pytorch_model.safetensors", old, AUTOENCODER)


def tiny_autoencoder(folder: Path) -> None:
    path = folder / "taesd/diffusion_pytorch_model.safetensors"
    write(path, tensors(AutoencoderTiny(**TINY_AUTOENCODER), seed=6), TINY_AUTOENCODER)


def wrapped(key: str) -> str:
    block, index, rest = key.partition(".motion_modules.")[0], *key.partition(".motion_modules.")[2].split(".", 1)
    return f"{block}.motion_modules.{index}.temporal_transformer.{rest}"


def tensors(module: nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """The module's tensors, each parameter random."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            scale, is_norm = (0.1, False) if parameter.ndim > 1 else (0.05, name.endswith("weight"))
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale + is_norm)
    return {key: value.detach().clone() for key, value in module.state_dict().items()}


def write(path: Path, content: dict, config: dict | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    if config:
        configure(path.parent, config)


def configure(folder: Path, config: dict, name: str = "config.json") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(config))


MAKERS = {
    "animate-anyone": animate_anyone,
    "musepose": musepose,
    "aniportrait": aniportrait,
    "champ": champ,
    "magic-animate": magic_animate,
}
