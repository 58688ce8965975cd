import dataclasses
import pickle
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import published_weights
import pytest
import torch
from safetensors.torch import load_file, save_file
from understudy.core.engines import catalog, clip_diffusion
from understudy.core.engines.clip_diffusion import KEPT_FEATURES, MOST_WINDOWS, Features, Take
from understudy.core.engines.interface import FrameReady, Noted, PreviewReady, Reference, Runtime, StepDone
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


def test_without_guidance_overlaps_are_divided_unless_a_slip_of_the_published_code_is_compared_with():
    engine = catalog.create("animate-anyone")
    engine.device, engine.dtype, engine.layout = torch.device("cpu"), torch.float32, torch.contiguous_format
    asked, latents = settings(engine, guidance=1.0), torch.randn(6, 4, 2, 2)

    def predicted():
        return engine._predictor(Unchanging(), 6, asked, [1.0], lambda _: None)(latents, 1.0)

    torch.testing.assert_close(predicted(), latents)
    engine.published = dataclasses.replace(engine.published, undivided=True)
    windows_of_each = torch.tensor([2, 1, 1, 2, 1, 1])  # 0 to 3, and 3 to 5 with 0
    torch.testing.assert_close(predicted(), latents * windows_of_each[:, None, None, None])


class Unchanging(Take):
    def begin_step(self, t):
        pass

    def predict(self, latents, frames, count, guided):
        return latents, None


def test_a_stopped_job_goes_on_to_the_same_frames(engine, waving, tmp_path):
    asked, checkpoint = settings(engine), tmp_path / "latents.safetensors"
    run(engine, waving, asked, checkpoint=checkpoint, stop_after=1)
    frames, steps = run(engine, waving, asked, checkpoint=checkpoint)
    assert steps == [2] and np.array_equal(frames, run(engine, waving, asked)[0])


def test_a_clip_of_one_frame_and_a_reference_of_another_aspect_work(engine, waving):
    wide = np.tile(PICTURE[:30], (1, 3, 1))
    frames, _ = run(engine, waving.select([0]), settings(engine, context_layout="aligned"), picture=wide)
    assert frames.shape == (1, 96, 64, 3)


@pytest.mark.timeout(1200)  # ten seconds of work; on a machine that others load it took two minutes
def test_a_clip_of_a_thousand_frames_works(published, waving):
    torch.set_num_threads(1)
    engine = catalog.create("animate-anyone")
    engine.load("cpu", published("animate-anyone"), Runtime(precision="float32"))
    long = waving.select([frame % len(waving) for frame in range(1000)])
    small = {"width": 16, "height": 16, "steps": 1, "guidance": 1.0, "context_frames": 24, "context_layout": "aligned"}
    frames, _ = run(engine, long, settings(engine, **small))
    assert frames.shape == (1000, 16, 16, 3)


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


def test_windows_are_denoised_together_where_there_is_memory_to_the_same_latents(engine, waving, monkeypatch):
    asked = settings(engine, context_layout="aligned", context_overlap=2)
    batches = []

    def latents(at_once):
        monkeypatch.setattr(engine, "_windows_at_once", lambda *_: at_once)
        return engine.generate(waving, [Reference(PICTURE)], asked, lambda _: None, return_latents=True)

    original = engine.denoiser.begin
    monkeypatch.setattr(engine.denoiser, "begin", lambda x, *a, **k: batches.append(len(x)) or original(x, *a, **k))
    one, two = latents(1), latents(2)
    assert set(batches) == {4, 8}
    torch.testing.assert_close(two, one, atol=2e-4, rtol=1e-3)


def test_on_a_device_of_its_own_as_many_windows_as_fit_are_taken_at_once(engine, monkeypatch):
    asked = settings(engine)
    one = engine.spec.memory.working_bytes(asked, 4)
    assert engine._windows_at_once(asked, 4) == 1  # a processor gains nothing
    monkeypatch.setattr(engine, "device", torch.device("cuda"))
    for free, expected in ((0, 1), (4 * one, 2), (100 * one, MOST_WINDOWS)):
        monkeypatch.setattr(clip_diffusion, "free_bytes", lambda _, free=free: free)
        assert engine._windows_at_once(asked, 4) == expected


