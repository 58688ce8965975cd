"""Paint for procedural people: which colour every spot of the surface has, from where it lies in the rest pose."""

from __future__ import annotations

from colorsys import hsv_to_rgb
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor


class Part(IntEnum):
    """What a vertex belongs to."""

    TORSO = 0
    ARM = 1
    LEG = 2
    HAND = 3
    FOOT = 4
    HEAD = 5
    HAIR = 6
    HAT = 7
    SKIRT = 8
    BAG = 9
    HOOD = 10


class Region(IntEnum):
    """What a pixel shows, for measures by garment."""

    BACKGROUND = 0
    SKIN = 1
    HAIR = 2
    TOP = 3
    BOTTOM = 4
    SHOES = 5
    ACCESSORIES = 6


class Slot(IntEnum):
    """The colours of a person."""

    SKIN = 0
    HAIR = 1
    HAIR_SHADE = 2
    TOP = 3
    TOP_SECOND = 4
    BOTTOM = 5
    BOTTOM_SECOND = 6
    SHOES = 7
    SOLE = 8
    BELT = 9
    HAT = 10
    BAG = 11
    LOGO = 12
    UNDER = 13
    SOCKS = 14
    LINING = 15
    WHITE = 16
    IRIS = 17
    PUPIL = 18
    BROW = 19
    LIPS = 20
    CHEEK = 21
    GLASSES = 22
    GLOVES = 23


REGION_OF = torch.tensor(
    [
        Region.SKIN,
        Region.HAIR,
        Region.HAIR,
        Region.TOP,
        Region.TOP,
        Region.BOTTOM,
        Region.BOTTOM,
        Region.SHOES,
        Region.SHOES,
        *[Region.ACCESSORIES] * 3,
        Region.TOP,
        Region.TOP,
        Region.BOTTOM,
        Region.BOTTOM,
        *[Region.SKIN] * 6,
        *[Region.ACCESSORIES] * 2,
    ],
    dtype=torch.uint8,
)

_SKIN = np.array(
    [(255, 219, 190), (241, 194, 155), (224, 172, 125), (198, 134, 90), (150, 95, 60), (110, 70, 45), (75, 48, 33)]
)
_HAIR = np.array(
    [(20, 16, 14), (50, 32, 22), (90, 56, 30), (150, 90, 40), (220, 180, 100), (150, 50, 25), (120, 120, 125), (230, 228, 220)]
)
PATTERNS = ("plain", "stripes", "pinstripes", "checks", "dots", "camouflage", "halves", "yoke", "band")


@dataclass(frozen=True)
class Paint:
    """palette f32 [24, 3] linear RGB and gloss f32 [24], by `Slot`; patterns are (name, size in statures)."""

    palette: Tensor
    gloss: Tensor
    top: tuple[str, float]
    bottom: tuple[str, float]
    neckline: str
    neck_depth: float
    waist: float  # up from the hips, statures
    tunic: float  # how far the top hangs over the bottom
    belt: bool
    open_front: float  # how wide an open coat or jacket stands, statures; 0 closed
    logo: str
    logo_size: float
    logo_back: bool
    barefoot: bool
    gloves: bool
    socks: float
    eye: tuple[float, float]  # half width and height on a head of usual size
    brow_tilt: float
    beard: bool
    glasses: bool
    blush: bool


@dataclass(frozen=True)
class Landmarks:
    """Heights in the rest pose, statures, of the shape that is painted, and how far its clothes reach (see `Shape`)."""

    neck: float
    chest: float
    hips: float
    crown: tuple[float, float, float]
    head_scale: float
    sleeve: float
    leg: float
    boots: float
    coat: bool
    scalp: bool
    collar: bool


