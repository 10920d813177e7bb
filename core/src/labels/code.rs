//! A chunk as bytes: one number if all voxels are equal, else run lengths, compressed.

use super::VOXELS;

const FLAT: u8 = 0;
const RUNS: u8 = 1;
/// Run lengths of a chunk take no more than this: two numbers of up to five and three bytes a voxel.
const MOST: usize = 8 * VOXELS;

/// The bytes of a chunk.
pub fn encode(voxels: &[u32]) -> Vec<u8> {
    debug_assert_eq!(voxels.len(), VOXELS);
    if voxels.iter().all(|v| *v == voxels[0]) {
        let mut bytes = vec![FLAT];
        put(&mut bytes, voxels[0]);
        return bytes;
    }
    let mut runs = Vec::with_capacity(1024);
    for run in voxels.chunk_by(|a, b| a == b) {
        put(&mut runs, run[0]);
        put(&mut runs, run.len() as u32);
    }
    let mut bytes = vec![RUNS];
    match zstd::bulk::compress(&runs, 1) {
        Ok(packed) => bytes.extend(packed),
        // Compressing into memory fails only where there is none left.
        Err(error) => panic!("labels can't be compressed: {error}"),
    }
    bytes
}

/// The voxels of a chunk; none if the bytes are not those of one.
pub fn decode(bytes: &[u8]) -> Option<Vec<u32>> {
    let (kind, mut rest) = bytes.split_first()?;
    if *kind == FLAT {
        let value = take(&mut rest)?;
        return rest.is_empty().then(|| vec![value; VOXELS]);
    }
    if *kind != RUNS {
        return None;
    }
    let runs = zstd::bulk::decompress(rest, MOST).ok()?;
    let (mut rest, mut voxels) = (runs.as_slice(), Vec::with_capacity(VOXELS));
    while !rest.is_empty() {
        let (value, count) = (take(&mut rest)?, take(&mut rest)? as usize);
        if count == 0 || count > VOXELS - voxels.len() {
            return None;
        }
        voxels.resize(voxels.len() + count, value);
    }
    (voxels.len() == VOXELS).then_some(voxels)
}

/// A number in groups of seven bits, the least first.
fn put(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u32> {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok();
        }
        shift += 7;
        if shift > 28 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_back_and_small() {
        let flat = vec![u32::MAX; VOXELS];
        assert_eq!(encode(&flat).len(), 6);
        assert_eq!(decode(&encode(&flat)), Some(flat));
        let ball: Vec<u32> = (0..VOXELS)
            .map(|i| {
                let d = |n: usize| (n as f64 - 15.5).powi(2);
                u32::from(d(i % 32) + d(i / 32 % 32) + d(i / 1024) < 150.0) * 70_000
            })
            .collect();
        assert!(encode(&ball).len() < 900, "{}", encode(&ball).len());
        assert_eq!(decode(&encode(&ball)), Some(ball));
        let noise: Vec<u32> = (0..VOXELS as u32).map(|i| i.wrapping_mul(2_654_435_761)).collect();
        assert_eq!(decode(&encode(&noise)), Some(noise));
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        let whole = encode(&(0..VOXELS as u32).map(|i| i / 100).collect::<Vec<_>>());
        assert!(decode(&whole[..whole.len() - 3]).is_none());
        for bytes in [&[][..], &[0], &[0, 0x80], &[7, 1], &[0, 1, 1], &[0, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
            assert!(decode(bytes).is_none(), "{bytes:?}");
        }
        let runs = |numbers: &[u32]| {
            let mut bytes = Vec::new();
            numbers.iter().for_each(|n| put(&mut bytes, *n));
            [vec![RUNS], zstd::bulk::compress(&bytes, 1).unwrap()].concat()
        };
        assert!(decode(&runs(&[1, VOXELS as u32])).is_some());
        assert!(decode(&runs(&[1, VOXELS as u32 - 1])).is_none());
        assert!(decode(&runs(&[1, VOXELS as u32 + 1])).is_none());
        assert!(decode(&runs(&[1, 0, 1, VOXELS as u32])).is_none());
    }
}