def test_what_stays_the_same_is_computed_once(engine, waving, monkeypatch):
    """Of a job of two steps and two windows: text and control features once, the reference once or, where it is written at
    each time, once a step; its keys and values for neither window nor half again; what a ControlNet adds once a frame and
    step."""
    asked = settings(engine, context_layout="aligned", context_overlap=2)
    counts = Counter()

    def count(name, owner, method):
        original = getattr(owner, method)
        monkeypatch.setattr(owner, method, lambda *some: counts.update([name]) or original(*some))

    def rows(name, network):
        return network.register_forward_pre_hook(lambda _, inputs: counts.update({name: len(inputs[0])}))

    count("bank", engine.denoiser, "read_reference")
    count("text", engine.denoiser, "read_text")
    encoders = [name for name in ("reference_encoder", "appearance_encoder") if hasattr(engine, name)]
    hooks = [rows("reference", getattr(engine, encoders[0]))]
    has_guiders = hasattr(engine, "guider_networks")
    if not has_guiders:
        control = engine.controlnet.register_forward_pre_hook(lambda _, inputs: counts.update(residuals=len(inputs[0])))
        hooks.append(control)
    hooks.append(rows("control", engine.guider_networks[0] if has_guiders else engine.controlnet.controlnet_cond_embedding))
    run(engine, waving, asked)
    for hook in hooks:
        hook.remove()
    times = asked.steps if encoders == ["appearance_encoder"] else 1
    assert counts["bank"] == counts["reference"] == times
    shown = 2 * asked.context_frames if has_guiders and engine.guides_windows else len(waving)
    assert counts["control"] == shown and counts["text"] <= 2
    assert counts["residuals"] == (0 if has_guiders else asked.steps * len(waving))


@pytest.mark.parametrize("precision", ["bfloat16", "float8"])
@pytest.mark.parametrize("name", ["animate-anyone", "magic-animate"])
def test_fewer_bits_give_about_the_same_latents(name, precision, published, waving):
    torch.set_num_threads(1)
    found = []
    for kept in ("float32", precision):
        engine = catalog.create(name)
        engine.load("cpu", published(name), Runtime(precision=kept))
        asked = settings(engine, context_layout="aligned", steps=1)
        found.append(engine.generate(waving, [Reference(PICTURE)], asked, lambda _: None, return_latents=True))
    whole, rounded = found
    assert torch.corrcoef(torch.stack([whole.flatten(), rounded.flatten()]))[0, 1] > 0.9


def test_previews_and_drafts_are_decoded_by_the_tiny_autoencoder_where_it_is(waving, published, tmp_path):
    torch.set_num_threads(1)
    weights = tmp_path / "animate-anyone"
    shutil.copytree(published("animate-anyone"), weights)
    drawn = {}
    for there in (False, True):
        engine = catalog.create("animate-anyone")
        engine.load("cpu", weights, Runtime(precision="float32"))
        for preset in ("exact", "draft"):
            told = []
            small = {"width": 60, "height": 92, "steps": 1, "context_frames": 4, "context_overlap": 1}
            asked = dataclasses.replace(engine.spec.settings(preset), **small)
            engine.generate(waving, [Reference(PICTURE)], asked, told.append)
            notes = [progress.text for progress in told if isinstance(progress, Noted)]
            assert len(notes) == (preset == "draft" and not there)
            preview = next(progress.image for progress in told if isinstance(progress, PreviewReady))
            frames = np.array([progress.image for progress in told if isinstance(progress, FrameReady)])
            assert preview.shape == frames[0].shape == (92, 60, 3)
            drawn[preset, there] = preview, frames
        published_weights.tiny_autoencoder(weights)
    for preset, frames_differ in (("exact", False), ("draft", True)):
        (preview, frames), (rough, others) = drawn[preset, False], drawn[preset, True]
        assert not np.array_equal(preview, rough)
        assert np.array_equal(frames, others) != frames_differ


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
        ("aniportrait", "pose_guider.pth", "cross_attn2.transformer_blocks.0.attn1.to_k.weight"),
        ("champ", "champ/guidance_encoder_semantic_map.pth", "attentions.5.proj_out.weight"),
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
    ("name", "file", "other", "told"),
    [
        ("animate-anyone", "pose_guider.pth", "aniportrait/pose_guider.pth", r"184 unexpected: .*another model"),
        ("aniportrait", "pose_guider.pth", "animate-anyone/pose_guider.pth", r"184 missing: \*; 16 unexpected"),
        (
            "magic-animate",
            "MagicAnimate/temporal_attention/temporal_attention.ckpt",
            "animate-anyone/motion_module.pth",
            r"28 unexpected: mid_block.*24 misshapen: .*pos_encoder\.pe",
        ),
        ("champ", "champ/guidance_encoder_depth.pth", "musepose/MusePose/pose_guider.pth", r"19 missing: attentions\.\*\."),
        ("musepose", "MusePose/motion_module.pth", "animate-anyone/motion_module.pth", r"26 misshapen: .*pos_encoder\.pe"),
    ],
)
def test_a_file_of_another_family_is_refused(name, file, other, told, published, tmp_path):
    shutil.copytree(published(name), tmp_path / name)
    family, _, path = other.partition("/")
    shutil.copy(published(family) / path, tmp_path / name / file)
    with pytest.raises(InvalidWeights, match=f"{Path(file).name}.*{told}"):
        catalog.create(name).load("cpu", tmp_path / name, Runtime(precision="float32"))


