"""The bundled model's denoiser: a UNet over latents that reads time, pose, and a reference, also laid over the pose."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, cat, nn

from .attention import KeyValue, PictureAttention, Watch
from .blocks import Downsample, ResidualBlock, Upsample, sinusoid
from .pose_guider import PoseGuider
from .reference_encoder import ReferenceEncoder, ReferenceEncoderConfig
from .temporal import TemporalModule

HEAD_CHANNELS = 32


@dataclass(frozen=True)
class DenoiserConfig:
    latent_channels: int = 8
    channels: tuple[int, int, int] = (64, 128, 256)
    blocks: int = 1
    embedding: int = 256
    reference: ReferenceEncoderConfig = field(default_factory=ReferenceEncoderConfig)


@dataclass(frozen=True)
class Reference:
    """What the denoiser needs of R references: computed once a job.

    latents [R, C, H, W]; bank: one (keys, values) for each attention layer, in the order they run
    """

    latents: Tensor
    bank: list[KeyValue]


class Level(nn.Module):
    """Residual blocks at one size, the reference attention, the temporal module."""

    def __init__(self, channels_in: int, channels: int, blocks: int, embedding: int, reference_channels: int, joint: bool):
        super().__init__()
        widths = [channels_in] + [channels] * (blocks - 1)
        self.blocks = nn.ModuleList(ResidualBlock(width, channels, embedding) for width in widths)
        self.attention = PictureAttention(channels, reference_channels, channels // HEAD_CHANNELS, joint)
        self.temporal = TemporalModule(channels, channels // HEAD_CHANNELS)

    def forward(
        self, x: Tensor, embedding: Tensor, reference: KeyValue | None, frames: int | None, watch: Watch | None
    ) -> Tensor:
        for block in self.blocks:
            x = block(x, embedding)
        x = self.attention(x, reference, watch)
        return x if frames is None else self.temporal(x, frames)


class Denoiser(nn.Module):
    """Predicts clean latents from noisy ones on the straight path x_t = (1 - t) x_0 + t noise (flow matching, Lipman 2022)."""

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        fine, middle, coarse = config.channels
        tokens = config.reference.token_channels
        size, blocks, latent = config.embedding, config.blocks, config.latent_channels
        self.time = nn.Sequential(nn.Linear(size, size), nn.SiLU(), nn.Linear(size, size), nn.SiLU())
        self.guider = PoseGuider(fine)
        self.reference_encoder = ReferenceEncoder(config.reference)
        self.conv_in = nn.Conv2d(3 * latent, fine, 3, padding=1)
        self.down1 = Level(fine, fine, blocks, size, tokens[0], joint=False)
        self.to_middle = Downsample(fine, middle)
        self.down2 = Level(middle, middle, blocks, size, tokens[1], joint=True)
        self.to_coarse = Downsample(middle, coarse)
        self.mid = Level(coarse, coarse, blocks + 1, size, tokens[2], joint=True)
        self.from_coarse = Upsample(coarse, middle)
        self.up2 = Level(2 * middle, middle, blocks, size, tokens[1], joint=True)
        self.from_middle = Upsample(middle, fine)
        self.up1 = Level(2 * fine, fine, blocks, size, tokens[0], joint=False)
        self.norm_out = nn.GroupNorm(16, fine)
        self.conv_out = nn.Conv2d(fine, latent + 1, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)
        nn.init.constant_(self.conv_out.bias[-1:], 3)  # before any training, the reference laid over the pose

    @property
    def levels(self) -> list[Level]:
        return [self.down1, self.down2, self.mid, self.up2, self.up1]

    def temporal_parameters(self) -> list[nn.Parameter]:
        return [parameter for level in self.levels for parameter in level.temporal.parameters()]

    def encode_reference(self, latents: Tensor, body: Tensor) -> tuple[Reference, Tensor]:
        """Reference latents [R, C, H, W] and body map [R, 8, H, W] (0: not known) to what `forward` reads, and the body map as
        the encoder sees it."""
        (fine, middle, coarse), seen = self.reference_encoder(latents, body)
        tokens = (fine, middle, coarse, middle, fine)
        bank = [level.attention.project_reference(part) for level, part in zip(self.levels, tokens, strict=True)]
        return Reference(latents, bank), seen

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        pose: Tensor,
        warped: Tensor,
        reference: Reference | None,
        frames: int | None = None,
        watch: Watch | None = None,
    ) -> Tensor:
        """Noisy latents x [B, C, H, W] at times t [B] to clean ones. `pose` [B, fine, H, W] is the `guider`'s, `warped`
        [B, C, H, W] the latents of the reference laid over the pose (of plain grey where that is not known).

        B / R targets in a row share a reference; none: the model invents a character. `frames` T: the batch is B / T clips,
        and temporal attention runs along each; None: single pictures. H and W are multiples of 4. `watch` goes to the
        attention layers.
        """
        embedding = self.time(sinusoid(t, self.time[0].in_features).to(pose.dtype))
        if reference is None:
            seen, bank = x.new_zeros(x.shape), [None] * 5
        else:
            seen = reference.latents.repeat_interleave(len(x) // len(reference.latents), 0)
            bank = reference.bank
        h = self.conv_in(cat((x, seen, warped), 1)) + pose
        first = self.down1(h, embedding, bank[0], frames, watch)
        second = self.down2(self.to_middle(first), embedding, bank[1], frames, watch)
        h = self.mid(self.to_coarse(second), embedding, bank[2], frames, watch)
        h = self.up2(cat((self.from_coarse(h), second), 1), embedding, bank[3], frames, watch)
        h = self.up1(cat((self.from_middle(h), first), 1), embedding, bank[4], frames, watch)
        out, gate = self.conv_out(nn.functional.silu(self.norm_out(h))).split((x.shape[1], 1), 1)
        return gate.sigmoid() * warped + out  # what the reference shows need not be drawn, what it shows wrongly is dropped
