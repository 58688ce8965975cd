"""Where keyframes alone put objects and bones, at many frames at once: forward kinematics in numpy.

Matrices are [..., 3, 4, T], without their last row, and with the frames last: a long, even row is what numpy multiplies
fastest. In single precision, as in Blender.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import bpy
import numpy as np
from mathutils import Matrix, Vector

from . import keyframes
from .keyframes import Evaluator

_ROTATIONS = {"QUATERNION": "rotation_quaternion", "AXIS_ANGLE": "rotation_axis_angle"}  # all else is an Euler order
_HARMLESS = re.compile(r'(pose\.bones\[".*"\]\.?)?(location|scale|rotation_(euler|quaternion|axis_angle)|\[".*"\])')
_IK = ("IK", "SPLINE_IK")
_CURVES_AT_ONCE, _VALUES_AT_ONCE = 64, 40_000  # at most; about two milliseconds' worth

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
    if keyframes.is_animated(armature.data):  # type: ignore[arg-type]  # an armature object has an armature
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
    chain: dict[str, bpy.types.PoseBone] = {}
    for name in bones:
        bone, new = armature.pose.bones[name], []
        while bone is not None and bone.name not in chain:
            new.append(bone)
            bone = bone.parent
        chain.update((bone.name, bone) for bone in reversed(new))
    return list(chain.values())


class ObjectMotion:
    """World matrices of one object that `find_object_obstacle` finds nothing against."""

    def __init__(self, owner: bpy.types.Object, evaluate: Evaluator):
        self._channels = _Channels(owner, [(owner, "")], evaluate)
        self._parent = ObjectMotion(owner.parent, evaluate) if owner.parent else None
        self._inverse = np.array(owner.matrix_parent_inverse, np.float32)

    def prepare(self) -> Iterator[None]:
        yield from self._channels.prepare()
        if self._parent:
            yield from self._parent.prepare()

    @property
    def still(self) -> bool:
        return self._channels.still and (self._parent is None or self._parent.still)

    def worlds(self, frames: slice) -> np.ndarray:
        """[T, 4, 4]"""
        return _square(self._worlds(frames))

    def _worlds(self, frames: slice) -> np.ndarray:
        (basis,), _ = self._channels.matrices(frames)
        if self._parent is None:
            return basis
        above = self._parent._worlds(frames)
        inverse = np.broadcast_to(self._inverse[:3, :, None], above.shape)
        return _product(_product(above, inverse), basis)


class PoseMotion:
    """Armature-space matrices of some bones of an armature that `find_pose_obstacle` finds nothing against."""

    def __init__(self, armature: bpy.types.Object, bones: Sequence[str], evaluate: Evaluator):
        chain = chain_of(armature, bones)
        self._armature, self._chain = armature, [bone.name for bone in chain]
        row = {name: number for number, name in enumerate(self._chain)}
        self._wanted = [row[bone] for bone in bones]
        self._above = [row[bone.parent.name] if bone.parent else None for bone in chain]
        self._below = [[child for child, above in enumerate(self._above) if above == number] for number in row.values()]
        self._levels = [[number for number, above in enumerate(self._above) if above is None]]
        while below := [child for number in self._levels[-1] for child in self._below[number]]:
            self._levels.append(below)
        owners = [(bone, f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"].') for bone in chain]
        self._channels = _Channels(armature, owners, evaluate)
        self._offsets = np.array([_offset(bone.bone) for bone in chain], np.float32)  # [C, 4, 4]
        self._simple = [bone.bone.use_local_location and bone.bone.use_inherit_rotation for bone in chain]
        self._shears = [bone.bone.inherit_scale == "FULL" for bone in chain]

    def prepare(self) -> Iterator[None]:
        yield from self._channels.prepare()

    def __len__(self) -> int:
        """The number of bones that are posed."""
        return len(self._chain)

    def matrices(self, frames: slice) -> np.ndarray:
        """[T, B, 4, 4], bone to armature space, of the B bones asked for."""
        bases, scaled = self._channels.matrices(frames)
        posed = (self._offsets[:, :3, :3] @ bases.reshape(len(bases), 3, -1)).reshape(bases.shape)
        posed[:, :, 3] += self._offsets[:, :3, 3, None]
        below_scaled = np.zeros(len(self._chain), bool)
        for rows in self._levels:
            simple = [row for row in rows if self._simple[row] and (self._shears[row] or not below_scaled[row])]
            if rows is not self._levels[0]:
                posed[simple] = _product(posed[[self._above[row] for row in simple]], posed[simple])
            for row in set(rows) - set(simple):
                above = self._above[row]
                posed[row] = self._by_blender(self._chain[row], bases[row], None if above is None else posed[above])
            for row in rows:
                for child in self._below[row]:
                    below_scaled[child] = below_scaled[row] or scaled[row]
        return _square(posed[self._wanted])

    def _by_blender(self, name: str, basis: np.ndarray, parent: np.ndarray | None) -> np.ndarray:
        """The rarer ways to inherit a parent's transform, frame by frame."""
        bone = self._armature.data.bones[name]
        parents = None if parent is None else _square(parent)
        posed = []
        for number, local in enumerate(_square(basis)):
            if parents is None:
                posed.append(bone.convert_local_to_pose(Matrix(local), bone.matrix_local))
                continue
            above = Matrix(parents[number])
            posed.append(
                bone.convert_local_to_pose(
                    Matrix(local), bone.matrix_local, parent_matrix=above, parent_matrix_local=bone.parent.matrix_local
                )
            )
        return np.array(posed, np.float32)[:, :3].transpose(1, 2, 0)


