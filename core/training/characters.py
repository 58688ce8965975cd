"""Procedural people: proportions, a body under clothes, hair and things worn, as one skinned mesh for `painting`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..pose.head import head_keypoints, head_visible
from ..pose.skeleton import INDEX, KEYPOINT_COUNT
from .motions import BONE, BONES, Body, Proportions, pose, rest
from .painting import Landmarks, Paint, Part, random_paint
from .surface import Cone, Mesh, join, skin

SECTORS = 8  # around a bone: with its number, the patch that a spot of the surface belongs to
PATCHES = len(BONES) * SECTORS


@dataclass(frozen=True)
class Shape:
    """Lengths in statures unless said otherwise; `bulk` and `curves` scale girths, about 1 and 0..1."""

    size: Proportions
    bulk: float
    muscle: float
    curves: float
    belly: float
    loose: float  # how far the clothes stand off
    loose_legs: float
    sleeve: float  # of the arm: 1 reaches the elbow, 2 the wrist
    leg: float  # likewise
    boots: float
    skirt: float  # 0: none, else how far down the leg
    flare: float
    coat: bool  # the skirt is a coat's
    hood: bool
    hair: str
    hair_length: float
    hat: str
    bag: str
    collar: bool


HAIR = ("bald", "buzz", "short", "fringe", "bob", "long", "ponytail", "twintails", "bun", "afro", "spiky", "mohawk")


@dataclass(frozen=True)
class Character:
    """A shape and its paint."""

    shape: Shape
    paint: Paint

    @cached_property
    def rest(self) -> Body:
        return pose(rest(), self.shape.size)

    @cached_property
    def mesh(self) -> Mesh:
        return _mesh(self.shape, self.rest)

    @cached_property
    def patches(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each vertex: its patch uint8 [V], and how far along the bone it is f32 [V], 0..1."""
        bone = self.mesh.weights.argmax(1)
        start, axis = self.rest.start[0][bone], (self.rest.end[0] - self.rest.start[0])[bone]
        offset = self.mesh.vertices - start
        along = np.einsum("vi,vi->v", offset, axis) / np.einsum("vi,vi->v", axis, axis)
        local = np.einsum("vji,vj->vi", self.rest.frames[0][bone], offset - along[:, None] * axis)
        up = np.where(np.isin(bone, [BONE["left_foot"], BONE["right_foot"]]), local[:, 1], local[:, 2])
        sector = ((np.arctan2(local[:, 0], up) / (2 * np.pi) + 1 + 0.5 / SECTORS) * SECTORS).astype(int) % SECTORS
        return (bone * SECTORS + sector).astype(np.uint8), np.clip(along, 0, 1).astype(np.float32)

    @cached_property
    def patch_offsets(self) -> np.ndarray:
        """From a bone's axis to the middle of each of its patches, in the bone's frame: f64 [bones, SECTORS, 3]."""
        bone = self.patches[0] // SECTORS
        rest = self.rest
        offset = np.einsum("vji,vj->vi", rest.frames[0][bone], self.mesh.vertices - rest.start[0][bone])
        axis = np.einsum("bji,bj->bi", rest.frames[0], rest.end[0] - rest.start[0])
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        offset -= np.einsum("vi,vi->v", offset, axis[bone])[:, None] * axis[bone]
        count = np.bincount(self.patches[0], minlength=PATCHES)
        sums = np.stack([np.bincount(self.patches[0], offset[:, k], PATCHES) for k in range(3)], 1)
        return (sums / np.maximum(count, 1)[:, None]).reshape(len(BONES), SECTORS, 3)

    @cached_property
    def limb(self) -> np.ndarray:
        """Of each vertex: 0..3 from the shoulder to the fingertips or from the hip to the toes, f32 [V]; elsewhere 0."""
        bone = self.mesh.weights.argmax(1)
        order = np.zeros(len(BONES))
        for side in ("left", "right"):
            for chain in (("upper_arm", "forearm", "hand"), ("thigh", "shin", "foot")):
                order[[BONE[f"{side}_{part}"] for part in chain]] = [0, 1, 2]
        limbs = bone >= BONE["left_upper_arm"]
        return np.where(limbs, order[bone] + self.patches[1], 0).astype(np.float32)

    @cached_property
    def landmarks(self) -> Landmarks:
        who, body = self.shape, self.rest
        return Landmarks(
            neck=body.at("neck")[0, 1],
            chest=body.at("chest")[0, 1],
            hips=body.at("pelvis")[0, 1],
            crown=tuple(body.tip("head")[0]),
            head_scale=who.size.head / 0.121,
            sleeve=who.sleeve,
            leg=0.1 if who.skirt and not who.coat else who.leg,
            boots=who.boots,
            coat=who.coat,
            scalp=who.hair not in ("bald", "mohawk") and not who.hood,
            collar=who.collar,
        )


