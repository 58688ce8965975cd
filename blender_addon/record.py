"""What is remembered of a take that the server draws: enough to fetch and import it, also in a later Blender. No bpy.

The scene remembers it, and so does a file in the take's folder: a Blender that is killed has not saved its scene.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InvalidRequest
from ..core.protocol import JobRequest, parse_json
from .processes import is_alive
from .storage import save

UNFINISHED = "unfinished.json"
_OURS = re.compile(rf"[0-9]{{4,}}\.png|clip\.npz|request\.json|{re.escape(UNFINISHED)}")


@dataclass(frozen=True)
class TakeRecord:
    """One job's place in its scene.

    `folder` is where its frames go, `first_frame` the scene frame of the first, `people` the names of those in it.
    """

    job: str
    request: JobRequest
    folder: Path
    first_frame: int
    clip_digest: str
    people: tuple[str, ...]

    def to_text(self) -> str:
        return json.dumps(self._to_json())

    def _to_json(self) -> dict:
        return {**vars(self), "request": self.request.to_json(), "folder": str(self.folder)}

    @classmethod
    def from_text(cls, text: str) -> TakeRecord:
        """Raises `InvalidRequest` where another version of Understudy wrote what this one cannot read."""
        data = parse_json(text)
        try:
            if not re.fullmatch(r"\w+", data["job"]):  # it becomes part of an address, and of a path
                raise KeyError("job")
            known = {field.name: data[field.name] for field in dataclasses.fields(cls)}
            made = {"request": JobRequest.from_json(data["request"]), "folder": Path(data["folder"])}
            return cls(**known | made | {"people": tuple(map(str, data["people"]))})
        except (KeyError, TypeError) as error:
            raise InvalidRequest("What is kept of the unfinished take cannot be read.", "Generate again.") from error

    def keep(self) -> None:
        """Write the record into the take's folder, as that of this process. Raises `DiskFull`, `JobFailed`."""
        save(self.folder / UNFINISHED, json.dumps({**self._to_json(), "process": os.getpid()}).encode())

    def forget(self) -> None:
        """Remove what `keep` wrote: there is nothing left to fetch. What cannot be removed is asked for once more, in vain."""
        with contextlib.suppress(OSError):
            (self.folder / UNFINISHED).unlink()

    def remove(self) -> None:
        """Remove what Understudy wrote of the take. Files of others stay, and with them the folder."""
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if _OURS.fullmatch(path.name):
                    path.unlink()
            self.folder.rmdir()

    def require_in(self, *takes: Path) -> None:
        """Raise `InvalidRequest` unless the folder is in one of the folders `takes`: a scene may come from anybody."""
        if self.folder.resolve().parent not in [folder.resolve() for folder in takes]:
            raise InvalidRequest(
                f"The scene's unfinished take is in {self.folder}, which is not in the folder for takes, {takes[0]}.",
                f"If it is yours, choose {self.folder.parent} for takes in the add-on's preferences.",
            )


def find_unfinished(takes: Path) -> TakeRecord | None:
    """The latest take in the folder `takes` that nobody has fetched, nor another Blender is about to.

    What cannot be read is passed over.
    """
    for path in sorted(takes.glob(f"*/{UNFINISHED}"), key=_written, reverse=True):
        with contextlib.suppress(InvalidRequest, OSError):
            text = path.read_text(encoding="utf-8")
            record = TakeRecord.from_text(text)
            if not _is_followed(parse_json(text)):
                return dataclasses.replace(record, folder=path.parent)  # it may have been moved since
    return None


def _written(path: Path) -> float:
    """When, in seconds; 0 where the file is gone meanwhile."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _is_followed(data: dict) -> bool:
    """Whether another Blender that still runs keeps this record."""
    process = data.get("process")
    return isinstance(process, int) and process != os.getpid() and is_alive(process)
