//! What a person wears in one photo, and how fabrics are painted.

use glam::Vec3;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::colour;
use crate::noise::{self, fbm, hash01, noise2, smoothstep};
use crate::surface::{Paint, noise_vector};

/// What is woven or printed into a fabric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Nothing.
    Plain,
    /// Bands around the body.
    Stripes,
    /// Thin lines along the body.
    Pinstripes,
    /// Crossing bands.
    Check,
    /// Dots.
    Dots,
    /// Flowers.
    Floral,
    /// Twill, lighter where worn.
    Denim,
    /// Rows of letter-like blots on the chest.
    Print,
}

/// A fabric; colours are linear.
#[derive(Clone, Copy, Debug)]
pub struct Fabric {
    /// Main colour.
    pub colour: Vec3,
    /// Colour of the pattern.
    pub second: Vec3,
    /// The pattern.
    pub pattern: Pattern,
    /// Size of the pattern's repeat, metres.
    pub repeat_m: f32,
    /// Depth of the wrinkles.
    pub wrinkle: f32,
    /// Strength of the highlight.
    pub gloss: f32,
    /// Names the fabric's noise.
    pub seed: u32,
}

impl Fabric {
    fn sample(rng: &mut ChaCha8Rng, patterns: &[Pattern]) -> (Self, String) {
        let (main, word) = colour::cloth(rng);
        let (second, second_word) = colour::cloth(rng);
        let pattern = *patterns.choose(rng).expect("patterns are listed");
        let main = if pattern == Pattern::Denim {
            colour::linear(
                *[[0.20, 0.28, 0.45], [0.42, 0.54, 0.70], [0.12, 0.15, 0.24]]
                    .choose(rng)
                    .expect("denims are listed"),
            )
        } else {
            main
        };
        let name = match pattern {
            Pattern::Plain => word.to_owned(),
            Pattern::Stripes => format!("{word} and {second_word} striped"),
            Pattern::Pinstripes => format!("{word} pinstriped"),
            Pattern::Check => format!("{word} checked"),
            Pattern::Dots => format!("{word} dotted"),
            Pattern::Floral => format!("{word} flowered"),
            Pattern::Denim => "denim".to_owned(),
            Pattern::Print => format!("{word} printed"),
        };
        let fabric = Self {
            colour: main,
            second,
            pattern,
            repeat_m: rng.random_range(0.035..0.11),
            wrinkle: rng.random_range(0.25..0.9),
            gloss: if rng.random_bool(0.12) { 0.3 } else { rng.random_range(0.01..0.06) },
            seed: rng.random(),
        };
        (fabric, name)
    }

    /// The paint at `local` (metres of the part), `around` the part.
    pub fn paint(&self, local: Vec3, around: f32) -> Paint {
        // the same on both sides of the seam where `around` jumps
        let around = 2.0 * (around - 0.5).abs()
            + 0.37 * local.x.signum() * (around * std::f32::consts::TAU).sin().abs();
        let r = self.repeat_m;
        let (u, v) = (local.x, local.y);
        let line = |t: f32, share: f32| {
            let d = (t.rem_euclid(1.0) - 0.5).abs() * 2.0;
            smoothstep(share + 0.06, share - 0.06, d)
        };
        let amount = match self.pattern {
            Pattern::Plain => 0.0,
            Pattern::Stripes => line(v / r, 0.5),
            Pattern::Pinstripes => 0.6 * line(u / (r * 0.5), 0.14),
            Pattern::Check => 0.45 * line(u / r, 0.4) + 0.45 * line(v / r, 0.4),
            Pattern::Dots => {
                let row = (v / r).floor();
                let (cx, cy) = (
                    (u / r + 0.5 * row.rem_euclid(2.0)).rem_euclid(1.0) - 0.5,
                    (v / r).rem_euclid(1.0) - 0.5,
                );
                smoothstep(0.30, 0.24, (cx * cx + cy * cy).sqrt())
            }
            Pattern::Floral => {
                let (x, y) = (u / (r * 0.8), v / (r * 0.8));
                smoothstep(0.56, 0.62, fbm(x + local.z.signum() * 7.0, y, 2, self.seed))
            }
            Pattern::Denim => 0.0,
            Pattern::Print => self.print(u, v, local.z),
        };
        let second = if self.pattern == Pattern::Denim { Vec3::splat(0.5) } else { self.second };
        let weave = 0.93 + 0.14 * noise2(u * 350.0 + local.z * 200.0, v * 350.0, self.seed);
        let folds = fbm(around * 7.0 + v * 2.0, v * 6.0, 3, self.seed ^ 2);
        let mut albedo = self.colour.lerp(second, amount) * weave * (0.80 + 0.40 * folds);
        if self.pattern == Pattern::Denim {
            albedo *= 0.85 + 0.5 * noise2(around * 4.0, v * 4.0, self.seed ^ 4);
        }
        let p = Vec3::new(local.x * 6.0, local.y * 11.0, local.z * 6.0);
        let bump = (noise_vector(p, self.seed) + 0.5 * noise_vector(p * 2.7, self.seed ^ 8)) * self.wrinkle;
        Paint { albedo, gloss: self.gloss, sharpness: 16.0, bump, skin: false }
    }

