"""The volumes that the benchmarks and their peers run on: made once, deterministic (fixed seeds), array axes z, y, x.

foam_256_u16    wet foam: 700 seeds thrown with a least distance; d1…d3 the distances to the nearest seeds;
                liquid where d3 − d1 < 5 (Plateau borders, no films); gas 8000, liquid 24000, blurred by σ = 1,
                noise of σ = 3000. foam_256_f32 is the same divided by 65535.
labels10k_256   Voronoi cells of 10,000 random seeds as i32, with gaps of background between them.
blobs_512       Gaussian noise smoothed by σ = 5 (periodic), above its 70 % quantile: 30 % solid, like trabecular
                bone. blobs_512_salt has one voxel in a thousand flipped. blobs_256 is the middle of blobs_512.
dist, gas, markers_256   the distance map of the foam's gas, the gas, and the components of its peaks.

Usage: volumes.py FOLDER
"""

import os
import sys

import nibabel
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree


def nearest(seeds, n, k):
    """Distances to the k nearest seeds, and the index of the nearest, for n³ voxels."""
    tree = cKDTree(seeds)
    distances = np.empty((n, n, n, k), np.float32)
    first = np.empty((n, n, n), np.int32)
    y, x = np.mgrid[0:n, 0:n]
    for z in range(n):
        points = np.stack([np.full(n * n, z), y.ravel(), x.ravel()], 1).astype(float)
        d, i = tree.query(points, k=k, workers=-1)
        distances[z] = d.reshape(n, n, k)
        first[z] = i[:, 0].reshape(n, n)
    return distances, first


def make(folder):
    os.makedirs(folder, exist_ok=True)
    finished = os.path.join(folder, "complete")
    if os.path.exists(finished):
        return

    def save(name, array, nifti=False):
        np.save(os.path.join(folder, name + ".npy"), array)
        if nifti:
            image = nibabel.Nifti1Image(array.astype(np.uint8 if array.dtype == bool else array.dtype).T, np.eye(4))
            image.header.set_xyzt_units("mm")
            nibabel.save(image, os.path.join(folder, name + ".nii.gz"))
        print(name, array.shape, array.dtype, flush=True)

    n, count = 256, 700
    rng = np.random.default_rng(20240601)
    least = 0.75 * (n**3 / count) ** (1 / 3)
    seeds = np.empty((0, 3))
    while len(seeds) < count:
        seed = rng.uniform(0, n, 3)
        if len(seeds) == 0 or ((seeds - seed) ** 2).sum(1).min() >= least * least:
            seeds = np.vstack([seeds, seed])
    distances, _ = nearest(seeds, n, 3)
    liquid = (distances[..., 2] - distances[..., 0]) < 5
    del distances
    image = ndimage.gaussian_filter(np.where(liquid, 24000, 8000).astype(np.float32), 1.0)
    image += rng.standard_normal(image.shape, dtype=np.float32) * 3000
    u16 = np.clip(np.rint(image), 0, 65535).astype(np.uint16)
    save("foam_256_u16", u16, nifti=True)
    save("foam_256_f32", u16.astype(np.float32) / 65535)
    gas = ~liquid
    distance = ndimage.distance_transform_edt(gas).astype(np.float32)
    peaks = (ndimage.maximum_filter(distance, size=11) == distance) & (distance > 3)
    save("dist_256", distance)
    save("gas_256", gas)
    save("markers_256", ndimage.label(peaks, np.ones((3, 3, 3)))[0].astype(np.int32))

    points = np.random.default_rng(10).uniform(0, n, (10000, 3))
    distances, first = nearest(points, n, 2)
    save("labels10k_256", np.where(distances[..., 1] - distances[..., 0] > 1, first + 1, 0).astype(np.int32))

    noise = np.random.default_rng(7).standard_normal((512,) * 3, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, 5, mode="wrap")
    blobs = noise > np.quantile(noise, 0.70)
    del noise
    middle = slice(128, 384)
    save("blobs_512", blobs, nifti=True)
    save("blobs_256", np.ascontiguousarray(blobs[middle, middle, middle]))
    specks = np.random.default_rng(8).random((512,) * 3, dtype=np.float32) < 0.001
    save("blobs_512_salt", blobs ^ specks)
    # Twins that need no conversion on the way in: markers as u32, the mirrored distance, a smoothed foam.
    save("negdist_256", -distance)
    save("foam_256_smooth", ndimage.gaussian_filter(u16.astype(np.float32) / 65535, 1))
    marker = np.maximum(u16.astype(np.int32) - 2000, 0).astype(np.uint16)
    save("foam_256_lowered", marker)
    open(finished, "w").close()


if __name__ == "__main__":
    make(sys.argv[1])