@pytest.mark.parametrize(
    ("name", "file", "other"),
    [
        ("animate-anyone", "stable-diffusion-v1-5/unet", "sd-vae-ft-mse"),
        ("animate-anyone", "sd-vae-ft-mse", "stable-diffusion-v1-5/unet"),
        ("champ", "image_encoder", "sd-vae-ft-mse"),
        ("magic-animate", "MagicAnimate/densepose_controlnet", "MagicAnimate/appearance_encoder"),
        ("magic-animate", "stable-diffusion-v1-5/text_encoder", "stable-diffusion-v1-5/unet"),
    ],
)
def test_the_configuration_of_another_network_is_refused_by_name(name, file, other, published, tmp_path):
    weights = tmp_path / name
    shutil.copytree(published(name), weights)
    shutil.copy(weights / other / "config.json", weights / file)
    with pytest.raises(InvalidWeights, match=rf"{Path(file).name}/config\.json is not what this network needs.*Put the pub"):
        catalog.create(name).load("cpu", weights, Runtime(precision="float32"))


def test_only_what_every_step_runs_is_compiled(published, monkeypatch):
    compiled = {}
    monkeypatch.setattr(clip_diffusion, "place", lambda net, _, runtime, *__: compiled.update({type(net): runtime.compile}))
    for name in ("animate-anyone", "magic-animate"):
        catalog.create(name).load("cpu", published(name), Runtime(precision="float32", compile=True))
        chosen = {kind.__name__ for kind, is_compiled in compiled.items() if is_compiled}
        assert chosen == ({"Denoiser"} if name == "animate-anyone" else {"Denoiser", "ControlNet", "ReferenceEncoder"})
        compiled.clear()


class Evil:
    def __reduce__(self):
        return print, ("run",)


def damage(path: Path, how: str) -> None:
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif how == "a renamed pickle":
        path.write_bytes(pickle.dumps({"weight": Evil()}))
    else:
        safe = path.suffix == ".safetensors"
        content = load_file(path) if safe else torch.load(path, weights_only=True)
        key = next(key for key, value in content.items() if value.is_floating_point() and not key.endswith("pe"))
        content[key] = torch.full_like(content[key], torch.nan)
        (save_file if safe else torch.save)(content, path)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("truncated", "truncated"),
        ("a renamed pickle", "could run code|pickle under the name"),
        ("NaNs", "holds NaNs or infinities in"),
    ],
)
@pytest.mark.parametrize("name", published_weights.MAKERS)
def test_damaged_files_of_every_family_are_refused_by_name(name, how, told, published, tmp_path):
    """Another file for each damage: the first, the last and one in between of those that hold weights."""
    weights = tmp_path / name
    shutil.copytree(published(name), weights)
    files = sorted(path for path in weights.rglob("*") if path.suffix in {".pth", ".bin", ".ckpt", ".safetensors"})
    chosen = {"truncated": files[0], "a renamed pickle": files[-1], "NaNs": files[len(files) // 2]}[how]
    damage(chosen, how)
    with pytest.raises(InvalidWeights, match=rf"{chosen.stem}.*({told})"):
        catalog.create(name).load("cpu", weights, Runtime(precision="float32"))


def test_each_of_champs_pictures_is_read_by_a_network_of_its_own(published):
    torch.set_num_threads(1)
    engine = catalog.create("champ")
    engine.load("cpu", published("champ"), Runtime(precision="float32"))
    assert engine.controls == ("depth", "normal", "semantic", "dwpose")
    pictures = list(torch.rand(4, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    with torch.inference_mode():
        (features,) = engine.guide(pictures)
        for kind in range(4):
            blank = [torch.zeros_like(picture) if other == kind else picture for other, picture in enumerate(pictures)]
            assert not torch.equal(engine.guide(blank)[0], features)
        assert not torch.allclose(engine.guide(pictures[::-1])[0], features)


def test_features_of_a_long_clip_are_not_all_kept():
    asked = []

    def compute(frames):
        asked.extend(frames)
        return [torch.tensor(frames, dtype=torch.float32)[:, None]]

    features, last = Features(compute), KEPT_FEATURES + 10
    for _ in range(2):
        (found,) = features([0, last, 0])
        assert found.flatten().tolist() == [0, last, 0]
    assert asked == [0, last, last]
