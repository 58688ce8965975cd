"""Fixtures: the public skeletons of the rig families, built from the text files of `rigs/`.

A file begins with `key: value` lines, then holds the rig's left half, indented by parent; `{}` in a name stands for the side.
After ` = ` comes where the bone's head is, in a person of stature 1 that stands in T-pose: a joint (`knee`), as which the bone
must then be found; a joint with `*` (it is there, but not to be found as that); a share of the way between two
(`shoulder>elbow 0.5`); or coordinates (to the left, forward, up). A line that ends with `!` moves no mesh. `@fingers` writes
down a hand: names by finger, then by joint, then by joint of the thumb.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import INDEX
from understudy.core.pose.structure import Bones

RIGS = sorted((Path(__file__).parent / "rigs").glob("*.txt"))
FINGERS = ("thumb", "index", "middle", "ring", "little")

# To the left, forward, up, in statures.
JOINTS = {
    "floor": (0, 0, 0), "pelvis": (0, 0, 0.545), "waist": (0, -0.008, 0.585), "belly": (0, -0.01, 0.63),
    "chest": (0, -0.012, 0.69), "breast": (0, -0.012, 0.75), "neck": (0, -0.014, 0.83), "head": (0, -0.004, 0.879),
    "crown": (0, 0, 1), "eye": (0.0185, 0.045, 0.93), "ear": (0.045, 0.004, 0.917),
    "clavicle": (0.013, 0.005, 0.815), "shoulder": (0.1, -0.01, 0.812), "elbow": (0.286, -0.018, 0.812),
    "wrist": (0.432, -0.01, 0.812),
    "hip": (0.055, 0, 0.5285), "knee": (0.055, 0.006, 0.2835), "ankle": (0.055, -0.012, 0.0385),
    "ball": (0.058, 0.072, 0.012), "toe_end": (0.06, 0.112, 0.008), "heel": (0.055, -0.037, 0),
    "thumb_1": (0.446, 0.014, 0.806), "thumb_2": (0.463, 0.03, 0.797), "thumb_3": (0.478, 0.04, 0.792),
    "thumb_4": (0.492, 0.048, 0.79),
    **{
        f"{finger}_{joint}": (0.482 + further + reach, forward, 0.81)
        for finger, forward, further in (
            ("index", 0.014, 0), ("middle", 0.001, 0.002), ("ring", -0.011, -0.001), ("little", -0.022, -0.006),
        )
        for joint, reach in enumerate((-0.036, 0, 0.024, 0.04, 0.053))
    },
}  # fmt: skip
CENTRE_ROLES = {"pelvis": "hips", "waist": "spine", "chest": "chest", "breast": "upper_chest", "neck": "neck", "head": "head"}
SIDED_ROLES = {
    "shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand", "hip": "thigh", "knee": "shin", "ankle": "foot",
    "ball": "toe",
    **{part: part for part in ("clavicle", "eye", "ear", *(f"{finger}_{joint}" for finger in FINGERS for joint in (1, 2, 3)))},
}  # fmt: skip


@dataclass(frozen=True)
class Rig:
    """`bones` in the rest pose, x to the left, y backwards, z up; `expected` is role -> bone."""

    family: str
    bones: Bones
    expected: dict[str, str]

    @property
    def parents(self) -> dict[str, str | None]:
        names = self.bones.names
        return {name: names[row] if row >= 0 else None for name, row in zip(names, self.bones.parents, strict=True)}


@pytest.fixture
def two_people() -> PoseClip:
    """Three frames of random points, some absent, one off the canvas and one behind the camera."""
    random = np.random.default_rng(7)
    frames, people = 3, 2
    points = random.uniform(-0.6, 0.6, (frames, people, 134, 3)) + np.array([0, 0, 3])
    visible = random.random((frames, people, 134)) < 0.8
    points[1, 0, INDEX["nose"]] = [5, 0, 3]  # far off the canvas
    points[1, 0, INDEX["neck"]] = [0, 0, -3]  # behind the camera
    visible[1, 0, [INDEX["nose"], INDEX["neck"]]] = True
    return PoseClip(
        points_cam=points.astype(np.float32),
        visible=visible,
        intrinsics=np.tile(np.array([[400, 0, 96], [0, 400, 128], [0, 0, 1]], np.float32), (frames, 1, 1)),
        orthographic=np.zeros(frames, bool),
        frames=np.arange(-1, 2, dtype=np.int32),
        fps=24.0,
        width=192,
        height=256,
        people=("Ann", "Bob"),
    )


@pytest.fixture(params=RIGS, ids=lambda path: path.stem)
def rig(request) -> Rig:
    return read_rig(request.param)


@pytest.fixture(scope="session")
def all_rigs() -> list[Rig]:
    return [read_rig(path) for path in RIGS]


@pytest.fixture(scope="session")
def read() -> Callable[[Path], Rig]:
    return read_rig


@pytest.fixture(scope="session")
def read_with() -> Callable[..., Rig]:
    """By the file's name, with proportions other than the file's."""
    return lambda name, **proportions: read_rig(Path(__file__).parent / f"rigs/{name}.txt", **proportions)


def read_rig(path: Path, **proportions: float) -> Rig:
    head, _, tree = path.read_text(encoding="utf-8").partition("\n\n")
    keys = dict(line.split(": ", 1) for line in head.splitlines()) | {key: str(value) for key, value in proportions.items()}
    tokens = keys["sides"].split()
    names, parents, points, deform, expected = [], [], [], [], {}
    above: dict[int, tuple[int, int]] = {-1: (-1, -1)}  # indentation -> the last row there, left and right
    for indent, name, place, moves in _lines(tree):
        rows = []
        under = above[max(level for level in above if level < indent)]
        for number, side in enumerate(("left", "right") if "{" in name else ("centre",)):
            rows.append(len(names))
            names.append(name.format(tokens[number]))
            parents.append(under[number])
            points.append(_point(place, keys) * ((-1, 1, 1) if side == "right" else 1))
            deform.append(moves)
            if role := (CENTRE_ROLES if side == "centre" else SIDED_ROLES).get(place):
                expected[role if side == "centre" else f"{side}_{role}"] = names[-1]
        above = {level: kept for level, kept in above.items() if level < indent} | {indent: (rows[0], rows[-1])}
    heads = np.array(points) * float(keys.get("unit", 1)) * (1, -1, 1)
    rows_of = np.array(parents)
    assert len(set(names)) == len(names)
    return Rig(keys["family"], Bones(tuple(names), rows_of, heads, _tails(heads, rows_of), np.array(deform)), expected)


def _lines(tree: str) -> Iterator[tuple[int, str, str, bool]]:
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        if not (text := line.strip()).startswith("@fingers"):
            name, place = text.removesuffix("!").split(" = ")
            yield indent, name, place.strip(), not text.endswith("!")
            continue
        template, words = text.removeprefix("@fingers ").split(" = ")
        by_finger, *by_joint = (group.split() for group in words.split(" / "))
        for finger, word in zip(FINGERS, by_finger, strict=True):
            for joint, number in enumerate(by_joint[-1 if finger == "thumb" else 0], 1):
                label = template.replace("%f", word).replace("%j", number.replace("_", ""))
                yield indent + joint - 1, label, f"{finger}_{joint}", True


def _point(place: str, keys: dict[str, str]) -> np.ndarray:
    place = place.removesuffix("*")
    if between := re.fullmatch(r"(\w+)>(\w+) ([\d.]+)", place):
        start, end, share = between.groups()
        return _joint(start, keys) + float(share) * (_joint(end, keys) - _joint(start, keys))
    if place in JOINTS:
        return _joint(place, keys)
    return np.array([float(number) for number in place.split()])


def _joint(name: str, keys: dict[str, str]) -> np.ndarray:
    """The joint in the rig's own proportions: `legs`, `arms`, `head`, `shoulders` times the usual; arms `drop` degrees down."""
    point = np.array(JOINTS[name], float)
    legs, arms, head, shoulders, drop = (float(keys.get(key, usual)) for key, usual in
                                         (("legs", 1), ("arms", 1), ("head", 1), ("shoulders", 1), ("drop", 0)))  # fmt: skip
    lift = (legs - 1) * JOINTS["hip"][2]
    if name in ("knee", "ankle", "ball", "toe_end", "heel", "floor"):
        return point * (1, legs, legs)
    if point[2] > JOINTS["head"][2]:
        point = JOINTS["head"] + head * (point - JOINTS["head"])
    elif point[0] >= JOINTS["shoulder"][0]:
        along = arms * (point - JOINTS["shoulder"])
        cos, sin = np.cos(np.radians(drop)), np.sin(np.radians(drop))
        along = np.array([cos * along[0] + sin * along[2], along[1], cos * along[2] - sin * along[0]])
        point = JOINTS["shoulder"] * np.array((shoulders, 1, 1)) + along
    return point + np.array((0, 0, lift))


def _tails(heads: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """At the mean of the children, as Blender's importers put them; a leaf goes on as its parent does, by half."""
    tails = heads.copy()
    for row, parent in enumerate(parents):
        children = heads[parents == row]
        if len(children):
            tails[row] = children.mean(axis=0)
        elif parent >= 0:
            tails[row] = heads[row] + (heads[row] - heads[parent]) / 2
    return tails
