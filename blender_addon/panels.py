"""The sidebar of the 3D view, tab "Understudy"."""

from __future__ import annotations

from typing import NamedTuple

import bpy

from ..core.errors import (
    Cancelled,
    EnvironmentMissing,
    InvalidWeights,
    JobFailed,
    NoPlate,
    NoReference,
    NotHumanoid,
    ServerStartFailed,
    ServerUnreachable,
    Unauthorized,
    UnderstudyError,
    WorkerDied,
)
from . import people, plan
from .alignment import find_alignment
from .bones_panel import draw_bones
from .environment_control import environment
from .layout import draw_lines, named_beside, wrap
from .pictures import icon_of
from .preferences import draw_online_leave, preferences
from .properties import DRAWING, RUNNING, UnderstudyPerson, find_engine
from .server_control import ServerState, server
from .session import session


class Fix(NamedTuple):
    """A button that mends an error. `lacking`: for the person who lacks a reference."""

    operator: str
    label: str
    icon: str
    lacking: bool = False


_LOG = Fix("understudy.open_log", "Open Log", "TEXT")
_PREFERENCES = Fix("understudy.open_preferences", "Open Preferences", "PREFERENCES")
FIXES: dict[type[UnderstudyError], tuple[Fix, ...]] = {
    EnvironmentMissing: (Fix("understudy.open_preferences", "Set Up the Environment", "PREFERENCES"),),
    ServerStartFailed: (_LOG, _PREFERENCES),
    ServerUnreachable: (Fix("understudy.start_server", "Start Server", "PLAY"),),
    Unauthorized: (_PREFERENCES,),
    NotHumanoid: (Fix("understudy.show_bones", "Map the Bones by Hand", "BONE_DATA"),),
    JobFailed: (_LOG,),
    WorkerDied: (_LOG,),
    InvalidWeights: (
        Fix("understudy.copy_missing_weights", "Copy the List", "COPYDOWN"),
        Fix("understudy.open_preferences", "Choose the Weights Folder", "PREFERENCES"),
    ),
    NoReference: (
        Fix("understudy.render_reference", "Render Reference", "RENDER_STILL", lacking=True),
        Fix("understudy.choose_reference", "Choose a Picture", "FILEBROWSER", lacking=True),
    ),
    NoPlate: (Fix("understudy.add_plate", "Add a Film or Pictures", "FILEBROWSER"),),
}
_SERVER_ICONS = {
    ServerState.UNKNOWN: "QUESTION", ServerState.STOPPED: "RADIOBUT_OFF", ServerState.STARTING: "SORTTIME",
    ServerState.RUNNING: "CHECKMARK", ServerState.FAILED: "ERROR",
}  # fmt: skip
PICTURE_SCALE = 9.0
REFERENCE_SCALE = 6.0


class PeopleList(bpy.types.UIList):
    bl_idname = "UNDERSTUDY_UL_people"

    def draw_item(self, _context, layout, _data, person, _icon, _active, _property, _index=0):
        if person.armature:
            layout.label(text=person.armature.name, icon="OUTLINER_OB_ARMATURE")
        else:
            layout.label(text="No armature", icon="ERROR")
        layout.label(text="", icon="IMAGE_DATA" if person.has_picture else "IMAGE_REFERENCE")


class _SidebarPanel:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Understudy"


class TakePanel(_SidebarPanel, bpy.types.Panel):
    bl_idname = "UNDERSTUDY_PT_take"
    bl_label = "Understudy"
    bl_order = 0

    def draw(self, context):
        layout = self.layout
        _draw_server(layout)
        layout.separator(factor=0.5)
        if session.busy:
            _draw_progress(layout)
        else:
            unfinished = context.scene.understudy.unfinished
            row = layout.row(align=True)
            row.prop(context.scene.understudy, "name")
            if not unfinished:  # there may be one that its scene knows nothing of
                row.operator("understudy.resume_take", text="", icon="IMPORT")
            row = layout.row()
            row.scale_y = 1.6
            row.operator("understudy.generate", icon="RENDER_ANIMATION")
            if unfinished:
                layout.operator("understudy.resume_take", icon="IMPORT")
            problem = plan.find_problem(context) or plan.find_refusal(context)
            if problem:
                _draw_error(layout, problem, "INFO")
            if not problem or not session.error_for(context.scene):  # what failed says nothing beside what is the matter now
                _draw_outcome(layout, context.scene)
        if session.preview and session.is_of(context.scene) and (icon := icon_of(session.preview, at_once=True)):
            layout.template_icon(icon, scale=PICTURE_SCALE)


