//! Units of length and time, in every spelling that image files use. All formats read their units here.

use super::Geometry;
use glam::{DMat3, DVec3};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The unit of length of world coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// The file does not say: lengths are in voxels.
    #[default]
    Voxel,
    /// 10⁻⁹ m.
    Nanometre,
    /// 10⁻⁶ m.
    Micrometre,
    /// 10⁻³ m.
    Millimetre,
    /// 10⁻² m.
    Centimetre,
    /// Metre.
    Metre,
}

impl Unit {
    /// The symbol that a person reads: `µm`.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Voxel => "voxel",
            Self::Nanometre => "nm",
            Self::Micrometre => "µm",
            Self::Millimetre => "mm",
            Self::Centimetre => "cm",
            Self::Metre => "m",
        }
    }

    /// Metres in one of this unit; none for voxels.
    pub fn metres(self) -> Option<f64> {
        match self {
            Self::Voxel => None,
            Self::Nanometre => Some(1e-9),
            Self::Micrometre => Some(1e-6),
            Self::Millimetre => Some(1e-3),
            Self::Centimetre => Some(1e-2),
            Self::Metre => Some(1.0),
        }
    }

    /// The power of ten of metres.
    fn exponent(self) -> i32 {
        match self {
            Self::Voxel | Self::Metre => 0,
            Self::Nanometre => -9,
            Self::Micrometre => -6,
            Self::Millimetre => -3,
            Self::Centimetre => -2,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.symbol())
    }
}

/// A unit of length as a file names it: numerator ÷ denominator × 10^exponent metres, or voxels.
///
/// Factors are exact integers, so that 20000 pm are 0.02 µm to the last bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthUnit {
    /// The unit in which such lengths are best expressed.
    pub unit: Unit,
    numerator: u32,
    denominator: u32,
    exponent: i32,
}

impl From<Unit> for LengthUnit {
    fn from(unit: Unit) -> Self {
        Self { unit, numerator: 1, denominator: 1, exponent: unit.exponent() }
    }
}

impl LengthUnit {
    /// The unit that a name or symbol means; none if it is unknown. An empty name means voxels.
    pub fn parse(name: &str) -> Option<Self> {
        let text = canonical(name);
        let voxel = ["", "?", "???", "none", "pix", "px", "vx", "pixel", "voxel", "referenceframe"];
        let lower = text.to_lowercase();
        let word = match lower.strip_suffix('s') {
            Some(word) if word.chars().count() > 2 => word,
            _ => &lower,
        };
        if voxel.contains(&word) {
            return Some(Unit::Voxel.into());
        }
        let of =
            |unit, numerator, denominator, exponent| Some(Self { unit, numerator, denominator, exponent });
        let metres = |exponent: i32| {
            let unit = match exponent {
                ..=-9 => Unit::Nanometre,
                -6 => Unit::Micrometre,
                -3 => Unit::Millimetre,
                -2 => Unit::Centimetre,
                _ => Unit::Metre,
            };
            of(unit, 1, 1, exponent)
        };
        match word {
            "micron" | "u" => return metres(-6),
            "a" | "å" | "angstrom" | "ångström" | "ångstrom" | "angström" => return metres(-10),
            "in" | "inch" | "inche" => return of(Unit::Millimetre, 254, 1, -4),
            "mil" | "thou" => return of(Unit::Micrometre, 254, 1, -7),
            "li" | "line" => return of(Unit::Millimetre, 254, 12, -4),
            "pt" | "point" => return of(Unit::Millimetre, 254, 72, -4),
            "ft" | "foot" | "feet" => return of(Unit::Millimetre, 3048, 1, -4),
            "yd" | "yard" => return of(Unit::Metre, 9144, 1, -4),
            "mi" | "mile" => return of(Unit::Metre, 1_609_344, 1, -3),
            _ => {}
        }
        if let Some(prefix) = word.strip_suffix("meter").or(word.strip_suffix("metre")) {
            return prefix_word(prefix).and_then(metres);
        }
        // Upper and lower case differ in symbols (mm, Mm), but for these slips nobody means anything else.
        let symbol = if ["NM", "UM", "MM", "CM"].contains(&text.as_str()) { &lower } else { &text };
        symbol.strip_suffix('m').and_then(prefix_symbol).and_then(metres)
    }

