"""Procedural people: proportions, clothes and colours, and the round cones that they are drawn with."""

from __future__ import annotations

from colorsys import hsv_to_rgb
from dataclasses import dataclass

import numpy as np

from ..pose.head import head_keypoints, head_visible
from ..pose.skeleton import INDEX, KEYPOINT_COUNT
from .motions import Body, Proportions

_SKIN = np.array(
    [(255, 219, 190), (241, 194, 155), (224, 172, 125), (198, 134, 90), (150, 95, 60), (110, 70, 45), (75, 48, 33)]
)  # fmt: skip
_HAIR = np.array(
    [(20, 16, 14), (50, 32, 22), (90, 56, 30), (150, 90, 40), (220, 180, 100), (150, 50, 25), (120, 120, 125), (230, 228, 220)]
)  # fmt: skip


@dataclass(frozen=True)
class Character:
    """Colours are linear RGB f64 [3]; lengths are fractions: sleeves and trousers of the limb, hair of the stature."""

    size: Proportions
    build: float
    skin: np.ndarray
    hair: np.ndarray
    shirt: np.ndarray
    trim: np.ndarray
    trousers: np.ndarray
    shoes: np.ndarray
    belt: np.ndarray
    iris: np.ndarray
    sleeve: float  # of the whole arm, 0..2: above 1 it reaches below the elbow
    leg: float  # likewise
    skirt: float  # 0: none, else its length
    coat: float
    stripes: int
    emblem: bool
    hair_length: float
    bald: bool
    bun: bool
    fringe: bool
    hat: bool
    bag: bool


def _linear(colour: np.ndarray) -> np.ndarray:
    return (np.asarray(colour, float) / 255) ** 2.2


def _cloth(rng: np.random.Generator) -> np.ndarray:
    kind = rng.random()
    if kind < 0.15:
        colour = np.full(3, rng.choice([18, 40, 90, 150, 210, 245])) + rng.uniform(-8, 8, 3)
    else:
        colour = 255 * np.array(hsv_to_rgb(rng.random(), rng.uniform(0.25, 1), rng.uniform(0.2, 1)))
    return _linear(np.clip(colour, 5, 252))


def character(rng: np.random.Generator) -> Character:
    """A random person; a third of them stylised."""
    stylised = rng.random() < 0.35
    head = 0.13 * (rng.uniform(1.0, 1.7) if stylised else rng.uniform(0.95, 1.15))
    legs = rng.uniform(0.75, 1.05) if stylised else rng.uniform(0.94, 1.06)
    arms = rng.uniform(0.8, 1.15) if stylised else rng.uniform(0.93, 1.07)
    trunk = 1 - head - 0.05 - 0.039 - (0.245 + 0.246) * legs
    trunk = float(np.clip(trunk, 0.22, 0.36))
    size = Proportions(
        thigh=0.245 * legs, shin=0.246 * legs, foot=rng.uniform(0.12, 0.16), ankle=0.039, trunk=trunk,
        shoulders=0.201 * rng.uniform(0.85, 1.15), hips=0.105 * rng.uniform(0.85, 1.2),
        upper_arm=0.186 * arms, forearm=0.146 * arms, hand=0.07 * rng.uniform(0.9, 1.3),
        neck=0.045 * rng.uniform(0.7, 1.2), head=head,
    )  # fmt: skip
    skin = _SKIN[rng.integers(len(_SKIN))] * rng.uniform(0.92, 1.05)
    if rng.random() < 0.06:
        skin = 255 * np.array(hsv_to_rgb(rng.random(), rng.uniform(0.2, 0.6), rng.uniform(0.5, 0.95)))
    hair = _HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.8, 1.1)
    if rng.random() < 0.12:
        hair = 255 * np.array(hsv_to_rgb(rng.random(), rng.uniform(0.5, 1), rng.uniform(0.4, 1)))
    dress = rng.random()
    return Character(
        size=size, build=rng.uniform(0.75, 1.4), skin=_linear(np.clip(skin, 8, 252)), hair=_linear(np.clip(hair, 5, 252)),
        shirt=_cloth(rng), trim=_cloth(rng), trousers=_cloth(rng), shoes=_cloth(rng), belt=_cloth(rng),
        iris=_linear(np.array([20, 20, 25]) + rng.uniform(0, 70, 3)),
        sleeve=float(rng.choice([0.0, 0.5, 0.8, 1.5, 2.0], p=[0.1, 0.35, 0.1, 0.05, 0.4])),
        leg=float(rng.choice([0.45, 0.9, 1.5, 2.0], p=[0.15, 0.1, 0.1, 0.65])),
        skirt=rng.uniform(0.5, 1.3) if dress < 0.15 else 0.0, coat=rng.uniform(0.2, 0.8) if dress > 0.85 else 0.0,
        stripes=int(rng.integers(2, 6)) if rng.random() < 0.12 else 0, emblem=rng.random() < 0.2,
        hair_length=float(rng.choice([0.0, 0.05, 0.12, 0.22], p=[0.5, 0.15, 0.2, 0.15])), bald=rng.random() < 0.07,
        bun=rng.random() < 0.12, fringe=rng.random() < 0.4, hat=rng.random() < 0.12, bag=rng.random() < 0.08,
    )  # fmt: skip


