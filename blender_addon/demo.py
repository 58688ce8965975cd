"""The demo scene, made by code: a character that walks, waves and turns, with camera and light."""

from __future__ import annotations

import math

import bpy
from mathutils import Quaternion

from .demo_character import ARM_DIRECTION, PREFIX, make_armature, make_mesh, mirror, node_tree
from .demo_surface import smoothstep

FPS = 24
FRAMES = 48
SIZE = (384, 512)  # pixels


def _make_camera(scene: bpy.types.Scene) -> None:
    camera = bpy.data.objects.new("Understudy Camera", bpy.data.cameras.new("Understudy Camera"))
    camera.data.lens = 70
    camera.location = (0.0, -4.35, 0.90)
    camera.rotation_euler = (math.radians(90), 0, 0)
    scene.collection.objects.link(camera)
    scene.camera = camera


def _make_light(scene: bpy.types.Scene) -> None:
    sun = bpy.data.objects.new("Understudy Sun", bpy.data.lights.new("Understudy Sun", "SUN"))
    sun.data.energy = 1.7
    sun.data.angle = math.radians(40)  # a large, soft light
    sun.rotation_euler = (math.radians(48), math.radians(8), math.radians(32))
    scene.collection.objects.link(sun)

    scene.world = bpy.data.worlds.new("Understudy Backdrop")
    scene.world.color = (0.75, 0.77, 0.8)
    tree = node_tree(scene.world)
    tree.nodes.clear()
    # The camera sees a light backdrop, the character is lit by a dimmer one: otherwise the shading drowns.
    output, mix = tree.nodes.new("ShaderNodeOutputWorld"), tree.nodes.new("ShaderNodeMixShader")
    ambient, backdrop = tree.nodes.new("ShaderNodeBackground"), tree.nodes.new("ShaderNodeBackground")
    ambient.inputs["Strength"].default_value = 0.55
    ambient.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)
    backdrop.inputs["Color"].default_value = (0.75, 0.77, 0.8, 1.0)
    path = tree.nodes.new("ShaderNodeLightPath")
    tree.links.new(path.outputs["Is Camera Ray"], mix.inputs[0])
    tree.links.new(ambient.outputs[0], mix.inputs[1])
    tree.links.new(backdrop.outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], output.inputs["Surface"])


def _key_rotation(armature: bpy.types.Object, bone: str, rotation: Quaternion, frame: int) -> None:
    """Key a rotation given about the armature's axes, on top of the rest pose."""
    pose = armature.pose.bones[PREFIX + bone]
    rest = pose.bone.matrix_local.to_quaternion()
    pose.rotation_quaternion = rest.inverted() @ rotation @ rest
    pose.keyframe_insert("rotation_quaternion", frame=frame)


def _about(axis: str, degrees: float) -> Quaternion:
    return Quaternion({"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1)}[axis], math.radians(degrees))


def _animate(armature: bpy.types.Object, frames: int) -> None:
    """Walk on the spot all the time; wave in the first half; turn once around in the second."""
    hips = armature.pose.bones[PREFIX + "Hips"]
    for frame in range(1, frames + 1):
        progress = (frame - 1) / max(1, frames - 1)
        seconds = (frame - 1) / FPS
        swing = math.sin(2 * math.pi * seconds)
        wave = smoothstep(progress / 0.16) * (1 - smoothstep((progress - 0.46) / 0.16))

        hips.location = (0, 0.018 * math.cos(4 * math.pi * seconds), 0)  # the bone points up: its y is height
        hips.keyframe_insert("location", frame=frame)
        _key_rotation(armature, "Spine1", _about("z", -5 * swing), frame)
        _key_rotation(armature, "Head", _about("z", 5 * swing) @ _about("y", -5 * wave), frame)
        for side, sign in (("Left", 1), ("Right", -1)):
            step = swing * sign
            _key_rotation(armature, f"{side}UpLeg", _about("x", -6 - 22 * step), frame)
            _key_rotation(
                armature, f"{side}Leg", _about("x", 10 + 34 * max(0.0, math.cos(2 * math.pi * seconds) * sign)), frame
            )
            _key_rotation(armature, f"{side}Foot", _about("x", -4 + 6 * step), frame)
        hanging = _about("x", 20 * swing) @ _about("y", 36)
        _key_rotation(armature, "LeftArm", hanging, frame)
        _key_rotation(armature, "LeftForeArm", _about("x", -16 + 10 * swing), frame)
        hanging, raised = _about("x", -20 * swing) @ _about("y", -36), _about("y", 36)
        _key_rotation(armature, "RightArm", hanging.slerp(raised, wave), frame)
        # The waving forearm turns about itself, half of it in the wrist, to show its palm.
        half_twist = Quaternion(mirror(ARM_DIRECTION, "Right"), math.radians(42))
        bent, waving = _about("x", -16 - 10 * swing), _about("y", 66 + 22 * math.sin(4 * math.pi * seconds)) @ half_twist
        _key_rotation(armature, "RightForeArm", bent.slerp(waving, wave), frame)
        _key_rotation(armature, "RightHand", Quaternion().slerp(half_twist, wave), frame)
        armature.rotation_euler[2] = math.radians(18 * (1 - progress)) + 2 * math.pi * smoothstep((progress - 0.46) / 0.54)
        armature.keyframe_insert("rotation_euler", index=2, frame=frame)


def make_scene(scene: bpy.types.Scene, frames: int = FRAMES) -> bpy.types.Object:
    """Add the character, its animation, a camera and light to `scene` (the window's one), and set size, rate and range.

    Returns the armature, selected and active. Blender must be in object mode.
    """
    armature = make_armature(scene)
    for bone in armature.pose.bones:
        bone.rotation_mode = "QUATERNION"
    make_mesh(scene, armature)
    _animate(armature, frames)
    _make_camera(scene)
    _make_light(scene)
    scene.frame_start, scene.frame_end = 1, frames
    scene.render.fps, scene.render.fps_base = FPS, 1.0
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    scene.render.resolution_percentage = 100
    scene.view_settings.view_transform = "Standard"  # type: ignore[assignment]  # the colours as they are named
    scene.frame_set(1)
    return armature


class DemoScene(bpy.types.Operator):
    """Open a scene of its own with a walking, waving character, camera and light, to try Understudy on"""

    bl_idname = "understudy.demo_scene"
    bl_label = "Open Demo Scene"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.mode != "OBJECT":
            cls.poll_message_set("Leave the current mode first: it works in Object Mode")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.window.scene = bpy.data.scenes.new("Understudy Demo")
        make_scene(context.scene)
        for area in context.window.screen.areas:
            if area.type == "VIEW_3D":
                area.spaces.active.region_3d.view_perspective = "CAMERA"
        return {"FINISHED"}
