//! The panel of segmentation: tools, what they are set to, what can be done to an object, and the list of labels.

use super::deeds::Boolean;
use super::touch::{Image, amount, radius_text};
use super::{Tool, classes, list, operators, threshold};
use crate::view::board::{Done, Work};
use crate::window::app::Viewer;
use crate::window::theme::ACCENT;
use crate::window::widgets::{WIDE, choice, sized, slider};
use egui::{CollapsingHeader, DragValue, ProgressBar, RichText, Ui};
use voxelry_core::Region;
use voxelry_core::labels::tools::{self, Change};
use voxelry_core::labels::{Editable, Over};

/// The panel.
pub fn panel(viewer: &mut Viewer, ui: &mut Ui) {
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        // The scroll bar has a place of its own.
        ui.set_max_width(ui.available_width() - 10.0);
        contents(viewer, ui);
    });
}

fn contents(viewer: &mut Viewer, ui: &mut Ui) {
    ui.add_space(4.0);
    if viewer.layer_to_work_on().is_none() && viewer.kit.desk.is_none() {
        ui.weak("Open an image to segment");
        return;
    }
    header(viewer, ui);
    ui.separator();
    let wide = ((ui.available_width() - 8.0) / 3.0).clamp(60.0, 140.0);
    egui::Grid::new("tools").num_columns(3).spacing([4.0, 4.0]).show(ui, |ui| {
        for (i, (tool, name, hint)) in Tool::ALL.into_iter().enumerate() {
            let button = egui::Button::selectable(viewer.kit.tool == tool, name).frame_when_inactive(true);
            if sized(ui, wide, button).on_hover_text(hint).clicked() {
                viewer.take_tool(tool);
            }
            if i % 3 == 2 {
                ui.end_row();
            }
        }
    });
    ui.add_space(4.0);
    options(viewer, ui);
    said(viewer, ui);
    ui.separator();
    if viewer.kit.desk.is_none() {
        ui.weak("Pick a tool; a label layer is created on first use.");
        return;
    }
    CollapsingHeader::new(RichText::new("Editing mask").strong()).show_unindented(ui, |ui| mask(viewer, ui));
    CollapsingHeader::new(RichText::new(format!("Object {}", viewer.kit.label)).strong())
        .id_salt("object")
        .default_open(true)
        .show_unindented(ui, |ui| object(viewer, ui));
    CollapsingHeader::new(RichText::new("Operators on labels").strong())
        .show_unindented(ui, |ui| operators::show(viewer, ui));
    CollapsingHeader::new(RichText::new("Pixel classification (from strokes)").strong())
        .show_unindented(ui, |ui| classes::show(viewer, ui));
    ui.separator();
    list::show(viewer, ui);
}

