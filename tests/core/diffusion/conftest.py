"""Somebody whose joints are known, in a small picture."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from understudy.core.diffusion.body import Body, body_of
from understudy.core.pose.skeleton import INDEX, KEYPOINT_COUNT

WIDTH, HEIGHT = 96, 128
JOINTS = {  # metres; x to the left of somebody who faces the camera, y up from the hips, z towards the camera
    "neck": (0, 0.5, 0), "shoulder": (0.18, 0.5, 0), "elbow": (0.3, 0.25, 0), "wrist": (0.4, 0.0, 0), "hip": (0.1, 0, 0),
    "knee": (0.13, -0.42, 0), "ankle": (0.15, -0.82, 0), "big_toe": (0.16, -0.88, 0.14), "small_toe": (0.2, -0.88, 0.12),
    "ear": (0.08, 0.68, 0), "eye": (0.03, 0.7, 0.09), "nose": (0, 0.66, 0.12),
}  # fmt: skip


def _person(turn: float = 0.0, arm: float = 0.0, depth: float = 4.0) -> Body:
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


@pytest.fixture(scope="session")
def person() -> Callable[..., Body]:
    return _person
