//! Parameter values: parsed from a recipe or a command line, checked against the declaration.

use crate::program::{Default, Param, ParamType, Spec};
use crate::volume::unit::LengthUnit;
use crate::{Geometry, Unit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A length along `z, y, x`, in voxels or physical.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Length {
    /// Along `z, y, x`.
    pub value: [f64; 3],
    /// [`Unit::Voxel`] for voxels.
    pub unit: Unit,
}

impl Length {
    /// The length in voxels of an image, `[z, y, x]`.
    ///
    /// # Errors
    /// If it is physical and the image has no physical spacing.
    pub fn voxels(&self, geometry: &Geometry) -> Result<[f64; 3], String> {
        let Some(metres) = self.unit.metres() else { return Ok(self.value) };
        let Some(image) = geometry.unit.metres() else {
            return Err(format!(
                "\"{self}\" is a physical length, but the image's voxel size is not known; give voxels, or the spacing"
            ));
        };
        let spacing = geometry.spacing();
        Ok(std::array::from_fn(|a| self.value[a] * metres / (image * spacing[a])))
    }

    /// The length in the image's unit, `[z, y, x]`; voxels are multiplied by the spacing.
    ///
    /// # Errors
    /// As [`Length::voxels`].
    pub fn physical(&self, geometry: &Geometry) -> Result<[f64; 3], String> {
        let (voxels, spacing) = (self.voxels(geometry)?, geometry.spacing());
        Ok(std::array::from_fn(|a| voxels[a] * spacing[a]))
    }
}

impl std::fmt::Display for Length {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [z, y, x] = self.value;
        if z == y && y == x {
            write!(f, "{z}")?;
        } else {
            write!(f, "{z},{y},{x}")?;
        }
        match self.unit {
            Unit::Voxel => Ok(()),
            Unit::Micrometre => write!(f, " um"),
            unit => write!(f, " {unit}"),
        }
    }
}

/// As it is written on a command line; [`Value::parse`] reads it again.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(v) => v.fmt(f),
            Self::Int(v) => v.fmt(f),
            Self::Float(v) => v.fmt(f),
            Self::Length(v) => v.fmt(f),
            Self::Text(v) => f.write_str(v),
            Self::Numbers(v) => f.write_str(&v.iter().map(f64::to_string).collect::<Vec<_>>().join(",")),
            Self::Words(v) => f.write_str(&v.join(",")),
        }
    }
}

/// A checked parameter value.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Length(Length),
    Text(String),
    Numbers(Vec<f64>),
    Words(Vec<String>),
}

impl Value {
    /// Reads a value as it is written on a command line.
    ///
    /// # Errors
    /// What was expected, in words.
    pub fn parse(ty: &ParamType, text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || format!("\"{text}\" is not {}", ty.expected());
        let value = match ty {
            ParamType::Bool => Self::Bool(text.parse().map_err(|_| wrong())?),
            ParamType::Int { .. } => Self::Int(text.parse().map_err(|_| wrong())?),
            ParamType::Float { .. } => Self::Float(text.parse().map_err(|_| wrong())?),
            ParamType::Length { .. } => Self::Length(parse_length(text).ok_or_else(wrong)??),
            ParamType::Choice(_) | ParamType::Text => Self::Text(text.to_owned()),
            ParamType::Numbers => Self::Numbers(
                text.split(',').map(|n| n.trim().parse().map_err(|_| wrong())).collect::<Result<_, _>>()?,
            ),
            ParamType::Words => {
                Self::Words(text.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect())
            }
        };
        value.checked(ty)
    }

