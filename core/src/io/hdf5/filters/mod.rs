//! Filters of chunks beyond those of the `hdf5-reader` crate, by their numbers in the HDF Group's registry of filters.
//!
//! A filter sees one stored chunk and doesn't know how large it may become: each is told the size of the largest chunk
//! that is read at all, and grows its output as it decodes, so that no count in a chunk is trusted.

mod bitshuffle;
mod lzf;

use hdf5_reader::error::Error;
use hdf5_reader::filters::FilterRegistry;
use hdf5_reader::messages::filter_pipeline::FilterDescription;
use std::io::Read;
use zarrs::array::codec::{blosc_decompress_bytes, blosc_validate};

type Decoded = Result<Vec<u8>, String>;

const BZIP2: u16 = 307;
const LZF: u16 = 32000;
const BLOSC: u16 = 32001;
const BITSHUFFLE: u16 = 32008;
const ZSTD: u16 = 32015;

/// The filters that are read: the crate's and ours.
pub(super) fn registry(largest_chunk: usize) -> FilterRegistry {
    let mut registry = FilterRegistry::new();
    let mut add = |id: u16, decode: fn(&FilterDescription, &[u8], usize) -> Decoded| {
        let decode = move |filter: &FilterDescription, chunk: &[u8], _: usize| {
            decode(filter, chunk, largest_chunk)
                .map_err(|reason| Error::DecompressionError(format!("{}: {reason}", name(id))))
        };
        registry.register(id, Box::new(decode));
    };
    add(LZF, |_, chunk, most| lzf::decompress(chunk, most));
    add(BITSHUFFLE, |filter, chunk, most| bitshuffle::decompress(&filter.client_data, chunk, most));
    add(BLOSC, |_, chunk, most| blosc(chunk, most));
    add(BZIP2, |_, chunk, most| stream(bzip2::read::MultiBzDecoder::new(chunk), most));
    add(ZSTD, |_, chunk, most| {
        let decoder = zstd::stream::read::Decoder::new(chunk).map_err(|e| e.to_string())?;
        stream(decoder, most)
    });
    registry
}

/// Whether chunks behind a filter can be read.
pub(super) fn is_known(id: u16) -> bool {
    matches!(id, 1..=6 | BZIP2 | LZF | BLOSC | 32004 | BITSHUFFLE | ZSTD)
}

/// The name of a filter for people.
pub(super) fn name(id: u16) -> String {
    let name = match id {
        1 => "deflate",
        2 => "shuffle",
        3 => "fletcher32",
        4 => "szip",
        5 => "nbit",
        6 => "scaleoffset",
        305 => "LZO",
        BZIP2 => "bzip2",
        LZF => "LZF",
        BLOSC => "blosc",
        32002 => "MAFISC",
        32003 => "Snappy",
        32004 => "LZ4",
        32005 => "APAX",
        32006 => "CBF",
        32007 => "JPEG-XR",
        BITSHUFFLE => "bitshuffle",
        32009 => "SPDP",
        32010 => "LPC-Rice",
        32011 => "CCSDS-123",
        32012 => "JPEG-LS",
        32013 => "ZFP",
        32014 => "FPZIP",
        ZSTD => "zstd",
        32016 => "B³D",
        32017 => "SZ",
        32018 => "FCIDECOMP",
        32019 => "JPEG",
        32022 => "granular BitRound",
        32024 => "SZ3",
        32026 => "blosc2",
        32027 => "FLAC",
        32028 => "SPERR",
        32029 => "TERSE/PROLIX",
        _ => return format!("filter {id}"),
    };
    name.to_owned()
}

/// A buffer of c-blosc 1.
fn blosc(chunk: &[u8], most: usize) -> Decoded {
    let size = blosc_validate(chunk).ok_or("the chunk is damaged")?;
    if size > most {
        return Err(format!("promises {size} bytes, more than a chunk may have"));
    }
    if size == 0 {
        return Ok(Vec::new());
    }
    Vec::<u8>::new().try_reserve_exact(size).map_err(|_| format!("no memory for {size} bytes"))?;
    blosc_decompress_bytes(chunk, size, 1).map_err(|_| "the chunk is damaged".to_owned())
}

fn stream(decoder: impl Read, most: usize) -> Decoded {
    let mut bytes = Vec::new();
    decoder.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() > most { Err("more bytes than a chunk may have".to_owned()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_end_at_the_largest_chunk() {
        let mut registry = registry(1000);
        let filter = FilterDescription { id: ZSTD, name: None, client_data: Vec::new() };
        let read = |registry: &FilterRegistry, n: usize| {
            registry.apply(&filter, &zstd::encode_all(&vec![7u8; n][..], 3).unwrap(), 1)
        };
        assert_eq!(read(&registry, 1000).unwrap(), vec![7; 1000]);
        assert!(read(&registry, 1001).unwrap_err().to_string().contains("zstd"));
        registry = super::registry(1 << 20);
        assert_eq!(read(&registry, 1001).unwrap().len(), 1001);
        assert!(registry.apply(&filter, b"nothing of the kind", 1).is_err());
    }

    #[test]
    fn damaged_chunks_are_refused() {
        let registry = registry(1 << 16);
        let mut seed = 5u32;
        let mut random = move || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        for id in [LZF, BLOSC, BITSHUFFLE, ZSTD, BZIP2] {
            let client_data = vec![0, 2, 2, 0, 2];
            let filter = FilterDescription { id, name: None, client_data };
            for length in 0..200 {
                let chunk: Vec<u8> = (0..length).map(|_| random()).collect();
                if let Ok(bytes) = registry.apply(&filter, &chunk, 2) {
                    assert!(bytes.len() <= 1 << 16);
                }
            }
        }
    }
}
