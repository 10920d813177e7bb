"""Golden results of mathematical morphology, made with SciPy, scikit-image and cc3d.

    python tests/golden/morphology.py > tests/golden/morphology.txt

Each line: operator|kind|parameters|result, the result as hexadecimal bytes in C order (masks: packed
bits). Inputs are made by the generator below, which the test in core repeats.
"""

from importlib.metadata import version

import cc3d
import numpy as np
from scipy import ndimage
from skimage.morphology import reconstruction
from skimage.segmentation import clear_border

SHAPE = (5, 6, 7)


def noise(seed):
    """Bytes of a linear congruential generator."""
    x, out = seed, []
    for _ in range(np.prod(SHAPE)):
        x = (1103515245 * x + 12345) % 2**31
        out.append(x >> 16 & 0xFF)
    return np.array(out, np.uint8).reshape(SHAPE)


def ball(radius):
    radius = np.broadcast_to(radius, 3).astype(float)
    half = np.floor(radius).astype(int)
    grids = np.ogrid[tuple(slice(-h, h + 1) for h in half)]
    return sum((g / r) ** 2 if r > 0 else 0 * g for g, r in zip(grids, radius)) <= 1 + 1e-9


def box(radius):
    return np.ones(2 * np.broadcast_to(radius, 3) + 1, bool)


def cross(radius):
    e = np.zeros((2 * radius + 1,) * 3, bool)
    for axis in range(3):
        index = [radius] * 3
        index[axis] = slice(None)
        e[tuple(index)] = True
    return e


def line(op, kind, args, result):
    data = np.packbits(result.astype(bool)) if kind == "mask" else result.astype(np.uint8)
    print(f"{op}|{kind}|{args}|{data.tobytes().hex()}")


grey, other = noise(1), noise(2)
mask = grey < 150  # the same threshold as in the test
print("#", ", ".join(f"{p} {version(p)}" for p in ("scipy", "scikit-image", "connected-components-3d")))

# What lies outside is neutral: 255 or inside for erosion, 0 or outside for dilation.
erode = lambda a, e: ndimage.grey_erosion(a, footprint=e, mode="constant", cval=255)
dilate = lambda a, e: ndimage.grey_dilation(a, footprint=e, mode="constant", cval=0)
shrink = lambda a, e: ndimage.binary_erosion(a, e, border_value=1)
widen = lambda a, e: ndimage.binary_dilation(a, e)
for args, e in {
    "shape=ball,radius=2": ball(2),
    "shape=ball,radius=1:2:3.5": ball((1, 2, 3.5)),
    "shape=box,radius=0:1:2": box((0, 1, 2)),
    "shape=cross,radius=2": cross(2),
}.items():
    line("erode", "grey", args, erode(grey, e))
    line("dilate", "grey", args, dilate(grey, e))
    line("open", "grey", args, dilate(erode(grey, e), e))
    line("close", "grey", args, erode(dilate(grey, e), e))
    line("erode", "mask", args, shrink(mask, e))
    line("dilate", "mask", args, widen(mask, e))
    line("open", "mask", args, widen(shrink(mask, e), e))
    line("close", "mask", args, shrink(widen(mask, e), e))
    line("white-tophat", "grey", args, grey - dilate(erode(grey, e), e))
    line("black-tophat", "grey", args, erode(dilate(grey, e), e) - grey)
    line("morphological-gradient", "grey", args, dilate(grey, e) - erode(grey, e))

for connectivity, rank in ((6, 1), (18, 2), (26, 3)):
    e = ndimage.generate_binary_structure(3, rank)
    c = f"connectivity={connectivity}"
    line("reconstruct", "grey", c, reconstruction(np.minimum(grey, other), other, footprint=e))
    line(
        "reconstruct", "grey", c + ",by=erosion",
        reconstruction(np.maximum(grey, other), other, method="erosion", footprint=e),
    )
    wide = grey.astype(int)
    line("h-maxima", "grey", c + ",height=40", reconstruction(np.maximum(wide - 40, 0), wide, footprint=e))
    line(
        "h-minima", "grey", c + ",height=40",
        reconstruction(np.minimum(wide + 40, 255), wide, method="erosion", footprint=e),
    )
    line("fill-holes", "mask", c, ndimage.binary_fill_holes(mask, e))
    labels, _ = ndimage.label(mask, e)
    sizes = np.bincount(labels.ravel())
    line("remove-small", "mask", c + ",min_size=4", mask & (sizes[labels] >= 4))
    line("clear-border", "mask", c, clear_border(labels) > 0)
    largest = cc3d.largest_k(mask, k=1, connectivity=connectivity)
    line("keep-largest", "mask", c, largest > 0)
