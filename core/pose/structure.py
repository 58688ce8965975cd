"""What the geometry of an armature says about its bones, whatever they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .bones.roles import SIDES, sided


@dataclass(frozen=True)
class Bones:
    """The N bones of an armature in one pose.

    names    N of them
    parents  int [N], rows of the parents, -1 for a root
    heads    [N, 3], in any one space and unit
    tails    [N, 3]
    deform   bool [N], whether a bone moves a mesh
    """

    names: tuple[str, ...]
    parents: np.ndarray
    heads: np.ndarray
    tails: np.ndarray
    deform: np.ndarray


def sides_swapped(bones: Bones, mapping: Mapping[str, str]) -> bool:
    """Whether what `mapping` calls left is on the right, as the toes, else the bent knees, tell front from back."""
    row = {name: number for number, name in enumerate(bones.names)}

    def joint(part: str) -> np.ndarray:
        return np.stack([bones.heads[row[mapping[sided(side, part)]]] for side in SIDES])  # [2, 3]

    hips = joint("thigh").mean(axis=0)
    up = bones.heads[row[mapping["head"]]] - hips
    to_left = np.subtract(*joint("upper_arm")) + np.subtract(*joint("thigh"))
    forward = np.cross(to_left, up)
    if sided("left", "toe") in mapping and sided("right", "toe") in mapping:
        ahead = (joint("toe") - joint("foot")).mean(axis=0)
    else:
        ahead = (joint("shin") - (joint("thigh") + joint("foot")) / 2).mean(axis=0)
    return bool(ahead @ forward < 0)
