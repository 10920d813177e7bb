#!/usr/bin/env python
"""Golden numbers for `resample` onto the grid of another image: scipy.ndimage.affine_transform of scipy 1.17.

Writes onto.json beside this file. Image and grids are those of core/src/ops/grid/tests.rs.
"""
import json, os
import numpy as np, scipy, scipy.ndimage

def rx(a): c, s = np.cos(a), np.sin(a); return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
def rz(a): c, s = np.cos(a), np.sin(a); return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])

def affine(m, t): return np.vstack([np.hstack([m, np.array(t, float)[:, None]]), [0, 0, 0, 1]])

z, y, x = np.mgrid[0:9, 0:10, 0:11]
image = ((z * 5 + y * 3 + x * 7) % 31).astype(float)
own = affine(rx(0.3) @ rz(-0.7) @ np.diag([0.5, 0.7, 2.0]), [10, -4, 3])
grids = {
    'straight': (affine(np.diag([0.8, 0.6, 1.4]), [9, -9, 2]), (9, 12, 10)),
    'mirrored': (affine(rx(0.3) @ rz(-0.7) @ np.diag([-0.4, 0.9, 1.1]), [13, -6, 4]), (8, 9, 10)),
    'sheared': (affine(np.array([[0.7, 0.2, 0], [0, 0.6, 0.5], [0.3, 0, 1.2]]), [9, -7, 1]), (7, 9, 11)),
}
out = {'made with': f'scipy {scipy.__version__}, numpy {np.__version__}'}
for name, (world, shape) in grids.items():
    m = np.linalg.inv(own) @ world                     # index in the image, x, y, z, of an index in the grid
    matrix, offset = m[:3, :3][::-1, ::-1], m[:3, 3][::-1]
    at = np.moveaxis(np.indices(shape), 0, -1) @ matrix.T + offset
    inside = ((at >= -0.5) & (at <= np.array(image.shape) - 0.5)).all(-1)
    # No sample lies where rounding decides.
    edge = np.minimum(abs(at + 0.5), abs(at - np.array(image.shape) + 0.5)).min()
    assert edge > 1e-5 and 0.05 < inside.mean() < 0.95, (name, edge, inside.mean())
    for order, kind in ((0, 'nearest'), (1, 'linear')):
        v = scipy.ndimage.affine_transform(image, matrix, offset, shape, order=order, mode='nearest')
        out[f'{name} {kind}'] = [round(float(v), 9) for v in np.where(inside, v, -1).ravel()]
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'onto.json')
json.dump(out, open(path, 'w'), indent=None, separators=(',', ':'))
