//! The desktop window.

mod annotations;
mod app;
mod bars;
mod caches;
mod canvas;
mod closing;
mod commands;
mod datasets;
mod dialog;
mod dialogs;
mod display_panel;
mod events;
mod export;
pub mod figure;
mod gallery;
mod handles;
mod help;
mod histogram;
mod input;
mod jobs;
mod layers;
mod layout;
mod links;
mod messages;
mod navigation;
mod opening;
mod overlay;
mod panes;
mod picture_threads;
mod plots;
mod pointer;
mod pool;
mod recipe;
mod recovery;
mod rulers;
mod session;
mod session_files;
mod settings;
mod side_panels;
mod slice_profile;
mod study;
mod surface_stroke;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod theme;
mod tools;
mod view_state;
mod widgets;

use eframe::egui_wgpu::{WgpuConfiguration, WgpuSetup, WgpuSetupCreateNew};
use settings::{Autosave, Settings};
use std::path::PathBuf;
use std::sync::Arc;
use voxelry_core::io::OpenOptions;
use voxelry_shaders::gpu::{BACKENDS, Gpu};

/// Opens a window on images and runs until it is closed; `after_loss`, on the session of a window whose
/// device was lost.
///
/// # Errors
/// If there is no display or no graphics adapter.
pub fn run(paths: Vec<PathBuf>, options: OpenOptions, after_loss: bool) -> anyhow::Result<()> {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.device_descriptor = Arc::new(Gpu::wanted);
    setup.instance_descriptor.backends = BACKENDS;
    let viewport = egui::ViewportBuilder::default()
        .with_title("Voxelry")
        .with_app_id("voxelry")
        .with_inner_size([1280.0, 800.0])
        .with_min_inner_size([640.0, 400.0])
        .with_drag_and_drop(true);
    let native = eframe::NativeOptions {
        viewport,
        renderer: eframe::Renderer::Wgpu,
        wgpu_options: WgpuConfiguration {
            wgpu_setup: WgpuSetup::CreateNew(setup),
            ..WgpuConfiguration::default()
        },
        ..eframe::NativeOptions::default()
    };
    let result = eframe::run_native(
        "voxelry",
        native,
        Box::new(move |context| {
            let state = context.wgpu_render_state.clone().ok_or("there is no graphics device")?;
            let (settings, autosave) = (Settings::load(), Autosave::new());
            let given = if after_loss { Vec::new() } else { paths.clone() };
            let mut viewer = app::Viewer::new(&context.egui_ctx, state, settings, autosave, given, &options);
            viewer.lifecycle.quit_request.listen(&context.egui_ctx);
            if after_loss {
                paths.into_iter().for_each(|path| viewer.reopen(path));
                viewer.tell("The graphics device was lost; what was open is open again.".to_owned());
            }
            Ok(Box::new(viewer))
        }),
    );
    // A movie that was being made ends with the window.
    voxelry_core::io::atomic::abandon();
    result.map_err(|error| anyhow::anyhow!("{}", explain(&error)))
}

/// Explains what to do about a window that could not be opened.
fn explain(error: &eframe::Error) -> String {
    match error {
        eframe::Error::WinitEventLoop(_) => {
            "there is no display to open a window on; the other commands need none: \
                                             voxelry --help"
                .to_owned()
        }
        eframe::Error::Wgpu(e) => format!("{} ({e})", voxelry_shaders::gpu::NO_ADAPTER),
        other => other.to_string(),
    }
}

/// The sample that comes with the program, if it lies where it is looked for.
fn sample() -> Option<PathBuf> {
    let name = "assets/mni152_t1_1mm.nii.gz";
    let beside = std::env::current_exe().ok()?.parent()?.join(name);
    let built = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(name);
    [beside, built].into_iter().find(|p| p.is_file())
}
