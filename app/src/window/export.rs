//! Pictures and movies of panes as files, made while the window goes on.

use super::app::Viewer;
use super::cover::name_of;
use super::dialogs::Answer;
use super::figure::{Figures, Over, Part, Sheet, film};
use super::panes::Tile;
use super::widgets::choice;
use crate::view::Pane;
use crate::view::figure::fits;
use crate::view::movie::{Kind, MOST, Movie, RATE, RATES, TURNS, times};
use crate::view::reel::{Format, still};
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use egui::{Context, DragValue, Grid, ProgressBar, RichText, Ui};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use voxelry_core::jobs::Event;
use voxelry_core::{Error, Job};
use voxelry_shaders::gpu::Gpu;

/// Scales that can be chosen.
const SCALES: std::ops::RangeInclusive<u32> = 1..=8;

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The pane that has the keys.
    Pane,
    /// All panes as they are laid out.
    Layout,
    /// A movie.
    Movie,
}

/// The dialog, what was chosen in it, and what came of it.
pub struct Export {
    shown: bool,
    /// What is exported.
    pub what: What,
    /// A picture, when the other tab was left.
    picture: What,
    /// How many times larger than on the screen.
    pub scale: u32,
    /// What lies over panes.
    pub over: Over,
    /// What a movie goes through, how many frames it has, and how fast it goes.
    pub movie: Movie,
    /// How a movie is kept.
    pub format: Format,
    asked: Option<Order>,
    running: Option<Running>,
}

impl Default for Export {
    fn default() -> Self {
        let over = Over {
            crosshair: false,
            scale_bar: true,
            legend: true,
            objects: false,
            name: false,
            time: true,
            rulers: true,
        };
        Self {
            shown: false,
            what: What::Pane,
            picture: What::Pane,
            scale: 2,
            over,
            movie: Movie { kind: Kind::Turntable, frames: TURNS, rate: RATE },
            format: Format::Apng,
            asked: None,
            running: None,
        }
    }
}

impl Export {
    /// Whether the dialog is open, or something is being made.
    pub fn is_shown(&self) -> bool {
        self.shown || self.running.is_some()
    }

    /// Whether a picture or a movie is being made.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Stops what is being made; its name.
    fn stop(&mut self) -> Option<String> {
        self.running.take().map(|running| running.name.clone())
    }
}

/// A picture or a movie that was asked for, as things were then.
struct Order {
    sheet: Sheet,
    scale: u32,
    movie: Option<(Movie, Format)>,
    budget: u64,
}

/// A picture or a movie that is being made. Dropped, it is cancelled.
struct Running {
    job: Job,
    /// Pixels done and to do.
    status: Arc<Mutex<[u64; 2]>>,
    begun: Instant,
    name: String,
    ended: Receiver<anyhow::Result<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.job.cancel();
    }
}

impl Order {
    /// Makes it and writes it.
    fn make(&self, gpu: Gpu, path: &Path, job: &Job) -> anyhow::Result<()> {
        let sheet = self.sheet.scaled(f64::from(self.scale));
        let mut figures = Figures::new(gpu, self.budget);
        let Some((movie, format)) = self.movie else {
            job.stage("drawing", sheet.pixels());
            let canvas = figures.draw(&sheet, job)?;
            return Ok(still(path, &canvas, job)?);
        };
        film(&mut figures, &sheet, &movie, format, path, job)
    }

    /// Whether it can be made.
    fn check(&self, gpu: &Gpu) -> voxelry_core::Result<()> {
        let sheet = self.sheet.scaled(f64::from(self.scale));
        if let (Some((movie, _)), Some(part)) = (&self.movie, sheet.parts.first()) {
            movie.check(&part.scene)?;
        }
        fits(sheet.largest(), f64::from(self.scale), gpu.device.limits().max_texture_dimension_2d)
    }
}

impl Viewer {
    /// Stops what is being exported, or shuts the dialog; whether there was either.
    pub fn escape_export(&mut self) -> bool {
        if let Some(name) = self.export.stop() {
            self.note(format!("The export was cancelled; {name} was not written"), None);
            return true;
        }
        std::mem::take(&mut self.export.shown)
    }

    /// Shows the dialog.
    pub fn show_export(&mut self) {
        let export = &mut self.export;
        export.shown = true;
        let Some(pane) = self.active.map(|tile| tile.pane) else { return };
        export.movie.kind = match pane {
            Pane::Plane(axis) => Kind::Slices(axis),
            Pane::Montage => Kind::Slices(0),
            Pane::Volume => Kind::Turntable,
        };
        self.frames_anew();
    }

