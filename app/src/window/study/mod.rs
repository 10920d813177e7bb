//! The layout of a study: the wall of its samples, its tables below, and the questions that can be asked of it.

mod questions;
mod wall;

use super::app::Viewer;
use super::events::AppEvent;
use super::table::ResultsPanel;
use crate::view::study::Study;
use crate::view::study::question::Answer;
use egui::Ui;
use questions::Questions;
use std::path::PathBuf;
use std::sync::Arc;
use voxelry_core::io::OpenOptions;
use voxelry_core::measure::Table;
use wall::Wall;

/// The study that is open, and how it is shown.
#[derive(Default)]
pub struct StudyPanel {
    /// The study.
    pub study: Option<Arc<Study>>,
    /// True if the study is shown in place of the images.
    pub shown: bool,
    /// Tables of the study, and the last answers.
    pub results: ResultsPanel,
    /// The tables with their titles.
    tables: Vec<(String, Table)>,
    wall: Wall,
    questions: Questions,
}

/// Answers that are kept as tables.
const ANSWERS: usize = 6;

impl StudyPanel {
    /// Adds an answer's table before those of earlier ones.
    fn add(&mut self, answer: Answer) {
        let title = answer.question.title();
        let mut table = answer.table;
        table.name = match answer.question.kind() {
            "sql" => "query".to_owned(),
            kind => kind.to_owned(),
        };
        self.tables.insert(1.min(self.tables.len()), (title, table));
        self.tables.truncate(ANSWERS + 1);
        self.results.follow(&mut self.tables, None);
        self.results.choose_table(1.min(self.tables.len() - 1));
        self.questions.sentences = answer.sentences;
    }

    /// Number of pictures on the wall.
    #[cfg(test)]
    pub fn drawn(&self) -> usize {
        self.wall.drawn()
    }
}

impl Viewer {
    /// Opens a study; it appears when it is there.
    pub(super) fn open_study(&mut self, folder: PathBuf) {
        self.jobs.opening += 1;
        self.settings.opened(&folder);
        let (send, wake) = (self.jobs.events.0.clone(), self.waker());
        std::thread::spawn(move || {
            // Nobody listens when the window has closed.
            let _ = send.send(AppEvent::Study(Box::new(Study::open(&folder))));
            wake();
        });
    }

    /// Shows a study that has been opened.
    pub(super) fn show_study(&mut self, study: anyhow::Result<Study>) {
        self.jobs.opening -= 1;
        match study {
            Ok(study) => {
                let tables = vec![(format!("Samples of {}", study.name), study.table.clone())];
                let questions = Questions::of(&study);
                let study = Some(Arc::new(study));
                self.study = StudyPanel { study, shown: true, tables, questions, ..StudyPanel::default() };
            }
            Err(error) => self.tell(error.to_string()),
        }
    }

    /// The wall, in place of the panes.
    pub(super) fn wall_ui(&mut self, ui: &mut Ui) {
        let Some(study) = self.study.study.clone() else { return };
        let (cache, wake) = (self.jobs.opener.cache().clone(), self.waker());
        let Some(samples) = self.study.results.samples() else { return };
        let opened = self.study.wall.show(ui, &study, samples, &cache, &wake);
        if let Some(row) = opened {
            self.open_sample(row);
        }
    }

    /// The table of the study's samples and the answers, kept up with.
    pub(super) fn follow_study(&mut self) {
        let panel = &mut self.study;
        panel.results.follow(&mut panel.tables, None);
        for sheet in &mut panel.results.sheets {
            sheet.objects.refresh(&self.jobs.wake);
        }
        if let Some(answer) = panel.questions.poll() {
            match answer {
                Ok(answer) => panel.add(answer),
                Err(error) => panel.questions.sentences = vec![error.to_string()],
            }
        }
    }

    /// Opens a sample's image with its labels in the planes.
    pub(super) fn open_sample(&mut self, row: u32) {
        let Some(files) = self.study.study.as_ref().and_then(|s| s.samples.get(row as usize)).cloned() else {
            return;
        };
        let Some(images) = files.images else {
            self.tell(format!("{} has no results to open", files.name));
            return;
        };
        self.study.shown = false;
        self.open(images.image, OpenOptions::default());
        if let Some(labels) = images.labels {
            self.open(labels, OpenOptions::default());
        }
    }

    /// Follows a row of the study's tables: to its sample on the wall, or into its images.
    pub(super) fn jump_to_sample(&mut self, row: u32) {
        let panel = &mut self.study;
        let Some(study) = &panel.study else { return };
        let Some(table) = panel.results.sheet().map(|s| s.objects.table().clone()) else { return };
        let Ok(at) = table.batch.schema().index_of("sample") else { return };
        let Some(sample) = study.row(&table.text(at, row as usize)) else { return };
        if let Some(samples) = panel.results.samples() {
            samples.select([sample]);
        }
        panel.wall.go_to(sample);
        self.open_sample(sample);
    }

    /// The panel of questions, on the right.
    pub(super) fn questions_ui(&mut self, ui: &mut Ui) {
        let wake = self.waker();
        let Some(study) = self.study.study.clone() else { return };
        if let Some(text) = self.study.questions.show(ui, &study, &wake) {
            ui.ctx().copy_text(text);
            self.say("Copied command to clipboard".to_owned());
        }
    }
}
