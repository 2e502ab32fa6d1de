"""A longitudinal MRI pair of a phantom head whose lesions, and what became of them, are exactly known."""

from dataclasses import dataclass, replace

import numpy as np

from model.grid import Grid
from model.phantom_head import Contrast, PhantomHead, mni_head
from model.phantom_lesions import Blob, ChangeKind, LesionPlan, Point, Region, lay_out
from model.phantom_scan import ImageOptions, Implant, brain_on, rigid, scan, sized, truth_on
from model.volume import Affine, Volume, world_from_voxel

T1_CONTRAST = Contrast(
    white=1.0, grey=0.68, fluid=0.2, bone=0.06, marrow=0.7, fat=1.35, muscle=0.52, skin=0.6, from_template=0.6
)
FLAIR_CONTRAST = Contrast(
    white=0.8, grey=0.95, fluid=0.13, bone=0.05, marrow=0.32, fat=0.8, muscle=0.38, skin=0.5, from_template=0.0
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitOptions:
    """How the head lies in the scanner at one visit, and what is acquired."""

    rotation_deg: Point
    shift_mm: Point
    t1: ImageOptions
    flair: ImageOptions
    motion_deg: Point = (0.4, -0.3, 0.5)
    """Turn of the head between FLAIR and T1."""
    motion_mm: Point = (0.5, -0.6, 0.4)


SITE_A = VisitOptions(
    rotation_deg=(-3.0, 2.0, 5.0),
    shift_mm=(4.0, -6.0, 8.0),
    t1=ImageOptions(
        voxel_mm=(1.0, 1.0, 1.0), plane="sagittal", tilt_deg=(0.0, 1.0, 3.0), contrast=T1_CONTRAST, gain=420.0
    ),
    flair=ImageOptions(
        voxel_mm=(1.0, 1.0, 3.0), plane="axial", tilt_deg=(-9.0, 1.0, 2.0), contrast=FLAIR_CONTRAST, gain=310.0
    ),
)
"""2D FLAIR in oblique axial slices of 3 mm."""

SITE_B = VisitOptions(
    rotation_deg=(5.0, -3.0, -3.0),
    shift_mm=(-7.0, 3.0, -4.0),
    t1=ImageOptions(
        voxel_mm=(1.0, 1.0, 1.0),
        plane="sagittal",
        tilt_deg=(2.0, 0.0, -2.0),
        contrast=replace(T1_CONTRAST, grey=0.72, fluid=0.25, fat=1.2),
        gain=780.0,
        noise=0.025,
    ),
    flair=ImageOptions(
        voxel_mm=(1.0, 1.0, 1.0),
        plane="sagittal",
        tilt_deg=(1.0, 2.0, -3.0),
        contrast=replace(FLAIR_CONTRAST, white=0.76, grey=0.92, fluid=0.1, fat=0.6),
        gain=540.0,
        noise=0.025,
    ),
)
"""3D FLAIR of 1 mm."""


def _plan(near: Point, region: Region, volumes: tuple[float, float], flair: float, t1: float) -> LesionPlan:
    return LesionPlan(
        near_mni=near,
        region=region,
        baseline_volume_mm3=volumes[0],
        follow_up_volume_mm3=volumes[1],
        flair_over_white=flair,
        t1_over_white=t1,
    )


DEFAULT_LESIONS = (
    _plan((-27.0, -40.0, 27.0), "periventricular", (0.0, 420.0), 1.60, 0.78),
    _plan((38.0, 18.0, 24.0), "juxtacortical", (0.0, 130.0), 1.50, 0.84),
    _plan((26.0, -30.0, 28.0), "periventricular", (480.0, 950.0), 1.55, 0.70),
    _plan((-24.0, 26.0, 14.0), "periventricular", (150.0, 360.0), 1.60, 0.76),
    _plan((25.0, 6.0, 28.0), "deep white", (1500.0, 1500.0), 1.50, 0.66),
    _plan((-28.0, -12.0, 32.0), "deep white", (600.0, 600.0), 1.60, 0.74),
    _plan((-30.0, -66.0, 24.0), "juxtacortical", (180.0, 180.0), 1.45, 0.82),
    _plan((-6.0, -28.0, -34.0), "infratentorial", (70.0, 70.0), 1.45, 0.84),
    _plan((30.0, -66.0, 20.0), "periventricular", (900.0, 430.0), 1.55, 0.70),
    _plan((22.0, -52.0, -36.0), "infratentorial", (270.0, 110.0), 1.50, 0.80),
    _plan((-26.0, 4.0, 32.0), "deep white", (300.0, 0.0), 1.50, 0.80),
    _plan((26.0, 38.0, 14.0), "deep white", (90.0, 0.0), 1.55, 0.84),
)
"""Two new, two enlarging, four stable, two shrinking, two resolved; ratios stay clear of 1.5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomOptions:
    """What the pair looks like. Everything follows from the seed and these."""

    seed: int = 7
    skull_stripped: bool = False
    """Set everything outside the brain to zero, as published research data often are."""
    baseline: VisitOptions = SITE_A
    follow_up: VisitOptions = SITE_B
    lesions: tuple[LesionPlan, ...] = DEFAULT_LESIONS
    head_size: float = 1.0
    """Of the MNI152 head, whose brain of 1.9 l is larger than most; lesions keep their volumes."""
    no_change: bool = False
    """All lesions are there at both visits, with the larger of their two volumes."""
    swap: bool = False
    """Hand out the same images with the roles of the visits exchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomLesion:
    """The truth about one lesion."""

    id: int
    """Its value in `PhantomStudy.lesion_ids`."""
    status: ChangeKind
    region: Region
    baseline_volume_mm3: float
    follow_up_volume_mm3: float
    baseline_centroid_mm: Point
    """Patient mm (LPS) of the baseline FLAIR; of a new lesion, the place where it will be."""
    follow_up_centroid_mm: Point
    """Patient mm (LPS) of the follow-up FLAIR; of a resolved lesion, the place where it was."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhantomTruth:
    """All lesions, and how the head moved."""

    lesions: tuple[PhantomLesion, ...]
    baseline_from_follow_up: Affine
    """Patient world of the follow-up FLAIR -> of the baseline FLAIR, mm."""
    baseline_flair_from_t1: Affine
    follow_up_flair_from_t1: Affine


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhantomStudy:
    """One time point. The masks lie on the FLAIR's own grid."""

    t1: Volume
    flair: Volume
    lesions: Volume
    """bool: voxels filled by half or more."""
    lesion_ids: Volume
    """uint8: the same voxels with `PhantomLesion.id`."""
    brain: Volume
    """bool."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PhantomPair:
    """Two studies of one phantom head."""

    baseline: PhantomStudy
    follow_up: PhantomStudy
    truth: PhantomTruth


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Placed:
    """A plan with its id and its form in the head."""

    id: int
    plan: LesionPlan
    """As asked for: with the volumes in the scans."""
    in_head: LesionPlan
    """The same in the head's own world, before the head is made smaller or larger."""
    blob: Blob

    def volume_mm3(self, *, later: bool) -> float:
        """In the head's own world."""
        return self.in_head.follow_up_volume_mm3 if later else self.in_head.baseline_volume_mm3


def make_phantom_pair(options: PhantomOptions | None = None, *, head: PhantomHead | None = None) -> PhantomPair:
    """Both studies and the truth about them; the same options give the same voxels.

    `head` is `mni_head(options.seed)` by default; who makes several pairs saves time by making it once.

    Raises:
        ValueError: a lesion finds no room at its place.
    """
    options = options or PhantomOptions()
    head = head or mni_head(options.seed)
    plans = tuple(_unchanged(plan) for plan in options.lesions) if options.no_change else options.lesions
    in_head = tuple(plan.scaled(options.head_size**-3) for plan in plans)
    forms = lay_out(in_head, head, np.random.default_rng([options.seed, 1]))
    placed = tuple(
        _Placed(id=n, plan=plan, in_head=own, blob=blob)
        for n, (plan, own, blob) in enumerate(zip(plans, in_head, forms, strict=True), start=1)
    )
    first = _study(head, placed, options, later=False)
    second = _study(head, placed, options, later=True)
    truth = _truth(placed, options)
    if options.swap:
        return PhantomPair(baseline=second, follow_up=first, truth=_swapped(truth))
    return PhantomPair(baseline=first, follow_up=second, truth=truth)


def _unchanged(plan: LesionPlan) -> LesionPlan:
    volume = max(plan.baseline_volume_mm3, plan.follow_up_volume_mm3)
    return replace(plan, baseline_volume_mm3=volume, follow_up_volume_mm3=volume)


def _study(head: PhantomHead, placed: tuple[_Placed, ...], options: PhantomOptions, *, later: bool) -> PhantomStudy:
    visit = options.follow_up if later else options.baseline
    flair_from_head, t1_from_head = _positions(visit, options.head_size)
    present = tuple(lesion for lesion in placed if lesion.volume_mm3(later=later) > 0)
    rng = np.random.default_rng([options.seed, 2, int(later)])
    t1_implants = tuple(
        _implant(lesion, visit.t1.contrast.white * lesion.plan.t1_over_white, later=later) for lesion in present
    )
    flair_implants = tuple(
        _implant(lesion, visit.flair.contrast.white * lesion.plan.flair_over_white, later=later) for lesion in present
    )
    t1 = scan(head, t1_implants, options=visit.t1, scan_from_head=t1_from_head, rng=rng)
    flair = scan(head, flair_implants, options=visit.flair, scan_from_head=flair_from_head, rng=rng)
    grid = Grid.of(flair)
    brain = brain_on(head, grid, flair_from_head)
    if options.skull_stripped:
        t1 = t1.like(t1.array * brain_on(head, Grid.of(t1), t1_from_head).array)
        flair = flair.like(flair.array * brain.array)
    ids = truth_on(tuple((p.id, p.blob, p.volume_mm3(later=later)) for p in present), grid, flair_from_head)
    return PhantomStudy(t1=t1, flair=flair, lesions=flair.like(ids > 0), lesion_ids=flair.like(ids), brain=brain)


def _positions(visit: VisitOptions, head_size: float) -> tuple[Affine, Affine]:
    """`flair_from_head` and `t1_from_head`."""
    turned, size = rigid(visit.rotation_deg, visit.shift_mm), sized(head_size)
    return turned @ size, turned @ rigid(visit.motion_deg, visit.motion_mm) @ size


def _implant(lesion: _Placed, signal: float, *, later: bool) -> Implant:
    return Implant(blob=lesion.blob, volume_mm3=lesion.volume_mm3(later=later), signal=signal)


def _truth(placed: tuple[_Placed, ...], options: PhantomOptions) -> PhantomTruth:
    baseline_from_head, baseline_t1_from_head = _positions(options.baseline, options.head_size)
    follow_up_from_head, follow_up_t1_from_head = _positions(options.follow_up, options.head_size)
    lesions = tuple(
        PhantomLesion(
            id=lesion.id,
            status=lesion.plan.kind,
            region=lesion.plan.region,
            baseline_volume_mm3=lesion.plan.baseline_volume_mm3,
            follow_up_volume_mm3=lesion.plan.follow_up_volume_mm3,
            baseline_centroid_mm=_centroid(lesion, baseline_from_head, later=False),
            follow_up_centroid_mm=_centroid(lesion, follow_up_from_head, later=True),
        )
        for lesion in placed
    )
    return PhantomTruth(
        lesions=lesions,
        baseline_from_follow_up=baseline_from_head @ np.linalg.inv(follow_up_from_head),
        baseline_flair_from_t1=baseline_from_head @ np.linalg.inv(baseline_t1_from_head),
        follow_up_flair_from_t1=follow_up_from_head @ np.linalg.inv(follow_up_t1_from_head),
    )


def _centroid(lesion: _Placed, scan_from_head: Affine, *, later: bool) -> Point:
    volume = lesion.volume_mm3(later=later) or lesion.volume_mm3(later=not later)
    x, y, z = world_from_voxel(scan_from_head, lesion.blob.centroid(volume)[None])[0]
    return float(x), float(y), float(z)


def _swapped(truth: PhantomTruth) -> PhantomTruth:
    mirror: dict[ChangeKind, ChangeKind] = {
        "new": "resolved",
        "resolved": "new",
        "enlarging": "shrinking",
        "shrinking": "enlarging",
        "stable": "stable",
    }
    lesions = tuple(
        replace(
            lesion,
            status=mirror[lesion.status],
            baseline_volume_mm3=lesion.follow_up_volume_mm3,
            follow_up_volume_mm3=lesion.baseline_volume_mm3,
            baseline_centroid_mm=lesion.follow_up_centroid_mm,
            follow_up_centroid_mm=lesion.baseline_centroid_mm,
        )
        for lesion in truth.lesions
    )
    return PhantomTruth(
        lesions=lesions,
        baseline_from_follow_up=np.linalg.inv(truth.baseline_from_follow_up),
        baseline_flair_from_t1=truth.follow_up_flair_from_t1,
        follow_up_flair_from_t1=truth.baseline_flair_from_t1,
    )
