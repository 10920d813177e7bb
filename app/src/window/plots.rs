//! Plots of the columns of a table. What is brushed in them is selected, and what is selected stands out.

use super::svg::svg;
use super::table::{colour_of, count, spoken};
use super::theme::ACCENT;
use super::widgets::choice;
use crate::view::objects::plot::{Boxed, CELLS, GROUPS, PlotData, PlotKind, PlotRequest, Shape, is_within};
use crate::view::objects::{Bits, Column, Objects};
use crate::view::plane::{round_length, short};
use base64::Engine;
use crossbeam_channel::{Receiver, bounded};
use egui::{
    Align2, Color32, ColorImage, FontId, Mesh, Painter, Pos2, Rect, Response, Role, Sense, Stroke,
    StrokeKind, TextureHandle, TextureOptions, Ui, WidgetInfo, pos2, vec2,
};
use std::sync::Arc;

/// Tables of more rows are plotted on a thread.
const MANY: usize = 50_000;
/// Margin of a plot for its axes, in points.
const LEFT: f32 = 62.0;
const BELOW: f32 = 34.0;

/// The plot of a table.
#[derive(Default)]
pub struct Plots {
    kind: PlotKind,
    columns: [String; 2],
    group: Option<String>,
    log: [bool; 2],
    /// True if what is brushed has any shape.
    lasso: bool,
    /// The plot, and the request it answers.
    drawn: Option<(PlotRequest, Option<Arc<PlotData>>)>,
    drawing: Option<(PlotRequest, Receiver<Option<PlotData>>)>,
    density: Option<(Arc<PlotData>, TextureHandle)>,
    /// Corners of what is being brushed, in parts of the plot.
    brush: Vec<[f64; 2]>,
    brushing: Option<Receiver<Bits>>,
    /// True if it is to be written to a file.
    pub asked: bool,
}

impl Plots {
    /// Shows the histogram of a column.
    pub fn histogram(&mut self, column: &str) {
        self.kind = PlotKind::Histogram;
        column.clone_into(&mut self.columns[0]);
    }

    /// Shows y over x.
    #[cfg(test)]
    pub fn scatter(&mut self, x: &str, y: &str) {
        self.kind = PlotKind::Scatter;
        self.columns = [x.to_owned(), y.to_owned()];
    }

