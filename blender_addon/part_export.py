"""File > Export > Understudy Body Parts: pictures of DensePose's parts, drawn from the characters' own meshes."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

import bpy
import numpy as np

from ..core.errors import PoseError, UnderstudyError
from . import plan
from .modal import Stage
from .part_pictures import part_pictures
from .session import session

_TICK = 0.004  # seconds of work between two events
_stage = Stage()


def find_work() -> str | None:
    """What is being done that goes from frame to frame, so that nothing else can, for people; None where nothing is."""
    if session.busy:
        return "A take is being made: wait for it, or cancel it"
    return "Body parts are being drawn: wait for them, or press Esc" if _stage.running else None


class ExportParts(bpy.types.Operator):
    """Draw the parts of the characters' meshes (DensePose), as MagicAnimate reads them, into a folder of PNG files"""

    bl_idname = "understudy.export_parts"
    bl_label = "Export Body Parts"
    bl_options = {"REGISTER"}

    directory: bpy.props.StringProperty(subtype="DIR_PATH")

    @classmethod
    def poll(cls, context):
        if work := find_work():
            cls.poll_message_set(work)
            return False
        if problem := plan.find_problem(context):
            cls.poll_message_set(str(problem))
            return False
        return True

    def invoke(self, context, _event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        try:
            options = plan.plan_samples(context)
            self._writing = self._write(context, part_pictures(context.scene, options), len(options.frames))
            if bpy.app.background:
                for _ in self._writing:
                    pass
                return {"FINISHED"}
        except (UnderstudyError, OSError) as error:
            return self._fail(error)
        _stage.put(self._writing.close)
        manager = context.window_manager
        ticking = manager.event_timer_add(0.01, window=context.window)
        _stage.put(lambda: manager.event_timer_remove(ticking))
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type == "ESC":
            self.cancel(context)
            self.report({"INFO"}, "Drawing body parts was cancelled")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        deadline = time.perf_counter() + _TICK
        try:
            while time.perf_counter() < deadline:
                next(self._writing)
        except StopIteration:
            self.cancel(context)
            return {"FINISHED"}
        except (UnderstudyError, OSError) as error:
            self.cancel(context)
            return self._fail(error)
        except ReferenceError as error:  # an undo, or something was deleted
            self.cancel(context)
            return self._fail(PoseError(f"The scene was changed while its body parts were drawn ({error}).", "Export again."))
        return {"RUNNING_MODAL"}

    def _write(self, context, pictures: Generator[np.ndarray | None, None, None], count: int) -> Generator[None, None, None]:
        """Frame by frame. Raises `UnderstudyError`, `OSError`."""
        folder = Path(bpy.path.abspath(self.directory))  # type: ignore[attr-defined]
        folder.mkdir(parents=True, exist_ok=True)
        drawn = 0
        context.window_manager.progress_begin(0, count)
        try:
            for picture in pictures:
                if picture is not None:
                    drawn += 1
                    _save(picture, folder / f"{drawn:04}.png")
                    context.window_manager.progress_update(drawn)
                yield
        finally:
            pictures.close()
            context.window_manager.progress_end()
        self.report({"INFO"}, f"{drawn} frames written to {folder}")

    def cancel(self, context):
        """Put everything back; Blender calls this too, when another file is opened."""
        _stage.close()

    def _fail(self, error: UnderstudyError | OSError) -> set[str]:
        self.report({"ERROR"}, str(error))
        return {"CANCELLED"}


def _save(picture: np.ndarray, path: Path) -> None:
    """Write uint8 [H, W, 3] as PNG, its values as they are. Raises `OSError`."""
    height, width, _ = picture.shape
    image = bpy.data.images.new("Understudy Body Parts", width, height)
    try:
        pixels = np.ones((height, width, 4), np.float32)
        pixels[..., :3] = picture[::-1] / np.float32(255)
        image.pixels.foreach_set(pixels.ravel())  # type: ignore[attr-defined]
        image.file_format = "PNG"
        image.filepath_raw = str(path)
        try:
            image.save()
        except RuntimeError as error:
            raise OSError(f"{path} cannot be written: {error}") from error
    finally:
        bpy.data.images.remove(image)


def _menu(menu: bpy.types.Menu, _context) -> None:
    menu.layout.operator(ExportParts.bl_idname, text="Understudy Body Parts (.png)")


def register() -> None:
    bpy.utils.register_class(ExportParts)
    bpy.types.TOPBAR_MT_file_export.append(_menu)


def unregister() -> None:
    _stage.close()
    bpy.types.TOPBAR_MT_file_export.remove(_menu)
    bpy.utils.unregister_class(ExportParts)
