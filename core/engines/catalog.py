"""What engines there are and what each needs, without loading any of them."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidRequest, InvalidWeights, NotEnoughMemory, UnknownEngine
from ..protocol import EngineTraits, GenerationSettings, MemoryNeeds
from .layout import WeightsFile, lacking
from .layout import find as find_file

if TYPE_CHECKING:
    from .interface import Engine


@dataclass(frozen=True, kw_only=True)
class EngineSpec(EngineTraits):
    """One engine's needs and limits.

    `module` (below `core.engines`) defines `create() -> Engine`. Sizes are pixels; frames are drawn in the next multiple of
    `size_multiple` on both sides, and cropped. `defaults` are as published, those that are `fixed` for good; each preset is
    what it changes of them. `files` are what must be in the engine's folder of weights: none for those that come with
    Understudy.
    """

    module: str
    size_multiple: int
    defaults: GenerationSettings
    presets: Mapping[str, Mapping[str, Any]]
    files: tuple[WeightsFile, ...] = ()

    def settings(self, preset: str = "exact") -> GenerationSettings:
        """The settings that `preset` begins with. Raises `InvalidRequest` where this engine has none of that name."""
        if preset not in self.presets:
            raise InvalidRequest(
                f"Engine {self.name} has no preset {preset!r}.", f"Choose one of {', '.join(self.presets)}."
            )
        return dataclasses.replace(self.defaults, preset=preset, **self.presets[preset])

    def check(self, settings: GenerationSettings, people: int) -> None:
        """Raise `InvalidRequest` where this engine cannot do what is asked."""
        self.settings(settings.preset)
        if settings.scheduler and settings.scheduler not in self.schedulers:
            raise InvalidRequest(
                f"Engine {self.name} has no scheduler {settings.scheduler!r}.",
                f"Choose one of {', '.join(self.schedulers)}." if self.schedulers else "Leave it to the engine.",
            )
        for name in self.fixed:
            asked, own = getattr(settings, name), getattr(self.defaults, name)
            if asked != own:
                raise InvalidRequest(f"Engine {self.name} knows no {name} but {own!r}, not {asked!r}.", "Leave it as it is.")
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

    def lacking(self, weights: Path) -> list[str]:
        """What its folder below `weights` lacks, or holds that cannot be right: a sentence for each file."""
        return lacking(self.folder(weights), self.files)

    def file(self, folder: Path, name: str) -> Path:
        """Of its `files` the one that `name` is a name of, in `folder`. Raises `InvalidWeights` where it is missing."""
        return find_file(folder, *next(file.names for file in self.files if name in file.names))

    def folder(self, weights: Path) -> Path:
        """Its own folder below that of all engines' weights."""
        return weights / self.name

    def require_weights(self, weights: Path) -> None:
        """Raise one `InvalidWeights` that tells all that is lacking."""
        if found := self.lacking(weights):
            raise InvalidWeights(
                f"Engine {self.name} lacks {len(found)} of its {len(self.files)} files. " + " ".join(found),
                f"Put them into {self.folder(weights)}, or choose another folder of weights.",
            )

    def require_memory(
        self, settings: GenerationSettings, frames: int, free: int, auto: str = "bfloat16", loaded: bool = False
    ) -> None:
        """Raise `NotEnoughMemory`, with what would fit, where a clip of `frames` needs more than the device's `free` bytes.

        `auto` is the precision that the device prefers; `loaded`: the weights are there already.
        """

        def needed(settings: GenerationSettings) -> int:
            return self.memory_bytes(settings, frames, auto, loaded)

        if needed(settings) <= free:
            return
        ways = []
        if size := next((each for each in _smaller_sizes(settings) if needed(each) <= free), None):
            ways.append(f"{size.width} x {size.height}")
        windows = _shorter_windows(settings, self.denoised(frames, settings))
        if window := next((each for each in windows if needed(each) <= free), None):
            ways.append(f"a window of {window.context_frames} frames")
        if not (settings.offload or "offload" in self.fixed) and needed(dataclasses.replace(settings, offload=True)) <= free:
            ways.append("offloading")
        raise NotEnoughMemory(
            f"{self.title} needs {needed(settings) / 1e9:.1f} GB of memory for this, and {free / 1e9:.1f} GB are free.",
            f"Try {' or '.join(ways)}." if ways else "Close other programs that use this device, or choose another engine.",
        )

    def step_down(self, settings: GenerationSettings, frames: int) -> GenerationSettings | None:
        """What to try when `settings` ran out of memory: half the window, else three quarters of the size; None: nothing."""
        effective = min(self.denoised(frames, settings), settings.context_frames)
        if effective >= 2 * _SHORTEST_WINDOW:
            return _with_window(settings, effective // 2)
        return next(_smaller_sizes(settings, steps=(0.75,)), None)

    def to_json(self) -> dict[str, Any]:
        about = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return about | {
            "memory": dataclasses.asdict(self.memory),
            "defaults": self.defaults.to_json(),
            "presets": {name: self.settings(name).to_json() for name in self.presets},
            "schedulers": list(self.schedulers),
            "fixed": list(self.fixed),
            "files": [dataclasses.asdict(file) | {"names": list(file.names)} for file in self.files],
        }


_SCHEDULERS = ("ddim", "dpm++", "lcm", "tcd")
_ALIGNED = {"context_layout": "aligned", "context_fusion": "triangle"}
_DRAFT_SIDE = 384  # pixels: the shorter


def _presets(width: int, height: int) -> dict[str, dict[str, Any]]:
    """Those of an engine that is published at that size, whose shape the drafts keep."""
    wide, high = (round(side * _DRAFT_SIDE / min(width, height) / 8) * 8 for side in (width, height))
    draft = {"steps": 8, "guidance_share": 0.25, "width": wide, "height": high, "decoder": "tiny"}
    return {
        "exact": {},
        "fast": {**_ALIGNED, "scheduler": "dpm++", "steps": 15, "guidance_share": 0.6},
        "draft": {**_ALIGNED, "scheduler": "dpm++", **draft},
    }


def _published(
    name: str,
    title: str,
    licence: str,
    files: tuple[WeightsFile, ...],
    parameters: int,
    frames_multiple: int = 1,
    whole_windows: bool = False,
    **settings: Any,
) -> EngineSpec:
    """An engine on Stable Diffusion 1.5's networks. `settings` are its authors': where these say nothing, windows loop, and
    count alike where they overlap."""
    usual: dict[str, Any] = {"context_overlap": 4, "context_layout": "loop", "context_fusion": "flat"}
    return EngineSpec(
        name=name,
        title=title,
        module=name.replace("-", "_"),
        licence=licence,
        memory=MemoryNeeds(parameters=parameters, window=420, decoding=3100),
        size_multiple=8,
        max_pixels=1024 * 1024,
        reads_prompt=False,
        max_people=1,
        defaults=GenerationSettings(engine=name, **(usual | settings)),
        presets=_presets(settings["width"], settings["height"]),
        schedulers=_SCHEDULERS,
        files=files,
        fixed=("background",),  # drawn with the people, as in the reference
        frames_multiple=frames_multiple,
        whole_windows=whole_windows,
    )


def _files(repository: str, megabytes: Mapping[str, int], subfolder: str = "") -> tuple[WeightsFile, ...]:
    """The files of one `repository`, by name: in an engine's folder, or in the `subfolder` that its authors put them in."""
    places = (f"{subfolder}/", "") if subfolder else ("",)
    source = f"https://huggingface.co/{repository}"
    return tuple(WeightsFile(tuple(place + name for place in places), source, size) for name, size in megabytes.items())


_SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
_UNET_CONFIG = WeightsFile(
    ("stable-diffusion-v1-5/unet/config.json", "sd-image-variations-diffusers/unet/config.json"),
    f"https://huggingface.co/{_SD15}",
)
_TINY = _files("madebyollin/taesd", {"taesd/config.json": 0, "taesd/diffusion_pytorch_model": 10})
_AUTOENCODER = (
    *_files("stabilityai/sd-vae-ft-mse", {"sd-vae-ft-mse/config.json": 0, "sd-vae-ft-mse/diffusion_pytorch_model": 335}),
    *(dataclasses.replace(file, optional=True) for file in _TINY),
)


def _animate_anyone_files(repository: str, guiders: Mapping[str, int], subfolder: str = "") -> tuple[WeightsFile, ...]:
    """What MooreThreads' code reads, and all that was made of it."""
    networks = {"denoising_unet": 3438, "motion_module": 1817, "reference_unet": 3438, **guiders}
    variations = "https://huggingface.co/lambdalabs/sd-image-variations-diffusers"
    return (
        *_files(repository, networks, subfolder),
        WeightsFile(("image_encoder/config.json",), variations),
        WeightsFile(("image_encoder/model", "image_encoder/pytorch_model"), variations, 1216),
        _UNET_CONFIG,
        *_AUTOENCODER,
    )


_MAGIC_ANIMATE_FILES = (
    *_files(
        "zcxu-eric/MagicAnimate",
        {
            "appearance_encoder/config.json": 0,
            "appearance_encoder/diffusion_pytorch_model": 3413,
            "densepose_controlnet/config.json": 0,
            "densepose_controlnet/diffusion_pytorch_model": 1445,
            "temporal_attention/temporal_attention": 1741,
        },
        "MagicAnimate",
    ),
    *_files(
        _SD15,
        {
            "stable-diffusion-v1-5/unet/diffusion_pytorch_model": 3438,
            "stable-diffusion-v1-5/text_encoder/config.json": 0,
            "stable-diffusion-v1-5/tokenizer/vocab.json": 1,
        },
    ),
    WeightsFile(
        ("stable-diffusion-v1-5/text_encoder/model", "stable-diffusion-v1-5/text_encoder/pytorch_model"),
        f"https://huggingface.co/{_SD15}",
        492,
    ),
    _UNET_CONFIG,
    *_AUTOENCODER,
)

CATALOG: dict[str, EngineSpec] = {
    spec.name: spec
    for spec in (
        EngineSpec(
            name="understudy",
            title="Understudy (bundled)",
            module="understudy",
            licence="GPL-3.0-or-later",
            memory=MemoryNeeds(parameters=10_500_000, window=40, decoding=80),
            size_multiple=32,
            max_pixels=1920 * 1080,
            reads_prompt=False,
            max_people=8,
            defaults=GenerationSettings(),
            presets={"exact": {}, "fast": {"steps": 1}, "draft": {"steps": 1}},
            # Each window goes on from the last; its networks and its decoder are small.
            fixed=("context_layout", "context_stride", "context_fusion", "decoder", "offload"),
        ),
        _published(
            "animate-anyone",
            "AnimateAnyone (MooreThreads)",
            "Apache-2.0",
            _animate_anyone_files("patrolli/AnimateAnyone", {"pose_guider": 4}),
            parameters=2_600_000_000,
            width=512,
            height=784,
            steps=30,
            guidance=3.5,
            context_frames=24,
        ),
        _published(
            "musepose",
            "MusePose",
            "non-commercial research only",
            _animate_anyone_files("TMElyralab/MusePose", {"pose_guider": 4}, "MusePose"),
            parameters=2_600_000_000,
            whole_windows=True,
            width=768,
            height=768,
            steps=20,
            guidance=3.5,
            context_frames=48,
            context_layout="open",
        ),
        _published(
            "aniportrait",
            "AniPortrait",
            "Apache-2.0",
            _animate_anyone_files("ZJYang/AniPortrait", {"pose_guider": 670}),
            parameters=2_800_000_000,
            width=512,
            height=512,
            steps=25,
            guidance=3.5,
            context_frames=16,
        ),
        _published(
            "champ",
            "Champ",
            "MIT",
            _animate_anyone_files(
                "fudan-generative-ai/champ",
                {f"guidance_encoder_{kind}": 15 for kind in ("depth", "normal", "semantic_map", "dwpose")},
                "champ",
            ),
            parameters=2_600_000_000,
            width=512,
            height=512,
            steps=20,
            guidance=3.5,
            context_frames=24,
        ),
        _published(
            "magic-animate",
            "MagicAnimate",
            "BSD-3-Clause",
            _MAGIC_ANIMATE_FILES,
            parameters=3_000_000_000,
            frames_multiple=16,
            width=512,
            height=512,
            steps=25,
            guidance=7.5,
            context_frames=16,
        ),
    )
}


_SHORTEST_WINDOW = 4
_SMALLEST_SIDE = 64


def _smaller_sizes(
    settings: GenerationSettings, steps: Sequence[float] = (0.875, 0.75, 0.625, 0.5, 0.375, 0.25)
) -> Iterator[GenerationSettings]:
    for step in steps:
        width, height = (round(side * step / 8) * 8 for side in (settings.width, settings.height))
        if min(width, height) >= _SMALLEST_SIDE:
            yield dataclasses.replace(settings, width=width, height=height)


def _shorter_windows(settings: GenerationSettings, frames: int) -> Iterator[GenerationSettings]:
    longest = min(frames, settings.context_frames) - 1
    for window in range(longest - longest % _SHORTEST_WINDOW, 0, -_SHORTEST_WINDOW):
        yield _with_window(settings, window)


def _with_window(settings: GenerationSettings, window: int) -> GenerationSettings:
    return dataclasses.replace(settings, context_frames=window, context_overlap=min(settings.context_overlap, window // 2))


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
