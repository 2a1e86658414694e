//! What is behind and below everything solid: rooms, streets, parks, beaches, studios. Computed per ray.

use glam::Vec3;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::colour::{grey, hsv};
use crate::feature::Feature;
use crate::noise::{self, fbm, hash01, noise2, smoothstep};

/// The kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Walls and a floor, with windows, pictures, doors and shelves.
    Room,
    /// A seamless backdrop.
    Studio,
    /// Pavement before houses.
    Street,
    /// Grass, trees and hills.
    Park,
    /// Sand, sea and sky.
    Beach,
    /// Out-of-focus lights.
    Bokeh,
}

/// How a wall or a floor is covered.
#[derive(Clone, Copy, Debug)]
enum Cover {
    Plain,
    Planks,
    Tiles,
    Bricks,
    Panels,
    Stripes,
    Rough,
    Grass,
}

/// A place with everything about it decided. Lengths in metres; the floor is y = 0, the wall z = -`wall_z`.
#[derive(Clone, Debug)]
pub struct Backdrop {
    /// The kind of place.
    pub place: Place,
    /// Distance of the wall behind the scene's origin, metres.
    pub wall_z: f32,
    seed: u32,
    corner_x: f32,
    wall: [Vec3; 2],
    wall_cover: Cover,
    dado: f32,
    floor: [Vec3; 2],
    floor_cover: Cover,
    floor_scale: f32,
    sky: [Vec3; 2],
    clouds: f32,
    features: Vec<Feature>,
    glow: [f32; 3],
    lights: Vec<(f32, f32, f32, Vec3)>,
}

/// A point of the backdrop.
#[derive(Clone, Copy, Debug)]
pub struct Behind {
    /// Linear colour; light already included except on the floor.
    pub colour: Vec3,
    /// The point of the floor, to be lit and shadowed.
    pub floor: Option<Vec3>,
    /// The point of a wall, to be shadowed.
    pub wall: Option<Vec3>,
}

impl Backdrop {
    /// A place that `seed` names.
    pub fn sample(seed: u64) -> Self {
        let rng = &mut noise::stream(seed, 4);
        let place = *[
            Place::Room,
            Place::Room,
            Place::Room,
            Place::Room,
            Place::Street,
            Place::Street,
            Place::Street,
            Place::Park,
            Place::Park,
            Place::Beach,
            Place::Studio,
            Place::Bokeh,
        ]
        .choose(rng)
        .expect("places are listed");
        let muted = |rng: &mut ChaCha8Rng, saturation: f32, low: f32, high: f32| {
            hsv(rng.random(), rng.random_range(0.0..saturation), rng.random_range(low..high))
        };
        let wall = muted(rng, 0.45, 0.25, 0.95);
        let second =
            if rng.random_bool(0.5) { wall * rng.random_range(0.3..0.8) } else { muted(rng, 0.5, 0.2, 0.9) };
        let wall_cover = *[
            Cover::Plain,
            Cover::Plain,
            Cover::Bricks,
            Cover::Panels,
            Cover::Stripes,
            Cover::Tiles,
            Cover::Rough,
        ]
        .choose(rng)
        .expect("covers are listed");
        let (floor, floor_cover) = match place {
            Place::Room => {
                let wood = hsv(
                    rng.random_range(0.05..0.10),
                    rng.random_range(0.3..0.6),
                    rng.random_range(0.25..0.75),
                );
                match rng.random_range(0..4) {
                    0 => ([muted(rng, 0.2, 0.3, 0.9), muted(rng, 0.2, 0.2, 0.9)], Cover::Tiles),
                    1 => ([muted(rng, 0.4, 0.2, 0.8); 2], Cover::Rough),
                    _ => ([wood, wood * 0.6], Cover::Planks),
                }
            }
            Place::Park => (
                [hsv(rng.random_range(0.2..0.32), 0.6, rng.random_range(0.25..0.6)), hsv(0.12, 0.5, 0.45)],
                Cover::Grass,
            ),
            Place::Beach => {
                ([hsv(0.11, rng.random_range(0.2..0.4), rng.random_range(0.65..0.9)); 2], Cover::Rough)
            }
            Place::Street => {
                let cover =
                    *[Cover::Tiles, Cover::Rough, Cover::Bricks].choose(rng).expect("covers are listed");
                ([muted(rng, 0.15, 0.3, 0.7), muted(rng, 0.15, 0.25, 0.6)], cover)
            }
            Place::Studio => ([wall; 2], Cover::Plain),
            Place::Bokeh => ([muted(rng, 0.4, 0.1, 0.4); 2], Cover::Rough),
        };
        let dusk = rng.random_bool(0.2);
        let zenith = if dusk {
            hsv(0.65, 0.5, 0.4)
        } else {
            hsv(rng.random_range(0.56..0.62), rng.random_range(0.1..0.6), rng.random_range(0.6..0.95))
        };
        let horizon =
            if dusk { hsv(rng.random_range(0.03..0.1), 0.5, 0.9) } else { grey(rng.random_range(0.8..0.97)) };
        let features = (0..rng.random_range(1..8)).map(|_| Feature::sample(rng)).collect();
        let lights = (0..rng.random_range(14..40))
            .map(|_| {
                (
                    rng.random_range(-1.0..1.0),
                    rng.random_range(-0.3..0.9),
                    rng.random_range(0.015..0.09),
                    hsv(rng.random(), rng.random_range(0.1..0.8), rng.random_range(0.4..1.0)),
                )
            })
            .collect();
        Self {
            place,
            seed: rng.random(),
            wall_z: if rng.random_bool(0.6) {
                rng.random_range(0.7..2.2)
            } else {
                rng.random_range(2.2..6.0)
            },
            corner_x: rng.random_range(0.8..3.5) * if rng.random_bool(0.5) { 1.0 } else { -1.0 },
            wall: [wall, second],
            wall_cover,
            dado: if rng.random_bool(0.35) { rng.random_range(0.5..1.4) } else { 0.0 },
            floor,
            floor_cover,
            floor_scale: rng.random_range(0.5..1.6),
            sky: [zenith, horizon],
            clouds: rng.random_range(0.0..0.9),
            features,
            glow: [rng.random_range(-1.5..1.5), rng.random_range(0.2..2.6), rng.random_range(0.15..0.9)],
            lights,
        }
    }

