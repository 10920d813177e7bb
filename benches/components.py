#!/usr/bin/env python3
"""Connected components (26) of a thresholded image in the same OME-Zarr: `benches/components.py PROGRAM-FOLDER [EDGE]`.

Voxelry in memory, block by block and on a pool of two workers of one core each, beside dask-image and cc3d: seconds and peak
memory of the whole process, from the image on disk to labels on disk. Needs dask-image, connected-components-3d and zarr."""

import json, os, pathlib, subprocess, sys, tempfile, time

DASK = """
import dask.array as da, numpy as np, dask_image.ndmeasure as nd
a = da.from_zarr(IMAGE, component="0")
labels, count = nd.label(a <= 9000, structure=np.ones((3, 3, 3)))
labels.astype("uint32").to_zarr(OUT)
"""
CC3D = """
import zarr, cc3d
a = zarr.open(IMAGE + "/0", mode="r")[:]
labels = cc3d.connected_components(a <= 9000, connectivity=26)
zarr.create_array(OUT, data=labels.astype("uint32"), chunks=(64, 64, 64))
"""
RECIPE = '[[step]]\nop = "threshold"\nmax = 9000\n[[step]]\nop = "label"\n'


def timed(*command, env=None):
    """Seconds and peak memory of a command."""
    begun = time.perf_counter()
    child = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0, command
    return time.perf_counter() - begun, used.ru_maxrss / 1000


def components(path):
    import zarr

    return int(zarr.open(path, mode="r")[:].max())


programs = pathlib.Path(sys.argv[1]).resolve()
size = sys.argv[2] if len(sys.argv) > 2 else "384"
voxelry, pool = str(programs / "voxelry"), str(programs / "voxelry-pool")
env = dict(os.environ, VOXELRY_POOL_TOKEN="a token that nobody guesses")
with tempfile.TemporaryDirectory(dir=".") as folder:
    os.chdir(folder)
    pathlib.Path("label.toml").write_text(RECIPE)
    timed(voxelry, "sample", "foam", "--size", size, "--out", "image.nrrd", "-q")
    timed(voxelry, "convert", "image.nrrd", "image.ome.zarr", "--chunk", "64", "-q")
    ran, found = {}, {}
    for name, code in [("dask-image", DASK), ("cc3d", CC3D)]:
        code = f"IMAGE = 'image.ome.zarr'\nOUT = '{name}.zarr'\n{code}"
        ran[name] = timed(sys.executable, "-c", code)
        found[name] = components(f"{name}.zarr")
    run = [voxelry, "run", "-q", "-r", "label.toml", "image.ome.zarr", "--device", "cpu"]
    for name, how in [("in memory", []), ("blocks of 128³", ["--block", "128"])]:
        ran[name] = timed(*run, *how, "--out", name)
        found[name] = components(f"{name}/labels.ome.zarr/0")
    serve = [pool, "coordinator", "--shared", "shared", "--root", "."]
    children = [subprocess.Popen(serve, env=env, stdout=subprocess.DEVNULL)]
    time.sleep(2)
    for _ in range(2):
        join = [pool, "worker", "--join", "http://127.0.0.1:8750", "--cores", "1"]
        children.append(subprocess.Popen(join, env=env, stdout=subprocess.DEVNULL))
    time.sleep(3)
    to = ["--pool", "http://127.0.0.1:8750", "--block", "128", "--out", "pool"]
    seconds, _ = timed(voxelry, "run", "-q", "-r", "label.toml", "image.ome.zarr", *to, env=env)
    for child in children:
        child.terminate()
    ran["pool"] = seconds, max(os.wait4(child.pid, 0)[2].ru_maxrss / 1000 for child in children)
    found["pool"] = components("pool/labels.ome.zarr/0")
    print(f"foam of {size}³: {found}")
    for name, (seconds, peak) in ran.items():
        print(f"{name:>16}: {seconds:6.2f} s, {peak:6.0f} MB")
    assert len(set(found.values())) == 1, "they differ"
    os.chdir("..")
