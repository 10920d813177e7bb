//! An open HDF5 file: its groups, datasets and attributes, read within bounds.

use super::filters;
use crate::error::PathContext;
use crate::io::planar::text::shorten;
use crate::{Error, Result};
use hdf5_reader::btree_v1::collect_btree_v1_leaves_storage;
use hdf5_reader::error::Error as Damage;
use hdf5_reader::group::Group;
use hdf5_reader::io::Cursor;
use hdf5_reader::local_heap::LocalHeap;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::layout::{DataLayout, DataLayoutMessage};
use hdf5_reader::object_header::ObjectHeader;
use hdf5_reader::symbol_table::SymbolTableNode;
use hdf5_reader::{Attribute, Dataset, Datatype, ExternalLinkResolver, Hdf5File, OpenOptions, StringSize};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Groups within groups that are looked into, and objects looked at: a file can hold loops.
const DEEPEST: usize = 16;
const MOST: usize = 10_000;

/// An open file.
pub(super) struct Container {
    pub path: PathBuf,
    pub file: Hdf5File,
    siblings: Arc<Siblings>,
}

impl Container {
    /// Opens a file, and those of its folder that it links to.
    pub fn open(path: &Path) -> Result<Self> {
        let length = crate::io::planar::file_len(path)?;
        let siblings = Arc::new(Siblings { folder: path.with_file_name(""), found: Mutex::default() });
        let mut head = Vec::new();
        File::open(path).at(path)?.take(4).read_to_end(&mut head).at(path)?;
        if head == [0x0e, 3, 0x13, 1] {
            return Err(Error::file(path, "is HDF4, an older format than HDF5, which is not supported"));
        }
        let options = options(length).with_external_link_resolver(siblings.clone());
        let file = Hdf5File::open_with_options(path, options).map_err(|e| damaged(path, &e))?;
        Ok(Self { path: path.to_owned(), file, siblings })
    }

    /// A refusal in the words of the reader.
    pub fn fail(&self, error: &Damage) -> Error {
        damaged(&self.path, error)
    }

    /// A refusal.
    pub fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::file(&self.path, reason)
    }

    /// The root group.
    pub fn root(&self) -> Result<Group> {
        self.file.root_group().map_err(|e| self.fail(&e))
    }

    /// A group by its path, if there is one.
    pub fn group(&self, path: &str) -> Option<Group> {
        self.file.group(path).ok()
    }

    /// The file, and those that it links to.
    pub fn files(&self) -> Vec<PathBuf> {
        let found = self.siblings.found.lock().unwrap_or_else(PoisonError::into_inner);
        let linked =
            found.iter().filter(|(_, file)| file.is_some()).filter_map(|(name, _)| self.siblings.path(name));
        [self.path.clone()].into_iter().chain(linked).collect()
    }

    /// Files that are linked to and can't be opened.
    pub fn missing_files(&self) -> Vec<String> {
        let found = self.siblings.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.iter().filter(|(_, file)| file.is_none()).map(|(name, _)| name.clone()).collect()
    }

    /// The header of a dataset, if it is of this file and not of one that is linked to.
    fn header(&self, dataset: &Dataset) -> Option<Arc<ObjectHeader>> {
        let header = self.file.get_or_parse_header(dataset.address()).ok()?;
        let own = header.messages.iter().any(|message| match message {
            HdfMessage::Dataspace(space) => space.dims == dataset.shape(),
            _ => false,
        });
        own.then_some(header)
    }

    /// The name of a filter of a dataset that can't be read, if there is one.
    pub fn unknown_filter(&self, dataset: &Dataset) -> Option<String> {
        let header = self.header(dataset)?;
        let pipeline = header.messages.iter().find_map(|message| match message {
            HdfMessage::FilterPipeline(pipeline) => Some(pipeline),
            _ => None,
        })?;
        pipeline.filters.iter().find(|f| !filters::is_known(f.id)).map(|f| filters::name(f.id))
    }

    /// Where the bytes of a dataset of an old file lie, if they are one run whose address the crate misreads: it takes the
    /// second version of the message for two bytes shorter than it is, so that address and lengths are 2¹⁶ times theirs.
    pub fn misread_address(&self, dataset: &Dataset) -> Option<u64> {
        let header = self.header(dataset)?;
        let bytes = dataset.raw_element_size().ok()? as u64 * dataset.num_elements().ok()?;
        let shift = 16 * (dataset.ndim() as u32 + 1);
        header.messages.iter().find_map(|message| match message {
            HdfMessage::DataLayout(DataLayoutMessage {
                layout: DataLayout::Contiguous { address, size },
            }) if *size != bytes
                && *size == bytes.checked_shl(shift).unwrap_or(0)
                && address.trailing_zeros() >= 16
                && (address >> 16).checked_add(bytes).is_some_and(|end| end <= self.file.storage().len()) =>
            {
                Some(address >> 16)
            }
            _ => None,
        })
    }

    /// All groups and datasets, each object once, in the order of their names.
    pub fn walk(&self) -> Result<Tree> {
        let root = self.root()?;
        let mut tree = Tree::default();
        let mut seen = HashSet::new();
        tree.walk(&root, "", 0, &mut seen).map_err(|e| self.fail(&e))?;
        Ok(tree)
    }
}

