"""The reference laid over a pose by body coordinates: a cut-out puppet that the networks refine.

The same place on the same part (`body_map`) gives each pixel its colour. Silhouettes are the reference's own: what of its matte
belongs to a part travels with it, so hair, sleeves and a stout body come along. What the reference hides is as on the other
side of the body, left for right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import torch
from einops import rearrange
from torch import Tensor

from .body import HEAD, NEIGHBOURS, PART_COUNT, PARTS, Body
from .body_map import MAP_CHANNELS, Spots, blend, direction, spots_of
from .fill import fill
from .skirt import hang, skirts_of

WARP_CHANNELS = 5  # colour (3), matte, whether the reference shows this very spot
DETAIL_CHANNELS = WARP_CHANNELS + MAP_CHANNELS

_SIDES = {"left": "right", "right": "left"}
_TWIN = torch.tensor([PARTS.index("_".join(_SIDES.get(word, word) for word in part.split("_"))) for part in PARTS])
_CORE = 0.95  # of its radius a capsule is certainly full, whatever the reference shows; a head is not
_SLIT = 5  # pixels: so wide a gap between two parts is closed
_ALIKE = 0.4  # how well a spot counts as shown where only its mirror image is
_ASIDE = 0.05  # product of the sines of two angles from which on they look to one side each
# Seen from the side a head is that much longer than from the front, and its middle that far behind, radii; a torso's outline,
# with what is worn, is that much deeper than the capsule's. Set by the silhouettes of people of the training set.
_LONGER, _BEHIND, _DEEPER = 0.2, 0.15, 0.15
_NARROW = 0.65  # a head's width over its depth, under the hair
_TO_CROWN = 1.5  # how much rather the back of a head is as the crown than as what is nearest on the rim


@dataclass(frozen=True)
class Puppet:
    """R references cut into parts.

    body [R]; colours f32 [R, P, H, W, 4]: each part's, 0..1, carried on to where it is hidden, and its own matte;
    outlines f32 [R, P, H, W, 2]: its matte, and whether the reference tells it here, where another part may be in front;
    skirts: what hangs between the legs (`skirt`)
    """

    body: Body
    colours: Tensor
    outlines: Tensor
    skirts: Tensor


def cut_out(pictures: Tensor, mattes: Tensor, body: Body) -> Puppet:
    """Cut references f32 [R, 3, H, W] in 0..1 with mattes f32 [R, 1, H, W] into the parts of their bodies."""
    count, _, height, width = pictures.shape
    spots = spots_of(body, width, height)
    pixels = height * width
    # Within a capsule the nearest to the camera owns a pixel; outside of all of them, the closest one.
    rank = torch.where(spots.q < 1, spots.depth - 100, spots.q)
    index = spots.body * pixels + spots.pixel
    best = torch.full((count * pixels,), torch.inf, device=rank.device).scatter_reduce_(0, index, rank, "amin")
    owner = torch.full((count * pixels,), PART_COUNT, device=rank.device)
    mine = rank == best[index]
    owner[index[mine]] = spots.part[mine]

    kin = torch.eye(PART_COUNT + 1, dtype=torch.bool, device=rank.device)
    own = kin.clone()
    for first, second in NEIGHBOURS:
        kin[first, second] = kin[second, first] = True
    held = owner[index]
    # A joint belongs to both of its parts, or a bent knee would show a gap.
    mask = own[spots.part, held] | (kin[spots.part, held] & (spots.q < 1) & (spots.t * (1 - spots.t) < 0.05))
    flat = torch.zeros(count * PART_COUNT * pixels, device=rank.device)
    flat[(spots.body * PART_COUNT + spots.part) * pixels + spots.pixel] = mask.float()
    masks, mattes = flat.view(count, PART_COUNT, 1, height, width), mattes[:, None]
    skirts = skirts_of(pictures, mattes[:, 0], body)
    solid, anything = masks * (mattes > 0.95), (mattes > 0.95).float()
    solid = torch.where(solid.amax((3, 4), keepdim=True) > 0, solid, anything)  # a part that is not shown is as what is near
    colours = fill(pictures[:, None].expand(-1, PART_COUNT, -1, -1, -1).flatten(0, 1), solid.flatten(0, 1))
    sprites = torch.cat((colours.unflatten(0, (count, PART_COUNT)), masks * mattes), 2)
    outlines = torch.cat((masks * mattes, torch.maximum(masks, 1 - mattes)), 2)
    return Puppet(body, *(part.permute(0, 1, 3, 4, 2).contiguous() for part in (sprites, outlines)), skirts)


def lay_over(puppet: Puppet, source: Tensor, body: Body, spots: Spots, width: int, height: int) -> tuple[Tensor, Tensor]:
    """The references `source` int64 [N] of a puppet laid over bodies [N]: f32 [N, 5, H, W] in 0..1, see `WARP_CHANNELS`.

    The colour is over mid-grey. And where each pixel came from, f32 [N, 2, H, W] pixels of the reference, -1 for nowhere.
    """
    who = source[spots.body]
    at, seen = _Places(puppet.body, body, spots, who).surface()
    colour, shown = _look(puppet.colours, who, spots.part, at).split((3, 1), -1)
    known = seen * shown[:, 0]
    # What is hidden there is as on the body's other side, if that can be seen.
    hidden = (known < 0.9).nonzero()[:, 0]
    places = _Places(puppet.body, body, spots[hidden], who[hidden])
    other_at, seen = places.surface(mirrored=True)
    other, shown = _look(puppet.colours, who[hidden], places.twin, other_at).split((3, 1), -1)
    alike = (1 - known[hidden]) * seen * shown[:, 0]
    colour[hidden] = torch.lerp(colour[hidden], other, alike[:, None])
    known[hidden] += _ALIKE * alike
    cover = _outline(puppet, body, spots, who)
    mean, matte = blend(torch.cat((colour, known[:, None], at), -1), cover, spots, len(source), width * height)
    values = torch.cat((mean, matte[:, None]), -1)
    colour, known, where, matte = rearrange(values, "(n h w) c -> n c h w", h=height, w=width).split((3, 1, 2, 1), 1)
    # Between the legs, where neither of them brought anything along.
    cloth, hung = hang(puppet.skirts[source], body, width, height).split((3, 1), 1)
    hung = hung * (matte < 0.5)
    colour, known, matte = torch.lerp(colour, cloth, hung), torch.lerp(known, _ALIKE * hung, hung), torch.maximum(matte, hung)
    closed = _closed(matte)
    colour = fill(colour, (matte > 0.5).float())
    warp = torch.cat((colour * closed + 0.5 * (1 - closed), closed, known * matte), 1)
    return warp, torch.where((matte > 0.5) & (hung < 0.5), where, -1.0)


def _outline(puppet: Puppet, body: Body, spots: Spots, who: Tensor) -> Tensor:
    """How far each spot's part covers it, [M] in 0..1.

    Where another part, or the picture's edge, hides this place of the outline in the reference, it is the part's other side's,
    or its twin's, or the capsule's.
    """
    cover = ((1.05 - spots.q) / 0.1).clamp(0, 1)
    left = torch.arange(len(who), device=who.device)
    for of_twin, mirrored in ((False, False), (False, True), (True, True), (True, False)):
        places = _Places(puppet.body, body, spots[left], who[left])
        part = places.twin if of_twin else places.spots.part
        mine, told = _look(puppet.outlines, who[left], part, places.outline(part, mirrored)).unbind(-1)
        clear = told > 0.5
        cover[left[clear]] = (mine / told)[clear]
        left = left[~clear]
    core = ((_CORE - spots.q) / 0.1).clamp(0, 1) * (spots.part != HEAD)
    return torch.maximum(cover, core)


def _closed(mattes: Tensor) -> Tensor:
    """Mattes [N, 1, H, W] without the slits between parts that bent away from each other."""
    return -_widest(-_widest(mattes))


def _widest(values: Tensor) -> Tensor:
    """The largest of the `_SLIT` x `_SLIT` pixels around each of [N, 1, H, W], by slices: pooling took ten times as long."""
    around = _SLIT // 2
    padded = torch.nn.functional.pad(values, (around,) * 4, value=-torch.inf)
    for axis in (2, 3):
        slices = (padded.narrow(axis, start, values.shape[axis]) for start in range(_SLIT))
        padded = reduce(torch.maximum, slices)
    return padded


class _Places:
    """Where spots of bodies are in their references `who` [M]: pixels [M, 2]."""

    def __init__(self, reference: Body, body: Body, spots: Spots, who: Tensor):
        self.reference, self.body, self.spots, self.who = reference, body, spots, who
        self.twin = _TWIN.to(who.device)[spots.part]
        self.head = (spots.part == HEAD).nonzero()[:, 0]
        self.frame, self.other_frame = body.frame[spots.body[self.head]], reference.frame[who[self.head]]

    def surface(self, mirrored: bool = False) -> tuple[Tensor, Tensor]:
        """Where the spot itself is, or its mirror image on the body's other side, and how well that is seen, [M] in 0..1."""
        spots, sign, part = self.spots, -1 if mirrored else 1, self.twin if mirrored else self.spots.part
        # The torso turns about its axis. Beyond its outline the surface's edge is looked up.
        angle = spots.u.clamp(-1, 1).asin() + self.body.turn[spots.body, spots.part]
        angle = sign * angle - self.reference.turn[self.who, part]
        places = self._along(part, angle.sin() * spots.u.abs().clamp(min=1))
        seen = (angle.cos() + 0.1).clamp(0, 0.2) * 5

        # The head turns as an egg does, in the reference's own frame.
        mirror = torch.tensor([sign, 1, 1], device=angle.device)
        own, outward = (mirror * part for part in _on_skull(self.frame, spots.normal[self.head]))
        flat = (own[:, None] @ self.other_frame)[:, 0, :2]
        away = (outward[:, None] @ self.other_frame)[:, 0, 2:]
        seen[self.head] = (0.1 - away[:, 0]).clamp(0, 0.2) * 5
        # What is behind is looked for on the rim, towards the crown: hair rather than face.
        away = away.clamp(min=0)
        rim = 0.9 * torch.nn.functional.normalize(flat + _TO_CROWN * away * self.other_frame[:, 1, :2], dim=-1)
        flat = torch.lerp(flat, rim, (4 * away).clamp(max=1))
        return self._on_head(places, flat * self._reach()), seen

    def outline(self, part: Tensor, mirrored: bool) -> Tensor:
        """Where its place in the outline of `part` [M] is, the spot's or its twin; of one who looks the other way, mirrored."""
        spots = self.spots
        turn, other = self.body.turn[spots.body, spots.part].sin(), self.reference.turn[self.who, part].sin()
        sign = _facing_alike(turn, other) * (-1 if mirrored else 1)
        places = self._along(part, sign * spots.u * (1 + _DEEPER * other.abs()) / (1 + _DEEPER * turn.abs()))

        crown, other_crown = _crown(self.frame), _crown(self.other_frame)
        x, y = _rolled(spots.normal[self.head, :2] * self._reach(), -crown).unbind(1)
        looks = _rolled(self.frame[:, 2, :2], -crown)[:, 0]
        other = _rolled(self.other_frame[:, 2, :2], -other_crown)[:, 0]
        sign = _facing_alike(looks, other) * (-1 if mirrored else 1)
        x = sign * (x + _BEHIND * looks) / (1 + _LONGER * looks.abs())
        x = x * (1 + _LONGER * other.abs()) - _BEHIND * other
        return self._on_head(places, _rolled(torch.stack((x, y), 1), other_crown))

    def _along(self, part: Tensor, across: Tensor) -> Tensor:
        """As far along the part as the spot is along its own, and `across` [M] radii to the side."""
        spots = self.spots
        start, end = self.reference.ends[self.who, part].unbind(1)
        first, last = self.reference.radii[self.who, part].unbind(1)
        axis = end - start
        along = direction(axis, axis.norm(dim=-1))
        side = torch.stack((-along[:, 1], along[:, 0]), -1)
        radius = (first + (last - first) * spots.t)[:, None]
        return start + axis * spots.t[:, None] + (along * spots.cap[:, None] + side * across[:, None]) * radius

    def _reach(self) -> Tensor:
        """How far from the head's middle its spots are, radii, [., 1]; 1 for those on it."""
        return self.spots.q[self.head, None].clamp(min=1)

    def _on_head(self, places: Tensor, offsets: Tensor) -> Tensor:
        """The places [M, 2], those of heads `offsets` [., 2] radii from the middle."""
        who = self.who[self.head]
        places[self.head] = self.reference.ends[who, HEAD, 0] + offsets * self.reference.radii[who, HEAD, :1]
        return places


