//! Views of people as the model reads them.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::config::{BodyVaeConfig, GRID};
use super::framing::Framing;
use super::pose::{POOLS, POSE_FEATURES, Pose, view_weights};
use super::strips;
use super::tokens::TOKENS;
use crate::error::Result;

/// Some views, all of one size.
#[derive(Clone, Debug)]
pub struct Views {
    /// Weighted photos (paper 4.1), framed ([`Framing::of`]), after space-to-depth: u8
    /// `[n, 3·f², 16, 16]` with f = side / 16.
    pub pixels: Tensor,
    /// The strips along the limbs, over torso and head: for each of [`strips::KINDS`], f32 `[n, strips, values]`.
    pub(super) strips: Vec<Tensor>,
    /// The joints in shares of the framed square.
    pub poses: Vec<Pose>,
}

/// The geometry of some views as tensors.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    /// Weights of pooling, f32 `[n, POOLS, 16²]`.
    pub pooling: Tensor,
    /// [`Pose::standardised`], `[n, POSE_FEATURES]`.
    pub features: Tensor,
    /// log of each token's weight in attention, `[n, tokens]`.
    pub gates: Tensor,
    /// The same weights, of sum 1, `[n, tokens]`.
    pub shares: Tensor,
}

/// What stands for log 0 in attention: far below any score, and no infinity to make NaN of.
pub(super) const HIDDEN: f32 = -1e4;

impl Views {
    /// Views from the weighted photos' planes R, G, B of `side` px, u8 `[n, 3, side, side]`, one after
    /// the other, and their poses in shares of the photo.
    pub fn new(planes: &[u8], side: usize, poses: &[Pose], device: &Device) -> Result<Self> {
        let framings: Vec<Framing> = poses.iter().map(Framing::of).collect();
        Self::framed(planes, side, poses, &framings, device)
    }

    /// The same with framings of the caller's.
    pub fn framed(
        planes: &[u8],
        side: usize,
        poses: &[Pose],
        framings: &[Framing],
        device: &Device,
    ) -> Result<Self> {
        let poses: Vec<Pose> = framings.iter().zip(poses).map(|(framing, pose)| framing.pose(pose)).collect();
        let (pixels, strips) = pixels_and_strips(planes, side, &poses, framings);
        let channels = 3 * (side / GRID).pow(2);
        let pixels = Tensor::from_vec(pixels, (poses.len(), channels, GRID, GRID), device)?;
        let strips = strips.into_iter().zip(strips::KINDS).map(|(values, [count, length])| {
            Ok(Tensor::from_vec(values, (poses.len(), count, length), device)?)
        });
        let strips = strips.collect::<Result<_>>()?;
        Ok(Self { pixels, strips, poses })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.poses.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.poses.is_empty()
    }

    pub(super) fn geometry(&self, config: &BodyVaeConfig) -> Result<Geometry> {
        let count = self.len();
        let device = self.pixels.device();
        let sigma = config.sigma_px / 1024.0;
        let mut pooling = vec![0.0; count * POOLS * GRID * GRID];
        pooling
            .par_chunks_mut(POOLS * GRID * GRID)
            .zip(&self.poses)
            .for_each(|(out, pose)| pose.pooling(sigma, GRID, out));
        let features: Vec<f32> = self.poses.iter().flat_map(Pose::standardised).collect();
        let gates: Vec<f32> = self.poses.iter().flat_map(token_gates).collect();
        let shares = gates.chunks_exact(TOKENS).flat_map(|gates| {
            let sum: f32 = gates.iter().map(|gate| gate.exp()).sum();
            gates.iter().map(move |gate| gate.exp() / sum)
        });
        let shares: Vec<f32> = shares.collect();
        Ok(Geometry {
            pooling: Tensor::from_vec(pooling, (count, POOLS, GRID * GRID), device)?,
            features: Tensor::from_vec(features, (count, POSE_FEATURES), device)?,
            gates: Tensor::from_vec(gates, (count, TOKENS), device)?,
            shares: Tensor::from_vec(shares, (count, TOKENS), device)?,
        })
    }
}