    /// Rows of blots in the middle of the chest, like a slogan on a shirt.
    fn print(&self, u: f32, v: f32, front: f32) -> f32 {
        if front < 0.0 || u.abs() > 0.11 || !(0.27..0.42).contains(&v) {
            return 0.0;
        }
        let (column, row) = ((u / 0.026).floor() as i32, (v / 0.05).floor() as i32);
        let (x, y) = ((u / 0.026).rem_euclid(1.0), (v / 0.05).rem_euclid(1.0));
        if !(0.12..0.88).contains(&x) || !(0.15..0.85).contains(&y) {
            return 0.0;
        }
        let cell = |dx: i32, dy: i32| hash01(column * 3 + dx, row * 3 + dy, self.seed) > 0.42;
        f32::from(u8::from(cell((x * 3.0) as i32, (y * 3.0) as i32)))
    }
}

/// The shape of the opening at the neck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neckline {
    /// Close around the neck.
    Crew,
    /// Pointed.
    V,
    /// Wide and round.
    Scoop,
    /// Straps.
    Straps,
    /// A shirt's collar with buttons below.
    Collar,
    /// High, folded.
    Turtle,
}

/// The lower garment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bottom {
    /// Trousers down to a share of the leg (1 hip to knee, 2 ankle), with an ease in metres.
    Trousers {
        /// Where they end.
        length: f32,
        /// Air between leg and cloth, metres.
        ease_m: f32,
    },
    /// A skirt or the lower half of a dress.
    Skirt {
        /// Where it ends (1 knee, 2 ankle).
        length: f32,
        /// How much wider the hem is, metres.
        flare_m: f32,
    },
}

/// Everything worn.
#[derive(Clone, Debug)]
pub struct Outfit {
    /// Fabric of the top.
    pub top: Fabric,
    /// Opening at the neck.
    pub neckline: Neckline,
    /// Sleeves: 0 none, 1 to the elbow, 2 to the wrist.
    pub sleeve: f32,
    /// Where the top ends, in torsos above the line of the hips; `None` where it is tucked in.
    pub hem: Option<f32>,
    /// Fabric of an open jacket.
    pub jacket: Option<Fabric>,
    /// Where the jacket ends (0 hip line, 1 knee).
    pub jacket_length: f32,
    /// Shape of the lower garment.
    pub bottom: Bottom,
    /// Its fabric.
    pub bottom_fabric: Fabric,
    /// Shoes: upper and sole.
    pub shoes: [Vec3; 2],
    /// Boots reach up to this share of the shin; 0 for low shoes.
    pub boots: f32,
    /// Glasses: 0 none, 1 clear, 2 dark.
    pub glasses: u8,
    /// In words, without a leading "wearing".
    pub words: String,
}

