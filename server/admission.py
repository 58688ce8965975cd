"""Everything that can be wrong with a request, found before anything is queued or loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.engines import catalog
from ..core.errors import InvalidClip, InvalidReference
from ..core.pose.clip import PoseClip
from ..core.pose.reference import pose_in
from ..core.protocol import MAX_FRAMES, GenerationSettings
from .pictures import decode_reference

_SPARE_BYTES = 64 * 2**20


def check(settings: GenerationSettings, clip: PoseClip, references: Sequence[bytes], weights: Path) -> None:
    """Raise the `InputError`, `UnknownEngine` or `InvalidWeights` that this job would run into.

    `references` in the order of the people; `weights` is the folder with one of each engine's in it.
    """
    engine = catalog.find(settings.engine)
    engine.check(settings, len(clip.people))
    engine.require_weights(weights)
    if len(clip) > MAX_FRAMES:
        raise InvalidClip(f"The clip has {len(clip)} frames, more than {MAX_FRAMES}.", "Make several takes of it.")
    if len(references) != len(clip.people):
        raise InvalidReference(
            f"The clip has {len(clip.people)} people, and there are {len(references)} references.",
            "Give one reference picture for each person.",
        )
    for name, reference in zip(clip.people, references, strict=True):
        decode_reference(reference, f"The reference of {name}")
        pose_in(reference)


def in_order(clip: PoseClip, references: Mapping[str, bytes]) -> tuple[bytes, ...]:
    """The pictures in the order of the clip's people. Raises `InvalidReference` for a missing person, or a strange one."""
    if strange := references.keys() - set(clip.people):
        raise InvalidReference(f"There is a reference of {sorted(strange)[0]!r}, who is not in the clip.")
    if missing := [name for name in clip.people if name not in references]:
        raise InvalidReference(f"There is no reference of {missing[0]!r}.", "Give one reference picture for each person.")
    return tuple(references[name] for name in clip.people)


def space_needed(settings: GenerationSettings, clip: PoseClip) -> int:
    """Bytes of disk that the job may take: its frames, were they noise, its latents, and some to spare."""
    pixels = settings.width * settings.height * len(clip)
    frames = 3 * pixels
    latents = pixels  # at most 16 channels of float32 for each 8 x 8 pixels
    return frames + latents + _SPARE_BYTES