/// What the tool says, or how far it is, in one line that is always there.
fn said(viewer: &mut Viewer, ui: &mut Ui) {
    let size = egui::vec2(ui.available_width(), ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(size, egui::Layout::left_to_right(egui::Align::Center), |ui| {
        ui.set_min_size(size);
        if let Some(running) = viewer.bench.running() {
            crate::window::recipe::progress(running, ui, ui.available_width());
            return;
        }
        let progress = viewer.kit.progress();
        if progress.is_none() && !viewer.kit.threshold.is_finding() {
            let says = &viewer.kit.says;
            let leaks = says.starts_with("Leaks");
            let colour = if leaks { ui.visuals().warn_fg_color } else { ui.visuals().weak_text_color() };
            ui.add(egui::Label::new(RichText::new(says).color(colour).small()).truncate());
            return;
        }
        let part = progress.as_ref().map_or(0.0, |p| p.done as f32 / p.total.max(1) as f32);
        let name = progress.map_or_else(|| "Finding threshold".to_owned(), |p| p.name);
        let bar = ProgressBar::new(part).desired_width(ui.available_width() - 70.0);
        ui.add(bar.text(RichText::new(name).small()).fill(ACCENT));
        if ui.button("Cancel").clicked() {
            viewer.kit.stop();
        }
    });
}

fn header(viewer: &mut Viewer, ui: &mut Ui) {
    let desk = viewer.kit.desk.as_ref().map(|d| d.layer);
    let name = desk
        .and_then(|id| viewer.place_of(id))
        .map(|(s, l)| viewer.document.scenes[s].layers[l].name.clone());
    let title = name.unwrap_or_else(|| "No labels yet".to_owned());
    ui.add(egui::Label::new(RichText::new(title).heading()).truncate());
    ui.horizontal(|ui| {
        if ui.button("New").on_hover_text("New labels over the image that is chosen").clicked() {
            viewer.new_labels();
        }
        let some = !viewer.kit.rows.is_empty() && viewer.bench.running().is_none();
        let measure = ui.add_enabled(some, egui::Button::new("Measure"));
        if measure.on_hover_text("Volume, shape, intensities … of every label, as a table").clicked() {
            viewer.measure_labels(&ui.ctx().clone());
        }
        let save = ui.add_enabled(desk.is_some(), egui::Button::new("Save"));
        if save.on_hover_text("Save the labels into their file").clicked() {
            viewer.ask_to_save_labels(&ui.ctx().clone());
        }
        let save = ui.add_enabled(desk.is_some(), egui::Button::new("Save as…"));
        if save.on_hover_text("Save the labels as NIfTI, TIFF, NRRD or OME-Zarr").clicked() {
            viewer.ask_where_to_save_labels(&ui.ctx().clone());
        }
    });
}

fn rows(ui: &mut Ui, id: &str, contents: impl FnOnce(&mut Ui)) {
    egui::Grid::new(id).num_columns(2).min_col_width(76.0).spacing([8.0, 6.0]).show(ui, contents);
}

/// What the tool in hand is set to.
fn options(viewer: &mut Viewer, ui: &mut Ui) {
    if viewer.kit.tool == Tool::Threshold {
        let apply = threshold::options(viewer, ui);
        viewer.preview_threshold();
        if apply {
            viewer.apply_threshold();
        }
        return;
    }
    let stats = viewer.image_of_desk().or_else(|| viewer.layer_to_work_on()).and_then(|l| l.stats.clone());
    let kit = &mut viewer.kit;
    rows(ui, "tool", |ui| match kit.tool {
        Tool::Paint | Tool::Erase => {
            ui.label("Radius");
            ui.horizontal(|ui| {
                slider(ui, "Radius", &mut kit.radius, 0.0..=60.0, Some(1));
                let labels = kit.desk.as_ref().map(|d| &*d.board.labels);
                ui.label(RichText::new(radius_text(kit.radius, labels)).weak().small());
            });
            ui.end_row();
            ui.label("Shape");
            ui.horizontal(|ui| {
                ui.selectable_value(&mut kit.deep, false, "Disc").on_hover_text("Only in the slice");
                ui.selectable_value(&mut kit.deep, true, "Ball");
            });
            ui.end_row();
        }
        Tool::Wand | Tool::Fill => {
            if kit.tool == Tool::Wand {
                ui.label("Tolerance");
                let most = stats.as_ref().map_or(100.0, |s| (s.window[1] - s.window[0]).abs());
                ui.horizontal(|ui| slider(ui, "Tolerance", &mut kit.tolerance, 0.0..=most, None));
                ui.end_row();
            }
            ui.label("Extent");
            ui.horizontal(|ui| {
                ui.selectable_value(&mut kit.deep, false, "This slice");
                ui.selectable_value(&mut kit.deep, true, "3D");
            });
            ui.end_row();
        }
        Tool::Split => {
            ui.label("Neck depth");
            ui.add(DragValue::new(&mut kit.reach).range(0.0..=50.0).speed(0.1).suffix(" voxels"))
                .accessible_name("Neck depth")
                .on_hover_text("How much thinner than its parts a neck is where an object is split");
            ui.end_row();
        }
        Tool::Look | Tool::Lasso | Tool::Merge | Tool::Threshold => {}
    });
}

/// What tools may change.
fn mask(viewer: &mut Viewer, ui: &mut Ui) {
    let stats = viewer.image_of_desk().and_then(|l| l.stats.clone());
    let crop = viewer.chosen_box();
    let kit = &mut viewer.kit;
    let label = kit.label;
    rows(ui, "mask", |ui| {
        ui.label("Where");
        let wheres = [
            (Editable::Everywhere, "Everywhere".to_owned()),
            (Editable::Inside(0), "In the background".to_owned()),
            (Editable::Inside(label), format!("Inside label {label}")),
            (Editable::Outside(label), format!("Outside label {label}")),
        ];
        let now = match kit.mask.editable {
            Editable::Everywhere => "Everywhere".to_owned(),
            Editable::Inside(0) => "In the background".to_owned(),
            Editable::Inside(l) => format!("Inside label {l}"),
            Editable::Outside(l) => format!("Outside label {l}"),
        };
        choice(ui, "Where", &now, WIDE, |ui| {
            for (value, name) in wheres {
                ui.selectable_value(&mut kit.mask.editable, value, name);
            }
        });
        ui.end_row();
        ui.label("Overwrite");
        let overs = [
            (Over::Labels, "All labels"),
            (Over::Shown, "Shown labels"),
            (Over::Background, "Only background"),
        ];
        let now = overs.iter().find(|o| o.0 == kit.mask.over).map_or("", |o| o.1);
        choice(ui, "Overwrite", now, WIDE, |ui| {
            for (value, name) in overs {
                ui.selectable_value(&mut kit.mask.over, value, name);
            }
        });
        ui.end_row();
        ui.label("Crop box");
        let mut inside = kit.mask.inside.is_some();
        ui.checkbox(&mut inside, "Only inside")
            .on_hover_text("Only in the crop box, which can be dragged (K)");
        kit.mask.inside = if inside { crop } else { None };
        ui.end_row();
        ui.label("Intensity");
        let mut some = kit.mask.intensities.is_some();
        ui.checkbox(&mut some, "Only within")
            .on_hover_text("Only where the image has an intensity within a range");
        ui.end_row();
        let bounds = stats.map_or([0.0, 1.0], |s| s.range);
        kit.mask.intensities = some.then(|| kit.mask.intensities.unwrap_or(bounds));
        if let Some([low, high]) = &mut kit.mask.intensities {
            ui.label("");
            ui.horizontal(|ui| {
                let speed = (bounds[1] - bounds[0]).abs() / 300.0;
                for (name, value) in [("Least intensity", &mut *low), ("Greatest intensity", &mut *high)] {
                    ui.add(DragValue::new(value).speed(speed).max_decimals(3)).accessible_name(name);
                }
            });
            ui.end_row();
        }
    });
}

/// What can be done to the object in hand.
fn object(viewer: &mut Viewer, ui: &mut Ui) {
    let kit = &mut viewer.kit;
    let (mut wanted, mut separate) = (None, false);
    ui.horizontal_wrapped(|ui| {
        ui.add(DragValue::new(&mut kit.reach).range(0.5..=50.0).speed(0.1).max_decimals(1).suffix(" voxels"))
            .on_hover_text("How far it grows, shrinks and is smoothed")
            .accessible_name("How far");
        let reach = kit.reach.to_string();
        for what in [Change::Grow(reach.clone()), Change::Shrink(reach.clone()), Change::Smooth(reach)] {
            if ui.button(what.name()).clicked() {
                wanted = Some(what);
            }
        }
    });
    ui.horizontal_wrapped(|ui| {
        for (what, name) in [(Change::Fill, "Fill holes"), (Change::Largest, "Keep largest")] {
            if ui.button(name).on_hover_text(what.name()).clicked() {
                wanted = Some(what);
            }
        }
        separate = ui
            .button("Separate objects")
            .on_hover_text("Gives each connected part of this label a label of its own (26 neighbours)")
            .clicked();
        if ui.button("Remove small").on_hover_text("Deletes connected parts smaller than this").clicked() {
            wanted = Some(Change::Remove(kit.small));
        }
        ui.add(DragValue::new(&mut kit.small).range(2..=100_000_000u64).speed(1.0)).accessible_name("Small");
    });
    let (mut between, mut cut, mut seeds) = (false, false, None);
    ui.horizontal_wrapped(|ui| {
        between = ui
            .button("Fill between slices")
            .on_hover_text("Interpolates the label between the slices you have drawn")
            .clicked();
        cut = ui.button("Delete").on_hover_text("Deletes this label").clicked();
    });
    ui.horizontal_wrapped(|ui| {
        ui.label("All labels as seeds");
        if ui
            .button("Grow")
            .on_hover_text("Grow from seeds: labels expand until they meet at intensity edges")
            .clicked()
        {
            seeds = Some(Seeds::Grow);
        }
        ui.checkbox(&mut viewer.kit.growing, "Live")
            .on_hover_text("Shows what Grow would make as seeds are painted; Grow keeps it");
        let hint = "Watershed on the gradient image from the painted seeds";
        if ui.button("Watershed").on_hover_text(hint).clicked() {
            seeds = Some(Seeds::Watershed);
        }
    });
    let others = viewer.other_labels();
    let mut boolean = None;
    if !others.is_empty() {
        ui.horizontal_wrapped(|ui| {
            let chosen = others.iter().find(|o| Some(o.0) == viewer.kit.with).unwrap_or(&others[0]).clone();
            ui.label("With");
            choice(ui, "Other labels", &chosen.1, 110.0, |ui| {
                for (id, name) in &others {
                    ui.selectable_value(&mut viewer.kit.with, Some(*id), name);
                }
            });
            for (what, name, hint) in [
                (Boolean::Add, "Add", "Union with the other label layer"),
                (Boolean::Subtract, "Subtract", "Removes voxels labelled in the other layer"),
                (Boolean::Intersect, "Intersect", "Keeps only voxels labelled in the other layer"),
            ] {
                if ui.button(name).on_hover_text(hint).clicked() {
                    boolean = Some((what, chosen.0));
                }
            }
        });
    }
    if let Some(what) = wanted {
        let (label, mask, name) = (viewer.kit.label, viewer.kit.mask.clone(), what.name());
        viewer.on_desk(
            name,
            Box::new(move |edit, job| Ok(tools::change(edit, label, &what, &mask, job)?.into())),
        );
    }
    if separate {
        viewer.separate();
    }
    if between {
        viewer.fill_between();
    }
    if cut {
        viewer.delete_label();
    }
    if let Some(seeds) = seeds {
        viewer.use_seeds(seeds);
    }
    if let Some((what, with)) = boolean {
        viewer.combine(what, with);
    }
}

/// What becomes of seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeds {
    /// They grow.
    Grow,
    /// They are markers.
    Watershed,
}

