"""The 134 keypoints in DWPose order, and the tables every drawing and file format shares.

0-17 body (COCO-18), 18-23 feet, 24-91 face (68), 92-112 left hand, 113-133 right hand. Colours are RGB.
"""

from __future__ import annotations

from colorsys import hsv_to_rgb

BODY_NAMES = (
    "nose", "neck",
    "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
)  # fmt: skip
FOOT_NAMES = (
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
FINGERS = ("thumb", "index", "middle", "ring", "little")
HAND_NAMES = ("wrist", *(f"{finger}_{joint}" for finger in FINGERS for joint in (1, 2, 3, 4)))

KEYPOINT_NAMES: tuple[str, ...] = (
    *BODY_NAMES,
    *FOOT_NAMES,
    *(f"face_{number}" for number in range(68)),
    *(f"left_hand_{name}" for name in HAND_NAMES),
    *(f"right_hand_{name}" for name in HAND_NAMES),
)
KEYPOINT_COUNT = len(KEYPOINT_NAMES)  # 134
INDEX = {name: number for number, name in enumerate(KEYPOINT_NAMES)}

BODY = slice(0, 18)
FEET = slice(18, 24)
FACE = slice(24, 92)
LEFT_HAND = slice(92, 113)
RIGHT_HAND = slice(113, 134)

BODY_LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
HAND_EDGES = tuple((0 if joint == 1 else start - 1, start) for start, joint in
                   ((4 * finger + joint, joint) for finger in range(5) for joint in (1, 2, 3, 4)))  # fmt: skip

_COLOUR_CODES = """
ff0000 ff5500 ffaa00 ffff00 aaff00 55ff00 00ff00 00ff55 00ffaa 00ffff 00aaff 0055ff 0000ff 5500ff aa00ff ff00ff ff00aa ff0055
"""
BODY_COLOURS = tuple(tuple(bytes.fromhex(code)) for code in _COLOUR_CODES.split())
LIMB_BRIGHTNESS = 0.6  # limbs are drawn dimmer than joints
HAND_COLOURS = tuple(tuple(round(channel * 255) for channel in hsv_to_rgb(edge / 20, 1, 1)) for edge in range(20))
HAND_JOINT_COLOUR = (0, 0, 255)
TOES = (  # ankle, the two toe points whose mean is drawn, limb colour, joint colour: as Wan-Animate draws them
    (INDEX["left_ankle"], INDEX["left_big_toe"], INDEX["left_small_toe"], (255, 0, 85), (200, 200, 0)),
    (INDEX["right_ankle"], INDEX["right_big_toe"], INDEX["right_small_toe"], (200, 200, 0), (100, 100, 0)),
)
