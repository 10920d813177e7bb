//! The colour of every label, as the device looks it up.

use super::Column;
use super::bits::Bits;
use crate::view::colours::{self, Map};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use voxelry_core::labels::Info;
use voxelry_core::measure::Table;
use voxelry_core::picture::label_index;

/// Texels of a row. The first row has colours for labels that the table does not have.
pub const WIDTH: usize = 4096;
/// Most rows that are made for labels; labels beyond are coloured by the first row.
const ROWS: usize = 8191;
/// Opacity of what is selected. An even one marks that; others are odd, or 0 for what is hidden.
const SELECTED: u8 = 254;

/// Names, colours and visibility of labels.
pub type Infos = BTreeMap<u32, Info>;

/// Colours of labels. Two of the same number are the same.
#[derive(Debug)]
pub struct Lookup {
    /// Tells them apart.
    pub version: u64,
    /// Rows of [`WIDTH`] texels: the first for labels that are in none of the others, which begin with
    /// label 1.
    pub texels: Vec<[u8; 4]>,
    /// Legend of the colours, if there is one.
    pub legend: Option<Legend>,
}

/// Legend of the colours of objects.
#[derive(Debug, Clone, PartialEq)]
pub struct Legend {
    /// The column and its unit.
    pub title: String,
    /// The colours.
    pub map: Map,
    /// The numbers of the first and the last colour.
    pub range: [f64; 2],
}

/// Colours from a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Colouring {
    /// Its name.
    pub column: String,
    /// The colours.
    pub map: Map,
    /// The numbers of the first and the last colour; none for what fits the column.
    pub range: Option<[f64; 2]>,
}

/// All that decides about the colours of labels.
#[derive(Clone)]
pub struct Paint {
    /// The objects.
    pub table: Arc<Table>,
    /// The label of each row.
    pub labels: Arc<Vec<u32>>,
    /// Rows that are selected.
    pub selected: Arc<Bits>,
    /// Rows that are hidden.
    pub hidden: Arc<Bits>,
    /// The only rows that are shown, if not all are.
    pub only: Option<Arc<Bits>>,
    /// True if labels without a row are hidden.
    pub strict: bool,
    /// The column that colours.
    pub colour: Option<Colouring>,
    /// Names, colours and visibility of labels.
    pub infos: Arc<Infos>,
}

impl Lookup {
    /// The colours that were chosen for labels, without those that are hidden; none if all look as they do anyway.
    pub fn chosen(infos: &Infos) -> Option<Self> {
        let most = infos.iter().rfind(|(_, info)| is_special(info)).map(|(label, _)| *label)?;
        let texels = texels(most, infos);
        Some(Self { version: NEXT.fetch_add(1, Ordering::Relaxed), texels, legend: None })
    }
}

fn is_special(info: &Info) -> bool {
    info.color.is_some() || opacity(info) != u8::MAX
}

/// Opacity of a label that isn't selected.
fn opacity(info: &Info) -> u8 {
    if info.shown { info.opacity | 1 } else { 0 }
}

/// Texels for labels up to `most`, as they look without a table.
fn texels(most: u32, infos: &Infos) -> Vec<[u8; 4]> {
    let rows = (most as usize).div_ceil(WIDTH).min(ROWS);
    let row = colours::labels();
    let mut texels = Vec::with_capacity((rows + 1) * WIDTH);
    texels.extend_from_slice(&row);
    texels.extend((0..(rows * WIDTH) as u32).map(|i| row[label_index(i + 1) as usize]));
    for (label, info) in infos.range(..=most).filter(|(_, info)| is_special(info)) {
        let Some(texel) = texel(&mut texels, *label) else { continue };
        let [r, g, b] = info.color.unwrap_or([texel[0], texel[1], texel[2]]);
        *texel = [r, g, b, opacity(info)];
    }
    texels
}

/// The number of the next lookup.
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Paint {
    /// Returns whether labels look as they do without a table.
    pub fn is_plain(&self) -> bool {
        let all = self.hidden.is_empty() && self.only.is_none() && !self.strict;
        all && self.selected.is_empty() && self.colour.is_none()
    }

    /// The colours.
    pub fn lookup(&self) -> Lookup {
        let known = self.infos.keys().next_back();
        let most = self.labels.iter().chain(known).copied().max().unwrap_or(0);
        let mut texels = texels(most, &self.infos);
        if self.strict {
            texels.iter_mut().for_each(|texel| texel[3] = 0);
        }
        let legend = self.colour.as_ref().and_then(|colour| self.paint(colour, &mut texels));
        for (at, label) in self.labels.iter().enumerate() {
            let Some(texel) = texel(&mut texels, *label) else { continue };
            let shown = !self.hidden.has(at) && self.only.as_ref().is_none_or(|only| only.has(at));
            let own = self.infos.get(label).map_or(u8::MAX, opacity);
            texel[3] = match (shown, own) {
                (false, _) | (_, 0) => 0,
                _ if self.selected.has(at) => SELECTED,
                _ => own,
            };
        }
        Lookup { version: NEXT.fetch_add(1, Ordering::Relaxed), texels, legend }
    }

    /// Gives objects colours by a column; what they mean.
    fn paint(&self, colour: &Colouring, texels: &mut [[u8; 4]]) -> Option<Legend> {
        let column = Column::of(&self.table, &colour.column).filter(|c| c.words().is_none())?;
        let range = colour.range.unwrap_or_else(|| column.range());
        let ramp: Vec<[u8; 3]> = (0..256).map(|i| colour.map.at(i as f32 / 255.0)).collect();
        let scale = 255.0 / (range[1] - range[0]);
        for (row, label) in self.labels.iter().enumerate() {
            let Some(texel) = texel(texels, *label) else { continue };
            let value = column.number(row as u32);
            // What has no value is grey.
            let [r, g, b] = if value.is_nan() {
                [128; 3]
            } else {
                ramp[((value - range[0]) * scale).round().clamp(0.0, 255.0) as usize]
            };
            *texel = [r, g, b, texel[3]];
        }
        let unit = Some(self.table.unit(&colour.column)).filter(|u| !u.is_empty() && *u != "1");
        let title = colour.column.replace('_', " ");
        let title = unit.map_or(title.clone(), |unit| format!("{title} [{unit}]"));
        Some(Legend { title, map: colour.map, range })
    }
}