impl Outfit {
    /// Clothes for a woman or a man; knees that are raised or bent (`knees_up`) would pierce a skirt, so none is worn.
    pub fn sample(seed: u64, woman: bool, knees_up: bool) -> Self {
        use Pattern::{Check, Denim, Dots, Floral, Pinstripes, Plain, Print, Stripes};
        let rng = &mut noise::stream(seed, 3);
        let tops: &[Pattern] = if woman {
            &[Plain, Plain, Plain, Stripes, Dots, Floral, Check, Print]
        } else {
            &[Plain, Plain, Plain, Stripes, Check, Check, Pinstripes, Print]
        };
        let (top, top_word) = Fabric::sample(rng, tops);
        let (mut bottom_fabric, mut bottom_word) =
            Fabric::sample(rng, &[Plain, Plain, Denim, Denim, Denim, Pinstripes]);
        let skirted = woman && !knees_up && rng.random_bool(0.42);
        let dress = skirted && rng.random_bool(0.55);
        let necklines: &[Neckline] = if woman {
            &[
                Neckline::Crew,
                Neckline::V,
                Neckline::Scoop,
                Neckline::Straps,
                Neckline::Collar,
                Neckline::Turtle,
            ]
        } else {
            &[
                Neckline::Crew,
                Neckline::Crew,
                Neckline::V,
                Neckline::Collar,
                Neckline::Collar,
                Neckline::Turtle,
            ]
        };
        let neckline = *necklines.choose(rng).expect("necklines are listed");
        let sleeve = match neckline {
            Neckline::Straps => 0.0,
            Neckline::Turtle => 1.97,
            _ => *[0.42, 0.55, 0.75, 1.5, 1.95, 1.97].choose(rng).expect("sleeves are listed"),
        };
        let jacket = (!dress && neckline != Neckline::Straps && rng.random_bool(0.24))
            .then(|| Fabric::sample(rng, &[Plain, Plain, Denim, Pinstripes]));
        let bottom = if skirted {
            Bottom::Skirt { length: rng.random_range(0.65..1.75), flare_m: rng.random_range(0.01..0.16) }
        } else {
            let length = if rng.random_bool(0.16) {
                rng.random_range(0.35..0.95)
            } else {
                rng.random_range(1.82..1.97)
            };
            Bottom::Trousers { length, ease_m: rng.random_range(0.006..0.028) }
        };
        let garment = match (neckline, sleeve < 1.0) {
            (Neckline::Collar, _) => "shirt",
            (Neckline::Straps, _) => "tank top",
            (Neckline::Turtle, _) => "turtleneck",
            (_, true) => "T-shirt",
            (_, false) => "sweater",
        };
        let shoe = colour::cloth(rng).0 * 0.8;
        let sole = if rng.random_bool(0.5) { colour::grey(0.88) } else { colour::grey(0.14) };
        let boots = if rng.random_bool(0.15) { rng.random_range(0.3..0.8) } else { 0.0 };
        let mut words = if dress {
            (bottom_fabric, bottom_word) = (top, top_word.clone());
            format!("a {bottom_word} dress")
        } else {
            let lower = match bottom {
                Bottom::Skirt { .. } => format!("a {bottom_word} skirt"),
                Bottom::Trousers { length, .. } if length < 1.0 => format!("{bottom_word} shorts"),
                Bottom::Trousers { .. } if bottom_fabric.pattern == Denim => "jeans".to_owned(),
                Bottom::Trousers { .. } => format!("{bottom_word} trousers"),
            };
            format!("a {top_word} {garment} and {lower}")
        };
        if let Some((_, word)) = &jacket {
            words = format!("{words} under a {word} jacket");
        }
        let glasses = match rng.random_range(0..100) {
            0..12 => 1,
            12..15 => 2,
            _ => 0,
        };
        if glasses > 0 {
            words += if glasses == 1 { " and glasses" } else { " and sunglasses" };
        }
        let hem =
            (!skirted && (jacket.is_some() || rng.random_bool(0.55))).then(|| rng.random_range(-0.18..0.12));
        Self {
            top,
            neckline,
            sleeve,
            hem,
            jacket_length: if rng.random_bool(0.3) { rng.random_range(0.5..1.0) } else { 0.08 },
            jacket: jacket.map(|(fabric, _)| fabric),
            bottom,
            bottom_fabric,
            shoes: [shoe, sole],
            boots,
            glasses,
            words,
        }
    }
}

/// The painted torso: neck, top, jacket and waist of the bottom.
#[derive(Clone, Debug)]
pub struct TorsoLook {
    /// The clothes.
    pub outfit: Outfit,
    /// Linear colour of the skin.
    pub skin: Vec3,
    /// Line of the hips to line of the shoulders, metres.
    pub torso_m: f32,
    /// Half the distance between the shoulder joints, metres.
    pub shoulder_m: f32,
}