def character(rng: np.random.Generator) -> Character:
    """A random person: child to adult, slim to stout; a third of them stylised, from chibi to lanky."""
    return Character(_shape(rng), random_paint(rng))


def _shape(rng: np.random.Generator) -> Shape:
    stylised, age = rng.random() < 0.3, rng.random()
    child = 1.0 if age < 0.15 else 0.0
    curves = rng.uniform(0, 1) * (1 - child)
    head = 0.135 * (
        rng.choice([rng.uniform(1.0, 2.3), rng.uniform(0.75, 1)]) if stylised else rng.uniform(0.93, 1.1) + 0.25 * child
    )
    legs = rng.uniform(0.7, 1.12) if stylised else rng.uniform(0.94, 1.06) - 0.08 * child
    arms = rng.uniform(0.85, 1.15) if stylised else rng.uniform(0.92, 1.06)
    neck = 0.068 * rng.uniform(0.55, 1.1) if stylised else 0.068 * rng.uniform(0.85, 1.15)
    trunk = float(np.clip(1 - head * 0.9 - neck - 0.042 - 0.48 * legs, 0.2, 0.33))
    size = Proportions(
        thigh=0.249 * legs,
        shin=0.233 * legs,
        foot=rng.uniform(0.13, 0.16),
        ankle=0.042,
        trunk=trunk,
        shoulders=0.203 * (1.06 - 0.14 * curves) * rng.uniform(0.9, 1.1),
        hips=0.118 * (0.95 + 0.15 * curves) * rng.uniform(0.92, 1.08),
        upper_arm=rng.uniform(0.14, 0.182) * arms,
        forearm=rng.uniform(0.134, 0.15) * arms,
        hand=0.1 * rng.uniform(0.9, 1.15),
        neck=neck,
        head=head * 0.9,
    )
    tall = size.thigh + size.shin + size.ankle + size.trunk + size.neck + size.head
    size = replace(size, **{name: value / tall for name, value in vars(size).items()})
    dress = rng.random()
    skirted = dress < 0.1 + 0.25 * curves
    coat = not skirted and dress > 0.86
    hair = str(rng.choice(HAIR, p=[0.05, 0.08, 0.24, 0.14, 0.1, 0.12, 0.08, 0.04, 0.06, 0.04, 0.04, 0.01]))
    return Shape(
        size=size,
        bulk=float(np.clip(rng.normal(1.0, 0.16), 0.72, 1.5)),
        muscle=rng.uniform(0, 1) * (1 - child),
        curves=curves,
        belly=max(0.0, rng.normal(0, 0.6)) if rng.random() < 0.4 else 0.0,
        loose=rng.choice([0.002, 0.005, 0.011], p=[0.35, 0.4, 0.25]),
        loose_legs=rng.choice([0.001, 0.005, 0.013], p=[0.35, 0.4, 0.25]),
        sleeve=2.0 if coat else float(rng.choice([0.0, 0.3, 0.6, 0.85, 1.5, 1.95], p=[0.12, 0.1, 0.25, 0.1, 0.06, 0.37])),
        leg=float(rng.choice([0.15, 0.5, 0.9, 1.5, 1.95], p=[0.07, 0.12, 0.08, 0.1, 0.63])),
        boots=float(rng.choice([1.97, 1.85, 1.6, 1.2], p=[0.62, 0.18, 0.14, 0.06])),
        skirt=rng.uniform(0.5, 1.7) if skirted else rng.uniform(0.4, 1.5) if coat else 0.0,
        flare=rng.uniform(0, 1),
        coat=coat,
        hood=rng.random() < 0.06,
        hair=hair,
        hair_length=rng.uniform(0.04, 0.24),
        hat=str(rng.choice(["", "cap", "beanie", "brim", "helmet"], p=[0.84, 0.06, 0.04, 0.03, 0.03])),
        bag=str(rng.choice(["", "backpack", "satchel"], p=[0.9, 0.06, 0.04])),
        collar=rng.random() < 0.3,
    )


