//! An identity: the measures of a body, its skin and its hair. They stay from photo to photo.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};

use crate::noise;

/// How the hair is worn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HairStyle {
    /// None.
    Bald,
    /// Cropped to a few millimetres.
    Buzz,
    /// Short.
    Short,
    /// To the chin.
    Bob,
    /// Over the shoulders.
    Long,
    /// Tied behind.
    Ponytail,
    /// Tied up.
    Bun,
    /// A round crown of curls.
    Curly,
}

/// Measures over height unless the name says otherwise; colours are sRGB in 0..=1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Standing height, metres.
    pub height_m: f32,
    /// Chin to crown.
    pub head: f32,
    /// Line of the shoulders to chin.
    pub neck: f32,
    /// Line of the hips to line of the shoulders.
    pub torso: f32,
    /// Shoulder to elbow.
    pub upper_arm: f32,
    /// Elbow to wrist.
    pub forearm: f32,
    /// Wrist to finger tips.
    pub hand: f32,
    /// Hip to knee.
    pub thigh: f32,
    /// Knee to ankle.
    pub shin: f32,
    /// Ankle to floor.
    pub ankle: f32,
    /// Between the shoulder joints.
    pub shoulder_width: f32,
    /// Between the hip joints.
    pub hip_width: f32,
    /// Width of the chest at the armpits.
    pub chest_width: f32,
    /// Depth of the chest.
    pub chest_depth: f32,
    /// Width of the waist.
    pub waist_width: f32,
    /// Depth of the waist.
    pub waist_depth: f32,
    /// Outer width of the pelvis.
    pub pelvis_width: f32,
    /// Radius of the upper arm.
    pub arm_radius: f32,
    /// Radius of the thigh.
    pub thigh_radius: f32,
    /// Radius of the calf.
    pub calf_radius: f32,
    /// How far the bust stands out.
    pub bust: f32,
    /// Width of the face over the head's height.
    pub face_width: f32,
    /// Width of the jaw over the face's.
    pub jaw: f32,
    /// Size of the nose, 1 is average.
    pub nose: f32,
    /// Fullness of the lips, 1 is average.
    pub lips: f32,
    /// Density of the beard, 0 none to 1 full.
    pub beard: f32,
    /// Colour of the skin.
    pub skin: [f32; 3],
    /// Colour of the irises.
    pub eyes: [f32; 3],
    /// Colour of the hair.
    pub hair: [f32; 3],
    /// The hair colour's word.
    pub hair_word: String,
    /// How the hair is worn.
    pub hair_style: HairStyle,
    /// Captions say woman, otherwise man.
    pub woman: bool,
}

const SKINS: [[f32; 3]; 8] = [
    [0.96, 0.82, 0.74],
    [0.93, 0.76, 0.66],
    [0.90, 0.72, 0.58],
    [0.84, 0.64, 0.49],
    [0.76, 0.55, 0.40],
    [0.62, 0.43, 0.31],
    [0.48, 0.32, 0.23],
    [0.35, 0.23, 0.17],
];

const HAIRS: [([f32; 3], &str); 7] = [
    ([0.08, 0.07, 0.07], "black"),
    ([0.20, 0.13, 0.09], "dark brown"),
    ([0.36, 0.23, 0.14], "brown"),
    ([0.80, 0.64, 0.38], "blond"),
    ([0.62, 0.46, 0.26], "dark blond"),
    ([0.62, 0.26, 0.11], "red"),
    ([0.68, 0.67, 0.66], "grey"),
];

const EYES: [[f32; 3]; 5] =
    [[0.25, 0.15, 0.08], [0.16, 0.10, 0.07], [0.25, 0.42, 0.58], [0.28, 0.42, 0.28], [0.42, 0.36, 0.22]];

/// A draw from a bell curve with the given mean and deviation, cut at two deviations.
fn bell(rng: &mut impl Rng, mean: f32, deviation: f32) -> f32 {
    let sum: f32 = (0..4).map(|_| rng.random_range(-1.0..1.0f32)).sum();
    mean + deviation * (sum * 0.866).clamp(-2.0, 2.0)
}

