"""What the buttons of the bone mapping do."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..core.errors import InvalidPreset, UnderstudyError
from ..core.pose import presets
from ..core.pose.bones.roles import Role
from ..core.pose.presets import Preset
from . import mapping, overlay, people
from .preferences import user_folder
from .storage import file_name

_NO_OWNER = "Select the armature of your character first"
_ROLE = "One of the joints that Understudy needs a bone for"
_SUFFIX = ".json"

# Blender does not keep the strings of a dynamic enumeration alive: somebody must.
_bone_items: list[tuple[str, str, str]] = []
_preset_items: list[tuple[str, str, str]] = []


def preset_folder() -> Path:
    return user_folder("rigs")


def preset_names() -> list[str]:
    return sorted((path.stem for path in preset_folder().glob(f"*{_SUFFIX}")), key=str.casefold)


class BonesOperator:
    """An operator on the bones of the person chosen in the list, or of the active armature where the list is empty."""

    changes = True

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        owner = people.active_owner(context)
        reason = _NO_OWNER if owner is None else None
        if owner and cls.changes:
            reason = mapping.read_only_reason(owner)
        if reason:
            cls.poll_message_set(reason)  # type: ignore[attr-defined]
        return reason is None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Do `change`, and show an error where there is one."""
        try:
            self.change(people.active_owner(context))  # type: ignore[attr-defined]
        except UnderstudyError as error:
            self.report({"ERROR"}, str(error))  # type: ignore[attr-defined]
            return {"CANCELLED"}
        overlay.redraw()
        return {"FINISHED"}


class DetectBones(BonesOperator, bpy.types.Operator):
    """Find which bone plays which role, at some of the scene's frames too, and drop what was changed by hand"""

    bl_idname = "understudy.detect_bones"
    bl_label = "Detect Bones"
    bl_options = {"REGISTER", "UNDO"}

    def change(self, owner):
        mapping.forget(owner)
        known = mapping.bones_of(owner, bpy.context.evaluated_depsgraph_get())
        if known.problem:
            raise known.problem
        self.report({"INFO"}, f"{known.family}: {len(known.bones)} bones, confidence {known.confidence:.0%}")


class ShowBones(BonesOperator, bpy.types.Operator):
    """Look at which bone plays which role, to fill in by hand what was not found"""

    bl_idname = "understudy.show_bones"
    bl_label = "Map the Bones by Hand"
    changes = False

    def execute(self, context):
        context.scene.understudy.show_bones = True
        return {"FINISHED"}


def _list_bones(_operator, context) -> list[tuple[str, str, str]]:
    armature = mapping.armature_of(people.active_owner(context))
    _bone_items[:] = [(bone.name, bone.name, "") for bone in armature.data.bones]
    return _bone_items


class ChooseBone(BonesOperator, bpy.types.Operator):
    """Choose the bone that plays this role from a list"""

    bl_idname = "understudy.choose_bone"
    bl_label = "Choose Bone"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}
    bl_property = "bone"

    role: bpy.props.StringProperty(name="Role", description=_ROLE)
    bone: bpy.props.EnumProperty(name="Bone", items=_list_bones)

    def invoke(self, context, _event):
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def change(self, owner):
        mapping.choose(owner, Role(self.role), self.bone)


class ClearBone(BonesOperator, bpy.types.Operator):
    """Let no bone play this role"""

    bl_idname = "understudy.clear_bone"
    bl_label = "Clear Bone"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    role: bpy.props.StringProperty(name="Role", description=_ROLE)

    def change(self, owner):
        mapping.choose(owner, Role(self.role), "")


class UseActiveBone(BonesOperator, bpy.types.Operator):
    """Let the active pose bone play this role"""

    bl_idname = "understudy.use_active_bone"
    bl_label = "Use Active Bone"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    role: bpy.props.StringProperty(name="Role", description=_ROLE)

    @classmethod
    def poll(cls, context):
        if not super().poll(context):
            return False
        if active_bone(context) is None:
            cls.poll_message_set("Select one of its bones in Pose Mode first")
            return False
        return True

    def execute(self, context):
        self._bone = active_bone(context).name
        return super().execute(context)

    def change(self, owner):
        mapping.choose(owner, Role(self.role), self._bone)


def active_bone(context: bpy.types.Context) -> bpy.types.PoseBone | None:
    """The active pose bone, where it is one of the armature whose bones are looked at."""
    bone, owner = context.active_pose_bone, people.active_owner(context)
    return bone if bone and owner and bone.id_data == mapping.armature_of(owner) else None


class MirrorBones(BonesOperator, bpy.types.Operator):
    """Give the other side the bones that are called as this side's are, with left and right exchanged"""

    bl_idname = "understudy.mirror_bones"
    bl_label = "Mirror Bones"
    bl_options = {"REGISTER", "UNDO"}

    source: bpy.props.EnumProperty(
        name="From",
        items=(
            ("left", "Left to Right", "The right is made like the left"),
            ("right", "Right to Left", "The left is made like the right"),
        ),
    )

    def change(self, owner):
        known = mapping.bones_of(owner)
        names = mapping.armature_of(owner).data.bones.keys()
        mirrored = {role.value: bone for role, bone in presets.mirror(known.bones, names, self.source).items()}
        changed = sum(known.bones.get(role) != bone for role, bone in mirrored.items())
        if changed:
            mapping.remember(owner, mirrored, known.family or mapping.BY_HAND)
        self.report({"INFO"}, f"{changed} bones changed" if changed else "Both sides agree")


