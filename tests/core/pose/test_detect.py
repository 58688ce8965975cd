from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.core.errors import NotHumanoid
from understudy.core.pose.bones.roles import REQUIRED, Role
from understudy.core.pose.detect import USER_MAPPING, detect, from_mapping
from understudy.core.pose.structure import Bones

LIMBS = {
    "LeftArm": "Spine2", "LeftForeArm": "LeftArm", "LeftHand": "LeftForeArm",
    "RightArm": "Spine2", "RightForeArm": "RightArm", "RightHand": "RightForeArm",
    "LeftUpLeg": "Hips", "LeftLeg": "LeftUpLeg", "LeftFoot": "LeftLeg",
    "RightUpLeg": "Hips", "RightLeg": "RightUpLeg", "RightFoot": "RightLeg",
}  # fmt: skip
MIXAMO = {"Hips": None, "Spine": "Hips", "Spine1": "Spine", "Spine2": "Spine1", "Neck": "Spine2", "Head": "Neck", **LIMBS}


def renamed(parents, rename):
    return {rename(bone): parent and rename(parent) for bone, parent in parents.items()}


@pytest.mark.parametrize("prefix", ["", "mixamorig:", "mixamorig7:", "mixamorig_", "mixamorig", "Hero:mixamorig:", "Armature|"])
def test_namespaces_and_prefixes_do_not_matter(prefix):
    detection = detect(renamed(MIXAMO, lambda bone: prefix + bone))
    assert detection.family == "Mixamo"
    assert detection.mapping["left_forearm"] == f"{prefix}LeftForeArm"
    assert "left_toe" in detection.missing


def test_case_and_separators_do_not_matter():
    unreal = {"pelvis": None, "spine_01": "pelvis", "spine_02": "spine_01", "spine_03": "spine_02", "head": "spine_03"}
    for side in "lr":
        above = "spine_03"
        for bone in ("upperarm", "lowerarm", "hand"):
            unreal[f"{bone}_{side}"], above = above, f"{bone}_{side}"
        above = "pelvis"
        for bone in ("thigh", "calf", "foot"):
            unreal[f"{bone}_{side}"], above = above, f"{bone}_{side}"
    for rename in (str, str.upper, lambda bone: bone.replace("_", "."), lambda bone: bone.replace("_", " ").title()):
        detection = detect(renamed(unreal, rename))
        assert detection.family == "Unreal"
        assert detection.mapping["right_shin"] == rename("calf_r")


def test_missing_bones_are_named():
    parents = {bone: parent for bone, parent in MIXAMO.items() if bone != "LeftHand"}
    with pytest.raises(NotHumanoid, match=r"'Hero' looks like Mixamo.* left hand\."):
        detect(parents, "'Hero'")


def test_right_names_in_the_wrong_order_are_refused():
    parents = MIXAMO | {"LeftForeArm": "LeftHand", "LeftHand": "LeftArm"}
    with pytest.raises(NotHumanoid, match="left forearm"):
        detect(parents)
    with pytest.raises(NotHumanoid, match="right shin"):
        detect(MIXAMO | {"RightLeg": "LeftUpLeg"})


@pytest.mark.parametrize(
    "parents", [{}, {"Bone": None}, {f"Bone.{n:03}": f"Bone.{n - 1:03}" if n else None for n in range(40)}]
)
def test_chains_and_empty_armatures_are_not_humanoid(parents):
    with pytest.raises(NotHumanoid):
        detect(parents)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=12), st.none(), max_size=30))
def test_names_that_mean_nothing_are_refused(parents):
    with pytest.raises(NotHumanoid):
        detect(parents)


MAPPING = {role: f"bone {role}" for role in REQUIRED}
BONES = dict.fromkeys(MAPPING.values()) | {"extra": None}


