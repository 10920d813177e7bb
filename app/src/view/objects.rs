//! Objects of a label layer: their table, which of them are selected, hidden and
//! pointed at, how the rows are ordered and filtered, and the colours that follow. What takes long for very
//! many rows is done on a thread.

mod bits;
mod column;
mod lookup;
mod order;
pub mod plot;
#[cfg(test)]
mod tests;
mod text;
pub mod thumbnail;
mod verdict;

pub use bits::Bits;
pub use column::Column;
pub use lookup::{Colouring, Infos, Lookup, Paint, WIDTH};
pub use order::{OrderRequest, RowOrder};
pub use text::{part, text};
pub use verdict::{VERDICT, Verdict};

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use std::sync::Arc;
use voxelry_core::measure::Table;

/// Tables of more rows are sorted, filtered and coloured on a thread.
const MANY: usize = 50_000;
/// The column that says which object a row is of.
const LABEL: &str = "label";

/// The objects of a layer.
pub struct Objects {
    /// The layer of labels, if it is open.
    pub layer: Option<u64>,
    table: Arc<Table>,
    /// The label of each row; none if the table is not of objects.
    labels: Arc<Vec<u32>>,
    /// Rows by their labels, if those do not rise.
    by_label: Option<Vec<u32>>,
    verdicts: Vec<Verdict>,
    order: RowOrder,
    /// Requested order of the rows.
    wanted: OrderRequest,
    ordering: Option<(u64, Receiver<RowOrder>)>,
    /// Number of changes of cells, and the number that the current order was made of.
    edits: u64,
    ordered: u64,
    selected: Arc<Bits>,
    hidden: Arc<Bits>,
    /// True if labels without a row are hidden.
    strict: bool,
    hide_filtered: bool,
    colour: Option<Colouring>,
    /// Names, colours and visibility of labels.
    infos: Arc<Infos>,
    /// The row that keys move from, and the one where a range began.
    cursor: Option<u32>,
    anchor: Option<u32>,
    /// The row that is pointed at.
    pub hovered: Option<u32>,
    /// Number of changes of the appearance, and the current lookup.
    looks: u64,
    looked: u64,
    looking: Option<(u64, Receiver<Option<Arc<Lookup>>>)>,
    lookup: Option<Arc<Lookup>>,
}

impl Objects {
    /// The objects of a table.
    pub fn new(table: Table, layer: Option<u64>) -> Self {
        let rows = table.rows();
        let mut labels: Vec<u32> = match Column::of(&table, LABEL) {
            Some(Column::Int(column)) => {
                column.values().iter().map(|l| u32::try_from(*l).unwrap_or(0)).collect()
            }
            _ => Vec::new(),
        };
        let mut by_label = None;
        if !labels.is_sorted() {
            let mut sorted: Vec<u32> = (0..rows as u32).collect();
            sorted.sort_unstable_by_key(|row| (labels[*row as usize], *row));
            by_label = Some(sorted);
        }
        // A table with several rows for a label, as that of contacts, is not one of objects.
        let twice = match &by_label {
            Some(rows) => rows.windows(2).any(|w| labels[w[0] as usize] == labels[w[1] as usize]),
            None => labels.windows(2).any(|w| w[0] == w[1]),
        };
        if twice {
            (labels, by_label) = (Vec::new(), None);
        }
        let verdicts = Verdict::of(&table);
        let none = Arc::new(Bits::none(rows));
        Self {
            layer,
            table: Arc::new(table),
            labels: Arc::new(labels),
            by_label,
            verdicts,
            order: RowOrder::plain(rows),
            wanted: OrderRequest::default(),
            ordering: None,
            edits: 0,
            ordered: 0,
            selected: none.clone(),
            hidden: none,
            strict: false,
            hide_filtered: false,
            colour: None,
            infos: Arc::default(),
            cursor: None,
            anchor: None,
            hovered: None,
            looks: 0,
            looked: 0,
            looking: None,
            lookup: None,
        }
    }

