"""Reference figures of scikit-learn and SciPy for the tests of analysis/src/outliers and analysis/src/cluster.

python3 -m pip install scikit-learn scipy numpy; python3 tests/golden/analysis.py > tests/golden/analysis.json
"""

import json
import math

import numpy as np
import scipy
import scipy.cluster.hierarchy as hierarchy
import sklearn
from sklearn.cluster import KMeans
from sklearn.covariance import MinCovDet
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor

MASK = (1 << 64) - 1


class Random:
    """The generator of analysis/src/matrix/random.rs."""

    def __init__(self, seed, number):
        product = number * 0xD1342543DE82EF95 & MASK
        self.state = seed ^ ((product << 31 | product >> 33) & MASK)
        self.state = self.next() + number & MASK

    def next(self):
        self.state = self.state + 0x9E3779B97F4A7C15 & MASK
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return z ^ z >> 31

    def unit(self):
        return (self.next() >> 11) / (1 << 53)

    def normal(self):
        radius = math.sqrt(-2 * math.log(1 - self.unit()))
        return radius * math.cos(2 * math.pi * self.unit())


def rows():
    """Three groups of 40 rows in 4 columns, and 6 rows far from all."""
    random = Random(5, 0)
    centres = [(0, 0, 0, 0), (6, 1, -4, 2), (-5, 5, 3, 0)]
    data = []
    for n in range(120):
        a, b, c, d = (random.normal() for _ in range(4))
        x = (a, 0.6 * a + 0.8 * b, c, 0.5 * d + 0.3 * c)
        data.append([p + q for p, q in zip(x, centres[n % 3])])
    for n in range(6):
        data.append([15 + random.normal(), -12 + random.normal(), 9 + n, random.normal()])
    return np.array(data)


data = rows()
scaled = (data - data.mean(0)) / data.std(0, ddof=1)
bulk = data[0:120:3].tolist() + data[120:].tolist()
bulk = np.array(bulk)
pca = PCA().fit(scaled)
linkage = hierarchy.linkage(scaled, "ward")
means = KMeans(4, n_init=50, random_state=0, tol=0).fit(scaled)
gmm = GaussianMixture(4, n_init=1, tol=1e-12, max_iter=5000, random_state=0,
                      means_init=means.cluster_centers_, reg_covar=1e-6).fit(scaled)
lof = LocalOutlierFactor(20).fit(data)
# The best of many beginnings.
mcd = min((MinCovDet(random_state=n).fit(bulk) for n in range(100)), key=lambda m: np.linalg.slogdet(m.raw_covariance_)[1])
print(json.dumps({
    "versions": {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
    "first": data[0].tolist(),
    "sum": float(data.sum()),
    "pca_variances": pca.explained_variance_.tolist(),
    "pca_first": np.abs(pca.components_[0]).tolist(),
    "kmeans_inertia": float(means.inertia_),
    "kmeans_sizes": sorted(np.bincount(means.labels_).tolist(), reverse=True),
    "gmm_log_likelihood": float(gmm.score(scaled) * len(scaled)),
    "gmm_bic": float(gmm.bic(scaled)),
    "ward_heights": linkage[:, 2].tolist(),
    "lof": (-lof.negative_outlier_factor_).tolist(),
    "mcd_squared": mcd.dist_.tolist(),
}, indent=1))