    /// A length in this unit, expressed in [`LengthUnit::unit`].
    pub fn convert(self, value: f64) -> f64 {
        self.convert_to(self.unit, value)
    }

    /// A length in this unit, expressed in another; unchanged if either is voxels.
    pub fn convert_to(self, unit: Unit, value: f64) -> f64 {
        if self.unit == Unit::Voxel || unit == Unit::Voxel {
            return value;
        }
        // As few roundings as can be.
        let (value, exponent) = (value * f64::from(self.numerator), self.exponent - unit.exponent());
        let denominator = f64::from(self.denominator);
        if exponent < 0 {
            value / (10f64.powi(-exponent) * denominator)
        } else {
            value * 10f64.powi(exponent) / denominator
        }
    }
}

/// `value` × 10^`exponent`, correctly rounded for exponents that a file can have.
fn scaled(value: f64, exponent: i32) -> f64 {
    let power = 10f64.powi(exponent.abs());
    if exponent < 0 { value / power } else { value * power }
}

/// The exponent of a prefix of the SI as a word (`nano`), 0 for none.
fn prefix_word(word: &str) -> Option<i32> {
    const WORDS: [(&str, i32); 21] = [
        ("yocto", -24),
        ("zepto", -21),
        ("atto", -18),
        ("femto", -15),
        ("pico", -12),
        ("nano", -9),
        ("micro", -6),
        ("milli", -3),
        ("centi", -2),
        ("deci", -1),
        ("", 0),
        ("deca", 1),
        ("deka", 1),
        ("hecto", 2),
        ("kilo", 3),
        ("mega", 6),
        ("giga", 9),
        ("tera", 12),
        ("peta", 15),
        ("exa", 18),
        ("zetta", 21),
    ];
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, exponent)| *exponent)
}

/// The exponent of a prefix of the SI as a symbol (`n`), 0 for none.
fn prefix_symbol(symbol: &str) -> Option<i32> {
    Some(match symbol {
        "y" => -24,
        "z" => -21,
        "a" => -18,
        "f" => -15,
        "p" => -12,
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "c" => -2,
        "d" => -1,
        "" => 0,
        "da" => 1,
        "h" => 2,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        _ => return None,
    })
}

/// A name without quotes, blanks and escapes, and with one letter for all the kinds of micro sign.
fn canonical(name: &str) -> String {
    let text = unescaped(name.trim_matches(|c: char| c.is_whitespace() || "\"'[](){}\0".contains(c)));
    // UTF-8 that was read as Latin-1, and Latin-1 that was read as UTF-8, by whoever wrote the file.
    let text = text.replace("Âµ", "u").replace("Î¼", "u").replace("Ã\u{85}", "Å").replace('\u{fffd}', "u");
    text.chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| match c {
            'µ' | 'μ' => 'u',
            '\u{212b}' => 'Å',
            c => c,
        })
        .collect::<String>()
        .replace("A\u{30a}", "Å")
}

/// A text with its escapes (`\u00B5`, `\xB5`, `&#181;`, `&micro;`) replaced by the characters that they stand for.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '&']) {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let (character, length) = escaped(escape).unwrap_or((escape.as_bytes()[0].into(), 1));
        out.push(character);
        rest = &escape[length..];
    }
    out + rest
}

/// The character of the escape that a text begins with, and the escape's length.
fn escaped(text: &str) -> Option<(char, usize)> {
    let hex = |at: usize, digits: usize| {
        let code = u32::from_str_radix(text.get(at..at + digits)?, 16).ok()?;
        Some((char::from_u32(code)?, at + digits))
    };
    match text.get(..2)? {
        "\\u" | "\\U" => hex(2, 4),
        "\\x" => hex(2, 2),
        "&m" | "&#" => {
            let end = text.find(';')?;
            let code = match &text[1..end] {
                "micro" | "mu" => 0xb5,
                number => match number.trim_start_matches('#').strip_prefix(['x', 'X']) {
                    Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                    None => number.trim_start_matches('#').parse().ok()?,
                },
            };
            Some((char::from_u32(code)?, end + 1))
        }
        _ => None,
    }
}

