//! Text, pictures and the frame of a page.

/// `text` as the contents of an element, or of an attribute between quotes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No page may hold them, whatever stands for them.
            letter if letter.is_control() && !matches!(letter, '\n' | '\t') => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

/// A PNG as an element that holds all of it; `scale` is how many times it is enlarged.
pub(super) fn picture(png: &[u8], scale: u32, about: &str) -> String {
    // Width and height are at bytes 16 and 20 of a PNG.
    let size = |at: usize| png.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let (width, height) = (size(16) * scale, size(20) * scale);
    format!(
        "<img width=\"{width}\" height=\"{height}\" alt=\"{}\" src=\"data:image/png;base64,{}\">",
        escape(about),
        base64(png)
    )
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let all = chunk.iter().fold(0u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let letter = LETTERS[(all >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// A whole page.
pub(super) fn page(title: &str, sections: &[String]) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{}\n</main>\n</body>\n</html>\n",
        escape(title),
        sections.join("\n")
    )
}

const STYLE: &str = "\
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c2024; --soft: #60646c; --line: #d9d9e0; --wash: #f5f5f8;
  --c0: #0b68cb; --c1: #c2410c; --c2: #15803d; --c3: #9333ea; }
@media (prefers-color-scheme: dark) { :root { --paper: #111113; --ink: #edeef0; --soft: #a0a4ad; --line: #3a3c42;
  --wash: #1b1c20; --c0: #70b8ff; --c1: #ffa057; --c2: #5fd38d; --c3: #c79bff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.6rem; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 40px 0 8px; border-bottom: 1px solid var(--line); }
p { margin: 8px 0; }
.soft, figcaption, .legend { color: var(--soft); font-size: 0.9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px 4px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td.text { white-space: normal; line-height: 1.25; font-size: 0.85rem; color: var(--soft); }
img { display: block; max-width: 100%; height: auto; image-rendering: pixelated; }
figure { margin: 12px 0; }
.row { display: flex; flex-wrap: wrap; gap: 16px; }
.row figure { margin: 0; }
pre { background: var(--wash); border: 1px solid var(--line); padding: 12px; overflow-x: auto; font-size: 0.85rem; }
svg { display: block; }
figure svg { max-width: 100%; height: auto; }
.legend svg { display: inline; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.axis { stroke: var(--line); fill: none; }
.s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); } .s2 { stroke: var(--c2); } .s3 { stroke: var(--c3); }
.f0 { fill: var(--c0); } .f1 { fill: var(--c1); } .f2 { fill: var(--c2); } .f3 { fill: var(--c3); }
.curve { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
.band { opacity: 0.18; }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_bytes_are_encoded_as_the_standards_say() {
        assert_eq!(escape("<a b=\"c\">'&\u{1}\n"), "&lt;a b=&quot;c&quot;&gt;&#39;&amp;\u{fffd}\n");
        // RFC 4648, section 10.
        let of = |text: &str| base64(text.as_bytes());
        assert_eq!(["", "f", "fo", "foo", "foobar"].map(of), ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYmFy"]);
    }
}
