//! `for`: one block of the file, written once for many rows.

use crate::config::written::At;

/// One row: each variable of the block with its value.
pub(super) type Row<'a> = Vec<(&'a str, &'a str)>;

/// Most rows that one block may have; a larger number is a slip.
pub(super) const MOST_ROWS: usize = 10_000;

/// Every combination of the variables' values, the first variable turning slowest. Without variables, one empty row.
pub(super) fn rows<'a>(variables: &'a [(At<String>, Vec<At<String>>)]) -> Vec<Row<'a>> {
    let mut rows = vec![Vec::new()];
    for (name, values) in variables {
        rows = rows
            .iter()
            .flat_map(|row: &Row<'a>| {
                values.iter().map(move |value| {
                    let mut row = row.clone();
                    row.push((&name.value[..], &value.value[..]));
                    row
                })
            })
            .collect();
        if rows.len() > MOST_ROWS {
            break;
        }
    }
    rows
}

/// What is wrong with a text's placeholders.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadPlaceholder<'a> {
    /// No variable has this name.
    Unknown(&'a str),
    /// A brace has no partner.
    Unpaired,
}

/// `text` with each `{variable}` replaced by its value in `row`.
pub(super) fn fill<'a>(text: &'a str, row: &Row<'_>) -> Result<String, BadPlaceholder<'a>> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        let (before, from_brace) = rest.split_at(brace);
        filled.push_str(before);
        let inside = from_brace.strip_prefix('{').ok_or(BadPlaceholder::Unpaired)?;
        let (name, after) = inside.split_once('}').ok_or(BadPlaceholder::Unpaired)?;
        let (_, value) = row.iter().find(|(variable, _)| *variable == name).ok_or(BadPlaceholder::Unknown(name))?;
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> At<String> {
        At { value: text.into(), line: 1 }
    }

    #[test]
    fn rows_are_all_combinations_in_the_order_of_the_file() {
        let variables =
            vec![(at("branch"), vec![at("v3.22"), at("v3.23")]), (at("repository"), vec![at("main"), at("community")])];
        let filled: Vec<_> = rows(&variables).iter().map(|row| fill("{branch}/{repository}", row).unwrap()).collect();
        assert_eq!(filled, ["v3.22/main", "v3.22/community", "v3.23/main", "v3.23/community"]);
        assert_eq!(rows(&[]), [Row::new()]);
        assert!(rows(&[(at("none"), vec![])]).is_empty());
    }

    #[test]
    fn placeholders() {
        let row = vec![("a", "1"), ("b", "{a}")];
        assert_eq!(fill("x", &row).unwrap(), "x");
        assert_eq!(fill("{a}-{a}", &row).unwrap(), "1-1");
        assert_eq!(fill("{b}", &row).unwrap(), "{a}", "values are not templates");
        assert_eq!(fill("{c}", &row), Err(BadPlaceholder::Unknown("c")));
        assert_eq!(fill("{}", &row), Err(BadPlaceholder::Unknown("")));
        for unpaired in ["{a", "a}", "}{", "{a}}"] {
            assert_eq!(fill(unpaired, &row), Err(BadPlaceholder::Unpaired), "{unpaired}");
        }
    }
}
