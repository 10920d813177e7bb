//! Input as users expect it: keys belong to what was clicked however slow frames are, nothing acts behind a dialog,
//! nothing moves under the pointer.

use super::super::dialog::Dialog;
use super::super::tools::{Band, Tool};
use super::super::view_state::Side;
use super::*;
use egui::{Event, PointerButton, Pos2, Rect};

/// A click as a slow frame gets it: the way there, down, and up.
fn click(at: Pos2) -> Vec<Event> {
    let button = |pressed| Event::PointerButton {
        pos: at,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    vec![Event::PointerMoved(at), button(true), button(false)]
}

/// A key with what it types.
fn key(key: Key, text: &str, modifiers: Modifiers) -> Vec<Event> {
    let stroke = |pressed| Event::Key { key, physical_key: None, pressed, repeat: false, modifiers };
    let mut events = vec![stroke(true)];
    if !text.is_empty() {
        events.push(Event::Text(text.to_owned()));
    }
    events.push(stroke(false));
    events
}

/// All of it in one frame, and some frames in which nothing comes.
fn in_one_frame(harness: &mut Harness<'static, Viewer>, events: Vec<Event>) {
    harness.input_mut().events.extend(events);
    for _ in 0..12 {
        harness.step();
    }
}

fn rect(harness: &Harness<'static, Viewer>, label: &str) -> Rect {
    harness.query_all_by_label(label).next().unwrap_or_else(|| panic!("there is no {label}")).rect()
}

fn field(harness: &Harness<'static, Viewer>, name: &str) -> Pos2 {
    let nodes = harness.query_all_by_label(name);
    nodes.map(|n| n.rect()).find(|r| r.width() > 50.0).expect("the field is there").center()
}

#[test]
fn what_is_typed_right_after_a_click_into_a_field_goes_there() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = super::segmenting::segmentation_window(folder.path()) else { return };
    harness.state_mut().segment(Tool::Threshold);
    harness.state_mut().tools.threshold.band = Band::Between;
    harness.step();
    harness.step();
    let before = panes(harness.state());
    let mut events = click(field(&harness, "From"));
    events.extend(key(Key::Num6, "6", Modifiers::NONE));
    events.extend(key(Key::Num0, "0", Modifiers::NONE));
    events.extend(key(Key::Enter, "", Modifiers::NONE));
    // And then what is a shortcut, as no field has the keys any more.
    events.extend(key(Key::V, "v", Modifiers::NONE));
    in_one_frame(&mut harness, events);
    let viewer = harness.state();
    assert_eq!(panes(viewer), before, "6 and 0 are no layouts");
    assert_eq!(viewer.tools.threshold.range, Some([60.0, 200.0]));
    assert!(!viewer.document.scenes[0].layers[1].display.visible, "V hides labels");
    // What is typed stays as it is: the other end goes along.
    let mut events = click(field(&harness, "To"));
    events.extend([key(Key::Num4, "4", Modifiers::NONE), key(Key::Num0, "0", Modifiers::NONE)].concat());
    events.extend(key(Key::Enter, "", Modifiers::NONE));
    in_one_frame(&mut harness, events);
    assert_eq!(harness.state().tools.threshold.range, Some([40.0, 40.0]));
}

#[test]
fn keys_act_in_the_order_in_which_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    let two = |a: Vec<Event>, b: Vec<Event>| [a, b].concat();
    let (one, three) = (key(Key::Num1, "1", Modifiers::NONE), key(Key::Num3, "3", Modifiers::NONE));
    in_one_frame(&mut harness, two(three.clone(), one.clone()));
    assert_eq!(panes(harness.state()), [Pane::Montage]);
    in_one_frame(&mut harness, two(one, three));
    assert_eq!(panes(harness.state()), [Pane::Volume]);
    // What follows the keys of the palette is typed into it.
    let mut events = key(Key::P, "", Modifiers::COMMAND);
    for (letter, text) in [(Key::M, "m"), (Key::O, "o"), (Key::N, "n"), (Key::T, "t")] {
        events.extend(key(letter, text, Modifiers::NONE));
    }
    events.extend(key(Key::Enter, "", Modifiers::NONE));
    in_one_frame(&mut harness, events);
    assert_eq!(panes(harness.state()), [Pane::Montage]);
    assert_eq!(harness.state().tools.tool, Tool::Look);
    assert_eq!(harness.state().dialog(), None);
}

