"""Makes small images in many dialects (by nibabel, SimpleITK, pynrrd, numpy, or by hand where none of
them writes the dialect), and their checksums as `io_reference.py` reads them.

    python io_samples.py io_samples > io_samples_checksums.json
"""

import bz2
import gzip
import os
import sys

import h5py
import nibabel as nib
import nrrd
import numpy as np
import SimpleITK as sitk

root = sys.argv[1]
os.makedirs(root, exist_ok=True)
rng = np.random.default_rng(7)
path = lambda name: os.path.join(root, name)


def array(dtype, shape=(4, 5, 3)):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(0, 100, shape).astype(dtype)
    if dtype.kind == "c":
        return (rng.normal(0, 9, shape) + 1j * rng.normal(0, 9, shape)).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype.newbyteorder("="), endpoint=True).astype(dtype)


def write(name, *pieces):
    with open(path(name), "wb") as f:
        for p in pieces:
            f.write(p.encode() if isinstance(p, str) else p)


# An oblique affine (RAS).
c, s = np.cos(0.3), np.sin(0.3)
oblique = np.array([[c, -s, 0, 10], [s, c, 0, -20], [0, 0, 1, 30], [0, 0, 0, 1.0]])
oblique[:3, :3] = oblique[:3, :3] @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.diag([0.5, 0.75, 2])

# NIfTI
for dtype in "u1 i1 u2 i2 u4 i4 u8 i8 f4 f8 c8 c16".split():
    nib.save(nib.Nifti1Image(array(dtype), oblique, dtype=np.dtype(dtype)), path(f"{dtype}.nii.gz"))
nib.save(nib.Nifti2Image(array("u2"), oblique), path("nifti2.nii"))
nib.save(nib.Nifti2Image(array("f4"), oblique, nib.Nifti2Header(endianness=">")), path("nifti2_big.nii.gz"))
for dtype in "i2 f8 u4".split():
    nib.save(nib.Nifti1Image(array(dtype), oblique, nib.Nifti1Header(endianness=">"), dtype=np.dtype(dtype)),
             path(f"big_{dtype}.nii"))
nib.save(nib.Nifti1Pair(array("i2"), oblique), path("pair.img"))
nib.save(nib.Nifti1Image(array("i2", (4, 5, 3, 2, 3)), oblique), path("time_vector.nii.gz"))
nib.save(nib.Nifti1Image(array("u1", (4, 5, 3, 2, 2, 3, 2)), oblique), path("seven.nii.gz"))
nib.save(nib.Nifti1Image(array("u1", (7, 6)), oblique), path("two.nii"))
for dtype in ("i2", "u4", "f4", "f8", "c8"):
    img = nib.Nifti1Image(array(dtype), oblique, dtype=np.dtype(dtype))
    img.header.set_slope_inter(0.37, -11.5)
    nib.save(img, path(f"scaled_{dtype}.nii"))
    with open(path(f"scaled_{dtype}.nii"), "r+b") as f:  # nibabel writes its own slope
        f.seek(112)
        f.write(np.array([0.37, -11.5], "<f4").tobytes())
for sform, qform in ((0, 1), (0, 0), (2, 3)):
    img = nib.Nifti1Image(array("u1"), None)
    img.header.set_zooms((0.5, 0.75, 2))
    img.set_sform(oblique if sform else None, sform)
    img.set_qform(oblique @ np.diag([1, 1, -1, 1]) if qform else None, qform)
    nib.save(img, path(f"sform{sform}_qform{qform}.nii"))
