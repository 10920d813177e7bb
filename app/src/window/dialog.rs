//! Dialogs over the window, and which of them is uppermost.

use super::app::Viewer;
use super::commands::{Command, Palette};
use super::datasets::DatasetDialog;
use super::messages::Messages;
use super::settings::LostSession;
use super::tools::CloseTarget;

/// A dialog over the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialog {
    /// Recovery of sessions that a crash left.
    Recovery,
    /// Unsaved edits or running work that would end.
    Closing,
    /// Choice among the images of a file.
    Datasets,
    /// Address of an image.
    Address,
    /// Export of pictures and movies.
    Export,
    /// Settings.
    Settings,
    /// Jobs of a pool.
    Jobs,
    /// Mouse and keyboard shortcuts.
    Help,
    /// The command palette.
    Palette,
}

impl Dialog {
    /// The command that shows and closes it.
    pub fn command(self) -> Option<Command> {
        Some(match self {
            Self::Settings => Command::Settings,
            Self::Jobs => Command::PoolJobs,
            Self::Help => Command::Shortcuts,
            Self::Palette => Command::Palette,
            Self::Recovery | Self::Closing | Self::Datasets | Self::Address | Self::Export => return None,
        })
    }
}

/// Dialogs and messages over the window.
#[derive(Default)]
pub struct Dialogs {
    /// True if the settings are shown.
    pub settings: bool,
    /// True if mouse and keyboard shortcuts are shown.
    pub help: bool,
    /// The command palette.
    pub palette: Palette,
    /// Choice among the images of a file.
    pub datasets: Option<DatasetDialog>,
    /// The address that is being typed.
    pub address: Option<String>,
    /// Target of closing that waits for the user's answer, as it has unsaved edits.
    pub closing: Option<CloseTarget>,
    /// Sessions that crashes left.
    pub lost_sessions: Vec<LostSession>,
    /// Messages to the user.
    pub messages: Messages,
}

impl Viewer {
    /// The uppermost dialog.
    pub fn dialog(&self) -> Option<Dialog> {
        [
            (self.dialogs.palette.is_shown(), Dialog::Palette),
            (!self.dialogs.lost_sessions.is_empty(), Dialog::Recovery),
            (self.dialogs.closing.is_some(), Dialog::Closing),
            (self.dialogs.datasets.is_some(), Dialog::Datasets),
            (self.dialogs.address.is_some(), Dialog::Address),
            (self.export.is_shown(), Dialog::Export),
            (self.dialogs.settings, Dialog::Settings),
            (self.pool.shown, Dialog::Jobs),
            (self.dialogs.help, Dialog::Help),
        ]
        .into_iter()
        .find_map(|(shown, dialog)| shown.then_some(dialog))
    }
}