    /// Shows the plot in all of the space there is; the row whose object is to be looked at.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        objects: &mut Objects,
        wake: &Arc<dyn Fn() + Send + Sync>,
    ) -> Option<u32> {
        objects.hovered = None;
        self.choose_columns(objects);
        ui.horizontal(|ui| self.choices(ui, objects));
        self.follow(objects, wake);
        let area = ui.available_rect_before_wrap();
        let response = ui.allocate_rect(area, Sense::click_and_drag());
        response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, "Plot"));
        let painter = ui.painter_at(area);
        painter.rect_filled(area, 0.0, ui.visuals().extreme_bg_color);
        let plot = Rect::from_min_max(
            area.min + vec2(LEFT, 20.0),
            pos2(area.right() - 14.0, (area.bottom() - BELOW).max(area.top() + 30.0)),
        );
        let (wanted, drawn) = self.drawn.clone()?;
        let Some(drawn) = drawn else {
            let weak = ui.visuals().weak_text_color();
            let text = "The table has no numeric columns";
            painter.text(area.center(), Align2::CENTER_CENTER, text, FontId::proportional(13.0), weak);
            return None;
        };
        let axes = Axes { rect: plot, range: drawn.range, log: wanted.log };
        self.paint((ui.ctx(), ui.visuals()), &painter, &axes, &wanted, &drawn, objects);
        self.use_mouse(ui, &response, &axes, (&wanted, &drawn), objects, wake)
    }

    /// Columns that are there.
    fn choose_columns(&mut self, objects: &Objects) {
        let table = objects.table();
        let numbers = |name: &String| Column::of(table, name).is_some_and(|c| c.has_numbers());
        let names = table.columns();
        let usual = [["volume", "equivalent_diameter"], ["sphericity", "surface_area"]];
        for (axis, usual) in usual.into_iter().enumerate() {
            if !numbers(&self.columns[axis]) {
                let found = usual.iter().map(|n| (*n).to_owned()).find(numbers);
                let rest = || names.iter().filter(|n| numbers(n) && *n != "label").nth(axis).cloned();
                let any = || names.iter().find(|n| numbers(n)).cloned();
                self.columns[axis] = found.or_else(rest).or_else(any).unwrap_or_default();
            }
        }
        self.group = self.group.take().filter(|name| Column::of(table, name).is_some_and(|c| c.is_whole()));
    }

    fn choices(&mut self, ui: &mut Ui, objects: &Objects) {
        for (kind, name) in
            [(PlotKind::Histogram, "Histogram"), (PlotKind::Scatter, "Scatter"), (PlotKind::Boxes, "Boxes")]
        {
            ui.selectable_value(&mut self.kind, kind, name);
        }
        ui.separator();
        let table = objects.table().clone();
        let names: Vec<String> = table
            .columns()
            .into_iter()
            .filter(|name| Column::of(&table, name).is_some_and(|c| c.has_numbers()))
            .collect();
        let axes = if self.kind == PlotKind::Scatter { 2 } else { 1 };
        for axis in 0..axes {
            let shown = spoken(&self.columns[axis]);
            ui.label(["x", "y"][axis]);
            choice(ui, ["Column along x", "Column along y"][axis], &shown, 150.0, |ui| {
                for name in &names {
                    ui.selectable_value(&mut self.columns[axis], name.clone(), spoken(name));
                }
            });
            ui.checkbox(&mut self.log[axis], "log").on_hover_text("Log axis (values ≤ 0 are dropped)");
        }
        if self.kind == PlotKind::Boxes {
            let shown = self.group.as_deref().map_or("Selected or not".to_owned(), spoken);
            ui.label("by");
            choice(ui, "Groups", &shown, 150.0, |ui| {
                ui.selectable_value(&mut self.group, None, "Selected or not");
                for name in names.iter().filter(|n| Column::of(&table, n).is_some_and(|c| c.is_whole())) {
                    ui.selectable_value(&mut self.group, Some(name.clone()), spoken(name));
                }
            });
        }
        if self.kind == PlotKind::Scatter {
            ui.separator();
            ui.selectable_value(&mut self.lasso, false, "Rectangle")
                .on_hover_text("Drag to select in a rectangle");
            ui.selectable_value(&mut self.lasso, true, "Lasso").on_hover_text("Draw around points to select");
        }
        let save =
            ui.add_enabled(self.drawn.as_ref().is_some_and(|d| d.1.is_some()), egui::Button::new("Save…"));
        if save.on_hover_text("As SVG, with the recipe beside it").clicked() {
            self.asked = true;
        }
        if self.drawing.is_some() || self.brushing.is_some() {
            ui.spinner();
        }
    }

    /// Keeps the plot up with the table.
    fn follow(&mut self, objects: &mut Objects, wake: &Arc<dyn Fn() + Send + Sync>) {
        if let Some(bits) = self.brushing.as_ref().and_then(|r| r.try_recv().ok()) {
            self.brushing = None;
            objects.set_selected(bits);
        }
        if let Some((wanted, drawn)) =
            self.drawing.as_ref().and_then(|(w, r)| Some((w.clone(), r.try_recv().ok()?)))
        {
            self.drawing = None;
            self.drawn = Some((wanted, drawn.map(Arc::new)));
        }
        let axes = if self.kind == PlotKind::Scatter { 2 } else { 1 };
        let wanted = PlotRequest {
            table: objects.table().clone(),
            rows: objects.shown().clone(),
            selected: objects.selected().clone(),
            kind: self.kind,
            columns: self.columns.clone(),
            group: self.group.clone(),
            log: if axes == 2 { self.log } else { [self.log[0], false] },
        };
        let current = self.drawing.as_ref().map(|d| &d.0).or(self.drawn.as_ref().map(|d| &d.0));
        if current.is_some_and(|c| c.same(&wanted)) || self.drawing.is_some() {
            return;
        }
        if wanted.rows.len() <= MANY {
            let drawn = wanted.draw().map(Arc::new);
            self.drawn = Some((wanted, drawn));
            return;
        }
        let (send, receive) = bounded(1);
        self.drawing = Some((wanted.clone(), receive));
        let wake = wake.clone();
        std::thread::spawn(move || {
            // Nobody listens when the table has gone.
            let _ = send.send(wanted.draw());
            wake();
        });
    }

    /// The plot on white paper, as SVG; none if there is nothing to plot.
    pub fn figure(&self, objects: &Objects) -> Option<String> {
        let (wanted, drawn) = self.drawn.clone()?;
        let (drawn, size) = (drawn?, vec2(480.0, 320.0));
        let axes = Axes {
            rect: Rect::from_min_max(pos2(LEFT, 24.0), pos2(size.x - 14.0, size.y - BELOW)),
            range: drawn.range,
            log: wanted.log,
        };
        let image = match &drawn.shape {
            Shape::Density { pixels, .. } => Some(picture(pixels)?),
            _ => None,
        };
        let (ctx, visuals) = (egui::Context::default(), egui::Visuals::light());
        let screen = Rect::from_min_size(Pos2::ZERO, size);
        let input = egui::RawInput { screen_rect: Some(screen), ..egui::RawInput::default() };
        let mut plots = Self { kind: self.kind, columns: self.columns.clone(), ..Self::default() };
        let mut output = ctx.run_pass(input, |ctx| {
            let painter = ctx.layer_painter(egui::LayerId::background());
            painter.rect_filled(screen, 0.0, Color32::WHITE);
            plots.paint((ctx, &visuals), &painter, &axes, &wanted, &drawn, objects);
        });
        // Letters are not drawn here.
        output.textures_delta.clear();
        Some(svg(size, output.shapes.into_iter().map(|clipped| clipped.shape), image.as_deref()))
    }

    fn paint(
        &mut self,
        (ctx, visuals): (&egui::Context, &egui::Visuals),
        painter: &Painter,
        axes: &Axes,
        wanted: &PlotRequest,
        drawn: &Arc<PlotData>,
        objects: &Objects,
    ) {
        let rect = axes.rect;
        let mut said = match &drawn.shape {
            Shape::Points(points) => format!("{} objects", count(points.len())),
            Shape::Density { count: n, .. } => {
                format!("density of {} objects; white: selected objects", count(*n))
            }
            Shape::Bars(bars) => format!("{} objects", count(bars.iter().map(|b| b[0]).sum())),
            Shape::Boxes(_, many) if *many > GROUPS => {
                format!("the first {GROUPS} of {} groups", count(*many))
            }
            Shape::Boxes(..) => "median, quartiles, whiskers to 1.5 times the box".to_owned(),
        };
        if drawn.left_out > 0 {
            said += &format!("; {} not plotted (NaN or ≤ 0)", count(drawn.left_out));
        }
        let weak = visuals.weak_text_color();
        painter.text(
            pos2(rect.right(), rect.top() - 4.0),
            Align2::RIGHT_BOTTOM,
            said,
            FontId::proportional(11.0),
            weak,
        );
        let title = |axis: usize| {
            let name = &wanted.columns[axis];
            let unit = Some(wanted.table.unit(name)).filter(|u| !u.is_empty() && *u != "1");
            unit.map_or_else(|| spoken(name), |unit| format!("{} [{unit}]", spoken(name)))
        };
        let group = || wanted.group.as_deref().map_or(String::new(), spoken);
        let (x, y) = match &drawn.shape {
            Shape::Bars(_) => (title(0), "objects".to_owned()),
            Shape::Boxes(..) => (group(), title(0)),
            _ => (title(0), title(1)),
        };
        let titles = [x.as_str(), y.as_str()];
        match &drawn.shape {
            Shape::Bars(bars) => paint_bars(painter, axes, bars, titles, visuals),
            Shape::Points(points) => {
                axes.paint(painter, visuals, [Some(&x), Some(&y)]);
                paint_points(painter, rect, points, (wanted, objects), visuals);
            }
            Shape::Density { pixels, .. } => {
                if self.density.as_ref().is_none_or(|(of, _)| !Arc::ptr_eq(of, drawn)) {
                    let bytes: Vec<u8> = pixels.iter().flatten().copied().collect();
                    let image = ColorImage::from_rgba_unmultiplied(CELLS, &bytes);
                    let texture = ctx.load_texture("density", image, TextureOptions::NEAREST);
                    self.density = Some((drawn.clone(), texture));
                }
                if let Some((_, texture)) = &self.density {
                    let whole = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
                    painter.image(texture.id(), rect, whole, Color32::WHITE);
                }
                axes.paint(painter, visuals, [Some(&x), Some(&y)]);
            }
            Shape::Boxes(boxes, _) => paint_boxes(painter, axes, boxes, (titles, wanted), visuals),
        }
        painter.rect_stroke(rect, 0.0, Stroke::new(1.0, weak), StrokeKind::Outside);
    }

    /// Brushing selects; pointing at a point shows its object, and a click selects it.
    fn use_mouse(
        &mut self,
        ui: &Ui,
        response: &Response,
        axes: &Axes,
        (wanted, drawn): (&PlotRequest, &PlotData),
        objects: &mut Objects,
        wake: &Arc<dyn Fn() + Send + Sync>,
    ) -> Option<u32> {
        let part = |pos: Pos2| axes.part(pos);
        let painter = ui.painter_at(axes.rect);
        let bars = matches!(drawn.shape, Shape::Bars(_));
        let along = bars.then_some(drawn.range[0][1]);
        if response.drag_started_by(egui::PointerButton::Primary) {
            self.brush = ui.input(|i| i.pointer.press_origin()).map(part).into_iter().collect();
        }
        if let (true, Some(pos), false) = (
            response.dragged_by(egui::PointerButton::Primary),
            response.interact_pointer_pos(),
            self.brush.is_empty() || matches!(drawn.shape, Shape::Boxes(..)),
        ) {
            if self.lasso && !bars {
                self.brush.push(part(pos));
            } else {
                self.brush.truncate(1);
                self.brush.push(part(pos));
            }
            let stroke = Stroke::new(1.5, ACCENT);
            let points: Vec<Pos2> = self.outline(bars).iter().map(|p| axes.on_screen(*p)).collect();
            painter.add(egui::Shape::closed_line(points, stroke));
        }
        if response.drag_stopped() && self.brush.len() > 1 {
            let line: Vec<[f64; 2]> = self.outline(bars).into_iter().map(|p| axes.value(p)).collect();
            self.brush.clear();
            self.select_within(wanted.clone(), line, along, objects, wake);
        }
        self.point_at(ui, response, axes, (wanted, drawn), objects, wake)
    }

    /// Shows the values under the pointer; a click selects their objects. Returns the row of a double click.
    fn point_at(
        &mut self,
        ui: &Ui,
        response: &Response,
        axes: &Axes,
        (wanted, drawn): (&PlotRequest, &PlotData),
        objects: &mut Objects,
        wake: &Arc<dyn Fn() + Send + Sync>,
    ) -> Option<u32> {
        let painter = ui.painter_at(axes.rect);
        let part = |pos: Pos2| axes.part(pos);
        let pos = response.hover_pos()?;
        match &drawn.shape {
            Shape::Points(points) => {
                let near = |p: &&([f32; 2], u32)| axes.on_screen(p.0.map(f64::from)).distance(pos);
                let nearest = points.iter().min_by(|a, b| near(a).total_cmp(&near(b)))?;
                if near(&nearest) > 8.0 {
                    return None;
                }
                let row = nearest.1;
                objects.hovered = Some(row);
                let at = axes.on_screen(nearest.0.map(f64::from));
                painter.circle_stroke(at, 6.0, Stroke::new(1.5, ui.visuals().strong_text_color()));
                if response.clicked() {
                    if ui.input(|i| i.modifiers.command) {
                        objects.toggle(row);
                    } else {
                        objects.select([row]);
                    }
                }
                let text = describe(objects, wanted, row);
                response.clone().on_hover_text_at_pointer(text);
                return response.double_clicked().then_some(row);
            }
            Shape::Bars(bars) => {
                let bin = (part(pos)[0] * bars.len() as f64).floor();
                let [all, selected] = *bars.get(usize::try_from(bin as i64).ok()?)?;
                let [low, high] = [bin, bin + 1.0].map(|b| axes.value([b / bars.len() as f64, 0.0])[0]);
                let [a, b] = [low, high].map(|v| short(if axes.log[0] { 10f64.powf(v) } else { v }));
                let text = format!("{a} to {b}: {} objects, {} selected", count(all), count(selected));
                response.clone().on_hover_text_at_pointer(text);
                if response.clicked() {
                    let line = vec![[low, 0.0], [high, 0.0]];
                    self.select_within(wanted.clone(), line, Some(drawn.range[0][1]), objects, wake);
                }
            }
            Shape::Boxes(boxes, _) => {
                let at = usize::try_from((part(pos)[0] * boxes.len() as f64).floor() as i64).ok()?;
                let boxed = boxes.get(at)?;
                let values = [
                    boxed.whiskers[0],
                    boxed.quartiles[0],
                    boxed.quartiles[1],
                    boxed.quartiles[2],
                    boxed.whiskers[1],
                ];
                let said = values.map(|v| short(if axes.log[0] { 10f64.powf(v) } else { v })).join(" · ");
                response.clone().on_hover_text_at_pointer(format!("{} objects: {said}", count(boxed.count)));
                if let (true, Some(column)) =
                    (response.clicked(), wanted.group.as_ref().and_then(|g| Column::of(&wanted.table, g)))
                {
                    let is_in = |row: &u32| column.number(*row) as i64 == boxed.group;
                    objects.select(wanted.rows.iter().copied().filter(is_in));
                }
            }
            Shape::Density { .. } => {}
        }
        None
    }

    /// The corners of what is brushed.
    fn outline(&self, bars: bool) -> Vec<[f64; 2]> {
        match &self.brush[..] {
            [[x0, _], .., [x1, _]] if bars => vec![[*x0, 0.0], [*x1, 0.0], [*x1, 1.0], [*x0, 1.0]],
            [[x0, y0], [x1, y1]] if !self.lasso => vec![[*x0, *y0], [*x1, *y0], [*x1, *y1], [*x0, *y1]],
            line => line.to_vec(),
        }
    }

    /// Selects what is within a line, or between its ends along x, where the last bin has its upper end, too.
    fn select_within(
        &mut self,
        wanted: PlotRequest,
        line: Vec<[f64; 2]>,
        along: Option<f64>,
        objects: &mut Objects,
        wake: &Arc<dyn Fn() + Send + Sync>,
    ) {
        let least = line.iter().map(|p| p[0]).fold(f64::INFINITY, f64::min);
        let most = line.iter().map(|p| p[0]).fold(f64::NEG_INFINITY, f64::max);
        let find = move || match along {
            Some(end) => wanted.rows_where(|[x, _]| x >= least && (x < most || most >= end)),
            None => wanted.rows_where(|at| is_within(&line, at)),
        };
        if objects.rows() <= MANY {
            objects.set_selected(find());
            return;
        }
        let (send, receive) = bounded(1);
        self.brushing = Some(receive);
        let wake = wake.clone();
        std::thread::spawn(move || {
            // Nobody listens when the table has gone.
            let _ = send.send(find());
            wake();
        });
    }
}