/// The texel of a label, if it has one of its own.
fn texel(texels: &mut [[u8; 4]], label: u32) -> Option<&mut [u8; 4]> {
    texels.get_mut(WIDTH + (label as usize).checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use voxelry_core::measure::table::{Builder, Values};

    fn paint(labels: Vec<u32>, values: Vec<f64>) -> Paint {
        let mut b = Builder::default();
        b.column("label", "", "", Values::Int(labels.iter().map(|l| i64::from(*l)).collect()));
        b.column("volume", "µm³", "", Values::Real(values));
        let none = Arc::new(Bits::none(labels.len()));
        Paint {
            table: Arc::new(b.finish("objects")),
            labels: Arc::new(labels),
            selected: none.clone(),
            hidden: none,
            only: None,
            strict: false,
            colour: None,
            infos: Arc::default(),
        }
    }

    #[test]
    fn labels_are_hidden_marked_and_coloured_by_a_column() {
        let mut paint = paint(vec![1, 5000, 3], vec![0.0, 10.0, f64::NAN]);
        assert!(paint.is_plain());
        let of = |lookup: &Lookup, label: usize| lookup.texels[WIDTH + label - 1];
        let plain = paint.lookup();
        assert_eq!(plain.texels.len(), 3 * WIDTH);
        assert_eq!(plain.texels[..WIDTH], colours::labels()[..]);
        assert_eq!(of(&plain, 5000)[3], 255);
        Arc::make_mut(&mut paint.selected).set(0, true);
        Arc::make_mut(&mut paint.hidden).set(1, true);
        paint.colour = Some(Colouring { column: "volume".into(), map: Map::Grey, range: Some([0.0, 10.0]) });
        let lookup = paint.lookup();
        assert_eq!(of(&lookup, 1), [0, 0, 0, 254]);
        assert_eq!(of(&lookup, 5000), [255, 255, 255, 0]);
        assert_eq!(of(&lookup, 3), [128, 128, 128, 255]);
        assert_eq!(of(&lookup, 2), of(&plain, 2));
        assert_eq!(lookup.legend.as_ref().unwrap().title, "volume [µm³]");
        assert_ne!(lookup.version, plain.version);
        paint.only = Some(Arc::new(Bits::of(&[false, true, true])));
        paint.strict = true;
        let lookup = paint.lookup();
        let alphas = [1, 2, 3, 5000].map(|label| of(&lookup, label)[3]);
        assert_eq!(alphas, [0, 0, 255, 0]);
    }

    #[test]
    fn what_was_chosen_for_labels_stays_where_some_are_selected() {
        let mut paint = paint(vec![1, 2, 3, 4], vec![0.0; 4]);
        let info = |opacity: u8, shown: bool| Info { opacity, shown, ..Info::default() };
        let infos = [(1, info(100, true)), (2, info(9, false)), (3, info(0, true)), (9, info(255, true))];
        let mut infos = Infos::from(infos);
        infos.get_mut(&9).unwrap().color = Some([1, 2, 3]);
        paint.infos = Arc::new(infos);
        Arc::make_mut(&mut paint.selected).set(1, true);
        Arc::make_mut(&mut paint.selected).set(3, true);
        let of = |lookup: &Lookup, label: usize| lookup.texels[WIDTH + label - 1];
        let lookup = paint.lookup();
        // Odd but for what is selected, and 0 only for what is hidden, whether it is selected or not.
        assert_eq!([1, 2, 3, 4, 5].map(|label| of(&lookup, label)[3]), [101, 0, 1, 254, 255]);
        assert_eq!(of(&lookup, 9), [1, 2, 3, 255]);
        let chosen = Lookup::chosen(&paint.infos).unwrap();
        assert_eq!([1, 2, 3, 4].map(|label| of(&chosen, label)[3]), [101, 0, 1, 255]);
        assert!(Lookup::chosen(&Infos::from([(7, Info { name: "a".into(), ..Info::default() })])).is_none());
    }

    #[test]
    fn labels_without_bound_take_no_memory_without_bound() {
        let lookup = paint(vec![u32::MAX, 7], vec![1.0, 2.0]).lookup();
        assert_eq!(lookup.texels.len(), (ROWS + 1) * WIDTH);
    }
}
