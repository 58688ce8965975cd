"""The bundled engine: a small latent video diffusion in the manner of AnimateAnyone (Hu 2023), trained from scratch by us.

Each person is drawn in a window that follows them (`framing`), and put back into the picture by the matte that the model
draws (`compositing`). The clip is drawn from its beginning to its end, one temporal window after the other, each going on from
the frames that it shares with the last: frames are ready long before the clip is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from ..control.framing import Window, follow
from ..diffusion.body import Body, body_of
from ..diffusion.bundled import CELL, HEIGHT, SHARED_NOISE, WIDTH, Posed, Seen, Understudy
from ..diffusion.sampler import FlowPath, initial_noise
from ..diffusion.windows import relay
from ..pose.clip import PoseClip
from ..pose.skeleton import INDEX
from ..protocol import GenerationSettings
from .catalog import CATALOG
from .checkpoints import load_into, read
from .compositing import backdrop, cut, over, place, to_bytes
from .drawing import Checkpoint, Kept, fingerprint
from .interface import FrameReady, OnProgress, PreviewReady, Reference, Runtime, StepDone, Working
from .memory import freed_memory_kept, shortage_named
from .pictures import to_tensor
from .placement import choose, compiling_named
from .placement import place as put_on

DECODED = 4  # frames that are decoded and sent at a time
WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "understudy.safetensors"


def create() -> UnderstudyEngine:
    return UnderstudyEngine()


class UnderstudyEngine:
    spec = CATALOG["understudy"]

    def __init__(self, weights: Path = WEIGHTS, window: tuple[int, int] = (WIDTH, HEIGHT)):
        self.weights, self._window = weights, window

    def load(self, device: str, weights: Path | None = None, runtime: Runtime = Runtime()) -> None:  # noqa: B008
        """See `Engine.load`. Its weights come with Understudy."""
        self.runtime = runtime
        self.device, self.dtype = choose(device, runtime)
        self.model = Understudy()
        load_into(self.model, read(self.weights), self.weights.name)
        for network in self.model.children():
            put_on(network, self.device, runtime)

    def generate(
        self,
        clip: PoseClip,
        references: Sequence[Reference],
        settings: GenerationSettings,
        on_progress: OnProgress,
        checkpoint: Path | None = None,
        drawn: int = 0,
    ) -> None:
        """See `Engine.generate`."""
        self.spec.check(settings, len(clip.people))
        mixed = torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)
        short = shortage_named(f"A window of {settings.context_frames} frames")
        with torch.inference_mode(), mixed, freed_memory_kept(), short, compiling_named(self.runtime):
            Drawing(self.model, self._window, clip, references, settings, on_progress, checkpoint).run(drawn)


@dataclass(frozen=True)
class Figure:
    """One person: where the window is, what is seen of the reference, the body in each frame, how far away it is [T]."""

    window: Window
    seen: Seen
    body: Body
    distance: np.ndarray


class Drawing:
    """One job."""

    def __init__(
        self,
        model: Understudy,
        window: tuple[int, int],
        clip: PoseClip,
        references: Sequence[Reference],
        settings: GenerationSettings,
        on_progress: OnProgress,
        checkpoint: Path | None,
    ):
        self._model, self._window, self._clip, self._settings, self._tell = model, window, clip, settings, on_progress
        self._device = model.autoencoder.mean.device
        known = [part for reference in references for part in parts_of(reference)]
        self._kept = Checkpoint(checkpoint, fingerprint(clip, known, settings)) if checkpoint else None
        self._size = settings.width, settings.height
        points, drawable = clip.pixels(*self._size), clip.drawable()
        seen = [self._see(reference) for reference in references]
        self._figures = []
        for person, (reference, _) in enumerate(seen):
            way = follow(points[:, person], drawable[:, person], self._size, self._window, clip.fps)
            if way is not None:  # else this person is not in the picture at any time
                self._figures.append(self._figure(person, way, reference))
        self._ground = backdrop(settings.background, references[0].picture, seen[0][1], *self._size)

    def _figure(self, person: int, window: Window, seen: Seen) -> Figure:
        body = body_in(self._clip, person, window, *self._size).to(self._device)
        return Figure(window, seen, body, self._clip.points_cam[:, person, INDEX["neck"], 2])

    def _see(self, reference: Reference) -> tuple[Seen, np.ndarray]:
        """A reference as the model sees it, in a window around the person where the pose is known, and its matte f32 [H, W]."""
        height, width = reference.picture.shape[:2]
        pose, window, body = reference.pose, None, None
        if pose is not None:
            window = follow(pose.pixels(width, height)[:, 0], pose.drawable()[:, 0], (width, height), self._window)
        if pose is None or window is None:
            window = whole((width, height), self._window)
        else:
            body = body_in(pose, 0, window, width, height).to(self._device)
        shown = to_tensor(cut(reference.picture, window)[None]).to(self._device)
        if reference.matte is None:
            matte = self._model.matte(shown, body).float()
        else:
            matte = to_tensor(cut(reference.matte[..., None], window, border=cv2.BORDER_CONSTANT)[None]).to(self._device)
        flat = matte[0, 0].cpu().numpy()
        return self._model.see(shown, matte, body), cv2.warpAffine(flat, window.to_picture(0), (width, height))

    def run(self, drawn: int) -> None:
        """Draw window after window of frames, and in each one person after the other. The first `drawn` are not wanted."""
        frames, people = len(self._clip), len(self._figures)
        windows = relay(frames, self._settings.context_frames, self._settings.context_overlap)
        a_window = people * self._settings.steps
        new = [range(*stops) for stops in itertools.pairwise([0, *(window.stop for window in windows)])]
        poses = [Poses(self._pose_of(figure), new) for figure in self._figures]
        path = FlowPath(self._settings.steps)
        width, height = self._window
        shape = (self._model.autoencoder.mean.shape[1], height // CELL, width // CELL)
        noise = torch.zeros(people, frames, *shape)
        for person in range(people):
            noise[person] = initial_noise(frames, shape, self._settings.seed + person, SHARED_NOISE)
        noise = noise.to(self._device)
        latents, step, ready = noise.clone(), 0, 0
        done = self._go_on(latents, windows, a_window, drawn)
        for index, window in enumerate(windows):
            if window.stop <= drawn and step + a_window <= done:
                step, ready = step + a_window, window.stop
                continue
            rows = slice(window.start, window.stop)
            layers = []
            for person, figure in enumerate(self._figures):
                layer = Layer(figure, poses[person].over(window), latents[person, rows])
                layers.append(layer)
                for number in range(self._settings.steps):
                    step += 1
                    if step > done:
                        self._tell(Working())
                        self._model.step(
                            layer.latents, noise[person, rows], ready - window.start, path, number, layer.posed, figure.seen,
                            self._settings.guidance if number < self._settings.guided_steps else 1.0,
                        )  # fmt: skip
                        if self._kept:
                            self._kept.save(Kept(latents[:, windows[max(0, index - 1)].start : window.stop], step))
                        if number == 0:
                            self._tell(PreviewReady(step, self._preview(layers, rows.start, len(window) // 2)))
                        self._tell(StepDone(step, len(windows) * a_window))
            while ready < rows.stop:
                some = range(ready, min(ready + (DECODED if ready else 1), rows.stop))  # the first as soon as can be
                for frame, picture in zip(some, self._pictures(layers, rows.start, some), strict=True):
                    self._tell(FrameReady(frame, to_bytes(picture)))
                ready = some.stop

    def _go_on(self, latents: Tensor, windows: Sequence[range], a_window: int, drawn: int) -> int:
        """How many steps, `a_window` of them in each, are done already. Kept are the latents of the window that the last of
        them was in, and of the one before, whose frames may not all have been told; all before must be among the `drawn`."""
        kept = self._kept.load() if self._kept else None
        if kept is None:
            return 0
        index = (kept.step - 1) // a_window
        frames = range(windows[max(0, index - 1)].start, windows[index].stop)
        if drawn < frames.start:
            return 0
        latents[:, frames.start : frames.stop] = kept.latents.to(self._device)
        return kept.step

    def _pose_of(self, figure: Figure) -> Callable[[range], Posed]:
        return lambda frames: self._model.pose(figure.seen, figure.body[frames.start : frames.stop], *self._window)

    def _pictures(self, layers: list[Layer], first: int, frames: range) -> Iterator[np.ndarray]:
        """Frames f32 [H, W, 4] of a window that begins at `first`: the farthest person first."""
        some = slice(frames.start - first, frames.stop - first)
        drawn = [torch.cat(self._model.draw(layer.latents[some], layer.posed.detail[some]), 1) for layer in layers]
        figures = [rearrange(part.float(), "t c h w -> t h w c").cpu().numpy() for part in drawn]
        for index, frame in enumerate(frames):
            picture = self._ground
            for person in sorted(range(len(layers)), key=lambda person: -layers[person].figure.distance[frame]):
                placed = place(figures[person][index], layers[person].figure.window, frame, *self._size)
                picture = over(placed, picture)
            yield picture

    def _preview(self, layers: list[Layer], first: int, index: int) -> np.ndarray:
        (picture,) = self._pictures(layers, first, range(first + index, first + index + 1))
        return to_bytes(over(picture, np.array([0.5, 0.5, 0.5, 1], np.float32)))


@dataclass(frozen=True)
class Layer:
    """One person in one temporal window of n frames: the poses, and the latents f32 [n, C, h, w], a view of the clip's."""

    figure: Figure
    posed: Posed
    latents: Tensor