/// Draws a histogram.
fn paint_bars(
    painter: &Painter,
    axes: &Axes,
    bars: &[[usize; 2]],
    [x, y]: [&str; 2],
    visuals: &egui::Visuals,
) {
    let rect = axes.rect;
    let most = bars.iter().map(|b| b[0]).max().unwrap_or(1).max(1);
    let counts =
        Axes { range: [axes.range[0], [0.0, most as f64 * 1.05]], log: [axes.log[0], false], ..*axes };
    counts.paint(painter, visuals, [Some(x), Some(y)]);
    let wide = rect.width() / bars.len() as f32;
    for (i, [all, selected]) in bars.iter().enumerate() {
        let left = rect.left() + wide * i as f32;
        for (n, colour) in [(all, visuals.text_color().gamma_multiply(0.55)), (selected, ACCENT)] {
            let top = counts.at([0.0, *n as f64]).y;
            let bar = Rect::from_min_max(pos2(left + 0.5, top), pos2(left + wide - 0.5, rect.bottom()));
            if *n > 0 {
                painter.rect_filled(bar, 0.0, colour);
            }
        }
    }
}

/// Draws a scatter plot; selected objects lie above the others.
fn paint_points(
    painter: &Painter,
    rect: Rect,
    points: &[([f32; 2], u32)],
    (wanted, objects): (&PlotRequest, &Objects),
    visuals: &egui::Visuals,
) {
    let mut mesh = Mesh::default();
    let square = |mesh: &mut Mesh, at: &[f32; 2], half: f32, colour: Color32| {
        let centre = pos2(rect.left() + at[0] * rect.width(), rect.bottom() - at[1] * rect.height());
        mesh.add_colored_rect(Rect::from_center_size(centre, vec2(half, half) * 2.0), colour);
    };
    for (at, row) in points.iter().filter(|p| !wanted.selected.has(p.1 as usize)) {
        let colour = if wanted.selected.is_empty() { 0.9 } else { 0.5 };
        square(&mut mesh, at, 2.0, colour_of(objects, *row).gamma_multiply(colour));
    }
    for (at, row) in points.iter().filter(|p| wanted.selected.has(p.1 as usize)) {
        square(&mut mesh, at, 4.0, visuals.strong_text_color());
        square(&mut mesh, at, 3.0, colour_of(objects, *row));
    }
    painter.add(mesh);
}

