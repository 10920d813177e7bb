//! Small pictures of all objects in the order of their table, to look through them and to judge them.

use super::table::{colour_of, spoken};
use super::theme::{ACCENT, WRONG};
use super::widgets::choice;
use crate::view::objects::thumbnail::{EDGE, Sight, Sources};
use crate::view::objects::{Column, Objects, VERDICT, Verdict};
use crate::view::plane::short;
use crossbeam_channel::{Receiver, Sender, unbounded};
use egui::{
    Align2, Color32, ColorImage, EventFilter, FontId, Id, Key, Modifiers, Rect, Role, ScrollArea, Sense,
    Stroke, StrokeKind, TextureHandle, TextureOptions, Ui, WidgetInfo, pos2, vec2,
};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Points of a picture, and of all that belongs to it.
const SIDE: f32 = EDGE as f32;
const CELL: [f32; 2] = [SIDE + 12.0, SIDE + 30.0];
/// Pictures that are kept.
const KEPT: usize = 1000;
/// Threads that draw.
const THREADS: usize = 2;

/// The pictures of a table's objects.
pub struct Gallery {
    sight: Sight,
    sources: Option<Arc<Sources>>,
    /// Generation of sources and view; older pictures are dropped.
    turn: u64,
    pictures: HashMap<u32, Picture>,
    clock: u64,
    threads: Option<PictureThreads>,
    /// The row that is brought into view.
    wanted: Option<u32>,
    /// The first row of pictures in view and one after the last.
    view: [usize; 2],
    columns: usize,
    /// Action requested on the selected objects.
    pub asked: Option<ObjectAction>,
}

/// Actions on objects in the gallery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectAction {
    /// They become one, with the label of the first.
    Merge,
    /// Each is parted at its necks.
    Split,
    /// They become part of the active label.
    Relabel,
}

/// A picture, or the word that there will be none.
struct Picture {
    texture: Option<TextureHandle>,
    seen: u64,
}

impl Default for Gallery {
    fn default() -> Self {
        Self {
            sight: Sight::Plane(0),
            sources: None,
            turn: 0,
            pictures: HashMap::new(),
            clock: 0,
            threads: None,
            wanted: None,
            view: [0; 2],
            columns: 1,
            asked: None,
        }
    }
}

/// A picture that is wanted.
struct PictureRequest {
    turn: u64,
    row: u32,
    label: u32,
    bounds: [[usize; 3]; 2],
    sight: Sight,
    sources: Arc<Sources>,
}

/// A picture that was drawn; none if the image could not be read.
type DrawnPicture = (u64, u32, Option<Vec<[u8; 3]>>);

/// Threads that draw what is wanted now.
struct PictureThreads {
    shared: Arc<Shared>,
    drawn: Receiver<DrawnPicture>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    wanted: VecDeque<PictureRequest>,
    drawing: Vec<(u64, u32)>,
    stop: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, send: &Sender<DrawnPicture>, wake: &dyn Fn()) {
        loop {
            let mut queue = self.lock();
            let request = loop {
                if queue.stop {
                    return;
                }
                match queue.wanted.pop_front() {
                    Some(request) if queue.drawing.contains(&(request.turn, request.row)) => {}
                    Some(request) => break request,
                    None => queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            };
            queue.drawing.push((request.turn, request.row));
            drop(queue);
            let drawn = request.sources.draw(request.label, request.bounds, request.sight).ok();
            // Nobody listens when the table has gone.
            let _ = send.send((request.turn, request.row, drawn));
            self.lock().drawing.retain(|d| *d != (request.turn, request.row));
            wake();
        }
    }
}

impl PictureThreads {
    fn new(wake: &Arc<dyn Fn() + Send + Sync>) -> Self {
        let shared = Arc::new(Shared::default());
        let (send, drawn) = unbounded();
        for _ in 0..THREADS {
            let (shared, send, wake) = (shared.clone(), send.clone(), wake.clone());
            std::thread::spawn(move || shared.work(&send, &*wake));
        }
        Self { shared, drawn }
    }
}

impl Drop for PictureThreads {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
    }
}