    /// What the ray from `eye` along `ray` meets; `up01` is the point's height in the photo (0 bottom, 1 top) and
    /// `across` its column (-1..1), for backdrops that have no depth.
    pub fn at(&self, eye: Vec3, ray: Vec3, across: f32, up01: f32) -> Behind {
        let indoors = matches!(self.place, Place::Room | Place::Studio);
        let floor_at = if ray.y < -1e-4 { -eye.y / ray.y } else { f32::INFINITY };
        let wall_at = if ray.z < -1e-4 { (-self.wall_z - eye.z) / ray.z } else { f32::INFINITY };
        let corner_at = if ray.x.abs() > 1e-4 { (self.corner_x - eye.x) / ray.x } else { f32::INFINITY };
        let corner_at = if corner_at > 0.0 { corner_at } else { f32::INFINITY };
        match self.place {
            Place::Studio => {
                let floor = eye + ray * floor_at.min(1e3);
                let on_floor = floor_at < 1e3 && floor.z > -1.5;
                let light = 0.55
                    + 0.6
                        * (-((across - self.glow[0] * 0.4).powi(2) + (up01 - self.glow[1] * 0.4).powi(2))
                            / (0.15 + self.glow[2]))
                            .exp();
                let colour = self.wall[0].lerp(self.wall[1], smoothstep(0.1, 0.9, up01)) * light;
                let blend = if on_floor { smoothstep(-1.5, -0.3, floor.z) } else { 0.0 };
                Behind {
                    colour: colour.lerp(self.floor[0] * 0.9, 0.5 * blend),
                    floor: on_floor.then_some(floor),
                    wall: None,
                }
            }
            Place::Bokeh => {
                let mut colour =
                    self.wall[0].lerp(self.wall[1], fbm(across * 1.2 + 5.0, up01 * 1.6, 2, self.seed)) * 0.35;
                for &(x, y, r, light) in &self.lights {
                    let d = ((across - x).powi(2) + ((up01 - y) * 1.4).powi(2)).sqrt();
                    if d < r * 1.1 {
                        colour += light * 0.8 * smoothstep(r, r * 0.9, d) * (0.7 + 0.3 * d / r);
                    }
                }
                if floor_at < 30.0 {
                    let p = eye + ray * floor_at;
                    let near = smoothstep(-4.0, 0.0, p.z);
                    return Behind {
                        colour: colour.lerp(self.cover(self.floor_cover, self.floor, p.x, p.z, 1.0), near),
                        floor: (near > 0.3).then_some(p),
                        wall: None,
                    };
                }
                Behind { colour, floor: None, wall: None }
            }
            _ if indoors || self.place == Place::Street => {
                let nearest = floor_at.min(wall_at).min(if indoors { corner_at } else { f32::INFINITY });
                let p = eye + ray * nearest.min(1e4);
                if !nearest.is_finite() || (self.place == Place::Street && p.y > 9.0) {
                    return Behind { colour: self.sky(ray, across), floor: None, wall: None };
                }
                if nearest == floor_at {
                    return Behind {
                        colour: self.cover(self.floor_cover, self.floor, p.x, p.z, self.floor_scale),
                        floor: Some(p),
                        wall: None,
                    };
                }
                if nearest == wall_at {
                    return Behind { colour: self.wall(p.x, p.y, true), floor: None, wall: Some(p) };
                }
                Behind { colour: self.wall(p.z * 1.1 + 50.0, p.y, false) * 0.72, floor: None, wall: None }
            }
            _ => self.landscape(eye, ray, across, floor_at),
        }
    }

