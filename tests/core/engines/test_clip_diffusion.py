import dataclasses
import shutil

import numpy as np
import published_weights
import pytest
import torch
from understudy.core.engines import catalog
from understudy.core.engines.clip_diffusion import KEPT_FEATURES, Features
from understudy.core.engines.interface import FrameReady, Reference, Runtime, StepDone
from understudy.core.errors import Cancelled, InvalidRequest, InvalidWeights

PICTURE = np.random.default_rng(1).integers(0, 255, (96, 64, 3), np.uint8)


@pytest.fixture(scope="module", params=published_weights.MAKERS)
def engine(request, published):
    torch.set_num_threads(1)
    engine = catalog.create(request.param)
    engine.load("cpu", published(request.param), Runtime(precision="float32"))
    return engine


def settings(engine, **changed):
    tiny = {"width": 64, "height": 96, "steps": 2, "context_frames": 4, "context_overlap": 1, "seed": 1}
    return dataclasses.replace(engine.spec.settings("exact"), **(tiny | changed))


def run(engine, clip, asked, picture=PICTURE, checkpoint=None, stop_after=None):
    """The frames, and the steps that were taken."""
    frames, steps = [], []

    def on_progress(progress):
        if isinstance(progress, FrameReady):
            frames.append(progress.image)
        if isinstance(progress, StepDone):
            steps.append(progress.step)
            if progress.step == stop_after:
                raise Cancelled("Stopped by the test.")

    try:
        engine.generate(clip, [Reference(picture)], asked, on_progress, checkpoint)
    except Cancelled:
        assert stop_after
    return np.array(frames), steps


def test_every_frame_is_drawn_once_in_the_size_asked_for(engine, waving):
    frames, steps = run(engine, waving, settings(engine, width=60, height=90))
    assert frames.shape == (6, 90, 60, 3) and steps == [1, 2]


def test_poses_reference_and_seed_shape_the_frames(engine, waving):
    asked = settings(engine)
    first, _ = run(engine, waving, asked)
    again, _ = run(engine, waving, asked)
    assert np.array_equal(first, again)
    for other in (
        run(engine, waving.select(slice(None, None, -1)), asked)[0],
        run(engine, waving, asked, picture=255 - PICTURE)[0],
        run(engine, waving, dataclasses.replace(asked, seed=2))[0],
        run(engine, waving, dataclasses.replace(asked, guidance=1.0))[0],
    ):
        assert not np.array_equal(first, other)


def test_a_stopped_job_goes_on_to_the_same_frames(engine, waving, tmp_path):
    asked, checkpoint = settings(engine), tmp_path / "latents.safetensors"
    run(engine, waving, asked, checkpoint=checkpoint, stop_after=1)
    frames, steps = run(engine, waving, asked, checkpoint=checkpoint)
    assert steps == [2] and np.array_equal(frames, run(engine, waving, asked)[0])


def test_a_clip_of_one_frame_works(engine, waving):
    frames, _ = run(engine, waving.select([0]), settings(engine, context_layout="aligned"))
    assert len(frames) == 1


def test_presets_but_exact_end_their_windows_with_the_clip_and_work(engine, waving):
    for preset in ("fast", "draft"):
        tiny = {"width": 64, "height": 64, "steps": 2, "context_frames": 4, "context_overlap": 1}
        asked = dataclasses.replace(engine.spec.settings(preset), **tiny)
        assert asked.context_layout == "aligned" and len(run(engine, waving, asked)[0]) == 6


def test_given_noise_is_denoised_to_latents_of_its_shape(engine, waving):
    asked, noise = settings(engine), torch.randn(6, 4, 12, 8, generator=torch.Generator().manual_seed(3))
    kept = noise.clone()
    reference = [Reference(PICTURE)]
    latents = engine.generate(waving, reference, asked, lambda _: None, initial_latents=noise, return_latents=True)
    assert latents.shape == noise.shape and torch.equal(noise, kept)
    other = engine.generate(waving, reference, asked, lambda _: None, initial_latents=noise * 0.9, return_latents=True)
    assert not torch.equal(latents, other)


def test_a_window_beyond_the_positions_is_refused(engine, waving):
    most = engine.published.temporal.positions
    long = waving.select([0] * (most + 1))
    with pytest.raises(InvalidRequest, match=rf"window of {most + 1} frames is longer than the {most} "):
        run(engine, long, settings(engine, width=16, height=16, context_frames=most + 1, context_overlap=1))


@pytest.mark.parametrize(
    ("name", "file", "key"),
    [
        ("animate-anyone", "denoising_unet.pth", "mid_block.attentions.0.proj_in.weight"),
        ("animate-anyone", "motion_module.pth", "mid_block.motion_modules.0.temporal_transformer.proj_in.weight"),
        ("animate-anyone", "pose_guider.pth", "blocks.4.bias"),
        ("musepose", "MusePose/motion_module.pth", "up_blocks.0.motion_modules.0.temporal_transformer.norm.bias"),
        ("magic-animate", "stable-diffusion-v1-5/text_encoder/pytorch_model.bin", "text_model.final_layer_norm.bias"),
    ],
)
def test_a_missing_an_unexpected_and_a_misshapen_key_are_told_at_once(name, file, key, published, tmp_path):
    weights = tmp_path / name
    shutil.copytree(published(name), weights)
    content = torch.load(weights / file, weights_only=True)
    # A bias of somebody else's shape, a tensor too many, and one too few.
    content["strange"] = content.pop(key)
    other = next(each for each in content if each.endswith("norm.weight") or each.endswith("bias"))
    content[other] = torch.zeros(7)
    torch.save(content, weights / file)
    with pytest.raises(InvalidWeights) as error:
        catalog.create(name).load("cpu", weights, Runtime(precision="float32"))
    for told in (key.replace(".temporal_transformer", ""), "strange", other.replace(".temporal_transformer", "")):
        assert told in error.value.message


@pytest.mark.parametrize(
    ("name", "frames", "drawn"),
    [("magic-animate", 6, 16), ("magic-animate", 17, 32), ("animate-anyone", 6, 6), ("musepose", 3, 4), ("musepose", 10, 48),
     ("musepose", 92, 92), ("musepose", 93, 136)],
)  # fmt: skip
def test_clips_are_lengthened_as_the_published_code_does(name, frames, drawn):
    engine = catalog.create(name)
    assert engine.lengthened(frames, engine.spec.defaults) == drawn


def test_features_of_a_long_clip_are_not_all_kept():
    asked = []

    def compute(frames):
        asked.extend(frames)
        return torch.tensor(frames, dtype=torch.float32)[:, None]

    features, last = Features(compute), KEPT_FEATURES + 10
    for _ in range(2):
        assert features([0, last, 0]).flatten().tolist() == [0, last, 0]
    assert asked == [0, last, last]
