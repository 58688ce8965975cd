"""The bundled engine: a small latent video diffusion in the manner of AnimateAnyone (Hu 2023), trained from scratch by us."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..control.guide import draw_guide
from ..diffusion.autoencoder import Autoencoder, AutoencoderConfig
from ..diffusion.sampler import FlowPath, initial_noise
from ..diffusion.unet import Denoiser, DenoiserConfig
from ..diffusion.unet import Reference as EncodedReference
from ..diffusion.windows import fuse, plan
from ..pose.clip import PoseClip
from ..protocol import GenerationSettings
from .catalog import CATALOG
from .checkpoints import load_into, read
from .drawing import Checkpoint, draw, fingerprint
from .interface import OnProgress, Reference, Runtime, Working
from .memory import shortage_named
from .pictures import canvas, fit, pad, to_pictures, to_tensor
from .placement import compute_dtype, place

WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "understudy.safetensors"


def create() -> UnderstudyEngine:
    return UnderstudyEngine()


class UnderstudyEngine:
    spec = CATALOG["understudy"]

    def __init__(self, weights: Path = WEIGHTS):
        self.weights = weights

    def load(self, device: str, weights: Path | None = None, runtime: Runtime = Runtime()) -> None:  # noqa: B008
        """See `Engine.load`. Its weights come with Understudy."""
        self.device = torch.device(device)
        self.dtype = compute_dtype(self.device, runtime)
        self.autoencoder, self.denoiser = Autoencoder(AutoencoderConfig()), Denoiser(DenoiserConfig())
        tensors = with_split_projections(read(self.weights))
        for name, model in (("autoencoder", self.autoencoder), ("denoiser", self.denoiser)):
            own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
            load_into(model, own, f"{self.weights.name} ({name})")
            place(model, self.device, runtime)

    def generate(
        self,
        clip: PoseClip,
        references: Sequence[Reference],
        settings: GenerationSettings,
        on_progress: OnProgress,
        checkpoint: Path | None = None,
    ) -> None:
        """See `Engine.generate`."""
        self.spec.check(settings, len(clip.people))
        with torch.inference_mode(), shortage_named(f"A window of {settings.width} x {settings.height}"):
            self._generate(clip, references[0].picture, settings, on_progress, checkpoint)

    def _generate(self, clip, picture, settings, on_progress, checkpoint) -> None:
        width, height = canvas(settings.width, settings.height, self.spec.size_multiple)
        fitted = fit(picture, settings.width, settings.height)
        reference, nobody = self._encode_reference(pad(fitted, width, height)), None
        pose = self._pose_features(clip, settings, width, height)  # [T, C, H/8, W/8]
        windows = plan(len(clip), settings.context_frames, settings.context_overlap)

        def predict(latents: Tensor, t: float) -> Tensor:
            def window(rows: Tensor) -> Tensor:
                on_progress(Working())
                (frames,) = rows
                clean = self._clean(latents[frames], t, pose[frames], reference)
                if settings.guidance != 1:
                    unguided = self._clean(latents[frames], t, pose[frames], nobody)
                    clean = unguided + settings.guidance * (clean - unguided)
                return clean[None]

            return fuse(windows, window)

        def decode(latents: Tensor) -> np.ndarray:
            images = self.autoencoder.decode(self._to_device(latents)).float()
            return to_pictures(images[:, :, : settings.height, : settings.width] / 2 + 0.5)

        shape = (AutoencoderConfig().latent_channels, *pose.shape[2:])
        noise = initial_noise(len(clip), shape, settings.seed).to(self.device)
        kept = Checkpoint(checkpoint, fingerprint(clip, [fitted], settings)) if checkpoint else None
        draw(predict, noise, FlowPath(settings.steps), decode, on_progress, kept)

    def _to_device(self, images: Tensor) -> Tensor:
        return images.to(self.device, self.dtype, memory_format=torch.channels_last)

    def _encode_reference(self, picture: np.ndarray) -> EncodedReference:
        latents = self.autoencoder.encode(self._to_device(to_tensor(picture[None]) * 2 - 1))
        return self.denoiser.encode_reference(latents)[0]

    def _pose_features(self, clip: PoseClip, settings: GenerationSettings, width: int, height: int) -> Tensor:
        """Of skeletons that are placed for the frames' size, on a canvas of `width` x `height`."""
        points, drawable = clip.pixels(settings.width, settings.height), clip.drawable()
        parts = []
        for start in range(0, len(clip), 32):
            frames = range(start, min(start + 32, len(clip)))
            drawn = np.stack([draw_guide(points[frame], drawable[frame], width, height) for frame in frames])
            parts.append(self.denoiser.guider(self._to_device(to_tensor(drawn))))
        return torch.cat(parts)

    def _clean(self, latents: Tensor, t: float, pose: Tensor, reference: EncodedReference | None) -> Tensor:
        """Clean latents f32 of one window [n, C, H, W]."""
        times = torch.full((len(latents),), t, device=self.device)
        return self.denoiser(self._to_device(latents), times, pose, reference, frames=len(latents)).float()


def with_split_projections(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights as the shared attention modules name them, from those that had several projections in one matrix."""
    if not any(key.endswith("to_qkv.weight") for key in tensors):
        return tensors
    renamed = {}
    for key, value in tensors.items():
        layer, _, rest = key.rpartition(".attention.")
        if layer and not rest.startswith(("norm.", "reference_norm.")):
            prefix = f"{layer}.attention.attention."
            if rest == "reference_to_kv.weight":
                joint = f"{layer}.attention.to_kv.weight" in tensors
                prefix = f"{prefix}reference." if joint else prefix
            if rest.endswith("to_kv.weight"):
                renamed[f"{prefix}to_k.weight"], renamed[f"{prefix}to_v.weight"] = value.chunk(2)
            else:
                renamed[f"{prefix}{rest.replace('to_out', 'to_out.0')}"] = value
            continue
        if layer and rest.startswith("reference_norm.") and f"{layer}.attention.to_kv.weight" in tensors:
            renamed[f"{layer}.attention.attention.reference.{rest.removeprefix('reference_')}"] = value
            continue
        layer, _, rest = key.rpartition(".temporal.")
        block = f"{layer}.temporal.block."
        if not layer:
            renamed[key] = value
        elif rest == "to_qkv.weight":
            for name, part in zip("qkv", value.chunk(3), strict=True):
                renamed[f"{block}attention_blocks.0.to_{name}.weight"] = part
        elif rest.startswith("feed_in."):
            gate, fed = value.chunk(2)
            renamed[f"{block}ff.net.0.proj.{rest.removeprefix('feed_in.')}"] = torch.cat((fed, gate))
        else:
            for old, new in (("feed_norm", "ff_norm"), ("feed_out", "ff.net.2"), ("to_out", "attention_blocks.0.to_out.0")):
                rest = rest.replace(old, new)
            renamed[f"{block}{'norms.0' + rest[4:] if rest.startswith('norm.') else rest}"] = value
    return renamed
