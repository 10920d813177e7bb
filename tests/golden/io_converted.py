"""Opens what `voxelry convert` writes with the reference readers, and compares it voxel for voxel.

    python io_converted.py path/to/voxelry

TIFF with tifffile, OME-Zarr 0.4 and 0.5 with zarr-python. Prints the versions it used.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
import zarr

PROGRAM = sys.argv[1]
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
TIFF = [".tif", ".ome.tif", ".btf"]
ZARR = {
    "0.4": ["--zarr-version", "0.4"],
    "0.5": ["--zarr-version", "0.5"],
    "0.5 sharded": ["--zarr-version", "0.5", "--chunk", "8", "--shard", "32"],
    "0.4 uncompressed": ["--zarr-version", "0.4", "--uncompressed"],
}


def convert(source, target, *options):
    subprocess.run([PROGRAM, "-q", "convert", "--overwrite", str(source), str(target), "--spacing", "2,1,0.5um", *options], check=True)


def made(dtype, rng):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(size=(37, 70, 53)).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, size=(37, 70, 53), dtype=dtype, endpoint=True)


def attributes(group):
    attributes = dict(group.attrs)
    return attributes.get("ome", attributes)["multiscales"][0]


def scale_of(dataset):
    return next(t["scale"] for t in dataset["coordinateTransformations"] if t["type"] == "scale")


def main():
    rng = np.random.default_rng(7)
    checked = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name in TYPES:
            image = made(name, rng)
            source = folder / f"{name}.npy"
            np.save(source, image)
            # OME-TIFF has no 64-bit integers, and the program says so.
            endings = [e for e in TIFF if not (e == ".ome.tif" and name in ("u8", "i8"))]
            for ending in endings:
                for options in [[], ["--uncompressed"]]:
                    target = folder / f"{name}{len(options)}{ending}"
                    convert(source, target, *options)
                    read = tifffile.imread(target)
                    assert read.dtype == image.dtype and np.array_equal(read.reshape(image.shape), image), target
                    checked += 1
            for title, options in ZARR.items():
                target = folder / f"{name} {title}.ome.zarr"
                convert(source, target, *options)
                group = zarr.open_group(target, mode="r")
                multiscale = attributes(group)
                read = group[multiscale["datasets"][0]["path"]][...]
                assert read.dtype == image.dtype and np.array_equal(read.reshape(image.shape), image), target
                assert scale_of(multiscale["datasets"][0])[-3:] == [2, 1, 0.5], target
                assert [a["unit"] for a in multiscale["axes"][-3:]] == ["micrometer"] * 3, target
                for level in multiscale["datasets"]:
                    shape = np.array(group[level["path"]].shape[-3:])
                    scale = np.array(scale_of(level)[-3:]) / [2, 1, 0.5]
                    assert (shape == np.ceil(np.array(image.shape) / scale)).all(), target
                checked += 1
    print(f"{checked} files equal: tifffile {tifffile.__version__}, zarr {zarr.__version__}, numpy {np.__version__}")


main()
