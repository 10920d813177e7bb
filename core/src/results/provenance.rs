//! The record from which a result can be made again.

use super::Identity;
use crate::recipe::Recipe;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a result was made. As TOML it is a recipe with a `[provenance]` table, so that it can be run
/// on other images as well.
#[derive(Debug, Clone)]
pub struct Provenance {
    /// The recipe, with every parameter as resolved.
    pub recipe: Recipe,
    /// The rest.
    pub record: Record,
}

/// Everything but the recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Name and version of the program.
    pub program: String,
    /// The sample's name in tables.
    pub sample: String,
    /// Channel of the image, from 1.
    pub channel: usize,
    /// Time frame of the image, from 1.
    pub time: usize,
    /// Format of the label image.
    pub labels_as: String,
    /// What the image's voxels were taken as, where the file doesn't say so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_as: Option<String>,
    /// Whether further images were laid on the first by their indices alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_geometry: bool,
    /// How a file was opened, where it doesn't say so itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub open: BTreeMap<String, String>,
    /// Values found on the way, such as automatic thresholds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<String, f64>,
    /// The images: the first is the one that the recipe was run on.
    pub input: Vec<Identity>,
}

#[derive(Deserialize)]
struct Document {
    provenance: Option<Record>,
}

#[derive(Serialize)]
struct ProvenanceTable<'a> {
    provenance: &'a Record,
}

impl Provenance {
    /// The record as TOML.
    pub fn to_toml(&self) -> String {
        let record = toml::to_string(&ProvenanceTable { provenance: &self.record })
            .expect("plain data always encodes");
        format!("{}\n{record}", self.recipe.to_toml())
    }

    /// Reads what [`Provenance::to_toml`] wrote.
    ///
    /// # Errors
    /// If it isn't a recipe or has no `[provenance]`.
    pub fn parse(text: &str) -> Result<Self> {
        let recipe = Recipe::parse(text)?;
        let wrong = |reason: String| Error::recipe(None, reason);
        let document: Document = toml::from_str(text).map_err(|e| wrong(e.message().to_owned()))?;
        let record = document
            .provenance
            .ok_or_else(|| wrong("this is a recipe without [provenance]; run it with --recipe".into()))?;
        Ok(Self { recipe, record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provenance_is_read_back_and_is_a_recipe() {
        let recipe = Recipe::parse("[[step]]\nop = \"threshold\"\nmin = 3\n").unwrap();
        let record = Record {
            program: "voxelry 0.1.0".into(),
            sample: "a \"b\"".into(),
            channel: 1,
            time: 1,
            labels_as: "ome-zarr".into(),
            taken_as: None,
            ignore_geometry: false,
            open: BTreeMap::new(),
            found: [("threshold".to_owned(), 0.1)].into(),
            input: vec![Identity {
                name: "image".into(),
                path: "a/b.tif".into(),
                bytes: 3,
                blake3: "00".into(),
            }],
        };
        let provenance = Provenance { recipe, record };
        let text = provenance.to_toml();
        let back = Provenance::parse(&text).unwrap();
        assert_eq!(back.record, provenance.record);
        assert_eq!(back.to_toml(), text);
        assert!(Recipe::parse(&text).is_ok());
    }
}
