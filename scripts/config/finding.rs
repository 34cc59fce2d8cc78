//! What is wrong with a configuration and where: lines with a caret, all of them at once.

use std::fmt;
use std::path::PathBuf;

/// Characters of a line that are printed.
const LONGEST_LINE: usize = 160;

/// Where settings come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A YAML file and its text.
    File(PathBuf, String),
    /// The argument of one `--set`.
    Set(String),
}

/// A stretch of one line of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index into the list of sources.
    pub source: usize,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// Length in characters; 0 for a place that is no text, such as the whole file.
    pub width: usize,
}

impl Place {
    /// The whole of a source.
    pub fn whole(source: usize) -> Self {
        Self { source, line: 1, column: 1, width: 0 }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What, and what would be right.
    pub message: String,
}

/// Everything that is wrong with one configuration, in the order of the text.
#[derive(Debug)]
pub struct Problems {
    sources: Vec<Source>,
    findings: Vec<Finding>,
}

impl Problems {
    /// Sorts the findings and drops repeated ones.
    pub fn new(sources: Vec<Source>, mut findings: Vec<Finding>) -> Self {
        findings.sort();
        findings.dedup();
        Self { sources, findings }
    }

    /// The findings, in the order of the text.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { place, message } in &self.findings {
            let text = match &self.sources[place.source] {
                Source::File(path, text) => {
                    writeln!(f, "{}:{}:{}: {message}", path.display(), place.line, place.column)?;
                    text
                }
                Source::Set(text) => {
                    writeln!(f, "--set {}: {message}", printable(text))?;
                    text
                }
            };
            let line = text.lines().nth(place.line - 1).unwrap_or_default();
            if place.width > 0 {
                let margin = if text.contains('\n') { place.line.to_string() } else { String::new() };
                // Of a long line, what is around the place.
                let skipped = place
                    .column
                    .saturating_sub(LONGEST_LINE / 2)
                    .min(line.chars().count().saturating_sub(LONGEST_LINE));
                let line: String = line.chars().skip(skipped).take(LONGEST_LINE).collect();
                let column = place.column - skipped;
                let width = place.width.min(line.chars().count().saturating_sub(column - 1)).max(1);
                writeln!(f, "{margin:>5} | {}", printable(&line))?;
                writeln!(f, "      | {}{}", " ".repeat(column - 1), "^".repeat(width))?;
            }
        }
        match self.findings.len() {
            1 => write!(f, "1 problem found"),
            n => write!(f, "{n} problems found"),
        }
    }
}

/// One character for each of `text`, none of which moves the cursor or colours the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
