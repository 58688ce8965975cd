import pytest
from understudy.core.pose.bones import FAMILIES, Family
from understudy.core.pose.bones.roles import PARENT, REQUIRED, Role, is_ancestor
from understudy.core.pose.detect import detect

families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def skeleton(family: Family) -> dict[str, str | None]:
    """The family's first-choice names, put together by the tree."""
    names = {role: names[0] for role, names in family.bones.items()}
    parents: dict[str, str | None] = {}
    for role, name in names.items():
        parent = PARENT[role]
        while parent is not None and parent not in names:
            parent = PARENT[parent]
        parents[name] = names[parent] if parent else None
    for bone in family.fingerprint_bones:
        parents.setdefault(bone, None)
    return parents


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


@families
def test_a_skeleton_built_from_a_family_and_the_tree_is_detected_as_it(family):
    detection = detect(skeleton(family))
    assert detection.family == family.name
    assert detection.confidence == 1
    assert detection.mapping == {role: names[0] for role, names in family.bones.items()}