def random_paint(rng: np.random.Generator) -> Paint:
    stylised = rng.random() < 0.35
    skin = _SKIN[rng.integers(len(_SKIN))] * rng.uniform(0.92, 1.05)
    if rng.random() < 0.04:
        skin = 255 * np.array(hsv_to_rgb(rng.random(), rng.uniform(0.2, 0.6), rng.uniform(0.5, 0.95)))
    hair = _HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.8, 1.1)
    if rng.random() < 0.14:
        hair = 255 * np.array(hsv_to_rgb(rng.random(), rng.uniform(0.5, 1), rng.uniform(0.4, 1)))
    skin, hair = _linear(skin), _linear(hair)
    top, bottom = _cloth(rng), _cloth(rng)
    if rng.random() < 0.12:
        bottom = top * rng.uniform(0.8, 1.1)
    palette = np.zeros((len(Slot), 3))
    for slot, colour in {
        Slot.SKIN: skin,
        Slot.HAIR: hair,
        Slot.HAIR_SHADE: hair * rng.uniform(0.5, 0.85),
        Slot.TOP: top,
        Slot.TOP_SECOND: _cloth(rng),
        Slot.BOTTOM: bottom,
        Slot.BOTTOM_SECOND: _cloth(rng),
        Slot.SHOES: _cloth(rng) * 0.7,
        Slot.SOLE: _linear(rng.choice([25, 60, 235]) * np.ones(3)),
        Slot.BELT: _cloth(rng) * 0.5,
        Slot.HAT: _cloth(rng),
        Slot.BAG: _cloth(rng) * 0.8,
        Slot.LOGO: _cloth(rng),
        Slot.UNDER: _cloth(rng),
        Slot.SOCKS: _cloth(rng) if rng.random() < 0.4 else np.full(3, 0.85),
        Slot.LINING: bottom * 0.35,
        Slot.WHITE: np.full(3, 0.9),
        Slot.IRIS: _linear(
            255 * np.array(hsv_to_rgb(rng.choice([0.07, 0.08, 0.33, 0.58, rng.random()]), 0.65, rng.uniform(0.25, 0.8)))
        ),
        Slot.PUPIL: np.full(3, 0.012),
        Slot.BROW: hair * 0.55 + 0.004,
        Slot.LIPS: skin * [0.8, 0.4, 0.42] + [0.06, 0, 0.005],
        Slot.CHEEK: np.minimum(skin * [1.1, 0.8, 0.8], 1),
        Slot.GLASSES: _linear(rng.uniform(0, 90, 3)),
        Slot.GLOVES: _cloth(rng) * 0.7,
    }.items():
        palette[slot] = colour
    gloss = np.zeros(len(Slot))
    gloss[[Slot.SKIN, Slot.CHEEK, Slot.LIPS]] = rng.uniform(0.0, 0.1)
    gloss[[Slot.HAIR, Slot.HAIR_SHADE]] = rng.uniform(0, 0.2)
    gloss[[Slot.TOP, Slot.TOP_SECOND, Slot.LOGO]] = rng.uniform(0, 0.35) if rng.random() < 0.2 else 0.0
    gloss[[Slot.BOTTOM, Slot.BOTTOM_SECOND]] = rng.uniform(0, 0.35) if rng.random() < 0.15 else 0.0
    gloss[[Slot.SHOES, Slot.BELT, Slot.BAG]] = rng.uniform(0, 0.4)
    big = rng.uniform(1.1, 1.6) if stylised else rng.uniform(0.85, 1.1)
    return Paint(
        palette=torch.tensor(np.clip(palette, 0.003, 0.95), dtype=torch.float32),
        gloss=torch.tensor(gloss, dtype=torch.float32),
        top=_pattern(rng, 0.6),
        bottom=_pattern(rng, 0.82),
        neckline=str(rng.choice(["crew", "scoop", "vee", "wide"], p=[0.5, 0.2, 0.2, 0.1])),
        neck_depth=rng.uniform(0.02, 0.07),
        waist=rng.uniform(0.02, 0.06),
        tunic=rng.uniform(0.03, 0.13) if rng.random() < 0.35 else 0.0,
        belt=rng.random() < 0.35,
        open_front=rng.uniform(0.015, 0.04) if rng.random() < 0.25 else 0.0,
        logo=str(rng.choice(["", "disc", "ring", "box", "cross", "bars"], p=[0.7, 0.08, 0.06, 0.06, 0.05, 0.05])),
        logo_size=rng.uniform(0.018, 0.045),
        logo_back=rng.random() < 0.4,
        barefoot=rng.random() < 0.08,
        gloves=rng.random() < 0.07,
        socks=float(rng.choice([2.0, 1.75, 1.2], p=[0.5, 0.35, 0.15])),
        eye=(0.0112 * big, 0.0062 * big * (1.5 if stylised else 1.0)),
        brow_tilt=rng.uniform(-0.2, 0.3),
        beard=rng.random() < 0.08,
        glasses=rng.random() < 0.1,
        blush=rng.random() < 0.3,
    )


def _linear(colour: np.ndarray) -> np.ndarray:
    return np.clip(np.asarray(colour, float), 4, 252) ** 2.2 / 255**2.2


