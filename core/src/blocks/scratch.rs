//! An image in a temporary file, in chunks, for what doesn't fit into memory between phases.

use crate::error::PathContext;
use crate::program::{Field, Grid};
use crate::{Job, Region, Result, Volume};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const CHUNK: usize = 64;
const LOCKS: usize = 64;

/// An image in a temporary file that disappears with it. Voxels never written are 0.
pub struct ScratchField {
    grid: Grid,
    file: File,
    path: PathBuf,
    chunks: [usize; 3],
    /// Chunks that are partly written are read, changed and written back under one of these.
    locks: Vec<Mutex<()>>,
}

impl ScratchField {
    /// A new image of zeros in `folder`.
    ///
    /// # Errors
    /// If the file can't be made.
    pub fn new(grid: Grid, folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).at(folder)?;
        let chunks = grid.shape.map(|n| n.div_ceil(CHUNK));
        let field = Self {
            grid,
            file,
            path: folder.to_owned(),
            chunks,
            locks: (0..LOCKS).map(|_| Mutex::new(())).collect(),
        };
        // Sparse: the disk is used as chunks are written, and a full disk is an error of `write`.
        let bytes = chunks.iter().map(|&n| n as u64).product::<u64>() * field.chunk_bytes() as u64;
        field.file.set_len(bytes).at(folder)?;
        Ok(field)
    }

    fn chunk_bytes(&self) -> usize {
        CHUNK * CHUNK * CHUNK * self.grid.voxel.size()
    }

    /// Writes `volume` at `start`.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn write(&self, start: [usize; 3], volume: &Volume) -> Result<()> {
        let region = Region::new(start, volume.shape());
        let mut buffer = vec![0u8; self.chunk_bytes()];
        for (index, chunk) in self.touched(region) {
            let part = chunk.intersection(&region);
            let _guard =
                self.locks[index as usize % LOCKS].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let planes = part.relative_to(chunk.start);
            let bytes = self.plane_bytes(planes);
            let buffer = &mut buffer[..bytes.1];
            let full = part.shape[1..] == [CHUNK, CHUNK];
            if !full {
                self.read_at(buffer, self.offset(index) + bytes.0)?;
            }
            let mut local = Region::new([0, planes.start[1], planes.start[2]], part.shape);
            local.start[0] = 0;
            copy(
                volume.as_bytes(),
                region.shape,
                part.relative_to(start).start,
                buffer,
                [planes.shape[0], CHUNK, CHUNK],
                local.start,
                part.shape,
                self.grid.voxel.size(),
            );
            self.write_at(buffer, self.offset(index) + bytes.0)?;
        }
        Ok(())
    }

    fn touched(&self, region: Region) -> Vec<(u64, Region)> {
        if region.is_empty() {
            return Vec::new();
        }
        let first = region.start.map(|s| s / CHUNK);
        let last = region.end().map(|e| (e - 1) / CHUNK);
        let mut touched = Vec::new();
        for z in first[0]..=last[0] {
            for y in first[1]..=last[1] {
                for x in first[2]..=last[2] {
                    let index =
                        (z as u64 * self.chunks[1] as u64 + y as u64) * self.chunks[2] as u64 + x as u64;
                    touched.push((index, Region::new([z * CHUNK, y * CHUNK, x * CHUNK], [CHUNK; 3])));
                }
            }
        }
        touched
    }

    fn offset(&self, index: u64) -> u64 {
        index * self.chunk_bytes() as u64
    }

    /// Offset and length in a chunk of the planes that a part of it touches.
    fn plane_bytes(&self, part: Region) -> (u64, usize) {
        let plane = CHUNK * CHUNK * self.grid.voxel.size();
        ((part.start[0] * plane) as u64, part.shape[0] * plane)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        positioned::read_exact_at(&self.file, buffer, offset).at(&self.path)
    }

    fn write_at(&self, buffer: &[u8], offset: u64) -> Result<()> {
        positioned::write_all_at(&self.file, buffer, offset).at(&self.path)
    }
}

