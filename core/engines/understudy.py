"""The bundled engine: a small latent video diffusion in the manner of AnimateAnyone (Hu 2023), trained from scratch by us."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from einops import rearrange
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from ..control.guide import draw_guide
from ..diffusion.autoencoder import Autoencoder, AutoencoderConfig
from ..diffusion.sampler import FlowPath, denoise, initial_noise
from ..diffusion.unet import Denoiser, DenoiserConfig, Reference
from ..diffusion.windows import fuse, plan
from ..errors import InvalidWeights, OutOfMemory
from ..pose.clip import PoseClip
from ..protocol import GenerationSettings
from .catalog import CATALOG
from .interface import FrameReady, OnProgress, PreviewReady, StepDone, Working

WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "understudy.safetensors"
DECODE_BATCH = 8


def create() -> UnderstudyEngine:
    return UnderstudyEngine()


class UnderstudyEngine:
    spec = CATALOG["understudy"]

    def __init__(self, weights: Path = WEIGHTS):
        self.weights = weights

    def load(self, device: str) -> None:
        """See `Engine.load`. bfloat16 where the device computes in it, else float32."""
        self.device = torch.device(device)
        self.dtype = fastest_dtype(self.device)
        self.autoencoder, self.denoiser = Autoencoder(AutoencoderConfig()), Denoiser(DenoiserConfig())
        tensors = with_split_projections(read_weights(self.weights))
        for name, model in (("autoencoder", self.autoencoder), ("denoiser", self.denoiser)):
            own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
            try:
                model.load_state_dict(own, strict=True)
            except RuntimeError as error:
                raise InvalidWeights(f"{self.weights.name} does not fit the {name}: {error}") from error
            model.eval().requires_grad_(False).to(self.device, self.dtype, memory_format=torch.channels_last)

    def generate(
        self,
        clip: PoseClip,
        references: Sequence[np.ndarray],
        settings: GenerationSettings,
        on_progress: OnProgress,
        checkpoint: Path | None = None,
    ) -> None:
        """See `Engine.generate`."""
        self.spec.check(settings, len(clip.people))
        try:
            with torch.inference_mode():
                self._generate(clip, references[0], settings, on_progress, checkpoint)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemory(f"{len(clip)} frames of {settings.width} x {settings.height} do not fit in memory.") from error

    def _generate(self, clip, picture, settings, on_progress, checkpoint) -> None:
        fitted = fit(picture, settings.width, settings.height)
        reference, nobody = self._encode_reference(fitted), None
        pose = self._pose_features(clip, settings)  # [T, C, H/8, W/8]

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

        def on_step(step: int, latents: Tensor, clean: Tensor) -> None:
            if checkpoint:
                save_latents(checkpoint, latents, step, job)
            middle = len(clip) // 2
            on_progress(PreviewReady(step, self._decode(clean[middle : middle + 1])[0]))
            on_progress(StepDone(step, settings.steps))

        job = fingerprint(clip, fitted, settings)
        latents, done = load_latents(checkpoint, job) if checkpoint else (None, 0)
        if latents is None:
            shape = (AutoencoderConfig().latent_channels, *pose.shape[2:])
            latents = initial_noise(len(clip), shape, settings.seed)
        latents = denoise(predict, latents.to(self.device), FlowPath(settings.steps), done, on_step)
        for start in range(0, len(clip), DECODE_BATCH):
            for index, image in enumerate(self._decode(latents[start : start + DECODE_BATCH]), start):
                on_progress(FrameReady(index, image))

    def _to_device(self, images: Tensor) -> Tensor:
        return images.to(self.device, self.dtype, memory_format=torch.channels_last)

    def _encode_reference(self, picture: np.ndarray) -> Reference:
        image = rearrange(torch.from_numpy(picture), "h w c -> 1 c h w").float() / 127.5 - 1
        latents = self.autoencoder.encode(self._to_device(image))
        return self.denoiser.encode_reference(latents)[0]

    def _pose_features(self, clip: PoseClip, settings: GenerationSettings) -> Tensor:
        width, height = settings.width, settings.height
        points, drawable = clip.pixels(width, height), clip.drawable()
        parts = []
        for start in range(0, len(clip), 32):
            frames = range(start, min(start + 32, len(clip)))
            drawn = np.stack([draw_guide(points[frame], drawable[frame], width, height) for frame in frames])
            skeletons = rearrange(torch.from_numpy(drawn), "t h w c -> t c h w").float() / 255
            parts.append(self.denoiser.guider(self._to_device(skeletons)))
        return torch.cat(parts)

    def _clean(self, latents: Tensor, t: float, pose: Tensor, reference: Reference | None) -> Tensor:
        """Clean latents f32 of one window [n, C, H, W]."""
        times = torch.full((len(latents),), t, device=self.device)
        return self.denoiser(self._to_device(latents), times, pose, reference, frames=len(latents)).float()

    def _decode(self, latents: Tensor) -> np.ndarray:
        """Latents [n, C, H, W] to uint8 [n, 8H, 8W, 3]."""
        images = self.autoencoder.decode(self._to_device(latents)).float()
        images = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return np.ascontiguousarray(rearrange(images, "n c h w -> n h w c").cpu().numpy())


def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device has instructions for it."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.bfloat16
    return torch.float32


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, f32; raises `InvalidWeights` where it is missing, truncated or holds NaNs."""
    try:
        tensors = {key: value.float() for key, value in load_file(path).items()}
    except FileNotFoundError as error:
        raise InvalidWeights(f"{path} is missing.", "Install Understudy again; the file comes with it.") from error
    except (SafetensorError, OSError) as error:
        raise InvalidWeights(f"{path} is damaged ({error}).", "Install Understudy again; the file comes with it.") from error
    if bad := [key for key, value in tensors.items() if not value.isfinite().all()]:
        raise InvalidWeights(f"{path.name} holds NaNs in {', '.join(bad)}.", "Install Understudy again.")
    return tensors


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


def fit(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Scale a picture uint8 [h, w, 3] to fit whole into `width` x `height`, centred; the rest takes its border's colour."""
    tall, wide = picture.shape[:2]
    scale = min(width / wide, height / tall)
    size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    border = np.concatenate([scaled[0], scaled[-1], scaled[:, 0], scaled[:, -1]])
    canvas = np.full((height, width, 3), np.median(border, 0).round(), np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas[top : top + size[1], left : left + size[0]] = scaled
    return canvas


def fingerprint(clip: PoseClip, picture: np.ndarray, settings: GenerationSettings) -> str:
    """What a checkpoint must match to be gone on from."""
    return hashlib.sha256(
        json.dumps([clip.digest(), settings.to_json()]).encode() + np.ascontiguousarray(picture).tobytes()
    ).hexdigest()


def save_latents(path: Path, latents: Tensor, step: int, job: str) -> None:
    part = path.with_name(path.name + ".part")
    # Not `save_file`: on a full disk that raises an error of its own, which nobody can tell from another.
    part.write_bytes(save({"latents": latents.cpu().contiguous()}, {"step": str(step), "job": job}))
    part.replace(path)


def load_latents(path: Path, job: str) -> tuple[Tensor | None, int]:
    """The latents that `save_latents` kept of this very job and the steps they have had, or (None, 0)."""
    if not path.exists():
        return None, 0
    try:
        with safe_open(path, "pt") as archive:
            header = archive.metadata() or {}
            if header.get("job") != job:
                return None, 0
            return archive.get_tensor("latents"), int(header["step"])
    except (SafetensorError, OSError, KeyError):
        return None, 0
