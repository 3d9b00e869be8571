//! `galatea runs` and `galatea report`: runs beside each other, and a page about one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Folder, text};
use serde_json::Value;

fn compare(folder: &Folder, arguments: &[&str]) -> Value {
    let json = folder.good(&[&["runs", "compare"], arguments, &["--json"]].concat());
    serde_json::from_str(&json).unwrap()
}

/// What is said of a number of each run, in the order of the comparison.
fn standings(comparison: &Value, number: &str) -> Vec<String> {
    let number = comparison["numbers"].as_array().unwrap().iter().find(|row| row["number"] == number).unwrap();
    let of = |value: &Value| value["standing"].as_str().unwrap_or("none").to_owned();
    number["values"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn runs_are_compared_with_what_differs_and_what_chance_may_have_made() {
    let folder = Folder::new();
    folder.train(&["--name", "first", "--quiet"]);
    // The same model once more: no number differs.
    folder.train(&["--name", "twin", "--quiet"]);
    folder.train(&["loss=hinge", "--name", "hinge", "--seed", "5", "--quiet"]);
    folder.train(&["eval.samples=15", "--name", "fewer", "--quiet"]);
    folder.train(&["eval.features=pixels", "--name", "pixels", "--quiet"]);
    folder.train(&["eval.samples=0", "--name", "unjudged", "--quiet"]);
    folder.train(&["data.limit=200", "data.holdout=0.15", "--name", "others", "--quiet"]);

    let twins = compare(&folder, &["first", "twin"]);
    assert_eq!(twins["differing"], serde_json::json!({}));
    assert!(standings(&twins, "frechet").iter().all(|standing| standing == "best"));

    let all = compare(&folder, &["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(all["sorted_by"], "frechet");
    let runs: Vec<&str> = all["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
    let at = |name: &str| runs.iter().position(|run| run.ends_with(name)).unwrap();
    // By value where values may be compared; then the others; then what has none.
    assert!(at("first") < 3 && at("twin") < 3 && at("hinge") < 3 && at("unjudged") == 6, "{runs:?}");
    let said = standings(&all, "frechet");
    for name in ["fewer", "pixels", "others"] {
        assert_eq!(said[at(name)], "incomparable", "{name}: {said:?}");
    }
    assert_eq!((said[0].as_str(), said[6].as_str()), ("best", "none"));
    let losses = all["differing"]["model.loss"].as_array().unwrap();
    assert_eq!(losses[at("hinge")], "\"hinge\"");
    assert_ne!(losses[at("first")], losses[at("hinge")]);
    assert!(all["differing"].get("model.width").is_none() && all["differing"]["seed"].is_array());
    let notes = all["notes"].to_string();
    for words in [
        "`0004-fewer` was judged as `15-digits-lenet`, not as `20-digits-lenet`",
        "as `20-pixels`, not as `20-digits-lenet`: such values must not be compared",
        "`0006-unjudged` has not been judged",
        "`0007-others` was judged by other real examples",
    ] {
        assert!(notes.contains(words), "`{words}` is missing in {notes}");
    }
    // Values are those of the logs.
    let log = std::fs::read_to_string(folder.path("runs/0003-hinge/metrics.jsonl")).unwrap();
    let logged: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(all["numbers"][0]["values"][at("hinge")]["value"], logged["value"]);
    let by = compare(&folder, &["1", "3", "--by", "precision-k5"]);
    assert_eq!(by["sorted_by"], "precision-k5");

    let table = folder.good(&["runs", "compare", "1", "3", "4"]);
    for words in ["model.loss", "± ", " *", " !\n", "must not be compared", "sorted by frechet"] {
        assert!(table.contains(words), "`{words}` is missing in {table}");
    }
    let listed = folder.good(&["runs", "list"]);
    assert_eq!((listed.lines().count(), listed), (8, folder.good(&["runs"])));
    assert_eq!(folder.good(&["runs", "list", "runs"]), folder.good(&["runs"]));

    std::fs::create_dir(folder.path("empty")).unwrap();
    for (arguments, words) in [
        (&["compare", "1"][..], "2 values required"),
        (&["compare", "1", "empty"], "`empty`: this folder is no run: it has no `config.toml`"),
        (&["compare", "1", "frist"], "hint: did you mean `first`?"),
        (&["compare", "1", "first"], "is named twice"),
        (&["compare", "1", "2", "--by", "fid"], "hint: they have frechet, "),
        (&["list", "nowhere"], "there is no folder `nowhere`"),
    ] {
        let said = folder.refused(&[&["runs"], arguments].concat());
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let path = folder.path("runs/0002-twin/metrics.jsonl");
    std::fs::write(&path, "no JSON\n").unwrap();
    let told = folder.good(&["runs", "compare", "1", "2"]);
    assert!(told.contains("line 1 is no value of a metric") && told.contains("frechet"), "{told}");
}

/// Elements that have no end.
const VOID: [&str; 4] = ["meta", "img", "br", "!DOCTYPE"];

/// Checks that elements are closed in the order in which they were opened, and gives all their tags.
fn tags(page: &str) -> Vec<String> {
    let (mut open, mut all) = (Vec::<String>::new(), Vec::new());
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag that ends");
        all.push(tag.to_owned());
        let name = tag.split([' ', '\n', '/']).find(|name| !name.is_empty()).unwrap().to_owned();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_ref(), Some(&name), "in {}", &part[..part.len().min(80)]);
        } else if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} is not closed");
    all
}

fn check_page(page: &str) {
    let tags = tags(page);
    assert!(page.starts_with("<!DOCTYPE html>\n") && page.contains("<meta charset=\"utf-8\">"));
    assert!(page.contains("prefers-color-scheme: dark"));
    for tag in &tags {
        let name = tag.split(' ').next().unwrap();
        assert!(!["script", "link", "iframe", "object"].contains(&name), "{tag}");
        assert!(!tag.contains("href=") && !tag.contains(" on"), "{tag}");
        assert!(!tag.contains("src=") || tag.contains("src=\"data:image/png;base64,"), "{tag}");
    }
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("@import") && !page.contains("url("));
    // Letters of pictures may be any.
    let told: String =
        page.split("base64,").map(|part| part.split_once("\">").map_or(part, |(_, rest)| rest)).collect();
    assert!(!told.contains("NaN") && !told.contains("inf\""), "a number that is none");
}

#[test]
fn a_page_shows_a_run_and_needs_nothing_else() {
    let folder = Folder::new();
    folder.train(&["eval.every=5", "train.log_every=2", "--quiet"]);
    let run = folder.path("runs/0001-dcgan-digits");
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    check_page(&page);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    for words in [
        "<h1>0001-dcgan-digits</h1>",
        "<h2>Score</h2>",
        "<h2>Samples</h2>",
        "<h2>Nearest training examples</h2>",
        "<h2>Classes</h2>",
        "<h2>Training</h2>",
        "<h2>Judged while training</h2>",
        "<h2>Course of training</h2>",
        "galatea train --config runs/0001-dcgan-digits/config.toml",
        "latent = 8",
        "step 10</figcaption>",
    ] {
        assert!(page.contains(words), "`{words}` is missing");
    }
    // Each number of the last score, with all its digits, in the row of its name.
    let log = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut seen = 0;
    for line in log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let metric = line["metric"].as_str().unwrap();
        if metric.starts_with("validation-") {
            assert!(page.contains(&format!("aria-label=\"{metric}\"")), "no curve of {metric}");
            continue;
        }
        let row = page.split("<tr>").find(|row| row.contains(&format!(">{metric}</td>"))).unwrap();
        let mut numbers = row.split("<data value=\"").skip(1).map(|part| part.split('"').next().unwrap());
        for key in ["value", "floor", "ceiling"] {
            if let Some(value) = line[key].as_f64() {
                let shown: f64 = numbers.next().unwrap().parse().unwrap();
                assert!((shown - value).abs() <= 1e-12 * value.abs(), "{metric}, {key}: {shown} and {value}");
            }
        }
        seen += 1;
    }
    assert_eq!(page.matches("<data value=").count() > 20, seen > 10);

    // Asked for again, it is the same.
    let said = text(&folder.run(&["report", "1", "-o", "page.html"]).stderr);
    assert!(said.contains("`page.html` shows the run"), "{said}");
    assert!(std::fs::read_to_string(folder.path("page.html")).unwrap() == page);
    folder.good(&["report", "1", "--checkpoint", "best"]);
    let said = folder.refused(&["report", "2"]);
    assert!(said.starts_with("exit code 2") && said.contains("hint: the newest runs are"), "{said}");
    assert!(folder.refused(&["report", "a.safetensors"]).contains("is a single model"));
    // A damaged log costs its damaged lines only; what the monitor found stands in it.
    let finding =
        br#"{"step":9,"event":"finding","kind":"oscillation","severity":"notice","since":0,"evidence":"a < b"}"#;
    let mut log = std::fs::read(run.join("log.jsonl")).unwrap();
    log.extend(
        [&b"\xff\xfe{\"half\n"[..], finding, b"\n{\"step\":9,\"event\":\"finding\",\"kind\":\"none\"}\n{"].concat(),
    );
    std::fs::write(run.join("log.jsonl"), log).unwrap();
    folder.good(&["report", "last", "-o", "damaged.html"]);
    let page = std::fs::read_to_string(folder.path("damaged.html")).unwrap();
    check_page(&page);
    assert_eq!(page.matches("<li>step 9: oscillation (notice): a &lt; b</li>").count(), 1);
    assert_eq!((page.matches("<h2>Training</h2>").count(), page.matches("<li>").count()), (1, 1));
}

#[test]
fn a_page_is_written_whatever_things_are_called_and_when_the_data_are_gone() {
    let folder = Folder::new();
    // 64 pictures of 8 by 8, without classes.
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (64, 8, 8), }\n";
    let pixels: Vec<u8> = (0..64 * 64u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let bytes = [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &pixels].concat();
    let name = "a<b>&'c\".npy";
    std::fs::write(folder.path(name), bytes).unwrap();
    let train = ["train", "--data", name, "--steps", "4", "--quiet", "--set", "width=4", "latent=8", "batch=8"];
    folder.good(&train);
    let page = || std::fs::read_to_string(folder.path("runs/0001-dcgan-a-b-c/report.html")).unwrap();
    check_page(&page());
    assert!(page().contains("a&lt;b&gt;&amp;&#39;c&quot;.npy") && !page().contains("<b>&"));
    assert!(page().contains("Nearest training examples") && !page().contains("<h2>Classes</h2>"));
    std::fs::remove_file(folder.path(name)).unwrap();
    folder.good(&["report", "last"]);
    check_page(&page());
    assert!(page().contains("The data could not be read") && page().contains("<h2>Score</h2>"));
}
