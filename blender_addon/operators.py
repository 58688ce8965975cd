"""What the buttons do. Operators translate; the modules they call work."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper

from ..core.errors import JobNotFound, UnderstudyError
from ..core.pose import openpose_json
from . import part_export, people, plan, timer
from .demo import DemoScene
from .environment_control import environment
from .plates import AddPlate
from .preferences import ROOT, preferences
from .properties import find_engine
from .record import TakeRecord, find_unfinished
from .reference_operators import ChooseReference, RenderReference
from .reports import fail
from .sampling import sample
from .sequencer import ShowTake
from .server_control import ServerState, server
from .server_process import LOG_NAME
from .session import Phase, session


def _waits(operator) -> bool:
    """Whether to wait for the end: always without a window, where Blender runs no timers."""
    return operator.wait or bpy.app.background


def _wait_property():
    return bpy.props.BoolProperty(
        name="Wait", description="Return when it is done, not at once; for scripts", options={"SKIP_SAVE", "HIDDEN"}
    )


class AddPerson(bpy.types.Operator):
    """Add the active armature, or one without an owner yet, to the people of the take"""

    bl_idname = "understudy.add_person"
    bl_label = "Add Person"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        armature = people.active_armature(context)
        taken = {person.armature for person in context.scene.understudy.people}
        people.add_person(context, armature if armature not in taken else None)
        return {"FINISHED"}


class RemovePerson(bpy.types.Operator):
    """Remove the chosen person from the list"""

    bl_idname = "understudy.remove_person"
    bl_label = "Remove Person"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if not context.scene.understudy.people:
            cls.poll_message_set("The list is empty")
            return False
        return True

    def execute(self, context):
        settings = context.scene.understudy
        settings.people.remove(settings.active_person)
        settings.active_person = max(0, min(settings.active_person, len(settings.people) - 1))
        return {"FINISHED"}


class UseSceneSize(bpy.types.Operator):
    """Draw the take in the size of the scene's own picture, or as large as the engine can in its shape"""

    bl_idname = "understudy.use_scene_size"
    bl_label = "Scene's Size"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        settings = context.scene.understudy
        settings.width, settings.height = plan.size_of_scene(context)
        return {"FINISHED"}


class Generate(bpy.types.Operator):
    """Sample the poses, send them to the server, and put the take into the sequencer"""

    bl_idname = "understudy.generate"
    bl_label = "Generate"
    bl_options = {"REGISTER"}

    wait: _wait_property()

    @classmethod
    def poll(cls, context):
        if work := part_export.find_work():
            cls.poll_message_set(work)
            return False
        if problem := plan.find_problem(context) or plan.find_refusal(context):
            cls.poll_message_set(str(problem))
            return False
        return True

    def execute(self, context):
        try:
            session.start(context.scene, plan.plan_take(context))
        except UnderstudyError as error:
            session.refuse(context.scene, error)
            return fail(self, error)
        return _take_done(self)


class ResumeTake(bpy.types.Operator):
    """Fetch the take that this scene asked for and that Blender did not wait for, and put it into the sequencer"""

    bl_idname = "understudy.resume_take"
    bl_label = "Fetch Unfinished Take"
    bl_options = {"REGISTER"}

    wait: _wait_property()

    @classmethod
    def poll(cls, context):
        if work := part_export.find_work():
            cls.poll_message_set(work)
        return work is None

    def execute(self, context):
        remembered, takes = context.scene.understudy.unfinished, preferences().takes()
        try:
            record = TakeRecord.from_text(remembered) if remembered else find_unfinished(takes)
            if record is None:
                raise JobNotFound(f"There is no unfinished take in {takes}.", "Generate a new one.")
            record.require_in(takes, *preferences().takes_before())
            session.resume(context.scene, record, preferences().server(), plan.previews())
        except UnderstudyError as error:
            return fail(self, error)
        return _take_done(self)


def _take_done(operator: bpy.types.Operator) -> set[str]:
    if not _waits(operator):
        return {"FINISHED"}
    try:
        timer.wait(_printing(session.tick))
    finally:
        if session.busy:  # Ctrl+C in a console: the server must not go on
            session.cancel()
            timer.wait(session.tick)
    if session.error:
        return fail(operator, session.error)
    operator.report({"INFO"}, session.outcome)
    return {"FINISHED"}