def _mesh(who: Shape, body: Body) -> Mesh:
    """Body and limbs in coarse cells, head and hands in fine ones."""
    torso, arms, legs, feet = _torso(who, body), [], [], []
    hands = []
    for side in ("left", "right"):
        arms += _arm(who, body, side)
        legs += _leg(who, body, side)
        feet += _foot(who, body, side)
        hands.append(_surface(_hand(who, body, side), 0.007, 0.003, Part.HAND))
    trunk = _surface(torso + arms + legs, 0.0145, 0.009, Part.TORSO)
    bone = trunk.weights.argmax(1)
    trunk.parts[
        (bone >= BONE["left_upper_arm"])
        & np.isin(bone, [BONE[f"{s}_{p}"] for s in ("left", "right") for p in ("upper_arm", "forearm", "hand")])
    ] = Part.ARM
    trunk.parts[np.isin(bone, [BONE[f"{s}_{p}"] for s in ("left", "right") for p in ("thigh", "shin", "foot")])] = Part.LEG
    meshes = [trunk, *hands, _surface(feet, 0.0105, 0.004, Part.FOOT), *_head(who, body)]
    if who.skirt:
        meshes.append(_skirt(who, body))
    if who.bag:
        meshes.append(_bag(who, body))
    return join(meshes)


def _surface(cones: list[Cone], cell: float, blend: float, part: Part) -> Mesh:
    return skin(cones, len(BONES), cell, blend, part)


def _torso(who: Shape, body: Body) -> list[Cone]:
    size, c, b = who.size, who.curves, who.bulk
    pelvis, waist, chest, neck = (body.at(name)[0] for name in ("pelvis", "waist", "chest", "neck"))
    off = who.loose
    half = size.shoulders / 2
    hip = size.hips / 2

    def at(origin, left=0.0, up=0.0, forward=0.0):
        return origin + np.array([left, up, forward])

    broad = 0.052 + 0.35 * (half - 0.1)
    cones = [
        # hips, waist and rib cage: flattened from front to back
        Cone(
            BONE["pelvis"],
            at(pelvis, 0, 0.012, -0.004),
            at(pelvis, 0, 0.05, 0),
            (hip + 0.031) * b**0.6,
            (hip + 0.026) * b**0.7,
            (1, 1, 0.72),
        ),
        Cone(
            BONE["waist"],
            at(waist, 0, -0.01, 0.004),
            at(waist, 0, 0.03, 0.004),
            (0.073 - 0.012 * c) * b,
            (0.074 - 0.008 * c) * b,
            (1, 1, 0.72),
        ),
        Cone(
            BONE["chest"],
            at(chest, 0, -0.01, 0.003),
            at(chest, 0, 0.03, 0),
            0.08 * b**0.7,
            (half * 0.9 - 0.002) * b**0.4,
            (1, 1, 0.72),
        ),
        Cone(BONE["chest"], at(neck, 0, -0.022, -0.006), at(neck, 0, 0.016, -0.008), broad + 0.01, 0.036, (1, 1, 0.75)),
        Cone(BONE["neck"], at(neck, 0, 0.0, -0.006), at(neck, 0, size.neck * 0.55, -0.002), 0.037 * b**0.4, 0.031 * b**0.4),
    ]
    for sign, side in ((1, "left"), (-1, "right")):
        shoulder = body.at(f"{side}_upper_arm")[0]
        cones.append(
            Cone(
                BONE["chest"],
                at(neck, sign * 0.03, 0.008, -0.008),
                at(shoulder, -sign * 0.022, 0, 0),
                0.034 * b**0.4,
                0.036 * b**0.4 + off,
            )
        )
        cones.append(
            Cone(
                BONE["pelvis"],
                at(pelvis, sign * hip * 0.75, -0.012, -0.034),
                at(pelvis, sign * hip * 0.75, 0.015, -0.026),
                (0.05 + 0.006 * c) * b**0.7,
                0.045 * b**0.7,
            )
        )
        breast = 0.032 + 0.012 * c if c > 0.5 else 0.03 * who.muscle
        if breast > 0.012:
            forward = 0.022 + 0.028 * max(c - 0.4, 0)
            spot = at(chest, sign * 0.038, 0.025, forward)
            cones.append(Cone(BONE["chest"], spot, spot + np.array([0, -0.014, 0.006]), breast, breast))
    if who.belly:
        cones.append(
            Cone(
                BONE["waist"],
                at(waist, 0, -0.025, 0.02),
                at(waist, 0, 0.02, 0.02),
                0.06 + 0.02 * who.belly,
                0.055 + 0.015 * who.belly,
            )
        )
    if who.collar:
        cones.append(Cone(BONE["neck"], at(neck, 0, 0.01, -0.006), at(neck, 0, 0.034, -0.003), 0.046, 0.043))
    return [
        replace(cone, r0=cone.r0 + off * 0.6, r1=cone.r1 + off * 0.6) if cone.bone != BONE["neck"] else cone for cone in cones
    ]


