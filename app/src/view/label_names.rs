//! Names and colours of labels in the files of other programs: ITK-SNAP's label descriptions, 3D Slicer's colour
//! tables, and CSV. [`FORMATS`] lists them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use voxelry_core::labels::Info;
use voxelry_core::picture::label_color;
use voxelry_core::{Error, Result};

/// The most that such a file may hold.
const MOST: u64 = 64 << 20;

/// Names of labels, as they are in a file.
pub type Names = BTreeMap<u32, Info>;

/// A format of files with names of labels.
pub struct Format {
    /// Name shown to the user.
    pub name: &'static str,
    /// File extensions; the first is the one that is written.
    pub endings: &'static [&'static str],
    /// Parses a line; `None` if it describes no label.
    read: fn(&str, &mut Columns) -> std::result::Result<Option<(u32, Info)>, String>,
    /// True if a file of this text is one, whatever its name.
    recognises: fn(&str) -> bool,
    write: fn(&Names) -> String,
}

/// All formats.
pub const FORMATS: [Format; 3] = [
    Format {
        name: "ITK-SNAP label descriptions",
        endings: &["label", "txt"],
        read: read_snap,
        recognises: |text| first(text).is_some_and(|line| line.contains('"')),
        write: write_snap,
    },
    Format {
        name: "3D Slicer colour table",
        endings: &["ctbl"],
        read: read_slicer,
        recognises: |text| first(text).is_some_and(|line| !line.contains([',', '"'])),
        write: write_slicer,
    },
    Format {
        name: "CSV",
        endings: &["csv"],
        read: read_csv,
        recognises: |text| first(text).is_some_and(|line| line.contains(',')),
        write: write_csv,
    },
];

/// The first line that is no comment.
fn first(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#'))
}

/// Positions of the columns of a table, once its heading was read.
#[derive(Default)]
struct Columns(Vec<String>);

/// Reads names from a file, by its content. Label 0, which is no label, is left out.
///
/// # Errors
/// If it can't be read, or a line is wrong; the line is named.
pub fn load(path: &Path) -> Result<Names> {
    let length = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
    if length > MOST {
        return Err(Error::file(path, format!("{length} bytes are too many for names of labels")));
    }
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let text = String::from_utf8(bytes).map_err(|_| Error::file(path, "is not a text file"))?;
    read(&text).map_err(|reason| Error::file(path, reason))
}

/// Reads names.
///
/// # Errors
/// If a line can't be read; the message names it.
pub fn read(text: &str) -> std::result::Result<Names, String> {
    let text = text.trim_start_matches('\u{feff}');
    let format = FORMATS.iter().find(|f| (f.recognises)(text)).ok_or("contains no label names")?;
    let mut columns = Columns::default();
    let mut names = Names::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |reason: String| format!("line {}: {reason} ({})", i + 1, format.name);
        let Some((label, info)) = (format.read)(line, &mut columns).map_err(wrong)? else { continue };
        if label == u32::MAX {
            return Err(wrong(format!("label {label} is too large")));
        }
        if label != 0 && names.insert(label, info).is_some() {
            return Err(wrong(format!("label {label} is there twice")));
        }
    }
    Ok(names)
}

/// Writes names to a file, in the format that its ending names; the first without one.
///
/// # Errors
/// If it can't be written.
pub fn save(path: &Path, names: &Names) -> Result<()> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let format = FORMATS.iter().find(|f| f.endings.contains(&ending.as_str())).ok_or_else(|| {
        let known: Vec<&str> = FORMATS.iter().flat_map(|f| f.endings).copied().collect();
        Error::file(path, format!("should end in one of .{}", known.join(", .")))
    })?;
    voxelry_core::io::atomic::write(path, (format.write)(names).as_bytes())
}

fn number<T: std::str::FromStr>(word: Option<&str>, what: &str) -> std::result::Result<T, String> {
    let word = word.ok_or_else(|| format!("{what} is missing"))?;
    word.trim().parse().map_err(|_| format!("{what} should be a number, not \"{}\"", short(word)))
}

