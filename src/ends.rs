//! How a run ended: "failed" is what is stored as failed, whether this run asked for it or an earlier one,
//! and means the same in the tables, in `status`, to `retry` and in the exit code.

use std::collections::BTreeMap;

use anyhow::Result;
use catalog::Catalog;
use photo::FailureClass;

use crate::exit::Done;

/// Photos and pages that failed, by class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failed {
    photos: BTreeMap<FailureClass, i64>,
    pages: BTreeMap<FailureClass, i64>,
    /// What `retry` has to be told beside the classes, with a space before each.
    arguments: String,
}

impl Failed {
    /// What is stored as failed of these sites.
    pub async fn of(catalog: &Catalog, sites: impl IntoIterator<Item = &str>) -> Result<Self> {
        let mut failed = Self::default();
        for site in sites {
            add(&mut failed.photos, catalog.failure_counts(site).await?);
            add(&mut failed.pages, catalog.page_failure_counts(site).await?);
        }
        Ok(failed)
    }

    /// The same, of sites that only these arguments lead to.
    pub fn led_to_by(self, arguments: &str) -> Self {
        Self { arguments: arguments.to_owned(), ..self }
    }

    /// Adds what failed elsewhere.
    pub fn add(&mut self, other: Self) {
        for (mine, others) in [(&mut self.photos, other.photos), (&mut self.pages, other.pages)] {
            for (class, count) in others {
                *mine.entry(class).or_default() += count;
            }
        }
    }

    /// How many photos.
    pub fn photos(&self) -> i64 {
        self.photos.values().sum()
    }

    /// How a run ends by it.
    pub fn done(&self) -> Done {
        Done::with(self.photos.len() + self.pages.len())
    }

    /// What failed, and the command that tries it again; `None` where nothing did.
    pub fn in_words(&self) -> Option<String> {
        let parts: Vec<_> = [count_failures("photo", &self.photos), count_failures("page", &self.pages)]
            .into_iter()
            .flatten()
            .collect();
        if parts.is_empty() {
            return None;
        }
        let mut classes: Vec<_> = self.photos.keys().chain(self.pages.keys()).collect();
        classes.sort();
        classes.dedup();
        let classes: Vec<_> = classes.into_iter().map(|class| class.name()).collect();
        let (parts, classes) = (parts.join(", "), classes.join(","));
        Some(format!("{parts}; `bolid retry --class {classes}{}` tries again", self.arguments))
    }

    /// Says what failed.
    pub fn tell(&self) {
        if let Some(words) = self.in_words() {
            eprintln!("bolid: {words}");
        }
    }
}

fn count_failures(what: &str, counts: &BTreeMap<FailureClass, i64>) -> Option<String> {
    let each: Vec<_> = counts.iter().map(|(class, count)| format!("{count} {class}")).collect();
    let sum: i64 = counts.values().sum();
    let what = if sum == 1 { what.to_owned() } else { format!("{what}s") };
    (sum > 0).then(|| format!("{sum} {what} failed ({})", each.join(", ")))
}

/// Adds what is a failure.
fn add(counts: &mut BTreeMap<FailureClass, i64>, stored: Vec<(FailureClass, i64)>) {
    for (class, count) in stored.into_iter().filter(|(class, _)| class.is_failure()) {
        *counts.entry(class).or_default() += count;
    }
}

/// An error with its causes, each said once: some texts hold their cause already.
pub fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.contains(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_are_told_with_the_command_that_tries_them_again() {
        let mut failed = Failed::default();
        use FailureClass as Class;
        let stored = [(Class::Timeout, 2), (Class::Robots, 1), (Class::TooSmall, 4), (Class::Http5xx, 1)];
        add(&mut failed.photos, [&stored[..], &[(Class::NotAnImage, 6)]].concat());
        assert_eq!(failed.photos(), 3);
        assert_eq!(
            failed.in_words().unwrap(),
            "3 photos failed (2 timeout, 1 http_5xx); `bolid retry --class timeout,http_5xx` tries again"
        );
        assert_eq!(Failed::default().in_words(), None);
    }

    #[test]
    fn a_cause_that_stands_in_the_text_before_is_not_said_again() {
        let inner = anyhow::anyhow!("no such file");
        let error = anyhow::anyhow!("read x: no such file");
        assert_eq!(causes(&inner.context(error)), "read x: no such file");
        assert_eq!(causes(&anyhow::anyhow!("b").context("a")), "a: b");
    }
}
