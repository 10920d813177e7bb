//! JPEG chunks: abbreviated streams that share the tables of their page.
//!
//! Source: TIFF Technical Note 2 (1995).

use super::page::Page;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

const YCBCR: u64 = 6;

/// Decodes one chunk. Colour is turned to RGB where the page says that it is `YCbCr`, and is left
/// alone otherwise.
pub(super) fn decode(
    page: &Page,
    raw: &[u8],
    rows: usize,
    tables: Option<&[u8]>,
    expected: usize,
) -> Result<Vec<u8>, String> {
    let stream = join(raw, tables);
    let samples = page.samples_in_chunk();
    let damaged = |e: &dyn std::fmt::Display| format!("JPEG data is damaged: {e}");
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(page.chunk[0].next_multiple_of(16).max(64))
        .set_max_height(page.chunk[1].max(rows).next_multiple_of(16).max(64));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(stream.as_slice()), options);
    decoder.decode_headers().map_err(|e| damaged(&e))?;
    let (width, height) = decoder.dimensions().ok_or("JPEG data has no size")?;
    let input = decoder.input_colorspace().ok_or("JPEG data has no colour space")?;
    let output =
        if input == ColorSpace::YCbCr && page.photometric == YCBCR { ColorSpace::RGB } else { input };
    if output.num_components() != samples {
        return Err(format!(
            "the JPEG image has {} components where SamplesPerPixel asks for {samples}",
            output.num_components()
        ));
    }
    if width < page.chunk[0] || height < rows {
        return Err(format!("the JPEG image is {width}×{height}, the chunk {}×{rows}", page.chunk[0]));
    }
    decoder.set_options(options.jpeg_set_out_colorspace(output));
    let pixels = decoder.decode().map_err(|e| damaged(&e))?;
    if pixels.len() < width * height * samples {
        return Err(format!("JPEG data ends after {} of {expected} bytes", pixels.len()));
    }
    if width == page.chunk[0] {
        let mut pixels = pixels;
        pixels.truncate(expected);
        return Ok(pixels);
    }
    Ok(pixels
        .chunks_exact(width * samples)
        .take(rows)
        .flat_map(|row| &row[..page.chunk[0] * samples])
        .copied()
        .collect())
}

/// The tables without their end marker, then the stream without its start marker.
fn join(raw: &[u8], tables: Option<&[u8]>) -> Vec<u8> {
    const START: [u8; 2] = [0xff, 0xd8];
    const END: [u8; 2] = [0xff, 0xd9];
    let tables = tables.unwrap_or_default();
    if !tables.starts_with(&START) {
        return raw.to_vec();
    }
    let mut stream = tables.strip_suffix(&END).unwrap_or(tables).to_vec();
    stream.extend_from_slice(raw.strip_prefix(&START).unwrap_or(raw));
    stream
}
