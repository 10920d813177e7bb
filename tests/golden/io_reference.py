"""Reference checksums of images that are neither TIFF nor Zarr: what nibabel, SimpleITK, pynrrd,
numpy and h5py read, in Voxelry's order (time, channel, z, y, x) and voxel types.

    python io_reference.py DATA_FOLDER > io_checksums.json

The format of the output is described in `tests/tests/io_reference.rs`.
"""

import gzip
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import warnings
import zlib

import h5py
import nibabel
import nrrd
import numpy as np
import SimpleITK as sitk

warnings.simplefilter("ignore")
NAMES = {"u": "u", "i": "i", "f": "f"}
ENDINGS = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz", ".mha", ".mhd", ".nrrd", ".nhdr",
           ".npy", ".h5", ".hdf5", ".mgz", ".mgh")
ZARR = (".zarr/", "ome_zarr_generated/", "ome_zarr_models/")


def entry(frames, affine):
    """`frames` is [t, c, z, y, x]."""
    frames = np.ascontiguousarray(frames)
    little = frames.astype(frames.dtype.newbyteorder("<"), copy=False)
    return {
        "channels": frames.shape[1],
        "times": frames.shape[0],
        "shape": list(frames.shape[2:]),
        "voxel": NAMES[frames.dtype.kind] + str(8 * frames.dtype.itemsize),
        "affine": None if affine is None else [float(v) for v in np.asarray(affine, np.float64).ravel()],
        "crc32": zlib.crc32(little.tobytes()),
    }


def magnitude(a, wide):
    re, im = a.real.astype(np.float64), a.imag.astype(np.float64)
    return np.sqrt(re * re + im * im).astype(np.float64 if wide else np.float32)


def nifti(path):
    img = nibabel.load(path)
    stored = img.header.get_data_dtype()
    a = np.asanyarray(img.dataobj)
    if a.size == 0:
        raise ValueError("empty")
    components = 1
    if stored.fields:
        components = len(stored.fields)
        a = np.stack([a[name] for name in stored.names], axis=-1)
        a = a.reshape(a.shape[:-1] + (1,) * (8 - a.ndim) + a.shape[-1:])
    elif stored.kind == "c":
        a = magnitude(a, stored.itemsize == 16)
    elif a.dtype.newbyteorder("=") != stored.newbyteorder("="):  # scaled
        exact = stored.kind == "f" and stored.itemsize == 4 or stored.itemsize <= 2
        a = a.astype(np.float32 if exact else np.float64)
    if components == 1:
        a = a.reshape(a.shape + (1,) * (8 - a.ndim))
    # x y z t 5 6 7 (components) -> t, (7 6 5 components), z, y, x
    a = a.reshape(a.shape[:7] + (components,))
    a = a.transpose(3, 6, 5, 4, 7, 2, 1, 0)
    a = a.reshape(a.shape[0], -1, *a.shape[-3:])
    return entry(a, img.affine)


LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def is_oriented(path):
    """Whether the header names anatomical axes: SimpleITK takes all for LPS."""
    with open(path, "rb") as f:
        text = f.read(4096).decode("latin1")
    if path.endswith((".mha", ".mhd")):
        said = re.search(r"^AnatomicalOrientation *= *(\S+)", text, re.M)
        return "?" not in said[1] if said else re.search(r"^TransformMatrix", text, re.M) is not None
    return re.search(r"^space: *(\S+)", text, re.M) is not None


def nrrd_file(path):
    """By pynrrd, for encodings and time axes that SimpleITK does not read: x y z, list, time."""
    a, header = nrrd.read(path, index_order="C")
    kinds = header["kinds"][::-1]
    if "time" not in kinds:
        a = a[None]
    if "list" not in kinds:
        a = a[:, None]
    affine = np.eye(4)
    affine[:3, :3] = header["space directions"][:3].T
    affine[:3, 3] = header["space origin"]
    words = header["space"].split("-")
    flip = np.diag([-1.0 if "left" in words else 1.0, -1.0 if "posterior" in words else 1.0, 1.0, 1.0])
    return entry(a, flip @ affine)


