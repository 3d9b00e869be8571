//! Enough of Rust's syntax to tell code, text and comments apart, and tests from what ships.

/// A line of a Rust file, taken apart. What belongs to another kind is a space, so that words stay words.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Line {
    /// Number in the file, from 1.
    pub(crate) number: usize,
    /// Code, without what stands in comments and between quotes.
    pub(crate) code: String,
    /// What stands between quotes.
    pub(crate) text: String,
    /// Whether it belongs to an item under `#[cfg(test)]` or `#[test]`.
    pub(crate) test: bool,
}

/// The lines of a Rust file.
pub(crate) fn lines(source: &str) -> Vec<Line> {
    let mut lines = split(source);
    mark_tests(&mut lines);
    lines
}

/// The lines that ship: none of those that only a test compiles.
pub(crate) fn shipped(source: &str) -> impl Iterator<Item = Line> {
    lines(source).into_iter().filter(|line| !line.test)
}

/// The words of `text`, which are letters, digits and `_`.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Where the scanner stands.
enum State {
    Code,
    LineComment,
    /// Depth of nesting.
    BlockComment(usize),
    /// Number of `#` that end it; `None` where a backslash escapes.
    Text(Option<usize>),
}

fn split(source: &str) -> Vec<Line> {
    let chars: Vec<char> = source.chars().collect();
    let mut lines = vec![Line { number: 1, ..Line::default() }];
    let mut state = State::Code;
    let mut at = 0;
    while at < chars.len() {
        if chars[at] == '\n' {
            if matches!(state, State::LineComment) {
                state = State::Code;
            }
            let number = lines.len() + 1;
            lines.push(Line { number, ..Line::default() });
            at += 1;
            continue;
        }
        let rest = &chars[at..];
        // How many characters to take, and which of the two buffers they belong to.
        let (taken, code, text, next) = step(&state, rest, at.checked_sub(1).map(|before| chars[before]));
        if let Some(line) = lines.last_mut() {
            for &c in &rest[..taken] {
                line.code.push(if code { c } else { ' ' });
                line.text.push(if text { c } else { ' ' });
            }
        }
        if let Some(next) = next {
            state = next;
        }
        at += taken;
    }
    lines
}

/// Characters to take from `rest`, whether they are code, whether they are text, and the state after them.
fn step(state: &State, rest: &[char], before: Option<char>) -> (usize, bool, bool, Option<State>) {
    let second = rest.get(1).copied();
    match state {
        State::Code => match (rest[0], second) {
            ('/', Some('/')) => (2, false, false, Some(State::LineComment)),
            ('/', Some('*')) => (2, false, false, Some(State::BlockComment(1))),
            ('"', _) => (1, true, false, Some(State::Text(None))),
            ('r', _) if !before.is_some_and(is_word) || before == Some('b') || before == Some('c') => {
                let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
                match rest.get(1 + hashes) {
                    Some('"') => (2 + hashes, true, false, Some(State::Text(Some(hashes)))),
                    _ => (1, true, false, None),
                }
            }
            // 'x' and '\n' are characters, 'x is a lifetime.
            ('\'', Some('\\')) => {
                let end = rest.iter().skip(3).position(|c| *c == '\'').map_or(rest.len(), |i| i + 4);
                (end, false, false, None)
            }
            ('\'', Some(_)) if rest.get(2) == Some(&'\'') => (3, false, false, None),
            _ => (1, true, false, None),
        },
        State::LineComment => (1, false, false, None),
        State::BlockComment(depth) => match (rest[0], second) {
            ('*', Some('/')) if *depth == 1 => (2, false, false, Some(State::Code)),
            ('*', Some('/')) => (2, false, false, Some(State::BlockComment(depth - 1))),
            ('/', Some('*')) => (2, false, false, Some(State::BlockComment(depth + 1))),
            _ => (1, false, false, None),
        },
        State::Text(None) => match (rest[0], second) {
            ('\\', Some(c)) if c != '\n' => (2, false, true, None),
            ('"', _) => (1, true, false, Some(State::Code)),
            _ => (1, false, true, None),
        },
        State::Text(Some(hashes)) => {
            let ends = rest[0] == '"' && rest[1..].iter().take_while(|c| **c == '#').count() >= *hashes;
            if ends { (1 + hashes, true, false, Some(State::Code)) } else { (1, false, true, None) }
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Marks the item that follows each test attribute, to its closing brace or semicolon.
fn mark_tests(lines: &mut [Line]) {
    let mut at = 0;
    while at < lines.len() {
        let attribute = ["#[cfg(test)]", "#[test]", "#![cfg(test)]"].iter().find_map(|mark| {
            let column = lines[at].code.find(mark)?;
            Some((column + mark.len(), mark.starts_with("#!")))
        });
        let Some((after, whole_file)) = attribute else {
            at += 1;
            continue;
        };
        let end = if whole_file { lines.len() - 1 } else { item_end(lines, at, after) };
        for line in &mut lines[at..=end] {
            line.test = true;
        }
        at = end + 1;
    }
}

/// The line on which the item ends that begins at byte `column` of line `first`.
fn item_end(lines: &[Line], first: usize, column: usize) -> usize {
    let mut depth = 0_i32;
    for (i, line) in lines.iter().enumerate().skip(first) {
        let code = if i == first { &line.code[column..] } else { &line.code[..] };
        for c in code.chars() {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' => depth -= 1,
                '}' if depth <= 1 => return i,
                '}' => depth -= 1,
                ';' if depth == 0 => return i,
                _ => {}
            }
        }
    }
    lines.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> String {
        lines(source).iter().map(|line| line.code.trim_end()).collect::<Vec<_>>().join("\n")
    }

    fn text(source: &str) -> String {
        lines(source).iter().map(|line| line.text.trim()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn comments_and_quotes_are_no_code() {
        assert_eq!(code("a(); // b();\n/* c /* d */ e\n f */ g();"), "a();\n\n      g();");
        assert_eq!(code(r#"a("b // c", 'd', '"', '\'', '\u{7f}'); e"#).split_whitespace().last(), Some("e"));
        assert!(!code(r#"a("b // c \" d"); e"#).contains('b'));
        assert!(code("fn f<'a>(x: &'a str) {}").contains("x: &'a str"));
    }

    #[test]
    fn what_stands_between_quotes_is_text() {
        assert_eq!(text(r#"a("b \" c"); // "d""#), r#"b \" c"#);
        assert_eq!(text("a(r#\"b \" c\"#, br\"d\")").split_whitespace().collect::<Vec<_>>(), ["b", "\"", "c", "d"]);
        assert_eq!(text("let s = \"two\nlines\";"), "two\nlines");
        assert_eq!(code("let for_r = number\"x\"").trim_end(), "let for_r = number\" \"");
    }

    #[test]
    fn items_under_a_test_attribute_do_not_ship() {
        let source = "a();\n#[cfg(test)]\nuse b;\nc();\n#[cfg(test)]\nmod tests {\n    fn d() {\n    }\n}\ne();\n";
        let shipped: Vec<usize> = shipped(source).map(|line| line.number).collect();
        assert_eq!(shipped, [1, 4, 10, 11]);
    }

    #[test]
    fn a_brace_between_quotes_ends_no_item() {
        let source = "#[cfg(test)]\nmod tests {\n    const A: &str = \"}\";\n    const B: char = '}';\n}\na();";
        assert_eq!(shipped(source).map(|line| line.number).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(words("a::b_c(d-1)").collect::<Vec<_>>(), ["a", "b_c", "d", "1"]);
    }
}
