//! DataFusion's errors as one sentence, with the place in the question where there is one.

use crate::Error;
use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

/// An error about a question, as a sentence. The place is given as line and column, and below it stands the line with a
/// mark.
pub fn sentence(error: &DataFusionError, question: &str) -> Error {
    let root = error.find_root();
    let (message, place) = match root {
        DataFusionError::ResourcesExhausted(text) => return Error::Memory(memory(text)),
        DataFusionError::SQL(parser, _) => {
            let text = match parser.as_ref() {
                ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.clone(),
                ParserError::RecursionLimitExceeded => "it is nested too deeply".into(),
            };
            let place = written_place(&text);
            let text = text.split(" at Line: ").next().unwrap_or(&text).to_owned();
            (text, place)
        }
        DataFusionError::ArrowError(e, _) => (e.to_string(), None),
        DataFusionError::Plan(text) if text.contains("not supported: ") => {
            let reason = format!(
                "only questions are allowed, nothing that changes or writes tables ({})",
                first_line(text)
            );
            return Error::Usage(reason);
        }
        other => (other.strip_backtrace(), None),
    };
    let diagnostic = error.diagnostic();
    let spanned = diagnostic.and_then(|d| d.span).map(|s| (s.start.line, s.start.column));
    let mut text = plain(&message);
    if let Some(diagnostic) = diagnostic
        && !question.is_empty()
    {
        // Diagnostics name the column that was meant; messages list all there are.
        let mut short = vec![diagnostic.message.clone()];
        short.extend(diagnostic.helps.iter().chain(&[]).map(|h| h.message.clone()));
        short.extend(diagnostic.notes.iter().map(|n| n.message.clone()).filter(|n| n.len() < 120));
        text = short.join("; ");
    }
    let kind = match root {
        DataFusionError::IoError(_) | DataFusionError::External(_) | DataFusionError::ParquetError(_) => {
            Error::Data
        }
        DataFusionError::Execution(_) | DataFusionError::ArrowError(..) => Error::Data,
        _ => Error::Usage,
    };
    match spanned.or(place).filter(|(line, _)| *line > 0) {
        Some((line, column)) => kind(format!("{text}\n{}", marked(question, line, column))),
        None => kind(text),
    }
}

/// The sentence about memory, with what can be done about it.
fn memory(text: &str) -> String {
    format!("{}; give --memory with more", plain(text).trim_end_matches('.'))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// A message without what DataFusion puts before it.
fn plain(text: &str) -> String {
    let mut text = first_line(text);
    for before in [
        "Error during planning: ",
        "Schema error: ",
        "Execution error: ",
        "SQL error: ",
        "External error: ",
        "This feature is not implemented: ",
        "Arrow error: ",
    ] {
        text = text.strip_prefix(before).unwrap_or(text);
    }
    text.to_owned()
}

/// Line and column that a parser's message ends with.
fn written_place(text: &str) -> Option<(u64, u64)> {
    let (_, place) = text.rsplit_once("Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let digits: String = column.chars().take_while(char::is_ascii_digit).collect();
    Some((line.trim().parse().ok()?, digits.parse().ok()?))
}

/// The line of a question with a mark below a column; both count from 1.
fn marked(question: &str, line: u64, column: u64) -> String {
    let text = question.lines().nth(line as usize - 1).unwrap_or_default();
    let before: String = text
        .chars()
        .take(column.saturating_sub(1) as usize)
        .map(|c| if c == '\t' { c } else { ' ' })
        .collect();
    format!("line {line}, column {column}:\n  {text}\n  {before}^")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_marked_below_the_line() {
        assert_eq!(marked("select\n a frm b", 2, 4), "line 2, column 4:\n   a frm b\n     ^");
        assert_eq!(written_place("Expected: x, found: y at Line: 1, Column: 12"), Some((1, 12)));
        assert_eq!(plain("Error during planning: table 'x' not found"), "table 'x' not found");
    }
}
