//! Boxes and balls around a convex hull.

use glam::DVec3;

/// A box around an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrientedBox {
    /// Its sides, greatest first.
    pub extent: [f64; 3],
}

impl OrientedBox {
    /// Its volume.
    pub fn volume(&self) -> f64 {
        self.extent.iter().product()
    }
}

/// The least box around `points` of those that have a side with one of these normals; the other two
/// sides are the least rectangle around the points along the normal, one of whose sides lies on a side
/// of their convex hull (H. Freeman and R. Shapira 1975, doi:10.1145/360881.360919). None without
/// normals.
pub fn oriented_box(points: &[DVec3], normals: impl IntoIterator<Item = DVec3>) -> Option<OrientedBox> {
    let mut best: Option<OrientedBox> = None;
    for n in normals {
        let (u, v) = n.any_orthonormal_pair();
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        let flat: Vec<[f64; 2]> = points
            .iter()
            .map(|p| {
                let h = p.dot(n);
                (low, high) = (low.min(h), high.max(h));
                [p.dot(u), p.dot(v)]
            })
            .collect();
        let [a, b] = rectangle(flat);
        let found = [high - low, a, b];
        if best.is_none_or(|best| found.iter().product::<f64>() < best.volume()) {
            let mut extent = found;
            extent.sort_by(|a, b| b.total_cmp(a));
            best = Some(OrientedBox { extent });
        }
    }
    best
}

fn cross(o: [f64; 2], a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])
}

/// The convex hull of points in a plane, counter-clockwise (A. M. Andrew 1979).
fn outline(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    // What stands out by rounding alone has no side of its own.
    let size = points.iter().flatten().fold(0.0f64, |m, c| m.max(c.abs()));
    let slack = 1e-12 * size * size;
    let mut hull: Vec<[f64; 2]> = Vec::new();
    for _ in 0..2 {
        let begin = hull.len();
        for &p in &points {
            while hull.len() >= begin + 2 && cross(hull[hull.len() - 2], hull[hull.len() - 1], p) <= slack {
                hull.pop();
            }
            hull.push(p);
        }
        hull.pop();
        points.reverse();
    }
    hull
}

/// Sides of the rectangle of least area around points in a plane (rotating calipers; G. Toussaint 1983).
fn rectangle(points: Vec<[f64; 2]>) -> [f64; 2] {
    let hull = outline(points);
    let n = hull.len();
    let mut best = [f64::INFINITY; 2];
    // The farthest points ahead along the side, away from it, and behind.
    let mut at = [0usize; 3];
    for i in 0..n {
        let (a, b) = (hull[i], hull[(i + 1) % n]);
        let length = (b[0] - a[0]).hypot(b[1] - a[1]);
        let along = [(b[0] - a[0]) / length, (b[1] - a[1]) / length];
        let across = [-along[1], along[0]];
        let dot = |d: [f64; 2], k: usize| d[0] * hull[k % n][0] + d[1] * hull[k % n][1];
        let opposite = [-along[0], -along[1]];
        let mut from = i;
        for (at, d) in at.iter_mut().zip([along, across, opposite]) {
            *at = (*at).max(from);
            while *at < i + n && dot(d, *at + 1) >= dot(d, *at) {
                *at += 1;
            }
            from = *at;
        }
        let sides = [dot(along, at[0]) - dot(along, at[2]), dot(across, at[1]) - dot(across, i)];
        if sides[0] * sides[1] < best[0] * best[1] {
            best = sides;
        }
    }
    best
}

/// A ball.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ball {
    centre: DVec3,
    squared: f64,
}

impl Ball {
    fn holds(&self, p: DVec3) -> bool {
        (p - self.centre).length_squared() <= self.squared * (1.0 + 1e-12)
    }

