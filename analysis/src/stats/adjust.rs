//! Adjustment of p-values for several tests.

use serde::{Deserialize, Serialize};

/// Method of adjustment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adjust {
    /// Holm (1979): family-wise error, uniformly better than Bonferroni.
    #[default]
    Holm,
    /// Benjamini and Hochberg (1995, doi:10.1111/j.2517-6161.1995.tb02031.x): false discovery rate.
    Bh,
    /// Bonferroni: family-wise error.
    Bonferroni,
    /// None.
    None,
}

impl Adjust {
    /// Name of the method, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holm => "Holm",
            Self::Bh => "Benjamini–Hochberg",
            Self::Bonferroni => "Bonferroni",
            Self::None => "none",
        }
    }

    /// Adjusted p-values, in the order of `p`; at most 1.
    pub fn apply(self, p: &[f64]) -> Vec<f64> {
        let m = p.len();
        let mut order: Vec<usize> = (0..m).collect();
        order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
        let mut out = p.to_vec();
        match self {
            Self::None => {}
            Self::Bonferroni => out.iter_mut().for_each(|v| *v = (*v * m as f64).min(1.0)),
            Self::Holm => {
                let mut highest = 0.0f64;
                for (rank, &i) in order.iter().enumerate() {
                    highest = highest.max(p[i] * (m - rank) as f64);
                    out[i] = highest.min(1.0);
                }
            }
            Self::Bh => {
                let mut lowest = 1.0f64;
                for (rank, &i) in order.iter().enumerate().rev() {
                    lowest = lowest.min(p[i] * m as f64 / (rank + 1) as f64);
                    out[i] = lowest;
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::Adjust;

    /// statsmodels 0.15.0, `multipletests`.
    #[test]
    fn agrees_with_statsmodels() {
        let p = [0.2, 0.01, 0.02, 0.03, 0.04, 0.05, 0.5];
        let check = |a: Adjust, want: [f64; 7]| {
            for (got, want) in a.apply(&p).iter().zip(want) {
                assert!((got - want).abs() < 1e-12, "{a:?}: {got} {want}");
            }
        };
        check(Adjust::Bonferroni, [1.0, 0.07, 0.14, 0.21, 0.28, 0.35, 1.0]);
        check(Adjust::Holm, [0.4, 0.07, 0.12, 0.15, 0.16, 0.16, 0.5]);
        check(Adjust::Bh, [0.7 / 3.0, 0.07, 0.07, 0.07, 0.07, 0.07, 0.5]);
        check(Adjust::None, p);
    }
}
