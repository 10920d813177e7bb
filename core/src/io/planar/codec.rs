//! The encodings that a run of samples may be wrapped in.

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use std::io::{self, BufRead, Read};

/// How the bytes of a stream become samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// gzip, of one or several members.
    Gzip,
    /// zlib or gzip, told apart by the first bytes (MetaImage writers use both).
    Zlib,
    /// bzip2.
    Bzip2,
    /// Hexadecimal digits, two a byte, white space ignored.
    Hex,
}

impl Codec {
    /// The most bytes that `len` encoded bytes can become.
    pub fn longest(self, len: u64) -> u64 {
        match self {
            // A deflate match of 258 bytes takes two bits at least.
            Self::Gzip | Self::Zlib => len.saturating_mul(1032),
            // A block of up to 900 000 bytes takes some forty.
            Self::Bzip2 => len.saturating_mul(45_000),
            Self::Hex => len / 2,
        }
    }

    /// Wraps a reader.
    pub fn decoder(self, mut inner: impl BufRead + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(inner)),
            Self::Zlib if inner.fill_buf()?.first() == Some(&0x1f) => Box::new(MultiGzDecoder::new(inner)),
            Self::Zlib => Box::new(ZlibDecoder::new(inner)),
            Self::Bzip2 => Box::new(MultiBzDecoder::new(inner)),
            Self::Hex => Box::new(HexDecoder { inner }),
        })
    }
}

struct HexDecoder<R> {
    inner: R,
}

impl<R: BufRead> HexDecoder<R> {
    fn digit(&mut self) -> io::Result<Option<u8>> {
        loop {
            let Some(&byte) = self.inner.fill_buf()?.first() else { return Ok(None) };
            self.inner.consume(1);
            if byte.is_ascii_whitespace() {
                continue;
            }
            let digit = (byte as char).to_digit(16).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("\"{}\" is not a hexadecimal digit", byte.escape_ascii()),
                )
            })?;
            return Ok(Some(digit as u8));
        }
    }
}

impl<R: BufRead> Read for HexDecoder<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        for (i, out) in buf.iter_mut().enumerate() {
            let (Some(high), Some(low)) = (self.digit()?, self.digit()?) else { return Ok(i) };
            *out = high << 4 | low;
        }
        Ok(buf.len())
    }
}
