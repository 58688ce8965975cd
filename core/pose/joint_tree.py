"""The joints of an armature as a tree: the bones that move a mesh, hung together where their chains are broken."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_FEW_DEFORM_BONES = 12
_SAME_JOINT = 0.002  # of the extent: what lies between the two joints furthest apart, about a stature
_LIMB_AT_LEAST, _HAND_AT_LEAST = 0.18, 0.018  # likewise
_BRANCHES = 4


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


class JointTree:
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
