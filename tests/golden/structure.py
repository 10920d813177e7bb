"""Golden numbers for structures and skeletons: scikit-image 0.26, scipy 1.17, porespy 3.2,
localthickness 0.1.3, edt 3.0.

Usage: structure.py > structure.json. The scene is made by whole-number formulas, so that the test makes
the same one: balls joined by square rods.
"""

import json
import sys

import edt
import localthickness
import numpy as np
import porespy
from scipy import ndimage
from skimage.graph import MCP_Geometric
from skimage.measure import shannon_entropy
from skimage.morphology import skeletonize

SHAPE = (40, 44, 48)
z, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
seeds = [tuple(6 + (a * k * k + b * k + c) % (n - 12) for a, b, c, n in zip((7, 11, 13), (3, 5, 7), (2, 9, 4), SHAPE)) for k in range(9)]
mask = np.zeros(SHAPE, bool)
for k, (a, b, c) in enumerate(seeds):
    mask |= (z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 <= 6 + 5 * (k % 4)
for p, q in zip(seeds, seeds[1:]):
    for i in range(3):
        # Along axis i from p, where the axes before it are already those of q.
        low = [min(p[j], q[j]) if j == i else (q[j] if j < i else p[j]) for j in range(3)]
        high = [max(p[j], q[j]) if j == i else (q[j] if j < i else p[j]) for j in range(3)]
        mask[tuple(slice(l - 1, h + 2) for l, h in zip(low, high))] = True
grey = ((z * 73 + y * 179 + x * 283) % 251 * (mask + 1) // 2).astype(np.uint8)

out = {"voxels": int(mask.sum()), "entropy": float(shannon_entropy(grey))}

skeleton = skeletonize(mask, method="lee") > 0
around = np.ones((3, 3, 3))
degree = ndimage.convolve(skeleton.astype(int), around.astype(int), mode="constant") - 1
junction = skeleton & (degree > 2)
line = skeleton & ~junction & (degree > 0)
out["skeleton_voxels"] = int(skeleton.sum())
out["skeleton_ends"] = int((skeleton & (degree == 1)).sum())
out["skeleton_junctions"] = int(ndimage.label(junction, around)[1])
out["skeleton_branches"] = int(ndimage.label(line, around)[1])
points = np.argwhere(skeleton)
d = np.abs(points[:, None] - points[None])
joined = (d.max(-1) == 1) & ~(junction[tuple(points.T)][:, None] & junction[tuple(points.T)][None])
out["skeleton_length"] = float((np.sqrt((d**2).sum(-1)) * joined).sum() / 2)

# From the first voxel to the farthest and on, until it grows no more; steps to 26 neighbours.
cost = np.where(mask, 1.0, -1.0)
start, longest = tuple(np.argwhere(mask)[0]), -1.0
while True:
    found, _ = MCP_Geometric(cost, fully_connected=True).find_costs([start])
    found[~np.isfinite(found)] = -1
    end = np.unravel_index(np.argmax(found), SHAPE)
    if found[end] <= longest:
        break
    longest, start = float(found[end]), end
out["geodesic_26"] = longest

for name, phase in [("thickness", mask), ("separation", ~mask)]:
    t = localthickness.local_thickness(phase, scale=1)[phase]
    out[f"{name}_mean_localthickness"] = float(2 * t.mean())
    d = edt.edt(phase)
    t = porespy.filters.local_thickness(phase, dt=d, method="legacy", sizes=np.unique(d)[:0:-1])[phase]
    out[f"{name}_mean_porespy"] = float(2 * t.mean())
    out[f"{name}_sd_porespy"] = float(2 * t.std())
    out[f"{name}_max_edt"] = float(2 * ndimage.distance_transform_edt(phase).max())

# Complete chords of the structure.
out["chords"] = {}
for axis, name in enumerate("zyx"):
    runs = np.diff(np.pad(np.moveaxis(mask, axis, -1).astype(int), ((0, 0), (0, 0), (1, 1))), axis=-1)
    begin, end = np.argwhere(runs == 1), np.argwhere(runs == -1)
    inner = (begin[:, 2] > 0) & (end[:, 2] < SHAPE[axis])
    lengths, counts = np.unique((end - begin)[inner, 2], return_counts=True)
    out["chords"][name] = {int(l): int(c) for l, c in zip(lengths, counts)}

# Voronoi cells of small balls at the seeds, without and with the voxels as near to another.
labels = np.zeros(SHAPE, np.uint32)
for k, (a, b, c) in enumerate(seeds):
    labels[(z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 <= 4] = k + 1
squared = np.stack([np.rint(ndimage.distance_transform_edt(labels != k + 1) ** 2) for k in range(len(seeds))])
nearest = squared == squared.min(0)
alone = nearest & (nearest.sum(0) == 1)
out["cells"] = {k + 1: [int(alone[k].sum()), int(nearest[k].sum())] for k in range(len(seeds))}
json.dump(out, sys.stdout, indent=1)
sys.stdout.write("\n")
