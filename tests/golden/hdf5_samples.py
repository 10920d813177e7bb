"""Makes small HDF5 files in the dialects of several programs, by h5py with hdf5plugin, and their checksums
(see tests/tests/io_reference.rs for their form).

    python hdf5_samples.py hdf5_samples > hdf5_samples_checksums.json

Each entry is made of the array that was written, as h5py reads it again, and of an affine put down here by
hand from what the dialect's description says of its fields.
"""

import json
import os
import struct
import sys
import zlib

import h5py
import hdf5plugin
import numpy as np

root = sys.argv[1]
os.makedirs(root, exist_ok=True)
rng = np.random.default_rng(11)
images = []
KINDS = {"bool": "u8", "uint8": "u8", "int8": "i8", "uint16": "u16", "int16": "i16", "uint32": "u32", "int32": "i32",
         "uint64": "u64", "int64": "i64", "float16": "f32", "float32": "f32", "float64": "f64"}



def open_(name):
    return h5py.File(os.path.join(root, name), "w", libver="latest", track_order=False)


def smooth(shape, dtype="u2"):
    """Values that compress."""
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    a = sum((i + 1) * 13 * x for i, x in enumerate(axes)) + rng.integers(0, 3, shape)
    return (a % 251 if np.dtype(dtype).itemsize == 1 else a).astype(dtype)


def diagonal(x, y, z, at=(0, 0, 0)):
    return [x, 0, 0, at[0], 0, y, 0, at[1], 0, 0, z, at[2], 0, 0, 0, 1]


def expect(name, array, affine=None, dataset=None, level=None):
    """`array` is [t, c, z, y, x], or lacks axes from the left."""
    a = np.asarray(array)
    a = a.reshape((1,) * (5 - a.ndim) + a.shape)
    kind = KINDS[a.dtype.name]
    a = a.astype({"bool": "u1", "float16": "f4"}.get(a.dtype.name, a.dtype))
    a = np.ascontiguousarray(a, dtype=a.dtype.newbyteorder("<"))
    entry = {"path": name}
    if dataset:
        entry["options"] = {"dataset": dataset}
    if level:
        entry["level"] = level
    images.append(entry | {"channels": a.shape[1], "times": a.shape[0], "shape": list(a.shape[2:]),
                           "voxel": kind, "affine": affine, "crc32": zlib.crc32(a.tobytes())})


def refuse(name, dataset=None):
    images.append({"path": name, "error": True} | ({"options": {"dataset": dataset}} if dataset else {}))


# Filters, with chunks that don't divide the shape.
filters = {
    "gzip": {"compression": "gzip"},
    "gzip_shuffle_fletcher": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf": {"compression": "lzf"},
    "lzf_shuffle": {"compression": "lzf", "shuffle": True},
    "scaleoffset": {"scaleoffset": 0},
    "bitshuffle": hdf5plugin.Bitshuffle(cname="none"),
    "bitshuffle_lz4": hdf5plugin.Bitshuffle(cname="lz4"),
    "bitshuffle_zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "bitshuffle_small": hdf5plugin.Bitshuffle(nelems=16, cname="lz4"),
    "lz4": hdf5plugin.LZ4(),
    "zstd": hdf5plugin.Zstd(),
    "bzip2": hdf5plugin.BZip2(),
    "blosc_lz4": hdf5plugin.Blosc(cname="lz4", shuffle=1),
    "blosc_zstd_bits": hdf5plugin.Blosc(cname="zstd", shuffle=2),
    "blosc_blosclz": hdf5plugin.Blosc(cname="blosclz", shuffle=0),
    "blosc_zlib": hdf5plugin.Blosc(cname="zlib"),
    "blosc_snappy": hdf5plugin.Blosc(cname="snappy"),
}
with open_("filters.h5") as f:
    for name, filter in filters.items():
        d = f.create_dataset(name, data=smooth((7, 10, 11)), chunks=(4, 5, 6), **filter)
        expect("filters.h5", d[()], dataset=name)
    # Noise, which filters leave as it is.
    for name in ("lzf", "bitshuffle_lz4", "blosc_lz4"):
        d = f.create_dataset("noise_" + name, data=rng.integers(0, 1 << 32, (5, 6, 7), "u4"), chunks=(3, 3, 7),
                             **filters[name])
        expect("filters.h5", d[()], dataset="noise_" + name)
    f.create_dataset("zfp", data=smooth((5, 6, 7), "f4"), chunks=(5, 6, 7), **hdf5plugin.Zfp(reversible=True))
    refuse("filters.h5", "zfp")
    f.create_dataset("blosc2", data=smooth((5, 6, 7)), chunks=(5, 6, 7), **hdf5plugin.Blosc2())
    refuse("filters.h5", "blosc2")

