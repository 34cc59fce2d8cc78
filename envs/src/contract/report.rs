//! What a check found, for programs and for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a finding is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The environment cannot be trained.
    Error,
    /// It can be trained, with a surprise: the message has what is lost and what to do.
    Warning,
    /// Worth knowing; training is as it should be.
    Note,
}

/// One thing found, in human words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, where, what follows, and what would be right.
    pub message: String,
}

/// What the checker found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the environment.
    pub env: String,
    /// Steps taken.
    pub steps: u64,
    /// Episodes begun.
    pub episodes: u64,
    /// Width and height of its pictures, in pixels; `None` when it does not draw itself.
    pub frame: Option<(u32, u32)>,
    /// All findings, each kind once.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether the environment can be trained: nothing that was found is an error.
    pub fn passed(&self) -> bool {
        self.count(Severity::Error) == 0
    }

    /// Findings of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// One line: whether the environment can be trained, and how many findings of each severity there are.
    pub fn summary(&self) -> String {
        let count = |severity, name: &str| {
            let n = self.count(severity);
            format!("{n} {name}{}", if n == 1 { "" } else { "s" })
        };
        format!(
            "{} {} be trained: {}, {}, {}",
            self.env,
            if self.passed() { "can" } else { "cannot" },
            count(Severity::Error, "error"),
            count(Severity::Warning, "warning"),
            count(Severity::Note, "note")
        )
    }

    /// Takes over what the drawing showed.
    pub(super) fn add_drawing(&mut self, drawing: Self) {
        self.frame = drawing.frame;
        self.findings.extend(drawing.findings);
    }

    pub(super) fn add(&mut self, severity: Severity, message: impl Into<String>) {
        self.findings.push(Finding { severity, message: message.into() });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} steps, {} episodes, ", self.summary(), self.steps, self.episodes)?;
        match self.frame {
            Some((width, height)) => write!(f, "draws {width}×{height} pixels)")?,
            None => f.write_str("does not draw itself)")?,
        }
        for (severity, name) in
            [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")]
        {
            for finding in self.findings.iter().filter(|finding| finding.severity == severity) {
                write!(f, "\n  {name}: {}", finding.message.replace('\n', "\n    "))?;
            }
        }
        Ok(())
    }
}
