//! Decoding chunks within bounds: a chunk may not decode to more than its array's metadata says,
//! whatever its own header promises.
//!
//! The codec chains that images have in practice are decoded here; `zarrs` decodes the rest.
//! Specifications: Zarr v2, Zarr v3 core and its codecs `bytes`, `transpose`, `sharding_indexed`,
//! `crc32c`, `gzip`, `zstd`, `blosc` (<https://zarr-specs.readthedocs.io/>).

use super::node::show;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Read;
use zarrs::array::codec::BloscCodec;
use zarrs::array::codec::{BloscCompressor, BloscShuffleMode};
use zarrs::array::{BytesRepresentation, BytesToBytesCodecTraits, CodecOptions};
use zarrs::storage::Bytes;

type Result<T> = std::result::Result<T, String>;

/// A step that turns bytes into bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Zstd,
    Gzip,
    Zlib,
    Blosc,
    Crc32c,
}

impl Step {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "zstd" | "numcodecs.zstd" => Self::Zstd,
            "gzip" | "numcodecs.gzip" => Self::Gzip,
            "zlib" | "numcodecs.zlib" => Self::Zlib,
            "blosc" | "numcodecs.blosc" => Self::Blosc,
            "crc32c" => Self::Crc32c,
            _ => return None,
        })
    }

    fn is_compressor(self) -> bool {
        self != Self::Crc32c
    }
}

/// A chain of codecs that is decoded here.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chain {
    /// The array axis that each stored axis is, slowest first.
    order: Vec<usize>,
    /// Whether samples are in the other byte order than this machine's.
    swap: bool,
    /// In the order of encoding.
    steps: Vec<Step>,
}

/// What is known of an array's codecs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Codecs {
    /// Names, in the order of encoding, for the inspector.
    pub(super) names: Vec<String>,
    /// The shape of inner chunks, if the array is sharded.
    pub(super) inner: Option<Vec<u64>>,
    /// The chain of a chunk (of an inner chunk, if sharded), if it is decoded here.
    pub(super) chain: Option<Chain>,
    /// Whether the index of a shard lies at its start.
    pub(super) index_at_start: bool,
    /// Whether a checksum follows the index of a shard.
    pub(super) index_checksum: bool,
}

fn name_of<'a>(codec: &'a Value, field: &str) -> &'a str {
    codec.get(field).or(Some(codec)).and_then(Value::as_str).unwrap_or_default()
}

impl Codecs {
    /// Reads the codecs of an array with `axes` axes from its metadata document.
    pub(super) fn of(document: &Map<String, Value>, zarr_format: u8, axes: usize) -> Result<Self> {
        if zarr_format == 2 { Self::v2(document, axes) } else { Self::v3(document, axes) }
    }

    fn v2(document: &Map<String, Value>, axes: usize) -> Result<Self> {
        let mut names = Vec::new();
        let mut plain = true;
        if let Some(Value::Array(filters)) = document.get("filters") {
            names.extend(filters.iter().map(|f| name_of(f, "id").to_owned()));
            plain = filters.is_empty();
        }
        let mut steps = Vec::new();
        if let Some(compressor) = document.get("compressor").filter(|c| !c.is_null()) {
            let name = name_of(compressor, "id");
            names.push(name.to_owned());
            if name == "lz4" {
                return Err("compressor \"lz4\" is not supported (lz4 within blosc is)".to_owned());
            }
            match Step::of(name) {
                Some(step) => steps.push(step),
                None => plain = false,
            }
        }
        let mut order: Vec<usize> = (0..axes).collect();
        if document.get("order").and_then(Value::as_str) == Some("F") {
            order.reverse();
        }
        let big = document.get("dtype").and_then(Value::as_str).is_some_and(|t| t.starts_with('>'));
        let chain = plain.then_some(Chain { order, swap: big != cfg!(target_endian = "big"), steps });
        let chain = chain.filter(|_| document.get("dtype").is_some_and(Value::is_string));
        Ok(Self { names, inner: None, chain, index_at_start: false, index_checksum: false })
    }

