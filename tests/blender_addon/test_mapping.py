import bpy
import numpy as np
import pytest
from understudy.blender_addon import mapping
from understudy.blender_addon.bone_picker import nearest_bone, to_region
from understudy.blender_addon.mapping_operators import preset_names
from understudy.core.pose import presets

understudy = bpy.ops.understudy
FOREARM = "mixamorig:LeftForeArm"


@pytest.fixture
def presets_kept(scene, monkeypatch, tmp_path):
    monkeypatch.setattr("understudy.blender_addon.mapping_operators.preset_folder", lambda: tmp_path)
    return tmp_path


def test_bones_are_known_without_being_asked_for(scene, character):
    known = mapping.bones_of(character)
    assert (known.title, known.problem, known.lacking) == ("Mixamo, 98%", None, ())
    assert known.states["left_forearm"] == "found"
    assert known.bones["left_forearm"] == FOREARM


def test_one_bone_is_changed_and_the_others_stay(scene, character):
    before = mapping.bones_of(character).bones
    understudy.choose_bone(role="head", bone="mixamorig:Neck")
    known = mapping.bones_of(character)
    assert known.states["head"] == "chosen"
    assert known.states["neck"] == "missing", "a bone plays one role"
    assert {**known.bones, "head": before["head"], "neck": before["neck"]} == before
    assert known.title == "Mixamo, changed"
    understudy.choose_bone(role="head", bone="mixamorig:Head")
    assert mapping.bones_of(character).states["head"] == "found"


def test_a_cleared_bone_is_missing_and_no_take_is_made(scene, character, tmp_path):
    understudy.clear_bone(role="left_forearm")
    known = mapping.bones_of(character)
    assert known.lacking == ("left_forearm",)
    assert "left forearm" in str(known.problem)
    with pytest.raises(RuntimeError, match="lacks left forearm"):
        understudy.generate()


def test_a_renamed_bone_is_gone_and_said_so(scene, character):
    understudy.choose_bone(role="left_forearm", bone=FOREARM)
    character.data.bones[FOREARM].name = "elbow"
    known = mapping.bones_of(character)
    assert known.states["left_forearm"] == "gone"
    assert "no bone 'mixamorig:LeftForeArm'" in str(known.problem)


def test_detecting_again_drops_what_was_changed(scene, character):
    understudy.clear_bone(role="left_forearm")
    understudy.detect_bones()
    assert mapping.bones_of(character).title == "Mixamo, 98%"
    assert mapping.remembered(character) is None


@pytest.mark.parametrize("kept", ["{", "[]", '{"head": 1}', "[" * 100_000])
def test_a_mapping_that_cannot_be_read_says_so_until_bones_are_detected_again(scene, character, kept):
    character.understudy.mapping = kept
    assert "cannot be read" in str(mapping.bones_of(character).problem)
    with pytest.raises(RuntimeError, match="Press Detect"):
        understudy.generate()
    understudy.detect_bones()
    assert mapping.bones_of(character).title == "Mixamo, 98%"


def test_the_active_pose_bone_is_taken(scene, character):
    with pytest.raises(RuntimeError, match="Pose Mode"):
        understudy.use_active_bone(role="head")
    bpy.ops.object.mode_set(mode="POSE")
    character.data.bones.active = character.data.bones["mixamorig:Neck"]
    understudy.use_active_bone(role="head")
    assert mapping.bones_of(character).bones["head"] == "mixamorig:Neck"


def test_one_side_is_made_like_the_other(scene, character):
    understudy.clear_bone(role="right_forearm")
    understudy.choose_bone(role="right_shin", bone="mixamorig:RightFoot")
    understudy.mirror_bones(source="left")
    bones = mapping.bones_of(character).bones
    assert bones["right_forearm"] == "mixamorig:RightForeArm"
    assert bones["right_shin"] == "mixamorig:RightLeg"
    assert mapping.bones_of(character).problem is None


def test_the_mapping_travels_with_the_file_and_by_append_and_link(scene, character, tmp_path):
    understudy.clear_bone(role="left_eye")
    understudy.choose_bone(role="head", bone="mixamorig:Neck")
    kept, path, name = mapping.remembered(character), tmp_path / "ann.blend", character.name
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert mapping.remembered(bpy.data.objects[name]) == kept
    for link in (False, True):
        bpy.ops.wm.read_homefile(use_empty=True)
        with bpy.data.libraries.load(str(path), link=link) as (_, wanted):
            wanted.objects = [name]
        assert mapping.remembered(wanted.objects[0]) == kept


def test_a_linked_armature_is_changed_by_an_override_only(scene, character, tmp_path):
    name = character.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "ann.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "ann.blend"), link=True) as (_, wanted):
        wanted.objects = [name]
    linked = wanted.objects[0]
    bpy.context.scene.collection.objects.link(linked)
    bpy.context.scene.understudy.people.add().armature = linked
    with pytest.raises(RuntimeError, match="is linked: make a library override"):
        understudy.clear_bone(role="left_forearm")
    own = linked.override_create(remap_local_usages=True)
    bpy.context.scene.understudy.people[0].armature = own
    understudy.clear_bone(role="left_forearm")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    own = bpy.context.scene.understudy.people[0].armature
    assert own.override_library
    assert mapping.bones_of(own).lacking == ("left_forearm",)


