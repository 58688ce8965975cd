import numpy as np
import pytest
import torch
from understudy.core.diffusion.bundled import Understudy
from understudy.core.training import heldout
from understudy.core.training.sheets import showcase
from understudy.core.training.shots import HEIGHT, REFERENCES, WIDTH


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A square before the camera, blue trousers over red shirt, that moves to the right."""
    square = np.array([[-0.5, -1, 0], [0.5, -1, 0], [0.5, 0, 0], [-0.5, 0, 0], [0.5, 1, 0], [-0.5, 1, 0]], np.float32)
    vertices = np.stack([square + np.array([0.2 * frame, 0, 4]) for frame in range(2)]).astype(np.float32)
    intrinsics = np.array([[256, 0, WIDTH / 2], [0, 256, HEIGHT / 2], [0, 0, 1]], np.float32)
    pictures = np.zeros((2, HEIGHT, WIDTH, 4), np.uint8)
    for frame in range(2):
        left = round(WIDTH / 2 - 32 + 12.8 * frame)
        pictures[frame, 96:160, left : left + 64] = (200, 0, 0, 255)
        pictures[frame, 160:224, left : left + 64] = (0, 0, 200, 255)
    path = tmp_path_factory.mktemp("film") / "rig.npz"
    faces = np.array([[0, 2, 1], [0, 3, 2], [3, 4, 2], [3, 5, 4]])
    np.savez_compressed(
        path, pictures=pictures, vertices=vertices, faces=faces, regions=np.array([3, 3, 4, 4], np.uint8),
        intrinsics=np.stack([intrinsics] * 2), points_cam=np.zeros((2, 134, 3), np.float32), visible=np.zeros((2, 134), bool),
    )  # fmt: skip
    return path


def test_a_filmed_person_has_its_first_frame_as_reference_and_its_garments_where_the_mesh_was(film):
    shot = heldout.filmed(film)
    assert len(shot.pictures) == REFERENCES + 2 and torch.equal(shot.pictures[0], shot.pictures[REFERENCES])
    covered = shot.mattes[:, 0] == 255
    assert ((shot.regions != 0) == covered).float().mean() > 0.995
    red = (shot.pictures[:, 0] == 200) & covered
    assert (shot.regions[red] == 3).float().mean() > 0.98


def test_what_is_filmed_can_be_evaluated(film):
    table = heldout.evaluate_filmed(heldout.truth_of, film.parent)
    assert table["rig"]["iou"] == 1 and table["rig"]["delta_e"] == pytest.approx(0, abs=0.1)
    assert heldout.evaluate_filmed(heldout.copied, film.parent)["rig"]["iou"] < 0.95


def test_the_truth_meets_every_bar_and_standing_still_does_not():
    said = []
    best = heldout.evaluate(heldout.truth_of, characters=1, long=0, clip_frames=2, say=said.append)
    assert set(best) == {"held out", "from the front", "from behind", "truth"} and len(said) == 1
    assert best["held out"]["iou"] == best["held out"]["flicker"] == 1 and best["held out"]["delta_e_truth"] == 0
    shot = heldout.held_out(0, clip_frames=3)
    assert len(shot.pictures) == REFERENCES + 3
    still = heldout.row_of(shot, heldout.copied(shot))
    assert still["flicker"] == 0 and still["iou"] < 0.9 and still["psnr_inside"] < 20


def test_a_showcase_has_a_row_for_each_named_frame_with_the_reference_first_and_the_truth_last(film):
    shot = heldout.filmed(film)
    sheet = np.asarray(showcase(Understudy().eval(), [(shot, [0, 1])], columns=1).convert("RGB")).astype(int)
    assert sheet.shape == (24 + 2 * 164, 4 * 132, 3)
    cells = sheet[24:188, : 4 * 132].reshape(164, 4, 132, 3)[:160, :, :128]
    red = (abs(cells - (200, 0, 0)).max(-1) < 30).sum((0, 2))
    assert red[0] > 900 and red[3] > 900 and red[1] == 0  # 64 x 64 pixels, half as wide and as high
    assert (cells[:, 3] == 237).all(-1).mean() > 0.7
