import bpy
import pytest
from understudy.blender_addon import overlay


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
    overlay._live._people["somebody"] = None
    overlay._after_undo()
    assert not overlay._live._people
    assert len(drawn) == 1
