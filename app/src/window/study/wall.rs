//! The wall: one picture a sample, all from the same side, at one scale and in one window of intensities, in the order of
//! the table of samples.

use crate::view::colours::Map;
use crate::view::objects::Objects;
use crate::view::plane::short;
use crate::view::study::Study;
use crate::view::study::picture::{SamplePicture, SampleView};
use crate::window::picture_threads::{PictureKey, PictureRequest, PictureThreads};
use crate::window::table::spoken;
use crate::window::theme::{ACCENT, WRONG};
use crate::window::widgets::choice;
use egui::{
    Align2, Color32, ColorImage, FontId, Pos2, Rect, Role, ScrollArea, Sense, Stroke, StrokeKind,
    TextureHandle, TextureOptions, Ui, WidgetInfo, pos2, vec2,
};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use voxelry_core::io::browse::Cache;
use voxelry_core::measure::Table;
use voxelry_core::picture::label_color;

/// Points of a picture's side.
const SIDES: std::ops::RangeInclusive<f32> = 64.0..=768.0;
/// Points around a picture, and below it for its text.
const GAP: f32 = 8.0;
const CAPTION: f32 = 34.0;
/// Width of the scroll bar.
const SCROLL_BAR: f32 = 10.0;
/// Height of the title of a group.
const TITLE: f32 = 26.0;
/// Bytes of pictures that are kept.
const KEPT: usize = 256 << 20;
/// Values of a column that have colours of their own; a column of more is a scale.
const CLASSES: usize = 12;

/// Colours of classes that the colour-blind can tell apart (M. Okabe and K. Ito 2008).
const CLASS_COLOURS: [[u8; 3]; 7] = [
    [86, 180, 233],
    [230, 159, 0],
    [0, 158, 115],
    [204, 121, 167],
    [240, 228, 66],
    [0, 114, 178],
    [213, 94, 0],
];

/// The wall and what it shows.
pub struct Wall {
    /// Axis that is looked along.
    axis: usize,
    /// Place of the slice along it; none for projections.
    slice: Option<f32>,
    position: f32,
    side: f32,
    outlines: bool,
    /// True if all pictures have one window of intensities.
    one_window: bool,
    /// Column whose values part the samples into groups.
    group: Option<String>,
    /// Column whose values are the colours of frames.
    colour: Option<String>,
    pictures: HashMap<u32, Shown>,
    /// Generation of the view; pictures of earlier ones are dropped when the new ones are there.
    generation: u64,
    viewed: Option<SampleView>,
    threads: Option<PictureThreads<Request>>,
    clock: u64,
    wanted: Option<u32>,
    /// Window of intensities of all pictures, and the number of pictures that it was found from.
    window: ([f32; 2], usize),
    /// True if every picture in view is there.
    complete: bool,
}

/// A picture on the wall; none if it can't be read.
struct Shown {
    generation: u64,
    picture: Option<SamplePicture>,
    texture: Option<(TextureHandle, [f32; 2])>,
    seen: u64,
}

/// Request for the picture of a sample.
struct Request {
    key: PictureKey,
    study: Arc<Study>,
    view: SampleView,
    cache: Arc<Cache>,
}

impl PictureRequest for Request {
    type Picture = SamplePicture;

    fn key(&self) -> PictureKey {
        self.key
    }

    fn draw(&self) -> Option<SamplePicture> {
        let images = self.study.samples.get(self.key.1 as usize)?.images.as_ref()?;
        SamplePicture::read(images, self.view, &self.cache).ok()
    }
}

impl Default for Wall {
    fn default() -> Self {
        Self {
            axis: 0,
            slice: Some(0.5),
            position: 0.5,
            side: 160.0,
            outlines: false,
            one_window: true,
            group: None,
            colour: None,
            pictures: HashMap::new(),
            generation: 0,
            viewed: None,
            threads: None,
            clock: 0,
            wanted: None,
            window: ([0.0, 1.0], 0),
            complete: false,
        }
    }
}

impl Wall {
    /// Number of pictures that have been drawn.
    #[cfg(test)]
    pub fn drawn(&self) -> usize {
        self.pictures.values().filter(|p| p.texture.is_some()).count()
    }

    /// Brings a sample into view.
    pub fn go_to(&mut self, row: u32) {
        self.wanted = Some(row);
    }

