"""How an operator says that it failed."""

from __future__ import annotations

import bpy

from ..core.errors import UnderstudyError


def fail(operator: bpy.types.Operator, error: UnderstudyError) -> set[str]:
    """Show `error` in Blender's status bar; in a script, the operator raises it as `RuntimeError`."""
    operator.report({"ERROR"}, str(error))
    return {"CANCELLED"}