# Types
with open_("types.h5") as f:
    for dtype in ("?", "f2", ">f2", ">i2", ">f8", "i1", "u8", ">u4"):
        a = smooth((3, 4, 5), dtype if dtype != "?" else "u1")
        a = a > 100 if dtype == "?" else a
        name = dtype.replace("?", "bool").replace(">", "big_")
        d = f.create_dataset(name, data=a)
        expect("types.h5", d[()], dataset=name)
    # A chunk that isn't stored, with a fill value.
    d = f.create_dataset("filled", (6, 5, 4), "i2", chunks=(2, 5, 4), fillvalue=-7)
    d[2:4] = smooth((2, 5, 4), "i2")
    expect("types.h5", d[()], dataset="filled")
    enum = f.create_dataset("enum", data=smooth((3, 4, 5), "i2"),
                            dtype=h5py.enum_dtype({"a": 1, "b": 2, "c": 3}, basetype="i2"))
    expect("types.h5", enum[()], dataset="enum")
    f["text"] = ["no", "image"]
    f["compound"] = np.zeros((3, 4, 5), [("a", "i2"), ("b", "f4")])
    for name in ("text", "compound", "nothing"):
        refuse("types.h5", name)


# ilastik
def tags(keys, **resolution):
    return json.dumps({"axes": [{"key": k, "typeFlags": {"c": 1, "t": 8}.get(k, 2),
                                 "resolution": resolution.get(k, 0), "description": ""} for k in keys]})


with open_("ilastik.h5") as f:
    for keys, order in {"tzyxc": (0, 4, 1, 2, 3), "zyxc": (3, 0, 1, 2), "xyzc": (3, 2, 1, 0), "ctzyx": (1, 0, 2, 3, 4),
                        "yxc": (2, 0, 1)}.items():
        shape = tuple({"t": 2, "c": 3, "z": 4, "y": 5, "x": 6}[k] for k in keys)
        d = f.create_dataset("exported_" + keys, data=smooth(shape, "u1"), chunks=True, compression="gzip")
        d.attrs["axistags"] = tags(keys)
        a = d[()].transpose(order)
        if keys == "yxc":
            a = a[:, None]
        expect("ilastik.h5", a, dataset="exported_" + keys)
    d = f.create_dataset("resolution", data=smooth((4, 5, 6), "f4"))
    d.attrs["axistags"] = tags("zyx", z=3.0, y=1.0, x=0.5)
    expect("ilastik.h5", d[()], diagonal(0.5, 1, 3), "resolution")
    d = f.create_dataset("no_image", data=smooth((4, 5), "f4"))
    d.attrs["axistags"] = tags("zc")
    refuse("ilastik.h5", "no_image")

