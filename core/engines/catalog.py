"""What engines there are and what each needs, without loading any of them."""

from __future__ import annotations

import dataclasses
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InvalidRequest, UnknownEngine
from ..protocol import GenerationSettings

if TYPE_CHECKING:
    from .interface import Engine


@dataclass(frozen=True)
class EngineSpec:
    """One engine's needs and limits.

    `module` (below `core.engines`) defines `create() -> Engine`. Sizes are pixels; frames are drawn in
    the next multiple of `size_multiple` on both sides, and cropped. `defaults` are the published settings.
    """

    name: str
    title: str
    module: str
    licence: str
    weights: str
    memory_mb: int
    size_multiple: int
    max_pixels: int
    reads_prompt: bool
    max_people: int
    defaults: GenerationSettings

    def check(self, settings: GenerationSettings, people: int) -> None:
        """Raise `InvalidRequest` where this engine cannot do what is asked."""
        if settings.width * settings.height > self.max_pixels:
            raise InvalidRequest(
                f"{settings.width} x {settings.height} is more than engine {self.name} can draw.",
                f"Choose a size of at most {self.max_pixels} pixels.",
            )
        if people > self.max_people:
            raise InvalidRequest(
                f"The clip has {people} people; engine {self.name} draws {self.max_people}.",
                "Remove people from the list, and make a take for each.",
            )

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


CATALOG: dict[str, EngineSpec] = {
    spec.name: spec
    for spec in (
        EngineSpec(
            name="understudy",
            title="Understudy (bundled)",
            module="understudy",
            licence="GPL-3.0-or-later",
            weights="bundled",
            memory_mb=1500,
            size_multiple=32,
            max_pixels=768 * 768,
            reads_prompt=False,
            max_people=1,
            defaults=GenerationSettings(engine="understudy", width=192, height=256, steps=10, guidance=1.0),
        ),
    )
}


def find(name: str) -> EngineSpec:
    """The spec called `name`; raises `UnknownEngine`."""
    try:
        return CATALOG[name]
    except KeyError:
        raise UnknownEngine(f"There is no engine called {name!r}.") from None


def create(name: str) -> Engine:
    """A new, unloaded engine. Imports torch: for the worker only."""
    module = importlib.import_module(f".{find(name).module}", __package__)
    return module.create()
