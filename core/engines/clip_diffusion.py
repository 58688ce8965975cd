"""What the engines on Stable Diffusion 1.5's networks share: their autoencoder, windows, guidance, and the way from pictures in
to frames out. Each family's own file says what it reads and how."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from einops import rearrange
from torch import Tensor, nn

from ..control.guide import draw_together
from ..diffusion.attention import KeyValue
from ..diffusion.schedulers import make_path
from ..diffusion.sd15.blocks import Resnet, Sees, SpatialBlock, TemporalTransformer
from ..diffusion.sd15.config import TemporalConfig
from ..diffusion.windows import Fusion, Layout, fuse, plan
from ..pose.clip import PoseClip
from ..protocol import DECODE_BATCH, GenerationSettings
from .catalog import EngineSpec
from .checkpoints import configured, load_into, read
from .drawing import Checkpoint, Decode, draw, fingerprint
from .interface import Noted, OnProgress, Reference, Runtime, Working
from .layout import seek
from .memory import free_bytes, freed_memory_kept, shortage_named
from .pictures import canvas, fit, pad, to_pictures, to_tensor
from .placement import choose, compiling_named, place

LATENT_SCALE = 0.18215  # of the autoencoder's latents to those that are denoised: Stable Diffusion 1.5's
LATENT_CHANNELS = 4
KEPT_FEATURES = 96  # frames: control features of so many are kept, of the rest computed anew, so that memory does not grow
REPEATED = (Resnet, SpatialBlock, TemporalTransformer)  # parts of the networks, each many times in them
MOST_WINDOWS = 4  # in one pass, where there is memory

Controls = Callable[[Sequence[int]], Sequence[np.ndarray]]
"""From frames' indices to their control pictures, uint8 [n, H, W, 3] for each kind that the engine reads."""


@dataclass(frozen=True)
class Published:
    """What a family's code holds beside its checkpoints: all of it can be changed to compare with other runs of that code.

    scheduler: diffusers' names; reference: which spatial transformers read the reference, "full" or only "midup"; undivided:
    without guidance, do not divide the sum of overlapping windows by their number. That is a slip of the published code, which
    only a comparison with it repeats.
    """

    scheduler: Mapping[str, Any]
    temporal: TemporalConfig
    reference: str = "full"
    joint_norm: bool = False
    undivided: bool = False


class Take(ABC):
    """One job on its way: all that stays the same while it is denoised."""

    @abstractmethod
    def begin_step(self, t: float) -> None:
        """Prepare what changes from step to step but not from window to window."""

    @abstractmethod
    def predict(self, latents: Tensor, frames: list[int], count: int, guided: bool) -> tuple[Tensor, Tensor | None]:
        """The network's output for latents [(b n), C, h, w] of `frames`, `count` = n to a window; and, where `guided`, that
        without reference and text."""


