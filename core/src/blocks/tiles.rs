//! Tiles in files: what a phase makes of one block, its partial result and its volumes. A file gets its name when it is
//! complete, so that a tile is done when its file is there.

use super::scratch::positioned;
use crate::error::PathContext;
use crate::program::{Field, Grid};
use crate::{Error, Job, Region, Result, Volume, VoxelType};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const MAGIC: &[u8; 8] = b"VXTILE2\0";
/// Voxels along the side of what is packed as one, at most.
const CHUNK: usize = 64;
/// Voxels at either end of a tile that are packed by themselves: of those next to its faces most halos are.
const SKIN: usize = 4;
/// Bytes before the head: the magic, the head's length and its checksum.
const FRONT: usize = 16;

/// What a file says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// Length and checksum of the partial result, which comes next.
    partial: (u64, u32),
    /// Volumes, which come after it: type, shape, and lengths of their packed chunks.
    volumes: Vec<(VoxelType, [usize; 3], Vec<u32>)>,
}

/// Writes the file of a tile.
///
/// # Errors
/// If the disk is full; then there is no file.
pub fn write(path: &Path, partial: &[u8], volumes: &[Volume]) -> Result<()> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    // Another process may be making the same tile; the same bytes are in both.
    let name = format!("{}.{}.part", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let begun = path.with_extension(name);
    let written = write_to(&begun, partial, volumes).and_then(|()| std::fs::rename(&begun, path).at(path));
    if written.is_err() {
        let _ = std::fs::remove_file(&begun);
    }
    written
}

fn write_to(path: &Path, partial: &[u8], volumes: &[Volume]) -> Result<()> {
    let mut head = Head { partial: (partial.len() as u64, crc32fast::hash(partial)), volumes: Vec::new() };
    let mut packed = Vec::new();
    let mut pack = zstd::bulk::Compressor::new(1).at(path)?;
    pack.include_checksum(true).at(path)?;
    for volume in volumes {
        let mut lengths = Vec::new();
        for chunk in chunks(volume.shape()) {
            let part = volume.crop(chunk);
            let bytes = pack.compress(part.as_bytes()).at(path)?;
            lengths.push(bytes.len() as u32);
            packed.push(bytes);
        }
        head.volumes.push((volume.voxel_type(), volume.shape(), lengths));
    }
    let head = postcard::to_allocvec(&head).expect("plain data always encodes");
    let mut file = BufWriter::new(File::create(path).at(path)?);
    let mut put = |bytes: &[u8]| file.write_all(bytes).at(path);
    put(MAGIC)?;
    put(&(head.len() as u32).to_le_bytes())?;
    put(&crc32fast::hash(&head).to_le_bytes())?;
    put(&head)?;
    put(partial)?;
    packed.iter().try_for_each(|bytes| put(bytes))?;
    file.into_inner().map_err(|e| Error::io(path, e.into_error()))?;
    Ok(())
}

/// What is packed as one, in C order.
fn chunks(shape: [usize; 3]) -> Vec<Region> {
    let cuts = |n: usize| -> Vec<(usize, usize)> {
        if n <= CHUNK / 2 {
            return vec![(0, n)];
        }
        let inner = (SKIN..n - SKIN).step_by(CHUNK).map(|at| (at, CHUNK.min(n - SKIN - at)));
        [(0, SKIN)].into_iter().chain(inner).chain([(n - SKIN, SKIN)]).collect()
    };
    let [zs, ys, xs] = shape.map(cuts);
    let mut chunks = Vec::with_capacity(zs.len() * ys.len() * xs.len());
    for &(z, d) in &zs {
        for &(y, h) in &ys {
            chunks.extend(xs.iter().map(|&(x, w)| Region::new([z, y, x], [d, h, w])));
        }
    }
    chunks
}

/// An open file of a tile.
struct Open<'a> {
    path: &'a Path,
    file: File,
    size: u64,
    head: Head,
    /// Where the partial result begins.
    begin: u64,
}

fn damaged(path: &Path) -> Error {
    Error::file(path, "is damaged; remove it to have it made again")
}

