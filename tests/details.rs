//! Every numbered detail of docs/ppo.md stands as a comment in the file that it names, and every metric is explained.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file of this checkout")
}

#[test]
fn every_detail_is_where_the_document_says() {
    let page = read("docs/ppo.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| P")).collect();
    assert!(rows.len() >= 29, "only {} details", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches(['|', ' ']).split(" | ").collect();
        let (number, file) = (cells[0], cells[cells.len() - 1].trim_matches('`'));
        let tagged = read(file).lines().any(|line| {
            let comment = line.trim().strip_prefix("// ").unwrap_or_default();
            comment.split([':', ' ', '.']).next() == Some(number)
        });
        assert!(tagged, "{file} has no comment `// {number}`");
    }
}

#[test]
fn every_metric_is_explained() {
    let page = read("docs/ppo.md");
    let code = ["", "/record"].map(|file| read(&format!("algorithms/src/trainer{file}.rs")));
    let lines = code.iter().flat_map(|code| code.lines());
    let names: Vec<&str> = lines
        .filter_map(|line| line.trim().strip_prefix("(\"").or(line.trim().strip_prefix("record.push(\"")))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(names.len() >= 20, "only {} metrics", names.len());
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "docs/ppo.md does not explain `{name}`");
    }
}
