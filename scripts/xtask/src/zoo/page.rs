//! The table of docs/environments.md.

use std::fs;

use anyhow::{Context, Result};

use super::trial::{Cell, Trial};
use crate::peers::page::{replace, thousands};
use crate::process::root;

const MARKER: &str = "zoo";

const HEADING: &str = "\
| package | id | check | steps/s | trains | evaluates | draws | resumes |
|---|---|---|--:|---|---|---|---|";

/// A row of the table: the trial of an environment, or why its package was not installed.
pub fn row(package: &str, version: &str, id: &str, trial: &Result<Trial, String>) -> String {
    let cells = match trial {
        Ok(trial) => {
            let rate = trial.rate.clone().map(thousands);
            let mut cells = vec![cell(&trial.check), cell(&rate), cell(&trial.trains)];
            match &trial.rest {
                Some(rest) => cells.extend([&rest.evaluates, &rest.draws, &rest.resumes].map(cell)),
                None => cells.extend(["–"; 3].map(str::to_owned)),
            }
            cells
        }
        Err(reason) => std::iter::once(format!("not installed: {}", escaped(reason)))
            .chain(["–"; 5].map(str::to_owned))
            .collect(),
    };
    format!("| {package} {version} | `{id}` | {} |", cells.join(" | "))
}

fn cell(cell: &Cell) -> String {
    cell.as_ref().map_or_else(|reason| format!("no: {}", escaped(reason)), Clone::clone)
}

/// Text that ends neither its cell nor its row, without the folder of this checkout.
fn escaped(text: &str) -> String {
    text.replace(&format!("{}/", root().display()), "").replace('\n', " ").replace('|', "\\|")
}

/// Puts the rows of a package in place of its old ones; rows of packages that are not `known` go.
///
/// # Errors
/// A page that cannot be read or written.
pub fn write(package: &str, rows: &[String], known: &[&str], circumstances: &str) -> Result<()> {
    let path = root().join("docs/environments.md");
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let section = format!("{HEADING}\n{}\n\n{circumstances}", merged(&page, package, rows, known).join("\n"));
    fs::write(&path, replace(&page, MARKER, &section))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The sorted rows of the page's table with these in place of the package's old ones.
fn merged(page: &str, package: &str, rows: &[String], known: &[&str]) -> Vec<String> {
    let section = page.split_once(&format!("<!-- {MARKER} -->")).map_or("", |(_, section)| section);
    let of = |line: &str| line.strip_prefix("| ").and_then(|line| line.split(' ').next()).map(str::to_owned);
    let old = section
        .lines()
        .take_while(|line| !line.starts_with("<!--"))
        .skip_while(|line| !line.starts_with("|--"));
    let kept =
        old.skip(1).filter(|line| of(line).is_some_and(|name| name != package && known.contains(&&*name)));
    let mut all: Vec<String> = kept.map(str::to_owned).chain(rows.iter().cloned()).collect();
    all.sort_by_key(|line| line.to_lowercase());
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::zoo::trial::{Rest, yes};

    #[test]
    fn a_row_has_a_cell_for_each_command() {
        let rest = Rest { evaluates: Ok(yes()), draws: Err("a | b".to_owned()), resumes: Ok(yes()) };
        let trial =
            Trial { check: Ok("passes".to_owned()), rate: Ok(1234.4), trains: Ok(yes()), rest: Some(rest) };
        assert_eq!(
            row("minigrid", "3.2.0", "A-v0", &Ok(trial)),
            "| minigrid 3.2.0 | `A-v0` | passes | 1,234 | yes | yes | no: a \\| b | yes |"
        );
    }

    #[test]
    fn what_was_not_trained_is_not_evaluated() {
        let failed = || Err("no such id".to_owned());
        let trial = Trial { check: Ok(yes()), rate: Err("slow".to_owned()), trains: failed(), rest: None };
        assert_eq!(
            row("a", "1", "b", &Ok(trial)),
            "| a 1 | `b` | yes | no: slow | no: no such id | – | – | – |"
        );
        assert_eq!(
            row("a", "1", "b", &Err("no wheel".to_owned())),
            "| a 1 | `b` | not installed: no wheel | – | – | – | – | – |"
        );
    }

    #[test]
    fn rows_of_other_packages_stay_and_the_table_is_sorted() {
        let page = format!(
            "# Page\n| x | y |\n<!-- zoo -->\n{HEADING}\n| b 1 | old |\n| d 1 | d |\n| gone 1 | g |\n\nOn 2 cores.\n<!-- end -->\n| b 1 | elsewhere |\n"
        );
        let rows = ["| b 2 | z |", "| b 2 | a |"].map(str::to_owned);
        let all = merged(&page, "b", &rows, &["b", "d", "e"]);
        assert_eq!(all, ["| b 2 | a |", "| b 2 | z |", "| d 1 | d |"]);
        assert_eq!(merged("# Page\n", "b", &rows, &["b"]).len(), 2);
    }
}
