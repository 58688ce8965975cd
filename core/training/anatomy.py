"""The body of a procedural person: round cones around its bones, melted into one skin. Units are statures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .motions import BONE, BONES, SIDED, Body
from .painting import Part
from .shape import Shape
from .surface import Cone, Mesh, skin
from .worn import USUAL_HEAD, head_cones

PART_OF = {
    **dict.fromkeys(("pelvis", "waist", "chest"), Part.TORSO), **dict.fromkeys(("neck", "head"), Part.HEAD),
    **{f"{side}_{bone}": part for side in ("left", "right") for bone, part in
       zip(SIDED, (Part.ARM, Part.ARM, Part.HAND, Part.LEG, Part.LEG, Part.FOOT), strict=True)},
}  # fmt: skip


def body_meshes(who: Shape, body: Body) -> list[Mesh]:
    """Trunk and limbs in coarse cells, hands, feet and the head in finer ones."""
    limbs, feet, meshes = [], [], []
    for side in ("left", "right"):
        limbs += _arm(who, body, side) + _leg(who, body, side)
        feet += _foot(who, body, side)
        meshes.append(skin(_hand(who, body, side), len(BONES), 0.007, 0.003, Part.HAND))
    trunk = skin(_torso(who, body) + limbs, len(BONES), 0.0145, 0.009, Part.TORSO)
    part_of = np.array([PART_OF[bone] for bone in BONES])
    part_of[[BONE["neck"], BONE["head"]]] = Part.TORSO
    part_of[[BONE["left_foot"], BONE["right_foot"]]] = Part.LEG
    trunk.parts[:] = part_of[trunk.weights.argmax(1)]
    return [trunk, *meshes, skin(feet, len(BONES), 0.0105, 0.004, Part.FOOT), _face(who, body)]


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


def finger_joints(who: Shape) -> np.ndarray:
    """The 21 joints of both hands, in `HAND_NAMES`' order, f64 [2, 21, 3]: from the wrist, in the hand's frame, left first."""
    k = who.size.hand / 0.1
    joints = [(0.0, 0.0, 0.0), (0.002, 0.015, 0.013), (0.006, 0.038, 0.033), (0.007, 0.048, 0.036), (0.008, 0.058, 0.039)]
    for spread, length in ((0.0185, 0.042), (0.0065, 0.047), (-0.006, 0.043), (-0.0175, 0.033)):
        joints += [
            (inside, 0.054 + share * length, spread * (1 + 0.2 * share))
            for inside, share in ((0.0, 0.0), (0.002, 0.5), (0.006, 0.77), (0.012, 1.0))
        ]
    inside, down, forward = np.array(joints).T * k
    return np.stack([np.stack([sign * inside, -down, forward], 1) for sign in (-1, 1)])


def _hand(who: Shape, body: Body, side: str) -> list[Cone]:
    """The palm looks inwards, the thumb forwards."""
    bone, k = BONE[f"{side}_hand"], who.size.hand / 0.1
    frame, wrist = body.frame(f"{side}_hand")[0], body.at(f"{side}_hand")[0]
    joints = wrist + finger_joints(who)[0 if side == "left" else 1] @ frame.T

    def at(down: float, forward: float):
        return wrist + frame @ np.array([0, -down, forward]) * k

    cones = [
        Cone(bone, at(-0.012, 0), at(0.018, 0.002), 0.0165 * k, 0.0175 * k, (0.75, 1, 1), frame),
        Cone(bone, at(0.018, 0.003), at(0.049, 0.001), 0.021 * k, 0.0245 * k, (0.46, 1, 1), frame),
        Cone(bone, joints[1], joints[2], 0.009 * k, 0.0075 * k),
        Cone(bone, joints[2], joints[4], 0.0072 * k, 0.006 * k),
    ]
    for knuckle, middle, tip in joints[[5, 9, 13, 17, 6, 10, 14, 18, 8, 12, 16, 20]].reshape(3, 4, 3).swapaxes(0, 1):
        cones.append(Cone(bone, knuckle, middle, 0.0068 * k, 0.0062 * k))
        cones.append(Cone(bone, middle, tip, 0.0062 * k, 0.0052 * k))
    return cones


def _face(who: Shape, body: Body) -> Mesh:
    cone, s, stem = head_cones(who, body), who.size.head / USUAL_HEAD, body.at("neck")[0]
    face = [
        cone((0, -0.06, -0.014), (0, -0.063, 0.002), 0.058, 0.058, (0.86, 1, 1)),
        cone((0, -0.07, 0.004), (0, -0.108, 0.028), 0.047, 0.026, (0.9, 1, 1)),
        cone((0, -0.11, 0.034), (0, -0.116, 0.034), 0.019, 0.017),
        cone((0, -0.076, 0.058), (0, -0.092, 0.066), 0.005, 0.008),
    ]
    for sign in (1, -1):
        face.append(cone((sign * 0.05, -0.073, -0.004), (sign * 0.05, -0.091, -0.001), 0.0125, 0.008, (0.45, 1, 1)))
        face.append(cone((sign * 0.026, -0.058, 0.045), (sign * 0.01, -0.056, 0.049), 0.008, 0.008))
    jaw = body.tip("head")[0] + np.array([0, -0.1, -0.006]) * s
    face.append(
        Cone(BONE["neck"], stem + np.array([0, -0.01, -0.008]), jaw, 0.034 * who.bulk**0.4, 0.03 * min(s, 1.25) * who.bulk**0.3)
    )
    return skin(face, len(BONES), 0.0088 * min(s, 1.5), 0.005, Part.HEAD)
