"""Where keyframes alone put objects and bones, at many frames at once: forward kinematics in numpy.

Matrices have the frames last, [..., 4, 4, T]: a long, even row is what numpy multiplies fastest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import bpy
import numpy as np
from mathutils import Matrix

from . import keyframes
from .keyframes import Evaluator

_ROTATIONS = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}  # all else is an Euler order
_HARMLESS = re.compile(r'(pose\.bones\[".*"\]\.?)?(location|scale|rotation_(euler|quaternion|axis_angle)|\[".*"\])')
_IK = ("IK", "SPLINE_IK")
_CURVES_AT_ONCE = 16

Thing = tuple[bpy.types.Object | bpy.types.PoseBone, str]
"""What has a location, rotation and scale, and the data path that leads to it."""


def find_object_obstacle(owner: bpy.types.Object) -> str | None:
    """What moves `owner` or an object above it beside keyframes, for people; None where nothing does."""
    name = repr(owner.name)
    if obstacle := keyframes.find_obstacle(owner):
        return obstacle
    if owner.constraints:
        return f"{name} has constraints"
    if owner.rigid_body:
        return f"{name} is a rigid body"
    if _has_delta(owner):
        return f"{name} has delta transforms"
    for path, _ in keyframes.curves_of(owner):
        if not _HARMLESS.fullmatch(path):
            return f"{name} has keyframes of {path}"
    if owner.parent is None:
        return None
    if owner.parent_type != "OBJECT":
        return f"{name} has a parent of type {owner.parent_type.title()}"
    return find_object_obstacle(owner.parent)


def find_pose_obstacle(armature: bpy.types.Object, bones: Sequence[str]) -> str | None:
    """What poses `bones` of `armature` or those above them beside keyframes, for people; None where nothing does."""
    name = repr(armature.name)
    if armature.data.pose_position != "POSE":
        return f"{name} is shown in its rest pose"
    if keyframes.is_animated(armature.data):
        return f"the armature data of {name} is animated"
    for bone in armature.pose.bones:  # an IK constraint moves the bones above its own
        if any(constraint.type in _IK for constraint in bone.constraints):
            return f"bone {bone.name!r} of {name} has inverse kinematics"
    for bone in chain_of(armature, bones):
        if bone.constraints:
            return f"bone {bone.name!r} of {name} has constraints"
    return None


def chain_of(armature: bpy.types.Object, bones: Sequence[str]) -> list[bpy.types.PoseBone]:
    """`bones` and all above them, parents first."""
    wanted = {bone for name in bones for bone in (name, *(above.name for above in armature.data.bones[name].parent_recursive))}
    chain = [bone for bone in armature.pose.bones if bone.name in wanted]
    return sorted(chain, key=lambda bone: len(bone.parent_recursive))


class ObjectMotion:
    """World matrices of one object that `find_object_obstacle` finds nothing against."""

    def __init__(self, owner: bpy.types.Object, evaluate: Evaluator):
        self._channels = _Channels(owner, [(owner, "")], evaluate)
        self._parent = ObjectMotion(owner.parent, evaluate) if owner.parent else None
        self._inverse = np.array(owner.matrix_parent_inverse)

    def prepare(self) -> Iterator[None]:
        yield from self._channels.prepare()
        if self._parent:
            yield from self._parent.prepare()

    def worlds(self, frames: slice) -> np.ndarray:
        """[4, 4, T]"""
        (basis,) = self._channels.matrices(frames)
        if self._parent is None:
            return basis
        return _product(_product(self._parent.worlds(frames), self._inverse[..., None]), basis)


class PoseMotion:
    """Armature-space matrices of some bones of an armature that `find_pose_obstacle` finds nothing against."""

    def __init__(self, armature: bpy.types.Object, bones: Sequence[str], evaluate: Evaluator):
        self._chain = chain_of(armature, bones)
        self._row = {bone.name: number for number, bone in enumerate(self._chain)}
        self._wanted = [self._row[bone] for bone in bones]
        owners = [(bone, f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"].') for bone in self._chain]
        self._channels = _Channels(armature, owners, evaluate)
        self._offsets = np.array([_offset(bone.bone) for bone in self._chain])  # [C, 4, 4] bone at rest to its parent

    def prepare(self) -> Iterator[None]:
        yield from self._channels.prepare()

    def __len__(self) -> int:
        """The number of bones that are posed."""
        return len(self._chain)

    def matrices(self, frames: slice) -> np.ndarray:
        """[T, B, 4, 4], bone to armature space, of the B bones asked for."""
        bases = self._channels.matrices(frames)
        local = np.einsum("nij,njkt->nikt", self._offsets, bases)
        scaled = ~self._channels.unscaled(frames)
        posed = np.empty_like(local)
        inherits_scale = np.zeros(len(self._chain), bool)  # whether anything above is scaled
        for row, bone in enumerate(self._chain):
            if bone.parent is None:
                plain = bone.bone.use_local_location
                posed[row] = local[row] if plain else self._by_blender(bone, bases[row], None)
                continue
            above = self._row[bone.parent.name]
            inherits_scale[row] = inherits_scale[above] or scaled[above]
            plain = bone.bone.use_inherit_rotation and bone.bone.use_local_location
            if plain and (bone.bone.inherit_scale == "FULL" or not inherits_scale[row]):
                posed[row] = _product(posed[above], local[row])
            else:
                posed[row] = self._by_blender(bone, bases[row], posed[above])
        return posed[self._wanted].transpose(3, 0, 1, 2)

    def _by_blender(self, pose_bone: bpy.types.PoseBone, basis: np.ndarray, parent: np.ndarray | None) -> np.ndarray:
        """The rarer ways to inherit a parent's transform [4, 4, T], frame by frame."""
        bone = pose_bone.bone
        result = np.empty_like(basis)
        for frame in range(basis.shape[-1]):
            above = {}
            if parent is not None:
                above = {"parent_matrix": Matrix(parent[..., frame]), "parent_matrix_local": bone.parent.matrix_local}
            result[..., frame] = bone.convert_local_to_pose(Matrix(basis[..., frame]), bone.matrix_local, **above)
        return result


