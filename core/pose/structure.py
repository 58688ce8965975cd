"""What the geometry of an armature says about its bones, whatever they are called.

`search` finds a person in a tree of joints: two pairs of limbs of three joints each, of a person's proportions, and a head
between the upper two. Lengths are compared as ratios, so that unit and scale do not matter, and only lengths that a pose leaves
alone, so that a rest pose with the legs sideways does no harm; only up, front and with them left and right come from the pose.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import NotHumanoid
from .bones.roles import FINGERS, SIDES, Role, sided

_FEW_DEFORM_BONES = 12
_SAME_JOINT = 0.002  # of the extent: what lies between the two joints furthest apart, about a stature
_LIMB_AT_LEAST, _HAND_AT_LEAST = 0.18, 0.018  # likewise
_BRANCHES = 4
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
        tree = _Tree(bones)
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
            if tree.apart(leg, arm) and (to_head := tree.head_chain(leg, arm)):
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


class _Tree:
    """The joints that are apart, as a tree from its middle on: without bones that move no mesh, those in one place as one.

    That is in the trunk, whichever bone is the armature's root.

    names      of the bone that stands for each joint
    positions  [J, 3]
    parents    rows, -1 for the middle; parents come before their children
    lengths    from the parent
    reach      the longest way from a joint to a leaf below it
    beyond     likewise, with the leaf's own bone, as far as that is no longer than the one before it
    branching  how many children
    size       how many joints there are from it on, itself among them
    extent     between the two joints furthest apart
    """

    def __init__(self, bones: Bones):
        heads, parents = np.asarray(bones.heads, float), np.asarray(bones.parents)
        chosen = np.flatnonzero(bones.deform)
        if len(chosen) < _FEW_DEFORM_BONES:
            chosen = np.arange(len(heads))
        points = heads[chosen]
        links = _links(heads, parents, chosen)
        lengths = np.linalg.norm(points[links[:, 0]] - points[links[:, 1]], axis=1)
        apart = lengths > _tolerance(points)
        joint = _components(len(chosen), links[~apart])
        members: list[list[int]] = [[] for _ in range(joint.max(initial=-1) + 1)]
        for number, bone in zip(joint.tolist(), chosen.tolist(), strict=True):
            members[number].append(bone)
        ways: list[dict[int, float]] = [{} for _ in members]
        for (one, other), length in zip(joint[links[apart]].tolist(), lengths[apart].tolist(), strict=True):
            ways[one][other] = ways[other][one] = length
        order, parents_of = _from_the_middle(ways)

        self.parents = parents_of
        self.children: list[list[int]] = [[] for _ in order]
        self.lengths, self.reach, self.size = [0.0] * len(order), [0.0] * len(order), [1] * len(order)
        for row in range(len(order) - 1, 0, -1):
            parent = parents_of[row]
            self.lengths[row] = ways[order[row]][order[parent]]
            self.reach[parent] = max(self.reach[parent], self.lengths[row] + self.reach[row])
            self.size[parent] += self.size[row]
            self.children[parent].insert(0, row)
        following = _following(parents)
        speakers = [max(members[number], key=following.__getitem__) for number in order]
        self.names = [bones.names[bone] for bone in speakers]
        self.positions = heads[speakers].reshape(-1, 3)
        self.extent = _extent(self.positions)
        self.branching = np.array([len(children) for children in self.children])
        tails = np.linalg.norm(bones.tails[speakers] - heads[speakers], axis=-1)
        tails = np.minimum(tails, np.where(np.array(parents_of) >= 0, self.lengths, np.inf))
        self.beyond = tails  # of a leaf; then added up from the leaves inwards
        for row in range(len(order) - 1, 0, -1):
            parent = parents_of[row]
            longest = self.lengths[row] + self.beyond[row]
            self.beyond[parent] = longest if row == self.children[parent][-1] else max(self.beyond[parent], longest)

    def pairs(self) -> Iterator[tuple[int, int, int]]:
        """(joint, branch, branch): branches that are long and deep enough for limbs.

        Of the many strands of hair or of a cape, which could hide the limbs, only those longest and with most joints.
        """
        for row, children in enumerate(self.children):
            branches = [
                child
                for child in children
                if self.size[child] >= 3 and self.lengths[child] + self.reach[child] > _LIMB_AT_LEAST * self.extent
            ]
            longest = sorted(branches, key=lambda child: -self.lengths[child] - self.reach[child])[:_BRANCHES]
            largest = sorted(branches, key=lambda child: -self.size[child])[:_BRANCHES]
            for one, other in itertools.combinations(dict.fromkeys(longest + largest), 2):
                yield row, one, other

    def below(self, row: int) -> list[int]:
        rows = [row]
        for each in rows:
            rows += self.children[each]
        return rows

    def path(self, row: int, top: int) -> list[int]:
        """From just below `top` down to `row`."""
        path = []
        while row != top:
            path.append(row)
            row = self.parents[row]
        return path[::-1]

    def between(self, start: int, end: int) -> list[int]:
        """From `start` to `end`, the latter included."""
        above = {start, *self.path(start, 0), 0}
        fork = end
        while fork not in above:
            fork = self.parents[fork]
        up = self.path(start, fork)[::-1]
        return [*up[1:], *([fork] if up else []), *self.path(end, fork)]

    def counterparts(self, one: int, other: int) -> dict[int, int]:
        """Joints of the branch `one` -> those of `other`, matched from the top by how far they go on and came."""
        match = {one: other}
        for left in (queue := [one]):
            free = list(self.children[match[left]])
            for child in sorted(self.children[left], key=lambda row: -self.reach[row]):
                if free:
                    nearest = min(
                        free,
                        key=lambda row: abs(self.reach[row] - self.reach[child]) + abs(self.lengths[row] - self.lengths[child]),
                    )
                    free.remove(nearest)
                    match[child] = nearest
                    queue.append(child)
        return match

    def leaves(self, row: int) -> list[int]:
        return [child for child in self.children[row] if not self.children[child]]

    def is_below(self, row: int, top: int) -> bool:
        while row > top:  # rows of children are higher
            row = self.parents[row]
        return row == top

    def may_end_a_limb(self, row: int) -> bool:
        """Not if it is in a finger or a toe: of those, too little follows and, at a leaf, too little came."""
        if self.children[row]:
            return self.reach[row] > _HAND_AT_LEAST * self.extent
        return self.lengths[row] > 2 * _HAND_AT_LEAST * self.extent

    def apart(self, leg: _Limbs, arm: _Limbs) -> bool:
        """Whether neither pair of limbs, nor where it begins, hangs from the other."""
        if leg.at == arm.at:
            return False
        return not any(
            self.is_below(one.at, joints[0]) or any(self.is_below(joint[0], joints[0]) for joint in one.joints)
            for one, other in ((leg, arm), (arm, leg))
            for joints in other.joints
        )

    def head_chain(self, leg: _Limbs, arm: _Limbs) -> list[int]:
        """The joints from the shoulders to the head; empty where none is above the shoulders."""
        up = _unit(arm.middle - leg.middle)
        away = (self.positions - arm.middle) / np.sqrt(leg.stature * arm.stature)
        height = away @ up
        beside = _length(away - height[:, None] * up)
        low, high = _HEAD_ABOVE_SHOULDERS
        cost = np.maximum(np.maximum(low - height, height - high), 0) + beside
        cost -= 0.01 * (self.branching > 1)  # eyes, jaw, hair
        near = (height > 0) & (np.maximum(height, beside) < _HEAD_AT_MOST_ABOVE) & (np.abs(away @ arm.across) < _MIDLINE)
        limbs = [joints[0] for pair in (leg, arm) for joints in pair.joints]
        ways = [
            self.path(row, arm.at)
            for row in np.flatnonzero(near).tolist()
            if row != arm.at and self.is_below(row, arm.at) and not any(self.is_below(row, limb) for limb in limbs)
        ]
        return min(ways, key=lambda way: cost[way[-1]] - 0.001 * len(way), default=[])


def _ways(tree: _Tree, at: int, one: int, other: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
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


def _read(tree: _Tree, ways: Sequence[list], places: Sequence[int]) -> tuple[list[_Limbs], list[_Limbs]]:
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


def _beside(tree: _Tree, at: int, one: int, other: int) -> dict[int, int]:
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


def _links(heads: np.ndarray, parents: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Which of the chosen bones hang together, int [L, 2] of places in `chosen`: a tree.

    A bone hangs from its nearest chosen ancestor. Where deform bones hang from others, as in Rigify, that leaves pieces: a
    piece then hangs from where the nearest ancestor lies at which there is a chosen bone, else from the nearest bone.
    """
    place = {row: number for number, row in enumerate(chosen.tolist())}
    links: list[tuple[int, int]] = []
    tops: list[int] = []
    for number, row in enumerate(chosen.tolist()):
        above = int(parents[row])
        while above >= 0 and above not in place:
            above = int(parents[above])
        if above >= 0:
            links.append((number, place[above]))
        else:
            tops.append(number)
    points = heads[chosen]
    while True:
        piece = _components(len(chosen), np.array(links, int).reshape(-1, 2))
        if piece.max(initial=0) == 0:
            return np.array(links, int).reshape(-1, 2)
        joined = _Union(int(piece.max()) + 1)
        waiting = []
        for number in tops:
            other = _hanging_place(heads, parents, int(chosen[number]), points, piece != piece[number])
            if joined.join(int(piece[number]), int(piece[other])):
                links.append((number, other))
            else:  # that piece hangs from this one
                waiting.append(number)
        tops = waiting


