//! Round numbers for axes.

/// About `wanted` multiples of 1, 2 or 5 times a power of ten in `low..=high`, ascending; none if
/// the range is empty.
pub fn linear(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        return Vec::new();
    }
    let rough = span / wanted.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = power * [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= rough).unwrap_or(10.0);
    // multiples of the step rather than sums of it, which drift
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|multiple| multiple as f64 * step).collect()
}

/// Powers of ten in `low..=high`, both above 0; below two decades, also their doubles and fives;
/// below one, whatever is round.
pub fn logarithmic(low: f64, high: f64) -> Vec<f64> {
    let decades = (high / low).log10();
    if !decades.is_finite() || decades <= 0.0 {
        return Vec::new();
    }
    if decades < 1.0 {
        return linear(low, high, 4).into_iter().filter(|&tick| tick > 0.0).collect();
    }
    let steps: &[f64] = if decades < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let powers = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let ticks = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    ticks.filter(|&tick| tick >= low * (1.0 - 1e-9) && tick <= high * (1.0 + 1e-9)).collect()
}

/// A number in few characters: `0`, `0.25`, `12`, `1.5k`, `20k`, `3M`, `1e-4`.
pub fn label(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if size >= 1e6 {
        format!("{}M", trimmed(value / 1e6))
    } else if size >= 1e3 {
        format!("{}k", trimmed(value / 1e3))
    } else if size < 1e-3 {
        format!("{value:.0e}")
    } else {
        trimmed(value)
    }
}

/// Three digits after the point at most, none that says nothing.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A measured value: three digits that count.
pub fn value(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = 2 - size.log10().floor() as i32;
    match digits {
        ..0 => label(value),
        0..=5 => format!("{value:.*}", digits as usize),
        _ => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[f64]) -> Vec<String> {
        ticks.iter().map(|&tick| label(tick)).collect()
    }

    #[test]
    fn ticks_are_round_numbers_within_the_range() {
        assert_eq!(labels(&linear(0.0, 1.0, 5)), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(labels(&linear(-0.3, 0.34, 4)), ["-0.2", "0", "0.2"]);
        assert_eq!(labels(&linear(0.0, 20_000.0, 4)), ["0", "5k", "10k", "15k", "20k"]);
        assert_eq!(labels(&logarithmic(1e-4, 1.0)), ["1e-4", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(&logarithmic(1.0, 16.0)), ["1", "2", "5", "10"]);
        assert!(linear(1.0, 1.0, 5).is_empty() && linear(f64::NAN, 1.0, 5).is_empty());
        assert!(logarithmic(0.0, 1.0).is_empty());
    }

    #[test]
    fn values_have_three_digits_that_count() {
        let shown = [0.012_345, 1.0, 123.4, 56_789.0, 0.000_000_12, 0.0].map(value);
        assert_eq!(shown, ["0.0123", "1.00", "123", "56.789k", "1.2e-7", "0"]);
    }
}