impl Gallery {
    /// Brings a row into view.
    pub fn go_to(&mut self, row: u32) {
        self.wanted = Some(row);
    }

    /// Number of pictures drawn so far.
    #[cfg(test)]
    pub fn pictures(&self) -> usize {
        self.pictures.values().filter(|p| p.texture.is_some()).count()
    }

    /// Shows the objects in all of the space there is; the row whose object is to be looked at.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        objects: &mut Objects,
        sources: Option<Sources>,
        wake: &Arc<dyn Fn() + Send + Sync>,
    ) -> Option<u32> {
        objects.hovered = None;
        ui.horizontal(|ui| self.choices(ui, objects));
        let known = objects.rows() == 0 || objects.bounds(0).is_some();
        if !objects.are_objects() || sources.is_none() || !known {
            let text = if known {
                "The image of these objects is not open"
            } else {
                "The table lacks bounding-box columns (bbox_z_min …)"
            };
            ui.weak(text);
            return None;
        }
        self.follow(ui, sources, wake);
        let area = ui.available_rect_before_wrap();
        let id = ui.scope_id().with("gallery");
        let focus = ui.interact(area, id, Sense::click());
        focus.widget_info(|| WidgetInfo::labeled(Role::List, true, "Objects"));
        self.columns = (((area.width() - 14.0) / CELL[0]) as usize).max(1);
        let mut jump = self.keys(ui, id, objects);
        let rows = objects.shown().clone();
        let lines = rows.len().div_ceil(self.columns);
        let mut scroll = ScrollArea::vertical().auto_shrink(false);
        if let Some(at) = self.wanted.take().and_then(|row| rows.iter().position(|r| *r == row)) {
            let line = at / self.columns;
            if line < self.view[0] || line + 1 >= self.view[1] {
                scroll = scroll.vertical_scroll_offset((line as f32 - 0.5).max(0.0) * CELL[1]);
            }
        }
        let mut lacking = Vec::new();
        ui.spacing_mut().item_spacing.y = 0.0;
        scroll.show_rows(ui, CELL[1], lines, |ui, seen| {
            self.view = [seen.start, seen.end];
            for line in seen {
                let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), CELL[1]), Sense::hover());
                for (i, row) in rows.iter().skip(line * self.columns).take(self.columns).enumerate() {
                    let corner = rect.min + vec2(i as f32 * CELL[0], 0.0);
                    let cell = Rect::from_min_size(corner, CELL.into());
                    if self.cell(ui, (id, focus.has_focus()), cell, *row, objects) {
                        jump = Some(*row);
                    }
                    if !self.pictures.contains_key(row) {
                        lacking.push(*row);
                    }
                }
            }
        });
        self.want(&lacking, objects, wake);
        jump
    }

    fn choices(&mut self, ui: &mut Ui, objects: &mut Objects) {
        let shown = Sight::ALL.iter().find(|s| s.0 == self.sight).map_or("", |s| s.1);
        let before = self.sight;
        choice(ui, "View", shown, 140.0, |ui| {
            for (sight, name) in Sight::ALL {
                ui.selectable_value(&mut self.sight, sight, name);
            }
        });
        if before != self.sight {
            self.forget();
        }
        ui.label("sorted by");
        let sort = objects.sort().cloned();
        let shown = sort.as_ref().map_or("table order".to_owned(), |(column, _)| spoken(column));
        let table = objects.table().clone();
        let mut chosen = None;
        choice(ui, "Sorted by", &shown, 160.0, |ui| {
            for name in table.columns() {
                let current = sort.as_ref().is_some_and(|(column, _)| *column == name);
                if ui.selectable_label(current, spoken(&name)).clicked() {
                    chosen = Some(name);
                }
            }
        });
        if let Some(column) = chosen {
            objects.sort_by(&column);
        }
        if let Some((column, falling)) = sort {
            let name = if falling { "descending" } else { "ascending" };
            if ui.button(name).on_hover_text("Reverse order").clicked() {
                objects.sort_by(&column);
                if falling && objects.sort().is_none() {
                    objects.sort_by(&column);
                }
            }
        }
        ui.weak("A accepts, D rejects, both move to the next · M merges, S splits, L assigns the active label · Enter: jump");
    }

    /// Lets all pictures go: what they are of has changed.
    pub fn forget(&mut self) {
        self.pictures.clear();
        self.turn += 1;
    }

    /// Takes in what was drawn.
    fn follow(&mut self, ui: &Ui, sources: Option<Sources>, wake: &Arc<dyn Fn() + Send + Sync>) {
        let same = match (&self.sources, &sources) {
            (Some(a), Some(b)) => a.same(b),
            _ => false,
        };
        if !same {
            self.sources = sources.map(Arc::new);
            self.forget();
        }
        self.clock += 1;
        let threads = self.threads.get_or_insert_with(|| PictureThreads::new(wake));
        for (turn, row, pixels) in threads.drawn.try_iter() {
            if turn != self.turn {
                continue;
            }
            let texture = pixels.map(|pixels| {
                let pixels = pixels.into_iter().map(|[r, g, b]| Color32::from_rgb(r, g, b)).collect();
                let image = ColorImage::new([EDGE, EDGE], pixels);
                ui.ctx().load_texture("object", image, TextureOptions::LINEAR)
            });
            self.pictures.insert(row, Picture { texture, seen: self.clock });
        }
        if self.pictures.len() > KEPT {
            let mut seen: Vec<u64> = self.pictures.values().map(|p| p.seen).collect();
            let (_, oldest, _) = seen.select_nth_unstable(self.pictures.len() - KEPT);
            let oldest = *oldest;
            self.pictures.retain(|_, p| p.seen >= oldest);
        }
    }

    /// Asks for the pictures that are lacking.
    fn want(&mut self, lacking: &[u32], objects: &Objects, wake: &Arc<dyn Fn() + Send + Sync>) {
        let Some(sources) = &self.sources else { return };
        let request = |row: &u32| {
            let (label, bounds) = (objects.label(*row)?, objects.bounds(*row)?);
            let (turn, sight, sources) = (self.turn, self.sight, sources.clone());
            Some(PictureRequest { turn, row: *row, label, bounds, sight, sources })
        };
        let requests: VecDeque<PictureRequest> = lacking.iter().filter_map(request).collect();
        let threads = self.threads.get_or_insert_with(|| PictureThreads::new(wake));
        threads.shared.lock().wanted = requests;
        threads.shared.changed.notify_all();
    }

    fn keys(&mut self, ui: &Ui, id: Id, objects: &mut Objects) -> Option<u32> {
        if !ui.memory(|m| m.has_focus(id)) {
            return None;
        }
        let filter = EventFilter { vertical_arrows: true, horizontal_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(id, filter));
        let line = self.columns as i64;
        for (key, by) in
            [(Key::ArrowLeft, -1), (Key::ArrowRight, 1), (Key::ArrowUp, -line), (Key::ArrowDown, line)]
        {
            for modifiers in [Modifiers::SHIFT, Modifiers::NONE] {
                let times = ui.input_mut(|i| i.count_and_consume_key(modifiers, key)) as i64;
                if times > 0 {
                    self.wanted = objects.step(by * times, modifiers.shift).or(self.wanted);
                }
            }
        }
        for (key, verdict) in [(Key::A, Verdict::Accepted), (Key::D, Verdict::Rejected)] {
            if ui.input_mut(|i| i.consume_key(Modifiers::NONE, key)) && !objects.selected().is_empty() {
                let one = objects.selected().count() == 1;
                objects.judge(verdict);
                // A filter on verdicts takes what was judged away by itself.
                if one && !objects.filter().contains(VERDICT) {
                    self.wanted = objects.step(1, false);
                }
            }
        }
        for (key, action) in
            [(Key::M, ObjectAction::Merge), (Key::S, ObjectAction::Split), (Key::L, ObjectAction::Relabel)]
        {
            if ui.input_mut(|i| i.consume_key(Modifiers::NONE, key)) && !objects.selected().is_empty() {
                self.asked = Some(action);
            }
        }
        ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter)).then(|| objects.cursor()).flatten()
    }

    /// An object's picture and what is said of it; whether it is to be looked at.
    fn cell(
        &mut self,
        ui: &Ui,
        (id, focused): (Id, bool),
        cell: Rect,
        row: u32,
        objects: &mut Objects,
    ) -> bool {
        let response = ui.interact(cell, id.with(row), Sense::click());
        let selected = objects.selected().has(row as usize);
        let label = objects.label(row).unwrap_or(0);
        response.widget_info(|| {
            WidgetInfo::selected(Role::ListItem, true, selected, format!("Picture of {label}"))
        });
        let painter = ui.painter_at(cell);
        let picture = Rect::from_min_size(cell.min + vec2(6.0, 5.0), vec2(SIDE, SIDE));
        if selected {
            painter.rect_filled(cell.shrink(1.0), 4.0, ui.visuals().selection.bg_fill);
        } else if response.hovered() {
            painter.rect_filled(cell.shrink(1.0), 4.0, ui.visuals().widgets.hovered.bg_fill);
        }
        let weak = ui.visuals().weak_text_color();
        match self.pictures.get_mut(&row) {
            Some(Picture { texture: Some(texture), seen }) => {
                *seen = self.clock;
                let whole = Rect::from_min_max(egui::Pos2::ZERO, pos2(1.0, 1.0));
                painter.image(texture.id(), picture, whole, Color32::WHITE);
            }
            Some(_) => {
                let font = FontId::proportional(11.0);
                painter.text(picture.center(), Align2::CENTER_CENTER, "can't be read", font, weak);
            }
            None => {
                painter.rect_filled(picture, 2.0, ui.visuals().extreme_bg_color);
            }
        }
        let mark = match objects.verdict(row) {
            Verdict::None => None,
            Verdict::Accepted => Some((Color32::from_rgb(90, 190, 110), "accepted")),
            Verdict::Rejected => Some((WRONG, "rejected")),
        };
        if let Some((colour, word)) = mark {
            painter.rect_stroke(picture, 2.0, Stroke::new(2.0, colour), StrokeKind::Outside);
            let font = FontId::proportional(10.5);
            let text = painter.layout_no_wrap(word.to_owned(), font, Color32::BLACK);
            let plate = Rect::from_min_size(picture.min, text.size() + vec2(8.0, 2.0));
            painter.rect_filled(plate, 2.0, colour);
            painter.galley(plate.min + vec2(4.0, 1.0), text, Color32::BLACK);
        }
        if focused && objects.cursor() == Some(row) {
            painter.rect_stroke(cell.shrink(1.0), 4.0, Stroke::new(1.0, ACCENT), StrokeKind::Inside);
        }
        let table = objects.table();
        let column = objects.sort().map_or("volume", |(column, _)| column.as_str());
        let value = Column::of(table, column).map(|c| c.number(row)).filter(|v| !v.is_nan());
        let unit = Some(table.unit(column)).filter(|u| *u != "1").unwrap_or("");
        let said =
            value.filter(|_| column != "label").map(|v| format!("{} {unit}", short(v))).unwrap_or_default();
        let y = picture.bottom() + 11.0;
        let dot = Rect::from_center_size(pos2(picture.left() + 4.0, y), vec2(8.0, 8.0));
        painter.rect_filled(dot, 2.0, colour_of(objects, row));
        let font = FontId::proportional(11.0);
        let strong = ui.visuals().strong_text_color();
        painter.text(
            pos2(dot.right() + 4.0, y),
            Align2::LEFT_CENTER,
            label.to_string(),
            font.clone(),
            strong,
        );
        painter.text(pos2(picture.right(), y), Align2::RIGHT_CENTER, said, font, ui.visuals().text_color());
        if response.hovered() {
            objects.hovered = Some(row);
        }
        if response.clicked() {
            ui.memory_mut(|m| m.request_focus(id));
            let held = ui.input(|i| i.modifiers);
            if held.shift {
                objects.select_to(row);
            } else if held.command {
                objects.toggle(row);
            } else {
                objects.select([row]);
            }
        }
        response.double_clicked()
    }
}
