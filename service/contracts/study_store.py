"""The studies that were taken in: ids, sizes and hashes; nothing about who they are of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from sqlalchemy import Engine, delete, select

from service.contracts.errors import StudyNotFound
from service.contracts.tables import studies


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """One stored study."""

    id: str
    kind: Literal["dicom", "nifti"]
    instances: int
    bytes: int
    sha256: str
    acquired: date | None
    owner: str
    created: datetime


class StudyStore:
    """Studies in SQLite or PostgreSQL."""

    def __init__(self, engine: Engine, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    def add(self, study: StudyRow) -> None:
        """Notes a study whose files are in place."""
        values = {name: getattr(study, name) for name in StudyRow.__dataclass_fields__}
        values["acquired"] = None if study.acquired is None else study.acquired.isoformat()
        with self._engine.begin() as connection:
            connection.execute(studies.insert().values(**values))

    def get(self, study_id: str) -> StudyRow:
        """The study of an id.

        Raises:
            StudyNotFound: there is none.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(studies).where(studies.c.id == study_id)).first()
        if row is None:
            raise StudyNotFound("no study has this id")
        values = {name: getattr(row, name) for name in StudyRow.__dataclass_fields__}
        values["acquired"] = None if row.acquired is None else date.fromisoformat(row.acquired)
        return StudyRow(**{**values, "bytes": int(row.bytes)})

    def alike(self, study_id: str) -> tuple[str, ...]:
        """Ids of the owner's studies with the same files, itself among them; none where it is not known."""
        this = select(studies.c.owner, studies.c.sha256).where(studies.c.id == study_id).subquery()
        query = select(studies.c.id).where(studies.c.owner == this.c.owner, studies.c.sha256 == this.c.sha256)
        with self._engine.connect() as connection:
            return tuple(connection.execute(query.order_by(studies.c.id)).scalars())

    def remove(self, study_id: str) -> None:
        """Forgets a study."""
        with self._engine.begin() as connection:
            connection.execute(delete(studies).where(studies.c.id == study_id))