    fn v3(document: &Map<String, Value>, axes: usize) -> Result<Self> {
        let list = |from: Option<&Value>, what: &str| match from {
            Some(Value::Array(list)) => Ok(list.clone()),
            other => Err(format!("{what} should be a list, not {}", show(other))),
        };
        let outer = list(document.get("codecs"), "codecs")?;
        let names: Vec<String> = outer.iter().map(|c| name_of(c, "name").to_owned()).collect();
        let Some(sharding) = outer.iter().find(|c| name_of(c, "name") == "sharding_indexed") else {
            let chain = Chain::v3(&outer, axes);
            return Ok(Self { names, inner: None, chain, index_at_start: false, index_checksum: false });
        };
        let field = |name: &str| sharding.get("configuration").and_then(|c| c.get(name));
        let inner = super::array::sizes(field("chunk_shape"), "chunk_shape of sharding_indexed")?;
        let inside = list(field("codecs"), "codecs of sharding_indexed")?;
        let index = list(field("index_codecs"), "index_codecs of sharding_indexed")?;
        let index_names: Vec<&str> = index.iter().map(|c| name_of(c, "name")).collect();
        let little = index.first().and_then(|c| c.get("configuration")).and_then(|c| c.get("endian"));
        let plain_index = matches!(index_names.as_slice(), ["bytes"] | ["bytes", "crc32c"])
            && little.and_then(Value::as_str) == Some("little");
        let chain = Chain::v3(&inside, axes).filter(|_| outer.len() == 1 && plain_index);
        let names = names.into_iter().chain(inside.iter().map(|c| name_of(c, "name").to_owned())).collect();
        Ok(Self {
            names,
            inner: Some(inner),
            chain,
            index_at_start: field("index_location").and_then(Value::as_str) == Some("start"),
            index_checksum: index_names.len() == 2,
        })
    }
}

impl Chain {
    fn v3(codecs: &[Value], axes: usize) -> Option<Self> {
        let mut order: Vec<usize> = (0..axes).collect();
        let mut rest = codecs;
        while let Some(codec) = rest.first().filter(|c| name_of(c, "name") == "transpose") {
            let by = codec.get("configuration")?.get("order")?.as_array()?;
            let by: Vec<usize> = by.iter().map(|v| v.as_u64().map(|v| v as usize)).collect::<Option<_>>()?;
            let mut sorted = by.clone();
            sorted.sort_unstable();
            if sorted.len() != axes || sorted.iter().enumerate().any(|(i, v)| i != *v) {
                return None;
            }
            order = by.iter().map(|i| order[*i]).collect();
            rest = &rest[1..];
        }
        let (bytes, rest) = rest.split_first()?;
        if name_of(bytes, "name") != "bytes" {
            return None;
        }
        let endian = bytes.get("configuration").and_then(|c| c.get("endian")).and_then(Value::as_str);
        let big = endian == Some("big");
        let steps: Vec<Step> = rest.iter().map(|c| Step::of(name_of(c, "name"))).collect::<Option<_>>()?;
        let simple = steps.iter().filter(|s| s.is_compressor()).count() <= 1;
        simple.then_some(Self { order, swap: big != cfg!(target_endian = "big"), steps })
    }

    /// Whether a chunk is just its voxels.
    pub(super) fn is_raw(&self) -> bool {
        self.steps.is_empty()
    }

    /// The stride of each array axis in a decoded chunk of a shape.
    pub(super) fn strides(&self, shape: &[u64]) -> Vec<usize> {
        let mut strides = vec![1; shape.len()];
        let mut step = 1;
        for axis in self.order.iter().rev() {
            strides[*axis] = step;
            step *= shape[*axis] as usize;
        }
        strides
    }