def test_an_instanced_armature_is_mapped_on_its_instance(scene, character):
    collection = bpy.data.collections.new("Ann")
    for part in (character, bpy.data.objects["Understudy Demo Body"]):
        collection.objects.link(part)
    empty = bpy.data.objects.new("Ann here", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", collection
    scene.collection.objects.link(empty)
    scene.understudy.people[0].armature = empty
    understudy.clear_bone(role="left_eye")
    assert mapping.remembered(character) is None
    assert mapping.remembered(empty)["left_forearm"] == FOREARM


def test_bones_are_detected_anew_also_where_the_instanced_armature_had_its_own(scene, character):
    understudy.choose_bone(role="head", bone="mixamorig:Neck")
    collection = bpy.data.collections.new("Ann")
    collection.objects.link(character)
    empty = bpy.data.objects.new("Ann here", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", collection
    scene.collection.objects.link(empty)
    scene.understudy.people[0].armature = empty
    assert mapping.bones_of(empty).changed
    understudy.detect_bones()
    assert mapping.remembered(empty) is None


def _other_parent(bones):
    bones["mixamorig:Head"].parent = bones["mixamorig:Hips"]


def _no_deform(bones):
    bones["mixamorig:Head"].use_deform = False


@pytest.mark.parametrize("change", [_other_parent, _no_deform])
def test_what_is_known_of_bones_ends_with_any_change_to_them(scene, character, change):
    before = mapping.fingerprint(character)
    bpy.context.view_layer.objects.active = character
    bpy.ops.object.mode_set(mode="EDIT")
    change(character.data.edit_bones)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert mapping.fingerprint(character) != before


def test_a_preset_that_cannot_be_removed_is_named(scene, character, presets_kept, monkeypatch):
    understudy.save_rig_preset(name="Mine")

    def refuse(path, missing_ok):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    with pytest.raises(RuntimeError, match=r"Mine\.json cannot be removed: Permission denied"):
        understudy.remove_rig_preset(name="Mine")


def test_presets_are_kept_applied_and_removed(scene, character, presets_kept):
    understudy.choose_bone(role="head", bone="mixamorig:Neck")
    understudy.save_rig_preset(name="Our rig/2")
    assert preset_names() == ["Our_rig_2"]
    understudy.detect_bones()
    understudy.apply_rig_preset(name="Our_rig_2")
    known = mapping.bones_of(character)
    assert (known.bones["head"], known.title) == ("mixamorig:Neck", "Our_rig_2, changed")
    understudy.remove_rig_preset(name="Our_rig_2")
    assert not preset_names()
    with pytest.raises(RuntimeError, match="There is no preset"):
        understudy.remove_rig_preset()


def test_a_mapping_is_shared_as_a_file(scene, character, presets_kept, tmp_path):
    path = tmp_path / "sent" / "ann.json"
    path.parent.mkdir()
    understudy.choose_bone(role="head", bone="mixamorig:Neck")
    understudy.export_rig_preset(filepath=str(path))
    assert presets.load(path).mapping["head"] == "mixamorig:Neck"
    understudy.detect_bones()
    understudy.import_rig_preset(filepath=str(path))
    assert mapping.bones_of(character).bones["head"] == "mixamorig:Neck"
    assert preset_names() == ["ann"]


def test_a_file_that_holds_no_mapping_is_refused(scene, character, presets_kept, tmp_path):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(RuntimeError, match="holds no bone mapping"):
        understudy.import_rig_preset(filepath=str(tmp_path / "other.json"))
    with pytest.raises(RuntimeError, match="cannot be written"):
        understudy.export_rig_preset(filepath=str(tmp_path / "nowhere" / "ann.json"))


def test_without_an_armature_every_button_says_why(scene):
    for operator in (understudy.detect_bones, understudy.mirror_bones, understudy.pick_bone, understudy.save_rig_preset):
        with pytest.raises(RuntimeError, match="Select the armature"):
            operator()


def test_a_picked_bone_can_be_repeated_by_blender(scene, character):
    understudy.pick_bone("EXEC_DEFAULT", role="head", bone="mixamorig:Neck")
    assert mapping.bones_of(character).bones["head"] == "mixamorig:Neck"


def test_the_bone_under_the_pointer_is_picked():
    ends = np.array([[(0, 0), (100, 0)], [(0, 10), (100, 60)], [(np.nan, np.nan), (5, 5)]])
    assert nearest_bone(ends, (90, 52), 20) == 1
    assert nearest_bone(ends, (50, -5), 20) == 0
    assert nearest_bone(ends, (105, -5), 20) == 0, "past its end"
    assert nearest_bone(ends, (50, -30), 20) is None
    assert nearest_bone(np.empty((0, 2, 2)), (0, 0), 20) is None


def test_a_bone_behind_the_viewer_is_nowhere():
    to_clip = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, -1, 0]], float)
    pixels = to_region(np.array([(0.0, 1.0, -2.0), (0.0, 0.0, 2.0)]), to_clip, 200, 100)
    np.testing.assert_allclose(pixels[0], [100, 75])
    assert np.isnan(pixels[1]).all()