# element_size_um, dimension labels and scales
with open_("scales.h5") as f:
    d = f.create_dataset("element_size", data=smooth((4, 5, 6)))
    d.attrs["element_size_um"] = np.array([2, 0.5, 0.25], "f4")
    expect("scales.h5", d[()], diagonal(0.25, 0.5, 2), "element_size")
    d = f.create_dataset("labels", data=smooth((6, 5, 4, 2)))
    for i, name in enumerate(["x", "y", "z", "channel"]):
        d.dims[i].label = name
    d.attrs["element_size_um"] = [2, 0.5, 0.25]
    expect("scales.h5", d[()].transpose(3, 2, 1, 0), diagonal(0.25, 0.5, 2), "labels")
    d = f.create_dataset("netcdf/density", data=smooth((2, 4, 5, 6), "f8"))
    coordinates = {"time": (np.arange(2) * 0.5, "s"), "z": (np.arange(4) * 0.004 + 1, "mm"),
                   "y": (np.arange(5) * -2.0, "um"), "x": (np.arange(6) * 1.5 + 10, "um")}
    for i, (name, (values, unit)) in enumerate(coordinates.items()):
        f["netcdf/" + name] = values
        f["netcdf/" + name].attrs["units"] = unit
        f["netcdf/" + name].make_scale(name)
        d.dims[i].attach_scale(f["netcdf/" + name])
    expect("scales.h5", d[()][:, None], diagonal(1.5, -2, 4, (10, 0, 1000)), "netcdf/density")

# NeXus: a default that isn't the largest, by links.
with open_("nexus.nxs") as f:
    f.attrs["default"] = "entry"
    f.create_group("entry").attrs["default"] = "data"
    d = f.create_dataset("entry/instrument/detector/data", data=smooth((4, 5, 6)), compression="gzip")
    f["entry/raw"] = smooth((9, 9, 9))
    g = f.create_group("entry/data")
    g["data"] = d
    g.attrs["NX_class"], g.attrs["signal"] = "NXdata", "data"
    g.attrs["axes"] = ["rotation_angle", "y", "x"]
    g["rotation_angle"] = np.linspace(0, 180, 4)
    g["rotation_angle"].attrs["units"] = "deg"
    for axis, n, step in (("y", 5, 3.25), ("x", 6, 3.25)):
        g[axis] = np.arange(n) * step
        g[axis].attrs["units"] = "um"
    f["entry/loop"] = h5py.SoftLink("/entry")
    f["entry/nowhere"] = h5py.SoftLink("/entry/none")
    f["entry/outside"] = h5py.ExternalLink("../none.h5", "/data")
    expect("nexus.nxs", d[()], diagonal(3.25, 3.25, 3.25))
    expect("nexus.nxs", f["entry/raw"][()], None, "raw")

# Data Exchange
with open_("exchange.h5") as f:
    f["exchange/data"] = smooth((4, 5, 6))
    f["exchange/data"].attrs["axes"] = "theta:y:x"
    f["exchange/data_white"] = smooth((30, 5, 6))
    expect("exchange.h5", f["exchange/data"][()])

# MATLAB 7.3: axes are the other way round.
matlab = smooth((5, 6, 4), "f8")
with h5py.File(os.path.join(root, "matlab.mat"), "w", userblock_size=512) as f:
    f["volume"] = matlab.T
    f["volume"].attrs["MATLAB_class"] = np.bytes_("double")
    expect("matlab.mat", matlab.transpose(2, 0, 1))
with open(os.path.join(root, "matlab.mat"), "r+b") as f:
    f.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")

# ITK
with open_("itk.h5") as f:
    c, s = 0.8, 0.6
    direction = np.array([[c, -s, 0], [s, c, 0], [0, 0, -1.0]])
    spacing, origin = np.array([0.5, 0.75, 2]), np.array([10, -20, 30.0])
    f["ITKImage/0/Directions"], f["ITKImage/0/Origin"], f["ITKImage/0/Spacing"] = direction, origin, spacing
    f["ITKImage/0/Dimension"] = np.array([6, 5, 4], "u8")
    f["ITKImage/0/VoxelData"] = smooth((4, 5, 6, 2), "f4")
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = direction * spacing, origin
    expect("itk.h5", f["ITKImage/0/VoxelData"][()].transpose(3, 0, 1, 2),
           (np.diag([-1, -1, 1, 1]) @ lps).ravel().tolist())


# Imaris: padded to chunks, two levels, two channels, two times.
def characters(text):
    return np.frombuffer(text.encode(), "S1")


