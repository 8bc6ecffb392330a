//! What follows the `?`.

use url::form_urlencoded::{self, Serializer};

/// Longest value that is looked at, in characters: longer than any name, version or id.
const LONGEST: usize = 200;

/// A query's fields; of a repeated one the first counts.
#[derive(Clone, Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn new(text: &str) -> Query {
        let cut = |value: &str| value.chars().take(LONGEST).collect();
        Query(form_urlencoded::parse(text.as_bytes()).map(|(name, value)| (cut(&name), cut(&value))).collect())
    }

    /// The field's value without spaces around it; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim())
    }

    /// A page's number, from 1.
    pub(super) fn page(&self) -> usize {
        self.text("page").parse().ok().filter(|page| *page > 0).unwrap_or(1)
    }
}

/// A link to `page` with these fields; empty ones are left out.
pub(super) fn link(page: &str, fields: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(fields.iter().filter(|(_, value)| !value.is_empty()));
    match query.finish() {
        query if query.is_empty() => page.to_owned(),
        query => format!("{page}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_written_alike() {
        let made = link("package", &[("name", "g++ &<"), ("version", "")]);
        assert_eq!(made, "package?name=g%2B%2B+%26%3C");
        let query = Query::new(made.split_once('?').unwrap().1);
        assert_eq!(query.text("name"), "g++ &<");
        assert_eq!(query.text("version"), "");
        assert_eq!(query.page(), 1);
        assert_eq!(Query::new("page=3&page=4").page(), 3);
        assert_eq!(Query::new("page=0").page(), 1);
        assert_eq!(Query::new(&format!("q={}", "é".repeat(5000))).text("q").chars().count(), LONGEST);
        assert_eq!(link("search", &[]), "search");
    }
}
