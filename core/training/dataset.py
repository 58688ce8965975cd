"""The training set: people, their body maps, their reference laid over every pose; made once, and batches drawn from it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..diffusion.autoencoder import Autoencoder
from ..diffusion.body import body_of
from ..diffusion.body_map import body_map, spots_of
from ..diffusion.puppet import DETAIL_CHANNELS, WARP_CHANNELS, cut_out, lay_over
from ..errors import InvalidRequest
from .human import Human
from .parallel import device, each
from .shots import Shot, shoot

CELL = 8  # pixels that a latent stands for
TOKEN = 16  # pixels a reference token stands for, at the finer of the encoder's token grids
SINGLES, OTHERS = 2, 6
FRAMES = SINGLES + OTHERS  # pictures a character: few, for many people teach more than many pictures of each
CLIPS_EVERY = 5  # rows: the others are one clip for one of so many people, else each of them of another motion
HUMANS_EVERY = 3  # rows: one of so many shows a human, where one is given
CHUNK = 4  # frames at a time: more only makes the allocator slow
NOTHING_LAID = torch.tensor([0.5, 0.5, 0.5, 0.0, 0.0]).view(1, WARP_CHANNELS, 1, 1)
"""The warped reference where its joints are not known."""
Cut = Callable[..., np.ndarray]
"""The pictures of an array by name, with so many pixels a cell; those of another frame, if one is given."""


@dataclass(frozen=True)
class Batch:
    """R characters, S targets each; B = R S, targets of one character in a row.

    references f32 [R, C, h, w], targets and warped f32 [B, C, H, W] latents; beside f32 [B, C, H, W]: the reference's where
    the target is; body f32 [R, 8, h, w] the references' body map; detail f32 [B, 13, 8H, 8W] in 0..1 (see `puppet`);
    foreground f32 [B, 1, H, W]; matches int64 [B, H, W]: the reference token that shows the same spot of the body, or -100;
    regions int64 [B, H, W]: garment, hair ..., 0 the background
    """

    references: Tensor
    targets: Tensor
    warped: Tensor
    beside: Tensor
    body: Tensor
    detail: Tensor
    foreground: Tensor
    matches: Tensor
    regions: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(**{entry.name: getattr(self, entry.name).to(device) for entry in fields(self)})


@dataclass(frozen=True)
class Prepared:
    """What the networks are shown and asked for, of one shot; its first frame is the reference. Over mid-grey, 0..1.

    figures f32 [F, 3, H, W]; mattes f32 [F, 1, H, W]; detail f32 [F, 13, H, W]; where f32 [F, 2, H, W]: see `lay_over`
    """

    figures: Tensor
    mattes: Tensor
    detail: Tensor
    where: Tensor


def prepare(shot: Shot) -> Prepared:
    """Lay the shot's first frame over all of them."""
    pictures, mattes = shot.pictures.float() / 255, shot.mattes.float() / 255
    count, _, height, width = pictures.shape
    points, intrinsics = torch.as_tensor(shot.points_cam), torch.as_tensor(shot.intrinsics)
    bodies = body_of(points, torch.as_tensor(shot.visible), intrinsics, torch.zeros(count, dtype=torch.bool))
    puppet = cut_out(pictures[:1], mattes[:1], bodies[:1])
    details, wheres = [], []
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        body = bodies[part]
        spots = spots_of(body, width, height)
        source = torch.zeros(len(body.turn), dtype=torch.long)
        warp, where = lay_over(puppet, source, body, spots, width, height)
        details.append(torch.cat((warp, body_map(body, spots, width, height)), 1))
        wheres.append(where)
    figures = shot.figures.float() / 255 + 0.5 * (1 - mattes)
    return Prepared(figures, mattes, torch.cat(details), torch.cat(wheres))


