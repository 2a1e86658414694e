//! A picture as PNG with what it takes to draw it again: `parameters` for common viewers, and [`Settings`] as
//! JSON under `bolid`.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use png::{BitDepth, ColorType, Decoder, Encoder};

use super::settings::Settings;
use crate::error::{Error, Result};
use crate::report::Picture;

/// What viewers look for.
const PARAMETERS: &str = "parameters";
/// Ours.
const SETTINGS: &str = "bolid";

/// The file's bytes; equal pictures and settings are equal bytes.
///
/// # Errors
/// Where the picture has no pixels.
pub fn bytes(picture: &Picture, settings: &Settings) -> Result<Vec<u8>> {
    let json = serde_json::to_string(settings).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, picture.width as u32, picture.height as u32);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    for (key, text) in [(PARAMETERS, settings.parameters()), (SETTINGS, json)] {
        // As Pillow does: Latin-1 where the text allows it, for the sake of old readers.
        let added = match text.chars().all(|c| u32::from(c) < 256) {
            true => encoder.add_text_chunk(key.to_owned(), text),
            false => encoder.add_itxt_chunk(key.to_owned(), text),
        };
        added.map_err(failed)?;
    }
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&picture.rgb).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Writes the file: all or nothing.
///
/// # Errors
/// [`Error::Write`].
pub fn write(path: &Path, picture: &Picture, settings: &Settings) -> Result<()> {
    crate::whole_file::write_whole(path, &bytes(picture, settings)?)
}

/// Writes a picture without settings: a preview, a sheet of many.
///
/// # Errors
/// [`Error::Write`].
pub fn write_plain(path: &Path, picture: &Picture) -> Result<()> {
    crate::whole_file::write_whole(path, &picture.png())
}

/// The settings of a picture that [`write`](write()) wrote.
///
/// # Errors
/// [`Error::Read`]; [`Error::Malformed`] for a picture of another program, or one whose settings were changed or lost.
pub fn read(path: &Path) -> Result<Settings> {
    let file = File::open(path).map_err(Error::read(path))?;
    let reader =
        Decoder::new(BufReader::new(file)).read_info().map_err(|error| Error::malformed(path, error))?;
    let info = reader.info();
    let latin1 = info.uncompressed_latin1_text.iter().find(|chunk| chunk.keyword == SETTINGS);
    let utf8 = info.utf8_text.iter().find(|chunk| chunk.keyword == SETTINGS);
    let json = match (latin1, utf8) {
        (Some(chunk), _) => chunk.text.clone(),
        (None, Some(chunk)) => chunk.get_text().map_err(|error| Error::malformed(path, error))?,
        (None, None) => {
            let reason = "it holds no settings of `bolid generate`; another program may have saved it anew without \
                          them";
            return Err(Error::malformed(path, reason));
        }
    };
    serde_json::from_str(&json).map_err(|error| Error::malformed(path, format!("its settings: {error}")))
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::malformed(Path::new("picture"), error)
}

#[cfg(test)]
mod tests {
    use super::super::settings::example;
    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn settings_come_back_from_the_file_whatever_letters_they_have() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("one.png");
        let picture = Picture::from_rgb((0..64 * 96 * 3).map(|i| i as u8).collect(), 64, 96, "");
        for prompt in ["a photo", "café, naïve", "写真 ☀"] {
            let settings = Settings { prompt: prompt.to_owned(), ..example() };
            write(&path, &picture, &settings)?;
            assert_eq!(read(&path)?, settings);
            let pixels = image::open(&path)?.to_rgb8();
            assert_eq!((pixels.dimensions(), pixels.as_raw()), ((64, 96), &picture.rgb));
        }
        Ok(())
    }

    #[test]
    fn another_programs_picture_is_refused_by_name() -> TestResult {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("other.png");
        write_plain(&path, &Picture::from_rgb(vec![0; 12], 2, 2, ""))?;
        let message = read(&path).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains("other.png is not usable: it holds no settings"), "{message}");
        std::fs::write(&path, "no picture")?;
        assert!(read(&path).is_err());
        Ok(())
    }
}
