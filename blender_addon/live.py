"""People as they stand at this moment, for the overlay. Reads what Blender has evaluated anyway, and never goes to a frame."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import bpy
import numpy as np

from ..core.errors import NotHumanoid, PoseError, UnderstudyError
from ..core.pose.align import Proportions, measure, reshape, standing_place
from ..core.pose.bones.roles import REQUIRED, Role
from ..core.pose.camera import project
from ..core.pose.detect import Detection
from ..core.pose.face import expression
from ..core.pose.rig import Attachment, Posed
from ..core.pose.skeleton import INDEX, KEYPOINT_COUNT
from ..core.pose.stand_ins import stand_in
from . import mapping
from .face_shapes import FaceShapes
from .figure import stick_of
from .instances import find_person
from .keyed_motion import Moved, PersonMotion, find_person_obstacle
from .keyframes import Evaluator
from .occlusion import Target, find_hidden
from .people import alignments_of, frames_of, people_of
from .rigs import Rig
from .sample_options import Alignment, Person, SampleOptions, View
from .samples import WORLD_UP, seen
from .viewpoint import Eye, look, look_at_viewport

# With fewer of the required bones than these, where the others would be is anybody's guess.
_ENOUGH = len(REQUIRED) // 2
_UP = np.array(WORLD_UP)
_ENDED = object()  # of a task that has no further step


class Pose(NamedTuple):
    """One person at this moment, in camera space.

    title    who that is, and what the rig was taken for
    points   [134, 3]
    visible  bool [134]
    missing  the required roles that no bone plays, and where their joints would be [M, 3]
    """

    title: str
    points: np.ndarray
    visible: np.ndarray
    missing: tuple[Role, ...]
    missing_points: np.ndarray


class Figures(NamedTuple):
    """People in a region, the farthest first. Pixels of the region, y up.

    points    [P, 134, 2]
    shown     bool [P, 134], what of them is in the picture
    sticks    [P], half the width of limbs
    missing   the roles that no bone plays, and where their joints would be [M, 2]
    picture   two corners [2, 2] of that picture, where the region looks through the same eye; else None
    """

    points: np.ndarray
    shown: np.ndarray
    sticks: np.ndarray
    missing: tuple[Role, ...]
    missing_points: np.ndarray
    picture: np.ndarray | None


class LivePerson:
    """One person whose bones were found once, to be read over and over. Raises `NotHumanoid` where too few are known."""

    def __init__(self, scene: bpy.types.Scene, person: Person):
        known = mapping.bones_of(person.armature)
        self._title = f"{person.name}: {known.title}"
        person = find_person(person)
        bones = {role: known.bones[role] for role, state in known.states.items() if state not in ("missing", "gone")}
        if known.problem and len(REQUIRED) - len(known.lacking) < _ENOUGH:
            raise known.problem
        self._person = person
        self._rig = Rig(person, known.detection or Detection(known.family, bones, known.confidence, ()))
        self._face = FaceShapes(scene, person)
        self._stand_ins = stand_in(self._rig.samples().rest)
        self._tasks: list[Iterator[None]] = [] if known.lacking else [self._find_head(scene)]
        self._attachment: Attachment | None = None
        self._proportions: Proportions | None = None
        self._hidden: dict[Hashable, np.ndarray] = {}  # of the last look at the scene's geometry, by what was looked at
        self._place: np.ndarray | None = None  # where the person stands in the take's first frame
        self._sought: int | None = None  # the frame for which that was last looked for

    @property
    def ready(self) -> bool:
        return not self._tasks

    def prepare(self) -> None:
        """Do a step, of a few milliseconds, of what makes the head exact, or tells where the person first stands."""
        if self._tasks and next(self._tasks[0], _ENDED) is _ENDED:
            del self._tasks[0]

    def _find_head(self, scene: bpy.types.Scene) -> Iterator[None]:
        yield from self._rig.prepare(scene)
        self._attachment = self._proportions = self._sought = None

    def _find_place(self, scene: bpy.types.Scene) -> Iterator[None]:
        """By keyframes, without going to the first frame; where they do not tell all, the place waits for a look at it."""
        moved = Moved(self._person, tuple(self._rig.samples().detection.bones.values()), self._face)
        if self._sought is None or self._attachment is None or find_person_obstacle(scene, *moved):
            return
        motion = PersonMotion(*moved, Evaluator([self._sought]))
        yield from motion.prepare()
        matrices, worlds = motion.poses(slice(None))
        matrices = self._stand_ins.extend(matrices.astype(float))
        self._place = standing_place((self._attachment.points(worlds[:, None] @ matrices))[0], _UP)

    def read(
        self, depsgraph: bpy.types.Depsgraph, eye: Eye, alignment: Alignment | None, occlusion: bool, first: int
    ) -> Pose:
        """`first` is the first frame of the take: an aligned person's way is scaled from where it stands there.

        Raises `PoseError`, `NotHumanoid` where the person stands neither in the rest pose nor now, and `ReferenceError`.
        """
        matrices, world = self._rig.read(depsgraph)
        matrices = self._stand_ins.extend(matrices)
        if self._attachment is None:
            self._attachment = self._attach(matrices)
        values = self._face.read(depsgraph)[:, None]
        face = expression(dict(zip(self._face.names, values, strict=True))) if len(values) else None
        points, visible = seen(
            self._attachment, matrices[None], world[None], eye.view[None], np.array([eye.orthographic]), face
        )
        count = len(self._stand_ins.roles)
        joints = (eye.view @ world @ matrices[len(matrices) - count :])[:, :3, 3]
        visible[0, self._attachment.keypoints[self._attachment.rows >= len(matrices) - count]] = False
        if not visible[0, [INDEX["left_shoulder"], INDEX["right_shoulder"]]].all():
            visible[0, INDEX["neck"]] = False
        if occlusion:
            visible &= ~self._find_hidden(depsgraph, eye, Target.of(self._person, self._attachment, matrices, world))
        title = self._title
        if alignment:
            points = self._align(points, eye, alignment, depsgraph.scene, first)
            if self._place is None and self.ready:
                title = f"{title}. Aligned from where it stands now: where the take puts it is known once frame {first} is seen"
        return Pose(title, points[0], visible[0], self._stand_ins.roles, joints)

    def look_again(self) -> None:
        """Look at the scene's geometry again, and for the place where the person first stands: they may have changed."""
        self._hidden.clear()
        self._sought = None

    def _find_hidden(self, depsgraph: bpy.types.Depsgraph, eye: Eye, target: Target) -> np.ndarray:
        """As `occlusion.find_hidden`, once for each frame, eye and pose: 3D views are drawn again at every touch."""
        key = depsgraph.scene.frame_current_final, eye.view.tobytes(), eye.orthographic, target.points.tobytes()
        if key not in self._hidden:
            self._hidden = dict(zip([key], find_hidden(depsgraph, eye, [target]), strict=True))
        return self._hidden[key]

    def _align(
        self, points: np.ndarray, eye: Eye, alignment: Alignment, scene: bpy.types.Scene, first: int
    ) -> np.ndarray:
        """[1, 134, 3] in camera space."""
        if self._proportions is None:
            rest = self._stand_ins.extend(self._rig.samples().rest.matrices)
            self._proportions = measure(self._attachment.points(rest[None]))
        turn, move = eye.view[:3, :3], eye.view[:3, 3]
        world = (points - move) @ turn  # the view is rigid: its transpose turns back
        here = standing_place(world[0], _UP)
        if scene.frame_current == first and not scene.frame_subframe:
            self._place, self._sought = here, first
        elif self._sought != first:
            self._sought = first
            self._tasks.append(self._find_place(scene.original))  # type: ignore[arg-type]  # that of a scene is one
        place = here if self._place is None else self._place
        return reshape(world, self._proportions, *alignment, _UP, place) @ turn.T + move

    def _attach(self, matrices: np.ndarray) -> Attachment:
        samples = self._rig.samples()
        rest: Posed = self._stand_ins.complete(samples.rest)
        return dataclasses.replace(samples, rest=rest, matrices=[matrices]).attach()


