//! The threshold tool: bands of intensities, set on the histogram or by an automatic method.

use super::ToolState;
use crate::view::recipe_run::{self, RunningRecipe};
use crate::view::stats::Stats;
use crate::view::{Display, Layer};
use crate::window::app::Viewer;
use crate::window::histogram;
use crate::window::widgets::{PAIR, sized};
use egui::{DragValue, RichText, Ui};
use voxelry_core::Error;
use voxelry_core::io::ImageSource;
use voxelry_core::recipe::Recipe;

/// Band of intensities to label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Band {
    /// From a value on.
    #[default]
    Above,
    /// Up to a value.
    Below,
    /// From one value to another.
    Between,
}

impl Band {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Below, "Below", "Dark structures: intensities up to a value"),
        (Self::Between, "Between", "Intensities from one value to another"),
        (Self::Above, "Above", "Bright structures: intensities from a value on"),
    ];
}

/// Methods that find thresholds, by the operators that do it.
const METHODS: [(&str, &str); 6] = [
    ("otsu", "Otsu"),
    ("multi-otsu", "Multi-Otsu"),
    ("li", "Li"),
    ("triangle", "Triangle"),
    ("yen", "Yen"),
    ("isodata", "IsoData"),
];

/// Settings of the threshold tool.
#[derive(Default)]
pub struct Threshold {
    /// Least and greatest value; of a band that is open on one side, only the other counts.
    pub range: Option<[f64; 2]>,
    /// Band of intensities to label.
    pub band: Band,
    /// True if all others are taken.
    pub invert: bool,
    /// True if connected parts become labels of their own when it is applied.
    pub separate: bool,
    /// The method that looks for thresholds, and how far it is.
    finding: Option<(&'static str, RunningRecipe)>,
}

/// Intensities that are taken: those from one value to another, or all others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntensityRange {
    /// Least and greatest value.
    pub range: [f64; 2],
    /// True if it is the others.
    pub invert: bool,
}

impl IntensityRange {
    /// Returns whether an intensity is; what is no number never is.
    pub fn contains(self, value: f64) -> bool {
        let inside = value >= self.range[0] && value <= self.range[1];
        inside != self.invert && !value.is_nan()
    }
}

impl Threshold {
    /// The intensities that are taken, once there is a range.
    pub fn taken(&self) -> Option<IntensityRange> {
        let [low, high] = self.range?;
        let range = match self.band {
            Band::Above => [low, f64::INFINITY],
            Band::Below => [f64::NEG_INFINITY, high],
            Band::Between => [low, high],
        };
        Some(IntensityRange { range, invert: self.invert })
    }

    /// Takes the thresholds that a method has found: as the operator does, voxels above the first are bright.
    pub fn found(&mut self, found: &[f64], range: [f64; 2], whole: bool) {
        let above = |t: f64| if whole { t.floor() + 1.0 } else { f64::from((t as f32).next_up()) };
        match (found, self.band) {
            ([], _) => {}
            ([first, second, ..], _) => {
                (self.band, self.range) = (Band::Between, Some([above(*first), *second]));
            }
            ([one], Band::Below) => self.range = Some([range[0], *one]),
            ([one], _) => (self.band, self.range) = (Band::Above, Some([above(*one), range[1]])),
        }
    }

    /// Returns whether a method is at work.
    pub fn is_finding(&self) -> bool {
        self.finding.is_some()
    }

    /// The share of the voxels that is taken, by a histogram.
    fn share(&self, stats: &Stats) -> Option<f64> {
        let taken = self.taken()?;
        let (mut inside, mut all) = (0u64, 0u64);
        for (i, count) in stats.counts.iter().enumerate() {
            let value = stats.range[0] + (i as f64 + 0.5) * stats.width;
            all += count;
            inside += if taken.contains(value) { *count } else { 0 };
        }
        (all > 0).then(|| inside as f64 / all as f64)
    }
}