    fn sky(&self, ray: Vec3, across: f32) -> Vec3 {
        let elevation = ray.y / (ray.x * ray.x + ray.z * ray.z).sqrt();
        let sky = self.sky[1].lerp(self.sky[0], smoothstep(0.0, 0.55, elevation));
        let cloud =
            smoothstep(0.48, 0.75, fbm(across * 2.0 + 3.0, elevation * 6.0, 4, self.seed)) * self.clouds;
        sky.lerp(Vec3::splat(0.95), cloud)
    }

    fn landscape(&self, eye: Vec3, ray: Vec3, across: f32, floor_at: f32) -> Behind {
        let level = (ray.x * ray.x + ray.z * ray.z).sqrt();
        let elevation = ray.y / level;
        let angle = ray.x / level;
        let park = self.place == Place::Park;
        if floor_at < if park { 22.0 } else { 9.0 } {
            let p = eye + ray * floor_at;
            return Behind {
                colour: self.cover(self.floor_cover, self.floor, p.x, p.z, self.floor_scale),
                floor: Some(p),
                wall: None,
            };
        }
        if !park {
            if elevation < 0.0 {
                // the sea, brighter towards the horizon
                let wave = fbm(angle * 18.0, 8.0 / (0.03 - elevation), 3, self.seed);
                let sea = hsv(0.54, 0.6, 0.45)
                    .lerp(self.sky[1], 0.3 + 0.4 * wave * smoothstep(-0.2, 0.0, elevation));
                let foam = smoothstep(0.62, 0.7, wave) * smoothstep(-0.10, -0.2, elevation);
                return Behind { colour: sea.lerp(Vec3::splat(0.9), foam), floor: None, wall: None };
            }
            let rock = 0.10 * (fbm(angle * 3.0 + 9.0, 0.5, 4, self.seed) - 0.45) * 2.0;
            let colour = if elevation < rock {
                hsv(0.3, 0.25, 0.4).lerp(self.sky[1], 0.35)
            } else {
                self.sky(ray, across)
            };
            return Behind { colour, floor: None, wall: None };
        }
        let hills = 0.02 + 0.16 * fbm(angle * 2.2 + 4.0, 0.3, 3, self.seed);
        let trees = -0.02 + self.glow[2] * 0.85 * fbm(angle * 5.0, 7.7, 4, self.seed ^ 3);
        if elevation < trees {
            let leaves = fbm(angle * 26.0, elevation * 26.0, 4, self.seed ^ 5);
            let light = smoothstep(0.35, 0.75, leaves);
            let trunk = smoothstep(0.05, 0.0, (noise2(angle * 14.0, 3.3, self.seed) - 0.5).abs())
                * smoothstep(0.12, 0.02, elevation);
            let colour = (self.floor[0] * 0.25).lerp(hsv(0.24, 0.55, 0.75), light * 0.8);
            return Behind {
                colour: colour.lerp(Vec3::new(0.05, 0.035, 0.02), trunk * 0.7),
                floor: None,
                wall: None,
            };
        }
        if elevation < hills {
            return Behind { colour: (self.floor[0] * 0.7).lerp(self.sky[1], 0.45), floor: None, wall: None };
        }
        Behind { colour: self.sky(ray, across), floor: None, wall: None }
    }