def _printing(tick: timer.Ticker) -> timer.Ticker:
    """`tick`, and a line on the console whenever the take's progress reads differently."""
    shown = ""

    def printing() -> float | None:
        nonlocal shown
        pause = tick()
        text = session.progress.text
        if session.busy and text != shown:
            print(f"Understudy: {text}", flush=True)
            shown = text
        return pause

    return printing


class Cancel(bpy.types.Operator):
    """Stop making the take; the server stops within one denoising step"""

    bl_idname = "understudy.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context):
        if not session.busy or session.phase is Phase.CANCELLING:
            cls.poll_message_set("It is being cancelled" if session.busy else "No take is being made")
            return False
        return True

    def execute(self, context):
        session.cancel()
        return {"FINISHED"}


class CopyMissingWeights(bpy.types.Operator):
    """Copy a list of the files that the chosen engine lacks to the clipboard: where each is published, and where it belongs"""

    bl_idname = "understudy.copy_missing_weights"
    bl_label = "Copy the List of Missing Weights"

    @classmethod
    def poll(cls, context):
        engine = find_engine(context.scene.understudy.engine)
        if engine is None or not engine.lacking:
            cls.poll_message_set("The engine lacks no file, as far as the server has said")
            return False
        return True

    def execute(self, context):
        lacking = find_engine(context.scene.understudy.engine).lacking
        context.window_manager.clipboard = "\n".join(lacking)
        self.report({"INFO"}, f"{len(lacking)} lines copied: paste them into a text editor")
        return {"FINISHED"}


class ExportClip(bpy.types.Operator, ExportHelper):
    """Write the poses to a file: an Understudy clip (.npz), or a folder of OpenPose JSON"""

    bl_idname = "understudy.export_clip"
    bl_label = "Export Poses"
    bl_options = {"REGISTER"}

    filename_ext = ".npz"  # offered; a name without it means a folder
    check_extension = None
    filter_glob: bpy.props.StringProperty(default="*.npz;*.json", options={"HIDDEN"})

    @classmethod
    def poll(cls, context):
        if problem := plan.find_problem(context):
            cls.poll_message_set(str(problem))
            return False
        return True

    def execute(self, context):
        path = Path(bpy.path.abspath(self.filepath))  # type: ignore[attr-defined]
        try:
            clip = sample(context.scene, plan.plan_samples(context))
            if path.suffix == ".npz":
                path.parent.mkdir(parents=True, exist_ok=True)
                clip.save(path)
            else:
                openpose_json.write(clip, path)
        except UnderstudyError as error:
            return fail(self, error)
        except OSError as error:
            self.report({"ERROR"}, f"{path} cannot be written: {error.strerror}.")
            return {"CANCELLED"}
        self.report({"INFO"}, f"{len(clip)} frames written to {path}")
        return {"FINISHED"}


class StartServer(bpy.types.Operator):
    """Start the inference server on this computer, or find the one that runs"""

    bl_idname = "understudy.start_server"
    bl_label = "Start Server"

    wait: _wait_property()

    @classmethod
    def poll(cls, context):
        return _server_is_free(cls)

    def execute(self, context):
        try:
            server.start(preferences().server())
        except UnderstudyError as error:
            return fail(self, error)
        return _server_done(self)


class StopServer(bpy.types.Operator):
    """End the inference server on this computer; its finished and waiting jobs are kept"""

    bl_idname = "understudy.stop_server"
    bl_label = "Stop Server"

    wait: _wait_property()

    @classmethod
    def poll(cls, context):
        if preferences().server_mode != "LOCAL":
            cls.poll_message_set("The server is on another computer")
            return False
        if session.busy:
            cls.poll_message_set("It is making a take")
            return False
        if server.state is ServerState.STOPPED:
            cls.poll_message_set("No server is running")
            return False
        return _server_is_free(cls)

    def execute(self, context):
        server.stop(preferences().data())
        return _server_done(self)


