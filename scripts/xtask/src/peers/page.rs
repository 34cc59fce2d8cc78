//! The tables of docs/benchmarks.md, each between two markers; the text around them is written by hand.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::contender::{Contender, Variant};
use super::setting::Setting;
use crate::process::{output, root};

const END: &str = "<!-- end -->";

/// The runs of one way to run a library, in environment steps a second.
struct Figure<'a> {
    label: &'a str,
    median: f64,
    lowest: f64,
    highest: f64,
}

/// Everything between the markers of a setting.
pub fn section(setting: &Setting, contenders: &[Contender], rounds: usize) -> String {
    format!(
        "### {}: {}\n\n{}\n\n{}{}",
        setting.name,
        setting.words(),
        table(contenders),
        contenders.iter().filter(|contender| contender.ours).filter_map(spans).collect::<String>(),
        circumstances(setting, contenders, rounds)
    )
}

/// Medians, spread and ratios, the fastest way of each contender first. Where there are several of ours, a ratio of each of them.
fn table(contenders: &[Contender]) -> String {
    let ours: Vec<f64> = contenders
        .iter()
        .filter(|contender| contender.ours)
        .filter_map(|ours| Some(figures(ours).first()?.median))
        .collect();
    let mut lines = vec![
        "| | steps/s | lowest – highest | with | slower | Phalanx / peer |".to_owned(),
        "|---|--:|--:|---|---|--:|".to_owned(),
    ];
    for contender in contenders {
        let figures = figures(contender);
        let Some((best, slower)) = figures.split_first() else {
            let reason = contender.variants.iter().find_map(|variant| variant.outcome.as_ref().err());
            // A message must not end the row or the cell.
            let reason = reason.map_or("not run", String::as_str).replace('\n', " ").replace('|', "\\|");
            lines.push(format!("| {} | {reason} | | | | |", contender.name));
            continue;
        };
        let name = if contender.ours { format!("**{}**", contender.name) } else { contender.name.to_owned() };
        let ratios: Vec<_> = ours
            .iter()
            .filter(|_| !contender.ours)
            .map(|ours| format!("{:.2} ×", ours / best.median))
            .collect();
        let slower = slower.iter().map(|figure| format!("{}: {}", figure.label, thousands(figure.median)));
        let failed = contender.variants.iter().filter(|variant| variant.outcome.is_err());
        let slower: Vec<_> =
            slower.chain(failed.map(|variant| format!("{}: failed", variant.label))).collect();
        lines.push(format!(
            "| {name} | {} | {} – {} | {} | {} | {} |",
            thousands(best.median),
            thousands(best.lowest),
            thousands(best.highest),
            best.label,
            slower.join("; "),
            ratios.join(", ")
        ));
    }
    lines.join("\n")
}

/// Where Phalanx spends its time in training, and an upper limit for the machine, both from the last run of the fastest way.
fn spans(ours: &Contender) -> Option<String> {
    let median =
        |variant: &'_ Variant| figure("", variant.outcome.as_ref().ok()?).map(|figure| figure.median);
    let best =
        ours.variants.iter().max_by(|a, b| median(a).partial_cmp(&median(b)).unwrap_or(Ordering::Equal))?;
    let (shares, limit) = (best.report["shares"].as_object()?, &best.report["limit"]);
    let shares: Vec<_> = shares
        .iter()
        .map(|(name, share)| format!("{name} {:.1} %", 100.0 * share.as_f64().unwrap_or(f64::NAN)))
        .collect();
    let number = |name: &str| limit[name].as_f64().unwrap_or(f64::NAN);
    Some(format!(
        "{}: {}. Limit of this machine: {} steps/s ({:.0} kflop a step at {:.0} Gflop/s of matrix products, and {:.2} µs in \
         the environment on each core); reached is {:.0} % of it.\n\n",
        ours.name,
        shares.join(", "),
        thousands(number("steps_per_second")),
        number("flop_per_step") / 1e3,
        number("flops") / 1e9,
        number("environment") * 1e6,
        100.0 * median(best)? / number("steps_per_second")
    ))
}

/// The figures of every way that ran, the fastest first.
fn figures(contender: &Contender) -> Vec<Figure<'_>> {
    let mut figures: Vec<Figure> = contender
        .variants
        .iter()
        .filter_map(|variant| figure(&variant.label, variant.outcome.as_ref().ok()?))
        .collect();
    figures.sort_by(|a, b| b.median.total_cmp(&a.median));
    figures
}

fn figure<'a>(label: &'a str, rates: &[f64]) -> Option<Figure<'a>> {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, sorted[middle])
    };
    Some(Figure { label, median, lowest: *sorted.first()?, highest: *sorted.last()? })
}

/// A number for people: 1,234,567.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

/// Machine, versions and command, without which the figures mean nothing.
fn circumstances(setting: &Setting, contenders: &[Contender], rounds: usize) -> String {
    let reports = contenders.iter().flat_map(|contender| &contender.variants).map(|variant| &variant.report);
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, version) in reports.filter_map(|report| report["versions"].as_object()).flatten() {
        let (known, version) = (versions.entry(name).or_default(), version.as_str().unwrap_or_default());
        if !known.contains(&version) {
            known.push(version);
        }
    }
    let versions: Vec<_> =
        versions.iter().map(|(name, versions)| format!("{name} {}", versions.join(" and "))).collect();
    format!(
        "Median of {rounds} {} of {} s, all in turn, {}; {}.\n\
         `cargo xtask peers --suite {} --only {} --rounds {rounds}`",
        if rounds == 1 { "round" } else { "rounds" },
        setting.suite.seconds(),
        machine(),
        versions.join(", "),
        setting.suite.name(),
        setting.name,
    )
}

