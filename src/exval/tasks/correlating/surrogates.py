"""Maps that are as smooth as the contrast and know nothing of the genes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from exval.errors import InputError
from exval.progress import track

BATCH = 50
LEAST_NEAR, NEAREST, FARTHEST, SIZES = 5, 0.02, 0.9, 9
FITTED = 70  # % of the distances
PAIRS = 20_000
MOST = 6000


def surrogate_maps(value_n: np.ndarray, xyz_n3: np.ndarray, n: int = 1000, seed: int = 0) -> np.ndarray:
    """(s, n) maps with about the variogram of a map, at the same places.

    Values are permuted, smoothed over the nearest neighbours, scaled, and given noise so that the variogram fits that
    of the map best (Burt et al. 2020, NeuroImage 220; ``Base`` of brainsmash). Both hemispheres are taken as they are,
    distances are straight lines.

    Two documented settings of the library are not left as they come. Neighbourhoods hold from 2 % of the places (five
    at least) to 90 %, evenly spaced in their ratio, where the library begins at 10 %, a ball of nearly 40 mm in the
    cortex; and the variogram is fitted up to 70 % of the distances (as in the library's ``Sampled``), not 25 %. On
    simulated maps both bring the variogram of surrogates nearer to that of the map; what is left of false positives is
    measured apart (``benchmarks/brain_null.py``).

    Parameters
    ----------
    value_n
        The map.
    xyz_n3
        (n, 3) mm.
    n, seed
        How many, and their seed.

    Raises
    ------
    InputError
        brainsmash is not installed; a map that does not vary; more places than fit into memory.

    Examples
    --------
    >>> xyz = np.random.default_rng(0).uniform(-50, 50, (60, 3))
    >>> maps = surrogate_maps(np.sin(xyz[:, 0] / 20), xyz, n=4)
    >>> maps.shape, bool(np.abs(maps.mean(1)).max() < 1e-9)
    ((4, 60), True)
    """
    if len(value_n) > MOST:
        raise InputError(
            f"spatial surrogates over {len(value_n):,} places need too much memory (at most {MOST:,}); give --atlas"
        )
    if np.ptp(value_n) == 0:
        raise InputError("the contrast is the same everywhere: nothing can go along with it")
    from scipy.spatial.distance import cdist

    distance_nn = cdist(xyz_n3, xyz_n3)
    z_n = (value_n - value_n.mean()) / value_n.std()
    made = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # brainsmash calls numpy.row_stack
        maker = _maker()(z_n, distance_nn, deltas=neighbourhoods(len(z_n)), pv=FITTED, seed=seed)
        parts = [min(BATCH, n - start) for start in range(0, n, BATCH)]
        for part in track(parts, "Drawing surrogate maps", total=len(parts)):
            made.append(np.asarray(maker(n=part, batch_size=part)).reshape(part, -1))
    maps_sn = np.concatenate(made)
    if not np.isfinite(maps_sn).all():
        raise InputError("surrogates could not be drawn: many places coincide; leave out those that stand there twice")
    return maps_sn


def neighbourhoods(n: int) -> np.ndarray:
    """Shares of the places over which surrogates are smoothed.

    Examples
    --------
    >>> neighbourhoods(1000)[[0, -1]].round(3).tolist(), (neighbourhoods(50)[0] * 50).round(1).item()
    ([0.02, 0.9], 5.0)
    """
    return np.geomspace(max(NEAREST, LEAST_NEAR / n), FARTHEST, SIZES)


def _maker() -> type[Any]:
    """brainsmash's Base with the same sums as products of matrices: the same maps, twelve times as fast."""
    try:
        from brainsmash.mapgen import Base
    except ImportError:
        raise InputError("spatial surrogates need brainsmash: pip install 'exval[brain]'") from None

    class Maker(Base):
        _pairs: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

        def compute_smooth_variogram(self, x: np.ndarray, return_h: bool = False) -> Any:
            x_nk = np.ma.getdata(x).reshape(self._nmap, -1)
            if self._pairs is None:
                first, second = (part[self._uidx] for part in self._triu)
                weight_hp = np.exp(-np.square(2.68 * (self._u[self._uidx] - self._h[:, None]) / self._b) / 2)
                self._pairs = first, second, weight_hp / weight_hp.sum(1, keepdims=True)
            first, second, weight_hp = self._pairs
            out_hk = np.zeros((len(self._h), x_nk.shape[1]))
            for start in range(0, len(first), PAIRS):
                here = slice(start, start + PAIRS)
                out_hk += weight_hp[:, here] @ (0.5 * np.square(x_nk[second[here]] - x_nk[first[here]]))
            out = np.squeeze(out_hk)
            return (out, self._h) if return_h else out

        def smooth_map(self, x: np.ndarray, delta: float) -> np.ndarray:
            weight_nk = self._kernel(self._dkn[delta])
            weight_nn = np.zeros((self._nmap, self._nmap))
            np.put_along_axis(weight_nn, self._jkn[delta], weight_nk / weight_nk.sum(1, keepdims=True), axis=1)
            return weight_nn @ np.ma.getdata(x)

    return Maker
