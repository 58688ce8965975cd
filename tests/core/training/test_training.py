import json

import numpy as np
import pytest
import torch
from understudy.core.diffusion.autoencoder import Autoencoder, AutoencoderConfig
from understudy.core.diffusion.unet import Denoiser, DenoiserConfig, ReferenceEncoderConfig
from understudy.core.pose.skeleton import INDEX
from understudy.core.training import motions
from understudy.core.training.characters import character, keypoints
from understudy.core.training.dataset import Dataset
from understudy.core.training.evaluate import measure
from understudy.core.training.loop import Budget, train
from understudy.core.training.renderer import NO_CONE, Cones, Lights, render
from understudy.core.training.shots import FRAMES, shoot
from understudy.core.training.stages import denoising_loss


def draw(*cones) -> tuple:
    """Cones given as (start, end, r0, r1, colour) on a black 64 x 64 picture, in flat light."""
    ends = torch.tensor([[[start, end] for start, end, *_ in cones]], dtype=torch.float32)
    radii = torch.tensor([[[r0, r1] for _, _, r0, r1, _ in cones]], dtype=torch.float32)
    colours = torch.tensor([[[colour, colour] for *_, colour in cones]], dtype=torch.float32)
    n = len(cones)
    lights = Lights(torch.tensor([[0.0, 0, 1]]), torch.tensor([1.0]), torch.tensor([0.0]))
    return render(Cones(ends, radii, colours, torch.full((1, n), 2.0), torch.zeros(1, n)), lights, torch.zeros(1, 3, 64, 64))


RED, BLUE = (0.5, 0, 0), (0, 0, 0.5)


def test_a_sphere_covers_a_disc():
    picture = draw(((32, 32, 0), (32, 32, 0), 20, 20, RED))
    assert picture.mattes.sum().item() == pytest.approx(np.pi * 400, rel=0.02)
    assert picture.cone[0, 4, 4] == 0 and picture.cone[0, 0, 0] == NO_CONE


def test_the_nearer_cone_is_in_front():
    picture = draw(((10, 32, 0), (54, 32, 0), 8, 8, RED), ((32, 10, 30), (32, 54, 30), 8, 8, BLUE)).pictures[0]
    assert picture[2, 32, 32] > 0.5 and picture[0, 32, 32] == 0 and picture[0, 32, 14] > 0.5


def test_the_closed_form_finds_the_envelope_of_the_swept_spheres():
    start, end, r0, r1 = np.array([20.0, 25, -20]), np.array([45.0, 40, 25]), 12.0, 6.0
    picture = draw((tuple(start), tuple(end), r0, r1, RED))
    along = np.linspace(0, 1, 4001)[:, None, None]
    centre = start + along[..., None] * (end - start)
    y, x = np.mgrid[4:64:8, 4:64:8] + 0.25  # the renderer's sample: the first of the cell's four middle ones
    gap = (r0 + along * (r1 - r0)) ** 2 - (x - centre[..., 0]) ** 2 - (y - centre[..., 1]) ** 2
    z = np.where(gap >= 0, centre[..., 2] + np.sqrt(np.maximum(gap, 0)), -np.inf)
    seen = z.max(0) > -np.inf
    assert np.array_equal(picture.cone[0].numpy() == 0, seen) and seen.sum() > 6
    found = picture.along[0].numpy()[seen]
    np.testing.assert_allclose(found, (z.argmax(0) / 4000)[seen], atol=2e-3)


def test_bones_keep_their_length_through_every_motion_and_the_feet_stay_on_the_ground():
    rng = np.random.default_rng(0)
    for kind in motions.KINDS:
        size = character(rng).size
        angles = motions.motion(rng, kind, 20)
        body = motions.pose(angles, size)
        for start, end, length in (
            (body.shoulder, body.elbow, size.upper_arm), (body.elbow, body.wrist, size.forearm),
            (body.hip, body.knee, size.thigh), (body.knee, body.ankle, size.shin),
        ):  # fmt: skip
            np.testing.assert_allclose(np.linalg.norm(end - start, axis=-1), length, atol=1e-9)
        lowest = np.minimum(body.toe[..., 1].min(1), body.ankle[..., 1].min(1) - size.ankle)
        np.testing.assert_allclose(lowest, angles.lift, atol=1e-9)