/// Where it was measured, and what of ours.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("on {cores} cores ({}); Phalanx {}", processor(), commit())
}

/// The commit of the checkout, and whether more than this page and its like differs from it.
fn commit() -> String {
    let git = |arguments: &[&str]| output(Command::new("git").args(arguments).current_dir(root()));
    let name = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|_| "of no commit".to_owned());
    let changes = git(&["status", "--porcelain", "--untracked-files=no", "--", ":!docs"]).unwrap_or_default();
    format!("{}{}", name.trim(), if changes.is_empty() { "" } else { " with changes" })
}

/// Name of the processor, where the system has it.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// Puts a section into the page.
///
/// # Errors
/// A page that cannot be written.
pub fn write(name: &str, section: &str) -> Result<()> {
    let page = root().join("docs/benchmarks.md");
    let old = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    fs::write(&page, replace(&old, &format!("peers {name}"), section))
        .with_context(|| format!("cannot write {}", page.display()))
}

/// The page with this section between its markers, or at the end if the page has none for it.
pub fn replace(page: &str, marker: &str, section: &str) -> String {
    let begin = format!("<!-- {marker} -->");
    let block = format!("{begin}\n{section}\n{END}");
    let parts = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    match parts {
        Some((before, after)) => format!("{before}{block}{after}"),
        None => format!("{}\n\n{block}\n", page.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_faster_way_counts_and_the_ratio_is_of_medians() {
        let ours = Contender::of_rates("Phalanx", true, &[("1", &[3000.0, 1000.0, 2000.0]), ("2", &[5.0])]);
        let mut peer =
            Contender::of_rates("peer", false, &[("a", &[400.0]), ("b", &[700.0, 900.0]), ("c", &[])]);
        peer.variants[2].outcome = Err("failed: out of memory".to_owned());
        let failed = Contender { variants: Vec::new(), ..Contender::of_rates("lost", false, &[]) };
        let table = table(&[ours, peer, failed]);
        let rows: Vec<_> = table.lines().skip(2).collect();
        // Medians: 2000 of (1000, 2000, 3000), (700 + 900) / 2 = 800; 2000 / 800 = 2.5.
        assert_eq!(rows[0], "| **Phalanx** | 2,000 | 1,000 – 3,000 | 1 | 2: 5 |  |");
        assert_eq!(rows[1], "| peer | 800 | 700 – 900 | b | a: 400; c: failed | 2.50 × |");
        assert_eq!(rows[2], "| lost | not run | | | | |");
    }

    #[test]
    fn there_is_a_ratio_of_each_of_ours() {
        let ours = [("GRU", 300.0), ("LSTM", 250.0)]
            .map(|(name, rate)| Contender::of_rates(name, true, &[("1", &[rate])]));
        let peer = Contender::of_rates("peer", false, &[("a", &[100.0])]);
        let all: Vec<_> = ours.into_iter().chain([peer]).collect();
        let table = table(&all);
        assert!(table.contains("| **LSTM** | 250 | 250 – 250 | 1 |  |  |"), "{table}");
        assert!(table.ends_with("| 3.00 ×, 2.50 × |"), "{table}");
    }

    #[test]
    fn our_shares_and_limit_are_told_of_the_fastest_way() {
        let mut ours = Contender::of_rates("Phalanx", true, &[("1", &[10.0]), ("2", &[300.0])]);
        assert_eq!(spans(&ours), None);
        ours.variants[1].report = serde_json::json!({
            "shares": { "stepping": 0.25, "update": 0.7 },
            "limit": { "steps_per_second": 400.0, "flop_per_step": 2e3, "flops": 5e9, "environment": 3e-6 },
        });
        let text = spans(&ours).unwrap();
        assert!(text.starts_with(
            "Phalanx: stepping 25.0 %, update 70.0 %. Limit of this machine: 400 steps/s (2 kflop"
        ));
        assert!(
            text.contains("at 5 Gflop/s") && text.contains("3.00 µs") && text.contains("reached is 75 %"),
            "{text}"
        );
    }

    #[test]
    fn a_reason_stays_within_its_cell() {
        let mut peer = Contender::of_rates("peer", false, &[("a", &[])]);
        peer.variants[0].outcome = Err("not installed: a | b\nc".to_owned());
        assert!(table(&[peer]).ends_with("| peer | not installed: a \\| b c | | | | |"));
    }

    #[test]
    fn numbers_are_grouped() {
        let shown = [0.4, 999.6, 12_345.0, 48_000_000.0].map(thousands);
        assert_eq!(shown, ["0", "1,000", "12,345", "48,000,000"]);
    }

    #[test]
    fn the_text_around_a_section_stays() {
        let [first, second] = ["peers train cartpole8", "peers train cartpole64"];
        let page = replace(&replace("# Page\n", first, "one"), second, "two");
        let page = replace(
            &page.replace("<!-- peers train cartpole64", "By hand.\n<!-- peers train cartpole64"),
            first,
            "new",
        );
        let wanted = "# Page\n\n<!-- peers train cartpole8 -->\nnew\n<!-- end -->\n\n\
                      By hand.\n<!-- peers train cartpole64 -->\ntwo\n<!-- end -->\n";
        assert_eq!(page, wanted);
    }
}
