"""Times operators of Voxelry and of its peers on the same volumes, in one run, at equal threads.

Usage: peers.py VOXELRY_PROGRAM WORK_FOLDER [--only REGEX] [--threads N] [--table FILE]

Every case runs in a process of its own: one warm-up, then the median of three (one, if it takes more than a
minute). Timed is the operator alone: images are in memory in the peer's own container before and after.
Memory is the peak of the resident set above what was resident before the operator ran. Peers' order alternates
with Voxelry's, so that a machine that slows down slows all.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
THREADS = int(os.environ.get("THREADS", "2"))
DATA = ""

# Operator: what Voxelry runs, the goal as a ratio, the bytes that must move at least (GB), and the peers.
CASES = {}


def case(name, voxelry, floor, need, peers):
    """`voxelry` is the command after `bench op`; @x stands for the volume x. `need` is the least ratio to reach."""
    CASES[name] = dict(voxelry=voxelry, floor=floor, need=need, peers=peers)


def load(name):
    import numpy as np

    return np.load(os.path.join(DATA, name + ".npy"))


def itk(array):
    import numpy as np
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(THREADS)
    return sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)


def dip(array):
    import diplib

    diplib.SetNumberOfThreads(THREADS)
    return diplib.Image(array)


def vtk_image(array):
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    vtk.vtkSMPTools.SetBackend("STDThread")
    vtk.vtkSMPTools.Initialize(THREADS)
    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=0))
    image.keep = array
    return image


def vtk_run(make):
    def run(image):
        import vtk

        f = make(vtk)
        f.SetInputData(image)
        f.Update()
        return f.GetOutput()

    return run


def module(name):
    import importlib

    return importlib.import_module(name)


def full(n):
    import numpy as np

    return np.ones((n,) * 3)


def ball(r):
    return module("skimage.morphology").ball(r)


def ndi():
    return module("scipy.ndimage")


def sk():
    return module("SimpleITK")


def dp():
    return module("diplib")


F32, U16, M512, M256 = 256**3 * 8 / 1e9, 256**3 * 4 / 1e9, 512**3 * 2 / 1e9, 256**3 * 2 / 1e9

case("gaussian σ 2, f32 256³", "gaussian --sigma 2 @foam_256_f32", F32, 2, {
    "DIPlib FIR": (lambda: dip(load("foam_256_f32")), lambda a: dp().Gauss(a, [2.0], method="FIR", truncation=4.0)),
    "ITK recursive": (lambda: itk(load("foam_256_f32")), lambda a: sk().SmoothingRecursiveGaussian(a, 2.0)),
    "scipy": (lambda: load("foam_256_f32"), lambda a: ndi().gaussian_filter(a, 2)),
})
for k in (3, 5):
    case(f"median {k}³, u16 256³", f"median --radius {k // 2} @foam_256_u16", U16, 2, {
        "ITK": (lambda: itk(load("foam_256_u16")), lambda a, k=k: sk().Median(a, [k // 2] * 3)),
        "VTK": (lambda: vtk_image(load("foam_256_u16")), lambda a, k=k: vtk_run(lambda v: median_vtk(v, k))(a)),
    })


def median_vtk(vtk, k):
    f = vtk.vtkImageMedian3D()
    f.SetKernelSize(k, k, k)
    return f


case("bilateral σ 1.5, f32 256³", "bilateral --sigma 1.5 --range 0.05 @foam_256_f32", F32, 2, {
    "DIPlib full": (lambda: dip(load("foam_256_f32")),
                    lambda a: dp().BilateralFilter(a, dp().Image(), [1.5], 0.05, 2.5, "full")),
})
case("non-local means 3³ in 7³, f32 256³", "non-local-means --h 0.04 --noise 0.045 --search 3 --patch 1 @foam_256_f32",
     F32, 2, {
    "dipy blockwise": (lambda: load("foam_256_f32"), lambda a: module("dipy.denoise.nlmeans").nlmeans(
        a, sigma=0.045, patch_radius=1, block_radius=3, rician=False, num_threads=THREADS, method="blockwise")),
})
case("total variation, 50 iterations, f32 256³", "total-variation --weight 0.1 --iterations 50 @foam_256_f32", F32, 2, {
    "scikit-image": (lambda: load("foam_256_f32"), lambda a: module("skimage.restoration").denoise_tv_chambolle(
        a, 0.1, eps=0, max_num_iter=50)),
})
case("Perona–Malik, 5 iterations, f32 256³",
     "anisotropic-diffusion --edge 0.05 --iterations 5 --step 0.0625 @foam_256_f32", F32, 2, {
    "DIPlib": (lambda: dip(load("foam_256_f32")), lambda a: dp().PeronaMalikDiffusion(a, 5, 0.05, 0.0625)),
})
case("Otsu, u16 256³", "otsu @foam_256_u16", U16, 1, {
    "OpenCV": (lambda: load("foam_256_u16").reshape(65536, 256), lambda a: module("cv2").threshold(a, 0, 1, 8)[1]),
    "scikit-image": (lambda: load("foam_256_u16"),
                     lambda a: a > module("skimage.filters").threshold_otsu(a)),
})
for volume, connectivity, need in (("blobs_512", 26, 2), ("blobs_512", 6, 2), ("blobs_512_salt", 26, 1)):
    name = "salted " if "salt" in volume else ""
    case(f"components {connectivity}, {name}512³", f"label --connectivity {connectivity} @{volume} --as mask",
         M512 + 512**3 * 4 / 1e9, need, {
        "cc3d": (lambda volume=volume: load(volume), lambda a, connectivity=connectivity: module(
            "cc3d").connected_components(a, connectivity=connectivity, binary_image=True)),
    })
case("distance, 512³", "distance @blobs_512 --as mask", 512**3 * 5 / 1e9, 2, {
    "DIPlib": (lambda: dip(load("blobs_512")), lambda a: dp().EuclideanDistanceTransform(a, "object", "separable")),
    "edt": (lambda: load("blobs_512"), lambda a: module("edt").edt(a, black_border=False, parallel=THREADS)),
})


def basins():
    import numpy as np

    return itk(load("negdist_256")), itk(load("markers_256").astype(np.uint32)), itk(load("gas_256"))


case("watershed, markers and mask, 256³",
     "watershed @negdist_256 --markers @markers_256 --mask @gas_256 --connectivity 26", 256**3 * 13 / 1e9, 2, {
    "ITK": (basins, lambda c: sk().Mask(sk().MorphologicalWatershedFromMarkers(c[0], c[1], False, True), c[2])),
})
case("split, gas of the foam, 256³", "split @gas_256 --as mask", 256**3 * 5 / 1e9, 2, {
    "scikit-image": (lambda: load("gas_256"), lambda a: split(a)),
    "porespy": (lambda: load("gas_256"), lambda a: snow(a)),
})


def split(a):
    """Maxima of the distance that rise by 1 above their necks, and the watershed from them."""
    distance = ndi().distance_transform_edt(a)
    peaks = module("skimage.morphology").h_maxima(distance, 1)
    markers = module("skimage.measure").label(peaks, connectivity=3)
    return module("skimage.segmentation").watershed(-distance, markers, connectivity=3, mask=a)


def snow(a):
    porespy = module("porespy")
    porespy.settings.tqdm["disable"] = True
    return porespy.filters.snow_partitioning(a).regions


case("open, ball of 3, mask 512³", "open --radius 3 --shape ball @blobs_512_salt --as mask", M512, 2, {
    "DIPlib": (lambda: dip(load("blobs_512_salt")), lambda a: dp().Opening(a, dp().SE(7, "elliptic"))),
})
case("open, ball of 3, u16 256³", "open --radius 3 --shape ball @foam_256_u16 --as grey", U16, 2, {
    "DIPlib": (lambda: dip(load("foam_256_u16")), lambda a: dp().Opening(a, dp().SE(7, "elliptic"))),
})
case("dilate 3³, mask 512³", "dilate --radius 1 --shape box @blobs_512_salt --as mask", M512, 2, {
    "scipy": (lambda: load("blobs_512_salt"), lambda a: ndi().binary_dilation(a, full(3))),
    "DIPlib": (lambda: dip(load("blobs_512_salt")), lambda a: dp().BinaryDilation(a, 3, 1)),
})
case("fill holes, 512³", "fill-holes @blobs_512_salt --as mask", M512, 2, {
    "DIPlib": (lambda: dip(load("blobs_512_salt")), lambda a: dp().FillHoles(a, 1)),
})
case("reconstruct, u16 256³", "reconstruct @foam_256_lowered --limit @foam_256_u16 --connectivity 26", U16 * 1.5, 2, {
    "DIPlib": (lambda: (dip(load("foam_256_lowered")), dip(load("foam_256_u16"))),
               lambda c: dp().MorphologicalReconstruction(c[0], c[1], 3)),
})
SHAPE = "label,voxel_count,bbox_z_min,bbox_z_max,bbox_y_min,bbox_y_max,bbox_x_min,bbox_x_max,centroid_z,centroid_y,centroid_x"
case("measure counts, boxes, centroids, 10,000 labels",
     f"measure @labels10k_256 --as labels --columns {SHAPE} --contacts false --image false", 256**3 * 4 / 1e9, 1, {
    "cc3d": (lambda: load("labels10k_256").astype("u4"),
             lambda a: module("cc3d").statistics(a, no_slice_conversion=True)),
})
case("measure all additive columns, 10,000 labels",
     "measure @labels10k_256 --as labels --intensity @foam_256_f32 --columns ADDITIVE --contacts false --image false",
     256**3 * 8 / 1e9, 1, {
    "DIPlib (no Euler number, no breadth)": (
        lambda: (dip(load("labels10k_256").astype("u4")), dip(load("foam_256_f32"))),
        lambda c: dp().MeasurementTool.Measure(c[0], c[1], [
            "Size", "SurfaceArea", "CartesianBox", "Minimum", "Maximum", "Center", "Gravity", "Inertia", "MajorAxes",
            "DimensionsEllipsoid", "Statistics", "MaxVal", "MinVal", "P2A", "GreyInertia"])),
})
case("contacts, 10,000 labels", "measure @labels10k_256 --as labels --columns label --contacts true --image false",
     256**3 * 4 / 1e9, 1, {
    "cc3d": (lambda: load("labels10k_256").astype("u4"),
             lambda a: module("cc3d").contacts(a, connectivity=26, surface_area=True)),
})
case("local thickness, 256³", "thickness @blobs_256 --as mask", 256**3 * 5 / 1e9, 2, {
    "localthickness (biased by 4 %)": (lambda: load("blobs_256"),
                                       lambda a: module("localthickness").local_thickness(a, scale=1)),
    "porespy (whole radii, biased by −7 %)": (lambda: load("blobs_256"), lambda a: thickness(a)),
})


def thickness(a):
    porespy = module("porespy")
    porespy.settings.tqdm["disable"] = True
    return porespy.filters.local_thickness(a, method="dt")


def edges(vtk):
    f = vtk.vtkFlyingEdges3D()
    f.SetValue(0, 16000 / 65535)
    f.ComputeNormalsOff()
    f.ComputeScalarsOff()
    return f


def zmesh(a):
    mesher = module("zmesh").Mesher((1, 1, 1))
    mesher.mesh(a)
    return mesher


def zmesh_out(a):
    mesher = zmesh(a)
    return [mesher.get(label, normals=False) for label in mesher.ids()]


case("surface mesh, f32 256³", f"mesh @foam_256_smooth --as grey --level {16000 / 65535}", 256**3 * 4 / 1e9, 2, {
    "VTK flying edges": (lambda: vtk_image(load("foam_256_smooth")), vtk_run(edges)),
})
case("surfaces of 10,000 labels", "mesh @labels10k_256 --as labels", 256**3 * 4 / 1e9, 1, {
    "zmesh, before its meshes are taken out": (lambda: load("labels10k_256").astype("u4"), zmesh),
    "zmesh, with its meshes": (lambda: load("labels10k_256").astype("u4"), zmesh_out),
})


def resident(key):
    for line in open("/proc/self/status"):
        if line.startswith(key):
            return int(line.split()[1]) * 1024 / 1e6


def one(name, peer):
    prepare, run = CASES[name]["peers"][peer]
    inputs = prepare()
    seconds, extra, out = [], 0.0, None
    for turn in range(4):
        del out
        before = resident("VmRSS:")
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
        start = time.perf_counter()
        out = run(inputs)
        took = time.perf_counter() - start
        extra = max(extra, resident("VmHWM:") - before)
        if turn or took > 60:
            seconds.append(took)
        if took > 60:
            break
    print("RESULT", json.dumps(dict(seconds=seconds, extra_mb=extra)))


def bandwidth():
    """GB/s read and written by a copy with all threads."""
    import numpy as np

    n = 256 << 20
    pairs = [(np.ones(n, np.uint8), np.empty(n, np.uint8)) for _ in range(THREADS)]
    best = 0
    for _ in range(5):
        threads = [threading.Thread(target=np.copyto, args=(b, a)) for a, b in pairs]
        start = time.perf_counter()
        [t.start() for t in threads]
        [t.join() for t in threads]
        best = max(best, 2 * n * THREADS / (time.perf_counter() - start) / 1e9)
    return best


def child(command):
    out = subprocess.run(command, capture_output=True, text=True, timeout=1800, env=ENVIRONMENT)
    lines = [l.removeprefix("RESULT ") for l in out.stdout.splitlines() if l.startswith(("RESULT ", "{"))]
    if out.returncode != 0 or not lines:
        return dict(error=(out.stderr.strip().splitlines() or ["no result"])[-1])
    return json.loads(lines[-1])


def ours(program, text):
    words = [os.path.join(DATA, w[1:] + ".npy") if w.startswith("@") else w for w in text.split()]
    if "ADDITIVE" in words:
        listed = subprocess.run([program, "columns", "--json"], capture_output=True, text=True, check=True)
        names = [c["name"] for c in json.loads(listed.stdout) if c["additive"]]
        words[words.index("ADDITIVE")] = ",".join(names)
    return child([program, "bench", "op", *words, "--threads", str(THREADS)])


def main():
    global DATA, THREADS, ENVIRONMENT
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--only", default="")
    parser.add_argument("--threads", type=int, default=min(os.cpu_count(), 2))
    parser.add_argument("--table")
    parser.add_argument("--one", nargs=1)
    options = parser.parse_args()
    THREADS = options.threads
    DATA = os.path.join(options.folder, "data")
    names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OPENBLAS_NUM_THREADS")
    ENVIRONMENT = os.environ | {n: str(THREADS) for n in names}
    if options.one:
        name, peer = options.one[0].split("|")
        return one(name, peer)
    subprocess.run([sys.executable, os.path.join(HERE, "volumes.py"), DATA], check=True)
    speed = bandwidth()
    print(f"copy: {speed:.1f} GB/s with {THREADS} threads", flush=True)
    rows = []
    for name, c in CASES.items():
        if not re.search(options.only, name, re.IGNORECASE):
            continue
        mine = ours(options.program, c["voxelry"])
        for peer in c["peers"]:
            theirs = child([sys.executable, __file__, options.program, options.folder, "--threads", str(THREADS),
                            "--one", f"{name}|{peer}"])
            again = ours(options.program, c["voxelry"])
            if "error" not in mine and "error" not in again:
                mine = dict(seconds=mine["seconds"] + again["seconds"], extra_mb=min(mine["extra_mb"], again["extra_mb"]))
            rows.append(row(name, c, peer, mine, theirs, speed))
            print(rows[-1], flush=True)
    if options.table:
        with open(options.table, "w") as f:
            f.write(HEAD + "\n".join(rows) + "\n")


HEAD = """| operator | Voxelry s | extra MB | peer | s | extra MB | faster | floor s |
|---|---|---|---|---|---|---|---|
"""


def row(name, c, peer, mine, theirs, speed):
    if "error" in mine or "error" in theirs:
        return f"| {name} | {mine.get('error', '')} | | {peer} | {theirs.get('error', '')} | | | |"
    a, b = statistics.median(mine["seconds"]), statistics.median(theirs["seconds"])
    mark = "" if b / a >= c["need"] else f" (to reach: {c['need']}×)"
    return (f"| {name} | {a:.3g} | {mine['extra_mb']:.0f} | {peer} | {b:.3g} | {theirs['extra_mb']:.0f} "
            f"| {b / a:.1f}×{mark} | {c['floor'] / speed:.3f} |")


if __name__ == "__main__":
    main()
