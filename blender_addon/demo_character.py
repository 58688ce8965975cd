"""The demo character: a dressed person as one skinned mesh on an armature with Mixamo's bone names.

About 1.74 m tall, facing -Y, its left at +X, arms half lowered at rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import bpy
from mathutils import Vector

from .demo_surface import FORWARD, Ring, Surface, ellipsoid, interpolate, joint_weights, limb

PREFIX = "mixamorig:"

COLOURS = {  # linear RGB
    "skin": (0.72, 0.42, 0.28), "hair": (0.045, 0.018, 0.008), "shirt": (0.85, 0.17, 0.015), "trousers": (0.012, 0.025, 0.16),
    "shoes": (0.85, 0.85, 0.83), "eyes": (0.85, 0.85, 0.84), "irises": (0.014, 0.010, 0.009), "lips": (0.42, 0.11, 0.09),
}  # fmt: skip

# Centre bones: name, head and tail as height; side bones are mirrored from the left ones below.
SPINE = (
    ("Hips", 0.95, 1.03), ("Spine", 1.03, 1.14), ("Spine1", 1.14, 1.27), ("Spine2", 1.27, 1.46), ("Neck", 1.46, 1.53),
    ("Head", 1.53, 1.74), ("HeadTop_End", 1.74, 1.79),
)  # fmt: skip
ARM_DIRECTION = Vector((0.77, 0.0, -0.64)).normalized()
SHOULDER = Vector((0.168, 0.0, 1.395))
ELBOW = SHOULDER + 0.275 * ARM_DIRECTION
WRIST = ELBOW + 0.25 * ARM_DIRECTION
HIP, KNEE, ANKLE = Vector((0.09, 0.0, 0.92)), Vector((0.095, -0.012, 0.50)), Vector((0.095, 0.012, 0.085))
BALL, TOE = Vector((0.10, -0.12, 0.03)), Vector((0.10, -0.185, 0.03))
# Around the spine: height, half width, half depth (metres).
SHIRT = (
    (0.865, 0.172, 0.122), (0.885, 0.180, 0.128), (0.94, 0.176, 0.125), (1.0, 0.166, 0.118), (1.09, 0.158, 0.112),
    (1.22, 0.170, 0.120), (1.32, 0.178, 0.122), (1.385, 0.172, 0.108), (1.43, 0.128, 0.088), (1.46, 0.082, 0.072),
    (1.478, 0.064, 0.062),
)  # fmt: skip
PELVIS = ((0.79, 0.07, 0.06), (0.82, 0.13, 0.10), (0.88, 0.152, 0.108), (0.96, 0.140, 0.10))
# Fingers: how far from the hand's axis towards the thumb, where they start, length, radius (metres).
FINGERS = {
    "Index": (0.029, 0.086, 0.072, 0.0115), "Middle": (0.010, 0.090, 0.080, 0.0115), "Ring": (-0.010, 0.087, 0.073, 0.011),
    "Pinky": (-0.029, 0.080, 0.058, 0.010),
}  # fmt: skip


def _trunk_rings(profile: Sequence[tuple[float, float, float]], bones: Sequence[str]) -> list[Ring]:
    """Rings around the spine; `profile` rows are (height, half width, half depth)."""
    heights = {name: low for name, low, _ in SPINE}
    joints = [heights[bone] for bone in bones]
    lengths = [high - low for low, high in zip(joints, [*joints[1:], joints[-1] + 0.2], strict=True)]
    bottom, top = profile[0][0], profile[-1][0]
    count = round((top - bottom) / 0.025)
    rings = []
    for number in range(count + 1):
        height = bottom + (top - bottom) * number / count
        place = 0.0
        for low, length in zip(joints, lengths, strict=True):
            place += min(1.0, max(0.0, (height - low) / length))
        width, depth = interpolate(profile, height)
        rings.append(
            Ring(Vector((0, 0, height)), (width, depth), Vector((1, 0, 0)), Vector((0, 1, 0)),
                 joint_weights(place, lengths, bones, 0.05))
        )  # fmt: skip
    return rings


def mirror(point: Vector, side: str) -> Vector:
    return point.copy() if side == "Left" else Vector((-point.x, point.y, point.z))


def _finger_joints(name: str) -> list[Vector]:
    """Four joints of a left finger, knuckle to tip."""
    if name == "Thumb":
        base = WRIST + ARM_DIRECTION * 0.022 + FORWARD * 0.024
        direction = (ARM_DIRECTION * 0.75 + FORWARD * 0.65).normalized()
        return [base + direction * length for length in (0, 0.028, 0.052, 0.072)]
    towards_thumb, start, length, _ = FINGERS[name]
    base = WRIST + ARM_DIRECTION * start + FORWARD * towards_thumb
    return [base + ARM_DIRECTION * (length * share) for share in (0, 0.45, 0.75, 1)]


def _bones() -> dict[str, tuple[Vector, Vector, str | None]]:
    """Every bone: head, tail, parent."""
    bones: dict[str, tuple[Vector, Vector, str | None]] = {}
    parent = None
    for name, low, high in SPINE:
        bones[name] = (Vector((0, 0, low)), Vector((0, 0, high)), parent)
        parent = name
    chains = {
        "Spine2": (
            ("Shoulder", "Arm", "ForeArm", "Hand"),
            (Vector((0.03, 0, 1.42)), SHOULDER, ELBOW, WRIST, WRIST + ARM_DIRECTION * 0.09),
        ),
        "Hips": (("UpLeg", "Leg", "Foot", "ToeBase", "Toe_End"), (HIP, KNEE, ANKLE, BALL, TOE, TOE + FORWARD * 0.03)),
    }
    for side in ("Left", "Right"):
        for root, (names, joints) in chains.items():
            parent = root
            for name, head, tail in zip(names, joints, joints[1:], strict=False):
                bones[side + name] = (mirror(head, side), mirror(tail, side), parent)
                parent = side + name
        for finger in ("Thumb", *FINGERS):
            knuckles = _finger_joints(finger)
            parent = f"{side}Hand"
            for number, (head, tail) in enumerate(pairwise(knuckles), start=1):
                name = f"{side}Hand{finger}{number}"
                bones[name] = (mirror(head, side), mirror(tail, side), parent)
                parent = name
            tip = knuckles[-1] + (knuckles[-1] - knuckles[-2]).normalized() * 0.01
            bones[f"{side}Hand{finger}4"] = (mirror(knuckles[-1], side), mirror(tip, side), parent)
    return bones


def _make_body() -> Surface:
    body = Surface()
    body.loft(_trunk_rings(SHIRT, ("Hips", "Spine", "Spine1", "Spine2")), 28, "shirt")
    body.loft(_trunk_rings(PELVIS, ("Hips",)), 28, "trousers")
    neck = [Vector((0, 0.008, 1.42)), Vector((0, 0.008, 1.53)), Vector((0, -0.004, 1.60))]
    body.loft(limb(neck, ["Neck", "Head"], [(0, 0.060), (1, 0.054), (2, 0.052)]), 16, "skin")
    _add_head(body)
    for side in ("Left", "Right"):
        _add_arm(body, side)
        _add_leg(body, side)
    return body


def _add_head(body: Surface) -> None:
    centre, radii = Vector((0, -0.010, 1.612)), (0.090, 0.104, 0.124)

    def on_face(x: float, z: float) -> tuple[float, float, float]:
        depth = math.sqrt(1 - (x / radii[0]) ** 2 - ((z - centre.z) / radii[2]) ** 2)
        return x, centre.y - radii[1] * depth, z

    body.loft(ellipsoid(centre, radii, "Head", 18), 24, "skin")
    # The hair's front lies behind the face's, so the two surfaces cut the hairline by themselves.
    body.loft(ellipsoid((0, 0.014, 1.650), (0.098, 0.108, 0.102), "Head", 18), 24, "hair")
    body.loft(ellipsoid((0, 0.044, 1.582), (0.084, 0.066, 0.086), "Head"), 20, "hair")
    body.loft(ellipsoid(on_face(0, 1.588), (0.013, 0.017, 0.018), "Head", 8), 10, "skin")  # nose
    smile = [Vector(on_face(x, z)) for x, z in ((-0.026, 1.549), (0, 1.5425), (0.026, 1.549))]
    body.loft(limb(smile, ["Head"], [(0, 0.004), (1, 0.0062), (2, 0.004)], 0.006), 8, "lips")
    for sign in (-1, 1):
        x, y, z = on_face(0.036 * sign, 1.618)
        body.loft(ellipsoid((x, y, z), (0.0165, 0.007, 0.0175), "Head", 8), 12, "eyes")
        body.loft(ellipsoid((x * 0.96, y - 0.004, z - 0.001), (0.0105, 0.006, 0.0115), "Head", 8), 12, "irises")
        body.loft(ellipsoid(on_face(0.037 * sign, 1.653), (0.020, 0.006, 0.0042), "Head", 8), 12, "hair")  # eyebrows
        body.loft(ellipsoid((0.090 * sign, 0.0, 1.600), (0.013, 0.021, 0.031), "Head", 8), 12, "skin")  # ears


def _add_arm(body: Surface, side: str) -> None:
    def chain(*joints: Vector) -> list[Vector]:
        return [mirror(joint, side) for joint in joints]

    upper, fore, hand = f"{side}Arm", f"{side}ForeArm", f"{side}Hand"
    arm = [(0.2, 0.045), (0.6, 0.044), (0.95, 0.040), (1.25, 0.041), (1.7, 0.034), (2.0, 0.029)]
    body.loft(limb(chain(SHOULDER, ELBOW, WRIST), [upper, fore], arm), 14, "skin")
    # The sleeve starts inside the trunk, shared with the shoulder, so that a raised arm keeps a shoulder.
    inner = Vector((0.06, 0, 1.385))
    sleeve = [(0.0, 0.058), (0.6, 0.060), (1.0, 0.054), (1.3, 0.057), (1.66, 0.061)]
    body.loft(limb(chain(inner, SHOULDER, ELBOW), ["Spine2", upper], sleeve, blend=0.09), 18, "shirt")

    knuckles = WRIST + ARM_DIRECTION * 0.09
    palm = [(0.0, 0.029, 0.026), (0.3, 0.037, 0.021), (0.8, 0.042, 0.017), (1.0, 0.040, 0.014)]
    body.loft(limb(chain(WRIST - ARM_DIRECTION * 0.01, knuckles), [hand], palm, 0.012), 14, "skin")
    for finger in ("Thumb", *FINGERS):
        radius = 0.0135 if finger == "Thumb" else FINGERS[finger][3]
        joints = chain(*_finger_joints(finger))
        names = [f"{side}Hand{finger}{number}" for number in (1, 2, 3)]
        body.loft(limb(joints, names, [(0, radius), (3, radius * 0.8)], 0.012, blend=0.006), 8, "skin")


def _add_leg(body: Surface, side: str) -> None:
    def chain(*joints: Vector) -> list[Vector]:
        return [mirror(joint, side) for joint in joints]

    leg = [(0.0, 0.076), (0.2, 0.085), (0.6, 0.074), (0.95, 0.064), (1.3, 0.063), (1.65, 0.055), (1.93, 0.055)]
    body.loft(limb(chain(HIP, KNEE, ANKLE), [f"{side}UpLeg", f"{side}Leg"], leg), 16, "trousers")
    foot = f"{side}Foot"
    body.loft(
        limb(chain(ANKLE + Vector((0, 0, 0.05)), ANKLE - Vector((0, 0, 0.03))), [foot], [(0, 0.043), (1, 0.043)]), 14, "shoes"
    )
    heel = Vector((0.095, 0.045, 0.043))
    sole = [(0.0, 0.042, 0.042), (0.55, 0.043, 0.043), (1.0, 0.048, 0.038), (2.0, 0.040, 0.031)]
    body.loft(limb(chain(heel, BALL + Vector((0, 0, 0.008)), TOE), [foot, f"{side}ToeBase"], sole, 0.015), 16, "shoes")


def make_armature(scene: bpy.types.Scene) -> bpy.types.Object:
    armature = bpy.data.objects.new("Understudy Demo", bpy.data.armatures.new("Understudy Demo"))
    scene.collection.objects.link(armature)
    view_layer = scene.view_layers[0]
    for other in view_layer.objects.selected:
        other.select_set(False)
    armature.select_set(True)
    view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for name, (head, tail, parent) in _bones().items():
        bone = armature.data.edit_bones.new(PREFIX + name)
        bone.head, bone.tail = head, tail
        if parent:
            bone.parent = armature.data.edit_bones[PREFIX + parent]
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.show_in_front = True
    return armature


def make_mesh(scene: bpy.types.Scene, armature: bpy.types.Object) -> bpy.types.Object:
    body = _make_body()
    mesh = bpy.data.meshes.new("Understudy Demo Body")
    mesh.from_pydata(body.vertices, [], body.faces)
    for name, colour in COLOURS.items():
        mesh.materials.append(_material(f"Understudy {name}", colour))
    order = list(COLOURS)
    mesh.polygons.foreach_set("material_index", [order.index(name) for name in body.materials])
    mesh.polygons.foreach_set("use_smooth", [True] * len(body.faces))
    person = bpy.data.objects.new("Understudy Demo Body", mesh)
    scene.collection.objects.link(person)
    groups = {}
    for vertex, weights in enumerate(body.weights):
        for bone, weight in weights.items():
            if bone not in groups:
                groups[bone] = person.vertex_groups.new(name=PREFIX + bone)
            groups[bone].add([vertex], weight, "REPLACE")
    person.parent = armature
    person.modifiers.new("Armature", "ARMATURE").object = armature
    return person


def _material(name: str, colour: tuple[float, float, float]) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material.diffuse_color = (*colour, 1.0)
    material.roughness = 0.9
    shader = next(node for node in node_tree(material).nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = 0.9
    shader.inputs["Specular IOR Level"].default_value = 0.1
    return material


def node_tree(owner: bpy.types.Material | bpy.types.World) -> bpy.types.NodeTree:
    if owner.node_tree is None:  # always there since 5.0, where use_nodes is on its way out
        owner.use_nodes = True
    return owner.node_tree