impl Viewer {
    /// Takes a tool in hand.
    pub fn take_tool(&mut self, tool: Tool) {
        if self.kit.tool != tool {
            self.kit.put_away();
        }
        self.kit.tool = tool;
        self.kit.says.clear();
        if tool != Tool::Look && self.kit.desk.is_none() {
            self.take_labels();
        }
    }

    /// The crop box in voxels of the chosen image.
    fn chosen_box(&self) -> Option<Region> {
        self.document.scenes.get(self.chosen.0).map(|s| s.boxed())
    }

    /// Does something to the labels on the desk.
    pub(super) fn on_desk(&mut self, name: &str, work: Work) {
        (self.kit.preview, self.kit.shown) = (false, None);
        if let Some(desk) = &self.kit.desk {
            desk.board.whole(name, work);
        }
    }

    /// Gives the connected parts of the label in hand labels of their own.
    pub fn separate(&mut self) {
        let label = self.kit.label;
        self.on_desk(
            "Separate objects",
            Box::new(move |edit, job| {
                let Some(region) = edit.labels().within(label) else {
                    let says = format!("There are no voxels of label {label}");
                    return Ok(Done { says: Some(says), ..Done::default() });
                };
                let regions = tools::separate(edit, label, region, job)?;
                let says = if regions.is_empty() { "is in one piece" } else { "separated" };
                Ok(Done { regions, says: Some(format!("Label {label} {says}")) })
            }),
        );
    }

