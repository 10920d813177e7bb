//! Series of slices: names that differ in one number. A folder may hold several, with gaps and duplicates, which a reader
//! of the image must know of.

use crate::error::suggestion;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Gaps, duplicates and series that a note names at most.
const NAMED: usize = 4;

/// Slices whose names differ in one number.
struct Series {
    /// The name with `#` for the number, such as `img#.tif`.
    name: String,
    /// Numbers and positions in the list of slices, in the order of the list.
    slices: Vec<(u64, usize)>,
}

/// A name as texts and the digits between them.
struct NameParts {
    texts: Vec<String>,
    digits: Vec<String>,
}

fn parts(name: &str) -> NameParts {
    let (mut text, mut run) = (String::new(), String::new());
    let (mut texts, mut digits) = (Vec::new(), Vec::new());
    for c in name.chars().map(Some).chain([None]) {
        if let Some(digit) = c.filter(char::is_ascii_digit) {
            run.push(digit);
            continue;
        }
        // A number that is too large to count is text.
        if run.parse::<u64>().is_ok() {
            texts.push(std::mem::take(&mut text));
            digits.push(std::mem::take(&mut run));
        }
        text.extend(run.drain(..).chain(c));
    }
    texts.push(text);
    NameParts { texts, digits }
}

/// The series of a list of names, those with most slices first.
fn series(names: &[String]) -> Vec<Series> {
    let mut alike: BTreeMap<Vec<String>, Vec<(usize, Vec<u64>)>> = BTreeMap::new();
    for (at, name) in names.iter().enumerate() {
        let NameParts { texts, digits } = parts(name);
        let key = texts.iter().map(|text| text.to_lowercase()).collect();
        let numbers = digits.iter().filter_map(|digits| digits.parse().ok()).collect();
        alike.entry(key).or_default().push((at, numbers));
    }
    let mut found = Vec::new();
    for (texts, members) in alike {
        // The number that counts is the one with most values; of equals, the last.
        let values =
            |run: usize| members.iter().map(|(_, n)| n[run]).collect::<std::collections::BTreeSet<_>>().len();
        let counter = (0..texts.len() - 1).max_by_key(|&run| values(run));
        let mut split: BTreeMap<Vec<u64>, Vec<(u64, usize)>> = BTreeMap::new();
        for (at, mut numbers) in members {
            let number = counter.map_or(0, |run| numbers.remove(run));
            split.entry(numbers).or_default().push((number, at));
        }
        for slices in split.into_values() {
            let name = series_name(&names[slices[0].1], counter);
            found.push(Series { name, slices });
        }
    }
    found.sort_by_key(|series| std::cmp::Reverse(series.slices.len()));
    found
}

/// A name with `#` in place of its number `counter`.
fn series_name(name: &str, counter: Option<usize>) -> String {
    let NameParts { texts, digits } = parts(name);
    let numbers =
        digits.into_iter().enumerate().map(|(run, n)| if Some(run) == counter { "#".into() } else { n });
    texts.into_iter().zip(numbers.chain([String::new()])).flat_map(|(text, number)| [text, number]).collect()
}

/// Keeps the series that was asked for, or all, and says what a reader should know.
///
/// # Errors
/// If there is no such series, in words.
pub(super) fn choose(
    paths: Vec<PathBuf>,
    asked: Option<&str>,
) -> Result<(Vec<PathBuf>, Vec<String>), String> {
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names: Vec<String> = paths.iter().map(name).collect();
    let all = series(&names);
    if let Some(asked) = asked {
        let Some(series) = all.iter().find(|series| series.name == asked) else {
            let hint = suggestion(asked, all.iter().map(|series| series.name.as_str()));
            return Err(format!("holds no series \"{asked}\"{hint}; there are: {}", list(&all)));
        };
        let notes = gaps(series).into_iter().chain(duplicates(series, &names)).collect();
        return Ok((series.slices.iter().map(|(_, at)| paths[*at].clone()).collect(), notes));
    }
    let notes = notes(&all, &names);
    Ok((paths, notes))
}

fn notes(all: &[Series], names: &[String]) -> Vec<String> {
    let [largest, others @ ..] = all else { return Vec::new() };
    // Where no two names are alike, they are no series of numbers.
    if largest.slices.len() < 2 {
        return Vec::new();
    }
    let mut notes = Vec::new();
    if !others.is_empty() {
        notes.push(format!(
            "the folder holds {} series of slices, which are stacked as one image: {}; one alone is chosen with \
             --dataset \"{}\"",
            all.len(),
            list(all),
            largest.name
        ));
    }
    for series in all.iter().take(NAMED) {
        notes.extend(gaps(series));
        notes.extend(duplicates(series, names));
    }
    // A few slices that have a number of the largest series are copies of its slices, most likely.
    for other in others.iter().filter(|other| 2 * other.slices.len() <= largest.slices.len()).take(NAMED) {
        let twin = |number: u64| largest.slices.iter().find(|(own, _)| *own == number);
        let twins = other.slices.iter().filter_map(|(number, at)| Some((number, *at, twin(*number)?.1)));
        for (number, at, twin) in twins.take(NAMED) {
            notes.push(format!("slice {number} is there twice: {} and {}", names[twin], names[at]));
        }
    }
    notes
}

