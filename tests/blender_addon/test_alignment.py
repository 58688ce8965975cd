import json

import bpy
import numpy as np
import pytest
from understudy.blender_addon import demo
from understudy.blender_addon.alignment import find_alignment
from understudy.blender_addon.live import Live
from understudy.blender_addon.people import alignments_of, frames_of, people_of
from understudy.blender_addon.plan import plan_samples
from understudy.blender_addon.point_placer import set_points
from understudy.blender_addon.sampling import sample
from understudy.blender_addon.viewpoint import look
from understudy.core.errors import InvalidReference
from understudy.core.pose import openpose_json
from understudy.core.pose.align import measure
from understudy.core.pose.skeleton import BODY_NAMES, INDEX

SIZE = (300, 600)
COCO_PARTS = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")


@pytest.fixture
def person(scene, character, tmp_path):
    """The demo character, with a picture of 300 x 600 pixels that does not tell its joints."""
    (person,) = scene.understudy.people
    picture = bpy.data.images.new("tall", *SIZE)
    picture.save(filepath=person.reference)
    return person


def body(leg: float = 1.0) -> dict[str, tuple[float, float]]:
    """Somebody 200 pixels tall, from the front, with legs so much longer than usual."""
    sides = {
        "eye": (4, 74), "ear": (10, 79), "shoulder": (20, 100), "elbow": (55, 112), "wrist": (84, 112),
        "hip": (11, 157), "knee": (11, 157 + 49 * leg), "ankle": (11, 157 + 98 * leg),
    }  # fmt: skip
    joints = {
        f"{name}_{part}": (150 + sign * x, y) for name, sign in (("left", 1), ("right", -1)) for part, (x, y) in sides.items()
    }
    return {"nose": (150, 82), **joints}


def leg_over_trunk(proportions) -> float:
    return proportions.leg / proportions.trunk


def test_nobody_is_aligned_unless_asked_for(person, scene):
    assert find_alignment(person) is None
    assert alignments_of(bpy.context) == (None,)
    person.align_to, person.align_strength = "POINTS", 0
    assert find_alignment(person) is None, "nor where the strength is nothing"


def test_placed_points_tell_the_proportions(person):
    person.align_to = "POINTS"
    long, usual = [], []
    for leg, kept in ((1.0, usual), (1.4, long)):
        set_points(person, {joint: (x / SIZE[0], y / SIZE[1]) for joint, (x, y) in body(leg).items()})
        kept.append(leg_over_trunk(find_alignment(person).proportions))
    assert long[0] / usual[0] == pytest.approx(1.4, rel=0.02)


def test_too_few_points_say_what_is_needed(person):
    person.align_to = "POINTS"
    set_points(person, {"nose": (0.5, 0.1)})
    with pytest.raises(RuntimeError, match="Place at least the shoulders"):
        bpy.ops.understudy.export_clip(filepath="//clip.npz")


def test_openpose_json_beside_the_picture_tells_the_proportions(person, tmp_path):
    person.align_to = "PICTURE"
    with pytest.raises(RuntimeError, match=r"no reference.json beside it"):
        bpy.ops.understudy.export_clip(filepath=str(tmp_path / "clip.npz"))
    points = {"neck": (150, 100), **body(1.4)}
    triples = [number for name in BODY_NAMES for number in (*points[name], 1.0)]
    content = {"version": 1.3, "people": [{"pose_keypoints_2d": triples}], "canvas_width": SIZE[0], "canvas_height": SIZE[1]}
    (tmp_path / "reference.json").write_text(json.dumps(content))
    assert openpose_json.read(tmp_path / "reference.json").present.sum() == 18
    assert leg_over_trunk(find_alignment(person).proportions) == pytest.approx(1.4 * 0.491 / 0.286, rel=0.15)


def test_coco_wholebody_json_beside_the_picture_tells_the_proportions(person, tmp_path):
    person.align_to = "PICTURE"
    joints = body(1.4)
    order = ["nose", *(f"{side}_{part}" for part in COCO_PARTS for side in ("left", "right"))]
    annotation = {"image_id": 1, "keypoints": [number for name in order for number in (*joints[name], 2)]}
    picture = {"id": 1, "file_name": "reference.png", "width": SIZE[0], "height": SIZE[1]}
    (tmp_path / "reference.json").write_text(json.dumps({"images": [picture], "annotations": [annotation]}))
    assert leg_over_trunk(find_alignment(person).proportions) == pytest.approx(1.4 * 0.491 / 0.286, rel=0.15)


def test_a_rendered_reference_tells_the_proportions_it_was_drawn_with(person, scene, character):
    bpy.ops.understudy.render_reference()
    person.align_to = "PICTURE"
    alignment = find_alignment(person)
    own = sample(scene, plan_samples(bpy.context))
    expected = measure(own.points_cam[:, 0])
    assert leg_over_trunk(alignment.proportions) == pytest.approx(leg_over_trunk(expected), rel=0.05)


