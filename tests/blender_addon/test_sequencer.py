import bpy


def sequencers() -> list[bpy.types.WorkSpace]:
    return [
        workspace
        for workspace in bpy.data.workspaces
        if any(area.type == "SEQUENCE_EDITOR" for screen in workspace.screens for area in screen.areas)
    ]


def test_a_workspace_with_a_sequencer_is_added_where_there_is_none_and_found_again(scene):
    bpy.ops.wm.read_factory_settings()
    bpy.ops.preferences.addon_enable(module="understudy")
    assert not sequencers()
    assert bpy.ops.understudy.show_take() == {"FINISHED"}
    (workspace,) = sequencers()
    assert workspace.name == "Video Editing"
    assert bpy.ops.understudy.show_take() == {"FINISHED"}
    assert sequencers() == [workspace]
