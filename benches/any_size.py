#!/usr/bin/env python3
"""What a voxel costs in images of any size: `benches/any_size.py PROGRAM EDGE…`.

Runs filter, threshold, components and measures within `--memory 2G` on a foam whose voxels are made as they are read, and
prints a row of the table in docs/benchmarks.md for each edge. In blocks of 128³ up to 640³, beyond that of the program's
choice; 4096³ takes an hour and some 15 GB of disk in the folder it is called from."""

import os, pathlib, subprocess, sys, tempfile, time

program, edges = str(pathlib.Path(sys.argv[1]).resolve()), [int(edge) for edge in sys.argv[2:]]
RECIPE = """
[[step]]
op = "gaussian"
sigma = "1 px"
[[step]]
op = "threshold"
min = 10000
[[step]]
op = "label"
[[step]]
op = "measure"
columns = ["volume", "centroid_z", "bbox_z_min"]
contacts = false
image = false
"""

print("| edge | Mvoxel | s | ns a voxel | peak memory | objects |\n|---|---|---|---|---|---|")
for edge in edges:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        recipe, out = pathlib.Path(folder, "foam.toml"), pathlib.Path(folder, "out")
        recipe.write_text(RECIPE)
        run = [program, "run", "-q", "--memory", "2G", "-r", recipe, f"sample://foam?size={edge}", "--out", out]
        begun = time.perf_counter()
        child = subprocess.Popen(run + (["--block", "128"] if edge <= 640 else []))
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begun
        assert status == 0, status
        with open(out / "objects.csv") as table:
            objects = sum(1 for _ in table) - 1
    mvoxel, peak = edge**3 / 1e6, used.ru_maxrss / 1000
    print(f"| {edge} | {mvoxel:.0f} | {seconds:.1f} | {seconds * 1e3 / mvoxel:.0f} | {peak:.0f} MB | {objects} |", flush=True)
