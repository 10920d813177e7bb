//! The fax codes: modified Huffman (compression 2), Group 3 in one and two dimensions, Group 4.
//!
//! Source: ITU-T Recommendations T.4 and T.6; TIFF 6.0, sections 10 and 11. The code tables are
//! those of the `fax` crate.

use fax::maps::{Mode, black, mode, white};
use fax::{BitReader, Color};

/// Which of the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// One-dimensional rows that each begin on a byte, without end-of-line codes.
    Rle,
    /// Group 3; whether rows may be coded in two dimensions.
    Group3 { two_dimensional: bool },
    /// Group 4.
    Group4,
}

struct CodeReader<'a> {
    data: &'a [u8],
    /// Position in bits.
    at: usize,
}

impl BitReader for CodeReader<'_> {
    type Error = ();

    fn peek(&self, bits: u8) -> Option<u16> {
        let byte = self.at / 8;
        if byte >= self.data.len() {
            return None;
        }
        let get = |i: usize| u32::from(self.data.get(byte + i).copied().unwrap_or(0));
        let word = get(0) << 16 | get(1) << 8 | get(2);
        Some(((word >> (24 - self.at % 8 - usize::from(bits))) & ((1 << bits) - 1)) as u16)
    }

    fn consume(&mut self, bits: u8) -> Result<(), ()> {
        self.at += usize::from(bits);
        Ok(())
    }

    fn bits_to_byte_boundary(&self) -> u8 {
        ((8 - self.at % 8) % 8) as u8
    }
}

impl CodeReader<'_> {
    fn ended(&self) -> bool {
        self.at >= 8 * self.data.len()
    }

    fn run(&mut self, color: Color) -> Option<usize> {
        let mut sum = 0;
        loop {
            let n = match color {
                Color::White => white::decode(self)?,
                Color::Black => black::decode(self)?,
            };
            sum += usize::from(n);
            if n < 64 {
                return Some(sum);
            }
        }
    }

    /// Skips fill bits and an end-of-line code, if they are next.
    fn skip_end_of_line(&mut self) -> bool {
        let mut zeros = 0;
        let mut at = self.at;
        let total = 8 * self.data.len();
        while at < total && self.data[at / 8] >> (7 - at % 8) & 1 == 0 {
            zeros += 1;
            at += 1;
        }
        let found = zeros >= 11 && at < total;
        if found {
            self.at = at + 1;
        }
        found
    }

    /// One row coded in one dimension; the positions at which the colour changes, from white.
    fn row_1d(&mut self, width: usize, row: &mut Vec<usize>) -> Option<()> {
        row.clear();
        let mut x = 0;
        let mut color = Color::White;
        while x < width {
            x += self.run(color)?;
            row.push(x.min(width));
            color = !color;
        }
        Some(())
    }

    /// One row coded relative to the one above. `None` at the end of the data or at a code that
    /// does not exist.
    fn row_2d(&mut self, width: usize, above: &[usize], row: &mut Vec<usize>) -> Option<()> {
        row.clear();
        // a0 is before the first pixel at first, so that a change at pixel 0 above counts.
        let mut a0: Option<usize> = None;
        let mut color = Color::White;
        let mut cursor = 0usize;
        while a0.unwrap_or(0) < width {
            // b1: the first change above, right of a0, towards the colour opposite to this one.
            // Changes at even positions in the list are towards black.
            let parity = usize::from(color == Color::Black);
            cursor = cursor.saturating_sub(2);
            while above.get(cursor).is_some_and(|&b| cursor % 2 != parity || a0.is_some_and(|a| b <= a)) {
                cursor += 1;
            }
            let b1 = above.get(cursor).copied().unwrap_or(width);
            match mode::decode(self)? {
                Mode::Pass => a0 = Some(above.get(cursor + 1).copied().unwrap_or(width)),
                Mode::Vertical(delta) => {
                    let a1 = b1.checked_add_signed(isize::from(delta))?;
                    if a1 < a0.unwrap_or(0) {
                        return None;
                    }
                    row.push(a1.min(width));
                    a0 = Some(a1);
                    color = !color;
                }
                Mode::Horizontal => {
                    let a1 = a0.unwrap_or(0) + self.run(color)?;
                    let a2 = a1 + self.run(!color)?;
                    row.push(a1.min(width));
                    row.push(a2.min(width));
                    a0 = Some(a2);
                }
                Mode::Extension | Mode::EOF => return None,
            }
        }
        Some(())
    }
}

/// Decodes `rows` rows of `width` pixels to packed bits, rows padded to bytes; black is 1.
pub(super) fn decode(data: &[u8], scheme: Scheme, width: usize, rows: usize) -> Result<Vec<u8>, String> {
    let stride = width.div_ceil(8);
    let mut out = vec![0; stride * rows];
    let mut bits = CodeReader { data, at: 0 };
    let (mut above, mut row) = (Vec::new(), Vec::new());
    let mut done = 0;
    while done < rows && !bits.ended() {
        let decoded = match scheme {
            Scheme::Rle => {
                bits.at = bits.at.next_multiple_of(8);
                bits.row_1d(width, &mut row)
            }
            Scheme::Group4 => bits.row_2d(width, &above, &mut row),
            Scheme::Group3 { two_dimensional } => {
                bits.skip_end_of_line();
                let one = !two_dimensional || {
                    let tag = bits.peek(1).unwrap_or(1);
                    bits.at += 1;
                    tag == 1
                };
                if one { bits.row_1d(width, &mut row) } else { bits.row_2d(width, &above, &mut row) }
            }
        };
        if decoded.is_none() {
            break;
        }
        paint(&row, width, &mut out[done * stride..][..stride]);
        std::mem::swap(&mut above, &mut row);
        done += 1;
    }
    if done < rows { Err(format!("the fax code ends after {done} of {rows} rows")) } else { Ok(out) }
}

/// Sets the bits between odd and even changes of colour.
fn paint(row: &[usize], width: usize, out: &mut [u8]) {
    for pair in row.chunks(2) {
        let (start, end) = (pair[0].min(width), pair.get(1).copied().unwrap_or(width).min(width));
        if start >= end {
            continue;
        }
        let (first, last) = (start / 8, (end - 1) / 8);
        let head = 0xff >> (start % 8);
        let tail = 0xff << (7 - (end - 1) % 8);
        if first == last {
            out[first] |= head & tail;
        } else {
            out[first] |= head;
            out[first + 1..last].fill(0xff);
            out[last] |= tail;
        }
    }
}