/// Draws boxes by group.
fn paint_boxes(
    painter: &Painter,
    axes: &Axes,
    boxes: &[Boxed],
    ([x, y], wanted): ([&str; 2], &PlotRequest),
    visuals: &egui::Visuals,
) {
    let rect = axes.rect;
    let values = Axes { log: [false, axes.log[0]], ..*axes };
    values.paint(painter, visuals, [None, Some(y)]);
    let wide = rect.width() / boxes.len().max(1) as f32;
    for (i, boxed) in boxes.iter().enumerate() {
        let middle = rect.left() + wide * (i as f32 + 0.5);
        let name = if wanted.group.is_some() {
            boxed.group.to_string()
        } else {
            ["not selected", "selected"][usize::from(boxed.group == 1)].to_owned()
        };
        self::boxed(painter, &values, boxed, (middle, wide), visuals);
        let text = format!("{name} · {}", count(boxed.count));
        let text = if wide > 90.0 { text } else { name };
        let at = pos2(middle, rect.bottom() + 4.0);
        painter.text(at, Align2::CENTER_TOP, text, FontId::proportional(11.0), visuals.text_color());
    }
    let at = pos2(rect.center().x, rect.bottom() + 18.0);
    painter.text(at, Align2::CENTER_TOP, x, FontId::proportional(11.0), visuals.strong_text_color());
}

