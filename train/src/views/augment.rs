//! Changes to a view that leave the body as it is.

use photo::joints::JOINT_COUNT;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::body::{Framing, Pose};
use photo::range::{OutOfRange, check};

/// How strongly views are changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentSettings {
    /// Share of the views that are mirrored, left and right joints exchanged.
    pub flip: f64,
    /// Largest share by which each colour's gain differs from 1.
    pub colour: f32,
    /// Share of the views to be drawn in which red, green and blue change places. A decoder that is told the
    /// colours (`model.palette`) has to use them then, instead of what it knows by heart.
    pub recolour: f64,
    /// Smallest side of the square that is cut out, in shares of the view.
    pub crop: f32,
    /// Share of the visible joints that are taken for hidden.
    pub drop_joints: f64,
    /// The largest deviation by which a view's joints are moved, in shares of the view; each view has one
    /// from 0 to this. The encoder learns to tell it from the pixels (`loss.offsets`).
    pub move_joints: f32,
}

impl Default for AugmentSettings {
    fn default() -> Self {
        Self {
            flip: 0.5,
            colour: 0.08,      // white balance and exposure of two cameras
            recolour: 0.0,     // without a palette, nobody could tell the colours
            crop: 0.85,        // heads and feet mostly stay in
            drop_joints: 0.05, // a detector misses about as many
            move_joints: 0.02, // as far as detectors err
        }
    }
}

impl AugmentSettings {
    /// Checks the values against their ranges.
    ///
    /// # Errors
    /// Naming the first key that is out of range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let is_share = |value: f64| (0.0..=1.0).contains(&value);
        let moved = self.move_joints;
        check("augment.flip", &self.flip, is_share(self.flip), "0 to 1")?;
        check("augment.colour", &self.colour, (0.0..1.0).contains(&self.colour), "0 to below 1")?;
        check("augment.recolour", &self.recolour, is_share(self.recolour), "0 to 1")?;
        check("augment.crop", &self.crop, self.crop > 0.0 && self.crop <= 1.0, "above 0, at most 1")?;
        check("augment.drop_joints", &self.drop_joints, is_share(self.drop_joints), "0 to 1")?;
        check("augment.move_joints", &moved, (0.0..=1.0).contains(&moved), "0 to 1")
    }

    /// Leaves views as they are.
    pub fn none() -> Self {
        Self { flip: 0.0, colour: 0.0, recolour: 0.0, crop: 1.0, drop_joints: 0.0, move_joints: 0.0 }
    }
}

/// Other orders of red, green and blue.
const ORDERS: [[usize; 3]; 5] = [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// One draw of what is changed in a view.
#[derive(Clone, Debug)]
pub struct Change {
    flip: bool,
    gains: [f32; 3],
    /// The planes that the colours of a view to be drawn are read from.
    planes: [usize; 3],
    /// Side of the square that is cut out of a framed one, and its corner, in shares of that.
    side: f32,
    corner: [f32; 2],
    dropped: [bool; JOINT_COUNT],
    moved: [[f32; 2]; JOINT_COUNT],
}

impl Change {
    /// Draws a change.
    pub fn draw(settings: &AugmentSettings, rng: &mut impl Rng) -> Self {
        let flip = rng.random_bool(settings.flip);
        let mut spread = |most: f32| most * rng.random_range(-1.0..1.0f32);
        let common = 1.0 + spread(settings.colour);
        let gains = [(); 3].map(|()| common * (1.0 + spread(0.5 * settings.colour)));
        let side = 1.0 - (1.0 - settings.crop) * rng.random_range(0.0..1.0f32);
        let corner = [(); 2].map(|()| (1.0 - side) * rng.random_range(0.0..1.0f32));
        let dropped = [(); JOINT_COUNT].map(|()| rng.random_bool(settings.drop_joints));
        let deviation = settings.move_joints * rng.random_range(0.0..1.0f32);
        let mut bell = || {
            let sum: f32 = (0..4).map(|_| rng.random_range(-1.0..1.0f32)).sum();
            sum * 0.866 * deviation
        };
        let moved = [(); JOINT_COUNT].map(|()| [bell(), bell()]);
        // Drawn last, so that this setting changes nothing else of a run.
        let planes = if rng.random_bool(settings.recolour) {
            ORDERS[rng.random_range(0..ORDERS.len())]
        } else {
            [0, 1, 2]
        };
        Self { flip, gains, planes, side, corner, dropped, moved }
    }

    /// The joints as they are seen: some moved, some not found.
    pub fn pose(&self, pose: &Pose) -> Pose {
        let mut joints = pose.joints;
        for (joint, (dropped, moved)) in joints.iter_mut().zip(self.dropped.iter().zip(self.moved)) {
            if *dropped {
                *joint = [0.0; 3];
            } else if joint[2] > 0.0 {
                *joint = [joint[0] + moved[0], joint[1] + moved[1], joint[2]];
            }
        }
        Pose { joints }
    }

    /// The framing after the change.
    pub fn framing(&self, framing: Framing) -> Framing {
        let shifted = |axis: usize| framing.corner[axis] + self.corner[axis] * framing.side;
        Framing {
            side: framing.side * self.side,
            corner: [shifted(0), shifted(1)],
            flip: framing.flip != self.flip,
            gains: self.gains,
            ..framing
        }
    }

    /// The framing of a view to be drawn, after the change.
    pub fn framing_drawn(&self, framing: Framing) -> Framing {
        Framing { planes: self.planes, ..self.framing(framing) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn no_change_leaves_framing_and_joints() {
        let change = Change::draw(&AugmentSettings::none(), &mut ChaCha8Rng::seed_from_u64(1));
        let mut joints = [[0.0; 3]; JOINT_COUNT];
        joints[5] = [0.25, 0.375, 0.9];
        assert_eq!(change.framing(Framing::whole()), Framing::whole());
        assert_eq!(change.pose(&Pose { joints }), Pose { joints });
    }

    #[test]
    fn colours_change_places_in_views_to_be_drawn_alone_and_nothing_else_changes() {
        let settings = AugmentSettings { recolour: 0.5, ..AugmentSettings::default() };
        let mut changed = 0;
        for seed in 0..200 {
            let draw =
                |settings: &AugmentSettings| Change::draw(settings, &mut ChaCha8Rng::seed_from_u64(seed));
            let (with, without) = (draw(&settings), draw(&AugmentSettings::default()));
            assert_eq!(with.framing(Framing::whole()), without.framing(Framing::whole()));
            let drawn = with.framing_drawn(Framing::whole());
            let mut planes = drawn.planes;
            planes.sort_unstable();
            assert_eq!(planes, [0, 1, 2]);
            changed += usize::from(drawn.planes != [0, 1, 2]);
        }
        assert!((80..120).contains(&changed), "{changed} of 200");
    }

    #[test]
    fn a_cut_stays_within_the_framed_square() {
        let settings = AugmentSettings { crop: 0.5, ..AugmentSettings::none() };
        for seed in 0..50 {
            let framing = Framing { side: 0.5, corner: [0.25, 0.25], ..Framing::whole() };
            let cut = Change::draw(&settings, &mut ChaCha8Rng::seed_from_u64(seed)).framing(framing);
            for axis in 0..2 {
                assert!(cut.corner[axis] >= 0.25 && cut.corner[axis] + cut.side <= 0.75 + 1e-6, "{cut:?}");
            }
        }
    }
}
