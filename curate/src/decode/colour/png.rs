//! What the chunks of a PNG say of its colours (PNG, third edition, 4.3): `cICP` stands over `iCCP`, that
//! over `sRGB`, that over `gAMA` and `cHRM`.

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, MatrixCoefficients,
    ToneReprCurve, TransferCharacteristics,
};

use super::Colours;

/// Exponents of `gAMA` that a writer may mean: of linear light, and of a display of gamma 3. Others are
/// mistakes.
const EXPONENTS: std::ops::RangeInclusive<f32> = 0.33..=1.0;

/// Chunks with a length that the standard fixes.
#[derive(Debug, Default)]
struct Chunks {
    code_points: Option<[u8; 4]>,
    has_profile: bool,
    is_srgb: bool,
    gamma: Option<[u8; 4]>,
    primaries: Option<[u8; 32]>,
}

/// What the file says. `profile`: the content of `iCCP`, where it could be unpacked.
pub(crate) fn colours(bytes: &[u8], profile: Option<&[u8]>) -> Colours {
    let chunks = Chunks::read(bytes);
    match (chunks.code_points, profile) {
        (Some(points), _) => of_code_points(points),
        (None, Some(profile)) => Colours::of_profile(profile),
        (None, None) if chunks.has_profile => {
            Colours::Unusable("the colour profile is broken: it cannot be unpacked".to_owned())
        }
        (None, None) if chunks.is_srgb => Colours::Srgb,
        (None, None) => of_gamma(chunks.gamma, chunks.primaries),
    }
}

impl Chunks {
    /// The chunks in front of the pixels.
    fn read(bytes: &[u8]) -> Self {
        let mut found = Self::default();
        let mut rest = bytes.get(8..).unwrap_or_default();
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let Some((name, behind)) = behind.split_first_chunk::<4>() else { break };
            let length = u32::from_be_bytes(*length) as usize;
            let Some((content, behind)) = behind.split_at_checked(length) else { break };
            match name {
                b"IDAT" => break,
                b"iCCP" => found.has_profile = true,
                b"sRGB" => found.is_srgb = true,
                b"cICP" => found.code_points = content.try_into().ok(),
                b"gAMA" => found.gamma = content.try_into().ok(),
                b"cHRM" => found.primaries = content.try_into().ok(),
                _ => {}
            }
            rest = behind.get(4..).unwrap_or_default(); // the checksum is the decoder's to look at
        }
        found
    }
}

/// Code points of ITU-T H.273 for RGB.
fn of_code_points(points: [u8; 4]) -> Colours {
    let said = format!("code points {points:?}");
    let [primaries, transfer, matrix, is_full] = points;
    let known =
        CicpColorPrimaries::try_from(primaries).ok().zip(TransferCharacteristics::try_from(transfer).ok());
    let Some((color_primaries, transfer_characteristics)) =
        known.filter(|_| matches!(primaries, 1 | 4..=12 | 22) && matrix == 0 && is_full == 1)
    else {
        return Colours::Unusable(format!("{said} are not known"));
    };
    if matches!(transfer_characteristics, TransferCharacteristics::Smpte2084 | TransferCharacteristics::Hlg) {
        return Colours::Unusable(format!("{said} are of a high dynamic range, which is not converted"));
    }
    let mut profile = ColorProfile::new_srgb();
    // What it gives back says nothing; without primaries or a curve it leaves the profile as it is.
    profile.update_rgb_colorimetry_from_cicp(CicpProfile {
        color_primaries,
        transfer_characteristics,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    });
    Colours::of(profile, said)
}

