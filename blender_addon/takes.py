"""A finished take becomes one image-sequence strip in its scene's sequencer. Main thread only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import bpy

from .plates import find_plate
from .record import TakeRecord
from .sequencer import add_pictures, lowest_free_channel, select_alone, strips_of

# What a strip says of what made it.
_JOB, _CLIP, _REQUEST, _PEOPLE = "understudy_job", "understudy_clip", "understudy_request", "understudy_people"


def import_take(scene: bpy.types.Scene, take: TakeRecord, frames: Sequence[Path]) -> bpy.types.Strip:
    """Add the pictures of `take` to the scene's sequencer as one strip, and select it alone.

    It lies on the lowest free channel, above its plate where that is still there. One that can be seen through is laid over
    what is below it, and earlier ones like it of the same people, name and plate, no frame of which it lacks, are muted: they
    would be seen beside it. Raises `JobFailed` where no channel is free.
    """
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = strips_of(editor)
    start, end = take.first_frame, take.first_frame + len(frames)
    plate = find_plate(scene, take.request.plate)
    channel = lowest_free_channel(strips, start, end, above=plate.channel if plate else 0)
    if take.request.settings.background == "transparent":
        for other in strips:
            within = start <= other.frame_final_start and other.frame_final_end <= end
            other.mute = other.mute or (within and _is_earlier(other, take))
    strip = add_pictures(strips, take.request.name, frames, channel, start)
    strip.blend_type = "ALPHA_OVER"
    strip[_JOB], strip[_CLIP] = take.job, take.clip_digest
    strip[_REQUEST], strip[_PEOPLE] = json.dumps(take.request.to_json()), json.dumps(take.people)
    select_alone(editor, strip)
    return strip


def _is_earlier(strip: bpy.types.Strip, take: TakeRecord) -> bool:
    """Whether the strip is a take that another such one, of these people, this name and this plate, takes the place of."""
    made_by = json.loads(strip.get(_REQUEST, "null"))
    if made_by is None:
        return False
    request = take.request
    alike = (made_by["name"], made_by.get("plate", "")) == (request.name, request.plate)
    same_people = set(json.loads(strip.get(_PEOPLE, "[]"))) == set(take.people)
    return alike and same_people and made_by["settings"]["background"] == request.settings.background
