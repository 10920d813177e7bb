//! Pictures and movies of panes as files, made on a thread.

use super::annotations::name_of;
use super::app::Viewer;
use super::events::AppEvent;
use super::figure::{Annotations, FigureLayout, FigurePane, Figures, film};
use super::panes::Tile;
use super::widgets::choice;
use crate::view::Pane;
use crate::view::figure::fits;
use crate::view::movie::{MOST, Movie, MovieKind, RATE, RATES, TURNS, times};
use crate::view::movie_writer::{Format, still};
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

/// Content of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportKind {
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
    /// Content of an export.
    pub kind: ExportKind,
    /// A picture, when the other tab was left.
    picture: ExportKind,
    /// Scale factor relative to the screen.
    pub scale: u32,
    /// Text and lines over panes.
    pub annotations: Annotations,
    /// Content, number of frames and frame rate of a movie.
    pub movie: Movie,
    /// File format of a movie.
    pub format: Format,
    asked: Option<ExportRequest>,
    running: Option<RunningExport>,
}

impl Default for Export {
    fn default() -> Self {
        let annotations = Annotations {
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
            kind: ExportKind::Pane,
            picture: ExportKind::Pane,
            scale: 2,
            annotations,
            movie: Movie { kind: MovieKind::Turntable, frames: TURNS, rate: RATE },
            format: Format::Apng,
            asked: None,
            running: None,
        }
    }
}

impl Export {
    /// Returns whether the dialog is open, or something is being made.
    pub fn is_shown(&self) -> bool {
        self.shown || self.running.is_some()
    }

    /// Returns whether a picture or a movie is being made.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Stops what is being made; its name.
    fn stop(&mut self) -> Option<String> {
        self.running.take().map(|running| running.name.clone())
    }
}

/// A picture or a movie that was asked for, as things were then.
struct ExportRequest {
    sheet: FigureLayout,
    scale: u32,
    movie: Option<(Movie, Format)>,
    budget: u64,
}

/// A picture or a movie that is being made. Dropped, it is cancelled.
struct RunningExport {
    job: Job,
    /// Pixels done and to do.
    status: Arc<Mutex<[u64; 2]>>,
    begun: Instant,
    name: String,
    ended: Receiver<anyhow::Result<()>>,
}

impl Drop for RunningExport {
    fn drop(&mut self) {
        self.job.cancel();
    }
}

impl ExportRequest {
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

