"""One armature as it is sampled: which bones play a role, and their matrices frame by frame."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

import bpy
import numpy as np

from ..core.errors import NotHumanoid, PoseError
from ..core.pose.bones.roles import Role
from ..core.pose.detect import Detection, detect, from_mapping
from ..core.pose.rig import Attachment, Posed
from ..core.pose.structure import Bones
from . import keyframes
from .aliases import find_aliases
from .bodies import meshes_of
from .instances import space_of
from .kinematics import PoseMotion, find_pose_obstacle
from .matrices import array_of
from .sample_options import Person
from .samples import RigSamples

# The vertices that say where the crown is: moved by the head bone, no further from it than the hips are (which takes in hats,
# to be told by their size), and no more than are needed to find the extremes.
_HEAD_WEIGHT, _HEAD_REACH, _HEAD_VERTICES, _FEW_VERTICES = 0.5, 1.0, 20_000, 8
_FRAMES_TRIED = 5  # of an action or a scene, where no pose at hand shows a person
_LOOK_FURTHER = "Press Detect in the bone mapping, which looks at the scene's frames too, or pick the bones there."
_VERTICES_AT_ONCE, _WEIGHTS_AT_ONCE = 50_000, 1_000  # about a millisecond's worth


def find_bones(
    armature: bpy.types.Object,
    mapping: Mapping[str, str] | None = None,
    depsgraph: bpy.types.Depsgraph | None = None,
) -> Detection:
    """Which bone plays which role: as `mapping` says, or detected. Tens of ms where no name helps: not for a panel's draw().

    The geometry is that of the rest pose; where that makes no sense, of the pose the armature is in, or of its own action.
    Where none of these helps and there is a `depsgraph`, its scene goes to a few of its frames: whatever moves the armature,
    Blender shows it there. The scene's frame is restored; what was moved and has no key yet is lost, as by any change of
    frame.

    Raises `NotHumanoid`.
    """
    parents = {bone.name: bone.parent.name if bone.parent else None for bone in armature.data.bones}
    if mapping is not None:
        return from_mapping(mapping, parents, repr(armature.name))
    aliases = find_aliases(armature)
    try:
        return detect(parents, repr(armature.name), poses=_poses(armature), aliases=aliases)
    except NotHumanoid as error:
        if not parents:
            raise
        if depsgraph is None:
            raise NotHumanoid(error.message, _LOOK_FURTHER) from error
    with contextlib.closing(_evaluated_poses(armature, depsgraph)) as poses:
        return detect(parents, repr(armature.name), poses=poses, aliases=aliases)


def _poses(armature: bpy.types.Object) -> Iterator[Bones]:
    """The armature's rest pose, then the one it is in, then some of its action's."""
    bones = armature.data.bones
    yield _bones(armature, _read(bones, "head_local"), _read(bones, "tail_local"))
    yield _bones(armature, _read(armature.pose.bones, "head"), _read(armature.pose.bones, "tail"))
    lengths = np.array([bone.length for bone in bones])[:, None]
    for matrices in _keyed_poses(armature, [bone.name for bone in bones]):
        heads = matrices[:, :3, 3]
        yield _bones(armature, heads, heads + lengths * matrices[:, :3, 1])


def _evaluated_poses(armature: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Generator[Bones, None, None]:
    """Some poses of the scene's frames, as Blender evaluates them. The scene is at its frame again when it is closed."""
    scene = depsgraph.scene
    frame, subframe = scene.frame_current, scene.frame_subframe
    try:
        for number in np.linspace(scene.frame_start, scene.frame_end, _FRAMES_TRIED).round().astype(int).tolist():
            scene.frame_set(number)
            pose = armature.evaluated_get(depsgraph).pose.bones
            yield _bones(armature, _read(pose, "head"), _read(pose, "tail"))
    finally:
        scene.frame_set(frame, subframe=subframe)


