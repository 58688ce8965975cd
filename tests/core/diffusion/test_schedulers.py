import pytest
import torch
from diffusers import DDIMScheduler
from understudy.core.diffusion.sampler import denoise
from understudy.core.diffusion.schedulers import SCHEDULERS, make_path
from understudy.core.errors import InvalidRequest

LINEAR = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear", "clip_sample": False}
ANIMATE_ANYONE = {
    **LINEAR, "steps_offset": 1, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}  # fmt: skip


def ideal(truth: torch.Tensor, published: dict):
    """A network that knows the clean latents: what it puts out at (x, t), in the published parametrisation."""
    cumulative = DDIMScheduler(**published).alphas_cumprod

    def predict(x: torch.Tensor, t: float) -> torch.Tensor:
        signal, noise = cumulative[int(t)].sqrt(), (1 - cumulative[int(t)]).sqrt()
        error = (x - signal * truth) / noise
        return signal * error - noise * truth if published.get("prediction_type") == "v_prediction" else error

    return predict


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("published", [LINEAR, ANIMATE_ANYONE], ids=["epsilon", "velocity"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_perfect_network_is_followed_to_the_truth(name, published):
    truth, seen = noise(1).clamp(-2, 2), []
    path = make_path(name, published, steps=8)
    end = denoise(ideal(truth, published), noise(), path, on_step=lambda step, x, clean: seen.append(clean))
    torch.testing.assert_close(end, truth, atol=0.15, rtol=0)  # TCD leaves the noise of time 0: 0.03 of it
    assert len(seen) == 8
    for clean in seen[1:]:  # the first, from pure noise, says nothing under a zero signal
        torch.testing.assert_close(clean, truth, atol=2e-2, rtol=2e-2)


def test_times_are_spaced_as_published():
    assert make_path("ddim", ANIMATE_ANYONE, 4).times == [999, 749, 499, 249]
    assert make_path("ddim", LINEAR, 4).times == [750, 500, 250, 0]
    assert make_path("ddim", {**LINEAR, "steps_offset": 1}, 4).times == [751, 501, 251, 1]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_going_on_from_any_step_ends_in_the_same_bits(name):
    def predict(x, t):
        return torch.tanh(x) * (1 - t / 1000)

    kept = {}
    path = make_path(name, ANIMATE_ANYONE, 6, seed=9)

    def keep(step, x, clean):
        kept[step] = (x, [part.clone() for part in path.memory()])

    whole = denoise(predict, noise(), path, on_step=keep)
    for done in (1, 2, 5):
        latents, memory = kept[done]
        again = make_path(name, ANIMATE_ANYONE, 6, seed=9)
        again.resume(done, memory)
        assert torch.equal(denoise(predict, latents, again, done), whole), done


@pytest.mark.parametrize("name", ["lcm", "tcd"])
def test_the_noise_of_the_steps_is_of_the_seed(name):
    def end(seed):
        return denoise(lambda x, t: torch.tanh(x), noise(), make_path(name, LINEAR, 4, seed))

    assert torch.equal(end(1), end(1))
    assert not torch.equal(end(1), end(2))


def test_what_there_is_not_is_refused_by_name():
    with pytest.raises(InvalidRequest, match=r"no scheduler called 'euler'.*ddim, dpm"):
        make_path("euler", LINEAR, 4)
    with pytest.raises(InvalidRequest, match="lcm cannot take 80 steps"):
        make_path("lcm", LINEAR, 80)
