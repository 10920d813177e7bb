#!/usr/bin/env python3
"""Reference results for the filters, from scipy 1.17 and scikit-image 0.26.

Writes filters.json (the list of cases) and filters.bin (arrays, little endian, in C order `z, y, x`):
    python tests/golden/filters.py
"""
import json, os
import numpy as np, scipy, skimage
from scipy import ndimage as ndi
from skimage.restoration import denoise_tv_chambolle

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20260101)
shape = (7, 6, 9)
z, y, x = np.indices(shape)
smooth = np.sin(z / 2.0) + np.cos(y / 1.5) * (x > 4) + 0.3 * rng.standard_normal(shape)
inputs = {
    "u8": np.clip(np.rint(128 + 50 * smooth), 0, 255).astype(np.uint8),
    "u16": np.clip(np.rint(20000 + 9000 * smooth), 0, 65535).astype(np.uint16),
    "i16": np.rint(-300 + 900 * smooth).astype(np.int16),
    "f32": smooth.astype(np.float32),
    "f64": smooth,
}
blob, cases = bytearray(), []

def put(a):
    at = len(blob)
    blob.extend(np.ascontiguousarray(a).astype(a.dtype.newbyteorder("<")).tobytes())
    return {"at": at, "type": {"u": "u", "i": "i", "f": "f"}[a.dtype.kind] + str(8 * a.itemsize)}

stored = {k: put(v) for k, v in inputs.items()}

def case(op, input, args, result, peer="scipy", tolerance=1e-5, spacing=(1, 1, 1)):
    cases.append(dict(op=op, input=input, args=args, spacing=spacing, peer=peer, tolerance=tolerance, **put(result)))

def as_float(k):
    return inputs[k] if k == "f64" else inputs[k].astype(np.float64)

f32 = np.float32
for k in inputs:
    case("gaussian", k, {"sigma": "1.2"}, ndi.gaussian_filter(as_float(k), 1.2, mode="nearest").astype(f32))
for border in ("reflect", "mirror"):
    r = ndi.gaussian_filter(as_float("u16"), (0.8, 1.5, 2.5), mode=border)
    case("gaussian", "u16", {"sigma": "0.8,1.5,2.5", "border": border}, r.astype(f32))
case("gaussian", "u8", {"sigma": "1", "truncate": "2", "output": "same"},
     np.rint(ndi.gaussian_filter(as_float("u8"), 1, mode="nearest", truncate=2)).astype(np.uint8), tolerance=0)
case("gaussian", "f32", {"sigma": "0,2,0"}, ndi.gaussian_filter(inputs["f32"], (0, 2, 0), mode="nearest"))
case("gradient-magnitude", "f32", {"sigma": "1.1", "border": "reflect"},
     ndi.gaussian_gradient_magnitude(as_float("f32"), 1.1, mode="reflect").astype(f32))
d = [ndi.gaussian_filter(as_float("u16"), 1.0 / np.array((2, 1, 0.5)), order=np.eye(3, dtype=int)[a], mode="nearest") / s
     for a, s in enumerate((2, 1, 0.5))]
case("gradient-magnitude", "u16", {"sigma": "1 mm"}, np.sqrt(sum(v * v for v in d)).astype(f32), spacing=(2, 1, 0.5))
case("laplacian-of-gaussian", "f32", {"sigma": "1.1", "border": "mirror"},
     ndi.gaussian_laplace(as_float("f32"), 1.1, mode="mirror").astype(f32))
case("mean", "u16", {"radius": "1,2,0"}, ndi.uniform_filter(as_float("u16"), (3, 5, 1), mode="nearest").astype(f32))
case("mean", "f32", {"radius": "2", "border": "reflect"}, ndi.uniform_filter(as_float("f32"), 5, mode="reflect").astype(f32))
case("unsharp", "f32", {"sigma": "1", "amount": "0.7"},
     (as_float("f32") + 0.7 * (as_float("f32") - ndi.gaussian_filter(as_float("f32"), 1, mode="nearest"))).astype(f32))
case("background-subtraction", "u8", {"sigma": "5", "truncate": "4"},
     (as_float("u8") - ndi.gaussian_filter(as_float("u8"), 5, mode="nearest")).astype(f32))

def ball(*r):
    g = np.ogrid[tuple(slice(-int(v), int(v) + 1) for v in r)]
    return sum((i / v if v else i) ** 2 for i, v in zip(g, r)) <= 1 + 1e-9

for k in inputs:
    case("median", k, {"radius": "1"}, ndi.median_filter(inputs[k], size=3, mode="nearest"), tolerance=0)
for k in ("u8", "u16", "f32"):
    case("median", k, {"radius": "2"}, ndi.median_filter(inputs[k], size=5, mode="nearest"), tolerance=0)
    case("median", k, {"radius": "2", "shape": "ball"},
         ndi.median_filter(inputs[k], footprint=ball(2, 2, 2), mode="nearest"), tolerance=0)
case("median", "u16", {"radius": "3,2,1", "border": "reflect"},
     ndi.median_filter(inputs["u16"], size=(7, 5, 3), mode="reflect"), tolerance=0)
case("median", "u16", {"radius": "4", "shape": "ball", "border": "mirror"},
     ndi.median_filter(inputs["u16"], footprint=ball(4, 4, 4), mode="mirror"), tolerance=0)
case("median", "i16", {"radius": "3"}, ndi.median_filter(inputs["i16"], size=7, mode="nearest"), tolerance=0)
case("median", "f32", {"radius": "0,2,3"}, ndi.median_filter(inputs["f32"], size=(1, 5, 7), mode="nearest"), tolerance=0)
for p in (0, 10, 75, 100):
    case("percentile", "u16", {"radius": "1", "percentile": str(p)},
         ndi.percentile_filter(inputs["u16"], p, size=3, mode="nearest"), tolerance=0)
case("percentile", "f32", {"radius": "2", "percentile": "30", "shape": "ball"},
     ndi.percentile_filter(inputs["f32"], 30, footprint=ball(2, 2, 2), mode="nearest"), tolerance=0)
case("percentile", "u8", {"radius": "4", "percentile": "90"},
     ndi.percentile_filter(inputs["u8"], 90, size=9, mode="nearest"), tolerance=0)

span = float(np.ptp(inputs["f32"]))
for n in (1, 2, 30):
    case("total-variation", "f32", {"weight": "0.3", "iterations": str(n)},
         denoise_tv_chambolle(inputs["f64"].astype(f32).astype(np.float64), 0.3, eps=0, max_num_iter=n).astype(f32),
         peer="scikit-image", tolerance=1e-4 * span)

json.dump(dict(made_with=f"scipy {scipy.__version__}, scikit-image {skimage.__version__}, numpy {np.__version__}",
               shape=shape, inputs=stored, cases=cases), open(os.path.join(here, "filters.json"), "w"), indent=0)
open(os.path.join(here, "filters.bin"), "wb").write(blob)
print(len(cases), "cases,", len(blob), "bytes")
