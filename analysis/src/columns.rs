//! Columns of tables as numbers or as groups, and their names by globs.

use crate::{Error, suggestion};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use std::collections::HashMap;

/// Index of what has no group.
pub const NONE: usize = usize::MAX;

/// Column of groups: an index a row, [`NONE`] where missing, and the names in their natural order.
#[derive(Debug, Clone)]
pub struct Labels {
    /// Index of the group of every row.
    pub of_row: Vec<usize>,
    /// Names of groups: numbers by value, texts by letter.
    pub names: Vec<String>,
}

/// Refusal of Arrow, in words.
pub fn arrow(error: arrow::error::ArrowError) -> Error {
    Error::Data(error.to_string())
}

/// Column of a name.
///
/// # Errors
/// When there is none.
pub fn column<'a>(table: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, Error> {
    table.column_by_name(name).ok_or_else(|| {
        let schema = table.schema();
        let near = suggestion(name, schema.fields().iter().map(|f| f.name().as_str()));
        Error::Usage(format!("the table has no column \"{name}\"{near}"))
    })
}

/// True for columns of numbers and booleans.
pub fn is_number(array: &dyn Array) -> bool {
    match array.data_type() {
        DataType::Dictionary(_, v) => v.is_numeric(),
        t => t.is_numeric() || *t == DataType::Boolean,
    }
}

/// Numbers of a column, NaN where missing or infinite.
///
/// # Errors
/// When it holds none.
pub fn numbers(array: &ArrayRef, name: &str) -> Result<Vec<f64>, Error> {
    if !is_number(array) {
        return Err(Error::Data(format!("the column \"{name}\" holds no numbers")));
    }
    let array = if let DataType::Dictionary(_, v) = array.data_type() {
        cast(array, v).map_err(arrow)?
    } else {
        array.clone()
    };
    let array = cast(&array, &DataType::Float64).map_err(arrow)?;
    let values = array.as_primitive::<Float64Type>();
    let finite = |v: f64| if v.is_finite() { v } else { f64::NAN };
    Ok((0..values.len())
        .map(|i| if values.is_null(i) { f64::NAN } else { finite(values.value(i)) })
        .collect())
}

/// Groups of a column. Texts of only blanks, `NA`, `NaN` and `-` are missing.
///
/// # Errors
/// When the column cannot be read as text.
pub fn labels(array: &ArrayRef) -> Result<Labels, Error> {
    let text = cast(array, &DataType::Utf8).map_err(arrow)?;
    let text = text.as_string::<i32>();
    let number = is_number(array);
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut names: Vec<&str> = vec![];
    let mut of_row = Vec::with_capacity(text.len());
    for i in 0..text.len() {
        let value = if text.is_null(i) { "" } else { text.value(i) };
        let missing = matches!(value.trim(), "" | "NA" | "NaN" | "nan") || (!number && value.trim() == "-");
        of_row.push(if missing {
            NONE
        } else {
            *seen.entry(value).or_insert_with(|| {
                names.push(value);
                names.len() - 1
            })
        });
    }
    let mut order: Vec<usize> = (0..names.len()).collect();
    let key = |i: usize| names[i].parse::<f64>().ok();
    if order.iter().all(|&i| key(i).is_some()) {
        order.sort_by(|&a, &b| key(a).unwrap_or(0.0).total_cmp(&key(b).unwrap_or(0.0)));
    } else {
        order.sort_by_key(|&i| names[i]);
    }
    let mut place = vec![0; names.len()];
    order.iter().enumerate().for_each(|(to, &from)| place[from] = to);
    of_row.iter_mut().filter(|i| **i != NONE).for_each(|i| *i = place[*i]);
    let tidy = |n: &str| if number { n.strip_suffix(".0").unwrap_or(n).to_owned() } else { n.to_owned() };
    Ok(Labels { of_row, names: order.iter().map(|&i| tidy(names[i])).collect() })
}

/// Unit of a column's values, from the metadata of its field.
pub fn unit(table: &RecordBatch, name: &str) -> String {
    let schema = table.schema();
    let unit = schema.field_with_name(name).ok().and_then(|f| f.metadata().get("unit").cloned());
    unit.filter(|u| !u.is_empty() && u != "1").unwrap_or_default()
}

/// Names of columns that `patterns` ask for, in the order of patterns and of the table.
///
/// # Errors
/// When a name or a pattern fits no column.
pub fn matching(table: &RecordBatch, patterns: &[String]) -> Result<Vec<String>, Error> {
    let schema = table.schema();
    let mut out: Vec<String> = vec![];
    for pattern in patterns {
        if !pattern.contains(['*', '?', '[']) || table.column_by_name(pattern).is_some() {
            column(table, pattern)?;
            out.push(pattern.clone());
            continue;
        }
        let found: Vec<String> =
            schema.fields().iter().map(|f| f.name().clone()).filter(|n| glob(pattern, n)).collect();
        if found.is_empty() {
            return Err(Error::Usage(format!("no column matches \"{pattern}\"")));
        }
        out.extend(found);
    }
    let mut seen = std::collections::HashSet::new();
    out.retain(|n| seen.insert(n.clone()));
    Ok(out)
}

/// True when a name matches a glob of `*`, `?` and `[a-z]`.
pub fn glob(pattern: &str, name: &str) -> bool {
    fn go(p: &[char], n: &[char]) -> bool {
        match (p.first(), n.first()) {
            (None, None) => true,
            (Some('*'), _) => {
                let rest = &p[1..];
                (0..=n.len()).any(|i| go(rest, &n[i..]))
            }
            (Some('?'), Some(_)) => go(&p[1..], &n[1..]),
            (Some('['), Some(c)) => {
                let Some(end) = p.iter().position(|x| *x == ']') else {
                    return *c == '[' && go(&p[1..], &n[1..]);
                };
                let set = &p[1..end];
                let mut inside = false;
                let mut i = 0;
                while i < set.len() {
                    if i + 2 < set.len() && set[i + 1] == '-' {
                        inside |= (set[i]..=set[i + 2]).contains(c);
                        i += 3;
                    } else {
                        inside |= set[i] == *c;
                        i += 1;
                    }
                }
                inside && go(&p[end + 1..], &n[1..])
            }
            (Some(a), Some(b)) => a == b && go(&p[1..], &n[1..]),
            _ => false,
        }
    }
    let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    go(&p, &n)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        for (pattern, name, yes) in [
            ("D*Mit*", "D5Mit357", true),
            ("D[0-9]*", "DXM64", false),
            ("D[0-9]*", "D10M44", true),
            ("D?M*", "D10M44", false),
            ("*_mean", "volume_mean", true),
            ("*", "", true),
            ("[ab]x", "bx", true),
        ] {
            assert_eq!(glob(pattern, name), yes, "{pattern} {name}");
        }
    }
}
