import bpy
import pytest
from understudy.blender_addon import demo, server_process
from understudy.blender_addon.record import TakeRecord
from understudy.blender_addon.sequencer import strips_of
from understudy.blender_addon.server_control import ServerState, server
from understudy.blender_addon.session import session
from understudy.core.errors import NoCamera
from understudy.core.pose.clip import PoseClip
from understudy.core.protocol import GenerationSettings, JobRequest

understudy = bpy.ops.understudy


def test_generate_waits_in_background_and_leaves_a_strip(scene, character):
    assert understudy.generate(wait=True) == {"FINISHED"}
    assert len(strips_of(scene.sequence_editor)) == 1
    assert session.is_of(scene) and not session.is_of(bpy.data.scenes.new("Another"))  # where nothing is said of the take


def test_generate_raises_what_went_wrong_in_a_script(scene, character, tmp_path):
    (tmp_path / "reference.png").write_text("this is no picture")
    with pytest.raises(RuntimeError, match="is not a picture"):
        understudy.generate(wait=True)
    assert not session.busy
    another = bpy.data.scenes.new("Another")
    assert session.error_for(scene) is session.error and session.error_for(another) is None
    session.refuse(another, NoCamera("Another scene's."))
    assert session.error_for(another) is session.error and session.error_for(scene) is None
    bpy.data.scenes.remove(another)
    assert session.error_for(scene) is session.error, "or nobody would know"


def why_not() -> str:
    """What Generate's tooltip would say."""
    with pytest.raises(RuntimeError) as caught:
        understudy.generate()
    return str(caught.value)


def test_generate_says_why_it_cannot_run(scene, tmp_path):
    assert "no armature is active" in why_not()
    demo.make_scene(scene)
    assert "has no reference picture" in why_not()
    person = scene.understudy.people.add()
    assert "has no armature" in why_not()
    person.armature = bpy.context.object
    assert "has no reference picture" in why_not()
    person.reference = str(tmp_path / "reference.png")
    scene.understudy.use_scene_range = False
    scene.understudy.frame_start, scene.understudy.frame_end = 10, 9
    assert "frame range is empty" in why_not()
    scene.understudy.frame_end = 10
    scene.camera = None
    assert "no camera" in why_not()


def test_an_armature_that_is_no_person_is_refused(scene, character, tmp_path):
    bpy.ops.object.armature_add()
    scene.understudy.people[0].armature = bpy.context.object
    with pytest.raises(RuntimeError, match="does not look like a person"):
        understudy.generate()
    with pytest.raises(RuntimeError, match="does not look like a person"):
        understudy.detect_bones()


def test_no_environment_is_said_so(scene, character, tmp_path):
    preferences = bpy.context.preferences.addons["understudy"].preferences
    preferences.data_folder = str(tmp_path / "elsewhere")
    preferences.python_path = str(tmp_path / "python")
    with pytest.raises(RuntimeError, match="no Python environment"):
        understudy.generate()


def test_a_wrong_token_is_said_so(scene, character, client):
    preferences = bpy.context.preferences.addons["understudy"].preferences
    preferences.server_mode, preferences.remote_url, preferences.remote_token = "REMOTE", client.url, "wrong"
    with pytest.raises(RuntimeError, match="token"):
        understudy.generate()


def test_a_remote_server_that_does_not_answer_is_said_so(scene, character):
    preferences = bpy.context.preferences.addons["understudy"].preferences
    preferences.server_mode, preferences.remote_url = "REMOTE", "http://127.0.0.1:9"
    with pytest.raises(RuntimeError, match="does not answer"):
        understudy.generate()


def test_people_are_added_for_the_active_armature_and_removed(scene):
    armature = demo.make_scene(scene)
    bpy.context.view_layer.objects.active = bpy.data.objects["Understudy Demo Body"]
    understudy.add_person()
    assert scene.understudy.people[0].armature == armature  # the one that moves the active mesh
    understudy.add_person()
    assert scene.understudy.people[1].armature is None
    understudy.remove_person()
    assert [person.armature for person in scene.understudy.people] == [armature]


