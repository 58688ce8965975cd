import dataclasses
import json
import subprocess
import sys

import pytest
from understudy.core.engines import catalog
from understudy.core.engines.layout import WeightsFile
from understudy.core.errors import InvalidRequest, InvalidWeights, NotEnoughMemory, UnknownEngine
from understudy.core.protocol import SETTING_CHOICES, GenerationSettings, MemoryNeeds

SPEC = catalog.find("understudy")


def test_an_unknown_engine_is_named():
    with pytest.raises(UnknownEngine, match="no engine called 'nonesuch'"):
        catalog.find("nonesuch")


def test_a_spec_survives_json():
    assert json.loads(json.dumps(SPEC.to_json())) == SPEC.to_json()


@pytest.mark.parametrize(
    ("change", "people", "message"),
    [
        ({"width": 2048, "height": 2048}, 1, "more than engine understudy can draw"),
        ({}, 9, "9 people; engine understudy draws 8"),
        ({"scheduler": "ddim"}, 1, "no scheduler 'ddim'"),
        ({"context_layout": "loop"}, 1, "no context_layout but 'aligned', not 'loop'"),
        ({"context_fusion": "flat"}, 1, "no context_fusion but 'triangle', not 'flat'"),
        ({"context_layout": "open", "context_stride": 2}, 1, "no context_layout but"),
    ],
)
def test_what_an_engine_cannot_do_is_refused_with_a_remedy(change, people, message):
    with pytest.raises(InvalidRequest, match=message):
        SPEC.check(dataclasses.replace(GenerationSettings(), **change), people)


def test_the_defaults_pass_their_own_check():
    for spec in catalog.CATALOG.values():
        spec.check(spec.defaults, people=1)


def test_what_each_preset_changes_is_a_valid_setting():
    for spec in catalog.CATALOG.values():
        assert set(spec.presets) == set(SETTING_CHOICES["preset"])
        assert spec.settings() == spec.defaults
        for name in spec.presets:
            spec.check(spec.settings(name), people=1)
            assert spec.settings(name).preset == name
    with pytest.raises(InvalidRequest, match=r"no preset 'best'.*exact, fast, draft"):
        SPEC.settings("best")


@pytest.mark.parametrize("name", [name for name in catalog.CATALOG if name != "understudy"])
def test_a_draft_keeps_the_shape_of_what_is_published_and_takes_a_seventh_of_the_work_at_most(name):
    spec = catalog.find(name)
    exact, draft = spec.settings("exact"), spec.settings("draft")
    assert draft.width / draft.height == pytest.approx(exact.width / exact.height, rel=0.01)

    def work(settings) -> int:
        return (settings.steps + settings.guided_steps) * settings.width * settings.height

    assert work(exact) >= 7 * work(draft)


def test_an_engine_that_lacks_weights_says_all_that_is_missing_at_once(tmp_path):
    files = tuple(WeightsFile((name,), "example.org") for name in ("unet", "vae/config.json"))
    spec = dataclasses.replace(SPEC, files=files)
    (tmp_path / SPEC.name).mkdir()
    with pytest.raises(InvalidWeights, match=r"lacks 2 of its 2 files.*unet.*config\.json") as refused:
        spec.require_weights(tmp_path)
    assert str(tmp_path / SPEC.name) in refused.value.remedy
    (tmp_path / SPEC.name / "unet.pth").write_bytes(b"weights")
    assert len(spec.lacking(tmp_path)) == 1
    SPEC.require_weights(tmp_path / "nowhere")  # the bundled engine needs no folder


LARGE = dataclasses.replace(SPEC, memory=MemoryNeeds(parameters=10**9, window=200, decoding=100), title="Large", fixed=())
WISH = GenerationSettings(width=512, height=768, guidance=3.5, context_frames=24, context_overlap=8)
# 2 GB of weights in sixteen bits, and 24 frames x 512 x 768 pixels x 100 bytes = 0.94 GB


def test_a_job_that_fits_is_let_through():
    LARGE.require_memory(WISH, frames=100, free=2_950_000_000)
    LARGE.require_memory(WISH, frames=100, free=950_000_000, loaded=True)
    LARGE.require_memory(WISH, frames=6, free=2_250_000_000)  # a short clip is a short window


def test_too_little_memory_is_told_in_figures_with_what_would_fit():
    with pytest.raises(NotEnoughMemory) as refused:
        LARGE.require_memory(WISH, frames=100, free=2_600_000_000)
    assert refused.value.message == "Large needs 2.9 GB of memory for this, and 2.6 GB are free."
    assert refused.value.remedy == "Try 384 x 576 or a window of 12 frames or offloading."
    with pytest.raises(NotEnoughMemory, match=r"5\.9 GB") as refused:
        LARGE.require_memory(WISH, frames=100, free=200_000_000, auto="float32")
    assert "Close other programs" in refused.value.remedy


def test_a_job_steps_down_to_half_the_window_then_to_a_smaller_size_then_not_at_all():
    half = LARGE.step_down(WISH, frames=100)
    assert (half.context_frames, half.context_overlap, half.width) == (12, 6, 512)
    short = LARGE.step_down(WISH, frames=5)
    assert (short.width, short.height, short.context_frames) == (384, 576, 24)
    assert LARGE.step_down(GenerationSettings(width=64, height=64), frames=1) is None


@pytest.mark.parametrize(
    ("name", "frames", "drawn"),
    [("magic-animate", 6, 16), ("magic-animate", 17, 32), ("animate-anyone", 6, 6), ("musepose", 3, 4), ("musepose", 10, 48),
     ("musepose", 92, 92), ("musepose", 93, 136)],
)  # fmt: skip
def test_clips_are_lengthened_as_the_published_code_does(name, frames, drawn):
    spec = catalog.find(name)
    assert spec.denoised(frames, spec.defaults) == drawn
    assert spec.denoised(frames, spec.settings("fast")) == frames


@pytest.mark.parametrize(("name", "frames", "window"), [("musepose", 10, 48), ("magic-animate", 6, 16), ("champ", 6, 6)])
def test_memory_is_reckoned_for_the_window_that_a_short_clip_is_lengthened_to(name, frames, window):
    spec = dataclasses.replace(catalog.find(name), memory=MemoryNeeds(parameters=10**9, window=400, decoding=100))
    published = spec.defaults
    needed = spec.memory.weights_bytes(published) + spec.memory.working_bytes(published, window)
    spec.require_memory(published, frames, free=needed)
    with pytest.raises(NotEnoughMemory):
        spec.require_memory(published, frames, free=needed - 1)
    half = spec.step_down(published, frames)
    assert half.context_frames == window // 2 if window > 6 else half.width < published.width


def test_the_catalog_does_not_import_torch():
    code = "import sys, understudy.core.engines.catalog, understudy.core.engines.interface; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
