"""Reads what `VOXELRY_WRITTEN=FOLDER cargo test --test io_reference written` wrote, with nibabel,
SimpleITK, pynrrd and numpy, and says where they see other voxels or another affine.

    python io_written.py FOLDER
"""

import json
import os
import sys

import numpy as np

import io_reference

wrong = 0
root = sys.argv[1]
images = json.load(open(os.path.join(root, "written.json")))
for image in images:
    read = io_reference.read(os.path.join(root, image["path"]))
    differ = [k for k in ("channels", "times", "shape", "voxel", "crc32") if read[k] != image[k]]
    if read["affine"] and not np.allclose(read["affine"][:12], image["affine"], atol=1e-5):
        differ.append("affine")
    if differ:
        wrong += 1
        print(image["path"], [(k, read[k], image[k]) for k in differ])
print(f"{len(images) - wrong} of {len(images)} agree")
sys.exit(wrong > 0)