def _arm(who: Shape, body: Body, side: str) -> list[Cone]:
    b, m = who.bulk**0.7, who.muscle
    upper, fore = (BONE[f"{side}_{part}"] for part in ("upper_arm", "forearm"))
    shoulder, elbow, wrist = body.at(f"{side}_upper_arm")[0], body.at(f"{side}_forearm")[0], body.at(f"{side}_hand")[0]
    middle = shoulder + 0.4 * (elbow - shoulder)
    belly = elbow + 0.25 * (wrist - elbow)
    cones = [
        Cone(upper, shoulder, middle, (0.033 + 0.006 * m) * b, (0.028 + 0.006 * m) * b),
        Cone(upper, middle, elbow, (0.028 + 0.006 * m) * b, 0.023 * b),
        Cone(fore, elbow, belly, 0.023 * b, (0.025 + 0.004 * m) * b),
        Cone(fore, belly, wrist, (0.025 + 0.004 * m) * b, 0.0165 * b**0.7),
    ]
    if who.sleeve > 0.2:
        cones += _tube(upper, shoulder, elbow, 0.034 * b + who.loose, 0.028 * b + who.loose, min(who.sleeve, 1))
    if who.sleeve > 1:
        cones += _tube(fore, elbow, wrist, 0.028 * b + who.loose, 0.02 * b + who.loose * 1.2, who.sleeve - 1)
    return cones


def _leg(who: Shape, body: Body, side: str) -> list[Cone]:
    b, c = who.bulk**0.7, who.curves
    thigh, shin = (BONE[f"{side}_{part}"] for part in ("thigh", "shin"))
    hip, knee, ankle = body.at(f"{side}_thigh")[0], body.at(f"{side}_shin")[0], body.at(f"{side}_foot")[0]
    calf = knee + 0.3 * (ankle - knee) + np.array([0, 0, -0.009])
    middle = hip + 0.45 * (knee - hip)
    cones = [
        Cone(thigh, hip, middle, (0.057 + 0.005 * c) * b, 0.05 * b),
        Cone(thigh, middle, knee, 0.05 * b, 0.036 * b),
        Cone(shin, knee, calf, 0.035 * b, 0.036 * b),
        Cone(shin, calf, ankle, 0.036 * b, 0.021 * b**0.7),
    ]
    if who.leg > 0.2 and not (who.skirt and not who.coat):
        cones += _tube(thigh, hip, knee, 0.058 * b + who.loose_legs * 0.4, 0.038 * b + who.loose_legs, min(who.leg, 1))
        if who.leg > 1:
            cones += _tube(shin, knee, ankle, 0.038 * b + who.loose_legs, 0.025 * b + who.loose_legs * 1.3, who.leg - 1)
    if who.boots < 1.9:
        start = knee + (who.boots - 1) * (ankle - knee)
        cones.append(Cone(shin, start, ankle, 0.028 * b + 0.008 + 0.012 * (1.9 - who.boots), 0.03 * b))
    return cones


