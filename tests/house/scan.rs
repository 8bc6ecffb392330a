//! As much of Rust's grammar as the house rules need: comments and literals taken out, test items taken out, paths with
//! their braces opened.

/// A path as it stands in the code: `use a::{b, c as d}` gives `a::b` and `a::c` (renamed).
#[derive(Debug, PartialEq)]
pub(crate) struct Use {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
    pub(crate) renamed: bool,
}

/// The text with comments, strings and characters blanked; lines stay where they are.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |out: &mut String, from: usize, to: usize| {
        out.extend(chars[from..to.min(chars.len())].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
    };
    while at < chars.len() {
        let rest = &chars[at..];
        let before_is_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
        let end = if rest.starts_with(&['/', '/']) {
            at + rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
        } else if rest.starts_with(&['/', '*']) {
            block_comment_end(&chars, at)
        } else if let Some(end) = (!before_is_word).then(|| raw_string_end(&chars, at)).flatten() {
            end
        } else if rest[0] == '"' {
            quoted_end(&chars, at, '"')
        } else if rest[0] == '\'' && is_character(rest) {
            quoted_end(&chars, at, '\'')
        } else {
            out.push(rest[0]);
            at += 1;
            continue;
        };
        blank(&mut out, at, end);
        at = end;
    }
    out
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    chars.len()
}

