import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from understudy.core.diffusion.autoencoder import Autoencoder, AutoencoderConfig
from understudy.core.diffusion.unet import Denoiser, DenoiserConfig, ReferenceEncoderConfig
from understudy.core.errors import InvalidRequest
from understudy.core.training import stages
from understudy.core.training.curves import draw_curves
from understudy.core.training.dataset import CLIPS_EVERY, OTHERS, SINGLES, Dataset, corner
from understudy.core.training.loop import Budget, forget_outdated, train
from understudy.core.training.losses import garment_loss, motion_loss, picture_loss
from understudy.core.training.stages import denoising_loss, train_details

SIZE = 64, 96


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    data = Dataset(tmp_path_factory.mktemp("dataset"), 2, *SIZE)
    data.build(minutes=1)
    data.encode(Autoencoder(AutoencoderConfig(half=8, fine=16, coarse=16)))
    return data


@pytest.fixture
def tiny() -> Denoiser:
    config = DenoiserConfig(channels=(32, 64, 96), embedding=32, reference=ReferenceEncoderConfig(channels=(16, 32, 48)))
    return Denoiser(config)


def test_a_dataset_is_found_again_complete(data):
    again = Dataset(data.folder, 2, *SIZE)
    assert again.length == 2 and np.array_equal(again.arrays["latents"], data.arrays["latents"])
    assert np.abs(data.arrays["latents"][1]).max() > 0


def test_pictures_of_another_layout_are_refused_by_their_folder(data):
    with pytest.raises(InvalidRequest, match="another layout"):
        Dataset(data.folder, 2, 96, 96)


