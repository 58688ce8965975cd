"""The Image Editor's part of the alignment: the joints of the person on the reference picture, placed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy
import numpy as np

from . import overlay, people
from .figure import draw_people
from .modal import Stage, is_open
from .placing import JOINTS, Placing, keypoints

if TYPE_CHECKING:
    from .properties import UnderstudyPerson

_REACH = 12  # pixels at a resolution scale of 1
_STICK = 3
_KEYS = "Drag to move.  Tab: cannot be seen.  Backspace: take back.  X: remove.  Enter: done.  Esc: as before."
_WHITE = (255, 255, 255)

_stage = Stage()


def find_editor(context: bpy.types.Context) -> tuple[bpy.types.Window, bpy.types.Area] | None:
    """An Image Editor, rather one in this window."""
    for window in (context.window, *context.window_manager.windows):
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR" and area.ui_type == "IMAGE_EDITOR":
                return window, area
    return None


class PlacePoints(bpy.types.Operator):
    """Click the joints of the person on the reference picture, in an Image Editor"""

    bl_idname = "understudy.place_points"
    bl_label = "Place Points on the Picture"
    bl_options = {"REGISTER", "UNDO", "BLOCKING"}

    @classmethod
    def poll(cls, context):
        person = people.active_person(context)
        if _stage.running:
            cls.poll_message_set("Points are being placed: Enter or Esc in that Image Editor first")
        elif person is None or not person.reference:
            cls.poll_message_set("The person has no reference picture")
        elif not person.picture.is_file():
            cls.poll_message_set("The reference picture is not there")
        else:
            return True
        return False

    def invoke(self, context, _event):
        person = people.active_person(context)
        image = bpy.data.images.load(str(person.picture), check_existing=True)
        self._scene, self._person = context.scene.session_uid, _identity(person)
        self._window, self._area = find_editor(context) or _open_editor(context)
        self._area.spaces.active.image = image  # type: ignore[attr-defined]
        self._region = next(region for region in self._area.regions if region.type == "WINDOW")
        self._placing = Placing({point.name: tuple(point.position) for point in person.points})
        self._pointer: tuple[float, float] | None = None
        _stage.put(self._redraw)
        _stage.draw(bpy.types.SpaceImageEditor, self._draw)
        with context.temp_override(window=self._window):
            context.window_manager.modal_handler_add(self)
        self._redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if not is_open(self._window) or self._area not in self._window.screen.areas[:]:
            self.cancel(context)  # the editor was closed
            return {"CANCELLED"}
        placing, position = self._placing, self._position(event)
        handled = True
        if event.type in ("RET", "NUMPAD_ENTER") and event.value == "PRESS":
            return self._finish(context)
        if event.type == "ESC" and event.value == "PRESS":
            self.cancel(context)
            return {"CANCELLED"}
        if event.type == "LEFTMOUSE" and event.value == "RELEASE":
            placing.release()
        elif position is None:
            handled = False
        elif event.type == "MOUSEMOVE":
            self._pointer = position
            placing.drag(position)
        elif event.type == "LEFTMOUSE" and event.value == "PRESS":
            placing.press(position, self._reach())
        elif event.type == "TAB" and event.value == "PRESS":
            placing.skip()
        elif event.type == "BACK_SPACE" and event.value == "PRESS":
            placing.take_back()
        elif event.type in ("X", "DEL") and event.value == "PRESS":
            if joint := placing.near(position, self._reach()):
                placing.remove(joint)
        else:
            handled = False  # the picture can still be moved and zoomed
        self._redraw()
        return {"RUNNING_MODAL"} if handled else {"PASS_THROUGH"}

    def cancel(self, context):
        """Put everything back; Blender calls this too, when another file is opened."""
        _stage.close()

    def _finish(self, context: bpy.types.Context) -> set[str]:
        """Give the points to the person whose picture they are on, whoever is chosen in the list by now."""
        self.cancel(context)
        scene = next((scene for scene in bpy.data.scenes if scene.session_uid == self._scene), None)
        persons = scene.understudy.people if scene else ()
        if (person := next((one for one in persons if _identity(one) == self._person), None)) is None:
            self.report({"WARNING"}, "The person whose points were placed is gone, or has another picture or armature")
            return {"CANCELLED"}
        set_points(person, self._placing.points)
        overlay.redraw()
        return {"FINISHED"}

    def _position(self, event: bpy.types.Event) -> tuple[float, float] | None:
        """Where on the picture the pointer is; None where it is not over the editor."""
        x, y = event.mouse_x - self._region.x, event.mouse_y - self._region.y
        if not (0 <= x < self._region.width and 0 <= y < self._region.height):
            return None
        across, up = self._region.view2d.region_to_view(x, y)
        return across, 1 - up

    def _reach(self) -> tuple[float, float]:
        """`_REACH` in shares of the picture's width and height."""
        reach = _REACH * bpy.context.preferences.system.ui_scale
        view = self._region.view2d
        low, high = view.region_to_view(0, 0), view.region_to_view(reach, reach)
        return high[0] - low[0], high[1] - low[1]

    def _redraw(self) -> None:
        if any(self._area in window.screen.areas[:] for window in bpy.context.window_manager.windows):
            self._area.tag_redraw()

    def _draw(self) -> None:
        if bpy.context.area != self._area:
            return
        scale = bpy.context.preferences.system.ui_scale
        points, placed = keypoints(self._placing.points)
        corners = np.array([self._to_region(0, 0), self._to_region(1, 1)])
        pixels = corners[0] + points * (corners[1] - corners[0])
        overlay.fill([draw_people(pixels[None], placed[None], np.array([_STICK * scale]), 0.9)])
        asked = self._placing.asked
        if self._pointer and asked:
            x, y = corners[0] + np.array(self._pointer) * (corners[1] - corners[0])
            overlay.write_at(_title(asked), x + 12 * scale, y + 8 * scale, _WHITE)
        what = f"Click the character's own {_title(asked)}." if asked else "All joints are placed."
        overlay.write_at(f"{what}  {_KEYS}", 20 * scale, 20 * scale, _WHITE)

    def _to_region(self, across: float, down: float) -> np.ndarray:
        return np.array(self._region.view2d.view_to_region(across, 1 - down, clip=False), float)


