//! From values to places in a drawing.

use super::chart::{Chart, Scale};
use super::ticks;
use crate::bodybench::bootstrap::quantile;

/// From values to units of the drawing.
pub(super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Axis {
    /// Where a value is drawn; `None` where the scale has no place for it.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        let at = |value: f64| if self.scale == Scale::Log { value.ln() } else { value };
        let (low, high) = (at(self.low), at(self.high));
        let share = (at(value) - low) / (high - low);
        share.is_finite().then_some(self.from + share * (self.to - self.from))
    }

    /// About `wanted` round values.
    pub(super) fn ticks(&self, wanted: usize) -> Vec<f64> {
        match self.scale {
            Scale::Linear => ticks::linear(self.low, self.high, wanted),
            Scale::Log => ticks::logarithmic(self.low, self.high),
        }
    }
}

/// The axes that show all of `chart`, x drawn from left to right between the units `across`, y from
/// bottom to top between `up`; `None` if there is nothing to show.
pub(super) fn axes(chart: &Chart, across: (f64, f64), up: (f64, f64)) -> Option<(Axis, Axis)> {
    let visible = |scale: Scale, value: f64| value.is_finite() && (scale == Scale::Linear || value > 0.0);
    let shown = |&(x, y): &(f64, f64)| visible(chart.x, x) && visible(chart.y, y);
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    for series in &chart.series {
        let points: Vec<(f64, f64)> = series.points.iter().copied().filter(shown).collect();
        xs.extend(points.iter().map(|(x, _)| *x));
        if series.smooth {
            // a few wild points shall not press the rest flat
            let mut raw: Vec<f64> = points.iter().map(|(_, y)| *y).collect();
            raw.sort_by(f64::total_cmp);
            ys.extend([quantile(&raw, 0.01), quantile(&raw, 0.99)]);
            ys.extend(series.running_median().iter().filter(|point| shown(point)).map(|(_, y)| *y));
        } else {
            ys.extend(points.iter().map(|(_, y)| *y));
        }
        ys.extend(series.band.iter().flat_map(|&(_, low, high)| [low, high]));
    }
    ys.extend(chart.levels.iter().map(|level| level.y));
    ys.retain(|&y| visible(chart.y, y));
    let ends = |values: &[f64]| {
        let low = values.iter().copied().reduce(f64::min)?;
        Some((low, values.iter().copied().reduce(f64::max)?))
    };
    let (x_low, x_high) = ends(&xs)?;
    let (y_low, y_high) = chart.y_range.map_or_else(|| ends(&ys).map(|ends| padded(ends, chart.y)), Some)?;
    let (x_low, x_high) = if x_low < x_high { (x_low, x_high) } else { padded((x_low, x_high), chart.x) };
    Some((
        Axis { scale: chart.x, low: x_low, high: x_high, from: across.0, to: across.1 },
        Axis { scale: chart.y, low: y_low, high: y_high, from: up.0, to: up.1 },
    ))
}

/// A little room at both ends.
fn padded((low, high): (f64, f64), scale: Scale) -> (f64, f64) {
    match scale {
        Scale::Linear => {
            let room = if high > low { 0.04 * (high - low) } else { (0.1 * high.abs()).max(1e-6) };
            (low - room, high + room)
        }
        Scale::Log => {
            let room = if high > low { (high / low).powf(0.04) } else { 1.5 };
            (low / room, high * room)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_put_where_the_scales_say() {
        let axis = Axis { scale: Scale::Log, low: 1.0, high: 16.0, from: 0.0, to: 4.0 };
        assert!((axis.place(4.0).unwrap() - 2.0).abs() < 1e-12);
        assert_eq!(axis.place(0.0), None);
        assert_eq!(axis.place(-1.0), None);
        let axis = Axis { scale: Scale::Linear, low: 0.0, high: 10.0, from: 100.0, to: 0.0 };
        assert_eq!(axis.place(2.5), Some(75.0));
    }
}
