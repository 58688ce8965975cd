from pathlib import Path

import numpy as np
import pytest
import torch
from understudy.core.training.dataset import OTHERS, SINGLES, Dataset, prepare
from understudy.core.training.human import Human
from understudy.core.training.painting import Part, Region
from understudy.core.training.shots import shoot

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "fixtures" / "human"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/fixtures/human")


@pytest.mark.parametrize("rig", ["mixamo", "game_engine", "cmu_mb"])
def test_a_human_stands_on_the_ground_one_stature_high_with_its_parts_where_they_belong(rig):
    human = Human(FOLDER, rig)
    mesh = human.mesh
    assert mesh.vertices[:, 1].min() == pytest.approx(0, abs=1e-5) and mesh.vertices[:, 1].max() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(mesh.weights.sum(1), 1, atol=1e-4)
    assert (
        mesh.vertices[mesh.parts == Part.HEAD][:, 1].min() > 0.75 and mesh.vertices[mesh.parts == Part.FOOT][:, 1].max() < 0.1
    )
    assert human.rest.at("left_hand")[0, 0] > 0.2 > -0.2 > human.rest.at("right_hand")[0, 0]


def test_a_human_is_shot_in_clothes():
    shot = shoot(5, 96, 128, clip_frames=2, human=Human(FOLDER))
    assert {Region.SKIN, Region.TOP, Region.BOTTOM} <= set(shot.regions.unique().tolist())
    assert not torch.equal(shot.pictures, shoot(5, 96, 128, clip_frames=2).pictures)


def test_every_third_person_of_a_dataset_is_a_human(tmp_path):
    data = Dataset(tmp_path, 3, 64, 96)
    data.build(1, Human.all(FOLDER)[:1])
    for row, human in ((1, None), (2, Human(FOLDER, "cmu_mb"))):
        shot = shoot(row, 64, 96, 1, human, references=SINGLES, clips=OTHERS)
        assert np.array_equal(data.arrays["figures"][row], (prepare(shot).figures * 255).round().byte().numpy())
