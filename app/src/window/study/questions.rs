//! The panel of questions: comparisons, outliers and queries as forms, and those that were asked before.

use crate::view::study::Study;
use crate::view::study::question::{Answer, Columns, Question};
use crate::window::table::spoken;
use crate::window::theme::WARNING;
use crate::window::widgets::choice;
use anyhow::Result;
use crossbeam_channel::{Receiver, bounded};
use egui::{CollapsingHeader, FontId, Key, Modifiers, RichText, ScrollArea, TextEdit, Ui};
use std::sync::Arc;
use voxelry_analysis::compare;
use voxelry_analysis::outliers;

/// The forms and their state.
#[derive(Default)]
pub struct Questions {
    columns: Columns,
    kept: Vec<Question>,
    value: String,
    by: String,
    pair_by: Option<String>,
    of: String,
    query: String,
    asking: Option<Receiver<Result<Answer>>>,
    /// Sentences of the last answer.
    pub sentences: Vec<String>,
}

impl Questions {
    /// Forms for a study.
    pub fn of(study: &Study) -> Self {
        let columns = study.columns.clone();
        let usual = |names: &[String], wanted: &str| {
            let found = names.iter().find(|n| *n == wanted).or(names.first());
            found.cloned().unwrap_or_default()
        };
        Self {
            value: usual(&columns.values, "volume"),
            by: usual(&columns.groups, "group"),
            of: "samples".into(),
            query: "select * from samples".into(),
            kept: study.questions.clone(),
            columns,
            ..Self::default()
        }
    }

    /// The answer, once it is there.
    pub fn poll(&mut self) -> Option<Result<Answer>> {
        let answer = self.asking.as_ref()?.try_recv().ok()?;
        self.asking = None;
        Some(answer)
    }

    /// Asks a question on a thread, and keeps it in the study.
    pub fn ask(&mut self, question: Question, study: &Arc<Study>, wake: &Arc<dyn Fn() + Send + Sync>) {
        let (send, receive) = bounded(1);
        self.asking = Some(receive);
        self.sentences.clear();
        let (study, wake) = (study.clone(), wake.clone());
        let asked = question.clone();
        std::thread::spawn(move || {
            let answer = asked.answer(&study.folder);
            if answer.is_ok() {
                // A study in a folder that can't be written to answers all the same.
                let _ = asked.keep(&study.folder);
            }
            // Nobody listens when the study was closed.
            let _ = send.send(answer);
            wake();
        });
        if !self.kept.contains(&question) {
            self.kept.push(question);
        }
    }

