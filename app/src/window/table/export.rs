//! Rows that go into a file, with what they are of beside it.

use super::RowSelection;
use crate::view::objects::part;
use crate::view::open::recipe_beside;
use crate::window::app::Viewer;
use std::path::Path;
use std::sync::Arc;
use voxelry_core::Result;
use voxelry_core::io::atomic;
use voxelry_core::measure::Table;

/// Rows of a table that are to be written.
pub struct TableExport {
    table: Arc<Table>,
    rows: Arc<Vec<u32>>,
    /// Description of the selection of rows.
    about: Vec<String>,
    /// The recipe that made the objects.
    recipe: Option<Arc<str>>,
}

impl TableExport {
    /// Name of the table.
    pub fn name(&self) -> &str {
        &self.table.name
    }

    /// Writes the rows, and beside them their units and the recipe that they come from.
    ///
    /// # Errors
    /// If the name or the place will not do.
    pub fn write(&self, path: &Path) -> Result<()> {
        part(&self.table, &self.rows).write_with_units(path, false)?;
        self.write_recipe(path)
    }

    /// Writes a plot of the rows, and beside it the recipe that they come from.
    ///
    /// # Errors
    /// If the name or the place will not do.
    pub fn write_plot(&self, plot: &str, path: &Path) -> Result<()> {
        atomic::write(path, plot.as_bytes())?;
        self.write_recipe(path)
    }

    fn write_recipe(&self, path: &Path) -> Result<()> {
        let mut text: String = self.about.iter().map(|line| format!("# {line}\n")).collect();
        let Some(recipe) = &self.recipe else { return Ok(()) };
        text += recipe;
        atomic::write(recipe_beside(path), text.as_bytes())
    }
}

impl Viewer {
    /// Rows of the table that is shown, to be written.
    pub fn table_to_save(&self, which: RowSelection) -> Option<TableExport> {
        let objects = &self.shown_results().sheet()?.objects;
        let layers = || self.document.scenes.iter().flat_map(|s| &s.layers);
        let layer = layers().find(|l| Some(l.id) == objects.layer);
        let mut about = Vec::new();
        if which != RowSelection::All {
            let filter = objects.filter().trim();
            if !filter.is_empty() && objects.error().is_none() {
                about.push(format!("rows: {filter}"));
            }
            if let Some((column, falling)) = objects.sort() {
                about.push(format!("order: {column}{}", if *falling { ", descending" } else { "" }));
            }
        }
        if which == RowSelection::Selected {
            about.push("selected rows only".to_owned());
        }
        let image = layers().find(|l| l.path.is_some() && !self.study.shown).and_then(|l| l.path.as_ref());
        about.extend(image.map(|path| format!("image: {}", path.display())));
        Some(TableExport {
            table: objects.table().clone(),
            rows: Arc::new(which.rows(objects)),
            about,
            recipe: layer
                .and_then(|l| l.provenance.clone())
                .or_else(|| self.recipe_editor.measured_by().filter(|_| !self.study.shown)),
        })
    }
}