class Poses:
    """The poses of one person, each made once though windows share them."""

    def __init__(self, make: Callable[[range], Posed], stretches: Sequence[range]):
        """`make` gives those of a stretch of frames; `stretches` are what each window adds to the ones before it."""
        self._make, self._stretches = make, stretches
        self._made: dict[range, Posed] = {}

    def over(self, window: range) -> Posed:
        needed = [stretch for stretch in self._stretches if stretch.start < window.stop and stretch.stop > window.start]
        self._made = {stretch: self._made[stretch] if stretch in self._made else self._make(stretch) for stretch in needed}
        return Posed.join(list(self._made.values()))[-len(window) :]


def parts_of(reference: Reference) -> list[np.ndarray]:
    """All that is known of a reference, as arrays of bytes."""
    pose = [] if reference.pose is None else [np.frombuffer(bytes.fromhex(reference.pose.digest()), np.uint8)]
    return [reference.picture, *([] if reference.matte is None else [reference.matte]), *pose]


def whole(picture: tuple[int, int], window: tuple[int, int]) -> Window:
    """The window of this size that shows a whole picture."""
    scale = min(window[0] / picture[0], window[1] / picture[1])
    corner = (np.array([picture]) - np.array([window]) / scale) / 2
    return Window(corner.astype(np.float32), np.array([scale], np.float32), *window)


def body_in(clip: PoseClip, person: int, window: Window, width: int, height: int) -> Body:
    """The bodies [T] of one person in the pixels of a window over a picture of `width` x `height`."""
    scale = min(width / clip.width, height / clip.height)  # fitted whole, as `PoseClip.pixels` has it
    fitted = clip.intrinsics.copy()
    fitted[:, :2] *= scale
    fitted[:, :2, 2] += (np.array([width, height]) - scale * np.array([clip.width, clip.height])) / 2
    parts = clip.points_cam[:, person], clip.visible[:, person], window.intrinsics(fitted), clip.orthographic
    return body_of(*(torch.from_numpy(part) for part in parts))