class _Cones:
    """Collects cones over T frames; ends broadcast to [T, 3], radii and colours are constant."""

    def __init__(self, frames: int):
        self.frames = frames
        self.rows: list[tuple] = []

    def add(self, start, end, r0, r1, colour, second=None, cut=2.0, stripes=0) -> None:
        self.rows.append((start, end, r0, r1, colour, colour if second is None else second, cut, stripes))

    def arrays(self, count: int) -> dict[str, np.ndarray]:
        """f32 arrays of `renderer.Cones`, padded with absent cones to `count`."""
        if len(self.rows) > count:
            raise ValueError(f"{len(self.rows)} cones, room for {count}")
        n, t = len(self.rows), self.frames
        ends = np.zeros((t, count, 2, 3), np.float32)
        radii = np.zeros((t, count, 2), np.float32)
        colours = np.zeros((t, count, 2, 3), np.float32)
        cut = np.full((t, count), 2, np.float32)
        stripes = np.zeros((t, count), np.float32)
        for row, (start, end, r0, r1, first, second, where, pairs) in enumerate(self.rows[:n]):
            ends[:, row, 0], ends[:, row, 1] = start, end
            radii[:, row] = r0, r1
            colours[:, row, 0], colours[:, row, 1] = first, second
            cut[:, row], stripes[:, row] = where, pairs
        return {"ends": ends, "radii": radii, "colours": colours, "cut": cut, "stripes": stripes}


CONES = 48


def cones(who: Character, body: Body) -> dict[str, np.ndarray]:
    """The person's round cones over T frames in body space, statures: the fields of `renderer.Cones`, f32."""
    out = _Cones(len(body.pelvis))
    size, b = who.size, who.build

    def local(origin, frame, left=0.0, up=0.0, forward=0.0):
        return origin + frame @ np.array([left, up, forward])

    _trunk(out, who, body, local)
    _head(out, who, body, local)
    for side in (0, 1):
        sign = 1 - 2 * side
        _arm(out, who, body, side, sign)
        hip, knee, ankle, toe = body.hip[:, side], body.knee[:, side], body.ankle[:, side], body.toe[:, side]
        out.add(hip, knee, 0.056 * b**0.7, 0.04 * b**0.5, who.trousers, who.skin, who.leg)
        out.add(knee, ankle, 0.042 * b**0.5, 0.026, who.trousers, who.skin, who.leg - 1)
        heel = ankle + (ankle - toe) * 0.22 + np.array([0, -size.ankle * 0.35, 0])
        out.add(heel, toe, 0.03, 0.026, who.shoes)
        out.add(ankle, ankle * 0.6 + heel * 0.4, 0.03, 0.032, who.shoes)
        if who.skirt or who.coat:
            length, colour = (who.skirt, who.trousers) if who.skirt else (who.coat, who.shirt)
            hem = hip + (knee - hip) * min(length, 1.0) + (ankle - knee) * max(length - 1, 0)
            out.add(hip, hem, 0.068 * b**0.7, 0.075 * b**0.5, colour)
    return out.arrays(CONES)


