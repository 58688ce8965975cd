"""An eyedropper for bones: the one under the pointer is shown, a click lets it play the role."""

from __future__ import annotations

import bpy
import numpy as np

from ..core.errors import NoArmature, UnderstudyError
from ..core.pose.bones.roles import Role
from . import mapping, overlay, people
from .figure import draw_lines
from .instances import find_person, space_of
from .mapping_operators import BonesOperator
from .modal import Stage, is_open
from .sample_options import Person

_REACH = 20  # pixels from the pointer, at a resolution scale of 1
_ENOUGH_DEFORM = 12  # with as many deform bones, controls are not offered: their joints are elsewhere
_YELLOW = (255, 220, 60)

_stage = Stage()


def bones_on_screen(
    owner: bpy.types.Object, depsgraph: bpy.types.Depsgraph, region: bpy.types.Region, rv3d: bpy.types.RegionView3D
) -> tuple[list[str], np.ndarray]:
    """The bones of the armature, and their heads and tails in the region [N, 2, 2], pixels; NaN behind the viewer."""
    person = find_person(Person(owner.name, owner))
    armature = person.armature.evaluated_get(depsgraph)
    bones = armature.data.bones
    names, deform = list(bones.keys()), np.empty(len(bones), bool)
    bones.foreach_get("use_deform", deform)
    ends = np.empty((2, len(names) * 3), np.float32)
    armature.pose.bones.foreach_get("head", ends[0])
    armature.pose.bones.foreach_get("tail", ends[1])
    to_clip = np.array(rv3d.perspective_matrix @ space_of(person.instancers, depsgraph) @ armature.matrix_world)
    pixels = to_region(ends.reshape(2, -1, 3).transpose(1, 0, 2), to_clip, region.width, region.height)
    if deform.sum() >= _ENOUGH_DEFORM:
        return [name for name, moves in zip(names, deform, strict=True) if moves], pixels[deform]
    return names, pixels


def to_region(points: np.ndarray, to_clip: np.ndarray, width: int, height: int) -> np.ndarray:
    """[..., 3] by `to_clip` [4, 4] to pixels [..., 2], y up; NaN behind the viewer."""
    clip = points @ to_clip[:, :3].T + to_clip[:, 3]
    depth = np.where(clip[..., 3:] > 1e-6, clip[..., 3:], np.nan)
    return (clip[..., :2] / depth + 1) / 2 * [width, height]


def nearest_bone(ends: np.ndarray, pointer: tuple[float, float], reach: float) -> int | None:
    """The bone, of those from head to tail [N, 2, 2] in pixels, that is closest to `pointer`, if within `reach` pixels."""
    heads, along = ends[:, 0], ends[:, 1] - ends[:, 0]
    share = ((pointer - heads) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-9)
    distances = np.linalg.norm(heads + np.clip(share, 0, 1)[:, None] * along - pointer, axis=1)
    distances = np.nan_to_num(distances, nan=np.inf)
    nearest = int(distances.argmin()) if len(distances) else 0
    return nearest if len(distances) and distances[nearest] <= reach else None


class PickBone(BonesOperator, bpy.types.Operator):
    """Click a bone in a 3D view to let it play this role"""

    bl_idname = "understudy.pick_bone"
    bl_label = "Pick Bone"
    bl_options = {"REGISTER", "UNDO", "BLOCKING", "INTERNAL"}

    role: bpy.props.StringProperty(name="Role")
    bone: bpy.props.StringProperty(name="Bone", description="The one under the pointer", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        if _stage.running:
            cls.poll_message_set("A bone is being picked: click one, or press Esc")
            return False
        return super().poll(context)

    def invoke(self, context, _event):
        self.bone, self._ends, self._region = "", np.empty((0, 2)), None
        window, workspace = context.window, context.workspace
        _stage.put(overlay.redraw)
        window.cursor_modal_set("EYEDROPPER")
        _stage.put(lambda: is_open(window) and window.cursor_modal_restore())
        title = self.role.replace("_", " ")
        workspace.status_text_set(f"Click the bone that is the {title}     Esc: leave it as it is")
        _stage.put(lambda: workspace.status_text_set(None))
        _stage.draw(bpy.types.SpaceView3D, self._draw)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        try:
            return self._handle(context, event)
        except (UnderstudyError, ReferenceError) as error:  # the armature was removed, perhaps by an undo
            self.cancel(context)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}

    def _handle(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Raises `UnderstudyError`, `ReferenceError`."""
        if event.type == "MOUSEMOVE":
            self._hover(context, event.mouse_x, event.mouse_y)
            overlay.redraw()
        elif event.type in ("ESC", "RIGHTMOUSE") and event.value == "PRESS":
            self.cancel(context)
            return {"CANCELLED"}
        elif event.type == "LEFTMOUSE" and event.value == "PRESS":
            self._hover(context, event.mouse_x, event.mouse_y)
            if self.bone:
                self.cancel(context)
                return self.execute(context)
        else:
            return {"PASS_THROUGH"}  # the view can still be turned
        return {"RUNNING_MODAL"}

    def cancel(self, context):
        """Put everything back; Blender calls this too, when another file is opened."""
        _stage.close()

    def change(self, owner):
        mapping.choose(owner, Role(self.role), self.bone)

    def _hover(self, context: bpy.types.Context, x: int, y: int) -> None:
        self.bone, self._region = "", None
        if (owner := people.active_owner(context)) is None:
            raise NoArmature("The armature whose bone was to be picked is gone.")
        for area in context.screen.areas:
            region = next((one for one in area.regions if one.type == "WINDOW"), None)
            if area.type != "VIEW_3D" or not _contains(region, x, y):
                continue
            depsgraph = context.evaluated_depsgraph_get()
            names, ends = bones_on_screen(owner, depsgraph, region, area.spaces.active.region_3d)
            reach = _REACH * context.preferences.system.ui_scale
            if (nearest := nearest_bone(ends, (x - region.x, y - region.y), reach)) is not None:
                self.bone, self._ends, self._region = names[nearest], ends[nearest], region

    def _draw(self) -> None:
        if not self.bone or bpy.context.region != self._region:
            return
        scale = bpy.context.preferences.system.ui_scale
        overlay.fill([draw_lines(self._ends[:1], self._ends[1:], 4 * scale, _YELLOW)])
        x, y = self._ends.mean(axis=0) + 8 * scale
        overlay.write_at(self.bone, x, y, _YELLOW)


def _contains(region: bpy.types.Region | None, x: int, y: int) -> bool:
    return region is not None and 0 <= x - region.x < region.width and 0 <= y - region.y < region.height


def register() -> None:
    bpy.utils.register_class(PickBone)


def unregister() -> None:
    _stage.close()
    bpy.utils.unregister_class(PickBone)