    /// Shows the samples in all of the space there is; the row of the sample to be opened.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        study: &Arc<Study>,
        samples: &mut Objects,
        cache: &Arc<Cache>,
        wake: &Arc<dyn Fn() + Send + Sync>,
    ) -> Option<u32> {
        samples.hovered = None;
        let width = ui.available_width();
        egui::Frame::new().inner_margin(egui::Margin::symmetric(8, 4)).show(ui, |ui| {
            ui.horizontal_wrapped(|ui| self.toolbar(ui, samples.table()));
        });
        self.zoom_by_wheel(ui);
        let groups = groups(samples, self.group.as_deref());
        let colours = Colours::of(samples.table(), self.colour.as_deref());
        self.take_in(ui, wake);
        let extent = self.pictures.values().filter_map(|p| p.picture.as_ref()).flat_map(|p| p.extent);
        let largest = extent.fold(0.0, f64::max);
        let window = self.one_window();
        let mut opened = None;
        let mut lacking = Vec::new();
        let cell = vec2(self.side + GAP, self.side + CAPTION + GAP);
        ScrollArea::vertical().auto_shrink(false).show_viewport(ui, |ui, viewport| {
            let columns = (((width - GAP - SCROLL_BAR) / cell.x) as usize).max(1);
            let origin = ui.max_rect().min;
            let mut top = 0.0;
            for (title, rows) in &groups {
                if let Some(title) = title {
                    let at = origin + vec2(GAP, top + TITLE / 2.0);
                    let font = FontId::proportional(14.0);
                    let text = format!("{title} ({})", rows.len());
                    ui.painter().text(at, Align2::LEFT_CENTER, text, font, ui.visuals().strong_text_color());
                    top += TITLE;
                }
                for (i, row) in rows.iter().enumerate() {
                    let place =
                        vec2((i % columns) as f32 * cell.x + GAP, top + (i / columns) as f32 * cell.y);
                    let rect = Rect::from_min_size(origin + place, vec2(self.side, self.side + CAPTION));
                    if self.wanted == Some(*row) {
                        ui.scroll_to_rect(rect, None);
                        self.wanted = None;
                    }
                    if place.y + cell.y < viewport.top() || place.y > viewport.bottom() {
                        continue;
                    }
                    let frame = Frame { study, colours: &colours, largest, window };
                    if self.sample(ui, rect, *row, samples, &frame) {
                        opened = Some(*row);
                    }
                    if self.pictures.get(row).is_none_or(|p| p.generation != self.generation) {
                        lacking.push(*row);
                    }
                }
                top += rows.len().div_ceil(columns) as f32 * cell.y;
            }
            ui.set_min_height(top + GAP);
        });
        self.request(ui, &lacking, study, cache, wake);
        opened
    }

    fn toolbar(&mut self, ui: &mut Ui, table: &Table) {
        let names = [
            ["Slices across z", "Slices across y", "Slices across x"],
            ["Projection along z", "Projection along y", "Projection along x"],
        ];
        let projects = usize::from(self.slice.is_none());
        choice(ui, "View of the samples", names[projects][self.axis], 150.0, |ui| {
            for (projects, names) in names.iter().enumerate() {
                for (axis, name) in names.iter().enumerate() {
                    let current = self.axis == axis && self.slice.is_none() == (projects == 1);
                    if ui.selectable_label(current, *name).clicked() {
                        self.axis = axis;
                        self.slice = (projects == 0).then_some(self.position);
                    }
                }
            }
        });
        if self.slice.is_some() {
            ui.spacing_mut().slider_width = 90.0;
            let slider = egui::Slider::new(&mut self.position, 0.0..=1.0).show_value(false);
            ui.add(slider).on_hover_text("Position of the slice in each sample");
            self.slice = Some(self.position);
            ui.checkbox(&mut self.outlines, "Outlines")
                .on_hover_text("Outlines of the objects that were found");
        }
        ui.checkbox(&mut self.one_window, "Same window")
            .on_hover_text("One intensity window for all samples; otherwise each has its own");
        ui.spacing_mut().slider_width = 70.0;
        let size = egui::Slider::new(&mut self.side, SIDES).logarithmic(true).show_value(false);
        ui.label("Size");
        ui.add(size).on_hover_text("Size of the pictures (Ctrl+wheel)");
        ui.separator();
        let column = |ui: &mut Ui, name: &str, all: bool, chosen: &mut Option<String>| {
            let none = "nothing";
            ui.label(name);
            let shown = chosen.as_deref().map_or(none.to_owned(), spoken);
            choice(ui, name, &shown, 130.0, |ui| {
                ui.selectable_value(chosen, None, none);
                // Figures part samples into as many groups as there are samples.
                let fits =
                    |n: &String| n != "sample" && n != "error" && (all || table.description(n).is_empty());
                for name in table.columns().into_iter().filter(fits) {
                    ui.selectable_value(chosen, Some(name.clone()), spoken(&name));
                }
            });
        };
        column(ui, "Group by", false, &mut self.group);
        column(ui, "Colour by", true, &mut self.colour);
    }

    fn zoom_by_wheel(&mut self, ui: &Ui) {
        let zoom = ui.input(|i| i.zoom_delta());
        if zoom != 1.0 && ui.rect_contains_pointer(ui.available_rect_before_wrap()) {
            self.side = (self.side * zoom).clamp(*SIDES.start(), *SIDES.end());
        }
    }

    /// The window of intensities of all pictures: the median of their own, so that an odd sample changes nothing. While
    /// pictures come it changes only when they have doubled, as each change draws all of them again.
    fn one_window(&mut self) -> Option<[f32; 2]> {
        if !self.one_window {
            return None;
        }
        let ranges: Vec<[f32; 2]> =
            self.pictures.values().filter_map(|p| Some(p.picture.as_ref()?.range)).collect();
        let middle = |end: usize| {
            let mut values: Vec<f32> = ranges.iter().map(|r| r[end]).collect();
            values.sort_unstable_by(f32::total_cmp);
            values.get(values.len() / 2).copied()
        };
        let known = self.window.1;
        if ranges.len() >= 2 * known || self.complete && ranges.len() != known {
            self.window = ([middle(0)?, middle(1)?], ranges.len());
        }
        Some(self.window.0)
    }

    /// Takes in the pictures that have been read.
    fn take_in(&mut self, ui: &Ui, wake: &Arc<dyn Fn() + Send + Sync>) {
        self.clock += 1;
        // Twice as many pixels from twice the size on: a little more than the screen has.
        let pixels = self.side * ui.ctx().pixels_per_point();
        let edge = [96, 192, 384, 768, 1536].into_iter().find(|edge| *edge as f32 >= pixels).unwrap_or(1536);
        let view = SampleView { axis: self.axis, slice: self.slice, edge, outlines: self.outlines };
        if self.viewed != Some(view) {
            self.viewed = Some(view);
            self.generation += 1;
        }
        let threads = self.threads.get_or_insert_with(|| PictureThreads::new(wake));
        for ((generation, row), picture) in threads.drawn() {
            if self.pictures.get(&row).is_some_and(|p| p.generation >= generation) {
                continue;
            }
            self.pictures.insert(row, Shown { generation, picture, texture: None, seen: self.clock });
        }
        let bytes = |p: &Shown| p.picture.as_ref().map_or(0, |p| p.values.len() * 8);
        let mut held: usize = self.pictures.values().map(bytes).sum();
        while held > KEPT {
            let oldest =
                self.pictures.iter().filter(|(_, p)| p.seen + 1 < self.clock).min_by_key(|(_, p)| p.seen);
            let Some(row) = oldest.map(|(row, _)| *row) else { break };
            held -= self.pictures.remove(&row).as_ref().map_or(0, bytes);
        }
    }

    fn request(
        &mut self,
        ui: &Ui,
        lacking: &[u32],
        study: &Arc<Study>,
        cache: &Arc<Cache>,
        wake: &Arc<dyn Fn() + Send + Sync>,
    ) {
        let Some(view) = self.viewed else { return };
        let there = |row: &&u32| study.samples.get(**row as usize).is_some_and(|s| s.images.is_some());
        let request = |row: &u32| Request {
            key: (self.generation, *row),
            study: study.clone(),
            view,
            cache: cache.clone(),
        };
        let requests: VecDeque<Request> = lacking.iter().filter(there).map(request).collect();
        self.complete = requests.is_empty();
        if ui.is_enabled() {
            self.threads.get_or_insert_with(|| PictureThreads::new(wake)).request(requests);
        }
    }

    /// A sample: its picture, name and values; returns whether it is to be opened.
    fn sample(&mut self, ui: &Ui, rect: Rect, row: u32, samples: &mut Objects, of: &Frame) -> bool {
        let Some(files) = of.study.samples.get(row as usize) else { return false };
        let response = ui.interact(rect, ui.scope_id().with(("sample", row)), Sense::click());
        let selected = samples.selected().has(row as usize);
        response.widget_info(|| {
            WidgetInfo::selected(Role::ListItem, true, selected, format!("Sample {}", files.name))
        });
        let painter = ui.painter_at(rect.expand(GAP / 2.0));
        let picture = Rect::from_min_size(rect.min, vec2(self.side, self.side));
        if selected {
            painter.rect_filled(rect.expand(3.0), 4.0, ui.visuals().selection.bg_fill);
        } else if response.hovered() {
            painter.rect_filled(rect.expand(3.0), 4.0, ui.visuals().widgets.hovered.bg_fill);
        }
        painter.rect_filled(picture, 2.0, ui.visuals().extreme_bg_color);
        let weak = ui.visuals().weak_text_color();
        let say = |text: &str, colour: Color32| {
            let font = FontId::proportional(12.0);
            painter.text(picture.center(), Align2::CENTER_CENTER, text, font, colour);
        };
        match (&files.images, self.pictures.get_mut(&row)) {
            (None, _) => say("no results", WRONG),
            (_, Some(shown)) => {
                shown.seen = self.clock;
                match shown.texture(ui, of.window) {
                    Some((texture, size)) => {
                        let extent = shown.picture.as_ref().map_or([1.0; 2], |p| p.extent);
                        let drawn = placed(picture, extent, of.largest, size);
                        let whole = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
                        painter.image(texture, drawn, whole, Color32::WHITE);
                    }
                    None => say("can't be read", WRONG),
                }
            }
            (_, None) => say("…", weak),
        }
        let colour = of.colours.at(row);
        if let Some(colour) = colour {
            painter.rect_stroke(picture, 2.0, Stroke::new(3.0, colour), StrokeKind::Inside);
        }
        if selected {
            painter.rect_stroke(picture, 2.0, Stroke::new(2.0, ACCENT), StrokeKind::Outside);
        }
        self.caption(ui, rect, row, samples, &files.name);
        if response.hovered() {
            samples.hovered = Some(row);
        }
        if response.clicked() {
            let held = ui.input(|i| i.modifiers);
            if held.shift {
                samples.select_to(row);
            } else if held.command {
                samples.toggle(row);
            } else {
                samples.select([row]);
            }
        }
        response.double_clicked()
    }

    fn caption(&self, ui: &Ui, rect: Rect, row: u32, samples: &Objects, name: &str) {
        let painter = ui.painter_at(rect);
        let line = |text: String, top: f32, colour: Color32| {
            let mut job = egui::text::LayoutJob::simple_singleline(text, FontId::proportional(12.0), colour);
            job.wrap = egui::text::TextWrapping::truncate_at_width(rect.width());
            painter.galley(pos2(rect.left(), top), painter.layout_job(job), colour);
        };
        let top = rect.top() + self.side + 2.0;
        line(name.to_owned(), top, ui.visuals().strong_text_color());
        let table = samples.table();
        let sorted = samples.sort().map(|(column, _)| column.as_str());
        let Some(column) = self.colour.as_deref().or(sorted).filter(|c| *c != "sample") else { return };
        if let Some(value) = value(table, column, row) {
            line(value, top + 15.0, ui.visuals().text_color());
        }
    }
}

