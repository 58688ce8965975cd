"""AnimateAnyone (Hu 2023), as MooreThreads published weights of it: https://github.com/MooreThreads/Moore-AnimateAnyone."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..diffusion.sd15.clip import PICTURE, ImageEncoder
from ..diffusion.sd15.config import TemporalConfig, UNetConfig
from ..diffusion.sd15.guiders import PoseGuider, PyramidGuider
from ..diffusion.sd15.unet import Denoiser, ReferenceEncoder
from .catalog import CATALOG
from .checkpoints import configured, read
from .clip_diffusion import ClipDiffusionEngine, Controls, Published, Side, Take, without_wrappers
from .pictures import to_tensor

SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "linear",
    "clip_sample": False,
    "steps_offset": 1,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}


def create() -> AnimateAnyoneEngine:
    return AnimateAnyoneEngine()


class AnimateAnyoneEngine(ClipDiffusionEngine):
    spec = CATALOG["animate-anyone"]
    published = Published(SCHEDULER, TemporalConfig(positions=32))
    guiders: tuple[tuple[str, str], ...] = (("dwpose", "pose_guider"),)
    """Kinds of control pictures, keys of `control.guide.PICTURES`, and the files of the networks that read them."""
    guider_type: type[PoseGuider] | type[PyramidGuider] = PoseGuider
    guides_windows = False  # what it makes of a frame depends on the other frames of the window

    @property
    def controls(self) -> tuple[str, ...]:
        return tuple(kind for kind, _ in self.guiders)

    def load_networks(self, weights: Path) -> None:
        network = self.spec.file(weights, "stable-diffusion-v1-5/unet/config.json")
        names = ("denoising_unet", "motion_module", "reference_unet", "image_encoder/model")
        unet, temporal, reference, clip = (self.spec.file(weights, name) for name in names)
        own = {"temporal": self.published.temporal, "joint_norm": self.published.joint_norm}
        self.denoiser = self._loaded(
            lambda: configured(network, lambda config: Denoiser(UNetConfig.from_json(config, **own))),
            without_wrappers(read(temporal) | read(unet)),
            f"{unet.name} with {temporal.name}",
            every_step=True,
        )
        self.reference_encoder = self._loaded(
            lambda: configured(network, lambda config: ReferenceEncoder(UNetConfig.from_json(config))),
            read(reference),
            reference.name,
        )
        config_of_clip = self.spec.file(weights, "image_encoder/config.json")
        self.image_encoder = self._loaded(lambda: configured(config_of_clip, ImageEncoder), read(clip), clip.name)
        self.guider_networks = []
        for _, name in self.guiders:
            path = self.spec.file(weights, name)
            tensors = read(path)
            shaped = functools.partial(self.guider_type.shaped_as, tensors, self.denoiser.config.channels[0])
            self.guider_networks.append(self._loaded(shaped, tensors, path.name))

    def guide(self, pictures: list[Tensor]) -> list[Tensor]:
        """Features of control pictures [n, 3, H, W] of each kind, the kinds' summed: at one size or several, [n, c, h, w]."""
        read = [network(kind) for network, kind in zip(self.guider_networks, pictures, strict=True)]
        return [torch.stack(level).sum(0) for level in zip(*read, strict=True)]

    def prepare(self, picture: np.ndarray, controls: Controls) -> Take:
        small = np.asarray(Image.fromarray(picture).resize((PICTURE, PICTURE)))
        text = self.image_encoder(self.to_device(to_tensor(small[None])))[:, None]  # [1, 1, c]: one token
        written = self.reference_encoder(self.encode(picture), 0, text)
        bank = self.denoiser.read_reference(self.as_written(written))
        nothing = [None] * len(bank)
        return _Take(
            self.denoiser,
            Side(self.denoiser.read_text(text), bank),
            Side(self.denoiser.read_text(torch.zeros_like(text)), nothing),
            self.features(self.guide, controls, self.guides_windows),
        )


class _Take(Take):
    def __init__(self, denoiser: Denoiser, with_reference: Side, without: Side, features):
        self._denoiser = denoiser
        self._with, self._without = with_reference, without
        self._features = features

    def begin_step(self, t: float) -> None:
        self._embedding = self._denoiser.embed(t)

    def predict(self, latents: Tensor, frames: list[int], count: int, guided: bool) -> tuple[Tensor, Tensor | None]:
        pose = self._features(frames, count)
        output = self._denoiser(latents, self._with.sees(self._embedding, count), pose)
        return output, self._denoiser(latents, self._without.sees(self._embedding, count), pose) if guided else None
