use std::path::Path;

use super::*;

#[test]
fn what_a_language_cannot_say_is_refused() {
    let say = |path: &str, never: &[char]| quoted(Path::new(path), "x", &['"', '\\'], never);
    assert_eq!(say(r#"/a "b"\c"#, &[]).unwrap(), r#""/a \"b\"\\c""#);
    for (path, never) in [("/a$b", &['$'][..]), ("/a\nb", &[]), ("/a\u{7f}", &[]), ("/a{b}", &['{', '}'])] {
        let error = say(path, never).unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::Usage, "path-unspeakable"), "{path:?}");
    }
}

#[test]
fn names_and_addresses_are_checked() {
    for good in ["mirror.example", "a_b-c", "10.0.0.1"] {
        assert_eq!(good.parse::<ServerName>().unwrap().as_str(), good);
    }
    let long = "a".repeat(254);
    for bad in ["", "a b", "a;b", "a{b", "-a", ".a", "ä", "a\n", "*", &long] {
        assert_eq!(bad.parse::<ServerName>(), Err(BadWord::Name), "{bad:?}");
    }
    for (text, printed) in [("80", "80"), (":81", "81"), ("127.0.0.1:82", "127.0.0.1:82"), ("[::1]:83", "[::1]:83")] {
        assert_eq!(text.parse::<Listen>().unwrap().to_string(), printed);
    }
    for bad in ["", "0", "65536", "host:80", "127.0.0.1", "::1:80", "127.0.0.1:0", "80;"] {
        assert_eq!(bad.parse::<Listen>(), Err(BadWord::Listen), "{bad:?}");
    }
}