/// Properties that all samples of a frame share.
struct Frame<'a> {
    study: &'a Arc<Study>,
    colours: &'a Colours,
    /// The greatest side of any sample: all are drawn at one scale.
    largest: f64,
    window: Option<[f32; 2]>,
}

impl Shown {
    /// The picture as a texture in a window of intensities, and its pixels across and down.
    fn texture(&mut self, ui: &Ui, window: Option<[f32; 2]>) -> Option<(egui::TextureId, [usize; 2])> {
        let picture = self.picture.as_ref()?;
        let window = window.unwrap_or(picture.range);
        if self.texture.as_ref().is_none_or(|(_, of)| *of != window) {
            let accent = [ACCENT.r(), ACCENT.g(), ACCENT.b()];
            let pixels =
                picture.colours(window, accent).into_iter().map(|[r, g, b]| Color32::from_rgb(r, g, b));
            let image = ColorImage::new(picture.size, pixels.collect());
            let texture = ui.ctx().load_texture("sample", image, TextureOptions::LINEAR);
            self.texture = Some((texture, window));
        }
        let id = self.texture.as_ref()?.0.id();
        Some((id, picture.size))
    }
}

/// Place of a picture of an area, so that samples are as large to each other as in the world.
fn placed(frame: Rect, extent: [f64; 2], largest: f64, size: [usize; 2]) -> Rect {
    let scale = if largest > 0.0 { f64::from(frame.width()) / largest } else { 1.0 };
    let mut drawn = vec2((extent[0] * scale) as f32, (extent[1] * scale) as f32);
    if !(drawn.x > 0.0 && drawn.y > 0.0) {
        drawn = vec2(size[0] as f32, size[1] as f32);
    }
    Rect::from_center_size(frame.center(), drawn)
}