def _hanging_place(heads: np.ndarray, parents: np.ndarray, row: int, points: np.ndarray, among: np.ndarray) -> int:
    above = [row]
    while parents[above[-1]] >= 0:
        above.append(int(parents[above[-1]]))
    distance = ((heads[above][:, None] - points) ** 2).sum(axis=-1)  # [bone and its ancestors, chosen], squared
    distance[:, ~among] = np.inf
    there = np.flatnonzero(distance[1:].min(axis=1) <= _tolerance(points) ** 2) + 1
    return int(distance[there[0] if len(there) else 0].argmin())


def _tolerance(points: np.ndarray) -> float:
    """Points nearer than that are one joint."""
    return _SAME_JOINT * _extent(points)


def _extent(points: np.ndarray) -> float:
    """About how far the two that are furthest apart are: the one furthest from the mean, and that furthest from it."""
    if not len(points):
        return 0.0
    end = points[((points - points.mean(axis=0)) ** 2).sum(axis=1).argmax()]
    return float(np.linalg.norm(points - end, axis=1).max())


class _Union:
    """Which of N things are in one set."""

    def __init__(self, count: int):
        self._above = list(range(count))

    def of(self, thing: int) -> int:
        while self._above[thing] != thing:
            self._above[thing] = thing = self._above[self._above[thing]]
        return thing

    def join(self, one: int, other: int) -> bool:
        """Whether they were apart."""
        one, other = self.of(one), self.of(other)
        self._above[other] = one
        return one != other