/// A joint or strip counts by its confidence, a hidden one not at all; body and pose always count.
fn token_gates(pose: &Pose) -> [f32; TOKENS] {
    let mut gates = [0.0; TOKENS];
    let gate = |confidence: f32| if confidence > 0.0 { confidence.ln() } else { HIDDEN };
    for (at, joint) in gates.iter_mut().zip(&pose.joints) {
        *at = gate(joint[2]);
    }
    for (at, confidence) in gates[POOLS..].iter_mut().zip(strips::confidences(pose)) {
        *at = gate(confidence);
    }
    gates
}

/// The framed views folded for the convolutions, and their strips by kind.
fn pixels_and_strips(
    planes: &[u8],
    side: usize,
    poses: &[Pose],
    framings: &[Framing],
) -> (Vec<u8>, Vec<Vec<f32>>) {
    let length = 3 * side * side;
    let mut folded = vec![0; planes.len()];
    let mut kinds: Vec<Vec<f32>> =
        strips::KINDS.iter().map(|[count, length]| vec![0.0; poses.len() * count * length]).collect();
    let mut of_views: Vec<Vec<&mut [f32]>> = poses.iter().map(|_| Vec::new()).collect();
    for (kind, [count, length]) in kinds.iter_mut().zip(strips::KINDS) {
        let parts = of_views.iter_mut().zip(kind.chunks_exact_mut(count * length));
        parts.for_each(|(view, part)| view.push(part));
    }
    let views = planes.par_chunks(length).zip(poses).zip(framings);
    folded.par_chunks_mut(length).zip(of_views).zip(views).for_each_init(
        || (vec![0; length], vec![0.0; strips::VALUES]),
        |(framed, read), ((folded, kinds), ((from, pose), framing))| {
            framing.pixels(from, side, framed);
            fold(framed, side, GRID, folded);
            strips::read(framed, side, pose, read);
            let mut rest = &read[..];
            for kind in kinds {
                let (own, after) = rest.split_at(kind.len());
                kind.copy_from_slice(own);
                rest = after;
            }
        },
    );
    (folded, kinds)
}

/// Space-to-depth: `[3, side, side]` to `[3·f², grid, grid]`, channel (c·f + dy)·f + dx.
pub(super) fn fold<T: Copy>(planes: &[T], side: usize, grid: usize, out: &mut [T]) {
    let factor = side / grid;
    for (channel, out) in out.chunks_exact_mut(grid * grid).enumerate() {
        let (plane, within) = (channel / (factor * factor), channel % (factor * factor));
        let (dy, dx) = (within / factor, within % factor);
        for (y, row) in out.chunks_exact_mut(grid).enumerate() {
            let from = &planes[(plane * side + y * factor + dy) * side + dx..];
            row.iter_mut().zip(from.iter().step_by(factor)).for_each(|(to, &value)| *to = value);
        }
    }
}

/// Which views are in which set: rows of views, each with some sets over them.
#[derive(Clone, Debug)]
pub struct Sets {
    /// Weights of the product, f32 `[rows, sets, views]`.
    pub weights: Tensor,
    /// What attention adds to the scores, f32 `[rows, views, views]`: 0 where a view sees another.
    pub(super) sight: Tensor,
}

impl Sets {
    /// `side[row][view]` is the set that the view is in, of `sets`; views see those of their own set,
    /// or with `alone` nothing but themselves. `poses` has `views` poses for each row.
    pub fn new(
        poses: &[Pose],
        sides: &[Vec<usize>],
        sets: usize,
        alone: bool,
        device: &Device,
    ) -> Result<Self> {
        let rows = sides.len();
        let views = sides.first().map_or(0, Vec::len);
        let mut weights = vec![0.0; rows * sets * views];
        let mut sight = vec![HIDDEN; rows * views * views];
        for (row, side) in sides.iter().enumerate() {
            for set in 0..sets {
                let members: Vec<usize> = (0..views).filter(|&view| side[view] == set).collect();
                let chosen: Vec<Pose> = members.iter().map(|&view| poses[row * views + view]).collect();
                for (&view, weight) in members.iter().zip(view_weights(&chosen)) {
                    weights[(row * sets + set) * views + view] = weight;
                }
            }
            for a in 0..views {
                for b in 0..views {
                    if a == b || (!alone && side[a] == side[b]) {
                        sight[(row * views + a) * views + b] = 0.0;
                    }
                }
            }
        }
        Ok(Self {
            weights: Tensor::from_vec(weights, (rows, sets, views), device)?,
            sight: Tensor::from_vec(sight, (rows, views, views), device)?,
        })
    }
}
