//! How to open what doesn't say itself how, as text: on the command line and in records.

use super::OpenOptions;
use crate::Unit;
use crate::program::{Length, ParamType, Value};
use crate::volume::unit::LengthUnit;
use std::collections::BTreeMap;

/// `Z,Y,X` or one number for all three.
///
/// # Errors
/// If it is something else.
pub fn parse_triple(text: &str) -> Result<[usize; 3], String> {
    let parts: Result<Vec<usize>, _> = text.split([',', 'x', '×']).map(|p| p.trim().parse()).collect();
    match parts.as_deref() {
        Ok([n]) => Ok([*n; 3]),
        Ok([z, y, x]) => Ok([*z, *y, *x]),
        _ => Err(format!("\"{text}\" is not three whole numbers like 100,512,512")),
    }
}

/// As [`parse_triple`], for a shape: nothing may be 0.
///
/// # Errors
/// If it is something else.
pub fn parse_shape(text: &str) -> Result<[usize; 3], String> {
    let shape = parse_triple(text)?;
    if shape.contains(&0) { Err(format!("\"{text}\" has no voxels")) } else { Ok(shape) }
}

/// A spacing: one positive length or three, such as `2.5,1,1 um`.
///
/// # Errors
/// If it is something else.
pub fn parse_spacing(text: &str) -> Result<([f64; 3], Unit), String> {
    match Value::parse(&ParamType::Length { min: 0.0 }, text)? {
        Value::Length(l) if l.value.iter().all(|v| *v > 0.0) => Ok((l.value, l.unit)),
        _ => Err(format!("\"{text}\" is not a positive length")),
    }
}

/// A unit of length of those that lengths can be in.
///
/// # Errors
/// If it is something else.
pub fn parse_unit(text: &str) -> Result<Unit, String> {
    match LengthUnit::parse(text) {
        Some(unit) if unit == LengthUnit::from(unit.unit) && unit.unit != Unit::Voxel => Ok(unit.unit),
        _ => Err(format!("\"{text}\" is not one of nm, um, mm, cm, m")),
    }
}

/// Which of the images of a file is meant: by its name, by its number from 1, or by the end of its path if no other
/// ends so.
///
/// # Errors
/// If none is: the nearest name, as the end of a sentence.
pub(super) fn choose(wanted: &str, names: &[&str]) -> Result<usize, String> {
    let name = wanted.trim_matches('/');
    let named = |at: usize| names[at].trim_matches('/') == name;
    if let Some(at) = (0..names.len()).find(|&at| named(at)) {
        return Ok(at);
    }
    if let Some(at) = wanted.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|&n| n < names.len())
    {
        return Ok(at);
    }
    let mut ends =
        (0..names.len()).filter(|&at| names[at].strip_suffix(name).is_some_and(|p| p.ends_with('/')));
    match (ends.next(), ends.next()) {
        (Some(at), None) => Ok(at),
        (Some(_), Some(_)) => Err(format!(": several of its {} images end so", names.len())),
        (None, _) => match crate::error::suggestion(wanted, names.iter().copied()) {
            hint if hint.is_empty() => Err(format!("; it has {}", some(names))),
            hint => Err(hint),
        },
    }
}

fn some(names: &[&str]) -> String {
    let more = if names.len() > 8 { format!(" and {} more", names.len() - 8) } else { String::new() };
    names.iter().take(8).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ") + &more
}

impl OpenOptions {
    /// What was given, by the names of the command line.
    pub fn to_record(&self) -> BTreeMap<String, String> {
        let mut record = BTreeMap::new();
        let mut add = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                record.insert(key.to_owned(), value);
            }
        };
        add("shape", self.shape.map(|[z, y, x]| format!("{z},{y},{x}")));
        add("dtype", self.voxel.map(|v| v.name().to_owned()));
        add("byte-order", self.big_endian.then(|| "big".to_owned()));
        add("offset", (self.offset > 0).then(|| self.offset.to_string()));
        add("spacing", self.spacing.map(|(value, unit)| Length { value, unit }.to_string()));
        add("unit", self.unit.map(|unit| unit.symbol().to_owned()));
        add("dataset", self.dataset.clone());
        add("accept-damaged", self.accept_damaged.then(|| "true".to_owned()));
        add("require-all-chunks", self.require_all_chunks.then(|| "true".to_owned()));
        record
    }

    /// Reads what [`OpenOptions::to_record`] wrote.
    ///
    /// # Errors
    /// If a value can't be read.
    pub fn of_record(record: &BTreeMap<String, String>) -> Result<Self, String> {
        let get = |key: &str| record.get(key);
        Ok(Self {
            shape: get("shape").map(|t| parse_shape(t)).transpose()?,
            voxel: get("dtype").map(|t| t.parse()).transpose()?,
            big_endian: get("byte-order").is_some_and(|t| t == "big"),
            offset: get("offset").map_or(Ok(0), |t| t.parse().map_err(|_| format!("offset = {t}")))?,
            spacing: get("spacing").map(|t| parse_spacing(t)).transpose()?,
            unit: get("unit").map(|t| parse_unit(t)).transpose()?,
            dataset: get("dataset").cloned(),
            accept_damaged: get("accept-damaged").is_some_and(|t| t == "true"),
            require_all_chunks: get("require-all-chunks").is_some_and(|t| t == "true"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VoxelType;

    #[test]
    fn shapes_read_as_written() {
        assert_eq!(parse_triple("1,2,3"), Ok([1, 2, 3]));
        assert_eq!(parse_triple("64"), Ok([64; 3]));
        assert!(parse_triple("1,2").is_err());
        assert!(parse_shape("4,0,4").is_err());
    }

    #[test]
    fn images_are_chosen_by_name_number_or_end() {
        let names = ["entry/data", "entry/dark", "other/data", "3"];
        let check = |wanted, at| assert_eq!(choose(wanted, &names), Ok(at), "{wanted}");
        check("entry/data", 0);
        check("/entry/dark/", 1);
        check("dark", 1);
        check("2", 1);
        check("3", 3);
        assert!(choose("data", &names).unwrap_err().contains("several"));
        assert!(choose("entry/drak", &names).unwrap_err().contains("entry/dark"));
        assert!(choose("9", &names).unwrap_err().contains("it has \"entry/data\""));
    }

    #[test]
    fn options_are_read_back_from_their_record() {
        let options = OpenOptions {
            shape: Some([3, 4, 5]),
            voxel: Some(VoxelType::I16),
            big_endian: true,
            offset: 12,
            spacing: Some(([2.5, 1.0, 1.0], Unit::Micrometre)),
            unit: Some(Unit::Micrometre),
            dataset: Some("a/b".into()),
            accept_damaged: true,
            require_all_chunks: true,
        };
        assert_eq!(OpenOptions::of_record(&options.to_record()).unwrap(), options);
        assert!(OpenOptions::default().to_record().is_empty());
        assert!(OpenOptions::of_record(&[("shape".to_owned(), "0".to_owned())].into()).is_err());
    }
}
