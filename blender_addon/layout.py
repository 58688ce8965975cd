"""How panels are laid out: names beside their settings, and text, which does not wrap by itself."""

from __future__ import annotations

import bpy

from ..core.errors import UnderstudyError

_LETTER = 6.4  # pixels that a letter takes, about, in the default font
_MARGIN = 24  # pixels beside a label
_BOX = 44  # pixels that a box and an icon take besides


def named_beside(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """`layout`, with the names of settings in a column of their own, as in Blender's own panels, and no dots for keyframes."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    return layout


def draw_lines(layout: bpy.types.UILayout, what: UnderstudyError | str, icon: str) -> bpy.types.UILayout:
    """A box with a sentence, or what happened and what to do; more can be put into it."""
    box = layout.box().column(align=True)
    sentences = (what,) if isinstance(what, str) else (what.message, what.remedy)
    lines = [line for sentence in sentences for line in wrap(sentence, _BOX)]
    for number, line in enumerate(lines):
        box.label(text=line, icon="BLANK1" if number else icon)  # type: ignore[arg-type]
    return box


def wrap(text: str, indent: int = 0) -> list[str]:
    """`text` in lines that fit the region being drawn less `indent` pixels: labels do not wrap by themselves."""
    scale = bpy.context.preferences.system.ui_scale
    letters = max(20, int((bpy.context.region.width - (_MARGIN + indent) * scale) / (_LETTER * scale)))
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > letters:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [*lines, line]
