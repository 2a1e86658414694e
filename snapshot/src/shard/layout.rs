//! Where the tensors of a shard are.

use photo::Tensors;
use photo::joints::JOINT_COUNT;
use serde::Deserialize;
use serde_json::json;

use super::Pixels;
use super::frames::MAX_FRAME_BYTES;

/// The longest header that is read: ours have about 400 bytes.
pub(super) const MAX_HEADER_BYTES: u64 = 1 << 20;

/// The largest side of a compressed image: the largest that a recipe's `prepare.size_px` may ask for. A few
/// bytes of zstd can stand for gigabytes, and readers reserve what the header asks for.
const MAX_SIZE_PX: u64 = 8192;

/// The frames of a compressed shard before those of the photos: the header; joints and confidence.
const FRAMES_BEFORE_PIXELS: usize = 2;

/// The index of the frame with joints and confidence.
pub(super) const JOINTS_FRAME: usize = 1;

/// Where the tensors of a shard are, in bytes from the beginning of the file, or of what `zstd -d` makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub photos: u64,
    pub size_px: u64,
    pub tensors: Tensors,
    /// Where the header ends and the tensors begin.
    pub data: u64,
}

#[derive(Deserialize)]
struct Header {
    image: Option<Entry>,
    weighted: Option<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    shape: [u64; 4],
}

impl Layout {
    /// The layout of a shard and its header: the length of the JSON in 8 bytes, then JSON, filled up with spaces to a
    /// multiple of 8.
    pub fn new(photos: u64, size_px: u64, tensors: Tensors) -> (Self, Vec<u8>) {
        let mut layout = Self { photos, size_px, tensors, data: 0 };
        let json = layout.json();
        layout.data = 8 + json.len() as u64;
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.extend(json.into_bytes());
        (layout, header)
    }

    /// The layout that the JSON of a header describes, or what is wrong with it.
    pub fn of_header(json: &[u8]) -> Result<Self, String> {
        let header: Header = serde_json::from_slice(json).map_err(|error| format!("its header: {error}"))?;
        let tensors = match (&header.image, &header.weighted) {
            (Some(_), None) => Tensors::Image,
            (None, Some(_)) => Tensors::Weighted,
            _ => Tensors::Both,
        };
        let Some(Entry { shape }) = header.image.or(header.weighted) else {
            return Err("it has no images".to_owned());
        };
        let [photos, 3, size_px, width] = shape else {
            return Err(format!("its images have the shape {shape:?}"));
        };
        // bounds that keep every product below far from overflow
        if width != size_px || size_px > 1 << 16 || photos > 1 << 24 {
            return Err(format!("its images have the shape {shape:?}"));
        }
        let (layout, expected) = Self::new(photos, size_px, tensors);
        if expected[8..] != *json {
            return Err("its header is not the one of this format".to_owned());
        }
        Ok(layout)
    }

    fn json(&self) -> String {
        let (n, s) = (self.photos, self.size_px);
        let joints = self.joints_bytes();
        let confidence = joints + self.confidence_bytes();
        let entry = |name: &str, dtype: &str, shape: &[u64], from: u64, to: u64| {
            format!("\"{name}\":{}", json!({ "data_offsets": [from, to], "dtype": dtype, "shape": shape }))
        };
        let mut entries = vec![
            entry("joints", "F32", &[n, 17, 3], 0, joints),
            entry("confidence", "F32", &[n, 17], joints, confidence),
        ];
        let mut end = confidence;
        for pixels in self.held() {
            let from = end;
            end += n * self.photo_bytes();
            entries.push(entry(pixels.name(), "U8", &[n, 3, s, s], from, end));
        }
        let mut json = format!("{{{}}}", entries.join(","));
        json.push_str(&" ".repeat(json.len().next_multiple_of(8) - json.len()));
        json
    }

    fn joints_bytes(&self) -> u64 {
        self.photos * JOINT_COUNT as u64 * 3 * 4
    }

    fn confidence_bytes(&self) -> u64 {
        self.photos * JOINT_COUNT as u64 * 4
    }

    /// The length of joints and confidence.
    pub fn small_bytes(&self) -> u64 {
        self.joints_bytes() + self.confidence_bytes()
    }

    /// The length of one image tensor of one photo.
    pub fn photo_bytes(&self) -> u64 {
        3 * self.size_px * self.size_px
    }

    /// The image tensors in their order.
    fn held(&self) -> impl Iterator<Item = Pixels> {
        let tensors = self.tensors;
        [Pixels::Image, Pixels::Weighted].into_iter().filter(move |pixels| pixels.is_in(tensors))
    }

    pub fn total_bytes(&self) -> u64 {
        self.pixels_from() + self.held().count() as u64 * self.photos * self.photo_bytes()
    }

    fn pixels_from(&self) -> u64 {
        self.data + self.small_bytes()
    }

    /// The number of the photo `row` in a tensor among all photos of all tensors; `None` where that is not held.
    fn place(&self, pixels: Pixels, row: u64) -> Option<u64> {
        let before = self.held().position(|held| held == pixels)? as u64;
        Some(before * self.photos + row)
    }

    /// Where the photo `row` begins in a tensor; `None` where that is not held.
    pub fn pixels_at(&self, pixels: Pixels, row: u64) -> Option<u64> {
        Some(self.pixels_from() + self.place(pixels, row)? * self.photo_bytes())
    }

    /// The index of the frame with the photo `row` of a tensor; `None` where that is not held.
    pub fn frame_of(&self, pixels: Pixels, row: u64) -> Option<usize> {
        Some(FRAMES_BEFORE_PIXELS + self.place(pixels, row)? as usize)
    }

    /// How many bytes each frame of the compressed shard holds, in their order.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = u64> + use<> {
        let count = FRAMES_BEFORE_PIXELS + self.held().count() * self.photos as usize;
        let (header, small, photo) = (self.data, self.small_bytes(), self.photo_bytes());
        (0..count).map(move |index| match index {
            0 => header,
            JOINTS_FRAME => small,
            _ => photo,
        })
    }

    /// What keeps the shard from being compressed, by the bounds within which frames are written and read.
    pub fn check_frames(&self) -> Result<(), String> {
        if self.size_px > MAX_SIZE_PX {
            return Err(format!(
                "its images have {0}×{0} px, compressed ones at most {MAX_SIZE_PX}",
                self.size_px
            ));
        }
        if self.small_bytes() > MAX_FRAME_BYTES {
            return Err(format!("its {} photos are too many for a compressed shard", self.photos));
        }
        Ok(())
    }
}