def _tube(bone: int, start: np.ndarray, end: np.ndarray, r0: float, r1: float, reach: float) -> list[Cone]:
    stop = min(reach, 1.0) - 0.1
    return [Cone(bone, start, start + stop * (end - start), r0, r0 + stop * (r1 - r0))] if stop > 0.05 else []


def _foot(who: Shape, body: Body, side: str) -> list[Cone]:
    bone, size = BONE[f"{side}_foot"], who.size
    frame, ankle = body.frame(f"{side}_foot")[0], body.at(f"{side}_foot")[0]

    def at(left=0.0, up=0.0, forward=0.0):
        return ankle + frame @ np.array([left, up, forward])

    sole, length = -size.ankle, size.foot
    return [
        Cone(bone, at(0, 0.004, 0), at(0, sole * 0.5, 0.0), 0.026, 0.03),
        Cone(bone, at(0, sole + 0.024, -0.012), at(0, sole + 0.02, length * 0.3), 0.028, 0.025, (1, 1, 1)),
        Cone(bone, at(0, sole + 0.022, length * 0.25), at(0, sole + 0.015, length * 0.66), 0.029, 0.028, (1, 0.62, 1), frame),
        Cone(bone, at(0, 0, 0.002), at(0, sole + 0.022, length * 0.45), 0.025, 0.022),
    ]


def _hand(who: Shape, body: Body, side: str) -> list[Cone]:
    """The palm looks inwards, the thumb forwards."""
    bone, k = BONE[f"{side}_hand"], who.size.hand / 0.1
    frame, wrist = body.frame(f"{side}_hand")[0], body.at(f"{side}_hand")[0]
    inward = -1 if side == "left" else 1

    def at(down: float, forward: float, inside: float = 0.0):
        return wrist + frame @ np.array([inside * inward, -down, forward]) * k

    cones = [
        Cone(bone, at(-0.012, 0), at(0.018, 0.002), 0.0165 * k, 0.0175 * k, (0.75, 1, 1), frame),
        Cone(bone, at(0.016, 0.003), at(0.043, 0.0), 0.0195 * k, 0.0215 * k, (0.5, 1, 1), frame),
        Cone(bone, at(0.014, 0.012, 0.002), at(0.034, 0.029, 0.006), 0.009 * k, 0.0075 * k),
        Cone(bone, at(0.034, 0.029, 0.006), at(0.052, 0.034, 0.008), 0.0072 * k, 0.006 * k),
    ]
    for spread, length in ((0.0155, 0.088), (0.0055, 0.095), (-0.005, 0.09), (-0.0145, 0.078)):
        knuckle = at(0.046, spread)
        joint = at(0.046 + (length - 0.046) * 0.5, spread * 1.15, 0.002)
        cones.append(Cone(bone, knuckle, joint, 0.0068 * k, 0.0062 * k))
        cones.append(Cone(bone, joint, at(length, spread * 1.2, 0.012), 0.0062 * k, 0.0052 * k))
    return cones


