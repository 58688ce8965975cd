"""One real body, three real rigs; and a captured walk. Read without Blender, from the files beside the project."""

import json
from pathlib import Path

import numpy as np
import pytest
from understudy.core.pose.detect import detect
from understudy.core.pose.rig import Posed, attach
from understudy.core.pose.skeleton import BODY, FACE, FEET
from understudy.core.pose.structure import Bones, search

SHARED = Path(__file__).resolve().parents[4] / "shared/fixtures"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/fixtures, real rigs and real motion")
RIGS = {"mixamo": "Mixamo", "game_engine": "Unreal", "cmu_mb": "CMU"}
HELD = ("hips", "head", *(f"{side}_{part}" for side in ("left", "right")
                          for part in ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")))  # fmt: skip


@pytest.fixture(scope="module")
def body() -> tuple[np.ndarray, dict[str, list[int]]]:
    """Vertices [V, 3], metres, z up, and those of each `joint-*` cube."""
    vertices, cubes, group = [], {}, ""
    for line in (SHARED / "human/base.obj").read_text().splitlines():
        kind, *rest = line.split() or ("",)
        if kind == "v":
            x, y, z = map(float, rest)
            vertices.append((x / 10, -z / 10, y / 10))
        elif kind == "g":
            group = rest[0]
        elif kind == "f" and group.startswith("joint-"):
            cubes.setdefault(group, set()).update(int(corner.split("/")[0]) - 1 for corner in rest)
    return np.array(vertices), {name: sorted(corners) for name, corners in cubes.items()}


def human(body, name: str) -> Bones:
    vertices, cubes = body
    bones = json.loads((SHARED / f"human/rig.{name}.json").read_text())
    bones = bones.get("bones", bones)
    names = tuple(bones)

    def place(end: dict) -> np.ndarray:
        spot = cubes[end["cube_name"]] if end["strategy"] == "CUBE" else end.get("vertex_indices") or [end["vertex_index"]]
        return vertices[spot].mean(axis=0)

    parents = [names.index(bone["parent"]) if bone.get("parent") else -1 for bone in bones.values()]
    heads, tails = (np.array([place(bone[end]) for bone in bones.values()]) for end in ("head", "tail"))
    return Bones(names, np.array(parents), heads, tails, np.ones(len(names), bool))


def parents_of(bones: Bones) -> dict[str, str | None]:
    return {name: bones.names[row] if row >= 0 else None for name, row in zip(bones.names, bones.parents, strict=True)}


def keypoints(bones: Bones) -> tuple[np.ndarray, float]:
    """[134, 3] in the rest pose, and the stature."""
    mapping = detect(parents_of(bones)).bones
    rows = [bones.names.index(bone) for bone in mapping.values()]
    matrices = np.tile(np.eye(4), (len(rows), 1, 1))
    along = bones.tails[rows] - bones.heads[rows]
    lengths = np.linalg.norm(along, axis=1)
    matrices[:, :3, 1] = along / lengths[:, None]
    matrices[:, :3, 0] = np.cross(matrices[:, :3, 1], (0.1, 0.2, 0.9))
    matrices[:, :3, 0] /= np.linalg.norm(matrices[:, :3, 0], axis=1, keepdims=True)
    matrices[:, :3, 2] = np.cross(matrices[:, :3, 0], matrices[:, :3, 1])
    matrices[:, :3, 3] = bones.heads[rows]
    pose = Posed(tuple(mapping), matrices, lengths)
    attachment = attach(pose, pose, None)
    return attachment.points(matrices[None])[0], attachment.stature


@pytest.mark.parametrize("name", RIGS)
def test_each_rig_is_found_by_name_and_alike_without(body, name):
    bones = human(body, name)
    by_name, by_shape = detect(parents_of(bones)), search(bones)
    assert by_name.family == RIGS[name]
    assert {role: by_shape.mapping[role] for role in HELD} == {role: by_name.mapping[role] for role in HELD}
    assert by_shape.confidence > 0.7


@pytest.mark.parametrize("name", ["game_engine", "cmu_mb"])
def test_the_rigs_of_one_body_agree_within_two_percent_of_its_stature(body, name):
    expected, stature = keypoints(human(body, "mixamo"))
    found, _ = keypoints(human(body, name))
    distance = np.linalg.norm(found - expected, axis=-1) / stature
    assert distance[BODY].max() < 0.02
    assert np.median(distance[BODY]) < 0.01
    assert distance[FEET].max() < 0.02
    assert distance[FACE].max() < 0.02


def test_the_face_lies_on_the_body(body):
    vertices, _ = body
    found, stature = keypoints(human(body, "mixamo"))
    nearest = [np.linalg.norm(vertices - point, axis=1).min() / stature for point in found[FACE]]
    assert max(nearest) < 0.02
    assert np.median(nearest) < 0.01


def walk(frames: list[int]) -> list[Bones]:
    """The captured walk: the rest pose of its BVH file, then these frames."""
    text, _, motion = (SHARED / "motion/cmu_12_01_walk.bvh").read_text().partition("MOTION")
    names, parents, offsets, channels, stack, ends = [], [], [], [], [-1], {}
    for words in filter(None, (line.split() for line in text.splitlines())):
        if words[0] in ("ROOT", "JOINT"):
            names.append(words[1])
            parents.append(stack[-1])
            channels.append([])
        elif words[0] == "End":
            names.append("")
        elif words[0] == "{":
            stack.append(len(names) - 1 if names[-1] else -2)
            names = [name for name in names if name]
        elif words[0] == "}":
            stack.pop()
        elif words[0] == "OFFSET" and stack[-1] == -2:
            ends[stack[-2]] = np.array(words[1:], float)
        elif words[0] == "OFFSET":
            offsets.append(np.array(words[1:], float))
        elif words[0] == "CHANNELS":
            channels[-1] = words[2:]
    lines = motion.strip().splitlines()[2:]
    rows = [np.zeros(sum(map(len, channels)))] + [np.array(lines[frame].split(), float) for frame in frames]
    return [_pose(names, parents, offsets, channels, ends, row) for row in rows]


def _pose(names, parents, offsets, channels, ends, values) -> Bones:
    matrices, tails, taken = [], [], 0
    for number, parent in enumerate(parents):
        local = np.eye(4)
        local[:3, 3] = offsets[number]
        for channel in channels[number]:
            axis = "XYZ".index(channel[0])
            if channel.endswith("position"):
                local[axis, 3] += values[taken]
            else:
                one, other = (axis + 1) % 3, (axis + 2) % 3
                cos, sin = np.cos(np.radians(values[taken])), np.sin(np.radians(values[taken]))
                turn = np.eye(4)
                turn[one, one] = turn[other, other] = cos
                turn[one, other], turn[other, one] = -sin, sin
                local = local @ turn
            taken += 1
        matrices.append(matrices[parent] @ local if parent >= 0 else local)
    heads = np.array([matrix[:3, 3] for matrix in matrices])
    for number, matrix in enumerate(matrices):
        children = heads[[child for child, parent in enumerate(parents) if parent == number]]
        tails.append(children.mean(axis=0) if len(children) else matrix[:3, 3] + matrix[:3, :3] @ ends[number])
    return Bones(tuple(names), np.array(parents), heads, np.array(tails), np.ones(len(names), bool))


def test_the_captured_walk_is_found_by_name_and_alike_without_at_rest_and_in_motion():
    for bones in walk([0, 120, 400]):
        by_name, by_shape = detect(parents_of(bones), poses=[bones]), search(bones)
        assert by_name.family == "CMU"
        assert by_name.warnings == ()
        joint = dict(zip(bones.names, bones.heads, strict=True))
        for role in HELD:
            np.testing.assert_allclose(joint[by_shape.mapping[role]], joint[by_name.mapping[role]], atol=1e-6, err_msg=role)
