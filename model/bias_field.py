"""The slow gain of an image over the head, as the exponential of a polynomial of the position.

Source: Van Leemput et al. 1999, doi:10.1109/42.811268 (bias field inside expectation maximisation).
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy.typing import NDArray

RIDGE = 1e-4
"""Of the squares' sum: keeps terms at zero that a brain which fills a part of the grid does not determine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polynomials:
    """Products of Legendre polynomials along the three axes of a grid, without the constant."""

    shape: tuple[int, int, int]
    order: int
    """Largest sum of the three degrees."""

    @property
    def degrees(self) -> tuple[tuple[int, int, int], ...]:
        """Of every term along every axis."""
        every = product(range(self.order + 1), repeat=3)
        return tuple((i, j, k) for i, j, k in every if 0 < i + j + k <= self.order)

    def at(self, voxels: Int[NDArray[Any], "n 3"]) -> Float[NDArray[Any], "n terms"]:
        """The terms at some voxels."""
        tables = [table[voxels[:, axis]] for axis, table in enumerate(self._tables())]
        return np.stack([tables[0][:, i] * tables[1][:, j] * tables[2][:, k] for i, j, k in self.degrees], axis=1)

    def log_gain(self, weights: Float[NDArray[Any], " terms"]) -> Float32[NDArray[Any], "d h w"]:
        """The weighted sum of the terms on the whole grid."""
        cube = np.zeros((self.order + 1,) * 3)
        for degree, weight in zip(self.degrees, weights, strict=True):
            cube[degree] = weight
        d, h, w = self._tables()
        return np.asarray(np.einsum("ijk,di,hj,wk->dhw", cube, d, h, w, optimize=True), np.float32)

    def _tables(self) -> list[NDArray[np.float64]]:
        """Per axis: value of each degree at each voxel."""
        places = [np.linspace(-1.0, 1.0, n) for n in self.shape]
        return [np.asarray(np.polynomial.legendre.legvander(at, self.order), np.float64) for at in places]


def fitted_weights(
    terms: Float[NDArray[Any], "n terms"], residuals: Float[NDArray[Any], " n"], trust: Float[NDArray[Any], " n"]
) -> Float[NDArray[Any], " terms"]:
    """Weights of the terms that explain the residuals in the sense of trust-weighted least squares.

    A constant is fitted beside them and thrown away: the level of an image belongs to its tissues.
    """
    columns = np.concatenate([np.ones((len(terms), 1)), terms], axis=1)
    weighted = columns * trust[:, None]
    squares = weighted.T @ columns
    squares[np.diag_indices_from(squares)] += RIDGE * trust.sum()
    return np.asarray(np.linalg.solve(squares, weighted.T @ residuals)[1:])
