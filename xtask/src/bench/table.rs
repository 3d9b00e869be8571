//! The table, for the terminal and for README.md.

use anyhow::ensure;

use super::results::{Results, Row, Side};

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

const HEAD: [&str; 6] = ["", "Galatea", "peer, at its best", "ratio", "share of peak", "memory, MiB"];

/// The rows as a table in Markdown whose columns line up.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut lines: Vec<[String; 6]> = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let mut widths = [3; 6];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let padded =
            |(width, cell): (&usize, &String)| format!("| {cell}{} ", " ".repeat(width - cell.chars().count()));
        text.extend(widths.iter().zip(line).map(padded));
        text.push_str("|\n");
        if number == 0 {
            text.extend(widths.iter().map(|width| format!("| {} ", "-".repeat(*width))));
            text.push_str("|\n");
        }
    }
    text
}

fn cells(row: &Row) -> [String; 6] {
    let theirs = row.theirs.first();
    let pair = |ours: Option<String>, theirs: Option<String>| match (ours, theirs) {
        (None, None) => String::new(),
        (ours, theirs) => {
            format!("{} / {}", ours.unwrap_or_else(|| "-".to_owned()), theirs.unwrap_or_else(|| "-".to_owned()))
        }
    };
    let share = |side: &Side| row.share_of_peak(side).map(|share| format!("{:.0} %", 100.0 * share));
    // Where memory is the figure itself it is not said twice.
    let memory =
        |side: &Side| side.peak_memory_bytes.filter(|_| row.unit != "MiB").map(|bytes| (bytes >> 20).to_string());
    [
        row.title.clone(),
        match (&row.ours, &row.absent) {
            (Some(side), _) => figure(side, &row.unit),
            (None, Some(reason)) => reason.clone(),
            (None, None) => "-".to_owned(),
        },
        theirs.map_or_else(|| "-".to_owned(), |side| format!("{}, {}", figure(side, &row.unit), side.variant)),
        row.ratio().map_or_else(
            || "-".to_owned(),
            |(ratio, low, high)| match row.theirs[0].rounds.len() {
                1 => format!("**{ratio:.2}**"),
                _ => format!("**{ratio:.2}** ({low:.2} to {high:.2})"),
            },
        ),
        pair(row.ours.as_ref().and_then(share), theirs.and_then(share)),
        pair(row.ours.as_ref().and_then(memory), theirs.and_then(memory)),
    ]
}

/// `15.7 ms (min 15.2, spread 3 %)`.
fn figure(side: &Side, unit: &str) -> String {
    let Side { median, minimum, .. } = side;
    match side.rounds.len() {
        1 => format!("{} {unit}", digits(*median)),
        _ => format!("{} {unit} (min {}, spread {:.0} %)", digits(*median), digits(*minimum), 100.0 * side.spread()),
    }
}

/// Three digits or so.
fn digits(value: f64) -> String {
    match value {
        value if value >= 99.95 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// What stands between the marks in README.md.
pub(crate) fn section(results: &Results) -> String {
    let mut commits: Vec<&str> = results.rows.iter().map(|row| row.commit.as_str()).collect();
    commits.dedup();
    let mut versions: Vec<&str> =
        results.rows.iter().flat_map(|row| row.ours.iter().chain(&row.theirs)).map(|side| &*side.version).collect();
    versions.retain(|version| !version.is_empty());
    versions.sort_unstable();
    versions.dedup();
    format!(
        "{}\nMedians on {}, of rounds that alternate between the two sides; a ratio below 1 is in favour of Galatea. \
         {}. Made by `cargo xtask bench` at {}.\n",
        table(&results.rows),
        results.machine,
        versions.join("; "),
        commits.join(", "),
    )
}

/// `readme` with `section` between its marks.
///
/// # Errors
/// If it does not have both marks, once each and in order.
pub(crate) fn replaced(readme: &str, section: &str) -> anyhow::Result<String> {
    let count = |mark| readme.matches(mark).count();
    let (begin, end) = (readme.find(BEGIN), readme.find(END));
    ensure!(
        (count(BEGIN), count(END)) == (1, 1) && begin < end,
        "README.md has no place for the table\nhint: put the lines `{BEGIN}` and `{END}` where it belongs"
    );
    let (begin, end) = (begin.unwrap_or(0) + BEGIN.len(), end.unwrap_or(0));
    Ok(format!("{}\n\n{}\n\n{}", &readme[..begin], section.trim_end(), &readme[end..]))
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{row, side};
    use super::*;

    fn results() -> Results {
        let mut fast = row("a", Some(side("", &[&[15.0, 15.0], &[16.0]])), vec![side("compile", &[&[30.0], &[32.0]])]);
        (fast.flops, fast.peak_flops) = (Some(1_050_000_000), Some(140e9));
        let absent = row("b", None, vec![side("eager", &[&[123.4]])]);
        let alone = Row { unit: "MiB".to_owned(), ..row("c", Some(side("", &[&[2.5]])), vec![]) };
        Results { machine: "a machine, 2 threads".to_owned(), rows: vec![fast, absent, alone] }
    }

    #[test]
    fn a_row_says_medians_ratio_share_and_memory() {
        let rows = results().rows;
        assert_eq!(
            cells(&rows[0]),
            [
                "the a",
                "15.0 ms (min 15.0, spread 7 %)",
                "31.0 ms (min 30.0, spread 6 %), compile",
                "**0.48** (0.50 to 0.50)",
                "50 % / 24 %",
                "100 / 100"
            ]
        );
        assert_eq!(cells(&rows[1]), ["the b", "not there yet", "123 ms, eager", "-", "", "- / 100"]);
        assert_eq!(cells(&rows[2]), ["the c", "2.50 MiB", "-", "-", "", ""]);
    }

    #[test]
    fn columns_line_up() {
        let text = table(&results().rows);
        let lengths: std::collections::HashSet<usize> = text.lines().map(|line| line.chars().count()).collect();
        assert_eq!((text.lines().count(), lengths.len()), (5, 1), "{text}");
    }

    #[test]
    fn the_readme_is_changed_between_the_marks_only() {
        let readme = format!("# A\n\n{BEGIN}\nold\n{END}\n\nrest\n");
        let once = replaced(&readme, "new\n").unwrap();
        assert_eq!(once, format!("# A\n\n{BEGIN}\n\nnew\n\n{END}\n\nrest\n"));
        assert_eq!(replaced(&once, "new\n").unwrap(), once);
        for wrong in ["# A".to_owned(), format!("{END}{BEGIN}"), format!("{BEGIN}{BEGIN}{END}")] {
            assert!(replaced(&wrong, "new").unwrap_err().to_string().contains("hint: put the lines"), "{wrong}");
        }
    }

    #[test]
    fn the_section_names_machine_peers_and_commits_once() {
        let text = section(&results());
        assert!(
            text.contains("on a machine, 2 threads") && text.contains("Galatea. 1.0. Made") && text.contains("at abc.")
        );
    }
}