def _head(who: Shape, body: Body) -> list[Mesh]:
    s = who.size.head / 0.121  # everything on a head scales with it
    crown, head, neck = body.tip("head")[0], BONE["head"], BONE["neck"]

    def at(left: float, up: float, forward: float) -> np.ndarray:
        return crown + np.array([left, up, forward]) * s

    def cone(start, end, r0, r1, squash=(1.0, 1.0, 1.0)) -> Cone:
        return Cone(head, at(*start), at(*end), r0 * s, r1 * s, squash)

    face = [
        cone((0, -0.06, -0.014), (0, -0.063, 0.002), 0.058, 0.058, (0.86, 1, 1)),
        cone((0, -0.07, 0.004), (0, -0.108, 0.028), 0.047, 0.026, (0.9, 1, 1)),
        cone((0, -0.11, 0.034), (0, -0.116, 0.034), 0.019, 0.017),
        cone((0, -0.076, 0.058), (0, -0.092, 0.066), 0.005, 0.008),
    ]
    for sign in (1, -1):
        face.append(cone((sign * 0.05, -0.073, -0.004), (sign * 0.05, -0.091, -0.001), 0.0125, 0.008, (0.45, 1, 1)))
        face.append(cone((sign * 0.026, -0.058, 0.045), (sign * 0.01, -0.056, 0.049), 0.008, 0.008))
    stem = body.at("neck")[0]
    jaw = at(0, -0.1, -0.006)
    face.append(
        Cone(neck, stem + np.array([0, -0.01, -0.008]), jaw, 0.034 * who.bulk**0.4, 0.03 * min(s, 1.25) * who.bulk**0.3)
    )
    meshes = [_surface(face, 0.0088 * min(s, 1.5), 0.005, Part.HEAD)]
    hair = [] if who.hood else _hair(who, cone, who.hat != "")
    if hair:
        mesh = _surface(hair, 0.0105 * min(s, 1.5), 0.005, Part.HAIR)
        below = np.clip((at(0, -0.12, 0)[1] - mesh.vertices[:, 1]) / 0.12, 0, 0.75).astype(np.float32)
        mesh.weights[:] = 0
        mesh.weights[:, head], mesh.weights[:, BONE["chest"]] = 1 - below, below
        meshes.append(mesh)
    if who.hood:
        hood = [
            cone((0, -0.06, -0.03), (0, -0.062, -0.012), 0.074, 0.073),
            cone((0, -0.08, -0.03), (0, -0.13, -0.02), 0.072, 0.06),
            Cone(BONE["chest"], stem + np.array([0, 0.0, -0.02]), stem + np.array([0, 0.025, -0.012]), 0.058, 0.052),
            cone((0, -0.002, 0.0), (0, -0.01, 0.022), 0.022, 0.02, (2.2, 1, 1)),
        ]
        meshes.append(_surface(hood, 0.01, 0.008, Part.HOOD))
    if who.hat:
        hats = {
            "cap": [
                cone((0, -0.052, -0.014), (0, -0.044, -0.004), 0.064, 0.06),
                cone((0, -0.045, 0.045), (0, -0.05, 0.085), 0.034, 0.03, (1.25, 0.18, 1)),
            ],
            "beanie": [cone((0, -0.05, -0.016), (0, -0.028, -0.012), 0.067, 0.055)],
            "brim": [
                cone((0, -0.04, -0.01), (0, -0.012, -0.01), 0.062, 0.055),
                cone((0, -0.045, -0.008), (0, -0.046, -0.008), 0.105, 0.105, (1, 0.09, 1)),
            ],
            "helmet": [cone((0, -0.055, -0.014), (0, -0.06, -0.006), 0.078, 0.074, (0.93, 1, 1))],
        }
        meshes.append(_surface(hats[who.hat], 0.008 * min(s, 1.5), 0.004, Part.HAT))
    return meshes