def test_the_users_mapping_is_taken_as_it_is():
    detection = from_mapping(MAPPING | {"left_toe": "extra", "nose": ""}, BONES)
    assert detection.family == USER_MAPPING
    assert detection.mapping == MAPPING | {"left_toe": "extra"}
    assert "nose" in detection.missing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"left_shin": ""}, "lacks left shin"),
        ({"left_shin": "gone"}, "no bone 'gone'"),
        ({"left_shin": "bone left_foot"}, "both left shin and left foot"),
        ({"tail": "extra"}, "unknown role"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(change, message):
    with pytest.raises(NotHumanoid, match=message):
        from_mapping(MAPPING | change, BONES)


def test_roles_are_found_guessed_or_missing():
    detection = replace(detect(MIXAMO), guessed=frozenset({Role("head")}))
    assert detection.state("head") == "guessed"
    assert detection.state("left_hand") == "found"
    assert detection.state("left_toe") == "missing"


def test_what_metadata_calls_the_bones_wins_over_their_names():
    scrambled = renamed(MIXAMO, lambda bone: f"b{sorted(MIXAMO).index(bone)}")
    aliases = {f"b{number}": bone for number, bone in enumerate(sorted(MIXAMO))}
    assert aliases[detect(scrambled, aliases=aliases).mapping["left_shin"]] == "LeftLeg"
    crossed = {"LeftArm": "RightArm", "RightArm": "LeftArm", "LeftForeArm": "RightForeArm", "RightForeArm": "LeftForeArm",
               "LeftHand": "RightHand", "RightHand": "LeftHand"}  # fmt: skip
    assert detect(MIXAMO, aliases=crossed).mapping["left_hand"] == "RightHand"
    assert detect(MIXAMO, aliases={"LeftArm": "nonsense", "gone": "Head"}).mapping["left_upper_arm"] == "LeftArm"


STANDING = {
    "Hips": (0, 0, 1), "Spine": (0, 0, 1.1), "Spine1": (0, 0, 1.2), "Spine2": (0, 0, 1.3),
    "Neck": (0, 0, 1.5), "Head": (0, 0, 1.6),
    "LeftArm": (0.2, 0, 1.4), "LeftForeArm": (0.5, 0.02, 1.4), "LeftHand": (0.7, 0, 1.4),
    "LeftUpLeg": (0.1, 0, 0.9), "LeftLeg": (0.1, -0.03, 0.5), "LeftFoot": (0.1, 0, 0.1),
}  # fmt: skip
STANDING |= {bone.replace("Left", "Right"): (-x, y, z) for bone, (x, y, z) in STANDING.items() if bone.startswith("Left")}


def in_pose(parents, heads) -> Bones:
    names = tuple(parents)
    points = np.array([heads[bone] for bone in names], float)
    rows = np.array([names.index(parent) if parent else -1 for parent in parents.values()])
    return Bones(names, rows, points, points + np.array([0, 0, 0.05]), np.ones(len(names), bool))


def test_swapped_sides_are_warned_of():
    def warnings(moved) -> tuple[str, ...]:
        return detect(MIXAMO, poses=[in_pose(MIXAMO, STANDING | moved)]).warnings

    swapped = {bone: (-x, y, z) for bone, (x, y, z) in STANDING.items()}
    arms = {bone: point for bone, point in swapped.items() if "Arm" in bone or "Hand" in bone}
    assert warnings({}) == ()
    assert warnings(swapped)[0].startswith("Left and right look swapped")
    assert warnings(arms)[0].startswith("Left and right of the arms look swapped")


def test_a_pose_that_does_not_stand_or_tells_no_front_warns_of_nothing():
    flat = {bone: (-x, 0, z) for bone, (x, _, z) in STANDING.items()}
    sideways = {
        bone: (-x if "Leg" not in bone and "Foot" not in bone else -3 * x, y, abs(z)) for bone, (x, y, z) in STANDING.items()
    }
    sideways |= {"LeftFoot": (-1, 0, 0.9), "RightFoot": (1, 0, 0.9)}
    nowhere = dict.fromkeys(STANDING, (0, 0, 0))
    for heads in (flat, sideways, nowhere):
        assert detect(MIXAMO, poses=[in_pose(MIXAMO, heads)]).warnings == ()
