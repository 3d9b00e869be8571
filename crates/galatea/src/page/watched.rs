//! What the monitor saw of a run, and what was done about it.

use galatea_train::{Finding, Intervention};
use serde::Deserialize;

use super::html::escape;

/// Most findings that are told; of more, the last ones.
const MOST: usize = 50;

/// The part of a line of the log that tells what it is.
#[derive(Deserialize)]
struct Line {
    event: String,
}

/// A list of findings and interventions, as they came in the log; `None` without any.
pub(super) fn watched(log: &str) -> Option<String> {
    let mut items: Vec<String> = log.lines().filter_map(item).collect();
    if items.is_empty() {
        return None;
    }
    items.drain(..items.len().saturating_sub(MOST));
    let healed = "Settings below are those that the run began with; what was changed on the way is said here.";
    let note = if items.iter().any(|item| item.contains("<strong>")) { healed } else { "" };
    Some(format!("<h2>The monitor</h2>\n<ul>\n{}</ul>\n<p class=\"soft\">{note}</p>", items.concat()))
}

fn item(line: &str) -> Option<String> {
    let text = match serde_json::from_str::<Line>(line).ok()?.event.as_str() {
        "finding" => {
            let Finding { step, kind, severity, evidence, .. } = serde_json::from_str(line).ok()?;
            format!("step {step}: {} ({}): {}", kind.name(), severity.name(), escape(&evidence))
        }
        "intervention" => {
            let done: Intervention = serde_json::from_str(line).ok()?;
            let what = format!("back to {}, with {}", done.back_to_text(), done.changes_text());
            format!("step {}: <strong>{}</strong>", done.step, escape(&what))
        }
        _ => return None,
    };
    Some(format!("<li>{text}</li>\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_and_what_was_done_become_items_and_nothing_else_does() {
        let finding = r#"{"step":150,"seconds":1.0,"event":"finding","kind":"overpowering","severity":"notice","since":25,
            "evidence":"a < b","hint":""}"#;
        let done = r#"{"step":275,"event":"intervention","kind":"overpowering","evidence":"e","back_to":0,
            "changes":{"r1":["0.0","0.1"]}}"#;
        assert_eq!(item(finding).unwrap(), "<li>step 150: discriminator overpowering (notice): a &lt; b</li>\n");
        assert_eq!(
            item(done).unwrap(),
            "<li>step 275: <strong>back to the beginning, with r1 0.0 -&gt; 0.1</strong></li>\n"
        );
        for other in [r#"{"step":1,"event":"look"}"#, r#"{"step":1,"loss_d":0.5}"#, "no json", r#"{"event":"finding"}"#]
        {
            assert_eq!(item(other), None, "{other}");
        }
    }
}