    /// Makes the slices between those that the label in hand was drawn in.
    pub(in crate::window) fn fill_between(&mut self) {
        let Some(desk) = &self.kit.desk else { return };
        let (labels, label) = (desk.board.labels.clone(), self.kit.label);
        let axis = match self.active.map(|t| t.pane) {
            Some(crate::view::Pane::Plane(axis)) => axis,
            _ => 0,
        };
        let Some(ink) = self.ink() else { return };
        self.on_desk(
            "Fill between slices",
            Box::new(move |edit, job| {
                let Some((region, filled)) = tools::fill_between(&labels, label, axis, job)? else {
                    let says = format!("Label {label} has no empty slices across this plane");
                    return Ok(Done { says: Some(says), ..Done::default() });
                };
                Ok(ink.put(edit, region, &filled)?.into())
            }),
        );
    }

    /// Takes all voxels of the label in hand away.
    pub fn delete_label(&mut self) {
        let Some(desk) = &self.kit.desk else { return };
        let (labels, label) = (desk.board.labels.clone(), self.kit.label);
        self.on_desk(
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
            self.on_desk(name, work);
        }
    }

    /// Shows what would become of the seeds, where that is wanted and they have changed; once a frame.
    pub(in crate::window) fn follow_seeds(&mut self) {
        let kit = &self.kit;
        let Some(desk) = kit.desk.as_ref().filter(|_| kit.growing && kit.holding.is_none()) else { return };
        let draws = matches!(kit.tool, Tool::Paint | Tool::Erase | Tool::Lasso);
        let key = format!("seeds {} {:?}", desk.board.edits(), kit.mask);
        if !draws || desk.board.is_busy() || kit.rows.len() < 2 || kit.shown.as_ref() == Some(&key) {
            return;
        }
        let Some(work) = self.growth(Seeds::Grow) else { return };
        (self.kit.shown, self.kit.preview) = (Some(key), true);
        if let Some(desk) = &self.kit.desk {
            desk.board.preview(work);
        }
    }