    /// A movie of something else has another number of frames.
    fn frames_anew(&mut self) {
        if let Some(scene) = self.active.and_then(|tile| self.document.scenes.get(tile.scene)) {
            self.export.movie.frames = self.export.movie.kind.frames(scene).clamp(1, MOST);
        }
    }

    /// What the dialog would export, as it is on the screen.
    fn order(&self, ctx: &Context) -> Option<Order> {
        let export = &self.export;
        let sheet = match export.what {
            What::Layout => self.sheet(ctx)?,
            What::Pane => self.pane_alone(ctx, self.active?)?,
            What::Movie => {
                let active = self.active?;
                self.pane_alone(ctx, Tile { pane: export.movie.kind.pane(active.pane), ..active })?
            }
        };
        let movie = (export.what == What::Movie).then_some((export.movie, export.format));
        Some(Order { sheet, scale: export.scale, movie, budget: self.settings.device << 20 })
    }

    fn over(&self) -> Over {
        Over { name: self.document.scenes.len() > 1, ..self.export.over }
    }

    fn pane_alone(&self, ctx: &Context, tile: Tile) -> Option<Sheet> {
        let scene = self.document.scenes.get(tile.scene)?.clone();
        // A pane that isn't on the screen is as large as the one that is.
        let size = self.size_of(tile).or_else(|| self.size_of(self.active?))?;
        Some(Sheet::one(scene, tile.pane, size, ctx.pixels_per_point(), self.over()))
    }

    /// All panes where they are on the screen.
    fn sheet(&self, ctx: &Context) -> Option<Sheet> {
        let per_point = ctx.pixels_per_point();
        if let Some(tile) = self.maximised.and_then(|id| self.tree.tiles.get_pane(&id)) {
            return self.pane_alone(ctx, *tile);
        }
        let rects = self.tree.tiles.iter().filter_map(|(id, tile)| match tile {
            egui_tiles::Tile::Pane(tile) => Some((*tile, self.tree.tiles.rect(*id)?)),
            egui_tiles::Tile::Container(_) => None,
        });
        let rects: Vec<_> = rects.collect();
        let corner = rects.iter().map(|(_, rect)| rect.min).reduce(egui::Pos2::min)?;
        let part = |(tile, rect): &(Tile, egui::Rect)| {
            let at = (rect.min - corner) * per_point;
            let size = rect.size() * per_point;
            Some(Part {
                at: [at.x, at.y].map(|n| n.round().max(0.0) as u32),
                size: [size.x, size.y].map(|n| n.round().max(1.0) as u32),
                pane: tile.pane,
                scene: self.document.scenes.get(tile.scene)?.clone(),
            })
        };
        Some(Sheet { parts: rects.iter().filter_map(part).collect(), per_point, over: self.over() })
    }

    /// Writes what was asked for to a file or a folder.
    pub fn export(&mut self, ctx: &Context, path: PathBuf) {
        let Some(order) = self.export.asked.take().or_else(|| self.order(ctx)) else { return };
        let format = order.movie.map(|(_, format)| format);
        let path = match ended(path, format) {
            Ok(path) => path,
            Err(there) => return self.tell(format!("{} already exists", there.display())),
        };
        if let Err(error) = order.check(self.gpu()) {
            return self.tell(error.to_string());
        }
        let status = Arc::new(Mutex::new([0, 0]));
        let (heard, waker) = (status.clone(), self.waker());
        let job = Job::new(move |event| {
            if let Event::Stage { total, .. } = event {
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = [0, total];
            } else if let Event::Progress { done, total } = event {
                *heard.lock().unwrap_or_else(PoisonError::into_inner) = [done, total];
            }
            waker();
        });
        let (send, ended) = bounded(1);
        let name = path.display().to_string();
        let running = Running { job: job.clone(), status, begun: Instant::now(), name, ended };
        self.export.running = Some(running);
        let (gpu, wake) = (self.gpu().clone(), self.waker());
        std::thread::spawn(move || {
            let made = order.make(gpu, &path, &job);
            // Nobody listens once it was cancelled.
            let _ = send.send(made);
            wake();
        });
    }
}

