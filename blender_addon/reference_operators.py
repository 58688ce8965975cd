"""What the buttons do that give a person a reference picture."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper

from ..core.errors import NoArmature, UnderstudyError
from . import people, plan
from .generation import read_reference
from .preferences import preferences
from .reference import render_reference
from .reports import fail
from .sequencer import path_for_blend


class _ReferenceOperator:
    """On the active person, or on a new one for the active armature where the list is empty."""

    lacking: bpy.props.BoolProperty(
        name="Who Lacks One", description="For the first person without a picture, not for the one chosen in the list",
        options={"HIDDEN", "SKIP_SAVE"},
    )  # fmt: skip

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if nobody := people.find_nobody(context):
            cls.poll_message_set(str(nobody))  # type: ignore[attr-defined]
        return nobody is None

    def armature(self, context: bpy.types.Context) -> bpy.types.Object:
        """Whose picture it is to be. Raises `NoArmature`."""
        place = self._place(context)
        armature = people.active_armature(context) if place is None else context.scene.understudy.people[place].armature
        if armature is None:
            raise NoArmature("The person has no armature.", "Pick one in the list.")
        return armature

    def give(self, context: bpy.types.Context, picture: Path) -> None:
        """Make it the reference of the person, whom the panel then shows."""
        place = self._place(context)
        if place is None:
            people.add_person(context, people.active_armature(context))
        else:
            context.scene.understudy.active_person = place
        people.active_person(context).reference = path_for_blend(picture)

    def _place(self, context: bpy.types.Context) -> int | None:
        """The person's in the list; None where that is empty."""
        settings = context.scene.understudy
        if self.lacking and (without := plan.find_without_reference(settings.people)) is not None:
            return without
        return min(settings.active_person, len(settings.people) - 1) if settings.people else None


class RenderReference(_ReferenceOperator, bpy.types.Operator):
    """Draw this character alone, through the scene's camera at the current frame, and use the picture as the reference"""

    bl_idname = "understudy.render_reference"
    bl_label = "Render Reference"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if context.scene.camera is None:
            cls.poll_message_set("The scene has no camera that sees the character")
            return False
        return super().poll(context)

    def execute(self, context):
        settings = context.scene.understudy
        size = settings.width, settings.height
        try:
            drawn = people.to_sample(self.armature(context))
            rendered = render_reference(context.scene, drawn, size, preferences().takes() / "references")
        except UnderstudyError as error:
            return fail(self, error)
        self.give(context, rendered.path)
        if rendered.unseen:
            self.report({"WARNING"}, f"{rendered.unseen}: the model has to guess that. Another frame or camera may show more")
        return {"FINISHED"}


class ChooseReference(_ReferenceOperator, bpy.types.Operator, ImportHelper):
    """Choose a picture of this character, on a plain background, as the reference"""

    bl_idname = "understudy.choose_reference"
    bl_label = "Choose Picture"
    bl_options = {"REGISTER", "UNDO"}

    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    filter_image: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    def execute(self, context):
        path = Path(bpy.path.abspath(self.filepath))  # type: ignore[attr-defined]
        try:
            read_reference(self.armature(context).name, path)
        except UnderstudyError as error:
            return fail(self, error)
        self.give(context, path)
        return {"FINISHED"}
