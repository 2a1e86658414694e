//! Antialiased resizing of RGB photos. The only place with fast_image_resize.

use std::cell::RefCell;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

use crate::pixels::buffers;

/// The kernel of a resize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Triangle, widened when shrinking: the same as Pillow's and torchvision's antialiased bilinear.
    Bilinear,
    /// Lanczos with three lobes: the sharpest, for tensors that are trained on.
    Lanczos3,
}

/// A rectangle in px of the source, edges between pixels: 0 is the left edge of column 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SourceRect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// The whole image at `width` × `height` px (both at least 1).
pub(crate) fn whole(image: &RgbImage, width: u32, height: u32, filter: Filter) -> RgbImage {
    let (w, h) = image.dimensions();
    let rect = SourceRect { x: 0.0, y: 0.0, width: f64::from(w), height: f64::from(h) };
    part(image, rect, width, height, filter)
}

/// A part of the image, cut to it where it reaches beyond, at `width` × `height` px (both at least 1).
pub(crate) fn part(image: &RgbImage, rect: SourceRect, width: u32, height: u32, filter: Filter) -> RgbImage {
    let (w, h) = (f64::from(image.width()), f64::from(image.height()));
    let (x, y) = (rect.x.clamp(0.0, w), rect.y.clamp(0.0, h));
    let (crop_width, crop_height) = (rect.width.min(w - x), rect.height.min(h - y));
    let filter = match filter {
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Lanczos3 => FilterType::Lanczos3,
    };
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .crop(x, y, crop_width, crop_height)
        .use_alpha(false);
    let source = ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3)
        .expect("an RgbImage holds three bytes per pixel");
    let mut pixels = buffers::zeros(3 * width as usize * height as usize);
    let mut target =
        Image::from_slice_u8(width, height, &mut pixels, PixelType::U8x3).expect("three bytes per pixel");
    RESIZER
        .with_borrow_mut(|resizer| resizer.resize(&source, &mut target, &options))
        .expect("the rectangle lies inside the image");
    RgbImage::from_raw(width, height, pixels).expect("three bytes per pixel")
}

thread_local! {
    /// With the buffer between its two passes, which is used again.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_at_its_own_size_is_copied() {
        let image = RgbImage::from_fn(20, 10, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let cut =
            part(&image, SourceRect { x: 3.0, y: 2.0, width: 5.0, height: 4.0 }, 5, 4, Filter::Lanczos3);
        assert_eq!(cut.get_pixel(0, 0).0, [3, 2, 7]);
        assert_eq!(cut.get_pixel(4, 3).0, [7, 5, 7]);
    }

    #[test]
    fn a_rectangle_beyond_the_image_is_cut_to_it() {
        let image = RgbImage::from_pixel(4, 4, image::Rgb([9; 3]));
        let cut =
            part(&image, SourceRect { x: 2.0, y: 2.0, width: 9.0, height: 9.0 }, 3, 3, Filter::Bilinear);
        assert!(cut.pixels().all(|pixel| pixel.0 == [9; 3]));
    }
}
