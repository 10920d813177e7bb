//! Sets of files that one OME-XML describes: other members, companion files, and folders that hold a set.

use super::super::page::Page;
use super::super::stack::TiffFile;
use super::{IgnoreNamespace, is_ome};
use crate::error::PathContext;
use crate::{Error, Result};
use roxmltree::{Document, Node};
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The longest companion that is read.
const LONGEST: u64 = 1 << 28;

/// The opened file, which is the first, and others of its set as they are named.
pub(super) struct Set<'a> {
    pub files: &'a mut Vec<TiffFile>,
    known: HashMap<OsString, std::result::Result<usize, String>>,
}

/// The file that a block of planes names, without its folder: a file must not reach outside its own.
fn name_in<'a>(block: Node<'a, '_>) -> Option<&'a OsStr> {
    Path::new(uuid_of(block)?.attribute("FileName")?).file_name()
}

fn uuid_of<'a, 'input>(block: Node<'a, 'input>) -> Option<Node<'a, 'input>> {
    block.children().find(|n| n.has_tag_name_ignoring_namespace("UUID"))
}

fn blocks<'a, 'input>(pixels: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    pixels.children().filter(|n| n.has_tag_name_ignoring_namespace("TiffData"))
}

/// Whether an image has planes in a file.
pub(super) fn is_member(pixels: Node, path: &Path) -> bool {
    blocks(pixels).any(|block| name_in(block).is_none_or(|name| Some(name) == path.file_name()))
}

impl<'a> Set<'a> {
    pub fn new(files: &'a mut Vec<TiffFile>) -> Self {
        let known = files
            .iter()
            .enumerate()
            .filter_map(|(i, f)| Some((f.input.path().file_name()?.to_owned(), Ok(i))))
            .collect();
        Self { files, known }
    }

    /// The file that a block of planes lies in: the opened one, or another of the set, opened when first named.
    ///
    /// # Errors
    /// If it is not there, or can't be read.
    pub fn file_of(&mut self, block: Node) -> std::result::Result<usize, String> {
        let Some(name) = name_in(block) else { return Ok(0) };
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let found = self.open(name, block);
        self.known.insert(name.to_owned(), found.clone());
        found
    }

    fn open(&mut self, name: &OsStr, block: Node) -> std::result::Result<usize, String> {
        let path = self.files[0].input.path().with_file_name(name);
        if !path.is_file() {
            // A file that was renamed still names itself by its old name.
            let root_uuid = block.document().root_element().attribute("UUID");
            if root_uuid.is_some() && uuid_of(block).and_then(|n| n.text()).map(str::trim) == root_uuid {
                return Ok(0);
            }
            if self.files.len() == 1 && root_uuid.is_none() {
                return Ok(0);
            }
            return Err(format!("the file {} of the set is not there", name.display()));
        }
        match TiffFile::open(&path) {
            Ok(mut file) => {
                file.input.close();
                self.files.push(file);
                Ok(self.files.len() - 1)
            }
            Err(e) => Err(format!("a file of the set cannot be read: {e}")),
        }
    }

    /// The page of the first plane that is there.
    ///
    /// # Errors
    /// If there is none.
    pub fn first_page(
        &mut self,
        pixels: Node,
        [width, height]: [usize; 2],
    ) -> std::result::Result<&Page, String> {
        let mut reason = None;
        let mut at = None;
        for block in blocks(pixels) {
            match self.file_of(block) {
                Ok(file) => {
                    let page =
                        block.attribute("IFD").and_then(|v| v.trim().parse::<usize>().ok()).unwrap_or(0);
                    if self.files[file]
                        .pages
                        .get(page)
                        .is_some_and(|p| (p.width, p.height) == (width, height))
                    {
                        return Ok(&self.files[file].pages[page]);
                    }
                    at.get_or_insert(file);
                }
                Err(missing) => reason = reason.or(Some(missing)),
            }
        }
        let Some(file) = at.or_else(|| blocks(pixels).next().is_none().then_some(0)) else {
            return Err(reason.unwrap_or_else(|| "none of its planes are there".to_owned()));
        };
        let pages = &self.files[file].pages;
        Ok(pages.iter().find(|p| (p.width, p.height) == (width, height)).unwrap_or(&pages[0]))
    }
}

