"""A brain without an atlas: coarse and fine regions by the nearest landmark, and where grey and white matter are."""

from __future__ import annotations

from functools import cache

import numpy as np

from exval.errors import InputError
from exval.fields.tissue import template

TISSUES = ("auto", "template", "analytic")
CENTRE, HALF_AXES = np.array([0.0, -18.0, 5.0]), np.array([70.0, 88.0, 72.0])  # of an ellipsoid about the template, mm

# Rough centres on the right side in mm of an MNI template, as any textbook has them; no atlas was read.
LANDMARKS = """
frontal: frontal pole 14 62 0; superior frontal gyrus 14 40 42; superior frontal gyrus 16 10 62; orbital gyri 26 38 -16
frontal: middle frontal gyrus 36 46 18; middle frontal gyrus 40 16 46; inferior frontal gyrus 50 24 12
frontal: gyrus rectus 6 34 -22; precentral gyrus 42 -10 50; paracentral lobule 8 -30 62
parietal: postcentral gyrus 46 -26 50; superior parietal lobule 24 -62 58; supramarginal gyrus 56 -36 32
parietal: angular gyrus 46 -62 36; precuneus 8 -58 44
temporal: temporal pole 38 14 -34; superior temporal gyrus 58 -10 -2; superior temporal gyrus 58 -34 14
temporal: middle temporal gyrus 60 -40 -4; inferior temporal gyrus 54 -30 -26; fusiform gyrus 34 -48 -18
temporal: transverse gyri 44 -22 8; parahippocampal gyrus 24 -26 -22
occipital: cuneus 8 -80 26; lingual gyrus 12 -72 -2; superior occipital gyrus 26 -84 26
occipital: inferior occipital gyrus 38 -80 -8; occipital pole 14 -98 -2
cingulate: anterior cingulate gyrus 6 36 16; subcallosal gyrus 6 18 -14; middle cingulate gyrus 6 -4 40
cingulate: posterior cingulate gyrus 6 -46 24
insula: short insular gyri 38 10 0; long insular gyri 40 -8 2
hippocampal: hippocampus 28 -20 -14; dentate gyrus 28 -34 -4; amygdala 24 -2 -20
striatum: head of caudate 12 14 6; body of caudate 16 -6 20; putamen 26 4 0; nucleus accumbens 10 10 -8
pallidum: globus pallidus 19 -4 -2; basal forebrain 14 2 -12
thalamus: anterior thalamus 6 -8 8; lateral thalamus 16 -20 8; pulvinar 14 -30 6
hypothalamus: hypothalamus 4 -4 -12; subthalamus 10 -14 -6
midbrain: substantia nigra 9 -18 -12; midbrain tegmentum 4 -26 -12; tectum 4 -34 -4
pons: basal pons 6 -22 -32; pontine tegmentum 4 -34 -30
medulla: upper medulla 5 -38 -46; lower medulla 3 -44 -58
cerebellum: anterior lobe 14 -46 -18; lobule VI 24 -62 -24; crus I 38 -64 -34; crus II 28 -74 -42
cerebellum: lobule VIII 20 -58 -54; vermis 2 -62 -26; flocculus 22 -40 -42; dentate nucleus 16 -56 -36
white matter: corpus callosum 6 10 20; frontal white matter 24 26 18; parietal white matter 26 -32 30
white matter: temporal white matter 40 -32 -6; occipital white matter 28 -66 10
"""


