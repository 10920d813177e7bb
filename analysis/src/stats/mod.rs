//! Statistics of plain slices of numbers: distributions, tests, models, intervals. Nothing here knows tables or files.

pub mod adjust;
pub mod bootstrap;
pub mod checks;
pub mod correlation;
pub mod counts;
pub mod describe;
pub mod distances;
pub mod distributions;
pub mod effect;
pub mod icc;
pub mod linear;
pub mod means;
pub mod mixed;
pub mod permutation;
pub mod posthoc;
pub mod power;
pub mod ranks;
pub mod solve;
pub mod special;

#[cfg(test)]
pub(crate) mod tests;

/// Estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Estimate.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Result of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Test statistic.
    pub statistic: f64,
    /// Degrees of freedom (of the numerator).
    pub df1: Option<f64>,
    /// Degrees of freedom of the denominator.
    pub df2: Option<f64>,
    /// p-value, two-sided.
    pub p: f64,
    /// Estimate that goes with it, if any.
    pub estimate: Option<Interval>,
    /// Method by which p was found, where there are several.
    pub note: String,
}

impl Test {
    /// Test of a statistic with its degrees of freedom and p-value.
    pub fn new(statistic: f64, df1: Option<f64>, df2: Option<f64>, p: f64) -> Self {
        Self { statistic, df1, df2, p, estimate: None, note: String::new() }
    }
}

/// Reason that something cannot be estimated from these numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not estimable: {0}")]
pub struct NotEstimable(pub String);

/// Result of an estimate that the numbers may not allow.
pub type Estimable<T> = Result<T, NotEstimable>;

/// Refusal with its reason.
pub(crate) fn refuse<T>(why: impl Into<String>) -> Estimable<T> {
    Err(NotEstimable(why.into()))
}
