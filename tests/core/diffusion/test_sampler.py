import torch
from understudy.core.diffusion.sampler import FlowPath, denoise, initial_noise


def test_a_perfect_prediction_is_reached_in_any_number_of_steps():
    truth, noise = torch.randn(3, 8, 4, 4), torch.randn(3, 8, 4, 4)
    for steps in (1, 7, 30):
        torch.testing.assert_close(denoise(lambda x, t: truth, noise, FlowPath(steps)), truth, atol=1e-4, rtol=1e-4)


def test_time_runs_from_noise_towards_clean():
    times = []
    denoise(lambda x, t: times.append(t) or x, torch.zeros(1, 1, 1, 1), FlowPath(5))
    assert times[0] == 1 and times == sorted(times, reverse=True) and times[-1] > 0


def test_going_on_from_a_kept_step_ends_in_the_same_bits():
    def predict(x, t):
        return torch.tanh(x) * (1 - t)

    kept = {}
    noise = initial_noise(2, (8, 4, 4), seed=3)
    whole = denoise(predict, noise, FlowPath(8), on_step=lambda step, x, clean: kept.update({step: x}))
    for done in (1, 5, 7):
        assert torch.equal(denoise(predict, kept[done], FlowPath(8), done), whole)


def test_noise_is_of_the_seed_has_unit_variance_and_is_half_shared():
    noise = initial_noise(64, (8, 16, 16), seed=5)
    assert torch.equal(noise, initial_noise(64, (8, 16, 16), seed=5))
    assert not torch.equal(noise, initial_noise(64, (8, 16, 16), seed=6))
    assert abs(noise.var().item() - 1) < 0.05
    correlation = (noise[0] * noise[1]).mean() / noise.var()
    assert 0.4 < correlation < 0.6
