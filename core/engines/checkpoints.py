"""Reading checkpoints as they were published, into modules that they must fit exactly. Nothing that a file says is executed."""

from __future__ import annotations

import itertools
import json
import pickle
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import InvalidWeights
from .layout import examine
from .memory import shortage_named

Made = TypeVar("Made")

_MANY = 12  # keys of one kind; more are listed by their pattern


def read(path: Path, prefixes: Sequence[str] = ()) -> dict[str, Tensor]:
    """The tensors of a `.safetensors`, or of a `.pth`, `.bin` or `.ckpt`: on the CPU, as stored, mapped from the file.

    A `state_dict` within is opened, and each of `prefixes`, in turn, taken off the keys that begin with it. Pickles are read as
    data alone. Raises `InvalidWeights` where the file is missing, truncated, or holds more than tensors, `OutOfMemory` where it
    cannot be mapped.
    """
    examine(path)
    try:
        with shortage_named(path.name):
            tensors = load_file(path) if path.suffix == ".safetensors" else _unpickle(path)
    except pickle.UnpicklingError as error:  # its text advises to let the file run code
        raise InvalidWeights(
            f"{path} holds other objects than tensors, which could run code: it was not read.",
            "Use the published file, a safetensors where there is one.",
        ) from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, LookupError) as error:
        raise InvalidWeights(f"{path} is damaged or truncated ({_summary(error)}).") from error
    for prefix in prefixes:
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors


def _unpickle(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as stream:
        mappable = stream.read(2) == b"PK"  # torch's older format is one pickle after the other
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of pickle protocols: what torch cannot read, it refuses
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mappable)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InvalidWeights(f"{path} is not a state dictionary: a mapping from names to tensors.")
    return dict(content)


def read_config(path: Path) -> dict[str, Any]:
    """A model's `config.json`. Raises `InvalidWeights`."""
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InvalidWeights(f"{path} is missing.", "Put the published file there.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidWeights(f"{path} cannot be read ({_summary(error)}).") from error
    if not isinstance(config, dict):
        raise InvalidWeights(f"{path} is not a configuration: a JSON object.")
    return config


def configured(path: Path, make: Callable[[dict[str, Any]], Made]) -> Made:
    """What `make` makes of a model's `config.json`. Raises `InvalidWeights`, also where that is of another kind of model."""
    config = read_config(path)
    try:
        return make(config)
    except InvalidWeights as error:
        raise InvalidWeights(f"{path}: {error.message}", error.remedy) from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise InvalidWeights(
            f"{path} is not what this network needs ({_summary(error)}).", "Put the published file there."
        ) from error


def load_into(module: nn.Module, tensors: Mapping[str, Tensor], what: str, ignore: Sequence[str] = ()) -> None:
    """Put `tensors` into `module`, which they must fit one to one; `what` names the file or files that they are from.

    Keys that match one of the `ignore` patterns may be missing or in excess. The parameters become the tensors themselves, in
    their dtype and mapped from the file, so `module` may have been made on the meta device. Raises one `InvalidWeights` that
    lists every missing, unexpected and misshapen key, or else every tensor of whole numbers, or with NaNs or infinities.
    """
    own = module.state_dict()
    misfits = {
        "missing": _unless(own.keys() - tensors.keys(), ignore),
        "unexpected": _unless(tensors.keys() - own.keys(), ignore),
        "misshapen": [key for key in own.keys() & tensors.keys() if own[key].shape != tensors[key].shape],
    }
    if any(misfits.values()):
        right = len(own.keys() & tensors.keys()) - len(misfits["misshapen"])
        told = [
            f"{len(keys)} {kind}: {', '.join(_listed(keys, own, tensors, kind))}" for kind, keys in misfits.items() if keys
        ]
        stranger = "It seems to belong to another model: put this one's published file there."
        message = f"{what} does not fit {type(module).__name__}. " + "; ".join(told) + "."
        raise InvalidWeights(message, stranger if 2 * right < len(own) else None)
    fitting = {key: tensors[key] for key in own if key in tensors}
    if whole := [key for key, value in fitting.items() if own[key].is_floating_point() > value.is_floating_point()]:
        raise InvalidWeights(f"{what} holds whole numbers, not weights, in {', '.join(compress(whole, fitting))}.")
    if bad := [key for key, value in fitting.items() if not is_finite(value)]:
        raise InvalidWeights(f"{what} holds NaNs or infinities in {', '.join(compress(bad, fitting))}.")
    module.load_state_dict(fitting, strict=False, assign=True)


def is_finite(values: Tensor) -> bool:
    """Whether there is no NaN and no infinity. Eight-bit floats are looked at in 32 bits: torch has no test for them."""
    if not values.is_floating_point():
        return True
    return bool((values.float() if values.itemsize == 1 else values).isfinite().all())


def _unless(keys: Collection[str], patterns: Sequence[str]) -> list[str]:
    return [key for key in keys if not any(fnmatchcase(key, pattern) for pattern in patterns)]


def _listed(keys: Sequence[str], own: Mapping[str, Tensor], found: Mapping[str, Tensor], kind: str) -> list[str]:
    if kind == "misshapen":
        shown = {key: f"{key} {list(found[key].shape)} for {list(own[key].shape)}" for key in sorted(keys)}
        return list(shown.values()) if len(keys) <= _MANY else compress(keys, own)
    return compress(keys, own if kind == "missing" else found)


def compress(keys: Collection[str], universe: Collection[str]) -> list[str]:
    """All of `keys` in few words: `a.b.*` where all that `universe` has below a.b is meant, `a.{0,2}.c` for keys that
    differ by numbers alone."""
    names = sorted(_subtrees("", set(keys), set(universe)))
    if len(names) <= _MANY:
        return names
    merged = []
    for pattern, group in itertools.groupby(sorted(names, key=_pattern), key=_pattern):
        rows = [re.findall(r"\d+", name) for name in group]
        sets = [sorted(set(column), key=int) for column in zip(*rows, strict=True)]
        shown = [column[0] if len(column) == 1 else f"{{{','.join(column)}}}" for column in sets]
        merged.append("".join(itertools.chain(*itertools.zip_longest(pattern.split("#"), shown, fillvalue=""))))
    return merged


def _pattern(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _subtrees(prefix: str, keys: set[str], universe: set[str]) -> Iterator[str]:
    """The largest subtrees of dotted names whose every name in `universe` is in `keys`, and the single names left."""
    if len(keys) > 1 and keys == universe:
        yield f"{prefix}*"
        return
    for child in {key[len(prefix) :].partition(".")[0] for key in keys}:
        if (leaf := prefix + child) in keys:
            yield leaf
        below = f"{leaf}."
        within = {key for key in keys if key.startswith(below)}
        if within:
            yield from _subtrees(below, within, {key for key in universe if key.startswith(below)})


def _summary(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