class PeoplePanel(_SidebarPanel, bpy.types.Panel):
    bl_idname = "UNDERSTUDY_PT_people"
    bl_label = "People"
    bl_order = 1

    def draw(self, context):
        layout = self.layout
        settings = context.scene.understudy
        row = layout.row()
        row.template_list(PeopleList.bl_idname, "", settings, "people", settings, "active_person", rows=2, maxrows=5)
        buttons = row.column(align=True)
        buttons.operator("understudy.add_person", text="", icon="ADD")
        buttons.operator("understudy.remove_person", text="", icon="REMOVE")
        if not settings.people:
            if armature := people.active_armature(context):
                layout.label(text=f"Active: {armature.name}", icon="INFO")
            layout.operator("understudy.render_reference", icon="RENDER_STILL")
            if not bpy.data.armatures:
                layout.operator("understudy.demo_scene", icon="ARMATURE_DATA")
            draw_bones(layout, context)
            return
        person = settings.people[min(settings.active_person, len(settings.people) - 1)]
        layout.prop(person, "armature", text="")
        layout.prop(person, "reference", text="", placeholder="Reference picture")
        layout.operator("understudy.render_reference", icon="RENDER_STILL")
        if person.reference:
            if icon := icon_of(person.picture):
                layout.template_icon(icon, scale=REFERENCE_SCALE)
            else:
                draw_lines(layout, f"{person.picture.name} is not there.", "ERROR")
        _draw_alignment(layout, person)
        draw_bones(layout, context)


class SkeletonPanel(_SidebarPanel, bpy.types.Panel):
    bl_idname = "UNDERSTUDY_PT_skeleton"
    bl_label = "Skeleton"
    bl_order = 2

    def draw_header(self, context):
        self.layout.prop(context.scene.understudy, "show_skeleton", text="")

    def draw(self, context):
        layout = named_beside(self.layout)
        settings = context.scene.understudy
        layout.active = settings.show_skeleton
        layout.prop(settings, "skeleton_opacity")
        layout.prop(settings, "skeleton_backdrop")


class SourcePanel(_SidebarPanel, bpy.types.Panel):
    bl_idname = "UNDERSTUDY_PT_source"
    bl_label = "Source"
    bl_order = 3

    def draw(self, context):
        layout = self.layout
        settings = context.scene.understudy
        layout.row().prop(settings, "source", expand=True)
        named_beside(layout)
        layout.prop(settings, "use_scene_range")
        if not settings.use_scene_range:
            column = layout.column(align=True)
            column.prop(settings, "frame_start")
            column.prop(settings, "frame_end")
        layout.prop(settings, "occlusion")
        frames = len(people.frames_of(context.scene))
        seconds = frames / context.scene.render.fps * context.scene.render.fps_base
        layout.label(text=f"{frames} {'frame' if frames == 1 else 'frames'}, {seconds:.1f} s")
        layout.operator("understudy.export_clip", icon="EXPORT")


class EnginePanel(_SidebarPanel, bpy.types.Panel):
    bl_idname = "UNDERSTUDY_PT_engine"
    bl_label = "Engine"
    bl_order = 4

    def draw(self, context):
        layout = named_beside(self.layout)
        settings = context.scene.understudy
        engine = find_engine(settings.engine)
        layout.prop(settings, "engine_choice", text="Engine")
        if not engine:
            draw_lines(layout, "Start the server to choose among all engines.", "INFO")
        row = layout.row()
        row.enabled = engine is not None  # the server tells what its presets say
        row.prop(settings, "preset")
        column = layout.column(align=True)
        column.prop(settings, "width")
        column.prop(settings, "height")
        column.operator("understudy.use_scene_size", icon="SCENE_DATA")
        layout.prop(settings, "steps")
        layout.prop(settings, "guidance")
        layout.prop(settings, "seed")
        layout.prop(settings, "background")
        if settings.background == "colour":
            layout.prop(settings, "background_colour", text=" ")
        elif settings.background == "plate":
            row = layout.row(align=True)
            row.prop(settings, "plate", icon="SEQUENCE")
            row.operator("understudy.add_plate", text="", icon="FILEBROWSER")
            if settings.source == "CAMERA" and not plan.has_shape_of_scene(context):
                draw_lines(layout, "The take has not the scene's shape and will not fit the plate: press Scene's Size.", "INFO")
        if engine and engine.reads_prompt:
            layout.prop(settings, "prompt")
        if engine:
            frames = len(people.frames_of(context.scene))
            needed = engine.memory_bytes(settings.generation_settings(), frames, server.precision or "float32")
            known = server.precision or settings.precision != "auto"
            layout.label(text=f"Needs {'about' if known else 'up to'} {needed / 1e9:.1f} GB of memory")


