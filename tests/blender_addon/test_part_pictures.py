"""DensePose's parts drawn from a mesh in a real Blender."""

from __future__ import annotations

import bpy
import numpy as np
from understudy.blender_addon.part_pictures import part_pictures
from understudy.blender_addon.sample_options import Person, SampleOptions
from understudy.blender_addon.sampling import sample
from understudy.core.control.guide import draw
from understudy.core.pose.mesh_parts import PART_COLOURS
from understudy.core.pose.skeleton import INDEX

WIDTH, HEIGHT = 192, 256


def numbers(picture: np.ndarray) -> np.ndarray:
    return np.abs(picture[:, :, None].astype(int) - PART_COLOURS).sum(-1).argmin(-1)


def test_the_demo_characters_mesh_has_its_parts_where_its_joints_are(scene, character):
    """Of frame 7 it faces the camera, of 40 it shows its back; the mannequin around the same joints agrees."""
    scene.frame_set(3)
    options = SampleOptions((Person(character.name, character),), (7, 40), WIDTH, HEIGHT)
    pictures = [numbers(picture) for picture in part_pictures(scene, options) if picture is not None]
    assert scene.frame_current == 3
    clip = sample(scene, options)
    cones = map(numbers, draw(clip, "densepose", WIDTH, HEIGHT))
    for frame, (mesh, cone) in enumerate(zip(pictures, cones, strict=True)):
        both = (mesh > 0) & (cone > 0)
        assert both.sum() > 0.8 * (cone > 0).sum()  # it is drawn where the cones are
        assert (mesh == cone)[both].mean() > 0.7
        for side in ("left", "right"):
            column, row = clip.pixels()[frame, 0, [INDEX[f"{side}_knee"], INDEX[f"{side}_ankle"]]].mean(0).astype(int)
            assert mesh[row, column] in ({12, 14} if side == "left" else {11, 13})


def test_weights_are_read_in_steps_between_which_the_scene_may_change(scene, character, monkeypatch):
    options = SampleOptions((Person(character.name, character),), (7,), WIDTH, HEIGHT)
    (at_once,) = [picture for picture in part_pictures(scene, options) if picture is not None]
    monkeypatch.setattr("understudy.blender_addon.part_pictures._WEIGHTS_AT_ONCE", 100)
    steps = 0
    for picture in part_pictures(scene, options):
        if picture is None:
            steps += 1
            scene.frame_set(40)
        else:
            np.testing.assert_array_equal(picture, at_once)
    assert steps > 5


def test_the_operator_writes_a_picture_a_frame(scene, character, tmp_path):
    assert bpy.ops.understudy.export_parts(directory=str(tmp_path / "parts")) == {"FINISHED"}
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == ["0001.png", "0002.png", "0003.png"]
    picture = bpy.data.images.load(str(tmp_path / "parts" / "0001.png"))
    pixels = np.empty(64 * 64 * 4, np.float32)
    picture.pixels.foreach_get(pixels)
    colours = {tuple(colour) for colour in np.round(pixels.reshape(-1, 4)[:, :3] * 255).astype(int).tolist()}
    assert (68, 1, 84) in colours and colours <= {tuple(colour) for colour in PART_COLOURS.tolist()}
