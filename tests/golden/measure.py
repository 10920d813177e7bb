"""Golden numbers for the object table: scikit-image 0.26, scipy 1.17, SimpleITK 2.5, cc3d 4.1.

Usage: measure.py > measure.csv. The scene is made by whole-number formulas, so that the test makes
the same one: Voronoi cells of a few seeds, cut by a ball, and a patterned intensity.
"""

import sys

import cc3d
import numpy as np
import SimpleITK as sitk
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.measure import regionprops_table

SHAPE, SPACING = (26, 24, 30), (2.0, 1.0, 0.5)
z, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
seeds = [((7 * k * k + 3) % SHAPE[0], (11 * k + 5) % SHAPE[1], (13 * k * k + 7 * k + 2) % SHAPE[2]) for k in range(14)]
distance = np.stack([(z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 for a, b, c in seeds])
labels = (np.argmin(distance, 0) * 3 + 2).astype(np.uint32)
labels[(z - 13) ** 2 + (y - 12) ** 2 + (x - 15) ** 2 > 150] = 0
labels[(z * 31 + y * 17 + x * 7) % 23 == 0] = 0
grey = ((z * 73 + y * 179 + x * 283) % 251).astype(np.float32) / 7 + x

names = ["label", "num_pixels", "area", "bbox", "centroid", "euler_number", "intensity_mean", "intensity_std", "intensity_min", "intensity_max", "intensity_median", "centroid_weighted"]
plain = regionprops_table(labels.astype(np.int32), grey, properties=names)
spaced = regionprops_table(labels.astype(np.int32), spacing=SPACING, properties=["label", "area", "inertia_tensor_eigvals"])
f = sitk.LabelShapeStatisticsImageFilter()
f.ComputePerimeterOn()
f.Execute(sitk.GetImageFromArray(labels))
hulls = []
for label in plain["label"]:
    p = np.argwhere(labels == label)
    corners = np.unique((p[:, None] + np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])).reshape(-1, 3), axis=0)
    hull = ConvexHull(corners * SPACING)
    hulls.append((hull.volume, pdist((corners * SPACING)[hull.vertices]).max()))
out = {"label": plain["label"], "voxel_count": plain["num_pixels"], "volume": spaced["area"]}
for i, axis in enumerate("zyx"):
    out[f"bbox_{axis}_min"], out[f"bbox_{axis}_max"] = plain[f"bbox-{i}"], plain[f"bbox-{i + 3}"]
    out[f"centroid_{axis}"] = plain[f"centroid-{i}"]
    out[f"weighted_centroid_{axis}"] = plain[f"centroid_weighted-{i}"]
out["euler_number_26"] = plain["euler_number"]
for ours, theirs in [("mean", "mean"), ("sd", "std"), ("min", "min"), ("max", "max"), ("median", "median")]:
    out[f"intensity_{ours}"] = plain[f"intensity_{theirs}"]
# Inertia eigenvalues are sums of two variances.
e = np.stack([spaced[f"inertia_tensor_eigvals-{i}"] for i in range(3)])
variances = np.sort(e.sum(0) / 2 - e, axis=0)[::-1]
for i in range(3):
    out[f"sd_{i + 1}"] = np.sqrt(variances[i])
out["surface_area_isotropic"] = [f.GetPerimeter(int(k)) for k in plain["label"]]
out["convex_volume"], out["feret_max"] = np.array(hulls).T
faces = cc3d.contacts(labels, connectivity=6, surface_area=True)
total = {int(k): 0.0 for k in plain["label"]}
for (a, b), n in faces.items():
    total[int(a)] += n
    total[int(b)] += n
out["face_contacts"] = [total[int(k)] for k in plain["label"]]
writer = sys.stdout
writer.write(",".join(out) + "\n")
for row in zip(*out.values()):
    writer.write(",".join(f"{v:.9g}" for v in row) + "\n")
