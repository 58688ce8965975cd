"""What the geometry of an armature says about its bones, whatever they are called.

`search` finds a person in a tree of joints: two pairs of limbs of three joints each, of a person's proportions, and a head
between the upper two. Lengths are compared as ratios, so that unit and scale do not matter, and mostly lengths that a pose
leaves alone, so that a rest pose with the legs sideways is only less sure. What is up, front and with them left comes from the
pose. The weights of the differences were found by trial on the published rigs, real captured people and four-legged animals.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import NotHumanoid
from .bones.roles import FINGERS, SIDES, Role, sided
from .joint_tree import Bones, JointTree

_KEPT, _KEPT_IN_ALL = 12, 100  # best ways to read a pair of branches as limbs
_DOUBTFUL, _REFUSED = 0.08, 0.7  # residuals: as good as certain below, no person above

_LEFT, _RIGHT = (re.compile(rf"(?i:{word})|{sign}|(?<![A-Za-z])[{letter}](?![a-z])")
                 for word, sign, letter in (("left", "左", "Ll"), ("right", "右", "Rr")))  # fmt: skip

# Proportions in statures, measured on a CC0 human base mesh.
_TRUNK, _EXTENT = 0.286, 0.97
_HEAD_ABOVE_SHOULDERS, _HEAD_AT_MOST_ABOVE = (0.06, 0.115), 0.15
_KNUCKLES_FROM_WRIST = 0.033
_MIDLINE = 0.03
_FEET_POINT, _KNEES_BEND, _STANDS = 0.02, 0.001, 0.7  # the last: cosine of legs and trunk
_PARALLEL = 0.5  # cosine of what hips and shoulders may be turned against each other


@dataclass(frozen=True)
class Found:
    """A person in the bones.

    mapping     role -> bone name, all required roles among them
    residual    squared differences of the logarithms of lengths from a person's, weighted: 0 is one to the letter
    sides_told  whether the pose told left from right (else names did, or nothing)
    """

    mapping: dict[Role, str]
    residual: float
    sides_told: bool

    @property
    def confidence(self) -> float:
        return round(float(0.9 * np.exp(-max(self.residual - _DOUBTFUL, 0) / 0.4)) * (1.0 if self.sides_told else 0.8), 3)


@dataclass(frozen=True)
class _Template:
    """A limb: its two segments, what follows them, and the distance between left and right, in statures."""

    upper: float
    lower: float
    end: float
    width: float
    strictness: float  # weight of the ratio of the segments: where an arm begins and ends is not the same in all rigs
    fingers: float  # what it saves to have three joints after the end


_LEG = _Template(0.245, 0.246, 0.13, 0.128, 2.0, 0.0)
_ARM = _Template(0.186, 0.146, 0.105, 0.201, 1.0, 0.05)


@dataclass(frozen=True)
class _Limbs:
    """A pair of branches read as a pair of limbs: three joints a side, rows of the tree."""

    at: int
    joints: tuple[tuple[int, ...], tuple[int, ...]]
    cost: float
    stature: float
    middle: np.ndarray  # [3] between the two beginnings
    across: np.ndarray  # [3] from one to the other, unit length
    along: np.ndarray  # [2, 3] from each beginning to its end, unit length


def search(bones: Bones, armature: str = "The armature") -> Found:
    """The person in `bones`. `armature` names it in errors.

    Raises `NotHumanoid` with what there is not: limbs, a head, a person's proportions.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        tree = JointTree(bones)
        if len(tree.positions) < 12 or not tree.extent > 0:
            raise NotHumanoid(f"{armature} has too few joints for a person: {len(tree.positions)} that are apart.")
        pairs = list(tree.pairs())
        legs, arms = _read(tree, [_ways(tree, *pair) for pair in pairs], [at for at, _, _ in pairs])
        if not legs or not arms:
            raise NotHumanoid(f"{armature} has no two pairs of limbs that could be legs and arms.")
        residuals = _together(legs, arms, tree.extent)
        for choice in np.argsort(residuals, axis=None, kind="stable").tolist():
            number, other = divmod(choice, len(arms))
            leg, arm = legs[number], arms[other]
            if _apart(tree, leg, arm) and (to_head := _way_to_the_head(tree, leg, arm)):
                break
        else:
            raise NotHumanoid(f"{armature} has limbs, but no trunk between two pairs of them with a head at its end.")
        residual = float(residuals[number, other])
        if residual > _REFUSED:
            raise NotHumanoid(f"{armature} has limbs, but not of a person's proportions (residual {residual:.2f}).")
        return _assign(tree, leg, arm, to_head, residual)


