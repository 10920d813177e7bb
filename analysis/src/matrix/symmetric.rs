//! Symmetric matrices, row after row: Cholesky factors and eigenvectors.

/// The factor L of a positive definite matrix L Lᵀ.
#[derive(Debug, Clone)]
pub struct Cholesky {
    n: usize,
    lower: Vec<f64>,
}

impl Cholesky {
    /// Factors an n × n matrix; none if it isn't positive definite to the accuracy of `f64`.
    pub fn of(matrix: &[f64], n: usize) -> Option<Self> {
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
                let rest = matrix[i * n + j] - dot;
                if i == j {
                    // What is left of a variance after the others explain it.
                    if rest <= matrix[i * n + i].abs() * 1e-12 || !rest.is_finite() {
                        return None;
                    }
                    lower[i * n + i] = rest.sqrt();
                } else {
                    lower[i * n + j] = rest / lower[j * n + j];
                }
            }
        }
        Some(Self { n, lower })
    }

    /// Logarithm of the determinant.
    pub fn log_determinant(&self) -> f64 {
        (0..self.n).map(|i| 2.0 * self.lower[i * self.n + i].ln()).sum()
    }

    /// Squared Mahalanobis length of a vector, `room` for n numbers being given.
    pub fn squared_length(&self, x: &[f64], room: &mut [f64]) -> f64 {
        let n = self.n;
        let mut sum = 0.0;
        for i in 0..n {
            let row = &self.lower[i * n..i * n + i];
            let dot: f64 = row.iter().zip(room.iter()).map(|(a, b)| a * b).sum();
            room[i] = (x[i] - dot) / self.lower[i * n + i];
            sum += room[i] * room[i];
        }
        sum
    }

    /// The inverse of the matrix.
    pub fn inverse(&self) -> Vec<f64> {
        let n = self.n;
        let mut inverse = vec![0.0; n * n];
        let mut column = vec![0.0; n];
        for j in 0..n {
            for i in 0..n {
                let dot: f64 = (0..i).map(|k| self.lower[i * n + k] * column[k]).sum();
                column[i] = (f64::from(u8::from(i == j)) - dot) / self.lower[i * n + i];
            }
            for i in (0..n).rev() {
                let dot: f64 = (i + 1..n).map(|k| self.lower[k * n + i] * column[k]).sum();
                column[i] = (column[i] - dot) / self.lower[i * n + i];
            }
            for i in 0..n {
                inverse[i * n + j] = column[i];
            }
        }
        inverse
    }
}

/// Eigenvalues, greatest first, and eigenvectors (one after the other) of an n × n matrix, by Jacobi's rotations (Golub &
/// Van Loan 2013, 8.5). The greatest component of each vector is positive.
pub fn eigen(matrix: &[f64], n: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut a = matrix.to_vec();
    let mut v: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    let norm: f64 = a.iter().map(|x| x * x).sum::<f64>().sqrt();
    for _ in 0..60 {
        let off: f64 =
            (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j].powi(2)).sum();
        if off.sqrt() <= norm * 1e-15 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut v, n, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| a[j * n + j].total_cmp(&a[i * n + i]));
    let values = order.iter().map(|i| a[i * n + i]).collect();
    let vectors = order.into_iter().map(|i| signed(std::mem::take(&mut v[i]))).collect();
    (values, vectors)
}

/// Makes the element (p, q) 0; `v` has the eigenvectors as rows.
fn rotate(a: &mut [f64], v: &mut [Vec<f64>], n: usize, p: usize, q: usize) {
    let apq = a[p * n + q];
    if apq == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let t = if theta == 0.0 { 1.0 } else { t };
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (kp, kq) = (a[k * n + p], a[k * n + q]);
        a[k * n + p] = c * kp - s * kq;
        a[k * n + q] = s * kp + c * kq;
    }
    for k in 0..n {
        let (pk, qk) = (a[p * n + k], a[q * n + k]);
        a[p * n + k] = c * pk - s * qk;
        a[q * n + k] = s * pk + c * qk;
    }
    for k in 0..n {
        let (pk, qk) = (v[p][k], v[q][k]);
        v[p][k] = c * pk - s * qk;
        v[q][k] = s * pk + c * qk;
    }
}

fn signed(mut vector: Vec<f64>) -> Vec<f64> {
    let greatest = vector.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(1.0);
    if greatest < 0.0 {
        vector.iter_mut().for_each(|x| *x = -*x);
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_and_eigenvectors_give_the_matrix_again() {
        let a = [4.0, 1.0, 0.5, 1.0, 3.0, -0.7, 0.5, -0.7, 2.0];
        let cholesky = Cholesky::of(&a, 3).unwrap();
        let inverse = cholesky.inverse();
        for i in 0..3 {
            for j in 0..3 {
                let one: f64 = (0..3).map(|k| a[i * 3 + k] * inverse[k * 3 + j]).sum();
                assert!((one - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
        let (values, vectors) = eigen(&a, 3);
        assert!(values[0] > values[1] && values[1] > values[2]);
        assert!((values.iter().map(|v| v.ln()).sum::<f64>() - cholesky.log_determinant()).abs() < 1e-13);
        for (value, vector) in values.iter().zip(&vectors) {
            for i in 0..3 {
                let product: f64 = (0..3).map(|k| a[i * 3 + k] * vector[k]).sum();
                assert!((product - value * vector[i]).abs() < 1e-13);
            }
        }
        assert!(Cholesky::of(&[1.0, 1.0, 1.0, 1.0], 2).is_none());
    }
}