rgb = np.zeros((4, 5, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
for k in "RGB":
    rgb[k] = array("u1")
nib.save(nib.Nifti1Image(rgb, oblique), path("rgb.nii"))

# MetaImage and NRRD by SimpleITK
lps = np.diag([-1, -1, 1, 1]) @ oblique


def itk(a, vector=False):
    img = sitk.GetImageFromArray(a, isVector=vector)
    if img.GetDimension() == 3:
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        img.SetSpacing(spacing.tolist())
        img.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
        img.SetOrigin(lps[:3, 3].tolist())
    return img


for ending in ("mha", "mhd", "nrrd", "nhdr"):
    sitk.WriteImage(itk(array("f4")), path(f"itk_oblique_{ending}.{ending}"))
    sitk.WriteImage(itk(array("u2")), path(f"itk_packed_{ending}.{ending}"), useCompression=True)
    sitk.WriteImage(itk(array("i2", (4, 5, 3, 3)), True), path(f"itk_vector_{ending}.{ending}"))
for dtype in "u1 i1 i4 u4 i8 u8 f8".split():
    sitk.WriteImage(itk(array(dtype)), path(f"itk_{dtype}.mha"))
    sitk.WriteImage(itk(array(dtype)), path(f"itk_{dtype}.nrrd"))
sitk.WriteImage(sitk.GetImageFromArray(array("u1", (5, 7))), path("itk_two.mha"))
sitk.WriteImage(sitk.GetImageFromArray(array("i2", (2, 3, 4, 5)), isVector=False), path("itk_time.mha"))

# MetaImage by hand
mha = "ObjectType = Image\nNDims = 3\n{}DimSize = 3 5 4\nElementSpacing = 1 2 3\nOffset = 4 5 6\nElementType = {}\n"
write("big.mhd", mha.format("BinaryData = True\nBinaryDataByteOrderMSB = True\nTransformMatrix = 0 1 0 1 0 0 0 0 1\n",
                            "MET_SHORT"), "ElementDataFile = big.bin\n")
write("big.bin", array(">i2").astype(">i2").tobytes())
write("own_axes.mha", mha.format("BinaryData = True\nAnatomicalOrientation = ???\n", "MET_FLOAT"),
      "ElementDataFile = LOCAL\n", array("f4").tobytes())
write("text.mha", mha.format("BinaryData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n", "MET_USHORT"),
      "ElementDataFile = LOCAL\n", " ".join(map(str, array("u2").ravel())), "\n")
slices = array("u2")
for z in range(4):
    write(f"slice{z:02}.bin", slices[z].tobytes())
write("list.mhd", mha.format("BinaryData = True\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n", "MET_USHORT"),
      "ElementDataFile = LIST\n", *[f"slice{z:02}.bin\n" for z in (2, 0, 1, 3)])
write("pattern.mhd", mha.format("BinaryData = True\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n", "MET_USHORT"),
      "ElementDataFile = slice%02d.bin 0 3 1\n")
write("skip.mhd", mha.format("BinaryData = True\nHeaderSize = -1\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n", "MET_UCHAR"),
      "ElementDataFile = skip.bin\n")
write("skip.bin", b"header", array("u1").tobytes())

# NRRD by pynrrd and by hand
directions = oblique[:3, :3].T
for encoding in ("raw", "gzip", "bzip2", "ascii"):
    nrrd.write(path(f"py_{encoding}.nrrd"), array("i2", (3, 5, 4)), {
        "encoding": encoding, "space": "right-anterior-superior", "space directions": directions,
        "space origin": oblique[:3, 3], "space units": ["mm", "mm", "mm"], "kinds": ["domain"] * 3})
head = "NRRD0004\n# by hand\ntype: {}\ndimension: 3\nsizes: 3 5 4\n{}encoding: {}\n"
space = "space: left-anterior-superior\nspace directions: (1,0,0) (0,2,0) (0,0.5,3)\nspace origin: (7,8,9)\n"
write("hex.nrrd", head.format("uchar", space, "hex"), "\n", array("u1").tobytes().hex(" ", 5), "\n")
write("big.nrrd", head.format("double", space + "endian: big\n", "raw"), "\n", array(">f8").astype(">f8").tobytes())
write("spacings.nrrd", head.format("ushort", "spacings: 1 2 3\nendian: little\n", "gzip"), "\n",
      gzip.compress(array("u2").tobytes(), mtime=0))
write("skip.nhdr", head.format("uchar", space + "line skip: 2\nbyte skip: 3\n", "raw"), "data file: skip_lines.bin\n")
write("skip_lines.bin", "one\ntwo\nabc", array("u1").tobytes())
write("list.nhdr", head.format("ushort", space + "endian: little\n", "raw"),
      "data file: LIST\n", *[f"slice{z:02}.bin\n" for z in (3, 2, 1, 0)])
write("pattern.nhdr", head.format("ushort", space + "endian: little\n", "raw"), "data file: slice%02d.bin 0 3 1\n")
four = "NRRD0004\ntype: uchar\ndimension: 4\nsizes: {}\nencoding: raw\nspace: LPS\n{}\n\n"
write("channels_first.nrrd", four.format("2 3 5 4", "kinds: vector domain domain domain\n"
      "space directions: none (1,0,0) (0,2,0) (0,0,3)"), array("u1", (4, 5, 3, 2)).tobytes())

# NPY
np.save(path("fortran.npy"), np.asfortranarray(array("u2")))
np.save(path("fortran4.npy"), np.asfortranarray(array("f4", (2, 4, 5, 3))))
np.save(path("fortran_half.npy"), np.asfortranarray(array("f2")))
for dtype in ("b1", "f2", ">i2", ">f8", "i8", "u1", "c8", "c16"):
    np.save(path(f"{dtype.replace('>', 'big_')}.npy"), array(dtype))
np.save(path("two.npy"), array("u2", (5, 7)))
np.save(path("one.npy"), array("f4", (6,)))
np.save(path("four.npy"), array("u2", (3, 4, 5, 2)))
np.save(path("five.npy"), array("u2", (2, 3, 4, 5, 2)))
for version in ((2, 0), (3, 0)):
    with open(path(f"version{version[0]}.npy"), "wb") as f:
        np.lib.format.write_array(f, array("f4"), version=version)

# HDF5
with h5py.File(path("chunked.h5"), "w", libver="latest") as f:
    f.create_dataset("small", data=array("f4", (2, 2)))
    a = f.create_dataset("group/volume", data=array("u2", (9, 10, 11)), chunks=(4, 4, 4), compression="gzip", shuffle=True)
    a.attrs["element_size_um"] = [3.0, 2.0, 1.0]
with h5py.File(path("four.h5"), "w") as f:
    f.create_dataset("volume", data=array("f8", (2, 3, 4, 5)).astype(">f8"))

import io_reference  # noqa: E402

io_reference.main(root)
