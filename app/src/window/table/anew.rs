//! Tables follow the edits of their labels: when the hand rests, what was touched is measured anew.

use crate::view::anew::Edited;
use crate::view::objects::VERDICT;
use crate::window::app::Viewer;
use crossbeam_channel::{Receiver, bounded};
use egui::Context;
use std::sync::Arc;
use std::time::{Duration, Instant};
use voxelry_core::labels::Version;
use voxelry_core::measure::Table;
use voxelry_core::{Job, Result};

/// How long after an edit it is waited for the next one.
const REST: Duration = Duration::from_millis(250);

/// What the tables were measured of, and what is being measured anew.
#[derive(Default)]
pub struct Anew {
    /// The layer, how often its labels had been edited, and the labels as they were.
    of: Option<(u64, u64, Arc<Version>)>,
    /// How often they have been edited, and since when.
    seen: Option<(u64, Instant)>,
    running: Option<Running>,
}

struct Running {
    of: (u64, u64, Arc<Version>),
    job: Job,
    result: Receiver<Result<Vec<Option<Table>>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.job.cancel();
    }
}

impl Anew {
    /// Whether something is being measured anew.
    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// The tables are others: of labels of a layer after so many edits, or of something that is not edited.
    pub fn measured(&mut self, of: Option<(u64, u64, Arc<Version>)>) {
        *self = Self { of, ..Self::default() };
    }
}

impl Viewer {
    /// Has the rows of objects that were touched by edits measured anew, once a frame.
    pub(in crate::window) fn follow_edits(&mut self, ctx: &Context) {
        self.take_in_rows();
        let Some(desk) = self.kit.desk.as_ref().filter(|d| Some(d.layer) == self.bench.about) else { return };
        let (layer, edits) = (desk.layer, desk.board.edits());
        if desk.board.is_busy() || self.kit.preview || self.bench.running().is_some() {
            return;
        }
        let anew = &mut self.table.anew;
        if anew.of.as_ref().is_none_or(|of| of.0 != layer) {
            // Labels come to be edited that were measured before.
            if edits > 0 {
                self.table.sheets.iter_mut().for_each(|sheet| sheet.stale = true);
                return;
            }
            anew.measured(Some((layer, 0, Arc::new(desk.board.labels.version()))));
        }
        let Some((_, at, before)) = &anew.of else { return };
        if *at == edits || anew.running.is_some() {
            return;
        }
        if anew.seen.is_none_or(|(seen, _)| seen != edits) {
            anew.seen = Some((edits, Instant::now()));
        }
        let rested = anew.seen.map_or(REST, |(_, since)| since.elapsed());
        if rested < REST {
            ctx.request_repaint_after(REST.saturating_sub(rested));
            return;
        }
        let tables: Vec<Table> = self.bench.tables.iter().map(|(_, table)| plain(table)).collect();
        let now = Arc::new(desk.board.labels.version());
        let (labels, before) = (desk.board.labels.clone(), before.clone());
        let mut layers = self.document.scenes.iter().flat_map(|s| &s.layers);
        let image = layers.find(|l| Some(l.id) == self.bench.intensities).cloned();
        let edited = Edited { labels, before, now: now.clone(), image };
        let ((send, result), job, wake) = (bounded(1), Job::silent(), self.waker());
        self.table.anew.running = Some(Running { of: (layer, edits, now), job: job.clone(), result });
        std::thread::spawn(move || {
            // Nobody listens when the table has gone.
            let _ = send.send(edited.again(&tables, &job));
            wake();
        });
    }

    /// Has the labels that the tables are about measured, all of them.
    pub(super) fn measure_table_again(&mut self, ctx: &Context) {
        if let Some(place) = self.bench.about.and_then(|id| self.place_of(id)) {
            self.chosen = place;
            self.ask_to_measure(ctx);
        }
    }

    /// Takes in rows that were measured anew.
    fn take_in_rows(&mut self) {
        let anew = &mut self.table.anew;
        let Some(result) = anew.running.as_ref().and_then(|running| running.result.try_recv().ok()) else {
            return;
        };
        let Some(running) = anew.running.take() else { return };
        match result {
            Ok(tables) => {
                anew.of = Some(running.of.clone());
                let sheets = self.table.sheets.iter_mut().zip(&mut self.bench.tables);
                for (table, (sheet, (_, own))) in tables.into_iter().zip(sheets) {
                    sheet.stale |= table.is_none();
                    if let Some(table) = table {
                        sheet.renew(table);
                        own.clone_from(sheet.objects.table());
                    }
                }
            }
            Err(voxelry_core::Error::Cancelled) => {}
            Err(error) => {
                anew.of = Some(running.of.clone());
                self.table.sheets.iter_mut().for_each(|sheet| sheet.stale = true);
                self.tell(format!("Measuring what was edited: {error}"));
            }
        }
    }
}

/// A table as it was measured, without what was decided about its rows.
fn plain(table: &Table) -> Table {
    let schema = table.batch.schema();
    let kept: Vec<usize> =
        (0..schema.fields().len()).filter(|i| schema.field(*i).name() != VERDICT).collect();
    match table.batch.project(&kept) {
        Ok(batch) => Table { name: table.name.clone(), batch },
        Err(_) => table.clone(),
    }
}