def _server_is_free(operator: type[bpy.types.Operator]) -> bool:
    if server.busy:
        operator.poll_message_set("The server is being asked")
    return not server.busy


def _server_done(operator: bpy.types.Operator) -> set[str]:
    if _waits(operator):
        timer.wait(server.tick)
        if server.state is ServerState.FAILED:
            return fail(operator, server.error)
    return {"FINISHED"}


class CreateEnvironment(bpy.types.Operator):
    """Make the Python environment that the server runs in: downloads torch, some hundred megabytes to some gigabytes"""

    bl_idname = "understudy.create_environment"
    bl_label = "Create Environment"

    wait: _wait_property()

    @classmethod
    def poll(cls, context):
        if environment.busy:
            cls.poll_message_set("An environment is being made or tried")
        elif session.busy:
            cls.poll_message_set("A take is being made: the server needs its environment")
        elif not bpy.app.online_access:
            cls.poll_message_set("Blender may not go online: see Preferences > System > Network > Allow Online Access")
        else:
            return True
        return False

    def execute(self, context):
        preferences().environment_mode = "CREATED"
        environment.create(preferences().environment(), preferences().data())
        return _environment_done(self)


class CheckEnvironment(bpy.types.Operator):
    """Try whether the chosen Python can run the server"""

    bl_idname = "understudy.check_environment"
    bl_label = "Check Environment"

    wait: _wait_property()

    @classmethod
    def poll(cls, context):
        if environment.busy:
            cls.poll_message_set("An environment is being made or tried")
        return not environment.busy

    def execute(self, context):
        try:
            environment.check(preferences().python())
        except UnderstudyError as error:
            return fail(self, error)
        return _environment_done(self)


def _environment_done(operator: bpy.types.Operator) -> set[str]:
    if _waits(operator):
        timer.wait(environment.tick)
        if environment.error:
            return fail(operator, environment.error)
        operator.report({"INFO"}, environment.description)
    return {"FINISHED"}


class CancelEnvironment(bpy.types.Operator):
    """Stop making the environment"""

    bl_idname = "understudy.cancel_environment"
    bl_label = "Cancel Environment"

    @classmethod
    def poll(cls, context):
        if not environment.can_cancel:
            cls.poll_message_set("No environment is being made")
        return environment.can_cancel

    def execute(self, context):
        environment.cancel()
        return {"FINISHED"}


class OpenLog(bpy.types.Operator):
    """Show the log in a text editor window"""

    bl_idname = "understudy.open_log"
    bl_label = "Open Log"

    which: bpy.props.EnumProperty(
        items=(("SERVER", "Server", "The server's log"), ("ENVIRONMENT", "Environment", "The log of making the environment")),
        options={"SKIP_SAVE"},
    )

    def execute(self, context):
        chosen = preferences()
        if self.which == "SERVER" and chosen.server_mode != "LOCAL":
            self.report({"WARNING"}, "The server's log is on its own computer")
            return {"CANCELLED"}
        path = chosen.environment().log if self.which == "ENVIRONMENT" else chosen.data() / LOG_NAME
        if not path.is_file():
            self.report({"WARNING"}, f"There is no log yet: {path}")
            return {"CANCELLED"}
        bpy.ops.wm.path_open(filepath=str(path))
        return {"FINISHED"}


class OpenPreferences(bpy.types.Operator):
    """Open the add-on's preferences"""

    bl_idname = "understudy.open_preferences"
    bl_label = "Preferences"

    def execute(self, context):
        bpy.ops.preferences.addon_show(module=ROOT)
        return {"FINISHED"}


CLASSES = (
    AddPerson, RemovePerson,
    RenderReference, ChooseReference, UseSceneSize, AddPlate, Generate, ResumeTake, Cancel, ShowTake,
    CopyMissingWeights, ExportClip, DemoScene,
    StartServer, StopServer, CreateEnvironment,
    CheckEnvironment, CancelEnvironment, OpenLog, OpenPreferences,
)  # fmt: skip

register, unregister = bpy.utils.register_classes_factory(CLASSES)  # type: ignore[func-returns-value, attr-defined]
