"""From a study that came by itself to a job: look, wait until it is whole, find its baseline, fetch, submit.

due --> images the same for the settle time? --no--> look again
             | yes
             v
        as taken before? --yes--> nothing to do
             | no
             v
        fetch --> T1 and FLAIR there? --no--> dead, with the reason
             | yes
             v
        best earlier study --> fetch --> job (an older one that still runs is cancelled)
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from service.contracts.arrivals import RECEIVED, Arrival, ArrivalStore
from service.contracts.blobs import BlobStore
from service.contracts.dicom_headers import read_ids
from service.contracts.errors import (
    DependencyUnavailable,
    IllegalTransition,
    InternalError,
    MsDeltaError,
    PacsUnavailable,
)
from service.contracts.input_errors import BadInput, InvalidOption, StudyGone, StudyNeverSettled
from service.contracts.job_store import JobStore, NewJob
from service.contracts.logs import describe, get_logger
from service.contracts.queue import JobQueue
from service.contracts.site import Arriving, Site
from service.contracts.study_folder import study_row
from service.contracts.study_store import StudyStore
from worker.dicom_index import index_folder
from worker.pacs.dicomweb import DicomWebSource
from worker.pacs.earlier_study import best_earlier
from worker.pacs.received import ReceivedSource
from worker.pacs.study_source import StudySource
from worker.series_rules import SeriesRules
from worker.series_selection import select

LEASE_S = 1800.0
"""How long a look, with its fetching, is another worker's to leave alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalDesk:
    """Attends to arrivals, one at a time."""

    arrivals: ArrivalStore
    jobs: JobStore
    studies: StudyStore
    blobs: BlobStore
    queue: JobQueue
    site: Callable[[], Site]
    """Asked at each look: a site file that was mended counts at once."""
    rules: Callable[[], SeriesRules]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def attend(self) -> bool:
        """Looks at one arrival that is due; False when none is."""
        arrival = self.arrivals.take_due(lease_s=LEASE_S)
        if arrival is None:
            return False
        log, limit_s = get_logger().bind(arrival_id=arrival.id), Arriving().settle_limit_s
        try:
            source, terms = self._where(arrival)
            limit_s = terms.settle_limit_s
            self._look(arrival, source, terms)
        except MsDeltaError as error:
            # A fault of the site's own files is mended by people, and the study is not to be lost meanwhile.
            of_the_study = isinstance(error, BadInput) and not isinstance(error, InvalidOption)
            final = of_the_study or self._waits_longer_than(limit_s, arrival)
            self.arrivals.failed(arrival, error.code, final=final)
            log.warning("arrival given up" if final else "arrival tried again later", **describe(error))
        except Exception as error:  # noqa: BLE001 (the boundary: one study must not stop the others)
            self.arrivals.failed(arrival, InternalError.code, final=self._waits_longer_than(limit_s, arrival))
            log.error("arrival failed unexpectedly", **describe(error))
        return True

    def _look(self, arrival: Arrival, source: StudySource, terms: Arriving) -> None:
        images = source.images(arrival.study_uid)
        if not images:
            raise StudyGone("the PACS holds no MR image of the study")
        seen = digest_of(images, pinned=arrival.baseline_uid)
        if seen == arrival.taken:
            self.arrivals.took(arrival, taken=seen, job_id=arrival.job_id)
            return
        same_s = 0.0
        if seen == arrival.seen and arrival.seen_since is not None:
            same_s = (self.now() - arrival.seen_since).total_seconds()
        if same_s < terms.settle_s:
            if self._waits_longer_than(terms.settle_limit_s, arrival):
                raise StudyNeverSettled(f"the images still changed after {terms.settle_limit_s / 3600:.1f} hours")
            self.arrivals.look_again(arrival, seen=seen, after_s=terms.settle_s - same_s)
            return
        self._take(arrival, source, terms, images)

    def _take(self, arrival: Arrival, source: StudySource, terms: Arriving, images: frozenset[str]) -> None:
        seen, rules = digest_of(images, pinned=arrival.baseline_uid), self.rules()
        with self._incoming() as folder:
            follow_up, baseline = folder / "follow_up", folder / "baseline"
            follow_up.mkdir()
            source.fetch(arrival.study_uid, follow_up)
            _check_complete(images, follow_up)
            headers = [series.header for series in index_folder(follow_up).series]
            select(headers, rules, flair_only=terms.options.flair_only)
            earlier = arrival.baseline_uid or best_earlier(arrival.study_uid, headers, source, terms, rules)
            if earlier is not None:
                baseline.mkdir()
                source.fetch(earlier, baseline)
                self.arrivals.serves_as_baseline(arrival, earlier, taken=digest_of(source.images(earlier)))
            studies = [follow_up] if earlier is None else [follow_up, baseline]
            job_id = self._submit(arrival, terms, studies, seen)
        self.arrivals.took(arrival, taken=seen, job_id=job_id)

    def _submit(self, arrival: Arrival, terms: Arriving, studies: list[Path], seen: str) -> str:
        """The id of the job; the same set of images gives the job there is, and leaves no study behind."""
        stored = [self._store(folder, arrival.owner) for folder in studies]
        key = hashlib.sha256(f"{arrival.id} {seen}".encode()).hexdigest()
        job, made = self.jobs.create(
            NewJob(
                follow_up=stored[0],
                baseline=stored[1] if len(stored) > 1 else None,
                options=terms.options.model_dump(mode="json"),
                callback_url=None,
                owner=arrival.owner,
                idempotency_key=key,
                request_digest=key,
                deliver_to=terms.deliver_to,
            )
        )
        if not made:
            for study in stored:
                self.blobs.delete_study(study)
                self.studies.remove(study)
        elif arrival.job_id is not None:
            with suppress(IllegalTransition):
                self.jobs.request_cancel(arrival.job_id)
                get_logger().info("job superseded", job_id=arrival.job_id, arrival_id=arrival.id)
        if made:
            with suppress(DependencyUnavailable):  # the sweeper sends it later
                self.queue.send(job.id)
            get_logger().info("job made of an arrival", job_id=job.id, arrival_id=arrival.id)
        return job.id

    def _store(self, folder: Path, owner: str) -> str:
        row = study_row(folder, owner=owner)
        self.blobs.accept_study(folder, row.id)
        self.studies.add(row)
        return row.id

    def _where(self, arrival: Arrival) -> tuple[StudySource, Arriving]:
        """Where the study is, and what becomes of it there."""
        site = self.site()
        if arrival.pacs == RECEIVED:
            return ReceivedSource(self.blobs, arrival.owner), site.received
        if arrival.pacs not in site.pacs:
            raise InvalidOption("the site file of this worker does not name the PACS")
        return DicomWebSource(site.pacs[arrival.pacs]), site.pacs[arrival.pacs]

    def _waits_longer_than(self, seconds: float, arrival: Arrival) -> bool:
        return (self.now() - arrival.waiting_since).total_seconds() > seconds

    @contextmanager
    def _incoming(self) -> Iterator[Path]:
        folder = self.blobs.incoming_folder()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _check_complete(expected: frozenset[str], folder: Path) -> None:
    """Raises PacsUnavailable where images did not come."""
    came = {ids.instance for path in folder.iterdir() if (ids := read_ids(path)) is not None}
    if missing := len(expected - came):
        raise PacsUnavailable(f"{missing} of {len(expected)} images of the study did not come")


def digest_of(images: Iterable[str], *, pinned: str | None = None) -> str:
    """What a job is made of: the set of images, and the baseline where one was asked for."""
    lines = sorted(images) if pinned is None else [*sorted(images), pinned]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