class ClipDiffusionEngine(ABC):
    """An engine on Stable Diffusion 1.5's networks. Its subclasses load theirs and prepare takes."""

    spec: EngineSpec
    published: Published
    controls: tuple[str, ...]  # kinds of control pictures, keys of `control.guide.PICTURES`
    enforced: Mapping[str, Any] = {}  # of the scheduler, by the published code, whatever is configured
    encoded = torch.float32  # what the reference is encoded in where a run is compared with one of the published code

    def load(self, device: str, weights: Path | None = None, runtime: Runtime = Runtime()) -> None:  # noqa: B008
        """See `Engine.load`."""
        assert weights is not None, f"engine {self.spec.name} has files"
        self.runtime = runtime
        self.device, self.dtype = choose(device, runtime)
        channels_last = not runtime.plain and (self.dtype.itemsize == 2 or self.device.type == "cpu")  # faster there
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        with shortage_named(f"Engine {self.spec.name}"):
            config = self.spec.file(weights, "sd-vae-ft-mse/config.json")
            path = self.spec.file(weights, "sd-vae-ft-mse/diffusion_pytorch_model")
            tensors = with_present_names(read(path))
            self.autoencoder = self._loaded(lambda: configured(config, AutoencoderKL.from_config), tensors, path.name)
            self.tiny_autoencoder = self._load_tiny(weights)
            self.load_networks(weights)

    def _load_tiny(self, weights: Path) -> AutoencoderTiny | None:
        """The autoencoder that was distilled from the other's decoder for previews, where it is there."""
        path = seek(weights, "taesd/diffusion_pytorch_model")
        if path is None:
            return None
        config = self.spec.file(weights, "taesd/config.json")
        return self._loaded(lambda: configured(config, AutoencoderTiny.from_config), read(path), f"taesd/{path.name}")

    @abstractmethod
    def load_networks(self, weights: Path) -> None:
        """Read the family's own files. Raises `InvalidWeights`."""

    @abstractmethod
    def prepare(self, picture: np.ndarray, controls: Controls) -> Take:
        """`picture` uint8 [H, W, 3] is the reference, of the frames' size."""

    def noise(self, frames: int, height: int, width: int, seed: int) -> Tensor:
        """Noise f32 [frames, C, h, w] as the published code draws it on the CPU."""
        shape = (1, LATENT_CHANNELS, frames, height // 8, width // 8)
        return rearrange(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), "1 c t h w -> t c h w")

    def generate(
        self,
        clip: PoseClip,
        references: Sequence[Reference],
        settings: GenerationSettings,
        on_progress: OnProgress,
        checkpoint: Path | None = None,
        drawn: int = 0,
        initial_latents: Tensor | None = None,
        return_latents: bool = False,
    ) -> Tensor | None:
        """See `Engine.generate`. `initial_latents` f32 [T, 4, H/8, W/8] in place of noise from the seed; with `return_latents`
        the denoised ones, of the same shape, are returned."""
        self.spec.check(settings, len(clip.people))
        width, height = canvas(settings.width, settings.height, self.spec.size_multiple)
        reference = fit(references[0].picture, settings.width, settings.height)

        def controls(frames: Sequence[int]) -> list[np.ndarray]:
            pictures = draw_together(clip, self.controls, settings.width, settings.height, frames)
            return [pad(np.stack(kind), width, height) for kind in zip(*pictures, strict=True)]

        kept = Checkpoint(checkpoint, fingerprint(clip, [reference], settings)) if checkpoint else None
        picture = pad(reference, width, height)
        latents = self.render(controls, len(clip), picture, settings, on_progress, kept, initial_latents, drawn)
        return latents if return_latents else None

    def render(
        self,
        controls: Controls,
        frames: int,
        picture: np.ndarray,
        settings: GenerationSettings,
        on_progress: OnProgress,
        checkpoint: Checkpoint | None = None,
        initial_latents: Tensor | None = None,
        drawn: int = 0,
    ) -> Tensor:
        """Draw `frames` frames of control pictures and a reference `picture` that have the canvas's size; the latents."""
        short = shortage_named(f"A window of {settings.width} x {settings.height}")
        with torch.inference_mode(), freed_memory_kept(), short, compiling_named(self.runtime):
            height, width = picture.shape[:2]
            if initial_latents is None:
                initial_latents = self.noise(self.spec.denoised(frames, settings), height, width, settings.seed)
            take = self.prepare(picture, lambda asked: controls([min(frame, frames - 1) for frame in asked]))
            path = make_path(settings.scheduler or "ddim", self.published.scheduler, settings.steps, settings.seed)

            def pictures(decode: Callable[[Tensor], Tensor]) -> Decode:
                return lambda latents: to_pictures(decode(latents)[:, :, : settings.height, : settings.width])

            full, tiny = pictures(self.decode), pictures(self.decode_roughly)
            preview = full if self.tiny_autoencoder is None else tiny
            if settings.decoder == "tiny" and self.tiny_autoencoder is None:
                on_progress(Noted("Decoding in full: the tiny autoencoder, taesd, is not among the weights"))
            decode = preview if settings.decoder == "tiny" else full
            noise = initial_latents.to(self.device)
            predict = self._predictor(take, len(noise), settings, path.times, on_progress)
            return draw(predict, noise, path, decode, on_progress, checkpoint, preview, frames, drawn)

    def _predictor(
        self, take: Take, frames: int, settings: GenerationSettings, times: list[float], on_progress: OnProgress
    ) -> Callable[[Tensor, float], Tensor]:
        """What gives the network's guided output for all frames of a clip, from their latents and the time."""
        layout, stride = cast(Layout, settings.context_layout), settings.context_stride
        windows = plan(frames, settings.context_frames, settings.context_overlap, layout, stride)
        guided_times = times[: settings.guided_steps] if settings.guidance > 1 else []
        batch = self._windows_at_once(settings, windows.shape[1])
        undivided = self.published.undivided and settings.guidance <= 1
        counts = sum(torch.bincount(window.unique(), minlength=frames) for window in windows) if undivided else None

        def predict(latents: Tensor, t: float) -> Tensor:
            take.begin_step(t)

            def window(rows: Tensor) -> Tensor:
                on_progress(Working())
                count, shown = rows.shape[1], rows.flatten()
                some = latents[shown.to(latents.device)].to(self.dtype, memory_format=self.layout)
                output, without = take.predict(some, shown.tolist(), count, t in guided_times)
                if without is not None:
                    output = without + settings.guidance * (output - without)
                return rearrange(output.float(), "(b t) c h w -> b t c h w", t=count)

            fused = fuse(windows, window, cast(Fusion, settings.context_fusion), batch)
            return fused if counts is None else fused * counts.to(fused)[:, None, None, None]

        return predict

    def _windows_at_once(self, settings: GenerationSettings, count: int) -> int:
        """Several small windows fill a large GPU better than one; a CPU gains nothing."""
        if self.device.type == "cpu":
            return 1
        return max(1, min(MOST_WINDOWS, free_bytes(str(self.device)) // (2 * self.spec.memory.working_bytes(settings, count))))

    def decode(self, latents: Tensor) -> Tensor:
        """Latents f32 [n, 4, h, w] to images f32 [n, 3, 8h, 8w] in 0..1."""
        images = self.autoencoder.decode(self.to_device(latents / LATENT_SCALE)).sample
        return (images.float() / 2 + 0.5).clamp(0, 1)

    def decode_roughly(self, latents: Tensor) -> Tensor:
        """The same by the tiny autoencoder: a twentieth of the work."""
        scaled = latents / self.tiny_autoencoder.config.scaling_factor
        return (self.tiny_autoencoder.decode(self.to_device(scaled)).sample.float() / 2 + 0.5).clamp(0, 1)

    def encode(self, picture: np.ndarray) -> Tensor:
        """A picture uint8 [H, W, 3] to latents [1, 4, H/8, W/8]."""
        autoencoder, pixels = self.autoencoder, self.to_device(to_tensor(picture[None]) * 2 - 1)
        if self.runtime.plain and self.encoded != torch.float32 and self.device.type != "mps":  # which has none wider
            autoencoder, pixels = nn.Module.to(copy.deepcopy(autoencoder), self.encoded), pixels.to(self.encoded)
        return (autoencoder.encode(pixels).latent_dist.mean * LATENT_SCALE).to(self.dtype)

    def to_device(self, images: Tensor) -> Tensor:
        return images.to(self.device, self.dtype, memory_format=self.layout)

    def as_written(self, tokens: Sequence[Tensor | None]) -> list[Tensor | None]:
        """A reference's tokens as the published code passes them on: through sixteen bits, whatever it computes in."""
        return [None if written is None else written.half().to(self.dtype) for written in tokens]

    def features(self, guide: Callable[[list[Tensor]], list[Tensor]], controls: Controls, jointly: bool = False) -> Features:
        """What `guide` makes of control pictures [n, 3, H, W] of each kind."""

        def compute(frames: list[int]) -> list[Tensor]:
            return guide([to_tensor(kind).to(self.device, self.dtype) for kind in controls(frames)])

        return Features(compute, jointly)

    def _loaded(
        self, build: Callable[[], nn.Module], tensors: Mapping[str, Tensor], what: str, every_step: bool = False
    ) -> Any:
        """The module that `build` makes, with the weights `tensors`, ready on the device; only one that is run at `every_step`
        is worth being compiled.

        Its `unread`, where it has any, are patterns of the keys that a checkpoint may have beside its own.
        """
        with torch.device("meta"):
            module = build()
        load_into(module, tensors, what, (*getattr(module, "unread", ()), "*.position_ids"))
        runtime = self.runtime if every_step else replace(self.runtime, compile=False)
        place(module, self.device, runtime, self.layout, REPEATED)
        return module


class Features:
    """What is computed of frames' control pictures: drawn when first asked for, and kept of the first frames of a clip.

    `compute` gives features of frames by index, at one size or several, each [n, c, h, w]: of every frame for itself, or, where
    `jointly`, of all frames of a window together.
    """

    def __init__(self, compute: Callable[[list[int]], list[Tensor]], jointly: bool = False):
        self._compute, self._jointly = compute, jointly
        self._kept: dict[tuple[int, ...], list[Tensor]] = {}

    def __call__(self, frames: list[int], count: int = 1) -> list[Tensor]:
        """Of frames by index, windows of `count` in a row, at each size [n, c, h, w]."""
        size, at_once = (count, 1) if self._jointly else (1, DECODE_BATCH)
        units = [tuple(frames[start : start + size]) for start in range(0, len(frames), size)]
        missing = sorted({unit for unit in units if unit not in self._kept})
        fresh: dict[tuple[int, ...], list[Tensor]] = {}
        for start in range(0, len(missing), at_once):
            some = missing[start : start + at_once]
            levels = (level.split(size) for level in self._compute([frame for unit in some for frame in unit]))
            fresh |= {unit: list(parts) for unit, *parts in zip(some, *levels, strict=True)}
        self._kept |= {unit: parts for unit, parts in fresh.items() if max(unit) < KEPT_FEATURES}
        found = (fresh[unit] if unit in fresh else self._kept[unit] for unit in units)
        return [torch.cat(parts) for parts in zip(*found, strict=True)]


@dataclass(frozen=True)
class Side:
    """What one side of guidance sees: with the reference and the text, or without."""

    text: Sequence[KeyValue | Tensor]
    bank: Sequence[KeyValue | None]

    def sees(self, embedding: Tensor, frames: int) -> Sees:
        return Sees(embedding, frames, self.text, self.bank)


def with_present_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An autoencoder's weights with the names that diffusers gave its attention after the first checkpoints."""
    renames = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    renamed = {}
    for key, value in tensors.items():
        *path, layer, kind = key.split(".")
        renamed[".".join([*path, renames.get(layer, layer) if "attentions" in path else layer, kind])] = value
    return renamed


def without_wrappers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of temporal modules without the level of names that held nothing else."""
    return {key.replace(".temporal_transformer.", "."): value for key, value in tensors.items()}
