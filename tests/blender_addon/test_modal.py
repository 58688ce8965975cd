"""Modal operators that end in another way than they hoped for. Their events are made up: nobody moves a pointer here."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import pytest
from understudy.blender_addon import bone_picker, part_export, point_placer
from understudy.blender_addon.modal import Stage


def test_a_stage_is_taken_down_once_and_backwards():
    stage, down = Stage(), []
    stage.put(lambda: down.append("first"))
    stage.put(lambda: down.append("second"))
    assert stage.running
    stage.close()
    stage.close()
    assert down == ["second", "first"]
    assert not stage.running


def test_what_blender_removed_does_not_keep_the_rest_up():
    stage, down = Stage(), []
    stage.put(lambda: down.append("cursor"))
    screen = bpy.data.texts.new("gone")
    stage.put(lambda: screen.name)
    bpy.data.texts.remove(screen)
    stage.close()
    assert down == ["cursor"]


class Reports:
    """An operator's own part, without Blender's."""

    def __init__(self):
        self.reported: list[tuple[set[str], str]] = []

    def report(self, kind: set[str], text: str) -> None:
        self.reported.append((kind, text))


class Picker(Reports):
    role, bone, _region = "head", "", None
    _handle, _hover, _draw, cancel = (getattr(bone_picker.PickBone, name) for name in ("_handle", "_hover", "_draw", "cancel"))


def test_an_addon_that_is_disabled_meanwhile_leaves_nothing_behind(scene, character):
    """Blender starts no modal operator in the background: here it is asked for the workspace and the drawing alone."""
    cursors: list[str] = []
    window = SimpleNamespace(cursor_modal_set=cursors.append)
    manager = SimpleNamespace(modal_handler_add=lambda _: None)
    context = SimpleNamespace(window=window, window_manager=manager, workspace=bpy.data.workspaces[0])
    assert bone_picker.PickBone.invoke(Picker(), context, None) == {"RUNNING_MODAL"}
    assert cursors == ["EYEDROPPER"]
    with pytest.raises(RuntimeError, match="being picked"):
        bpy.ops.understudy.pick_bone(role="head", bone="mixamorig:Neck")
    bpy.ops.preferences.addon_disable(module="understudy")
    assert not bone_picker._stage.running
    bpy.ops.preferences.addon_enable(module="understudy")


def test_a_picker_whose_armature_is_gone_ends(scene, character):
    picker, event = Picker(), SimpleNamespace(type="MOUSEMOVE", value="NOTHING", mouse_x=9, mouse_y=9)
    bone_picker._stage.put(lambda: None)
    bpy.data.objects.remove(character)
    assert bone_picker.PickBone.modal(picker, bpy.context, event) == {"CANCELLED"}
    assert "gone" in picker.reported[0][1]
    assert not bone_picker._stage.running


class Placer(Reports):
    cancel = point_placer.PlacePoints.cancel

    def __init__(self, scene: bpy.types.Scene):
        super().__init__()
        self._scene, self._person = scene.session_uid, point_placer._identity(scene.understudy.people[0])
        self._placing = SimpleNamespace(points={"nose": (0.5, 0.25)})


def test_points_go_to_the_person_they_were_placed_for(scene, character):
    placer = Placer(scene)
    scene.understudy.people.add().reference = "other.png"
    scene.understudy.active_person = 1
    assert point_placer.PlacePoints._finish(placer, bpy.context) == {"FINISHED"}
    first, second = scene.understudy.people
    assert [point.name for point in first.points] == ["nose"]
    assert not second.points


def test_points_of_a_person_who_was_removed_go_to_nobody(scene, character):
    placer = Placer(scene)
    scene.understudy.people.add().reference = "other.png"
    scene.understudy.people.remove(0)
    assert point_placer.PlacePoints._finish(placer, bpy.context) == {"CANCELLED"}
    assert "is gone" in placer.reported[0][1]
    assert not scene.understudy.people[0].points


def test_no_take_is_made_or_fetched_while_body_parts_are_drawn(scene, character):
    assert bpy.ops.understudy.generate.poll() and bpy.ops.understudy.resume_take.poll()
    part_export._stage.put(lambda: None)
    assert not bpy.ops.understudy.generate.poll()
    assert not bpy.ops.understudy.resume_take.poll()
    assert not bpy.ops.understudy.export_parts.poll()
    part_export._stage.close()
    assert bpy.ops.understudy.export_parts.poll()


@pytest.mark.parametrize("error", [ReferenceError("StructRNA of type Object has been removed"), OSError("full")])
def test_drawing_of_body_parts_ends_where_the_scene_is_changed(scene, character, error):
    def write():
        raise error
        yield

    class Exporter(Reports):
        _writing = write()
        _fail, cancel = part_export.ExportParts._fail, part_export.ExportParts.cancel

    exporter = Exporter()
    part_export._stage.put(lambda: None)
    assert part_export.ExportParts.modal(exporter, bpy.context, SimpleNamespace(type="TIMER")) == {"CANCELLED"}
    assert exporter.reported[0][0] == {"ERROR"}
    assert part_export.find_work() is None
