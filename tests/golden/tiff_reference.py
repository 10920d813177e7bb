"""What tifffile with imagecodecs, or else Pillow, reads of every TIFF and folder of slices under the
data folder: tests/golden/tiff_checksums.json (see tests/tests/io_reference.rs for its form), and for
lossy compressions, which decoders round differently, tests/golden/tiff_lossy.json.

    python tests/golden/tiff_reference.py ../shared/data

What is compared: pages as stored (palettes not applied, "white is zero" not turned round), the
largest series of pages of one shape and type, samples and channels as channels, values of odd widths
in the next larger type, halves as float32.
"""
import glob
import json
import logging
import os
import re
import sys
import warnings
import zlib

import imagecodecs
import numpy as np
import PIL
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


UNITLESS = {"", "pixel", "pixels"}


def affine(path):
    """Spacing as ImageJ or OME-XML gives it; None where neither does."""
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        if tif.is_imagej:
            meta = tif.imagej_metadata
            if str(meta.get("unit", "")) in UNITLESS:
                return None
            n, d = page.tags["XResolution"].value
            m, e = page.tags["YResolution"].value
            x, y = d / n, e / m
            z = meta.get("spacing", x)
            if meta["unit"] in ("inch", "in"):
                x, y, z = x * 25.4, y * 25.4, z * 25.4
        elif tif.is_ome:
            pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]
            pixels = (pixels[0] if isinstance(pixels, list) else pixels)["Pixels"]
            if "PhysicalSizeX" not in pixels:
                return None
            x, y, z = (float(pixels.get("PhysicalSize" + a, pixels["PhysicalSizeX"])) for a in "XYZ")
        else:
            return None
    return [x, 0, 0, 0, 0, y, 0, 0, 0, 0, z, 0, 0, 0, 0, 1]


def describe(a, comp):
    kind = KINDS[a.dtype.name]
    if a.dtype == np.float16:
        a = a.astype(np.float32)
    if a.dtype == bool:
        a = a.astype(np.uint8)
    a = np.ascontiguousarray(a, dtype=a.dtype.newbyteorder("<"))
    t, c, z, y, x = a.shape
    entry = {"channels": c, "times": t, "shape": [z, y, x], "voxel": kind}
    if comp in LOSSY:
        flat = a.reshape(-1)
        at = [int(i) for i in np.linspace(0, flat.size - 1, 24).astype(int)]
        return entry | {"mean": float(flat.mean(dtype=np.float64)), "at": at, "values": [int(flat[i]) for i in at]}
    return entry | {"affine": None, "crc32": zlib.crc32(a.tobytes())}


# Damaged fax codes, which libtiff paints over.
UNREAD = {"crash-0da013a13571cc8eb457a39fee8db18f8a3c7127.tif": "the fax code ends early",
          "crash-74d2a78403a5a59db1fb0a2b8735ac068a75f6e3.tif": "the fax code ends early"}
# Refused by the references, and sound nevertheless.
READ_ANYWAY = {"tiff_overflow_rows_per_strip.tif"}
HOSTILE = ("crash", "oom", "segfault", "seek_too_large")


def one(path):
    name = os.path.basename(path)
    try:
        if "segfault" in name:
            raise ValueError("promises terabytes")
        entry = describe(*read(path))
        if "crc32" in entry:
            entry["affine"] = affine(path)
    except Exception:
        try:
            if any(h in name for h in HOSTILE):
                raise
            entry = describe(*read_pillow(path))
        except Exception:
            return None if name in READ_ANYWAY else {"error": True}
    return entry | ({"unread": UNREAD[name]} if name in UNREAD else {})


def natural(name):
    return [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)]


def folder(path):
    from PIL import Image
    names = sorted(os.listdir(path), key=natural)
    names = [n for n in names if n.endswith((".tif", ".png"))]
    slices = [tifffile.imread(os.path.join(path, n)) if n.endswith(".tif") else np.asarray(Image.open(os.path.join(path, n)))
              for n in names]
    if len({(s.shape, s.dtype) for s in slices}) != 1:
        return {"error": True}
    return describe(np.stack(slices)[None, None], 1)


def save(name, images):
    made = {"python": sys.version.split()[0], "numpy": np.__version__, "tifffile": tifffile.__version__,
            "imagecodecs": imagecodecs.__version__, "Pillow": PIL.__version__}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    with open(path, "w") as out:
        rows = ",\n".join("  " + json.dumps(i) for i in images)
        out.write('{"made_with": ' + json.dumps(made) + ',\n "images": [\n' + rows + "\n]}\n")


def main(root):
    exact, lossy = [], []
    for path in sorted(glob.glob(root + "/**/*.tif*", recursive=True)):
        entry = one(path)
        if entry is not None:
            entry = {"path": os.path.relpath(path, root)} | entry
            (lossy if "mean" in entry else exact).append(entry)
    for path in ["banana_mri_slices/data/banana", "trackpy_foam/sample_data/foam", "qbi_2015/Exercises/10-files/compress"]:
        exact.append({"path": path} | folder(os.path.join(root, path)))
    save("tiff_checksums.json", exact)
    save("tiff_lossy.json", lossy)


main(sys.argv[1])