    /// Reads a value as it stands in a recipe.
    ///
    /// # Errors
    /// What was expected, in words.
    pub fn from_toml(ty: &ParamType, toml: &toml::Value) -> Result<Self, String> {
        use toml::Value as T;
        let number = |v: &T| match v {
            T::Integer(i) => Some(*i as f64),
            T::Float(f) => Some(*f),
            _ => None,
        };
        let wrong = || format!("{toml} is not {}", ty.expected());
        let value = match (ty, toml) {
            (ParamType::Bool, T::Boolean(b)) => Self::Bool(*b),
            (ParamType::Int { .. }, T::Integer(i)) => Self::Int(*i),
            (ParamType::Float { .. }, v) => Self::Float(number(v).ok_or_else(wrong)?),
            (ParamType::Length { .. }, T::String(s)) => return Self::parse(ty, s),
            (ParamType::Length { .. }, T::Array(a)) => {
                let parts: Vec<Length> = a
                    .iter()
                    .map(|v| match v {
                        T::String(s) => parse_length(s).and_then(Result::ok),
                        v => number(v).map(|n| Length { value: [n; 3], unit: Unit::Voxel }),
                    })
                    .collect::<Option<_>>()
                    .ok_or_else(wrong)?;
                let [z, y, x] = <[Length; 3]>::try_from(parts).map_err(|_| wrong())?;
                let unit = x.unit;
                if [z, y].iter().any(|l| (l.unit == Unit::Voxel) != (unit == Unit::Voxel)) {
                    return Err(format!("{toml} mixes voxels and a unit of length"));
                }
                let value = [z, y, x].map(|l| LengthUnit::from(l.unit).convert_to(unit, l.value[0]));
                Self::Length(Length { value, unit })
            }
            (ParamType::Length { .. }, v) => {
                Self::Length(Length { value: [number(v).ok_or_else(wrong)?; 3], unit: Unit::Voxel })
            }
            (ParamType::Choice(_) | ParamType::Text, T::String(s)) => Self::Text(s.clone()),
            (ParamType::Choice(_), v) => Self::Text(v.to_string()),
            (ParamType::Numbers, T::Array(a)) => {
                Self::Numbers(a.iter().map(number).collect::<Option<_>>().ok_or_else(wrong)?)
            }
            (ParamType::Numbers, v) => Self::Numbers(vec![number(v).ok_or_else(wrong)?]),
            (ParamType::Words, T::Array(a)) => Self::Words(
                a.iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(wrong)?,
            ),
            (ParamType::Words, T::String(s)) => Self::Words(vec![s.clone()]),
            _ => return Err(wrong()),
        };
        value.checked(ty)
    }

    /// The value as it stands in a recipe.
    pub fn to_toml(&self) -> toml::Value {
        use toml::Value as T;
        match self {
            Self::Bool(b) => T::Boolean(*b),
            Self::Int(i) => T::Integer(*i),
            Self::Float(f) => T::Float(*f),
            Self::Length(l)
                if l.unit == Unit::Voxel && l.value[0] == l.value[1] && l.value[1] == l.value[2] =>
            {
                T::Float(l.value[0])
            }
            Self::Length(l) if l.unit == Unit::Voxel => {
                T::Array(l.value.iter().map(|v| T::Float(*v)).collect())
            }
            Self::Length(l) => T::String(l.to_string()),
            Self::Text(s) => T::String(s.clone()),
            Self::Numbers(n) => T::Array(n.iter().map(|v| T::Float(*v)).collect()),
            Self::Words(w) => T::Array(w.iter().map(|v| T::String(v.clone())).collect()),
        }
    }

    fn checked(self, ty: &ParamType) -> Result<Self, String> {
        let ok = match (&self, ty) {
            (Self::Int(v), ParamType::Int { min, max }) => v >= min && v <= max,
            (Self::Float(v), ParamType::Float { min, max }) => v >= min && v <= max,
            (Self::Length(l), ParamType::Length { min }) => {
                // The lower bound is in voxels; a physical length must only be as positive as it.
                let least = if l.unit == Unit::Voxel { *min } else { min.clamp(0.0, f64::MIN_POSITIVE) };
                l.value.iter().all(|v| v.is_finite() && *v >= least)
            }
            (Self::Text(word), ParamType::Choice(words)) => {
                if !words.contains(&word.as_str()) {
                    return Err(format!(
                        "\"{word}\" is not one of {}{}",
                        words.join(", "),
                        crate::error::suggestion(word, words.iter().copied())
                    ));
                }
                true
            }
            _ => true,
        };
        if ok {
            Ok(self)
        } else if let (Self::Length(length), ParamType::Length { min }) = (&self, ty) {
            Err(format!("\"{length}\" is out of range: it must be at least {min}"))
        } else {
            Err(format!("{} is out of range: it must be {}", self.to_toml(), ty.expected()))
        }
    }
}

