"""What stands around tables and pictures in words: notes, captions, and how the report was made."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.contracts.blobs import COMMIT_FILE, SERIES_COMMIT_FILE
from service.contracts.measures import RulesInfo
from service.contracts.report import LesionRow, RegistrationInfo, Report
from service.contracts.series_report import SeriesReport
from worker.reports.conclusion import made_with, series_used
from worker.reports.figures import Picture
from worker.reports.glass_brain import GlassBrain
from worker.reports.language import Words
from worker.reports.rule_sizes import sizes


def has_intervals(report: Report) -> bool:
    """Whether a total volume is given with its interval."""
    return any(one is not None for _, one in report.volume_intervals_ml)


def brain_volume_words(report: Report, words: Words) -> str:
    """The change of the brain's volume, or why it is not given; empty where the report does not speak of it."""
    change = report.brain_volume_change
    if change is None:
        return ""
    if change.percent is None:
        return words("brain_volume.not_given", reason=words.why_not_given(change))
    spread = ""
    if change.interval_percent is not None:
        low, high = (words.number(one, 2, sign=True) for one in change.interval_percent)
        spread = words("brain_volume.interval", low=low, high=high)
    return words("brain_volume.given", percent=words.number(change.percent, 2, sign=True), interval=spread)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What stands under a lesion's pictures."""

    name: str
    status: str
    """A key of `worker.reports.status_marks`."""
    text: str


def captioned(report: Report, triples: Sequence[Picture], words: Words) -> list[tuple[Picture, Caption]]:
    """The pictures of each changed lesion with their caption."""
    rows: dict[int | None, LesionRow] = {row.id: row for row in report.lesions}
    return [(picture, _caption(rows[picture.lesion_id], report, words)) for picture in triples]


def _caption(row: LesionRow, report: Report, words: Words) -> Caption:
    status = "lesion" if row.status is None else row.status.value
    return Caption(name=words("pictures.caption", id=row.id), status=status, text=_caption_text(row, report, words))


def _caption_text(row: LesionRow, report: Report, words: Words) -> str:
    """`456 → 1432 mm³, periventricular`."""
    before, after = (words.number(one or 0.0, 0) for one in (row.baseline_volume_mm3, row.follow_up_volume_mm3))
    parts = [words("pictures.volumes", before=before, after=after)]
    parts += [] if row.region is None else [words(f"region.{row.region.value}")]
    parts += [] if row.counted else [words("pictures.not_counted", **sizes(report, words))]
    return ", ".join(parts)


def lesion_note(report: Report, words: Words) -> str:
    """What the columns of the lesion table mean."""
    notes = [words("lesions_table.note", **sizes(report, words))]
    if report.counts is not None:
        notes.append(words("lesions_table.note_changes", **sizes(report, words)))
        if any(row.flair_change_sd is not None for row in report.lesions):
            notes.append(words("lesions_table.note_flair"))
        if any(row.certainty is not None for row in report.lesions):
            notes.append(words("lesions_table.note_certainty"))
    return " ".join(notes)


def trend_words(report: Report, words: Words) -> str:
    """The trend for those who do not see it."""
    volumes, counts = report.volumes_ml, report.lesion_counts
    return words(
        "trend.alt",
        volume_before=words.number(volumes.baseline or 0.0, 2),
        volume_after=words.number(volumes.follow_up, 2),
        count_before=counts.baseline,
        count_after=counts.follow_up,
        **sizes(report, words),
    )


def glass_words(glass: GlassBrain, words: Words) -> str:
    """The glass brain for those who do not see it."""
    marks = glass.views[0].marks
    statuses = list(dict.fromkeys(mark.status for mark in marks))
    parts = [f"{sum(mark.status == one for mark in marks)} {words(f'status.{one}')}" for one in statuses]
    return words("glass.alt", what=words.listed(parts) or words.several("lesions", 0))


def method_lines(report: Report, words: Words) -> list[str]:
    """Network and options, the alignment of the visits, the rule set with its numbers, and the series."""
    lines = [made_with(report, words), *alignment_lines(report.registration, "method.common_space", words)]
    if report.rules is not None:
        lines.append(rules_words(report.rules, words))
    return [*lines, "; ".join(series_used(report, words)) + "."]


def alignment_lines(aligned: RegistrationInfo | None, spaces: str, words: Words) -> list[str]:
    """The transform between the visits and the space where they meet; what old reports do not say is left out.

    Args:
        aligned: of the two visits, or of any two of a series.
        spaces: the phrases of the spaces, such as `method.common_space`.
        words: of the page.
    """
    lines = []
    if aligned is not None and aligned.kind is not None:
        lines.append(words(f"method.alignment.{aligned.kind}", backend=aligned.backend))
    if aligned is not None and aligned.common_space is not None:
        lines.append(words(f"{spaces}.{aligned.common_space.replace('-', '_')}"))
    return lines


def rules_words(rules: RulesInfo, words: Words) -> str:
    """The rule set with its profile and its numbers."""
    numbers = ", ".join(f"{name} {words.localized(f'{value:g}')}" for name, value in rules.numbers.items())
    named = words("method.rules", set=rules.set, version=rules.version, profile=rules.profile, digest=rules.digest)
    return f"{named} {words('method.numbers', numbers=numbers)}" if numbers else named


def version_words(report: Report | SeriesReport, words: Words) -> str:
    """Libraries by version, the job, and the signature of the report where it has one."""
    parts = [", ".join(f"{name} {version}" for name, version in report.versions.libraries.items()) + "."]
    parts += [words("method.job", id=report.job_id)] if report.job_id else []
    signature = report.signature
    if signature is not None:
        name, key = signature.algorithm, signature.key_id
        file = SERIES_COMMIT_FILE if report.mode == "series" else COMMIT_FILE
        parts.append(words("method.signed", algorithm=name, key=key, value=signature.value, file=file))
    return " ".join(parts)
