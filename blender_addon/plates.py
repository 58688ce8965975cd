"""The plate behind a take: any strip of the scene's sequencer that shows something. Main thread only.

Nothing of it goes to the server: the take is drawn with an alpha channel, and its strip is laid over the plate's. So a plate
can be graded, moved or exchanged afterwards without drawing the take again, and is what strips are: a film, pictures, the
render of another scene, a meta strip.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper

from ..core.errors import InvalidRequest, UnderstudyError
from .people import frames_of
from .reports import fail
from .sequencer import add_pictures, lowest_free_channel, path_for_blend, select_alone, show, strips_of

_LAST_FRAME = 1_048_574  # that Blender has


def plates_of(scene: bpy.types.Scene) -> list[str]:
    """The names of the strips that can be a plate."""
    editor = scene.sequence_editor
    return [strip.name for strip in strips_of(editor) if strip.type != "SOUND"] if editor else []


def find_plate(scene: bpy.types.Scene, name: str) -> bpy.types.Strip | None:
    """The strip of this name; None where there is none, or no name."""
    return strips_of(scene.sequence_editor).get(name) if scene.sequence_editor and name else None


def add_plate(scene: bpy.types.Scene, files: Sequence[Path], frames: range) -> bpy.types.Strip:
    """A film, or pictures in one folder, as a strip from the first of the scene frames `frames` on; one picture lasts for all.

    Raises `InvalidRequest` for what Blender cannot show, `JobFailed` where no channel is free.
    """
    films = [file for file in files if file.suffix.lower() in bpy.path.extensions_movie]  # type: ignore[attr-defined]
    pictures = [file for file in files if file.suffix.lower() in bpy.path.extensions_image]  # type: ignore[attr-defined]
    if not files or len(files) not in (len(pictures), 1 if films else 0):
        raise _no_plate(files)
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = strips_of(editor)
    start, name = frames.start, files[0].stem
    channel = lowest_free_channel(strips, start, _LAST_FRAME)  # how long a film is, Blender tells when it is there
    if films:
        strip = strips.new_movie(name, path_for_blend(films[0]), channel, start, fit_method="FIT")
    else:
        strip = add_pictures(strips, name, sorted(files), channel, start)
    if not strip.elements[0].orig_width:  # Blender adds what it cannot read just the same
        strips.remove(strip)
        raise _no_plate(files)
    if len(pictures) == 1:
        strip.frame_final_end = frames.stop
    select_alone(editor, strip)
    return strip


def _no_plate(files: Sequence[Path]) -> InvalidRequest:
    what = files[0].name if files else "Nothing"
    return InvalidRequest(f"{what} cannot be a plate.", "Choose one film, one picture, or the pictures of a sequence.")


class AddPlate(bpy.types.Operator, ImportHelper):
    """Put a film, a picture or the pictures of a sequence into the sequencer, as what stands behind the people"""

    bl_idname = "understudy.add_plate"
    bl_label = "Add Plate"
    bl_options = {"REGISTER", "UNDO"}

    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: bpy.props.CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_movie: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    def execute(self, context):
        folder = Path(bpy.path.abspath(self.directory))
        chosen = [folder / file.name for file in self.files] or [Path(bpy.path.abspath(self.filepath))]  # type: ignore[attr-defined]
        settings = context.scene.understudy
        try:
            strip = add_plate(context.scene, chosen, frames_of(context.scene))
        except UnderstudyError as error:
            return fail(self, error)
        settings.background, settings.plate = "plate", strip.name
        show(context.scene)
        return {"FINISHED"}