class _Channels:
    """Location, rotation and scale of N transformed things of one ID: what is keyed, and what stands still."""

    def __init__(self, owner: bpy.types.ID, things: Sequence[Thing], evaluate: Evaluator):
        self._evaluate = evaluate
        curves = keyframes.curves_of(owner)
        self._still = np.zeros((len(things), 10))
        self._modes = np.array([thing.rotation_mode for thing, _ in things])
        self._keyed: list[tuple[int, int, bpy.types.FCurve]] = []
        for row, (thing, path) in enumerate(things):
            rotation = _ROTATIONS.get(thing.rotation_mode, "rotation_euler")
            fixed = isinstance(thing, bpy.types.PoseBone) and thing.bone.use_connect  # to its parent's tail
            for start, name in ((0, "location"), (3, rotation), (7, "scale")):
                if name == "location" and fixed:
                    continue
                values = getattr(thing, name)
                self._still[row, start : start + len(values)] = values
                for index in range(len(values)):
                    if curve := curves.get((path + name, index)):
                        self._keyed.append((row, start + index, curve))
        self._values = np.empty((len(self._keyed), evaluate.count), np.float32)

    def prepare(self) -> Iterator[None]:
        """Evaluate the curves, in steps of about a millisecond."""
        for number, (_, _, curve) in enumerate(self._keyed):
            self._values[number] = self._evaluate(curve)
            if number % _CURVES_AT_ONCE == 0:
                yield

    def unscaled(self, frames: slice) -> np.ndarray:
        """bool [N]: whether the scale is 1 throughout."""
        return (self._at(frames)[:, 7:] == 1).all(axis=(1, 2))

    def matrices(self, frames: slice) -> np.ndarray:
        """[N, 4, 4, T]"""
        values = self._at(frames)
        result = np.zeros((len(values), 4, 4, values.shape[-1]))
        result[:, 3, 3] = 1
        result[:, :3, 3] = values[:, :3]
        for mode in np.unique(self._modes):
            rows = self._modes == mode
            result[rows, :3, :3] = _rotations(mode, values[rows, 3:7]) * values[rows, None, 7:]
        return result

    def _at(self, frames: slice) -> np.ndarray:
        keyed = self._values[:, frames]
        count = keyed.shape[1] if len(keyed) else len(range(self._evaluate.count)[frames])
        values = np.repeat(self._still[..., None], count, axis=2)
        if len(keyed):
            rows, columns, _ = zip(*self._keyed, strict=True)
            values[list(rows), list(columns)] = keyed
        return values


def _rotations(mode: str, values: np.ndarray) -> np.ndarray:
    """`values` [N, 4, T] of a rotation mode (w, x, y, z; angle and axis; or three angles) to matrices [N, 3, 3, T]."""
    if mode in _ROTATIONS:
        w, x, y, z = np.moveaxis(_quaternions(values) if mode == "QUATERNION" else _about_axes(values), 1, 0)
        rows = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
        return np.moveaxis(np.array(rows), 2, 0)
    result = None
    for axis in mode:  # the axis named first turns first
        turn = _turn("XYZ".index(axis), values[:, "XYZ".index(axis)])
        result = turn if result is None else np.einsum("nijt,njkt->nikt", turn, result)
    return result


def _quaternions(values: np.ndarray) -> np.ndarray:
    """Unit quaternions [N, 4, T]; Blender takes zeros for half a turn about x."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    half_turn = np.array([0.0, 1, 0, 0])[:, None]
    return np.where(length > 0, values / np.where(length > 0, length, 1), half_turn)


def _about_axes(values: np.ndarray) -> np.ndarray:
    """Unit quaternions [N, 4, T] of angle and axis; an axis of zeros turns nothing."""
    half, axis = values[:, :1] / 2, values[:, 1:]
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    turned = np.concatenate([np.cos(half), np.sin(half) * axis / np.where(length > 0, length, 1)], axis=1)
    return np.where(length > 0, turned, np.array([1.0, 0, 0, 0])[:, None])


def _turn(axis: int, angles: np.ndarray) -> np.ndarray:
    """[N, 3, 3, T] rotations about one axis by `angles` [N, T]."""
    result = np.zeros((len(angles), 3, 3, angles.shape[-1]))
    second, third = (axis + 1) % 3, (axis + 2) % 3
    result[:, axis, axis] = 1
    result[:, second, second] = result[:, third, third] = np.cos(angles)
    result[:, third, second] = np.sin(angles)
    result[:, second, third] = -np.sin(angles)
    return result


def _product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.einsum("ijt,jkt->ikt", first, second)


def _offset(bone: bpy.types.Bone) -> Matrix:
    return bone.parent.matrix_local.inverted() @ bone.matrix_local if bone.parent else bone.matrix_local


def _has_delta(owner: bpy.types.Object) -> bool:
    turned = any(owner.delta_rotation_euler) or tuple(owner.delta_rotation_quaternion) != (1, 0, 0, 0)
    return turned or any(owner.delta_location) or tuple(owner.delta_scale) != (1, 1, 1)
