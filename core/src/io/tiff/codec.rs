//! From the compressed bytes of a chunk to its decoded bytes. Nothing is decoded beyond what the
//! header says a chunk holds: streams that go on are cut there, as libtiff cuts them.

use super::ccitt::{self, Scheme};
use super::page::{Compression, Page};
use std::io::Read;

/// Decodes a chunk of `rows` rows to exactly [`Page::chunk_bytes`] bytes. `tables` are the JPEG
/// tables that chunks of a page share.
///
/// # Errors
/// A sentence without path or page, which the caller knows.
pub(super) fn decompress(
    page: &Page,
    mut raw: Vec<u8>,
    rows: usize,
    tables: Option<&[u8]>,
) -> Result<Vec<u8>, String> {
    let expected =
        page.chunk_bytes(rows).and_then(|n| usize::try_from(n).ok()).ok_or("a chunk is too large")?;
    let is_jpeg = matches!(page.compression, Compression::Jpeg | Compression::OldJpeg);
    if page.reversed_bits && !is_jpeg {
        for byte in &mut raw {
            *byte = byte.reverse_bits();
        }
    }
    let fax = |scheme| ccitt::decode(&raw, scheme, page.chunk[0], rows);
    match page.compression {
        Compression::None => {
            if raw.len() < expected {
                return Err(short("uncompressed data", raw.len(), expected));
            }
            raw.truncate(expected);
            Ok(raw)
        }
        Compression::Deflate => filled("Deflate", expected, |out| inflate(&raw, out)),
        Compression::Lzw => filled("LZW", expected, |out| lzw(&raw, out)),
        Compression::PackBits => filled("PackBits", expected, |out| Ok(pack_bits(&raw, out))),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(raw.as_slice()).map_err(|e| e.to_string())?;
            decoder.window_log_max(27).map_err(|e| e.to_string())?;
            filled("Zstandard", expected, |out| fill(&mut decoder, out))
        }
        Compression::Lzma => {
            check_xz_dictionary(&raw)?;
            let mut decoder = lzma_rust2::XzReader::new(raw.as_slice(), false);
            filled("LZMA", expected, |out| fill(&mut decoder, out))
        }
        Compression::Jpeg | Compression::OldJpeg => super::jpeg::decode(page, &raw, rows, tables, expected),
        Compression::WebP => web_p(page, &raw, rows, expected),
        Compression::Rle => fax(Scheme::Rle),
        Compression::Fax3 => fax(Scheme::Group3 { two_dimensional: page.t4_options & 1 == 1 }),
        Compression::Fax4 => fax(Scheme::Group4),
    }
}

fn short(what: &str, have: usize, expected: usize) -> String {
    format!("{what} ends after {have} of {expected} bytes")
}

fn filled(
    what: &str,
    expected: usize,
    decode: impl FnOnce(&mut [u8]) -> Result<usize, String>,
) -> Result<Vec<u8>, String> {
    let mut out = vec![0; expected];
    match decode(&mut out) {
        Ok(n) if n == expected => Ok(out),
        Ok(n) => Err(short(&format!("{what} data"), n, expected)),
        Err(reason) => Err(format!("{what} data is damaged: {reason}")),
    }
}

fn fill(source: &mut impl Read, out: &mut [u8]) -> Result<usize, String> {
    let mut done = 0;
    while done < out.len() {
        match source.read(&mut out[done..]) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.to_string()),
        }
    }
    Ok(done)
}

fn inflate(raw: &[u8], out: &mut [u8]) -> Result<usize, String> {
    use flate2::{Decompress, FlushDecompress, Status};
    let mut decoder = Decompress::new(true);
    loop {
        let (read, written) = (decoder.total_in(), decoder.total_out());
        let status = decoder
            .decompress(&raw[read as usize..], &mut out[written as usize..], FlushDecompress::None)
            .map_err(|e| e.to_string());
        let done = decoder.total_out() as usize;
        if done == out.len() {
            // What follows (the checksum, or the surplus that some writers leave in the last
            // strip) is not asked for.
            return Ok(done);
        }
        match status? {
            Status::StreamEnd => return Ok(done),
            _ if decoder.total_in() == read && decoder.total_out() == written => return Ok(done),
            _ => {}
        }
    }
}

