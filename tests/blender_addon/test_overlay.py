import bpy
import pytest
from understudy.blender_addon import live, overlay
from understudy.blender_addon.occlusion import find_hidden
from understudy.blender_addon.people import people_of
from understudy.blender_addon.sample_options import SampleOptions
from understudy.blender_addon.viewpoint import look
from understudy.core.pose.skeleton import INDEX


@pytest.fixture
def drawn(scene, monkeypatch) -> list:
    """The functions that Blender would call to draw over its 3D views."""
    added: list = []

    def add(function, arguments, region, moment):
        assert (arguments, region, moment) == ((), "WINDOW", "POST_PIXEL")
        added.append(function)
        return function

    monkeypatch.setattr(overlay, "draw_handler_add", add)
    monkeypatch.setattr(overlay, "draw_handler_remove", lambda handle, _region: added.remove(handle))
    return added


def look_at(scene, occlusion=False):
    """What the overlay finds at a draw: poses and problems."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    people = people_of(bpy.context)
    eye = look(scene, SampleOptions(people, (scene.frame_current,), 64, 64), depsgraph)
    return overlay._live.look(scene, people, depsgraph, eye, (), occlusion)


def test_the_skeletons_are_drawn_while_a_scene_asks_for_it(scene, drawn):
    assert not drawn
    scene.understudy.show_skeleton = True
    assert len(drawn) == 1
    other = bpy.data.scenes.new("Other")
    other.understudy.show_skeleton = True
    scene.understudy.show_skeleton = False
    assert len(drawn) == 1, "once, however many scenes ask"
    other.understudy.show_skeleton = False
    assert not drawn


def test_nothing_is_drawn_in_the_next_file_unless_it_asks_for_it(scene, drawn, tmp_path):
    scene.understudy.show_skeleton = True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shown.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    assert not drawn
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shown.blend"))
    assert len(drawn) == 1


def test_nothing_is_drawn_once_the_add_on_is_disabled(scene, drawn):
    scene.understudy.show_skeleton = True
    handlers = [len(getattr(bpy.app.handlers, event)) for event in ("load_pre", "load_post", "undo_post", "redo_post")]
    bpy.ops.preferences.addon_disable(module="understudy")
    assert not drawn
    after = [len(getattr(bpy.app.handlers, event)) for event in ("load_pre", "load_post", "undo_post", "redo_post")]
    bpy.ops.preferences.addon_enable(module="understudy")
    assert [one - other for one, other in zip(handlers, after, strict=True)] == [1, 1, 1, 1]
    assert len(drawn) == 1, "the scene still asks for it"


def test_an_undo_finds_everybody_anew(scene, drawn, character):
    scene.understudy.show_skeleton = True
    bpy.ops.ed.undo_push(message="Shown")
    look_at(scene)
    bpy.ops.object.empty_add()
    bpy.ops.ed.undo_push(message="Added")
    bpy.ops.ed.undo()
    assert not overlay._live._people
    assert len(drawn) == 1
    assert len(look_at(bpy.context.scene)[0]) == 1


def test_a_mesh_deleted_while_it_is_looked_at_is_looked_for_anew(scene, drawn, character):
    look_at(scene)
    assert overlay._prepare() == 0.0
    for entry in [entry for entry in scene.objects if entry.type == "MESH"]:
        bpy.data.objects.remove(entry)
    assert [overlay._prepare() for _ in range(4)][-1] is None, "the vertices it has already read take a step or two"
    assert not overlay._live._people
    assert len(look_at(scene)[0]) == 1


def test_the_hidden_are_looked_for_again_only_after_an_edit(scene, drawn, character, monkeypatch):
    asked = []
    monkeypatch.setattr(live, "find_hidden", lambda *given: asked.append(given) or find_hidden(*given))
    bpy.ops.mesh.primitive_cube_add(size=1, location=(0, -1, 0.1))  # before the shins
    cube = bpy.context.object
    for _ in range(3):
        (pose,), _ = look_at(scene, occlusion=True)
        assert not pose.visible[INDEX["left_ankle"]]
    assert len(asked) == 1
    cube.location.x = 100
    (pose,), _ = look_at(scene, occlusion=True)
    assert pose.visible[INDEX["left_ankle"]]