def swapped_limbs(bones: Bones, mapping: Mapping[Role, str]) -> tuple[str, ...]:
    """Which of "arms" and "legs" `mapping` gives the wrong sides, as the toes, else the bent knees, tell front from back.

    None where the pose does not stand, or tells no front.
    """
    row = {name: number for number, name in enumerate(bones.names)}

    def joint(part: str) -> np.ndarray:
        return np.stack([bones.heads[row[mapping[sided(side, part)]]] for side in SIDES])  # [2, 3]

    thighs, ankles = joint("thigh"), joint("foot")
    up = bones.heads[row[mapping[Role("head")]]] - thighs.mean(axis=0)
    if sided("left", "toe") in mapping and sided("right", "toe") in mapping:
        ahead = (joint("toe") - ankles).mean(axis=0)
    else:
        ahead = (joint("shin") - (thighs + ankles) / 2).mean(axis=0)
    height, leg = _length(up), _length(ankles - thighs).max()
    with np.errstate(divide="ignore", invalid="ignore"):
        stands = (_unit(ankles - thighs) @ _unit(up) < -_STANDS).all()
    left = np.cross(up, ahead)
    if not stands or _length(left) < _KNEES_BEND * height * leg:
        return ()
    limbs = {"arms": joint("upper_arm"), "legs": thighs}
    return tuple(name for name, (one, other) in limbs.items() if (one - other) @ left < 0)


