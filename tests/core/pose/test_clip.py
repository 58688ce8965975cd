import dataclasses
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from understudy.core.errors import InvalidClip
from understudy.core.pose.clip import PoseClip


def _fields(frames: int = 4, people: int = 2) -> dict:
    random = np.random.default_rng(3)
    return {
        "points_cam": random.normal(0, 1, (frames, people, 134, 3)).astype(np.float32) + np.float32([0, 0, 4]),
        "visible": random.random((frames, people, 134)) < 0.5,
        "intrinsics": np.tile(np.array([[300, 0, 96], [0, 300, 128], [0, 0, 1]], np.float32), (frames, 1, 1)),
        "orthographic": np.zeros(frames, bool),
        "frames": np.arange(10, 10 + frames, dtype=np.int32),
        "fps": 23.976,
        "width": 192,
        "height": 256,
        "people": tuple(f"Person {number}" for number in range(people)),
        "source": {"file": "a.blend", "rigs": {"Person 0": "Mixamo"}},
    }


@pytest.fixture
def clip() -> PoseClip:
    return PoseClip(**_fields())


def assert_same(one: PoseClip, other: PoseClip) -> None:
    for field in dataclasses.fields(PoseClip):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


def test_bytes_and_files_round_trip(clip, tmp_path):
    assert_same(PoseClip.from_bytes(clip.to_bytes()), clip)
    clip.save(tmp_path / "clip.npz")
    assert_same(PoseClip.load(tmp_path / "clip.npz"), clip)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.npz"]


@pytest.mark.parametrize("name", ["points_cam", "intrinsics"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_refused_with_the_scene_frame(name, bad):
    fields = _fields()
    fields[name][2].flat[0] = bad
    with pytest.raises(InvalidClip, match=f"{name} holds NaN or infinity, first at scene frame 12"):
        PoseClip(**fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points_cam": np.zeros((4, 2, 133, 3), np.float32)}, "points_cam"),
        ({"points_cam": np.zeros((4, 2, 134, 3))}, "float64"),
        ({"visible": np.zeros((3, 2, 134), bool)}, "visible"),
        ({"orthographic": np.zeros((4, 1), bool)}, "orthographic"),
        ({"frames": np.arange(4)}, "frames is int64"),
        ({"frames": np.zeros(0, np.int32)}, "no frames"),
        ({"people": ()}, "no people"),
        ({"people": ("Ann", "Ann")}, "same name"),
        ({"fps": 0.0}, "frame rate"),
        ({"fps": float("nan")}, "frame rate"),
        ({"width": 0}, "picture size"),
        ({"height": 10**6}, "picture size"),
    ],
)
def test_misshapen_clips_are_refused(change, message):
    with pytest.raises(InvalidClip, match=message):
        PoseClip(**{**_fields(), **change})


class _Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def test_pickles_are_refused_and_never_run(clip):
    arrays = dict(np.load(io.BytesIO(clip.to_bytes())))
    arrays["frames"] = np.array([_Bomb()], dtype=object)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    for data in (buffer.getvalue(), pickle.dumps(_Bomb())):
        with pytest.raises(InvalidClip):
            PoseClip.from_bytes(data)


def test_truncated_files_are_refused(clip, tmp_path):
    whole = clip.to_bytes()
    for length in [*range(0, len(whole), max(len(whole) // 40, 1)), len(whole) - 1]:
        path = tmp_path / "cut.npz"
        path.write_bytes(whole[:length])
        with pytest.raises(InvalidClip, match=r"cut\.npz"):
            PoseClip.load(path)


def test_no_single_damaged_byte_gets_past_as_another_kind_of_error(clip):
    whole = clip.select([0]).to_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        try:
            PoseClip.from_bytes(bytes(damaged))
        except InvalidClip:
            continue  # the usual end; a byte that means nothing, such as a time stamp, may also pass


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidClip, match=r"none\.npz cannot be read"):
        PoseClip.load(tmp_path / "none.npz")


def test_an_archive_that_unpacks_to_too_much_is_refused_unread():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("frames.npy", bytes(2**30 + 1))
    with pytest.raises(InvalidClip, match="unpacks to"):
        PoseClip.from_bytes(buffer.getvalue())


def test_other_formats_and_other_archives_are_told_apart(clip):
    arrays = dict(np.load(io.BytesIO(clip.to_bytes())))
    header = json.loads(arrays["header"].tobytes())
    newer, foreign = io.BytesIO(), io.BytesIO()
    np.savez(newer, **{**arrays, "header": np.frombuffer(json.dumps({**header, "format": 2}).encode(), np.uint8)})
    np.savez(foreign, pictures=np.zeros(3))
    with pytest.raises(InvalidClip, match="format 2"):
        PoseClip.from_bytes(newer.getvalue())
    with pytest.raises(InvalidClip, match="not an Understudy clip"):
        PoseClip.from_bytes(foreign.getvalue())


def test_pixels_fit_another_size_whole_and_centred(clip):
    pixels = clip.pixels()
    np.testing.assert_allclose(clip.pixels(96, 128), pixels / 2, rtol=1e-5)
    np.testing.assert_allclose(clip.pixels(392, 256), pixels + np.array([100, 0]), rtol=1e-5)


def test_points_behind_the_camera_are_not_drawable_unless_orthographic():
    fields = _fields()
    fields["points_cam"][..., 2] = -1
    assert not PoseClip(**fields).drawable().any()
    fields["orthographic"][1] = True
    np.testing.assert_array_equal(PoseClip(**fields).drawable()[1], fields["visible"][1])


def test_digest_follows_the_picture_not_the_source(clip):
    assert dataclasses.replace(clip, source={}).digest() == clip.digest()
    moved = clip.points_cam.copy()
    moved[0, 0, 0, 0] += 1e-3
    assert dataclasses.replace(clip, points_cam=moved).digest() != clip.digest()
    assert dataclasses.replace(clip, fps=24.0).digest() != clip.digest()


def test_select_keeps_the_frames_asked_for(clip):
    part = clip.select([3, 1])
    assert part.frames.tolist() == [13, 11]
    np.testing.assert_array_equal(part.points_cam, clip.points_cam[[3, 1]])
