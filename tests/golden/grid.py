#!/usr/bin/env python
"""Golden numbers for thresholds and grid operators: scikit-image 0.26.0, scipy 1.17, numpy 2.4.

Writes grid.json beside this file. The input volumes are made by `noise` from integers alone, so that the
Rust tests make the same ones.
"""
import json, os, sys
import numpy as np, scipy, scipy.ndimage, skimage
from skimage import filters as f

def hashed(n):
    """n pseudo-random u32: the finaliser of Murmur 3 over a counter."""
    h = np.arange(n, dtype=np.uint64)
    h ^= h >> np.uint64(16); h = h * np.uint64(0x85ebca6b) & np.uint64(0xffffffff)
    h ^= h >> np.uint64(13); h = h * np.uint64(0xc2b2ae35) & np.uint64(0xffffffff)
    h ^= h >> np.uint64(16)
    return h

def volume(shape, kind):
    """Two overlapping triangular peaks, integers; the same formula in tests."""
    n = int(np.prod(shape)); h = hashed(n)
    a, b, c = h & np.uint64(0xff), (h >> np.uint64(8)) & np.uint64(0xff), (h >> np.uint64(16)) & np.uint64(0xff)
    peak = np.where(c < 90, 700, 100)
    v = (a + b + peak.astype(np.uint64)).astype(np.int64).reshape(shape)
    return {'u8': (v // 5).astype(np.uint8), 'u16': v.astype(np.uint16), 'i16': (v - 500).astype(np.int16),
            'i32': (v * 3 - 1000).astype(np.int32), 'f32': (v.astype(np.float32) / np.float32(7)),
            'f64': v / 7.0}[kind]

out = {'made with': f'scikit-image {skimage.__version__}, scipy {scipy.__version__}, numpy {np.__version__}'}
shape = (9, 11, 13)
rules = {'otsu': f.threshold_otsu, 'yen': f.threshold_yen, 'triangle': f.threshold_triangle,
         'isodata': f.threshold_isodata, 'li': f.threshold_li}
for kind in ('u8', 'u16', 'i16', 'i32', 'f32', 'f64'):
    v = volume(shape, kind)
    for name, rule in rules.items():
        out[f'{name} {kind}'] = float(rule(v))
    if kind in ('u8', 'f32'):
        for k in (3, 4):
            out[f'multi-otsu {k} {kind}'] = [float(t) for t in f.threshold_multiotsu(v, k)]
# Local thresholds on the texture of core/src/ops/window.rs, window 5.
z, y, x = np.mgrid[0:9, 0:10, 0:11]
t = ((z * 37 + y * y * 11 + x * 23 + x * y) % 97 + 1).astype(np.uint8)
m = scipy.ndimage.uniform_filter(t.astype(float), 5, mode='mirror')
for name, mask in (('local mean', t > m), ('sauvola', t > f.threshold_sauvola(t, 5))):
    out[f'{name} count'] = int(mask.sum())
    out[f'{name} sum of indices'] = int(np.flatnonzero(mask).sum())
    if name == 'local mean':
        inner = (slice(2, -2),) * 3
        assert (mask == (t > f.threshold_local(t, 5, 'mean')))[inner].all()

# Linear and nearest resampling of the ramp of core/src/ops/grid/tests.rs.
r = ((z * 5 + y * 3 + x * 7) % 31)[:4, :5, :6].astype(float)
lin = scipy.ndimage.zoom(r, (7 / 4, 3 / 5, 10 / 6), order=1, mode='nearest', grid_mode=True)
out['linear'] = [round(float(v), 12) for v in lin.ravel()]
json.dump(out, open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'grid.json'), 'w'), indent=None, separators=(',', ':'))
