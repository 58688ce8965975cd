from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from understudy.blender_addon.sequencer import ShowTake


def sequencers() -> list[bpy.types.WorkSpace]:
    return [
        workspace
        for workspace in bpy.data.workspaces
        if any(area.type == "SEQUENCE_EDITOR" for screen in workspace.screens for area in screen.areas)
    ]


@pytest.fixture
def window(scene) -> SimpleNamespace:
    """A stand-in, in Layout: Blender's own goes to another workspace only when it handles its events."""
    bpy.ops.wm.read_factory_settings()
    bpy.ops.preferences.addon_enable(module="understudy")
    assert not sequencers()
    return SimpleNamespace(workspace=bpy.data.workspaces["Layout"])


def show_take(window: SimpleNamespace) -> tuple[set[str], list[str]]:
    """What the operator returns, and what it reports."""
    said: list[str] = []
    operator = SimpleNamespace(report=lambda _kind, text: said.append(text))
    return ShowTake.execute(operator, SimpleNamespace(window=window, scene=bpy.context.scene)), said


def test_a_workspace_with_a_sequencer_is_added_where_there_is_none_and_found_again(window):
    layout = window.workspace
    assert show_take(window) == ({"FINISHED"}, [])
    (added,) = sequencers()
    assert window.workspace == added and added.name == "Video Editing"
    assert getattr(added, "sequencer_scene", bpy.context.scene) == bpy.context.scene
    window.workspace = layout
    assert show_take(window) == ({"FINISHED"}, [])
    assert window.workspace == added and sequencers() == [added]


def test_a_workspace_that_shows_a_sequencer_is_not_left_for_another(window):
    show_take(window)
    folder = Path(next(bpy.utils.app_template_paths(path="Video_Editing")))
    bpy.ops.workspace.append_activate(idname="Video Editing", filepath=str(folder / "startup.blend"))
    for own in sequencers():
        window.workspace = own
        assert show_take(window) == ({"FINISHED"}, [])
        assert window.workspace == own
    assert len(sequencers()) == 2


def test_where_no_workspace_can_be_added_it_is_told(window, monkeypatch):
    layout = window.workspace
    monkeypatch.setattr(bpy.utils, "app_template_paths", lambda path: iter(()))
    result, said = show_take(window)
    assert result == {"CANCELLED"} and "Video Sequencer" in said[0]
    assert window.workspace == layout
