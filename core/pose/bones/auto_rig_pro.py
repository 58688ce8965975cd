"""Auto-Rig Pro, in its control rig and as exported to game engines.

In the control rig the `_stretch` and `_twist` bones split the limbs and start in their middle, so the plain ones are read; an
exported rig has only the split ones, of which one starts at the joint.
"""

from .family import Family

AUTO_RIG_PRO = Family(
    name="Auto-Rig Pro",
    left="l",
    right="r",
    centre_names={
        "hips": ("root.x", "c_root_master.x"),
        "spine": "spine_01.x",
        "chest": "spine_02.x",
        "upper_chest": "spine_03.x",
        "neck": "neck.x",
        "head": "head.x",
    },
    sided_names={
        "clavicle": "shoulder.{side}",
        "upper_arm": ("arm.{side}", "arm_twist.{side}", "c_arm_twist_offset.{side}", "arm_stretch.{side}"),
        "forearm": ("forearm.{side}", "forearm_stretch.{side}"),
        "hand": "hand.{side}",
        "thigh": ("thigh.{side}", "thigh_twist.{side}", "thigh_stretch.{side}"),
        "shin": ("leg.{side}", "leg_stretch.{side}"),
        "foot": "foot.{side}",
        "toe": "toes_01.{side}",
        "eye": ("c_eye.{side}", "eye.{side}"),
        "thumb_1": ("thumb1.{side}", "c_thumb1.{side}"),
        "thumb_2": ("thumb2.{side}", "c_thumb2.{side}"),
        "thumb_3": ("thumb3.{side}", "c_thumb3.{side}"),
        "index_1": ("index1.{side}", "c_index1.{side}"),
        "index_2": ("index2.{side}", "c_index2.{side}"),
        "index_3": ("index3.{side}", "c_index3.{side}"),
        "middle_1": ("middle1.{side}", "c_middle1.{side}"),
        "middle_2": ("middle2.{side}", "c_middle2.{side}"),
        "middle_3": ("middle3.{side}", "c_middle3.{side}"),
        "ring_1": ("ring1.{side}", "c_ring1.{side}"),
        "ring_2": ("ring2.{side}", "c_ring2.{side}"),
        "ring_3": ("ring3.{side}", "c_ring3.{side}"),
        "little_1": ("pinky1.{side}", "c_pinky1.{side}"),
        "little_2": ("pinky2.{side}", "c_pinky2.{side}"),
        "little_3": ("pinky3.{side}", "c_pinky3.{side}"),
    },
    fingerprint=("root.x", "spine_01.x", "neck.x", "head.x"),
    face_centre={"jaw": ("jawbone.x", "c_jawbone.x")},
)