class ClearPoints(bpy.types.Operator):
    """Forget the points that were placed on the reference picture"""

    bl_idname = "understudy.clear_points"
    bl_label = "Clear Points"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        person = people.active_person(context)
        if person is None or not person.points:
            cls.poll_message_set("No points are placed")
            return False
        return True

    def execute(self, context):
        people.active_person(context).points.clear()
        overlay.redraw()
        return {"FINISHED"}


def _identity(person: UnderstudyPerson) -> tuple[int, str]:
    """Of a person in its scene's list, also after an undo."""
    return person.armature.session_uid if person.armature else 0, person.reference


def set_points(person, points: dict[str, tuple[float, float]]) -> None:
    person.points.clear()
    for joint in JOINTS:
        if joint in points:
            point = person.points.add()
            point.name, point.position = joint, points[joint]


def _title(joint: str) -> str:
    return joint.replace("_", " ")


def _open_editor(context: bpy.types.Context) -> tuple[bpy.types.Window, bpy.types.Area]:
    """A new window with an Image Editor."""
    bpy.ops.wm.window_new()
    window = context.window_manager.windows[-1]
    area = max(window.screen.areas, key=lambda area: area.width * area.height)
    area.ui_type = "IMAGE_EDITOR"
    return window, area


CLASSES = (PlacePoints, ClearPoints)


register, _unregister = bpy.utils.register_classes_factory(CLASSES)  # type: ignore[func-returns-value, attr-defined]


def unregister() -> None:
    _stage.close()
    _unregister()