/// A value in words, with its unit.
fn value(table: &Table, column: &str, row: u32) -> Option<String> {
    let at = table.batch.schema().index_of(column).ok()?;
    let unit = Some(table.unit(column)).filter(|u| *u != "1").unwrap_or("");
    let number = table.numbers(column).and_then(|n| n.get(row as usize).copied());
    let text = number
        .map_or_else(|| table.text(at, row as usize), |n| if n.is_nan() { "–".into() } else { short(n) });
    Some(format!("{text} {unit}").trim_end().to_owned())
}

/// Rows in the order of the table, in groups of one value of a column each.
fn groups(samples: &Objects, column: Option<&str>) -> Vec<(Option<String>, Vec<u32>)> {
    let rows = samples.shown();
    let table = samples.table();
    let Some(column) = column.filter(|c| table.batch.schema().index_of(c).is_ok()) else {
        return vec![(None, rows.to_vec())];
    };
    let mut groups: Vec<(Option<String>, Vec<u32>)> = Vec::new();
    for row in rows.iter().copied() {
        let name = format!("{}: {}", spoken(column), value(table, column, row).unwrap_or_default());
        match groups.iter_mut().find(|(title, _)| title.as_deref() == Some(&name)) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((Some(name), vec![row])),
        }
    }
    groups.sort_by(|a, b| natural(a.0.as_deref().unwrap_or(""), b.0.as_deref().unwrap_or("")));
    groups
}

