import numpy as np
import pytest
from understudy.core.pose.bones.roles import Role
from understudy.core.pose.mesh_parts import PART_COLOURS, PARTS, ROLES, draw_parts, nearest_triangles, part_numbers
from understudy.core.pose.skeleton import INDEX, KEYPOINT_COUNT
from understudy.core.pose.surface import Lens, RoundCone, look_at

SIZE = 64
PERSPECTIVE = Lens(np.array([[80, 0, 32], [0, 80, 32], [0, 0, 1.0]]), False)
ORTHOGRAPHIC = Lens(np.array([[20, 0, 32], [0, 20, 32], [0, 0, 1.0]]), True)


def ball(centre, radius: float, steps: int = 48) -> np.ndarray:
    """Triangles [n, 3, 3] of a ball."""
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, steps + 1), np.linspace(0, np.pi, steps // 2 + 1))
    grid = centre + radius * np.stack([np.cos(u) * np.sin(v), np.cos(v), np.sin(u) * np.sin(v)], -1)
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]
    return np.concatenate([np.stack(corners, -2).reshape(-1, 3, 3) for corners in ((a, b, c), (a, c, d))])


@pytest.mark.parametrize("lens", [PERSPECTIVE, ORTHOGRAPHIC], ids=["perspective", "orthographic"])
def test_triangles_hide_each_other_as_the_surfaces_that_they_stand_for(lens):
    spots = [(np.array([-0.2, 0, 4.0]), 0.5), (np.array([0.3, 0.1, 4.2]), 0.5), (np.array([0.0, 0.4, 3.8]), 0.2)]
    balls = [ball(*spot) for spot in spots]
    whose = np.repeat(np.arange(3), [len(each) for each in balls])
    seen = nearest_triangles(np.concatenate(balls), lens, SIZE, SIZE)
    expected = look_at([RoundCone(centre, centre, radius, radius) for centre, radius in spots], lens, SIZE, SIZE).label
    drawn = np.where(seen >= 0, whose[seen], -1)
    assert set(np.unique(drawn)) == {-1, 0, 1, 2}
    assert (drawn != expected).mean() < 0.01  # at the outlines, which have corners


def test_triangles_behind_the_camera_or_without_area_are_left_out():
    behind = np.array([[[0, 0, -1.0], [1, 0, 4], [0, 1, 4]]])
    line = np.array([[[-1, 0, 4.0], [1, 0, 4], [0.5, 0, 4]]])
    assert (nearest_triangles(np.concatenate([behind, line]), PERSPECTIVE, SIZE, SIZE) == -1).all()
    assert (nearest_triangles(np.zeros((0, 3, 3)), PERSPECTIVE, SIZE, SIZE) == -1).all()


def test_every_limb_of_the_rig_has_its_parts():
    assert set(Role) == set(PARTS)
    assert {number for pair in PARTS.values() for number in pair} == set(range(1, 25))


def test_a_leg_is_front_where_it_faces_forward_and_back_where_not():
    """Somebody who faces the camera, and the same seen from behind."""
    points, shown = np.zeros((KEYPOINT_COUNT, 3), np.float32), np.zeros(KEYPOINT_COUNT, bool)
    joints = {"neck": (0, -0.6), "shoulder": (0.2, -0.6), "hip": (0.1, 0), "knee": (0.1, 0.45), "ankle": (0.1, 0.9)}
    for toward, front in ((1, 10), (-1, 8)):
        for joint, (x, y) in joints.items():
            for name, sign in ((joint, 0),) if joint == "neck" else ((f"left_{joint}", toward), (f"right_{joint}", -toward)):
                points[INDEX[name]], shown[INDEX[name]] = (sign * x, y, 4), True
        thigh = ball((toward * 0.1, 0.2, 4), 0.1)
        roles = np.full(len(thigh), ROLES.index(Role("left_thigh")))
        roles[:10] = -1
        numbers = part_numbers(thigh, roles, points, shown, 1.7)
        assert (numbers[:10] == 0).all() and set(numbers[10:]) <= {front, 10, 8}
        picture = draw_parts(thigh, numbers, PERSPECTIVE, SIZE, SIZE)
        x, y = 32 + toward * 0.1 / 3.9 * 80, 32 + 0.2 / 3.9 * 80
        assert (picture[int(y), int(x)] == PART_COLOURS[front]).all()
        assert (picture[0, 0] == PART_COLOURS[0]).all()
