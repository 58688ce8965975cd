"""The strips of a scene's sequencer, whatever this Blender calls them. Main thread only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import bpy

from ..core.errors import JobFailed

CHANNELS = 128  # Blender's own limit


def show(scene: bpy.types.Scene) -> None:
    """Since Blender 5.0 sequencers edit the scene that their workspace names: where that is none, name this one."""
    for window in bpy.context.window_manager.windows:
        if getattr(window.workspace, "sequencer_scene", scene) is None:
            window.workspace.sequencer_scene = scene


def strips_of(editor: bpy.types.SequenceEditor) -> bpy.types.StripsTopLevel:
    """The strips at the top level; `sequences` until Blender 4.3."""
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def lowest_free_channel(strips: Iterable, start: int, end: int, above: int = 0) -> int:
    """The lowest channel above that one with nothing in scene frames [start, end). Raises `JobFailed` where there is none."""
    taken = {strip.channel for strip in strips if strip.frame_final_start < end and start < strip.frame_final_end}
    for channel in range(above + 1, CHANNELS + 1):
        if channel not in taken:
            return channel
    raise JobFailed(
        f"No channel of the sequencer above number {above} is free between frames {start} and {end}.",
        "Remove or move some strips, then try again.",
    )


def add_pictures(
    strips: bpy.types.StripsTopLevel, name: str, pictures: Sequence[Path], channel: int, start: int
) -> bpy.types.Strip:
    """A strip of pictures in one folder, one a frame, scaled to fit the scene's."""
    strip = strips.new_image(name, path_for_blend(pictures[0]), channel, start, fit_method="FIT")
    for picture in pictures[1:]:
        strip.elements.append(picture.name)
    return strip


def select_alone(editor: bpy.types.SequenceEditor, strip: bpy.types.Strip) -> None:
    for other in strips_of(editor):
        other.select = other == strip
    editor.active_strip = strip


def path_for_blend(path: Path) -> str:
    """Relative to the .blend file where it lies below its folder, so that both can be moved together."""
    if bpy.data.filepath and path.is_relative_to(Path(bpy.data.filepath).parent):
        return bpy.path.relpath(str(path))
    return str(path)


class ShowTake(bpy.types.Operator):
    """Go to a workspace with a Video Sequencer: Blender's own, Video Editing, is added where there is none"""

    bl_idname = "understudy.show_take"
    bl_label = "Show in Sequencer"

    def execute(self, context):
        workspace = _find_workspace(context.window) or _add_workspace(context.window)
        if workspace is None:
            self.report({"ERROR"}, "Blender's workspace Video Editing cannot be added. Turn any area into a Video Sequencer.")
            return {"CANCELLED"}
        context.window.workspace = workspace
        if hasattr(workspace, "sequencer_scene"):
            workspace.sequencer_scene = context.scene
        return {"FINISHED"}


def _add_workspace(window: bpy.types.Window) -> bpy.types.WorkSpace | None:
    """The one of a template that comes with Blender; None where that was removed, or has another name in it."""
    if template := next(bpy.utils.app_template_paths(path="Video_Editing"), None):
        with contextlib.suppress(RuntimeError):
            bpy.ops.workspace.append_activate(idname="Video Editing", filepath=str(Path(template) / "startup.blend"))
    return _find_workspace(window)


def _find_workspace(window: bpy.types.Window) -> bpy.types.WorkSpace | None:
    """One that shows a sequencer: the window's own before the others."""

    def shows(workspace: bpy.types.WorkSpace) -> bool:
        return any(area.type == "SEQUENCE_EDITOR" for screen in workspace.screens for area in screen.areas)

    return next(filter(shows, (window.workspace, *bpy.data.workspaces)), None)
