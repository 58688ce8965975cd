"""F-curves -> their values at many frames at once, as Blender evaluates them.

Curves of one rig mostly have their keyframes at the same times: where the frames lie among these is worked out once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import bpy
import numpy as np

_SAME_TIME = 1e-4  # frames: Blender takes a keyframe this near for the frame itself
_TIME_ERROR = 1e-9  # frames
_STEPS = 48  # of Newton's method, or of bisection where that leaves the bracket

Channel = tuple[str, int]
"""Data path and array index."""

Animated = bpy.types.Object | bpy.types.Armature | bpy.types.Camera | bpy.types.Scene | bpy.types.Key
"""What can have animation data, of the kinds of data that are sampled."""


def find_obstacle(owner: Animated) -> str | None:
    """What animates `owner` beside the keyframes of one action, for people; None where nothing does."""
    animation = owner.animation_data
    if animation is None:
        return None
    if animation.drivers:
        return f"{owner.name!r} has drivers"
    if animation.use_tweak_mode or (animation.use_nla and animation.nla_tracks):
        return f"{owner.name!r} has NLA tracks"
    layers = getattr(animation.action, "layers", ())
    strips = [strip for layer in layers for strip in layer.strips]
    if len(layers) > 1 or any(strip.type != "KEYFRAME" for strip in strips):
        return f"{owner.name!r} has an action in layers"
    return None


def is_animated(owner: Animated) -> bool:
    animation = owner.animation_data
    return animation is not None and bool(animation.action or animation.drivers or animation.nla_tracks)


def curves_of(owner: Animated) -> dict[Channel, bpy.types.FCurve]:
    """The curves that animate `owner`, by what they animate."""
    animation = owner.animation_data
    if animation is None or animation.action is None:
        return {}
    curves = _curves_of_slot(animation) if hasattr(animation, "action_slot") else animation.action.fcurves
    return {
        (curve.data_path, curve.array_index): curve
        for curve in curves
        if not curve.mute and not (curve.group and curve.group.mute)
    }


def _curves_of_slot(animation: bpy.types.AnimData) -> list[bpy.types.FCurve]:
    """Since Blender 4.4 an action animates only what is in the slot; 5.0 knows no other curves."""
    if animation.action_slot is None:
        return []
    strips = [strip for layer in animation.action.layers for strip in layer.strips]
    bags = [strip.channelbag(animation.action_slot) for strip in strips]  # type: ignore[attr-defined]  # they are keyframes
    return [curve for bag in bags if bag for curve in bag.fcurves]


class _Place(NamedTuple):
    """Where the T frames are among the keyframes: int or bool [T] each."""

    last: np.ndarray  # the number of the last keyframe, 0 before the first
    between: np.ndarray
    outside: np.ndarray


class Evaluator:
    """The values [T] of one curve after the other at `frames`, `count` of them."""

    def __init__(self, frames: Sequence[int]):
        self._frames = np.asarray(frames, float)
        self.count = len(frames)
        self._places: dict[bytes, _Place] = {}
        self._curves: dict[bytes, _Bezier] = {}

    def __call__(self, curve: bpy.types.FCurve) -> np.ndarray:
        keys = _read(curve, "co")  # [N, 2]
        if not len(keys) or len(curve.modifiers):
            return self._by_blender(curve, np.ones(self.count, bool))
        place = self._place(keys[:, 0])
        result = keys[place.last, 1]
        if place.outside.any():
            if curve.extrapolation == "CONSTANT":
                before = self._frames[place.outside] < keys[0, 0]
                result[place.outside] = np.where(before, keys[0, 1], keys[-1, 1])
            else:
                result[place.outside] = self._by_blender(curve, place.outside)
        if place.between.any():
            self._interpolate(curve, keys, place, result)
        return result

    def _place(self, times: np.ndarray) -> _Place:
        key = times.tobytes()
        place = self._places.get(key)
        if place is None:
            last = np.maximum(np.searchsorted(times, self._frames + _SAME_TIME, side="right") - 1, 0)
            on_key = np.abs(times[last] - self._frames) <= _SAME_TIME
            between = ~on_key & (last < len(times) - 1) & (self._frames > times[0])
            place = self._places[key] = _Place(last, between, ~on_key & ~between)
        return place

    def _interpolate(self, curve: bpy.types.FCurve, keys: np.ndarray, place: _Place, result: np.ndarray) -> None:
        kinds = [key.interpolation for key in curve.keyframe_points]
        for kind in set(kinds[:-1]) - {"CONSTANT"}:
            where = place.between
            if kinds.count(kind) < len(kinds):
                where = where & (np.array(kinds) == kind)[place.last]
            if kind == "LINEAR":
                (time, value), (next_time, next_value) = keys[place.last[where]].T, keys[place.last[where] + 1].T
                share = (self._frames[where] - time) / (next_time - time)
                result[where] = value + share * (next_value - value)
            elif kind == "BEZIER":
                result[where] = self._bezier(curve, keys, place.last, where)
            else:
                result[where] = self._by_blender(curve, where)

    def _bezier(self, curve: bpy.types.FCurve, keys: np.ndarray, last: np.ndarray, where: np.ndarray) -> np.ndarray:
        points = np.empty((4, len(keys) - 1, 2))
        points[0], points[3] = keys[:-1], keys[1:]
        points[1], points[2] = _read(curve, "handle_right")[:-1], _read(curve, "handle_left")[1:]
        times, values = points[..., 0], points[..., 1]
        key = times.tobytes() + where.tobytes()
        shape = self._curves.get(key)
        if shape is None:
            shape = self._curves[key] = _Bezier(times, last[where], self._frames[where])
        return shape(values)

    def _by_blender(self, curve: bpy.types.FCurve, where: np.ndarray) -> np.ndarray:
        return np.array([curve.evaluate(frame) for frame in self._frames[where]])


class _Bezier:
    """Cubic segments with control points at `times` [4, S], looked up at `frames` [F], which lie in `segments` [F]."""

    def __init__(self, times: np.ndarray, segments: np.ndarray, frames: np.ndarray):
        # No handle may be longer in time than its segment, so that time only grows along it: Blender shortens those that are.
        length = times[3] - times[0]
        reach = np.stack([times[1] - times[0], times[2] - times[3]])  # [2, S]
        self._shorten = length / np.maximum(np.abs(reach), length)
        self._segments = segments
        self._at = _solve(np.stack(self._powers(times))[:, segments], frames)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """[F] of a curve with control points at `values` [4, S]."""
        constant, linear, square, cube = self._powers(values)
        at, where = self._at, self._segments
        return ((cube[where] * at + square[where]) * at + linear[where]) * at + constant[where]

    def _powers(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The polynomial's coefficients [S] each, constant first, of control points [4, S]."""
        start, end = points[0], points[3]
        out, into = self._shorten * (points[1:3] - points[[0, 3]])
        rise = end - start
        return start, 3 * out, 3 * (rise - 2 * out + into), 3 * (out - into) - 2 * rise


def _solve(powers: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Where from 0 to 1 the cubics `powers` [4, F] reach `frames` [F]: Newton's method, kept inside a shrinking bracket."""
    constant, linear, square, cube = powers
    low, high = np.zeros(len(frames)), np.ones(len(frames))
    at = (frames - constant) / (linear + square + cube)
    for _ in range(_STEPS):
        error = ((cube * at + square) * at + linear) * at + constant - frames
        if (np.abs(error) <= _TIME_ERROR).all():
            break
        low, high = np.where(error < 0, at, low), np.where(error > 0, at, high)
        slope = (3 * cube * at + 2 * square) * at + linear
        step = at - error / np.maximum(slope, 1e-12)
        at = np.where((step > low) & (step < high), step, (low + high) / 2)
    return at


def _read(curve: bpy.types.FCurve, what: str) -> np.ndarray:
    """[N, 2] time and value of the keyframes, or of their handles."""
    buffer = np.empty(2 * len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get(what, buffer)
    return buffer.reshape(-1, 2)