    /// Takes a table in of which some rows are others; what was chosen, hidden and decided of objects stays, as does the
    /// order.
    pub fn renew(&mut self, table: Table) {
        let mut new = Self::new(table, self.layer);
        let there = |row: u32| new.row(self.label(row)?);
        let moved = |bits: &Bits| {
            let mut moved = Bits::none(new.rows());
            bits.iter().filter_map(|row| there(row as u32)).for_each(|row| moved.set(row as usize, true));
            Arc::new(moved)
        };
        let (selected, hidden) = (moved(&self.selected), moved(&self.hidden));
        let (cursor, anchor) = (self.cursor.and_then(there), self.anchor.and_then(there));
        if self.verdicts.iter().any(|v| *v != Verdict::None) {
            let mut verdicts = vec![Verdict::None; new.rows()];
            for (row, verdict) in self.verdicts.iter().enumerate() {
                if let Some(row) = there(row as u32) {
                    verdicts[row as usize] = *verdict;
                }
            }
            new.table = Arc::new(Verdict::put(&new.table, &verdicts));
            new.verdicts = verdicts;
        }
        (new.selected, new.hidden, new.cursor, new.anchor) = (selected, hidden, cursor, anchor);
        (new.strict, new.hide_filtered) = (self.strict, self.hide_filtered);
        (new.wanted, new.colour) = (self.wanted.clone(), self.colour.clone());
        // Colours of before are better than none until the new ones are there.
        (new.infos, new.lookup, new.looks) = (self.infos.clone(), self.lookup.clone(), 1);
        *self = new;
    }