fn of_gamma(gamma: Option<[u8; 4]>, primaries: Option<[u8; 32]>) -> Colours {
    let Some(gamma) = gamma else { return Colours::Srgb }; // primaries alone say nothing of what a level is
    let exponent = u32::from_be_bytes(gamma) as f32 / 100_000.0;
    if !EXPONENTS.contains(&exponent) {
        return Colours::Unusable(format!("an exponent of {exponent} (gAMA) is none"));
    }
    let mut profile = ColorProfile::new_srgb();
    if let Some(numbers) = primaries {
        let number = |place: usize| -> f32 {
            let bytes = numbers.as_chunks::<4>().0[place];
            u32::from_be_bytes(bytes) as f32 / 100_000.0
        };
        let point = |place: usize| Chromaticity::new(number(2 * place), number(2 * place + 1));
        let [white, red, green, blue] = [0, 1, 2, 3].map(point);
        if !is_triangle([red, green, blue], white) {
            return Colours::Unusable("the primaries (cHRM) are none".to_owned());
        }
        profile.update_rgb_colorimetry(white.to_xyyb(), ColorPrimaries { red, green, blue });
    }
    // Writers that mean sRGB put 1/2.2 here, the nearest exponent to its curve.
    if (exponent - 1.0 / 2.2).abs() > 0.005 {
        let curve = ToneReprCurve::Parametric(vec![1.0 / exponent]);
        profile.red_trc = Some(curve.clone());
        profile.green_trc = Some(curve.clone());
        profile.blue_trc = Some(curve);
    }
    Colours::of(profile, format!("exponent {exponent} (gAMA)"))
}

/// Whether white lies within the primaries, in their order; of others no colours can be made.
fn is_triangle(corners: [Chromaticity; 3], white: Chromaticity) -> bool {
    (0..3).all(|corner| {
        let (from, to) = (corners[corner], corners[(corner + 1) % 3]);
        let side = (to.x - from.x) * (white.y - from.y) - (to.y - from.y) * (white.x - from.x);
        side > 1e-4 && from.y > 0.0
    }) && white.y > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PNG up to its pixels.
    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        for (name, content) in chunks {
            bytes.extend((content.len() as u32).to_be_bytes());
            bytes.extend(name.iter().chain(*content).chain(&[0; 4]));
        }
        bytes
    }

    fn gamma(hundred_thousandths: u32) -> [u8; 4] {
        hundred_thousandths.to_be_bytes()
    }

    #[test]
    fn the_usual_exponent_is_srgb() {
        for exponent in [45_455, 45_454, 45_000] {
            let said = colours(&file(&[(b"gAMA", &gamma(exponent))]), None);
            assert!(matches!(said, Colours::Srgb), "{exponent}: {said:?}");
        }
        assert!(matches!(colours(&file(&[(b"gAMA", &gamma(55_556))]), None), Colours::Of(_)));
    }

    #[test]
    fn exponents_and_primaries_that_are_none_are_told() {
        for exponent in [0, 1, 300_000, u32::MAX] {
            let said = colours(&file(&[(b"gAMA", &gamma(exponent))]), None);
            assert!(matches!(said, Colours::Unusable(_)), "{exponent}: {said:?}");
        }
        let said = colours(&file(&[(b"gAMA", &gamma(45_455)), (b"cHRM", &[0; 32])]), None);
        assert!(matches!(said, Colours::Unusable(_)), "{said:?}");
    }

    #[test]
    fn code_points_of_a_high_dynamic_range_are_told() {
        for points in [[9, 16, 0, 1], [9, 18, 0, 1], [200, 13, 0, 1], [1, 13, 1, 1]] {
            let said = colours(&file(&[(b"cICP", &points)]), None);
            assert!(matches!(said, Colours::Unusable(_)), "{points:?}: {said:?}");
        }
        assert!(matches!(colours(&file(&[(b"cICP", &[1, 13, 0, 1])]), None), Colours::Srgb));
    }

    #[test]
    fn chunks_that_are_cut_say_nothing() {
        let whole = file(&[(b"gAMA", &gamma(55_556)), (b"sRGB", &[0])]);
        for end in 0..whole.len() - 18 {
            assert!(matches!(colours(&whole[..end], None), Colours::Srgb), "{end}");
        }
        assert!(matches!(colours(&whole, None), Colours::Srgb));
    }
}
