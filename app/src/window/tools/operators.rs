//! Operators on the labels that are edited: every one of `OPERATORS` that makes labels of labels, or a mask of a mask.

use crate::window::app::Viewer;
use crate::window::recipe::{Draft, form};
use crate::window::widgets::choice;
use egui::{RichText, Ui};
use voxelry_core::labels::tools;
use voxelry_core::ops::{Group, Kind, OPERATORS, Operator, Produces};

/// Returns whether an operator's result can take the place of the labels that it was given.
pub fn fits(op: &dyn Operator) -> bool {
    let spec = op.spec();
    let Some((first, others)) = spec.inputs.split_first() else { return false };
    let takes = |kind: Kind| first.kinds.contains(&kind);
    let alone = others.iter().all(|input| input.optional);
    let makes = match spec.output {
        Produces::Same | Produces::Image(Kind::Labels) => true,
        Produces::Image(Kind::Mask) => takes(Kind::Mask) && !takes(Kind::Labels),
        _ => false,
    };
    alone && makes && spec.group != Group::Grid && (takes(Kind::Labels) || takes(Kind::Mask))
}

/// The operator that is chosen, its parameters, and the button that applies it.
pub(super) fn show(viewer: &mut Viewer, ui: &mut Ui) {
    let tools = &mut viewer.tools;
    let shown = tools.operator.as_ref().map_or("Choose", |draft| draft.op.spec().id);
    choice(ui, "Operator", shown, 180.0, |ui| {
        for op in OPERATORS.iter().filter(|op| fits(**op)) {
            if ui
                .selectable_label(shown == op.spec().id, op.spec().id)
                .on_hover_text(op.spec().summary)
                .clicked()
            {
                tools.operator = Some(Draft::new(*op));
            }
        }
    });
    let Some(draft) = &mut tools.operator else {
        ui.weak("Choose an operator on labels; point at it to see what it does");
        return;
    };
    let spec = draft.op.spec();
    ui.label(RichText::new(spec.summary).small().weak());
    form(ui, draft, None, "operator");
    let all = spec.inputs[0].kinds.contains(&Kind::Labels);
    let name = if all { "Apply to all labels".to_owned() } else { format!("Apply to label {}", tools.label) };
    if ui.button(name).clicked() {
        viewer.operate();
    }
}

impl Viewer {
    /// Applies the operator that is chosen to the labels, as one edit.
    pub fn operate(&mut self) {
        let Some(draft) = &self.tools.operator else { return };
        let (op, given) = (draft.op, draft.given());
        let (label, mask) = (self.tools.label, self.tools.mask.clone());
        self.edit_labels(
            op.spec().id,
            Box::new(move |edit, job| {
                let given: Vec<(&str, &str)> = given.iter().map(|(k, v)| (*k, v.as_str())).collect();
                Ok(tools::operate(edit, op, &given, label, &mask, job)?.into())
            }),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_that_change_labels_are_offered() {
        let offered: Vec<&str> = OPERATORS.iter().filter(|op| fits(**op)).map(|op| op.spec().id).collect();
        for id in [
            "label",
            "expand",
            "relabel",
            "split",
            "fill-holes",
            "erode",
            "dilate",
            "open",
            "close",
            "keep-largest",
        ] {
            assert!(offered.contains(&id), "{id} of {offered:?}");
        }
        for id in ["gaussian", "otsu", "measure", "mesh", "crop", "distance"] {
            assert!(!offered.contains(&id), "{id}");
        }
    }
}