impl<'a> Open<'a> {
    /// `None` if there is none.
    fn new(path: &'a Path) -> Result<Option<Self>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(path, error)),
        };
        let size = file.metadata().at(path)?.len();
        let mut front = [0u8; FRONT];
        file.read_exact(&mut front).map_err(|_| damaged(path))?;
        let word = |at: usize| u32::from_le_bytes(front[at..at + 4].try_into().expect("four bytes"));
        let (length, sum) = (word(8), word(12));
        if front[..8] != *MAGIC || u64::from(length) > size {
            return Err(damaged(path));
        }
        let mut bytes = vec![0; length as usize];
        file.read_exact(&mut bytes).map_err(|_| damaged(path))?;
        if crc32fast::hash(&bytes) != sum {
            return Err(damaged(path));
        }
        let head = postcard::from_bytes(&bytes).map_err(|_| damaged(path))?;
        Ok(Some(Self { path, file, size, head, begin: (FRONT + bytes.len()) as u64 }))
    }

    fn at(&self, offset: u64, length: usize, bytes: &mut Vec<u8>) -> Result<()> {
        if offset + length as u64 > self.size {
            return Err(damaged(self.path));
        }
        bytes.resize(length, 0);
        positioned::read_exact_at(&self.file, bytes, offset).at(self.path)
    }

    fn partial(&self) -> Result<Vec<u8>> {
        let (length, sum) = self.head.partial;
        let mut bytes = Vec::new();
        self.at(self.begin, length as usize, &mut bytes)?;
        if crc32fast::hash(&bytes) != sum {
            return Err(damaged(self.path));
        }
        Ok(bytes)
    }

    /// Copies what a volume of the tile has of `region` to where it belongs in `target`, both within the tile's grid:
    /// `region` relative to the tile, `to` where its first voxel lies in `target`.
    fn read(
        &self,
        slot: usize,
        region: Region,
        target: &mut Volume,
        to: [usize; 3],
        unpack: &mut Unpack,
    ) -> Result<()> {
        let path = self.path;
        let mut offset = self.begin + self.head.partial.0;
        let lengths = |v: &(VoxelType, [usize; 3], Vec<u32>)| v.2.iter().map(|n| u64::from(*n)).sum::<u64>();
        let volume = self.head.volumes.get(slot).ok_or_else(|| damaged(path))?;
        offset += self.head.volumes[..slot].iter().map(lengths).sum::<u64>();
        let (voxel, shape, lengths) = volume;
        let chunks = chunks(*shape);
        if *voxel != target.voxel_type() || chunks.len() != lengths.len() {
            return Err(damaged(path));
        }
        let target_shape = target.shape();
        for (chunk, &length) in chunks.into_iter().zip(lengths) {
            let part = chunk.intersection(&region);
            if !part.is_empty() {
                self.at(offset, length as usize, &mut unpack.packed)?;
                let bytes = unpack.bytes(chunk.len() * voxel.size()).ok_or_else(|| damaged(path))?;
                let from = part.relative_to(chunk.start).start;
                let into = part.relative_to(region.start).start;
                let into = std::array::from_fn(|a| into[a] + to[a]);
                super::scratch::copy(
                    bytes,
                    chunk.shape,
                    from,
                    target.as_bytes_mut(),
                    target_shape,
                    into,
                    part.shape,
                    voxel.size(),
                );
            }
            offset += u64::from(length);
        }
        Ok(())
    }
}

/// Unpacks one chunk after another in the same memory.
struct Unpack {
    zstd: zstd::bulk::Decompressor<'static>,
    packed: Vec<u8>,
    bytes: Vec<u8>,
}

impl Unpack {
    fn new(folder: &Path) -> Result<Self> {
        let zstd = zstd::bulk::Decompressor::new().at(folder)?;
        Ok(Self { zstd, packed: Vec::new(), bytes: Vec::new() })
    }

    /// What is packed, if it is `size` bytes.
    fn bytes(&mut self, size: usize) -> Option<&[u8]> {
        self.bytes.resize(size, 0);
        let found = self.zstd.decompress_to_buffer(&self.packed, &mut self.bytes[..]).ok()?;
        (found == size).then_some(&self.bytes)
    }
}

/// The partial result of a tile that is done; `None` if it isn't.
///
/// # Errors
/// If the file can't be read, or is damaged.
pub fn partial(path: &Path) -> Result<Option<Vec<u8>>> {
    Open::new(path)?.map(|open| open.partial()).transpose()
}

/// Some bytes of the partial result of a tile, as many of the range as there are; whether they are as they were written is
/// for whoever reads them to see.
///
/// # Errors
/// As [`partial`].
pub fn partial_range(path: &Path, bytes: Range<u64>) -> Result<Vec<u8>> {
    let Some(open) = Open::new(path)? else { return Ok(Vec::new()) };
    let end = bytes.end.min(open.head.partial.0);
    let mut found = Vec::new();
    if bytes.start < end {
        open.at(open.begin + bytes.start, (end - bytes.start) as usize, &mut found)?;
    }
    Ok(found)
}

