"""The 68 points of a face (the iBUG 300-W markup): where they are on a head, which bones move them, when they are seen.

Numbers run as in the markup: jaw 0-16 from the person's right ear over the chin to the left, brows 17-26, nose 27-35, eyes
36-47, lips 48-67. Offsets are in statures: to the person's left, up from the crown, forward of the ears' axis, as in `head.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

POINTS = 68

# Of the middle and the person's left, measured on a CC0 human base mesh.
_MEASURED = {
    8: (0, -0.1394, 0.057), 9: (0.0105, -0.137, 0.054), 10: (0.0195, -0.1315, 0.046), 11: (0.027, -0.1245, 0.038),
    12: (0.033, -0.116, 0.029), 13: (0.038, -0.1065, 0.021), 14: (0.043, -0.096, 0.012), 15: (0.0455, -0.085, 0.006),
    16: (0.047, -0.074, 0.006),
    22: (0.0068, -0.0628, 0.064), 23: (0.014, -0.0598, 0.0622), 24: (0.022, -0.0587, 0.0584), 25: (0.029, -0.0602, 0.0534),
    26: (0.0335, -0.065, 0.0482),
    27: (0, -0.0705, 0.0644), 28: (0, -0.0785, 0.0666), 29: (0, -0.0865, 0.0712), 30: (0, -0.0945, 0.0749),
    33: (0, -0.1012, 0.0684), 34: (0.0043, -0.1, 0.0666), 35: (0.0085, -0.0985, 0.0649),
    42: (0.0112, -0.0733, 0.0565), 43: (0.0158, -0.07, 0.0583), 44: (0.0212, -0.07, 0.056), 45: (0.0258, -0.0727, 0.05),
    46: (0.0211, -0.0745, 0.0555), 47: (0.016, -0.0745, 0.0554),
    51: (0, -0.1083, 0.0701), 52: (0.0042, -0.1077, 0.0696), 53: (0.0102, -0.1089, 0.066), 54: (0.016, -0.1117, 0.0598),
    55: (0.0104, -0.1173, 0.063), 56: (0.0044, -0.12, 0.0654), 57: (0, -0.1205, 0.0649),
    62: (0, -0.1118, 0.0687), 63: (0.0043, -0.1113, 0.0679), 64: (0.0135, -0.1117, 0.0621), 65: (0.0043, -0.1122, 0.0673),
    66: (0, -0.1122, 0.0682),
}  # fmt: skip
_RIGHT_OF = {
    **{left: 16 - left for left in range(8, 17)}, **{left: 43 - left for left in range(22, 27)},
    27: 27, 28: 28, 29: 29, 30: 30, 33: 33, 34: 32, 35: 31, 42: 39, 43: 38, 44: 37, 45: 36, 46: 41, 47: 40,
    51: 51, 52: 50, 53: 49, 54: 48, 55: 59, 56: 58, 57: 57, 62: 62, 63: 61, 64: 60, 65: 67, 66: 66,
}  # fmt: skip
MIRRORED = {**_RIGHT_OF, **{right: left for left, right in _RIGHT_OF.items()}}
"""Of each point, its number on the other side."""

OFFSETS = np.zeros((POINTS, 3))
for _left, (_aside, _up, _forward) in _MEASURED.items():
    OFFSETS[_left], OFFSETS[MIRRORED[_left]] = (_aside, _up, _forward), (-_aside, _up, _forward)

_JAW = (*range(4, 13), *range(55, 60), 65, 66, 67)
CARRIED: dict[str, tuple[int, ...]] = {
    "jaw": _JAW,
    "left_upper_lid": (43, 44), "left_lower_lid": (46, 47), "right_upper_lid": (37, 38), "right_lower_lid": (40, 41),
}  # fmt: skip
"""Parts of a face whose bone moves several points, none of which it begins at."""

_SEEN_UP_TO = np.cos(np.radians(90))
LANDMARKS = {
    "left_eye": np.array([0.0185, -0.0725, 0.0488]), "right_eye": np.array([-0.0185, -0.0725, 0.0488]),
    "left_ear": np.array([0.049, -0.083, 0.0]), "right_ear": np.array([-0.049, -0.083, 0.0]),
}  # fmt: skip
"""The middles of the eyeballs, and the ears, measured like `OFFSETS`."""

_STRETCH = (0.6, 1.8)
_FEW, _HIGH_ENOUGH = 4, 0.02  # known points, and their spread in height, to tell how tall the face is

# What a shape key of ARKit's does to the face when fully on. Thousandths of a stature, to the left, up and forward.
_BROW, _INNER = (22, 23, 24, 25, 26), (22, 23)
_LEFT_SHAPES: dict[str, dict[tuple[int, ...], tuple[float, float, float]]] = {
    "eyeBlinkLeft": {(43, 44): (0, -4.6, 0)},
    "eyeSquintLeft": {(46, 47): (0, 1.5, 0)},
    "eyeWideLeft": {(43, 44): (0, 1.8, 0)},
    "browDownLeft": {_BROW: (0, -3.5, 0), _INNER: (-1, -1, 0)},
    "browOuterUpLeft": {(24, 25, 26): (0, 5, 0)},
    "mouthSmileLeft": {(54, 64): (5, 4, -3), (53, 55): (3, 2, -1)},
    "mouthFrownLeft": {(54, 64): (1, -4, -1), (53, 55): (0, -2, 0)},
    "mouthStretchLeft": {(54, 64): (5, -2, -2)},
    "mouthUpperUpLeft": {(52, 53, 63): (0, 3, 0)},
    "mouthLowerDownLeft": {(55, 56, 65): (0, -3, 0)},
    "noseSneerLeft": {(35,): (1, 2, 0)},
}
_WHOLE_SHAPES: dict[str, dict[tuple[int, ...], tuple[float, float, float]]] = {
    "jawOpen": {_JAW: (0, -17, -4), (3, 13): (0, -6, -1), (48, 54, 60, 64): (0, -7, -2)},
    "jawForward": {_JAW: (0, 0, 5)},
    "jawLeft": {_JAW: (6, 0, 0)},
    "jawRight": {_JAW: (-6, 0, 0)},
    "mouthClose": {(55, 56, 57, 58, 59, 65, 66, 67): (0, 17, 4), (48, 54, 60, 64): (0, 7, 2)},
    "mouthLeft": {tuple(range(48, 68)): (6, 0, 0)},
    "mouthRight": {tuple(range(48, 68)): (-6, 0, 0)},
    "mouthPucker": {(53, 54, 55, 64): (-5, 0, 3), (48, 49, 59, 60): (5, 0, 3), (50, 51, 52, 56, 57, 58): (0, 0, 4)},
    "mouthFunnel": {(54, 64): (-4, 0, 3), (48, 60): (4, 0, 3), (50, 51, 52): (0, 2, 4), (56, 57, 58): (0, -4, 4)},
    "browInnerUp": {(20, 21, 22, 23): (0, 5, 0)},
}


def _shape(moves: Mapping[tuple[int, ...], tuple[float, float, float]], mirrored: bool = False) -> np.ndarray:
    shape = np.zeros((POINTS, 3))
    for points, move in moves.items():
        for point in points:
            shape[MIRRORED[point] if mirrored else point] += np.array(move) * (-1 if mirrored else 1, 1, 1) / 1000
    return shape


SHAPES: dict[str, np.ndarray] = {
    **{name: _shape(moves) for name, moves in _WHOLE_SHAPES.items()},
    **{name: _shape(moves) for name, moves in _LEFT_SHAPES.items()},
    **{name.replace("Left", "Right"): _shape(moves, mirrored=True) for name, moves in _LEFT_SHAPES.items()},
}
"""ARKit's name of a shape key -> what it does when fully on, [68, 3] in statures."""