def _trunk(out: _Cones, who: Character, body: Body, local) -> None:
    b = who.build
    for sign in (1, -1):
        low = local(body.pelvis, body.pelvis_frame, sign * 0.036 * b, 0.05)
        middle = local(body.waist, body.chest_frame, sign * 0.03 * b)
        high = local(body.chest, body.chest_frame, sign * who.size.shoulders * 0.24, 0.015)
        out.add(low, middle, 0.062 * b**0.8, 0.058 * b, who.shirt)
        out.add(middle, high, 0.058 * b, 0.064 * b**0.6, who.shirt, who.trim, 2.0, who.stripes)
    shoulder = body.shoulder * 0.85 + body.shoulder[:, ::-1] * 0.15
    out.add(shoulder[:, 0], shoulder[:, 1], 0.042 * b**0.4, 0.042 * b**0.4, who.shirt)
    out.add(body.hip[:, 0], body.hip[:, 1], 0.06 * b**0.8, 0.06 * b**0.8, who.trousers)
    waist = [local(body.pelvis, body.pelvis_frame, sign * 0.04 * b, 0.045) for sign in (1, -1)]
    out.add(*waist, 0.064 * b**0.8, 0.064 * b**0.8, who.belt)
    out.add(local(body.neck, body.chest_frame, 0, -0.01), body.chin, 0.034 * b**0.3, 0.03, who.skin)
    if who.emblem:
        spot = local(body.chest, body.chest_frame, 0, 0.01, 0.05 * b**0.6)
        out.add(spot, local(body.chest, body.chest_frame, 0, -0.02, 0.05 * b**0.6), 0.032, 0.02, who.trim)
    if who.bag:
        top, bottom = (local(body.chest, body.chest_frame, 0, up, -0.085 * b**0.6) for up in (0.02, -0.1))
        out.add(top, bottom, 0.06, 0.07, who.belt)


def _head(out: _Cones, who: Character, body: Body, local) -> None:
    s = who.size.head / 0.13  # everything on a head scales with it
    frame = body.head_frame

    def on_head(left: float, up: float, forward: float) -> np.ndarray:
        return local(body.crown, frame, left * s, up * s, forward * s)

    out.add(on_head(0, -0.065, 0.012), on_head(0, -0.1, 0.03), 0.062 * s, 0.042 * s, who.skin)
    white = np.full(3, 0.9)
    for sign in (1, -1):
        for start, end, r0, r1, colour in (
            ((0.058, -0.076, 0.005), (0.058, -0.088, 0.005), 0.011, 0.009, who.skin),  # ear
            ((0.024, -0.073, 0.06), (0.021, -0.073, 0.06), 0.0105, 0.0105, white),
            ((0.0225, -0.074, 0.0665), (0.0225, -0.075, 0.0665), 0.0065, 0.0065, who.iris),
            ((0.032, -0.057, 0.058), (0.014, -0.056, 0.064), 0.004, 0.004, who.hair),  # brow
        ):
            mirrored = [on_head(sign * left, up, forward) for left, up, forward in (start, end)]
            out.add(*mirrored, r0 * s, r1 * s, colour)
    out.add(on_head(0, -0.08, 0.07), on_head(0, -0.093, 0.076), 0.006 * s, 0.009 * s, who.skin * 0.93)
    out.add(on_head(0.014, -0.112, 0.062), on_head(-0.014, -0.112, 0.062), 0.005 * s, 0.005 * s, np.array([0.35, 0.07, 0.07]))
    if not who.bald:
        out.add(on_head(0, -0.058, -0.006), on_head(0, -0.075, -0.018), 0.066 * s, 0.058 * s, who.hair)
        if who.fringe:
            out.add(on_head(0.028, -0.03, 0.042), on_head(-0.028, -0.03, 0.042), 0.024 * s, 0.024 * s, who.hair)
        if who.hair_length:
            for sign in (1, -1):
                start, end = on_head(sign * 0.035, -0.08, -0.025), on_head(sign * 0.04, -0.1 - who.hair_length / s, -0.04)
                out.add(start, end, 0.036 * s, 0.028 * s, who.hair)
        if who.bun:
            out.add(on_head(0, -0.03, -0.07), on_head(0, -0.035, -0.075), 0.03 * s, 0.03 * s, who.hair)
    if who.hat:
        out.add(on_head(0, -0.045, -0.002), on_head(0, -0.03, -0.004), 0.068 * s, 0.066 * s, who.trim)
        out.add(on_head(0, -0.045, 0.06), on_head(0, -0.048, 0.085), 0.02 * s, 0.014 * s, who.trim)