def test_keypoints_know_left_from_right():
    rng = np.random.default_rng(1)
    who = character(rng)
    angles = motions.motion(rng, "stand", 3)
    angles.yaw[:] = 0
    points = keypoints(who, motions.pose(angles, who.size))
    for joint in ("shoulder", "hip", "ear", "eye"):
        assert (points[:, INDEX[f"left_{joint}"], 0] > points[:, INDEX[f"right_{joint}"], 0]).all()
    assert (points[:, INDEX["nose"], 1] > points[:, INDEX["neck"], 1]).all()


def test_a_seed_draws_the_same_character_and_its_joints_lie_on_it():
    shot, again = shoot(7, 96, 128), shoot(7, 96, 128)
    assert torch.equal(shot.pictures, again.pictures) and len(shot.pictures) == FRAMES
    joints = [INDEX[name] for name in ("right_knee", "left_knee", "right_elbow", "left_elbow", "right_hip", "left_hip")]
    x, y = np.floor(np.moveaxis(shot.points[:, joints], -1, 0)).astype(int)
    inside = (x >= 0) & (x < 96) & (y >= 0) & (y < 128)
    frame = np.broadcast_to(np.arange(FRAMES)[:, None], x.shape)
    assert (shot.mattes.numpy()[frame[inside], 0, y[inside], x[inside]] > 127).mean() > 0.97


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    data = Dataset(tmp_path_factory.mktemp("dataset"), 2, 64, 96, 8)
    data.build(Autoencoder(AutoencoderConfig(fine=16, coarse=16)))
    return data


@pytest.fixture
def tiny() -> Denoiser:
    config = DenoiserConfig(channels=(32, 64, 96), embedding=32, reference=ReferenceEncoderConfig(channels=(16, 32, 48)))
    return Denoiser(config)


def test_a_dataset_is_found_again_complete(data):
    again = Dataset(data.folder, 2, 64, 96, 8)
    assert again.length == 2 and np.array_equal(again.arrays["latents"], data.arrays["latents"])


def test_matches_name_the_same_spot_of_the_body_in_the_reference(data):
    """A picture matched with itself: each spot's match is the token it stands in, or one beside it."""
    rows = np.array([0]), np.array([0])
    matches = data._matches(rows, np.array([0]), np.array([0]))[0].numpy()
    y, x = np.nonzero(matches >= 0)
    there = np.stack(np.divmod(matches[y, x], 64 // 16), -1)
    assert len(y) > 10 and np.abs(there - np.stack((y, x), -1) // 2).max() <= 1


@pytest.mark.parametrize("frames", [None, 4])
def test_every_parameter_that_should_learn_gets_a_gradient(data, tiny, frames):
    rng = np.random.default_rng(0)
    for parameter in tiny.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    batch = data.clips(rng, 2, frames) if frames else data.singles(rng, 2, 3)
    denoising_loss(tiny, batch, np.random.default_rng(3), frames).backward()
    temporal = set(tiny.temporal_parameters())
    for name, parameter in tiny.named_parameters():
        learns = frames is not None or parameter not in temporal
        assert (parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)) == learns, name


def test_training_goes_on_where_it_stopped_and_the_loss_falls(tmp_path):
    torch.manual_seed(0)
    truth = torch.randn(8, 4)
    model = torch.nn.Linear(8, 4, bias=False)
    groups = [{"params": list(model.parameters()), "lr": 0.02}]

    def loss_of(_: int) -> torch.Tensor:
        x = torch.randn(32, 8)
        return ((model(x) - x @ truth) ** 2).mean()

    first = loss_of(0).item()
    train("toy", model, groups, loss_of, Budget(0.02), tmp_path)
    state = torch.load(tmp_path / "toy.pt", weights_only=True)
    train("toy", model, groups, loss_of, Budget(0.04), tmp_path)
    later = torch.load(tmp_path / "toy.pt", weights_only=True)
    assert later["step"] > state["step"] > 0 and later["spent"] >= 0.04 * 60 > state["spent"] - 1
    assert loss_of(0).item() < first / 2


def test_measures_are_perfect_for_the_truth_and_worse_for_a_blur():
    shot = shoot(3, 64, 96)
    truth = shot.pictures[4:].float() / 255
    inside = (shot.mattes[4:] > 127).float()
    blurred = torch.nn.functional.avg_pool2d(truth, 5, 1, 2, count_include_pad=False)
    perfect, blur = measure(truth.clone(), truth, inside), measure(blurred, truth, inside)
    assert perfect["ssim"] == pytest.approx(1, abs=1e-4) and perfect["sharpness"] == 1 and perfect["flicker"] == 1
    assert blur["ssim"] < 0.98 and blur["psnr"] < 40 and blur["sharpness"] < 0.8
    assert json.dumps(blur)