def _hair(who: Shape, cone, hatted: bool) -> list[Cone]:
    style, long = who.hair, who.hair_length
    if style in ("bald", "buzz"):
        return []
    thick = 0.0 if hatted else 0.006
    cones = [
        cone((0, -0.055, -0.02), (0, -0.052, -0.006), 0.06 + thick, 0.059 + thick, (0.9, 1, 1)),
        cone((0, -0.07, -0.026), (0, -0.088, -0.028), 0.056 + thick, 0.045 + thick, (0.92, 1, 1)),
    ]
    sides = (1, -1)
    if style in ("fringe", "bob", "twintails") or (style == "long" and long > 0.14):
        cones.append(cone((0.03, -0.034, 0.034), (-0.03, -0.034, 0.034), 0.023, 0.023))
    if style in ("short", "spiky"):
        cones.append(cone((0.034, -0.03, 0.026), (-0.024, -0.022, 0.032), 0.02, 0.025))
    if style in ("bob", "long"):
        drop = 0.05 + (0.03 if style == "bob" else long * 1.2)
        cones.append(cone((0, -0.08, -0.035), (0, -0.09 - drop, -0.042), 0.05, 0.036 + 0.05 * min(drop, 0.2), (1.15, 1, 0.8)))
        for sign in sides:
            cones.append(
                cone((sign * 0.045, -0.06, -0.004), (sign * 0.05, -0.085 - drop * 0.7, -0.004), 0.022, 0.016, (0.8, 1, 1.2))
            )
    if style == "ponytail":
        cones += [
            cone((0, -0.04, -0.072), (0, -0.048, -0.085), 0.02, 0.026),
            cone((0, -0.055, -0.09), (0, -0.09 - long, -0.085), 0.03, 0.01),
        ]
    if style == "twintails":
        for sign in sides:
            cones.append(cone((sign * 0.058, -0.045, -0.03), (sign * 0.075, -0.055, -0.032), 0.02, 0.026))
            cones.append(cone((sign * 0.076, -0.06, -0.032), (sign * 0.082, -0.1 - long, -0.03), 0.028, 0.01))
    if style == "bun":
        cones.append(cone((0, -0.02, -0.062), (0, -0.024, -0.068), 0.03, 0.03))
    if style == "afro":
        cones.append(cone((0, -0.05, -0.022), (0, -0.046, -0.012), 0.062 + 0.25 * long, 0.06 + 0.22 * long))
    if style == "spiky":
        for left, forward in (
            (0, 0.03),
            (0.03, 0.012),
            (-0.03, 0.012),
            (0.02, -0.03),
            (-0.022, -0.032),
            (0, -0.005),
            (0, -0.06),
        ):
            cones.append(cone((left, -0.02, forward), (left * 2.1, 0.03 + 0.1 * long, forward * 1.5 - 0.01), 0.022, 0.003))
    if style == "mohawk":
        cones = [
            cone((0, -0.01 - 0.02 * (k == 3), 0.045 - 0.03 * k), (0, 0.025, 0.04 - 0.034 * k), 0.016, 0.006) for k in range(4)
        ]
    return cones


def _skirt(who: Shape, body: Body) -> Mesh:
    """An elliptic bell around both legs, which share in moving it."""
    hip, knee, ankle = (
        body.start[0, [BONE[f"left_{part}"], BONE[f"right_{part}"]]].mean(0) for part in ("thigh", "shin", "foot")
    )
    b = who.bulk**0.7
    waist = hip + np.array([0, 0.055 if not who.coat else 0.08, 0])
    hem = hip + (knee - hip) * min(who.skirt, 1) + (ankle - knee) * max(who.skirt - 1, 0)
    hem[0] = 0
    low = waist[1] - hem[1]
    radius = (who.size.hips / 2 + 0.034) * b + who.loose
    wide = radius + low * (0.1 + 0.32 * who.flare) + 0.012
    top, floor = hip + np.array([0, 0, -0.003]), hem - np.array([0, wide, 0])
    below = wide + (wide - radius * 1.12) / max(low, 0.05) * wide  # the cone goes on to where its round end is cut off
    bell = Cone(BONE["pelvis"], top, floor, radius * 1.12, below, (1, 1, 0.82))
    cloth = 0.024
    inside = replace(bell, start=top - np.array([0, cloth, 0]), r0=bell.r0 - cloth, r1=bell.r1 - cloth)
    ground = Cone(BONE["pelvis"], hem - np.array([0, 5, 0]), hem - np.array([0, 5, 0]), 5.0, 5.0)
    cones = [Cone(BONE["pelvis"], waist, top, radius * 0.92, radius * 1.12, (1, 1, 0.8)), bell]
    mesh = skin(cones, len(BONES), 0.0145, 0.006, Part.SKIRT, hollow=[inside, ground])
    x, y = mesh.vertices[:, 0], mesh.vertices[:, 1]
    down = np.clip((hip[1] - y) / 0.12, 0, 1) * 0.85
    left = np.clip(0.5 + x / (2 * radius) * 1.2, 0, 1)
    below = np.clip((knee[1] + 0.06 - y) / 0.14, 0, 1) * 0.8
    mesh.weights[:] = 0
    mesh.weights[:, BONE["pelvis"]] = 1 - down
    for side, share in (("left", left), ("right", 1 - left)):
        mesh.weights[:, BONE[f"{side}_thigh"]] = down * share * (1 - below)
        mesh.weights[:, BONE[f"{side}_shin"]] = down * share * below
    return mesh


