//! Findings for people and for programs: drawn like the compiler's, as JSON, or as annotations of a code
//! host.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::json;

use crate::document::SourceSpan;
use crate::error::Finding;

/// The most findings that are drawn; of more, the rest is counted.
const DRAWN_MAX: usize = 200;
/// The longest line, in bytes, that is drawn under a finding; of longer ones only the place is named.
const LINE_BYTES_MAX: usize = 400;

/// A line is not drawn that names one of these, for it may hold what was written there by mistake.
const SECRETS: [&str; 4] = ["secret", "session_token", "headers", "environment"];

/// Whether drawings use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Characters only.
    Plain,
    /// With colours for a terminal.
    Coloured,
}

/// Draws findings over the texts in which they stand, by file. Expanded values are not in those texts, so
/// none is shown.
pub fn draw(findings: &[Finding], texts: &BTreeMap<String, String>, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let mut out = String::new();
    for finding in findings.iter().take(DRAWN_MAX) {
        let mut group =
            Group::with_title(Level::ERROR.primary_title(finding.message.as_str()).id(finding.code.0));
        group = point(group, &finding.place, &finding.path, AnnotationKind::Primary, texts);
        if let Some((place, what)) = &finding.also {
            group = point(group, place, what, AnnotationKind::Context, texts);
        }
        if let Some(fix) = &finding.fix {
            group = group.element(Level::HELP.message(fix.as_str()));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    // Writing to a string cannot fail.
    let _infallible = match findings.len() {
        0 => Ok(()),
        1 => writeln!(out, "1 mistake"),
        n if n > DRAWN_MAX => writeln!(out, "{n} mistakes, the first {DRAWN_MAX} shown"),
        n => writeln!(out, "{n} mistakes"),
    };
    out
}

/// Adds the line of a place and what is said about it.
fn point<'a>(
    group: Group<'a>,
    place: &'a SourceSpan,
    label: &'a str,
    kind: AnnotationKind,
    texts: &'a BTreeMap<String, String>,
) -> Group<'a> {
    let line = texts.get(&*place.file).and_then(|text| line_at(text, place));
    let line = line.filter(|(line, _)| !may_hold_secret(line, label));
    let Some((line, from)) = line else {
        let origin = Origin::path(&*place.file).line(number(place.line)).char_column(number(place.column));
        return group.element(origin);
    };
    let start = place.span.start - from;
    let end = place.span.end.saturating_sub(from).min(line.len()).max(start);
    let mut annotation = kind.span(start..end);
    if !label.is_empty() {
        annotation = annotation.label(label);
    }
    group.element(
        Snippet::source(line).path(&*place.file).line_start(number(place.line)).annotation(annotation),
    )
}

/// Whether a line could hold a secret: one that names any, or a URL with a user or a query.
fn may_hold_secret(line: &str, label: &str) -> bool {
    let is_named = SECRETS.iter().any(|word| line.contains(word) || label.contains(word));
    is_named || line.contains("://") && line.contains(['@', '?'])
}

/// The line in which a place begins and the byte at which that line begins; `None` when it is too long to
/// draw.
fn line_at<'t>(text: &'t str, place: &SourceSpan) -> Option<(&'t str, usize)> {
    let before = text.get(..place.span.start)?;
    let from = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text[from..].split(['\n', '\r']).next().unwrap_or_default();
    (line.len() <= LINE_BYTES_MAX && place.span.start <= from + line.len()).then_some((line, from))
}

fn number(it: u32) -> usize {
    usize::try_from(it).unwrap_or(usize::MAX)
}

/// The findings as one JSON document.
pub fn json(findings: &[Finding]) -> String {
    let place = |it: &SourceSpan| json!({ "file": &*it.file, "line": it.line, "column": it.column, "span": [it.span.start, it.span.end] });
    let findings: Vec<_> = findings
        .iter()
        .map(|it| {
            let also = it.also.as_ref().map(|(at, what)| json!({ "place": place(at), "message": what }));
            json!({ "code": it.code.0, "path": it.path, "place": place(&it.place), "message": it.message, "fix": it.fix, "also": also })
        })
        .collect();
    json!({ "findings": findings }).to_string()
}

/// The findings as lines that GitHub's runners turn into annotations.
pub fn github(findings: &[Finding]) -> String {
    let mut out = String::new();
    for it in findings {
        let fix = it.fix.as_ref().map(|fix| format!("; {fix}")).unwrap_or_default();
        let (file, message) =
            (property(&it.place.file), escape(&format!("{}: {}{fix}", it.path, it.message)));
        // Writing to a string cannot fail.
        let _infallible = writeln!(
            out,
            "::error file={file},line={},col={},title={}::{message}",
            it.place.line, it.place.column, it.code
        );
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    // Unlike in a message these two end a property.
    escape(text).replace(':', "%3A").replace(',', "%2C")
}
