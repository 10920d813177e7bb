//! Colours of labels by a lookup, on whatever adapter there is.

mod scene;

use glam::{DAffine3, DMat4, DVec3, Vec3};
use ndarray::Array3;
use scene::{Scene, gpu};
use voxelry_core::Volume;
use voxelry_shaders::Blend;
use voxelry_shaders::lookup::Lookup;
use voxelry_shaders::picture::{FORMAT, picture};
use voxelry_shaders::slice::{Sheet, SheetRenderer};
use voxelry_shaders::volume::{Mode, Part, View, VolumeRenderer};

/// Texels of a row of the lookups.
const WIDTH: usize = 8;
/// A block of each of these labels beside each other: with a row of the lookup for labels up to 16, the
/// last has no texel of its own.
const LABELS: [u32; 5] = [1, 9, 16, 3, 18];
const EDGE: usize = 10;

fn labels() -> Volume {
    let shape = [12, EDGE, LABELS.len() * EDGE];
    Volume::from(Array3::from_shape_fn(shape, |(z, _, x)| if z >= 2 { LABELS[x / EDGE] } else { 0 }))
}

/// A first row of grey 10, and 20, 21, … for labels 1, 2, ….
fn colours() -> Vec<[u8; 4]> {
    let mut texels = vec![[10, 10, 10, 255]; WIDTH];
    texels.extend((0..2 * WIDTH as u8).map(|i| [20 + i, 20 + i, 20 + i, 255]));
    texels
}

fn slice(scene: &mut Scene, lookup: &Lookup, marked: u32, outline: f32) -> Vec<[u8; 4]> {
    let view = [(LABELS.len() * EDGE) as u32, EDGE as u32];
    let mut sheet = Sheet::plane(Vec3::new(-0.5, -0.5, 6.0), Vec3::X, Vec3::Y, view);
    (sheet.marked, sheet.outline) = (marked, outline);
    let wanted = sheet.wanted(scene.image.layout(), 0, view);
    scene.load(&wanted, 1);
    let renderer = SheetRenderer::new(&scene.gpu, scene.image.texels(), FORMAT, Blend::Over);
    let draw = renderer.prepare(&scene.gpu, &scene.image, &sheet, 0, lookup.view());
    let pixels = picture(&scene.gpu, view, wgpu::Color::TRANSPARENT, &draw.into()).unwrap();
    pixels.chunks_exact(4).map(|p| [p[0], p[1], p[2], p[3]]).collect()
}

/// The pixel in the middle of a block, and one at its edge.
fn middle_and_edge(pixels: &[[u8; 4]], block: usize) -> [[u8; 4]; 2] {
    let row = EDGE / 2 * LABELS.len() * EDGE;
    [pixels[row + block * EDGE + EDGE / 2], pixels[row + block * EDGE]]
}

#[test]
fn labels_have_their_own_colours_in_planes_and_are_hidden_marked_and_selected() {
    let Some(gpu) = gpu() else { return };
    let mut scene = Scene::labels(gpu.clone(), labels());
    let before = colours();
    let lookup = Lookup::new(&gpu, WIDTH, &before);
    let pixels = slice(&mut scene, &lookup, 0, 0.0);
    let greys: Vec<u8> = (0..5).map(|block| middle_and_edge(&pixels, block)[0][0]).collect();
    assert_eq!(greys, [20, 28, 35, 22, 10]);
    let mut after = before.clone();
    after[WIDTH][3] = 0;
    after[WIDTH + 8][3] = 254;
    assert!(lookup.update(&gpu, &before, &after));
    let pixels = slice(&mut scene, &lookup, 3, 0.0);
    assert_eq!(middle_and_edge(&pixels, 0), [[0; 4]; 2]);
    // What is selected is filled and has a white edge; what is pointed at is brighter, too.
    let [middle, edge] = middle_and_edge(&pixels, 1);
    assert_eq!((middle, edge), ([28, 28, 28, 255], [255; 4]));
    let [middle, edge] = middle_and_edge(&pixels, 3);
    assert!(middle[0] > 80, "{middle:?}");
    assert_eq!(edge, [255; 4]);
    assert_eq!(middle_and_edge(&pixels, 2)[0][0], 35);
    // Outlined: nothing but edges, and what is selected.
    let pixels = slice(&mut scene, &lookup, 0, 1.5);
    assert_eq!(middle_and_edge(&pixels, 2)[0], [0; 4]);
    assert_eq!(middle_and_edge(&pixels, 2)[1][0], 35);
    assert!(middle_and_edge(&pixels, 1)[0][3] > 50);
    // Another size needs another texture.
    assert!(!lookup.update(&gpu, &after, &after[..2 * WIDTH]));
}

#[test]
fn rays_go_through_what_is_hidden_and_see_what_lies_behind() {
    let Some(gpu) = gpu() else { return };
    let shape = [20, EDGE, EDGE];
    // Label 2 before label 12.
    let voxels = Array3::from_shape_fn(shape, |(z, ..)| match z {
        0..4 => 0u32,
        4..10 => 2,
        _ => 12,
    });
    let mut scene = Scene::labels(gpu.clone(), Volume::from(voxels));
    let clip =
        DMat4::from_scale(DVec3::new(0.2, -0.2, 0.05)) * DMat4::from_translation(DVec3::new(-4.5, -4.5, 0.5));
    let mut view = View::whole(scene.image.layout(), clip);
    (view.mode, view.shading) = (Mode::Isosurface(0.0), 0.0);
    let keys = view.wanted(scene.image.layout(), 0, DAffine3::IDENTITY);
    scene.load(&keys, 1);
    let renderer = VolumeRenderer::new(&gpu, scene.image.texels(), FORMAT, Blend::Over);
    let size = [EDGE as u32; 2];
    let seen = |lookup: &Lookup, view: &View| {
        let (world, whole) = (DAffine3::IDENTITY, (Part::Whole, None));
        let draw = renderer.prepare(&gpu, &scene.image, view, whole, 0, size, world, lookup.view());
        let pixels = picture(&gpu, size, wgpu::Color::TRANSPARENT, &draw.into()).unwrap();
        let at = (EDGE / 2 * EDGE + EDGE / 2) * 4;
        let place = renderer.pick(&gpu, scene.image.group(), view, 0, (size, [5, 5]), world, lookup.view());
        (pixels[at], place.map(|(place, _)| place.z.round()))
    };
    let before = colours();
    let lookup = Lookup::new(&gpu, WIDTH, &before);
    assert_eq!(seen(&lookup, &view), (21, Some(4.0)));
    let mut after = before.clone();
    after[WIDTH + 1][3] = 0;
    lookup.update(&gpu, &before, &after);
    assert_eq!(seen(&lookup, &view), (31, Some(10.0)));
    // What is selected or pointed at is brighter.
    let mut chosen = after.clone();
    chosen[WIDTH + 11][3] = 254;
    lookup.update(&gpu, &after, &chosen);
    let (selected, _) = seen(&lookup, &view);
    lookup.update(&gpu, &chosen, &after);
    view.marked = 12;
    let (marked, _) = seen(&lookup, &view);
    assert!(selected > 100 && marked > 80 && marked < selected, "{selected} {marked}");
}
