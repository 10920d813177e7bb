#!/usr/bin/env python3
"""What a pool costs beside a run in this process: `benches/pool.py PROGRAM-FOLDER`.

Times a recipe in memory, block by block here, and on pools of 1, 2 and 4 workers of one core each, of which this machine
has as many as it has. Then many small blocks against few large ones: what a block and what a task cost."""

import json, os, pathlib, subprocess, sys, tempfile, time

programs = pathlib.Path(sys.argv[1]).resolve()
size = int(sys.argv[2]) if len(sys.argv) > 2 else 256
voxelry, pool = str(programs / "voxelry"), str(programs / "voxelry-pool")
env = dict(os.environ, VOXELRY_POOL_TOKEN="a token that nobody guesses")
smooth = '[[step]]\nop = "gaussian"\nsigma = "1 px"\n[[step]]\nop = "otsu"\n[[step]]\nop = "label"\n[[step]]\nop = "measure"\ncolumns = ["volume", "centroid_x"]\ncontacts = false\nimage = false\n'


def timed(*arguments, threads=None):
    begun = time.perf_counter()
    more = ["--threads", str(threads)] if threads else []
    subprocess.run([voxelry, *arguments, *more, "-q"], check=True, env=env)
    return time.perf_counter() - begun


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    pathlib.Path("smooth.toml").write_text(smooth)
    timed("sample", "foam", "--size", str(size), "--out", "image.nrrd")
    run = ["run", "-r", "smooth.toml", "image.nrrd", "--overwrite", "--out"]
    print(f"foam of {size}³, gaussian, otsu, label, measure")
    for threads in (1, 2):
        print(f"in memory, {threads} threads: {timed(*run, 'a', threads=threads):.2f} s")
        for block in (128, 64, 32):
            seconds = timed(*run, "b", "--block", str(block), threads=threads)
            print(f"blocks of {block}³ here, {threads} threads: {seconds:.2f} s")
    for workers in (1, 2, 4):
        children = [subprocess.Popen([pool, "coordinator", "--shared", "shared", "--root", "."], env=env, stdout=subprocess.DEVNULL)]
        time.sleep(2)
        for _ in range(workers):
            join = [pool, "worker", "--join", "http://127.0.0.1:8750", "--cores", "1"]
            children.append(subprocess.Popen(join, env=env, stdout=subprocess.DEVNULL))
        time.sleep(3)
        for block in (128, 64, 32):
            times = [timed(*run, "c", "--block", str(block), "--pool", "http://127.0.0.1:8750") for _ in range(2)]
            print(f"{workers} workers, blocks of {block}³: {min(times):.2f} s")
        for child in children:
            child.kill()
            child.wait()
    same = subprocess.run(["diff", "-rq", "-x", "provenance.toml", "a", "c"]).returncode == 0
    print("the results are", "the same" if same else "NOT the same")