class Live:
    """The people of a scene, found when they are first looked at."""

    def __init__(self) -> None:
        self._people: dict[tuple, LivePerson | NotHumanoid] = {}

    def forget(self) -> None:
        self._people.clear()

    def look_again(self) -> None:
        """Look again at what may have changed beside the pose."""
        for one in self._found:
            one.look_again()

    @property
    def ready(self) -> bool:
        return all(one.ready for one in self._found)

    def prepare(self) -> None:
        for one in self._found:
            one.prepare()

    @property
    def _found(self) -> list[LivePerson]:
        return [one for one in self._people.values() if isinstance(one, LivePerson)]

    def look(
        self,
        scene: bpy.types.Scene,
        people: Sequence[Person],
        depsgraph: bpy.types.Depsgraph,
        eye: Eye,
        alignments: Sequence[Alignment | None] = (),
        occlusion: bool = False,
        first: int = 1,
    ) -> tuple[list[Pose], list[UnderstudyError]]:
        """The poses of those who can be seen, and why the others cannot."""
        poses: list[Pose] = []
        problems: list[UnderstudyError] = []
        for person, alignment in itertools.zip_longest(people, alignments):
            try:
                poses.append(self._find(scene, person).read(depsgraph, eye, alignment, occlusion, first))
            except UnderstudyError as error:
                problems.append(error)
            except ReferenceError:  # deleted, or replaced by an undo: found anew when this is drawn next
                self.forget()
        return poses, problems

    def _find(self, scene: bpy.types.Scene, person: Person) -> LivePerson:
        armature = mapping.armature_of(person.armature)
        if armature.mode == "EDIT":
            raise PoseError(f"{armature.name!r} is in Edit Mode, where it has no pose.", "Leave Edit Mode to see the skeleton.")
        kept = None if person.mapping is None else tuple(person.mapping.items())
        key = (person.armature.session_uid, armature.session_uid, mapping.fingerprint(armature), kept)
        if key not in self._people:
            try:
                self._people[key] = LivePerson(scene, person)
            except NotHumanoid as error:
                self._people[key] = error.with_traceback(None)  # which would keep the armature
        found = self._people[key]
        if isinstance(found, NotHumanoid):
            raise found
        return found


