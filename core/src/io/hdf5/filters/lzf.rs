//! LZF, the format of Marc Lehmann's liblzf, as h5py's filter writes it.
//!
//! A control byte below 32 begins a run of as many bytes and one, taken as they are. Others repeat what was decoded
//! before: their upper three bits are the length less two (7: the next byte is added), the lower five and the byte after
//! them the distance less one.

/// Decodes a chunk.
pub(super) fn decompress(chunk: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let mut out: Vec<u8> = Vec::with_capacity(chunk.len().saturating_mul(2).min(most));
    let mut input = chunk;
    while !input.is_empty() {
        let control = next(&mut input)?;
        if control < 32 {
            let (run, rest) = input.split_at_checked(control + 1).ok_or("the chunk ends early")?;
            out.extend_from_slice(run);
            input = rest;
        } else {
            let mut length = control >> 5;
            if length == 7 {
                length += next(&mut input)?;
            }
            let distance = ((control & 31) << 8 | next(&mut input)?) + 1;
            let start = out.len().checked_sub(distance).ok_or("a repetition begins before the chunk")?;
            // What is repeated may reach into what it makes.
            for at in start..start + length + 2 {
                out.push(out[at]);
            }
        }
        if out.len() > most {
            return Err("more bytes than a chunk may have".to_owned());
        }
    }
    Ok(out)
}

fn next(input: &mut &[u8]) -> Result<usize, String> {
    let (first, rest) = input.split_first().ok_or("the chunk ends early")?;
    *input = rest;
    Ok(usize::from(*first))
}

#[cfg(test)]
mod tests {
    use super::decompress;

    #[test]
    fn runs_and_repetitions() {
        assert_eq!(decompress(&[], 100), Ok(vec![]));
        assert_eq!(decompress(&[2, 7, 8, 9], 100), Ok(vec![7, 8, 9]));
        // Three bytes from a distance of two, then eleven from a distance of one.
        assert_eq!(
            decompress(&[1, 7, 8, 1 << 5, 1, 7 << 5, 2, 0], 100),
            Ok([&[7, 8, 7, 8, 7][..], &[7; 11]].concat())
        );
        assert_eq!(decompress(&[0, 5, 7 << 5, 255, 0], 265), Ok(vec![5; 265]));
        assert!(decompress(&[0, 5, 7 << 5, 255, 0], 264).is_err());
    }

    #[test]
    fn damage_is_refused() {
        for damaged in [&[5, 1][..], &[1 << 5], &[7 << 5, 1], &[1 << 5, 0], &[0, 1, 1 << 5, 1]] {
            assert!(decompress(damaged, 100).is_err(), "{damaged:?}");
        }
    }
}