/// Settings of the tool; returns true if it is to be applied.
pub(super) fn options(viewer: &mut Viewer, ui: &mut Ui) -> bool {
    let layer = viewer.edited_image().or_else(|| viewer.layer_to_work_on());
    let Some(stats) = layer.and_then(|l| l.stats.clone()) else {
        ui.weak("Computing histogram…");
        return false;
    };
    let map = layer.map(|l| l.display.map);
    let whole = layer.is_some_and(|l| !l.source.info().voxel.is_float());
    let method = viewer.tools.threshold.finding.as_ref().map(|f| f.0);
    let threshold = &mut viewer.tools.threshold;
    let middle = f64::midpoint(stats.window[0], stats.window[1]);
    threshold.range.get_or_insert([middle, stats.range[1]]);
    on_histogram(threshold, &stats, map, ui);
    let mut wanted = None;
    ui.horizontal(|ui| {
        for (band, name, hint) in Band::ALL {
            ui.selectable_value(&mut threshold.band, band, name).on_hover_text(hint);
        }
        ui.checkbox(&mut threshold.invert, "Invert").on_hover_text("Takes all other intensities");
    });
    let wide = (ui.available_width() - 12.0) / 3.0;
    egui::Grid::new("methods").num_columns(3).spacing([6.0, 6.0]).show(ui, |ui| {
        for (i, (id, name)) in METHODS.into_iter().enumerate() {
            let button = egui::Button::selectable(method == Some(id), name).frame_when_inactive(true);
            let hint = voxelry_core::ops::find(id).map_or("", |op| op.spec().summary);
            let button = ui.add_enabled_ui(method.is_none(), |ui| sized(ui, wide.clamp(60.0, 120.0), button));
            if button.inner.on_hover_text(format!("Finds the threshold automatically. {hint}")).clicked() {
                wanted = Some(id);
            }
            if i % 3 == 2 {
                ui.end_row();
            }
        }
    });
    let apply = fields(threshold, &stats, whole, ui);
    if let Some(id) = wanted {
        viewer.find_threshold(id);
    }
    apply
}

/// The histogram with the band on it.
fn on_histogram(
    threshold: &mut Threshold,
    stats: &Stats,
    map: Option<crate::view::colours::Map>,
    ui: &mut Ui,
) {
    let [low, high] = threshold.range.unwrap_or(stats.range);
    let shown = match threshold.band {
        Band::Above => [low, stats.range[1].max(low)],
        Band::Below => [stats.range[0].min(high), high],
        Band::Between => [low, high],
    };
    let mut display = Display { window: Some(shown), ..Display::default() };
    display.map = map.unwrap_or(display.map);
    histogram::show(ui, stats, stats, &mut display, true, false);
    let Some([a, b]) = display.window.filter(|window| *window != shown) else { return };
    let dragged = [a.min(b).max(stats.range[0]), b.max(a).min(stats.range[1])];
    // A handle at the open side makes a band of it.
    let opened = match threshold.band {
        Band::Above => dragged[1] < shown[1],
        Band::Below => dragged[0] > shown[0],
        Band::Between => false,
    };
    if opened {
        threshold.band = Band::Between;
    }
    threshold.range = Some(dragged);
}

