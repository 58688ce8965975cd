import math

import pytest
import torch
from understudy.core.diffusion.body import HEAD, PART_COUNT, PARTS, TORSO, body_of
from understudy.core.diffusion.body_map import body_map, spots_of
from understudy.core.pose.skeleton import KEYPOINT_COUNT

WIDTH, HEIGHT = 96, 128


def test_a_body_turned_away_has_turned_by_half_a_circle_and_left_is_right(person):
    front, back = person(), person(math.pi)
    assert front.turn[0, TORSO].item() == pytest.approx(0, abs=0.02)
    assert abs(back.turn[0, TORSO].item()) == pytest.approx(math.pi, abs=0.02)
    arm = PARTS.index("left_forearm")
    assert front.ends[0, arm, 1, 0] > WIDTH / 2 > back.ends[0, arm, 1, 0]
    assert front.frame[0, 2, 2] < -0.9 and back.frame[0, 2, 2] > 0.9  # the face, towards the camera and away
    assert front.present.all() and front.present.shape == (1, PART_COUNT)


def test_a_side_view_is_narrower(person):
    front, side = person(), person(math.pi / 2)
    assert side.radii[0, TORSO, 0] < 0.7 * front.radii[0, TORSO, 0]
    assert side.radii[0, HEAD, 0] == pytest.approx(front.radii[0, HEAD, 0].item(), rel=0.05)


def test_the_map_shows_the_part_that_is_nearest_to_the_camera(person):
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


def test_a_missing_joint_takes_away_its_parts_only():
    points, visible = torch.zeros(1, KEYPOINT_COUNT, 3), torch.zeros(1, KEYPOINT_COUNT, dtype=torch.bool)
    nobody = body_of(points, visible, torch.eye(3)[None], torch.zeros(1, dtype=torch.bool))
    assert not nobody.present.any() and len(spots_of(nobody, WIDTH, HEIGHT).q) == 0
    assert body_map(nobody, spots_of(nobody, WIDTH, HEIGHT), WIDTH, HEIGHT).abs().max() == 0
