from dataclasses import replace

import torch
from understudy.core.diffusion.body import PARTS, Body
from understudy.core.diffusion.body_map import body_map, spots_of
from understudy.core.diffusion.puppet import cut_out, lay_over

WIDTH, HEIGHT = 96, 128


def bone(body: Body, name: str) -> torch.Tensor:
    return body.ends[0, PARTS.index(name)]


def matte_of(body: Body) -> torch.Tensor:
    return (body_map(body, spots_of(body, WIDTH, HEIGHT), WIDTH, HEIGHT)[:, :1] > 0.5).float()


def astride(body: Body) -> Body:
    """The same person, the legs spread."""
    ends = body.ends.clone()
    for side, way in (("left", 1), ("right", -1)):
        for part, end, far in (("thigh", 1, 8), ("shin", 0, 8), ("shin", 1, 16), ("foot", 0, 16), ("foot", 1, 16)):
            ends[0, PARTS.index(f"{side}_{part}"), end, 0] += way * far
    return replace(body, ends=ends)


def laid(picture: torch.Tensor, matte: torch.Tensor, reference: Body, target: Body) -> torch.Tensor:
    puppet = cut_out(picture, matte, reference)
    spots = spots_of(target, WIDTH, HEIGHT)
    return lay_over(puppet, torch.zeros(1, dtype=torch.long), target, spots, WIDTH, HEIGHT)[0][0]


def skirted(body: Body) -> tuple[torch.Tensor, torch.Tensor]:
    """Somebody in blue with a red cloth between the legs, down to the middle of the shins."""
    matte = matte_of(body)
    left, right = bone(body, "left_shin"), bone(body, "right_shin")
    top, hem = int(bone(body, "left_thigh")[0, 1]), int(left[:, 1].mean())
    first, last = sorted((int(left[0, 0]), int(right[0, 0])))
    cloth = torch.zeros_like(matte)
    cloth[..., top:hem, first:last] = 1
    matte = torch.maximum(matte, cloth)
    return torch.cat((cloth, torch.zeros_like(cloth), matte - cloth), 1), matte


def test_a_skirt_spreads_with_the_legs_down_to_its_hem(person):
    reference = person()
    target = astride(reference)
    warp = laid(*skirted(reference), reference, target)
    x = int(bone(target, "torso")[0, 0])
    knee, ankle = (int(bone(target, "left_shin")[end, 1]) for end in (0, 1))
    assert warp[3, knee, x] > 0.9 and warp[0, knee, x] > 0.9 and warp[3, ankle - 2, x] == 0
    assert warp[4, knee, x] < 0.5  # not claimed to be the very spot


def test_between_legs_in_trousers_there_is_nothing(person):
    reference = person()
    target, matte = astride(reference), matte_of(reference)
    assert laid(matte.expand(-1, 3, -1, -1), matte, reference, target)[3, int(bone(target, "left_shin")[0, 1]), 48] == 0


def test_a_skirt_stays_where_it_is_over_its_own_pose(person):
    reference = person()
    picture, matte = skirted(reference)
    warp = laid(picture, matte, reference, reference)
    assert ((warp[3:4] > 0.5) == (matte[0] > 0.5)).float().mean() > 0.98