class SaveRigPreset(BonesOperator, bpy.types.Operator):
    """Keep which bone plays which role under a name, for other armatures with the same bones"""

    bl_idname = "understudy.save_rig_preset"
    bl_label = "Save Bone Mapping"
    changes = False

    name: bpy.props.StringProperty(name="Name")

    def invoke(self, context, _event):
        self.name = self.name or people.active_owner(context).name
        return context.window_manager.invoke_props_dialog(self)

    def change(self, owner):
        path = preset_folder() / (file_name(self.name, "rig") + _SUFFIX)
        _write(path, owner)
        self.report({"INFO"}, f"Saved as {path.stem}")


class ExportRigPreset(BonesOperator, bpy.types.Operator, ExportHelper):
    """Write which bone plays which role to a file, to hand to others"""

    bl_idname = "understudy.export_rig_preset"
    bl_label = "Export Bone Mapping"
    changes = False

    filename_ext = _SUFFIX
    filter_glob: bpy.props.StringProperty(default=f"*{_SUFFIX}", options={"HIDDEN"})

    def change(self, owner):
        path = Path(bpy.path.abspath(self.filepath))  # type: ignore[attr-defined]
        _write(path, owner)
        self.report({"INFO"}, f"Written to {path}")


class ImportRigPreset(BonesOperator, bpy.types.Operator, ImportHelper):
    """Read which bone plays which role from a file, use it here, and keep it among the presets"""

    bl_idname = "understudy.import_rig_preset"
    bl_label = "Import Bone Mapping"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = _SUFFIX
    filter_glob: bpy.props.StringProperty(default=f"*{_SUFFIX}", options={"HIDDEN"})

    def change(self, owner):
        path = Path(bpy.path.abspath(self.filepath))  # type: ignore[attr-defined]
        preset = presets.load(path)
        _apply(self, owner, preset, path.stem)
        _save(preset_folder() / (file_name(path.stem, "rig") + _SUFFIX), preset)


def _list_presets(_operator, _context) -> list[tuple[str, str, str]]:
    _preset_items[:] = [(name, name, "") for name in preset_names()]
    return _preset_items


class ApplyRigPreset(BonesOperator, bpy.types.Operator):
    """Let the bones play the roles that this preset gives them"""

    bl_idname = "understudy.apply_rig_preset"
    bl_label = "Apply Bone Mapping"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    name: bpy.props.StringProperty(name="Preset")  # an enumeration would read the folder for each entry of the menu

    def change(self, owner):
        _apply(self, owner, presets.load(preset_folder() / (self.name + _SUFFIX)), self.name)


class RemoveRigPreset(bpy.types.Operator):
    """Delete a preset's file"""

    bl_idname = "understudy.remove_rig_preset"
    bl_label = "Remove Bone Mapping"
    bl_property = "name"

    name: bpy.props.EnumProperty(name="Preset", items=_list_presets)

    @classmethod
    def poll(cls, _context):
        if not preset_names():
            cls.poll_message_set("There is no preset")
            return False
        return True

    def invoke(self, context, _event):
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def execute(self, _context):
        path = preset_folder() / (self.name + _SUFFIX)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self.report({"ERROR"}, f"{path} cannot be removed: {error.strerror}.")
            return {"CANCELLED"}
        self.report({"INFO"}, f"{self.name} removed")
        return {"FINISHED"}


def _apply(operator: bpy.types.Operator, owner: bpy.types.Object, preset: Preset, name: str) -> None:
    """Use a preset on `owner`. Bones that the armature has not are kept as gone, to be seen in the list."""
    mapping.remember(owner, {role.value: bone for role, bone in preset.mapping.items()}, name)
    gone = sum(state == "gone" for state in mapping.bones_of(owner).states.values())
    if gone:
        operator.report({"WARNING"}, f"{name}: {gone} of {len(preset.mapping)} bones are not in this armature")
    else:
        operator.report({"INFO"}, f"{name}: {len(preset.mapping)} bones")


def _write(path: Path, owner: bpy.types.Object) -> None:
    known = mapping.bones_of(owner)
    _save(path, Preset(known.family or mapping.BY_HAND, {Role(role): bone for role, bone in known.bones.items()}))


def _save(path: Path, preset: Preset) -> None:
    try:
        presets.save(path, preset)
    except OSError as error:
        raise InvalidPreset(f"{path} cannot be written: {error.strerror}.", "Choose another folder.") from error


CLASSES = (
    DetectBones, ShowBones, ChooseBone, ClearBone, UseActiveBone, MirrorBones,
    SaveRigPreset, ExportRigPreset, ImportRigPreset, ApplyRigPreset, RemoveRigPreset,
)  # fmt: skip

register, unregister = bpy.utils.register_classes_factory(CLASSES)  # type: ignore[func-returns-value, attr-defined]
