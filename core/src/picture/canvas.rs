//! A small RGB picture with text and rectangles.

use crate::error::PathContext;
use crate::io::atomic::AtomicFile;
use crate::{Error, Result};
use font8x8::UnicodeFonts;
use std::io::{BufWriter, Write};
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

    /// Writes text with its upper left corner at `x, y`, with a dark rim so that it reads on any ground. A glyph
    /// is `8 · scale` pixels wide.
    pub fn text(&mut self, x: usize, y: usize, text: &str, scale: usize, color: [u8; 3]) {
        let rim = scale.div_ceil(2);
        for (dx, dy) in [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2), (1, 2), (2, 2)] {
            self.plain_text(
                (x + dx * rim).saturating_sub(rim),
                (y + dy * rim).saturating_sub(rim),
                text,
                scale,
                [0; 3],
            );
        }
        self.plain_text(x, y, text, scale, color);
    }

    /// Writes text without a rim.
    pub fn plain_text(&mut self, x: usize, y: usize, text: &str, scale: usize, color: [u8; 3]) {
        for (i, c) in text.chars().enumerate() {
            let glyph = font8x8::BASIC_FONTS.get(c).or_else(|| font8x8::LATIN_FONTS.get(c)).unwrap_or([0; 8]);
            for (row, bits) in glyph.iter().enumerate() {
                for column in (0..8).filter(|b| bits >> b & 1 == 1) {
                    self.fill(x + (i * 8 + column) * scale, y + row * scale, scale, scale, color);
                }
            }
        }
    }

    /// Writes the picture as PNG; it appears under its name when it is complete.
    ///
    /// # Errors
    /// If the name doesn't end in `.png` or the file can't be written.
    pub fn save_png(&self, path: &Path) -> Result<()> {
        check_name(path)?;
        let file = AtomicFile::create(path)?;
        let mut to = BufWriter::new(file.file());
        self.encode(&mut to).map_err(|e| match e {
            png::EncodingError::IoError(e) => Error::io(path, e),
            e => Error::file(path, e.to_string()),
        })?;
        to.flush().at(path)?;
        drop(to);
        file.commit()
    }

    fn encode(&self, to: &mut dyn Write) -> Result<(), png::EncodingError> {
        let mut encoder = png::Encoder::new(to, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        // Pictures of noise hardly shrink any further, in ten times the time.
        encoder.set_deflate_compression(png::DeflateCompression::Level(1));
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()
    }
}

/// Whether a picture can have this name.
///
/// # Errors
/// If it doesn't end in `.png`.
pub fn check_name(path: &Path) -> Result<()> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        return Ok(());
    }
    Err(Error::file(path, "a picture is written as .png"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_a_png_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let canvas = Canvas::new(3, 2, [1, 2, 3]);
        assert!(canvas.save_png(&folder.path().join("a.jpg")).is_err());
        assert!(canvas.save_png(&folder.path().join("missing/a.png")).is_err());
        canvas.save_png(&folder.path().join("a.png")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