#[test]
fn no_shortcut_acts_behind_a_dialog_and_esc_shuts_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    let before = panes(harness.state());
    for (modifiers, shows, dialog) in [
        (Modifiers::COMMAND, Key::Comma, Dialog::Settings),
        (Modifiers::COMMAND, Key::E, Dialog::Export),
        (Modifiers::COMMAND, Key::J, Dialog::Jobs),
        (Modifiers::NONE, Key::F1, Dialog::Help),
    ] {
        press(&mut harness, modifiers, shows);
        assert_eq!(harness.state().dialog(), Some(dialog));
        for other in [Key::Num1, Key::O, Key::V, Key::K, Key::T] {
            press(&mut harness, Modifiers::NONE, other);
        }
        press(&mut harness, Modifiers::COMMAND, Key::W);
        let viewer = harness.state();
        assert_eq!(panes(viewer), before, "{dialog:?}");
        let view = viewer.document.scenes[0].view;
        assert!(!view.boxed && !view.cuts[0].on && viewer.tools.tool == Tool::Look, "{dialog:?}");
        press(&mut harness, Modifiers::NONE, Key::Escape);
        assert_eq!(harness.state().dialog(), None);
    }
    press(&mut harness, Modifiers::NONE, Key::Num1);
    assert_eq!(panes(harness.state()), [Pane::Montage]);
}

#[test]
fn tab_moves_the_focus_and_esc_leaves_a_field_alone() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    press(&mut harness, Modifiers::NONE, Key::Tab);
    let focused = |h: &Harness<'static, Viewer>| h.ctx.memory(|m| m.focused());
    let first = focused(&harness);
    assert!(first.is_some());
    press(&mut harness, Modifiers::NONE, Key::Tab);
    assert!(focused(&harness).is_some() && focused(&harness) != first);
    assert!(harness.state().settings.left && harness.state().settings.right, "no panel is folded");
    harness.state_mut().rulers.activate(crate::view::ruler::RulerKind::Length);
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert_eq!(focused(&harness), None);
    assert!(harness.state().rulers.tool.is_some(), "Esc left the field, and did nothing else");
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert!(harness.state().rulers.tool.is_none());
}

#[test]
fn nothing_moves_when_previews_are_ticked_numbers_get_long_or_tools_change() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = super::segmenting::segmentation_window(folder.path()) else { return };
    let steps = |harness: &mut Harness<'static, Viewer>| (0..4).for_each(|_| harness.step());
    // Where the panel begins.
    let edge = |h: &Harness<'static, Viewer>| rect(h, "Display").left();
    steps(&mut harness);
    let begins = edge(&harness);
    for tool in Tool::ALL.map(|t| t.0) {
        harness.state_mut().segment(tool);
        harness.state_mut().view.side = Side::Segment;
        steps(&mut harness);
        assert_eq!(edge(&harness), begins, "{tool:?}");
        for other in Tool::ALL.map(|t| t.1) {
            let nodes = harness.query_all_by_label(other).map(|n| n.rect());
            let seen = nodes.filter(|r| r.left() > begins - 20.0).count();
            assert!(seen >= 1, "{other} is there with {tool:?}");
        }
    }
    let first = rect(&harness, "Paint");
    harness.state_mut().tools.status = "a long line of what the tool has to say about all of it".repeat(3);
    steps(&mut harness);
    assert_eq!((edge(&harness), rect(&harness, "Paint")), (begins, first));
    // A long number.
    harness.state_mut().view.side = Side::Display;
    harness.state_mut().view.chosen = (0, 0);
    steps(&mut harness);
    // What a long number leaves out is cut off.
    let places = |h: &Harness<'static, Viewer>| {
        ["Lower window limit", "Upper window limit", "Colours"].map(|name| rect(h, name).left_top())
    };
    let window = places(&harness);
    harness.state_mut().document.scenes[0].layers[0].display.window =
        Some([-1_234_567_890.0, 9_876_543_210.0]);
    steps(&mut harness);
    assert_eq!((edge(&harness), places(&harness)), (begins, window));
    assert!(rect(&harness, "Upper window limit").right() < 1280.0);
    // A recipe that is wrong, a preview, and a run.
    harness.state_mut().view.side = Side::Recipe;
    steps(&mut harness);
    let run = rect(&harness, "Run on the whole image");
    for text in ["[[step]]\nop = \"otsu\"\n[[step]]\nop = \"label\"\n", "[[step]]\nop = \"fill-holes\"\n"] {
        harness.state_mut().recipe_editor.load(&voxelry_core::recipe::Recipe::parse(text).unwrap());
        for preview in [true, false] {
            harness.state_mut().recipe_editor.preview.enabled = preview;
            steps(&mut harness);
            std::thread::sleep(Duration::from_millis(200));
            steps(&mut harness);
            assert_eq!((edge(&harness), rect(&harness, "Run on the whole image")), (begins, run), "{text}");
        }
    }
}

