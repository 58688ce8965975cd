"""The Blender side: samples armatures, talks to the inference server, imports takes. bpy, numpy and the standard library."""

from __future__ import annotations


def register() -> None:
    for module in _modules():
        module.register()


def unregister() -> None:
    from . import timer
    from .environment_control import environment
    from .server_control import server
    from .session import session

    for control in (session, environment, server):
        control.abandon()
    timer.stop()
    for module in reversed(_modules()):
        module.unregister()


def _modules() -> tuple:
    """In the order of registration. Imported here, so that `understudy` can be imported without bpy."""
    from . import (
        bone_picker,
        bones_panel,
        mapping_operators,
        operators,
        overlay,
        panels,
        part_export,
        pictures,
        point_placer,
        preferences,
        properties,
        reference_paths,
    )

    return (
        preferences, properties, reference_paths, overlay, pictures, operators, mapping_operators, bone_picker,
        point_placer, bones_panel, panels, part_export,
    )  # fmt: skip