with h5py.File(os.path.join(root, "imaris.ims"), "w", libver="latest") as f:
    f.attrs["ImarisVersion"], f.attrs["DataSetDirectoryName"] = characters("5.5.0"), characters("DataSet")
    info = f.create_group("DataSetInfo/Image").attrs
    for key, value in {"X": 11, "Y": 9, "Z": 5, "Unit": "µm", "ExtMin0": 100, "ExtMax0": 105.5, "ExtMin1": -4.5,
                       "ExtMax1": 4.5, "ExtMin2": 0, "ExtMax2": 10, "Name": "(name not specified)"}.items():
        info[key] = characters(str(value))
    for i, (name, color) in enumerate((("DAPI", "0.000 0.000 1.000"), ("GFP", "0.000 1.000 0.000"))):
        g = f.create_group(f"DataSetInfo/Channel {i}")
        g.attrs["Name"], g.attrs["Color"] = characters(name), characters(color)
    time = f.create_group("DataSetInfo/TimeInfo").attrs
    for i, at in enumerate(("2024-02-28 23:59:50.000", "2024-02-29 00:00:20.500")):
        time[f"TimePoint{i + 1}"] = characters(at)
    full = smooth((2, 2, 5, 9, 11))
    for level, array in enumerate((full, full[:, :, :, ::2, ::2])):
        for t in range(2):
            for ch in range(2):
                g = f.create_group(f"DataSet/ResolutionLevel {level}/TimePoint {t}/Channel {ch}")
                for letter, n in zip("ZYX", array.shape[2:]):
                    g.attrs["ImageSize" + letter] = characters(str(n))
                pad = np.pad(array[t, ch], [(0, -n % 8) for n in array.shape[2:]], constant_values=999)
                g.create_dataset("Data", data=pad, chunks=(8, 8, 8), compression="gzip")
                g["Histogram"] = np.zeros(256, "u8")
        z, y, x = array.shape[2:]
        sx, sy, sz = 5.5 / x, 9 / y, 10 / z
        expect("imaris.ims", array, diagonal(sx, sy, sz, (100 + sx / 2, -4.5 + sy / 2, sz / 2)), level=level)

# BigDataViewer: two tiles of two channels, two times, two levels; unsigned numbers that are called signed.
XML = """<?xml version="1.0" encoding="UTF-8"?>
<SpimData version="0.2"><BasePath type="relative">.</BasePath><SequenceDescription>
<ImageLoader format="bdv.hdf5"><hdf5 type="relative">bdv.h5</hdf5></ImageLoader><ViewSetups>%s</ViewSetups>
<Timepoints type="range"><first>0</first><last>1</last></Timepoints></SequenceDescription>
<ViewRegistrations>%s</ViewRegistrations></SpimData>
"""
setups, registrations = "", ""
with open_("bdv.h5") as f:
    channels = {}
    for setup in range(4):
        tile, channel = setup // 2, setup % 2
        setups += (f"<ViewSetup><id>{setup}</id><name>t{tile}c{channel}</name><size>12 10 6</size><voxelSize>"
                   f"<unit>um</unit><size>0.5 0.5 2.0</size></voxelSize><attributes><channel>{channel}</channel>"
                   f"<tile>{tile}</tile></attributes></ViewSetup>")
        f[f"s{setup:02}/resolutions"] = np.array([[1, 1, 1], [2, 2, 1]], "f8")
        f[f"s{setup:02}/subdivisions"] = np.array([[4, 4, 4]] * 2, "i4")
        for t in range(2):
            a = smooth((6, 10, 12), "u2") + np.uint16(40000 + setup * 1000 + t * 100)
            channels[setup, t] = a
            for level, b in enumerate((a, a[:, ::2, ::2])):
                d = f.create_dataset(f"t{t:05}/s{setup:02}/{level}/cells", b.shape, "i2", chunks=(4, 4, 4), compression="gzip")
                d[...] = b.view("i2")
            # In voxels of 0.5 µm; tile 1 lies 12 of them to the right.
            registrations += (f'<ViewRegistration timepoint="{t}" setup="{setup}"><ViewTransform type="affine"><affine>'
                              f'1 0 0 {12 * tile} 0 1 0 0 0 0 1 0</affine></ViewTransform><ViewTransform type="affine">'
                              f'<affine>1 0 0 0 0 1 0 0 0 0 4 0</affine></ViewTransform></ViewRegistration>')
    pair = lambda tile: np.array([[channels[2 * tile + c, t] for c in range(2)] for t in range(2)])
    for path in ("bdv.h5", "bdv.xml"):
        expect(path, pair(0), diagonal(0.5, 0.5, 2))
        expect(path, pair(0)[..., ::2, ::2], diagonal(1, 1, 2, (0.25, 0.25, 0)), level=1)
    expect("bdv.xml", pair(1), diagonal(0.5, 0.5, 2, (6, 0, 0)), "s02,s03")
    expect("bdv.h5", pair(1)[:, 1:], diagonal(0.5, 0.5, 2, (6, 0, 0)), "s03")
    expect("bdv.h5", f["t00001/s02/1/cells"][()], None, "t00001/s02/1/cells")
