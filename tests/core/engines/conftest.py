import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import published_weights
import pytest
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import KEYPOINT_COUNT


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Callable[[str], Path]:
    """The folder of tiny weights of an engine, by its name."""
    folder = tmp_path_factory.mktemp("weights")
    return functools.cache(lambda name: published_weights.MAKERS[name](folder / name))


@pytest.fixture(scope="session")
def waving() -> PoseClip:
    """Six frames of somebody whose joints move at random, 64 x 96."""
    rng, frames = np.random.default_rng(0), 6
    points = rng.normal(0, 0.4, (frames, 1, KEYPOINT_COUNT, 3)).astype(np.float32) + np.array([0, 0, 3], np.float32)
    lens = np.tile(np.array([[100, 0, 32], [0, 100, 48], [0, 0, 1]], np.float32), (frames, 1, 1))
    visible = np.ones((frames, 1, KEYPOINT_COUNT), bool)
    return PoseClip(points, visible, lens, np.zeros(frames, bool), np.arange(frames, dtype=np.int32), 24.0, 64, 96, ("A",))
