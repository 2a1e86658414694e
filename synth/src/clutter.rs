//! Things that are no people: furniture, plants, pillars, balls, cars, lamps.

use glam::{Mat3, Vec3};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::colour::{cloth, grey, hsv};
use crate::mesh::{Mesh, Ring};
use crate::surface::{Group, Look, OBJECT, Surface, Texture};

fn surface(mesh: &mut Mesh, texture: Texture, colours: [Vec3; 2], rng: &mut ChaCha8Rng) -> u16 {
    mesh.add_surface(Surface {
        owner: OBJECT,
        group: Group::Thing,
        look: Look::Thing(texture, colours, rng.random()),
    })
}

fn any(mesh: &mut Mesh, rng: &mut ChaCha8Rng) -> u16 {
    let texture = *[Texture::Plain, Texture::Plain, Texture::Wood, Texture::Bands, Texture::Metal]
        .choose(rng)
        .expect("textures are listed");
    let colours = [cloth(rng).0, cloth(rng).0];
    surface(mesh, texture, colours, rng)
}

fn pillar(mesh: &mut Mesh, surface: u16, foot: Vec3, profile: &[(f32, f32)]) {
    let rings: Vec<Ring> = profile
        .iter()
        .map(|&(y, r)| Ring {
            centre: foot + Vec3::Y * y,
            side: Vec3::X,
            front: Vec3::Z,
            half_width: r,
            half_depth: r,
            along: y,
        })
        .collect();
    mesh.loft(surface, &rings, 26, true, |_, _| 1.0);
}

/// A box standing on the floor at `foot`, with half sizes, turned by `yaw`.
fn crate_box(mesh: &mut Mesh, surface: u16, foot: Vec3, half: Vec3, yaw: f32) {
    let turn = Mat3::from_rotation_y(yaw);
    let axes = [turn * Vec3::X * half.x, Vec3::Y * half.y, turn * Vec3::Z * half.z];
    mesh.cuboid(surface, foot + Vec3::Y * half.y, axes);
}

fn table(mesh: &mut Mesh, rng: &mut ChaCha8Rng, foot: Vec3, height: f32, half: [f32; 2], yaw: f32) {
    let wood = hsv(rng.random_range(0.05..0.1), 0.5, rng.random_range(0.2..0.8));
    let top = surface(mesh, Texture::Wood, [wood, wood * 0.5], rng);
    let turn = Mat3::from_rotation_y(yaw);
    crate_box(mesh, top, foot + Vec3::Y * (height - 0.04), Vec3::new(half[0], 0.02, half[1]), yaw);
    for (x, z) in [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)] {
        let at = foot + turn * Vec3::new(x * (half[0] - 0.05), 0.0, z * (half[1] - 0.05));
        pillar(mesh, top, at, &[(0.0, 0.025), (height - 0.04, 0.03)]);
    }
}

fn plant(mesh: &mut Mesh, rng: &mut ChaCha8Rng, foot: Vec3, size: f32) {
    let pot = any(mesh, rng);
    pillar(mesh, pot, foot, &[(0.0, 0.13 * size), (0.28 * size, 0.19 * size), (0.30 * size, 0.19 * size)]);
    let green = hsv(rng.random_range(0.2..0.38), rng.random_range(0.4..0.7), rng.random_range(0.3..0.6));
    let leaf = surface(mesh, Texture::Leaves, [green * 0.5, green * 1.4], rng);
    if rng.random_bool(0.5) {
        for _ in 0..rng.random_range(14..30) {
            // a leaf: a bent, pointed strip
            let yaw: f32 = rng.random_range(0.0..std::f32::consts::TAU);
            let (out, up) = (rng.random_range(0.2..0.6) * size, rng.random_range(0.4..1.1) * size);
            let wide = rng.random_range(0.03..0.09) * size;
            let heading = Vec3::new(yaw.sin(), 0.0, yaw.cos());
            let across = Vec3::new(heading.z, 0.0, -heading.x);
            mesh.grid(leaf, 7, 3, false, |row, column| {
                let t = row as f32 / 6.0;
                let width = wide * (t * std::f32::consts::PI).sin().max(0.05) * (column as f32 - 1.0);
                let middle =
                    foot + Vec3::Y * (0.28 * size + up * t * (1.6 - 0.75 * t)) + heading * (out * t * t);
                let p = middle + across * width;
                (p, Vec3::new(width, t, 0.0), 0.0)
            });
        }
    } else {
        for _ in 0..rng.random_range(4..9) {
            let r = rng.random_range(0.12..0.34) * size;
            let at = foot
                + Vec3::new(
                    rng.random_range(-0.25..0.25),
                    rng.random_range(0.5..1.15),
                    rng.random_range(-0.25..0.25),
                ) * size;
            mesh.ellipsoid(leaf, at, [Vec3::X * r, Vec3::Y * r * 0.9, Vec3::Z * r], 12, 18);
        }
    }
}

/// A seat under `pelvis`, whose top is `height` high.
pub fn seat(mesh: &mut Mesh, rng: &mut ChaCha8Rng, foot: Vec3, height: f32, yaw: f32) {
    match rng.random_range(0..3) {
        0 => {
            let look = any(mesh, rng);
            pillar(mesh, look, foot, &[(0.0, 0.19), (height - 0.05, 0.20), (height, 0.18)]);
        }
        1 => table(mesh, rng, foot, height, [0.22, 0.22], yaw),
        _ => {
            let look = any(mesh, rng);
            let wide = rng.random_range(0.22..0.7);
            crate_box(mesh, look, foot, Vec3::new(wide, height * 0.5, 0.22), yaw);
            let back = foot + Mat3::from_rotation_y(yaw) * Vec3::new(0.0, 0.0, -0.26);
            crate_box(mesh, look, back, Vec3::new(wide, height * 0.95, 0.05), yaw);
        }
    }
}

