"""Reference checksums of Zarr images: what zarr-python reads, in Voxelry's order (time, channel,
z, y, x), level by level, with the affine that the OME metadata give.

    python zarr_reference.py DATA_FOLDER > zarr_checksums.json

The format of the output is described in `tests/tests/io_reference.rs`. Groups that lead to an
image (plates, wells) are expected to open as their first image.
"""

import json
import os
import platform
import sys
import warnings
import zlib

import numcodecs
import numpy as np
import zarr

warnings.simplefilter("ignore")
METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs")


def entry(frames, affine):
    """`frames` is [t, c, z, y, x]."""
    kind = frames.dtype.kind
    if kind == "b":
        frames = frames.astype(np.uint8)
    elif kind == "f" and frames.dtype.itemsize == 2:
        frames = frames.astype(np.float32)
    elif kind not in "iuf":
        raise TypeError(f"{frames.dtype} voxels")
    frames = np.ascontiguousarray(frames)
    little = frames.astype(frames.dtype.newbyteorder("<"), copy=False)
    return {
        "channels": frames.shape[1],
        "times": frames.shape[0],
        "shape": list(frames.shape[2:]),
        "voxel": frames.dtype.kind + str(8 * frames.dtype.itemsize),
        "affine": affine,
        "crc32": zlib.crc32(little.tobytes()),
    }


def read_array(path):
    return np.asarray(zarr.open_array(path, mode="r")[...])


def attributes(path):
    return dict(zarr.open_group(path, mode="r").attrs)


def plain(path):
    a = read_array(path)
    if a.dtype.kind in "OUST":
        raise TypeError(f"{a.dtype} voxels")
    return entry(a.reshape((1,) * (5 - a.ndim) + a.shape), np.eye(4).ravel().tolist())


def flattened(transforms):
    for t in transforms:
        if t["type"] == "sequence":
            yield from flattened(t["transformations"])
        else:
            yield t


def levels(path, ome):
    image = ome["multiscales"][0]
    axes = image.get("axes") or image["coordinateSystems"][0]["axes"]
    names = [a["name"] for a in axes]
    for i, dataset in enumerate(image["datasets"]):
        matrix = np.eye(len(names) + 1)
        for t in flattened(dataset["coordinateTransformations"] + image.get("coordinateTransformations", [])):
            step = np.eye(len(names) + 1)
            if t["type"] == "scale":
                step[:-1, :-1] = np.diag(t["scale"])
            elif t["type"] == "translation":
                step[:-1, -1] = t["translation"]
            matrix = step @ matrix
        affine = np.eye(4)
        for row, axis in enumerate("xyz"):
            if axis in names:
                k = names.index(axis)
                affine[row, row], affine[row, 3] = matrix[k, k], matrix[k, -1]
        a = read_array(os.path.join(path, dataset["path"]))
        missing = [n for n in "tczyx" if n not in names]
        a = a.reshape((1,) * len(missing) + a.shape)
        order = missing + names
        a = a.transpose([order.index(n) for n in "tczyx"])
        yield i, entry(a, affine.ravel().tolist())


def first_image(path, ome):
    """The image that a plate or a well leads to."""
    below = [w["path"] for w in ome.get("plate", {}).get("wells", [])] + [
        i["path"] for i in ome.get("well", {}).get("images", [])]
    if not below:
        return None
    child = os.path.join(path, below[0])
    inside = attributes(child)
    inside = inside.get("ome", inside)
    return (child, inside) if "multiscales" in inside else first_image(child, inside)


def entries(path):
    is_array = os.path.exists(os.path.join(path, ".zarray"))
    if os.path.exists(os.path.join(path, "zarr.json")):
        with open(os.path.join(path, "zarr.json")) as f:
            is_array = json.load(f)["node_type"] == "array"
    if is_array:
        try:
            return [plain(path)]
        except Exception:
            return [{"error": True}]
    attrs = attributes(path)
    ome = attrs.get("ome", attrs)
    if "multiscales" not in ome:
        found = first_image(path, ome)
        if found is None:
            return [{"error": True}]
        path, ome = found
    return [{"level": i, **e} for i, e in levels(path, ome)]


def main(root):
    images = []
    for folder, folders, names in os.walk(root):
        folders.sort()
        if not any(n in METADATA for n in names):
            continue
        relative = os.path.relpath(folder, root)
        for e in entries(folder):
            if relative.endswith("1d.contiguous.lz4.i2"):
                e = {"unread": "lz4 that is not within blosc"}
            images.append({"path": relative, **e})
    made = {"python": platform.python_version(), "numpy": np.__version__,
            "zarr": zarr.__version__, "numcodecs": numcodecs.__version__}
    print('{"made_with": ' + json.dumps(made) + ',\n "images": [')
    print(",\n".join("  " + json.dumps(i) for i in sorted(images, key=lambda i: (i["path"], i.get("level", 0)))))
    print("]}")


main(sys.argv[1])
