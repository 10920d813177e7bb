//! Rows and columns: only what is in view is laid out, however many there are.

use super::link::colour_of;
use super::toolbar::{colour_by, copy, spoken};
use crate::view::objects::{Objects, Verdict};
use crate::window::theme::{ACCENT, WRONG};
use egui::{
    Align2, Color32, EventFilter, FontId, Id, Key, Modifiers, Painter, Pos2, Rect, Response, Role,
    ScrollArea, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2,
};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use voxelry_core::measure::Table;

/// Height of a row and of the header.
const ROW: f32 = 20.0;
const HEADER: f32 = 36.0;
/// From a cell's text to its edge.
const PAD: f32 = 8.0;

/// View of the cells of a table.
#[derive(Default)]
pub struct Grid {
    /// Columns that are not shown.
    pub hidden: HashSet<String>,
    widths: HashMap<String, f32>,
    /// The row that is brought into view.
    wanted: Option<u32>,
    /// Visible rows: position of the first, and height.
    view: Option<[f64; 2]>,
    aside: f32,
    /// The column whose histogram is asked for.
    pub histogram: Option<String>,
}

/// A column that is shown.
struct Shown {
    /// Its place in the table.
    at: usize,
    name: String,
    /// Its beginning and width.
    left: f32,
    wide: f32,
}

impl Grid {
    /// Brings a row into view.
    pub fn go_to(&mut self, row: u32) {
        self.wanted = Some(row);
    }

    /// Columns from left to right, and how wide all are.
    fn columns(&mut self, painter: &Painter, table: &Table) -> (Vec<Shown>, f32) {
        let (mut shown, mut left) = (Vec::new(), 0.0);
        for (at, name) in table.columns().into_iter().enumerate() {
            if self.hidden.contains(&name) {
                continue;
            }
            let wide = *self.widths.entry(name.clone()).or_insert_with(|| {
                let font = FontId::proportional(11.0);
                let title = painter.layout_no_wrap(spoken(&name), font, Color32::WHITE).size().x;
                // Room for the mark of sorting, and for the longest numbers.
                (title + 2.0 * PAD + 10.0).clamp(84.0, 190.0)
            });
            shown.push(Shown { at, name, left, wide });
            left += wide;
        }
        (shown, left)
    }