#[test]
fn sides_fold_by_themselves_and_keep_their_widths() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    let wait = |harness: &mut Harness<'static, Viewer>| (0..40).for_each(|_| harness.step());
    let drag = |harness: &mut Harness<'static, Viewer>, from: Pos2, to: Pos2| {
        let button = |pos, pressed| Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        };
        for event in [
            Event::PointerMoved(from),
            button(from, true),
            Event::PointerMoved(from.lerp(to, 0.5)),
            Event::PointerMoved(to),
            button(to, false),
        ] {
            harness.event(event);
            harness.step();
        }
        wait(harness);
    };
    wait(&mut harness);
    // On the panel's side of its edge: beside it is a pane.
    let edge = 1282.0 - harness.state().settings.right_width;
    drag(&mut harness, egui::pos2(edge, 400.0), egui::pos2(edge - 100.0, 400.0));
    let wide = harness.state().settings.right_width;
    assert!((wide - 390.0).abs() < 6.0, "{wide}");
    press(&mut harness, Modifiers::COMMAND | Modifiers::SHIFT, Key::B);
    wait(&mut harness);
    assert!(harness.query_by_label("Display").is_none() && harness.query_by_label("Images").is_some());
    press(&mut harness, Modifiers::COMMAND, Key::B);
    wait(&mut harness);
    assert!(harness.query_by_label("Images").is_none());
    press(&mut harness, Modifiers::NONE, Key::F9);
    wait(&mut harness);
    assert!(harness.query_by_label("Images").is_some());
    assert!((harness.state().settings.right_width - wide).abs() < 1.0);
    assert!((1280.0 - rect(&harness, "Display").left() - wide).abs() < 24.0);
}

#[test]
fn notes_go_and_are_never_over_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(vec![balls(folder.path(), "balls.nii.gz")]) else { return };
    until(&mut harness, "the image", |v| is_shown(v, 1));
    for i in 0..6 {
        harness.state_mut().tell(format!("problem {i}: {}", "a long story ".repeat(12)));
    }
    (0..6).for_each(|_| harness.step());
    let notes: Vec<Rect> = harness.query_all_by_label_contains("a long story").map(|n| n.rect()).collect();
    assert_eq!(notes.len(), 3);
    for note in notes {
        assert!(note.right() < 400.0 && note.top() > 400.0 && note.bottom() < 790.0, "{note:?}");
    }
    harness.get_by_label("Messages (6)").click();
    (0..4).for_each(|_| harness.step());
    assert!(harness.query_all_by_label_contains("problem 0").count() >= 1, "the log has all of them");
}

#[test]
fn quitting_asks_while_something_is_at_work_and_the_system_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = super::segmenting::segmentation_window(folder.path()) else { return };
    let close = |harness: &mut Harness<'static, Viewer>| {
        let info = harness.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
        info.events.push(egui::ViewportEvent::Close);
        harness.step();
        harness.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default().events.clear();
        harness.step();
    };
    harness.state_mut().jobs.saving_session = Some(voxelry_core::Job::silent());
    close(&mut harness);
    assert_eq!(harness.state().dialog(), Some(Dialog::Closing));
    harness.get_by_label("The session is being saved.");
    harness.get_by_label("Cancel it and quit");
    press(&mut harness, Modifiers::NONE, Key::Escape);
    assert_eq!(harness.state().dialog(), None);
    harness.state_mut().jobs.saving_session = None;
    // The system ends the program: edits are kept, and the next start says so.
    let kept = folder.path().join("kept");
    harness.state_mut().lifecycle.autosave =
        Some(crate::window::settings::Autosave::in_folder(&kept).unwrap());
    super::segmenting::touch(&mut harness, Tool::Paint, &[[20.0, 20.0, 10.0]]);
    harness.state().lifecycle.quit_request.request();
    harness.step();
    assert!(harness.state().lifecycle.may_lose, "it leaves without asking");
    let session = harness.state().lifecycle.autosave.as_ref().unwrap().path().to_owned();
    drop(harness);
    assert!(session.exists());
    std::fs::rename(&session, kept.join("0.voxelry")).unwrap();
    std::fs::rename(session.with_extension("ended"), kept.join("0.ended")).unwrap();
    let left = crate::window::settings::Autosave::in_folder(&kept).unwrap().left();
    assert_eq!(left.len(), 1);
    assert!(left[0].ended && left[0].what.iter().any(|what| what.contains("balls.nii.gz")), "{left:?}");
}
