import math

import numpy as np
import pytest
import torch
from understudy.core.diffusion.body import HEAD, PART_COUNT, PARTS, TORSO, Body, body_of
from understudy.core.diffusion.body_map import body_map, cut_out, fill, lay_over, spots_of
from understudy.core.pose.skeleton import INDEX, KEYPOINT_COUNT

WIDTH, HEIGHT = 96, 128
JOINTS = {  # metres; x to the left of somebody who faces the camera, y up from the hips, z towards the camera
    "neck": (0, 0.5, 0), "shoulder": (0.18, 0.5, 0), "elbow": (0.3, 0.25, 0), "wrist": (0.4, 0.0, 0), "hip": (0.1, 0, 0),
    "knee": (0.13, -0.42, 0), "ankle": (0.15, -0.82, 0), "big_toe": (0.16, -0.88, 0.14), "small_toe": (0.2, -0.88, 0.12),
    "ear": (0.08, 0.68, 0), "eye": (0.03, 0.7, 0.09), "nose": (0, 0.66, 0.12),
}  # fmt: skip


def person(turn: float = 0.0, arm: float = 0.0, depth: float = 4.0) -> Body:
    """Somebody who is turned by `turn` and whose left arm is swung sideways by `arm`, in a picture of 96 x 128."""
    points, visible = np.zeros((KEYPOINT_COUNT, 3)), np.zeros(KEYPOINT_COUNT, bool)
    for name, (x, y, z) in JOINTS.items():
        for side, sign in (("left_", 1), ("right_", -1)) if x else (("", 1),):
            place = np.array([sign * x, y, z], float)
            if side == "left_" and name in ("elbow", "wrist"):
                reach, c, s = place - [0.18, 0.5, 0], math.cos(arm), math.sin(arm)
                place = np.array([0.18 + c * reach[0] - s * reach[1], 0.5 + s * reach[0] + c * reach[1], 0])
            c, s = math.cos(turn), math.sin(turn)
            turned = c * place[0] + s * place[2], place[1], c * place[2] - s * place[0]
            points[INDEX[side + name]] = turned[0], -turned[1], depth - turned[2]
            visible[INDEX[side + name]] = True
    lens = torch.tensor([[[240.0, 0, WIDTH / 2], [0, 240, HEIGHT / 2], [0, 0, 1]]])
    return body_of(
        torch.tensor(points, dtype=torch.float32)[None], torch.tensor(visible)[None], lens, torch.zeros(1, dtype=torch.bool)
    )


def painted(body: Body) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture in which each part has a shade of its own, and its matte."""
    mapped = body_map(body, spots_of(body, WIDTH, HEIGHT), WIDTH, HEIGHT)
    matte = (mapped[:, :1] > 0.5).float()
    return mapped[:, 1:4] * matte, matte


def laid(reference: Body, target: Body) -> torch.Tensor:
    puppet = cut_out(*painted(reference), reference)
    spots = spots_of(target, WIDTH, HEIGHT)
    return lay_over(puppet, torch.zeros(1, dtype=torch.long), target, spots, WIDTH, HEIGHT)[0]


def test_a_body_turned_away_has_turned_by_half_a_circle_and_left_is_right():
    front, back = person(), person(math.pi)
    assert front.turn[0, TORSO].item() == pytest.approx(0, abs=0.02)
    assert abs(back.turn[0, TORSO].item()) == pytest.approx(math.pi, abs=0.02)
    arm = PARTS.index("left_forearm")
    assert front.ends[0, arm, 1, 0] > WIDTH / 2 > back.ends[0, arm, 1, 0]
    assert front.frame[0, 2, 2] < -0.9 and back.frame[0, 2, 2] > 0.9  # the face, towards the camera and away
    assert front.present.all() and front.present.shape == (1, PART_COUNT)


def test_a_side_view_is_narrower():
    front, side = person(), person(math.pi / 2)
    assert side.radii[0, TORSO, 0] < 0.7 * front.radii[0, TORSO, 0]
    assert side.radii[0, HEAD, 0] == pytest.approx(front.radii[0, HEAD, 0].item(), rel=0.05)


def test_the_map_shows_the_part_that_is_nearest_to_the_camera():
    body = person(arm=-0.6)  # the left arm before the trunk
    mapped = body_map(body, spots_of(body, WIDTH, HEIGHT), WIDTH, HEIGHT)
    assert mapped.min() >= 0 and mapped.max() <= 1
    assert mapped[0, :, 0, 0].abs().max() == 0  # nobody in the corner
    x, y = body.ends[0, PARTS.index("left_forearm"), 1].long().tolist()
    alone = person(arm=1.2)
    other = body_map(alone, spots_of(alone, WIDTH, HEIGHT), WIDTH, HEIGHT)
    far_x, far_y = alone.ends[0, PARTS.index("left_forearm"), :].mean(0).long().tolist()
    near = mapped[0, 1:4, y - 2, x]
    assert (near - other[0, 1:4, far_y, far_x]).abs().max() < 0.35


def test_a_reference_laid_over_its_own_pose_is_itself():
    body = person()
    picture, matte = painted(body)
    warp = laid(body, body)
    solid = matte[0, 0] > 0.5
    assert (warp[0, :3] - picture[0])[:, solid].abs().mean() < 0.02
    assert ((warp[0, 3] > 0.5) == solid).float().mean() > 0.98 and warp[0, 4][solid].mean() > 0.9


def test_colours_go_with_the_limb_that_moves():
    reference, target = person(), person(arm=1.2)
    truth, matte = painted(target)
    warp = laid(reference, target)
    seen = (warp[0, 4] > 0.5) & (matte[0, 0] > 0.5)
    assert (warp[0, :3] - truth[0])[:, seen].abs().mean() < 0.05
    overlap = (warp[0, 3] > 0.5) & (matte[0, 0] > 0.5)
    assert overlap.sum() / ((warp[0, 3] > 0.5) | (matte[0, 0] > 0.5)).sum() > 0.9


def test_from_behind_torso_and_head_are_not_claimed_to_be_seen():
    target = person(math.pi)
    warp = laid(person(), target)
    for part in (TORSO, HEAD):
        x, y = target.ends[0, part].mean(0).long().tolist()
        assert warp[0, 4, y, x] < 0.1 < 0.9 < warp[0, 3, y, x]


def test_a_missing_joint_takes_away_its_parts_only():
    points, visible = torch.zeros(1, KEYPOINT_COUNT, 3), torch.zeros(1, KEYPOINT_COUNT, dtype=torch.bool)
    nobody = body_of(points, visible, torch.eye(3)[None], torch.zeros(1, dtype=torch.bool))
    assert not nobody.present.any() and len(spots_of(nobody, WIDTH, HEIGHT).q) == 0
    assert body_map(nobody, spots_of(nobody, WIDTH, HEIGHT), WIDTH, HEIGHT).abs().max() == 0


def test_fill_keeps_what_is_known_and_carries_it_on():
    picture = torch.zeros(1, 3, 33, 20)
    picture[:, 0, :, :10], picture[:, 1, :, 10:] = 1, 1
    known = torch.zeros(1, 1, 33, 20)
    known[:, :, :12] = 1
    filled = fill(picture, known)
    assert torch.equal(filled[:, :, :12], picture[:, :, :12])
    assert filled[0, 0, 12, 0] > 0.5 and filled[0, 1, 12, -1] > 0.5  # near, the neighbour's colour
    torch.testing.assert_close(filled.sum(1), torch.ones(1, 33, 20))  # far away, what there is of all