    /// Shows the table in all of the space there is; the row whose object is to be looked at.
    pub fn show(&mut self, ui: &mut Ui, objects: &mut Objects) -> Option<u32> {
        let area = ui.available_rect_before_wrap();
        let (header, body) = area.split_top_bottom_at_y(area.top() + HEADER);
        ui.allocate_rect(area, Sense::hover());
        let table = objects.table().clone();
        let (columns, wide) = self.columns(ui.painter(), &table);
        let id = ui.scope_id().with(("rows", &table.name));
        let focus = ui.interact(body, id, Sense::click());
        focus.widget_info(|| WidgetInfo::labeled(Role::Table, true, "Rows"));
        let mut jump = self.keys(ui, id, objects);

        let rows = objects.shown().clone();
        let mut scroll = ScrollArea::both().id_salt(("grid", &table.name)).auto_shrink(false);
        if let Some(wanted) = self.wanted.take()
            && let Some(at) = rows.iter().position(|row| *row == wanted)
        {
            let (top, high) = (at as f64 * f64::from(ROW), f64::from(body.height()));
            let [first, seen] = self.view.unwrap_or([0.0, high]);
            if top < first || top + f64::from(ROW) > first + seen {
                scroll = scroll.vertical_scroll_offset((top - seen * 0.4).max(0.0) as f32);
            }
        }
        objects.hovered = None;
        let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(body));
        ui.spacing_mut().scroll.fade.strength = 0.0;
        let shown = scroll.show_viewport(&mut ui, |ui, viewport| {
            ui.set_min_size(vec2(wide, rows.len() as f32 * ROW));
            let clip = ui.clip_rect().intersect(body);
            self.view = Some([f64::from(viewport.top()), f64::from(viewport.height())]);
            // Places of rows are found with more digits than those of the window have.
            let first = (f64::from(viewport.top()) / f64::from(ROW)).floor() as usize;
            let shift = (first as f64 * f64::from(ROW) - f64::from(viewport.top())) as f32;
            let many = (viewport.height() / ROW) as usize + 2;
            let left = body.left() - viewport.left();
            for at in first..(first + many).min(rows.len()) {
                let top = body.top() + shift + (at - first) as f32 * ROW;
                let line = Rect::from_min_size(pos2(clip.left(), top), vec2(clip.width(), ROW));
                if let Some(row) =
                    row_of(ui, (id, focus.has_focus()), line.intersect(clip), (rows[at], at), objects)
                {
                    jump = Some(row);
                }
                let seen = visible(&columns, left, clip);
                cells(&ui.painter_at(clip), &table, objects, &columns[seen], (rows[at], left, line));
            }
        });
        self.aside = shown.state.clamped_offset().x;
        self.header(&mut ui, header, &columns, objects);
        if rows.is_empty() {
            let text = if objects.rows() == 0 { "There are no objects" } else { "No row matches the filter" };
            let weak = ui.visuals().weak_text_color();
            ui.painter().text(body.center(), Align2::CENTER_CENTER, text, FontId::proportional(13.0), weak);
        }
        jump
    }

    /// Handles keys while the rows have the focus.
    fn keys(&mut self, ui: &Ui, id: Id, objects: &mut Objects) -> Option<u32> {
        if !ui.memory(|m| m.has_focus(id)) {
            return None;
        }
        let filter = EventFilter { vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|m| m.set_focus_lock_filter(id, filter));
        let page = self.view.map_or(10, |[_, high]| (high / f64::from(ROW)) as i64 - 1).max(1);
        let all = objects.shown().len() as i64;
        let mut jump = None;
        for (key, by) in [
            (Key::ArrowUp, -1),
            (Key::ArrowDown, 1),
            (Key::PageUp, -page),
            (Key::PageDown, page),
            (Key::Home, -all),
            (Key::End, all),
        ] {
            for modifiers in [Modifiers::SHIFT, Modifiers::NONE] {
                let times = ui.input_mut(|i| i.count_and_consume_key(modifiers, key)) as i64;
                if times > 0 {
                    self.wanted = objects.step(by * times, modifiers.shift).or(self.wanted);
                }
            }
        }
        if ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter)) {
            jump = objects.cursor();
        }
        if ui.input_mut(|i| i.consume_key(Modifiers::COMMAND, Key::A)) {
            objects.select_shown();
        }
        if ui.input(|i| i.events.iter().any(|e| matches!(e, egui::Event::Copy))) {
            copy(ui.ctx(), objects);
        }
        jump
    }

    /// Names and units of the columns; a click sorts, a right click offers more.
    fn header(&mut self, ui: &mut Ui, header: Rect, columns: &[Shown], objects: &mut Objects) {
        let painter = ui.painter_at(header);
        painter.rect_filled(header, 0.0, ui.visuals().faint_bg_color);
        let line = Stroke::new(1.0, ui.visuals().widgets.noninteractive.bg_stroke.color);
        let left = header.left() - self.aside;
        let table = objects.table().clone();
        for column in &columns[visible(columns, left, header)] {
            let cell = Rect::from_min_size(
                pos2(left + column.left, header.top()),
                vec2(column.wide, header.height()),
            );
            let response = ui.interact(
                cell.intersect(header),
                ui.scope_id().with(("head", &column.name)),
                Sense::click(),
            );
            response.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, spoken(&column.name)));
            let unit = Some(table.unit(&column.name)).filter(|u| *u != "1").unwrap_or("");
            if response.hovered() {
                painter.rect_filled(cell, 0.0, ui.visuals().widgets.hovered.bg_fill.gamma_multiply(0.5));
            }
            painter.vline(cell.right() - 0.5, cell.y_range(), line);
            let sorted = objects.sort().filter(|(name, _)| *name == column.name).map(|(_, falling)| *falling);
            let coloured = objects.colour().is_some_and(|c| c.column == column.name);
            let strong = if coloured { ACCENT } else { ui.visuals().strong_text_color() };
            let room = column.wide - 2.0 * PAD - if sorted.is_some() { 10.0 } else { 0.0 };
            let right = cell.right() - PAD;
            let title = truncated(&painter, &spoken(&column.name), 11.0, strong, room);
            painter.galley(pos2(right - title.size().x, cell.top() + 3.0), title, strong);
            let weak = ui.visuals().weak_text_color();
            painter.text(
                pos2(right, cell.bottom() - 3.0),
                Align2::RIGHT_BOTTOM,
                unit,
                FontId::proportional(11.0),
                weak,
            );
            if let Some(falling) = sorted {
                arrow(
                    &painter,
                    pos2(cell.left() + PAD, cell.top() + 10.0),
                    falling,
                    ui.visuals().text_color(),
                );
            }
            if response.clicked() {
                objects.sort_by(&column.name);
            }
            self.menu(&response, &column.name, objects);
            let about = format!("{}: {}", column.name, table.description(&column.name));
            response.on_hover_text(format!("{about}\nClick: sort; right click: menu"));
        }
        painter.hline(header.x_range(), header.bottom() - 0.5, line);
    }

    fn menu(&mut self, response: &Response, name: &str, objects: &mut Objects) {
        response.context_menu(|ui| {
            ui.set_min_width(170.0);
            let mut done = false;
            if objects.are_objects() {
                if ui.button("Colour by this column").clicked() {
                    colour_by(objects, name);
                    done = true;
                }
                if ui.add_enabled(objects.colour().is_some(), egui::Button::new("Colour by label")).clicked()
                {
                    objects.colour_by(None);
                    done = true;
                }
            }
            if ui.button("Histogram").clicked() {
                self.histogram = Some(name.to_owned());
                done = true;
            }
            if ui.button("Hide this column").clicked() {
                self.hidden.insert(name.to_owned());
                done = true;
            }
            if done {
                ui.close();
            }
        });
    }
}

