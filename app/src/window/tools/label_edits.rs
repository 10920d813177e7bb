//! Edits of the active label, and growth of labels as seeds.

use super::Tool;
use super::tool_input::{IntensityImage, amount};
use crate::view::label_editor::{EditFn, EditOutcome};
use crate::window::app::Viewer;
use voxelry_core::Region;
use voxelry_core::labels::tools;

/// Algorithm that grows seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeds {
    /// They grow.
    Grow,
    /// They are markers.
    Watershed,
}

impl Viewer {
    /// Activates a tool.
    pub fn select_tool(&mut self, tool: Tool) {
        if self.tools.tool != tool {
            self.tools.discard_preview();
        }
        self.tools.tool = tool;
        self.tools.status.clear();
        if tool != Tool::Look && self.tools.editing.is_none() {
            self.ensure_labels();
        }
    }

    /// The crop box in voxels of the chosen image.
    pub(super) fn chosen_box(&self) -> Option<Region> {
        self.document.scenes.get(self.view.chosen.0).map(|s| s.boxed())
    }

    /// Applies an edit to the labels.
    pub(super) fn edit_labels(&mut self, name: &str, work: EditFn) {
        (self.tools.gesture.preview, self.tools.gesture.shown) = (false, None);
        if let Some(editing) = &self.tools.editing {
            editing.editor.apply(name, work);
        }
    }

    /// Gives each connected part of the active label a label of its own.
    pub fn separate(&mut self) {
        let label = self.tools.label;
        self.edit_labels(
            "Separate objects",
            Box::new(move |edit, job| {
                let Some(region) = edit.labels().within(label) else {
                    let says = format!("There are no voxels of label {label}");
                    return Ok(EditOutcome { message: Some(says), ..EditOutcome::default() });
                };
                let regions = tools::separate(edit, label, region, job)?;
                let says = if regions.is_empty() { "is in one piece" } else { "separated" };
                Ok(EditOutcome { regions, message: Some(format!("Label {label} {says}")) })
            }),
        );
    }

    /// Interpolates the active label between the slices in which it was drawn.
    pub(in crate::window) fn fill_between(&mut self) {
        let Some(editing) = &self.tools.editing else { return };
        let (labels, label) = (editing.editor.labels.clone(), self.tools.label);
        let axis = match self.view.active.map(|t| t.pane) {
            Some(crate::view::Pane::Plane(axis)) => axis,
            _ => 0,
        };
        let Some(writer) = self.label_writer() else { return };
        self.edit_labels(
            "Fill between slices",
            Box::new(move |edit, job| {
                let Some((region, filled)) = tools::fill_between(&labels, label, axis, job)? else {
                    let says = format!("Label {label} has no empty slices across this plane");
                    return Ok(EditOutcome { message: Some(says), ..EditOutcome::default() });
                };
                Ok(writer.put(edit, region, &filled)?.into())
            }),
        );
    }

    /// Deletes the active label.
    pub fn delete_label(&mut self) {
        let Some(editing) = &self.tools.editing else { return };
        let (labels, label) = (editing.editor.labels.clone(), self.tools.label);
        self.edit_labels(
            "Delete",
            Box::new(move |edit, job| {
                let mut regions = Vec::new();
                edit.set_info(label, None);
                for tile in labels.within(label).into_iter().flat_map(|w| w.tiles([64; 3])) {
                    job.check()?;
                    let new = labels.get(tile)?.mapv(|v| if v == label { 0 } else { v });
                    regions.extend(edit.put(tile.start, new.view())?);
                }
                Ok(regions.into())
            }),
        );
    }

    /// Lets all labels grow as seeds, in the box of all seeds and some way around.
    pub(in crate::window) fn use_seeds(&mut self, seeds: Seeds) {
        let name = if seeds == Seeds::Grow { "Grow from seeds" } else { "Watershed from seeds" };
        if let Some(work) = self.growth(seeds) {
            self.edit_labels(name, work);
        }
    }

    /// Shows what would become of the seeds, where that is wanted and they have changed; once a frame.
    pub(in crate::window) fn follow_seeds(&mut self) {
        let tools = &self.tools;
        let Some(editing) = tools
            .editing
            .as_ref()
            .filter(|_| tools.settings.live_growth && tools.gesture.pressed_pane.is_none())
        else {
            return;
        };
        let draws = matches!(tools.tool, Tool::Paint | Tool::Erase | Tool::Lasso);
        let key = format!("seeds {} {:?}", editing.editor.edits(), tools.mask);
        if !draws
            || editing.editor.is_busy()
            || tools.rows.len() < 2
            || tools.gesture.shown.as_ref() == Some(&key)
        {
            return;
        }
        let Some(work) = self.growth(Seeds::Grow) else { return };
        (self.tools.gesture.shown, self.tools.gesture.preview) = (Some(key), true);
        if let Some(editing) = &self.tools.editing {
            editing.editor.preview(work);
        }
    }

    fn growth(&self, seeds: Seeds) -> Option<EditFn> {
        let (writer, image) = (self.label_writer()?, self.edited_image().map(IntensityImage::of)?);
        let (labels, crop) = (self.tools.editing.as_ref()?.editor.labels.clone(), self.tools.mask.inside);
        Some(Box::new(move |edit, job| {
            let all: Vec<u32> = labels.sums().unwrap_or_default().keys().copied().collect();
            let boxes = all.iter().filter_map(|l| labels.within(*l));
            let Some(around) = boxes.reduce(union) else {
                return Ok(EditOutcome {
                    message: Some("There are no seeds".into()),
                    ..EditOutcome::default()
                });
            };
            if all.len() < 2 {
                let says = "Paint seeds of at least two labels: one inside, one around".to_owned();
                return Ok(EditOutcome { message: Some(says), ..EditOutcome::default() });
            }
            let margin = around.shape.map(|n| n / 10 + 4);
            let region = crop.unwrap_or_else(|| around.grown(margin, labels.shape()));
            // What is on the way takes about 20 bytes a voxel.
            let most = voxelry_core::blocks::physical_memory() / 2 / 20;
            if region.len() as u64 > most {
                return Err(voxelry_core::Error::Memory(format!(
                    "seeds grow in a box of {} voxels; at most {most} fit: mark a smaller crop box (K)",
                    region.len()
                )));
            }
            let old = labels.get(region)?;
            let grey = image.read(region)?;
            let new = match seeds {
                Seeds::Grow => tools::grow_cut(grey.view(), old.view(), job)?,
                Seeds::Watershed => tools::watershed(grey, &old, labels.geometry(), job)?,
            };
            let regions = writer.put_labels(edit, region, &old, new)?;
            let says = format!("{} labels in {}", all.len(), amount(region.len() as u64, &labels));
            Ok(EditOutcome { regions, message: Some(says) })
        }))
    }
}

fn union(a: Region, b: Region) -> Region {
    let start: [usize; 3] = std::array::from_fn(|i| a.start[i].min(b.start[i]));
    let end: [usize; 3] = std::array::from_fn(|i| a.end()[i].max(b.end()[i]));
    Region { start, shape: std::array::from_fn(|i| end[i] - start[i]) }
}
