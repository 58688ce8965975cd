"""What sampling captured, and the clip that numpy makes of it. No bpy: made into a clip on a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import InvalidClip, NotHumanoid
from ..core.pose.align import Proportions, align, measure
from ..core.pose.clip import PoseClip
from ..core.pose.detect import Detection
from ..core.pose.face import expression, face_visible
from ..core.pose.head import head_visible
from ..core.pose.rig import HEAD_POINTS, Attachment, Posed, attach
from ..core.pose.skeleton import FACE

if TYPE_CHECKING:
    from .sample_options import Alignment

WORLD_UP = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class RigSamples:
    """One person, bone by bone.

    name           of the person; `armature` that of the armature, for errors
    rest           the bones that play a role, in the rest pose
    head_vertices  [V, 3] armature space in the rest pose, of the vertices that the head bone moves, or None
    matrices       T of [B, 4, 4], bone to armature space
    worlds         T of [4, 4], armature to world space
    hidden         T of bool [134], the keypoints that the scene's geometry hides; none where that was not asked
    face           ARKit's name of a shape key -> T values
    """

    name: str
    armature: str
    detection: Detection
    rest: Posed
    head_vertices: np.ndarray | None
    matrices: Sequence[np.ndarray]
    worlds: Sequence[np.ndarray]
    hidden: Sequence[np.ndarray] = ()
    face: Mapping[str, np.ndarray] = field(default_factory=dict)

    def keypoints(self, views: np.ndarray, orthographic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Camera-space keypoints [T, 134, 3] and whether they are visible [T, 134].

        `views` [T, 4, 4] map world to camera space. Raises `NotHumanoid` if the person stands in no pose.
        """
        poses = np.stack(self.matrices), np.stack(self.worlds)
        points, visible = seen(self.attach(), *poses, views, orthographic, expression(self.face) if self.face else None)
        return points, visible & ~np.array(self.hidden) if len(self.hidden) else visible

    def attach(self) -> Attachment:
        """Where the keypoints are on the bones. Raises `NotHumanoid`, as `keypoints` does."""
        # Some motion capture files have a rest pose with the legs sideways; then the first frame in which the person stands
        # has to do.
        sampled = (Posed(self.rest.roles, matrices, self.rest.lengths) for matrices in self.matrices)
        calibration = next((pose for pose in (self.rest, *sampled) if pose.stands()), None)
        if calibration is None:
            raise NotHumanoid(
                f"{self.armature!r} stands upright neither in its rest pose nor in any frame.",
                "Check the bone mapping, or include a frame in which the person stands.",
            )
        return attach(self.rest, calibration, self.head_vertices)

    def proportions(self) -> Proportions:
        """The person's own, in the rest pose. Raises `NotHumanoid`, and `InvalidRequest` where bones have no length."""
        return measure(self.attach().points(self.rest.matrices[None]))


def seen(
    attachment: Attachment,
    matrices: np.ndarray,
    worlds: np.ndarray,
    views: np.ndarray,
    orthographic: np.ndarray,
    expression: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Camera-space keypoints [T, 134, 3] of one person, and whether they are visible [T, 134].

    `matrices` [T, B, 4, 4] map bones to armature, `worlds` [T, 4, 4] that to world, `views` [T, 4, 4] world to camera space;
    `expression` [T, 68, 3] is what shape keys do to the face (`core.pose.face.expression`).
    """
    to_camera = views @ worlds  # [T, 4, 4] from armature space, where there are fewer points than matrices have entries
    turn = to_camera[:, :3, :3].transpose(0, 2, 1)
    points = attachment.points(matrices, expression) @ turn + to_camera[:, None, :3, 3]
    visible = np.repeat(attachment.present[None], len(points), axis=0)
    directions = attachment.head_directions(matrices) @ turn
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    side, up, forward = np.moveaxis(directions, 1, 0)
    head = points[:, HEAD_POINTS].mean(axis=1)
    away = np.where(orthographic[:, None], np.array([0.0, 0.0, 1.0]), head)
    away /= np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-9)
    visible[:, HEAD_POINTS] = head_visible(-away, side, up, forward)
    visible[:, FACE] &= face_visible(-away, forward)[:, None]
    return points, visible


@dataclass(frozen=True)
class Samples:
    """Everything sampled from a scene.

    rigs          the people, in the clip's order
    views         T of [4, 4], world to camera space
    intrinsics    T of [3, 3]
    orthographic  T
    source        what `PoseClip.source` says of the scene; the rigs are added
    alignments    of the people, in the clip's order; empty where nobody is aligned
    """

    rigs: tuple[RigSamples, ...]
    views: Sequence[np.ndarray]
    intrinsics: Sequence[np.ndarray]
    orthographic: Sequence[bool]
    frames: Sequence[int]
    fps: float
    width: int
    height: int
    source: dict[str, Any]
    alignments: Sequence[Alignment | None] = ()

    def clip(self) -> PoseClip:
        """Raises `NotHumanoid` when no pose was fit to find the head and the feet by, `InvalidClip` for a broken transform."""
        views, orthographic = np.stack(self.views), np.array(self.orthographic)
        with np.errstate(invalid="ignore", divide="ignore"):  # a broken transform is refused below, with its frame
            sampled = [rig.keypoints(views, orthographic) for rig in self.rigs]
            points = np.stack([points for points, _ in sampled], axis=1).astype(np.float32)
        names = _unique([rig.name for rig in self.rigs])
        try:
            clip = PoseClip(
                points_cam=points,
                visible=np.stack([visible for _, visible in sampled], axis=1),
                intrinsics=np.stack(self.intrinsics).astype(np.float32),
                orthographic=orthographic,
                frames=np.array(self.frames, np.int32),
                fps=self.fps,
                width=self.width,
                height=self.height,
                people=names,
                source={
                    **self.source,
                    "rigs": {name: rig.detection.family for name, rig in zip(names, self.rigs, strict=True)},
                    "confidence": {name: rig.detection.confidence for name, rig in zip(names, self.rigs, strict=True)},
                    "warnings": {
                        name: list(rig.detection.warnings)
                        for name, rig in zip(names, self.rigs, strict=True)
                        if rig.detection.warnings
                    },
                },
            )
        except InvalidClip as error:
            remedy = "A bone or the camera has an invalid transform at that frame: mend it there."
            raise InvalidClip(error.message, remedy) from error
        for name, rig, alignment in zip(names, self.rigs, self.alignments, strict=False):
            if alignment:
                own = {name: rig.proportions()}
                clip = align(clip, {name: alignment.proportions}, alignment.strength, own=own, views=views, up=WORLD_UP)
        return clip


def _unique(names: list[str]) -> tuple[str, ...]:
    """The names, those that came before numbered: "Ann", "Ann 2"."""
    unique: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in unique:
            number += 1
            candidate = f"{name} {number}"
        unique.append(candidate)
    return tuple(unique)