/// Whether a tile is done. A file of which a part is missing, as a power cut leaves them, is removed, so that it is made
/// again.
///
/// # Errors
/// If it can't be read or removed.
pub fn is_there(path: &Path) -> Result<bool> {
    let whole = |open: &Open| {
        open.partial()?;
        let volumes = open.head.volumes.iter().flat_map(|v| &v.2).map(|n| u64::from(*n)).sum::<u64>();
        let (size, end) = (open.size, open.begin + open.head.partial.0);
        if size == end || size == end + volumes { Ok(()) } else { Err(damaged(path)) }
    };
    match Open::new(path).and_then(|open| open.as_ref().map(whole).transpose()) {
        Ok(found) => Ok(found.is_some()),
        Err(error @ Error::Io { .. }) => Err(error),
        Err(_) => std::fs::remove_file(path).at(path).map(|()| false),
    }
}

/// Takes away the volumes of a tile; that it is done, and its partial result, stay.
///
/// # Errors
/// If the file can't be written.
pub fn drop_volumes(path: &Path) -> Result<()> {
    let Some(open) = Open::new(path)? else { return Ok(()) };
    let end = open.begin + open.head.partial.0;
    drop(open);
    File::options().write(true).open(path).at(path)?.set_len(end).at(path)
}

/// The file of a tile in a phase's folder.
pub fn path_of(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("{index}.tile"))
}

/// An image in the files of tiles.
pub struct TileField {
    grid: Grid,
    folders: Vec<PathBuf>,
    tile: [usize; 3],
    slot: usize,
    partly: bool,
}

impl TileField {
    /// The volume number `slot` of the tiles in folders, of which the first that has a tile counts; they are cut to the
    /// shape `tile`. Of those that are there only `partly`, the others are 0.
    pub fn new(grid: Grid, folders: Vec<PathBuf>, tile: [usize; 3], slot: usize, partly: bool) -> Self {
        Self { grid, folders, tile, slot, partly }
    }
}

impl Field for TileField {
    fn grid(&self) -> Grid {
        self.grid
    }

    fn read(&self, region: Region, job: &Job) -> Result<Arc<Volume>> {
        let mut volume = Volume::zeros(self.grid.voxel, region.shape);
        if region.is_empty() {
            return Ok(Arc::new(volume));
        }
        let count: [usize; 3] = std::array::from_fn(|a| self.grid.shape[a].div_ceil(self.tile[a]));
        let first: [usize; 3] = std::array::from_fn(|a| region.start[a] / self.tile[a]);
        let last: [usize; 3] = std::array::from_fn(|a| (region.end()[a] - 1) / self.tile[a]);
        let unpack = &mut Unpack::new(&self.folders[0])?;
        for z in first[0]..=last[0] {
            for y in first[1]..=last[1] {
                for x in first[2]..=last[2] {
                    job.check()?;
                    let start = [z * self.tile[0], y * self.tile[1], x * self.tile[2]];
                    let tile = Region::new(start, self.tile).intersection(&Region::whole(self.grid.shape));
                    let part = tile.intersection(&region);
                    let number = (z * count[1] + y) * count[2] + x;
                    let (to, within) = (part.relative_to(region.start).start, part.relative_to(tile.start));
                    let mut found = self.partly;
                    for path in self.folders.iter().map(|folder| path_of(folder, number)) {
                        if let Some(open) = Open::new(&path)? {
                            open.read(self.slot, within, &mut volume, to, unpack)?;
                            found = true;
                            break;
                        }
                    }
                    if !found {
                        return Err(Error::file(path_of(&self.folders[0], number), "is missing"));
                    }
                }
            }
        }
        Ok(Arc::new(volume))
    }
}

/// An image that nothing was written to yet.
pub struct ZeroField(pub Grid);

impl Field for ZeroField {
    fn grid(&self) -> Grid {
        self.0
    }