/// A path with the ending of what it will hold; or that of a file that nobody was asked about and has that name.
fn ended(path: PathBuf, format: Option<Format>) -> Result<PathBuf, PathBuf> {
    let endings: &[&str] = match format {
        None => &["png"],
        Some(Format::Apng) => &["apng", "png"],
        Some(Format::Gif) => &["gif"],
        Some(Format::Sequence) => return Ok(path),
    };
    let has = |e: &&str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(e));
    let Some(mut name) = path.file_name().map(ToOwned::to_owned) else { return Err(path) };
    if endings.iter().any(has) {
        return Ok(path);
    }
    name.push(format!(".{}", endings[0]));
    let path = path.with_file_name(name);
    if path.exists() { Err(path) } else { Ok(path) }
}

/// Takes in what has been made, and shows the dialog where it is open.
pub fn show(viewer: &mut Viewer, ctx: &Context) {
    let made = |running: &Running| match running.ended.try_recv() {
        Ok(made) => Some(made),
        Err(TryRecvError::Empty) => None,
        // The device has refused in a way that ends the thread.
        Err(TryRecvError::Disconnected) => Some(Err(anyhow::anyhow!("the device could not draw that much"))),
    };
    if let Some(running) = &viewer.export.running
        && let Some(made) = made(running)
    {
        let name = running.name.clone();
        viewer.export.running = None;
        match made {
            Ok(()) => {
                viewer.export.shown = false;
                viewer.say(format!("Saved {name}"));
            }
            Err(error) if matches!(error.downcast_ref(), Some(Error::Cancelled)) => {}
            Err(error) => viewer.tell(error.to_string()),
        }
    }
    if viewer.document.scenes.is_empty() {
        viewer.export.shown = false;
    }
    let mut shown = viewer.export.shown;
    if !shown && viewer.export.running.is_none() {
        return;
    }
    let window = egui::Window::new("Export").collapsible(false).resizable(false).default_width(330.0);
    let window = window.default_pos(ctx.content_rect().center() - egui::vec2(180.0, 170.0));
    if viewer.export.running.is_some() {
        let cancelled = window.show(ctx, |ui| progress(&viewer.export, ui)).and_then(|shown| shown.inner);
        if cancelled == Some(true) {
            viewer.escape_export();
        }
        return;
    }
    window.open(&mut shown).show(ctx, |ui| dialog(viewer, ui));
    viewer.export.shown &= shown;
}

/// How far it is; whether it is to be cancelled.
fn progress(export: &Export, ui: &mut Ui) -> bool {
    let Some(running) = &export.running else { return false };
    let [done, total] = *running.status.lock().unwrap_or_else(PoisonError::into_inner);
    let part = if total > 0 { done as f32 / total as f32 } else { 0.0 };
    let movie = export.what == What::Movie;
    let mut words = match movie {
        _ if done == 0 => "Reading".to_owned(),
        true => {
            let frames = export.movie.frames;
            format!("Frame {} of {frames}", ((part * frames as f32) as usize + 1).min(frames))
        }
        false if done >= total => "Writing".to_owned(),
        false => "Drawing".to_owned(),
    };
    let spent = running.begun.elapsed().as_secs_f32();
    if part > 0.02 && part < 1.0 && spent > 1.0 {
        let left = (spent / part - spent).ceil();
        words += &if left < 90.0 {
            format!(" · {left} s left")
        } else {
            format!(" · {:.0} min left", left / 60.0)
        };
    }
    ui.set_min_width(300.0);
    ui.label(words);
    ui.add(ProgressBar::new(part).desired_height(8.0));
    ui.add_space(4.0);
    ui.button("Cancel").clicked()
}

