//! Dependencies as apk reads them (apk-formats.md 4.4, 4.5): the terms of `D:`, `i:` and world files, what `p:` provides,
//! and whether the one satisfies the other.
//!
//! ```text
//! term = [ "!" ] name [ "@" tag ] [ op version ]     op: any run of < > = ~; `><` alone means identity: name><Q1…
//! ```

use std::cmp::Ordering;
use std::fmt;

use super::checksum::Identity;
use super::version::{Rules, Version};

/// What a term asks of the set of packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sense {
    /// Something that fits must be there.
    Requires,
    /// `!`: nothing that fits may be there.
    Conflicts,
}

/// How an offered version must stand to the term's. `<=` accepts two orders; `~` in the run compares by prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Op {
    less: bool,
    equal: bool,
    greater: bool,
    fuzzy: bool,
}

impl Op {
    /// Reads a run of operator characters; `None` where one is not `<`, `>`, `=` or `~`.
    fn parse(run: &str) -> Option<Op> {
        let mut op = Op { less: false, equal: false, greater: false, fuzzy: false };
        for sign in run.bytes() {
            match sign {
                b'<' => op.less = true,
                b'>' => op.greater = true,
                b'=' => op.equal = true,
                b'~' => (op.equal, op.fuzzy) = (true, true),
                _ => return None,
            }
        }
        Some(op)
    }

    fn accepts(self, order: Ordering) -> bool {
        match order {
            Ordering::Less => self.less,
            Ordering::Equal => self.equal,
            Ordering::Greater => self.greater,
        }
    }
}

/// Which of a name's versions fit.
#[derive(Clone, Copy, Debug)]
pub enum Constraint<'a> {
    /// Any, and also what provides the name without a version.
    Any,
    /// Those that stand so to this version.
    Version {
        /// The accepted orders.
        op: Op,
        /// The term's version; may be invalid, then nothing fits under the rules that call it so.
        version: Version<'a>,
    },
    /// The one package with this identity.
    Identity(Identity),
}

/// One term that could be read.
#[derive(Clone, Copy, Debug)]
pub struct Dependency<'a> {
    text: &'a str,
    /// Requires or conflicts.
    pub sense: Sense,
    /// A package's or a provided name: `curl`, `so:libz.so.1`, `cmd:sh`, `/bin/sh`.
    pub name: &'a str,
    /// The repository tag, in world files. In an index it makes the package uninstallable in 3.0.
    pub tag: Option<&'a str>,
    /// Which versions fit.
    pub constraint: Constraint<'a>,
}

/// A term that apk cannot read either: 2.x loses the rest of its line, 3.0 does not install the package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a dependency that apk can read")]
pub struct BadTerm<'a> {
    /// The term as it stands there.
    pub text: &'a str,
}

/// What stands in a package's favour when a term names it.
#[derive(Clone, Copy, Debug)]
pub enum Offer<'a> {
    /// The package itself, `P:` and `V:`, and its identity.
    Package(Version<'a>, &'a Identity),
    /// Its `p:`, with or without a version.
    Provides(Option<Version<'a>>),
}

impl<'a> Dependency<'a> {
    /// Reads one term, without spaces around it.
    pub fn parse(text: &'a str) -> Result<Self, BadTerm<'a>> {
        let bad = BadTerm { text };
        let (sense, rest) = match text.strip_prefix('!') {
            Some(rest) => (Sense::Conflicts, rest),
            None => (Sense::Requires, text),
        };
        let (name, constraint) = match rest.find(is_operator) {
            None => (rest, Constraint::Any),
            Some(at) => {
                let (name, compared) = rest.split_at(at);
                let version = compared.trim_start_matches(is_operator);
                let op = Op::parse(&compared[..compared.len() - version.len()]).ok_or(bad)?;
                (name, constraint(op, version).ok_or(bad)?)
            }
        };
        let (name, tag) = match name.split_once('@') {
            Some((_, "")) => return Err(bad),
            Some((name, tag)) => (name, Some(tag)),
            None => (name, None),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(bad);
        }
        Ok(Dependency { text, sense, name, tag, constraint })
    }

    /// The term as it stands in its line.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether a client under `rules` takes `offer` for what this term names. The names are compared by the caller; for a
    /// conflict the answer says whether the offer is what may not be there.
    ///
    /// A term whose version is invalid under `rules` is satisfied by nothing.
    pub fn satisfied_by(&self, offer: Offer<'_>, rules: Rules) -> bool {
        let offered = match offer {
            Offer::Package(version, _) => Some(version),
            Offer::Provides(version) => version,
        };
        match (&self.constraint, offered) {
            (Constraint::Any, _) => true,
            (Constraint::Identity(wanted), _) => matches!(offer, Offer::Package(_, identity) if identity == wanted),
            (Constraint::Version { .. }, None) => false,
            (Constraint::Version { op, version }, Some(offered)) => {
                let order = match op.fuzzy {
                    true => offered.compare_fuzzy(*version, rules),
                    false => offered.compare_under(*version, rules),
                };
                op.accepts(order) && version.is_valid(rules)
            }
        }
    }

    /// Whether some client in use takes `offer` for what this term names: under the rules of 3.0 or of 2.x.
    pub fn satisfied_in_any_client(&self, offer: Offer<'_>) -> bool {
        self.satisfied_by(offer, Rules::V3) || self.satisfied_by(offer, Rules::V2)
    }
}

impl fmt::Display for Dependency<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text)
    }
}