    fn read(&self, region: Region, _: &Job) -> Result<Arc<Volume>> {
        Ok(Arc::new(Volume::zeros(self.0.voxel, region.shape)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Geometry;
    use crate::program::Kind;
    use ndarray::Array3;

    #[test]
    fn what_tiles_hold_is_read_in_any_regions() {
        let shape = [70, 130, 65];
        let whole = Volume::from(Array3::from_shape_fn(shape, |(z, y, x)| (z * 10000 + y * 100 + x) as u32));
        let other = Volume::from(Array3::from_shape_fn(shape, |(z, y, x)| (z + 3 * y + x) as u8));
        let grid = Grid { shape, voxel: VoxelType::U32, kind: Kind::Labels, geometry: Geometry::default() };
        let job = Job::silent();
        for tile in [[70, 130, 65], [33, 40, 64], [70, 7, 65], [64, 64, 64]] {
            let folder = tempfile::tempdir().unwrap();
            for (i, t) in Region::whole(shape).tiles(tile).into_iter().enumerate() {
                let path = path_of(folder.path(), i);
                assert_eq!(partial(&path).unwrap(), None);
                write(&path, &[i as u8; 5], &[other.crop(t), whole.crop(t)]).unwrap();
                assert_eq!(partial(&path).unwrap(), Some(vec![i as u8; 5]));
                for (from, to, length) in [(0, 5, 5), (1, 3, 2), (4, 9, 1), (7, 9, 0), (3, 2, 0)] {
                    assert_eq!(partial_range(&path, from..to).unwrap(), vec![i as u8; length]);
                }
            }
            let field = |voxel, slot| {
                TileField::new(Grid { voxel, ..grid }, vec![folder.path().to_owned()], tile, slot, false)
            };
            for r in [
                Region::whole(shape),
                Region::new([3, 60, 1], [65, 9, 64]),
                Region::new([69, 129, 64], [1, 1, 1]),
            ] {
                assert_eq!(*field(VoxelType::U8, 0).read(r, &job).unwrap(), other.crop(r));
                assert_eq!(*field(VoxelType::U32, 1).read(r, &job).unwrap(), whole.crop(r), "{tile:?} {r:?}");
            }
            let path = path_of(folder.path(), 0);
            drop_volumes(&path).unwrap();
            drop_volumes(&path).unwrap();
            assert_eq!(partial(&path).unwrap(), Some(vec![0; 5]));
            assert!(field(VoxelType::U8, 0).read(Region::new([0; 3], [1; 3]), &job).is_err());
        }
    }

    #[test]
    fn tiles_that_the_last_round_passed_over_are_of_the_one_before() {
        let (before, last) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let volume = |v: u8| Volume::from(Array3::from_elem([2, 2, 2], v));
        let grid =
            Grid { shape: [2, 2, 6], voxel: VoxelType::U8, kind: Kind::Grey, geometry: Geometry::default() };
        (0..2).for_each(|i| write(&path_of(before.path(), i), &[], &[volume(1)]).unwrap());
        write(&path_of(last.path(), 1), &[], &[volume(2)]).unwrap();
        let folders = vec![last.path().to_owned(), before.path().to_owned()];
        let read = |partly| {
            let field = TileField::new(grid, folders.clone(), [2; 3], 0, partly);
            field.read(Region::new([0, 1, 0], [1, 1, 6]), &Job::silent())
        };
        assert_eq!(read(true).unwrap().as_bytes(), [1, 1, 2, 2, 0, 0]);
        assert!(read(false).is_err_and(|e| e.to_string().contains("2.tile")));
    }

    #[test]
    fn a_file_cut_anywhere_or_with_a_wrong_byte_is_damaged_and_never_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), 0);
        let volume = Volume::from(Array3::from_shape_fn([3, 4, 5], |(z, y, x)| (z * 20 + y * 5 + x) as u16));
        write(&path, b"partial", std::slice::from_ref(&volume)).unwrap();
        let grid =
            Grid { shape: [3, 4, 5], voxel: VoxelType::U16, kind: Kind::Grey, geometry: Geometry::default() };
        let field = TileField::new(grid, vec![folder.path().to_owned()], [3, 4, 5], 0, false);
        let all = Region::whole([3, 4, 5]);
        let bytes = std::fs::read(&path).unwrap();
        assert!(is_there(&path).unwrap() && !is_there(&path_of(folder.path(), 1)).unwrap());
        let mut called_whole = 0;
        for end in 0..bytes.len() {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert!(field.read(all, &Job::silent()).is_err(), "{end}");
            assert!(partial(&path).map_or(true, |p| p.as_deref() == Some(b"partial")), "{end}");
            called_whole += usize::from(is_there(&path).unwrap());
            assert!(called_whole > 0 || !path.exists(), "{end}: it is made again");
        }
        // A tile whose volumes nobody needs any more ends with its partial result.
        assert_eq!(called_whole, 1);
        let mut undetected = 0;
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x10;
            std::fs::write(&path, &wrong).unwrap();
            let (read, partial) = (field.read(all, &Job::silent()), partial(&path));
            assert!(partial.is_err() || partial.is_ok_and(|p| p.as_deref() == Some(b"partial")), "{at}");
            // A bit that packed data have no use for is the exception.
            undetected += usize::from(read.is_ok());
            assert!(read.map_or(true, |read| *read == volume), "{at}");
        }
        assert!(undetected * 10 <= bytes.len(), "{undetected} of {}", bytes.len());
    }
}
