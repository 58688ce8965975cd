import json
import os
import pickle
import re

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from understudy.core.engines.checkpoints import compress, load_into, read, read_config
from understudy.core.errors import InvalidWeights


class Block(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        self.norm, self.proj = nn.LayerNorm(width), nn.Linear(width, width)


def network(width: int = 4, blocks: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict({"conv_in": nn.Conv2d(3, width, 1), "blocks": nn.ModuleList(Block(width) for _ in range(blocks))})


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    return network().state_dict()


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.ckpt", "old.bin"])
def test_every_published_kind_of_file_is_read_as_stored(tmp_path, weights, name):
    weights = {key: value.half() for key, value in weights.items()}
    path = tmp_path / name
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=name != "old.bin")
    assert same(read(path), weights)


def test_a_nested_state_dictionary_is_opened_and_prefixes_taken_off(tmp_path, weights):
    nested = {"state_dict": {f"module.unet.{key}": value for key, value in weights.items()}, "epoch": 3}
    torch.save(nested, tmp_path / "a.ckpt")
    assert same(read(tmp_path / "a.ckpt", prefixes=("module.", "unet.")), weights)


def test_a_module_on_the_meta_device_is_filled_with_the_tensors_themselves(weights):
    with torch.device("meta"):
        module = network()
    load_into(module, weights, "a.pth")
    assert same(module.state_dict(), weights)
    assert module["conv_in"].weight.data_ptr() == weights["conv_in.weight"].data_ptr()


def test_every_key_that_does_not_fit_is_in_the_one_error(weights):
    del weights["conv_in.bias"]
    weights["stranger.scale"] = torch.ones(1)
    weights["blocks.1.proj.weight"] = torch.ones(4, 9)
    with pytest.raises(InvalidWeights) as refused:
        load_into(network(), weights, "denoising_unet.pth")
    assert refused.value.message == (
        "denoising_unet.pth does not fit ModuleDict. 1 missing: conv_in.bias; 1 unexpected: stranger.scale; "
        "1 misshapen: blocks.1.proj.weight [4, 9] for [4, 4]."
    )
    assert "Download the weights again" in refused.value.remedy


def test_hundreds_of_keys_are_told_in_few_words():
    names = ("norm.weight", "norm.bias", "to_q.weight", "to_k.weight", "to_v.weight")
    universe = [f"down.{i}.attn.{j}.{name}" for i in range(4) for j in range(30) for name in names]
    assert compress(universe, universe) == ["*"]
    assert compress([key for key in universe if ".2.attn" in key], universe) == ["down.2.*"]
    listed = compress([key for key in universe if key.endswith("norm.bias")], universe)
    assert listed == [f"down.{{0,1,2,3}}.attn.{{{','.join(map(str, range(30)))}}}.norm.bias"]


def test_the_weights_of_another_family_are_told_from_a_few_wrong_keys(weights):
    with pytest.raises(InvalidWeights, match="belong to another model"):
        load_into(network(), {f"transformer.{key}": value for key, value in weights.items()}, "a.pth")
    with pytest.raises(InvalidWeights, match="belong to another model"):
        load_into(network(width=8), weights, "a.pth")


def test_what_is_ignored_may_be_missing_or_in_excess(weights):
    del weights["conv_in.bias"]
    weights["text.position_ids"] = torch.arange(3)
    module = network()
    load_into(module, weights, "a.pth", ignore=("conv_in.bias", "*.position_ids"))
    assert torch.equal(module["blocks"][0].proj.weight, weights["blocks.0.proj.weight"])


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float8_e5m2])
def test_values_that_are_not_finite_are_refused_by_name(weights, value, dtype):
    weights["blocks.2.norm.bias"] = torch.tensor([0, value, 0, 0]).to(dtype)
    with pytest.raises(InvalidWeights, match=r"a\.pth holds NaNs or infinities in blocks\.2\.norm\.bias"):
        load_into(network(), weights, "a.pth")


class Evil:
    """Unpickled, it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["a.pth", "a.ckpt", "a.bin", "a.safetensors"])
@pytest.mark.parametrize("how", ["archive", "old", "plain"])
def test_a_pickle_that_would_run_code_is_refused_and_runs_nothing(tmp_path, weights, name, how):
    path, trap = tmp_path / name, tmp_path / "trap"
    content = {**weights, "evil": Evil(trap)}
    if how == "plain":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "archive")
    with pytest.raises(InvalidWeights, match=f"{name}.*(could run code|pickle under the name)"):
        read(path)
    assert not trap.exists()
    pickle.loads(pickle.dumps(Evil(trap)))
    assert trap.exists()  # it would have worked


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "old.bin"])
def test_truncated_files_are_refused_by_name(tmp_path, weights, name, share):
    path = tmp_path / name
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=name != "old.bin")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InvalidWeights, match=f"{re.escape(str(path))} is .*truncated"):
        read(path)


def test_what_is_no_checkpoint_at_all_is_refused(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"hello, this is no checkpoint")
    torch.save([torch.ones(3)], tmp_path / "list.pth")
    torch.save({"a": torch.ones(3), "b": 3}, tmp_path / "number.pth")
    for name, message in (("a", "damaged"), ("list", "not a state dictionary"), ("number", "not a state dictionary")):
        with pytest.raises(InvalidWeights, match=f"{name}.pth is {message}"):
            read(tmp_path / f"{name}.pth")


def test_whole_numbers_in_place_of_weights_are_refused(weights):
    weights["blocks.2.norm.bias"] = weights["blocks.2.norm.bias"].to(torch.int8)
    with pytest.raises(InvalidWeights, match=r"a\.pth holds whole numbers, not weights, in blocks\.2\.norm\.bias"):
        load_into(network(), weights, "a.pth")


def test_a_configuration_is_read_or_refused_by_name(tmp_path):
    path = tmp_path / "config.json"
    with pytest.raises(InvalidWeights, match=r"config\.json is missing"):
        read_config(path)
    path.write_text(json.dumps({"sample_size": 64}))
    assert read_config(path) == {"sample_size": 64}
    for broken in ("[1]", '{"a": '):
        path.write_text(broken)
        with pytest.raises(InvalidWeights, match=r"config\.json"):
            read_config(path)
