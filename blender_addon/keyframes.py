"""F-curves -> their values at many frames at once, as Blender evaluates them.

Curves of one rig mostly have their keyframes at the same times: where the frames lie among these is worked out once, and such
curves are evaluated together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import bpy
import numpy as np

_SAME_TIME = 1e-4  # frames: Blender takes a keyframe this near for the frame itself
_TIME_ERROR = 1e-9  # frames
_STEPS = 48  # of Newton's method, or of bisection where that leaves the bracket
_CONSTANT, _LINEAR, _BEZIER = (
    bpy.types.Keyframe.bl_rna.properties["interpolation"].enum_items[kind].value  # type: ignore[attr-defined]
    for kind in ("CONSTANT", "LINEAR", "BEZIER")
)

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
    curves = (curve for some in _collections_of(owner) for curve in some)
    return {(curve.data_path, curve.array_index): curve for curve in curves if not _is_muted(curve)}


def find_curve(owner: Animated, channel: Channel) -> bpy.types.FCurve:
    """One of `curves_of`, quickly. Raises `ReferenceError` where it is gone."""
    path, index = channel
    for some in _collections_of(owner):
        curve = some.find(path, index=index)
        if curve and not _is_muted(curve):
            return curve
    raise ReferenceError(f"the keyframes of {path} are gone")


def _collections_of(owner: Animated) -> list[bpy.types.ActionFCurves]:
    """Those of them that there are: one, or none."""
    animation = owner.animation_data
    if animation is None or animation.action is None:
        return []
    if not hasattr(animation, "action_slot"):
        return [animation.action.fcurves]
    # Since Blender 4.4 an action animates only what is in the slot; 5.0 knows no other curves.
    if animation.action_slot is None:
        return []
    strips = [strip for layer in animation.action.layers for strip in layer.strips]
    bags = [strip.channelbag(animation.action_slot) for strip in strips]  # type: ignore[attr-defined]  # they are keyframes
    return [bag.fcurves for bag in bags if bag]


def _is_muted(curve: bpy.types.FCurve) -> bool:
    return curve.mute or bool(curve.group and curve.group.mute)


class _Blend(NamedTuple):
    """A curve's values at the T frames, as shares of the K control points of the segments they lie in."""

    shares: np.ndarray  # [K, T]
    segments: np.ndarray  # int [T]
    unknown: np.ndarray  # int [U], frames of which Blender itself has to be asked


class Evaluator:
    """The values of curves at `frames`, `count` of them."""

    def __init__(self, frames: Sequence[int]):
        self._frames = np.asarray(frames, float)
        self.count = len(frames)
        self._places: dict[bytes, tuple[np.ndarray, bool]] = {}
        self._blends: dict[bytes, _Blend] = {}

    def __call__(self, curves: Sequence[bpy.types.FCurve]) -> np.ndarray:
        """[C, T]"""
        values = np.empty((len(curves), self.count))
        alike: dict[bytes, dict[int, np.ndarray]] = {}
        for row, curve in enumerate(curves):
            if len(curve.modifiers) or not len(curve.keyframe_points):
                values[row] = self._by_blender(curve, slice(None))
                continue
            key, points = self._read(curve)
            alike.setdefault(key, {})[row] = points
        for key, some in alike.items():
            rows, blend = list(some), self._blends[key]
            controls = np.array(list(some.values()), float).take(blend.segments, axis=2)
            values[rows] = np.einsum("ckt,kt->ct", controls, blend.shares)
            for row in rows if len(blend.unknown) else ():
                values[row, blend.unknown] = self._by_blender(curves[row], blend.unknown)
        return values

    def _read(self, curve: bpy.types.FCurve) -> tuple[bytes, np.ndarray]:
        """Which of `_blends` the curve has, and the values of its control points [K, N]."""
        keys, kinds = _pairs(curve, "co"), np.zeros(len(curve.keyframe_points), np.int32)
        segments, on_keys = self._place(keys[:, 0])
        points = keys[None]
        if not on_keys:  # else neither handles nor the kinds of interpolation matter
            handles = _pairs(curve, "handle_right"), _pairs(curve, "handle_left")
            points = np.stack([keys, handles[0], np.roll(handles[1], -1, axis=0), np.roll(keys, -1, axis=0)])
            curve.keyframe_points.foreach_get("interpolation", kinds)
        constant = curve.extrapolation == "CONSTANT"
        times, values = points[..., 0], points[..., 1]
        key = b"%d" % constant + times.tobytes() + kinds.tobytes()
        if key not in self._blends:
            self._blends[key] = _blend(times.astype(float), kinds, constant, segments, self._frames)
        return key, values

    def _place(self, times: np.ndarray) -> tuple[np.ndarray, bool]:
        """The number of the last keyframe at or before each frame [T], 0 before the first; whether none is between two."""
        key = times.tobytes()
        if key not in self._places:
            segments = np.maximum(np.searchsorted(times, self._frames + _SAME_TIME, side="right") - 1, 0)
            self._places[key] = segments, not _between(times, segments, self._frames).any()
        return self._places[key]

    def _by_blender(self, curve: bpy.types.FCurve, where: np.ndarray | slice) -> np.ndarray:
        return np.array([curve.evaluate(frame) for frame in self._frames[where]])


def _between(times: np.ndarray, segments: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Which of `frames` [T], of `segments` [T], lie between two of the keyframes at `times` [N]: bool [T]."""
    return (np.abs(times[segments] - frames) > _SAME_TIME) & (segments < len(times) - 1) & (frames > times[0])


def _blend(times: np.ndarray, kinds: np.ndarray, constant: bool, segments: np.ndarray, frames: np.ndarray) -> _Blend:
    """Of `frames` [T] in `segments` [T] of a curve with control points at `times` [K, N].

    `kinds` [N] are the interpolations after its keyframes; before and after them all it is `constant`, or Blender's to say.
    """
    shares = np.zeros((len(times), len(frames)))
    shares[0] = 1
    between = _between(times[0], segments, frames)
    unknown = ~between & (np.abs(times[0][segments] - frames) > _SAME_TIME) & (not constant)
    if between.any():
        kind, start, end = kinds[segments], times[0][segments], times[3][segments]
        linear, bezier = between & (kind == _LINEAR), between & (kind == _BEZIER)
        shares[3, linear] = ((frames - start) / (end - start))[linear]
        shares[0, linear] -= shares[3, linear]
        shares[:, bezier] = _bezier(times[:, segments[bezier]], frames[bezier])
        unknown |= between & ~linear & ~bezier & (kind != _CONSTANT)
    return _Blend(shares, segments, np.flatnonzero(unknown))


def _bezier(times: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """The shares [4, F] of the control points, at `times` [4, F], in the cubics' values at `frames` [F]."""
    # No handle may be longer in time than its segment, so that time only grows along it: Blender shortens those that are.
    start, out, into, end = times
    length = end - start
    first, second = (length / np.maximum(np.abs(reach), length) for reach in (out - start, into - end))
    out, into = start + first * (out - start), end + second * (into - end)
    at = _solve(np.stack([start, 3 * (out - start), 3 * (start - 2 * out + into), end - start + 3 * (out - into)]), frames)
    rest = 1 - at
    leaving, coming = 3 * at * rest**2, 3 * at**2 * rest
    return np.stack([rest**3 + (1 - first) * leaving, first * leaving, second * coming, at**3 + (1 - second) * coming])


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


def _pairs(curve: bpy.types.FCurve, what: str) -> np.ndarray:
    """[N, 2] time and value of the keyframes, or of their handles."""
    buffer = np.empty(2 * len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get(what, buffer)
    return buffer.reshape(-1, 2)
