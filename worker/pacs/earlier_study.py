"""Which earlier study is the baseline: one with both sequences, scanned most alike; of equals the newest."""

from collections.abc import Sequence

from service.contracts.input_errors import AmbiguousSeries, MissingFlair, MissingT1, UnsupportedMultiFrame
from service.contracts.pydicom_silence import no_header_text
from service.contracts.site import Arriving
from worker.dicom_frames import ENHANCED_MR, frame_headers
from worker.dicom_values import text
from worker.pacs.study_source import ListedSeries, StudySource
from worker.series_header import SeriesHeader, series_header
from worker.series_pairs import select_pair
from worker.series_rules import SeriesRules

STEP = 0.1
"""Alikeness is compared in steps of this: a hair's breadth does not outweigh a newer study."""


def best_earlier(
    study_uid: str, current: Sequence[SeriesHeader], source: StudySource, terms: Arriving, rules: SeriesRules
) -> str | None:
    """UID of the best baseline for a study, None where no earlier one has a T1 and a FLAIR.

    Args:
        study_uid: the study that came.
        current: headers of its series.
        source: where earlier studies are looked for.
        terms: the least interval, and how many studies are looked into.
        rules: of series selection.
    """
    best: tuple[int, str] | None = None
    for study in source.earlier(study_uid, least_days=terms.least_interval_days, most=terms.earlier_looked_at):
        alike = _alikeness(current, source.series(study.uid), rules, flair_only=terms.options.flair_only)
        # The newest comes first: only one that is alike by a whole step more takes its place.
        if alike is not None and (best is None or round(alike / STEP) > best[0]):
            best = round(alike / STEP), study.uid
    return None if best is None else best[1]


@no_header_text()
def _alikeness(
    current: Sequence[SeriesHeader], listed: Sequence[ListedSeries], rules: SeriesRules, *, flair_only: bool
) -> float | None:
    """Mean over the sequences, 0 to 1; None where the study cannot be a baseline."""
    try:
        headers = [_header(one) for one in listed]
        pair = select_pair(headers, current, rules, flair_only=flair_only)
    except (MissingFlair, MissingT1, AmbiguousSeries, UnsupportedMultiFrame):
        return None
    return pair.flair.score if pair.t1 is None else (pair.t1.score + pair.flair.score) / 2


def _header(listed: ListedSeries) -> SeriesHeader:
    """Of a series of single images by one of them; of a multi-frame object by its frames."""
    if text(listed.header, "SOPClassUID") in ENHANCED_MR:
        return series_header(listed.uid, frame_headers(listed.header))
    return series_header(listed.uid, [listed.header], instances=listed.images)
