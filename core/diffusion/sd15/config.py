"""What shapes a UNet: read from the published `config.json`, so that any width and depth will do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InvalidWeights


@dataclass(frozen=True)
class TemporalConfig:
    """The temporal modules: how they look, and after which (resnet, attention) pairs they stand.

    `levels` are those at whose size, a 2 ** level-th of the latents', there are modules, on the way down (`down`) and up;
    `mid`: also in between. `positions` is the longest window; `division` narrows the modules by that factor.
    """

    heads: int = 8
    blocks: int = 1
    attentions: int = 2
    positions: int = 32
    division: int = 1
    levels: tuple[int, ...] = (0, 1, 2, 3)
    down: bool = True
    mid: bool = True


@dataclass(frozen=True)
class UNetConfig:
    """Stable Diffusion 1.5's UNet, and every other of its kind. All tuples run from the finest level to the coarsest.

    `heads` of each level; `attends`: whether the level has spatial attention. `joint_norm`: the residual blocks' group norm
    takes its statistics over all frames of a window, as in MagicAnimate, and not over each frame, as in AnimateAnyone.
    """

    in_channels: int = 4
    out_channels: int = 4
    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    heads: tuple[int, ...] = (8, 8, 8, 8)
    attends: tuple[bool, ...] = (True, True, True, False)
    layers: int = 2
    text_channels: int = 768
    groups: int = 32
    epsilon: float = 1e-5
    linear_projection: bool = False
    flip_sin_to_cos: bool = True
    frequency_shift: float = 0.0
    downsample_padding: int = 1
    joint_norm: bool = False
    temporal: TemporalConfig | None = None

    @property
    def embedding(self) -> int:
        """Width of the time embedding."""
        return 4 * self.channels[0]

    @classmethod
    def from_json(cls, config: Mapping[str, Any], **own: Any) -> UNetConfig:
        """From diffusers' `config.json` of a UNet2DConditionModel; `own` are fields that it does not hold.

        Raises `InvalidWeights` for a configuration of another kind of network.
        """
        attends = tuple(kind.startswith("CrossAttn") for kind in config["down_block_types"])
        heads = config.get("num_attention_heads") or config["attention_head_dim"]  # the second means heads, a slip of old
        plain = {
            "act_fn": "silu", "mid_block_scale_factor": 1, "resnet_time_scale_shift": "default", "class_embed_type": None,
            "addition_embed_type": None, "only_cross_attention": False, "center_input_sample": False,
            "transformer_layers_per_block": 1,
        }  # fmt: skip
        if strange := [f"{key} {config[key]!r}" for key, value in plain.items() if config.get(key, value) != value]:
            raise InvalidWeights(f"A UNet with {', '.join(strange)} is not of Stable Diffusion 1.5's kind.")
        return cls(
            in_channels=config["in_channels"],
            out_channels=config["out_channels"] if "out_channels" in config else config["in_channels"],
            channels=tuple(config["block_out_channels"]),
            heads=tuple(heads) if isinstance(heads, list) else (heads,) * len(attends),
            attends=attends,
            layers=config["layers_per_block"],
            text_channels=config["cross_attention_dim"],
            groups=config["norm_num_groups"],
            epsilon=config["norm_eps"],
            linear_projection=config.get("use_linear_projection", False),
            flip_sin_to_cos=config["flip_sin_to_cos"],
            frequency_shift=config["freq_shift"],
            downsample_padding=config["downsample_padding"],
            **own,
        )