def _components(count: int, links: np.ndarray) -> np.ndarray:
    """int [count]: the number of the connected piece that each is in."""
    union = _Union(count)
    for one, other in links.tolist():
        union.join(one, other)
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(union.of(thing), len(numbers)) for thing in range(count)], int)


def _from_the_middle(ways: list[dict[int, float]]) -> tuple[list[int], list[int]]:
    """Of a tree given by its edges' lengths: the nodes from its middle outwards, and their parents as places therein.

    The middle is that fork on the longest way, into a third branch long enough for a limb, which is nearest to its middle.
    """

    def walk(start: int) -> tuple[list[int], dict[int, int], dict[int, float]]:
        above, distance, order = {start: -1}, {start: 0.0}, [start]
        for node in order:
            for other, length in ways[node].items():
                if other not in above:
                    above[other], distance[other] = node, distance[node] + length
                    order.append(other)
        return order, above, distance

    if not ways:
        return [], []
    _, _, distance = walk(0)
    _, above, distance = walk(max(distance, key=distance.__getitem__))
    node = max(distance, key=distance.__getitem__)
    diameter = distance[node]
    longest = [node]
    while above[node] >= 0:
        longest.append(node := above[node])
    along = {place: abs(distance[place] - diameter / 2) for place in longest}
    forks = [
        place
        for place in longest
        if any(
            _depth(ways, other, place) + length > _LIMB_AT_LEAST / 1.5 * diameter
            for other, length in ways[place].items()
            if other not in along
        )
    ]
    node = min(forks or longest, key=along.__getitem__)
    order, above, _ = walk(node)
    place = {node: number for number, node in enumerate(order)}
    return order, [place.get(above[node], -1) for node in order]


def _depth(ways: list[dict[int, float]], node: int, above: int) -> float:
    """The longest way from `node` on, not back to `above`."""
    deepest, stack = 0.0, [(node, above, 0.0)]
    while stack:
        node, above, so_far = stack.pop()
        deepest = max(deepest, so_far)
        stack += [(other, node, so_far + length) for other, length in ways[node].items() if other != above]
    return deepest


def _following(parents: np.ndarray) -> list[int]:
    """How many bones hang from each, over however many others. Of bones in one place, twist bones and helpers have fewest."""
    above = parents.tolist()
    following = [0] * len(above)
    for row in range(len(above)):
        while (row := above[row]) >= 0:
            following[row] += 1
    return following


def _assign(tree: _Tree, leg: _Limbs, arm: _Limbs, to_head: list[int], residual: float) -> Found:
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


def _left_first(tree: _Tree, leg: _Limbs, arm: _Limbs) -> tuple[tuple[int, int], bool]:
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


def _fingers(tree: _Tree, hand: int, stature: float) -> dict[str, int]:
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


def _chains(tree: _Tree, row: int) -> list[list[int]]:
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