def _bag(who: Shape, body: Body) -> Mesh:
    chest, pelvis = body.at("chest")[0], body.at("pelvis")[0]
    b = who.bulk
    if who.bag == "backpack":
        back = -0.075 * b**0.8
        cones = [
            Cone(
                BONE["chest"],
                chest + np.array([0, 0.045, back]),
                chest + np.array([0, -0.05, back]),
                0.05,
                0.058,
                (1.15, 1, 0.75),
            ),
            Cone(
                BONE["chest"],
                chest + np.array([0, -0.03, back - 0.035]),
                chest + np.array([0, -0.05, back - 0.035]),
                0.03,
                0.032,
                (1.2, 1, 0.7),
            ),
        ]
        for sign in (1, -1):
            x = sign * who.size.shoulders * 0.3
            top, front = chest + np.array([x, 0.1, 0.0]), chest + np.array([x, 0.03, 0.068 * b**0.8])
            cones += [
                Cone(BONE["chest"], chest + np.array([x, 0.06, back]), top, 0.011, 0.011),
                Cone(BONE["chest"], top, front, 0.011, 0.011),
            ]
            cones.append(Cone(BONE["chest"], front, chest + np.array([x * 1.2, -0.04, 0.0]), 0.011, 0.011))
    else:
        x = who.size.hips / 2 + 0.055 * b
        hip = pelvis + np.array([x, -0.01, -0.01])
        cones = [
            Cone(BONE["pelvis"], hip + np.array([0, 0.015, 0]), hip + np.array([0, -0.03, 0]), 0.045, 0.045, (0.55, 1, 1.2))
        ]
    return _surface(cones, 0.011, 0.005, Part.BAG)


def keypoints(who: Character, body: Body) -> np.ndarray:
    """The 134 keypoints in body space, statures, f64 [T, 134, 3]; NaN where this body has none (face, hands)."""
    points = np.full((len(body.start), KEYPOINT_COUNT, 3), np.nan)
    size = who.shape.size
    points[:, [0, 14, 15, 16, 17]] = head_keypoints(
        body.tip("head"), *np.moveaxis(body.frame("head"), -1, 0), size.head / 0.121
    )
    for side, out in (("left", 1.0), ("right", -1.0)):
        joints = (
            ("shoulder", "upper_arm"),
            ("elbow", "forearm"),
            ("wrist", "hand"),
            ("hip", "thigh"),
            ("knee", "shin"),
            ("ankle", "foot"),
        )
        for name, bone in joints:
            points[:, INDEX[f"{side}_{name}"]] = body.at(f"{side}_{bone}")
        frame, ankle = body.frame(f"{side}_foot"), body.at(f"{side}_foot")
        for name, offset in (
            ("big_toe", (-0.014 * out, -size.ankle * 0.85, size.foot * 0.78)),
            ("small_toe", (0.022 * out, -size.ankle * 0.85, size.foot * 0.61)),
            ("heel", (0.0, -size.ankle * 0.85, -0.026)),
        ):
            points[:, INDEX[f"{side}_{name}"]] = ankle + frame @ np.array(offset)
    points[:, 1] = (points[:, INDEX["left_shoulder"]] + points[:, INDEX["right_shoulder"]]) / 2
    return points


def visible(body: Body, to_camera: np.ndarray) -> np.ndarray:
    """Which keypoints show, bool [T, 134], to a camera in direction `to_camera` [T, 3] (unit, body space)."""
    shown = np.zeros((len(body.start), KEYPOINT_COUNT), bool)
    shown[:, :24] = True
    shown[:, [0, 14, 15, 16, 17]] = head_visible(to_camera, *np.moveaxis(body.frame("head"), -1, 0))
    return shown
