import dataclasses

import numpy as np
import pytest
import torch
from understudy.core.diffusion.schedulers import make_path
from understudy.core.diffusion.windows import fuse, plan
from understudy.core.engines.drawing import Checkpoint, Kept, draw, fingerprint
from understudy.core.engines.interface import FrameReady, PreviewReady, StepDone
from understudy.core.errors import Cancelled
from understudy.core.pose.clip import PoseClip
from understudy.core.protocol import GenerationSettings

PUBLISHED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear"}


def noise(frames: int = 20) -> torch.Tensor:
    return torch.randn(frames, 4, 2, 3, generator=torch.Generator().manual_seed(0))


def predict(x: torch.Tensor, t: float) -> torch.Tensor:
    return torch.tanh(x) * t / 1000


def decode(latents: torch.Tensor) -> np.ndarray:
    assert len(latents) <= 8
    return (latents[:, :3].permute(0, 2, 3, 1) * 50 + 128).clamp(0, 255).byte().numpy()


def run(checkpoint=None, stop_after=None, scheduler="ddim", **options) -> tuple[torch.Tensor, list]:
    told = []

    def on_progress(progress):
        told.append(progress)
        if isinstance(progress, StepDone) and progress.step == stop_after:
            raise Cancelled("Stopped by the test.")

    try:
        latents = draw(
            predict, noise(), make_path(scheduler, PUBLISHED, 4), decode, on_progress, checkpoint, **options
        )
    except Cancelled:
        latents = None
    return latents, told


def test_steps_previews_and_every_frame_are_told_in_order():
    latents, told = run()
    assert [type(p) for p in told[:8]] == [PreviewReady, StepDone] * 4
    assert told[7] == StepDone(4, 4)
    assert [p.index for p in told[8:]] == list(range(20))
    assert np.array_equal(told[-1].image, decode(latents[-1:])[0])


def test_previews_show_the_middle_of_the_clip_by_their_own_decoder():
    seen = []
    run(preview=lambda latents: seen.append(latents) or np.zeros((1, 2, 3, 3), np.uint8))
    assert len(seen) == 4 and seen[0].shape == (1, 4, 2, 3)


@pytest.mark.parametrize("frames", [1, 1000])
def test_clips_of_one_frame_and_of_a_thousand_are_drawn_in_windows(frames):
    windows = plan(frames, 16, 4)
    longest = []

    def windowed(x, t):
        def one(rows):
            longest.append(rows.numel())
            return predict(x[rows], t)

        return fuse(windows, one)

    told = []
    latents = draw(windowed, noise(frames), make_path("ddim", PUBLISHED, 2), decode, told.append)
    assert [progress.index for progress in told if isinstance(progress, FrameReady)] == list(range(frames))
    assert max(longest) == min(frames, 16) and latents.isfinite().all()


@pytest.mark.parametrize("scheduler", ["ddim", "dpm++", "lcm"])
def test_a_stopped_job_goes_on_to_the_same_bits(tmp_path, scheduler):
    kept = Checkpoint(tmp_path / "latents", "job")
    run(kept, stop_after=3, scheduler=scheduler)
    latents, told = run(kept, scheduler=scheduler)
    assert [p.step for p in told if isinstance(p, StepDone)] == [4]
    assert torch.equal(latents, run(scheduler=scheduler)[0])


def test_a_job_that_had_taken_all_its_steps_is_only_decoded(tmp_path):
    kept = Checkpoint(tmp_path / "latents", "job")
    run(kept, stop_after=4)
    latents, told = run(kept)
    assert all(isinstance(p, FrameReady) for p in told) and torch.equal(latents, run()[0])


def test_a_checkpoint_of_another_job_or_a_broken_one_is_not_gone_on_from(tmp_path):
    path = tmp_path / "latents"
    assert Checkpoint(path, "a").load() is None
    Checkpoint(path, "a").save(Kept(noise(), 2))
    assert Checkpoint(path, "a").load().step == 2
    assert Checkpoint(path, "b").load() is None
    path.write_bytes(path.read_bytes()[:100])
    assert Checkpoint(path, "a").load() is None


def test_a_fingerprint_tells_clips_pictures_and_settings_apart():
    def clip(x: float) -> PoseClip:
        lens = np.eye(3, dtype=np.float32)[None]
        points = np.full((1, 1, 134, 3), x, np.float32)
        return PoseClip(
            points, np.ones((1, 1, 134), bool), lens, np.zeros(1, bool), np.arange(1, dtype=np.int32), 24.0, 64, 64, ("A",)
        )

    picture, settings = np.zeros((4, 6, 3), np.uint8), GenerationSettings()
    given = [
        (clip(1), [picture], settings),
        (clip(2), [picture], settings),
        (clip(1), [picture + 1], settings),
        (clip(1), [picture.reshape(6, 4, 3)], settings),
        (clip(1), [picture, picture], settings),
        (clip(1), [picture], dataclasses.replace(settings, seed=1)),
    ]
    assert len({fingerprint(*each) for each in given}) == len(given)
    assert fingerprint(*given[0]) == fingerprint(clip(1), [picture.copy()], GenerationSettings())


def test_frames_that_were_told_before_are_not_decoded_again():
    _, told = run(drawn=11)
    assert [p.index for p in told[8:]] == list(range(8, 20))  # decoded eight at a time