/// `2`, `2.5 um`, `1,2,2`, `1,2,2 mm` or `2 mm,500 um,500 um`. `None` if it isn't a number; an inner error for a wrong
/// unit.
fn parse_length(text: &str) -> Option<Result<Length, String>> {
    let mut parts = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (number, unit) = part.split_at(end_of_number(part));
        parts.push((number.trim().parse::<f64>().ok()?, unit.trim()));
    }
    let parts: [(f64, &str); 3] = match parts[..] {
        [one] => [one; 3],
        [z, y, x] => [z, y, x],
        _ => return None,
    };
    // One unit at the end is that of all.
    let one = parts[..2].iter().all(|(_, unit)| unit.is_empty());
    let mut units = [LengthUnit::from(Unit::Voxel); 3];
    for (axis, (_, name)) in parts.into_iter().enumerate() {
        let name = if one { parts[2].1 } else { name };
        match LengthUnit::parse(name) {
            Some(unit) => units[axis] = unit,
            None => {
                return Some(Err(format!(
                    "unknown unit \"{name}\": use nm, um, mm, cm, m, in, another unit of length, or voxels"
                )));
            }
        }
    }
    let unit = units[2].unit;
    if units.iter().any(|u| (u.unit == Unit::Voxel) != (unit == Unit::Voxel)) {
        return Some(Err(format!("\"{text}\" mixes voxels and a unit of length")));
    }
    let value = std::array::from_fn(|axis| units[axis].convert_to(unit, parts[axis].0));
    Some(Ok(Length { value, unit }))
}

/// Where the number at the start of a text ends and its unit begins.
fn end_of_number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let exponent = |at: usize| {
        let digits = bytes.get(at + 1).is_some_and(|c| c.is_ascii_digit() || b"+-".contains(c));
        at > 0 && digits
    };
    (0..bytes.len())
        .find(|&at| match bytes[at] {
            b'0'..=b'9' | b'.' | b'+' | b'-' | b' ' => false,
            b'e' | b'E' => !exponent(at),
            _ => true,
        })
        .unwrap_or(bytes.len())
}