/// Where `BinaryOnly` says that the description is in another file of the folder: that text, or why it can't be had.
pub(super) fn described_elsewhere(text: &str, path: &Path) -> Option<std::result::Result<String, String>> {
    let document = Document::parse(text.trim_start_matches('\u{feff}')).ok()?;
    let binary =
        document.root_element().children().find(|n| n.has_tag_name_ignoring_namespace("BinaryOnly"))?;
    let name = Path::new(binary.attribute("MetadataFile")?).file_name()?;
    let reason = |why: String| format!("the OME-XML is in {}, {why}", name.display());
    let beside = path.with_file_name(name);
    if !beside.is_file() {
        return Some(Err(reason("which is not there".into())));
    }
    Some(text_of(&beside).map_err(|e| reason(format!("which can't be read: {e}"))))
}

/// The OME-XML of a companion file or of a TIFF file.
fn text_of(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).at(path)?.take(LONGEST).read_to_end(&mut bytes).at(path)?;
    if super::super::ifd::is_tiff(&bytes) {
        let file = TiffFile::open(path)?;
        let text = super::super::layout::description(&file)?;
        return text.filter(|t| is_ome(t)).ok_or_else(|| Error::file(path, "has no OME-XML"));
    }
    String::from_utf8(bytes).map_err(|_| Error::file(path, "is no text (UTF-8)"))
}

/// Whether a file is OME-XML by itself, as companions of a set are.
pub(in super::super) fn is_companion(head: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&head[..head.len().min(1024)]);
    let start = start.trim_start_matches('\u{feff}').trim_start();
    start.starts_with('<') && start.contains("<OME")
}

/// The text of a companion, and the first file of its set that is there and of which the wanted image has planes.
pub(in super::super) fn companion(path: &Path, wanted: Option<&str>) -> Result<(String, PathBuf)> {
    let text = text_of(path)?;
    let document = Document::parse(text.trim_start_matches('\u{feff}'))
        .map_err(|e| Error::file(path, format!("the OME-XML is damaged: {e}")))?;
    let images = super::images::list(&document);
    let names: Vec<&str> = images.iter().map(|i| i.info.name.as_str()).collect();
    let at = wanted.and_then(|w| crate::io::options::choose(w, &names).ok()).unwrap_or(0);
    let own = images.iter().skip(at).take(1).chain(&images);
    let mut first = None;
    for name in own.flat_map(|i| blocks(i.pixels)).filter_map(name_in) {
        let file = path.with_file_name(name);
        if file.is_file() {
            return Ok((text.clone(), file));
        }
        first.get_or_insert(name);
    }
    Err(Error::file(
        path,
        match first {
            Some(name) => format!("the file {} of the set is not there", name.display()),
            None => "the OME-XML names no files with planes".to_owned(),
        },
    ))
}

/// Whether the files of a folder are one set, so that its first stands for all: the names of the set's files. None if the
/// first says nothing of others.
pub(in super::super) fn set_of(first: &TiffFile) -> Option<HashSet<OsString>> {
    let path = first.input.path();
    let text = super::super::layout::description(first).ok()?.filter(|t| is_ome(t))?;
    let text = match described_elsewhere(&text, path) {
        None => text,
        Some(elsewhere) => elsewhere.ok()?,
    };
    let document = Document::parse(text.trim_start_matches('\u{feff}')).ok()?;
    let images = super::images::list(&document);
    let names: HashSet<OsString> =
        images.iter().flat_map(|i| blocks(i.pixels)).filter_map(name_in).map(OsStr::to_owned).collect();
    (names.len() > 1 && path.file_name().is_some_and(|own| names.contains(own))).then_some(names)
}