    fn wall(&self, x: f32, y: f32, featured: bool) -> Vec3 {
        let glow = 0.62
            + 0.5
                * (-((x - self.glow[0]).powi(2) * 0.5 + (y - self.glow[1]).powi(2) * 0.4) * self.glow[2])
                    .exp();
        if featured {
            for feature in &self.features {
                if let Some(colour) = feature.at(x, y, &self.sky) {
                    return colour;
                }
            }
        }
        if self.place == Place::Room && y < 0.10 {
            return grey(0.85) * glow * 0.8;
        }
        let below = self.dado > 0.0 && y < self.dado;
        let pair = if below { [self.wall[1], self.wall[0]] } else { self.wall };
        let cover = if below { Cover::Panels } else { self.wall_cover };
        let rail = if self.dado > 0.0 && (y - self.dado).abs() < 0.02 { 1.3 } else { 1.0 };
        self.cover(cover, pair, x, y, 0.4) * glow * rail
    }

    /// A covering at (u, v) metres, one repeat about `scale` metres wide.
    fn cover(&self, cover: Cover, [a, b]: [Vec3; 2], u: f32, v: f32, scale: f32) -> Vec3 {
        let stain = 0.82 + 0.36 * fbm(u * 1.3, v * 1.3, 3, self.seed);
        let grain = 0.93 + 0.14 * noise2(u * 60.0, v * 60.0, self.seed);
        let joint = |t: f32, width: f32| {
            smoothstep(width, width * 0.5, t.rem_euclid(1.0).min(1.0 - t.rem_euclid(1.0)))
        };
        match cover {
            Cover::Plain => a * (0.94 + 0.12 * fbm(u, v, 2, self.seed)),
            Cover::Rough => a * stain * (0.75 + 0.5 * fbm(u * 14.0, v * 14.0, 3, self.seed ^ 1)),
            Cover::Planks => {
                let row = u / (0.16 * scale + 0.04);
                let shade = hash01(
                    row.floor() as i32,
                    (v / 1.4 + hash01(row.floor() as i32, 0, 5) * 3.0).floor() as i32,
                    self.seed,
                );
                let fibre = fbm(u * 50.0, v * 3.0, 3, self.seed);
                a.lerp(b, 0.6 * shade + 0.35 * fibre) * (1.0 - 0.6 * joint(row, 0.03))
            }
            Cover::Tiles => {
                let (tu, tv) = (u / (0.5 * scale + 0.1), v / (0.5 * scale + 0.1));
                let odd = (tu.floor() + tv.floor()).rem_euclid(2.0);
                let shade = 0.9 + 0.2 * hash01(tu.floor() as i32, tv.floor() as i32, self.seed);
                a.lerp(b, odd * 0.8) * shade * grain * (1.0 - 0.45 * joint(tu, 0.02).max(joint(tv, 0.02)))
            }
            Cover::Bricks => {
                let row = v / 0.085;
                let column = u / 0.25 + 0.5 * row.floor().rem_euclid(2.0);
                let shade = 0.7 + 0.6 * hash01(column.floor() as i32, row.floor() as i32, self.seed);
                a.lerp(b, joint(column, 0.05).max(joint(row, 0.13))) * shade * grain * stain
            }
            Cover::Panels => {
                let t = u / (scale + 0.2);
                a * (1.0 - 0.4 * joint(t, 0.03))
                    * (0.95 + 0.1 * hash01(t.floor() as i32, 0, self.seed))
                    * grain
            }
            Cover::Stripes => {
                if (u / (scale * 0.5 + 0.05)).rem_euclid(1.0) < 0.5 {
                    a * grain
                } else {
                    b * grain
                }
            }
            Cover::Grass => {
                let blades = fbm(u * 30.0, v * 9.0, 3, self.seed);
                let patches = fbm(u * 0.7, v * 0.7, 3, self.seed ^ 2);
                let path = smoothstep(0.16, 0.10, (noise2(v * 0.25, 1.0, self.seed) - 0.5 - u * 0.12).abs());
                (a * (0.45 + 1.1 * blades))
                    .lerp(b, 0.5 * smoothstep(0.5, 0.8, patches))
                    .lerp(grey(0.6), 0.7 * path)
            }
        }
    }
}