class Dataset:
    """Memory-mapped arrays in `folder`, one row a character: filled up to `characters` by `build`, resumable.

    Raises `InvalidRequest` where the folder holds pictures of another size or number.
    """

    def __init__(self, folder: Path, characters: int, width: int, height: int, channels: int = 8):
        self.folder, self.characters, self.width, self.height = folder, characters, width, height
        folder.mkdir(parents=True, exist_ok=True)
        cells, size = (height // CELL, width // CELL), (height, width)
        layout = {
            "pictures": (np.uint8, (FRAMES, 3, *size)),
            "figures": (np.uint8, (FRAMES, 3, *size)),
            "mattes": (np.uint8, (FRAMES, 1, *size)),
            "detail": (np.uint8, (FRAMES, DETAIL_CHANNELS, *size)),
            "matches": (np.int16, (FRAMES, *cells)),
            "regions": (np.uint8, (FRAMES, *cells)),
            "latents": (np.float16, (FRAMES, channels, *cells)),
            "warped": (np.float16, (FRAMES, channels, *cells)),
        }
        self.arrays = {}
        for name, (dtype, shape) in layout.items():
            path = folder / f"{name}.npy"
            if path.exists():
                self.arrays[name] = np.lib.format.open_memmap(path, "r+")
                if self.arrays[name].shape[1:] != shape:
                    raise InvalidRequest(f"{path} holds pictures of another layout.", f"Remove the folder {folder}.")
                self.characters = len(self.arrays[name])
            else:
                self.arrays[name] = np.lib.format.open_memmap(path, "w+", dtype, (characters, *shape))
        self.blank = torch.zeros(1, channels, *cells)

    def _count(self, what: str) -> int:
        path = self.folder / what
        return int(path.read_text()) if path.exists() else 0

    @property
    def length(self) -> int:
        return self._count("rendered")

    def build(self, minutes: float, humans: Sequence[Human] = ()) -> None:
        """Render the characters that are still missing, for at most `minutes`; some of them with the `humans`' bodies."""
        started, first = time.monotonic(), self.length

        def make(seed: int) -> tuple[Shot, Prepared]:
            turn, rest = divmod(seed, HUMANS_EVERY)
            human = humans[turn % len(humans)] if humans and rest == HUMANS_EVERY - 1 else None
            clips, frames = (1, OTHERS) if seed % CLIPS_EVERY == 0 else (OTHERS, 1)
            shot = shoot(seed, self.width, self.height, frames, human, references=SINGLES, clips=clips)
            return shot, prepare(shot)

        for start in range(first, self.characters, 16):
            spent = (time.monotonic() - started) / 60
            if spent >= minutes:
                break
            seeds = range(start, min(start + 16, self.characters))
            for seed, (shot, made) in zip(seeds, each(make, seeds), strict=True):
                self._write(seed, shot, made)
            self._flush("rendered", seeds.stop)
            print(f"dataset: {seeds.stop} of {self.characters} characters in {spent:.1f} min", flush=True)

    def _write(self, row: int, shot: Shot, made: Prepared) -> None:
        middle = slice(CELL // 2, None, CELL)
        column, line = (made.where[:, :, middle, middle] / TOKEN).floor().unbind(1)
        columns, lines = self.width // TOKEN, self.height // TOKEN
        shown = made.detail[:, 4, middle, middle] > 0.5
        inside = shown & (column >= 0) & (line >= 0) & (column < columns) & (line < lines)
        values = {
            "pictures": shot.pictures, "figures": _bytes(made.figures), "mattes": shot.mattes,
            "detail": _bytes(made.detail), "matches": torch.where(inside, line * columns + column, -100.0),
            "regions": torch.as_tensor(shot.regions)[:, middle, middle],
        }  # fmt: skip
        for name, value in values.items():
            self.arrays[name][row] = value.numpy()

    def encode(self, autoencoder: Autoencoder) -> None:
        """The latents of all figures and of all warped references that have none of this very encoder."""
        state = [*autoencoder.encoder.state_dict().values(), autoencoder.mean, autoencoder.std]
        maker = hashlib.sha256(b"".join(value.cpu().numpy().tobytes() for value in state)).hexdigest()
        marker = self.folder / "encoder"
        if not marker.exists() or marker.read_text() != maker:
            self._flush("encoded", 0)
            marker.write_text(maker)

        def latents(figures: np.ndarray) -> np.ndarray:
            parts = torch.from_numpy(figures).to(device()).float().div(127.5).sub(1).split(CHUNK)
            return torch.cat([autoencoder.encode(part) for part in parts]).cpu().numpy()

        def make(row: int) -> None:
            with torch.inference_mode():
                self.arrays["latents"][row] = latents(self.arrays["figures"][row])
                self.arrays["warped"][row] = latents(self.arrays["detail"][row][:, :3])

        list(each(make, range(self._count("encoded"), self.length)))
        self._flush("encoded", self.length)
        with torch.inference_mode():
            self.blank = autoencoder.encode(torch.zeros(1, 3, self.height, self.width, device=device())).cpu()

    def _flush(self, what: str, count: int) -> None:
        for array in self.arrays.values():
            array.flush()
        (self.folder / what).write_text(str(count))

    def crops(self, rng: np.random.Generator, count: int, size: int, rows: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Figures -1..1, mattes and details 0..1 of `count` squares of `size` pixels, mostly on a figure, of the first rows."""
        found = []
        for _ in range(count):
            row, frame = rng.integers(min(rows or self.length, self.length)), rng.integers(1, FRAMES)
            y, x = square(corner(rng, self.arrays["regions"][row, frame], size), size, CELL)
            figure, matte, detail = (
                torch.from_numpy(self.arrays[name][row, frame, :, y, x]).float() / 255
                for name in ("figures", "mattes", "detail")
            )
            found.append((figure * 2 - 1, matte, detail))
        figures, mattes, details = (torch.stack(parts) for parts in zip(*found, strict=True))
        return figures, mattes, details

    def scenes(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Whole pictures in 0..1, mattes, and where the capsules are, [B, ., H, W]."""
        rows, frames = rng.integers(self.length, size=count), rng.integers(FRAMES, size=count)
        pictures, mattes = (torch.from_numpy(self.arrays[name][rows, frames]).float() / 255 for name in ("pictures", "mattes"))
        capsules = torch.from_numpy(self.arrays["detail"][rows, frames, WARP_CHANNELS : WARP_CHANNELS + 1]).float() / 255
        return pictures, mattes, capsules

    @property
    def encoded(self) -> int:
        """Rows that have latents."""
        return self._count("encoded")

    def singles(self, rng: np.random.Generator, characters: int, targets: int, size: int | None = None) -> Batch:
        """Random pictures of random characters, or squares of `size` pixels of them, mostly on the figure; a quarter of them
        without the reference's joints."""
        who = rng.integers(self.encoded, size=characters)
        frames = np.stack([1 + rng.permutation(FRAMES - 1)[:targets] for _ in who])
        return self._batch(rng, who, frames, self._squares(rng, who, frames, size) if size else None)

    def clips(self, rng: np.random.Generator, characters: int, frames: int) -> Batch:
        """Random clips of `frames` frames in a row."""
        who = CLIPS_EVERY * rng.integers(-(-self.encoded // CLIPS_EVERY), size=characters)
        start = SINGLES + rng.integers(OTHERS - frames + 1, size=characters)
        return self._batch(rng, who, start[:, None] + np.arange(frames))

    def finished(self, rng: np.random.Generator, characters: int, targets: int, size: int) -> tuple[Batch, Tensor, Tensor]:
        """As `singles`, and what is to come out: figures [B, 3, 8H, 8W], -1..1, and mattes, 0..1."""
        who = rng.integers(self.encoded, size=characters)
        frames = np.stack([1 + rng.permutation(FRAMES - 1)[:targets] for _ in who])
        squares = self._squares(rng, who, frames, size)
        figures, mattes = (torch.from_numpy(squares(name, CELL)).float() / 255 for name in ("figures", "mattes"))
        return self._batch(rng, who, frames, squares), figures * 2 - 1, mattes

    def _squares(self, rng: np.random.Generator, who: np.ndarray, frames: np.ndarray, size: int) -> Cut:
        """Cuts a square of `size` pixels, mostly on the figure, out of each of the frames [R, S] of people [R]."""
        rows = np.repeat(who, frames.shape[1]), frames.reshape(-1)
        corners = [corner(rng, regions, size) for regions in self.arrays["regions"][rows]]

        def cut(name: str, cell: int = 1, frame: int | None = None) -> np.ndarray:
            found = []
            for row, at, top_left in zip(*rows, corners, strict=True):
                y, x = square(top_left, size, cell)
                found.append(self.arrays[name][row, at if frame is None else frame, ..., y, x])
            return np.stack(found)

        return cut

    def _batch(
        self, rng: np.random.Generator, who: np.ndarray, frames: np.ndarray, cut: Cut | None = None, unposed: float = 0.25
    ) -> Batch:
        characters, count = frames.shape
        a = self.arrays

        def whole(name: str, cell: int = 1, frame: int | None = None) -> np.ndarray:
            at = frames.reshape(-1)
            return a[name][np.repeat(who, count), at if frame is None else np.full_like(at, frame)]

        shown = cut or whole
        known = torch.from_numpy(rng.random(characters) >= unposed).float().view(-1, 1, 1, 1)
        known_of_target = known.repeat_interleave(count, 0)
        detail = torch.from_numpy(shown("detail", CELL)).float() / 255
        detail[:, :WARP_CHANNELS] = torch.lerp(NOTHING_LAID, detail[:, :WARP_CHANNELS], known_of_target)
        body = torch.from_numpy(a["detail"][who, 0, WARP_CHANNELS:]).float() / 255
        shrink = torch.nn.functional.avg_pool2d
        targets, warped = _floats(shown("latents")), _floats(shown("warped"))
        height, width = targets.shape[2:]
        return Batch(
            references=_floats(a["latents"][who, 0]),
            targets=targets,
            warped=torch.lerp(self.blank[..., :height, :width], warped, known_of_target),
            beside=_floats(shown("latents", frame=0)),
            body=shrink(body, CELL) * known,
            detail=detail,
            foreground=shrink(torch.from_numpy(shown("mattes", CELL)).float() / 255, CELL),
            matches=torch.from_numpy(shown("matches").astype(np.int64)),
            regions=torch.from_numpy(shown("regions").astype(np.int64)),
        )


def corner(rng: np.random.Generator, regions: np.ndarray, size: int) -> tuple[int, int]:
    """Top and left, in cells, of a square of `size` pixels around some spot of the figure in `regions` [H, W]."""
    spots = np.argwhere(regions > 0)
    lines, columns = regions.shape
    y, x = spots[rng.integers(len(spots))] if len(spots) else (lines // 2, columns // 2)
    cells = size // CELL
    top, left = (int(np.clip(at - rng.integers(cells), 0, most - cells)) for at, most in ((y, lines), (x, columns)))
    return top, left


def square(top_left: tuple[int, int], size: int, cell: int) -> tuple[slice, slice]:
    """Rows and columns of the square of `size` pixels at a `corner`, in an array of so many pixels a cell."""
    side = size // CELL * cell
    return slice(top_left[0] * cell, top_left[0] * cell + side), slice(top_left[1] * cell, top_left[1] * cell + side)


def _bytes(values: Tensor) -> Tensor:
    return (values.clamp(0, 1) * 255).round().to(torch.uint8)


def _floats(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