    /// The least ball with these points, up to four, on its surface.
    fn through(points: &[DVec3]) -> Self {
        let Some((&origin, rest)) = points.split_first() else {
            return Self { centre: DVec3::ZERO, squared: -1.0 };
        };
        // The centre is a combination of the edges, as far from the first point as from the others.
        let edges: Vec<DVec3> = rest.iter().map(|p| *p - origin).collect();
        let mut system: Vec<Vec<f64>> = edges
            .iter()
            .map(|a| edges.iter().map(|b| 2.0 * a.dot(*b)).chain([a.length_squared()]).collect())
            .collect();
        crate::algorithms::linear::eliminate(&mut system);
        let to_centre: DVec3 = edges.iter().zip(&system).map(|(e, row)| *e * row[edges.len()]).sum();
        Self { centre: origin + to_centre, squared: to_centre.length_squared() }
    }
}

/// The radius of the smallest ball around some points (E. Welzl 1991, doi:10.1007/BFb0038202), exact
/// but for rounding.
pub fn bounding_radius(points: &[DVec3]) -> f64 {
    let mut points = points.to_vec();
    // In the order of a fixed shuffle, few points lie outside the ball of those before them.
    let mut state = 1u64;
    for k in (1..points.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        points.swap(k, ((state >> 33) % (k as u64 + 1)) as usize);
    }
    ball(&mut points, &[]).squared.max(0.0).sqrt()
}

/// The smallest ball around points that has others on its surface.
fn ball(points: &mut [DVec3], surface: &[DVec3]) -> Ball {
    let mut found = Ball::through(surface);
    if surface.len() == 4 {
        return found;
    }
    for k in 0..points.len() {
        if found.holds(points[k]) {
            continue;
        }
        let mut on = surface.to_vec();
        on.push(points[k]);
        found = ball(&mut points[..k], &on);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{DMat3, DQuat};

    fn next(state: &mut u64) -> f64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 11) as f64 / (1u64 << 53) as f64
    }

    #[test]
    fn a_turned_box_is_found_again() {
        let mut state = 7;
        for _ in 0..20 {
            let m = DMat3::from_quat(
                DQuat::from_xyzw(next(&mut state), next(&mut state), next(&mut state), next(&mut state))
                    .normalize(),
            );
            let mut points: Vec<DVec3> = (0..8)
                .map(|k| {
                    m * DVec3::new(
                        f64::from(k & 1) * 3.0,
                        f64::from(k >> 1 & 1) * 5.0,
                        f64::from(k >> 2) * 2.0,
                    )
                })
                .collect();
            points.extend((0..50).map(|_| {
                m * DVec3::new(3.0 * next(&mut state), 5.0 * next(&mut state), 2.0 * next(&mut state))
            }));
            let found = oriented_box(&points, [DVec3::X, m.z_axis, DVec3::Y, m.x_axis]).unwrap();
            assert!(found.extent.iter().zip([5.0, 3.0, 2.0]).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
        }
    }

    #[test]
    fn no_other_ball_is_smaller() {
        let mut state = 3;
        for n in [1usize, 2, 3, 4, 5, 40, 400] {
            for _ in 0..20 {
                let mut points: Vec<DVec3> = (0..n)
                    .map(|_| DVec3::new(next(&mut state), next(&mut state), next(&mut state)))
                    .collect();
                let radius = bounding_radius(&points);
                // Against all balls through two, three or four of a few points.
                if n <= 5 {
                    let mut least = f64::INFINITY;
                    for set in 1u32..1 << n {
                        if set.count_ones() > 4 {
                            continue;
                        }
                        let on: Vec<DVec3> =
                            (0..n).filter(|i| set >> i & 1 != 0).map(|i| points[i]).collect();
                        let b = Ball::through(&on);
                        if points.iter().all(|p| (*p - b.centre).length() <= b.squared.sqrt() + 1e-9) {
                            least = least.min(b.squared.sqrt());
                        }
                    }
                    assert!((radius - least).abs() < 1e-9, "{n}: {radius} {least}");
                }
                let d =
                    points.iter().flat_map(|p| points.iter().map(|q| (*p - *q).length())).fold(0.0, f64::max);
                assert!(radius >= d / 2.0 - 1e-9 && radius <= d * 0.375f64.sqrt() + 1e-9, "{radius} {d}");
                points.reverse();
                assert!((bounding_radius(&points) - radius).abs() < 1e-9);
            }
        }
    }
}