/// The columns that are in view.
fn visible(columns: &[Shown], left: f32, clip: Rect) -> Range<usize> {
    let first = columns.partition_point(|c| left + c.left + c.wide < clip.left());
    let last = columns.partition_point(|c| left + c.left < clip.right());
    first..last.max(first)
}

/// Text cut off at a width.
fn truncated(
    painter: &Painter,
    text: &str,
    size: f32,
    colour: Color32,
    room: f32,
) -> std::sync::Arc<egui::Galley> {
    let mut job =
        egui::text::LayoutJob::simple_singleline(text.to_owned(), FontId::proportional(size), colour);
    job.wrap = egui::text::TextWrapping::truncate_at_width(room);
    painter.layout_job(job)
}

/// Sort direction of a column.
fn arrow(painter: &Painter, at: Pos2, falling: bool, colour: Color32) {
    let tip = if falling { 3.0 } else { -3.0 };
    let points = vec![at + vec2(-4.0, -tip), at + vec2(4.0, -tip), at + vec2(0.0, tip)];
    painter.add(Shape::convex_polygon(points, colour, Stroke::NONE));
}

/// Handles the mouse on a row; returns the row if its object is to be looked at.
fn row_of(
    ui: &Ui,
    (id, focused): (Id, bool),
    line: Rect,
    (row, at): (u32, usize),
    objects: &mut Objects,
) -> Option<u32> {
    let response = ui.interact(line, id.with(at), Sense::click());
    let selected = objects.selected().has(row as usize);
    response.widget_info(|| {
        let name = objects.label(row).map_or(format!("Row {}", row + 1), |label| format!("Object {label}"));
        WidgetInfo::selected(Role::Row, true, selected, name)
    });
    let visuals = ui.visuals();
    if selected {
        ui.painter().rect_filled(line, 0.0, visuals.selection.bg_fill);
    } else if at % 2 == 1 {
        ui.painter().rect_filled(line, 0.0, visuals.faint_bg_color.gamma_multiply(0.5));
    }
    if response.hovered() {
        objects.hovered = Some(row);
        ui.painter().rect_filled(line, 0.0, visuals.selection.bg_fill.gamma_multiply(0.3));
    }
    if focused && objects.cursor() == Some(row) {
        ui.painter().rect_stroke(line.shrink(0.5), 0.0, Stroke::new(1.0, ACCENT), egui::StrokeKind::Inside);
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
    response.double_clicked().then_some(row)
}

/// The cells of a row.
fn cells(
    painter: &Painter,
    table: &Table,
    objects: &Objects,
    columns: &[Shown],
    (row, left, line): (u32, f32, Rect),
) {
    let visuals = &painter.ctx().global_style().visuals;
    let faint = objects.are_objects() && !objects.is_seen(row);
    let colour = if faint { visuals.weak_text_color() } else { visuals.text_color() };
    for column in columns {
        let cell = Rect::from_min_size(pos2(left + column.left, line.top()), vec2(column.wide, ROW));
        let mut text = table.text(column.at, row as usize);
        let mut colour = colour;
        if column.name == crate::view::objects::VERDICT {
            (text, colour) = match objects.verdict(row) {
                Verdict::None => (String::new(), colour),
                Verdict::Accepted => ("accepted".to_owned(), Color32::from_rgb(90, 190, 110)),
                Verdict::Rejected => ("rejected".to_owned(), WRONG),
            };
        }
        let mut room = column.wide - 2.0 * PAD;
        if column.name == "label" && objects.are_objects() {
            let dot =
                Rect::from_center_size(pos2(cell.left() + PAD + 5.0, cell.center().y), vec2(10.0, 10.0));
            painter.rect_filled(dot, 2.0, colour_of(objects, row));
            room -= 14.0;
        }
        let galley = truncated(painter, &text, 12.5, colour, room);
        let at = pos2(cell.right() - PAD - galley.size().x, cell.center().y - galley.size().y / 2.0);
        painter.galley(at, galley, colour);
    }
}