/// Checked parameters of one call, complete with defaults.
#[derive(Debug, Clone, PartialEq, std::default::Default)]
pub struct Args(BTreeMap<&'static str, Value>);

impl Args {
    /// Takes given values, which must be declared, and adds the defaults.
    ///
    /// # Errors
    /// If a required parameter is missing.
    pub fn complete(spec: &'static Spec, mut given: BTreeMap<&'static str, Value>) -> Result<Self, String> {
        for param in spec.params {
            if given.contains_key(param.name) {
                continue;
            }
            match param.default {
                Default::Required => {
                    return Err(format!("{} needs \"{}\": {}", spec.id, param.name, param.help));
                }
                Default::Absent => {}
                Default::Value(text) => {
                    given.insert(param.name, default_value(param, text));
                }
            }
        }
        Ok(Self(given))
    }

    /// The values by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(k, v)| (*k, v))
    }

    /// A value, if there is one.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    fn required(&self, name: &str) -> &Value {
        self.get(name).unwrap_or_else(|| panic!("parameter {name} is declared without a default"))
    }

    /// A declared `Bool`.
    pub fn bool(&self, name: &str) -> bool {
        match self.required(name) {
            Value::Bool(v) => *v,
            other => panic!("{name} is declared otherwise: {other:?}"),
        }
    }

    /// A declared `Int` with a default or required.
    pub fn int(&self, name: &str) -> i64 {
        self.maybe_int(name).unwrap_or_else(|| panic!("{name} is declared without a default"))
    }

    /// A declared `Int` that may be absent.
    pub fn maybe_int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Int(v) => Some(*v),
            other => panic!("{name} is declared otherwise: {other:?}"),
        }
    }

    /// A declared `Float` with a default or required.
    pub fn float(&self, name: &str) -> f64 {
        self.maybe_float(name).unwrap_or_else(|| panic!("{name} is declared without a default"))
    }

    /// A declared `Float` that may be absent.
    pub fn maybe_float(&self, name: &str) -> Option<f64> {
        match self.get(name)? {
            Value::Float(v) => Some(*v),
            other => panic!("{name} is declared otherwise: {other:?}"),
        }
    }

    /// A declared `Length` with a default or required.
    pub fn length(&self, name: &str) -> Length {
        self.maybe_length(name).unwrap_or_else(|| panic!("{name} is declared without a default"))
    }

    /// A declared `Length` that may be absent.
    pub fn maybe_length(&self, name: &str) -> Option<Length> {
        match self.get(name)? {
            Value::Length(v) => Some(*v),
            other => panic!("{name} is declared otherwise: {other:?}"),
        }
    }

    /// A declared `Choice` or `Text` with a default or required.
    pub fn text(&self, name: &str) -> &str {
        self.maybe_text(name).unwrap_or_else(|| panic!("{name} is declared without a default"))
    }

    /// A declared `Choice` or `Text` that may be absent.
    pub fn maybe_text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(v) => Some(v),
            other => panic!("{name} is declared otherwise: {other:?}"),
        }
    }

    /// A declared `Numbers` that may be absent.
    pub fn numbers(&self, name: &str) -> Option<&[f64]> {
        match self.get(name)? {
            Value::Numbers(v) => Some(v),
            other => panic!("{name} is declared otherwise: {other:?}"),
        }
    }

    /// A declared `Words` that may be absent.
    pub fn words(&self, name: &str) -> Option<&[String]> {
        match self.get(name)? {
            Value::Words(v) => Some(v),
            other => panic!("{name} is declared otherwise: {other:?}"),
        }
    }
}

fn default_value(param: &Param, text: &str) -> Value {
    // A test walks every declaration, so that a default that can't be read never ships.
    Value::parse(&param.ty, text).unwrap_or_else(|e| panic!("default of {}: {e}", param.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_as_written() {
        let ty = ParamType::Length { min: 0.0 };
        let check = |text: &str, value: [f64; 3], unit: Unit| {
            assert_eq!(Value::parse(&ty, text), Ok(Value::Length(Length { value, unit })), "{text}");
        };
        check("2", [2.0; 3], Unit::Voxel);
        check("3um", [3.0; 3], Unit::Micrometre);
        check("1.5e1 nm", [15.0; 3], Unit::Nanometre);
        check("1,2,2 mm", [1.0, 2.0, 2.0], Unit::Millimetre);
        check("2 mm, 500um,500 um", [2000.0, 500.0, 500.0], Unit::Micrometre);
        check("0.01 in", [0.254; 3], Unit::Millimetre);
        check("2\\u00B5m", [2.0; 3], Unit::Micrometre);
        check("5 Å", [0.5; 3], Unit::Nanometre);
        check("2 voxels", [2.0; 3], Unit::Voxel);
        for bad in ["", "um", "-1", "2 parsecs", "1,2", "nan", "1 um,2,2", "1 um,2 um,2 px"] {
            assert!(Value::parse(&ty, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_physical_length_differs_by_axis() {
        let g = Geometry::from_spacing([2.0, 1.0, 0.5], Unit::Micrometre);
        let l = Length { value: [4.0; 3], unit: Unit::Micrometre };
        assert_eq!(l.voxels(&g), Ok([2.0, 4.0, 8.0]));
        assert!(l.voxels(&Geometry::default()).is_err());
    }
}
