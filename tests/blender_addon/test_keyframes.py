import random

import bpy
import numpy as np
import pytest
from understudy.blender_addon.keyframes import Evaluator, curves_of, find_obstacle

FRAMES = np.arange(-10, 60)


@pytest.fixture
def cube() -> bpy.types.Object:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    cube = bpy.data.objects.new("Cube", None)
    bpy.context.scene.collection.objects.link(cube)
    return cube


def curve_of(cube, times=(1, 12, 13, 30.5, 48), seed=0) -> bpy.types.FCurve:
    """An F-curve with keyframes of random values at `times`."""
    luck = random.Random(seed)
    for time in times:
        cube.location.x = luck.uniform(-3, 3)
        cube.keyframe_insert("location", index=0, frame=time)
    return curves_of(cube)["location", 0]


def check(curve, tolerance=2e-6) -> None:
    expected = np.array([curve.evaluate(frame) for frame in FRAMES])
    np.testing.assert_allclose(Evaluator(FRAMES)([curve])[0], expected, atol=tolerance)
    assert np.ptp(expected) > 0.1


@pytest.mark.parametrize("kind", ["CONSTANT", "LINEAR", "BEZIER", "SINE", "BOUNCE", "ELASTIC"])
@pytest.mark.parametrize("extrapolation", ["CONSTANT", "LINEAR"])
def test_values_are_those_of_blender(cube, kind, extrapolation):
    curve = curve_of(cube)
    curve.extrapolation = extrapolation
    for key in curve.keyframe_points:
        key.interpolation = kind
    check(curve)


@pytest.mark.parametrize("seed", range(12))
def test_handles_of_any_length_give_blenders_values(cube, seed):
    """Also those that reach over the next keyframe, which Blender shortens, and those that stand upright."""
    curve, luck = curve_of(cube, seed=seed), random.Random(100 + seed)
    for key in curve.keyframe_points:
        key.handle_left_type = key.handle_right_type = "FREE"
        key.handle_left = (key.co.x - luck.choice((0, 1, 3, 25)), luck.uniform(-3, 3))
        key.handle_right = (key.co.x + luck.choice((0, 1, 3, 25)), luck.uniform(-3, 3))
    check(curve, 2e-5)


def test_kinds_of_interpolation_can_change_from_key_to_key(cube):
    curve = curve_of(cube)
    for key, kind in zip(curve.keyframe_points, ("LINEAR", "CONSTANT", "BEZIER", "QUAD", "LINEAR"), strict=True):
        key.interpolation = kind
    check(curve)


def test_a_key_almost_on_a_frame_is_on_it(cube):
    curve = curve_of(cube, (1, 10.00005, 20))
    for key in curve.keyframe_points:
        key.interpolation = "CONSTANT"
    check(curve)


def test_modifiers_and_baked_samples_count(cube):
    curve = curve_of(cube)
    curve.modifiers.new("CYCLES")
    check(curve)
    curve.modifiers.remove(curve.modifiers[0])
    curve.convert_to_samples(1, 40)
    check(curve)


def test_curves_with_keys_at_the_same_times_are_not_mixed_up(cube):
    for frame in (1, 20, 40):
        cube.location = [random.Random(f"{frame}{axis}").uniform(-3, 3) for axis in range(3)]
        cube.keyframe_insert("location", frame=frame)
    evaluate = Evaluator(FRAMES)
    for curve in curves_of(cube).values():
        expected = [curve.evaluate(frame) for frame in FRAMES]
        np.testing.assert_allclose(evaluate([curve])[0], expected, atol=2e-6)


def test_muted_curves_and_groups_animate_nothing(cube):
    curve = curve_of(cube)
    curve.mute = True
    assert not curves_of(cube)
    curve.mute = False
    assert set(curves_of(cube)) == {("location", 0)}
    curve.group.mute = True
    assert not curves_of(cube)


def test_of_a_shared_action_only_the_own_slot_counts(cube):
    if not hasattr(cube.animation_data_create(), "action_slot"):
        pytest.skip("actions have slots since Blender 4.4")
    curve_of(cube)
    other = bpy.data.objects.new("Other", None)
    other.animation_data_create().action = cube.animation_data.action
    other.animation_data.action_slot = None
    assert not curves_of(other)
    other.animation_data.action_slot = other.animation_data.action.slots.new("OBJECT", "Other")
    assert not curves_of(other)
    other.animation_data.action_slot = cube.animation_data.action_slot
    assert set(curves_of(other)) == {("location", 0)}


def test_what_is_more_than_keyframes_is_told(cube):
    assert find_obstacle(cube) is None
    curve_of(cube)
    assert find_obstacle(cube) is None
    cube.driver_add("location", 1)
    assert "drivers" in find_obstacle(cube)
    cube.driver_remove("location", 1)
    track = cube.animation_data.nla_tracks.new()
    track.strips.new("walk", 1, cube.animation_data.action)
    assert "NLA" in find_obstacle(cube)
    cube.animation_data.use_nla = False
    assert find_obstacle(cube) is None
