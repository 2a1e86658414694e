//! Adobe RGB as cameras mark it without a profile: by the interoperability index `R03` of DCF 2.0.

use exif::{In, Reader, Tag, Value};
use moxcms::ColorProfile;

use super::{Colours, Space};

/// What an EXIF block says, from its TIFF header on. A block that cannot be read says nothing.
pub(crate) fn colours(block: &[u8]) -> Colours {
    let is_r03 = |value: &Value| matches!(value, Value::Ascii(texts) if texts.iter().any(|text| text.starts_with(b"R03")));
    // Writers that convert to sRGB set the colour space and leave the index.
    let is_adobe = Reader::new().read_raw(block.to_vec()).is_ok_and(|exif| {
        let space = exif.get_field(Tag::ColorSpace, In::PRIMARY).and_then(|field| field.value.get_uint(0));
        let index = exif.get_field(Tag::InteroperabilityIndex, In::PRIMARY);
        space != Some(1) && index.is_some_and(|field| is_r03(&field.value))
    });
    if !is_adobe {
        return Colours::Srgb;
    }
    Colours::Of(Box::new(Space {
        name: "Adobe RGB (EXIF R03)".to_owned(),
        profile: ColorProfile::new_adobe_rgb(),
    }))
}
