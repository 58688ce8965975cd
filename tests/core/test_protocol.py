import dataclasses
import json

import pytest
from understudy.core.errors import InvalidRequest
from understudy.core.protocol import Event, EventKind, GenerationSettings, Job, JobRequest, JobState, MemoryNeeds

SETTINGS = GenerationSettings(
    engine="animate-anyone", context_layout="loop", context_stride=2, preset="fast", scheduler="dpm++", guidance_share=0.5,
    precision="float8", offload=True,
)  # fmt: skip


def test_settings_survive_json():
    assert GenerationSettings.from_json(json.loads(json.dumps(SETTINGS.to_json()))) == SETTINGS


def test_a_job_that_was_stored_before_there_were_presets_is_still_read():
    old = {
        "engine": "understudy", "width": 192, "height": 256, "steps": 10, "guidance": 1.0, "seed": 3, "prompt": "",
        "context_frames": 16, "context_overlap": 4,
    }  # fmt: skip
    assert GenerationSettings.from_json(old) == GenerationSettings(width=192, height=256, steps=10, seed=3, context_frames=16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preset": "best"}, "preset 'best' is none of exact, fast, draft"),
        ({"context_layout": "ring"}, "context_layout 'ring' is none of"),
        ({"context_stride": 2}, "aligned windows have no context_stride"),
        ({"context_stride": 0}, "context_stride 0 is not between"),
        ({"guidance_share": 1.5}, "guidance_share 1.5 is not between"),
        ({"guidance_share": float("nan")}, "guidance_share nan is not between"),
        ({"precision": "int4"}, "precision 'int4' is none of"),
        ({"offload": 1}, "offload is 1, not of type bool"),
        ({"scheduler": None}, "scheduler is None, not of type str"),
        ({"background": "green"}, "background 'green' is none of reference, transparent, #rrggbb"),
        ({"background": "#12345"}, "background '#12345' is none of"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(change, message):
    with pytest.raises(InvalidRequest, match=message):
        dataclasses.replace(GenerationSettings(), **change)


def test_jobs_and_events_survive_json():
    job = Job("a", JobState.RUNNING, JobRequest(SETTINGS, "Wave"), 10, created=1.5)
    assert Job.from_json(json.loads(json.dumps(job.to_json()))) == job
    event = Event(3, "a", EventKind.NOTE, {"text": "smaller"})
    assert Event.from_json(json.loads(json.dumps(event.to_json()))) == event


def test_memory_follows_precision_offloading_window_and_size():
    needs = MemoryNeeds(parameters=10**9, window=100, decoding=1000)
    base = GenerationSettings(width=100, height=100, guidance=1.0, context_frames=100, precision="float32")

    def weights(**change):
        return needs.weights_bytes(dataclasses.replace(base, **change))

    def working(frames=1000, **change):
        return needs.working_bytes(dataclasses.replace(base, **change), frames)

    assert (weights(), weights(precision="float16"), weights(precision="float8")) == (4 * 10**9, 2 * 10**9, 10**9)
    assert weights(offload=True) < weights() / 5
    assert needs.weights_bytes(dataclasses.replace(base, precision="auto"), "float32") == weights()
    assert working() == 100 * 100 * 100 * 100
    assert working(height=200) == 2 * working()
    assert working(precision="bfloat16") == working(precision="float8") == working() / 2
    assert working(frames=2) == 2 * 100 * 100 * 1000  # decoding two frames is more than a window of two
    assert working(frames=5, width=2000, height=2000) == 2000 * 2000 * 1000  # these are decoded one by one