    /// Shows the panel; a command that was asked for, to be copied.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        study: &Arc<Study>,
        wake: &Arc<dyn Fn() + Send + Sync>,
    ) -> Option<String> {
        let (mut asked, mut copied) = (None, None);
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(ui.available_width() - 8.0);
            ui.add_enabled_ui(self.asking.is_none(), |ui| {
                section(ui, "Compare groups", |ui| self.compare_form(ui), study, &mut asked, &mut copied);
                section(ui, "Outliers", |ui| self.outliers_form(ui), study, &mut asked, &mut copied);
                section(ui, "Query (SQL)", |ui| self.query_form(ui), study, &mut asked, &mut copied);
            });
            ui.add_space(6.0);
            if self.asking.is_some() {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.label("Computing…");
                });
            }
            for sentence in &self.sentences {
                let warns = sentence.contains("not estimable") || sentence.contains("no column");
                let text = RichText::new(sentence);
                ui.add(egui::Label::new(if warns { text.color(WARNING) } else { text }).wrap());
                ui.add_space(2.0);
            }
            if !self.kept.is_empty() {
                ui.separator();
                ui.strong("Asked before");
                for question in &self.kept {
                    let title = format!("{}: {}", question.kind(), question.title());
                    let button = egui::Button::new(title).truncate();
                    if ui.add_enabled(self.asking.is_none(), button).on_hover_text("Ask again").clicked() {
                        asked = Some(question.clone());
                    }
                }
            }
        });
        if let Some(question) = asked {
            self.ask(question, study, wake);
        }
        copied
    }

    fn compare_form(&mut self, ui: &mut Ui) -> (Option<Question>, &'static str) {
        field(ui, "Value", &mut self.value, &self.columns.values);
        field(ui, "Groups", &mut self.by, &self.columns.groups);
        ui.horizontal(|ui| {
            ui.add_sized([64.0, 18.0], egui::Label::new("Paired by"));
            let shown = self.pair_by.as_deref().map_or("nothing".to_owned(), spoken);
            choice(ui, "Paired by", &shown, 170.0, |ui| {
                ui.selectable_value(&mut self.pair_by, None, "nothing");
                for name in &self.columns.groups {
                    ui.selectable_value(&mut self.pair_by, Some(name.clone()), spoken(name));
                }
            });
        });
        let ready = !self.value.is_empty() && !self.by.is_empty();
        let options = compare::Options {
            values: vec![self.value.clone()],
            by: vec![self.by.clone()],
            pair_by: self.pair_by.clone(),
            ..compare::Options::default()
        };
        (ready.then_some(Question::Compare(options)), "Compare")
    }

    fn outliers_form(&mut self, ui: &mut Ui) -> (Option<Question>, &'static str) {
        let tables: Vec<String> = self.columns.tables.iter().map(|(name, _)| name.clone()).collect();
        field(ui, "Rows of", &mut self.of, &tables);
        let question = Question::Outliers { of: self.of.clone(), options: outliers::Options::default() };
        ((!self.of.is_empty()).then_some(question), "Find outliers")
    }

    fn query_form(&mut self, ui: &mut Ui) -> (Option<Question>, &'static str) {
        let edit =
            TextEdit::multiline(&mut self.query).code_editor().desired_rows(4).desired_width(f32::INFINITY);
        let edit = ui.add(edit).on_hover_text("Ctrl+Enter runs the query");
        let keys = edit.has_focus() && ui.input_mut(|i| i.consume_key(Modifiers::COMMAND, Key::Enter));
        CollapsingHeader::new("Tables and columns").id_salt("tables").show(ui, |ui| {
            for (table, columns) in &self.columns.tables {
                if ui
                    .button(RichText::new(table).strong())
                    .on_hover_text("Insert the name of the table")
                    .clicked()
                {
                    self.query += &format!(" {table}");
                }
                ui.horizontal_wrapped(|ui| {
                    ui.spacing_mut().item_spacing.x = 4.0;
                    for column in columns {
                        let text = RichText::new(column).font(FontId::monospace(11.0));
                        if ui.add(egui::Button::new(text).small()).clicked() {
                            self.query += &format!(" {column}");
                        }
                    }
                });
            }
        });
        let question = (!self.query.trim().is_empty()).then(|| Question::Sql { query: self.query.clone() });
        (question, if keys { RUN_NOW } else { "Run" })
    }
}

/// Title of a button that counts as pressed.
const RUN_NOW: &str = "Run ";

/// A form with its buttons.
fn section(
    ui: &mut Ui,
    title: &str,
    form: impl FnOnce(&mut Ui) -> (Option<Question>, &'static str),
    study: &Study,
    asked: &mut Option<Question>,
    copied: &mut Option<String>,
) {
    CollapsingHeader::new(RichText::new(title).strong()).default_open(true).show(ui, |ui| {
        let (question, verb) = form(ui);
        ui.horizontal(|ui| {
            let run = ui.add_enabled(question.is_some(), egui::Button::new(verb.trim()));
            if run.clicked() || verb == RUN_NOW {
                asked.clone_from(&question);
            }
            let copy = ui.add_enabled(question.is_some(), egui::Button::new("Copy as command"));
            if let (true, Some(question)) = (copy.clicked(), &question) {
                *copied = Some(question.command(&study.folder));
            }
        });
    });
}

/// A choice among columns or tables, with its name before it.
fn field(ui: &mut Ui, name: &str, chosen: &mut String, names: &[String]) {
    ui.horizontal(|ui| {
        ui.add_sized([64.0, 18.0], egui::Label::new(name));
        choice(ui, name, &spoken(chosen), 170.0, |ui| {
            for each in names {
                ui.selectable_value(chosen, each.clone(), spoken(each));
            }
        });
    });
}
