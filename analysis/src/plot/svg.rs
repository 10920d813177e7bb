//! Drawing of lines, areas and letters: SVG 1.1 that any program for drawings can change.

use std::fmt::Write;

/// Drawing in the making; lengths are points.
#[derive(Debug)]
pub struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Place of a text beside its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// To the right of it.
    Start,
    /// Around it.
    Middle,
    /// To the left of it.
    End,
}

/// Number with two digits at most.
fn n(v: f64) -> String {
    let text = format!("{v:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text with its special characters escaped.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

// Writing to a string cannot fail.
impl Svg {
    /// Drawing on white.
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    /// Line.
    pub fn line(&mut self, [x1, y1, x2, y2]: [f64; 4], colour: &str, width: f64) {
        let _ = writeln!(
            self.body,
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"{colour}\" stroke-width=\"{}\"/>",
            n(x1),
            n(y1),
            n(x2),
            n(y2),
            n(width)
        );
    }

    /// Dashed line.
    pub fn dashed(&mut self, [x1, y1, x2, y2]: [f64; 4], colour: &str) {
        let _ = writeln!(
            self.body,
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"{colour}\" stroke-dasharray=\"5 3\"/>",
            n(x1),
            n(y1),
            n(x2),
            n(y2)
        );
    }

    /// Rectangle with an edge, or without where `edge` is "none".
    pub fn rect(&mut self, [x, y, w, h]: [f64; 4], fill: &str, edge: &str) {
        let _ = writeln!(
            self.body,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{fill}\" stroke=\"{edge}\"/>",
            n(x),
            n(y),
            n(w.max(0.0)),
            n(h.max(0.0))
        );
    }

    /// Disc with an edge and an opacity.
    pub fn disc(&mut self, x: f64, y: f64, r: f64, fill: &str, edge: &str, opacity: f64) {
        let _ = writeln!(
            self.body,
            "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{fill}\" stroke=\"{edge}\" opacity=\"{}\"/>",
            n(x),
            n(y),
            n(r),
            n(opacity)
        );
    }

    /// Text at a point, its baseline there.
    pub fn text(&mut self, x: f64, y: f64, text: &str, size: f64, anchor: Anchor, colour: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            self.body,
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{}</text>",
            n(x),
            n(y),
            n(size),
            escape(text)
        );
    }

    /// Text that reads upwards, centred on a point.
    pub fn upright(&mut self, x: f64, y: f64, text: &str, size: f64) {
        self.turned(x, y, text, size, -90.0, Anchor::Middle);
    }

    /// Text turned about its point.
    pub fn turned(&mut self, x: f64, y: f64, text: &str, size: f64, degrees: f64, anchor: Anchor) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            self.body,
            "<text font-size=\"{2}\" text-anchor=\"{anchor}\" fill=\"#333333\" \
             transform=\"translate({0} {1}) rotate({3})\">{4}</text>",
            n(x),
            n(y),
            n(size),
            n(degrees),
            escape(text)
        );
    }

    /// Drawing as a file.
    pub fn finish(&self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" \
             font-family=\"Helvetica, Arial, DejaVu Sans, sans-serif\">\n<rect width=\"{0}\" height=\"{1}\" \
             fill=\"#ffffff\"/>\n{2}</svg>\n",
            n(self.width),
            n(self.height),
            self.body
        )
    }
}
