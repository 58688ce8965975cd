import io
import json
import struct
import zipfile

import pytest
from understudy.core.engines.layout import WeightsFile, examine, find, lacking
from understudy.core.errors import InvalidWeights


def safetensors(size: int = 12, header_size: int = 0) -> bytes:
    header = json.dumps({"a": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode().ljust(header_size)
    return struct.pack("<Q", len(header)) + header + bytes(size)


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("archive/data.pkl", bytes(100))
    return buffer.getvalue()


def test_safetensors_are_preferred_and_shared_files_found_beside_the_folder(tmp_path):
    folder = tmp_path / "animate-anyone"
    (folder / "vae").mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    for path in (folder / "unet.pth", folder / "unet.safetensors", folder / "vae/w.ckpt", tmp_path / "shared/config.json"):
        path.touch()
    assert find(folder, "unet").name == "unet.safetensors"
    assert find(folder, "vae/w").name == "w.ckpt"
    assert find(folder, "nowhere", "unet").name == "unet.safetensors"
    assert find(folder, "shared/config.json") == tmp_path / "shared/config.json"


def test_an_optional_file_may_be_missing_but_not_damaged(tmp_path):
    files = [WeightsFile(("unet",), "example.org"), WeightsFile(("tiny",), "example.org", optional=True)]
    (tmp_path / "unet.safetensors").write_bytes(safetensors())
    assert lacking(tmp_path, files) == []
    (tmp_path / "tiny.safetensors").write_bytes(safetensors()[:-1])
    (told,) = lacking(tmp_path, files)
    assert "tiny.safetensors is truncated" in told


def test_a_missing_file_is_named_with_what_to_do(tmp_path):
    with pytest.raises(InvalidWeights, match=r"pose_guider \(\.safetensors, \.pth, .*is missing.*[Pp]ut the published files"):
        find(tmp_path, "pose_guider")
    with pytest.raises(InvalidWeights, match=r"config\.json is missing"):
        find(tmp_path, "unet/config.json")


def test_whole_files_pass(tmp_path):
    for name, data in (("a.safetensors", safetensors()), ("b.pth", archive()), ("c.json", b"{}")):
        (tmp_path / name).write_bytes(data)
        examine(tmp_path / name)


@pytest.mark.parametrize("header_size", [0x180, 0x4B50])
def test_a_header_whose_length_begins_as_a_pickle_does_passes(tmp_path, header_size):
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors(header_size=header_size))
    assert path.read_bytes().startswith((b"\x80", b"PK"))
    examine(path)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.safetensors", safetensors()[:-1], "truncated: it has 81 bytes of 82"),
        ("a.safetensors", safetensors()[:30], "truncated: its header"),
        ("a.safetensors", safetensors() + b"x", "its header tells of"),
        ("a.safetensors", archive(), "pickle under the name of a safetensors"),
        ("a.safetensors", b"\x80\x02}q\x00.", "pickle under the name of a safetensors"),
        ("a.safetensors", b"\xff" * 100, "not a safetensors file"),
        ("a.safetensors", struct.pack("<Q", 50_000) + b"[" * 50_000, "header cannot be read"),
        ("a.safetensors", struct.pack("<Q", 10) + b'{"a": [1]}', "header cannot be read"),
        ("a.safetensors", b"", "is empty"),
        ("b.pth", archive()[:-30], "truncated: the end of the archive"),
        ("b.ckpt", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "pointer of Git LFS.*git lfs pull"),
        ("b.bin", b"<!DOCTYPE html><html>Log in</html>", "web page"),
    ],
)
def test_what_is_not_the_file_it_should_be_is_refused_by_name(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidWeights, match=f"{name}.*{message}"):
        examine(tmp_path / name)


@pytest.mark.parametrize("mark", ["a.pth.part", "a.pth.incomplete", "a.pth.aria2"])
def test_a_half_download_is_told_from_a_missing_file(tmp_path, mark):
    (tmp_path / mark).touch()
    with pytest.raises(InvalidWeights, match=r"a\.pth is only half downloaded.*Finish the download"):
        find(tmp_path, "a")
    (tmp_path / "a.pth").write_bytes(archive())  # some downloaders make it in full size at once
    with pytest.raises(InvalidWeights, match="only half downloaded"):
        examine(tmp_path / "a.pth")


def test_everything_that_is_lacking_is_listed_with_its_source(tmp_path):
    (tmp_path / "good.pth").write_bytes(archive())
    (tmp_path / "cut.safetensors").write_bytes(safetensors()[:-1])
    files = [WeightsFile((name,), f"example.org/{name}", size) for name, size in (("good", 1), ("cut", 3400), ("none", 0))]
    cut, none = lacking(tmp_path, files)
    assert "cut.safetensors is truncated" in cut and cut.endswith("published at example.org/cut (3,400 MB).")
    assert "none" in none and "missing" in none and none.endswith("published at example.org/none.")
