//! The preview of a recipe in the visible region: local steps are computed where they are looked at, other steps run on
//! all of a coarser level.

use super::Planned;
use crate::view::live::Live;
use crate::view::recipe_run::{self, ImagePart};
use crate::view::{Content, Layer};
use crate::window::app::Viewer;
use std::sync::Arc;
use std::time::{Duration, Instant};
use voxelry_core::io::{Frame, ImageSource};
use voxelry_core::recipe::Recipe;
use voxelry_core::{Error, Region};

/// Time after which a newer preview replaces one that isn't finished.
const PREVIEW_TIMEOUT: Duration = Duration::from_millis(600);

/// Voxels of the level that a preview is of, at most.
const PREVIEWED: usize = 8 << 20;

/// Keeps the preview up with the recipe and with what is visible.
pub(super) fn preview(viewer: &mut Viewer, ok: bool) {
    if !viewer.recipe_editor.preview.enabled || !ok {
        if !viewer.recipe_editor.preview.enabled && viewer.recipe_editor.preview.layer.is_some() {
            drop_preview(viewer);
        }
        return;
    }
    let Some(Ok(Planned { shown: Some(recipe), several, whole, .. })) = &viewer.recipe_editor.planned.1
    else {
        return;
    };
    if *several {
        return drop_preview(viewer);
    }
    let (recipe, local) = (recipe.clone(), whole.is_empty());
    if local { preview_live(viewer, &recipe) } else { preview_part(viewer, &recipe) }
}

/// Local steps are calculated where they are looked at.
fn preview_live(viewer: &mut Viewer, recipe: &Recipe) {
    let fast = viewer.gpu().info.device_type != eframe::wgpu::DeviceType::Cpu;
    let Some(layer) = viewer.layer_to_run_on() else { return };
    let (source, kind) = (layer.source.clone(), recipe_run::kind(layer));
    let frame = Frame::new(layer.channel, layer.time);
    let wanted = format!("{} {frame:?}\n{}", layer.id, recipe.to_toml());
    if viewer.recipe_editor.preview.requested == wanted {
        return;
    }
    if let (Some(live), Some(shown)) =
        (viewer.recipe_editor.preview.live.clone(), viewer.recipe_editor.preview.layer)
        && live.is_of(&source, frame)
    {
        // What is being made is shown before the next is begun, so that a slider shows something while it moves.
        if !viewer.caches.painter.is_settled(shown)
            && viewer.recipe_editor.preview.changed.is_some_and(|t| t.elapsed() < PREVIEW_TIMEOUT)
        {
            (viewer.waker())();
            return;
        }
        match live.change(recipe) {
            Ok(true) => {
                let whole = Region::whole(source.info().shape());
                viewer.caches.painter.changed(shown, &[whole]);
                let layers = viewer.document.scenes.iter().flat_map(|s| &s.layers);
                layers.filter(|l| l.id == shown).for_each(|l| l.source.changed(&[whole]));
                (viewer.recipe_editor.preview.requested, viewer.recipe_editor.preview.changed) =
                    (wanted, Some(Instant::now()));
                return;
            }
            Ok(false) => {}
            Err(error) => {
                viewer.recipe_editor.preview.requested = wanted;
                return viewer.tell(format!("Preview: {error}"));
            }
        }
    }
    drop_preview(viewer);
    match Live::new(recipe, source, frame, kind, fast) {
        Ok(live) => {
            let live = Arc::new(live);
            viewer.recipe_editor.preview.layer = viewer.add_result(live.clone(), "preview", true);
            let shown = viewer.recipe_editor.preview.layer;
            let mut layers = viewer.document.scenes.iter_mut().flat_map(|s| &mut s.layers);
            if let Some(layer) = layers.find(|l| Some(l.id) == shown) {
                layer.live = Some(live.clone());
                viewer.jobs.opener.survey(layer);
            }
            viewer.recipe_editor.preview.live = Some(live);
        }
        Err(error) => viewer.tell(format!("Preview: {error}")),
    }
    (viewer.recipe_editor.preview.requested, viewer.recipe_editor.preview.changed) =
        (wanted, Some(Instant::now()));
}

/// Steps that need more are run on what is visible.
fn preview_part(viewer: &mut Viewer, recipe: &Recipe) {
    let Some(layer) = viewer.layer_to_run_on() else { return };
    let part = previewed_part(layer);
    let wanted = format!("{} {part:?}\n{}", layer.id, recipe.to_toml());
    let current = viewer
        .recipe_editor
        .preview
        .running
        .as_ref()
        .map_or(&viewer.recipe_editor.preview.requested, |p| &p.0);
    if *current == wanted
        || viewer.recipe_editor.preview.running.is_some()
            && viewer.recipe_editor.preview.changed.is_some_and(|t| t.elapsed() < PREVIEW_TIMEOUT)
    {
        return;
    }
    let running = recipe_run::run(recipe, layer, &[], Some(part), viewer.waker());
    viewer.recipe_editor.preview.level = part.level;
    viewer.recipe_editor.preview.running = Some((wanted, running));
    viewer.recipe_editor.preview.changed = Some(Instant::now());
}

pub(super) fn drop_preview(viewer: &mut Viewer) {
    viewer.recipe_editor.preview.running = None;
    viewer.recipe_editor.preview.live = None;
    viewer.recipe_editor.preview.requested.clear();
    if let Some(id) = viewer.recipe_editor.preview.layer.take() {
        viewer.remove_layer(id);
    }
}

/// Shows the result of a preview that has ended.
pub(super) fn receive_preview(viewer: &mut Viewer) {
    let running = viewer.recipe_editor.preview.running.as_ref();
    let Some((requested, result)) = running.and_then(|(text, run)| Some((text.clone(), run.ended()?))) else {
        return;
    };
    drop_preview(viewer);
    viewer.recipe_editor.preview.requested = requested;
    match result {
        Ok(result) => {
            if let Some(image) = result.image {
                viewer.recipe_editor.preview.layer = viewer.add_result(image, "preview", true);
            }
        }
        Err(Error::Cancelled) => {}
        Err(error) => viewer.tell(format!("Preview: {error}")),
    }
}

/// A preview has the window of its image, unless its intensities are others.
pub(super) fn fit(viewer: &mut Viewer) {
    let shown = viewer.recipe_editor.preview.layer;
    let mut layers = viewer.document.scenes.iter_mut().flat_map(|s| &mut s.layers);
    let Some(layer) = layers.find(|l| Some(l.id) == shown && l.content == Content::Grey) else { return };
    let Some(stats) =
        layer.stats.clone().filter(|s| viewer.recipe_editor.preview.fitted != Some((layer.id, s.level)))
    else {
        return;
    };
    viewer.recipe_editor.preview.fitted = Some((layer.id, stats.level));
    let own = layer.window_of(&stats);
    let [low, high] = layer.display.window.unwrap_or(own);
    let shared = (own[1].min(high) - own[0].max(low)).max(0.0);
    if shared < 0.5 * (own[1] - own[0]).max(high - low) {
        layer.display.window = Some(own);
    }
}

/// Part of the image that steps are previewed on which need all of it: the finest level that is small enough, so
/// that every pane shows it.
pub fn previewed_part(layer: &Layer) -> ImagePart {
    let levels = &layer.source.info().levels;
    let small = |l: &voxelry_core::io::Level| l.shape.iter().product::<usize>() <= PREVIEWED;
    let level = levels.iter().position(small).unwrap_or(levels.len() - 1);
    ImagePart { level, region: Region::whole(levels[level].shape) }
}
