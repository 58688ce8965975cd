import numpy as np
import pytest
from understudy.core.pose.surface import FLATNESS, Lens, RoundCone, look_at, rays

SIZE = 96
PERSPECTIVE = Lens(np.array([[120, 0, 48], [0, 120, 48], [0, 0, 1.0]]), False)
ORTHOGRAPHIC = Lens(np.array([[30, 0, 48], [0, 30, 48], [0, 0, 1.0]]), True)


def random_cones(count: int) -> list[RoundCone]:
    random = np.random.default_rng(4)
    ends = random.uniform((-1, -1, 3), (1, 1, 5), (count, 2, 3))
    return [RoundCone(*pair, *radii) for pair, radii in zip(ends, random.uniform(0.01, 0.5, (count, 2)), strict=True)]


def distance(points: np.ndarray, cone: RoundCone) -> np.ndarray:
    """How far points [n, 3] are outside of a cone: from the nearest of the balls along it, which is searched for."""

    def from_ball(share: np.ndarray) -> np.ndarray:
        centres = cone.start + share[:, None] * (cone.end - cone.start)
        return np.linalg.norm(points - centres, axis=1) - cone.start_radius - share * (cone.end_radius - cone.start_radius)

    low, high = np.zeros(len(points)), np.ones(len(points))
    for _ in range(40):  # the distance is convex in the share
        first, second = low + (high - low) / 3, high - (high - low) / 3
        nearer = from_ball(first) < from_ball(second)
        low, high = np.where(nearer, low, first), np.where(nearer, second, high)
    return from_ball((low + high) / 2)


@pytest.mark.parametrize("lens", [PERSPECTIVE, ORTHOGRAPHIC], ids=["perspective", "orthographic"])
def test_what_is_seen_lies_on_the_cone_and_nothing_of_it_lies_in_front(lens):
    origins, directions = rays((slice(0, SIZE), slice(0, SIZE)), lens)
    origins = np.broadcast_to(origins, directions.shape)
    for cone in random_cones(8):
        surface = look_at([cone], lens, SIZE, SIZE)
        seen = surface.label == 0
        assert seen.any()
        lengths = surface.depth / directions[..., 2]
        hits = origins[seen] + directions[seen] * lengths[seen][:, None]
        assert abs(distance(hits, cone)).max() < 2e-4
        before = origins[seen] + directions[seen] * (lengths[seen] - 0.01)[:, None]
        assert distance(before, cone).min() > 0
        outward = hits + 0.005 * surface.normal[seen]
        assert abs(distance(outward, cone) - 0.005).max() < 2e-4
        for length in np.linspace(2, 7, 20):  # and rays that see nothing miss it
            assert distance((origins + length * directions)[~seen][::31], cone).min() > -1e-4


def test_a_ball_that_holds_the_other_is_seen_alone():
    cone = RoundCone(np.array([0, 0, 4.0]), np.array([0.1, 0, 4.0]), 0.5, 0.2)
    surface = look_at([cone], ORTHOGRAPHIC, SIZE, SIZE)
    assert surface.depth.min() == pytest.approx(3.5, abs=1e-3)
    assert (surface.label == 0).sum() == pytest.approx(np.pi * 15**2, rel=0.02)  # half a metre is 15 pixels


def test_the_nearer_of_two_hides_the_other_whatever_their_order():
    near, far = (RoundCone(np.array([-1.0, 0, z]), np.array([1.0, 0, z]), 0.2, 0.2) for z in (3, 4))
    for cones, label in (([near, far], 0), ([far, near], 1)):
        surface = look_at(cones, PERSPECTIVE, SIZE, SIZE)
        assert surface.label[48, 48] == label
        assert surface.depth[48, 48] == pytest.approx(2.8, abs=1e-3)
        np.testing.assert_allclose(surface.normal[48, 48], (0, 0, -1), atol=0.06)


def test_a_cone_tells_how_far_along_it_a_place_is():
    surface = look_at([RoundCone(np.array([-1.0, 0, 4]), np.array([1.0, 0, 4]), 0.1, 0.1)], ORTHOGRAPHIC, SIZE, SIZE)
    row = surface.along[48]
    assert row[19] == pytest.approx(0.025, abs=0.01) and row[48] == pytest.approx(0.5, abs=0.01)
    assert row[16] == 0 and row[79] == 1  # the balls at its ends


def test_a_flat_cone_is_as_wide_and_not_as_deep():
    ends = np.array([0, -0.5, 4.0]), np.array([0, 0.5, 4.0])
    round_one, flat = (
        look_at([RoundCone(*ends, 0.5, 0.5, axis)], ORTHOGRAPHIC, SIZE, SIZE) for axis in (None, np.array([0, 0, 1.0]))
    )
    np.testing.assert_array_equal(round_one.label[48], flat.label[48])
    assert 4 - round_one.depth.min() == pytest.approx(0.5, abs=1e-3)
    assert 4 - flat.depth.min() == pytest.approx(0.5 * FLATNESS, abs=1e-3)
    middle = flat.normal[48, 48 + 10]  # x = 0.35 of 0.5: the ellipse's normal there
    slope = 0.35 * FLATNESS**2 / np.sqrt(0.25 - 0.35**2) / FLATNESS
    assert middle[0] / -middle[2] == pytest.approx(slope, rel=0.03)


def test_what_reaches_behind_the_camera_is_left_out():
    cones = [RoundCone(np.array([0, 0, -1.0]), np.array([0, 0, 4.0]), 0.2, 0.2)]
    assert (look_at(cones, PERSPECTIVE, SIZE, SIZE).label == -1).all()