impl TorsoLook {
    /// How far above the neckline a point is, in torsos; positive is skin.
    pub fn above_neckline(&self, t: f32, x: f32, front: bool) -> f32 {
        let ax = x.abs() / self.shoulder_m;
        match (self.outfit.neckline, front) {
            (Neckline::Crew | Neckline::Collar | Neckline::V, false) => t - 1.09,
            (Neckline::Crew, true) => t - 1.055,
            (Neckline::V, true) => t - (0.80 + 0.70 * ax).min(1.09),
            (Neckline::Collar, true) => t - (0.93 + 0.50 * ax).min(1.10),
            (Neckline::Scoop, true) => t - (0.90 + 0.35 * ax * ax).min(1.06),
            (Neckline::Scoop, false) => t - (0.98 + 0.2 * ax * ax).min(1.06),
            (Neckline::Straps, _) => {
                let strap = (0.42..0.66).contains(&ax);
                if strap { t - 1.2 } else { t - if front { 0.80 } else { 0.74 } - 0.1 * ax * ax }
            }
            (Neckline::Turtle, _) => t - 1.22,
        }
    }

    /// The paint at `local` (metres from the line of the hips).
    pub fn paint(&self, local: Vec3, around: f32) -> Paint {
        let t = local.y / self.torso_m;
        let front = local.z > 0.0;
        let outfit = &self.outfit;
        if let Some(jacket) = &outfit.jacket {
            let opening = 0.22 * self.shoulder_m + 0.45 * self.shoulder_m * smoothstep(0.35, 1.0, t);
            let edge = local.x.abs() - opening;
            if t < 1.07 && (!front || edge > 0.0) {
                let mut paint = jacket.paint(local, around);
                if front && t > 0.45 {
                    // lapels: a lighter strip with a dark seam
                    let width = 0.05 + 0.03 * smoothstep(0.5, 0.8, t);
                    paint.albedo *= if edge < width { 1.12 } else { 1.0 };
                    paint.albedo *= 1.0 - 0.5 * smoothstep(0.006, 0.002, (edge - width).abs());
                }
                return paint;
            }
        }
        let above = self.above_neckline(t, local.x, front);
        if above > 0.0 {
            let mut paint =
                Paint::skin(self.skin * (0.94 + 0.12 * fbm(local.x * 20.0, local.y * 20.0, 2, 5)));
            if front {
                // collar bones
                let bone = (t - 1.0 - 0.10 * (local.x.abs() / self.shoulder_m - 0.3)).abs();
                paint.albedo *= 1.0
                    - 0.14
                        * smoothstep(0.03, 0.0, bone)
                        * smoothstep(0.1, 0.3, local.x.abs() / self.shoulder_m);
            }
            return paint;
        }
        let dress =
            matches!(outfit.bottom, Bottom::Skirt { .. }) && outfit.bottom_fabric.seed == outfit.top.seed;
        if t < 0.26 && outfit.hem.is_none_or(|hem| t < hem) && !dress {
            let mut paint = outfit.bottom_fabric.paint(local, around);
            if (0.21..0.26).contains(&t) {
                paint.albedo = if local.x.abs() < 0.022 && front {
                    Vec3::splat(0.45)
                } else {
                    Vec3::new(0.035, 0.022, 0.016)
                };
                paint.gloss = 0.3;
            }
            return paint;
        }
        let mut paint = outfit.top.paint(local, around);
        let trim = smoothstep(-0.035, -0.030, above);
        paint.albedo *= 1.0 - 0.35 * trim * smoothstep(-0.026, -0.032, above);
        if outfit.neckline == Neckline::Collar && front {
            let collar = smoothstep(-0.10, -0.09, above);
            paint.albedo *= 1.0 + 0.10 * collar;
            paint.albedo *= 1.0 - 0.4 * smoothstep(0.010, 0.003, (above + 0.095).abs());
            paint.albedo *= 1.0 - 0.3 * smoothstep(0.004, 0.0015, (local.x - 0.016).abs());
            let button = (local.y / 0.085).rem_euclid(1.0) - 0.5;
            let r = (local.x.powi(2) + (button * 0.085).powi(2)).sqrt();
            paint.albedo *= 1.0 - 0.5 * smoothstep(0.008, 0.006, r);
        }
        if dress {
            paint.albedo *= 1.0 - 0.35 * smoothstep(0.02, 0.005, (t - 0.40).abs());
        }
        paint
    }
}
