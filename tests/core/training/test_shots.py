import numpy as np
import pytest
import torch
from understudy.core.pose.skeleton import INDEX
from understudy.core.training import motions
from understudy.core.training.characters import character, keypoints
from understudy.core.training.painting import Region
from understudy.core.training.renderer import rasterise
from understudy.core.training.shots import CLIP_FRAMES, REFERENCES, shoot
from understudy.core.training.surface import Cone, skin

LENS = torch.tensor([[64.0, 0, 32], [0, 64, 32], [0, 0, 1]])


def sphere(radius: float, cell: float = 0.05):
    return skin([Cone(0, np.zeros(3), np.zeros(3), radius, radius)], 1, cell, 0.01, 0)


def test_surface_nets_close_a_sphere_at_its_radius_and_turn_its_faces_outward():
    mesh = sphere(0.5)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), 0.5, atol=0.01)
    edges = np.sort(mesh.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    assert (np.einsum("ni,ni->n", np.cross(b - a, c - a), a + b + c) > 0).all()
    assert np.einsum("vi,vi->v", mesh.normals, mesh.vertices).min() > 0.48


def test_a_sphere_is_rasterised_as_the_disc_it_is_seen_as():
    mesh = sphere(0.5, 0.03)
    vertices = torch.from_numpy(mesh.vertices * [1, -1, -1] + [0, 0, 2]).float()
    seen = rasterise(vertices, torch.from_numpy(mesh.faces), LENS, 64, 64)
    radius = 64 * 0.5 / (2**2 - 0.5**2) ** 0.5
    assert len(seen.sample) == pytest.approx(np.pi * radius**2, rel=0.03)
    z = seen.interpolate(torch.from_numpy(mesh.faces), vertices)[:, 2]
    assert z.min() == pytest.approx(1.5, abs=0.01) and z.max() < 2
    x, y, depth = seen.interpolate(torch.from_numpy(mesh.faces), vertices).unbind(1)
    torch.testing.assert_close(64 * x / depth + 32, seen.sample % 64 + 0.5, atol=1e-3, rtol=0)
    torch.testing.assert_close(64 * y / depth + 32, seen.sample // 64 + 0.5, atol=1e-3, rtol=0)


def test_the_nearer_of_two_triangles_is_seen_and_their_shared_edge_leaves_no_hole():
    square = [[-1, -1], [1, -1], [1, 1], [-1, 1]]
    vertices = torch.tensor([[x, y, z] for z in (2.0, 3.0) for x, y in square])
    faces = torch.tensor([[0, 2, 1], [0, 3, 2], [4, 6, 5], [4, 7, 6]])
    seen = rasterise(vertices, faces, LENS, 64, 64)
    assert len(seen.sample) == 64 * 64 and set(seen.face.tolist()) == {0, 1}


def test_what_is_turned_away_or_behind_the_camera_is_not_seen():
    vertices = torch.tensor([[-1.0, -1, 2], [1, -1, 2], [0, 1, 2], [-1, -1, -2], [1, -1, -2], [0, 1, -2]])
    assert len(rasterise(vertices, torch.tensor([[0, 1, 2], [3, 5, 4]]), LENS, 64, 64).sample) == 0


@pytest.mark.parametrize("kind", motions.KINDS)
def test_bones_keep_their_length_through_every_motion_and_nothing_sinks_into_the_ground(kind):
    rng = np.random.default_rng(motions.KINDS.index(kind))
    size = character(rng).shape.size
    angles = motions.motion(rng, kind, 20)
    body = motions.pose(angles, size)
    for bone, length in (("upper_arm", size.upper_arm), ("forearm", size.forearm), ("thigh", size.thigh), ("shin", size.shin)):
        for side in ("left", "right"):
            spans = np.linalg.norm(body.tip(f"{side}_{bone}") - body.at(f"{side}_{bone}"), axis=-1)
            np.testing.assert_allclose(spans, length, atol=1e-9)
    assert np.concatenate([body.start[..., 1], body.end[..., 1]], 1).min() > -0.01
    for name, (low, high) in motions.LIMITS.items():
        values = np.degrees(getattr(angles, name))
        assert values.min() >= low - 1e-6 and values.max() <= high + 1e-6


def test_motion_is_smooth():
    for kind in motions.KINDS:
        angles = motions.motion(np.random.default_rng(3), kind, 48)
        assert (
            np.abs(np.diff(motions.pose(angles, character(np.random.default_rng(0)).shape.size).tip("left_hand"), axis=0)).max()
            < 0.2
        )


def test_keypoints_know_left_from_right():
    rng = np.random.default_rng(1)
    who = character(rng)
    points = keypoints(who, who.rest)
    for joint in ("shoulder", "hip", "ear", "eye"):
        assert (points[:, INDEX[f"left_{joint}"], 0] > points[:, INDEX[f"right_{joint}"], 0]).all()
    assert (points[:, INDEX["nose"], 1] > points[:, INDEX["neck"], 1]).all()


def test_a_seed_draws_the_same_character_and_its_joints_lie_on_it():
    shot, again = shoot(7, 96, 128), shoot(7, 96, 128)
    assert torch.equal(shot.pictures, again.pictures) and len(shot.pictures) == REFERENCES + CLIP_FRAMES
    joints = [INDEX[name] for name in ("right_knee", "left_knee", "right_elbow", "left_elbow", "right_hip", "left_hip")]
    x, y = np.floor(np.moveaxis(shot.points[:, joints], -1, 0)).astype(int)
    inside = (x >= 0) & (x < 96) & (y >= 0) & (y < 128)
    frame = np.broadcast_to(np.arange(len(x))[:, None], x.shape)
    assert (shot.mattes.numpy()[frame[inside], 0, y[inside], x[inside]] > 127).mean() > 0.95


def test_each_clip_of_a_shot_has_a_motion_and_a_camera_of_its_own():
    shot = shoot(9, 64, 96, clip_frames=2, references=1, clips=3)
    assert len(shot.pictures) == 1 + 3 * 2
    focal = shot.intrinsics[1:, 0, 0].reshape(3, 2)
    assert (focal[:, 0] == focal[:, 1]).all() and len(set(focal[:, 0])) == 3
    moved = np.abs(np.diff(shot.points_cam[1:, INDEX["neck"]], axis=0)).max(1)
    assert moved[1::2].min() > moved[::2].max()


def test_regions_cover_the_matte_and_nothing_else():
    shot = shoot(11, 96, 128)
    solid, empty = shot.mattes[:, 0] == 255, shot.mattes[:, 0] == 0
    assert (shot.regions[solid] != Region.BACKGROUND).all() and (shot.regions[empty] == Region.BACKGROUND).all()
    assert {Region.SKIN, Region.TOP, Region.BOTTOM} <= set(shot.regions.unique().tolist())


def test_figures_laid_over_the_background_are_the_pictures():
    shot = shoot(12, 96, 128)
    solid = shot.mattes.expand(-1, 3, -1, -1) == 255
    assert torch.equal(shot.figures[solid], shot.pictures[solid])
    assert (shot.figures[shot.mattes.expand(-1, 3, -1, -1) == 0] == 0).all()


def test_figures_over_their_plates_are_the_pictures():
    shot = shoot(13, 96, 128, clip_frames=2)
    matte = shot.mattes.float() / 255
    laid = shot.figures.float() + (1 - matte) * shot.plates.float()
    assert (laid - shot.pictures.float()).abs().max() <= 2


def test_a_camera_behind_the_person_sees_its_left_on_the_left():
    shoulders = [INDEX["left_shoulder"], INDEX["right_shoulder"]]
    for seed in range(3):
        behind, front = (shoot(seed, 64, 96, clip_frames=1, yaw=yaw).points_cam[-1, shoulders, 0] for yaw in (np.pi, 0.0))
        assert np.sign(behind[0] - behind[1]) == -np.sign(front[0] - front[1])


def test_fingers_lie_on_the_hands():
    shots = (shoot(seed, 96, 128, clip_frames=1) for seed in range(6))
    shot = next(shot for shot in shots if shot.visible[0, INDEX["left_hand_wrist"]])
    hands = [INDEX[f"{side}_hand_{finger}_2"] for side in ("left", "right") for finger in ("index", "middle", "ring")]
    x, y = np.floor(np.moveaxis(shot.points[:, hands], -1, 0)).astype(int)
    inside = (x >= 0) & (x < 96) & (y >= 0) & (y < 128)
    frame = np.broadcast_to(np.arange(len(x))[:, None], x.shape)
    assert inside.sum() > 10 and (shot.mattes.numpy()[frame[inside], 0, y[inside], x[inside]] > 60).mean() > 0.95