    /// The table, with the verdicts if there are any.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.table.rows()
    }

    /// Returns whether rows are objects.
    pub fn are_objects(&self) -> bool {
        !self.labels.is_empty()
    }

    /// The label of a row.
    pub fn label(&self, row: u32) -> Option<u32> {
        self.labels.get(row as usize).copied()
    }

    /// The row of a label.
    pub fn row(&self, label: u32) -> Option<u32> {
        match &self.by_label {
            None => self.labels.binary_search(&label).ok().map(|row| row as u32),
            Some(rows) => {
                rows.binary_search_by_key(&label, |row| self.labels[*row as usize]).ok().map(|at| rows[at])
            }
        }
    }

    /// The rows that are shown, in order.
    pub fn shown(&self) -> &Arc<Vec<u32>> {
        &self.order.rows
    }

    /// Error of the filter.
    pub fn error(&self) -> Option<&str> {
        self.order.error.as_deref()
    }

    /// Returns whether rows are being sorted, filtered or coloured.
    pub fn is_busy(&self) -> bool {
        self.ordering.is_some() || self.looking.is_some()
    }

    /// The column that sorts, and whether from the greatest.
    pub fn sort(&self) -> Option<&(String, bool)> {
        self.wanted.sort.as_ref()
    }

    /// Sorts by a column: from the greatest, from the least, as it was, in turns.
    pub fn sort_by(&mut self, column: &str) {
        let sort = &mut self.wanted.sort;
        *sort = match sort.take() {
            Some((before, true)) if before == column => Some((before, false)),
            Some((before, false)) if before == column => None,
            _ => Some((column.to_owned(), true)),
        };
    }

    /// The filter.
    pub fn filter(&self) -> &str {
        &self.wanted.filter
    }

    /// Shows only rows that meet a condition; all if it is empty.
    pub fn set_filter(&mut self, filter: &str) {
        filter.clone_into(&mut self.wanted.filter);
    }

    /// Returns whether objects that the filter leaves out are hidden in pictures.
    pub fn hides_filtered(&self) -> bool {
        self.hide_filtered
    }

    /// Hides them, or no longer.
    pub fn hide_filtered(&mut self, hide: bool) {
        if self.hide_filtered != hide {
            self.hide_filtered = hide;
            self.looks += 1;
        }
    }

    /// The column that colours.
    pub fn colour(&self) -> Option<&Colouring> {
        self.colour.as_ref()
    }

    /// Colours by a column, or each by itself.
    pub fn colour_by(&mut self, colour: Option<Colouring>) {
        if self.colour != colour {
            self.colour = colour;
            self.looks += 1;
        }
    }

    /// Takes in what is known of labels besides: their own colours, and which are hidden.
    pub fn know(&mut self, infos: &Arc<Infos>) {
        if !Arc::ptr_eq(&self.infos, infos) {
            self.infos = infos.clone();
            self.looks += 1;
        }
    }

    /// Rows that are selected.
    pub fn selected(&self) -> &Arc<Bits> {
        &self.selected
    }

    /// Returns whether a row's object can be seen.
    pub fn is_seen(&self, row: u32) -> bool {
        let filtered =
            self.hide_filtered && self.order.passing.as_ref().is_some_and(|p| !p.has(row as usize));
        !(filtered || self.hidden.has(row as usize))
    }

    /// The row that keys move from.
    pub fn cursor(&self) -> Option<u32> {
        self.cursor
    }

    /// Selects rows and nothing else; the last becomes the one that keys move from.
    pub fn select(&mut self, rows: impl IntoIterator<Item = u32>) {
        let mut bits = Bits::none(self.rows());
        let mut last = None;
        for row in rows {
            bits.set(row as usize, true);
            last = Some(row);
        }
        (self.cursor, self.anchor) = (last.or(self.cursor), last.or(self.anchor));
        self.set_selected(bits);
    }

    /// Selects what another set says.
    pub fn set_selected(&mut self, bits: Bits) {
        if *self.selected != bits {
            self.selected = Arc::new(bits);
            self.looks += 1;
        }
    }

    /// Selects a row beside what is selected, or takes it out.
    pub fn toggle(&mut self, row: u32) {
        let bits = Arc::make_mut(&mut self.selected);
        bits.set(row as usize, !bits.has(row as usize));
        (self.cursor, self.anchor) = (Some(row), Some(row));
        self.looks += 1;
    }

    /// Selects all rows that are shown from where a range began to a row, and nothing else.
    pub fn select_to(&mut self, row: u32) {
        let at = |row: u32| self.order.rows.iter().position(|r| *r == row);
        let (Some(from), Some(to)) = (self.anchor.or(self.cursor).and_then(at), at(row)) else {
            return self.select([row]);
        };
        let mut bits = Bits::none(self.rows());
        self.order.rows[from.min(to)..=from.max(to)].iter().for_each(|row| bits.set(*row as usize, true));
        self.cursor = Some(row);
        self.set_selected(bits);
    }

    /// Moves the selection by rows that are shown, `to_there` from where it began; the row it comes to.
    pub fn step(&mut self, by: i64, to_there: bool) -> Option<u32> {
        let rows = self.order.rows.clone();
        let last = rows.len().checked_sub(1)? as i64;
        let here = self.cursor.and_then(|row| rows.iter().position(|r| *r == row));
        let at = here.map_or(if by < 0 { last } else { 0 }, |at| (at as i64 + by).clamp(0, last));
        let row = rows[at as usize];
        if to_there {
            self.select_to(row);
        } else {
            self.select([row]);
        }
        Some(row)
    }

    /// Selects all rows that are shown.
    pub fn select_shown(&mut self) {
        let mut bits = Bits::none(self.rows());
        self.order.rows.iter().for_each(|row| bits.set(*row as usize, true));
        self.set_selected(bits);
    }

    /// Hides all objects that are not selected, those without a row too.
    pub fn isolate(&mut self) {
        if !self.selected.is_empty() {
            self.hidden = Arc::new(self.selected.inverse());
            self.strict = true;
            self.looks += 1;
        }
    }

    /// Hides what is selected.
    pub fn hide_selected(&mut self) {
        let selected = self.selected.clone();
        Arc::make_mut(&mut self.hidden).merge(&selected, |a, b| a | b);
        self.set_selected(Bits::none(self.rows()));
        self.looks += 1;
    }

    /// Shows all objects again but for what the filter hides.
    pub fn show_all(&mut self) {
        self.hidden = Arc::new(Bits::none(self.rows()));
        self.strict = false;
        self.looks += 1;
    }

    /// Returns whether objects are hidden one by one.
    pub fn hides_some(&self) -> bool {
        self.strict || !self.hidden.is_empty()
    }

    /// Verdict on a row.
    pub fn verdict(&self, row: u32) -> Verdict {
        self.verdicts.get(row as usize).copied().unwrap_or_default()
    }

    /// Decides about what is selected.
    pub fn judge(&mut self, verdict: Verdict) {
        let selected = self.selected.clone();
        self.verdicts.resize(self.rows(), Verdict::None);
        selected.iter().for_each(|row| self.verdicts[row] = verdict);
        self.table = Arc::new(Verdict::put(&self.table, &self.verdicts));
        self.edits += 1;
        if self.colour.as_ref().is_some_and(|colour| colour.column == VERDICT) {
            self.looks += 1;
        }
    }

    /// The middle of a row's object, as indices `(x, y, z)` of its image.
    pub fn middle(&self, row: u32) -> Option<[f64; 3]> {
        let of = |name| Column::of(&self.table, name).map(|column| column.number(row));
        Some([of("centroid_x")?, of("centroid_y")?, of("centroid_z")?])
    }

    /// The first voxel `[z, y, x]` of a row's object and the one after its last.
    pub fn bounds(&self, row: u32) -> Option<[[usize; 3]; 2]> {
        let of = |name| Column::of(&self.table, name).map(|column| column.number(row).max(0.0) as usize);
        Some([
            [of("bbox_z_min")?, of("bbox_y_min")?, of("bbox_x_min")?],
            [of("bbox_z_max")?, of("bbox_y_max")?, of("bbox_x_max")?],
        ])
    }

    /// Goes on with what is to be done, once a frame; `wake` is called when a thread has done some of it.
    pub fn refresh(&mut self, wake: &Arc<dyn Fn() + Send + Sync>) {
        self.arrange(wake);
        self.paint(wake);
    }

    fn arrange(&mut self, wake: &Arc<dyn Fn() + Send + Sync>) {
        if let Some((edits, receiver)) = &self.ordering {
            match receiver.try_recv() {
                Ok(order) => {
                    let (before, edits) = (self.order.passing.clone(), *edits);
                    (self.order, self.ordered, self.ordering) = (order, edits, None);
                    if self.hide_filtered && before != self.order.passing {
                        self.looks += 1;
                    }
                }
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.ordering = None,
            }
        }
        if self.order.wanted == self.wanted && self.ordered == self.edits {
            return;
        }
        let (order, table, wanted) = (self.order.clone(), self.table.clone(), self.wanted.clone());
        let (edits, fresh) = (self.edits, self.ordered != self.edits);
        let (send, receive) = bounded(1);
        self.ordering = Some((edits, receive));
        let work = move || {
            // Nobody listens when the table has gone.
            let _ = send.send(order.again(&table, &wanted, fresh));
        };
        if self.rows() <= MANY {
            work();
            self.arrange(wake);
        } else {
            let wake = wake.clone();
            std::thread::spawn(move || {
                work();
                wake();
            });
        }
    }

    fn paint(&mut self, wake: &Arc<dyn Fn() + Send + Sync>) {
        if let Some((looks, receiver)) = &self.looking {
            match receiver.try_recv() {
                Ok(lookup) => (self.lookup, self.looked, self.looking) = (lookup, *looks, None),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.looking = None,
            }
        }
        if self.looked == self.looks || !self.are_objects() {
            return;
        }
        let paint = Paint {
            table: self.table.clone(),
            labels: self.labels.clone(),
            selected: self.selected.clone(),
            hidden: self.hidden.clone(),
            only: self.order.passing.clone().filter(|_| self.hide_filtered),
            strict: self.strict,
            colour: self.colour.clone(),
            infos: self.infos.clone(),
        };
        let (send, receive) = bounded(1);
        self.looking = Some((self.looks, receive));
        let work = move || {
            let lookup = (!paint.is_plain()).then(|| Arc::new(paint.lookup()));
            // Nobody listens when the table has gone.
            let _ = send.send(lookup);
        };
        if self.rows() <= MANY {
            work();
            self.paint(wake);
        } else {
            let wake = wake.clone();
            std::thread::spawn(move || {
                work();
                wake();
            });
        }
    }

    /// The colours of labels; none if they look as they do without a table.
    pub fn lookup(&self) -> Option<&Arc<Lookup>> {
        self.lookup.as_ref()
    }
}
