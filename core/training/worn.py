"""What a person wears or carries beside the clothes that are painted on: hair, hood, hat, skirt, bag. Units are statures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .motions import BONE, BONES, Body
from .painting import Part
from .shape import Shape
from .surface import Cone, Mesh, skin

USUAL_HEAD = 0.121  # the head's bone of a usual adult: everything on a head scales with it


def worn_meshes(who: Shape, body: Body) -> list[Mesh]:
    """What `who` wears, fitted to its bones in the rest pose."""
    return [*_on_head(who, body), *([_skirt(who, body)] if who.skirt else []), *([_bag(who, body)] if who.bag else [])]


def head_cones(who: Shape, body: Body) -> Callable[..., Cone]:
    """A maker of cones on the head from (left, up, forward) of the crown and radii, on a head of usual size."""
    s, crown = who.size.head / USUAL_HEAD, body.tip("head")[0]

    def cone(start, end, r0: float, r1: float, squash=(1.0, 1.0, 1.0)) -> Cone:
        return Cone(BONE["head"], crown + np.array(start) * s, crown + np.array(end) * s, r0 * s, r1 * s, squash)

    return cone


def _on_head(who: Shape, body: Body) -> list[Mesh]:
    cone, s, stem, head = head_cones(who, body), who.size.head / USUAL_HEAD, body.at("neck")[0], BONE["head"]
    meshes = []
    hair = [] if who.hood else _hair(who, cone, who.hat != "")
    if hair:
        mesh = skin(hair, len(BONES), 0.0105 * min(s, 1.5), 0.005, Part.HAIR)
        below = np.clip((body.tip("head")[0, 1] - 0.12 * s - mesh.vertices[:, 1]) / 0.12, 0, 0.75).astype(np.float32)
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
        meshes.append(skin(hood, len(BONES), 0.01, 0.008, Part.HOOD))
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
        meshes.append(skin(hats[who.hat], len(BONES), 0.008 * min(s, 1.5), 0.004, Part.HAT))
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
    if style == "bun" and not hatted:
        cones.append(cone((0, -0.02, -0.062), (0, -0.024, -0.068), 0.03, 0.03))
    if style == "afro" and not hatted:
        cones.append(cone((0, -0.05, -0.022), (0, -0.046, -0.012), 0.062 + 0.25 * long, 0.06 + 0.22 * long))
    if style == "spiky" and not hatted:
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
    if style == "mohawk" and not hatted:
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
    radius = (who.size.hips / 2 + 0.045) * b + who.loose
    wide = radius + low * (0.1 + 0.32 * who.flare) + 0.012
    top, floor = hip + np.array([0, 0, -0.003]), hem - np.array([0, wide, 0])
    below = wide + (wide - radius * 1.12) / max(low, 0.05) * wide  # the cone goes on to where its round end is cut off
    bell = Cone(BONE["pelvis"], top, floor, radius * 1.12, below, (1, 1, 0.86))
    cloth = 0.024
    inside = replace(bell, start=top - np.array([0, cloth, 0]), r0=bell.r0 - cloth, r1=bell.r1 - cloth)
    ground = Cone(BONE["pelvis"], hem - np.array([0, 5, 0]), hem - np.array([0, 5, 0]), 5.0, 5.0)
    cones = [Cone(BONE["pelvis"], waist, top, radius * 0.9, radius * 1.12, (1, 1, 0.84)), bell]
    mesh = skin(cones, len(BONES), 0.0145, 0.006, Part.SKIRT, hollow=[inside, ground])
    mesh.vertices[mesh.vertices[:, 1] < hem[1] + 0.008, 1] = hem[1]  # else the grid shows as teeth
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
    return skin(cones, len(BONES), 0.011, 0.005, Part.BAG)