@cache
def landmarks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coarse region, fine region and (l, 3) position in mm of each landmark on the right side.

    Examples
    --------
    >>> division_l, structure_l, xyz_l3 = landmarks()
    >>> len(set(division_l)), len(set(structure_l)), xyz_l3.shape
    (16, 65, (68, 3))
    """
    found = []
    for line in LANDMARKS.strip().splitlines():
        division, listed = line.split(": ")
        for entry in listed.split("; "):
            *words, x, y, z = entry.split()
            found.append((division, " ".join(words), (float(x), float(y), float(z))))
    division, structure, xyz = zip(*found)
    return np.array(division, dtype=object), np.array(structure, dtype=object), np.array(xyz)


def nearest_landmark(xyz_n3: np.ndarray) -> np.ndarray:
    """(n,) number of the nearest landmark, both hemispheres laid onto one.

    Examples
    --------
    >>> landmarks()[1][nearest_landmark(np.array([[-30.0, -20, -14], [4, -44, -60]]))].tolist()
    ['hippocampus', 'lower medulla']
    """
    from scipy.spatial import cKDTree

    xyz = np.asarray(xyz_n3, dtype=np.float64)
    return cKDTree(landmarks()[2]).query(np.column_stack([np.abs(xyz[:, 0]), xyz[:, 1:]]))[1]


def regions_of(xyz_n3: np.ndarray) -> np.ndarray:
    """(n, 2) coarse and fine region of each place: cells of the nearest landmark, with sharp borders.

    This is a stand-in for tests and simulations. It is no atlas: borders are halfway between rough centres.

    Examples
    --------
    >>> regions_of(np.array([[28.0, -22, -14], [-4, -44, -60]])).tolist()
    [['hippocampal', 'hippocampus'], ['medulla', 'lower medulla']]
    """
    division_l, structure_l, _ = landmarks()
    row_n = nearest_landmark(xyz_n3)
    return np.column_stack([division_l[row_n], structure_l[row_n]])


def which_tissue(tissue: str = "auto") -> str:
    """``"template"`` or ``"analytic"``; with ``"auto"`` the template where nilearn is installed.

    Raises
    ------
    InputError
        Another word, or the template without nilearn.
    """
    from importlib.util import find_spec

    if tissue not in TISSUES:
        raise InputError(f"tissue is one of {', '.join(TISSUES)}, not {tissue!r}")
    there = find_spec("nilearn") is not None
    if tissue == "template" and not there:
        raise InputError("the tissue of the MNI template needs nilearn: pip install 'exval[brain]'")
    return ("template" if there else "analytic") if tissue == "auto" else tissue


def grey_minus_white(xyz_n3: np.ndarray, tissue: str = "auto") -> np.ndarray:
    """(n,) probability of grey matter less that of white matter, in [-1, 1].

    Parameters
    ----------
    xyz_n3
        mm.
    tissue
        ``"template"``: maps of the MNI152 template at 2 mm that nilearn ships (Fonov et al. 2011, NeuroImage 54),
        interpolated linearly, 0 outside. ``"analytic"``: a stand-in without nilearn, a grey shell 10 mm thick about a
        white ellipsoid, and grey below the cortex except at landmarks of white matter. ``"auto"``: the template where
        nilearn is installed.

    Examples
    --------
    >>> bool(grey_minus_white(np.array([[26.0, 26, 18]]), "analytic")[0] < 0)
    True
    """
    xyz = np.asarray(xyz_n3, dtype=np.float64)
    if which_tissue(tissue) == "template":
        from scipy.ndimage import map_coordinates

        difference, inverse = _template()
        index_3n = inverse[:3, :3] @ xyz.T + inverse[:3, 3:]
        return map_coordinates(difference, index_3n, order=1, mode="constant", cval=0.0).astype(np.float64)
    depth_n = (1 - np.sqrt((((xyz - CENTRE) / HALF_AXES) ** 2).sum(1))) * HALF_AXES.mean()  # about mm below the shell
    shell_n = -np.tanh((depth_n - 10) / 3)
    inner_n = np.isin(landmarks()[0][nearest_landmark(xyz)], ["striatum", "pallidum", "thalamus", "hypothalamus",
                                                              "midbrain", "hippocampal", "cerebellum"])  # fmt: skip
    return np.clip(np.where(inner_n, np.maximum(shell_n, 0.6), shell_n), -1, 1)


@cache
def _template() -> tuple[np.ndarray, np.ndarray]:
    grey_xyz, white_xyz, affine = template(2)
    return grey_xyz - white_xyz, np.linalg.inv(affine)
