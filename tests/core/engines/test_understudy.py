import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from understudy.core.engines.interface import FrameReady, PreviewReady, Reference, StepDone, Working
from understudy.core.engines.understudy import WEIGHTS, UnderstudyEngine
from understudy.core.errors import Cancelled, InvalidWeights
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import KEYPOINT_COUNT
from understudy.core.protocol import GenerationSettings

SETTINGS = GenerationSettings(width=64, height=96, steps=3, seed=1, context_frames=4, context_overlap=2)


@pytest.fixture(scope="module")
def engine() -> UnderstudyEngine:
    torch.set_num_threads(1)
    engine = UnderstudyEngine()
    engine.load("cpu")
    return engine


@pytest.fixture(scope="module")
def clip() -> PoseClip:
    rng, frames = np.random.default_rng(0), 6
    points = rng.normal(0, 0.4, (frames, 1, KEYPOINT_COUNT, 3)).astype(np.float32) + np.array([0, 0, 3], np.float32)
    lens = np.tile(np.array([[100, 0, 32], [0, 100, 48], [0, 0, 1]], np.float32), (frames, 1, 1))
    visible = np.ones((frames, 1, KEYPOINT_COUNT), bool)
    return PoseClip(points, visible, lens, np.zeros(frames, bool), np.arange(frames, dtype=np.int32), 24.0, 64, 96, ("A",))


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (120, 80, 3), np.uint8)


def run(engine, clip, reference, settings=SETTINGS, checkpoint=None, stop_after=None):
    told = []

    def on_progress(progress):
        told.append(progress)
        if isinstance(progress, StepDone) and progress.step == stop_after:
            raise Cancelled("Stopped by the test.")

    try:
        engine.generate(clip, [Reference(reference)], settings, on_progress, checkpoint)
    except Cancelled:
        if stop_after is None:
            raise
    return told


def frames(told) -> np.ndarray:
    return np.stack([progress.image for progress in told if isinstance(progress, FrameReady)])


def test_progress_is_told_in_order(engine, clip, reference):
    told = run(engine, clip, reference)
    assert [p.step for p in told if isinstance(p, StepDone)] == [1, 2, 3]
    assert [p.index for p in told if isinstance(p, FrameReady)] == list(range(6))
    images = [p.image for p in told if isinstance(p, FrameReady | PreviewReady)]
    assert all(image.shape == (96, 64, 3) and image.dtype == np.uint8 for image in images)
    assert sum(isinstance(p, PreviewReady) for p in told) == 3


def test_a_seed_gives_the_same_bytes_and_another_seed_gives_others(engine, clip, reference):
    first, again = (frames(run(engine, clip, reference)) for _ in range(2))
    other = frames(run(engine, clip, reference, dataclasses.replace(SETTINGS, seed=2)))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_pose_and_reference_shape_the_frames(engine, clip, reference):
    first = frames(run(engine, clip, reference))
    assert not np.array_equal(first, frames(run(engine, clip.select(slice(None, None, -1)), reference)))
    assert not np.array_equal(first, frames(run(engine, clip, 255 - reference)))
    assert not np.array_equal(first, frames(run(engine, clip, reference, dataclasses.replace(SETTINGS, guidance=2.0))))


def test_a_stopped_job_goes_on_to_the_same_bytes(engine, clip, reference, tmp_path):
    checkpoint = tmp_path / "latents.safetensors"
    run(engine, clip, reference, checkpoint=checkpoint, stop_after=2)
    told = run(engine, clip, reference, checkpoint=checkpoint)
    assert [p.step for p in told if isinstance(p, StepDone)] == [3]
    assert np.array_equal(frames(told), frames(run(engine, clip, reference)))


def test_a_checkpoint_of_another_job_is_not_gone_on_from(engine, clip, reference, tmp_path):
    checkpoint = tmp_path / "latents.safetensors"
    run(engine, clip, reference, checkpoint=checkpoint, stop_after=2)
    told = run(engine, clip, reference, dataclasses.replace(SETTINGS, seed=2), checkpoint)
    assert sum(isinstance(p, StepDone) for p in told) == 3


def test_a_cancel_is_noticed_within_a_step(engine, clip, reference):
    told = []

    def on_progress(progress):
        told.append(progress)
        if len(told) == 2:
            raise Cancelled("Stopped by the test.")

    with pytest.raises(Cancelled):
        engine.generate(clip, [Reference(reference)], SETTINGS, on_progress)
    assert told == [Working(), Working()]  # the second of two windows


def test_a_clip_of_one_frame_works(engine, clip, reference):
    assert len(frames(run(engine, clip.select([0]), reference))) == 1


@pytest.mark.parametrize("size", [(70, 90), (33, 61)])
def test_a_size_that_is_no_multiple_of_anything_is_drawn_and_cropped(engine, clip, reference, size):
    settings = dataclasses.replace(SETTINGS, width=size[0], height=size[1])
    images = frames(run(engine, clip.select([0, 1]), reference, settings))
    assert images.shape == (2, size[1], size[0], 3)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(InvalidWeights, match=r"nowhere\.safetensors is missing"):
        UnderstudyEngine(tmp_path / "nowhere.safetensors").load("cpu")


def test_truncated_weights_are_refused(tmp_path):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(WEIGHTS.read_bytes()[:100_000])
    with pytest.raises(InvalidWeights, match=r"cut.safetensors is truncated"):
        UnderstudyEngine(path).load("cpu")


def test_weights_of_another_model_and_nans_are_refused(tmp_path):
    tensors = load_file(WEIGHTS)
    name = next(iter(tensors))
    save_file({**tensors, name: torch.full_like(tensors[name], torch.nan)}, tmp_path / "nan.safetensors")
    with pytest.raises(InvalidWeights, match=f"NaNs or infinities in {name.split('.', 1)[1]}"):
        UnderstudyEngine(tmp_path / "nan.safetensors").load("cpu")
    del tensors[name]
    save_file(tensors, tmp_path / "lacking.safetensors")
    with pytest.raises(InvalidWeights, match=name.split(".", 1)[1]):
        UnderstudyEngine(tmp_path / "lacking.safetensors").load("cpu")
