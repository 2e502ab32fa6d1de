"""Which earlier study is the baseline: one with both sequences, most alike; of equals the newest."""

from collections.abc import Sequence

from service.contracts.site import Arriving
from worker.pacs.study_source import StudySource
from worker.series_rules import SeriesHeader


def best_earlier(study_uid: str, headers: Sequence[SeriesHeader], source: StudySource, terms: Arriving) -> str | None:
    """UID of the best baseline for a study, or None: then it is a single time point."""
    for study in source.earlier(study_uid, least_days=terms.least_interval_days, most=terms.earlier_looked_at):
        return study.uid
    return None