def place(poses: list[Pose], eye: Eye, options: SampleOptions, view: View) -> Figures:
    """Poses seen by `eye`, which draws the picture of `options`, in the region of `view`.

    Where the region looks through the same eye, all is as in the picture; else the same keypoints are seen from elsewhere.
    """
    poses = sorted(poses, key=lambda pose: -pose.points[INDEX["neck"], 2])
    points = np.array([pose.points for pose in poses]).reshape(-1, KEYPOINT_COUNT, 3)
    visible = np.array([pose.visible for pose in poses]).reshape(-1, KEYPOINT_COUNT)
    missing = tuple(role for pose in poses for role in pose.missing)
    missing_points = np.concatenate([np.empty((0, 3)), *(pose.missing_points for pose in poses)])
    size = np.array([options.width, options.height])

    pixels = _project(points, eye)
    shown = visible & _in_front(points, eye) & ((pixels >= 0) & (pixels < size)).all(axis=-1)
    sticks = np.full(len(points), stick_of(*size))
    region = look_at_viewport(view, view.width, view.height)
    if _is_same(eye, region):
        scale = np.diag(region.intrinsics)[:2] / np.diag(eye.intrinsics)[:2]  # and no turn: both look the same way
        offset = region.intrinsics[:2, 2] - scale * eye.intrinsics[:2, 2]
        crosses = _project(missing_points, eye) * scale + offset
        return Figures(
            _flip(pixels * scale + offset, view), shown, sticks * np.sqrt(scale.prod()),
            missing, _flip(crosses, view), _flip(np.array([(0, 0), size]) * scale + offset, view),
        )  # fmt: skip
    turn = region.view[:3, :3] @ eye.view[:3, :3].T  # both are rigid
    move = region.view[:3, 3] - turn @ eye.view[:3, 3]
    sticks = sticks / _scale(points, eye)
    points, missing_points = (known @ turn.T + move for known in (points, missing_points))
    sticks = sticks * _scale(points, region)
    shown &= _in_front(points, region)
    ahead = _in_front(missing_points, region)
    order = np.argsort(-points[:, INDEX["neck"], 2], kind="stable")
    return Figures(
        _flip(_project(points, region), view)[order], shown[order], sticks[order],
        tuple(role for role, seen_here in zip(missing, ahead, strict=True) if seen_here),
        _flip(_project(missing_points, region), view)[ahead], None,
    )  # fmt: skip


def see(live: Live, context: bpy.types.Context) -> tuple[Figures, list[str], list[UnderstudyError]]:
    """What the 3D view of `context` is to show: the people, their titles, and what is wrong. Raises `UnderstudyError`."""
    people = people_of(context)
    scene, settings = context.scene, context.scene.understudy
    view = View.from_region(context.region, context.region_data)
    options = SampleOptions(people, (scene.frame_current,), settings.width, settings.height, settings.source, view)
    depsgraph = context.view_layer.depsgraph
    eye = look(scene, options, depsgraph)
    alignments: tuple[Alignment | None, ...] = ()
    unaligned = []
    try:
        alignments = alignments_of(context)
    except UnderstudyError as error:
        unaligned.append(error)
    first = frames_of(scene).start
    poses, problems = live.look(scene, people, depsgraph, eye, alignments, settings.occlusion, first)
    return place(poses, eye, options, view), [pose.title for pose in poses], problems + unaligned


def _is_same(eye: Eye, other: Eye) -> bool:
    tolerance = 1e-4 * (1 + np.abs(eye.view[:3, 3]).max())  # a viewport's matrices have single precision
    return eye.orthographic == other.orthographic and bool(np.abs(eye.view - other.view).max() < tolerance)


def _scale(points: np.ndarray, eye: Eye) -> np.ndarray:
    """Pixels a metre [P], at the necks of keypoints [P, 134, 3]."""
    depth = 1.0 if eye.orthographic else np.maximum(points[:, INDEX["neck"], 2], 0.1)
    return eye.intrinsics[0, 0] / np.broadcast_to(depth, len(points))


def _in_front(points: np.ndarray, eye: Eye) -> np.ndarray:
    return (points[..., 2] > 1e-4) | eye.orthographic


def _project(points: np.ndarray, eye: Eye) -> np.ndarray:
    """[..., 3] camera space to pixels [..., 2], y down."""
    flat = points.reshape(1, 1, -1, 3)
    return project(flat, eye.intrinsics[None], np.array([eye.orthographic])).reshape(*points.shape[:-1], 2)


def _flip(pixels: np.ndarray, view: View) -> np.ndarray:
    """y down to y up, as a region counts."""
    return pixels * [1, -1] + [0, view.height]
