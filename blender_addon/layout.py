"""Text in a panel: labels do not wrap by themselves."""

from __future__ import annotations

import bpy

from ..core.errors import UnderstudyError


def draw_lines(layout: bpy.types.UILayout, what: UnderstudyError | str, icon: str) -> bpy.types.UILayout:
    """A box with a sentence, or what happened and what to do; more can be put into it."""
    box = layout.box().column(align=True)
    lines = wrap(what) if isinstance(what, str) else wrap(what.message) + wrap(what.remedy)
    for number, line in enumerate(lines):
        box.label(text=line, icon="BLANK1" if number else icon)  # type: ignore[arg-type]
    return box


def wrap(text: str) -> list[str]:
    """`text` in lines that fit the region being drawn."""
    letter = 7.0 * bpy.context.preferences.system.ui_scale  # pixels, about
    letters = max(20, int(bpy.context.region.width / letter) - 9)
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > letters:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [*lines, line]
