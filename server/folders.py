"""Where things lie: the data folder, the weights, and a job's files in `<data>/jobs/<id>/`."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_dir

from ..core.files import PART, full_disk_named, sync_folder, write_atomically

logger = logging.getLogger(__name__)

_OURS = re.compile(rf"[0-9a-f]{{32}}({re.escape(PART)})?")  # a job's folder, or one that was being filled


def default_data() -> Path:
    """This user's own."""
    return Path(user_data_dir("understudy", appauthor=False)).resolve()


def default_weights(data: Path) -> Path:
    """The folder with one of each engine's that needs weights."""
    return data / "weights"


@dataclass(frozen=True)
class JobFolder:
    """One job's files. Frames are numbered from 0 in the protocol, and from 1 on the disk."""

    path: Path

    @property
    def clip(self) -> Path:
        return self.path / "clip.npz"

    @property
    def references(self) -> list[Path]:
        """The references' pictures, in the order of the clip's people. The content decides the format, not the name."""
        return sorted(self.path.glob("reference-*"))

    @property
    def checkpoint(self) -> Path:
        return self.path / "latents.safetensors"

    @property
    def preview(self) -> Path:
        return self.path / "preview.png"

    def frame(self, index: int) -> Path:
        return self.path / "frames" / frame_name(index)

    def create(self, clip: bytes, references: Sequence[bytes]) -> None:
        """Make the folder with what the job needs, whole or not at all. Raises `DiskFull`."""
        aside = JobFolder(self.path.with_name(self.path.name + PART))
        try:
            with full_disk_named("the job"):
                (aside.path / "frames").mkdir(parents=True)
                write_atomically(aside.clip, clip)
                for number, reference in enumerate(references):
                    write_atomically(aside.path / f"reference-{number:04}", reference)
                aside.path.rename(self.path)
        except BaseException:
            aside.remove()
            raise
        sync_folder(self.path.parent)

    def discard_checkpoint(self) -> None:
        """Remove the latents, and what an interrupted writing of them left."""
        self.checkpoint.unlink(missing_ok=True)
        self.checkpoint.with_name(self.checkpoint.name + PART).unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def frame_name(index: int) -> str:
    return f"{index + 1:04}.png"


def sweep(jobs: Path, known: Collection[str]) -> None:
    """Remove what a server that was killed left in the `jobs` folder: half-written files, and folders of no job in `known`.

    Nothing else: the user may have chosen a folder for the data that holds other things.
    """
    for path in jobs.iterdir():
        if not _OURS.fullmatch(path.name):
            continue
        if path.name not in known:
            JobFolder(path).remove()
            continue
        for part in path.rglob(f"*{PART}"):
            try:
                part.unlink()
            except OSError as error:  # on Windows, where another program has it open: the next start tries again
                logger.warning("%s could not be removed: %s", part, error)
