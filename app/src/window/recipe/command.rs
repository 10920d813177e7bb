//! The command line that does the same as the recipe in the window.

use super::inputs;
use crate::view::{Content, Layer};
use crate::window::app::Viewer;
use egui::Ui;
use std::path::Path;
use voxelry_core::recipe::Recipe;
use voxelry_core::{Error, Result};

pub(super) fn copy_command(viewer: &mut Viewer, ui: &Ui) {
    let Some(layer) = viewer.layer_to_run_on() else { return };
    let recipe = viewer.recipe_editor.recipe();
    let others = recipe.as_ref().map_or_else(|_| Vec::new(), |recipe| inputs::taken(viewer, recipe));
    match command(layer, &others, recipe) {
        Ok(command) => {
            ui.ctx().copy_text(command);
            viewer.say("Copied command to clipboard".to_owned());
        }
        Err(error) => viewer.tell(error.to_string()),
    }
}

/// The commands that write a recipe and run it on a layer's file, wherever they are pasted.
fn command(layer: &Layer, others: &[(String, &Layer)], recipe: Result<Recipe>) -> Result<String> {
    let recipe = recipe?;
    let Some(path) = &layer.path else {
        return Err(Error::Usage(format!("Save {} to a file first", layer.name)));
    };
    let anywhere = |path: &Path| {
        let path = voxelry_core::io::remote::address(path)
            .map_or_else(|| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()), Into::into);
        path.to_string_lossy().into_owned()
    };
    let mut command = format!("voxelry run --recipe recipe.toml {} --out results", quoted(&anywhere(path)));
    if layer.channel > 0 {
        command += &format!(" --channel {}", layer.channel + 1);
    }
    if layer.time > 0 {
        command += &format!(" --time {}", layer.time + 1);
    }
    if layer.content == Content::Labels {
        command += " --as labels";
    }
    for (name, other) in others {
        let file = other.path.as_ref().map_or("FILE".to_owned(), |path| anywhere(path));
        command += &format!(" --with {}", quoted(&format!("{name}={file}")));
    }
    Ok(format!("cat > recipe.toml <<'END'\n{}END\n{command}", recipe.to_toml()))
}

/// Text as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+=:@%".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copied_commands_work_wherever_they_are_pasted() {
        use voxelry_core::io::{OpenOptions, WriteOptions, browse::Cache, write_volume};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scan.nii");
        let volume = voxelry_core::Volume::from(ndarray::Array3::<u8>::zeros((2, 3, 4)));
        write_volume(&path, &volume, voxelry_core::Geometry::default(), false, &WriteOptions::default())
            .unwrap();
        let cache = Cache::new(1 << 20);
        let mut layer = crate::view::open::layers(&path, &OpenOptions::default(), &cache).unwrap().remove(0);
        let recipe = || Recipe::parse("[[step]]\nop = \"otsu\"\n");
        layer.path = Some("scans/scan.nii".into());
        let here = std::env::current_dir().unwrap().join("scans/scan.nii");
        let text = command(&layer, &[], recipe()).unwrap();
        assert!(text.contains(&quoted(&here.to_string_lossy())), "{text}");
        layer.path = Some("https://host/scan.ome.zarr".into());
        assert!(command(&layer, &[], recipe()).unwrap().contains(" https://host/scan.ome.zarr "));
        layer.path = None;
        assert!(command(&layer, &[], recipe()).unwrap_err().to_string().contains("to a file first"));
    }

    #[test]
    fn words_are_quoted_for_shells() {
        assert_eq!(quoted("/a/b-c.tif"), "/a/b-c.tif");
        assert_eq!(quoted("it's here"), r"'it'\''s here'");
    }
}
