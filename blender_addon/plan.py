"""From a scene's settings to the plan of a take, with everything that is wrong with them found first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import bpy

from ..core.errors import (
    EmptyRange,
    InvalidRequest,
    InvalidWeights,
    NoArmature,
    NoCamera,
    NoPlate,
    NoReference,
    UnderstudyError,
)
from ..core.protocol import MAX_FRAMES, JobRequest
from .generation import GenerationPlan
from .people import active_armature, alignments_of, find_nobody, frames_of, people_of
from .plates import find_plate
from .preferences import preferences
from .properties import DRAWING, RUNNING, UnderstudyPerson, find_engine
from .sample_options import SampleOptions, View
from .session import TakePlan


def find_problem(context: bpy.types.Context) -> UnderstudyError | None:
    """The first thing that keeps a take from being made, as far as a look at the settings tells. Cheap: for `poll`."""
    settings = context.scene.understudy
    if nobody := find_nobody(context):
        return nobody
    for person in settings.people:
        if person.armature is None:
            return NoArmature("A person in the list has no armature.")
    if settings.source == "CAMERA" and context.scene.camera is None:
        return NoCamera("The scene has no camera.")
    frames = len(frames_of(context.scene))
    if not frames:
        return EmptyRange("The frame range is empty.")
    if frames > MAX_FRAMES:
        return InvalidRequest(f"The frame range has {frames} frames, more than {MAX_FRAMES}.", "Make several takes of it.")
    return None


def find_engine_limit(context: bpy.types.Context) -> UnderstudyError | None:
    """What the settings ask for that the engine cannot do, or not yet; little is known while no server has been asked."""
    settings = context.scene.understudy
    engine = find_engine(settings.engine)
    if not settings.began_as_told:
        return InvalidRequest(
            f"These are not the settings of {settings.engine}'s preset {settings.preset!r}, which no server has told.",
            "Start the server, then choose engine and preset again.",
        )
    if engine is None:
        return None
    if len(engine.lacking) == 1:
        return InvalidWeights(f"{engine.title} lacks a file of its weights.", engine.lacking[0])
    if engine.lacking:
        return InvalidWeights(
            f"{engine.title} lacks {len(engine.lacking)} files of its weights.",
            "Copy the list: it says where each is published, and where it belongs.",
        )
    if len(settings.people) > engine.max_people:
        return InvalidRequest(
            f"{engine.title} draws at most {engine.max_people} people at once, and {len(settings.people)} are in the list.",
            "Remove people from the list, and make a take for each.",
        )
    if settings.width * settings.height > engine.max_pixels:
        return InvalidRequest(
            f"{settings.width} x {settings.height} is more than {engine.title} can draw.",
            f"Choose a size of at most {engine.max_pixels} pixels.",
        )
    if settings.background != "reference" and "background" in engine.fixed:
        return InvalidRequest(
            f"{engine.title} draws people and background together.", "Choose the reference's background, or another engine."
        )
    for name in (*DRAWING, *RUNNING):
        if engine.refuses(name, settings.told(name)):
            label = settings.bl_rna.properties[name].name
            return InvalidRequest(f"{engine.title} leaves no choice of {label}.", f"Set {label} back, under Advanced.")
    if settings.offload and settings.compile:
        return InvalidRequest("Networks whose weights come and go cannot be compiled.", "Turn Offload or Compile off.")
    return None


def find_refusal(context: bpy.types.Context) -> UnderstudyError | None:
    """What keeps a take from being drawn though its people can be sampled. Cheap, as `find_problem`, which comes first."""
    return find_missing_reference(context) or find_engine_limit(context) or find_missing_plate(context)


def find_missing_reference(context: bpy.types.Context) -> NoReference | None:
    people = context.scene.understudy.people
    if not people:
        return NoReference(f"{active_armature(context).name} has no reference picture.")
    if (without := find_without_reference(people)) is None:
        return None
    person = people[without]
    if not person.reference:
        return NoReference(f"{person.armature.name} has no reference picture.")
    return NoReference(
        f"The reference of {person.armature.name} is not there: {person.picture}.",
        "Choose another under People, or press Render Reference.",
    )


def find_without_reference(people: Sequence[UnderstudyPerson]) -> int | None:
    """The place in the list of the first person without a picture, or whose picture is gone; None where all have one."""
    return next((number for number, person in enumerate(people) if not person.has_picture), None)


def find_missing_plate(context: bpy.types.Context) -> NoPlate | None:
    scene = context.scene
    settings = scene.understudy
    if settings.background != "plate" or find_plate(scene, settings.plate):
        return None
    return NoPlate(f"There is no strip {settings.plate!r} in the sequencer." if settings.plate else "No plate is chosen.")


def size_of_scene(context: bpy.types.Context) -> tuple[int, int]:
    """The scene's picture, pixels, no larger than the engine can draw."""
    render = context.scene.render
    width, height = (max(16, side * render.resolution_percentage // 100) for side in (render.resolution_x, render.resolution_y))
    engine = find_engine(context.scene.understudy.engine)
    shrink = max(1.0, math.sqrt(width * height / engine.max_pixels)) if engine else 1.0
    return int(width / shrink), int(height / shrink)


def has_shape_of_scene(context: bpy.types.Context) -> bool:
    """Whether the take's picture, laid over the scene's, covers it: only then do people stand where the camera sees them."""
    settings, (width, height) = context.scene.understudy, size_of_scene(context)
    return math.isclose(settings.width / settings.height, width / height, rel_tol=0.01)


def plan_samples(context: bpy.types.Context) -> SampleOptions:
    """Raises what `find_problem` finds, and `NoCamera` where there is no viewport to look through."""
    if problem := find_problem(context):
        raise problem
    settings = context.scene.understudy
    return SampleOptions(
        people_of(context), frames_of(context.scene), settings.width, settings.height, settings.source,
        _view(context) if settings.source == "VIEWPORT" else None, settings.occlusion, alignments_of(context),
    )  # fmt: skip


def plan_take(context: bpy.types.Context) -> TakePlan:
    """Raises `UnderstudyError`: what `plan_samples` raises and `find_refusal` finds, `InvalidRequest`, `ServerError`."""
    samples = plan_samples(context)
    if problem := find_refusal(context):
        raise problem
    settings, chosen = context.scene.understudy, preferences()
    generation = GenerationPlan(
        request=JobRequest(settings.generation_settings(), settings.name, settings.plate_chosen),
        references=tuple((person.armature.name, person.picture) for person in settings.people),
        takes=chosen.takes(),
    )
    return TakePlan(samples, generation, chosen.server(), previews())


def previews() -> Path:
    """The folder of preview pictures, which Blender clears when it ends."""
    return Path(bpy.app.tempdir) / "understudy"


def _view(context: bpy.types.Context) -> View | None:
    """The 3D view that the pointer is in, else the largest of the window."""
    if context.area and context.area.type == "VIEW_3D":
        area = context.area
    else:
        areas = [area for area in context.screen.areas if area.type == "VIEW_3D"] if context.screen else []
        area = max(areas, key=lambda area: area.width * area.height, default=None)
    if area is None:
        return None
    region = next(region for region in area.regions if region.type == "WINDOW")
    return View.from_region(region, area.spaces.active.region_3d)