/// One thing on the floor at `foot`; `size` is about 1.
pub fn thing(mesh: &mut Mesh, rng: &mut ChaCha8Rng, foot: Vec3, size: f32) {
    let yaw = rng.random_range(0.0..3.1);
    match rng.random_range(0..10) {
        0 | 1 => plant(mesh, rng, foot, size),
        2 => {
            let half = [rng.random_range(0.3..0.8) * size, rng.random_range(0.25..0.45) * size];
            let height = rng.random_range(0.42..0.8);
            table(mesh, rng, foot, height, half, yaw);
        }
        3 => {
            let look = any(mesh, rng);
            let half = Vec3::new(
                rng.random_range(0.15..0.6),
                rng.random_range(0.15..0.9),
                rng.random_range(0.15..0.4),
            ) * size;
            crate_box(mesh, look, foot, half, yaw);
        }
        4 => {
            let look = any(mesh, rng);
            let r = rng.random_range(0.06..0.22) * size;
            pillar(mesh, look, foot, &[(0.0, r * 1.3), (0.1, r * 1.3), (0.12, r), (2.9, r), (2.95, r * 1.3)]);
        }
        5 => {
            let look = any(mesh, rng);
            let r = rng.random_range(0.1..0.45) * size;
            mesh.ellipsoid(look, foot + Vec3::Y * r, [Vec3::X * r, Vec3::Y * r, Vec3::Z * r], 22, 32);
        }
        6 => {
            // a floor lamp: head-sized ball on a pole
            let metal = surface(mesh, Texture::Metal, [grey(0.4), grey(0.4)], rng);
            let shade = surface(mesh, Texture::Plain, [hsv(0.12, rng.random_range(0.0..0.5), 0.95); 2], rng);
            let h = rng.random_range(1.1..1.7) * size;
            pillar(mesh, metal, foot, &[(0.0, 0.14), (0.03, 0.14), (0.04, 0.015), (h, 0.015)]);
            if rng.random_bool(0.5) {
                pillar(mesh, shade, foot, &[(h - 0.1, 0.20), (h + 0.18, 0.12)]);
            } else {
                mesh.ellipsoid(
                    shade,
                    foot + Vec3::Y * h,
                    [Vec3::X * 0.14, Vec3::Y * 0.14, Vec3::Z * 0.14],
                    14,
                    20,
                );
            }
        }
        7 => {
            // a chair
            let look = any(mesh, rng);
            crate_box(mesh, look, foot + Vec3::Y * 0.42, Vec3::new(0.22, 0.03, 0.22), yaw);
            let turn = Mat3::from_rotation_y(yaw);
            crate_box(mesh, look, foot + turn * Vec3::new(0.0, 0.45, -0.2), Vec3::new(0.22, 0.25, 0.02), yaw);
            for (x, z) in [(-0.19, -0.19), (-0.19, 0.19), (0.19, -0.19), (0.19, 0.19)] {
                pillar(mesh, look, foot + turn * Vec3::new(x, 0.0, z), &[(0.0, 0.02), (0.42, 0.02)]);
            }
        }
        8 => {
            // a vase or bottle: round profiles that are no people
            let look = any(mesh, rng);
            let s = rng.random_range(0.4..1.3) * size;
            let neck = rng.random_range(0.03..0.10) * s;
            pillar(
                mesh,
                look,
                foot,
                &[
                    (0.0, 0.12 * s),
                    (0.15 * s, 0.2 * s),
                    (0.4 * s, 0.22 * s),
                    (0.6 * s, 0.12 * s),
                    (0.72 * s, neck),
                    (0.9 * s, neck),
                    (0.93 * s, neck * 1.4),
                ],
            );
        }
        _ => {
            // a tree or a coat of foliage on a trunk
            let bark = surface(mesh, Texture::Wood, [hsv(0.07, 0.5, 0.3), hsv(0.07, 0.4, 0.2)], rng);
            pillar(mesh, bark, foot, &[(0.0, 0.11 * size), (1.7, 0.07 * size)]);
            let green = hsv(rng.random_range(0.18..0.36), 0.6, rng.random_range(0.3..0.6));
            let leaf = surface(mesh, Texture::Leaves, [green * 0.4, green * 1.3], rng);
            for _ in 0..rng.random_range(4..8) {
                let r = rng.random_range(0.3..0.6) * size;
                let at = foot
                    + Vec3::new(
                        rng.random_range(-0.5..0.5),
                        rng.random_range(1.6..2.6),
                        rng.random_range(-0.5..0.5),
                    );
                mesh.ellipsoid(leaf, at, [Vec3::X * r, Vec3::Y * r * 0.8, Vec3::Z * r], 14, 20);
            }
        }
    }
}

/// Large things far behind: houses, walls, blocks.
pub fn far_block(mesh: &mut Mesh, rng: &mut ChaCha8Rng, foot: Vec3) {
    let a = hsv(rng.random_range(0.0..0.15), rng.random_range(0.0..0.4), rng.random_range(0.3..0.8));
    let look = surface(mesh, Texture::Windows, [a, grey(0.35)], rng);
    let half = Vec3::new(rng.random_range(1.0..3.0), rng.random_range(1.5..6.0), rng.random_range(0.8..2.0));
    let yaw = rng.random_range(-0.5..0.5);
    crate_box(mesh, look, foot, half, yaw);
}