/// A density as the address of a picture that lies in the address itself.
fn picture(pixels: &[[u8; 4]]) -> Option<String> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, CELLS[0] as u32, CELLS[1] as u32);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(pixels.as_flattened()).ok()?;
    writer.finish().ok()?;
    Some(format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes)))
}

/// An object in words.
fn describe(objects: &Objects, wanted: &PlotRequest, row: u32) -> String {
    let table = &wanted.table;
    let mut text = objects.label(row).map_or(format!("Row {}", row + 1), |label| format!("Object {label}"));
    for name in &wanted.columns {
        if let Some(column) = Column::of(table, name) {
            let unit = Some(table.unit(name)).filter(|u| *u != "1").unwrap_or("");
            text += &format!("\n{} {} {unit}", spoken(name), short(column.number(row)));
        }
    }
    text
}

/// A box with its whiskers.
fn boxed(painter: &Painter, axes: &Axes, boxed: &Boxed, (middle, wide): (f32, f32), visuals: &egui::Visuals) {
    let y = |v: f64| axes.at([0.0, v]).y;
    let half = (wide * 0.3).min(36.0);
    let stroke = Stroke::new(1.0, visuals.text_color());
    let [q1, median, q3] = boxed.quartiles.map(y);
    for (whisker, from) in [(boxed.whiskers[0], q1), (boxed.whiskers[1], q3)] {
        painter.line_segment([pos2(middle, from), pos2(middle, y(whisker))], stroke);
        let end = [pos2(middle - half / 2.0, y(whisker)), pos2(middle + half / 2.0, y(whisker))];
        painter.line_segment(end, stroke);
    }
    let rect = Rect::from_min_max(pos2(middle - half, q3), pos2(middle + half, q1));
    painter.rect(rect, 0.0, ACCENT.gamma_multiply(0.35), stroke, StrokeKind::Middle);
    painter.line_segment([pos2(rect.left(), median), pos2(rect.right(), median)], Stroke::new(2.0, ACCENT));
    for far in &boxed.far {
        painter.circle_filled(pos2(middle, y(*far)), 1.5, visuals.text_color().gamma_multiply(0.7));
    }
}