/// `r"…"`, `br#"…"#`, `cr"…"`: no escapes inside.
fn raw_string_end(chars: &[char], start: usize) -> Option<usize> {
    let mut at = start;
    if matches!(chars[at], 'b' | 'c') {
        at += 1;
    }
    if chars.get(at) != Some(&'r') {
        return None;
    }
    at += 1;
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    at += hashes;
    if chars.get(at) != Some(&'"') {
        return None;
    }
    at += 1;
    while at < chars.len() {
        if chars[at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(chars.len())
}

fn quoted_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// `'x'` and `'\n'` are characters, `'x` is a lifetime.
fn is_character(rest: &[char]) -> bool {
    rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'')
}

/// The text without the items under `#[cfg(test)]`; lines stay where they are. Takes blanked code, or whole text where only
/// the number of lines counts.
pub(crate) fn cfg_test_blanked(code: &str) -> String {
    let guide: Vec<char> = code_only(code).chars().collect();
    let mut chars: Vec<char> = code.chars().collect();
    let mut at = 0;
    while let Some(start) = find(&guide, at, "#[cfg(").or_else(|| find(&guide, at, "#![cfg(")) {
        let open = start + guide[start..].iter().position(|c| *c == '[').expect("it was just found");
        let close = matching(&guide, open, '[', ']');
        let inside: String = guide[open..close].iter().filter(|c| !c.is_whitespace()).collect();
        at = close;
        let words: Vec<_> = inside.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        if !words.contains(&"test") || inside.contains("not(test)") {
            continue;
        }
        let end = if guide[start + 1] == '!' { guide.len() } else { item_end(&guide, close) };
        for c in &mut chars[start..end] {
            if *c != '\n' {
                *c = ' ';
            }
        }
        at = end;
    }
    chars.into_iter().collect()
}

fn find(chars: &[char], from: usize, what: &str) -> Option<usize> {
    let what: Vec<char> = what.chars().collect();
    (from..chars.len()).find(|at| chars[*at..].starts_with(&what))
}

fn matching(chars: &[char], open: usize, up: char, down: char) -> usize {
    let mut depth = 0;
    for (at, c) in chars.iter().enumerate().skip(open) {
        if *c == up {
            depth += 1;
        } else if *c == down {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    chars.len()
}

/// Where the item ends whose attribute ends at `from`: at its `;` or its closing brace, further attributes passed over.
fn item_end(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while at < chars.len() {
        match chars[at] {
            '[' => at = matching(chars, at, '[', ']'),
            '(' => at = matching(chars, at, '(', ')'),
            ';' => return at + 1,
            // A brace inside a `use` tree is followed by its `;`; any other ends the item.
            '{' => {
                let end = matching(chars, at, '{', '}');
                let after = chars[end..].iter().position(|c| !c.is_whitespace());
                return match after {
                    Some(gap) if chars[end + gap] == ';' => end + gap + 1,
                    _ => end,
                };
            }
            _ => at += 1,
        }
    }
    chars.len()
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Colons,
    Mark(char),
}

fn tokens(code: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = code.chars().collect();
    let (mut out, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let c = chars[at];
        if c.is_alphanumeric() || c == '_' {
            let word: String = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
            at += word.chars().count();
            out.push((line, Token::Word(word)));
        } else if c == ':' && chars.get(at + 1) == Some(&':') {
            out.push((line, Token::Colons));
            at += 2;
        } else {
            if c == '\n' {
                line += 1;
            } else if !c.is_whitespace() {
                out.push((line, Token::Mark(c)));
            }
            at += 1;
        }
    }
    out
}

/// Every path of two segments or more, braces opened, a trailing `self` dropped.
pub(crate) fn uses(code: &str) -> Vec<Use> {
    let tokens = tokens(code);
    let mut out = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts = matches!(tokens[at].1, Token::Word(_)) && matches!(tokens.get(at + 1), Some((_, Token::Colons)));
        at = if starts { tree(&tokens, at, &[], &mut out) } else { at + 1 };
    }
    out.retain(|used| used.segments.len() > 1);
    out
}

/// Reads one use tree from `at` below `above`; answers where it ends.
fn tree(tokens: &[(usize, Token)], mut at: usize, above: &[String], out: &mut Vec<Use>) -> usize {
    let mut segments = above.to_vec();
    let line = tokens[at].0;
    loop {
        match tokens.get(at).map(|(_, token)| token) {
            Some(Token::Word(word)) => segments.push(word.clone()),
            Some(Token::Mark('*')) => segments.push("*".to_owned()),
            Some(Token::Mark('{')) => {
                at += 1;
                while at < tokens.len() && tokens[at].1 != Token::Mark('}') {
                    at = match tokens[at].1 {
                        Token::Mark(',') => at + 1,
                        _ => tree(tokens, at, &segments, out).max(at + 1),
                    };
                }
                return at + 1;
            }
            _ => break,
        }
        at += 1;
        if tokens.get(at).map(|(_, token)| token) != Some(&Token::Colons) {
            break;
        }
        at += 1;
    }
    if segments.last().is_some_and(|last| last == "self") {
        segments.pop();
    }
    let renamed = matches!(tokens.get(at), Some((_, Token::Word(word))) if word == "as");
    out.push(Use { line, segments, renamed });
    if renamed { at + 2 } else { at }
}

/// Names of called methods (`.name(`).
pub(crate) fn method_calls(code: &str) -> Vec<(usize, String)> {
    let tokens = tokens(code);
    tokens
        .windows(3)
        .filter_map(|run| match run {
            [(_, Token::Mark('.')), (line, Token::Word(name)), (_, Token::Mark('('))] => Some((*line, name.clone())),
            _ => None,
        })
        .collect()
}

/// Names of structs, enums, traits and aliases; not of types in an `impl`, which whoever made the trait has named.
pub(crate) fn type_names(code: &str) -> Vec<(usize, String)> {
    let tokens = tokens(code);
    let lines: Vec<&str> = code.lines().collect();
    let is_inside = |line: usize| lines.get(line - 1).is_some_and(|text| text.starts_with(' '));
    tokens
        .windows(2)
        .filter_map(|run| match run {
            [(_, Token::Word(kind)), (line, Token::Word(name))]
                if matches!(kind.as_str(), "struct" | "enum" | "trait") || kind == "type" && !is_inside(*line) =>
            {
                Some((*line, name.clone()))
            }
            _ => None,
        })
        .collect()
}

/// Each parameter of each `fn`, as text with its line.
pub(crate) fn parameters(code: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = code.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(found) = find(&chars, at, "fn ") {
        at = found + 3;
        if found > 0 && (chars[found - 1].is_alphanumeric() || chars[found - 1] == '_') {
            continue;
        }
        let Some(open) = parameters_open(&chars, at) else { continue };
        let end = matching(&chars, open, '(', ')');
        let (mut depth, mut start) = (0, open + 1);
        for at in open + 1..end {
            match chars[at] {
                '(' | '[' | '<' | '{' => depth += 1,
                ')' | ']' | '}' if at + 1 < end => depth -= 1,
                '>' if chars[at - 1] != '-' => depth -= 1,
                _ => {}
            }
            if at + 1 == end || (chars[at] == ',' && depth == 0) {
                let line = 1 + chars[..start].iter().filter(|c| **c == '\n').count();
                let text: String = chars[start..at].iter().collect();
                if !text.trim().is_empty() {
                    out.push((line, text));
                }
                start = at + 1;
            }
        }
    }
    out
}

/// The opening parenthesis of a function's parameters, its generics (which may hold parentheses) passed over.
fn parameters_open(chars: &[char], from: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in chars.iter().enumerate().skip(from) {
        match c {
            '<' => depth += 1,
            '>' if chars[at - 1] != '-' => depth -= 1,
            '(' if depth == 0 => return Some(at),
            ';' | '{' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}