fn options(length: u64) -> OpenOptions {
    // A chunk that is compressed well is larger than the file, but not by any factor.
    let largest = length.saturating_mul(4096).clamp(1 << 20, length.max(1 << 30)) as usize;
    OpenOptions::default()
        .with_filter_registry(filters::registry(largest))
        .with_max_chunk_bytes(largest)
        .with_chunk_cache_bytes(32 << 20)
}

fn damaged(path: &Path, error: &Damage) -> Error {
    Error::file(path, sentence(error))
}

/// An error of the reader as one line, with filters by their names.
pub(super) fn sentence(error: &Damage) -> String {
    let text = error.to_string();
    if text.contains("unsupported layout class 3") {
        return "virtual datasets are not supported: open the file that has the voxels".to_owned();
    }
    if let Some(at) = text.find("filter id ") {
        let id: String = text[at + 10..].chars().take_while(char::is_ascii_digit).collect();
        if let Ok(number) = id.parse() {
            let name = filters::name(number);
            return format!("chunks are compressed by {name} (filter {id}), which is not supported");
        }
    }
    format!("HDF5: {}", shorten(&text))
}

/// Other files of the folder that a file links to. A link names a file, never a path: a file must not reach outside its
/// folder. Links of those files to further ones are not followed.
struct Siblings {
    folder: PathBuf,
    found: Mutex<BTreeMap<String, Option<Hdf5File>>>,
}

impl Siblings {
    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.join(Path::new(name).file_name()?))
    }
}

impl ExternalLinkResolver for Siblings {
    fn resolve_external_link(&self, name: &str) -> Result<Option<Hdf5File>, Damage> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = found.get(name) {
            return Ok(file.clone());
        }
        let file = self.path(name).and_then(|path| {
            let length = crate::io::planar::file_len(&path).ok()?;
            Hdf5File::open_with_options(path, options(length)).ok()
        });
        if found.len() < MOST {
            found.insert(name.to_owned(), file.clone());
        }
        Ok(file)
    }
}

/// What a file holds.
#[derive(Default)]
pub(super) struct Tree {
    /// Datasets with their paths.
    pub datasets: Vec<(String, Dataset)>,
    /// Datasets that can't be opened, and why.
    pub failed: Vec<(String, String)>,
}

impl Tree {
    fn walk(
        &mut self,
        group: &Group,
        prefix: &str,
        depth: usize,
        seen: &mut HashSet<(usize, u64)>,
    ) -> Result<(), Damage> {
        // Addresses of linked files are other files' own.
        let storage = std::ptr::from_ref(group.storage()).cast::<()>() as usize;
        if depth > DEEPEST || !seen.insert((storage, group.address())) {
            return Ok(());
        }
        let (mut groups, mut datasets) = group.member_names().or_else(|_| names_one_by_one(group))?;
        groups.sort();
        datasets.sort();
        for name in datasets {
            if self.datasets.len() + self.failed.len() >= MOST {
                return Ok(());
            }
            let path = format!("{prefix}{name}");
            match group.dataset(&name) {
                Ok(dataset) => self.datasets.push((path, dataset)),
                Err(e) => self.failed.push((path, sentence(&e))),
            }
        }
        for name in groups {
            if seen.len() >= MOST {
                return Ok(());
            }
            let child = group.group(&name)?;
            self.walk(&child, &format!("{prefix}{name}/"), depth + 1, seen)?;
        }
        Ok(())
    }

    /// A dataset by its path.
    pub fn dataset(&self, path: &str) -> Option<&Dataset> {
        self.datasets.iter().find(|(name, _)| name == path).map(|(_, dataset)| dataset)
    }
}