def test_the_rest_pose_of_another_armature_gives_its_proportions_to_the_clip(person, scene, character):
    other = demo.make_armature(scene)
    bpy.context.view_layer.objects.active = other
    bpy.ops.object.mode_set(mode="EDIT")
    bones = other.data.edit_bones
    for side in ("Left", "Right"):  # longer forearms: everything beyond the elbows moves on
        elbow, wrist = (bones[f"mixamorig:{side}{part}"].head.copy() for part in ("ForeArm", "Hand"))
        for bone in bones[f"mixamorig:{side}ForeArm"].children_recursive:
            bone.translate((wrist - elbow) * 0.5)
    bpy.ops.object.mode_set(mode="OBJECT")
    person.align_to, person.align_armature, person.align_strength = "ARMATURE", other, 1.0
    scene.frame_set(5)
    clip = sample(scene, plan_samples(bpy.context))
    person.align_to = "OWN"
    plain = sample(scene, plan_samples(bpy.context))
    person.align_to = "ARMATURE"

    def share(points):
        elbow, wrist, hip, knee = (points[INDEX[f"left_{name}"]] for name in ("elbow", "wrist", "hip", "knee"))
        return np.linalg.norm(wrist - elbow) / np.linalg.norm(knee - hip)

    assert share(clip.points_cam[0, 0]) / share(plain.points_cam[0, 0]) == pytest.approx(1.5, rel=0.02)
    assert clip.source["aligned"]["Understudy Demo"]["strength"] == 1.0


def overlaid(live: Live, scene) -> tuple[np.ndarray, str]:
    """The one person's keypoints in the overlay, when all is found out, and the title."""
    depsgraph = bpy.context.view_layer.depsgraph
    eye = look(scene, plan_samples(bpy.context), depsgraph)
    for _ in range(3):
        asked = scene, people_of(bpy.context), depsgraph, eye, alignments_of(bpy.context)
        (pose,), problems = live.look(*asked, first=frames_of(scene).start)
        while not live.ready:
            live.prepare()
    assert not problems
    return pose.points, pose.title


def make_taller(scene, person) -> None:
    """Align `person` to an armature with longer legs; it strides while the armature is carried over the floor."""
    person.align_to, person.align_strength = "POINTS", 1.0
    set_points(person, {joint: (x / SIZE[0], y / SIZE[1]) for joint, (x, y) in body(1.5).items()})
    person.armature.location = (2, 1, 0.3)
    for frame, x in ((1, 2.0), (40, 5.0)):
        person.armature.location.x = x
        person.armature.keyframe_insert("location", frame=frame)
    scene.camera.location = (3, -8, 1)


def test_the_overlay_stands_where_the_clip_puts_the_aligned_person(person, scene, character):
    make_taller(scene, person)
    scene.understudy.frame_start, scene.understudy.frame_end = 10, 30
    scene.frame_set(26)
    points, title = overlaid(Live(), scene)
    clip = sample(scene, plan_samples(bpy.context))
    np.testing.assert_allclose(points, clip.points_cam[16, 0], atol=1e-4)
    assert "Aligned from" not in title
    person.align_strength = 0.0
    plain, _ = overlaid(Live(), scene)
    assert np.abs(points - plain)[:18].max() > 0.05, "as the alignment moves it"


def test_an_edit_of_the_first_frame_moves_the_overlay_with_the_clip(person, scene, character):
    make_taller(scene, person)
    scene.frame_set(6)
    live = Live()
    before, _ = overlaid(live, scene)
    person.armature.location.x = 1.0
    person.armature.keyframe_insert("location", frame=5)
    scene.frame_set(6)
    live.look_again()
    after, _ = overlaid(live, scene)
    np.testing.assert_allclose(after, sample(scene, plan_samples(bpy.context)).points_cam[1, 0], atol=1e-4)
    assert np.abs(after - before)[:18].max() > 0.05


def test_where_keyframes_do_not_tell_the_place_the_overlay_says_so_until_the_first_frame_is_seen(person, scene, character):
    make_taller(scene, person)
    person.armature.constraints.new("LIMIT_LOCATION")
    scene.frame_set(7)
    live = Live()
    _, title = overlaid(live, scene)
    assert "once frame 5 is seen" in title
    for frame in (5, 7):
        scene.frame_set(frame)
        points, title = overlaid(live, scene)
    assert "once frame" not in title
    np.testing.assert_allclose(points, sample(scene, plan_samples(bpy.context)).points_cam[2, 0], atol=1e-4)


def test_a_folder_is_no_reference_and_said_so(person, tmp_path):
    person.align_to, person.reference = "PICTURE", str(tmp_path)
    with pytest.raises(InvalidReference, match="cannot be read"):
        find_alignment(person)


def test_a_person_without_armature_or_picture_is_told_so(person):
    person.align_to, person.reference, person.armature = "PICTURE", "", None
    with pytest.raises(InvalidReference, match="no reference picture"):
        find_alignment(person)


def test_an_armature_has_to_be_chosen(person):
    person.align_to = "ARMATURE"
    with pytest.raises(RuntimeError, match="Choose one under Align To"):
        bpy.ops.understudy.export_clip(filepath="//clip.npz")
