//! Text from outside, made fit for a terminal.

/// Longest text that is told, in characters.
const LONGEST: usize = 200;

/// The text with every control, format and other unprintable character escaped, and the backslash, so that no escape can be
/// imitated; cut where it is longer than anybody reads.
pub fn printable(text: &str) -> String {
    let mut printed = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == LONGEST {
            printed.push('…');
            break;
        }
        match character {
            '"' | '\'' => printed.push(character),
            other => printed.extend(other.escape_debug()),
        }
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for (text, printed) in [
            ("hello-1.0-r0.apk", "hello-1.0-r0.apk"),
            ("a\"b'c é", "a\"b'c é"),
            ("\x1b[2J", "\\u{1b}[2J"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}gpj", "\\u{202e}gpj"),
            ("a\r\nb\\n", "a\\r\\nb\\\\n"),
            ("\x7f\0", "\\u{7f}\\0"),
        ] {
            assert_eq!(printable(text), printed);
        }
        assert_eq!(printable(&"x".repeat(100_000)).chars().count(), LONGEST + 1);
    }
}
