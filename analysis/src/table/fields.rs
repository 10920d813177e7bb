//! The values that a field of text can stand for.

use arrow::datatypes::DataType;

/// Spellings of a missing value, besides nothing at all.
const MISSING: [&str; 9] = ["-", "NA", "N/A", "n/a", "NaN", "nan", "NAN", "null", "NULL"];

/// Returns whether a field stands for a missing value.
pub fn is_missing(field: &str) -> bool {
    let field = field.trim();
    field.is_empty() || (field.len() <= 4 && MISSING.contains(&field))
}

/// A type in the words of a table's reader.
pub fn word(ty: &DataType) -> &'static str {
    match ty {
        DataType::Boolean => "flags",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Date32 | DataType::Date64 => "dates",
        DataType::Timestamp(..) => "times",
        ty if ty.is_integer() => "whole numbers",
        ty if ty.is_numeric() => "numbers",
        _ => "values of another type",
    }
}

/// A whole number; one with leading zeros is a name.
pub fn integer(field: &str) -> Option<i64> {
    let digits = field.strip_prefix(['-', '+']).unwrap_or(field);
    if digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    field.strip_prefix('+').unwrap_or(field).parse().ok()
}

/// A number with a decimal point. Words that `f64` would read, such as `infinity` and `nan`, count only as `inf`.
pub fn real(field: &str) -> Option<f64> {
    let bare = field.strip_prefix(['-', '+']).unwrap_or(field);
    let bytes = bare.as_bytes();
    let first = *bytes.first()?;
    if !(first.is_ascii_digit() || first == b'.' || bare == "inf" || bare == "Inf") {
        return None;
    }
    if bytes.len() > 1 && first == b'0' && bytes[1].is_ascii_digit() {
        return None;
    }
    field.parse().ok()
}

/// A number with a decimal comma.
pub fn comma(field: &str) -> Option<f64> {
    if field.contains('.') || field.matches(',').count() != 1 {
        return None;
    }
    real(&field.replace(',', "."))
}

/// Returns whether a number with one comma may as well be a whole number with separated thousands: `1,234`.
pub fn ambiguous(field: &str) -> bool {
    let bare = field.strip_prefix(['-', '+']).unwrap_or(field);
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    bare.split_once(',').is_some_and(|(whole, rest)| {
        (1..=3).contains(&whole.len())
            && !whole.starts_with('0')
            && digits(whole)
            && rest.len() == 3
            && digits(rest)
    })
}

/// `true` or `false` in any spelling of case.
pub fn flag(field: &str) -> Option<bool> {
    if field.eq_ignore_ascii_case("true") {
        Some(true)
    } else if field.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Days since 1970-01-01 of an ISO date, `2024-02-29`.
pub fn date(field: &str) -> Option<i32> {
    let bytes = field.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let part = |from: usize, to: usize| -> Option<i32> {
        let text = field.get(from..to)?;
        if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
    };
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if !(1..=12).contains(&month) || day < 1 || day > lengths[month as usize - 1] {
        return None;
    }
    // Days from a civil date, with years that begin in March (Hinnant 2013).
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_what_they_look_like() {
        assert!(["", " ", "-", "NA", "NaN", "null"].into_iter().all(is_missing));
        assert!(!is_missing("-1") && !is_missing("none") && !is_missing("C"));
        assert_eq!(
            (integer("-12"), integer("+3"), integer("007"), integer("0")),
            (Some(-12), Some(3), None, Some(0))
        );
        assert_eq!(
            (real("1e-3"), real(".5"), real("nan"), real("05.2")),
            (Some(1e-3), Some(0.5), None, None)
        );
        assert_eq!((real("-inf"), real("1,5"), comma("1,5")), (Some(f64::NEG_INFINITY), None, Some(1.5)));
        assert_eq!((comma("1,234,567"), comma("1.5")), (None, None));
        assert!(ambiguous("1,234") && !ambiguous("1,5") && !ambiguous("0,234") && !ambiguous("1234,567"));
        assert_eq!(
            (date("1970-01-01"), date("2024-02-29"), date("2000-03-01")),
            (Some(0), Some(19_782), Some(11_017))
        );
        assert_eq!((date("2023-02-29"), date("01/02/2023"), date("2023-13-01")), (None, None, None));
    }
}
