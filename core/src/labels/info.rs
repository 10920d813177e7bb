//! What is known of a label besides its voxels.

use serde::{Deserialize, Serialize};

/// The name of a label and how it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// What it is called; empty: by its number.
    pub name: String,
    /// Its colour; none: the one of its number.
    pub color: Option<[u8; 3]>,
    /// Whether it is shown.
    pub shown: bool,
    /// Whether its voxels may not be changed.
    pub locked: bool,
    /// How much of what lies below it it covers, of 255.
    pub opacity: u8,
}

impl Default for Info {
    fn default() -> Self {
        Self { name: String::new(), color: None, shown: true, locked: false, opacity: 255 }
    }
}
