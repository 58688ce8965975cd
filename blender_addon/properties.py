"""What a scene keeps for Understudy: its people and the settings of the next take."""

from __future__ import annotations

import zlib
from pathlib import Path

import bpy

from ..core.protocol import GenerationSettings
from . import overlay
from .instances import instances_collection
from .messages import EngineInfo
from .plates import plates_of
from .preferences import RELATIVE
from .server_control import server

DEFAULTS = GenerationSettings()
PUBLISHED = "published"  # the scheduler "" of the settings: an entry of a menu must have a name
DRAWING = (
    "scheduler", "guidance_share", "context_frames", "context_overlap", "context_layout", "context_fusion", "decoder",
)  # fmt: skip
RUNNING = ("precision", "attention", "offload", "compile")
OF_PRESET = ("width", "height", "steps", "guidance", *DRAWING)
CHOSEN = ("engine", "preset", *OF_PRESET, *RUNNING, "seed", "prompt")


class UnderstudyRig(bpy.types.PropertyGroup):
    """`object.understudy`: what `mapping` keeps on an armature. Overridable, so that linked characters can be mapped too."""

    mapping: bpy.props.StringProperty(
        name="Bone Mapping", description="JSON, role to bone; empty: the bones are detected", override={"LIBRARY_OVERRIDABLE"}
    )
    family: bpy.props.StringProperty(name="Rig", description="What the mapping was made from", override={"LIBRARY_OVERRIDABLE"})


def _can_be_person(_person, candidate: bpy.types.Object) -> bool:
    return candidate.type == "ARMATURE" or instances_collection(candidate)


def _redraw_overlay(_settings, _context) -> None:
    overlay.redraw()


class UnderstudyPoint(bpy.types.PropertyGroup):
    """`name` is a keypoint of the body."""

    position: bpy.props.FloatVectorProperty(
        name="Position", description="In shares of the picture's width and height, from its upper left", size=2
    )


class UnderstudyPerson(bpy.types.PropertyGroup):
    armature: bpy.props.PointerProperty(
        name="Armature", description="The character's armature, or an empty that instances a collection with one",
        type=bpy.types.Object, poll=_can_be_person,
    )  # fmt: skip
    reference: bpy.props.StringProperty(
        name="Reference", description="A picture of this character, on a plain background", subtype="FILE_PATH",
        options=RELATIVE,
    )  # fmt: skip
    points: bpy.props.CollectionProperty(
        name="Points", description="Joints of the character on the reference picture, placed by hand", type=UnderstudyPoint
    )
    align_to: bpy.props.EnumProperty(
        name="Align To",
        description="Whose proportions the skeleton is given, so that it fits the character of the reference picture",
        items=(
            ("OWN", "Own Proportions", "Those of the armature itself"),
            (
                "PICTURE", "Reference Picture",
                "Those of the pose that Render Reference keeps in its picture, else of the OpenPose or COCO-WholeBody JSON of "
                "the picture's name",
            ),
            ("POINTS", "Placed Points", "Those of the joints placed by hand on the reference picture"),
            ("ARMATURE", "Another Armature", "Those of the rest pose of the armature that the reference was drawn from"),
        ),
        update=_redraw_overlay,
    )  # fmt: skip
    align_armature: bpy.props.PointerProperty(
        name="Armature", description="Whose rest pose has the proportions of the reference", type=bpy.types.Object,
        poll=_can_be_person, update=_redraw_overlay,
    )  # fmt: skip
    align_strength: bpy.props.FloatProperty(
        name="Strength", description="How far to go there: at 0 the skeleton stays as it is", default=1.0, min=0, max=1,
        subtype="FACTOR", update=_redraw_overlay,
    )  # fmt: skip

    @property
    def picture(self) -> Path:
        """The file of the reference, there or not."""
        return Path(bpy.path.abspath(self.reference))

    @property
    def has_picture(self) -> bool:
        """Whether a reference is chosen, and is there."""
        return bool(self.reference) and self.picture.is_file()


def engines() -> tuple[EngineInfo, ...]:
    """The engines of the server, as far as it has been asked."""
    return server.engines


def find_engine(name: str) -> EngineInfo | None:
    return next((engine for engine in engines() if engine.name == name), None)


