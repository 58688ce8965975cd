import json

import pytest
from understudy.core.errors import InvalidPreset
from understudy.core.pose.bones.roles import Role
from understudy.core.pose.presets import Preset, load, mirror, mirrored_name, save

MAPPING = {Role("hips"): "骨盤", Role("left_upper_arm"): "arm.L", Role("nose"): "nose"}


def test_a_preset_reads_back_as_it_was_saved(tmp_path):
    path = tmp_path / "hero.json"
    save(path, Preset("Mixamo", MAPPING | {Role("left_toe"): ""}))
    assert load(path) == Preset("Mixamo", MAPPING)
    assert "骨盤" in path.read_text(encoding="utf-8"), "readable by people"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "holds no bone mapping"),
        ('{"mapping": {}}', "holds no bone mapping"),
        ('{"understudy_bone_mapping": 2}', "format 2"),
        ('{"understudy_bone_mapping": 1, "mapping": {}}', "lacks its family"),
        ('{"understudy_bone_mapping": 1, "family": "x", "mapping": {"tail": "b"}}', "unknown role, 'tail'"),
        ('{"understudy_bone_mapping": 1, "family": "x", "mapping": {"hips": 3}}', "no bone name for hips"),
        (json.dumps({"understudy_bone_mapping": 1, "x": "x" * (1 << 20)}), "too large"),
    ],
)
def test_a_file_that_is_no_preset_is_named_with_the_reason(text, message, tmp_path):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(InvalidPreset, match=rf"broken\.json.*{message}"):
        load(path)


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path):
    with pytest.raises(InvalidPreset, match=r"gone\.json cannot be read"):
        load(tmp_path / "gone.json")
    (tmp_path / "picture.json").write_bytes(b"\x89PNG\xff")
    with pytest.raises(InvalidPreset, match="is not JSON"):
        load(tmp_path / "picture.json")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("upper_arm.L", "upper_arm.R"), ("upperarm_l", "upperarm_r"), ("mixamorig:LeftArm", "mixamorig:RightArm"),
        ("left_hip", "right_hip"), ("LEFT_ARM", "RIGHT_ARM"), ("lShldrBend", "rShldrBend"), ("l_upperarm", "r_upperarm"),
        ("LHipJoint", "RHipJoint"), ("J_Bip_L_UpperArm", "J_Bip_R_UpperArm"), ("Bip01 L Calf", "Bip01 R Calf"),
        ("CC_Base_L_Thigh", "CC_Base_R_Thigh"), ("左腕", "右腕"), ("DEF-thigh.L.001", "DEF-thigh.R.001"), ("armL", "armR"),
    ],
)  # fmt: skip
def test_names_mirror_in_every_convention(left, right):
    bones = {left, right, "spine"}
    assert mirrored_name(left, bones) == right
    assert mirrored_name(right, bones) == left


@pytest.mark.parametrize("bone", ["spine", "pelvis", "Clavicle", "Roll", "arm.L"])
def test_a_name_without_a_partner_has_no_mirror(bone):
    assert mirrored_name(bone, {bone, "other"}) is None


def test_mirroring_fills_gaps_from_the_side_that_has_them_and_overwrites_only_from_a_named_side():
    bones = {"arm.L", "arm.R", "leg.L", "leg.R", "wrong", "hips"}
    mapping = {"hips": "hips", "left_upper_arm": "arm.L", "right_upper_arm": "wrong", "right_thigh": "leg.R", "left_toe": ""}
    filled = mirror(mapping, bones)
    assert filled == {"hips": "hips", "left_upper_arm": "arm.L", "right_upper_arm": "wrong", "right_thigh": "leg.R",
                      "left_thigh": "leg.L"}  # fmt: skip
    assert mirror(mapping, bones, "left")["right_upper_arm"] == "arm.R"
    assert mirror(mapping, bones, "left")["right_thigh"] == "leg.R"
    assert "left_thigh" not in mirror(mapping, bones, "left")
    assert mirror(mapping, bones, "right")["left_upper_arm"] == "arm.L", "no bone mirrors 'wrong'"


def test_one_side_of_every_rig_gives_the_other(rig):
    one_side = {role: bone for role, bone in rig.expected.items() if not role.startswith("right_")}
    assert mirror(one_side, rig.bones.names) == rig.expected
