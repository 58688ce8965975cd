"""A second domain: MakeHuman's CC0 base mesh under our paint, hair and skirts, so that a modelled body is not foreign.

Nothing of it is in the project: it is read from a folder with `base.obj`, `rig.<name>.json` and `weights.<name>.json`, as they
are in mpfb2's `data/3dobjs` and `data/rigs/standard`. Training without that folder is training on procedural people only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ..pose.bones.roles import FINGERS, Role, sided
from ..pose.detect import detect
from .anatomy import PART_OF
from .characters import Character
from .motions import BONE, BONES, SIDED, Body, Proportions
from .painting import Part, random_paint
from .shape import random_shape
from .surface import Mesh, join, vertex_normals
from .worn import USUAL_HEAD, worn_meshes

_ROLES: dict[str, str] = {
    "hips": "pelvis", "spine": "waist", "chest": "chest", "upper_chest": "chest", "neck": "neck", "head": "head",
    **{f"{side}_clavicle": "chest" for side in ("left", "right")},
    **{f"{side}_{part}": f"{side}_{part}" for side in ("left", "right") for part in SIDED},
}  # fmt: skip
_CROWN_BEFORE_BACK = 0.395  # of the head's depth: where the ears are


@dataclass(frozen=True)
class Human:
    """The mesh and bones of `folder`, statures, rest pose.

    Raises `OSError` where files lack, `NotHumanoid` for a strange rig.
    """

    folder: Path
    rig: str = "mixamo"

    def dressed(self, rng: np.random.Generator) -> Character:
        """This body, in girths, colours, hair and things worn of its own."""
        mesh, rest = self.mesh, self.rest
        shape = replace(random_shape(rng), size=self.size)
        paint = random_paint(rng)
        fatter = (shape.bulk - 1) * 0.035 * np.isin(mesh.parts, [Part.TORSO, Part.ARM, Part.LEG])[:, None]
        body = replace(mesh, vertices=(mesh.vertices + fatter * mesh.normals).astype(np.float32))
        return Character(shape, paint, rest, join([body, *worn_meshes(shape, rest)]), self.fingers)

    @classmethod
    def all(cls, folder: Path) -> list[Human]:
        """One for each rig in `folder`."""
        return [cls(folder, path.name.split(".")[1]) for path in sorted(folder.glob("weights.*.json"))]

    @cached_property
    def size(self) -> Proportions:
        rest = self.rest

        def length(bone: str) -> float:
            return float(np.linalg.norm(rest.tip(bone) - rest.at(bone)))

        def apart(part: str) -> float:
            return float(np.linalg.norm(rest.at(f"left_{part}") - rest.at(f"right_{part}")))

        ankle = float(rest.at("left_foot")[0, 1])
        return Proportions(
            thigh=length("left_thigh"), shin=length("left_shin"), foot=0.145, ankle=ankle, shoulders=apart("upper_arm"),
            hips=apart("thigh"), upper_arm=length("left_upper_arm"), forearm=length("left_forearm"), hand=length("left_hand"),
            trunk=float(np.linalg.norm(rest.at("neck") - rest.at("pelvis"))), neck=length("neck"), head=length("head"),
        )  # fmt: skip

    @cached_property
    def rest(self) -> Body:
        return self._read[1]

    @cached_property
    def fingers(self) -> np.ndarray:
        """See `Character.fingers`; NaN where the rig has no fingers."""
        return self._read[2]

    @cached_property
    def mesh(self) -> Mesh:
        return self._read[0]

    @cached_property
    def _read(self) -> tuple[Mesh, Body, np.ndarray]:
        points, quads, cubes = _read_obj(self.folder / "base.obj")
        used, faces = np.unique(quads, return_inverse=True)
        faces = faces.reshape(quads.shape)
        low, stature = points[used, 1].min(), np.ptp(points[used, 1])
        points = (points - np.array([0, low, 0])) / stature

        bones = json.loads((self.folder / f"rig.{self.rig}.json").read_text())
        bones = bones.get("bones", bones)
        parents = {name: bone.get("parent") or None for name, bone in bones.items()}
        role_of = {bone: role for role, bone in detect(parents, self.rig).mapping.items()}
        joints = {role: _place(bones[bone]["head"], points, cubes) for bone, role in role_of.items()}

        weights = np.zeros((len(points), len(BONES)), np.float32)
        given = json.loads((self.folder / f"weights.{self.rig}.json").read_text())["weights"]
        for name, pairs in given.items():
            bone = name
            while role_of.get(bone) not in _ROLES and parents[bone]:
                bone = parents[bone]
            vertex, weight = np.array(pairs).reshape(-1, 2).T
            np.add.at(weights[:, BONE[_ROLES.get(role_of.get(bone, ""), "pelvis")]], vertex.astype(int), weight)
        weights = weights[used]
        weights /= np.maximum(weights.sum(1, keepdims=True), 1e-6)

        vertices = points[used].astype(np.float32)
        triangles = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
        part_of = np.array([PART_OF[bone] for bone in BONES])
        parts = part_of[weights.argmax(1)].astype(np.uint8)
        mesh = Mesh(vertices, vertex_normals(vertices, triangles), triangles, weights, parts)
        rest = _bones(joints, vertices[weights[:, BONE["head"]] > 0.5])
        return mesh, rest, _fingers(joints, rest)


def _read_obj(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, list[int]]]:
    """Vertices [V, 3] metres, y up, the quads [Q, 4] of the group `body`, and the vertices of each `joint-*` group."""
    vertices, quads, group = [], [], ""
    cubes: dict[str, list[int]] = {}
    for line in path.read_text().splitlines():
        kind, *rest = line.split() or ("",)
        if kind == "v":
            vertices.append([float(value) / 10 for value in rest])
        elif kind == "g":
            group = rest[0]
        elif kind == "f":
            corners = [int(corner.split("/")[0]) - 1 for corner in rest]
            if group == "body":
                quads.append(corners)
            elif group.startswith("joint-"):
                cubes.setdefault(group, []).extend(corners)
    return np.array(vertices), np.array(quads), {name: sorted(set(corners)) for name, corners in cubes.items()}


def _place(end: dict, points: np.ndarray, cubes: dict[str, list[int]]) -> np.ndarray:
    spot = cubes[end["cube_name"]] if end["strategy"] == "CUBE" else end.get("vertex_indices") or [end["vertex_index"]]
    return points[spot].mean(0)


def _bones(joints: dict[Role, np.ndarray], head: np.ndarray) -> Body:
    """Our bones through the rig's joints, one frame; `head` [V, 3] are the head's vertices."""
    start = {"pelvis": (joints[Role("left_thigh")] + joints[Role("right_thigh")]) / 2}
    start["neck"] = (joints[Role("left_upper_arm")] + joints[Role("right_upper_arm")]) / 2
    start["waist"], start["chest"] = (start["pelvis"] + share * (start["neck"] - start["pelvis"]) for share in (0.35, 0.7))
    crown = np.array([0, head[:, 1].max(), head[:, 2].min() + _CROWN_BEFORE_BACK * np.ptp(head[:, 2])])
    start["head"] = crown - np.array([0, USUAL_HEAD, 0])  # where rigs put this joint differs by a quarter of the head
    end = {bone: start[after] for bone, after in (("pelvis", "waist"), ("waist", "chest"), ("chest", "neck"), ("neck", "head"))}
    end["head"] = crown
    frames = {bone: np.eye(3) for bone in start}
    for side in ("left", "right"):
        for chain in (SIDED[:3], SIDED[3:]):
            frame = np.eye(3)
            for number, part in enumerate(chain):
                bone = f"{side}_{part}"
                start[bone] = joints[sided(side, part)]
                if part == "hand":
                    forearm = start[bone] - start[f"{side}_forearm"]
                    end[bone] = start[bone] + 0.1 * forearm / np.linalg.norm(forearm)
                elif part == "foot":
                    end[bone] = start[bone] + np.array([0, -0.85 * start[bone][1], 0.104])
                    frames[bone] = np.eye(3)  # it points forward: the leg's frame is not carried on
                    continue
                else:
                    end[bone] = joints[sided(side, chain[number + 1])]
                down = (end[bone] - start[bone]) / np.linalg.norm(end[bone] - start[bone])
                frame = _carry(-frame[:, 1], down) @ frame
                frames[bone] = frame
    return Body(*(np.stack([value[bone] for bone in BONES])[None] for value in (start, end, frames)))


def _fingers(joints: dict[Role, np.ndarray], rest: Body) -> np.ndarray:
    """The rig's finger joints as `Character.fingers`; the tips go on by three quarters of the middle phalanx."""
    hands = np.full((2, 21, 3), np.nan)
    for row, side in enumerate(("left", "right")):
        if sided(side, "index_1") not in joints:
            continue
        points = [joints[sided(side, "hand")]]
        for finger in FINGERS:
            chain = [joints[sided(side, f"{finger}_{phalanx}")] for phalanx in (1, 2, 3)]
            points += [*chain, chain[2] + 0.75 * (chain[2] - chain[1])]
        hands[row] = (np.array(points) - points[0]) @ rest.frame(f"{side}_hand")[0]
    return hands


def _carry(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation [3, 3] that takes the unit vector `a` to `b`."""
    v, c = np.cross(a, b), float(a @ b)
    skew = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + c)
