"""Tissue intensities and bias field of one T1 and FLAIR scan by expectation maximisation under an atlas.

    atlas prior x Gaussian of each class  ->  posterior  ->  means, covariances  ->  bias field  -> (again)

Lesions are a class of their own, so that they do not widen white matter. Its Gaussian is tied to that of white
matter by pseudo-measurements, as the class has few voxels or none.

Source: Van Leemput et al. 1999, doi:10.1109/42.811268; Cerri et al. 2021, doi:10.1016/j.neuroimage.2020.117471.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from numpy.typing import NDArray

from model.bias_field import fitted_weights

T1, FLAIR = 0, 1
"""The channels."""


class Class(IntEnum):
    """What a voxel can hold."""

    FLUID = 0
    GREY = 1
    WHITE = 2
    LESION = 3
    OTHER = 4
    """Vessels, meninges, what stripping left: any intensity."""


GAUSSIAN = (Class.FLUID, Class.GREY, Class.WHITE, Class.LESION)
CARRIES_BIAS = (Class.GREY, Class.WHITE)
"""Fluid is too dark to show a gain, and lesions would be flattened by one."""

Values = Float32[NDArray[Any], "n 2"]
PerClass = Float32[NDArray[Any], "n 5"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureSettings:
    """How a scan is fitted. Intensities are parts of the white matter's."""

    iterations: int = 30
    narrowest: float = 0.02
    """Smallest standard deviation of a class."""
    lesion_flair: float = 1.45
    """Expected intensity of a lesion, as is the next line."""
    lesion_t1: float = 0.8
    lesion_spread: float = 0.2
    lesion_measurements: float = 2000.0
    """Pseudo-measurements behind these expectations."""
    other_density: float = 0.1
    """Of the uniform class, per unit of T1 and FLAIR."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mixture:
    """Intensities of the Gaussian classes, and the gain that lies over the scan."""

    means: Float[NDArray[Any], "4 2"]
    """Of `GAUSSIAN`; T1, FLAIR."""
    covariances: Float[NDArray[Any], "4 2 2"]
    log_gain: Float[NDArray[Any], "2 terms"]
    """Weights of the polynomials: T1, FLAIR."""
    other_density: float


def fit_mixture(
    values: Values, priors: PerClass, terms: Float[NDArray[Any], "n terms"], settings: MixtureSettings
) -> Mixture:
    """The mixture of a scan.

    Args:
        values: a sample of the voxels of the brain, white matter about 1.
        priors: of `Class` there.
        terms: of the bias field there.
        settings: how.
    """
    logs = np.log(np.maximum(values, 0.05)).astype(np.float64)
    mixture = _first(values, priors, terms.shape[1], settings)
    for _ in range(settings.iterations):
        corrected = (values * np.exp(-(terms @ mixture.log_gain.T))).astype(np.float32)
        posteriors = posteriors_of(mixture, corrected, priors)
        mixture = _moments(corrected, posteriors, mixture.log_gain, settings)
        mixture = _with_gain(mixture, logs, posteriors, terms)
    return mixture


def posteriors_of(mixture: Mixture, values: Values, priors: PerClass) -> PerClass:
    """Probability of each class given the corrected intensities."""
    likelihood = np.full((len(values), len(Class)), mixture.other_density, np.float32)
    for k in GAUSSIAN:
        likelihood[:, k] = _density(values, mixture.means[k], mixture.covariances[k])
    # a lesion is brighter than grey matter in FLAIR: what is darker is something else that white matter is not
    likelihood[values[:, FLAIR] < mixture.means[Class.GREY, FLAIR], Class.LESION] = 0.0
    joint = likelihood * priors
    return np.asarray(joint / np.maximum(joint.sum(axis=1, keepdims=True), 1e-20), np.float32)


def _first(values: Values, priors: PerClass, terms: int, settings: MixtureSettings) -> Mixture:
    """Medians where the atlas is surest."""
    means, covariances = np.zeros((4, 2)), np.zeros((4, 2, 2))
    for k in (Class.FLUID, Class.GREY, Class.WHITE):
        sure = values[priors[:, k] >= np.quantile(priors[:, k], 0.95)]
        means[k] = np.median(sure, axis=0)
        spread = 1.4826 * np.median(np.abs(sure - means[k]), axis=0)
        covariances[k] = np.diag(np.square(np.maximum(spread, 0.05)))
    means[Class.LESION], covariances[Class.LESION] = _expected_lesion(means[Class.WHITE], settings)
    return Mixture(
        means=means, covariances=covariances, log_gain=np.zeros((2, terms)), other_density=settings.other_density
    )


def _expected_lesion(
    white: Float[NDArray[Any], "2"], settings: MixtureSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean = np.asarray(white * (settings.lesion_t1, settings.lesion_flair))
    return mean, np.diag(np.square(settings.lesion_spread * white))


def _moments(values: Values, posteriors: PerClass, log_gain: NDArray[np.float64], settings: MixtureSettings) -> Mixture:
    means, covariances = np.zeros((4, 2)), np.zeros((4, 2, 2))
    floor = np.eye(2) * settings.narrowest**2
    for k in GAUSSIAN:
        weight = posteriors[:, k].astype(np.float64)
        count, total = weight.sum(), weight @ values
        expected, spread, pseudo = total / max(count, 1.0), np.zeros((2, 2)), 0.0
        if k == Class.LESION:
            expected, spread = _expected_lesion(means[Class.WHITE], settings)
            pseudo = settings.lesion_measurements
        means[k] = (total + pseudo * expected) / max(count + pseudo, 1.0)
        centred = values - means[k]
        shift = means[k] - expected
        scatter = (centred * weight[:, None]).T @ centred + pseudo * (spread + np.outer(shift, shift))
        covariances[k] = scatter / max(count + pseudo, 1.0) + floor
    return Mixture(means=means, covariances=covariances, log_gain=log_gain, other_density=settings.other_density)


def _with_gain(
    mixture: Mixture, logs: NDArray[np.float64], posteriors: PerClass, terms: NDArray[np.float64]
) -> Mixture:
    """The bias field that explains how grey and white matter deviate from their means, to first order.

    log x = log gain + log mean + noise / mean: the trust of a voxel is its posterior times (mean / deviation)^2.
    """
    gains = []
    for channel in (T1, FLAIR):
        trust, residual = np.zeros(len(logs)), np.zeros(len(logs))
        for k in CARRIES_BIAS:
            mean = mixture.means[k, channel]
            one = posteriors[:, k] * (mean**2 / mixture.covariances[k, channel, channel])
            trust += one
            residual += one * (logs[:, channel] - np.log(mean))
        gains.append(fitted_weights(terms, residual / np.maximum(trust, 1e-9), trust))
    return Mixture(
        means=mixture.means,
        covariances=mixture.covariances,
        log_gain=np.stack(gains),
        other_density=mixture.other_density,
    )


def _density(
    values: Values, mean: Float[NDArray[Any], "2"], covariance: Float[NDArray[Any], "2 2"]
) -> Float32[NDArray[Any], " n"]:
    (a, b), (_, c) = np.linalg.inv(covariance).astype(np.float32)
    x, y = values[:, T1] - np.float32(mean[T1]), values[:, FLAIR] - np.float32(mean[FLAIR])
    distance = a * x * x + 2 * b * x * y + c * y * y
    scale = 1.0 / (2 * np.pi * np.sqrt(np.linalg.det(covariance)))
    return np.asarray(np.float32(scale) * np.exp(np.float32(-0.5) * distance), np.float32)
