// Planes of an image as a sheet of tiles; one plane is a sheet of one tile. See src/slice.rs.

struct Sheet {
    // Indices of level 0 at the first pixel of tile 0, and the steps to the next pixel to the right,
    // the next one below, and the next tile.
    origin: vec3<f32>,
    columns: u32,
    right: vec3<f32>,
    tiles: u32,
    down: vec3<f32>,
    level: u32,
    next: vec3<f32>,
    // 0: the plane itself; 1, 2, 3: greatest, mean, least over the slab.
    mode: u32,
    // Half the thickness of the slab, as indices, and how many steps it takes on each side.
    slab: vec3<f32>,
    steps: u32,
    // Pixels from tile to tile, and of a tile.
    pitch: vec2<f32>,
    size: vec2<f32>,
    // Pixels of the sheet that lie before the first pixel of the view, and sheet pixels a view pixel.
    scroll: vec2<f32>,
    zoom: f32,
    interpolate: u32,
    window: vec2<f32>,
    opacity: f32,
    // Of labels: how thick their outlines are in pixels of the view; 0 fills them.
    outline: f32,
    // The edge of the squares of a checkerboard of which every other one shows nothing; 0 shows all.
    checker: f32,
    // Of labels: the one that is pointed at; 0 is none.
    marked: u32,
    pad_a: u32,
    pad_b: u32,
}

@group(1) @binding(0) var<uniform> sheet: Sheet;
@group(1) @binding(1) var colours: texture_2d<f32>;
@group(1) @binding(2) var colour_sampler: sampler;

@vertex
fn vertex(@builtin(vertex_index) i: u32) -> @builtin(position) vec4<f32> {
    // One triangle over the whole view.
    return vec4(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

struct Place {
    // Indices of level 0; only if `there`.
    at: vec3<f32>,
    there: bool,
}

// What a pixel of the view shows.
fn place_of(pixel: vec2<f32>) -> Place {
    let at = sheet.scroll + pixel * sheet.zoom;
    let tile = floor(at / sheet.pitch);
    let inner = at - tile * sheet.pitch;
    let number = i32(tile.y) * i32(sheet.columns) + i32(tile.x);
    let square = floor(pixel / max(sheet.checker, 1.0));
    let hidden = sheet.checker > 0.0 && (i32(square.x + square.y) & 1) == 1;
    let there = !hidden && all(at >= vec2(0.0)) && tile.x < f32(sheet.columns) && number < i32(sheet.tiles) && all(inner < sheet.size);
    return Place(sheet.origin + sheet.right * inner.x + sheet.down * inner.y + sheet.next * f32(number), there);
}
