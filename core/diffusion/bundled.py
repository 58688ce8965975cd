"""The bundled model: its networks as one module, and how a figure is drawn with them in a window of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from .autoencoder import Autoencoder, AutoencoderConfig
from .body import Body
from .body_map import body_map, spots_of
from .finishing import finish
from .matting import Matting, lift
from .puppet import WARP_CHANNELS, Puppet, cut_out, lay_over
from .sampler import FlowPath
from .unet import Denoiser, DenoiserConfig, Reference

WIDTH, HEIGHT = 256, 320  # pixels of the window that the model was trained on
CELL = Autoencoder.factor
_SHARPER = 3.0
SHARED_NOISE = 0.8  # of the frames' noise: what pose and reference leave open is then drawn alike in all of them
CHUNK = 8  # frames at a time where all of them would only take memory


@dataclass(frozen=True)
class Seen:
    """One reference: what the denoiser reads of it, and its cut-out parts where its joints are known."""

    reference: Reference
    puppet: Puppet | None


@dataclass(frozen=True)
class Posed:
    """T poses to draw: detail f32 [T, 13, H, W] (see `puppet`), the pose guider's features, the laid reference's latents."""

    detail: Tensor
    features: Tensor
    warped: Tensor

    def __getitem__(self, frames: slice | Tensor) -> Posed:
        return Posed(**{entry.name: getattr(self, entry.name)[frames] for entry in fields(self)})

    @classmethod
    def join(cls, parts: Sequence[Posed]) -> Posed:
        """Of poses in a row."""
        return cls(*(torch.cat([getattr(part, entry.name) for part in parts]) for entry in fields(cls)))


class Understudy(nn.Module):
    def __init__(self, autoencoder: AutoencoderConfig | None = None, denoiser: DenoiserConfig | None = None):
        super().__init__()
        self.matting = Matting()
        self.autoencoder = Autoencoder(autoencoder or AutoencoderConfig())
        self.denoiser = Denoiser(denoiser or DenoiserConfig())

    def matte(self, picture: Tensor, body: Body | None) -> Tensor:
        """Which pixels of pictures f32 [R, 3, H, W] in 0..1 are the person: f32 [R, 1, H, W] in 0..1."""
        # Sharper than it is sure: only what is wholly the person can be cut out and laid over a pose.
        return (_SHARPER * self.matting(picture, self._map(body, picture)[:, :1])).sigmoid()

    def see(self, picture: Tensor, matte: Tensor, body: Body | None) -> Seen:
        """A reference picture f32 [1, 3, H, W] in 0..1, cut out by its matte; `body` None: its joints are not known."""
        latents = self.autoencoder.encode(lift(picture, matte) * 2 - 1)
        seen = nn.functional.avg_pool2d(self._map(body, picture), CELL)
        reference, _ = self.denoiser.encode_reference(latents, seen)
        return Seen(reference, None if body is None else cut_out(picture, matte, body))

    def pose(self, seen: Seen, body: Body, width: int = WIDTH, height: int = HEIGHT) -> Posed:
        """Bodies [T] in the window's pixels."""
        chunks = range(0, len(body.turn), CHUNK)
        return Posed.join([self._pose(seen, body[start : start + CHUNK], width, height) for start in chunks])

    def _pose(self, seen: Seen, body: Body, width: int, height: int) -> Posed:
        spots = spots_of(body, width, height)
        count = len(body.turn)
        if seen.puppet is None:
            laid = torch.zeros(count, WARP_CHANNELS, height, width, device=body.turn.device)
            laid[:, :3] = 0.5
        else:
            source = torch.zeros(count, dtype=torch.long, device=body.turn.device)
            laid, _ = lay_over(seen.puppet, source, body, spots, width, height)
        detail = torch.cat((laid, body_map(body, spots, width, height)), 1)
        return Posed(detail, self.denoiser.guider(detail), self.autoencoder.encode(laid[:, :3] * 2 - 1))

    def clean(self, latents: Tensor, t: float, posed: Posed, seen: Seen | None, temporal: bool = True) -> Tensor:
        """Clean latents [T, C, H/8, W/8] from noisy ones of one clip at time t; `seen` None: guidance's other half."""
        times = torch.full((len(latents),), t, device=latents.device)
        reference = seen.reference if seen else None
        return self.denoiser(latents, times, posed.features, posed.warped, reference, len(latents) if temporal else None)

    def step(
        self,
        latents: Tensor,
        noise: Tensor,
        known: int,
        path: FlowPath,
        number: int,
        posed: Posed,
        seen: Seen | None,
        guidance: float = 1.0,
        temporal: bool = True,
    ) -> None:
        """Step `number` of `path` for a window of frames' latents [T, C, H/8, W/8], in place.

        The first `known` frames are clean already and stay: as noisy as the others are by now, they tell those how to go on.
        """
        t = path.times[number]
        noisy = latents.clone()
        noisy[:known] = (1 - t) * noisy[:known] + t * noise[:known]
        clean = self.clean(noisy, t, posed, seen, temporal).float()
        if guidance != 1:
            unguided = self.clean(noisy, t, posed, None, temporal).float()
            clean = unguided + guidance * (clean - unguided)
        latents[known:] = path.step(number, clean, noisy)[0][known:]

    def draw(self, latents: Tensor, detail: Tensor) -> tuple[Tensor, Tensor]:
        """Figures f32 [T, 3, H, W] over black, multiplied by their mattes, and mattes [T, 1, H, W], all in 0..1."""
        figure, matte = self.autoencoder.decode(latents, detail)
        colours = (((figure + 1) / 2 - 0.5 * (1 - matte)) / matte.clamp(min=0.05)).clamp(0, 1)
        return finish(colours, matte, detail)

    def _map(self, body: Body | None, picture: Tensor) -> Tensor:
        height, width = picture.shape[2:]
        if body is None:
            return picture.new_zeros(len(picture), 8, height, width)
        return body_map(body, spots_of(body, width, height), width, height)
