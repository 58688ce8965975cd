"""MagicAnimate (Xu 2023): https://github.com/magic-research/magic-animate. Written from facts alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..diffusion.sd15.clip import TextEncoder
from ..diffusion.sd15.config import TemporalConfig, UNetConfig
from ..diffusion.sd15.unet import ControlNet, Denoiser, ReferenceEncoder, Residuals
from .catalog import CATALOG
from .checkpoints import configured, read
from .clip_diffusion import ClipDiffusionEngine, Controls, Features, Published, Side, Take, without_wrappers

ENFORCED = {"steps_offset": 1, "clip_sample": False}  # not in its configuration: its pipeline sets them


def create() -> MagicAnimateEngine:
    return MagicAnimateEngine()


class MagicAnimateEngine(ClipDiffusionEngine):
    spec = CATALOG["magic-animate"]
    published = Published(
        {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear", **ENFORCED},
        TemporalConfig(positions=24, mid=False),
        reference="midup",
        joint_norm=True,
    )
    controls = ("densepose",)
    enforced = ENFORCED
    # Its norms magnify most how the reference's latents are rounded: so only the published run's rounding is left.
    # (AnimateAnyone's bank is rounded to sixteen bits, and which way a value goes there is chance.)
    encoded = torch.float64

    def load_networks(self, weights: Path) -> None:
        base = "stable-diffusion-v1-5"
        unet = self.spec.file(weights, f"{base}/unet/diffusion_pytorch_model")
        temporal = self.spec.file(weights, "temporal_attention/temporal_attention")
        network = self.spec.file(weights, f"{base}/unet/config.json")
        own = {"temporal": self.published.temporal, "joint_norm": self.published.joint_norm}
        modules = {key: value for key, value in read(temporal, ("module.", "unet.")).items() if "motion_modules" in key}
        self.denoiser = self._loaded(
            lambda: configured(network, lambda config: Denoiser(UNetConfig.from_json(config, **own))),
            without_wrappers(read(unet) | modules),
            f"{unet.name} with {temporal.name}",
            every_step=True,
        )
        self.appearance_encoder = self._load_part(
            weights, "appearance_encoder", lambda config: ReferenceEncoder(UNetConfig.from_json(config))
        )
        self.controlnet = self._load_part(
            weights,
            "densepose_controlnet",
            lambda config: ControlNet(UNetConfig.from_json(config), tuple(config["conditioning_embedding_out_channels"])),
        )
        text = self.spec.file(weights, f"{base}/text_encoder/model")
        config_of_text = self.spec.file(weights, f"{base}/text_encoder/config.json")
        self.text_encoder = self._loaded(lambda: configured(config_of_text, TextEncoder), read(text), text.name)
        vocabulary = self.spec.file(weights, f"{base}/tokenizer/vocab.json")
        self.empty_prompt = configured(vocabulary, lambda ids: empty_prompt(ids, self.text_encoder.positions))

    def _load_part(self, weights: Path, name: str, build: Callable[[dict[str, Any]], nn.Module]):
        path = self.spec.file(weights, f"{name}/diffusion_pytorch_model")
        config = self.spec.file(weights, f"{name}/config.json")
        return self._loaded(lambda: configured(config, build), read(path), f"{name}/{path.name}", every_step=True)

    def noise(self, frames: int, height: int, width: int, seed: int) -> Tensor:
        some = super().noise(self.spec.frames_multiple, height, width, seed)
        return some.repeat(-(-frames // len(some)), 1, 1, 1)[:frames]  # drawn once, and repeated over the clip

    def prepare(self, picture: np.ndarray, controls: Controls) -> Take:
        text = self.text_encoder(torch.tensor([self.empty_prompt], device=self.device))
        embed = self.controlnet.controlnet_cond_embedding
        return _Take(self, self.encode(picture), text, self.features(lambda pictures: embed(*pictures), controls))


class _Take(Take):
    """Text and negative text are empty both, so that guidance is by the reference alone."""

    def __init__(self, engine: MagicAnimateEngine, reference: Tensor, text: Tensor, features: Features):
        self._engine = engine
        self._reference, self._text = reference, text
        self._read = engine.denoiser.read_text(text)
        self._read_by_control = engine.controlnet.read_text(text)
        self._features = features
        self._controlled: dict[int, Sequence[Tensor]] = {}  # of the last call's frames, at each of the ControlNet's outputs

    def begin_step(self, t: float) -> None:
        engine = self._engine
        self._t, self._embedding = t, engine.denoiser.embed(t)
        self._controlled = {}
        written = engine.as_written(engine.appearance_encoder(self._reference, t, self._text))
        if engine.published.reference == "midup":
            written[: engine.denoiser.transformers_down] = [None] * engine.denoiser.transformers_down
        self._bank = engine.denoiser.read_reference(written)

    def predict(self, latents: Tensor, frames: list[int], count: int, guided: bool) -> tuple[Tensor, Tensor | None]:
        denoiser = self._engine.denoiser
        control = self._control(latents, frames)
        sees = Side(self._read, self._bank).sees(self._embedding, count)
        if not guided:
            return denoiser(latents, sees, control=control), None
        without = Side(self._read, [None] * len(self._bank)).sees(self._embedding, count)
        if self._engine.published.reference == "full":
            return denoiser(latents, sees, control=control), denoiser(latents, without, control=control)
        down = denoiser.begin(latents, without, control=control)  # nothing reads the reference yet: the same for both
        return denoiser.finish(*down, sees), denoiser.finish(*down, without)

    def _control(self, latents: Tensor, frames: list[int]) -> Residuals:
        """What the ControlNet adds to these windows. It reads each frame by itself: those that overlap with the last call's
        are not read again."""
        known = self._controlled
        fresh = {frame: row for row, frame in enumerate(frames) if frame not in known}
        if fresh:
            (embedded,) = self._features(list(fresh))
            read = self._engine.controlnet(latents[list(fresh.values())], embedded, self._t, self._read_by_control)
            known = known | by_frame(fresh, [*read.skips, read.mid])
        levels = [torch.cat(parts) for parts in zip(*map(known.__getitem__, frames), strict=True)]
        self._controlled = by_frame(frames, levels)  # views: nothing of the last call's is held any longer
        *skips, mid = levels
        return Residuals(skips, mid)


def by_frame(frames: Iterable[int], levels: Sequence[Tensor]) -> dict[int, Sequence[Tensor]]:
    """Tensors [n, c, h, w] of n frames as those of each, [1, c, h, w]."""
    return dict(zip(frames, zip(*(level.split(1) for level in levels), strict=True), strict=True))


def empty_prompt(vocabulary: dict[str, int], length: int) -> list[int]:
    """The token ids of an empty prompt: its beginning, and its end to the full length."""
    begin, end = vocabulary["<|startoftext|>"], vocabulary["<|endoftext|>"]
    return [begin] + [end] * (length - 1)