    /// Returns whether it can be made.
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
        let Some(pane) = self.view.active.map(|tile| tile.pane) else { return };
        export.movie.kind = match pane {
            Pane::Plane(axis) => MovieKind::Slices(axis),
            Pane::Montage => MovieKind::Slices(0),
            Pane::Volume => MovieKind::Turntable,
        };
        self.frames_anew();
    }

    /// A movie of something else has another number of frames.
    fn frames_anew(&mut self) {
        if let Some(scene) = self.view.active.and_then(|tile| self.document.scenes.get(tile.scene)) {
            self.export.movie.frames = self.export.movie.kind.frames(scene).clamp(1, MOST);
        }
    }

    /// Export request of the dialog, as it is on the screen.
    fn request(&self, ctx: &Context) -> Option<ExportRequest> {
        let export = &self.export;
        let sheet = match export.kind {
            ExportKind::Layout => self.sheet(ctx)?,
            ExportKind::Pane => self.pane_alone(ctx, self.view.active?)?,
            ExportKind::Movie => {
                let active = self.view.active?;
                self.pane_alone(ctx, Tile { pane: export.movie.kind.pane(active.pane), ..active })?
            }
        };
        let movie = (export.kind == ExportKind::Movie).then_some((export.movie, export.format));
        Some(ExportRequest { sheet, scale: export.scale, movie, budget: self.settings.device << 20 })
    }

    fn annotations(&self) -> Annotations {
        Annotations { name: self.document.scenes.len() > 1, ..self.export.annotations }
    }

    fn pane_alone(&self, ctx: &Context, tile: Tile) -> Option<FigureLayout> {
        let scene = self.document.scenes.get(tile.scene)?.clone();
        // A pane that isn't on the screen is as large as the one that is.
        let size = self.size_of(tile).or_else(|| self.size_of(self.view.active?))?;
        Some(FigureLayout::one(scene, tile.pane, size, ctx.pixels_per_point(), self.annotations()))
    }

    /// All panes where they are on the screen.
    fn sheet(&self, ctx: &Context) -> Option<FigureLayout> {
        let per_point = ctx.pixels_per_point();
        if let Some(tile) = self.view.maximised.and_then(|id| self.view.tree.tiles.get_pane(&id)) {
            return self.pane_alone(ctx, *tile);
        }
        let rects = self.view.tree.tiles.iter().filter_map(|(id, tile)| match tile {
            egui_tiles::Tile::Pane(tile) => Some((*tile, self.view.tree.tiles.rect(*id)?)),
            egui_tiles::Tile::Container(_) => None,
        });
        let rects: Vec<_> = rects.collect();
        let corner = rects.iter().map(|(_, rect)| rect.min).reduce(egui::Pos2::min)?;
        let part = |(tile, rect): &(Tile, egui::Rect)| {
            let at = (rect.min - corner) * per_point;
            let size = rect.size() * per_point;
            Some(FigurePane {
                at: [at.x, at.y].map(|n| n.round().max(0.0) as u32),
                size: [size.x, size.y].map(|n| n.round().max(1.0) as u32),
                pane: tile.pane,
                scene: self.document.scenes.get(tile.scene)?.clone(),
            })
        };
        Some(FigureLayout {
            parts: rects.iter().filter_map(part).collect(),
            per_point,
            annotations: self.annotations(),
        })
    }

    /// Writes what was asked for to a file or a folder.
    pub fn export(&mut self, ctx: &Context, path: PathBuf) {
        let Some(request) = self.export.asked.take().or_else(|| self.request(ctx)) else { return };
        let format = request.movie.map(|(_, format)| format);
        let path = match ended(path, format) {
            Ok(path) => path,
            Err(there) => return self.tell(format!("{} already exists", there.display())),
        };
        if let Err(error) = request.check(self.gpu()) {
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
        let running = RunningExport { job: job.clone(), status, begun: Instant::now(), name, ended };
        self.export.running = Some(running);
        let (gpu, wake) = (self.gpu().clone(), self.waker());
        std::thread::spawn(move || {
            let made = request.make(gpu, &path, &job);
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
    let made = |running: &RunningExport| match running.ended.try_recv() {
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

/// Shows the progress; true if the user cancels.
fn progress(export: &Export, ui: &mut Ui) -> bool {
    let Some(running) = &export.running else { return false };
    let [done, total] = *running.status.lock().unwrap_or_else(PoisonError::into_inner);
    let part = if total > 0 { done as f32 / total as f32 } else { 0.0 };
    let movie = export.kind == ExportKind::Movie;
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
        let movie = export.kind == ExportKind::Movie;
        if ui.selectable_label(!movie, "Picture").clicked() && movie {
            export.kind = export.picture;
        }
        if ui.selectable_label(movie, "Movie").clicked() && !movie {
            (export.picture, export.kind) = (export.kind, ExportKind::Movie);
        }
    });
    ui.separator();
    Grid::new("export").num_columns(2).spacing([16.0, 8.0]).show(ui, |ui| {
        if viewer.export.kind == ExportKind::Movie {
            movie(viewer, ui);
        } else {
            ui.label("What");
            ui.horizontal(|ui| {
                ui.radio_value(&mut viewer.export.kind, ExportKind::Pane, "This pane");
                ui.radio_value(&mut viewer.export.kind, ExportKind::Layout, "All panes");
            });
            ui.end_row();
        }
        let size = viewer.request(ui.ctx()).map(|o| o.sheet.scaled(f64::from(o.scale)).size());
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
            ui.checkbox(&mut export.annotations.scale_bar, "Scale bar");
            ui.checkbox(&mut export.annotations.legend, "Legend");
            ui.checkbox(&mut export.annotations.crosshair, "Crosshair");
        });
        ui.end_row();
    });
    ui.add_space(4.0);
    let request = viewer.request(ui.ctx());
    let wrong = request.as_ref().and_then(|request| request.check(viewer.gpu()).err());
    if let Some(error) = &wrong {
        ui.label(RichText::new(error.to_string()).color(ui.visuals().error_fg_color));
    }
    let ready = request.is_some() && wrong.is_none();
    if ui.add_enabled(ready, egui::Button::new("Save…")).clicked() {
        viewer.export.asked = request;
        viewer.ask_where_to_export(&ui.ctx().clone());
    }
}

/// Settings of a movie.
fn movie(viewer: &mut Viewer, ui: &mut Ui) {
    let Some(scene) = viewer.view.active.and_then(|tile| viewer.document.scenes.get(tile.scene)) else {
        return;
    };
    let name = |kind: MovieKind| match kind {
        MovieKind::Turntable => "Turntable".to_owned(),
        MovieKind::Slices(axis) => format!("{} slices", name_of(scene, Pane::Plane(axis))),
        MovieKind::Time => "Time".to_owned(),
    };
    let kinds = [
        MovieKind::Turntable,
        MovieKind::Slices(0),
        MovieKind::Slices(1),
        MovieKind::Slices(2),
        MovieKind::Time,
    ];
    let offered = |kind: &MovieKind| *kind != MovieKind::Time || times(scene) > 1;
    let kinds: Vec<(MovieKind, String)> =
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
        ui.add(rate).accessible_name("Frames per second");
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
        let format = self.export.asked.as_ref().and_then(|request| request.movie).map(|(_, format)| format);
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
            dialog.save_file().map(AppEvent::Export)
        });
    }
}

#[cfg(test)]
mod tests;