/// A time in a named unit, in seconds; none if the unit is unknown.
pub fn seconds(value: f64, unit: &str) -> Option<f64> {
    let text = canonical(unit);
    let word = text.strip_suffix('s').filter(|w| w.chars().count() > 2).unwrap_or(&text);
    let factor = match word {
        "m" | "min" | "minute" => 60.0,
        "h" | "hr" | "hour" => 3600.0,
        "d" | "day" => 86_400.0,
        _ => {
            let words = ["second", "sec"].iter().find_map(|end| word.strip_suffix(end));
            let exponent = match words {
                Some(prefix) => prefix_word(prefix).or_else(|| prefix_symbol(prefix)),
                None => text.strip_suffix('s').and_then(prefix_symbol),
            };
            return exponent.map(|exponent| scaled(value, exponent));
        }
    };
    Some(value * factor)
}

/// Units that a file gives for each axis `[z, y, x]`, brought into a common one: that of x, or of the first axis that
/// has one.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisUnits {
    axes: [LengthUnit; 3],
    unit: Unit,
    named: bool,
    unknown: Option<Unknown>,
}

/// Why lengths can't be given in a unit.
#[derive(Debug, Clone, PartialEq)]
enum Unknown {
    /// All lengths are in the same unknown unit, so that their ratios are known.
    Same(String),
    /// An axis has an unknown unit, and another has a different one.
    Mixed(String),
    /// Some axes are in voxels, others have a unit.
    Voxels([bool; 3]),
}

const AXES: [&str; 3] = ["z", "y", "x"];

impl AxisUnits {
    /// From the names that a file has for the axes `[z, y, x]`. An axis without a name has the unit of the others.
    pub fn new(names: [Option<&str>; 3]) -> Self {
        let parsed = names.map(|name| name.map(|name| (name, LengthUnit::parse(name))));
        let physical =
            |axis: usize| parsed[axis].and_then(|(_, unit)| unit).filter(|u| u.unit != Unit::Voxel);
        let common = [2, 1, 0].into_iter().find_map(physical);
        let unit = common.map_or(Unit::Voxel, |common| common.unit);
        let axes =
            parsed.map(|axis| axis.and_then(|(_, unit)| unit).or(common).unwrap_or(Unit::Voxel.into()));
        let in_voxels = parsed.map(|axis| {
            common.is_some() && axis.and_then(|(_, own)| own).is_some_and(|own| own.unit == Unit::Voxel)
        });
        let strange = [2, 1, 0].into_iter().find_map(|axis| match parsed[axis] {
            Some((name, None)) => Some((axis, name)),
            _ => None,
        });
        let unknown = match strange {
            Some((_, name))
                if parsed.iter().flatten().all(|(other, _)| canonical(other) == canonical(name)) =>
            {
                Some(Unknown::Same(shorten(name)))
            }
            Some((axis, name)) => Some(Unknown::Mixed(format!(
                "the unit of axis {}, \"{}\", is unknown, and that of others is not the same; lengths are in voxels, as \
                 if they were cubes",
                AXES[axis],
                shorten(name)
            ))),
            None => in_voxels.contains(&true).then_some(Unknown::Voxels(in_voxels)),
        };
        Self { axes, unit, named: parsed.iter().any(Option::is_some), unknown }
    }

    /// Whether a file names the unit of an axis.
    pub fn is_named(&self) -> bool {
        self.named
    }

    /// A length along an axis (0 is z) in the common unit.
    pub fn convert(&self, axis: usize, length: f64) -> f64 {
        self.axes[axis].convert_to(self.unit, length)
    }

    /// Spacings as a file gives them, in the common unit, and that unit. An axis that is in voxels while others have a
    /// unit has no spacing. `notes` gets what a reader should know.
    pub fn spacing(&self, given: [Option<f64>; 3], notes: &mut Vec<String>) -> ([Option<f64>; 3], Unit) {
        let first = [2, 1, 0].into_iter().find_map(|axis| given[axis]);
        if first.is_none() {
            return (given, Unit::Voxel);
        }
        notes.extend(self.note(first));
        let converted = |axis: usize| given[axis].map(|v| self.convert(axis, v));
        match (&self.unknown, first) {
            (None, _) => ([0, 1, 2].map(converted), self.unit),
            (Some(Unknown::Same(_)), Some(first)) => (given.map(|v| v.map(|v| v / first)), Unit::Voxel),
            (Some(Unknown::Voxels(axes)), _) => {
                ([0, 1, 2].map(|axis| converted(axis).filter(|_| !axes[axis])), self.unit)
            }
            _ => ([None; 3], Unit::Voxel),
        }
    }

