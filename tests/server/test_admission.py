from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from understudy.core.engines import catalog
from understudy.core.engines.layout import WeightsFile
from understudy.core.errors import InvalidClip, InvalidReference, InvalidRequest, InvalidWeights, UnknownEngine
from understudy.core.protocol import MAX_FRAMES, GenerationSettings
from understudy.server.admission import check, in_order, space_needed

WEIGHTS = Path("no folder")
SETTINGS = GenerationSettings(width=64, height=64)


def pair(clip):
    """The same clip with a second person, Bob."""
    twice = {name: np.concatenate([getattr(clip, name)] * 2, axis=1) for name in ("points_cam", "visible")}
    return dataclasses.replace(clip, **twice, people=("Ann", "Bob"))


def test_what_is_right_passes(clip_factory, reference):
    check(SETTINGS, clip_factory(2), [reference], WEIGHTS)


def test_the_engine_judges_the_settings_and_the_people(clip_factory, reference, monkeypatch):
    with pytest.raises(UnknownEngine):
        check(dataclasses.replace(SETTINGS, engine="none"), clip_factory(2), [reference], WEIGHTS)
    with pytest.raises(InvalidRequest, match="no scheduler 'euler'"):
        check(dataclasses.replace(SETTINGS, scheduler="euler"), clip_factory(2), [reference], WEIGHTS)
    monkeypatch.setitem(catalog.CATALOG, "understudy", dataclasses.replace(catalog.find("understudy"), max_people=1))
    with pytest.raises(InvalidRequest, match="2 people"):
        check(SETTINGS, pair(clip_factory(2)), [reference, reference], WEIGHTS)


def test_an_engine_without_its_weights_is_refused_with_all_that_is_missing(clip_factory, reference, tmp_path, monkeypatch):
    spec = catalog.find("understudy")
    files = (WeightsFile(("unet",), "example.org"), WeightsFile(("vae",), "example.org"))
    monkeypatch.setitem(catalog.CATALOG, "understudy", dataclasses.replace(spec, files=files))
    with pytest.raises(InvalidWeights, match="lacks 2 of its 2 files"):
        check(SETTINGS, clip_factory(2), [reference], tmp_path)
    (tmp_path / "understudy").mkdir()
    for name in ("unet", "vae"):
        (tmp_path / "understudy" / f"{name}.pth").write_bytes(b"weights")
    check(SETTINGS, clip_factory(2), [reference], tmp_path)


def test_a_clip_longer_than_any_take_is_refused(clip_factory, reference):
    clip = clip_factory(1)
    long = clip.select(np.zeros(MAX_FRAMES + 1, int))
    with pytest.raises(InvalidClip, match="more than"):
        check(SETTINGS, long, [reference], WEIGHTS)


def test_the_person_of_a_bad_reference_is_named(clip_factory):
    with pytest.raises(InvalidReference, match="reference of Ann"):
        check(SETTINGS, clip_factory(2), [b"text"], WEIGHTS)


def test_references_go_by_name_not_by_order(clip_factory):
    assert in_order(pair(clip_factory(1)), {"Bob": b"b", "Ann": b"a"}) == (b"a", b"b")


@pytest.mark.parametrize(("references", "name"), [({"Ann": b""}, "Bob"), ({"Ann": b"", "Bob": b"", "Cid": b""}, "Cid")])
def test_whoever_is_missing_or_strange_is_named(clip_factory, references, name):
    with pytest.raises(InvalidReference, match=name):
        in_order(pair(clip_factory(1)), references)


def test_the_space_is_enough_for_frames_of_noise(clip_factory):
    small, large = (space_needed(SETTINGS, clip_factory(frames)) for frames in (1, 11))
    assert large - small >= 10 * 64 * 64 * 3