class _Channels:
    """Location, rotation and scale of N transformed things of one ID: what is keyed, and what stands still.

    Curves are looked up again in each step of `prepare`: between two of them the user can delete any.
    """

    def __init__(self, owner: bpy.types.Object, things: Sequence[Thing], evaluate: Evaluator):
        self._owner, self._evaluate = owner, evaluate
        curves = keyframes.curves_of(owner)
        self._still = np.zeros((len(things), 10), np.float32)
        self._modes: dict[str, list[int]] = {}
        self._keyed: list[tuple[int, int, keyframes.Channel]] = []
        for row, (thing, path) in enumerate(things):
            self._modes.setdefault(thing.rotation_mode, []).append(row)
            rotation = _ROTATIONS.get(thing.rotation_mode, "rotation_euler")
            fixed = isinstance(thing, bpy.types.PoseBone) and thing.bone.use_connect  # to its parent's tail
            for start, name in ((0, "location"), (3, rotation), (7, "scale")):
                if name == "location" and fixed:
                    continue
                values = getattr(thing, name)
                self._still[row, start : start + len(values)] = values
                for index in range(len(values)):
                    if (channel := (path + name, index)) in curves:
                        self._keyed.append((row, start + index, channel))
        self._values = np.empty((len(self._keyed), evaluate.count), np.float32)

    @property
    def still(self) -> bool:
        return not self._keyed

    def prepare(self) -> Iterator[None]:
        """Evaluate the curves, in steps of a few milliseconds. Raises `ReferenceError` where one is gone."""
        some = min(_CURVES_AT_ONCE, 1 + _VALUES_AT_ONCE // self._evaluate.count)
        for start in range(0, len(self._keyed), some):
            channels = [channel for _, _, channel in self._keyed[start : start + some]]
            curves = [keyframes.find_curve(self._owner, channel) for channel in channels]
            self._values[start : start + some] = self._evaluate(curves)
            yield

    def matrices(self, frames: slice) -> tuple[np.ndarray, np.ndarray]:
        """[N, 3, 4, T], and whether they scale anything, bool [N]."""
        keyed = self._values[:, frames]
        values = np.repeat(self._still[..., None], len(range(self._evaluate.count)[frames]), axis=2)
        if len(keyed):
            rows, columns, _ = zip(*self._keyed, strict=True)
            values[list(rows), list(columns)] = keyed
        scaled = (values[:, 7:] != 1).any(axis=(1, 2))
        result = np.empty((len(values), 3, 4, values.shape[-1]), np.float32)
        result[:, :, 3] = values[:, :3]
        for mode, some in self._modes.items():
            result[some, :, :3] = _rotations(mode, values[some, 3:7])
        result[scaled, :, :3] *= values[scaled, None, 7:]
        return result, scaled


def _rotations(mode: str, values: np.ndarray) -> np.ndarray:
    """`values` [N, 4, T] of a rotation mode (w, x, y, z; angle and axis; or three angles) to matrices [N, 3, 3, T]."""
    if mode not in _ROTATIONS:
        first, second, third = (_turn("XYZ".index(axis), values[:, "XYZ".index(axis)]) for axis in mode)
        product = np.einsum("nijt,njkt->nikt", second, first)  # the axis named first turns first
        return np.einsum("nijt,njkt->nikt", third, product)
    w, x, y, z = np.moveaxis(_quaternions(values) if mode == "QUATERNION" else _about_axes(values), 1, 0)
    result = np.empty((len(values), 3, 3, values.shape[-1]), np.float32)
    result[:, 0, 0] = 1 - 2 * (y * y + z * z)
    result[:, 0, 1] = 2 * (x * y - w * z)
    result[:, 0, 2] = 2 * (x * z + w * y)
    result[:, 1, 0] = 2 * (x * y + w * z)
    result[:, 1, 1] = 1 - 2 * (x * x + z * z)
    result[:, 1, 2] = 2 * (y * z - w * x)
    result[:, 2, 0] = 2 * (x * z - w * y)
    result[:, 2, 1] = 2 * (y * z + w * x)
    result[:, 2, 2] = 1 - 2 * (x * x + y * y)
    return result


def _quaternions(values: np.ndarray) -> np.ndarray:
    """Unit quaternions [N, 4, T]; Blender takes zeros for half a turn about x."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    half_turn = np.array([0, 1, 0, 0], np.float32)[:, None]
    return np.where(length > 0, values / np.where(length > 0, length, 1), half_turn)


def _about_axes(values: np.ndarray) -> np.ndarray:
    """Unit quaternions [N, 4, T] of angle and axis; an axis of zeros turns nothing."""
    half, axis = values[:, :1] / 2, values[:, 1:]
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    turned = np.concatenate([np.cos(half), np.sin(half) * axis / np.where(length > 0, length, 1)], axis=1)
    return np.where(length > 0, turned, np.array([1, 0, 0, 0], np.float32)[:, None])


def _turn(axis: int, angles: np.ndarray) -> np.ndarray:
    """[N, 3, 3, T] rotations about one axis by `angles` [N, T]."""
    result = np.zeros((len(angles), 3, 3, angles.shape[-1]), np.float32)
    second, third = (axis + 1) % 3, (axis + 2) % 3
    result[:, axis, axis] = 1
    result[:, second, second] = result[:, third, third] = np.cos(angles)
    result[:, third, second] = np.sin(angles)
    result[:, second, third] = -np.sin(angles)
    return result


def _product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    result = np.einsum("...ijt,...jkt->...ikt", first[..., :3, :], second)
    result[..., 3, :] += first[..., 3, :]
    return result


def _square(matrices: np.ndarray) -> np.ndarray:
    """[..., 3, 4, T] to [T, ..., 4, 4]."""
    result = np.zeros((matrices.shape[-1], *matrices.shape[:-3], 4, 4), np.float32)
    result[..., :3, :] = np.moveaxis(matrices, -1, 0)
    result[..., 3, 3] = 1
    return result


def _offset(bone: bpy.types.Bone) -> Matrix:
    """The bone's rest pose in its parent's space, or the armature's."""
    return bone.parent.matrix_local.inverted() @ bone.matrix_local if bone.parent else bone.matrix_local


def _has_delta(owner: bpy.types.Object) -> bool:
    moved = owner.delta_location.length or owner.delta_rotation_euler.to_quaternion().angle
    return bool(moved or owner.delta_rotation_quaternion.angle or owner.delta_scale != Vector((1, 1, 1)))
