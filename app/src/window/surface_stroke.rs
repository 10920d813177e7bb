//! Strokes over what is seen in three dimensions. Where the button goes down, the places of all pixels are found once:
//! the stroke keeps to the surfaces as they were then, whatever it changes of them.

use super::tools::PointerPhase;
use crate::view::document::Camera;
use crate::view::painter::{Painter, Picked, Shot};
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use egui::{Id, Pos2, Vec2};
use glam::Vec3;
use std::sync::Arc;

/// Most pixels whose places are found.
const MOST: f64 = 300_000.0;

/// A stroke that is being drawn.
pub struct SurfaceStroke {
    /// The pane that it is in.
    pane: Id,
    /// Pixels along x and y whose places are found.
    size: [u32; 2],
    places: Option<Vec<Picked>>,
    finding: Receiver<Vec<Picked>>,
    /// Movements of the pointer since, in fractions of the pane.
    waiting: Vec<(Vec2, PointerPhase)>,
    /// True if it began on something; if not, it is none.
    begun: Option<bool>,
    /// True if the pointer is on something, and where it was last.
    there: bool,
    last: Picked,
    /// True if it is lifted between two surfaces, as brushes are.
    lifts: bool,
}

impl SurfaceStroke {
    /// Begins a stroke in a pane that shows `shots`; `wake` is called when it is known where. `lifts` tells whether it is
    /// lifted between two surfaces, as brushes are.
    pub fn begin(
        (pane, lifts): (Id, bool),
        painter: &mut Painter,
        shots: &[Shot],
        size: [u32; 2],
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        let scale = (MOST / (f64::from(size[0]) * f64::from(size[1]))).sqrt().min(1.0);
        let size = size.map(|n| ((f64::from(n) * scale) as u32).max(1));
        let (send, finding) = bounded(1);
        painter.pick(shots, size, [[0; 2], size], move |places| {
            // Nobody listens when the stroke was given up.
            let _ = send.send(places);
            wake();
        });
        Self::over(pane, lifts, size, finding)
    }

    fn over(pane: Id, lifts: bool, size: [u32; 2], finding: Receiver<Vec<Picked>>) -> Self {
        Self {
            pane,
            size,
            places: None,
            finding,
            waiting: Vec::new(),
            begun: None,
            there: false,
            last: None,
            lifts,
        }
    }

    /// The pane that it is in.
    pub fn pane(&self) -> Id {
        self.pane
    }

    /// The pointer moves or is let go, at a part of the pane.
    pub fn push(&mut self, at: Vec2, phase: PointerPhase) {
        self.waiting.push((at, phase));
    }

    /// Returns whether it began beside everything, so that it is no stroke.
    pub fn is_beside(&self) -> bool {
        self.begun == Some(false)
    }

    /// Places touched since the last call: layers, places in them, and phases of the pointer; a brush that reaches
    /// another surface is put down again. Whether it is over.
    pub fn tool_inputs(&mut self) -> (Vec<(u64, Vec3, PointerPhase)>, bool) {
        if self.places.is_none() {
            self.places = self.finding.try_recv().ok();
        }
        let Some(places) = &self.places else { return (Vec::new(), false) };
        let (mut tool_inputs, mut over) = (Vec::new(), false);
        for (at, phase) in self.waiting.drain(..) {
            let pixel = [0, 1].map(|a| {
                let n = self.size[a];
                ((at[a].clamp(0.0, 1.0) * n as f32) as u32).min(n - 1)
            });
            let inside = (0.0..=1.0).contains(&at.x) && (0.0..=1.0).contains(&at.y);
            let found = places.get((pixel[1] * self.size[0] + pixel[0]) as usize).copied().flatten();
            let found = found.filter(|_| inside);
            let first = self.begun.is_none();
            let begun = *self.begun.get_or_insert(found.is_some());
            if !begun {
                over |= phase == PointerPhase::Release;
                continue;
            }
            match (phase, found) {
                (PointerPhase::Release, _) => {
                    over = true;
                    tool_inputs.extend(self.last.map(|(layer, place)| (layer, place, PointerPhase::Release)));
                }
                (_, None) => self.there = false,
                (_, Some((layer, place))) => {
                    let down = first || self.lifts && !self.there;
                    let phase = if down { PointerPhase::Press } else { PointerPhase::Drag };
                    (self.there, self.last) = (true, found);
                    tool_inputs.push((layer, place, phase));
                }
            }
        }
        (tool_inputs, over)
    }
}

/// Picking of the place under the pointer in three dimensions, as it moves.
pub struct SurfaceProbe {
    pane: Id,
    /// Position and camera of the last request.
    asked: Option<(Pos2, Camera)>,
    finding: Option<Receiver<Picked>>,
    place: Picked,
}