def _arm(out: _Cones, who: Character, body: Body, side: int, sign: int) -> None:
    b = who.build
    shoulder, elbow, wrist, finger = body.shoulder[:, side], body.elbow[:, side], body.wrist[:, side], body.finger[:, side]
    out.add(shoulder, elbow, 0.036 * b**0.7, 0.027 * b**0.5, who.shirt, who.skin, who.sleeve)
    out.add(elbow, wrist, 0.028 * b**0.5, 0.02, who.shirt, who.skin, who.sleeve - 1)
    out.add(wrist, finger, 0.021, 0.018, who.skin)
    thumb = wrist * 0.5 + finger * 0.5 + body.hand_frame[:, side] @ np.array([-0.012 * sign, 0, 0.024])
    out.add(wrist * 0.7 + finger * 0.3, thumb, 0.012, 0.01, who.skin)


def keypoints(who: Character, body: Body) -> np.ndarray:
    """The 134 keypoints in body space, statures, f64 [T, 134, 3]; NaN where this body has none (face, hands)."""
    points = np.full((len(body.pelvis), KEYPOINT_COUNT, 3), np.nan)
    left, up, forward = np.moveaxis(body.head_frame, -1, 0)
    points[:, [0, 14, 15, 16, 17]] = head_keypoints(body.crown, left, up, forward, who.size.head / 0.13)
    points[:, 1] = body.shoulder.mean(1)
    for name, pair in (("shoulder", body.shoulder), ("elbow", body.elbow), ("wrist", body.wrist), ("hip", body.hip),
                       ("knee", body.knee), ("ankle", body.ankle)):  # fmt: skip
        points[:, INDEX[f"left_{name}"]], points[:, INDEX[f"right_{name}"]] = pair[:, 0], pair[:, 1]
    for side, name in enumerate(("left", "right")):
        points[:, INDEX[f"{name}_big_toe"]] = points[:, INDEX[f"{name}_small_toe"]] = body.toe[:, side]
    return points


def visible(body: Body, to_camera: np.ndarray) -> np.ndarray:
    """Which keypoints show, bool [T, 134], to a camera in direction `to_camera` [T, 3] (unit, body space)."""
    shown = np.zeros((len(body.pelvis), KEYPOINT_COUNT), bool)
    shown[:, :18] = True
    shown[:, INDEX["left_big_toe"] : INDEX["left_small_toe"] + 1] = True
    shown[:, INDEX["right_big_toe"] : INDEX["right_small_toe"] + 1] = True
    left, up, forward = np.moveaxis(body.head_frame, -1, 0)
    shown[:, [0, 14, 15, 16, 17]] = head_visible(to_camera, left, up, forward)
    return shown
