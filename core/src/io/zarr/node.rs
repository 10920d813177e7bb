//! Groups and arrays of a Zarr hierarchy: what kind a node is, its attributes and its metadata.

use crate::{Error, Result};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zarrs::filesystem::FilesystemStore;
use zarrs::storage::{ReadableStorage, StoreKey};

/// A metadata document longer than this is not one.
const MAX_METADATA: u64 = 64 << 20;

/// The store of a folder on the local disk.
pub(super) fn local(path: &Path) -> Result<ReadableStorage> {
    let store = FilesystemStore::new(path).map_err(|e| Error::file(path, e.to_string()))?;
    Ok(Arc::new(store))
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A group, also one that only has attributes.
    Group,
    /// An array with its metadata (`zarr.json` or `.zarray`).
    Array(Map<String, Value>),
}

/// A group or array.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Group or array.
    pub(super) kind: Kind,
    /// 2 or 3.
    pub(super) zarr_format: u8,
    /// User attributes.
    pub(super) attributes: Map<String, Value>,
}

/// Joins a node's path (relative, no leading slash; empty for the root) and a name below it.
/// None if the name leads out of the hierarchy or is not a name.
pub(super) fn join(node: &str, below: &str) -> Option<String> {
    let below = below.trim_matches('/');
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains(['\\', '\0']);
    if below.is_empty() || below == "." {
        return Some(node.to_owned());
    }
    if below.split('/').any(bad) {
        return None;
    }
    Some(if node.is_empty() { below.to_owned() } else { format!("{node}/{below}") })
}

/// Where a node lies, for messages.
pub(super) fn place(root: &Path, node: &str) -> PathBuf {
    if node.is_empty() { root.to_owned() } else { root.join(node) }
}

fn document(store: &ReadableStorage, root: &Path, key: &str) -> Result<Option<Map<String, Value>>> {
    let at = || root.join(key);
    let fail = |e: zarrs::storage::StorageError| Error::file(at(), e.to_string());
    let store_key = StoreKey::new(key).map_err(|_| Error::file(at(), "not the name of a Zarr node"))?;
    match store.size_key(&store_key).map_err(fail)? {
        None => return Ok(None),
        Some(size) if size > MAX_METADATA => {
            return Err(Error::file(at(), format!("metadata of {size} bytes is not believable")));
        }
        Some(_) => {}
    }
    let Some(bytes) = store.get(&store_key).map_err(fail)? else { return Ok(None) };
    // Old writers put bare NaN into JSON, which is not JSON; they are told so.
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(map)) => Ok(Some(map)),
        Ok(_) => Err(Error::file(at(), "should hold a JSON object")),
        Err(e) => Err(Error::file(at(), format!("not valid JSON: {e}"))),
    }
}

impl Node {
    /// Reads the node at `path` (empty for the root); none if there is nothing.
    pub(super) fn read(store: &ReadableStorage, root: &Path, path: &str) -> Result<Option<Self>> {
        let key = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        if let Some(mut map) = document(store, root, &key("zarr.json"))? {
            let fail = |reason: String| Err(Error::file(root.join(key("zarr.json")), reason));
            if map.get("zarr_format").and_then(Value::as_u64) != Some(3) {
                return fail(format!("zarr_format should be 3, not {}", show(map.get("zarr_format"))));
            }
            let attributes = match map.get("attributes") {
                None | Some(Value::Null) => Map::new(),
                Some(Value::Object(attributes)) => attributes.clone(),
                Some(other) => {
                    return fail(format!("attributes should be an object, not {}", show(Some(other))));
                }
            };
            let kind = match map.get("node_type").and_then(Value::as_str) {
                Some("group") => Kind::Group,
                Some("array") => {
                    map.remove("attributes");
                    Kind::Array(map)
                }
                _ => {
                    return fail(format!(
                        "node_type should be group or array, not {}",
                        show(map.get("node_type"))
                    ));
                }
            };
            return Ok(Some(Self { kind, zarr_format: 3, attributes }));
        }
        let array = document(store, root, &key(".zarray"))?;
        let attributes = document(store, root, &key(".zattrs"))?;
        if let Some(map) = array {
            return Ok(Some(Self {
                kind: Kind::Array(map),
                zarr_format: 2,
                attributes: attributes.unwrap_or_default(),
            }));
        }
        let group = document(store, root, &key(".zgroup"))?;
        if group.is_none() && attributes.is_none() {
            return Ok(None);
        }
        Ok(Some(Self { kind: Kind::Group, zarr_format: 2, attributes: attributes.unwrap_or_default() }))
    }

    /// The OME attributes: `attributes.ome` (0.5) or the attributes themselves (0.4 and before).
    pub(super) fn ome(&self) -> &Map<String, Value> {
        match self.attributes.get("ome") {
            Some(Value::Object(ome)) => ome,
            _ => &self.attributes,
        }
    }
}

/// A value for a message, cut to a length that a person reads.
pub(super) fn show(value: Option<&Value>) -> String {
    let text = value.map_or("missing".to_owned(), Value::to_string);
    if text.chars().count() > 60 { format!("{}…", text.chars().take(60).collect::<String>()) } else { text }
}
