"""The choice of series without the work: what a comparison would use of one or two folders, and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.contracts.input_errors import AmbiguousSeries, BadInput, MissingFlair, MissingT1
from service.contracts.pydicom_silence import no_header_text
from service.contracts.series_decision import (
    LikenessView,
    Outcome,
    SequenceVerdict,
    SeriesDecision,
    SeriesView,
    StudyDecision,
)
from worker.dicom_index import DicomIndex
from worker.series_header import SeriesHeader
from worker.series_pairs import Likeness, select_pair
from worker.series_rules import SeriesRules
from worker.series_rules_file import packaged_rules
from worker.series_selection import Choice, Selection, SequenceName, judge, select
from worker.study_reader import NAMED_BY_FILE, NiftiScans, study_contents

TimePointName = Literal["baseline", "follow_up"]
SEQUENCES: tuple[SequenceName, ...] = ("T1", "FLAIR")
ACQUISITIONS: dict[str, Literal["2D", "3D"]] = {"2D": "2D", "3D": "3D"}
"""What the scanner wrote there is shown only where it is one of the standard's terms."""
OUTCOMES: dict[type[BadInput], Outcome] = {
    AmbiguousSeries: Outcome.AMBIGUOUS,
    MissingT1: Outcome.MISSING_T1,
    MissingFlair: Outcome.MISSING_FLAIR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The series of each study that has DICOM files, in the order of the studies."""

    selections: tuple[Selection | None, ...]
    likeness: tuple[LikenessView, ...] = ()


@no_header_text()
def decide(follow_up: Path, baseline: Path | None = None, *, rules: SeriesRules | None = None) -> SeriesDecision:
    """Which series a comparison would use; reads headers and names, no pixels.

    Raises:
        BadInput: a folder holds no study at all, or images of several patients.
    """
    rules = rules or packaged_rules()
    folders: dict[TimePointName, Path] = {} if baseline is None else {"baseline": baseline}
    contents = {name: study_contents(folder) for name, folder in {**folders, "follow_up": follow_up}.items()}
    chosen, outcome, message = _Chosen(selections=(None,) * len(contents)), Outcome.SELECTED, ""
    try:
        chosen = _choose(list(contents.values()), rules)
    except (AmbiguousSeries, MissingT1, MissingFlair) as error:
        outcome, message = OUTCOMES[type(error)], error.message
    studies = zip(contents.items(), chosen.selections, strict=True)
    return SeriesDecision(
        outcome=outcome,
        message=message,
        rules_version=rules.version,
        rules_digest=rules.digest,
        studies=tuple(_study(name, held, selection, rules) for (name, held), selection in studies),
        likeness=chosen.likeness,
    )


def _choose(contents: list[DicomIndex | NiftiScans], rules: SeriesRules) -> _Chosen:
    """As reading does it: two DICOM studies together, anything else apart."""
    headers = [_headers(held) for held in contents if isinstance(held, DicomIndex)]
    if len(headers) == 2:
        pair = select_pair(headers[0], headers[1], rules)
        found: list[tuple[SequenceName, Likeness | None]] = [("T1", pair.t1), ("FLAIR", pair.flair)]
        views = tuple(_likeness(name, likeness) for name, likeness in found if likeness is not None)
        return _Chosen(selections=(pair.baseline, pair.follow_up), likeness=views)
    selections: list[Selection | None] = []
    for held in contents:
        if isinstance(held, DicomIndex):
            selections.append(select(_headers(held), rules))
        else:
            held.check()
            selections.append(None)
    return _Chosen(selections=tuple(selections))


def _headers(index: DicomIndex) -> list[SeriesHeader]:
    return [one.header for one in index.series]


def _likeness(sequence: SequenceName, found: Likeness) -> LikenessView:
    return LikenessView(sequence=sequence, score=found.score, reasons=found.reasons)


def _study(
    time_point: TimePointName, held: DicomIndex | NiftiScans, selection: Selection | None, rules: SeriesRules
) -> StudyDecision:
    if isinstance(held, NiftiScans):
        return StudyDecision(time_point=time_point, kind="nifti", series=tuple(_files(held)))
    ordered = sorted(_headers(held), key=lambda header: (header.series_number or 0, header.repeat, -header.instances))
    return StudyDecision(
        time_point=time_point,
        kind="dicom",
        series=tuple(_view(header, selection, rules) for header in ordered),
        left_out=tuple(sorted({flaw.message for flaw in held.flaws})),
    )


def _view(header: SeriesHeader, selection: Selection | None, rules: SeriesRules) -> SeriesView:
    verdicts = {name: _verdict(header, name, rules) for name in SEQUENCES}
    chosen_as: SequenceName | None = None
    for name, choice in _chosen(selection):
        if choice.header.key == header.key:  # its reasons may say that it was chosen to fit the other study
            chosen_as, verdicts[name] = name, SequenceVerdict(score=choice.score, reasons=choice.reasons)
    return SeriesView(
        number=header.series_number,
        part=header.repeat,
        images=header.instances,
        chosen_as=chosen_as,
        t1=verdicts["T1"],
        flair=verdicts["FLAIR"],
        acquisition=ACQUISITIONS.get(header.acquisition_type or ""),
        plane=header.plane,
        after_contrast=rules.holds(rules.alikeness.contrast.when, header),
        echo_time_ms=header.echo_time,
        repetition_time_ms=header.repetition_time,
        inversion_time_ms=header.inversion_time,
        flip_angle_deg=header.flip_angle,
        slice_spacing_mm=None if header.slice_spacing is None else round(header.slice_spacing, 3),
        pixel_spacing_mm=None if header.pixel_spacing is None else round(max(header.pixel_spacing), 3),
        coverage_mm=None if header.coverage is None else round(header.coverage, 1),
        field_strength_t=header.field_strength,
    )


def _chosen(selection: Selection | None) -> list[tuple[SequenceName, Choice]]:
    if selection is None:
        return []
    found: list[tuple[SequenceName, Choice | None]] = [("T1", selection.t1), ("FLAIR", selection.flair)]
    return [(name, choice) for name, choice in found if choice is not None]


def _verdict(header: SeriesHeader, sequence: SequenceName, rules: SeriesRules) -> SequenceVerdict:
    found = judge(header, sequence, rules)
    if found.choice is None:
        return SequenceVerdict(score=None, against=found.against)
    return SequenceVerdict(score=found.choice.score, reasons=found.choice.reasons)


def _files(scans: NiftiScans) -> Iterator[SeriesView]:
    """One row per file, chosen where it is the only one of its sequence; files have no header to judge."""
    named = SequenceVerdict(score=1.0, reasons=(NAMED_BY_FILE,))
    other = SequenceVerdict(score=None, against="named otherwise by its file")
    whole = len(scans.t1) == len(scans.flair) == 1
    for _ in scans.t1:
        yield SeriesView(number=None, part=0, images=1, chosen_as="T1" if whole else None, t1=named, flair=other)
    for _ in scans.flair:
        yield SeriesView(number=None, part=0, images=1, chosen_as="FLAIR" if whole else None, t1=other, flair=named)