def _cloth(rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.25:
        colour = np.full(3, rng.choice([18, 40, 90, 150, 210, 245])) + rng.uniform(-8, 8, 3)
    else:
        colour = 255 * np.array(hsv_to_rgb(rng.random(), rng.uniform(0.2, 0.95), rng.uniform(0.2, 1)))
    return _linear(colour)


def _pattern(rng: np.random.Generator, plain: float) -> tuple[str, float]:
    return ("plain" if rng.random() < plain else str(rng.choice(PATTERNS[1:]))), rng.uniform(0.025, 0.07)


def paint(who: Paint, marks: Landmarks, rest: Tensor, limb: Tensor, part: Tensor) -> Tensor:
    """The `Slot` of each fragment, int64 [P], from its place in the rest pose f32 [P, 3] and along its limb, and its part."""
    slot = torch.full((len(rest),), int(Slot.SKIN))
    for kind in Part:
        at = (part == kind).nonzero()[:, 0]
        if len(at):
            slot[at] = _part_slot(who, marks, kind, *rest[at].unbind(1), limb[at])
    return slot


def _part_slot(who: Paint, marks: Landmarks, part: Part, x: Tensor, y: Tensor, z: Tensor, u: Tensor) -> Tensor:
    """`paint` of fragments of one part, at x, y, z and `u` along its limb."""

    def all_of(slot: Slot) -> Tensor:
        return torch.full((len(x),), int(slot))

    if part in (Part.TORSO, Part.LEG):
        return _trunk(who, marks, x, y, z, u)
    if part == Part.ARM:
        bare = torch.where(u > 1.85, int(Slot.GLOVES if who.gloves else Slot.SKIN), int(Slot.SKIN))
        return torch.where(u > marks.sleeve, bare, _cloth_slot(who.top, Slot.TOP, x, u * 0.15, z))
    if part == Part.FOOT:
        return all_of(Slot.SKIN) if who.barefoot else torch.where(y < 0.012, int(Slot.SOLE), int(Slot.SHOES))
    if part == Part.HEAD:
        return _face(who, marks, x, y, z)
    if part == Part.HAIR:
        return torch.where(torch.sin(420 * x + 190 * z + 25 * y) > 0.55, int(Slot.HAIR_SHADE), int(Slot.HAIR))
    if part == Part.SKIRT:
        return _skirt(who, marks, x, y, z)
    plain = {Part.HAT: Slot.HAT, Part.BAG: Slot.BAG, Part.HOOD: Slot.TOP}
    return all_of(plain.get(part, Slot.GLOVES if who.gloves else Slot.SKIN))


def _cloth_slot(pattern: tuple[str, float], first: Slot, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    name, size = pattern
    if name == "plain":
        return torch.full((len(x),), int(first))
    turn = torch.atan2(x, z) * 0.09  # about as long around the body as it is wide
    down, across = 6.2832 / size * y, 6.2832 / size * turn
    if name == "stripes":
        second = torch.sin(down) > 0.1
    elif name == "pinstripes":
        second = torch.sin(across * 2) > 0.75
    elif name == "checks":
        second = torch.sin(down) * torch.sin(across) > 0
    elif name == "dots":
        second = torch.sin(down) * torch.sin(across) > 0.62
    elif name == "camouflage":
        second = torch.sin(down * 0.7 + torch.sin(across)) + torch.sin(across * 0.8 + 1.7 * torch.sin(down * 0.6)) > 0.3
    elif name == "halves":
        second = x > 0
    elif name == "yoke":
        second = torch.sin(0.25 * down) > 0.3
    else:
        second = torch.sin(0.4 * down) > 0.85
    return second.long() + int(first)


def _trunk(who: Paint, marks: Landmarks, x: Tensor, y: Tensor, z: Tensor, u: Tensor) -> Tensor:
    """Torso and legs alike, so that no hem breaks at the hips."""
    waist = marks.hips + who.waist
    slot = _cloth_slot(who.top, Slot.TOP, x, y, z)
    if who.logo:
        slot = torch.where(_logo(who, x, y - marks.chest - 0.012, z), int(Slot.LOGO), slot)
    if who.open_front:
        gap = who.open_front + (0.2 * (marks.neck - y)).clamp(min=0) * 0.5
        slot = torch.where((x.abs() < gap) & (z > 0), int(Slot.UNDER), slot)
    bottom = _cloth_slot(who.bottom, Slot.BOTTOM, x, y, z)
    bottom = torch.where(u > marks.leg, int(Slot.SKIN), bottom)
    bottom = torch.where((u > who.socks) & (u > marks.leg), int(Slot.SOCKS), bottom)
    if marks.boots < 1.9 and not who.barefoot:
        bottom = torch.where(u > marks.boots, int(Slot.SHOES), bottom)
    hem = marks.hips - 0.09 if marks.coat else waist - who.tunic
    slot = torch.where(y < hem, bottom, slot)
    if who.belt and not marks.coat:
        slot = torch.where((y - waist).abs() < 0.011, int(Slot.BELT), slot)

    bare = (y > marks.neck + 0.02) & ~torch.tensor(marks.collar)
    below = y - marks.neck - 0.016
    depth = who.neck_depth
    if who.neckline == "vee":
        bare |= (z > -0.02) & (below > -depth + x.abs() * depth / 0.045)
    elif who.neckline == "scoop":
        bare |= (z > -0.02) & ((x / 0.05) ** 2 + (below / depth) ** 2 < 1)
    elif who.neckline == "wide":
        bare |= (x / 0.075) ** 2 + (below / 0.03) ** 2 < 1
    return torch.where(bare & (y > marks.chest - 0.03), int(Slot.SKIN), slot)


def _logo(who: Paint, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    size = who.logo_size
    side = z < 0 if who.logo_back else z > 0
    if who.logo == "disc":
        inside = x**2 + y**2 < size**2
    elif who.logo == "ring":
        inside = ((x**2 + y**2).sqrt() - size * 0.8).abs() < size * 0.22
    elif who.logo == "box":
        inside = (x.abs() < size * 1.3) & (y.abs() < size * 0.6)
    elif who.logo == "cross":
        inside = ((x.abs() < size * 0.3) & (y.abs() < size)) | ((y.abs() < size * 0.3) & (x.abs() < size))
    else:
        inside = (x.abs() < size) & (y.abs() < size) & (torch.sin(y * 9.4 / size) > 0)
    return inside & side


def _skirt(who: Paint, marks: Landmarks, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    if not marks.coat:
        slot = _cloth_slot(who.bottom, Slot.BOTTOM, x, y, z)
        if who.belt:
            slot = torch.where((y - marks.hips - who.waist).abs() < 0.011, int(Slot.BELT), slot)
    else:
        slot = _cloth_slot(who.top, Slot.TOP, x, y, z)
        gap = 0.5 * who.open_front + 0.2 * (marks.hips - y).clamp(min=0)
        slot = torch.where((x.abs() < gap) & (z > 0), int(Slot.LINING), slot)
    return slot


def _face(who: Paint, marks: Landmarks, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    slot = torch.full((len(x),), int(Slot.SKIN))
    left, up, forward = ((value - origin) / marks.head_scale for value, origin in zip((x, y, z), marks.crown, strict=True))
    side = left.abs()
    front = forward > 0.02

    def spot(across: float, height: float, wide: float, tall: float) -> Tensor:
        return front & (((side - across) / wide) ** 2 + ((up - height) / tall) ** 2 < 1)

    def put(where: Tensor, what: Slot) -> None:
        slot[where] = int(what)

    wide, tall = who.eye
    if who.blush:
        put(spot(0.034, -0.092, 0.01, 0.006), Slot.CHEEK)
    if who.beard:
        put((up < -0.094) & (up > -0.128) & (forward > -0.005) & ~spot(0, -0.104, 0.013, 0.003), Slot.HAIR)
    put(spot(0, -0.1045, 0.0145, 0.0042), Slot.LIPS)
    put(spot(0.0235, -0.0715, wide * 1.08, tall * 1.25), Slot.BROW)
    put(spot(0.0235, -0.073, wide, tall), Slot.WHITE)
    put(spot(0.0225, -0.073, min(wide * 0.58, tall * 1.1), tall * 0.98), Slot.IRIS)
    put(spot(0.0225, -0.0735, min(wide * 0.3, tall * 0.6), tall * 0.55), Slot.PUPIL)
    put(spot(0.0245, -0.0705, wide * 0.15, tall * 0.22), Slot.WHITE)
    brow = -0.0565 + who.eye[1] * 0.4 + who.brow_tilt * (side - 0.0235)
    put(front & ((up - brow).abs() < 0.0024) & ((side - 0.0235).abs() < 0.0125), Slot.BROW)
    if who.glasses:
        radius = (((side - 0.0235) / 1.1) ** 2 + (up + 0.073) ** 2).sqrt()
        put(front & (((radius - 0.0165).abs() < 0.0019) | ((up + 0.071).abs() < 0.0014) & (side < 0.007)), Slot.GLASSES)
    if marks.scalp:
        put((up > -0.073 + 0.86 * forward) & (up > -0.105) & (side < 0.0505), Slot.HAIR)
    if marks.collar:
        put(y < marks.neck + 0.03, Slot.TOP)
    return slot
