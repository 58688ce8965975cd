import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.core.errors import NotHumanoid
from understudy.core.pose.detect import BY_STRUCTURE, detect
from understudy.core.pose.structure import Bones, search

HELD = (
    "hips", "head",
    *(f"{side}_{part}" for side in ("left", "right") for part in ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")),
)  # fmt: skip
ANIMALS = sorted((Path(__file__).parent / "not_people").glob("*.txt"))


def scrambled(bones: Bones, seed: int = 0) -> Bones:
    """Other names, in another order."""
    order = np.random.default_rng(seed).permutation(len(bones.names))
    place = np.argsort(order)
    return Bones(
        tuple(f"b{row:04}" for row in range(len(order))),
        np.where(bones.parents[order] >= 0, place[bones.parents[order]], -1),
        bones.heads[order], bones.tails[order], bones.deform[order],
    )  # fmt: skip


def stature(bones: Bones, expected: dict[str, str]) -> float:
    joint = dict(zip(bones.names, bones.heads, strict=True))
    return np.linalg.norm(joint[expected["head"]] - joint[expected["left_foot"]]) / 0.84


def off(rig, bones: Bones, mapping: dict[str, str]) -> dict[str, float]:
    """How far, in statures, each joint that is held is from where it ought to be, `bones` being the rig scrambled."""
    found, joint = (dict(zip(each.names, each.heads, strict=True)) for each in (bones, rig.bones))
    return {
        role: np.linalg.norm(found[mapping[role]] - joint[rig.expected[role]]) / stature(rig.bones, rig.expected)
        for role in HELD
        if role in rig.expected
    }


def test_every_published_skeleton_is_found_without_its_names(rig):
    bones = scrambled(rig.bones)
    found = search(bones)
    assert found.confidence > 0.75
    assert found.sides_told
    assert {role: distance for role, distance in off(rig, bones, found.mapping).items() if distance > 0.01} == {}


def test_unit_and_orientation_do_not_matter(rig):
    turn = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    moved = dataclasses.replace(rig.bones, heads=0.01 * rig.bones.heads @ turn.T + 3, tails=0.01 * rig.bones.tails @ turn.T + 3)
    assert search(moved).mapping == search(rig.bones).mapping


@settings(max_examples=30, deadline=None)
@given(
    legs=st.floats(0.75, 1.2), arms=st.floats(0.8, 1.2), head=st.floats(0.8, 2), shoulders=st.floats(0.8, 1.2),
    drop=st.floats(0, 70), path=st.sampled_from(["mixamo", "unreal_4", "rigify", "vrm_1", "lafan1"]),
)  # fmt: skip
def test_stylised_proportions_are_still_people(read_with, path, **proportions):
    rig = read_with(path, **proportions)
    bones = scrambled(rig.bones)
    assert max(off(rig, bones, search(bones).mapping).values()) < 0.01


def test_what_hangs_on_a_person_does_not_hide_it(read_with):
    rig = read_with("mixamo")
    bones = rig.bones
    hand, crown, hips = (bones.names.index(f"mixamorig:{name}") for name in ("RightHand", "HeadTop_End", "Hips"))
    more, parents = [], []
    for at, step, count in ((hand, (0, -0.2, 0.1), 4), (crown, (0, 0.1, -0.12), 8), (hips, (0, 0.15, -0.05), 9)):
        for number in range(count):  # a sword, a plait, a tail
            parents.append(at if number == 0 else len(bones.names) + len(more) - 1)
            more.append(bones.heads[at] + (number + 1) * np.array(step))
    dressed = Bones(
        (*bones.names, *(f"extra{number}" for number in range(len(more)))),
        np.array([*bones.parents, *parents]),
        np.array([*bones.heads, *more]), np.array([*bones.tails, *more]),
        np.ones(len(bones.names) + len(more), bool),
    )  # fmt: skip
    shuffled = scrambled(dressed)
    assert max(off(rig, shuffled, search(shuffled).mapping).values()) < 0.01


def test_legs_without_a_common_parent_and_a_root_at_the_hand_do_no_harm(read_with):
    rig = read_with("lafan1")
    parents = rig.bones.parents.copy()
    for bone in ("LeftUpLeg", "RightUpLeg"):
        parents[rig.bones.names.index(bone)] = -1
    assert search(dataclasses.replace(rig.bones, parents=parents)).mapping == search(rig.bones).mapping

    turned = np.full_like(parents, -1)  # the same tree, hung up by the right hand
    above = row = rig.bones.names.index("RightHand")
    neighbours = [
        {*np.flatnonzero(rig.bones.parents == number), rig.bones.parents[number]} - {-1} for number in range(len(parents))
    ]
    queue = [(row, -1)]
    for row, above in queue:
        turned[row] = above
        queue += [(other, row) for other in neighbours[row] if other != above]
    mapping = search(dataclasses.replace(rig.bones, parents=turned)).mapping
    assert {role: mapping[role] for role in HELD} == {role: rig.expected[role] for role in HELD}


@pytest.mark.parametrize("apart", [(1.5, 0, 0), (0, 1.2, 0), (5, 0, 0)])
def test_two_people_in_one_armature_are_not_mixed_up(read_with, apart):
    one = read_with("lafan1").bones
    count, away = len(one.names), np.array(apart) * np.ptp(one.heads[:, 2])
    both = Bones(
        (*(f"a {name}" for name in one.names), *(f"b {name}" for name in one.names)),
        np.r_[one.parents, np.where(one.parents >= 0, one.parents + count, -1)],
        np.r_[one.heads, one.heads + away], np.r_[one.tails, one.tails + away], np.r_[one.deform, one.deform],
    )  # fmt: skip
    try:
        mapping = search(both).mapping
    except NotHumanoid as error:
        assert "limbs" in error.message
    else:
        assert len({bone[0] for bone in mapping.values()}) == 1


def test_swapped_names_do_not_swap_the_sides(read_with):
    rig = read_with("mixamo")
    exchange = str.maketrans({"L": "R", "R": "L"})
    names = tuple(name.translate(exchange) if "Hand" in name else name for name in rig.bones.names)
    assert search(dataclasses.replace(rig.bones, names=names)).mapping["left_shin"] == "mixamorig:LeftLeg"


def test_names_break_the_tie_where_neither_feet_nor_knees_tell_the_front(read_with):
    rig = read_with("unreal_4")
    flat = rig.bones.heads * (1, 0, 1)
    bones = dataclasses.replace(rig.bones, heads=flat, tails=flat)
    found = search(bones)
    assert not found.sides_told
    assert found.mapping["left_shin"] == "calf_l"
    mirrored = dataclasses.replace(
        bones,
        names=tuple(
            name.removesuffix("_l") + "_r"
            if name.endswith("_l")
            else name.removesuffix("_r") + "_l"
            if name.endswith("_r")
            else name
            for name in bones.names
        ),
    )
    assert search(mirrored).mapping["left_shin"] == "calf_l"
    warnings = detect(dict.fromkeys(mirrored.names) | {"calf_l": "head"}, poses=[mirrored]).warnings
    assert any("left" in warning for warning in warnings)


@pytest.mark.parametrize("path", ANIMALS, ids=lambda path: path.stem)
def test_what_is_no_person_is_refused_with_the_reason(path, read):
    rig = read(path)
    with pytest.raises(NotHumanoid, match=r"'Rex' has .*(proportions|limbs|trunk)"):
        search(rig.bones, "'Rex'")
    with pytest.raises(NotHumanoid, match=r"'Rex' .* Nor is it known by its shape: 'Rex' has"):
        detect(rig.parents, "'Rex'", poses=[rig.bones])


@pytest.mark.parametrize("count", [0, 1, 5, 60])
def test_a_chain_is_refused(count):
    heads = np.c_[np.arange(count), np.zeros((count, 2))].astype(float)
    bones = Bones(tuple(map(str, range(count))), np.arange(count) - 1, heads, heads + np.array([1, 0, 0]), np.ones(count, bool))
    with pytest.raises(NotHumanoid, match=r"few joints|limbs"):
        search(bones)


def test_bones_all_in_one_place_are_refused(read_with):
    rig = read_with("mixamo")
    nowhere = np.zeros_like(rig.bones.heads)
    with pytest.raises(NotHumanoid, match="too few joints"):
        search(dataclasses.replace(rig.bones, heads=nowhere, tails=nowhere))


def test_without_deform_bones_all_bones_are_looked_at(rig):
    undeformed = dataclasses.replace(rig.bones, deform=np.zeros(len(rig.bones.names), bool))
    assert max(off(rig, undeformed, search(undeformed).mapping).values()) < 0.02


def test_eight_hundred_bones_take_at_most_fifty_milliseconds(read_with):
    rig = read_with("vroid")
    bones, head = rig.bones, rig.bones.names.index("J_Bip_C_Head")
    strands = np.random.default_rng(1).normal(size=(74, 3)) * 0.06
    parents, heads = list(bones.parents), list(bones.heads)
    for strand in strands:
        for number in range(10):
            parents.append(head if number == 0 else len(parents) - 1)
            heads.append(bones.heads[head] + strand + (0, 0, 0.1 - 0.03 * number))
    many = Bones(
        tuple(map(str, range(len(parents)))), np.array(parents), np.array(heads), np.array(heads), np.ones(len(parents), bool)
    )
    assert len(many.names) >= 800
    seconds = []
    for _ in range(5):
        began = time.process_time()
        found = search(many)
        seconds.append(time.process_time() - began)
    assert found.mapping["left_foot"] == str(bones.names.index("J_Bip_L_Foot"))
    assert min(seconds) < 0.05


def test_geometry_completes_what_names_tell_of_a_family(read_with):
    rig = read_with("mixamo")
    names = tuple("Gauntlet" if name == "mixamorig:LeftHand" else name for name in rig.bones.names)
    bones = dataclasses.replace(rig.bones, names=names)
    parents = {name: names[row] if row >= 0 else None for name, row in zip(names, bones.parents, strict=True)}
    detection = detect(parents, poses=[bones])
    assert detection.family == "Mixamo"
    assert detection.mapping["left_hand"] == "Gauntlet"
    assert detection.state("left_hand") == "guessed"
    assert detection.state("right_hand") == detection.state("left_index_1") == "found"
    assert detection.residual is not None


def test_geometry_alone_is_said_to_be_a_guess(rig):
    bones = scrambled(rig.bones)
    parents = {name: bones.names[row] if row >= 0 else None for name, row in zip(bones.names, bones.parents, strict=True)}
    detection = detect(parents, poses=[bones])
    assert detection.family == BY_STRUCTURE
    assert detection.guessed == set(detection.mapping)
    assert 0.7 < detection.confidence < 1


def test_where_names_contradict_the_geometry_it_is_believed(read_with):
    rig = read_with("lafan1")
    swap = {"LeftForeArm": "LeftHand", "LeftHand": "LeftForeArm"}
    names = tuple(swap.get(name, name) for name in rig.bones.names)
    parents = {name: names[row] if row >= 0 else None for name, row in zip(names, rig.bones.parents, strict=True)}
    detection = detect(parents, poses=[dataclasses.replace(rig.bones, names=names)])
    assert detection.mapping["left_forearm"] == "LeftHand"


def test_a_rest_pose_that_is_nonsense_gives_way_to_an_animated_frame(read_with):
    rig = read_with("lafan1")
    bones = scrambled(rig.bones)
    folded = dataclasses.replace(bones, heads=bones.heads * (1, 1, 0.02), tails=bones.tails * (1, 1, 0.02))
    parents = {name: bones.names[row] if row >= 0 else None for name, row in zip(bones.names, bones.parents, strict=True)}
    assert detect(parents, poses=[folded, bones]).mapping == search(bones).mapping
    read = []
    poses = (read.append(pose) or pose for pose in (bones, folded))
    detect(parents, poses=poses)
    assert len(read) == 1, "a good pose ends the search"
