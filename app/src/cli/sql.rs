//! `voxelry sql`: questions about tables.

use super::{common, tables_in};
use anyhow::Result;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use clap::{Arg, ArgMatches, Command, value_parser};
use std::io::Write;
use std::path::{Path, PathBuf};
use voxelry_analysis::Error;
use voxelry_analysis::sql::{Options, Session};
use voxelry_analysis::table::write::{Cells, Writer, check_name, csv_header, csv_rows, json_rows};
use voxelry_analysis::table::{self, Named};

pub fn command() -> Command {
    Command::new("sql")
        .about("Ask questions about tables in SQL")
        .long_about(
            "Ask questions about tables in SQL. A study has the tables samples, objects, contacts and so on; a file is a table \
             of its name, and t where it is the only one. Nothing is changed, and no file is read but those that are named.",
        )
        .arg(
            Arg::new("words")
                .value_name("TABLE… QUESTION")
                .required(true)
                .num_args(1..)
                .help("Tables, studies and folders or patterns of tables; then the question, as one argument"),
        )
        .arg(tables_in::with_arg())
        .arg(
            Arg::new("out")
                .long("out")
                .short('o')
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write the answer to a file: .csv, .parquet or .json"),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(["table", "csv", "json"])
                .default_value("table")
                .conflicts_with("out")
                .help("How the answer is printed"),
        )
        .arg(Arg::new("memory").long("memory").value_name("SIZE").help(
            "Memory to work within, such as 2G; beyond it rows are spilled to disk [default: half of RAM]",
        ))
        .arg(common::overwrite_arg())
}

/// Runs `voxelry sql`.
///
/// # Errors
/// A table that can't be read, what is wrong with the question, or too little memory.
pub fn run(matches: &ArgMatches) -> Result<()> {
    let (_progress, _job) = common::job(matches);
    let words: Vec<&String> = matches.get_many("words").into_iter().flatten().collect();
    let (question, paths) = words.split_last().expect("at least one");
    if paths.is_empty() && Path::new(question.as_str()).exists() {
        return Err(Error::Usage(format!("what is the question? voxelry sql {question} \"select …\"")).into());
    }
    let mut tables: Vec<Named> = Vec::new();
    for path in paths {
        tables.extend(table::tables(Path::new(path.as_str()))?);
    }
    for text in matches.get_many::<String>("with").into_iter().flatten() {
        tables.push(table::with(text)?);
    }
    let out = matches.get_one::<PathBuf>("out");
    if let Some(out) = out {
        check_name(out)?;
        common::can_write(matches, out)?;
    }
    let options = Options {
        memory: common::memory(matches)?,
        threads: rayon::current_num_threads(),
        spill: out.map(|out| common::near(out)),
    };
    let session = Session::new(&tables, &options)?;
    if !matches.get_flag("quiet") {
        session.notes().iter().for_each(|note| crate::progress::tell(note));
    }
    match out {
        Some(out) => to_file(&session, question, out),
        None => until_nobody_reads(to_terminal(
            &session,
            question,
            matches.get_one::<String>("format").expect("default"),
        )),
    }
}

fn to_file(session: &Session, question: &str, out: &Path) -> Result<()> {
    let writer = std::cell::RefCell::new(None::<Writer>);
    session.ask(
        question,
        |schema| {
            *writer.borrow_mut() = Some(Writer::new(out, schema)?);
            Ok(())
        },
        |batch| writer.borrow_mut().as_mut().map_or(Ok(()), |w| w.write(batch)),
    )?;
    writer.into_inner().map_or(Ok(()), Writer::finish)?;
    Ok(())
}