    /// Decodes a chunk to exactly `expected` bytes of samples of `sample` bytes.
    pub(super) fn decode(&self, encoded: Bytes, expected: usize, sample: usize) -> Result<Bytes> {
        // Sizes after each step of encoding, where they are known: only checksums add to them.
        let mut sizes = vec![expected];
        for step in &self.steps {
            sizes.push(sizes[sizes.len() - 1] + if *step == Step::Crc32c { 4 } else { 0 });
        }
        let mut bytes = encoded;
        for (i, step) in self.steps.iter().enumerate().rev() {
            bytes = match step {
                Step::Crc32c => checked(&bytes)?,
                Step::Zstd => zstd(&bytes, sizes[i])?.into(),
                Step::Gzip => inflate(flate2::read::GzDecoder::new(&*bytes), bytes.len(), sizes[i])?.into(),
                Step::Zlib => inflate(flate2::read::ZlibDecoder::new(&*bytes), bytes.len(), sizes[i])?.into(),
                Step::Blosc => blosc(&bytes, sizes[i])?.into(),
            };
        }
        if bytes.len() != expected {
            return Err(format!("it holds {} bytes instead of {expected}", bytes.len()));
        }
        if self.swap && sample > 1 {
            let mut turned = bytes.to_vec();
            turned.chunks_exact_mut(sample).for_each(<[u8]>::reverse);
            bytes = turned.into();
        }
        Ok(bytes)
    }
}

thread_local! {
    static ZSTD: RefCell<Option<::zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// An empty buffer with room, or an error where there is none.
fn room(bytes: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    out.try_reserve_exact(bytes).map_err(|_| format!("there is no memory for its {bytes} bytes"))?;
    Ok(out)
}

fn zstd(encoded: &[u8], expected: usize) -> Result<Vec<u8>> {
    match zstd_content_size(encoded) {
        Some(promised) if promised > expected as u64 => {
            return Err(format!("zstd: it promises {promised} bytes instead of {expected}"));
        }
        Some(_) => {}
        // Without a promise, memory grows with what is really there.
        None => {
            let decoder = ::zstd::stream::read::Decoder::new(encoded).map_err(|e| format!("zstd: {e}"))?;
            return bounded(decoder, Vec::new(), expected).map_err(|e| format!("zstd: {e}"));
        }
    }
    let mut out = room(expected)?;
    ZSTD.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(::zstd::bulk::Decompressor::new().map_err(|e| e.to_string())?);
        }
        let Some(decompressor) = slot.as_mut() else { unreachable!("it was just made") };
        decompressor.decompress_to_buffer(encoded, &mut out).map_err(|e| format!("zstd: {e}"))?;
        Ok(out)
    })
}

/// The size that the first frame of a Zstandard stream promises, if it does (RFC 8878, 3.1.1.1).
pub(super) fn zstd_content_size(frame: &[u8]) -> Option<u64> {
    let (magic, rest) = frame.split_at_checked(4)?;
    if magic != [0x28, 0xb5, 0x2f, 0xfd] {
        return None;
    }
    let descriptor = *rest.first()?;
    let single_segment = descriptor & 0x20 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let at = 1 + usize::from(!single_segment) + dictionary;
    let length = match descriptor >> 6 {
        0 if single_segment => 1,
        0 => return None,
        n => 1 << n,
    };
    let mut bytes = [0; 8];
    bytes[..length].copy_from_slice(rest.get(at..at + length)?);
    Some(u64::from_le_bytes(bytes) + if length == 2 { 256 } else { 0 })
}

fn inflate(decoder: impl Read, encoded: usize, expected: usize) -> Result<Vec<u8>> {
    // Deflate cannot shrink anything to less than 1/1032 of its size.
    let out = room(expected.min(encoded.saturating_mul(1032)) + 1)?;
    bounded(decoder, out, expected).map_err(|e| format!("deflate: {e}"))
}

/// Reads what there is, but no more than one byte too many.
fn bounded(decoder: impl Read, mut out: Vec<u8>, expected: usize) -> std::io::Result<Vec<u8>> {
    decoder.take(expected as u64 + 1).read_to_end(&mut out)?;
    Ok(out)
}