def _on_skull(frame: Tensor, ball: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays through a ball [M, 3], camera space, meet a head that is narrower than it, and the normals there: in the
    head's own `frame` [M, 3, 3]. What misses the head is as far beside its outline as it was."""
    narrow = torch.tensor([_NARROW, 1, 1], device=ball.device)
    start = (frame[:, :, :2] @ ball[:, :2, None])[:, :, 0]  # in the picture's plane through the head's middle
    ray = frame[:, :, 2]
    along, origin = ray / narrow, start / narrow  # here the head is a ball
    b, a = (along * origin).sum(1, keepdim=True), (along**2).sum(1, keepdim=True)
    root = (b**2 - a * ((origin**2).sum(1, keepdim=True) - 1)).clamp(min=0).sqrt()
    met = torch.nn.functional.normalize(origin - (b + root) / a * along, dim=1)
    beside = start - met * narrow
    beside = beside - (beside * ray).sum(1, keepdim=True) * ray
    return met * narrow + beside, torch.nn.functional.normalize(met / narrow, dim=1)


def _facing_alike(one: Tensor, other: Tensor) -> Tensor:
    """-1 where one looks left and the other right, by sines of the angles [M], else 1."""
    return torch.where(one * other < -_ASIDE, -1.0, 1.0)


def _crown(frame: Tensor) -> Tensor:
    """How far heads [M, 3, 3] are tilted in the picture, clockwise: angles [M], 0 where the crown is up."""
    return torch.atan2(frame[:, 1, 1], frame[:, 1, 0]) + math.pi / 2


def _rolled(offsets: Tensor, turn: Tensor) -> Tensor:
    """Offsets [M, 2] in a picture, turned by angles [M]."""
    c, s = turn.cos(), turn.sin()
    return torch.stack((c * offsets[:, 0] - s * offsets[:, 1], s * offsets[:, 0] + c * offsets[:, 1]), -1)


def _look(sheets: Tensor, who: Tensor, part: Tensor, at: Tensor) -> Tensor:
    """Bilinear values [M, C] of sheets [R, P, H, W, C] for parts [M] of references `who` [M] at pixels `at` [M, 2].

    Beyond the picture the last of them is 0, and the others are as at its edge.
    """
    tall, wide, channels = sheets.shape[2:]
    first, flat = (who * PART_COUNT + part) * (tall * wide), sheets.flatten(0, 3)
    x, y = at[:, 0] - 0.5, at[:, 1] - 0.5
    left, top = x.floor(), y.floor()
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    out = torch.zeros(len(at), channels, device=at.device)
    for dx, wx in ((0, 1 - fx), (1, fx)):
        for dy, wy in ((0, 1 - fy), (1, fy)):
            column, line = left + dx, top + dy
            index = first + (line.clamp(0, tall - 1) * wide + column.clamp(0, wide - 1)).long()
            out = out + flat[index] * (wx * wy)
    within = (x > -0.5) & (y > -0.5) & (x < wide - 0.5) & (y < tall - 0.5)
    return torch.cat((out[:, : channels - 1], out[:, -1:] * within[:, None]), 1)
