//! The planes that a network gives, and windows of them.

use ort::value::DynValue;

/// An output `[1, count, height, width]`.
pub(super) struct Planes<'a> {
    pub values: &'a [f32],
    pub count: usize,
    pub height: usize,
    pub width: usize,
}

impl<'a> Planes<'a> {
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

/// Cells of planes: columns from `x0` up to `x1`, rows from `y0` up to `y1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub x0: usize,
    pub y0: usize,
    x1: usize,
    y1: usize,
}

impl Window {
    /// The smallest that holds these cells; `None` where there are none.
    pub fn around(cells: impl Iterator<Item = (usize, usize)>) -> Option<Self> {
        cells.fold(None, |window, (x, y)| {
            let Self { x0, y0, x1, y1 } = window.unwrap_or(Self { x0: x, y0: y, x1: x + 1, y1: y + 1 });
            Some(Self { x0: x0.min(x), y0: y0.min(y), x1: x1.max(x + 1), y1: y1.max(y + 1) })
        })
    }

    /// With more cells on every side, as far as the planes have them.
    pub fn widened(self, by: usize, planes: &Planes) -> Self {
        Self {
            x0: self.x0.saturating_sub(by),
            y0: self.y0.saturating_sub(by),
            x1: (self.x1 + by).min(planes.width),
            y1: (self.y1 + by).min(planes.height),
        }
    }

    pub fn width(self) -> usize {
        self.x1 - self.x0
    }

    pub fn height(self) -> usize {
        self.y1 - self.y0
    }

    /// What it shows of planes, one plane behind the other.
    pub fn of_planes(self, planes: &Planes) -> Vec<f32> {
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
        assert!(Planes::sized(&output(&[1, 4, 2, 3]), 4, (2, 3)).is_ok());
        for shape in [&[1, 4, 6][..], &[2, 4, 2, 3], &[1, 4, 3, 2], &[1, 3, 2, 3]] {
            assert!(Planes::sized(&output(shape), 4, (2, 3)).is_err(), "{shape:?}");
        }
    }

    #[test]
    fn a_window_shows_its_cells_and_those_around_them_that_there_are() {
        let values: Vec<f32> = (0..24_u8).map(f32::from).collect();
        let planes = Planes { values: &values, count: 2, height: 3, width: 4 };
        let window = Window::around([(1, 0), (0, 1)].into_iter()).unwrap();
        assert_eq!((window.width(), window.height()), (2, 2));
        assert_eq!(window.of_planes(&planes), [0.0, 1.0, 4.0, 5.0, 12.0, 13.0, 16.0, 17.0]);
        let window = window.widened(1, &planes);
        assert_eq!((window.x0, window.y0, window.width(), window.height()), (0, 0, 3, 3));
        assert_eq!(planes.at(1, 3, 2), 23.0);
        assert_eq!(Window::around(std::iter::empty()), None);
    }
}
