"""F-curves -> their values at many frames at once, as Blender evaluates them.

Curves of one rig mostly have their keyframes at the same times: where the frames lie among these is worked out once.
"""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np

_SAME_TIME = 1e-4  # frames: Blender takes a keyframe this near for the frame itself
_STEPS = 48  # of Newton's method, or of bisection where that leaves the bracket

Channel = tuple[str, int]
"""Data path and array index."""


def find_obstacle(owner: bpy.types.ID) -> str | None:
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


def is_animated(owner: bpy.types.ID) -> bool:
    animation = owner.animation_data
    return animation is not None and bool(animation.action or animation.drivers or animation.nla_tracks)


def curves_of(owner: bpy.types.ID) -> dict[Channel, bpy.types.FCurve]:
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
    bags = [strip.channelbag(animation.action_slot) for strip in strips]
    return [curve for bag in bags if bag for curve in bag.fcurves]


class Evaluator:
    """The values [T] of one curve after the other at `frames`, `count` of them."""

    def __init__(self, frames: Sequence[int]):
        self._frames = np.asarray(frames, float)
        self.count = len(frames)
        self._places: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
        self._parameters: dict[bytes, np.ndarray] = {}

    def __call__(self, curve: bpy.types.FCurve) -> np.ndarray:
        keys = _read(curve, "co")  # [N, 2]
        if not len(keys) or len(curve.modifiers):
            return self._by_blender(curve, np.ones(len(self._frames), bool))
        times, values = keys.T
        last, on_key = self._place(times)
        result = values[last].astype(float)
        between = ~on_key & (last < len(keys) - 1) & (self._frames > times[0])
        outside = ~on_key & ~between
        if outside.any():
            if curve.extrapolation == "CONSTANT":
                result[outside] = np.where(self._frames[outside] < times[0], values[0], values[-1])
            else:
                result[outside] = self._by_blender(curve, outside)
        if between.any():
            self._interpolate(curve, keys, last, between, result)
        return result

    def _place(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The last keyframe, int [T], and whether the frame is on it, bool [T]."""
        found = self._places.get(times.tobytes())
        if found is None:
            last = np.maximum(np.searchsorted(times, self._frames + _SAME_TIME, side="right") - 1, 0)
            found = self._places[times.tobytes()] = last, np.abs(times[last] - self._frames) <= _SAME_TIME
        return found

    def _interpolate(
        self, curve: bpy.types.FCurve, keys: np.ndarray, last: np.ndarray, between: np.ndarray, result: np.ndarray
    ) -> None:
        kinds = np.array([key.interpolation for key in curve.keyframe_points])[last]
        linear, bezier = between & (kinds == "LINEAR"), between & (kinds == "BEZIER")
        if linear.any():
            (time, value), (next_time, next_value) = keys[last[linear]].T, keys[last[linear] + 1].T
            share = (self._frames[linear] - time) / (next_time - time)
            result[linear] = value + share * (next_value - value)
        if bezier.any():
            start = last[bezier]
            points = np.stack(  # [4, S, 2], S frames
                [keys[start], _read(curve, "handle_right")[start], _read(curve, "handle_left")[start + 1], keys[start + 1]]
            ).astype(float)
            result[bezier] = self._bezier(*part_handles(points).transpose(2, 0, 1), self._frames[bezier])
        easing = between & ~linear & ~bezier & (kinds != "CONSTANT")
        if easing.any():
            result[easing] = self._by_blender(curve, easing)

    def _bezier(self, times: np.ndarray, values: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """The values [S] of curves with control points `times` and `values` [4, S] at `frames` [S]."""
        key = times.tobytes() + frames.tobytes()
        parameter = self._parameters.get(key)
        if parameter is None:
            parameter = self._parameters[key] = _solve(times, frames)
        return _cubic(values, parameter)

    def _by_blender(self, curve: bpy.types.FCurve, where: np.ndarray) -> np.ndarray:
        return np.array([curve.evaluate(frame) for frame in self._frames[where]])


def part_handles(points: np.ndarray) -> np.ndarray:
    """`points` [4, S, 2] (key, handle, handle, key), no handle longer in time than the segment: then time only grows."""
    start, out, into, end = points
    length = end[:, :1] - start[:, :1]
    for handle, key in ((out, start), (into, end)):
        reach = np.abs(handle[:, :1] - key[:, :1])
        shrink = np.where(reach > length, length / np.maximum(reach, 1e-12), 1.0)
        handle[:] = key + shrink * (handle - key)
    return points


def _solve(times: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Where on the cubics `times` [4, S] the `frames` [S] are, 0 to 1: Newton's method, kept inside a shrinking bracket."""
    low, high = np.zeros(len(frames)), np.ones(len(frames))
    parameter = (frames - times[0]) / (times[3] - times[0])
    tolerance = 1e-9 * (times[3] - times[0])
    for _ in range(_STEPS):
        error = _cubic(times, parameter) - frames
        if (np.abs(error) <= tolerance).all():
            break
        low, high = np.where(error < 0, parameter, low), np.where(error > 0, parameter, high)
        step = parameter - error / np.maximum(_slope(times, parameter), 1e-12)
        parameter = np.where((step > low) & (step < high), step, (low + high) / 2)
    return parameter


def _cubic(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    rest = 1 - at
    return rest**3 * points[0] + 3 * rest**2 * at * points[1] + 3 * rest * at**2 * points[2] + at**3 * points[3]


def _slope(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    rest, (first, second, third) = 1 - at, np.diff(points, axis=0)
    return 3 * (rest**2 * first + 2 * rest * at * second + at**2 * third)


def _read(curve: bpy.types.FCurve, what: str) -> np.ndarray:
    """[N, 2] time and value of the keyframes, or of their handles."""
    buffer = np.empty(2 * len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get(what, buffer)
    return buffer.reshape(-1, 2)
