"""Uploaded studies and results as folders; what is there is whole, what is not whole is not there."""

import hashlib
import shutil
import uuid
from pathlib import Path

from service.contracts.errors import DependencyUnavailable

COMMIT_FILE = "report.json"
"""Written last: a result folder without it does not exist."""
SERIES_COMMIT_FILE = "series.json"
"""Likewise, of several visits that are followed together."""


class BlobStore:
    """Folders under one root: `incoming/`, `studies/{id}/`, `received/`, `jobs/{id}/{attempt}/`."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def prepare(self) -> None:
        """Makes the folders."""
        for name in ("incoming", "studies", "jobs"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    def incoming_folder(self) -> Path:
        """A fresh folder for an upload under way; not visible as a study."""
        folder = self.root / "incoming" / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def accept_study(self, incoming: Path, study_id: str) -> Path:
        """Makes an incoming folder a study, in one rename."""
        target = self.study_folder(study_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        return incoming.rename(target)

    def study_folder(self, study_id: str) -> Path:
        """Where the files of a study lie."""
        return self.root / "studies" / study_id

    def received_folder(self, owner: str, study_uid: str) -> Path:
        """Where the instances lie that an owner pushed of a study; the UID is not readable in its name."""
        digest = hashlib.sha256(study_uid.encode()).hexdigest()[:32]
        return self.root / "received" / hashlib.sha256(owner.encode()).hexdigest()[:16] / digest

    def received_studies(self, owner: str) -> list[Path]:
        """Folders of all studies that an owner pushed."""
        return sorted(self.received_folder(owner, "").parent.glob("*"))

    def job_folder(self, job_id: str, attempt: int) -> Path:
        """Where one attempt of a job writes."""
        return self.root / "jobs" / job_id / str(attempt)

    def results(self, job_id: str, attempt: int) -> dict[str, Path]:
        """The files of a committed result by name; empty before the commit."""
        folder = self.job_folder(job_id, attempt)
        if not any((folder / name).is_file() for name in (COMMIT_FILE, SERIES_COMMIT_FILE)):
            return {}
        return {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}

    def drop_other_attempts(self, job_id: str, attempt: int) -> None:
        """Removes what superseded attempts have left."""
        for folder in (self.root / "jobs" / job_id).glob("*"):
            if folder.name != str(attempt):
                shutil.rmtree(folder, ignore_errors=True)

    def delete_study(self, study_id: str) -> None:
        """Removes the files of a study; first out of sight, then from the disk."""
        folder = self.study_folder(study_id)
        if folder.exists():
            shutil.rmtree(folder.rename(self.root / "incoming" / f"deleted-{uuid.uuid4().hex}"), ignore_errors=True)

    def clean_incoming(self) -> None:
        """Removes uploads that a stopped process left; to be called before the first upload."""
        for folder in (self.root / "incoming").glob("*"):
            shutil.rmtree(folder, ignore_errors=True)

    def free_bytes(self) -> int:
        """Room left on the disk.

        Raises:
            DependencyUnavailable: the root is not there.
        """
        try:
            return shutil.disk_usage(self.root).free
        except OSError as error:
            raise DependencyUnavailable("the data folder cannot be reached") from error