/// Axes of a plot on the screen.
#[derive(Clone, Copy)]
struct Axes {
    rect: Rect,
    /// Least and greatest along x and y, logarithms where an axis has them.
    range: [[f64; 2]; 2],
    log: [bool; 2],
}

impl Axes {
    /// Fractions along x and y of a screen position.
    fn part(&self, pos: Pos2) -> [f64; 2] {
        let rect = self.rect;
        [f64::from((pos.x - rect.left()) / rect.width()), f64::from((rect.bottom() - pos.y) / rect.height())]
    }

    /// Screen position of fractions along x and y.
    fn on_screen(&self, [x, y]: [f64; 2]) -> Pos2 {
        let rect = self.rect;
        pos2(rect.left() + x as f32 * rect.width(), rect.bottom() - y as f32 * rect.height())
    }

    /// Values at parts of the way.
    fn value(&self, part: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|a| self.range[a][0] + part[a] * (self.range[a][1] - self.range[a][0]))
    }

    /// Screen position of values.
    fn at(&self, value: [f64; 2]) -> Pos2 {
        self.on_screen([0, 1].map(|a| (value[a] - self.range[a][0]) / (self.range[a][1] - self.range[a][0])))
    }

    /// Round values along an axis, as the axis has them, with their names.
    fn ticks(&self, axis: usize, most: usize) -> Vec<(f64, String)> {
        let [low, high] = self.range[axis];
        if self.log[axis] && high - low >= 1.0 {
            let every = ((high - low) / most as f64).ceil().max(1.0);
            let first = (low / every).ceil() as i64;
            let ticks = (first..).map(|i| i as f64 * every).take_while(|v| *v <= high);
            return ticks.map(|v| (v, short(10f64.powf(v)))).collect();
        }
        let mut step = round_length((high - low) / most as f64);
        while (high - low) / step > most as f64 {
            step = round_length(step * 2.6);
        }
        let first = (low / step).ceil() as i64;
        let ticks = (first..).map(|i| i as f64 * step).take_while(|v| *v <= high);
        ticks.map(|v| (v, short(if self.log[axis] { 10f64.powf(v) } else { v }))).collect()
    }

    /// Axes with their ticks and names; none where an axis has groups.
    fn paint(&self, painter: &Painter, visuals: &egui::Visuals, titles: [Option<&str>; 2]) {
        let rect = self.rect;
        let grid = Stroke::new(1.0, visuals.weak_text_color().gamma_multiply(0.25));
        let font = FontId::proportional(11.0);
        let (text, strong) = (visuals.text_color(), visuals.strong_text_color());
        if let Some(title) = titles[0] {
            for (value, name) in self.ticks(0, (rect.width() / 90.0).max(1.0) as usize) {
                let x = self.at([value, self.range[1][0]]).x;
                painter.vline(x, rect.y_range(), grid);
                painter.text(pos2(x, rect.bottom() + 3.0), Align2::CENTER_TOP, name, font.clone(), text);
            }
            painter.text(
                pos2(rect.center().x, rect.bottom() + 18.0),
                Align2::CENTER_TOP,
                title,
                font.clone(),
                strong,
            );
        }
        if let Some(title) = titles[1] {
            for (value, name) in self.ticks(1, (rect.height() / 26.0).max(1.0) as usize) {
                let y = self.at([self.range[0][0], value]).y;
                painter.hline(rect.x_range(), y, grid);
                painter.text(pos2(rect.left() - 5.0, y), Align2::RIGHT_CENTER, name, font.clone(), text);
            }
            painter.text(
                pos2(rect.left() - LEFT + 6.0, rect.top() - 4.0),
                Align2::LEFT_BOTTOM,
                title,
                font,
                strong,
            );
        }
    }
}
