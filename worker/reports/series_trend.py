"""How volume and number of lesions went over the visits of a series, for the drawings of its page and of its PDF."""

from collections.abc import Sequence
from datetime import date

from service.contracts.series_report import SeriesReport, VisitSummary
from worker.reports.language import Words
from worker.reports.rule_sizes import sizes
from worker.reports.series_words import visit_name
from worker.reports.trend import Course, Visits, count_course, visits_of, volume_course


def series_courses(report: SeriesReport, words: Words) -> tuple[Sequence[Course], Visits] | None:
    """Volume and number at the visits that are followed; None where fewer than two are."""
    followed = _followed(report)
    if len(followed) < 2:
        return None
    names, numbers = [visit_name(one, words) for one in followed], [str(one.visit) for one in followed]
    visits = visits_of(names, [_day(one) for one in followed], numbers)
    intervals = [one.volume_interval_ml for one in followed]
    volume = volume_course([one.volume_ml for one in followed], intervals, words)
    return (volume, count_course([one.lesions for one in followed], words, sizes(report, words))), visits


def has_bars(report: SeriesReport) -> bool:
    """Whether the volume of a visit is drawn with its interval."""
    return any(one.volume_interval_ml is not None for one in _followed(report))


def _followed(report: SeriesReport) -> list[VisitSummary]:
    return [visit for visit in report.visits if visit.followed]


def _day(visit: VisitSummary) -> int | None:
    """A number that grows by one a day; None without a date."""
    return None if visit.study.acquired is None else date.fromisoformat(visit.study.acquired).toordinal()