impl Field for ScratchField {
    fn grid(&self) -> Grid {
        self.grid
    }

    fn read(&self, region: Region, job: &Job) -> Result<Arc<Volume>> {
        let mut volume = Volume::zeros(self.grid.voxel, region.shape);
        let size = self.grid.voxel.size();
        let mut buffer = vec![0u8; self.chunk_bytes()];
        for (index, chunk) in self.touched(region) {
            job.check()?;
            let part = chunk.intersection(&region);
            let planes = part.relative_to(chunk.start);
            let bytes = self.plane_bytes(planes);
            let buffer = &mut buffer[..bytes.1];
            self.read_at(buffer, self.offset(index) + bytes.0)?;
            copy(
                buffer,
                [planes.shape[0], CHUNK, CHUNK],
                [0, planes.start[1], planes.start[2]],
                volume.as_bytes_mut(),
                region.shape,
                part.relative_to(region.start).start,
                part.shape,
                size,
            );
        }
        Ok(Arc::new(volume))
    }
}

/// Copies a box of voxels of `size` bytes between two arrays in C order.
pub(super) fn copy(
    from: &[u8],
    from_shape: [usize; 3],
    from_start: [usize; 3],
    to: &mut [u8],
    to_shape: [usize; 3],
    to_start: [usize; 3],
    shape: [usize; 3],
    size: usize,
) {
    let row = shape[2] * size;
    for z in 0..shape[0] {
        for y in 0..shape[1] {
            let f = (((from_start[0] + z) * from_shape[1] + from_start[1] + y) * from_shape[2]
                + from_start[2])
                * size;
            let t = (((to_start[0] + z) * to_shape[1] + to_start[1] + y) * to_shape[2] + to_start[2]) * size;
            to[t..t + row].copy_from_slice(&from[f..f + row]);
        }
    }
}

/// Reading and writing at an offset, from many threads.
pub(super) mod positioned {
    use std::fs::File;
    use std::io;

    #[cfg(unix)]
    pub fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
    }

    #[cfg(unix)]
    pub fn write_all_at(file: &File, buffer: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(file, buffer, offset)
    }

    #[cfg(windows)]
    pub fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        use std::os::windows::fs::FileExt;
        while !buffer.is_empty() {
            match file.seek_read(buffer, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    buffer = &mut buffer[n..];
                    offset += n as u64;
                }
            }
        }
        Ok(())
    }

    #[cfg(windows)]
    pub fn write_all_at(file: &File, mut buffer: &[u8], mut offset: u64) -> io::Result<()> {
        use std::os::windows::fs::FileExt;
        while !buffer.is_empty() {
            let n = file.seek_write(buffer, offset)?;
            buffer = &buffer[n..];
            offset += n as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Kind;
    use crate::{Geometry, VoxelType};
    use ndarray::Array3;

    #[test]
    fn what_is_written_in_any_pieces_is_read_in_any_regions() {
        let shape = [70, 130, 65];
        let whole = Volume::from(Array3::from_shape_fn(shape, |(z, y, x)| (z * 10000 + y * 100 + x) as u32));
        let grid = Grid { shape, voxel: VoxelType::U32, kind: Kind::Labels, geometry: Geometry::default() };
        let job = Job::silent();
        for tile in [[70, 130, 65], [1, 130, 65], [33, 40, 64], [70, 7, 65], [64, 64, 64]] {
            let field = ScratchField::new(grid, &std::env::temp_dir()).unwrap();
            for t in Region::whole(shape).tiles(tile) {
                field.write(t.start, &whole.crop(t)).unwrap();
            }
            for r in [
                Region::whole(shape),
                Region::new([3, 60, 1], [65, 9, 64]),
                Region::new([69, 129, 64], [1, 1, 1]),
            ] {
                assert_eq!(*field.read(r, &job).unwrap(), whole.crop(r), "{tile:?} {r:?}");
            }
        }
    }
}