impl Body {
    /// The body that `seed` names. Means are those of adult anthropometric tables, spreads a little wider.
    pub fn sample(seed: u64) -> Self {
        let rng = &mut noise::stream(seed, 1);
        let woman = rng.random_bool(0.55);
        let pick = |f: f32, m: f32| if woman { f } else { m };
        let height_m = bell(rng, pick(1.66, 1.79), 0.065);
        let weight = bell(rng, 0.0, 1.0); // light to heavy
        let muscle = bell(rng, 0.0, 1.0);
        // vertical shares sum to 1 by construction
        let vertical = [
            bell(rng, pick(0.134, 0.131), 0.006),
            bell(rng, 0.050, 0.006),
            bell(rng, pick(0.288, 0.295), 0.014),
            bell(rng, 0.243, 0.012),
            bell(rng, 0.243, 0.012),
            0.042,
        ];
        let total: f32 = vertical.iter().sum();
        let [head, neck, torso, thigh, shin, ankle] = vertical.map(|share| share / total);
        let heavy = weight.max(-0.9);
        let skin_tone = rng.random_range(0.0..(SKINS.len() - 1) as f32);
        let (low, part) = (skin_tone as usize, skin_tone.fract());
        let skin: [f32; 3] = std::array::from_fn(|i| noise::mix(SKINS[low][i], SKINS[low + 1][i], part));
        let dark = skin_tone > 4.2;
        let hair_choice = if dark { rng.random_range(0..2) } else { rng.random_range(0..HAIRS.len()) };
        let (hair, hair_word) = HAIRS[hair_choice];
        let tint = bell(rng, 1.0, 0.08);
        let styles: &[HairStyle] = if woman {
            &[
                HairStyle::Long,
                HairStyle::Long,
                HairStyle::Bob,
                HairStyle::Ponytail,
                HairStyle::Bun,
                HairStyle::Curly,
                HairStyle::Short,
            ]
        } else {
            &[
                HairStyle::Short,
                HairStyle::Short,
                HairStyle::Short,
                HairStyle::Buzz,
                HairStyle::Bald,
                HairStyle::Curly,
                HairStyle::Long,
            ]
        };
        let eyes = *(if dark { &EYES[..2] } else { &EYES[..] }).choose(rng).expect("eyes are listed");
        Self {
            height_m,
            head,
            neck,
            torso,
            upper_arm: bell(rng, 0.172, 0.009),
            forearm: bell(rng, 0.150, 0.008),
            hand: bell(rng, 0.104, 0.004),
            thigh,
            shin,
            ankle,
            shoulder_width: bell(rng, pick(0.198, 0.218), 0.010),
            hip_width: bell(rng, pick(0.112, 0.106), 0.006),
            chest_width: bell(rng, pick(0.162, 0.176), 0.006) + 0.012 * heavy,
            chest_depth: bell(rng, pick(0.110, 0.118), 0.005) + 0.013 * heavy,
            waist_width: bell(rng, pick(0.146, 0.164), 0.006) + 0.026 * heavy,
            waist_depth: bell(rng, pick(0.100, 0.112), 0.006) + 0.026 * heavy,
            pelvis_width: bell(rng, pick(0.204, 0.190), 0.007) + 0.016 * heavy,
            arm_radius: bell(rng, pick(0.0245, 0.0275), 0.001) + 0.0042 * heavy + 0.0022 * muscle.max(-0.8),
            thigh_radius: bell(rng, pick(0.049, 0.047), 0.002) + 0.0062 * heavy,
            calf_radius: bell(rng, 0.0315, 0.001) + 0.0028 * heavy + 0.001 * muscle,
            bust: if woman { bell(rng, 0.026, 0.010).max(0.006) } else { 0.004 + 0.004 * heavy.max(0.0) },
            face_width: bell(rng, pick(0.650, 0.670), 0.025) + 0.02 * heavy.max(0.0),
            jaw: bell(rng, pick(0.80, 0.90), 0.05) + 0.03 * heavy.max(0.0),
            nose: bell(rng, 1.0, 0.18),
            lips: bell(rng, pick(1.15, 0.95), 0.2),
            beard: if woman {
                0.0
            } else {
                *[0.0, 0.0, 0.0, 0.3, 0.6, 1.0].choose(rng).expect("beards are listed")
            },
            skin: skin.map(|c| c * bell(rng, 1.0, 0.01)),
            eyes,
            hair: hair.map(|c| (c * tint).clamp(0.02, 0.95)),
            hair_word: hair_word.to_owned(),
            hair_style: *styles.choose(rng).expect("styles are listed"),
            woman,
        }
    }

    /// Every measure by name, for tables and measurements.
    pub fn measures(&self) -> [(&'static str, f32); 26] {
        [
            ("height_m", self.height_m),
            ("head", self.head),
            ("neck", self.neck),
            ("torso", self.torso),
            ("upper_arm", self.upper_arm),
            ("forearm", self.forearm),
            ("hand", self.hand),
            ("thigh", self.thigh),
            ("shin", self.shin),
            ("ankle", self.ankle),
            ("shoulder_width", self.shoulder_width),
            ("hip_width", self.hip_width),
            ("chest_width", self.chest_width),
            ("chest_depth", self.chest_depth),
            ("waist_width", self.waist_width),
            ("waist_depth", self.waist_depth),
            ("pelvis_width", self.pelvis_width),
            ("arm_radius", self.arm_radius),
            ("thigh_radius", self.thigh_radius),
            ("calf_radius", self.calf_radius),
            ("bust", self.bust),
            ("face_width", self.face_width),
            ("jaw", self.jaw),
            ("nose", self.nose),
            ("lips", self.lips),
            ("beard", self.beard),
        ]
    }

    /// `woman` or `man`.
    pub fn noun(&self) -> &'static str {
        if self.woman { "woman" } else { "man" }
    }

    /// The body in words: `tall slim woman with long red hair`.
    pub fn words(&self) -> String {
        let mean_height = if self.woman { 1.66 } else { 1.79 };
        let tall = match self.height_m - mean_height {
            d if d > 0.05 => "tall ",
            d if d < -0.05 => "short ",
            _ => "",
        };
        let girth = self.waist_width - if self.woman { 0.146 } else { 0.164 };
        let build = match girth {
            g if g > 0.024 => "heavyset ",
            g if g < -0.015 => "slim ",
            _ => "",
        };
        let who = self.noun();
        let hair = match self.hair_style {
            HairStyle::Bald => "a bald head".to_owned(),
            HairStyle::Buzz => format!("cropped {} hair", self.hair_word),
            HairStyle::Short => format!("short {} hair", self.hair_word),
            HairStyle::Bob => format!("chin-length {} hair", self.hair_word),
            HairStyle::Long => format!("long {} hair", self.hair_word),
            HairStyle::Ponytail => format!("{} hair in a ponytail", self.hair_word),
            HairStyle::Bun => format!("{} hair in a bun", self.hair_word),
            HairStyle::Curly => format!("curly {} hair", self.hair_word),
        };
        let beard = if self.beard > 0.5 { " and a beard" } else { "" };
        format!("{tall}{build}{who} with {hair}{beard}")
    }
}