fn blosc(encoded: &[u8], expected: usize) -> Result<Vec<u8>> {
    // Bytes 4 to 8 of the header: the number of decoded bytes; 12 to 16: of encoded ones.
    let field =
        |at: usize| encoded.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let (Some(decoded), Some(length)) = (field(4), field(12)) else {
        return Err(format!("blosc: {} bytes are shorter than a header", encoded.len()));
    };
    if decoded != expected {
        return Err(format!("blosc: it promises {decoded} bytes instead of {expected}"));
    }
    if length != encoded.len() {
        return Err(format!("blosc: it is {} bytes long instead of {length}", encoded.len()));
    }
    // To decode, the codec goes by the chunk's own header, not by these.
    let level = 1.try_into().map_err(|_| "blosc level".to_owned())?;
    let codec = BloscCodec::new(BloscCompressor::Zstd, level, None, BloscShuffleMode::NoShuffle, None)
        .map_err(|e| e.to_string())?;
    let size = BytesRepresentation::FixedSize(expected as u64);
    let options = CodecOptions::default().with_concurrent_target(1);
    let out = codec.decode(Cow::Borrowed(encoded), &size, &options).map_err(|e| format!("blosc: {e}"))?;
    Ok(out.into_owned())
}

fn checked(bytes: &Bytes) -> Result<Bytes> {
    let length = bytes.len().checked_sub(4).ok_or("it is shorter than its checksum")?;
    verify(&bytes[..length], &bytes[length..])?;
    Ok(bytes.slice(..length))
}

fn verify(bytes: &[u8], checksum: &[u8]) -> Result<()> {
    if checksum == crc32c(bytes).to_le_bytes() {
        Ok(())
    } else {
        Err("its checksum (crc32c) does not match".to_owned())
    }
}

/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78; RFC 3720, appendix B.4).
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0u32; 256];
        let mut i = 0;
        while i < 256 {
            let mut c = i as u32;
            let mut bit = 0;
            while bit < 8 {
                c = if c & 1 == 1 { (c >> 1) ^ 0x82F6_3B78 } else { c >> 1 };
                bit += 1;
            }
            table[i] = c;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(!0u32, |c, b| TABLE[((c ^ u32::from(*b)) & 0xff) as usize] ^ (c >> 8))
}

/// The index of a shard: where each inner chunk lies in it.
#[derive(Debug, PartialEq)]
pub(super) struct ShardIndex(Vec<(u64, u64)>);

impl ShardIndex {
    /// Decodes an index and holds its entries to the shard's length.
    pub(super) fn decode(bytes: &[u8], checksum: bool, shard_length: u64) -> Result<Self> {
        let entries = if checksum {
            let length = bytes.len().saturating_sub(4);
            verify(&bytes[..length], &bytes[length..]).map_err(|e| format!("index of the shard: {e}"))?;
            &bytes[..length]
        } else {
            bytes
        };
        let number = |b: &[u8]| u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
        let entries: Vec<_> = entries.chunks_exact(16).map(|e| (number(&e[..8]), number(&e[8..]))).collect();
        let outside = entries.iter().find(|(at, n)| {
            (*at, *n) != (u64::MAX, u64::MAX) && at.checked_add(*n).is_none_or(|e| e > shard_length)
        });
        match outside {
            Some((at, n)) => {
                Err(format!("index of the shard: {n} bytes from {at} lie beyond its {shard_length} bytes"))
            }
            None => Ok(Self(entries)),
        }
    }

    /// Start and length of an inner chunk; none if it was never written.
    pub(super) fn get(&self, i: usize) -> Option<(u64, u64)> {
        self.0.get(i).copied().filter(|e| *e != (u64::MAX, u64::MAX))
    }

    /// Number of inner chunks.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Bytes of the index of a shard of `chunks` inner chunks.
pub(super) fn index_length(chunks: u64, checksum: bool) -> Option<u64> {
    chunks.checked_mul(16)?.checked_add(if checksum { 4 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // RFC 3720, B.4: 32 bytes of zeros, and the ascending bytes.
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46DD_794E);
    }

    #[test]
    fn an_index_may_not_point_outside() {
        let entry = |at: u64, n: u64| [at.to_le_bytes(), n.to_le_bytes()].concat();
        assert!(ShardIndex::decode(&entry(0, 8), false, 8).is_ok());
        assert!(ShardIndex::decode(&entry(1, 8), false, 8).is_err());
        assert!(ShardIndex::decode(&entry(u64::MAX - 1, 8), false, 8).is_err());
        assert_eq!(ShardIndex::decode(&entry(u64::MAX, u64::MAX), false, 8).unwrap().get(0), None);
    }
}
