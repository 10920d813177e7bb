//! Commands: everything that can be done in the window. Menus, shortcuts, the palette and the help all derive from the
//! list in this file; what a command does is in `run`, when it is available in `ready`.

mod menu;
mod palette;
mod ready;
mod run;
mod shortcuts;

pub use menu::{Menu, menu};
pub use palette::Palette;
pub use shortcuts::{run_by_keys, shortcut_text};

use egui::os::OperatingSystem;
use egui::{Key, KeyboardShortcut};
use shortcuts::{Shortcut, cmd, cmd_shift, key, not_mac, shift};

/// Declares the commands: the enum, the list of all, and a description of each.
macro_rules! commands {
    ($($(#[$attribute:meta])* $name:ident: $menu:ident, $title:literal, $tooltip:literal, [$($keys:expr),*];)*) => {
        /// Something that can be done in the window.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Command {
            $($(#[$attribute])* #[doc = $tooltip] $name,)*
        }

        impl Command {
            /// All commands, in the order of their menus.
            pub const ALL: &[Self] = &[$($(#[$attribute])* Self::$name,)*];

            const fn description(self) -> Description {
                match self {
                    $($(#[$attribute])* Self::$name => Description {
                        menu: Menu::$menu,
                        title: $title,
                        tooltip: $tooltip,
                        shortcuts: const { &[$($keys),*] },
                    },)*
                }
            }
        }
    };
}

/// Texts and shortcuts of a command.
struct Description {
    menu: Menu,
    title: &'static str,
    tooltip: &'static str,
    shortcuts: &'static [Shortcut],
}

commands! {
    OpenImages: File, "Open images…", "Opens image files, each beside the others", [cmd(Key::O)];
    OpenAddress: File, "Open an address…", "Opens an OME-Zarr from a web server or an S3 bucket", [];
    OpenFolder: File, "Open folder…", "Opens a folder of slices or an OME-Zarr", [];
    SaveSession: File, "Save session…", "Saves the images, views, rulers, recipe and results as a session", [cmd(Key::S)];
    Export: File, "Export…", "Exports a pane or all panes as a picture or a movie", [cmd(Key::E)];
    CloseImage: File, "Close image", "Closes the active image with all of its layers", [cmd(Key::W)];
    Quit: File, "Quit", "Closes Voxelry; unsaved edits are asked about", [cmd(Key::Q)];

    Undo: Edit, "Undo", "Undoes the last edit of the labels or of the recipe", [cmd(Key::Z)];
    Redo: Edit, "Redo", "Redoes the edit that was undone last", [cmd_shift(Key::Z), not_mac(cmd(Key::Y))];
    Cancel: Edit, "Cancel", "Closes the dialog, discards the preview or cancels the running job", [key(Key::Escape)];

    Navigate: Segment, "Navigate", "The mouse moves through the image", [key(Key::N)];
    Paint: Segment, "Paint", "Paints the active label with a disc or a ball", [key(Key::P)];
    Erase: Segment, "Erase", "Erases labels with a disc or a ball", [key(Key::E)];
    Wand: Segment, "Wand", "Labels the connected region of similar intensity", [key(Key::W)];
    Lasso: Segment, "Lasso", "Labels the area within an outline", [key(Key::G)];
    Fill: Segment, "Fill (bucket)", "Fills an area of one label", [key(Key::H)];
    Threshold: Segment, "Threshold", "Labels a range of intensities", [key(Key::T)];
    SplitObjects: Segment, "Split objects", "Splits the clicked object at its necks", [key(Key::S)];
    MergeObjects: Segment, "Merge objects", "Merges objects by dragging across them", [key(Key::J)];
    NewLabel: Segment, "New label", "Activates a label that isn't used yet", [key(Key::M)];
    ToggleBackground: Segment, "Toggle background label",
        "Switches between the active label and the one before, at first the background", [key(Key::X)];
    SeparateObjects: Segment, "Separate objects", "Gives each connected part of the active label a label of its own", [];
    NewLabelLayer: Segment, "New label layer", "Creates an empty label layer over the active image", [];
    SaveLabels: Segment, "Save labels", "Saves the edited labels into their file", [cmd_shift(Key::S)];
    SaveLabelsAs: Segment, "Save labels as…", "Saves the edited labels as a new file", [];
    ExportSurfaces: Segment, "Export surfaces…",
        "Exports the surfaces of the selected or visible labels as STL, PLY or GLB", [];
    ImportLabelNames: Segment, "Import label names…", "Reads label names and colours of ITK-SNAP, 3D Slicer or CSV", [];
    ExportLabelNames: Segment, "Export label names…", "Writes label names and colours for ITK-SNAP, 3D Slicer or CSV", [];
    SmallerBrush: Segment, "Smaller brush", "Makes the brush smaller", [key(Key::OpenBracket)];
    LargerBrush: Segment, "Larger brush", "Makes the brush larger", [key(Key::CloseBracket)];

    Fit: View, "Fit", "Fits the image into its panes", [key(Key::F)];
    ResetRotation: View, "Reset plane rotation", "Aligns rotated planes with the axes of the image", [key(Key::Num0)];
    ResetWindow: View, "Reset window", "Sets the intensity window to the 0.5 and 99.5 percentiles", [key(Key::R)];
    ToggleLabels: View, "Show or hide labels", "Shows or hides all label layers", [key(Key::V)];
    ToggleCrosshair: View, "Show or hide crosshair", "Shows or hides the crosshair and its rotation handles", [key(Key::C)];
    LinkViews: View, "Link / unlink views", "Links the views of all images, or unlinks them", [key(Key::L)];
    CropBox: View, "Crop box", "Shows a box whose faces crop the volume", [key(Key::K)];
    AddClippingPlane: View, "Add clipping plane", "Cuts the volume open with a plane facing the camera", [key(Key::O)];
    RemoveCuts: View, "Remove crop and cuts", "Shows the whole volume again", [shift(Key::K)];
    ToggleImageList: View, "Show or hide image list", "Shows or hides the list of images on the left", [cmd(Key::B)];
    ToggleSidePanel: View, "Show or hide side panel", "Shows or hides the panels on the right", [cmd_shift(Key::B)];
    ToggleAllPanels: View, "Show or hide all panels", "Shows or hides all panels around the images", [key(Key::F9)];
    RecipePanel: View, "Recipe panel", "Shows the panel that builds and runs recipes", [cmd(Key::R)];
    BlinkTopLayer: View, "Blink top layer", "Shows and hides the top layer in turns", [key(Key::B)];
    Settings: View, "Settings…", "Memory budgets, size of text and buttons", [cmd(Key::Comma)];
    SwitchTheme: View, "Switch dark / light theme", "Switches between the dark and the light theme", [];

    ToggleResults: Measure, "Show results table", "Shows or hides the table of measurements", [cmd(Key::T)];
    MeasureLabels: Measure, "Measure labels…", "Measures every object of the active label layer", [cmd(Key::M)];
    MeasureLength: Measure, "Measure a length", "Draws the distance between two points", [];
    MeasureAngle: Measure, "Measure an angle", "Draws the angle between two lines", [];
    MeasureProfile: Measure, "Profile along a line", "Plots the intensities along a line", [];
    MeasureRectangle: Measure, "Intensities in a rectangle", "Measures the intensities in a rectangle", [];
    MeasureEllipse: Measure, "Intensities in an ellipse", "Measures the intensities in an ellipse", [];
    ToggleRulers: Measure, "Show or hide rulers", "Shows or hides all rulers", [];
    RemoveRulers: Measure, "Remove all rulers", "Removes all rulers of the active image", [];
    PoolJobs: Measure, "Worker pool jobs…", "Submits the recipe to a pool of workers, and follows its jobs", [cmd(Key::J)];

    LayoutMontage: Layout, "Montage", "Shows all slices side by side", [key(Key::Num1)];
    LayoutPlanes: Layout, "Three planes and 3D", "Shows three linked planes and the volume", [key(Key::Num2)];
    LayoutVolume: Layout, "3D alone", "Shows only the volume", [key(Key::Num3)];
    ComparePlanes: Layout, "Compare all images", "Shows one plane of every image side by side", [key(Key::Num4)];
    CompareVolumes: Layout, "Compare all images in 3D", "Shows the volume of every image side by side", [key(Key::Num5)];
    CompareMontages: Layout, "Compare all images as montages",
        "Shows the slices of every image side by side", [key(Key::Num6)];
    StudyWall: Layout, "Study", "Shows the samples of the study, its tables and questions", [key(Key::Num7)];
    MaximisePane: Layout, "Maximise or restore pane", "Fills the window with the active pane, or restores it", [key(Key::Enter)];

    PreviousSlice: Go, "Previous slice", "Moves one slice back", [key(Key::Comma), key(Key::PageUp)];
    NextSlice: Go, "Next slice", "Moves one slice forward", [key(Key::Period), key(Key::PageDown)];
    TenSlicesBack: Go, "Back ten slices", "Moves ten slices back", [shift(Key::PageUp)];
    TenSlicesForward: Go, "Forward ten slices", "Moves ten slices forward", [shift(Key::PageDown)];
    PreviousFrame: Go, "Previous time frame", "Moves one time frame back", [key(Key::OpenBracket)];
    NextFrame: Go, "Next time frame", "Moves one time frame forward", [key(Key::CloseBracket)];
    PlayTime: Go, "Play or pause time", "Plays the time frames of all images", [key(Key::Space)];

    Palette: Help, "Command palette…", "Finds every command and operator by its name", [cmd(Key::P)];
    #[cfg(debug_assertions)]
    LoseDevice: Help, "Simulate loss of the graphics device", "Destroys the graphics device, for testing", [];
    Shortcuts: Help, "Mouse and keyboard shortcuts", "Lists what the mouse and the keys do", [key(Key::F1)];
}

impl Command {
    /// Name in menus and in the palette.
    pub const fn title(self) -> &'static str {
        self.description().title
    }

    /// Effect, in one sentence.
    pub const fn tooltip(self) -> &'static str {
        self.description().tooltip
    }

    /// The menu that lists it.
    pub const fn menu(self) -> Menu {
        self.description().menu
    }

    /// Its shortcuts on an operating system; menus show the first.
    pub fn shortcuts(self, os: OperatingSystem) -> impl Iterator<Item = KeyboardShortcut> {
        let mac = matches!(os, OperatingSystem::Mac | OperatingSystem::IOS);
        self.description().shortcuts.iter().filter(move |s| s.mac || !mac).map(|s| s.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::Context;

    const SYSTEMS: [OperatingSystem; 3] =
        [OperatingSystem::Nix, OperatingSystem::Windows, OperatingSystem::Mac];

    #[test]
    fn shortcuts_are_named_as_on_the_keyboard() {
        let ctx = Context::default();
        let shown: Vec<String> = Command::ALL
            .iter()
            .flat_map(|c| c.shortcuts(OperatingSystem::Nix))
            .map(|keys| shortcut_text(&ctx, keys))
            .collect();
        for sign in ["[", "]", ",", ".", "Esc", "Ctrl+,", "Shift+PgUp"] {
            let sign = if cfg!(target_os = "macos") { sign.replace("Ctrl", "⌘") } else { sign.to_owned() };
            assert!(shown.contains(&sign), "{sign} in {shown:?}");
        }
        assert!(!shown.iter().any(|s| s.contains("Bracket") || s.contains("Comma")));
    }

    #[test]
    fn no_two_commands_share_a_shortcut_or_a_title() {
        // With a brush, brackets change its radius, else the time frame; the two are never ready together.
        let brush = [Command::SmallerBrush, Command::LargerBrush];
        for os in SYSTEMS {
            for (i, a) in Command::ALL.iter().enumerate() {
                for b in &Command::ALL[i + 1..] {
                    assert_ne!(a.title(), b.title());
                    let shared = a.shortcuts(os).any(|keys| b.shortcuts(os).any(|other| other == keys));
                    assert!(!shared || brush.contains(a), "{a:?} and {b:?} on {os:?}");
                }
            }
        }
    }

    #[test]
    fn every_command_is_described() {
        for command in Command::ALL {
            let [title, tooltip] = [command.title(), command.tooltip()];
            assert!(!title.is_empty() && tooltip.len() > 10 && title != tooltip, "{command:?}");
            assert!(!tooltip.ends_with('.'), "{tooltip}");
        }
    }
}
