"""Makes small TIFF files that hold several images, and sets of files that are one image, and their checksums as
tifffile reads them (see tests/tests/io_reference.rs for their form).

    python tiff_sets.py tiff_sets > tiff_sets_checksums.json
"""

import json
import os
import sys
import uuid
import zlib

import numpy as np
import tifffile

root = sys.argv[1]
os.makedirs(root, exist_ok=True)
rng = np.random.default_rng(5)
images = []


def path(*names):
    full = os.path.join(root, *names)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    return full


def array(shape, dtype="u2"):
    return rng.integers(0, 200, shape).astype(dtype)


def expect(name, a, axes, dataset=None, affine=None):
    """`axes` are those of `a`."""
    order = [axes.index(k) for k in "TCZYX" if k in axes]
    a = a.transpose(order).reshape([a.shape[axes.index(k)] if k in axes else 1 for k in "TCZYX"])
    kind = {"u": "u", "i": "i", "f": "f"}[a.dtype.kind] + str(8 * a.dtype.itemsize)
    entry = {"path": name} | ({"options": {"dataset": dataset}} if dataset else {})
    images.append(entry | {"channels": a.shape[1], "times": a.shape[0], "shape": list(a.shape[2:]), "voxel": kind,
                           "affine": affine, "crc32": zlib.crc32(np.ascontiguousarray(a).tobytes())})


def expect_series(name, number, dataset, affine=None):
    """As tifffile reads a series of a file, whichever files it's in."""
    with tifffile.TiffFile(path(name)) as tif:
        series = tif.series[number]
        expect(name, series.asarray(), series.axes.replace("Q", "Z").replace("I", "Z"), dataset, affine)


def refuse(name, dataset):
    images.append({"path": name, "error": True, "options": {"dataset": dataset}})


# Two images in one file, and two of one name.
size = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
spacing = [0.5, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1]
with tifffile.TiffWriter(path("images.ome.tif")) as tif:
    tif.write(array((3, 2, 9, 11)), photometric="minisblack", metadata={"axes": "ZCYX", "Name": "cells"} | size)
    tif.write(array((2, 8, 7), "u1"), photometric="minisblack", metadata={"axes": "TYX", "Name": "overview"})
    tif.write(array((2, 4, 4), "f4"), photometric="minisblack", metadata={"axes": "ZYX", "Name": "spot"})
    tif.write(array((2, 4, 4), "f4"), photometric="minisblack", metadata={"axes": "ZYX", "Name": "spot"})
for number, dataset in ((0, None), (0, "cells"), (0, "1"), (1, "overview"), (1, "2"), (2, "Image:2"), (3, "4")):
    expect_series("images.ome.tif", number, dataset, spacing if number == 0 else None)
refuse("images.ome.tif", "spot")
refuse("images.ome.tif", "5")


def ome(*pixels, own):
    """OME-XML of images, each (name, position, axes' sizes, blocks of planes)."""
    text = f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{own}">'
    for i, (name, position, sizes, blocks) in enumerate(pixels):
        x, y, z, c, t = sizes
        text += (f'<Image ID="Image:{i}" Name="{name}"><Pixels ID="Pixels:{i}" DimensionOrder="XYZCT" Type="uint16" '
                 f'SizeX="{x}" SizeY="{y}" SizeZ="{z}" SizeC="{c}" SizeT="{t}" PhysicalSizeX="0.5" PhysicalSizeY="0.5" '
                 f'PhysicalSizeZ="2">')
        text += "".join(f'<Channel ID="Channel:{i}:{k}" SamplesPerPixel="1"/>' for k in range(c))
        for block in blocks:
            file, id = block.pop("file")
            text += "<TiffData " + " ".join(f'{k}="{v}"' for k, v in block.items())
            text += f'><UUID FileName="{file}">{id}</UUID></TiffData>'
        px, py = position
        text += (f'<Plane TheZ="0" TheC="0" TheT="0" PositionX="{px}" PositionY="{py}" PositionXUnit="µm" '
                 f'PositionYUnit="µm"/></Pixels></Image>')
    return text + "</OME>"