    fn growth(&self, seeds: Seeds) -> Option<Work> {
        let (ink, image) = (self.ink()?, self.image_of_desk().map(Image::of)?);
        let (labels, crop) = (self.kit.desk.as_ref()?.board.labels.clone(), self.kit.mask.inside);
        Some(Box::new(move |edit, job| {
            let all: Vec<u32> = labels.sums().unwrap_or_default().keys().copied().collect();
            let boxes = all.iter().filter_map(|l| labels.within(*l));
            let Some(around) = boxes.reduce(union) else {
                return Ok(Done { says: Some("There are no seeds".into()), ..Done::default() });
            };
            if all.len() < 2 {
                let says = "Paint seeds of at least two labels: one inside, one around".to_owned();
                return Ok(Done { says: Some(says), ..Done::default() });
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
            let regions = ink.put_labels(edit, region, &old, new)?;
            let says = format!("{} labels in {}", all.len(), amount(region.len() as u64, &labels));
            Ok(Done { regions, says: Some(says) })
        }))
    }
}

fn union(a: Region, b: Region) -> Region {
    let start: [usize; 3] = std::array::from_fn(|i| a.start[i].min(b.start[i]));
    let end: [usize; 3] = std::array::from_fn(|i| a.end()[i].max(b.end()[i]));
    Region { start, shape: std::array::from_fn(|i| end[i] - start[i]) }
}
