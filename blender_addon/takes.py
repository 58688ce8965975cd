"""A finished take becomes one image-sequence strip in its scene's sequencer. Main thread only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import bpy

from ..core.errors import JobFailed
from .record import TakeRecord

CHANNELS = 128  # Blender's own limit


def import_take(scene: bpy.types.Scene, take: TakeRecord, frames: Sequence[Path]) -> bpy.types.Strip:
    """Add the pictures of `take` to the scene's sequencer as one strip on the lowest free channel, and select it alone.

    Raises `JobFailed` where no channel is free.
    """
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = strips_of(editor)
    end = take.first_frame + len(frames)
    channel = lowest_free_channel(strips, take.first_frame, end)
    for other in strips:
        other.select = False
    strip = strips.new_image(take.request.name, _path_for_blend(frames[0]), channel, take.first_frame, fit_method="FIT")
    for frame in frames[1:]:
        strip.elements.append(frame.name)
    strip.select = True
    editor.active_strip = strip
    strip["understudy_job"] = take.job
    strip["understudy_clip"] = take.clip_digest
    strip["understudy_request"] = json.dumps(take.request.to_json())
    return strip


def show(scene: bpy.types.Scene) -> None:
    """Since Blender 5.0 sequencers edit the scene that their workspace names: where that is none, name this one."""
    for window in bpy.context.window_manager.windows:
        if getattr(window.workspace, "sequencer_scene", scene) is None:
            window.workspace.sequencer_scene = scene


def strips_of(editor: bpy.types.SequenceEditor) -> bpy.types.StripsTopLevel:
    """The strips at the top level; `sequences` until Blender 4.3."""
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def lowest_free_channel(strips: Iterable, start: int, end: int) -> int:
    """The lowest channel with nothing in scene frames [start, end)."""
    taken = {strip.channel for strip in strips if strip.frame_final_start < end and start < strip.frame_final_end}
    for channel in range(1, CHANNELS + 1):
        if channel not in taken:
            return channel
    raise JobFailed(
        f"No channel of the sequencer is free between frames {start} and {end}.",
        "Remove or move some strips, then generate again.",
    )


def _path_for_blend(path: Path) -> str:
    """Relative to the .blend file where it lies below its folder, so that both can be moved together."""
    if bpy.data.filepath and path.is_relative_to(Path(bpy.data.filepath).parent):
        return bpy.path.relpath(str(path))
    return str(path)
