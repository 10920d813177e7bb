"""Times local thickness on large smooth objects, blobs, a foam and bone beside its peers, in one run, at equal threads.

Usage: thickness.py VOXELRY_PROGRAM FOLDER [--pi2 PROGRAM] [--bone FILE.tif] [--threads N]

`--pi2` is a program that takes an NPY file and prints `RESULT seconds`. Each volume is timed in turns, three times,
images in memory before and after; of wall-clock and processor time the medians. Volumes are `u8`, array axes z, y, x:

ball_R        an ellipsoid with semi-axes of about R voxels
blobs_R       noise smoothed until the greatest balls have about R voxels, above its median
foam          the cells of 1,100 random seeds with gaps of 2 voxels
bone          the middle 256³ voxels of a micro-CT of trabecular bone, as segmented there
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree


def volumes(folder, bone):
    os.makedirs(folder, exist_ok=True)
    rng = np.random.default_rng(1)

    def save(name, make):
        path = os.path.join(folder, name + ".npy")
        if not os.path.exists(path):
            np.save(path, make().astype("u1"))
        return name, path

    def ball(r):
        n = 2 * r + 40
        z, y, x = np.ogrid[:n, :n, :n]
        c = n / 2 - 0.3
        return (x - c) ** 2 + ((y - c) / 1.1) ** 2 + ((z - c) / 0.9) ** 2 < r * r

    def blobs(sigma):
        noise = rng.standard_normal((256,) * 3, dtype=np.float32)
        return ndimage.gaussian_filter(noise, sigma, mode="wrap") > 0

    def foam():
        seeds = rng.random((1100, 3)) * 296 - 20
        tree, out = cKDTree(seeds), np.empty((256,) * 3, bool)
        y, x = np.mgrid[0:256, 0:256]
        for z in range(256):
            d, _ = tree.query(np.stack([np.full(y.size, z), y.ravel(), x.ravel()], 1).astype(float), 2)
            out[z] = (d[:, 1] - d[:, 0] > 2.2).reshape(256, 256)
        return out

    def trabeculae():
        import tifffile

        a = tifffile.imread(bone) > 0
        start = [max(n - 256, 0) // 2 for n in a.shape]
        return a[tuple(slice(s, s + 256) for s in start)]

    for r in (5, 20, 60):
        yield save(f"ball_{r}", lambda: ball(r))
    for r, sigma in ((10, 3.1), (38, 12.5), (59, 25)):
        yield save(f"blobs_{r}", lambda: blobs(sigma))
    yield save("foam", foam)
    if bone:
        yield save("bone", trabeculae)


def peer(name, path):
    """Runs in a process of its own."""
    a = np.load(path) > 0
    if name == "localthickness":
        import localthickness

        run = lambda: localthickness.local_thickness(a, scale=1)
    else:
        import porespy

        porespy.settings.tqdm["disable"] = True
        run = lambda: porespy.filters.local_thickness(a, method="dt")
    start, used = time.perf_counter(), time.process_time()
    run()
    print("RESULT", time.perf_counter() - start, time.process_time() - used)


def timed(command, threads):
    names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(command, capture_output=True, text=True, env=os.environ | {n: threads for n in names})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    for line in (out.stdout + out.stderr).splitlines():
        if line.startswith("{"):
            return min(json.loads(line)["seconds"]), used / 4
        if line.startswith("RESULT"):
            numbers = [float(w) for w in line.split()[1:] if w[0].isdigit()]
            return numbers[0], numbers[1] if len(numbers) == 2 else used
    raise SystemExit(f"{command}: {out.stderr}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--pi2")
    parser.add_argument("--bone")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--peer")
    options = parser.parse_args()
    if options.peer:
        return peer(options.peer, options.folder)
    print("| volume | Voxelry s | processor s | peer | s | processor s | faster | processor |\n|---|---|---|---|---|---|---|---|")
    for name, path in volumes(options.folder, options.bone):
        peers = {p: [sys.executable, __file__, "-", path, "--peer", p] for p in ("localthickness", "porespy")}
        if options.pi2:
            peers = {"pi2": [options.pi2, path]} | peers
        ours = [options.program, "bench", "op", "thickness", path, "--as", "mask", "--threads", options.threads]
        for peer_name, command in peers.items():
            turns = [(timed(ours, options.threads), timed(command, options.threads)) for _ in range(options.turns)]
            of = lambda side, which: statistics.median(t[side][which] for t in turns)
            print(f"| {name} | {of(0, 0):.3g} | {of(0, 1):.3g} | {peer_name} | {of(1, 0):.3g} | {of(1, 1):.3g} "
                  f"| {of(1, 0) / of(0, 0):.1f}× | {of(1, 1) / of(0, 1):.1f}× |", flush=True)


if __name__ == "__main__":
    main()