def _bones(armature: bpy.types.Object, heads: np.ndarray, tails: np.ndarray) -> Bones:
    """The armature's bones with `heads` and `tails` [B, 3]."""
    bones = armature.data.bones
    row = {bone.name: number for number, bone in enumerate(bones)}
    parents = np.array([row[bone.parent.name] if bone.parent else -1 for bone in bones], int)
    deform = np.empty(len(row), bool)
    bones.foreach_get("use_deform", deform)
    return Bones(tuple(row), parents, heads, tails, deform)


def _read(owners: bpy.types.bpy_prop_collection, what: str) -> np.ndarray:
    """A point of each of N bones [N, 3]."""
    buffer = np.empty(len(owners) * 3, np.float32)
    owners.foreach_get(what, buffer)
    return buffer.reshape(-1, 3).astype(float)


def _keyed_poses(armature: bpy.types.Object, bones: Sequence[str]) -> Iterator[np.ndarray]:
    """Bone to armature space [B, 4, 4] at a few frames of the armature's action, where keyframes alone move it."""
    if not keyframes.curves_of(armature) or keyframes.find_obstacle(armature) or find_pose_obstacle(armature, bones):
        return
    frames = np.unique(np.linspace(*armature.animation_data.action.frame_range, _FRAMES_TRIED).round()).astype(int)
    motion = PoseMotion(armature, bones, keyframes.Evaluator(frames.tolist()))
    for _ in motion.prepare():
        pass
    yield from motion.matrices(slice(None)).astype(float)


