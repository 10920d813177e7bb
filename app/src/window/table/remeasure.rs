//! Remeasurement: once editing pauses, the rows of objects whose labels were edited are measured again.

use crate::view::objects::VERDICT;
use crate::view::remeasure::EditedLabels;
use crate::window::app::Viewer;
use crossbeam_channel::{Receiver, bounded};
use egui::Context;
use std::sync::Arc;
use std::time::{Duration, Instant};
use voxelry_core::labels::Version;
use voxelry_core::measure::Table;
use voxelry_core::{Job, Result};

/// Time without edits before objects are measured.
const REST: Duration = Duration::from_millis(250);

/// Version of the labels that the tables were measured on, and the running remeasurement.
#[derive(Default)]
pub struct Remeasurement {
    /// The layer, how often its labels had been edited, and the labels as they were.
    of: Option<(u64, u64, Arc<Version>)>,
    /// Number of edits last seen, and when it was first seen.
    seen: Option<(u64, Instant)>,
    running: Option<RunningMeasurement>,
}

struct RunningMeasurement {
    of: (u64, u64, Arc<Version>),
    job: Job,
    result: Receiver<Result<Vec<Option<Table>>>>,
}

impl Drop for RunningMeasurement {
    fn drop(&mut self) {
        self.job.cancel();
    }
}

impl Remeasurement {
    /// Returns whether objects are being remeasured.
    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// The tables are others: of labels of a layer after so many edits, or of something that is not edited.
    pub fn measured(&mut self, of: Option<(u64, u64, Arc<Version>)>) {
        *self = Self { of, ..Self::default() };
    }
}

impl Viewer {
    /// Remeasures the objects that edits have touched, once a frame.
    pub(in crate::window) fn remeasure_edited(&mut self, ctx: &Context) {
        self.take_in_rows();
        let Some(editing) =
            self.tools.editing.as_ref().filter(|d| Some(d.layer) == self.recipe_editor.results.about)
        else {
            return;
        };
        let (layer, edits) = (editing.layer, editing.editor.edits());
        if editing.editor.is_busy() || self.tools.gesture.preview || self.recipe_editor.running().is_some() {
            return;
        }
        let remeasurement = &mut self.results.remeasurement;
        if remeasurement.of.as_ref().is_none_or(|of| of.0 != layer) {
            // Labels come to be edited that were measured before.
            if edits > 0 {
                self.results.sheets.iter_mut().for_each(|sheet| sheet.stale = true);
                return;
            }
            remeasurement.measured(Some((layer, 0, Arc::new(editing.editor.labels.version()))));
        }
        let Some((_, at, before)) = &remeasurement.of else { return };
        if *at == edits || remeasurement.running.is_some() {
            return;
        }
        if remeasurement.seen.is_none_or(|(seen, _)| seen != edits) {
            remeasurement.seen = Some((edits, Instant::now()));
        }
        let rested = remeasurement.seen.map_or(REST, |(_, since)| since.elapsed());
        if rested < REST {
            ctx.request_repaint_after(REST.saturating_sub(rested));
            return;
        }
        let tables: Vec<Table> =
            self.recipe_editor.results.tables.iter().map(|(_, table)| plain(table)).collect();
        let now = Arc::new(editing.editor.labels.version());
        let (labels, before) = (editing.editor.labels.clone(), before.clone());
        let mut layers = self.document.scenes.iter().flat_map(|s| &s.layers);
        let image = layers.find(|l| Some(l.id) == self.recipe_editor.results.intensities).cloned();
        let edited = EditedLabels { labels, before, now: now.clone(), image };
        let ((send, result), job, wake) = (bounded(1), Job::silent(), self.waker());
        self.results.remeasurement.running =
            Some(RunningMeasurement { of: (layer, edits, now), job: job.clone(), result });
        std::thread::spawn(move || {
            // Nobody listens when the table has gone.
            let _ = send.send(edited.again(&tables, &job));
            wake();
        });
    }

    /// Has the labels that the tables are about measured, all of them.
    pub(super) fn measure_table_again(&mut self, ctx: &Context) {
        if let Some(place) = self.recipe_editor.results.about.and_then(|id| self.place_of(id)) {
            self.view.chosen = place;
            self.ask_to_measure(ctx);
        }
    }

    /// Takes in remeasured rows.
    fn take_in_rows(&mut self) {
        let remeasurement = &mut self.results.remeasurement;
        let Some(result) = remeasurement.running.as_ref().and_then(|running| running.result.try_recv().ok())
        else {
            return;
        };
        let Some(running) = remeasurement.running.take() else { return };
        match result {
            Ok(tables) => {
                remeasurement.of = Some(running.of.clone());
                let sheets = self.results.sheets.iter_mut().zip(&mut self.recipe_editor.results.tables);
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
                remeasurement.of = Some(running.of.clone());
                self.results.sheets.iter_mut().for_each(|sheet| sheet.stale = true);
                self.tell(format!("Measuring edited objects: {error}"));
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