/// Order of texts in which numbers at their ends count as numbers.
fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    let number = |text: &str| {
        text.rsplit(": ").next().and_then(|t| t.split(' ').next()).and_then(|t| t.parse::<f64>().ok())
    };
    match (number(a), number(b)) {
        (Some(x), Some(y)) => x.total_cmp(&y),
        _ => a.cmp(b),
    }
}

/// Colours of the samples by a column.
pub struct Colours(Vec<Option<Color32>>);

impl Colours {
    /// Colours of a scale for a column of many numbers, one for each value of another.
    pub fn of(table: &Table, column: Option<&str>) -> Self {
        let none = vec![None; table.rows()];
        let Some(column) = column else { return Self(none) };
        let Ok(at) = table.batch.schema().index_of(column) else { return Self(none) };
        let texts: Vec<String> = (0..table.rows()).map(|row| table.text(at, row)).collect();
        let mut classes: Vec<&String> = texts.iter().filter(|t| !t.is_empty()).collect();
        classes.sort_unstable();
        classes.dedup();
        let rgb = |[r, g, b]: [u8; 3]| Color32::from_rgb(r, g, b);
        // Figures, which have a description, are on a scale however few values they have.
        let is_figure = !table.description(column).is_empty() && table.numbers(column).is_some();
        if !is_figure && classes.len() <= CLASSES {
            let of = |t: &String| {
                classes
                    .binary_search(&t)
                    .ok()
                    .map(|c| rgb(CLASS_COLOURS.get(c).copied().unwrap_or_else(|| label_color(c as u32 + 1))))
            };
            return Self(texts.iter().map(of).collect());
        }
        let Some(numbers) = table.numbers(column) else { return Self(none) };
        let finite = || numbers.iter().copied().filter(|v| v.is_finite());
        let (low, high) =
            (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let of = |v: &f64| v.is_finite().then(|| rgb(Map::Viridis.at(((v - low) / (high - low)) as f32)));
        Self(numbers.iter().map(of).collect())
    }

    /// Colour of a row.
    pub fn at(&self, row: u32) -> Option<Color32> {
        self.0.get(row as usize).copied().flatten()
    }
}