fn is_operator(letter: char) -> bool {
    matches!(letter, '<' | '>' | '=' | '~')
}

fn constraint(op: Op, version: &str) -> Option<Constraint<'_>> {
    match op {
        _ if version.is_empty() => None,
        // All three orders: apk's mask for `name` alone.
        Op { less: true, equal: true, greater: true, fuzzy: false } => Some(Constraint::Any),
        Op { less: true, equal: false, greater: true, .. } => version.parse().ok().map(Constraint::Identity),
        op => Some(Constraint::Version { op, version: Version::new(version) }),
    }
}

/// The terms of a `D:` or `i:` line, in their order. Each term stands for itself: one that cannot be read does not hide
/// those behind it (3.0's way; what 2.x forgets, it at least does not need).
pub fn parse_list(line: &str) -> impl Iterator<Item = Result<Dependency<'_>, BadTerm<'_>>> {
    terms(line).map(Dependency::parse)
}

/// The terms of a world file, in their order, `#` comments left out. Lines may hold several.
pub fn parse_world(text: &str) -> impl Iterator<Item = Result<Dependency<'_>, BadTerm<'_>>> {
    text.lines()
        .flat_map(|line| line.split_ascii_whitespace().take_while(|term| !term.starts_with('#')).map(Dependency::parse))
}

fn terms(line: &str) -> impl Iterator<Item = &str> {
    line.split(' ').filter(|term| !term.is_empty())
}

/// One name that a package provides beside its own.
#[derive(Clone, Copy, Debug)]
pub struct Provide<'a> {
    /// The provided name.
    pub name: &'a str,
    /// The version it is provided in; without one it satisfies only terms without a version.
    pub version: Option<Version<'a>>,
}