class AdvancedPanel(_SidebarPanel, bpy.types.Panel):
    bl_idname = "UNDERSTUDY_PT_advanced"
    bl_label = "Advanced"
    bl_parent_id = EnginePanel.bl_idname
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = named_beside(self.layout)
        settings = context.scene.understudy
        engine = find_engine(settings.engine)
        column = layout.column()
        column.enabled = engine is not None
        for name in (*DRAWING, *RUNNING):
            row = column.row()  # what is not as the engine needs it can be set back
            row.enabled = engine is None or engine.can_choose(name) or engine.refuses(name, settings.told(name))
            row.prop(settings, name)


def _draw_alignment(layout: bpy.types.UILayout, person: UnderstudyPerson) -> None:
    column = layout.column(align=True)
    column.prop(person, "align_to")
    if person.align_to == "OWN":
        return
    if person.align_to == "ARMATURE":
        column.prop(person, "align_armature", text="")
    elif person.align_to == "POINTS":
        row = column.row(align=True)
        placed = len(person.points)
        row.operator("understudy.place_points", text=f"Place Points ({placed})" if placed else "Place Points", icon="CURSOR")
        row.operator("understudy.clear_points", text="", icon="X")
    column.prop(person, "align_strength")
    try:
        find_alignment(person)
    except UnderstudyError as error:
        draw_lines(layout, error, "ERROR")


def _draw_server(layout: bpy.types.UILayout) -> None:
    chosen = preferences()
    if environment.busy:
        row = layout.row(align=True)
        row.progress(factor=environment.fraction, text=environment.text)
        row.operator("understudy.cancel_environment", text="", icon="X")
        return
    try:
        server.refresh(chosen.server())  # on a thread, and not more often than every few seconds
    except EnvironmentMissing as error:
        draw_lines(layout, error, "ERROR")
        layout.operator("understudy.create_environment", icon="IMPORT")
        draw_online_leave(layout)
        layout.operator("understudy.open_preferences", text="Use an Existing One", icon="PREFERENCES")
        if environment.error:
            draw_lines(layout, environment.error, "ERROR")
            layout.operator("understudy.open_log", icon="TEXT").which = "ENVIRONMENT"
        return
    except UnderstudyError as error:
        draw_lines(layout, error, "ERROR")
        layout.operator("understudy.open_preferences", text="Set Up the Server", icon="PREFERENCES")
        return
    row = layout.row(align=True)
    device = f" on {server.device}" if server.state is ServerState.RUNNING and server.device else ""
    row.label(text=server.state.value + device, icon=_SERVER_ICONS[server.state])  # type: ignore[arg-type]
    if chosen.server_mode == "LOCAL":
        if server.state is ServerState.RUNNING:
            row.operator("understudy.stop_server", text="", icon="QUIT")
        else:
            row.operator("understudy.start_server", text="", icon="PLAY")
    row.operator("understudy.open_preferences", text="", icon="PREFERENCES")
    if server.error:
        draw_lines(layout, server.error, "ERROR")


def _draw_progress(layout: bpy.types.UILayout) -> None:
    row = layout.row(align=True)
    row.scale_y = 1.2
    row.progress(factor=session.progress.fraction, text=f"{session.progress.fraction:.0%}")
    row.operator("understudy.cancel", text="", icon="X")
    for line in wrap(session.progress.text):  # in the bar it would be cut where the sidebar is narrow
        layout.label(text=line)


def _draw_outcome(layout: bpy.types.UILayout, scene: bpy.types.Scene) -> None:
    if session.outcome and session.is_of(scene):
        box = draw_lines(layout, session.outcome, "CHECKMARK")
        box.separator()
        box.operator("understudy.show_take", icon="SEQ_SEQUENCER")
    elif error := session.error_for(scene):
        _draw_error(layout, error, "INFO" if isinstance(error, Cancelled) else "ERROR")


def _draw_error(layout: bpy.types.UILayout, error: UnderstudyError, icon: str) -> None:
    box = draw_lines(layout, error, icon)
    for fix in _fixes_of(error):
        box.separator()
        button = box.operator(fix.operator, text=fix.label, icon=fix.icon)  # type: ignore[arg-type]
        if fix.lacking:
            button.lacking = True


def _fixes_of(error: UnderstudyError) -> list[Fix]:
    fixes = next((fixes for kind, fixes in FIXES.items() if isinstance(error, kind)), ())
    elsewhere = preferences().server_mode != "LOCAL"  # where no server can be started from here, and no log be read
    local = ("understudy.start_server", "understudy.open_log")
    return list(dict.fromkeys(_PREFERENCES if elsewhere and fix.operator in local else fix for fix in fixes))


CLASSES = (
    PeopleList, TakePanel, PeoplePanel, SkeletonPanel, SourcePanel, EnginePanel, AdvancedPanel,
)  # fmt: skip

register, unregister = bpy.utils.register_classes_factory(CLASSES)  # type: ignore[func-returns-value, attr-defined]