/// The names of groups and datasets of a group in which an object can't be understood, which counts as a dataset.
fn names_one_by_one(group: &Group) -> Result<(Vec<String>, Vec<String>), Damage> {
    let (storage, offsets, lengths) = (group.storage(), group.offset_size(), group.length_size());
    let header = ObjectHeader::parse_at_storage(storage, group.address(), offsets, lengths)?;
    let mut names = Vec::new();
    for message in &header.messages {
        match message {
            HdfMessage::Link(link) => names.push(link.name.clone()),
            HdfMessage::SymbolTable(table) => {
                let heap = LocalHeap::parse_at_storage(storage, table.heap_address, offsets, lengths)?;
                let tree = table.btree_address;
                let leaves =
                    collect_btree_v1_leaves_storage(storage, tree, offsets, lengths, None, &[], None)?;
                for (_, address) in leaves.iter().take(MOST) {
                    let count = storage.read_range(*address, 8)?;
                    let count = usize::from(u16::from_le_bytes([count.as_ref()[6], count.as_ref()[7]]));
                    let node = storage.read_range(*address, 8 + count * (2 * usize::from(offsets) + 24))?;
                    let node = SymbolTableNode::parse(&mut Cursor::new(node.as_ref()), offsets, lengths)?;
                    for entry in node.entries {
                        names.push(heap.get_string_storage(entry.link_name_offset, storage)?);
                    }
                }
            }
            _ => {}
        }
    }
    names.truncate(MOST);
    Ok(names.into_iter().partition(|name| group.group(name).is_ok()))
}

/// An attribute as text. Imaris writes arrays of single characters.
pub(super) fn text(attribute: &Attribute) -> Option<String> {
    if let Datatype::String { size: StringSize::Fixed(1), .. } = attribute.datatype {
        let text = String::from_utf8(attribute.raw_data.clone())
            .unwrap_or_else(|e| e.into_bytes().into_iter().map(char::from).collect());
        return Some(text.trim_end_matches('\0').to_owned());
    }
    attribute.read_string().ok().or_else(|| {
        let [one] = <[String; 1]>::try_from(attribute.read_strings().ok()?).ok()?;
        Some(one)
    })
}

/// An attribute as a list of texts.
pub(super) fn texts(attribute: &Attribute) -> Option<Vec<String>> {
    attribute.read_strings().ok().or_else(|| Some(vec![attribute.read_string().ok()?]))
}

/// An attribute as numbers, whatever their type.
pub(super) fn numbers(attribute: &Attribute) -> Option<Vec<f64>> {
    let (size, decode) = decoder(&attribute.datatype)?;
    let count = usize::try_from(attribute.num_elements().ok()?).ok()?;
    let bytes = attribute.raw_data.get(..count.checked_mul(size)?)?;
    Some(bytes.chunks_exact(size).map(decode).collect())
}

/// The numbers of a dataset of one axis with at most a million of them.
pub(super) fn line(dataset: &Dataset) -> Option<Vec<f64>> {
    let (size, decode) = decoder(dataset.dtype())?;
    if dataset.ndim() != 1 || dataset.shape()[0] > 1 << 20 {
        return None;
    }
    let bytes = dataset.read_raw_bytes().ok()?;
    Some(bytes.chunks_exact(size).map(decode).collect())
}

/// Bytes of a number, and how to read it.
fn decoder(datatype: &Datatype) -> Option<(usize, impl Fn(&[u8]) -> f64 + use<>)> {
    use hdf5_reader::ByteOrder;
    let (size, signed, float, order) = match *datatype {
        Datatype::FixedPoint { size, signed, byte_order } if size <= 8 => (size, signed, false, byte_order),
        Datatype::FloatingPoint { size, byte_order } if size == 4 || size == 8 => {
            (size, true, true, byte_order)
        }
        _ => return None,
    };
    let size = usize::from(size).max(1);
    Some((size, move |bytes: &[u8]| {
        let mut wide = [0u8; 8];
        for (to, from) in wide.iter_mut().zip(bytes) {
            *to = *from;
        }
        if order == ByteOrder::BigEndian {
            wide[..size].reverse();
        }
        let bits = u64::from_le_bytes(wide);
        match (float, size, signed) {
            (true, 4, _) => f64::from(f32::from_bits(bits as u32)),
            (true, ..) => f64::from_bits(bits),
            (false, _, true) => ((bits << (64 - 8 * size)) as i64 >> (64 - 8 * size)) as f64,
            (false, ..) => bits as f64,
        }
    }))
}