impl<'a> Provide<'a> {
    /// Reads `name` or `name=version`. The version may be invalid (a warning in 3.0): real indexes hold `pc:librtmp=v2.4`.
    pub fn parse(text: &'a str) -> Result<Self, BadTerm<'a>> {
        let term = Dependency::parse(text)?;
        let version = match (term.sense, term.tag, term.constraint) {
            (Sense::Requires, None, Constraint::Any) => None,
            (Sense::Requires, None, Constraint::Version { version, .. }) => Some(version),
            _ => return Err(BadTerm { text }),
        };
        Ok(Provide { name: term.name, version })
    }
}

/// What a `p:` line provides, in its order.
pub fn parse_provides(line: &str) -> impl Iterator<Item = Result<Provide<'_>, BadTerm<'_>>> {
    terms(line).map(Provide::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(byte: u8) -> Identity {
        Identity::new([byte; 20])
    }

    /// The operators as apk prints them, by which orders they accept and whether by prefix.
    #[test]
    fn operators_are_runs_in_any_order() {
        for (run, accepted, fuzzy) in [
            ("<", "<", false),
            ("<=", "<=", false),
            ("=<", "<=", false),
            ("=", "=", false),
            ("==", "=", false),
            (">=", "=>", false),
            (">", ">", false),
            ("~", "=", true),
            ("=~", "=", true),
            ("~=", "=", true),
            ("<~", "<=", true),
            (">~", "=>", true),
        ] {
            let text = format!("name{run}1.2");
            let term = Dependency::parse(&text).unwrap();
            assert_eq!((term.name, term.sense, term.tag), ("name", Sense::Requires, None));
            let Constraint::Version { op, version } = term.constraint else { panic!("{text}: {term:?}") };
            assert_eq!(version.as_str(), "1.2");
            let orders = [(Ordering::Less, '<'), (Ordering::Equal, '='), (Ordering::Greater, '>')];
            let seen: String = orders.iter().filter(|(order, _)| op.accepts(*order)).map(|(_, sign)| sign).collect();
            assert_eq!((seen.as_str(), op.fuzzy), (accepted, fuzzy), "{text}");
        }
    }

    #[test]
    fn names_tags_conflicts_and_identities_are_read() {
        for plain in ["so:libc.musl-x86_64.so.1", "cmd:sh", "/bin/sh", "py3.10:requests[socks]", "gtk+3.0", "a<=>1"] {
            let term = Dependency::parse(plain).unwrap();
            assert_eq!(term.name, plain.trim_end_matches("<=>1"));
            assert!(matches!(term.constraint, Constraint::Any), "{term:?}");
        }
        let conflict = Dependency::parse("!busybox<1.29").unwrap();
        assert_eq!((conflict.sense, conflict.name), (Sense::Conflicts, "busybox"));
        let tagged = Dependency::parse("nginx@edge>=1.2").unwrap();
        assert_eq!((tagged.name, tagged.tag), ("nginx", Some("edge")));
        let text = format!("x><{}", identity(7));
        let exact = Dependency::parse(&text).unwrap();
        assert!(matches!(exact.constraint, Constraint::Identity(found) if found == identity(7)));
        assert_eq!(exact.to_string(), text);
    }

    #[test]
    fn what_apk_cannot_read_is_kept_with_its_text() {
        for bad in ["", "!", "=1", "a=", "a=>", "a@", "@edge", "a><1.2", "!@x>1"] {
            assert_eq!(Dependency::parse(bad).unwrap_err(), BadTerm { text: bad });
        }
        let line: Vec<_> = parse_list("a  b= c>1").collect();
        assert_eq!(line.len(), 3);
        assert_eq!(line[1].unwrap_err().text, "b=");
        assert_eq!(line[2].unwrap().name, "c", "what follows an unreadable term is still read");
    }

    #[test]
    fn who_satisfies_whom() {
        const BOTH: [bool; 2] = [true, true];
        const NONE: [bool; 2] = [false, false];
        const OLD: [bool; 2] = [true, false];
        const NEW: [bool; 2] = [false, true];
        for (term, version, expected) in [
            ("a", Some("1.0-r0"), BOTH),
            ("a", None, BOTH),
            ("a=3.8", Some("3.8-r0"), NONE),
            ("a=3.8-r0", Some("3.8-r0"), BOTH),
            ("a>3.8", Some("3.8-r0"), BOTH),
            ("a>0", None, NONE),
            ("a=1", None, NONE),
            ("a~3.8", Some("3.8.1-r2"), BOTH),
            ("a~3.8", Some("3.80"), NONE),
            ("a~3.8.1", Some("3.8-r0"), OLD),
            ("a>~3.8", Some("3.8_rc1"), BOTH),
            ("a>~3.8", Some("3.9"), BOTH),
            ("a<~3.8", Some("3.9"), NONE),
            ("a<8.2.001", Some("8.2.0"), NEW),
            ("a=6.8.0p2-r4", Some("6.8.0p2-r4"), OLD),
            ("a=v2.4", Some("v2.4"), OLD),
            ("a=1.0A", Some("1.0A"), NONE),
            ("!a<2", Some("1.0"), BOTH),
        ] {
            let read = Dependency::parse(term).unwrap();
            let offer = Offer::Provides(version.map(Version::new));
            let seen = [read.satisfied_by(offer, Rules::V2), read.satisfied_by(offer, Rules::V3)];
            assert_eq!(seen, expected, "{term} by {version:?}, in 2.x and 3.0");
            assert_eq!(read.satisfied_in_any_client(offer), expected != NONE);
        }
    }

    #[test]
    fn an_identity_is_satisfied_by_that_package_alone() {
        let text = format!("x><{}", identity(7));
        let term = Dependency::parse(&text).unwrap();
        let version = Version::new("1.0");
        assert!(term.satisfied_by(Offer::Package(version, &identity(7)), Rules::V3));
        assert!(!term.satisfied_by(Offer::Package(version, &identity(8)), Rules::V3));
        assert!(!term.satisfied_by(Offer::Provides(Some(version)), Rules::V3));
    }

    #[test]
    fn provides_are_names_with_or_without_a_version() {
        let read: Vec<_> = parse_provides("so:libz.so.1=1.2.12 dbus-launcher /bin/sh pc:librtmp=v2.4 !x y@z").collect();
        let versions: Vec<_> = read.iter().flatten().map(|p| (p.name, p.version.map(Version::as_str))).collect();
        assert_eq!(
            versions,
            [
                ("so:libz.so.1", Some("1.2.12")),
                ("dbus-launcher", None),
                ("/bin/sh", None),
                ("pc:librtmp", Some("v2.4"))
            ]
        );
        assert_eq!(read.iter().filter(|term| term.is_err()).count(), 2);
    }

    #[test]
    fn a_world_file_has_terms_and_comments() {
        let world = "alpine-base\nnginx>1.20 # the web\n\n# nothing\n!dnsmasq\tcurl@edge\r\n";
        let names: Vec<_> = parse_world(world).map(|term| term.unwrap().as_str()).collect();
        assert_eq!(names, ["alpine-base", "nginx>1.20", "!dnsmasq", "curl@edge"]);
    }
}