fn dialog(viewer: &mut Viewer, ui: &mut Ui) {
    ui.set_min_width(330.0);
    let export = &mut viewer.export;
    ui.horizontal(|ui| {
        let movie = export.what == What::Movie;
        if ui.selectable_label(!movie, "Picture").clicked() && movie {
            export.what = export.picture;
        }
        if ui.selectable_label(movie, "Movie").clicked() && !movie {
            (export.picture, export.what) = (export.what, What::Movie);
        }
    });
    ui.separator();
    Grid::new("export").num_columns(2).spacing([16.0, 8.0]).show(ui, |ui| {
        if viewer.export.what == What::Movie {
            movie(viewer, ui);
        } else {
            ui.label("What");
            ui.horizontal(|ui| {
                ui.radio_value(&mut viewer.export.what, What::Pane, "This pane");
                ui.radio_value(&mut viewer.export.what, What::Layout, "All panes");
            });
            ui.end_row();
        }
        let size = viewer.order(ui.ctx()).map(|o| o.sheet.scaled(f64::from(o.scale)).size());
        let export = &mut viewer.export;
        ui.label("Size");
        ui.horizontal(|ui| {
            choice(ui, "Size", &format!("{}×", export.scale), 56.0, |ui| {
                for scale in SCALES {
                    ui.selectable_value(&mut export.scale, scale, format!("{scale}×"));
                }
            });
            if let Some([width, height]) = size {
                ui.label(format!("{width} × {height} pixels"));
            }
        });
        ui.end_row();
        ui.label("Show");
        ui.horizontal(|ui| {
            ui.checkbox(&mut export.over.scale_bar, "Scale bar");
            ui.checkbox(&mut export.over.legend, "Legend");
            ui.checkbox(&mut export.over.crosshair, "Crosshair");
        });
        ui.end_row();
    });
    ui.add_space(4.0);
    let order = viewer.order(ui.ctx());
    let wrong = order.as_ref().and_then(|order| order.check(viewer.gpu()).err());
    if let Some(error) = &wrong {
        ui.label(RichText::new(error.to_string()).color(ui.visuals().error_fg_color));
    }
    let ready = order.is_some() && wrong.is_none();
    if ui.add_enabled(ready, egui::Button::new("Save…")).clicked() {
        viewer.export.asked = order;
        viewer.ask_where_to_export(&ui.ctx().clone());
    }
}

/// What is asked of a movie.
fn movie(viewer: &mut Viewer, ui: &mut Ui) {
    let Some(scene) = viewer.active.and_then(|tile| viewer.document.scenes.get(tile.scene)) else { return };
    let name = |kind: Kind| match kind {
        Kind::Turntable => "Turntable".to_owned(),
        Kind::Slices(axis) => format!("{} slices", name_of(scene, Pane::Plane(axis))),
        Kind::Time => "Time".to_owned(),
    };
    let kinds = [Kind::Turntable, Kind::Slices(0), Kind::Slices(1), Kind::Slices(2), Kind::Time];
    let offered = |kind: &Kind| *kind != Kind::Time || times(scene) > 1;
    let kinds: Vec<(Kind, String)> =
        kinds.into_iter().filter(offered).map(|kind| (kind, name(kind))).collect();
    let export = &mut viewer.export;
    let before = export.movie.kind;
    ui.label("What");
    let chosen = kinds.iter().find(|(kind, _)| *kind == before).map_or("", |(_, name)| name);
    choice(ui, "What", chosen, 180.0, |ui| {
        for (kind, name) in &kinds {
            ui.selectable_value(&mut export.movie.kind, *kind, name);
        }
    });
    ui.end_row();
    ui.label("Frames");
    ui.horizontal(|ui| {
        let frames = DragValue::new(&mut export.movie.frames).range(1..=MOST);
        ui.add(frames).accessible_name("Frames");
        let rate = DragValue::new(&mut export.movie.rate).range(RATES).speed(0.1).max_decimals(1);
        ui.add(rate).accessible_name("Frames in a second");
        ui.label(format!("fps · {:.1} s", export.movie.frames as f64 / export.movie.rate));
    });
    ui.end_row();
    ui.label("As");
    let chosen = Format::ALL.iter().find(|f| f.0 == export.format).map_or("", |f| f.1);
    choice(ui, "As", chosen, 180.0, |ui| {
        for (format, name) in Format::ALL {
            ui.selectable_value(&mut export.format, format, name);
        }
    });
    ui.end_row();
    if export.movie.kind != before {
        viewer.frames_anew();
    }
}

impl Viewer {
    /// Asks where the picture or the movie goes.
    fn ask_where_to_export(&mut self, ctx: &Context) {
        let format = self.export.asked.as_ref().and_then(|order| order.movie).map(|(_, format)| format);
        self.ask(ctx, move |dialog| {
            let dialog = match format {
                None => dialog.add_filter("PNG picture", &["png"]).set_file_name("picture.png"),
                Some(Format::Apng) => {
                    dialog.add_filter("Animated PNG", &["apng", "png"]).set_file_name("movie.apng")
                }
                Some(Format::Gif) => dialog.add_filter("GIF", &["gif"]).set_file_name("movie.gif"),
                Some(Format::Sequence) => {
                    dialog.set_title("A new folder for the pictures").set_file_name("movie")
                }
            };
            dialog.save_file().map(Answer::Export)
        });
    }
}

#[cfg(test)]
mod tests;
