//! Reads all of an image to see whether it can be read.

use super::{Frame, ImageSource, OpenOptions};
use crate::{Error, Job, Region, Result, Volume};
use rayon::prelude::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many damaged pieces are named; further ones are counted.
const NAMED: usize = 1000;

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verified {
    /// Pieces that were read: chunks, or parts of files that have none.
    pub pieces: u64,
    /// How many of them are not there, so that a fill value stands for them: no damage where a writer leaves out what
    /// is empty, but all that is left of chunks that were lost.
    pub absent: u64,
    /// How many are damaged.
    pub damaged: u64,
    /// What is wrong with each, with the name of its file or key, in the order of the image; the first thousand.
    pub reasons: Vec<String>,
}

/// Reads every chunk of every level, channel and time. Checksums are checked where the format has them.
///
/// # Errors
/// If the job is cancelled. Damage is no error here.
pub fn verify(source: &dyn ImageSource, job: &Job) -> Result<Verified> {
    let info = source.info();
    let frames = info.channels.len() as u64 * info.times as u64;
    let tiles: Vec<(usize, Vec<Region>)> =
        info.levels.iter().map(|level| Region::whole(level.shape).tiles(level.chunk)).enumerate().collect();
    let pieces = tiles.iter().map(|(_, t)| t.len() as u64).sum::<u64>() * frames;
    let voxels: u64 = info.levels.iter().map(|l| Region::whole(l.shape).len() as u64).sum();
    job.stage("verify", voxels * frames);
    let (absent, damaged) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut reasons = Vec::new();
    for time in 0..info.times {
        for channel in 0..info.channels.len() {
            for (level, tiles) in &tiles {
                let frame = Frame { level: *level, channel, time };
                let found = Mutex::new(Vec::new());
                tiles.par_iter().enumerate().try_for_each(|(number, tile)| {
                    job.check()?;
                    let read = source.read(frame, *tile).and_then(|volume| {
                        // What has several values was not filled in.
                        if is_constant(&volume) && !source.is_stored(frame, *tile)? {
                            absent.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(())
                    });
                    match read {
                        Err(Error::Cancelled) => return Err(Error::Cancelled),
                        Err(error) => {
                            damaged.fetch_add(1, Ordering::Relaxed);
                            let mut found = found.lock().unwrap_or_else(|e| e.into_inner());
                            if found.len() < NAMED {
                                found.push((number, error.to_string()));
                            }
                        }
                        Ok(()) => {}
                    }
                    job.advance(tile.len() as u64);
                    Ok(())
                })?;
                let mut found = found.into_inner().unwrap_or_else(|e| e.into_inner());
                found.sort();
                let room = NAMED - reasons.len();
                reasons.extend(found.into_iter().map(|(_, reason)| reason).take(room));
            }
        }
    }
    Ok(Verified { pieces, absent: absent.into_inner(), damaged: damaged.into_inner(), reasons })
}

/// Counts the chunks of the finest level of a time frame, all channels, that aren't there, and all of them; nothing of
/// what lies behind a network, where each would take a request.
///
/// # Errors
/// If that can't be found out.
pub fn absent(source: &dyn ImageSource, time: usize) -> Result<(u64, u64)> {
    let info = source.info();
    let level = &info.levels[0];
    if source.waits() {
        return Ok((0, 0));
    }
    let tiles = Region::whole(level.shape).tiles(level.chunk);
    let absent = AtomicU64::new(0);
    for channel in 0..info.channels.len() {
        tiles.par_iter().try_for_each(|tile| {
            let stored = source.is_stored(Frame::new(channel, time), *tile)?;
            absent.fetch_add(u64::from(!stored), Ordering::Relaxed);
            Result::Ok(())
        })?;
    }
    Ok((absent.into_inner(), tiles.len() as u64 * info.channels.len() as u64))
}

/// Refuses an image of which something is missing, unless that is accepted, and says how many chunks the fill value
/// stands for. `times` are the time frames that will be read.
///
/// # Errors
/// If parts are missing, or chunks although all are required.
pub fn check_complete(
    source: &dyn ImageSource,
    path: &std::path::Path,
    options: &OpenOptions,
    times: std::ops::Range<usize>,
) -> Result<Option<String>> {
    source.info().check_whole(path, options)?;
    // Only formats with many files or chunks can lack one.
    if source.info().format != super::zarr::ID {
        return Ok(None);
    }
    let (mut missing, mut all) = (0, 0);
    for time in times {
        let (of_time, in_all) = absent(source, time)?;
        missing += of_time;
        all += in_all;
    }
    if missing > 0 && options.require_all_chunks {
        let reason =
            format!("{missing} of {all} chunks are not there, and all are required (--require-all-chunks)");
        return Err(Error::file(path, reason));
    }
    Ok((missing > 0).then(|| absent_note(missing, Some(all))))
}

/// How many chunks the fill value stands for, as a sentence.
pub fn absent_note(missing: u64, all: Option<u64>) -> String {
    let of = all.map_or(String::new(), |all| format!(" of {all}"));
    format!(
        "{missing}{of} chunks are not stored; the fill value stands for them (--require-all-chunks refuses)"
    )
}

/// Whether all voxels have one value, bit for bit.
fn is_constant(volume: &Volume) -> bool {
    let (bytes, size) = (volume.as_bytes(), volume.voxel_type().size());
    bytes.len() <= size || bytes[size..] == bytes[..bytes.len() - size]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{OpenOptions, WriteOptions, create, open};
    use crate::{Geometry, Unit, VoxelType, io::ImageSpec};
    use std::path::Path;

    fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("it is there").flatten() {
            if entry.path().is_dir() {
                files(&entry.path(), found);
            } else {
                found.push(entry.path());
            }
        }
    }

    #[test]
    fn each_chunk_that_is_cut_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.ome.zarr");
        let shape = [40, 70, 90];
        let spec = ImageSpec::volume(
            shape,
            VoxelType::U16,
            Geometry::from_spacing([1.0; 3], Unit::Micrometre),
            false,
        );
        let options = WriteOptions { chunk: Some([32; 3]), ..WriteOptions::default() };
        let sink = create(&path, &spec, &options).expect("created");
        let voxels =
            ndarray::Array3::from_shape_fn(shape, |(z, y, x)| (z * 7919 + y * 613 + x * x * 31) as u16);
        let volume = Volume::from(voxels);
        for tile in Region::whole(shape).tiles(sink.block()) {
            sink.write(Frame::default(), tile.start, &volume.crop(tile)).expect("written");
        }
        sink.finish(&Job::silent()).expect("finished");

        let source = open(&path, &OpenOptions::default()).expect("opened");
        let sound = verify(&*source, &Job::silent()).expect("verified");
        assert_eq!((sound.absent, sound.damaged, &sound.reasons[..]), (0, 0, &[][..]));
        let mut chunks = Vec::new();
        files(&path, &mut chunks);
        chunks.retain(|p| p.extension().is_none_or(|e| e != "json"));
        assert_eq!(sound.pieces, chunks.len() as u64, "every chunk of every level is read");
        for chunk in chunks {
            let whole = std::fs::read(&chunk).expect("a chunk");
            std::fs::write(&chunk, &whole[..whole.len() / 2]).expect("cut");
            let found = verify(&*source, &Job::silent()).expect("verified");
            assert_eq!(found.damaged, 1, "{}", chunk.display());
            let key = chunk.strip_prefix(&path).expect("inside").to_string_lossy().replace('\\', "/");
            assert!(found.reasons[0].contains(&key), "{key}: {}", found.reasons[0]);
            // One that is gone is filled in, which is said.
            std::fs::remove_file(&chunk).expect("it was there");
            let found = verify(&*source, &Job::silent()).expect("verified");
            assert_eq!((found.absent, found.damaged), (1, 0), "{}", chunk.display());
            std::fs::write(&chunk, whole).expect("mended");
        }
        let job = Job::silent();
        job.cancel();
        assert!(matches!(verify(&*source, &job), Err(Error::Cancelled)));
    }

    #[test]
    fn chunks_that_a_shard_leaves_out_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.ome.zarr");
        let spec = ImageSpec::volume([32; 3], VoxelType::U8, Geometry::default(), true);
        let (chunk, shard) = (Some([8; 3]), Some([16; 3]));
        let options = WriteOptions { chunk, shard, ..WriteOptions::default() };
        let sink = create(&path, &spec, &options).expect("created");
        let mut voxels = ndarray::Array3::<u8>::zeros([32; 3]);
        (voxels[[3, 3, 3]], voxels[[20, 3, 3]]) = (1, 1);
        let volume = Volume::from(voxels);
        for tile in Region::whole([32; 3]).tiles(sink.block()) {
            sink.write(Frame::default(), tile.start, &volume.crop(tile)).expect("written");
        }
        sink.finish(&Job::silent()).expect("finished");
        let source = open(&path, &OpenOptions::default()).expect("opened");
        let found = verify(&*source, &Job::silent()).expect("verified");
        assert_eq!(
            (found.damaged, found.pieces - found.absent),
            (0, 2 + source.info().levels.len() as u64 - 1)
        );
    }
}
