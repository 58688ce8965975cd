"""The Image Editor's part of the alignment: the joints of the person on the reference picture, placed by hand."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from . import overlay, people
from .figure import draw_people
from .placing import JOINTS, Placing, keypoints

_REACH = 12  # pixels at a resolution scale of 1
_STICK = 3
_KEYS = "Drag to move.  Tab: cannot be seen.  Backspace: take back.  X: remove.  Enter: done.  Esc: as before."
_WHITE = (255, 255, 255)


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
        if person is None or not person.reference:
            cls.poll_message_set("The person has no reference picture")
        elif not Path(bpy.path.abspath(person.reference)).is_file():
            cls.poll_message_set("The reference picture is not there")
        else:
            return True
        return False

    def invoke(self, context, _event):
        person = people.active_person(context)
        image = bpy.data.images.load(bpy.path.abspath(person.reference), check_existing=True)
        found = find_editor(context) or _open_editor(context)
        self._window, self._area = found
        self._area.spaces.active.image = image  # type: ignore[attr-defined]
        self._region = next(region for region in self._area.regions if region.type == "WINDOW")
        self._placing = Placing({point.name: tuple(point.position) for point in person.points})
        self._pointer: tuple[float, float] | None = None
        self._handler = bpy.types.SpaceImageEditor.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")
        with context.temp_override(window=self._window):
            context.window_manager.modal_handler_add(self)
        self._redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if self._window not in context.window_manager.windows[:] or self._area not in self._window.screen.areas[:]:
            self.cancel(context)  # the editor was closed
            return {"CANCELLED"}
        placing, position = self._placing, self._position(event)
        handled = True
        if event.type in ("RET", "NUMPAD_ENTER") and event.value == "PRESS":
            self.cancel(context)
            set_points(people.active_person(context), placing.points)
            overlay.redraw()
            return {"FINISHED"}
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
        bpy.types.SpaceImageEditor.draw_handler_remove(self._handler, "WINDOW")
        self._redraw()

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


def register() -> None:
    for kind in CLASSES:
        bpy.utils.register_class(kind)


def unregister() -> None:
    for kind in reversed(CLASSES):
        bpy.utils.unregister_class(kind)
