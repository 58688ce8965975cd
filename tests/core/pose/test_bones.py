import pytest
from understudy.core.pose.bones import FAMILIES
from understudy.core.pose.bones.roles import PARENT, REQUIRED, Role, is_ancestor
from understudy.core.pose.detect import detect

families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def test_the_tree_holds_every_role_and_leads_to_the_hips():
    assert set(PARENT) == set(Role)
    assert [role for role, parent in PARENT.items() if parent is None] == ["hips"]
    assert all(is_ancestor(Role("hips"), role) for role in Role if role != "hips")
    assert is_ancestor(Role("left_clavicle"), Role("left_hand"))
    assert not is_ancestor(Role("left_clavicle"), Role("right_hand"))


@families
def test_a_family_names_every_required_joint_on_both_sides(family):
    assert set(REQUIRED) <= set(family.bones)
    lefts = {role.removeprefix("left_") for role in family.bones if role.startswith("left_")}
    rights = {role.removeprefix("right_") for role in family.bones if role.startswith("right_")}
    assert lefts == rights


@families
def test_no_name_plays_two_roles(family):
    names = [name for names in family.bones.values() for name in names]
    assert len(names) == len(set(names))


def test_every_family_has_a_published_skeleton_to_be_held_to(all_rigs):
    assert {rig.family for rig in all_rigs} == {family.name for family in FAMILIES}


def test_a_published_skeleton_is_found_as_its_family_bone_by_bone(rig):
    detection = detect(rig.parents)
    assert detection.family == rig.family
    assert detection.confidence >= 0.8
    assert {role: detection.mapping.get(role) for role in rig.expected} == rig.expected
    assert not detection.guessed
