"""A picture of one character, alone, through the scene's camera at the current frame: the reference of its takes."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

import bpy

from ..core.errors import NoCamera, PoseError
from ..core.pose.clip import PoseClip
from ..core.pose.reference import with_pose
from ..core.pose.skeleton import BODY, INDEX
from .bodies import moves_with
from .sample_options import Person, SampleOptions
from .sampling import sample
from .storage import file_name, make_folder, save

LONG_SIDE = 512  # pixels, at least: engines scale references down, never up
SAMPLES = 24
AMBIENT = (0.5, 0.5, 0.5)  # linear RGB: the light from all around
_DRAWN = {"MESH", "CURVE", "CURVES", "SURFACE", "META", "FONT", "VOLUME", "POINTCLOUD", "GPENCIL", "GREASEPENCIL"}


class Rendered(NamedTuple):
    """A reference's file, and what of the person it does not show, for people: "" where nothing is to be said."""

    path: Path
    unseen: str


def render_reference(scene: bpy.types.Scene, person: Person, size: tuple[int, int], references: Path) -> Rendered:
    """A PNG of the person's character, cut out, with its pose in it; by the viewport's renderer, or Cycles without a window.

    `size` is that of the take, whose shape the picture has; it lies in a new folder in `references`. Raises `NoCamera`,
    `PoseError` where there is nothing to draw or nothing was drawn, `JobError` for the folder. The scene is as it was
    afterwards.
    """
    armature = person.armature
    if scene.camera is None:
        raise NoCamera(f"The scene {scene.name!r} has no camera.", "Add a camera that sees the character.")
    body = body_of(scene, armature)
    if not body:
        raise PoseError(f"{armature.name!r} moves no mesh that could be drawn.", "Choose a picture of the character instead.")
    path = make_folder(references, file_name(armature.name, "person")) / "reference.png"
    factor = max(1.0, LONG_SIDE / max(size))
    width, height = round(size[0] * factor), round(size[1] * factor)
    with contextlib.ExitStack() as stack:
        change = Changes(stack)
        _set_up_picture(scene.render, (width, height), path, stack, change)
        for other in scene.objects:
            if other.type in _DRAWN and other not in body:  # what the user hides in renders stays hidden
                change(other, "hide_render", True)
        change(scene, "world", _plain_world(stack))
        if bpy.app.background:
            _render_cycles(scene, change)
        else:
            _render_viewport(scene, change)
    if not path.is_file():
        path.parent.rmdir()
        raise PoseError(f"Blender drew no picture into {path}.", "Look at Blender's console, or choose a picture instead.")
    here = range(scene.frame_current, scene.frame_current + 1)
    # Without its pose a picture is of use too; what keeps the armature from being read is said when a take is asked for.
    with contextlib.suppress(PoseError):
        pose = sample(scene, SampleOptions((person,), here, width, height, "CAMERA", None))
        save(path, with_pose(path.read_bytes(), pose))
        return Rendered(path, find_unseen(pose))
    return Rendered(path, "")


def find_unseen(pose: PoseClip) -> str:
    """What a picture of the one person in the one frame of `pose` does not show, for people; "" where nothing is to be said."""
    points, visible = pose.pixels()[0, 0, BODY], pose.visible[0, 0, BODY]
    if not visible[INDEX["nose"]]:
        return f"The picture shows {pose.people[0]} from behind"
    if ((points < 0) | (points >= (pose.width, pose.height))).any(axis=-1)[visible].any():
        return f"{pose.people[0]} is partly outside the picture"
    return ""


def _set_up_picture(
    render: bpy.types.RenderSettings, size: tuple[int, int], path: Path, stack: contextlib.ExitStack, change: Changes
) -> None:
    change(render, "resolution_x", size[0])
    change(render, "resolution_y", size[1])
    change(render, "resolution_percentage", 100)
    change(render, "filepath", str(path))
    change(render, "film_transparent", True)
    change(render, "use_border", False)
    change(render, "use_compositing", False)
    change(render, "use_sequencer", False)
    image = render.image_settings
    # Another format changes the depth and the mode on its own: they are set back after it.
    stack.callback(_restore, image, {name: getattr(image, name) for name in ("color_mode", "color_depth")})
    if hasattr(image, "media_type"):  # Blender 5
        change(image, "media_type", "IMAGE")
    change(image, "file_format", "PNG")
    image.color_mode = "RGBA"


def _restore(owner, values: dict[str, str]) -> None:
    for name, value in values.items():
        setattr(owner, name, value)


def body_of(scene: bpy.types.Scene, armature: bpy.types.Object) -> set[bpy.types.Object]:
    """What moves with the armature: skinned by it, or a descendant of it."""
    return {
        entry
        for entry in scene.objects
        if entry.type in _DRAWN and moves_with(entry, armature)
    }


class Changes:
    """Sets attributes, and sets them back, last first, when its stack unwinds."""

    def __init__(self, stack: contextlib.ExitStack):
        self._stack = stack

    def __call__(self, owner, name: str, value) -> None:
        before = getattr(owner, name)
        if hasattr(before, "__len__") and not isinstance(before, str):
            before = tuple(before)  # a colour is a window onto the value, and would change with it
        if before != value:
            self._stack.callback(setattr, owner, name, before)
            setattr(owner, name, value)


def _plain_world(stack: contextlib.ExitStack) -> bpy.types.World:
    world = bpy.data.worlds.new("Understudy reference")
    stack.callback(bpy.data.worlds.remove, world)
    world.color = AMBIENT
    if bpy.app.version < (5, 0):  # later ones have nodes in every world
        world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (*AMBIENT, 1.0)
    return world


def _render_cycles(scene: bpy.types.Scene, change: Changes) -> None:
    change(scene.render, "engine", "CYCLES")
    change(scene.cycles, "device", "CPU")
    change(scene.cycles, "samples", SAMPLES)
    change(scene.cycles, "use_adaptive_sampling", False)
    change(scene.cycles, "use_denoising", False)
    bpy.ops.render.render(write_still=True, scene=scene.name)


def _render_viewport(scene: bpy.types.Scene, change: Changes) -> None:
    for other in scene.objects:
        if other.type in _DRAWN:
            change(other, "hide_viewport", other.hide_render)
    for material in bpy.data.materials:
        # Solid shading draws this colour, which few people set; that of the shader is the one they see.
        if not material.library and (colour := _shader_colour(material)):
            change(material, "diffuse_color", colour)
    shading = scene.display.shading
    change(shading, "light", "STUDIO")
    change(shading, "color_type", "TEXTURE")
    change(shading, "show_cavity", False)
    change(shading, "show_object_outline", False)
    change(shading, "background_type", "WORLD")
    bpy.ops.render.opengl(write_still=True, view_context=False)


def _shader_colour(material: bpy.types.Material) -> tuple[float, ...] | None:
    """The colour of the material's first shader that has one of its own, linear RGBA."""
    for node in material.node_tree.nodes if material.node_tree else ():
        for name in ("Base Color", "Color"):
            socket: bpy.types.NodeSocket = node.inputs.get(name)
            if node.type.startswith("BSDF") and socket and not socket.is_linked:
                return tuple(socket.default_value)
    return None
