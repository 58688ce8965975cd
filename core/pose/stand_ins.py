"""Where the joints that no bone plays would be: for showing what is missing, never for a clip. numpy, no bpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .bones.roles import PARENT, REQUIRED, SIDED_PARTS, SIDES, Role, is_ancestor, sided
from .rig import Posed


@dataclass(frozen=True)
class StandIns:
    """M joints, each carried by a bone that there is.

    roles     the required roles that no bone plays
    carriers  int [M], rows of `Posed.matrices`
    offsets   [M, 4, 4] stand-in's bone space to the carrier's
    lengths   [M]
    """

    roles: tuple[Role, ...]
    carriers: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray

    def extend(self, matrices: np.ndarray) -> np.ndarray:
        """[..., B, 4, 4] of the bones to [..., B + M, 4, 4], those of the stand-ins behind."""
        return np.concatenate([matrices, matrices[..., self.carriers, :, :] @ self.offsets], axis=-3)

    def complete(self, pose: Posed) -> Posed:
        return Posed((*pose.roles, *self.roles), self.extend(pose.matrices), np.concatenate([pose.lengths, self.lengths]))


def stand_in(rest: Posed) -> StandIns:
    """For every required role that `rest` lacks. It must have one bone at least.

    A joint is looked for where the other side's would be in a mirror, else between its neighbours, else at the end of the bone
    before it.
    """
    roles = tuple(role for role in REQUIRED if not rest.has(role))
    known = {Role(role): rest.head(role) for role in rest.roles if role in PARENT}
    carriers = [_nearest(role, known, rest) for role in roles]
    matrices = rest.matrices[carriers]
    for number, role in enumerate(roles):
        known[role] = matrices[number, :3, 3] = _place(role, known, rest, carriers[number])
    offsets = np.linalg.inv(rest.matrices[carriers]) @ matrices if roles else np.empty((0, 4, 4))
    return StandIns(roles, np.array(carriers, int), offsets, rest.lengths[carriers])


def _nearest(role: Role, known: dict[Role, np.ndarray], rest: Posed) -> int:
    """The row of the closest bone above `role`, else of one below, else of any."""
    if above := _above(role, known):
        return rest.row(above)
    return next((rest.row(below) for below in known if is_ancestor(role, below)), 0)


def _above(role: Role, roles) -> Role | None:
    parent = PARENT[role]
    while parent is not None and parent not in roles:
        parent = PARENT[parent]
    return parent


def _place(role: Role, known: dict[Role, np.ndarray], rest: Posed, carrier: int) -> np.ndarray:
    other = _opposite(role)
    if other in known and (mirrored := _mirrored(known[other], known)) is not None:
        return mirrored
    above = _above(role, known)
    below = [known[one] for one in known if PARENT[one] == role]
    if below:
        return np.mean([*below, *([known[above]] if above else [])], axis=0)
    return rest.tail(above if above in rest.roles else rest.roles[carrier])


def _mirrored(point: np.ndarray, known: dict[Role, np.ndarray]) -> np.ndarray | None:
    """`point` on the other side of the body's middle, as the pairs of joints tell it; None where there is no pair."""
    sides = [[sided(side, part) for side in SIDES] for part in SIDED_PARTS]
    pairs = [[known[left], known[right]] for left, right in sides if left in known and right in known]
    if not pairs:
        return None
    left, right = np.moveaxis(np.array(pairs), 1, 0)
    across = (left - right).sum(axis=0)
    across /= max(np.linalg.norm(across), 1e-12)
    middle = (left + right).mean(axis=0) / 2
    return point - 2 * ((point - middle) @ across) * across


def _opposite(role: Role) -> Role | None:
    for side, other in (SIDES, SIDES[::-1]):
        if role.startswith(f"{side}_"):
            return Role(role.replace(side, other, 1))
    return None
