"""The skeletons over the 3D views, as they are sampled, with what is missing in red."""

from __future__ import annotations

import textwrap

import blf
import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from ..core.errors import UnderstudyError
from . import alignment, mapping, timer
from .figure import RED, Outlines, draw_crosses, draw_frame, draw_people, draw_rectangle, triangles_of
from .live import Figures, Live, see

_TEXT_SIZE, _LETTER, _MARGIN, _CROSS = 11, 7, 20, 7  # pixels at a resolution scale of 1
_WHITE = (235, 235, 235)
_BELOW_ASSETS = 60  # pixels from the lower edge: the asset shelf and the status of the 3D view are there

draw_handler_add = bpy.types.SpaceView3D.draw_handler_add
draw_handler_remove = bpy.types.SpaceView3D.draw_handler_remove

_live = Live()
_handler: object | None = None


def sync() -> None:
    """Draw while some scene asks for it, and only then."""
    global _handler
    wanted = any(scene.understudy.show_skeleton for scene in bpy.data.scenes)
    if wanted and _handler is None:
        _handler = draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")
    elif not wanted:
        remove()
    redraw()


def remove() -> None:
    global _handler
    if _handler is not None:
        draw_handler_remove(_handler, "WINDOW")
        _handler = None
    _live.forget()


def redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


def _draw() -> None:
    context = bpy.context
    if not (context.scene.understudy.show_skeleton and context.space_data.overlay.show_overlays):  # type: ignore[attr-defined]
        return
    try:
        figures, titles, problems = see(_live, context)
    except UnderstudyError as error:
        _write([(str(error), RED)])
        return
    _draw_figures(context.scene.understudy, figures)
    _write([(str(problem), RED) for problem in problems] + [(title, _WHITE) for title in titles])
    if not _live.ready:
        timer.wake(_prepare)


def _prepare() -> float | None:
    """Find what makes the heads exact, outside of drawing: characters can have a million vertices."""
    try:
        _live.prepare()
    except ReferenceError:  # deleted or edited meanwhile: found anew when this is drawn next
        _live.forget()
    redraw()
    return None if _live.ready else 0.0


def _draw_figures(settings, figures: Figures) -> None:
    scale = bpy.context.preferences.system.ui_scale
    layers = [draw_people(figures.points, figures.shown, figures.sticks, settings.skeleton_opacity)]
    if figures.picture is not None:
        low, high = figures.picture
        if settings.skeleton_backdrop:
            layers.insert(0, draw_rectangle(low, high, (0, 0, 0), settings.skeleton_backdrop))
        layers.append(draw_frame(low, high, scale, _WHITE, 0.5))
    layers.append(draw_crosses(figures.missing_points, _CROSS * scale))
    fill(layers)
    for role, (x, y) in zip(figures.missing, figures.missing_points, strict=True):
        write_at(role.replace("_", " "), x + 2 * _CROSS * scale, y - _CROSS * scale / 2, RED)


def fill(layers: list[Outlines]) -> None:
    """Draw outlines over the region, later ones over earlier ones."""
    corners, colours = (np.concatenate(parts) for parts in zip(*layers, strict=True))
    if not len(corners):
        return
    shader = gpu.shader.from_builtin("SMOOTH_COLOR")
    positions = np.zeros((corners.shape[0] * corners.shape[1], 3), np.float32)  # which it wants with three coordinates
    positions[:, :2] = corners.reshape(-1, 2)
    content = {"pos": positions, "color": np.repeat(colours, corners.shape[1], axis=0)}
    batch = batch_for_shader(shader, "TRIS", content, indices=triangles_of(len(corners)))  # type: ignore[arg-type]
    gpu.state.blend_set("ALPHA")
    gpu.state.depth_test_set("NONE")
    batch.draw(shader)
    gpu.state.blend_set("NONE")


def _write(lines: list[tuple[str, tuple[int, int, int]]]) -> None:
    """Lines of text at the lower left, the first on top."""
    scale = bpy.context.preferences.system.ui_scale
    letters = max(20, int(bpy.context.region.width / (_LETTER * scale)))
    wrapped = [(line, colour) for text, colour in lines for line in textwrap.wrap(text, letters)]
    for number, (text, colour) in enumerate(reversed(wrapped)):
        write_at(text, _MARGIN * scale, (_BELOW_ASSETS + 1.6 * _TEXT_SIZE * number) * scale, colour)


def write_at(text: str, x: float, y: float, colour: tuple[int, int, int]) -> None:
    """`text` at these pixels of the region, with a shadow."""
    font = 0
    blf.size(font, _TEXT_SIZE * bpy.context.preferences.system.ui_scale)
    red, green, blue = (channel / 255 for channel in colour)
    blf.color(font, red, green, blue, 1.0)
    blf.enable(font, blf.SHADOW)
    blf.shadow(font, 5, 0.0, 0.0, 0.0, 0.8)
    blf.position(font, x, y, 0)
    blf.draw(font, text)
    blf.disable(font, blf.SHADOW)


@bpy.app.handlers.persistent
def _before_load(*_) -> None:
    remove()
    mapping.forget_all()
    alignment.forget_all()


@bpy.app.handlers.persistent
def _after_load(*_) -> None:
    sync()


@bpy.app.handlers.persistent
def _after_undo(*_) -> None:
    _live.forget()  # objects are not the same any more
    sync()


@bpy.app.handlers.persistent
def _after_update(*_) -> None:
    _live.look_again()


_HANDLERS = {
    "load_pre": _before_load, "load_post": _after_load, "undo_post": _after_undo, "redo_post": _after_undo,
    "depsgraph_update_post": _after_update,
}  # fmt: skip


def register() -> None:
    for event, handler in _HANDLERS.items():
        getattr(bpy.app.handlers, event).append(handler)
    if isinstance(bpy.data, bpy.types.BlendData):  # not while Blender starts: then the file is loaded later
        sync()


def unregister() -> None:
    for event, handler in _HANDLERS.items():
        getattr(bpy.app.handlers, event).remove(handler)
    remove()
