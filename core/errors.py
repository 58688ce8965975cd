"""Every error Understudy raises on purpose, each with a remedy.

    UnderstudyError
    ├── PoseError                 what is sampled from the scene
    │   ├── NoArmature            nothing to sample
    │   ├── NotHumanoid           the bones do not make a person, or the mapping lacks some
    │   ├── InvalidPreset         a bone mapping's file that cannot be read
    │   ├── NoCamera              the scene has no camera to look through
    │   └── EmptyRange            no frame between start and end
    ├── InputError                what a request carries
    │   ├── InvalidClip           a pose clip that cannot be read, or holds NaNs
    │   ├── InvalidReference      not a picture, or too large
    │   │   └── NoReference       a person has none, or it is gone
    │   └── InvalidRequest        a setting out of range, a field missing
    │       └── NoPlate           the strip that a take is to be laid over is not there
    ├── EngineError               models
    │   ├── UnknownEngine
    │   ├── InvalidWeights        missing, truncated or misshapen checkpoint
    │   └── OutOfMemory
    │       └── NotEnoughMemory   known before the job began
    ├── ServerError               between Blender and the server
    │   ├── EnvironmentMissing    no Python environment to run the server in
    │   ├── ServerStartFailed
    │   ├── ServerUnreachable
    │   ├── Unauthorized
    │   └── QueueFull
    └── JobError                  one job
        ├── JobNotFound
        ├── JobFailed             the worker raised something nobody foresaw
        ├── WorkerDied            the worker process ended in the middle
        ├── Cancelled             by the user
        └── DiskFull

An error crosses a process boundary as `to_json()` and is raised again by `from_json()` as the same class.
"""

from __future__ import annotations


class UnderstudyError(Exception):
    """What happened, to what (`message`), and what to do about it (`remedy`)."""

    default_remedy = "See the log for details."

    def __init__(self, message: str, remedy: str | None = None):
        self.message = message
        self.remedy = remedy or self.default_remedy
        super().__init__(f"{self.message} {self.remedy}")

    def __reduce__(self):
        return type(self), (self.message, self.remedy)

    def to_json(self) -> dict[str, str]:
        return {"error": type(self).__name__, "message": self.message, "remedy": self.remedy}


class PoseError(UnderstudyError):
    pass


class NoArmature(PoseError):
    default_remedy = "Select the armature of your character, or pick one under People."


class NotHumanoid(PoseError):
    default_remedy = "Open the bone mapping and pick the missing bones, or choose another armature."


class InvalidPreset(PoseError):
    default_remedy = "Choose a file that Understudy's bone mapping saved."


class NoCamera(PoseError):
    default_remedy = "Add a camera to the scene, or set Source to this viewport."


class EmptyRange(PoseError):
    default_remedy = "Set the end frame at or after the start frame."


class InputError(UnderstudyError):
    pass


class InvalidClip(InputError):
    default_remedy = "Export the clip again from Blender."


class InvalidReference(InputError):
    default_remedy = "Choose a PNG, JPEG or WebP picture of the character, at most 64 megapixels."


class NoReference(InvalidReference):
    default_remedy = "Choose one under People, or press Render Reference."


class InvalidRequest(InputError):
    default_remedy = "Correct the setting named and try again."


class NoPlate(InvalidRequest):
    default_remedy = "Choose a strip of the sequencer, or add a film or pictures."


class EngineError(UnderstudyError):
    pass


class UnknownEngine(EngineError):
    default_remedy = "`understudy engines` lists those there are."


class InvalidWeights(EngineError):
    default_remedy = "Download the weights again; the file may be incomplete."


class OutOfMemory(EngineError):
    default_remedy = "Choose a smaller size or a shorter window, or close other programs that use this device."


class NotEnoughMemory(OutOfMemory):
    pass


class ServerError(UnderstudyError):
    pass


class EnvironmentMissing(ServerError):
    default_remedy = "Create the server's Python environment in the add-on's preferences."


class ServerStartFailed(ServerError):
    default_remedy = "Open the server's log from the add-on's preferences."


class ServerUnreachable(ServerError):
    default_remedy = "Start the server, or check the address in the add-on's preferences."


class Unauthorized(ServerError):
    default_remedy = "Restart the local server, or correct the token in the add-on's preferences."


class QueueFull(ServerError):
    default_remedy = "Wait for a job to finish, or cancel one."


class JobError(UnderstudyError):
    pass


class JobNotFound(JobError):
    default_remedy = "It may have been deleted: generate again."


class JobFailed(JobError):
    default_remedy = "Open the server's log; if it happens again, please report it."


class WorkerDied(JobError):
    default_remedy = "Generate again: a new worker starts with the next job. If it happens again, choose a smaller size."


class Cancelled(JobError):
    default_remedy = "Generate again when you are ready."


class DiskFull(JobError):
    default_remedy = "Free some space on the disk, then generate again."


def _subclasses(root: type[UnderstudyError]) -> dict[str, type[UnderstudyError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found |= _subclasses(child)
    return found


def from_json(data: dict) -> UnderstudyError:
    """The error that `to_json()` described; an unknown class becomes a plain `UnderstudyError`."""
    kind = _subclasses(UnderstudyError).get(str(data.get("error")), UnderstudyError)
    return kind(str(data.get("message", "Unknown error.")), data.get("remedy"))
