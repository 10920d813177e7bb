// Rays through an image: see src/volume.rs. Places are indices of level 0 unless said otherwise.

const COMPOSITE: u32 = 0u;
const MAXIMUM: u32 = 1u;
const MEAN: u32 = 2u;
const MINIMUM: u32 = 3u;
const ISOSURFACE: u32 = 4u;
const SLICES: u32 = 5u;

// What is known when a pipeline is made, so that nothing else is run: see View::variant.
override MODE: u32 = 0u;
override OCCLUSION: bool = false;
override SLICED: bool = false;
override PICK: bool = false;
// What is drawn is before or behind solid things.
override BEFORE: bool = false;
override BEHIND: bool = false;

struct View {
    // Indices from clip coordinates (x and y from −1 to 1, z from 0 at the near plane to 1).
    index_from_clip: mat4x4<f32>,
    // Gradients in the world from gradients in indices.
    world_gradient: mat3x3<f32>,
    // The part of the image that is drawn.
    low: vec3<f32>,
    level: u32,
    high: vec3<f32>,
    // Of labels: the one that is pointed at; 0 is none.
    marked: u32,
    // Planes; what has a negative distance is cut away.
    planes: array<vec4<f32>, 3>,
    // Towards the light, in the world.
    light: vec3<f32>,
    // Voxels of the level between samples.
    step: f32,
    window: vec2<f32>,
    // Least and greatest intensity that is not wholly transparent.
    visible: vec2<f32>,
    size: vec2<f32>,
    level_value: f32,
    shading: f32,
    // Opacities are those of a path of this many voxels of level 0.
    path: f32,
    plane_count: u32,
    // The pixel of the view that the target's first one is.
    first_pixel: vec2<f32>,
    // How much hollows are darkened, from 0 to 1.
    occlusion: f32,
    opacity: f32,
    // Planes that stand in the volume, where their distance is 0.
    slices: array<vec4<f32>, 3>,
}

@group(1) @binding(0) var<uniform> view: View;
@group(1) @binding(1) var colours: texture_2d<f32>;
@group(1) @binding(2) var colour_sampler: sampler;