/// Words of a file for a message.
fn short(word: &str) -> String {
    word.chars().take(40).collect()
}

fn color<'a>(words: &mut impl Iterator<Item = &'a str>) -> std::result::Result<[u8; 3], String> {
    let [mut r, mut g, mut b] = [0u8; 3];
    for (channel, what) in [(&mut r, "red"), (&mut g, "green"), (&mut b, "blue")] {
        let value: f64 = number(words.next(), what)?;
        if !(0.0..=255.0).contains(&value) {
            return Err(format!("{what} should be from 0 to 255, not {value}"));
        }
        *channel = value.round() as u8;
    }
    Ok([r, g, b])
}

/// An opacity that is written as a part of `whole`.
fn part(word: Option<&str>, whole: f64, what: &str) -> std::result::Result<u8, String> {
    let value: f64 = number(word, what)?;
    if !(0.0..=whole).contains(&value) {
        return Err(format!("{what} should be from 0 to {whole}, not {value}"));
    }
    Ok((value / whole * 255.0).round() as u8)
}

/// An opacity as a part of 1, as short as tells it from others.
fn of_one(opacity: u8) -> String {
    let text = format!("{:.3}", f64::from(opacity) / 255.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Index, red, green, blue, opacity, whether it is seen, whether its surface is, and its name in quotes.
fn read_snap(line: &str, _: &mut Columns) -> std::result::Result<Option<(u32, Info)>, String> {
    let (numbers, name) = line.split_once('"').ok_or("the name should be in quotes")?;
    let name = name.rsplit_once('"').ok_or("the name should be in quotes")?.0;
    let mut words = numbers.split_whitespace();
    let label = number(words.next(), "the label")?;
    let color = Some(color(&mut words)?);
    let opacity = part(words.next(), 1.0, "the opacity")?;
    let seen: f64 = number(words.next(), "the visibility")?;
    Ok(Some((label, Info { name: name.to_owned(), color, shown: seen != 0.0, locked: false, opacity })))
}

fn write_snap(names: &Names) -> String {
    let mut text = String::from(
        "# ITK-SNAP label descriptions: label, red, green, blue, opacity, seen, surface seen, name\n    \
         0     0    0    0        0  0  0    \"Clear Label\"\n",
    );
    for (label, info) in names {
        let [r, g, b] = shown_color(*label, info);
        let (seen, name) = (u8::from(info.shown), named(*label, info).replace('"', "'"));
        let opacity = of_one(info.opacity);
        let _ = writeln!(text, "{label:5} {r:5} {g:4} {b:4} {opacity:>8}  {seen}  {seen}    \"{name}\"");
    }
    text
}

/// Index, name in one word, red, green, blue, opacity from 0 to 255.
fn read_slicer(line: &str, _: &mut Columns) -> std::result::Result<Option<(u32, Info)>, String> {
    let mut words = line.split_whitespace();
    let label = number(words.next(), "the label")?;
    let name = words.next().ok_or("the name is missing")?.replace('_', " ");
    let color = Some(color(&mut words)?);
    let opacity = words.next().map_or(Ok(255), |word| part(Some(word), 255.0, "the opacity"))?;
    // What can't be seen is hidden, and all there when it is shown again.
    let (shown, opacity) = if opacity == 0 { (false, 255) } else { (true, opacity) };
    Ok(Some((label, Info { name, color, shown, locked: false, opacity })))
}

fn write_slicer(names: &Names) -> String {
    let mut text =
        String::from("# Color table file\n# label name red green blue opacity\n0 Background 0 0 0 0\n");
    for (label, info) in names {
        let [r, g, b] = shown_color(*label, info);
        let name =
            named(*label, info).split_whitespace().collect::<Vec<_>>().join("_").replace(['"', ','], "_");
        let _ = writeln!(text, "{label} {name} {r} {g} {b} {}", if info.shown { info.opacity } else { 0 });
    }
    text
}

/// The columns of CSV, of which all but the first two may be missing.
const CSV: [&str; 8] = ["label", "name", "red", "green", "blue", "shown", "locked", "opacity"];

fn read_csv(line: &str, columns: &mut Columns) -> std::result::Result<Option<(u32, Info)>, String> {
    let cells = cells(line)?;
    if columns.0.is_empty() {
        columns.0 = cells.iter().map(|c| c.trim().to_lowercase()).collect();
        let missing = CSV[..2].iter().find(|name| !columns.0.iter().any(|c| c == *name));
        return missing.map_or(Ok(None), |name| Err(format!("there is no column \"{name}\"")));
    }
    let cell = |name: &str| {
        let at = columns.0.iter().position(|c| c == name)?;
        cells.get(at).map(String::as_str).filter(|c| !c.trim().is_empty())
    };
    let label = number(cell("label"), "the label")?;
    let rgb = ["red", "green", "blue"].map(cell);
    let color = if rgb.contains(&None) { None } else { Some(color(&mut rgb.into_iter().flatten())?) };
    let truth = |name: &str, default: bool| match cell(name).map(|c| c.trim().to_lowercase()).as_deref() {
        None => Ok(default),
        Some("1" | "true" | "yes") => Ok(true),
        Some("0" | "false" | "no") => Ok(false),
        Some(other) => Err(format!("{name} should be true or false, not \"{}\"", short(other))),
    };
    let name = cell("name").unwrap_or_default().to_owned();
    let (shown, locked) = (truth("shown", true)?, truth("locked", false)?);
    let opacity = cell("opacity").map_or(Ok(255), |word| part(Some(word), 1.0, "the opacity"))?;
    Ok(Some((label, Info { name, color, shown, locked, opacity })))
}

/// The cells of a line of CSV (RFC 4180, but for breaks of lines in cells).
fn cells(line: &str) -> std::result::Result<Vec<String>, String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut all = line.chars().peekable();
    while let Some(c) = all.next() {
        match c {
            '"' if quoted && all.peek() == Some(&'"') => {
                all.next();
                cell.push('"');
            }
            '"' if quoted || cell.is_empty() => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    cells.push(cell);
    Ok(cells)
}

fn write_csv(names: &Names) -> String {
    let mut text = CSV.join(",") + "\n";
    for (label, info) in names {
        let name = info.name.replace(['\n', '\r'], " ");
        let plain = !name.contains([',', '"', '#']) && name.trim() == name;
        let name = if plain { name } else { format!("\"{}\"", name.replace('"', "\"\"")) };
        let [r, g, b] = info.color.map_or([const { String::new() }; 3], |c| c.map(|v| v.to_string()));
        let _ = writeln!(
            text,
            "{label},{name},{r},{g},{b},{},{},{}",
            info.shown,
            info.locked,
            of_one(info.opacity)
        );
    }
    text
}

fn shown_color(label: u32, info: &Info) -> [u8; 3] {
    info.color.unwrap_or_else(|| label_color(label))
}

fn named(label: u32, info: &Info) -> String {
    let name = info.name.replace(['\n', '\r'], " ");
    if name.is_empty() { format!("Label {label}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Names {
        let info = |name: &str, color, shown, locked, opacity| Info {
            name: name.to_owned(),
            color,
            shown,
            locked,
            opacity,
        };
        BTreeMap::from([
            (1, info("left lung", Some([255, 0, 10]), true, false, 77)),
            (7, info("a \"b\", c", None, false, true, 255)),
            (4_000_000_000, info("", Some([1, 2, 3]), true, false, 1)),
        ])
    }

    #[test]
    fn csv_keeps_all_and_the_others_what_they_can() {
        assert_eq!(read(&write_csv(&some())).unwrap(), some());
        let snap = read(&write_snap(&some())).unwrap();
        assert_eq!(snap[&1], some()[&1]);
        assert_eq!(snap[&7].name, "a 'b', c");
        assert_eq!((snap[&7].color, snap[&7].shown), (Some(label_color(7)), false));
        assert_eq!(snap[&4_000_000_000].name, "Label 4000000000");
        assert_eq!(snap.len(), 3, "label 0 is none");
        let slicer = read(&write_slicer(&some())).unwrap();
        assert_eq!(slicer[&1], some()[&1]);
        assert!(!slicer[&7].shown);
        // Every opacity comes back as it went.
        for opacity in 0..=255 {
            let names = Names::from([(5, Info { opacity, name: "a".into(), ..Info::default() })]);
            let of = |text: String| read(&text).unwrap()[&5].opacity;
            assert_eq!([of(write_csv(&names)), of(write_snap(&names))], [opacity; 2]);
            assert_eq!(of(write_slicer(&names)), if opacity == 0 { 255 } else { opacity });
        }
        assert_eq!(slicer.len(), 3);
    }

    #[test]
    fn files_as_other_programs_write_them_are_read() {
        let snap = "################################################\n# ITK-SnAP Label Description File\n\
                    ################################################\n    0     0    0    0        0  0  0    \
                    \"Clear Label\"\n    1   255    0    0        1  1  1    \"Label 1\"\r\n   12   205  133   63   \
                    0.5  0  1    \"Grey, matter\"\n";
        let names = read(snap).unwrap();
        assert_eq!(names.keys().copied().collect::<Vec<_>>(), [1, 12]);
        assert_eq!((names[&12].name.as_str(), names[&12].shown), ("Grey, matter", false));
        assert_eq!((names[&1].opacity, names[&12].opacity), (255, 128));
        let slicer = "# Color table file GenericAnatomyColors.txt\n# 3 values\n0 background 0 0 0 0\n1 tissue 128 174 \
                      128 255\n2 bone 241 214 145 255\n3 left_lung 1 2 3\n";
        let names = read(slicer).unwrap();
        assert_eq!(names[&2].color, Some([241, 214, 145]));
        assert_eq!(names[&3].name, "left lung");
        assert_eq!(read("\u{feff}Label,Name\n3,x\n").unwrap()[&3].name, "x");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, says) in [
            ("", "contains no label names"),
            ("# nothing\n\n", "contains no label names"),
            ("label,name\n1,a\n1,b\n", "line 3: label 1 is there twice"),
            ("label,nam\n1,a\n", "line 1: there is no column \"name\""),
            ("label,name\n-1,a\n", "line 2: the label should be a number"),
            ("label,name,shown\n1,a,perhaps\n", "line 2: shown should be true or false"),
            ("label,name\n1,\"a\n", "line 2: a quote is not closed"),
            ("1 bone 256 0 0 255\n", "line 1: red should be from 0 to 255, not 256"),
            ("1 bone 1 NaN 0 255\n", "line 1: green should be from 0 to 255"),
            ("1 bone 1 2\n", "line 1: blue is missing"),
            ("1 bone 1 2 3 256\n", "line 1: the opacity should be from 0 to 255, not 256"),
            ("4294967296 bone 1 2 3\n", "line 1: the label should be a number"),
            ("4294967295 bone 1 2 3\n", "line 1: label 4294967295 is too large"),
            ("# x\n1 1 1 1 1 1 1 \"a\"\n2 1 1 1 1 1 1 a\n", "line 3: the name should be in quotes"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names.xyz");
        assert!(save(&path, &some()).unwrap_err().to_string().contains("should end in one of"));
        assert!(!path.exists());
        std::fs::write(&path, [0xff, 0xfe, 0]).unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("is not a text file"));
        let path = folder.path().join("names.csv");
        save(&path, &some()).unwrap();
        assert_eq!(load(&path).unwrap(), some());
    }

    #[test]
    fn no_text_makes_it_fail_otherwise_than_with_an_error() {
        // Pieces of all formats, thrown together.
        let pieces = [
            "1", " ", "\"", ",", "label", "name", "\n", "#", "\u{feff}", "255", "-", "e9", "é", "\r\n",
            "true",
        ];
        let mut state = 1u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..state % 23 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text += pieces[(state >> 33) as usize % pieces.len()];
            }
            state = state.wrapping_add(1).wrapping_mul(6_364_136_223_846_793_005);
            if let Ok(names) = read(&text) {
                assert_eq!(read(&write_csv(&names)).unwrap_or_default(), names, "{text:?}");
            }
        }
    }
}