def _ways(tree: JointTree, at: int, one: int, other: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All ways to choose a beginning, a middle and an end on two branches at the joint `at`, the same on both."""
    match = tree.counterparts(one, other)
    beside = _beside(tree, at, one, other)
    lefts: list[tuple[int, int, int]] = []
    for end in match:
        way = tree.path(end, at)[:-1]
        if not way or not tree.may_end_a_limb(end):
            continue
        lefts += [(start, middle, end) for start, middle in itertools.combinations(way, 2)]
        # Where limbs are split in halves, the one that begins at the joint can be a leaf beside the way.
        lefts += [(start, middle, end) for start in beside for middle in way]
        lefts += [
            (start, middle, end)
            for number, row in enumerate(way)
            for start in tree.leaves(row)
            if start in match and start != end
            for middle in way[number + 1 :]
        ]
    match |= beside
    return [(left, (match[left[0]], match[left[1]], match[left[2]])) for left in lefts]


def _read(tree: JointTree, ways: Sequence[list], places: Sequence[int]) -> tuple[list[_Limbs], list[_Limbs]]:
    """The best of the ways to read each two branches as legs, and as arms; `places` are where the branches begin."""
    pair = np.repeat(np.arange(len(ways)), [len(each) for each in ways])
    joints = np.array([way for each in ways for way in each], int).reshape(-1, 2, 3)
    points = tree.positions[joints]  # [N, side, joint, 3]
    upper, lower = _length(points[:, :, 1] - points[:, :, 0]), _length(points[:, :, 2] - points[:, :, 1])  # [N, side]
    crossed = _length(points[:, ::-1, 0] - points[:, :, 1])  # from the other side's beginning
    width = _length(points[:, 0, 0] - points[:, 1, 0])
    end = tree.beyond[joints[:, :, 2]].min(axis=1)  # the side with more after the end may hold a weapon
    length = (upper + lower).mean(axis=1)
    alike = 2 * (_off(upper[:, 0], upper[:, 1]) + _off(lower[:, 0], lower[:, 1]))
    alike[~((upper < crossed) & (upper > 0) & (lower > 0)).all(axis=1)] = np.inf
    fingers = tree.branching[joints[:, 0, 2]] >= 3

    def best(template: _Template) -> list[_Limbs]:
        whole = template.upper + template.lower
        cost = alike + template.strictness * _off(upper.sum(axis=1) / lower.sum(axis=1), template.upper / template.lower)
        cost += 0.15 * _off(end / length, template.end / whole) + 0.25 * _off(width / length, template.width / whole)
        cost -= template.fingers * fingers
        order = np.argsort(cost, kind="stable")
        order = order[cost[order] < _REFUSED]
        room = dict.fromkeys(range(len(ways)), _KEPT)
        found: list[_Limbs] = []
        for row, number in zip(order.tolist(), pair[order].tolist(), strict=True):
            if room[number] and len(found) < _KEPT_IN_ALL:
                room[number] -= 1
                (one, other), starts = joints[row].tolist(), points[row, :, 0]
                across, along = _unit(starts[0] - starts[1]), _unit(points[row, :, 2] - starts)
                stature, middle = length[row] / whole, starts.mean(axis=0)
                found.append(_Limbs(places[number], (tuple(one), tuple(other)), cost[row], stature, middle, across, along))
        return found

    return best(_LEG), best(_ARM)


def _beside(tree: JointTree, at: int, one: int, other: int) -> dict[int, int]:
    """Leaves that hang beside the branch `one` -> those beside `other`."""
    leaves = tree.leaves(at)
    to_one, to_other = (np.linalg.norm(tree.positions[leaves] - tree.positions[row], axis=1) for row in (one, other))
    beside = {}
    for number, leaf in enumerate(leaves):
        if to_one[number] < to_other[number]:
            beside[leaf] = leaves[int(np.abs(to_other - to_one[number]).argmin())]
    return beside


def _off(value, usual):
    """Squared difference of logarithms, at most 1: nothing in it can outweigh all else."""
    return np.minimum(np.log(value / usual) ** 2, 1.0)


def _together(legs: list[_Limbs], arms: list[_Limbs], extent: float) -> np.ndarray:
    """How far from a person each two pairs of limbs are [legs, arms], each by itself, as to each other, and as to the whole."""
    leg_stature, arm_stature = (np.array([pair.stature for pair in pairs]) for pairs in (legs, arms))
    leg_cost, arm_cost = (np.array([pair.cost for pair in pairs]) for pairs in (legs, arms))
    trunk = np.array([pair.middle for pair in arms]) - np.array([pair.middle for pair in legs])[:, None]  # [legs, arms, 3]
    usual = _TRUNK * np.sqrt(leg_stature[:, None] * arm_stature)
    cost = leg_cost[:, None] + arm_cost + 2 * _off(extent / _EXTENT, usual / _TRUNK)
    cost += _off(leg_stature[:, None], arm_stature) + 0.7 * _off(np.linalg.norm(trunk, axis=-1), usual)
    # Legs go on as the trunk does; those of animals at right angles to it.
    upright = np.einsum("lsi,lai->la", np.array([pair.along for pair in legs]), _unit(trunk)) / 2
    cost += 0.5 * (1 + upright) ** 2
    parallel = np.einsum("li,ai->la", *(np.array([pair.across for pair in pairs]) for pairs in (legs, arms)))
    return np.where(np.abs(parallel) > _PARALLEL, cost, np.inf)


def _apart(tree: JointTree, leg: _Limbs, arm: _Limbs) -> bool:
    """Whether neither pair of limbs, nor where it begins, hangs from the other."""
    if leg.at == arm.at:
        return False
    return not any(
        tree.is_below(one.at, joints[0]) or any(tree.is_below(joint[0], joints[0]) for joint in one.joints)
        for one, other in ((leg, arm), (arm, leg))
        for joints in other.joints
    )


def _way_to_the_head(tree: JointTree, leg: _Limbs, arm: _Limbs) -> list[int]:
    """The joints from the shoulders to the head; empty where none is above the shoulders."""
    up = _unit(arm.middle - leg.middle)
    away = (tree.positions - arm.middle) / np.sqrt(leg.stature * arm.stature)
    height = away @ up
    beside = _length(away - height[:, None] * up)
    low, high = _HEAD_ABOVE_SHOULDERS
    cost = np.maximum(np.maximum(low - height, height - high), 0) + beside
    cost -= 0.01 * (tree.branching > 1)  # eyes, jaw, hair
    near = (height > 0) & (np.maximum(height, beside) < _HEAD_AT_MOST_ABOVE) & (np.abs(away @ arm.across) < _MIDLINE)
    limbs = [joints[0] for pair in (leg, arm) for joints in pair.joints]
    ways = [
        tree.path(row, arm.at)
        for row in np.flatnonzero(near).tolist()
        if row != arm.at and tree.is_below(row, arm.at) and not any(tree.is_below(row, limb) for limb in limbs)
    ]
    return min(ways, key=lambda way: cost[way[-1]] - 0.001 * len(way), default=[])


def _assign(tree: JointTree, leg: _Limbs, arm: _Limbs, to_head: list[int], residual: float) -> Found:
    if leg.across @ arm.across < 0:
        arm = replace(arm, joints=arm.joints[::-1], across=-arm.across, along=arm.along[::-1])
    order, told = _left_first(tree, leg, arm)
    rows: dict[Role, int] = {Role("hips"): leg.at, Role("head"): to_head[-1]}
    if len(to_head) > 1:
        rows[Role("neck")] = to_head[0]
    spine = tree.between(leg.at, arm.at)
    for role, place in (("upper_chest", -1), ("spine", 0), ("chest", len(spine) // 2)):
        if spine and spine[place] not in rows.values():
            rows[Role(role)] = spine[place]
    legs, arms = ([pair.joints[number] for number in order] for pair in (leg, arm))
    for side, (thigh, shin, foot), (upper_arm, forearm, hand) in zip(SIDES, legs, arms, strict=True):
        limbs = {"thigh": thigh, "shin": shin, "foot": foot, "upper_arm": upper_arm, "forearm": forearm, "hand": hand}
        if tree.parents[upper_arm] != arm.at and tree.is_below(upper_arm, arm.at):
            limbs["clavicle"] = tree.parents[upper_arm]
        if tree.children[foot]:
            limbs["toe"] = max(tree.children[foot], key=lambda row: tree.lengths[row] + tree.reach[row])
        limbs |= _fingers(tree, hand, arm.stature)
        rows |= {sided(side, part): row for part, row in limbs.items()}
    return Found({role: tree.names[row] for role, row in rows.items()}, max(residual, 0.0), told)


def _left_first(tree: JointTree, leg: _Limbs, arm: _Limbs) -> tuple[tuple[int, int], bool]:
    """Which of two sides is the left, and whether the pose told: by where the feet point to, else by how the knees bend."""
    up = _unit(arm.middle - leg.middle)
    ahead = np.zeros(3)
    for _, _, ankle in leg.joints:
        if tree.children[ankle]:
            ahead += max((tree.positions[row] - tree.positions[ankle] for row in tree.below(ankle)), key=np.linalg.norm)
    ahead -= (ahead @ up) * up
    if np.linalg.norm(ahead) < _FEET_POINT * leg.stature:
        thighs, knees, ankles = tree.positions[np.array(leg.joints)].mean(axis=0)
        ahead = knees - (thighs + ankles) / 2
        ahead -= (ahead @ up) * up
    if (leg.along @ up < -_STANDS).all() and np.linalg.norm(ahead) > _KNEES_BEND * leg.stature:
        return ((0, 1) if (leg.across + arm.across) @ np.cross(up, ahead) > 0 else (1, 0)), True
    first, second = (tree.names[joints[0]] for joints in leg.joints)
    return ((1, 0) if _RIGHT.search(first) and _LEFT.search(second) else (0, 1)), False


def _fingers(tree: JointTree, hand: int, stature: float) -> dict[str, int]:
    """The phalanges at `hand`, where it has five fingers. The thumb points elsewhere; the others follow by distance from it."""
    chains = [chain for chain in _chains(tree, hand) if len(chain) >= 3]
    if len(chains) != len(FINGERS):
        return {}
    directions = np.array([_unit(tree.positions[chain[-1]] - tree.positions[chain[0]]) for chain in chains])
    thumb = int((directions @ directions.T).sum(axis=1).argmin())
    wrist = tree.positions[hand]
    for chain in chains[:thumb] + chains[thumb + 1 :]:  # the bones of the palm are no part of the fingers
        while len(chain) > 3 and np.linalg.norm(tree.positions[chain[0]] - wrist) < _KNUCKLES_FROM_WRIST * stature:
            chain.pop(0)
    from_thumb = [np.linalg.norm(tree.positions[chain[0]] - tree.positions[chains[thumb][0]]) for chain in chains]
    return {
        f"{finger}_{joint}": row
        for finger, number in zip(FINGERS, np.argsort(from_thumb).tolist(), strict=True)
        for joint, row in enumerate(chains[number][:3], 1)
    }


def _chains(tree: JointTree, row: int) -> list[list[int]]:
    """The ways from `row` to the leaves below it, each from the last fork on."""
    chains: list[list[int]] = []
    for child in tree.children[row]:
        chain = [child]
        while len(tree.children[chain[-1]]) == 1:
            chain.append(tree.children[chain[-1]][0])
        chains += _chains(tree, chain[-1]) if tree.children[chain[-1]] else [chain]
    return chains


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("...i,...i", vectors, vectors))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / _length(vectors)[..., None]
