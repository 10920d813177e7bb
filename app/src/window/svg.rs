//! Conversion of egui shapes to SVG 1.1, which drawing programs can edit.

use egui::epaint::{ColorMode, Mesh, PathShape, RectShape, TextShape};
use egui::{Color32, Shape, StrokeKind, TextureId, Vec2};
use std::fmt::Write;

/// Shapes of a picture of `size` points; what has a texture of its own is `image`, the address of a picture.
pub fn svg(size: Vec2, shapes: impl IntoIterator<Item = Shape>, image: Option<&str>) -> String {
    let [w, h] = [size.x, size.y].map(number);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{w}\" \
         height=\"{h}\" viewBox=\"0 0 {w} {h}\" font-family=\"Ubuntu, Helvetica, Arial, sans-serif\">\n"
    );
    shapes.into_iter().for_each(|shape| add(&mut text, &shape, image));
    text + "</svg>\n"
}

/// A number with two digits at most behind the point.
fn number(v: f32) -> String {
    let text = format!("{v:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A colour of what `part` says: `fill` or `stroke`.
fn paint(part: &str, colour: Color32) -> String {
    let [r, g, b, a] = colour.to_srgba_unmultiplied();
    if a == 0 {
        return format!(" {part}=\"none\"");
    }
    let opacity =
        if a < 255 { format!(" {part}-opacity=\"{}\"", number(f32::from(a) / 255.0)) } else { String::new() };
    format!(" {part}=\"#{r:02x}{g:02x}{b:02x}\"{opacity}")
}

fn line(width: f32, colour: Color32) -> String {
    if width <= 0.0 {
        String::new()
    } else {
        format!("{} stroke-width=\"{}\"", paint("stroke", colour), number(width))
    }
}

// Writing to a string cannot fail.
fn add(text: &mut String, shape: &Shape, image: Option<&str>) {
    match shape {
        Shape::Vec(shapes) => shapes.iter().for_each(|shape| add(text, shape, image)),
        Shape::Circle(c) => {
            let [x, y, r] = [c.center.x, c.center.y, c.radius].map(number);
            let look = paint("fill", c.fill) + &line(c.stroke.width, c.stroke.color);
            let _ = writeln!(text, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\"{look}/>");
        }
        Shape::LineSegment { points: [a, b], stroke } => {
            let [x1, y1, x2, y2] = [a.x, a.y, b.x, b.y].map(number);
            let look = line(stroke.width, stroke.color);
            let _ = writeln!(text, "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"{look}/>");
        }
        Shape::Path(path) => add_path(text, path),
        Shape::Rect(rect) => add_rect(text, rect),
        Shape::Text(words) => add_text(text, words),
        Shape::Mesh(mesh) if mesh.texture_id == TextureId::default() => add_mesh(text, mesh),
        Shape::Mesh(mesh) => {
            let rect = mesh.calc_bounds();
            let [x, y, w, h] = [rect.min.x, rect.min.y, rect.width(), rect.height()].map(number);
            if let Some(image) = image {
                let _ = writeln!(
                    text,
                    "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\" \
                     image-rendering=\"pixelated\" xlink:href=\"{image}\"/>"
                );
            }
        }
        // Nothing of ours paints with the others.
        _ => {}
    }
}

fn add_path(text: &mut String, path: &PathShape) {
    let points: Vec<String> =
        path.points.iter().map(|p| format!("{},{}", number(p.x), number(p.y))).collect();
    let name = if path.closed { "polygon" } else { "polyline" };
    let colour = if let ColorMode::Solid(colour) = path.stroke.color { colour } else { Color32::TRANSPARENT };
    let look = paint("fill", path.fill) + &line(path.stroke.width, colour);
    let _ = writeln!(text, "<{name} points=\"{}\"{look}/>", points.join(" "));
}

fn add_rect(text: &mut String, shape: &RectShape) {
    // Lines of SVG lie in the middle of an edge.
    let out = match shape.stroke_kind {
        StrokeKind::Outside => shape.stroke.width / 2.0,
        StrokeKind::Middle => 0.0,
        StrokeKind::Inside => -shape.stroke.width / 2.0,
    };
    let rect = shape.rect.expand(out);
    let [x, y, w, h] = [rect.min.x, rect.min.y, rect.width(), rect.height()].map(number);
    let look = paint("fill", shape.fill) + &line(shape.stroke.width, shape.stroke.color);
    let _ = writeln!(text, "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"{look}/>");
}

fn add_text(text: &mut String, shape: &TextShape) {
    let Some(section) = shape.galley.job.sections.first() else { return };
    let colour = match section.format.color {
        Color32::PLACEHOLDER => shape.fallback_color,
        colour => colour,
    };
    let (look, size) = (paint("fill", colour), number(section.format.font_id.size));
    for row in &shape.galley.rows {
        let words: String = row.glyphs.iter().map(|glyph| glyph.chr).collect();
        let Some(glyph) = row.glyphs.first() else { continue };
        let at = shape.pos + row.pos.to_vec2() + glyph.pos.to_vec2();
        let [x, y, wide] = [at.x, at.y, row.size.x].map(number);
        let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        // As wide as it is in the window, in whatever letters there are.
        let _ = writeln!(
            text,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" textLength=\"{wide}\" \
             lengthAdjust=\"spacingAndGlyphs\"{look}>{words}</text>"
        );
    }
}

/// Triangles of one colour each, two and two of them as squares where they are.
fn add_mesh(text: &mut String, mesh: &Mesh) {
    for square in mesh.indices.chunks(6) {
        let mut corners: Vec<u32> = square.to_vec();
        corners.sort_unstable();
        corners.dedup();
        let corners: Vec<_> = corners.iter().filter_map(|i| mesh.vertices.get(*i as usize)).collect();
        let Some(colour) = corners.first().map(|c| c.color) else { continue };
        let mut rect = egui::Rect::NOTHING;
        corners.iter().for_each(|corner| rect.extend_with(corner.pos));
        let [x, y, w, h] = [rect.min.x, rect.min.y, rect.width(), rect.height()].map(number);
        let look = paint("fill", colour);
        let _ = writeln!(text, "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"{look}/>");
    }
}
