"""controlnet_aux's own drawing of skeletons, for tests and benchmarks to hold ours against. No part of the product.

The package brings scipy, torchvision and more for its detectors. Its drawing needs none of them, so it is installed alone, with
matplotlib for the colours of fingers, into `.venvs/controlnet_aux`, and only its modules for drawing are imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .environment import ROOT, SetupError
from .installers import pip_configuration, pip_sources

TARGET = ROOT / ".venvs" / "controlnet_aux"
REQUIREMENTS = (
    "controlnet_aux==0.0.10",
    "matplotlib==3.11.2",
    # what `import matplotlib` asks for and our environment lacks
    "cycler==0.12.1",
    "kiwisolver==1.5.1",
    "pyparsing==3.3.3",
    "python-dateutil==4.0.0",
    "six==1.17.0",
)


class Keypoint(NamedTuple):
    """As its detector hands it over; coordinates are fractions of the canvas."""

    x: float
    y: float


Draw = Callable[[np.ndarray, int, int], np.ndarray]
"""Keypoints of one whole person, f64 [134, 2] as fractions of the canvas, width, height: uint8 [height, width, 3]."""


def load() -> dict[str, Draw]:
    """Its two ways of drawing a person, "openpose" and "dwpose". Raises `SetupError` where it cannot be installed."""
    _install()
    if str(TARGET) not in sys.path:
        sys.path.append(str(TARGET))  # last: nothing in there may stand before what is ours
    # Bare packages: their `__init__` would import every detector.
    for name in ("controlnet_aux", "controlnet_aux.open_pose", "controlnet_aux.dwpose"):
        package = types.ModuleType(name)
        package.__path__ = [str(TARGET.joinpath(*name.split(".")))]
        sys.modules[name] = package
    detector = types.ModuleType("controlnet_aux.open_pose.body")
    detector.Keypoint, detector.BodyResult = Keypoint, object
    sys.modules[detector.__name__] = detector
    openpose = importlib.import_module("controlnet_aux.open_pose.util")
    dwpose = importlib.import_module("controlnet_aux.dwpose.util")

    def draw_openpose(points: np.ndarray, width: int, height: int) -> np.ndarray:
        keypoints = [Keypoint(*point) for point in points.tolist()]
        canvas = openpose.draw_bodypose(np.zeros((height, width, 3), np.uint8), keypoints[:18])
        canvas = openpose.draw_handpose(canvas, keypoints[92:113])
        canvas = openpose.draw_handpose(canvas, keypoints[113:134])
        return openpose.draw_facepose(canvas, keypoints[24:92])

    def draw_dwpose(points: np.ndarray, width: int, height: int) -> np.ndarray:
        canvas = dwpose.draw_bodypose(np.zeros((height, width, 3), np.uint8), points[:18], np.arange(18.0)[None])
        canvas = dwpose.draw_handpose(canvas, [points[92:113], points[113:134]])
        return dwpose.draw_facepose(canvas, [points[24:92]])

    return {"openpose": draw_openpose, "dwpose": draw_dwpose}


def _install() -> None:
    stamp = TARGET / "requirements.txt"
    wanted = "\n".join(REQUIREMENTS)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(TARGET, ignore_errors=True)
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    else:
        command = [shutil.which("uv") or "uv", "pip", "install", "--quiet", "--python", sys.executable]
        command += pip_sources(pip_configuration(sys.executable))
    command += ["--no-deps", "--target", str(TARGET), *REQUIREMENTS]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"controlnet_aux cannot be installed: {error}.") from error
    if result.returncode:
        raise SetupError(f"controlnet_aux cannot be installed: {result.stderr.strip().splitlines()[-1]}")
    stamp.write_text(wanted, encoding="utf-8")