fn lzw(raw: &[u8], out: &mut [u8]) -> Result<usize, String> {
    use weezl::{BitOrder, LzwStatus, decode::Configuration};
    // Before TIFF 5.0 codes were packed from the low bit and grew one code later; such data begins
    // with the clear code 256 packed from the low bit.
    let old = raw.len() >= 2 && raw[0] == 0 && raw[1] & 1 == 1;
    let mut decoder = if old {
        Configuration::new(BitOrder::Lsb, 8)
    } else {
        Configuration::with_tiff_size_switch(BitOrder::Msb, 8)
    }
    .with_yield_on_full_buffer(true)
    .build();
    let (mut read, mut written) = (0, 0);
    while written < out.len() {
        let step = decoder.decode_bytes(&raw[read..], &mut out[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        match step.status {
            Ok(LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) => break,
            Err(e) => return if written == out.len() { Ok(written) } else { Err(e.to_string()) },
        }
    }
    Ok(written)
}

fn pack_bits(raw: &[u8], out: &mut [u8]) -> usize {
    let (mut read, mut written) = (0, 0);
    while written < out.len() && read < raw.len() {
        let head = raw[read] as i8;
        read += 1;
        if head >= 0 {
            let n = (head as usize + 1).min(out.len() - written).min(raw.len() - read);
            out[written..written + n].copy_from_slice(&raw[read..read + n]);
            read += n;
            written += n;
        } else if head != -128 && read < raw.len() {
            let n = (1 - isize::from(head)) as usize;
            let n = n.min(out.len() - written);
            out[written..written + n].fill(raw[read]);
            read += 1;
            written += n;
        }
    }
    written
}

/// Refuses dictionaries that no TIFF writer asks for: their size is taken from the header, and
/// allocated.
fn check_xz_dictionary(raw: &[u8]) -> Result<(), String> {
    const LARGEST: u64 = 128 << 20;
    // Stream header (12 bytes), then the block header: size, flags, optional sizes, filters.
    let cut = || "the LZMA header is cut off".to_owned();
    let flags = *raw.get(13).ok_or_else(cut)?;
    let mut at = 14;
    let number = |at: &mut usize| -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = *raw.get(*at).ok_or_else(cut)?;
            *at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(cut())
    };
    for bit in [0x40, 0x80] {
        if flags & bit != 0 {
            number(&mut at)?;
        }
    }
    for _ in 0..=(flags & 3) {
        let id = number(&mut at)?;
        let size = number(&mut at)?;
        if id == 0x21 {
            let code = u64::from(*raw.get(at).ok_or_else(cut)?);
            let dictionary = if code >= 40 { u64::MAX } else { (2 | (code & 1)) << (code / 2 + 11) };
            if dictionary > LARGEST {
                return Err(format!(
                    "the LZMA dictionary would have {dictionary} bytes; at most {LARGEST} are allowed"
                ));
            }
        }
        at = at.saturating_add(usize::try_from(size).map_err(|_| cut())?);
    }
    Ok(())
}

fn web_p(page: &Page, raw: &[u8], rows: usize, expected: usize) -> Result<Vec<u8>, String> {
    let damaged = |e: image_webp::DecodingError| format!("WebP data is damaged: {e}");
    let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(raw)).map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if (width as usize, height as usize) != (page.chunk[0], rows) {
        return Err(format!("the WebP image is {width}×{height}, the chunk {}×{rows}", page.chunk[0]));
    }
    let samples = if decoder.has_alpha() { 4 } else { 3 };
    let wanted = page.samples_in_chunk();
    if samples > wanted || !(3..=4).contains(&wanted) {
        return Err(format!("the WebP image has {samples} samples, the page {wanted}"));
    }
    decoder.set_memory_limit(expected.saturating_mul(8).max(1 << 20));
    let size = decoder.output_buffer_size().ok_or("the WebP image is too large")?;
    if size != page.chunk[0] * rows * samples {
        return Err(format!("the WebP image has {size} bytes"));
    }
    let mut pixels = vec![0; size];
    decoder.read_image(&mut pixels).map_err(damaged)?;
    if samples == wanted {
        return Ok(pixels);
    }
    // Opaque: encoders leave such an alpha channel out.
    Ok(pixels.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect())
}
