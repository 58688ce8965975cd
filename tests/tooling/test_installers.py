"""What the installers' own lines say about how far they are."""

from tooling.installers import Pip, Uv, is_whole, megabytes, pip_sources

PIP_LINES = """\
Collecting einops==0.8.2 (from understudy==0.1.0)
  Downloading einops-0.8.2-py3-none-any.whl (64 kB)
Collecting bpy==4.5.15 (from understudy==0.1.0)
  Downloading bpy-4.5.15-cp311-cp311-manylinux_2_28_x86_64.whl (372.8 MB)
Collecting requests (from bpy==4.5.15->understudy==0.1.0)
  Using cached requests-2.34.2-py3-none-any.whl (60 kB)
Installing collected packages: einops, requests, bpy
"""
UV_LINES = """\
Resolved 3 packages in 2.48s
Downloading cython (3.0MiB)
Downloading bpy (97.0MiB)
 Downloaded cython
"""


def install(site_packages, name):
    """What an installer leaves of a package that it has finished."""
    folder = site_packages / f"{name}-1.0.dist-info"
    folder.mkdir()
    (folder / "INSTALLER").write_text("pip")
    (folder / "RECORD").write_text("")
    return folder


def test_sizes_are_read_from_brackets():
    assert megabytes("Downloading bpy.whl (372.8 MB)") == 372.8
    assert megabytes("Downloading einops.whl (64 kB)") == 0.064
    assert megabytes("Collecting bpy") == 0


def test_pip_counts_the_requirements_that_we_name(tmp_path):
    pip = Pip(tmp_path / "python", tmp_path, direct=2)
    reports = [report for line in PIP_LINES.splitlines() if (report := pip.read(line))]
    assert [fraction for fraction, _ in reports] == [0.25, 0.5, 0.5, 0.5]
    assert reports[1][1] == "collecting bpy"


def test_pip_installs_in_silence_and_what_is_on_disk_counts_by_its_size(tmp_path):
    pip = Pip(tmp_path / "python", tmp_path, direct=2)
    assert pip.poll() is None
    for line in PIP_LINES.splitlines():
        pip.read(line)
    install(tmp_path, "einops")
    install(tmp_path, "requests")
    fraction, label = pip.poll()
    assert 0.5 < fraction < 0.51
    assert label == "installed 2 of 3 packages"
    install(tmp_path, "bpy")
    assert pip.poll()[0] == 1


def test_a_package_without_its_record_is_not_whole(tmp_path):
    folder = install(tmp_path, "bpy")
    assert is_whole(folder)
    (folder / "RECORD").unlink()
    assert not is_whole(folder)


def test_uv_counts_megabytes(tmp_path):
    uv = Uv("uv", tmp_path / "python", "")
    reports = [uv.read(line) for line in UV_LINES.splitlines()]
    assert reports[0] == (0.1, "3 packages to install")
    fraction, _ = reports[-1]
    assert abs(fraction - (0.1 + 0.8 * 0.03)) < 1e-6


def test_uv_is_told_of_the_places_that_pip_is_configured_with():
    configuration = ":env:.find-links='/srv/wheels'\nglobal.extra-index-url='https://one/simple https://two/simple'\n"
    assert pip_sources(configuration) == [
        "--find-links", "/srv/wheels", "--extra-index-url", "https://one/simple", "--extra-index-url", "https://two/simple",
        "--index-strategy", "unsafe-best-match",
    ]  # fmt: skip
    assert pip_sources("global.timeout='60'\n") == []


def test_both_installers_look_into_another_index(tmp_path):
    uv, pip = Uv("uv", tmp_path / "python", "", ["https://one"]), Pip(tmp_path / "python", tmp_path, 1, ["https://one"])
    for installer in (uv, pip):
        assert installer.command[installer.command.index("--extra-index-url") + 1] == "https://one"
    assert "--extra-index-url" not in Pip(tmp_path / "python", tmp_path, 1).command
