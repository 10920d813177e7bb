//! Genotypes as columns of a model.

use super::Coding;
use super::engine::Marker;
use crate::Error;
use crate::columns::{self, NONE};
use arrow::array::ArrayRef;
use std::collections::BTreeSet;

/// Marker of a column: codes in `exclude` count as missing.
///
/// # Errors
/// When additive coding doesn't know the codes.
pub fn marker(array: &ArrayRef, name: &str, exclude: &[String], coding: Coding) -> Result<Marker, Error> {
    let labels = columns::labels(array)?;
    let keep: Vec<usize> = (0..labels.names.len()).filter(|&i| !exclude.contains(&labels.names[i])).collect();
    let place = |g: usize| if g == NONE { NONE } else { keep.iter().position(|k| *k == g).unwrap_or(NONE) };
    let places: Vec<usize> = (0..labels.names.len()).map(place).collect();
    let group: Vec<usize> = labels.of_row.iter().map(|&g| if g == NONE { NONE } else { places[g] }).collect();
    let names: Vec<&str> = keep.iter().map(|&i| labels.names[i].as_str()).collect();
    let columns = match coding {
        Coding::Categorical => (1..names.len())
            .map(|k| group.iter().map(|&g| if g == k { 1.0 } else { 0.0 }).collect())
            .collect(),
        Coding::Additive => {
            let dose = doses(&names).ok_or_else(|| {
                Error::Data(format!(
                    "additive coding needs numbers, A/H/B or pairs of alleles, not the codes {} of \"{name}\"",
                    names.join(", ")
                ))
            })?;
            vec![group.iter().map(|&g| if g == NONE { f64::NAN } else { dose[g] }).collect()]
        }
    };
    Ok(Marker { columns, group, groups: names.len() })
}

/// Number of alleles of each code: numbers as they are, A/H/B as 0, 1, 2, pairs of letters by their second allele.
fn doses(names: &[&str]) -> Option<Vec<f64>> {
    if let Some(numbers) =
        names.iter().map(|n| n.trim().parse::<f64>().ok().filter(|v| v.is_finite())).collect()
    {
        return Some(numbers);
    }
    if names.iter().all(|n| matches!(*n, "A" | "H" | "B")) {
        return Some(names.iter().map(|n| f64::from("AHB".find(n).unwrap_or(0) as u32)).collect());
    }
    let pair = |n: &str| -> Option<[char; 2]> {
        let letters: Vec<char> = n.chars().filter(|c| !matches!(c, '/' | '|')).collect();
        <[char; 2]>::try_from(letters).ok()
    };
    let pairs: Vec<[char; 2]> = names.iter().map(|n| pair(n)).collect::<Option<_>>()?;
    let alleles: BTreeSet<char> = pairs.iter().flatten().copied().collect();
    let second = alleles.iter().nth(1).copied();
    (alleles.len() <= 2)
        .then(|| pairs.iter().map(|p| p.iter().filter(|c| Some(**c) == second).count() as f64).collect())
}

#[cfg(test)]
mod tests {
    use super::doses;

    #[test]
    fn codes() {
        assert_eq!(doses(&["A", "B", "H"]), Some(vec![0.0, 2.0, 1.0]));
        assert_eq!(doses(&["AA", "AG", "GG"]), Some(vec![0.0, 1.0, 2.0]));
        assert_eq!(doses(&["C/T", "C/C"]), Some(vec![1.0, 0.0]));
        assert_eq!(doses(&["0", "1", "2"]), Some(vec![0.0, 1.0, 2.0]));
        assert_eq!(doses(&["mut", "wt"]), None);
    }
}
