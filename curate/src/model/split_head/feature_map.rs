//! Outputs with a value per cell of a grid, and regions of them.

use ort::value::DynValue;

/// An output `[1, count, height, width]`.
pub(super) struct FeatureMap<'a> {
    pub values: &'a [f32],
    pub count: usize,
    pub height: usize,
    pub width: usize,
}

impl<'a> FeatureMap<'a> {
    /// An output of that shape; another one is an error.
    pub fn of(output: &'a DynValue) -> ort::Result<Self> {
        let (shape, values) = output.try_extract_tensor::<f32>()?;
        match **shape {
            [1, count, height, width] if count.min(height).min(width) > 0 => {
                Ok(Self { values, count: count as usize, height: height as usize, width: width as usize })
            }
            _ => Err(ort::Error::new(format!(
                "an output [1,planes,height,width] was expected, found {shape:?}"
            ))),
        }
    }

    /// The same, of `height` × `width` cells, and at least `count` planes.
    pub fn sized(output: &'a DynValue, count: usize, (height, width): (usize, usize)) -> ort::Result<Self> {
        let planes = Self::of(output)?;
        if (planes.height, planes.width) != (height, width) || planes.count < count {
            let Self { count: planes, height: high, width: wide, .. } = planes;
            let text =
                format!("{count} planes of {height}×{width} were expected, found {planes} of {high}×{wide}");
            return Err(ort::Error::new(text));
        }
        Ok(planes)
    }

    pub fn at(&self, plane: usize, x: usize, y: usize) -> f32 {
        self.values[(plane * self.height + y) * self.width + x]
    }
}

/// A region of interest: columns from `x0` up to `x1`, rows from `y0` up to `y1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Roi {
    pub x0: usize,
    pub y0: usize,
    x1: usize,
    y1: usize,
}

impl Roi {
    /// The smallest that holds these cells; `None` where there are none.
    pub fn around(cells: impl Iterator<Item = (usize, usize)>) -> Option<Self> {
        cells.fold(None, |roi, (x, y)| {
            let Self { x0, y0, x1, y1 } = roi.unwrap_or(Self { x0: x, y0: y, x1: x + 1, y1: y + 1 });
            Some(Self { x0: x0.min(x), y0: y0.min(y), x1: x1.max(x + 1), y1: y1.max(y + 1) })
        })
    }

    /// With more cells on every side, as far as the planes have them.
    pub fn widened(self, by: usize, planes: &FeatureMap) -> Self {
        Self {
            x0: self.x0.saturating_sub(by),
            y0: self.y0.saturating_sub(by),
            x1: self.x1.saturating_add(by).min(planes.width),
            y1: self.y1.saturating_add(by).min(planes.height),
        }
    }

    pub fn width(self) -> usize {
        self.x1 - self.x0
    }

    pub fn height(self) -> usize {
        self.y1 - self.y0
    }

    /// Its part of a feature map, one plane behind the other.
    pub fn crop(self, planes: &FeatureMap) -> Vec<f32> {
        let mut seen = Vec::with_capacity(planes.count * self.width() * self.height());
        for plane in planes.values.chunks_exact(planes.width * planes.height) {
            for row in plane.chunks_exact(planes.width).take(self.y1).skip(self.y0) {
                seen.extend_from_slice(&row[self.x0..self.x1]);
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ort::value::Tensor;

    use super::*;
    use crate::Runtime;

    #[test]
    fn outputs_of_other_shapes_are_errors() {
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/onnxruntime/libonnxruntime.so");
        Runtime::load(&library).unwrap_or_else(|error| panic!("these tests run models: {error}"));
        let output = |shape: &[usize]| {
            let values = vec![0.0_f32; shape.iter().product()];
            Tensor::from_array((shape, values)).unwrap().into_dyn()
        };
        assert!(FeatureMap::sized(&output(&[1, 4, 2, 3]), 4, (2, 3)).is_ok());
        for shape in [&[1, 4, 6][..], &[2, 4, 2, 3], &[1, 4, 3, 2], &[1, 3, 2, 3]] {
            assert!(FeatureMap::sized(&output(shape), 4, (2, 3)).is_err(), "{shape:?}");
        }
    }

    #[test]
    fn a_window_shows_its_cells_and_those_around_them_that_there_are() {
        let values: Vec<f32> = (0..24_u8).map(f32::from).collect();
        let planes = FeatureMap { values: &values, count: 2, height: 3, width: 4 };
        let roi = Roi::around([(1, 0), (0, 1)].into_iter()).unwrap();
        assert_eq!((roi.width(), roi.height()), (2, 2));
        assert_eq!(roi.crop(&planes), [0.0, 1.0, 4.0, 5.0, 12.0, 13.0, 16.0, 17.0]);
        let roi = roi.widened(1, &planes);
        assert_eq!((roi.x0, roi.y0, roi.width(), roi.height()), (0, 0, 3, 3));
        assert_eq!(planes.at(1, 3, 2), 23.0);
        assert_eq!(Roi::around(std::iter::empty()), None);
    }
}