def ids(*files):
    return {name: f"urn:uuid:{uuid.UUID(int=i + 1)}" for i, name in enumerate(files)}


def write(name, a, text):
    tifffile.imwrite(path(name), a, photometric="minisblack", description=text.encode(), metadata=None)


# One image of two channels in two files that both describe it, and the same with a file missing.
a = array((2, 3, 6, 5))
for folder in ("channels", "missing"):
    files = ids("c0.ome.tif", "c1.ome.tif")
    for c, (name, own) in enumerate(files.items()):
        if folder == "missing" and c == 0:
            continue
        blocks = [{"FirstC": k, "FirstZ": 0, "FirstT": 0, "IFD": 0, "PlaneCount": 3, "file": file} for k, file in enumerate(files.items())]
        write(f"{folder}/{name}", a[c], ome(("image", (0, 0), (5, 6, 3, 2, 1), blocks), own=own))
for name in ("channels", "channels/c0.ome.tif", "channels/c1.ome.tif"):
    expect(name, a, "CZYX", None, spacing)
expect_series("channels/c1.ome.tif", 0, None)
expect("missing/c1.ome.tif", np.stack([a[0] * 0, a[1]]), "CZYX", None, spacing)

# A file for each position; the opened one is the one that is read.
b = array((2, 4, 5, 6))
files = ids("pos0.ome.tif", "pos1.ome.tif")
for p, (name, own) in enumerate(files.items()):
    described = [(f"Pos{k}", (100 * k, 50), (6, 5, 4, 1, 1), [{"IFD": 0, "PlaneCount": 4, "file": file}])
                 for k, file in enumerate(files.items())]
    write(f"positions/{name}", b[p], ome(*described, own=own))
for name, position, dataset in (("positions", 0, None), ("positions/pos0.ome.tif", 0, None), ("positions/pos1.ome.tif", 1, None),
                                ("positions/pos1.ome.tif", 0, "Pos0"), ("positions", 1, "Pos1"), ("positions", 1, "2")):
    expect(name, b[position], "ZYX", dataset, spacing)

# A companion, of files that have nothing but a reference to it.
d = array((2, 3, 6, 5))
files = ids("t0.tif", "t1.tif")
for t, (name, own) in enumerate(files.items()):
    write(f"companion/{name}", d[t], f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{own}">'
          f'<BinaryOnly MetadataFile="movie.companion.ome" UUID="urn:uuid:{uuid.UUID(int=9)}"/></OME>')
blocks = [{"FirstT": t, "IFD": 0, "PlaneCount": 3, "file": file} for t, file in enumerate(files.items())]
with open(path("companion/movie.companion.ome"), "w") as f:
    f.write(ome(("movie", (0, 0), (5, 6, 3, 1, 2), blocks), own=f"urn:uuid:{uuid.UUID(int=9)}"))
for name in ("companion", "companion/t0.tif", "companion/t1.tif", "companion/movie.companion.ome"):
    expect(name, d, "TZYX", None, spacing)

# Series that tifffile describes, of which two are alike, and series that nothing describes.
with tifffile.TiffWriter(path("shaped.tif")) as tif:
    for shape in ((3, 6, 5), (2, 4, 7), (3, 6, 5)):
        tif.write(array(shape), photometric="minisblack")
with tifffile.TiffWriter(path("plain.tif"), shaped=False) as tif:
    for shape, dtype in (((2, 6, 5), "u2"), ((4, 9, 7), "u1"), ((2, 9, 7), "f4")):
        tif.write(array(shape, dtype), photometric="minisblack", metadata=None)
for number in range(3):
    for name in ("shaped.tif", "plain.tif"):
        expect_series(name, number, f"series {number + 1}")
expect_series("shaped.tif", 0, None)
expect_series("plain.tif", 2, None)
refuse("plain.tif", "series 4")

made = {"python": sys.version.split()[0], "numpy": np.__version__, "tifffile": tifffile.__version__}
rows = ",\n".join("  " + json.dumps(i) for i in images)
print('{"made_with": ' + json.dumps(made) + ',\n "images": [\n' + rows + "\n]}")
