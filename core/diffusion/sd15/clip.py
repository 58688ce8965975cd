"""CLIP's two towers (Radford 2021): a text's tokens, a picture's embedding. Parameters are named as in transformers' files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from ...errors import InvalidWeights
from ..attention import to_heads

PICTURE = 224  # pixels: width and height of the pictures that the image tower was trained on
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # of those pictures, RGB


@dataclass(frozen=True)
class TowerConfig:
    width: int
    inner: int
    heads: int
    layers: int
    activation: str
    epsilon: float

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> TowerConfig:
        """From transformers' `config.json`. Raises `InvalidWeights`."""
        if config["hidden_act"] not in ACTIVATIONS:
            raise InvalidWeights(f"A CLIP with the activation {config['hidden_act']!r} is not known.")
        return cls(
            config["hidden_size"], config["intermediate_size"], config["num_attention_heads"], config["num_hidden_layers"],
            config["hidden_act"], config["layer_norm_eps"],
        )  # fmt: skip


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS = {"quick_gelu": quick_gelu, "gelu": nn.functional.gelu}


class SelfAttention(nn.Module):
    def __init__(self, config: TowerConfig):
        super().__init__()
        self.heads = config.heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(config.width, config.width) for _ in range(4))

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        query, key, value = (to_heads(layer(x), self.heads) for layer in (self.q_proj, self.k_proj, self.v_proj))
        out = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
        return self.out_proj(rearrange(out, "b h n d -> b n (h d)"))


class Layer(nn.Module):
    def __init__(self, config: TowerConfig):
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.layer_norm1 = nn.LayerNorm(config.width, config.epsilon)
        self.self_attn = SelfAttention(config)
        self.layer_norm2 = nn.LayerNorm(config.width, config.epsilon)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(config.width, config.inner), "fc2": nn.Linear(config.inner, config.width)})

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x), causal)
        return x + self.mlp["fc2"](self.activation(self.mlp["fc1"](self.layer_norm2(x))))


class Tower(nn.Module):
    def __init__(self, config: TowerConfig):
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        for layer in self.layers:
            x = layer(x, causal)
        return x


class TextEncoder(nn.Module):
    """Token ids [b, l] to the last layer's normed tokens [b, l, c]."""

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        tower = TowerConfig.from_json(config)
        self.positions: int = config["max_position_embeddings"]
        self.text_model = nn.ModuleDict(
            {
                "embeddings": nn.ModuleDict(
                    {
                        "token_embedding": nn.Embedding(config["vocab_size"], tower.width),
                        "position_embedding": nn.Embedding(self.positions, tower.width),
                    }
                ),
                "encoder": Tower(tower),
                "final_layer_norm": nn.LayerNorm(tower.width, tower.epsilon),
            }
        )

    def forward(self, ids: Tensor) -> Tensor:
        embeddings = self.text_model["embeddings"]
        places = torch.arange(ids.shape[1], device=ids.device)
        x = embeddings["token_embedding"](ids) + embeddings["position_embedding"](places)
        return self.text_model["final_layer_norm"](self.text_model["encoder"](x, causal=True))


class PatchEmbedding(nn.Module):
    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        width, patch, size = config["hidden_size"], config["patch_size"], config["image_size"]
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.patch_embedding = nn.Conv2d(config.get("num_channels", 3), width, patch, stride=patch, bias=False)
        self.position_embedding = nn.Embedding((size // patch) ** 2 + 1, width)

    def forward(self, pictures: Tensor) -> Tensor:
        patches = rearrange(self.patch_embedding(pictures), "b c h w -> b (h w) c")
        first = self.class_embedding.expand(len(patches), 1, -1)
        places = torch.arange(1 + patches.shape[1], device=patches.device)
        return torch.cat((first, patches), 1) + self.position_embedding(places)


class ImageEncoder(nn.Module):
    """Pictures [b, 3, 224, 224] in 0..1 to embeddings [b, c] in the space that CLIP shares with text."""

    def __init__(self, config: Mapping[str, Any]):
        super().__init__()
        tower = TowerConfig.from_json(config)
        self.vision_model = nn.ModuleDict(
            {
                "embeddings": PatchEmbedding(config),
                "pre_layrnorm": nn.LayerNorm(tower.width, tower.epsilon),  # so it is spelt in the files
                "encoder": Tower(tower),
                "post_layernorm": nn.LayerNorm(tower.width, tower.epsilon),
            }
        )
        self.visual_projection = nn.Linear(tower.width, config["projection_dim"], bias=False)

    def forward(self, pictures: Tensor) -> Tensor:
        mean, std = (pictures.new_tensor(values)[:, None, None] for values in (MEAN, STD))
        model = self.vision_model
        x = model["encoder"](model["pre_layrnorm"](model["embeddings"]((pictures - mean) / std)))
        return self.visual_projection(model["post_layernorm"](x[:, 0]))