@vertex
fn vertex(@builtin(vertex_index) i: u32) -> @builtin(position) vec4<f32> {
    return vec4(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

struct Ray {
    origin: vec3<f32>,
    direction: vec3<f32>,
    // Between these the ray lies in what is drawn.
    near: f32,
    far: f32,
    // From the near plane, where it begins, to the far one.
    reach: f32,
    // Normal in indices of the wall or cut through which it comes in; 0 if the eye is inside.
    face: vec3<f32>,
}

fn ray_at(position: vec2<f32>) -> Ray {
    let pixel = position + view.first_pixel;
    let clip = vec2(pixel.x / view.size.x * 2.0 - 1.0, 1.0 - pixel.y / view.size.y * 2.0);
    let a = view.index_from_clip * vec4(clip, 0.0, 1.0);
    let b = view.index_from_clip * vec4(clip, 1.0, 1.0);
    let origin = a.xyz / a.w;
    let way = b.xyz / b.w - origin;
    let reach = length(way);
    let direction = way / reach;
    // A ray along a plane of the box never meets it.
    let divisor = select(direction, vec3(1e-12), abs(direction) < vec3(1e-12));
    let to_low = (view.low - origin) / divisor;
    let to_high = (view.high - origin) / divisor;
    let first = min(to_low, to_high);
    let last = max(to_low, to_high);
    var near = max(max(first.x, first.y), max(first.z, 0.0));
    var face = select(vec3(0.0), vec3(1.0), first == vec3(near));
    var far = min(min(last.x, last.y), min(last.z, reach));
    for (var i = 0u; i < view.plane_count; i++) {
        let plane = view.planes[i];
        let here = dot(plane.xyz, origin) + plane.w;
        let change = dot(plane.xyz, direction);
        if abs(change) < 1e-12 {
            if here < 0.0 { far = -1.0; }
        } else if change > 0.0 {
            face = select(face, plane.xyz, -here / change > near);
            near = max(near, -here / change);
        } else {
            far = min(far, -here / change);
        }
    }
    return Ray(origin, direction, near, far, reach, face);
}

// The ray in a brick: where its level's indices begin and how they go on, and the last sample in it.
struct Stretch {
    origin: vec3<f32>,
    way: vec3<f32>,
    end: f32,
}

// Where the ray meets the nearest of the slices; beyond its end if it meets none.
fn slice_on(ray: Ray) -> f32 {
    var first = ray.far + 1.0;
    for (var a = 0; a < 3; a++) {
        let plane = view.slices[a];
        let change = dot(plane.xyz, ray.direction);
        let place = -(dot(plane.xyz, ray.origin) + plane.w) / select(change, 1e-12, abs(change) < 1e-12);
        if place >= ray.near && place <= ray.far {
            first = min(first, place);
        }
    }
    return first;
}

// What samples, numbered from the ray's origin at a distance of `pace`, lie in the brick of sample `k`.
fn stretch(ray: Ray, found: Found, k: f32, pace: f32, last: f32) -> Stretch {
    let here = image.levels[min(found.level, image.count - 1u)];
    let origin = ray.origin * here.scale + here.offset;
    let way = ray.direction * here.scale;
    let q = origin + way * (k * pace);
    let corner = floor((clamp(q, vec3(0.0), vec3<f32>(here.shape) - 1.0) + 0.5) / CORE) * CORE - 0.5;
    let wall = select(corner, corner + CORE, way > vec3(0.0));
    let steps = (wall - q) / select(way, vec3(1e-12), abs(way) < vec3(1e-12)) / pace;
    return Stretch(origin, way, min(k + max(floor(min(steps.x, min(steps.y, steps.z))), 0.0), last));
}

struct Seen {
    // Multiplied by its opacity.
    colour: vec4<f32>,
    // Where what is seen lies; w is 0 if nothing is.
    place: vec4<f32>,
}

// How bright a surface is and how much it shines; it is lit from both sides.
fn light_on(normal: vec3<f32>) -> vec2<f32> {
    let facing = abs(dot(normal, view.light));
    return vec2(0.25 + 0.75 * facing, 0.2 * pow(facing, 24.0));
}

// Interleaved gradient noise (Jimenez 2014), from 0 to 1 and even over small neighbourhoods.
fn noise_at(position: vec2<f32>) -> f32 {
    let pixel = floor(position + view.first_pixel);
    return fract(52.9829189 * fract(dot(pixel, vec2(0.06711056, 0.00583715))));
}

@fragment
fn fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let ray = bounded(ray_at(position.xy), position.xy);
    if ray.far <= ray.near {
        discard;
    }
    return trace(ray, noise_at(position.xy)).colour * view.opacity;
}

// How far along the ray a place is, from 0 at the near plane to 1 at the far one.
fn depth_of(ray: Ray, place: vec3<f32>) -> f32 {
    return clamp(dot(place - ray.origin, ray.direction) / ray.reach, 1e-7, 1.0);
}

// The place that is seen, and how far it is.
@fragment
fn pick(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let ray = ray_at(position.xy);
    if ray.far <= ray.near {
        return vec4(0.0);
    }
    let place = trace(ray, noise_at(position.xy)).place;
    return select(vec4(0.0), vec4(place.xyz, depth_of(ray, place.xyz)), place.w > 0.0);
}

// How far what is seen is.
@fragment
fn depth(@builtin(position) position: vec4<f32>) -> @builtin(frag_depth) f32 {
    let ray = ray_at(position.xy);
    if ray.far <= ray.near {
        discard;
    }
    let place = trace(ray, noise_at(position.xy)).place;
    if place.w == 0.0 {
        discard;
    }
    return depth_of(ray, place.xyz);
}