fn list(all: &[Series]) -> String {
    let named = all.iter().take(NAMED).map(|series| format!("{} ({})", series.name, series.slices.len()));
    let mut text = named.collect::<Vec<_>>().join(", ");
    if all.len() > NAMED {
        text.push_str(", …");
    }
    text
}

/// A note of the numbers that are missing between the first and the last.
fn gaps(series: &Series) -> Option<String> {
    let mut numbers: Vec<u64> = series.slices.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let steps: Vec<u64> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    steps.iter().for_each(|step| *counts.entry(*step).or_default() += 1);
    let (step, often) = counts.into_iter().max_by_key(|(step, often)| (*often, std::cmp::Reverse(*step)))?;
    // Numbers without a common step, such as times of day, have no gaps.
    if 2 * often <= steps.len() && steps.len() > 1 || steps.iter().any(|s| !s.is_multiple_of(step)) {
        return None;
    }
    let missing: u64 = steps.iter().map(|s| s / step - 1).sum();
    if missing == 0 {
        return None;
    }
    let wide = numbers.windows(2).filter(|pair| pair[1] - pair[0] > step);
    let named: Vec<String> = wide
        .take(NAMED)
        .map(|pair| match (pair[0] + step, pair[1] - step) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        })
        .collect();
    let more = if steps.iter().filter(|s| **s > step).count() > NAMED { ", …" } else { "" };
    Some(format!(
        "{missing} {} of the series {} {} missing: number {}{more}; the others are stacked without a gap",
        if missing == 1 { "slice" } else { "slices" },
        series.name,
        if missing == 1 { "is" } else { "are" },
        named.join(", ")
    ))
}

/// A note of each number that several slices of a series have, such as `img3.tif` and `img003.tif`.
fn duplicates(series: &Series, names: &[String]) -> Vec<String> {
    let mut by_number: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    series.slices.iter().for_each(|(number, at)| by_number.entry(*number).or_default().push(*at));
    let several = by_number.into_iter().filter(|(_, at)| at.len() > 1).take(NAMED);
    several
        .map(|(number, at)| format!("slice {number} is there twice: {} and {}", names[at[0]], names[at[1]]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], asked: Option<&str>, wanted: &[&str], left: usize) {
        let paths = names.iter().map(|name| PathBuf::from("folder").join(name)).collect();
        let (paths, notes) = choose(paths, asked).unwrap();
        assert_eq!((notes.len(), paths.len()), (wanted.len(), left), "{names:?}: {notes:?}");
        for (note, wanted) in notes.iter().zip(wanted) {
            assert!(note.contains(wanted), "{note} should say {wanted}");
        }
    }

    #[test]
    fn a_series_is_told_from_several_with_gaps_and_duplicates() {
        let numbered = |prefix: &str, range: std::ops::Range<u32>, without: u32| {
            range.filter(|n| *n != without).map(|n| format!("{prefix}{n:03}.tif")).collect::<Vec<_>>()
        };
        let whole = numbered("img", 0..12, 99);
        let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
        check(&whole, None, &[], 12);
        let gap = numbered("img", 0..12, 5);
        let gap: Vec<&str> = gap.iter().map(String::as_str).collect();
        check(&gap, None, &["1 slice of the series img#.tif is missing: number 5"], 11);
        let twice = ["img000.tif", "img001.tif", "img002.tif", "img003 copy.tif", "img003.tif"];
        check(&twice, None, &["2 series", "slice 3 is there twice: img003.tif and img003 copy.tif"], 5);
        check(&twice, Some("img#.tif"), &[], 4);
        let two: Vec<&str> =
            whole.iter().copied().chain(["other000.tif", "other001.tif", "other002.tif"]).collect();
        check(&two, Some("other#.tif"), &[], 3);
        check(&["a1.tif", "a2.tif", "b1.tif", "b2.tif"], None, &["a#.tif (2), b#.tif (2)"], 4);
        check(
            &["s_01_1.tif", "s_01_2.tif", "s_02_1.tif", "s_02_2.tif", "s_02_3.tif"],
            None,
            &["s_02_#.tif (3), s_01_#.tif (2)"],
            5,
        );
        check(&["img1.tif", "img01.tif", "img2.tif", "img3.tif"], None, &["slice 1 is there twice"], 4);
        // Every fifth slice; times of day; names without numbers.
        check(&["z0.tif", "z5.tif", "z10.tif", "z20.tif"], None, &["number 15"], 4);
        check(&["t120003.tif", "t120107.tif", "t120311.tif"], None, &[], 3);
        check(&["axial.tif", "coronal.tif"], None, &[], 2);
        let error = choose(vec!["a1.tif".into(), "a2.tif".into()], Some("a*.tif")).unwrap_err();
        assert!(error.contains("did you mean \"a#.tif\""), "{error}");
    }
}
