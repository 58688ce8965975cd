"""Film a modelled human in Blender, as ground truth for `build.py evaluate --human`.

    python -m tooling.blender_human --script make_human.py --out FOLDER

`make_human.py` builds, dresses and animates the person: it has `build(rig)`, which returns armature and mesh, and
`animate(armature, rig, frames)`. For each rig a `<rig>.npz` is written: see `core.training.heldout.filmed`.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import tempfile
from pathlib import Path
from types import ModuleType

import bpy
import numpy as np
from PIL import Image
from understudy.blender_addon.sample_options import Person, SampleOptions
from understudy.blender_addon.sampling import sample
from understudy.core.training.painting import Region
from understudy.core.training.shots import HEIGHT, WIDTH

RIGS = ("mixamo", "game_engine", "cmu_mb")
TURN = 48  # frames of the action: once around
GARMENTS = (Region.SKIN, Region.SKIN, Region.SKIN, Region.SHOES, Region.BOTTOM, Region.TOP)  # by material
SAMPLES = 8  # denoised


def load_script(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_human", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_scene(script: ModuleType, rig: str) -> tuple[bpy.types.Object, bpy.types.Object]:
    """The person before a camera that sees all of it, under one sun and a grey sky; armature and mesh."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    armature, body = script.build(rig)
    script.animate(armature, rig, TURN)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location, camera.rotation_euler, camera.data.lens = (0, -4.6, 0.86), (math.pi / 2, 0, 0), 85
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.rotation_euler, sun.data.energy = (0.7, 0.2, 0.5), 3
    for thing in (camera, sun):
        scene.collection.objects.link(thing)
    scene.camera = camera
    scene.world = bpy.data.worlds.new("World")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs[0].default_value = (0.6, 0.65, 0.7, 1)
    render = scene.render
    render.engine, render.film_transparent, render.resolution_percentage = "CYCLES", True, 100
    render.resolution_x, render.resolution_y = WIDTH, HEIGHT
    render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGBA"
    scene.cycles.samples, scene.cycles.use_denoising = SAMPLES, True
    scene.view_settings.view_transform = "Standard"
    return armature, body


def film(script: ModuleType, rig: str, every: int) -> dict[str, np.ndarray]:
    """Every n-th frame of the action: pictures, keypoints and the mesh as it was rendered."""
    armature, body = make_scene(script, rig)
    scene = bpy.context.scene
    frames = tuple(range(1, TURN + 1, every))
    clip = sample(scene, SampleOptions((Person("Human", armature),), frames, WIDTH, HEIGHT, "CAMERA", None))
    pictures, vertices = [], []
    with tempfile.TemporaryDirectory() as folder:
        for frame in frames:
            scene.frame_set(frame)
            scene.render.filepath = str(Path(folder) / f"{frame:04d}.png")
            bpy.ops.render.render(write_still=True)
            pictures.append(np.asarray(Image.open(scene.render.filepath)))
            vertices.append(_camera_space(body, scene.camera))
    mesh = body.data
    mesh.calc_loop_triangles()
    return {
        "pictures": np.stack(pictures), "points_cam": clip.points_cam[:, 0], "visible": clip.visible[:, 0],
        "intrinsics": clip.intrinsics, "vertices": np.stack(vertices),
        "faces": np.array([triangle.vertices[:] for triangle in mesh.loop_triangles]),
        "regions": np.array([GARMENTS[triangle.material_index] for triangle in mesh.loop_triangles], np.uint8),
    }  # fmt: skip


def _camera_space(body: bpy.types.Object, camera: bpy.types.Object) -> np.ndarray:
    """The posed vertices f32 [V, 3]: x right, y down, z forward."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    evaluated = body.evaluated_get(depsgraph)
    mesh = evaluated.to_mesh()
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    evaluated.to_mesh_clear()
    to_camera = np.array(camera.matrix_world.inverted() @ evaluated.matrix_world)
    seen = points.reshape(-1, 3) @ to_camera[:3, :3].T + to_camera[:3, 3]
    return (seen * [1, -1, -1]).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rigs", nargs="+", default=RIGS)
    parser.add_argument("--every", type=int, default=2, help="which of the action's 48 frames")
    options = parser.parse_args()
    script = load_script(options.script)
    options.out.mkdir(parents=True, exist_ok=True)
    for rig in options.rigs:
        np.savez_compressed(options.out / f"{rig}.npz", **film(script, rig, options.every))
        print(f"filmed {rig}", flush=True)


if __name__ == "__main__":
    main()
