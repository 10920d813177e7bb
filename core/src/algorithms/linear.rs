//! Small dense linear algebra: elimination, and the axes of a symmetric 3×3 matrix.

use glam::{DMat3, DVec3};

/// Gauss–Jordan with row pivots on an `n × (n + 1)` system; the solution is left in the last
/// column. A singular column is left as it is and its unknown stays 0.
pub fn eliminate(a: &mut [Vec<f64>]) {
    let n = a.len();
    for c in 0..n {
        let pivot = (c..n).max_by(|&i, &j| a[i][c].abs().total_cmp(&a[j][c].abs())).unwrap_or(c);
        a.swap(c, pivot);
        let p = a[c][c];
        if p.abs() < f64::MIN_POSITIVE {
            a[c][n] = 0.0;
            continue;
        }
        for v in &mut a[c] {
            *v /= p;
        }
        let row = a[c].clone();
        for (r, other) in a.iter_mut().enumerate() {
            let factor = other[c];
            if r != c && factor != 0.0 {
                for (o, v) in other.iter_mut().zip(&row) {
                    *o -= factor * v;
                }
            }
        }
    }
}

/// Eigenvalues, greatest first, and unit eigenvectors of a symmetric matrix (Jacobi rotations).
/// The sign of each vector makes its largest component positive.
pub fn axes(m: DMat3) -> ([f64; 3], [DVec3; 3]) {
    let mut a = m.transpose().to_cols_array_2d();
    let mut v = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0f64]];
    for _ in 0..32 {
        let off = a[0][1].abs() + a[0][2].abs() + a[1][2].abs();
        let size = a[0][0].abs() + a[1][1].abs() + a[2][2].abs();
        // The diagonal of a converged matrix no longer changes.
        if off <= 1e-17 * size || off == 0.0 {
            break;
        }
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if a[p][q] == 0.0 {
                continue;
            }
            let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
            let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
            let c = 1.0 / (t * t + 1.0).sqrt();
            let s = t * c;
            for k in 0..3 {
                let (kp, kq) = (a[k][p], a[k][q]);
                a[k][p] = c * kp - s * kq;
                a[k][q] = s * kp + c * kq;
            }
            for k in 0..3 {
                let (pk, qk) = (a[p][k], a[q][k]);
                a[p][k] = c * pk - s * qk;
                a[q][k] = s * pk + c * qk;
            }
            for row in &mut v {
                let (rp, rq) = (row[p], row[q]);
                row[p] = c * rp - s * rq;
                row[q] = s * rp + c * rq;
            }
        }
    }
    let mut order = [0, 1, 2];
    order.sort_by(|&i, &j| a[j][j].total_cmp(&a[i][i]).then(i.cmp(&j)));
    let values = order.map(|i| a[i][i]);
    let vectors = order.map(|i| oriented(DVec3::new(v[0][i], v[1][i], v[2][i])));
    (values, vectors)
}

/// The vector or its opposite, such that its largest component is positive.
pub fn oriented(v: DVec3) -> DVec3 {
    let [x, y, z] = v.to_array();
    let largest = if x.abs() >= y.abs() && x.abs() >= z.abs() {
        x
    } else if y.abs() >= z.abs() {
        y
    } else {
        z
    };
    if largest < 0.0 { -v } else { v }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_a_rotated_ellipsoid() {
        let r = DMat3::from_euler(glam::EulerRot::ZYX, 0.3, -1.1, 2.0);
        let m = r * DMat3::from_diagonal(DVec3::new(9.0, 4.0, 1.0)) * r.transpose();
        let (values, vectors) = axes(m);
        for k in 0..3 {
            assert!((values[k] - [9.0, 4.0, 1.0][k]).abs() < 1e-12);
            assert!(vectors[k].dot(r.col(k)).abs() > 1.0 - 1e-12);
            assert!(
                vectors[k].to_array().iter().copied().fold(0.0, |m: f64, c| if c.abs() > m.abs() {
                    c
                } else {
                    m
                }) > 0.0
            );
        }
        assert_eq!(axes(DMat3::ZERO).0, [0.0; 3]);
    }

    #[test]
    fn a_system_is_solved() {
        let mut a = vec![vec![0.0, 2.0, 4.0], vec![3.0, 1.0, 5.0]];
        eliminate(&mut a);
        assert!((a[0][2] - 1.0).abs() < 1e-15 && (a[1][2] - 2.0).abs() < 1e-15);
    }
}
