//! A small RGB picture with text and rectangles.

use crate::error::PathContext;
use crate::{Error, Result};
use font8x8::UnicodeFonts;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// An RGB picture, 8 bits a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas {
    /// Pixels along x.
    pub width: usize,
    /// Pixels along y.
    pub height: usize,
    /// `height × width × 3`.
    pub pixels: Vec<u8>,
}

impl Canvas {
    /// A picture of one colour.
    pub fn new(width: usize, height: usize, color: [u8; 3]) -> Self {
        Self { width, height, pixels: color.repeat(width * height) }
    }

    /// Sets a pixel; outside nothing happens.
    pub fn set(&mut self, x: usize, y: usize, color: [u8; 3]) {
        if x < self.width && y < self.height {
            let at = (y * self.width + x) * 3;
            self.pixels[at..at + 3].copy_from_slice(&color);
        }
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, color: [u8; 3]) {
        for row in y..(y + height).min(self.height) {
            for column in x..(x + width).min(self.width) {
                self.set(column, row, color);
            }
        }
    }

    /// Writes text with its upper left corner at `x, y`, on a dark shadow so that it reads on any
    /// ground. A glyph is `8 · scale` pixels wide.
    pub fn text(&mut self, x: usize, y: usize, text: &str, scale: usize, color: [u8; 3]) {
        self.glyphs(x + scale, y + scale, text, scale, [0; 3]);
        self.glyphs(x, y, text, scale, color);
    }

    /// Writes text without a shadow.
    pub fn plain_text(&mut self, x: usize, y: usize, text: &str, color: [u8; 3]) {
        self.glyphs(x, y, text, 1, color);
    }

    fn glyphs(&mut self, x: usize, y: usize, text: &str, scale: usize, color: [u8; 3]) {
        for (i, c) in text.chars().enumerate() {
            let glyph = font8x8::BASIC_FONTS.get(c).or_else(|| font8x8::LATIN_FONTS.get(c)).unwrap_or([0; 8]);
            for (row, bits) in glyph.iter().enumerate() {
                for column in (0..8).filter(|b| bits >> b & 1 == 1) {
                    self.fill(x + (i * 8 + column) * scale, y + row * scale, scale, scale, color);
                }
            }
        }
    }

    /// Writes the picture as PNG.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn save_png(&self, path: &Path) -> Result<()> {
        let file = BufWriter::new(File::create(path).at(path)?);
        let mut encoder = png::Encoder::new(file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let wrong = |e: png::EncodingError| Error::file(path, e.to_string());
        let mut writer = encoder.write_header().map_err(wrong)?;
        writer.write_image_data(&self.pixels).map_err(wrong)?;
        writer.finish().map_err(wrong)
    }
}

/// The colour of a label: stable, bright, and far from its neighbours' (hues a golden angle apart).
pub fn label_color(label: u32) -> [u8; 3] {
    let hue = (f64::from(label) * 0.618_033_988_749_895).fract() * 6.0;
    let value = if label.is_multiple_of(2) { 1.0 } else { 0.85 };
    let chroma = 0.75 * value;
    let x = chroma * (1.0 - (hue % 2.0 - 1.0).abs());
    let (r, g, b) = match hue as u32 {
        0 => (chroma, x, 0.0),
        1 => (x, chroma, 0.0),
        2 => (0.0, chroma, x),
        3 => (0.0, x, chroma),
        4 => (x, 0.0, chroma),
        _ => (chroma, 0.0, x),
    };
    [r, g, b].map(|c| ((c + value - chroma) * 255.0).round() as u8)
}