class Rig:
    """One person's armature: its bones that play a role, and their matrices so far."""

    def __init__(self, person: Person, detection: Detection):
        self._person, self._armature, self._detection = person, person.armature, detection
        armature = person.armature
        bones = [armature.data.bones[bone] for bone in detection.bones.values()]
        lengths = np.array([bone.length for bone in bones])
        self._rest = Posed(tuple(detection.bones), np.array([bone.matrix_local for bone in bones], float), lengths)
        order = {bone.name: number for number, bone in enumerate(armature.pose.bones)}
        self._rows = np.array([order[bone] for bone in detection.bones.values()])
        self._buffer = np.empty(len(order) * 16, np.float32)
        self._head_vertices: np.ndarray | None = None
        self._hidden: list[np.ndarray] = []  # bool [134], one a frame, or none at all
        self._matrices: list[np.ndarray] = []  # [B, 4, 4] bone to armature space, one a frame
        self._worlds: list[np.ndarray] = []  # armature to world space, one a frame

    def prepare(self, scene: bpy.types.Scene) -> Iterator[None]:
        """Find the vertices [V, 3] that the head bone moves, armature space, rest pose; of the mesh that follows most bones.

        Hair and hats are often meshes of their own, and follow few. Without such a mesh there are none. In steps of a few
        milliseconds: characters can have a million vertices. Raises `ReferenceError` where one is deleted or edited meanwhile.
        """
        most = 0
        for mesh in meshes_of(scene, self._person):
            follows = self._count_followed(mesh)
            if follows <= most:
                continue
            moved = yield from self._moved_by_head(mesh)
            if len(moved) >= _FEW_VERTICES:
                self._head_vertices, most = moved, follows

    def read(self, depsgraph: bpy.types.Depsgraph) -> tuple[np.ndarray, np.ndarray]:
        """The pose as `depsgraph` has it: bone to armature space [B, 4, 4], and armature to world space [4, 4].

        Raises `PoseError` where Blender does not evaluate it.
        """
        armature = evaluated(self._armature, depsgraph)
        armature.pose.bones.foreach_get("matrix", self._buffer)
        columns = self._buffer.reshape(-1, 4, 4).take(self._rows, axis=0)  # Blender hands matrices out column by column
        world = space_of(self._person.instancers, depsgraph) @ armature.matrix_world
        return columns.transpose(0, 2, 1).astype(float), array_of(world)

    def keep(self, matrices: Iterable[np.ndarray], worlds: Iterable[np.ndarray]) -> None:
        """Take the next frames' poses, T of what `read` gives, for `samples`."""
        self._matrices.extend(matrices)
        self._worlds.extend(worlds)

    def hide(self, hidden: np.ndarray) -> None:
        """Take which keypoints the scene's geometry hides in the frame taken last, bool [134]."""
        self._hidden.append(hidden)

    def attach(self, depsgraph: bpy.types.Depsgraph) -> Attachment:
        """Where the keypoints are on the bones, by the rest pose, else by the one `depsgraph` has.

        Raises `NotHumanoid` where the person stands in neither.
        """
        bones, _ = self.read(depsgraph)
        return dataclasses.replace(self.samples(), matrices=[bones]).attach()

    def samples(self) -> RigSamples:
        return RigSamples(
            self._person.name, self._armature.name, self._detection, self._rest,
            self._head_vertices, self._matrices, self._worlds, self._hidden,
        )  # fmt: skip

    def _count_followed(self, mesh: bpy.types.Object) -> int:
        """How many of the bones move `mesh`; 0 for what is not skinned by this armature, or follows not the head."""
        if self._detection.mapping[Role("head")] not in mesh.vertex_groups:
            return 0
        if not any(modifier.type == "ARMATURE" and modifier.object == self._armature for modifier in mesh.modifiers):
            return 0
        return sum(bone in mesh.vertex_groups for bone in self._detection.mapping.values())

    def _moved_by_head(self, mesh: bpy.types.Object) -> Generator[None, None, np.ndarray]:
        """The vertices [V, 3], armature space, near the head that its bone moves."""
        head = self._rest.head("head")
        reach = _HEAD_REACH * np.linalg.norm(head - self._rest.middle("thigh"))
        local = np.empty(len(mesh.data.vertices) * 3, np.float32)
        mesh.data.attributes["position"].data.foreach_get("vector", local)  # 15 times as fast as `vertices`
        local = local.reshape(-1, 3)
        to_armature = np.array(self._armature.matrix_world.inverted_safe() @ mesh.matrix_world)
        group = mesh.vertex_groups[self._detection.mapping[Role("head")]].index
        yield
        near = []
        for start in range(0, len(local), _VERTICES_AT_ONCE):
            vertices = local[start : start + _VERTICES_AT_ONCE] @ to_armature[:3, :3].T + to_armature[:3, 3]
            near.append(start + np.flatnonzero(np.linalg.norm(vertices - head, axis=1) < reach))
            yield
        candidates = np.concatenate([*near, np.empty(0, int)])
        candidates = candidates[:: len(candidates) // _HEAD_VERTICES + 1].tolist()
        moved: list[int] = []
        for start in range(0, len(candidates), _WEIGHTS_AT_ONCE):
            if len(mesh.data.vertices) != len(local):
                raise ReferenceError(f"the vertices of {mesh.name} are others now")
            some = candidates[start : start + _WEIGHTS_AT_ONCE]
            moved += [number for number in some if _weight(mesh.data.vertices[number], group) > _HEAD_WEIGHT]
            yield
        return local[moved] @ to_armature[:3, :3].T + to_armature[:3, 3]


def _weight(vertex: bpy.types.MeshVertex, group: int) -> float:
    return next((entry.weight for entry in vertex.groups if entry.group == group), 0.0)


def evaluated(armature: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> bpy.types.Object:
    """The armature as `depsgraph` has it. Raises `PoseError` where Blender does not evaluate it."""
    evaluated = armature.evaluated_get(depsgraph)
    if not evaluated.is_evaluated:
        # Hidden by the eye in the outliner is fine; disabled or excluded means that Blender skips its animation.
        raise PoseError(
            f"{armature.name!r} is disabled in viewports, or in a collection that is, so Blender does not animate it.",
            "Enable it in the outliner (the monitor icon, or the collection's checkbox) and hide it with the eye instead.",
        )
    return evaluated
