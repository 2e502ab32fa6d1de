"""Which verdict each damage gets from the quality gates: the calibration of `worker/quality_limits.py`.

    python benchmarks/gates.py OUT.csv [--part made people real] [--damage none motion]    the numbers of the trials
    python benchmarks/gate_results.py OUT.csv ...    damage x verdict by the limits as they are now

Trials are pairs of made people (`gate_heads.py`) and of the longitudinal patients, aligned and judged as the pipeline
does it. Alignments of made people, whose voxels are 2 mm, run at `QUICK`.
"""

import argparse
import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from gate_damage import Damage, cropped, flipped, misaligned, moved, moved_between_packages, moved_between_shots, noisy
from gate_heads import people
from longitudinal import patients

from model.volume import Affine, Volume
from service.contracts.errors import MsDeltaError
from worker.brain_mask import BrainMasker
from worker.case import PairAlignment, Series, Study, TimePoint
from worker.pair_evidence import evidence_of
from worker.pipeline_tools import network_masker
from worker.preprocessing import prepare_pair
from worker.quality import Assessment, assess_coverage, assess_pair
from worker.quality_limits import CONSISTENCY, LIMITS
from worker.registration import RegistrationSettings, agreement, align_pair

QUICK = RegistrationSettings(working_spacing_mm=2.5, native_spacing_mm=2.0)
USUAL = RegistrationSettings()
OTHER_PEOPLE = 100
UNDAMAGED, FLIPPED, DAMAGED = 10, 4, 4
"""Made people with a second visit; of these with a flipped one, and with every other damage."""
MISALIGNED_MM = (1.0, 2.0, 3.0, 5.0)
MOTION = (
    *(
        Damage("motion", f"{mm:g} mm, {moves} times", partial(moved, mm=mm, moves=moves))
        for moves, mm in ((6, 2.0), (6, 6.0), (30, 1.0), (30, 2.0), (30, 6.0))
    ),
    *(Damage("motion", f"{mm:g} mm, between shots", partial(moved_between_shots, mm=mm, moves=8)) for mm in (1.0, 2.0)),
    *(Damage("motion", f"{mm:g} mm, between packages", partial(moved_between_packages, mm=mm)) for mm in (1.0, 2.0)),
)
DAMAGES = (
    *MOTION,
    *(Damage("noise", f"{part:.0%} of the signal", partial(noisy, part=part)) for part in (0.1, 0.3)),
    *(Damage("cropped", f"{part:.0%} of the brain", partial(cropped, part=part)) for part in (0.15, 0.5)),
)
FLIP = Damage("left-right flip", "", flipped)
ANOTHER = Damage("another person", "", lambda scan, _brain, _rng: scan)
"""No damage to the scan: it is of somebody else."""
PARTS = ("made", "people", "real")
NAMES = ("none", "misaligned", *dict.fromkeys(one.name for one in DAMAGES), FLIP.name)


@dataclass(frozen=True)
class Trial:
    """One pair and what was measured on it."""

    damage: str
    strength: str
    source: str
    pair: str
    assessment: Assessment | None
    """None: refused before the gates, by `error`."""
    error: str = ""


