//! What a crawl, an import or a check did, in words.

use anyhow::Result;
use crawler::CrawlReport;
use crawler::check::{CheckReport, Finding};
use indicatif::HumanBytes;
use photo::FailureClass;
use serde::Serialize;

use crate::output::Output;

#[derive(Serialize)]
struct Wanted<'a> {
    would_fetch: &'a str,
}

/// What a crawl or import did, after what it would have asked for.
pub fn show(report: &CrawlReport, wanted: &[String], output: Output) -> Result<()> {
    for url in wanted {
        output.show(&Wanted { would_fetch: url }, |wanted| wanted.would_fetch.to_owned())?;
    }
    Ok(output.show(report, describe)?)
}

fn describe(report: &CrawlReport) -> String {
    let CrawlReport {
        site, pages_read, pages_unchanged, photos_stored, photos_unchanged, photos_due, ..
    } = report;
    let mut lines = vec![format!(
        "{site}: {pages_read} pages read, {pages_unchanged} unchanged; {photos_stored} photos stored ({}), \
         {photos_unchanged} unchanged",
        HumanBytes(report.bytes)
    )];
    if *photos_due > 0 {
        lines.push(format!("  {photos_due} photos would be downloaded"));
    }
    for (what, counts) in [("pages", &report.pages_failed), ("photos", &report.photos_failed)] {
        lines.extend(counts.iter().map(|(class, count)| {
            let what_to_do = match class {
                FailureClass::Private => {
                    ", which addresses of strangers do not lead to (see --allow-private)"
                }
                _ => "",
            };
            format!("  {count} {what} {}: {class}{what_to_do}", class.in_word())
        }));
    }
    lines.extend(
        report.left.iter().map(|(reason, count)| format!("  {count} left for another run: {reason}")),
    );
    if report.bad_rows > 0 {
        lines.push(format!("  {} rows of the list name no photo or cannot be read", report.bad_rows));
    }
    if report.captions_unmatched > 0 {
        lines.push(format!("  {} captions name no photo of the folder", report.captions_unmatched));
    }
    if report.captions_unreadable > 0 {
        lines.push(format!("  {} captions could not be read", report.captions_unreadable));
    }
    if report.photos_gone + report.photos_moved > 0 {
        let (gone, moved) = (report.photos_gone, report.photos_moved);
        lines.push(format!(
            "  {gone} gone from the folder or list since the last import, {moved} moved within it"
        ));
    }
    lines.extend(
        report
            .passed_over
            .iter()
            .map(|(kind, count)| format!("  {count} passed over: {}", passed_over(kind))),
    );
    lines.join("\n")
}

/// A kind of files that are not taken in, and for photos of that kind what to do.
fn passed_over(kind: &str) -> String {
    match kind {
        "heic" | "avif" => format!("{kind}, which is not read; convert them to JPEG or PNG"),
        "hidden" => "hidden, their names begin with a dot".to_owned(),
        "system" => "left by a system or program, such as bins and thumbnails".to_owned(),
        "unfinished" => {
            "unfinished, as their names say: still being loaded or copied, or never to the end".to_owned()
        }
        "lonely text" => "texts beside no photo of their name".to_owned(),
        other => other.to_owned(),
    }
}

/// What each rule of a profile finds, page by page.
pub(super) fn describe_check(report: &CheckReport) -> String {
    let mut lines = Vec::new();
    let mut page = "";
    for finding in &report.findings {
        if finding.page != page {
            page = &finding.page;
            lines.push(page.to_owned());
        }
        lines.push(describe_finding(finding));
    }
    lines.extend(report.photo.iter().map(|photo| format!("reached {photo}")));
    lines.extend(report.stopped.iter().map(|why| format!("stopped before a photo: {why}")));
    lines.extend(report.advice.clone());
    lines.join("\n")
}

fn describe_finding(finding: &Finding) -> String {
    let Finding { rule, select, elements, values, required, .. } = finding;
    let mark = match (values, required) {
        (0, true) => "✗",
        (0, false) => "–",
        _ => "✓",
    };
    let found = match (elements, values) {
        (0, _) => "finds nothing".to_owned(),
        (elements, 0) => format!("finds {elements} elements, none with a usable value"),
        (elements, values) if elements == values => format!("{values} found"),
        (elements, values) => format!("{values} found in {elements} elements"),
    };
    let first = finding.first.as_ref().map(|first| format!(", first: {first}")).unwrap_or_default();
    format!("  {mark} {rule:<18} {found}{first}   `{select}`")
}
