"""Reference values for every TIFF under the data folder: what tifffile 2026 with imagecodecs, or
else Pillow, reads. Run as: python tiff_reference.py DATA > tiff_checksums.json

The policy that is compared against: pages as stored (no palette, no inversion of "white is zero"),
the largest series of pages of one shape and type, samples and channels as channels; values of odd
widths in the next larger type, halves as float32. The checksum is CRC-32 over the little-endian
voxels in the order time, channel, z, y, x.
"""
import glob
import json
import logging
import os
import sys
import warnings
import zlib

import numpy as np
import tifffile

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")
KINDS = {"bool": "u8", "uint8": "u8", "int8": "i8", "uint16": "u16", "int16": "i16", "uint32": "u32",
         "int32": "i32", "uint64": "u64", "int64": "i64", "float16": "f32", "float32": "f32", "float64": "f64"}
LOSSY = {6, 7, 50001}


def page_array(page):
    """One page as [channel, y, x]."""
    a = page.asarray()
    axes = page.axes
    if page.imagedepth > 1:
        raise ValueError("ImageDepth")
    if axes == "YX":
        return a[None]
    if axes == "YXS":
        return np.moveaxis(a, 2, 0)
    if axes == "SYX":
        return a
    raise ValueError("axes " + axes)


def largest(pages):
    """Pages of the kind that has the most voxels; of equals, the first. Reduced copies are left out."""
    kinds = {}
    full = [p for p in pages if not p.is_reduced] or pages
    for p in full:
        key = (p.imagewidth, p.imagelength, p.samplesperpixel, str(p.dtype))
        kinds.setdefault(key, []).append(p)
    sizes = {k: len(v) * k[0] * k[1] * k[2] * np.dtype(k[3] if k[3] != "None" else "u1").itemsize for k, v in kinds.items()}
    best = max(kinds, key=lambda k: sizes[k])
    return kinds[best]


def read(path):
    """The image as [t, c, z, y, x]."""
    with tifffile.TiffFile(path) as tif:
        if tif.is_ome or tif.is_imagej or tif.is_shaped:
            s = tif.series[0]
            axes = "".join(a if a in "TCZYXS" else "Z" for a in s.axes)
            a = s.asarray()
            if a.dtype.kind == "c":
                a = np.abs(a)
            order = {}
            for i, name in enumerate(axes):
                order.setdefault(name, []).append(i)
            perm, shape = [], []
            for name in "TCSZYX":
                perm += order.get(name, [])
                shape.append(int(np.prod([a.shape[i] for i in order.get(name, [])])))
            a = a.transpose(perm).reshape(shape)
            t, c, s_, z, y, x = a.shape
            a = a.reshape(t, c * s_, z, y, x)
            comp = int(tif.pages[0].compression)
        else:
            pages = largest(list(tif.pages))
            a = np.stack([page_array(p) for p in pages], axis=1)[None]
            comp = int(pages[0].compression)
            if a.dtype.kind == "c":
                a = np.abs(a)
        return a, comp


def read_pillow(path):
    from PIL import Image
    im = Image.open(path)
    a = np.asarray(im)
    if a.ndim == 2:
        a = a[None]
    else:
        a = np.moveaxis(a, 2, 0)
    return a[None, :, None], 6


def describe(a, comp):
    kind = KINDS[a.dtype.name]
    if a.dtype == np.float16:
        a = a.astype(np.float32)
    if a.dtype == bool:
        a = a.astype(np.uint8)
    a = np.ascontiguousarray(a, dtype=a.dtype.newbyteorder("<"))
    t, c, z, y, x = a.shape
    entry = {"shape": [z, y, x], "voxel": kind, "channels": c, "times": t}
    if comp in LOSSY:
        flat = a.reshape(-1)
        at = [int(i) for i in np.linspace(0, flat.size - 1, 24).astype(int)]
        entry |= {"mean": float(flat.mean(dtype=np.float64)), "at": at, "values": [float(flat[i]) for i in at]}
    else:
        entry["crc32"] = zlib.crc32(a.tobytes())
    return entry


def main(root):
    out = {}
    for path in sorted(glob.glob(root + "/**/*.tif*", recursive=True)):
        name = os.path.relpath(path, root)
        try:
            if os.path.getsize(path) < 10_000 and "segfault" in name:
                raise ValueError("promises terabytes")
            out[name] = describe(*read(path))
        except Exception as e:
            try:
                if "crash" in name or "oom" in name or "segfault" in name:
                    raise ValueError("hostile") from e
                out[name] = describe(*read_pillow(path)) | {"reader": "Pillow"}
            except Exception:
                out[name] = {"error": f"{type(e).__name__}: {str(e)[:80]}"}
    lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in out.items())
    versions = {"tifffile": tifffile.__version__, "numpy": np.__version__}
    print('{"versions": ' + json.dumps(versions) + ', "files": {\n' + lines + "\n}}")


main(sys.argv[1])