def test_matches_name_the_same_spot_of_the_body_in_the_reference(data):
    """The first frame is the reference itself: each spot's match is the token it stands in, or one beside it."""
    matches = data.arrays["matches"][:, 0]
    row, y, x = np.nonzero(matches >= 0)
    there = np.stack(np.divmod(matches[row, y, x], SIZE[0] // 16), -1)
    assert len(y) > 10 and np.abs(there - np.stack((y, x), -1) // 2).max() <= 1


def test_a_reference_without_joints_lays_nothing_over_the_pose(data):
    rng = np.random.default_rng(0)
    who, frames = np.array([0, 1]), np.array([[5], [6]])
    batch = data._batch(rng, who, frames, unposed=1.0)
    assert batch.body.abs().max() == 0 and batch.detail[:, 3:5].abs().max() == 0
    assert torch.equal(batch.warped[0], data.blank[0]) and batch.detail[:, 5].max() == 1
    assert data._batch(rng, who, frames, unposed=0.0).detail[:, 3].max() == 1


def test_a_square_of_a_picture_has_what_the_whole_has_there(data):
    rng = np.random.default_rng(0)
    who, frames = np.array([1]), np.array([[3]])
    cut = data._squares(np.random.default_rng(4), who, frames, 32)
    whole, square = data._batch(rng, who, frames, unposed=0.0), data._batch(rng, who, frames, cut, unposed=0.0)
    top, left = corner(np.random.default_rng(4), data.arrays["regions"][1, 3], 32)
    rows, columns = slice(top, top + 4), slice(left, left + 4)
    for name in ("targets", "warped", "beside", "foreground", "matches", "regions"):
        assert torch.equal(getattr(square, name), getattr(whole, name)[..., rows, columns]), name
    assert torch.equal(square.detail, whole.detail[..., top * 8 : top * 8 + 32, left * 8 : left * 8 + 32])
    assert torch.equal(square.references, whole.references) and torch.equal(square.body, whole.body)


def test_a_clip_is_drawn_of_those_who_were_filmed_in_one(data, monkeypatch):
    monkeypatch.setattr(Dataset, "encoded", CLIPS_EVERY + 1)
    seen = []
    monkeypatch.setattr(Dataset, "_batch", lambda _, rng, who, frames: seen.append((who, frames)))
    for seed in range(8):
        data.clips(np.random.default_rng(seed), 3, OTHERS - 1)
    who, frames = (np.concatenate(part) for part in zip(*seen, strict=True))
    assert set(who) == {0, CLIPS_EVERY}
    assert set(frames[:, 0]) == {SINGLES, SINGLES + 1} and (np.diff(frames) == 1).all()


def test_what_is_to_come_out_is_cut_as_what_goes_in(data):
    batch, figures, mattes = data.finished(np.random.default_rng(0), 2, 3, 32)
    assert figures.shape == (6, 3, 32, 32) and batch.targets.shape == (6, 8, 4, 4) and mattes.max() == 1
    torch.testing.assert_close(batch.foreground, torch.nn.functional.avg_pool2d(mattes, 8))


def test_latents_are_made_again_for_another_encoder(tmp_path):
    data = Dataset(tmp_path, 1, *SIZE)
    data.build(minutes=1)
    one, other = (Autoencoder(AutoencoderConfig(half=8, fine=16, coarse=16)) for _ in range(2))
    data.encode(one)
    first = data.arrays["latents"].copy()
    data.arrays["latents"][:] = 0
    data.encode(one)
    assert not data.arrays["latents"].any()  # not made again: they are of this encoder
    data.encode(other)
    assert data.encoded == 1 and data.arrays["latents"].any() and not np.array_equal(data.arrays["latents"], first)


def test_garments_and_motion_are_judged_by_their_own_losses():
    truth = torch.randn(6, 8, 4, 4)
    regions = torch.randint(0, 3, (6, 4, 4))
    assert garment_loss(truth, truth, regions) == 0 and motion_loss(truth, truth, torch.ones(6, 1, 4, 4), 3) == 0
    still = truth + torch.randn(1, 8, 1, 1)  # the same error in every frame is no error of motion
    assert motion_loss(still, truth, torch.ones(6, 1, 4, 4), 3) < 1e-9 < garment_loss(still, truth, regions)


def test_blur_noise_and_a_wrong_outline_cost_more_than_the_truth():
    torch.manual_seed(0)
    stripes = (torch.arange(64) % 8 < 4).float().expand(1, 3, 64, 64) - 0.5
    matte = torch.ones(1, 1, 64, 64)
    matte[..., :16] = 0

    def loss(figure: torch.Tensor, outline: torch.Tensor) -> float:
        return float(picture_loss(figure, outline, stripes, matte))

    true = loss(stripes, matte)
    soft = torch.nn.functional.avg_pool2d(stripes, 3, 1, 1)
    softer = torch.nn.functional.avg_pool2d(soft, 5, 1, 2)
    assert true < loss(soft, matte) < loss(softer, matte)
    assert true < loss(stripes + 0.05 * torch.randn_like(stripes), matte) and true < loss(stripes, matte.roll(3, -1))


@pytest.mark.parametrize("frames", [None, 4])
def test_every_parameter_that_should_learn_gets_a_gradient(data, tiny, frames):
    rng = np.random.default_rng(0)
    for parameter in tiny.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    batch = data.clips(rng, 2, frames) if frames else data.singles(rng, 2, 3, 32)
    denoising_loss(tiny, batch, np.random.default_rng(3), frames).backward()
    temporal = set(tiny.temporal_parameters())
    for name, parameter in tiny.named_parameters():
        learns = frames is not None or parameter not in temporal
        assert (parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)) == learns, name


def test_the_details_teach_denoiser_and_decoder_and_leave_the_latents_as_they_are(data, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "SQUARE", 32)
    monkeypatch.setattr(stages, "PATCH", 16)
    autoencoder = Autoencoder(AutoencoderConfig(half=8, fine=16, coarse=16))
    before = {
        name: value.clone()
        for name, value in nn.ModuleDict({"autoencoder": autoencoder, "denoiser": tiny}).state_dict().items()
    }
    after = train_details(tmp_path, autoencoder, tiny, data, Budget(0.05)).state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert {name.split(".")[0] for name in moved} == {"autoencoder", "denoiser"}
    assert not any("temporal" in name or name.startswith(("autoencoder.encoder", "autoencoder.mean")) for name in moved)
    assert {"autoencoder.decoder.out.0.weight", "denoiser.conv_out.weight", "denoiser.guider.6.weight"} <= moved
    assert torch.load(tmp_path / "details.pt", weights_only=True)["step"] > 0


def test_curves_are_one_picture_of_all_stages(tmp_path):
    for stage in ("first", "second"):
        rows = [{"step": step, "minutes": step / 4, "loss": 1 / step} for step in range(1, 5)]
        (tmp_path / f"{stage}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    draw_curves(tmp_path)
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width == 2 * 360 and np.asarray(picture).min() < 100


def test_training_goes_on_where_it_stopped_and_the_loss_falls(tmp_path):
    torch.manual_seed(0)
    truth = torch.randn(8, 4)
    model = torch.nn.Linear(8, 4, bias=False)
    groups = [{"params": list(model.parameters()), "lr": 0.1}]  # a few dozen steps are enough, which a busy machine does too

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


def test_a_stage_begins_again_where_the_one_before_it_goes_on(tmp_path):
    torch.save({"spent": 60.0}, tmp_path / "frames.pt")
    later = tmp_path / "clips.pt"
    torch.save({"spent": 6.0}, later)
    forget_outdated(tmp_path, "frames", Budget(1), "clips")
    assert later.exists()
    forget_outdated(tmp_path, "frames", Budget(2), "clips")
    assert not later.exists()
