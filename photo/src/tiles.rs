//! The parts of a photo that are searched for watermarks one by one.
//!
//! A corner mark of 150 px all but vanishes when a 1600 px photo is squeezed to a classifier's 256 px, so the
//! corners, the edges and the centre are looked at on their own as well.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A tile's side as a share of the photo's: 3 tiles of 0.4 cover the photo and overlap by a tenth, so that a
/// mark on a seam is whole in one of them.
pub const SIDE: f64 = 0.4;

/// Where a watermark was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// The whole photo.
    Frame,
    /// The upper left corner.
    TopLeft,
    /// The middle of the upper edge.
    Top,
    /// The upper right corner.
    TopRight,
    /// The middle of the left edge.
    Left,
    /// The centre.
    Centre,
    /// The middle of the right edge.
    Right,
    /// The lower left corner.
    BottomLeft,
    /// The middle of the lower edge.
    Bottom,
    /// The lower right corner.
    BottomRight,
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frame => "whole frame",
            Self::TopLeft => "top left",
            Self::Top => "top",
            Self::TopRight => "top right",
            Self::Left => "left",
            Self::Centre => "centre",
            Self::Right => "right",
            Self::BottomLeft => "bottom left",
            Self::Bottom => "bottom",
            Self::BottomRight => "bottom right",
        })
    }
}

/// Every region: the frame first, then the tiles row by row.
pub const REGIONS: [Region; 10] = [
    Region::Frame,
    Region::TopLeft,
    Region::Top,
    Region::TopRight,
    Region::Left,
    Region::Centre,
    Region::Right,
    Region::BottomLeft,
    Region::Bottom,
    Region::BottomRight,
];

/// A rectangle of whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelRect {
    /// Left column.
    pub x: u32,
    /// Top row.
    pub y: u32,
    /// Width, at least 1.
    pub width: u32,
    /// Height, at least 1.
    pub height: u32,
}

impl Region {
    /// The name in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::TopLeft => "top_left",
            Self::Top => "top",
            Self::TopRight => "top_right",
            Self::Left => "left",
            Self::Centre => "centre",
            Self::Right => "right",
            Self::BottomLeft => "bottom_left",
            Self::Bottom => "bottom",
            Self::BottomRight => "bottom_right",
        }
    }

    /// The region's pixels in a photo of `width` × `height` (both at least 1).
    pub fn rect(self, width: u32, height: u32) -> PixelRect {
        let index = REGIONS.iter().position(|&region| region == self).expect("every region is listed");
        if index == 0 {
            return PixelRect { x: 0, y: 0, width, height };
        }
        let (column, row) = ((index - 1) as u32 % 3, (index - 1) as u32 / 3);
        let along = |place: u32, length: u32| {
            let side = ((f64::from(length) * SIDE).round() as u32).max(1);
            ((length - side) * place / 2, side)
        };
        let (x, tile_width) = along(column, width);
        let (y, tile_height) = along(row, height);
        PixelRect { x, y, width: tile_width, height: tile_height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_one_name_in_tables_and_in_json() {
        for region in REGIONS {
            assert_eq!(serde_json::to_string(&region).unwrap(), format!("\"{}\"", region.name()));
        }
    }

    #[test]
    fn tiles_cover_every_pixel_and_stay_inside() {
        for (width, height) in [(1, 1), (2, 3), (301, 500), (1200, 1600), (4000, 3000)] {
            let mut covered_x = vec![false; width as usize];
            for region in &REGIONS[1..4] {
                let rect = region.rect(width, height);
                assert!(rect.x + rect.width <= width && rect.y + rect.height <= height);
                covered_x[rect.x as usize..(rect.x + rect.width) as usize].fill(true);
            }
            assert!(covered_x.iter().all(|&covered| covered), "{width}");
        }
        assert_eq!(Region::Frame.rect(7, 9), PixelRect { x: 0, y: 0, width: 7, height: 9 });
        assert_eq!(
            Region::BottomRight.rect(1000, 1000),
            PixelRect { x: 600, y: 600, width: 400, height: 400 }
        );
    }
}