with open(os.path.join(root, "bdv.xml"), "w") as f:
    f.write(XML % (setups, registrations))

# The second version of the layout message, as libraries before 1.6.3 wrote it. A new one is rewritten: it takes the place
# of itself and of the time of change behind it.
for name, shape in (("old2.h5", (5, 6)), ("old3.h5", (4, 5, 6))):
    full = os.path.join(root, name)
    with h5py.File(full, "w", libver="earliest") as f:
        d = f.create_dataset("data", data=smooth(shape, ">i2"), track_times=True)
        f.flush()
        expect(name, d[()])
        at = d.id.get_offset()
    with open(full, "rb") as f:
        b = bytearray(f.read())
    layout = b.index(struct.pack("<BBQQ", 3, 1, at, 2 * int(np.prod(shape)))) - 8
    assert struct.unpack_from("<HH", b, layout) == (8, 24) and struct.unpack_from("<HH", b, layout + 32) == (0x12, 8)
    dims = shape + (2,)
    message = struct.pack("<BBBBIQ", 2, len(dims), 1, 0, 0, at) + struct.pack(f"<{len(dims)}I", *dims)
    b[layout:layout + 48] = struct.pack("<HHI", 8, 40, 0) + message.ljust(40, b"\0")
    header = b.rindex(b"\1\0", 0, layout - 60)
    while struct.unpack_from("<BBH", b, header)[:2] != (1, 0) or not 3 < struct.unpack_from("<H", b, header + 2)[0] < 9:
        header = b.rindex(b"\1\0", 0, header)
    struct.pack_into("<H", b, header + 2, struct.unpack_from("<H", b, header + 2)[0] - 1)
    with open(full, "wb") as f:
        f.write(b)
    with h5py.File(full) as f:
        assert f["data"].shape == shape and zlib.crc32(f["data"][()].astype("<i2").tobytes()) == images[-1]["crc32"], name

# Linked and virtual datasets
with open_("parts.h5") as f:
    f["data"] = smooth((4, 5, 6))
    expect("linking.h5", f["data"][()], None, "part")
with open_("linking.h5") as f:
    f["own"] = smooth((3, 4, 5))
    f["part"] = h5py.ExternalLink("parts.h5", "/data")
    layout = h5py.VirtualLayout((4, 5, 6), "u2")
    layout[:] = h5py.VirtualSource("parts.h5", "data", (4, 5, 6))
    f.create_virtual_dataset("virtual", layout)
    expect("linking.h5", f["own"][()], None, "own")
    refuse("linking.h5", "virtual")

made = {"python": sys.version.split()[0], "numpy": np.__version__, "h5py": h5py.__version__, "hdf5plugin": hdf5plugin.version}
rows = ",\n".join("  " + json.dumps(i) for i in images)
print('{"made_with": ' + json.dumps(made) + ',\n "images": [\n' + rows + "\n]}")
