"""Blender's matrices as numpy's."""

from __future__ import annotations

import numpy as np
from mathutils import Matrix


def array_of(matrix: Matrix) -> np.ndarray:
    """[rows, columns]. By rows it takes a fifth of the time of `np.array`, which asks for one number after the other."""
    return np.array([row[:] for row in matrix])  # type: ignore[attr-defined]
