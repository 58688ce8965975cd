import dataclasses

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from understudy.core.engines.interface import FrameReady, PreviewReady, Reference, StepDone, Working
from understudy.core.engines.understudy import WEIGHTS, UnderstudyEngine
from understudy.core.errors import Cancelled, InvalidWeights
from understudy.core.pose.clip import PoseClip
from understudy.core.pose.skeleton import INDEX, KEYPOINT_COUNT
from understudy.core.protocol import GenerationSettings

SETTINGS = GenerationSettings(width=80, height=96, steps=3, seed=1, context_frames=4, context_overlap=2)
WINDOW = 64, 96


@pytest.fixture(scope="module")
def engine() -> UnderstudyEngine:
    torch.set_num_threads(1)
    engine = UnderstudyEngine(window=WINDOW)
    engine.load("cpu")
    return engine


def people(*offsets: float, frames: int = 6, depth: float = 3.0) -> PoseClip:
    """Somebody at each of `offsets` metres from the middle, 0.1 m farther away each, who walks to the right."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.3, 0.3, (1, 1, KEYPOINT_COUNT, 3)).repeat(frames, 0).repeat(len(offsets), 1)
    for name, place in STANDING.items():
        for side, sign in (("left_", 1), ("right_", -1)) if place[0] else (("", 1),):
            points[:, :, INDEX[side + name]] = place * np.array([sign, -1, -1])
    points[..., 0] += np.array(offsets)[None, :, None] + 0.04 * np.arange(frames)[:, None, None]
    points[..., 2] += depth + 0.1 * np.arange(len(offsets))[None, :, None]
    lens = np.tile(np.array([[120, 0, 40], [0, 120, 48], [0, 0, 1]], np.float32), (frames, 1, 1))
    visible = np.zeros((frames, len(offsets), KEYPOINT_COUNT), bool)
    visible[..., :24] = True
    names = tuple(f"person {number}" for number in range(len(offsets)))
    return PoseClip(
        points.astype(np.float32), visible, lens, np.zeros(frames, bool), np.arange(frames, dtype=np.int32), 24.0, 80, 96, names
    )


STANDING = {  # metres; x to the left of somebody who faces the camera, y up from the hips, z towards the camera
    "neck": (0, 0.5, 0), "shoulder": (0.18, 0.5, 0), "elbow": (0.3, 0.25, 0), "wrist": (0.4, 0.0, 0), "hip": (0.1, 0, 0),
    "knee": (0.13, -0.42, 0), "ankle": (0.15, -0.82, 0), "big_toe": (0.16, -0.88, 0.14), "small_toe": (0.2, -0.88, 0.12),
    "ear": (0.08, 0.68, 0), "eye": (0.03, 0.7, 0.09), "nose": (0, 0.66, 0.12),
}  # fmt: skip


@pytest.fixture(scope="module")
def clip() -> PoseClip:
    return people(0.0)


@pytest.fixture(scope="module")
def reference() -> Reference:
    """A red figure on white that is known to be one: its matte and its pose come with it."""
    pose = people(0.0, frames=1)
    picture, matte = np.full((96, 80, 3), 255, np.uint8), np.zeros((96, 80), np.uint8)
    for x, y in pose.pixels()[0, 0][:24].astype(int):
        cv2.circle(matte, (int(x), int(y)), 7, 255, -1)
    picture[matte > 0] = (200, 20, 20)
    return Reference(picture, matte, pose)


def run(engine, clip, reference, settings=SETTINGS, checkpoint=None, stop_after=None, drawn=0):
    told = []

    def on_progress(progress):
        told.append(progress)
        if isinstance(progress, StepDone) and progress.step == stop_after:
            raise Cancelled("Stopped by the test.")

    references = [reference] * len(clip.people)
    try:
        engine.generate(clip, references, settings, on_progress, checkpoint, drawn)
    except Cancelled:
        if stop_after is None:
            raise
    return told


def frames(told) -> np.ndarray:
    return np.stack([progress.image for progress in told if isinstance(progress, FrameReady)])


def test_frames_come_window_by_window_between_the_steps(engine, clip, reference):
    told = run(engine, clip, reference)
    assert [p.step for p in told if isinstance(p, StepDone)] == [1, 2, 3, 4, 5, 6]
    assert [p.index for p in told if isinstance(p, FrameReady)] == list(range(6))
    order = [type(p) for p in told if isinstance(p, FrameReady | StepDone)]
    assert order == [StepDone] * 3 + [FrameReady] * 4 + [StepDone] * 3 + [FrameReady] * 2
    images = [p.image for p in told if isinstance(p, FrameReady | PreviewReady)]
    assert all(image.shape == (96, 80, 3) and image.dtype == np.uint8 for image in images)
    assert sum(isinstance(p, PreviewReady) for p in told) == 2


def test_a_seed_gives_the_same_bytes_and_another_seed_gives_others(engine, clip, reference):
    first, again = (frames(run(engine, clip, reference)) for _ in range(2))
    other = frames(run(engine, clip, reference, dataclasses.replace(SETTINGS, seed=2)))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_what_is_known_of_the_reference_shapes_the_frames(engine, clip, reference):
    first = frames(run(engine, clip, reference))
    assert not np.array_equal(first, frames(run(engine, clip.select(slice(None, None, -1)), reference)))
    for other in (
        dataclasses.replace(reference, picture=255 - reference.picture),
        dataclasses.replace(reference, pose=None),
        dataclasses.replace(reference, matte=None),
    ):
        assert not np.array_equal(first, frames(run(engine, clip, other)))
    assert not np.array_equal(first, frames(run(engine, clip, reference, dataclasses.replace(SETTINGS, guidance=2.0))))


def test_guidance_is_taken_on_its_share_of_the_steps(engine, clip, reference):
    def drawn(guidance: float, share: float) -> np.ndarray:
        return frames(run(engine, clip, reference, dataclasses.replace(SETTINGS, guidance=guidance, guidance_share=share)))

    none, first, all_steps = drawn(2.0, 0.0), drawn(2.0, 0.3), drawn(2.0, 1.0)
    assert np.array_equal(none, drawn(1.0, 1.0))
    assert not np.array_equal(first, none) and not np.array_equal(first, all_steps)


def test_the_figure_is_where_the_person_is_and_as_red(engine, clip, reference):
    drawn = frames(run(engine, clip, reference)).astype(int)
    for frame in (0, 5):
        x, y = clip.pixels()[frame, 0, INDEX["neck"]].astype(int)
        red, green, _ = drawn[frame, y + 8, x]
        assert red > green + 40
    assert (drawn[:, :4, :4] > 240).all()  # the reference's background


def test_a_stopped_job_goes_on_to_the_same_bytes(engine, clip, reference, tmp_path):
    checkpoint = tmp_path / "latents.safetensors"
    for stop in (2, 5):
        run(engine, clip, reference, checkpoint=checkpoint, stop_after=stop)
    told = run(engine, clip, reference, checkpoint=checkpoint)
    assert [p.step for p in told if isinstance(p, StepDone)] == [6]
    assert np.array_equal(frames(told), frames(run(engine, clip, reference)))


def count_poses(engine, monkeypatch) -> list[int]:
    """How many are made at a time, from now on."""
    counts, original = [], engine.model.pose

    def pose(seen, body, *size):
        counts.append(len(body.turn))
        return original(seen, body, *size)

    monkeypatch.setattr(engine.model, "pose", pose)
    return counts


def test_a_job_that_is_gone_on_with_leaves_out_what_was_drawn(engine, reference, tmp_path, monkeypatch):
    """Of four windows the third was begun, and the frames of the first two are there."""
    clip, checkpoint = people(0.0, frames=10), tmp_path / "latents.safetensors"
    whole = frames(run(engine, clip, reference))
    run(engine, clip, reference, checkpoint=checkpoint, stop_after=8)
    posed = count_poses(engine, monkeypatch)
    told = run(engine, clip, reference, checkpoint=checkpoint, drawn=6)
    assert [p.step for p in told if isinstance(p, StepDone)] == [9, 10, 11, 12]
    indices = [p.index for p in told if isinstance(p, FrameReady)]
    assert indices == [6, 7, 8, 9] and np.array_equal(frames(told), whole[6:])
    assert sum(posed) == 6  # of the third window, two of whose frames are the second's, and of the fourth


def test_each_frames_pose_is_made_once_though_windows_share_it(engine, reference, monkeypatch):
    posed = count_poses(engine, monkeypatch)
    run(engine, people(0.0, frames=10), reference, dataclasses.replace(SETTINGS, steps=1, context_overlap=3))
    assert sum(posed) == 10


def test_a_checkpoint_of_another_job_is_not_gone_on_from(engine, clip, reference, tmp_path):
    checkpoint = tmp_path / "latents.safetensors"
    run(engine, clip, reference, checkpoint=checkpoint, stop_after=2)
    told = run(engine, clip, reference, dataclasses.replace(SETTINGS, seed=2), checkpoint)
    assert sum(isinstance(p, StepDone) for p in told) == 6


def test_a_cancel_is_noticed_within_a_step(engine, clip, reference):
    told = []

    def on_progress(progress):
        told.append(progress)
        raise Cancelled("Stopped by the test.")

    with pytest.raises(Cancelled):
        engine.generate(clip, [reference], SETTINGS, on_progress)
    assert told == [Working()]


def test_a_clip_of_one_frame_works(engine, clip, reference):
    assert len(frames(run(engine, clip.select([0]), reference))) == 1


def test_frames_are_of_any_size_and_shape(engine, clip, reference):
    for width, height in ((33, 61), (200, 50)):
        settings = dataclasses.replace(SETTINGS, width=width, height=height, steps=1)
        assert frames(run(engine, clip.select([0, 1]), reference, settings)).shape == (2, height, width, 3)


def test_what_stands_behind_is_as_asked(engine, clip, reference):
    colour = frames(run(engine, clip.select([0]), reference, dataclasses.replace(SETTINGS, background="#204060")))
    assert colour[0, 0, 0].tolist() == [0x20, 0x40, 0x60]
    clear = frames(run(engine, clip.select([0]), reference, dataclasses.replace(SETTINGS, background="transparent")))
    x, y = clip.pixels()[0, 0, INDEX["neck"]].astype(int)
    assert clear.shape == (1, 96, 80, 4) and clear[0, 0, 0, 3] == 0 and clear[0, y + 8, x, 3] > 200


def test_several_people_are_drawn_the_nearest_last(engine, reference):
    blue = dataclasses.replace(reference, picture=np.ascontiguousarray(reference.picture[..., ::-1]))
    told = []
    clip = people(-0.05, 0.05, frames=1)
    engine.generate(clip, [reference, blue], SETTINGS, told.append)
    x, y = clip.pixels()[0, 0, INDEX["neck"]].astype(int)
    red, _, of_blue = frames(told)[0, y + 8, x - 2].astype(int)
    assert red > of_blue + 30  # the red one is nearer, though the first in the list
    assert sum(isinstance(p, StepDone) for p in told) == 2 * SETTINGS.steps


def test_somebody_who_is_never_in_the_picture_leaves_the_background(engine, clip, reference):
    away = dataclasses.replace(clip, visible=np.zeros_like(clip.visible))
    assert (frames(run(engine, away, reference)) > 240).all()


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
    with pytest.raises(InvalidWeights, match=f"NaNs or infinities in {name}"):
        UnderstudyEngine(tmp_path / "nan.safetensors").load("cpu")
    del tensors[name]
    save_file(tensors, tmp_path / "lacking.safetensors")
    with pytest.raises(InvalidWeights, match=name):
        UnderstudyEngine(tmp_path / "lacking.safetensors").load("cpu")