    /// Completes a geometry whose lengths were converted: with the unit, or in voxels where it is unknown. `finest` is
    /// the spacing `[z, y, x]` of the finest level, as converted.
    pub fn complete(&self, geometry: &mut Geometry, finest: [f64; 3], notes: &mut Vec<String>) {
        let [z, y, x] = finest.map(f64::abs);
        notes.extend(self.note(Some(x)));
        let voxel = match self.unknown {
            None => {
                geometry.unit = self.unit;
                return;
            }
            Some(Unknown::Same(_)) => DVec3::splat(x),
            Some(Unknown::Mixed(_) | Unknown::Voxels(_)) => DVec3::new(x, y, z),
        };
        geometry.unit = Unit::Voxel;
        let affine = &mut geometry.world_from_index;
        affine.matrix3 *= DMat3::from_diagonal(voxel.recip());
        affine.translation /= voxel;
    }

    fn note(&self, x: Option<f64>) -> Option<String> {
        Some(match (self.unknown.as_ref()?, x) {
            (Unknown::Same(name), Some(x)) => format!(
                "the unit \"{name}\" is unknown; lengths are in voxels of the spacing along x, which is {x} {name}"
            ),
            (Unknown::Same(name), None) => format!("the unit \"{name}\" is unknown; lengths are in voxels"),
            (Unknown::Mixed(note), _) => note.clone(),
            (Unknown::Voxels(axes), _) => {
                let named: Vec<_> = (0..3).filter(|axis| axes[*axis]).map(|axis| AXES[axis]).collect();
                format!("axis {} is in voxels, others are in {}", named.join(", "), self.unit)
            }
        })
    }
}

