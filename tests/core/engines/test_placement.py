import pytest
import torch
from torch import nn
from understudy.core.diffusion import winograd
from understudy.core.engines import placement
from understudy.core.engines.interface import Runtime
from understudy.core.engines.placement import choose, compiling_named, compute_dtype, fastest, place
from understudy.core.errors import InvalidRequest
from understudy.core.protocol import PRECISION_BYTES, SETTING_CHOICES

CPU = torch.device("cpu")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(4, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv2d(16, 4, 3, padding=1))


def test_the_precision_and_the_attention_kernel_that_are_asked_for_are_chosen(monkeypatch):
    attended = []
    monkeypatch.setattr(placement, "set_attention_backend", attended.append)
    assert choose("cpu", Runtime("bfloat16", attention="matmul")) == (CPU, torch.bfloat16) and attended == ["matmul"]
    monkeypatch.undo()
    with pytest.raises(InvalidRequest, match="no attention kernel called 'fastest'"):
        choose("cpu", Runtime(attention="fastest"))
    with pytest.raises(InvalidRequest, match=r"no eight-bit floats.*float16"):
        choose("mps", Runtime("float8"))
    with pytest.raises(InvalidRequest, match=r"come and go cannot be compiled.*Turn Offload or Compile off"):
        choose("cuda", Runtime(offload=True, compile=True))


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("precision", [name for name in SETTING_CHOICES["precision"] if name != "float16"])
def test_a_network_gives_nearly_the_same_in_every_precision(image, precision):
    expected = network()(image)
    placed, runtime = network(), Runtime(precision)
    place(placed, CPU, runtime)
    found = placed(image.to(compute_dtype(CPU, runtime)))
    assert found.dtype == compute_dtype(CPU, runtime) and not found.requires_grad
    tolerance = {"float32": 1e-5, "float8": 0.3}.get(precision, 0.05)
    torch.testing.assert_close(found.float(), expected, atol=tolerance, rtol=0)


def test_wide_convolutions_are_done_with_fewer_products_in_float32_but_not_where_results_are_compared():
    def kind(precision: str, layout: torch.memory_format) -> type:
        placed = nn.Sequential(nn.Conv2d(128, 128, 3, padding=1))
        place(placed, CPU, Runtime(precision), layout)
        return type(placed[0])

    assert kind("float32", torch.channels_last) is winograd.Convolution
    assert kind("float64", torch.channels_last) is kind("float32", torch.contiguous_format) is nn.Conv2d


def test_eight_bit_weights_take_a_quarter_of_the_memory():
    placed = network()
    before = placed[0].weight.nbytes
    place(placed, CPU, Runtime("float8"))
    assert placed[0].weight.nbytes == before / 4


def test_offloading_to_the_computer_that_computes_changes_nothing(image):
    placed = network()
    place(placed, CPU, Runtime("float32", offload=True))
    torch.testing.assert_close(placed(image), network()(image))


def test_a_compiled_network_gives_the_same(image, monkeypatch):
    """By the compiler's front alone: what it generates takes minutes."""
    compiled = []

    def compile_eagerly(model, **options):
        compiled.append(model)
        return compiler(model, backend="eager", **options)

    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", compile_eagerly)
    parts = nn.ModuleDict({"blocks": nn.ModuleList([network(), network()]), "last": nn.Conv2d(4, 4, 1)})
    place(parts, CPU, Runtime("float32", compile=True))
    found = parts["last"](parts["blocks"][1](parts["blocks"][0](image)))
    assert len(compiled) == 2  # not the last: a single layer
    place(parts, CPU, Runtime("float32", compile=True), repeated=(nn.GroupNorm, nn.SiLU))
    assert len(compiled) == 2 + 2 * 2
    torch.testing.assert_close(found, parts["last"].forward(network()(network()(image))))


class Doubled(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * self.network(x).relu()


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # torch's own, of itself
def test_what_keeps_a_network_from_being_compiled_is_told_with_what_to_do(image, monkeypatch):
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(torch._inductor.config, "force_disable_caches", True)
    runtime, parts = Runtime("float32", compile=True), nn.ModuleList([Doubled()])
    place(parts, CPU, runtime)
    with pytest.raises(InvalidRequest, match=r"cannot be compiled here: .*Turn Compile off"), compiling_named(runtime):
        parts[0](image)


def test_every_precision_has_a_size_and_auto_is_one_of_them():
    assert set(PRECISION_BYTES) == set(SETTING_CHOICES["precision"]) - {"auto"}
    assert fastest(CPU) in PRECISION_BYTES
