"""The part of the sidebar that shows which bone plays which role, and lets it be changed."""

from __future__ import annotations

import re

import bpy

from ..core.errors import UnderstudyError
from ..core.pose.bones.roles import REQUIRED, Role
from . import mapping, people
from .layout import draw_lines
from .mapping import RigBones, State
from .mapping_operators import active_bone, preset_names

_ICONS: dict[State, str] = {
    "found": "CHECKMARK", "guessed": "QUESTION", "chosen": "GREASEPENCIL", "missing": "X", "gone": "UNLINKED",
}  # fmt: skip
_UNSURE = 0.6  # below this confidence, the family is shown as a warning


class RigPresetMenu(bpy.types.Menu):
    bl_idname = "UNDERSTUDY_MT_rig_presets"
    bl_label = "Presets"

    def draw(self, _context):
        layout = self.layout
        names = preset_names()
        for name in names:
            layout.operator("understudy.apply_rig_preset", text=name, icon="PRESET").name = name
        if names:
            layout.separator()
        layout.operator("understudy.save_rig_preset", text="Save...", icon="ADD")
        layout.operator("understudy.remove_rig_preset", text="Remove...", icon="REMOVE")
        layout.separator()
        layout.operator("understudy.import_rig_preset", text="Import...", icon="IMPORT")
        layout.operator("understudy.export_rig_preset", text="Export...", icon="EXPORT")


def draw_bones(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """A section that opens and closes; nothing where there is no armature."""
    owner = people.active_owner(context)
    if owner is None:
        return
    try:
        known = mapping.bones_of(owner)
    except UnderstudyError as error:
        draw_lines(layout, error, "ERROR")
        return
    header, body = layout.panel_prop(context.scene.understudy, "show_bones")
    header.alert = known.problem is not None
    header.label(text=known.title, icon="ERROR" if known.problem or known.warnings else "BONE_DATA")
    if body:
        _draw_buttons(body, known)
        _draw_roles(body, context, known)


def _draw_buttons(layout: bpy.types.UILayout, known: RigBones) -> None:
    row = layout.row(align=True)
    row.operator("understudy.detect_bones", text="Detect", icon="VIEWZOOM")
    row.menu(RigPresetMenu.bl_idname, icon="PRESET")
    row = layout.row(align=True)
    row.operator("understudy.mirror_bones", text="Mirror L to R", icon="MOD_MIRROR").source = "left"
    row.operator("understudy.mirror_bones", text="R to L", icon="MOD_MIRROR").source = "right"
    if known.problem:
        draw_lines(layout, known.problem, "ERROR")
    for warning in known.warnings:
        draw_lines(layout, warning, "ERROR")
    if known.family and known.confidence < _UNSURE:
        draw_lines(layout, f"{known.family} is a guess: look at the skeleton in the 3D view.", "QUESTION")


def _draw_roles(layout: bpy.types.UILayout, context: bpy.types.Context, known: RigBones) -> None:
    settings = context.scene.understudy
    states = list(known.states.values())
    counts = [f"{states.count(state)} {state}" for state in _ICONS if states.count(state)]
    layout.label(text=", ".join(counts))
    column = layout.column(align=True)
    bone = active_bone(context)
    for role in Role:
        if role in REQUIRED or settings.show_all_roles:
            _draw_role(column, role, known, bone)
    layout.prop(settings, "show_all_roles")


def _draw_role(column: bpy.types.UILayout, role: Role, known: RigBones, active: bpy.types.PoseBone | None) -> None:
    state = known.states[role]
    split = column.split(factor=0.48, align=True)
    split.alert = state == "gone" or (state == "missing" and role in REQUIRED)
    split.label(text=role.replace("_", " ").capitalize(), icon=_ICONS[state])  # type: ignore[arg-type]
    row = split.row(align=True)
    bone = known.bones.get(role, "")
    row.operator("understudy.choose_bone", text=re.split("[:|]", bone)[-1] or "Missing").role = role
    row.operator("understudy.pick_bone", text="", icon="EYEDROPPER").role = role
    if active:
        row.operator("understudy.use_active_bone", text="", icon="RESTRICT_SELECT_OFF").role = role
    if bone:
        row.operator("understudy.clear_bone", text="", icon="X").role = role


def register() -> None:
    bpy.utils.register_class(RigPresetMenu)


def unregister() -> None:
    bpy.utils.unregister_class(RigPresetMenu)