fn shorten(name: &str) -> String {
    name.trim().chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_length_are_read_in_every_spelling() {
        let check = |names: &[&str], value: f64, unit: Unit, wanted: f64| {
            for name in names {
                let read = LengthUnit::parse(name).unwrap_or_else(|| panic!("{name} is unknown"));
                assert_eq!((read.unit, read.convert(value)), (unit, wanted), "{name}");
            }
        };
        let micro = [
            "um",
            "µm",
            "μm",
            "\\u00B5m",
            "\\u00b5m",
            "\\u03BCm",
            "\\xB5m",
            "&#181;m",
            "&#xB5;m",
            "&micro;m",
            "Âµm",
            "Î¼m",
            "\u{fffd}m",
            "micron",
            "Microns",
            "micrometer",
            "micrometres",
            "Micrometer",
            "\"um\"",
            " µm ",
            "UM",
            "[um]",
            "µ",
            "microns\0",
        ];
        check(&micro, 2.0, Unit::Micrometre, 2.0);
        check(&["nm", "nanometer", "Nanometres", "NM"], 3.0, Unit::Nanometre, 3.0);
        check(&["pm", "picometer", "picometre"], 20000.0, Unit::Nanometre, 20.0);
        check(
            &["Å", "Å", "\u{212b}", "A\u{30a}", "angstrom", "Angstroms", "ångström", "A", "\\u00C5"],
            7.0,
            Unit::Nanometre,
            0.7,
        );
        check(&["mm", "MM", "millimeter", "millimetres"], 0.1, Unit::Millimetre, 0.1);
        check(&["cm", "centimeter", "CM"], 0.1, Unit::Centimetre, 0.1);
        check(&["m", "meter", "metres"], 0.1, Unit::Metre, 0.1);
        check(&["km", "kilometer"], 0.1, Unit::Metre, 100.0);
        check(&["dm", "decimeter"], 3.0, Unit::Metre, 0.3);
        check(&["Mm"], 1.0, Unit::Metre, 1e6);
        check(&["in", "inch", "Inches", "\\u0069n"], 1.0, Unit::Millimetre, 25.4);
        check(&["mil", "mils", "thou"], 1.0, Unit::Micrometre, 25.4);
        check(&["pt", "points"], 72.0, Unit::Millimetre, 25.4);
        check(&["li", "lines"], 12.0, Unit::Millimetre, 25.4);
        check(&["ft", "foot", "feet"], 1.0, Unit::Millimetre, 304.8);
        check(&["yard", "yd"], 1.0, Unit::Metre, 0.9144);
        check(&["mile", "mi"], 1.0, Unit::Metre, 1609.344);
        check(&["fm"], 5.0, Unit::Nanometre, 5e-6);
        check(
            &["", "pixel", "Pixels", "px", "voxels", "?", "none", "reference frame"],
            3.0,
            Unit::Voxel,
            3.0,
        );
        for unknown in ["furlong", "Gray Value", "s", "M", "\\u", "&", "&;", "\\uZZZZm", "kg"] {
            assert_eq!(LengthUnit::parse(unknown), None, "{unknown}");
        }
        let pm = LengthUnit::parse("pm").unwrap();
        assert_eq!(pm.convert_to(Unit::Micrometre, 20000.0), 0.02);
        assert_eq!(LengthUnit::parse("in").unwrap().convert_to(Unit::Micrometre, 0.001), 25.4);
    }

    #[test]
    fn units_of_time_are_read_in_every_spelling() {
        let check = |names: &[&str], value: f64, wanted: f64| {
            for name in names {
                assert_eq!(seconds(value, name), Some(wanted), "{name}");
            }
        };
        check(&["s", "sec", "secs", "second", "seconds"], 3.0, 3.0);
        check(&["ms", "msec", "millisecond", "milliseconds"], 3.0, 0.003);
        check(&["us", "µs", "μs", "\\u00B5s", "usec", "microsecond"], 3.0, 3e-6);
        check(&["ns", "nanosecond"], 3.0, 3e-9);
        check(&["min", "minute", "minutes"], 2.0, 120.0);
        check(&["h", "hr", "hours"], 2.0, 7200.0);
        check(&["d", "days"], 2.0, 172_800.0);
        check(&["ks"], 2.0, 2000.0);
        assert_eq!(seconds(1.0, "fortnight"), None);
    }

    #[test]
    fn each_axis_has_its_unit_and_unknown_ones_keep_the_ratio() {
        let check = |names: [&str; 3], given: [f64; 3], wanted: [f64; 3], unit: Unit, note: &str| {
            let names = names.map(|n| (n != "-").then_some(n));
            let mut notes = Vec::new();
            let (spacing, common) = AxisUnits::new(names).spacing(given.map(Some), &mut notes);
            assert_eq!((spacing.map(|v| v.unwrap_or(1.0)), common), (wanted, unit), "{names:?}");
            assert!(notes.join("\n").contains(note) && notes.is_empty() == note.is_empty(), "{notes:?}");
            let mut geometry = Geometry::from_spacing(
                [0, 1, 2].map(|a| AxisUnits::new(names).convert(a, given[a])),
                Unit::Voxel,
            );
            let finest = geometry.spacing();
            AxisUnits::new(names).complete(&mut geometry, finest, &mut Vec::new());
            assert_eq!((geometry.spacing(), geometry.unit), (wanted, unit), "{names:?}");
        };
        check(["mm", "um", "um"], [0.002, 0.5, 0.25], [2.0, 0.5, 0.25], Unit::Micrometre, "");
        check(["pm", "µm", "µm"], [20000.0, 0.5, 0.5], [0.02, 0.5, 0.5], Unit::Micrometre, "");
        check(["-", "-", "mm"], [2.0, 0.5, 0.5], [2.0, 0.5, 0.5], Unit::Millimetre, "");
        check(["um", "-", "-"], [2.0, 0.5, 0.5], [2.0, 0.5, 0.5], Unit::Micrometre, "");
        check(["-", "-", "-"], [2.0, 0.5, 0.5], [2.0, 0.5, 0.5], Unit::Voxel, "");
        check(["in", "in", "in"], [1.0, 1.0, 2.0], [25.4, 25.4, 50.8], Unit::Millimetre, "");
        check(["furlong"; 3], [4.0, 0.5, 0.5], [8.0, 1.0, 1.0], Unit::Voxel, "which is 0.5 furlong");
        check(
            ["furlong", "um", "um"],
            [4.0, 0.5, 0.5],
            [1.0; 3],
            Unit::Voxel,
            "the unit of axis z, \"furlong\"",
        );
        // A depth in pixels is no length; what reads spacings alone takes that of x for it.
        let mut notes = Vec::new();
        let read = AxisUnits::new([Some("pixel"), Some("um"), Some("um")])
            .spacing([Some(1.0), Some(0.5), Some(0.5)], &mut notes);
        assert_eq!(read, ([None, Some(0.5), Some(0.5)], Unit::Micrometre));
        assert_eq!(notes, ["axis z is in voxels, others are in µm"]);
    }
}