/// The values as numbers, and what is done with them.
fn fields(threshold: &mut Threshold, stats: &Stats, whole: bool, ui: &mut Ui) -> bool {
    let share = threshold.share(stats);
    let band = threshold.band;
    let [low, high] = threshold.range.get_or_insert(stats.range);
    let speed = (stats.range[1] - stats.range[0]).abs() / 300.0;
    let field = |value: &mut f64, ui: &mut Ui, name: &str, on: bool| {
        let number = DragValue::new(value).speed(speed).max_decimals(if whole { 1 } else { 6 });
        let shown = ui.add_enabled_ui(on, |ui| sized(ui, PAIR, number).accessible_name(name)).inner;
        shown.changed()
    };
    ui.horizontal(|ui| {
        ui.label("From");
        // What is typed stays as it is; the other end goes along where it is passed.
        if field(low, ui, "From", band != Band::Below) && *low > *high {
            *high = *low;
        }
        ui.label("to");
        if field(high, ui, "To", band != Band::Above) && *high < *low {
            *low = *high;
        }
    });
    let text = share.map_or(String::new(), |share| format!("about {:.3} % of the voxels", share * 100.0));
    ui.label(RichText::new(text).small().weak());
    ui.checkbox(&mut threshold.separate, "Separate objects")
        .on_hover_text("Connected parts become labels of their own (26 neighbours)");
    ui.button("Apply threshold to whole image").clicked()
}

impl Viewer {
    /// Lets a method find the threshold, on the whole image.
    pub fn find_threshold(&mut self, id: &'static str) {
        let wake = self.waker();
        let Some(layer) = self.edited_image().or_else(|| self.layer_to_work_on()) else { return };
        match Recipe::parse(&format!("[[step]]\nop = \"{id}\"\n")) {
            Ok(recipe) => {
                let running = recipe_run::run(&recipe, layer, &[], None, wake);
                self.tools.threshold.finding = Some((id, running));
            }
            Err(error) => self.tell(error.to_string()),
        }
    }

    /// Takes in what a method has found, once a frame.
    pub(in crate::window) fn poll_threshold(&mut self) {
        let Some(result) = self.tools.threshold.finding.as_ref().and_then(|(_, running)| running.ended())
        else {
            return;
        };
        self.tools.threshold.finding = None;
        let layer = self.edited_image().or_else(|| self.layer_to_work_on());
        let range = layer.and_then(|l| l.stats.as_ref()).map_or([f64::MIN, f64::MAX], |s| s.range);
        let whole = layer.is_some_and(|l: &Layer| !l.source.info().voxel.is_float());
        match result {
            Ok(made) => {
                let found: Vec<f64> = made
                    .facts
                    .iter()
                    .filter(|(name, _)| name.starts_with("threshold"))
                    .map(|f| f.1)
                    .collect();
                self.tools.threshold.found(&found, range, whole);
            }
            Err(Error::Cancelled) => {}
            Err(error) => self.tell(error.to_string()),
        }
    }
}

impl ToolState {
    /// Stops the method that looks for a threshold; whether there was one.
    pub(super) fn stop_finding(&mut self) -> bool {
        self.threshold.finding.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_take_what_they_say() {
        let mut threshold = Threshold { range: Some([60.0, 100.0]), ..Threshold::default() };
        let takes = |t: &Threshold| {
            [59.0, 60.0, 80.0, 100.0, 101.0, f64::NAN].map(|v| t.taken().unwrap().contains(v))
        };
        assert_eq!(takes(&threshold), [false, true, true, true, true, false]);
        threshold.band = Band::Below;
        assert_eq!(takes(&threshold), [true, true, true, true, false, false]);
        threshold.band = Band::Between;
        assert_eq!(takes(&threshold), [false, true, true, true, false, false]);
        threshold.invert = true;
        assert_eq!(takes(&threshold), [true, false, false, false, true, false]);
    }

    #[test]
    fn methods_set_the_band_as_their_operators_do() {
        let mut threshold = Threshold::default();
        threshold.found(&[110.0], [0.0, 255.0], true);
        assert_eq!((threshold.band, threshold.range), (Band::Above, Some([111.0, 255.0])));
        threshold.band = Band::Below;
        threshold.found(&[110.0], [0.0, 255.0], true);
        assert_eq!((threshold.band, threshold.range), (Band::Below, Some([0.0, 110.0])));
        threshold.found(&[50.0, 110.0], [0.0, 255.0], true);
        assert_eq!((threshold.band, threshold.range), (Band::Between, Some([51.0, 110.0])));
    }
}