def expression(coefficients: Mapping[str, np.ndarray]) -> np.ndarray:
    """What shape keys named as ARKit's, with values [T] from 0 to 1, do to the face: [T, 68, 3], statures, in the head's frame.

    Names that are not ARKit's, and those that move no point, are skipped.
    """
    known = {name: np.asarray(values, float) for name, values in coefficients.items() if name in SHAPES}
    if not known:
        return np.zeros((1, POINTS, 3))
    return sum(values[:, None, None] * SHAPES[name] for name, values in known.items())  # type: ignore[return-value]


def fitted(real: Mapping[int, np.ndarray], landmarks: Mapping[str, np.ndarray]) -> np.ndarray:
    """The offsets [68, 3] of a face of which some points and some of `LANDMARKS` are known, as offsets like these.

    The known points are taken as they are. The others are stretched and moved as the known are; as these are, where only one
    or two points are known.
    """
    model = np.array([OFFSETS[number] for number in real] + [LANDMARKS[name] for name in landmarks])
    found = np.array([*real.values(), *landmarks.values()])
    offsets = OFFSETS.copy()
    if len(found) >= _FEW or {"left_eye", "right_eye"} <= landmarks.keys():
        wide = tall = float(np.clip((model[:, 0] @ found[:, 0]) / max(model[:, 0] @ model[:, 0], 1e-9), *_STRETCH))
        if np.ptp(model[:, 1]) > _HIGH_ENOUGH:
            tall = float(np.clip(np.polyfit(model[:, 1], found[:, 1], 1)[0], *_STRETCH))
        middle, found_middle = (points.mean(axis=0) * (0, 1, 1) for points in (model, found))
        offsets = (wide, tall, wide) * (OFFSETS - middle) + found_middle
    for number, point in real.items():
        offsets[number] = point
    return offsets


def face_visible(to_camera: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Whether a detector would report a face: bool [...], of unit vectors [..., 3]. In profile it does, turned further not."""
    return np.sum(to_camera * forward, axis=-1) > _SEEN_UP_TO
