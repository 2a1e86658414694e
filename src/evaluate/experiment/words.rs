//! Numbers as the page has them.

use super::results::Estimate;

/// `0.24 [0.22, 0.26]`
pub fn with_interval(of: &Estimate) -> String {
    match (of.value, of.low, of.high) {
        (Some(value), Some(low), Some(high)) => format!("{} [{}, {}]", short(value), short(low), short(high)),
        (Some(value), ..) => short(value),
        (None, ..) => "–".to_owned(),
    }
}

/// The same in bold where the interval does not hold 0.
pub fn bold(of: &Estimate, shown: fn(f64) -> String) -> String {
    match (of.value, of.low, of.high) {
        (Some(value), Some(low), Some(high)) => {
            let text = shown(value);
            let is_sure = low > 0.0 || high < 0.0;
            let text = if is_sure { format!("**{text}**") } else { text };
            format!("{text} [{}, {}]", shown(low), shown(high))
        }
        (Some(value), ..) => shown(value),
        (None, ..) => "–".to_owned(),
    }
}

/// Two places, none from 10 on; a minus of a digit's width.
pub fn short(value: f64) -> String {
    let text = if value.abs() < 9.995 { format!("{value:.2}") } else { format!("{value:.0}") };
    signed(if text == "-0.00" { "0.00" } else { &text })
}

/// `+12 %`
pub fn percent(value: f64) -> String {
    plus(value, format!("{} %", whole_percent(value)))
}

/// `12` of 0.12.
pub fn whole_percent(value: f64) -> String {
    let text = format!("{:.0}", 100.0 * value);
    signed(if text == "-0" { "0" } else { &text })
}

/// `1 seed`, `2 seeds`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// `+0.12`
pub fn signed_short(value: f64) -> String {
    plus(value, short(value))
}

fn plus(value: f64, text: String) -> String {
    if value > 0.0 { format!("+{text}") } else { text }
}

fn signed(text: &str) -> String {
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_minus_of_a_digits_width_and_no_minus_of_nothing() {
        assert_eq!([short(-0.001), short(-1.234), short(12.3)], ["0.00", "−1.23", "12"]);
        assert_eq!([percent(-0.004), percent(0.126), percent(-0.126)], ["0 %", "+13 %", "−13 %"]);
        let estimate = |low, high| Estimate {
            value: Some(0.5),
            low: Some(low),
            high: Some(high),
            people: 20,
            by_training: Vec::new(),
        };
        assert_eq!(with_interval(&estimate(-0.1, 1.0)), "0.50 [−0.10, 1.00]");
        assert_eq!(bold(&estimate(0.1, 1.0), signed_short), "**+0.50** [+0.10, +1.00]");
        assert_eq!(bold(&estimate(-0.1, 1.0), signed_short), "+0.50 [−0.10, +1.00]");
        assert_eq!([counted(1, "seed"), counted(2, "seed")], ["1 seed", "2 seeds"]);
        assert_eq!(with_interval(&Estimate::default()), "–");
    }
}
