"""DensePose's parts of the characters' own meshes, as the camera sees them, frame by frame."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import bpy
import numpy as np

from ..core.pose.bones.roles import Role
from ..core.pose.mannequin import statures
from ..core.pose.mesh_parts import ROLES, draw_parts, part_numbers
from ..core.pose.surface import Lens
from .bodies import meshes_of
from .instances import space_of
from .sample_options import Person, SampleOptions
from .sampling import Found, Sampling, validate
from .viewpoint import look

_SLICE = 0.02  # seconds of sampling between two steps
_WEIGHTS_AT_ONCE = 1_000  # a few milliseconds' worth


class _Skin:
    """A mesh that a person's armature moves. `role_of_group` tells a vertex group's role: numbers in `ROLES`, or -1."""

    def __init__(self, mesh: bpy.types.Object, person: Person, role_of_group: np.ndarray):
        self._mesh, self._person, self._role_of_group = mesh, person, role_of_group
        self._roles = np.empty(0, int)  # of the vertices

    def fits(self, depsgraph: bpy.types.Depsgraph) -> bool:
        """Whether the roles are those of the frame's vertices: weights change only with the topology."""
        return len(self._roles) == len(self._mesh.evaluated_get(depsgraph).data.vertices)  # type: ignore[union-attr]

    def read_roles(self) -> Iterator[None]:
        """Read the vertices' roles, in steps of a few milliseconds: characters can have a million."""
        roles: list[int] = []
        while True:
            depsgraph = bpy.context.evaluated_depsgraph_get()  # anew: between two steps the last one's meshes may be freed
            vertices = self._mesh.evaluated_get(depsgraph).data.vertices  # type: ignore[union-attr]
            some = range(len(roles), min(len(roles) + _WEIGHTS_AT_ONCE, len(vertices)))
            roles += [self._role(vertices[number]) for number in some]
            if len(roles) >= len(vertices):
                break
            yield
        self._roles = np.array(roles, int)

    def triangles(self, depsgraph: bpy.types.Depsgraph) -> tuple[np.ndarray, np.ndarray]:
        """As the frame has it: corners [n, 3, 3] in world space, and the role of each triangle [n]."""
        owner = self._mesh.evaluated_get(depsgraph)
        data = owner.to_mesh()
        try:
            data.calc_loop_triangles()
            vertices = np.empty(len(data.vertices) * 3, np.float32)
            data.attributes["position"].data.foreach_get("vector", vertices)  # type: ignore[attr-defined]
            corners = np.empty(len(data.loop_triangles) * 3, np.int32)
            data.loop_triangles.foreach_get("vertices", corners)
        finally:
            owner.to_mesh_clear()
        world = np.array(space_of(self._person.instancers, depsgraph) @ owner.matrix_world)
        places = vertices.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]
        corners = corners.reshape(-1, 3)
        first, second, third = self._roles[corners].T
        return places[corners], np.where(second == third, second, first)  # what most of its corners have

    def _role(self, vertex: bpy.types.MeshVertex) -> int:
        heaviest = max(vertex.groups, key=lambda entry: entry.weight, default=None)
        return -1 if heaviest is None else int(self._role_of_group[heaviest.group])


def part_pictures(scene: bpy.types.Scene, options: SampleOptions) -> Generator[np.ndarray | None, None, None]:
    """The pictures uint8 [height, width, 3] of the options' frames, in order; None after a step that made no picture.

    In steps, so that the window lives on. The scene's frame is put back at the end, also of a generator that is closed early.
    Raises what `sampling.validate` raises, and `NotHumanoid`.
    """
    with Sampling(scene, options) as sampling:
        while not sampling.advance(_SLICE):
            yield None
        clip = sampling.finish().clip()
    tall, drawable = statures(clip), clip.drawable()
    skins = [_skins(scene, found) for found in validate(scene, options)]
    was = scene.frame_current, scene.frame_subframe
    try:
        for index, frame in enumerate(options.frames):
            scene.frame_set(frame)
            depsgraph = bpy.context.evaluated_depsgraph_get()
            while unread := [skin for meshes in skins for skin in meshes if not skin.fits(depsgraph)]:
                for skin in unread:
                    for _ in skin.read_roles():
                        yield None
                scene.frame_set(frame)  # meanwhile somebody may have gone to another
                depsgraph = bpy.context.evaluated_depsgraph_get()
            eye = look(scene, options, depsgraph)
            triangles, numbers = [np.empty((0, 3, 3))], [np.empty(0, int)]
            for person, meshes in enumerate(skins):
                for skin in meshes:
                    world, roles = skin.triangles(depsgraph)
                    triangles.append(world @ eye.view[:3, :3].T + eye.view[:3, 3])
                    points, shown = clip.points_cam[index, person], drawable[index, person]
                    numbers.append(part_numbers(triangles[-1], roles, points, shown, tall[person]))
            lens = Lens(np.asarray(eye.intrinsics, float), eye.orthographic)
            yield draw_parts(np.concatenate(triangles), np.concatenate(numbers), lens, clip.width, clip.height)
    finally:
        scene.frame_set(was[0], subframe=was[1])


def _skins(scene: bpy.types.Scene, found: Found) -> list[_Skin]:
    """The meshes that the person's armature moves and that are rendered."""
    person, bones = found
    roles = {bone: ROLES.index(Role(role)) for role, bone in bones.mapping.items()}

    def role_of(bone: bpy.types.Bone | None) -> int:
        """Of the bone, else of the nearest above it that plays one: twists and helpers go with their limb."""
        while bone is not None and bone.name not in roles:
            bone = bone.parent
        return -1 if bone is None else roles[bone.name]

    return [
        _Skin(mesh, person, np.array([role_of(person.armature.data.bones.get(group.name)) for group in mesh.vertex_groups]))
        for mesh in meshes_of(scene, person)
        if not mesh.hide_render and mesh.find_armature() == person.armature and mesh.vertex_groups
    ]
