//! People who look alike and are built differently.

use crate::body::Body;
use crate::noise;

impl Body {
    /// A person of the same sex, skin, hair, eyes and face, whose body is another's: height, lengths, widths, depths,
    /// radii and bust are those of a body that [`Body::sample`] draws for that sex. Who can tell the two apart in
    /// photos knows the body, not the look.
    pub fn twin(&self, seed: u64) -> Self {
        let other = (0..)
            .map(|attempt| Self::sample(noise::subseed(seed, attempt)))
            .find(|other| other.woman == self.woman)
            .expect("a body of either sex is among any number of bodies");
        Self {
            face_width: self.face_width,
            jaw: self.jaw,
            nose: self.nose,
            lips: self.lips,
            beard: self.beard,
            skin: self.skin,
            eyes: self.eyes,
            hair: self.hair,
            hair_word: self.hair_word.clone(),
            hair_style: self.hair_style,
            ..other
        }
    }
}
