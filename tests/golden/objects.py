#!/usr/bin/env python
"""Golden results for the object operators; writes objects.txt beside itself.

Inputs are made from h(i) = (2654435761 i + 12345) mod 2^32, a permutation, so they are free of ties where
that matters, and the test makes them again. Made with cc3d 4.1.0, scikit-image 0.26.0, scipy 1.17 (printed
in the first line of the output). Values are written in base 36, one character each, or separated by spaces.
"""
import os
import numpy as np, cc3d, scipy, skimage
from scipy import ndimage as ndi
from skimage.morphology import local_maxima
from skimage.segmentation import find_boundaries, watershed

S = (7, 8, 11)
i = np.arange(np.prod(S), dtype=np.uint64)
h = ((i * np.uint64(2654435761) + np.uint64(12345)) % np.uint64(2**32)).reshape(S)
mask = (h >> np.uint64(9)) % np.uint64(10) < 3
kinds = ((h >> np.uint64(7)) % np.uint64(3)).astype(np.uint32)
out = [f"# cc3d {cc3d.__version__ if hasattr(cc3d, '__version__') else '4.1'}, "
       f"scikit-image {skimage.__version__}, scipy {scipy.__version__}, numpy {np.__version__}"]

def canonical(a):
    flat = a.ravel(); seen = {0: 0}; r = []
    for v in flat.tolist():
        if v not in seen: seen[v] = len(seen)
        r.append(seen[v])
    return np.array(r)

def put(name, a):
    out.append(name + ": " + " ".join(str(int(v)) for v in np.ravel(a)))

for c in (6, 18, 26):
    put(f"label {c}", canonical(cc3d.connected_components(mask, connectivity=c, binary_image=True)))
    put(f"parts {c}", canonical(cc3d.connected_components(kinds, connectivity=c)))
put("distance", np.rint(4 * ndi.distance_transform_edt(~mask, sampling=(2, 1, 0.5)) ** 2))
markers = np.zeros(S, np.int32)
for k, p in enumerate((5, 77, 301, 402, 600)):
    markers.ravel()[p] = k + 1
region = (h >> np.uint64(13)) % np.uint64(9) != 0
for c, r in ((6, 1), (18, 2), (26, 3)):
    put(f"watershed {c}", watershed(h.astype(np.float64), markers, connectivity=r))
    put(f"watershed masked {c}", watershed(h.astype(np.float64), markers, mask=region, connectivity=r))
    for mode in ("inner", "thick"):
        put(f"boundaries {mode} {c}", find_boundaries(kinds.astype(np.int32), connectivity=r, mode=mode))
    put(f"local-maxima {c}", local_maxima((h % np.uint64(7)).astype(np.uint8) + 1, connectivity=r))
open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "objects.txt"), "w").write("\n".join(out) + "\n")
