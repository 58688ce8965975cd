"""The shape keys of a person's face that are named as ARKit's: how far each is on, frame by frame."""

from __future__ import annotations

import bpy
import numpy as np

from ..core.pose.face import SHAPES
from . import keyframes
from .bodies import meshes_of
from .keyframes import Evaluator
from .sample_options import Person


class FaceShapes:
    """Of the mesh that has most of them, among those that move with the person.

    names  ARKit's, S of them
    """

    def __init__(self, scene: bpy.types.Scene, person: Person):
        keys = [mesh.data.shape_keys for mesh in meshes_of(scene, person) if mesh.data.shape_keys]  # type: ignore[union-attr]
        found = [(key, _arkit_names(key)) for key in keys]
        self.key, blocks = max(found, key=lambda each: len(each[1]), default=(None, {}))
        self.names = tuple(blocks)
        self._blocks = list(blocks.values())

    def read(self, depsgraph: bpy.types.Depsgraph) -> np.ndarray:
        """[S], as `depsgraph` has them. Raises `ReferenceError` where one is gone."""
        if not self.names:
            return np.empty(0)
        blocks = self.key.evaluated_get(depsgraph).key_blocks
        if gone := [name for name in self._blocks if name not in blocks]:
            raise ReferenceError(f"the shape key {gone[0]} is gone")
        return np.array([_value(blocks[name]) for name in self._blocks])

    def find_obstacle(self) -> str | None:
        """What moves the shape keys beside keyframes, for people; None where nothing does."""
        if not self.names:
            return None
        if obstacle := keyframes.find_obstacle(self.key):
            return obstacle
        for path, _ in keyframes.curves_of(self.key):
            if not path.endswith(".value"):
                return f"{self.key.name!r} has keyframes of {path}"
        return None

    def keyed(self, evaluate: Evaluator) -> np.ndarray:
        """[T, S] by their keyframes, where `find_obstacle` finds none."""
        values = np.empty((evaluate.count, len(self.names)))
        curves = keyframes.curves_of(self.key) if self.names else {}
        for column, name in enumerate(self._blocks):
            block = self.key.key_blocks[name]
            curve = curves.get((f'key_blocks["{bpy.utils.escape_identifier(name)}"].value', 0))
            if curve is None or block.mute:
                values[:, column] = _value(block)
            else:  # Blender keeps a shape key's value within its limits
                values[:, column] = np.clip(evaluate([curve])[0], block.slider_min, block.slider_max)
        return values


def _arkit_names(key: bpy.types.Key) -> dict[str, str]:
    """ARKit's name -> the shape key's; exporters change the case and put separators in."""
    plain = {name.lower(): name for name in SHAPES}
    names = {block.name: "".join(filter(str.isalnum, block.name)).lower() for block in key.key_blocks}
    return {plain[bare]: name for name, bare in names.items() if bare in plain}


def _value(block: bpy.types.ShapeKey) -> float:
    return 0.0 if block.mute else block.value