# Blender does not keep the strings of a dynamic enumeration alive: somebody must.
_engine_items: list[tuple[str, str, str, int]] = []


def _list_engines(settings: UnderstudySettings, _context) -> list[tuple[str, str, str, int]]:
    known = {engine.name: engine for engine in engines()}
    entries = [
        (name, f"{engine.title}: no weights" if engine.lacking else engine.title, engine.licence)
        for name, engine in known.items()
    ]
    if settings.engine not in known:
        entries.append((settings.engine, settings.engine.capitalize(), "What this scene asks for; not known to the server yet"))
    _engine_items[:] = [(name, title, text, _number(name)) for name, title, text in entries]
    return _engine_items


def _number(name: str) -> int:
    """The same for the same name whatever else there is: the order of the server's engines must not change a scene."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF


def _get_engine(settings: UnderstudySettings) -> int:
    return _number(settings.engine)


def _set_engine(settings: UnderstudySettings, number: int) -> None:
    """Choose the engine, and with it the settings that its preset begins with."""
    for engine in engines():
        if _number(engine.name) == number and (engine.name != settings.engine or not settings.began_as_told):
            settings.engine = engine.name
            _begin_with(settings, engine.presets[settings.preset], (*OF_PRESET, *RUNNING))


def _take_preset(settings: UnderstudySettings, _context) -> None:
    """Begin with what the engine's preset says. A size that is no preset's stays: somebody has chosen it."""
    if engine := find_engine(settings.engine):
        size = settings.width, settings.height
        own = size not in {(preset.width, preset.height) for preset in engine.presets.values()}
        _begin_with(settings, engine.presets[settings.preset], OF_PRESET)
        if own:
            settings.width, settings.height = size


def _begin_with(settings: UnderstudySettings, preset: GenerationSettings, names: tuple[str, ...]) -> None:
    settings.begun = _beginning(preset.engine, preset.preset)
    for name in names:
        setattr(settings, name, getattr(preset, name) or PUBLISHED if name == "scheduler" else getattr(preset, name))


def _beginning(engine: str, preset: str) -> str:
    return f"{engine} {preset}"


def _list_plates(settings: UnderstudySettings, _context, _typed: str) -> list[str]:
    return plates_of(settings.id_data)  # type: ignore[arg-type]  # a scene's


def _switch_overlay(_settings: UnderstudySettings, _context) -> None:
    overlay.sync()


class UnderstudySettings(bpy.types.PropertyGroup):
    """`scene.understudy`."""

    people: bpy.props.CollectionProperty(type=UnderstudyPerson)
    active_person: bpy.props.IntProperty(name="Person")

    show_skeleton: bpy.props.BoolProperty(
        name="Skeleton", description="Draw the skeletons that are sampled over the 3D views",
        update=_switch_overlay,
    )  # fmt: skip
    skeleton_opacity: bpy.props.FloatProperty(name="Opacity", default=0.9, min=0, max=1, subtype="FACTOR")
    skeleton_backdrop: bpy.props.FloatProperty(
        name="Backdrop", description="How dark the scene behind the skeletons gets; at 1, they stand on black",
        default=0.0, min=0, max=1, subtype="FACTOR",
    )  # fmt: skip
    show_bones: bpy.props.BoolProperty(name="Bones", description="Look at, and change, which bone plays which role")
    show_all_roles: bpy.props.BoolProperty(
        name="All Roles", description="Also the roles that a take can do without: fingers, toes, spine, eyes"
    )

    source: bpy.props.EnumProperty(
        name="Seen From",
        items=(
            ("CAMERA", "Scene Camera", "The poses as the scene's camera sees them, moving with it", "CAMERA_DATA", 0),
            ("VIEWPORT", "This Viewport", "The poses as this 3D view sees them now", "VIEW3D", 1),
        ),
    )
    use_scene_range: bpy.props.BoolProperty(name="Scene Range", description="All frames of the scene", default=True)
    frame_start: bpy.props.IntProperty(name="Start", default=1)
    frame_end: bpy.props.IntProperty(name="End", default=48)

    occlusion: bpy.props.BoolProperty(
        name="Skip Hidden Joints", description="Leave out the joints that other objects hide from the camera"
    )

    engine: bpy.props.StringProperty(name="Engine", default=DEFAULTS.engine)
    engine_choice: bpy.props.EnumProperty(
        name="Engine", description="The model that draws", items=_list_engines,
        get=_get_engine, set=_set_engine,
    )  # fmt: skip
    width: bpy.props.IntProperty(name="Width", default=DEFAULTS.width, min=16, max=8192, step=32, subtype="PIXEL")
    height: bpy.props.IntProperty(name="Height", default=DEFAULTS.height, min=16, max=8192, step=32, subtype="PIXEL")
    preset: bpy.props.EnumProperty(
        name="Preset",
        description="Where the engine's settings begin",
        items=(
            ("exact", "Exact", "As the engine's authors publish it"),
            ("fast", "Fast", "In less time, much the same"),
            ("draft", "Draft", "For a quick look at the motion"),
        ),
        update=_take_preset,
    )
    steps: bpy.props.IntProperty(
        name="Steps", description="Denoising steps: more take longer", default=DEFAULTS.steps, min=1, max=1000, soft_max=50
    )
    guidance: bpy.props.FloatProperty(
        name="Guidance", description="How hard to hold to the reference; 1 means no guidance",
        default=DEFAULTS.guidance, min=0, max=100, soft_max=10,
    )  # fmt: skip
    seed: bpy.props.IntProperty(name="Seed", description="The same seed makes the same take", default=DEFAULTS.seed, min=0)
    prompt: bpy.props.StringProperty(name="Prompt", description="What is to be seen, in words")
    scheduler: bpy.props.EnumProperty(
        name="Scheduler",
        items=(
            (PUBLISHED, "As Published", "The one that the engine's authors use"),
            ("ddim", "DDIM", "20 to 50 steps"),
            ("dpm++", "DPM++ 2M", "About half of DDIM's steps"),
            ("lcm", "LCM", "4 to 8 steps, of weights that were distilled for it"),
            ("tcd", "TCD", "4 to 8 steps, of weights that were distilled for it"),
        ),
    )
    guidance_share: bpy.props.FloatProperty(
        name="Guided Share", description="What part of the steps, from the first, is guided; the others take half the time",
        default=DEFAULTS.guidance_share, min=0, max=1, subtype="FACTOR",
    )  # fmt: skip
    context_frames: bpy.props.IntProperty(
        name="Window", description="Frames that are drawn together: fewer take less memory", default=DEFAULTS.context_frames,
        min=1, max=1024, soft_max=48,
    )  # fmt: skip
    context_overlap: bpy.props.IntProperty(
        name="Overlap", default=DEFAULTS.context_overlap, min=0, max=1023, soft_max=24,
        description="Frames that two windows share, at most all but one: more hide the seams better, and take longer",
    )  # fmt: skip
    context_layout: bpy.props.EnumProperty(
        name="Windows",
        items=(
            ("aligned", "Aligned", "The last window ends with the clip"),
            ("loop", "Loop", "As AnimateAnyone and MagicAnimate publish it: the last windows go on at the first frame"),
            ("open", "Open", "As MusePose publishes it: the same, without the windows that begin in the last overlap"),
        ),
    )
    context_fusion: bpy.props.EnumProperty(
        name="Fusion",
        description="How frames that several windows draw are made of them",
        items=(
            ("triangle", "Triangle", "A window counts most in its middle"),
            ("flat", "Flat", "All count alike, as published"),
        ),
    )
    decoder: bpy.props.EnumProperty(
        name="Decoder",
        items=(
            ("full", "Full", "The engine's own"),
            ("tiny", "Tiny", "Rough frames, fast; needs the weights of taesd"),
        ),
    )
    precision: bpy.props.EnumProperty(
        name="Precision",
        description="Of the networks' weights",
        items=(
            ("auto", "Automatic", "The fastest that the device has"),
            ("float32", "32 Bits", "As exact as can be, in the most memory"),
            ("bfloat16", "16 Bits (bfloat16)", "In half the memory"),
            ("float16", "16 Bits (float16)", "In half the memory, for devices without bfloat16"),
            ("float8", "8 Bits", "Kept in a quarter of the memory, computed in 16 bits"),
        ),
    )
    attention: bpy.props.EnumProperty(
        name="Attention",
        description="The kernel that computes attention",
        items=(
            ("auto", "Automatic", "What is fastest on the device"),
            ("sdpa", "PyTorch", "PyTorch's fused kernels"),
            ("xformers", "xFormers", "Must be installed in the server's environment"),
            ("matmul", "Plain", "Two products of matrices: slow, to compare with"),
        ),
    )
    offload: bpy.props.BoolProperty(
        name="Offload",
        description="Keep weights in the computer's memory until the device needs them: less memory, slower. Not with Compile",
    )
    compile: bpy.props.BoolProperty(
        name="Compile", description="Compile the networks: they take minutes to begin, and are faster then. Not with Offload"
    )
    background: bpy.props.EnumProperty(
        name="Background",
        description="What stands behind the people, where the engine draws them apart from it",
        items=(
            ("reference", "Reference", "What is behind the first person in the reference"),
            ("transparent", "Transparent", "Nothing: frames with an alpha channel, to lay over others in the sequencer"),
            ("colour", "Colour", "One colour"),
            ("plate", "Plate", "A strip of the sequencer: the take is transparent, and is laid over it"),
        ),
    )
    plate: bpy.props.StringProperty(
        name="Plate", description="The strip of the sequencer that stands behind the people: a film, pictures, another scene",
        search=_list_plates, search_options=set(),
    )  # fmt: skip
    background_colour: bpy.props.FloatVectorProperty(
        name="Colour", subtype="COLOR_GAMMA", size=3, min=0, max=1, default=(0.5, 0.5, 0.5)
    )
    name: bpy.props.StringProperty(name="Take", description="What the strip is called", default="Take")
    unfinished: bpy.props.StringProperty(
        name="Unfinished Take", description="How to fetch the take that the server draws, or has drawn, for this scene",
        options={"HIDDEN"},
    )  # fmt: skip

    begun: bpy.props.StringProperty(
        name="Begun With", description="The engine, and its preset, that the settings began with",
        default=_beginning(DEFAULTS.engine, DEFAULTS.preset), options={"HIDDEN"},
    )  # fmt: skip

    @property
    def began_as_told(self) -> bool:
        """Whether the settings began with the engine and the preset that are chosen: not where no server was there to tell."""
        return self.begun == _beginning(self.engine, self.preset)

    def generation_settings(self) -> GenerationSettings:
        """Raises `InvalidRequest`."""
        return GenerationSettings(**{name: self.told(name) for name in CHOSEN}, background=self._background())

    def told(self, name: str):
        """What the engine is told of one of `CHOSEN`."""
        value = getattr(self, name)
        if name == "scheduler":
            return "" if value == PUBLISHED else value
        if name == "context_overlap":
            return min(value, self.context_frames - 1)
        # Blender keeps floats in 32 bits: 0.6 of 15 steps would be a little more than 9.
        return round(value, 6) if isinstance(value, float) else value

    @property
    def plate_chosen(self) -> str:
        """The name of the strip that the take is to be laid over, "" where that is not asked for."""
        return self.plate if self.background == "plate" else ""

    def _background(self) -> str:
        if self.background == "plate":
            return "transparent"
        if self.background != "colour":
            return self.background
        return "#" + "".join(f"{round(255 * part):02x}" for part in self.background_colour)


CLASSES = (UnderstudyRig, UnderstudyPoint, UnderstudyPerson, UnderstudySettings)


_register, _unregister = bpy.utils.register_classes_factory(CLASSES)  # type: ignore[func-returns-value, attr-defined]


def register() -> None:
    _register()
    bpy.types.Scene.understudy = bpy.props.PointerProperty(type=UnderstudySettings)
    rig = bpy.props.PointerProperty(type=UnderstudyRig, override={"LIBRARY_OVERRIDABLE"})
    bpy.types.Object.understudy = rig  # type: ignore[attr-defined]


def unregister() -> None:
    del bpy.types.Object.understudy  # type: ignore[attr-defined]
    del bpy.types.Scene.understudy
    _unregister()
