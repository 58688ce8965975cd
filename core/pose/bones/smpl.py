"""The SMPL body models: SMPL-X (and SMPL-H), and SMPL as its FBX files have it.

The foot is the ball of the foot and the ankle the ankle; a shoulder, a hip is where the limb begins.
"""

from .family import Family, fingers

SMPL_X = Family(
    name="SMPL-X",
    left="left",
    right="right",
    centre_names={
        "hips": "pelvis",
        "spine": "spine1",
        "chest": "spine2",
        "upper_chest": "spine3",
        "neck": "neck",
        "head": "head",
    },
    sided_names={
        "clavicle": "{side}_collar",
        "upper_arm": "{side}_shoulder",
        "forearm": "{side}_elbow",
        "hand": "{side}_wrist",
        "thigh": "{side}_hip",
        "shin": "{side}_knee",
        "foot": "{side}_ankle",
        "toe": "{side}_foot",
        "eye": "{side}_eye_smplhf",
        **fingers("{side}_{finger}{joint}", ("thumb", "index", "middle", "ring", "pinky")),
    },
    fingerprint=("left_hip", "left_collar", "left_ankle"),
    face_centre={"jaw": "jaw"},
)

SMPL = Family(
    name="SMPL",
    left="L",
    right="R",
    prefix=r"[mf]_avg",
    centre_names={
        "hips": "Pelvis",
        "spine": "Spine1",
        "chest": "Spine2",
        "upper_chest": "Spine3",
        "neck": "Neck",
        "head": "Head",
    },
    sided_names={
        "clavicle": "{side}_Collar",
        "upper_arm": "{side}_Shoulder",
        "forearm": "{side}_Elbow",
        "hand": "{side}_Wrist",
        "thigh": "{side}_Hip",
        "shin": "{side}_Knee",
        "foot": "{side}_Ankle",
        "toe": "{side}_Foot",
    },
    fingerprint=("L_Hip", "L_Collar", "L_Ankle"),
)