def main() -> None:
    """Write the numbers of every trial."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS, help="made, people (pairs of two) or real")
    parser.add_argument("--damage", nargs="+", choices=NAMES, default=NAMES, help="of pairs of one person")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with arguments.out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["damage", "strength", "source", "pair", "error", *LIMITS])
        for trial in trials(arguments.part, arguments.damage):
            checks = () if trial.assessment is None else trial.assessment.checks
            values = {c.name: "nan" if c.value is None else c.value for c in checks}  # nan: not to be measured
            row = [trial.damage, trial.strength, trial.source, trial.pair, trial.error]
            writer.writerow([*row, *(values.get(n, "") for n in LIMITS)])
            file.flush()


def trials(parts: Sequence[str], damages: Sequence[str]) -> Iterator[Trial]:
    """Those of the parts; of one person with the damages."""
    masker = network_masker(torch.device("cpu"))
    first = [time_point(one.visit(0), masker) for one in people()] if {"made", "people"} & set(parts) else []
    wanted = {"people", "real"} & set(parts)
    scans = {v.name: time_point(v.flair, masker) for visits in patients() for v in visits} if wanted else {}
    if "made" in parts:
        yield from made_trials(first, masker, damages)
    if "people" in parts:
        yield from people_trials(first, scans)
    if "real" in parts:
        yield from real_trials(scans, masker, damages)


def people_trials(first: list[TimePoint], scans: dict[str, TimePoint]) -> Iterator[Trial]:
    """Pairs of two people: every one of the longitudinal patients, and as many of the made ones as are missing."""
    others = [(a, b) for a, b in itertools.combinations(scans, 2) if a.split()[0] != b.split()[0]]
    pairs = list(itertools.permutations(range(len(first)), 2))
    for n in np.random.default_rng(5).permutation(len(pairs))[: OTHER_PEOPLE - len(others)]:
        a, b = pairs[n]
        yield aligned_trial(ANOTHER, first[a], first[b], "made", f"{a + 1} and {b + 1}", QUICK)
    for one, two in others:
        yield aligned_trial(ANOTHER, scans[one], scans[two], "real", f"{one} and {two}", USUAL)


def real_trials(scans: dict[str, TimePoint], masker: BrainMasker, damages: Sequence[str]) -> Iterator[Trial]:
    """Pairs of one longitudinal patient, as they are, misaligned, flipped, and moved within the follow-up."""
    rng = np.random.default_rng(1)
    for (a, before), (b, after) in itertools.combinations(scans.items(), 2):
        if a.split()[0] != b.split()[0]:
            continue
        name = f"{a} and {b}"
        pair = align(before, after, USUAL)
        if "none" in damages:
            yield Trial("none", "", "real", name, assess(before, after, pair))
        if "misaligned" in damages:
            yield from misaligned_trials(before, after, pair, "real", name, rng)
        flair = after.study.flair.volume  # its first axis lies across the head
        if FLIP.name in damages:
            mirrored = time_point(flair.like(flair.array[::-1].copy()), masker)
            yield aligned_trial(FLIP, before, mirrored, "real", name, USUAL)
        for damage in MOTION if "motion" in damages else ():
            damaged = time_point(damage.apply(flair, after.brain.mask.array, rng), masker)
            yield aligned_trial(damage, before, damaged, "real", name, USUAL)


def made_trials(first: list[TimePoint], masker: BrainMasker, damages: Sequence[str]) -> Iterator[Trial]:
    """Undamaged and damaged pairs of made people: the first visit and one a year later."""
    rng = np.random.default_rng(2)
    for n, (one, before) in enumerate(zip(people()[:UNDAMAGED], first, strict=False)):
        name = str(n + 1)
        after = time_point(one.visit(1), masker)
        pair = align(before, after, QUICK)
        if "none" in damages:
            yield Trial("none", "", "made", name, assess(before, after, pair))
        if n < DAMAGED and "misaligned" in damages:
            yield from misaligned_trials(before, after, pair, "made", name, rng)
        wanted = [*(DAMAGES if n < DAMAGED else ()), *((FLIP,) if n < FLIPPED else ())]
        for damage in (one for one in wanted if one.name in damages):
            scan = damage.apply(after.study.flair.volume, after.brain.mask.array, rng)
            try:
                damaged = time_point(scan, masker)
            except MsDeltaError as error:
                yield Trial(damage.name, damage.strength, "made", name, None, error.code)
                continue
            yield aligned_trial(damage, before, damaged, "made", name, QUICK)


def misaligned_trials(
    before: TimePoint, after: TimePoint, pair: PairAlignment, source: str, name: str, rng: np.random.Generator
) -> Iterator[Trial]:
    """The pair with its alignment handed over wrong."""
    for mm in MISALIGNED_MM:
        wrong = misaligned(pair.baseline_from_follow_up, after.brain.mask, rng, mm=mm)
        handed = replace(handed_over(before, after, wrong), inverse_consistency_mm=pair.inverse_consistency_mm)
        yield Trial("misaligned", f"{mm:g} mm", source, name, assess(before, after, handed))


def aligned_trial(
    damage: Damage, before: TimePoint, after: TimePoint, source: str, name: str, settings: RegistrationSettings
) -> Trial:
    """A damaged pair on the usual way: aligned, judged; cropped ones also by what both scans show."""
    try:
        pair = align(before, after, settings)
    except MsDeltaError as error:
        return Trial(damage.name, damage.strength, source, name, None, error.code)
    found = assess(before, after, pair)
    if damage.name == "cropped":
        found += assess_coverage(prepare_pair(before, after, pair, crop="union"))
    return Trial(damage.name, damage.strength, source, name, found)


def assess(before: TimePoint, after: TimePoint, pair: PairAlignment) -> Assessment:
    """As the pipeline does it."""
    return assess_pair(before, after, pair, evidence_of(before, after, pair))


def align(before: TimePoint, after: TimePoint, settings: RegistrationSettings) -> PairAlignment:
    """As the pipeline does it; what `QUICK` loses (heads tilted by 15 degrees and more) as usual."""
    here, there = (before.study.flair.volume, before.brain.mask), (after.study.flair.volume, after.brain.mask)
    found = align_pair(*here, *there, settings=settings)
    lost = settings is QUICK and (CONSISTENCY.red or 0.0) < found.inverse_consistency_mm
    return align_pair(*here, *there, settings=USUAL) if lost else found


def handed_over(before: TimePoint, after: TimePoint, transform: Affine) -> PairAlignment:
    """An alignment that was not searched for, with its correlation and overlap."""
    here, there = (before.study.flair.volume, before.brain.mask), (after.study.flair.volume, after.brain.mask)
    correlation, overlap = agreement(*here, *there, transform)
    return PairAlignment(
        baseline_from_follow_up=transform,
        inverse_consistency_mm=0.0,
        correlation=correlation,
        overlap=overlap,
        backend="given",
        kind="rigid",
    )


def time_point(flair: Volume, masker: BrainMasker) -> TimePoint:
    """A study of FLAIR alone."""
    series = Series(volume=flair, source="nifti", reasons=(), slice_thickness_mm=None)
    study = Study(t1=None, flair=series, acquired=None, identity=None)
    return TimePoint(study=study, brain=masker(flair), alignment=None)


if __name__ == "__main__":
    main()
