"""What a report of several visits says in words, in the language of its page. Pure functions of the report."""

from service.contracts.report import Flag, Reason
from service.contracts.series_report import LedgerRow, LesionVisit, PairSummary, SeriesReport, VisitSummary
from worker.reports.conclusion import activity, made_with
from worker.reports.language import Words
from worker.reports.remarks import alignment_lines, rules_words


def headline(report: SeriesReport, words: Words) -> str:
    """The answer in a sentence: first to last, else since the visit before the last."""
    if not report.comparable:
        red = [series_reason(one, report, words) for one in report.reasons if one.flag is Flag.RED]
        return words("conclusion.not_comparable", reasons="; ".join(red))
    pair = first_to_last(report) or last_step(report)
    if pair is None or pair.counts is None:
        return words("series.no_change")
    since = words("series.since", baseline=pair.baseline, follow_up=pair.follow_up)
    return f"{activity(pair.counts, words)} {since}"


def subtitle(report: SeriesReport, words: Words) -> str:
    """What was followed, and when the report was made."""
    followed = sum(visit.followed for visit in report.visits)
    what = words("series.followed", n=followed, total=len(report.visits)) if followed else words("series.alone")
    return f"{what} {words('subtitle.made', when=words.moment(report.created))}"


def first_to_last(report: SeriesReport) -> PairSummary | None:
    """The pair of the first and the last visit, where change is given for it."""
    return next((pair for pair in report.pairs if pair.role == "first_to_last" and pair.counts is not None), None)


def last_step(report: SeriesReport) -> PairSummary | None:
    """The last visit with the one before it."""
    steps = [pair for pair in report.pairs if pair.role == "adjacent"]
    return max(steps, key=lambda pair: pair.follow_up, default=None)


def visit_name(visit: VisitSummary, words: Words) -> str:
    """`Visit 2, 2024-04-09`."""
    name = words("series.visit", n=visit.visit)
    return f"{name}, {words.date(visit.study.acquired)}" if visit.study.acquired else name


def series_reason(reason: Reason, report: SeriesReport, words: Words) -> str:
    """What a reader must know of the series as a whole, with the numbers of the visits that it speaks of."""
    left_out = [str(visit.visit) for visit in report.visits if not visit.followed]
    return words.reason(reason, (), visits=", ".join(left_out), total=len(report.visits))


def lesion_notes(row: LedgerRow, at: LesionVisit, words: Words) -> str:
    """What happened to a lesion at a visit, and what its volume there does not tell."""
    notes = [words(f"series.event.{event.kind}") for event in row.events if event.visit == at.visit]
    if at.components > 1:
        notes.append(words("series.parts", n=at.components))
    if not at.covered:
        notes.append(words("series.not_covered"))
    return ", ".join(notes)


def ledger_note(report: SeriesReport, words: Words, size: dict[str, str]) -> str:
    """How the ledger is read; `size`: the sizes of the rules (`worker.reports.rule_sizes`)."""
    note = words("series.ledger_note", **size)
    return note if report.regions_note is None else f"{note} {words('regions.note')}"


def method_lines(report: SeriesReport, words: Words) -> list[str]:
    """Network and options, the alignment of the visits, and the rule set with its numbers."""
    aligned = next((pair.registration for pair in report.pairs if pair.registration is not None), None)
    return [
        made_with(report, words),
        *alignment_lines(aligned, "series.common_space", words),
        rules_words(report.rules, words),
    ]