impl SurfaceProbe {
    /// For a pane.
    pub fn new(pane: Id) -> Self {
        Self { pane, asked: None, finding: None, place: None }
    }

    /// The pane that it is in.
    pub fn pane(&self) -> Id {
        self.pane
    }

    /// Place under the pointer, as far as it is known.
    pub fn place(&self) -> Picked {
        self.place
    }

    /// Returns whether what it is over is known.
    pub fn is_known(&self) -> bool {
        self.asked.is_some() && self.finding.is_none()
    }

    /// Takes in what was found.
    pub fn hear(&mut self) {
        match self.finding.as_ref().map(Receiver::try_recv) {
            None | Some(Err(TryRecvError::Empty)) => {}
            Some(Ok(place)) => (self.place, self.finding) = (place, None),
            Some(Err(TryRecvError::Disconnected)) => (self.place, self.finding) = (None, None),
        }
    }

    /// Returns whether it is to be asked for again: one at a time.
    pub fn wants(&self, at: Pos2, camera: Camera) -> bool {
        self.finding.is_none() && self.asked != Some((at, camera))
    }

    /// Asks; who finds it sends it.
    pub fn ask(&mut self, at: Pos2, camera: Camera) -> Sender<Picked> {
        let (send, finding) = bounded(1);
        (self.asked, self.finding) = (Some((at, camera)), Some(finding));
        send
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::vec2;

    fn surface() -> (SurfaceStroke, crossbeam_channel::Sender<Vec<Picked>>) {
        let (send, finding) = bounded(1);
        (SurfaceStroke::over(Id::unique("pane"), true, [4, 2], finding), send)
    }

    /// Left and right something is seen, and nothing between.
    fn places() -> Vec<Picked> {
        let row = [Some((7, Vec3::X)), None, None, Some((7, Vec3::Y))];
        [row, row].concat()
    }

    #[test]
    fn a_stroke_waits_for_its_places_and_is_lifted_between_surfaces() {
        let (mut surface, send) = surface();
        surface.push(vec2(0.1, 0.5), PointerPhase::Press);
        surface.push(vec2(0.2, 0.5), PointerPhase::Drag);
        assert_eq!(surface.tool_inputs(), (Vec::new(), false));
        send.send(places()).unwrap();
        let (tool_inputs, over) = surface.tool_inputs();
        assert_eq!(tool_inputs, [(7, Vec3::X, PointerPhase::Press), (7, Vec3::X, PointerPhase::Drag)]);
        assert!(!over && !surface.is_beside());
        for x in [0.5, 0.9, 0.95] {
            surface.push(vec2(x, 0.5), PointerPhase::Drag);
        }
        let (tool_inputs, _) = surface.tool_inputs();
        assert_eq!(tool_inputs, [(7, Vec3::Y, PointerPhase::Press), (7, Vec3::Y, PointerPhase::Drag)]);
        surface.push(vec2(1.4, 0.5), PointerPhase::Drag);
        surface.push(vec2(1.4, 0.5), PointerPhase::Release);
        let (tool_inputs, over) = surface.tool_inputs();
        assert_eq!((tool_inputs, over), (vec![(7, Vec3::Y, PointerPhase::Release)], true));
    }

    #[test]
    fn what_begins_beside_everything_is_no_stroke() {
        let (mut surface, send) = surface();
        surface.push(vec2(0.5, 0.5), PointerPhase::Press);
        surface.push(vec2(0.9, 0.5), PointerPhase::Drag);
        send.send(places()).unwrap();
        assert_eq!(surface.tool_inputs(), (Vec::new(), false));
        assert!(surface.is_beside());
        surface.push(vec2(0.9, 0.5), PointerPhase::Release);
        assert_eq!(surface.tool_inputs(), (Vec::new(), true));
    }

    #[test]
    fn a_probe_asks_once_for_a_place_and_one_at_a_time() {
        let (here, there) = (Pos2::ZERO, Pos2::new(1.0, 0.0));
        let camera = crate::view::document::View::default().camera;
        let mut probe = SurfaceProbe::new(Id::unique("pane"));
        assert!(probe.wants(here, camera));
        let found = probe.ask(here, camera);
        probe.hear();
        assert!(!probe.wants(there, camera) && !probe.is_known());
        found.send(Some((7, Vec3::X))).unwrap();
        probe.hear();
        assert!(probe.is_known());
        assert_eq!(probe.place(), Some((7, Vec3::X)));
        assert!(!probe.wants(here, camera) && probe.wants(there, camera));
        assert!(probe.wants(here, Camera { distance: 2.0 * camera.distance, ..camera }));
        // Who was to find it is gone.
        drop(probe.ask(there, camera));
        probe.hear();
        assert!(probe.is_known());
        assert_eq!(probe.place(), None);
    }
}
