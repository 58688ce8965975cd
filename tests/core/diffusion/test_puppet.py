import math

import torch
from understudy.core.diffusion.body import HEAD, PARTS, TORSO, Body
from understudy.core.diffusion.body_map import body_map, spots_of
from understudy.core.diffusion.puppet import cut_out, lay_over

WIDTH, HEIGHT = 96, 128


def painted(body: Body) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture in which each part has a shade of its own, and its matte."""
    mapped = body_map(body, spots_of(body, WIDTH, HEIGHT), WIDTH, HEIGHT)
    matte = (mapped[:, :1] > 0.5).float()
    return mapped[:, 1:4] * matte, matte


def laid_as(picture: torch.Tensor, matte: torch.Tensor, reference: Body, target: Body) -> torch.Tensor:
    spots = spots_of(target, WIDTH, HEIGHT)
    return lay_over(cut_out(picture, matte, reference), torch.zeros(1, dtype=torch.long), target, spots, WIDTH, HEIGHT)[0][0]


def laid(reference: Body, target: Body) -> torch.Tensor:
    return laid_as(*painted(reference), reference, target)[None]


def place(body: Body, part: str, share: float) -> tuple[int, int]:
    """Row and column of the pixel so far along a part's axis."""
    x, y = torch.lerp(*body.ends[0, PARTS.index(part)], share).long().tolist()
    return y, x


def test_a_reference_laid_over_its_own_pose_is_itself(person):
    body = person()
    picture, matte = painted(body)
    warp = laid(body, body)
    solid = matte[0, 0] > 0.5
    assert (warp[0, :3] - picture[0])[:, solid].abs().mean() < 0.02
    assert ((warp[0, 3] > 0.5) == solid).float().mean() > 0.98 and warp[0, 4][solid].mean() > 0.9


def test_colours_go_with_the_limb_that_moves(person):
    reference, target = person(), person(arm=1.2)
    truth, matte = painted(target)
    warp = laid(reference, target)
    seen = (warp[0, 4] > 0.5) & (matte[0, 0] > 0.5)
    assert (warp[0, :3] - truth[0])[:, seen].abs().mean() < 0.05
    overlap = (warp[0, 3] > 0.5) & (matte[0, 0] > 0.5)
    assert overlap.sum() / ((warp[0, 3] > 0.5) | (matte[0, 0] > 0.5)).sum() > 0.9


def test_from_behind_torso_and_head_are_not_claimed_to_be_seen(person):
    target = person(math.pi)
    warp = laid(person(), target)
    for part in (TORSO, HEAD):
        x, y = target.ends[0, part].mean(0).long().tolist()
        assert warp[0, 4, y, x] < 0.1 < 0.9 < warp[0, 3, y, x]


def test_an_arm_beyond_the_references_edge_is_as_the_other_arm(person):
    reference, target = person(arm=2.4), person()
    picture, matte = painted(reference)
    cut = (
        int(reference.ends[0, PARTS.index("left_forearm"), :, 1].max()) + 3
    )  # both arms' upper part is below, the left hand's not
    high = reference.ends.clone()
    high[..., 1] -= cut  # the picture's upper edge cuts the left forearm and hand off
    beheaded = Body(**{**vars(reference), "ends": high})
    picture, matte = (torch.nn.functional.pad(part[:, :, cut:], (0, 0, 0, cut)) for part in (picture, matte))
    warp = laid_as(picture, matte, beheaded, target)
    truth, _ = painted(target)
    hand, own = place(target, "left_forearm", 0.5), place(target, "right_forearm", 0.5)
    assert warp[3][hand] == 1 and (warp[:3][:, *hand] - truth[0][:, *own]).abs().max() < 0.2 and warp[4][hand] < 0.5


def test_a_head_seen_from_behind_has_the_colour_of_its_crown_not_of_its_face(person):
    reference = person()
    _, matte = painted(reference)
    picture = torch.zeros(1, 3, HEIGHT, WIDTH)
    middle, radius = reference.ends[0, HEAD, 0], reference.radii[0, HEAD, 0]
    hair = torch.arange(HEIGHT)[:, None] < middle[1] - 0.3 * radius
    picture[:, 0], picture[:, 1] = hair, ~hair
    front, back = (laid_as(picture, matte, reference, person(turn)) for turn in (0.0, math.pi))
    y, x = place(reference, "head", 0)
    assert front[1, y + 1, x] > 0.9 and back[0, y + 1, x] > 0.9


def test_a_face_is_seen_from_the_side_too(person):
    reference, target = person(), person(math.pi / 2)
    _, matte = painted(reference)
    middle, radius = reference.ends[0, HEAD, 0], reference.radii[0, HEAD, 0]
    face = ((torch.arange(WIDTH) + 0.5 - middle[0]).abs() < 0.55 * radius).float().expand(1, 1, HEIGHT, WIDTH)
    warp = laid_as(torch.cat((face, 1 - face, 0 * face), 1), matte, reference, target)
    (x, y), radius = target.ends[0, HEAD, 0].tolist(), target.radii[0, HEAD, 0].item()
    ahead = math.copysign(1, target.frame[0, 2, 0].item())
    face, hair = (warp[:2, int(y), int(x + ahead * at * radius)] for at in (0.7, 0.1))
    assert face[0] > 0.8 and hair[1] > 0.8


def test_a_head_that_looks_the_other_way_has_the_mirrored_outline(person):
    reference, target = person(0.9), person(-0.9)
    picture, matte = painted(reference)
    y, x = place(reference, "head", 0)
    nape = reference.radii[0, HEAD, 0].item()
    sides = []
    for at in (-1, 1):
        bun = matte.clone()
        bun[..., y - 3 : y + 3, x + int(at * 1.3 * nape) - 2 : x + int(at * 1.3 * nape) + 3] = 1
        outline = laid_as(picture, bun, reference, target)[3]
        y_, x_ = place(target, "head", 0)
        sides.append([outline[y_, x_ + int(side * 1.25 * nape)].item() for side in (-1, 1)])
    assert sides[0][1] > 0.5 > sides[0][0] and sides[1][0] > 0.5 > sides[1][1]


def test_an_arm_whose_one_edge_lies_on_the_body_is_as_broad_as_its_other_edge_says(person):
    reference, target = person(arm=-0.35), person(arm=0.9)
    picture, matte = painted(reference)
    arm = PARTS.index("left_upper_arm")
    body = reference.ends[0, arm]
    along = torch.nn.functional.normalize(body[1] - body[0], dim=0)
    radius = reference.radii[0, arm].mean().item()
    grid = torch.stack(torch.meshgrid(torch.arange(WIDTH) + 0.5, torch.arange(HEIGHT) + 0.5, indexing="xy"), -1) - body[0]
    t, u = grid @ along, grid @ torch.stack((-along[1], along[0]))
    sleeve = (t > 0) & (t < (body[1] - body[0]).norm()) & (u.abs() < 1.5 * radius)
    warp = laid_as(picture, torch.maximum(matte, sleeve.float()), reference, target)
    body = target.ends[0, arm]
    along = torch.nn.functional.normalize(body[1] - body[0], dim=0)
    for side in (-1.3, 1.3):
        x, y = (body.mean(0) + side * radius * torch.stack((-along[1], along[0]))).long().tolist()
        assert warp[3, y, x] > 0.5, side
