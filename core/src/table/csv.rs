//! Tables as comma-separated text (RFC 4180): the header has the plain column names, so that any
//! reader takes it as it is; units and descriptions go into a second file of the same form.
//!
//! Numbers have the fewest digits that read back as the same `f64`; NaN is an empty field; flags
//! are `true` and `false`; lines end in CR LF as the RFC asks.

use crate::table::Table;
use crate::table::builder::{Builder, Values};
use crate::{Error, Result};
use arrow::array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
use std::io::Write;

/// Writes the rows.
///
/// # Errors
/// What the writer says.
pub fn write(table: &Table, mut to: impl Write) -> std::io::Result<()> {
    write_header(table, &mut to)?;
    write_rows(table, to)
}

/// Writes the rows below a line with the units of the columns.
///
/// # Errors
/// What the writer says.
pub fn write_with_units_row(table: &Table, mut to: impl Write) -> std::io::Result<()> {
    write_header(table, &mut to)?;
    let units: Vec<String> = table.columns().iter().map(|name| quoted(table.unit(name))).collect();
    write!(to, "{}\r\n", units.join(","))?;
    write_rows(table, to)
}

fn write_header(table: &Table, to: &mut impl Write) -> std::io::Result<()> {
    let names: Vec<String> = table.columns().iter().map(|name| quoted(name)).collect();
    write!(to, "{}\r\n", names.join(","))
}

fn write_rows(table: &Table, mut to: impl Write) -> std::io::Result<()> {
    let mut line = String::new();
    for row in 0..table.rows() {
        line.clear();
        for (c, column) in table.batch.columns().iter().enumerate() {
            if c > 0 {
                line.push(',');
            }
            push_value(&mut line, column.as_ref(), row);
        }
        line.push_str("\r\n");
        to.write_all(line.as_bytes())?;
    }
    to.flush()
}

/// Writes one line for each column: name, unit, description.
///
/// # Errors
/// What the writer says.
pub fn write_units(table: &Table, mut to: impl Write) -> std::io::Result<()> {
    write!(to, "column,unit,description\r\n")?;
    for field in table.batch.schema().fields() {
        let of = |key: &str| quoted(field.metadata().get(key).map_or("", String::as_str));
        write!(to, "{},{},{}\r\n", quoted(field.name()), of("unit"), of("description"))?;
    }
    to.flush()
}

fn push_value(line: &mut String, column: &dyn Array, row: usize) {
    use std::fmt::Write as _;
    let any = column.as_any();
    // Writing to a string cannot fail.
    if let Some(a) = any.downcast_ref::<Float64Array>() {
        let v = a.value(row);
        if !v.is_nan() {
            let _ = write!(line, "{v:?}");
        }
    } else if let Some(a) = any.downcast_ref::<Int64Array>() {
        let _ = write!(line, "{}", a.value(row));
    } else if let Some(a) = any.downcast_ref::<BooleanArray>() {
        line.push_str(if a.value(row) { "true" } else { "false" });
    } else if let Some(a) = any.downcast_ref::<StringArray>() {
        line.push_str(&quoted(a.value(row)));
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Reads a table: columns that hold only numbers (or nothing) are numbers, the rest is text. Units
/// are not in this file.
///
/// # Errors
/// A line whose number of fields is not that of the header, or an open quote.
pub fn read(text: &str, name: &str) -> Result<Table> {
    let records = records(text)?;
    let mut records = records.into_iter();
    let Some(header) = records.next() else {
        return Err(Error::Usage("an empty table".into()));
    };
    let mut columns: Vec<Vec<String>> = vec![Vec::new(); header.len()];
    for (n, record) in records.enumerate() {
        if record.len() != header.len() {
            return Err(Error::Usage(format!(
                "row {} has {} fields, the header {}",
                n + 1,
                record.len(),
                header.len()
            )));
        }
        for (column, value) in columns.iter_mut().zip(record) {
            column.push(value);
        }
    }
    let mut builder = Builder::default();
    for (name, column) in header.iter().zip(columns) {
        builder.column(name, "", "", typed(column));
    }
    Ok(builder.finish(name))
}

fn typed(column: Vec<String>) -> Values {
    if !column.is_empty() {
        if let Ok(v) = column.iter().map(|s| s.parse()).collect::<Result<Vec<i64>, _>>() {
            return Values::Int(v);
        }
        if let Ok(v) = column.iter().map(|s| s.parse()).collect::<Result<Vec<bool>, _>>() {
            return Values::Flag(v);
        }
        let number = |s: &String| if s.is_empty() { Ok(f64::NAN) } else { s.parse() };
        if let Ok(v) = column.iter().map(number).collect::<Result<Vec<f64>, _>>() {
            return Values::Real(v);
        }
    }
    Values::Text(column)
}

fn records(text: &str) -> Result<Vec<Vec<String>>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            c => field.push(c),
        }
    }
    if quoted {
        return Err(Error::Usage("a quote is not closed".into()));
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut b = Builder::default();
        b.column("label", "", "A name, with a comma.", Values::Int(vec![1, -2]))
            .column("x", "µm", "", Values::Real(vec![1e-300, f64::NAN]))
            .column("yes", "", "", Values::Flag(vec![true, false]))
            .column("a \"b\"", "", "", Values::Text(vec!["p,q".into(), "line\r\nbreak".into()]));
        let table = b.finish("t");
        let mut bytes = Vec::new();
        write(&table, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("label,x,yes,\"a \"\"b\"\"\"\r\n1,1e-300,true,\"p,q\"\r\n-2,,false,"));
        let back = read(&text, "t").unwrap();
        let mut again = Vec::new();
        write(&back, &mut again).unwrap();
        assert_eq!(text.as_bytes(), again);
        let mut units = Vec::new();
        write_units(&table, &mut units).unwrap();
        assert!(String::from_utf8(units).unwrap().contains("x,µm,\r\n"));
        assert!(read("a,b\n1\n", "t").is_err());
        assert!(read("a,\"b\n1,2\n", "t").is_err());
    }
}