/// A reader that has seen enough, such as `head`, is no error.
fn until_nobody_reads(ended: Result<(), Error>) -> Result<()> {
    match ended {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn to_terminal(session: &Session, question: &str, format: &str) -> Result<(), Error> {
    let io = |e| Error::io("standard output", e);
    let out = std::cell::RefCell::new(std::io::BufWriter::new(std::io::stdout()));
    match format {
        "csv" => {
            session.ask(
                question,
                |schema| csv_header(schema, &mut *out.borrow_mut()).map_err(io),
                |batch| csv_rows(batch, &mut *out.borrow_mut()).map_err(io),
            )?;
        }
        "json" => {
            let mut rows = 0;
            session.ask(
                question,
                |_| out.borrow_mut().write_all(b"[").map_err(io),
                |batch| {
                    rows += json_rows(batch, &mut *out.borrow_mut(), rows).map_err(io)?;
                    Ok(())
                },
            )?;
            out.borrow_mut().write_all(if rows > 0 { b"\n]\n" } else { b"]\n" }).map_err(io)?;
        }
        _ => {
            let shown = std::cell::RefCell::new(None::<Shown>);
            session.ask(
                question,
                |schema| {
                    *shown.borrow_mut() = Some(Shown::new(schema));
                    Ok(())
                },
                |batch| {
                    shown
                        .borrow_mut()
                        .as_mut()
                        .map_or(Ok(()), |s| s.add(batch, &mut *out.borrow_mut()).map_err(io))
                },
            )?;
            if let Some(shown) = shown.into_inner() {
                shown.finish(&mut *out.borrow_mut()).map_err(io)?;
            }
        }
    }
    out.into_inner().flush().map_err(io)
}

/// Rows whose widths decide those of the columns.
const LOOKED_AT: usize = 1000;

/// A table for people: columns as wide as the first rows need, numbers at the right, six digits that matter.
pub struct Shown {
    names: Vec<String>,
    waiting: Vec<Vec<String>>,
    right: Vec<bool>,
    widths: Option<Vec<usize>>,
    rows: u64,
}

impl Shown {
    /// Begins a table; units stand behind the names of the columns.
    pub fn new(schema: &SchemaRef) -> Self {
        let name = |f: &arrow::datatypes::Field| match f.metadata().get("unit").filter(|u| !u.is_empty()) {
            Some(unit) => format!("{} [{unit}]", f.name()),
            None => f.name().clone(),
        };
        let names: Vec<String> = schema.fields().iter().map(|f| name(f)).collect();
        Self { right: vec![false; names.len()], names, waiting: Vec::new(), widths: None, rows: 0 }
    }

    /// Adds rows.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn add(&mut self, batch: &RecordBatch, to: &mut impl Write) -> std::io::Result<()> {
        let columns =
            batch.columns().iter().map(|c| Cells::new(c.as_ref())).collect::<std::io::Result<Vec<_>>>()?;
        self.right = columns.iter().map(Cells::is_number).collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns.iter().map(|c| one_line(c.shown(row))).collect();
            self.rows += 1;
            if self.widths.is_some() {
                self.line(&cells, to)?;
            } else {
                self.waiting.push(cells);
                if self.waiting.len() >= LOOKED_AT {
                    self.head(to)?;
                }
            }
        }
        Ok(())
    }

    /// Ends the table, with the number of its rows.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self, to: &mut impl Write) -> std::io::Result<()> {
        if self.widths.is_none() {
            self.head(to)?;
        }
        writeln!(to, "({} {})", self.rows, if self.rows == 1 { "row" } else { "rows" })
    }

    fn head(&mut self, to: &mut impl Write) -> std::io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let width = |(at, name): (usize, &String)| {
            let cells = waiting.iter().map(|row| row[at].chars().count());
            cells.chain([name.chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = self.names.iter().enumerate().map(width).collect();
        let rule: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
        self.widths = Some(widths);
        let names = self.names.clone();
        self.line(&names, to)?;
        writeln!(to, "{}", rule.join("  "))?;
        waiting.iter().try_for_each(|row| self.line(row, to))
    }

    fn line(&self, cells: &[String], to: &mut impl Write) -> std::io::Result<()> {
        let widths = self.widths.as_deref().unwrap_or_default();
        let mut line = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let fill = " ".repeat(widths[at].saturating_sub(cell.chars().count()));
            let gap = if at > 0 { "  " } else { "" };
            line += &if self.right[at] { format!("{gap}{fill}{cell}") } else { format!("{gap}{cell}{fill}") };
        }
        writeln!(to, "{}", line.trim_end())
    }
}

/// Text without what would break the lines of a table.
fn one_line(text: String) -> String {
    if text.contains(char::is_control) { text.replace(char::is_control, " ") } else { text }
}

/// Prints a table as [`Shown`] does.
///
/// # Errors
/// If it can't be written.
pub fn print_table(batch: &RecordBatch) -> Result<()> {
    let mut text = Vec::new();
    let mut shown = Shown::new(&batch.schema());
    shown.add(batch, &mut text)?;
    if shown.widths.is_none() {
        shown.head(&mut text)?;
    }
    common::print(&String::from_utf8_lossy(&text))
}