def test_a_clip_is_exported_as_npz_or_as_openpose_json(scene, character, tmp_path):
    understudy.export_clip(filepath=str(tmp_path / "new" / "clip.npz"))
    clip = PoseClip.load(tmp_path / "new" / "clip.npz")
    assert (clip.frames.tolist(), clip.people) == ([5, 6, 7], ("Understudy Demo",))
    understudy.export_clip(filepath=str(tmp_path / "poses"))
    assert len(list((tmp_path / "poses").glob("*_keypoints.json"))) == 3


def test_an_export_that_cannot_be_written_says_so(scene, character, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RuntimeError, match="cannot be written"):
        understudy.export_clip(filepath=str(tmp_path / "file" / "poses"))


def test_the_server_is_started_and_stopped_by_operators(scene, tmp_path):
    data = tmp_path / "server"
    bpy.context.preferences.addons["understudy"].preferences.data_folder = str(data)
    try:
        understudy.start_server()
        assert server.state is ServerState.RUNNING
        assert next(engine.name for engine in server.engines) == "understudy"
        understudy.stop_server()
        assert server.state is ServerState.STOPPED
        assert not (data / "server.json").exists()
    finally:
        server_process.stop(data)


def test_an_environment_is_not_made_without_leave_to_go_online(scene):
    assert not bpy.app.online_access
    with pytest.raises(RuntimeError, match="online"):
        understudy.create_environment()


def test_an_existing_environment_is_tried(scene):
    assert understudy.check_environment() == {"FINISHED"}


def test_only_what_is_there_can_be_stopped_or_cancelled(scene):
    server.state = ServerState.STOPPED
    for operator, reason in (
        (understudy.stop_server, "No server is running"),
        (understudy.cancel_environment, "No environment is being made"),
        (understudy.render_reference, "no camera"),
    ):
        with pytest.raises(RuntimeError, match=reason):
            operator()


def test_a_record_of_another_version_is_said_so(scene):
    scene.understudy.unfinished = '{"job": "abc"}'
    with pytest.raises(RuntimeError, match="cannot be read"):
        understudy.resume_take()


def test_a_scene_that_names_a_folder_of_its_own_is_refused(scene, tmp_path):
    record = TakeRecord("abc", JobRequest(GenerationSettings(), "Take"), tmp_path / "home", 1, "", ("Ann",))
    scene.understudy.unfinished = record.to_text()
    (tmp_path / "home").mkdir()
    with pytest.raises(RuntimeError, match="not in the folder for takes"):
        bpy.ops.understudy.resume_take()
    assert (tmp_path / "home").is_dir()


def test_a_take_of_a_file_that_was_not_saved_then_is_fetched_after_saving(scene, tmp_path, monkeypatch):
    monkeypatch.setattr("understudy.blender_addon.preferences.user_folder", lambda name: tmp_path / name)
    bpy.context.preferences.addons["understudy"].preferences.takes_folder = "//understudy"
    record = TakeRecord("abc", JobRequest(GenerationSettings(), "Take"), tmp_path / "takes" / "Take", 1, "", ("Ann",))
    scene.understudy.unfinished = record.to_text()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    with pytest.raises(RuntimeError, match="no job abc"):
        understudy.resume_take()


def test_where_no_take_is_unfinished_it_is_said_so(scene):
    with pytest.raises(RuntimeError, match="no unfinished take"):
        understudy.resume_take()


def test_the_demo_scene_is_one_of_its_own_and_can_be_sampled(scene, tmp_path):
    before = set(scene.objects)
    understudy.demo_scene()
    assert set(scene.objects) == before
    assert bpy.context.scene.name == "Understudy Demo"
    views = [area.spaces.active for area in bpy.context.window.screen.areas if area.type == "VIEW_3D"]
    assert {view.region_3d.view_perspective for view in views} == {"CAMERA"}
    scene = bpy.context.scene
    scene.understudy.use_scene_range, scene.understudy.frame_end = False, 2
    understudy.export_clip(filepath=str(tmp_path / "clip.npz"))
    assert len(PoseClip.load(tmp_path / "clip.npz")) == 2


def test_the_add_on_can_be_disabled_and_enabled_while_the_server_is_asked(scene):
    server.busy = True
    bpy.ops.preferences.addon_disable(module="understudy")
    bpy.ops.preferences.addon_enable(module="understudy")
    assert (server.busy, server.state) == (False, ServerState.UNKNOWN)
