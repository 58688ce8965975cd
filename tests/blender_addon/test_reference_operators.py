"""Reference pictures, rendered by Blender or chosen."""

import math
from pathlib import Path

import bpy
import pytest
from understudy.blender_addon.plan import find_missing_reference
from understudy.blender_addon.reference import find_unseen
from understudy.blender_addon.sample_options import Person, SampleOptions
from understudy.blender_addon.sampling import sample
from understudy.core.pose.reference import pose_in
from understudy.core.pose.skeleton import INDEX

understudy = bpy.ops.understudy


def test_the_reference_is_the_character_alone(scene, character, tmp_path):
    bpy.ops.mesh.primitive_cube_add(size=50, location=(0, 30, 0))
    wall, world, size = bpy.context.object, scene.world, (scene.render.resolution_x, scene.render.resolution_y)
    image = scene.render.image_settings
    image.file_format, image.color_mode, image.color_depth = "OPEN_EXR", "RGBA", "32"
    hidden = bpy.data.objects["Understudy Demo Body"].copy()
    hidden.location.x, hidden.hide_render = 0.5, True
    scene.collection.objects.link(hidden)
    understudy.render_reference()
    assert (image.file_format, image.color_mode, image.color_depth) == ("OPEN_EXR", "RGBA", "32")
    assert hidden.hide_render
    path = Path(scene.understudy.people[0].reference)
    assert path.is_relative_to(tmp_path / "takes")
    picture = bpy.data.images.load(str(path))
    assert min(picture.size) == 512
    assert picture.pixels[3] == 0 and picture.pixels[(256 * 512 + 256) * 4 + 3] == 1  # somebody before nothing
    assert not wall.hide_render
    assert scene.world == world
    assert (scene.render.resolution_x, scene.render.resolution_y) == size
    assert "Understudy reference" not in bpy.data.worlds


def test_a_second_reference_does_not_replace_the_first(scene, character):
    person = scene.understudy.people[0]
    understudy.render_reference()
    first = person.reference
    understudy.render_reference()
    assert person.reference != first
    assert Path(first).is_file()


def test_a_reference_beside_a_saved_file_moves_with_it(scene, character, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    understudy.render_reference()
    kept = bpy.context.scene.understudy.people[0].reference
    assert kept.startswith("//") and Path(bpy.path.abspath(kept)).is_file()


def test_an_armature_without_a_body_has_no_picture(scene, character, tmp_path):
    bpy.data.objects.remove(bpy.data.objects["Understudy Demo Body"])
    with pytest.raises(RuntimeError, match="moves no mesh"):
        understudy.render_reference()
    assert not (tmp_path / "takes").exists()


def test_a_rendered_reference_carries_the_pose_it_shows(scene, character):
    scene.frame_set(3)
    understudy.render_reference()
    pose = pose_in(Path(scene.understudy.people[0].reference).read_bytes())
    assert pose.frames.tolist() == [3] and (pose.width, pose.height) == (512, 512)
    x, y = pose.pixels()[0, 0, INDEX["neck"]]
    picture = bpy.data.images.load(scene.understudy.people[0].reference)
    at = ((511 - int(y)) * 512 + int(x)) * 4
    assert picture.pixels[at + 3] > 0.5


def test_what_a_picture_does_not_show_is_told(scene, character):
    def unseen() -> str:
        return find_unseen(sample(scene, SampleOptions((Person("Ann", character),), (5,), 384, 512)))

    assert unseen() == ""
    scene.camera.location.x += 1.2
    assert unseen() == "Ann is partly outside the picture"
    scene.camera.location.x -= 1.2
    character.animation_data_clear()
    character.rotation_euler.z = math.pi
    assert unseen() == "The picture shows Ann from behind"


def test_a_picture_is_chosen_for_the_active_armature_where_nobody_is_in_the_list(scene, character, tmp_path):
    scene.understudy.people.clear()
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(RuntimeError, match="is not a picture"):
        understudy.choose_reference(filepath=str(tmp_path / "notes.txt"))
    assert not scene.understudy.people
    understudy.choose_reference(filepath=str(tmp_path / "reference.png"))
    (person,) = scene.understudy.people
    assert (person.armature, person.picture) == (character, tmp_path / "reference.png")
    with pytest.raises(RuntimeError, match="is not a picture"):
        understudy.choose_reference(filepath=str(tmp_path / "notes.txt"))
    assert person.picture == tmp_path / "reference.png"


def test_who_lacks_a_picture_gets_it_though_another_is_chosen_in_the_list(scene, character, tmp_path):
    settings = scene.understudy
    settings.people.add()
    first, second = settings.people
    second.armature, second.reference = character, "//gone.png"
    settings.active_person = 0
    before = first.reference
    assert "gone.png" in find_missing_reference(bpy.context).message
    understudy.choose_reference(filepath=str(tmp_path / "reference.png"), lacking=True)
    assert settings.active_person == 1
    assert (first.reference, second.picture) == (before, tmp_path / "reference.png")
    assert find_missing_reference(bpy.context) is None