def itk(path):
    try:
        img = sitk.ReadImage(path)
    except RuntimeError:
        if not path.endswith((".nrrd", ".nhdr")):
            raise
        return nrrd_file(path)
    dim = img.GetDimension()
    a = sitk.GetArrayFromImage(img)
    if img.GetNumberOfComponentsPerPixel() == 1:
        a = a[..., None]
    while a.ndim < 4:
        a = a[None]
    if a.ndim == 4:
        a = a[None]
    affine = np.eye(4)
    n = min(dim, 3)
    direction = np.reshape(img.GetDirection(), (dim, dim))[:n, :n]
    affine[:n, :n] = direction * np.array(img.GetSpacing()[:n])
    affine[:n, 3] = img.GetOrigin()[:n]
    return entry(np.moveaxis(a, -1, 1), LPS_TO_RAS @ affine if is_oriented(path) else affine)


def hdf5(path):
    best = None
    with h5py.File(path) as f:
        def visit(name, node):
            nonlocal best
            if isinstance(node, h5py.Dataset) and node.ndim >= 2 and node.dtype.kind in "iuf":
                if best is None or node.size > best.size:
                    best = node
        f.visititems(visit)
        a = best[...].astype(best.dtype.newbyteorder("="))
        size = best.attrs.get("element_size_um")
    while a.ndim < 3:
        a = a[None]
    affine = None if size is None else np.diag([*size[::-1], 1.0])
    return entry(a.reshape(a.shape[0] if a.ndim == 5 else 1, -1, *a.shape[-3:]), affine)


def read(path):
    if path.endswith((".mha", ".mhd", ".nrrd", ".nhdr")):
        return itk(path)
    if path.endswith((".h5", ".hdf5")):
        return hdf5(path)
    if path.endswith((".mgz", ".mgh")):
        return {"error": True}  # not a format that Voxelry reads
    if path.endswith(".npy"):
        a = np.load(path)
        if a.dtype.kind == "c":
            a = magnitude(a, a.dtype.itemsize == 16)
        a = a.astype({"b": np.uint8}.get(a.dtype.kind, np.float32 if a.dtype == np.float16 else a.dtype))
        a = a.astype(a.dtype.newbyteorder("="))
        a = a.reshape((1,) * max(0, 3 - a.ndim) + a.shape)
        return entry(a.reshape(a.shape[0] if a.ndim == 5 else 1, -1, *a.shape[-3:]), None)
    # nibabel goes by names: one without an ending is given one, and in a pair of which one file is
    # compressed and the other is not, both are inflated.
    with tempfile.TemporaryDirectory() as folder:
        if "." not in os.path.basename(path):
            return nifti(shutil.copy(path, os.path.join(folder, "a.nii")))
        stem = re.sub(r"\.(hdr|img)(\.gz)?$", "", path)
        files = [stem + e for e in (".hdr", ".hdr.gz", ".img", ".img.gz") if os.path.exists(stem + e)]
        if stem != path and len(files) == 2:
            for file in files:
                raw = gzip.open(file).read() if file.endswith(".gz") else open(file, "rb").read()
                with open(os.path.join(folder, "a" + file[len(stem):].replace(".gz", "")), "wb") as out:
                    out.write(raw)
            return nifti(os.path.join(folder, "a.hdr"))
        return nifti(path)


def main(root):
    files = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root)
            if any(z in path for z in ZARR):
                continue
            if name.lower().endswith(ENDINGS) or "fuzz_artifacts" in path:
                files.append(path)
    images = []
    for path in sorted(files):
        try:
            result = read(os.path.join(root, path))
        except Exception as e:  # whatever a reader says of a bad file
            print(f"{path}: {type(e).__name__}: {str(e)[:150]}", file=sys.stderr)
            result = {"error": True}
        images.append({"path": path, **result})
    versions = {
        "python": platform.python_version(), "numpy": np.__version__, "nibabel": nibabel.__version__,
        "SimpleITK": sitk.Version.VersionString(), "pynrrd": nrrd.__version__, "h5py": h5py.__version__,
    }
    lines = ",\n  ".join(json.dumps(i) for i in images)
    print('{"made_with": ' + json.dumps(versions) + ',\n "images": [\n  ' + lines + "\n]}")


if __name__ == "__main__":
    main(sys.argv[1])
