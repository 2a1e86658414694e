//! What a captioning model says of every photo below a folder, a line of JSON each:
//!
//!     cargo run --release -p train --example caption -- data/models/captioner PHOTOS > said.jsonl
//!
//! What is no photo is named on stderr and left out. `data/models/training/captioner/examine.py --captions` reads the lines.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Device;
use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};
use serde_json::json;
use train::captioner::Captioner;

/// Photos that are captioned together: more are no faster on a CPU, and take more memory.
const BATCH: usize = 16;
/// The longest caption of the demo captioner has 90 tokens.
const MAX_TOKENS: usize = 95;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, root] = &arguments[..] else {
        return Err("usage: caption MODEL PHOTOS".into());
    };
    let captioner = Captioner::open(Path::new(model), &Device::Cpu)?;
    let root = Path::new(root);
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    for part in files.chunks(BATCH) {
        let (mut names, mut images) = (Vec::new(), Vec::new());
        for file in part {
            match upright(file) {
                Ok(image) => {
                    names.push(file.strip_prefix(root)?.display().to_string());
                    images.push(image);
                }
                Err(error) => eprintln!("{}: {error}", file.display()),
            }
        }
        for (file, caption) in names.iter().zip(captioner.caption(&images, None, MAX_TOKENS)?) {
            println!("{}", json!({"file": file, "caption": caption}));
        }
    }
    Ok(())
}

/// All files below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

/// The photo of a file as it is looked at, whatever the file's name says.
fn upright(file: &Path) -> image::ImageResult<RgbImage> {
    let mut decoder = ImageReader::open(file)?.with_guessed_format()?.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image.to_rgb8())
}
