use super::*;
use crate::jobs::{Run, Task};

fn text(page: &Page) -> String {
    String::from_utf8(page.body.to_vec()).unwrap()
}

fn asked(page: fn(&Catalogue, &Query) -> Page, catalogue: &Catalogue, query: &str) -> String {
    text(&page(catalogue, &Query::new(query)))
}

#[test]
fn what_a_package_says_of_itself_is_text() {
    let catalogue = Catalogue::of_records(&[
        "P:bad\nV:1<b>\nT:<img src=x onerror=alert(1)>\nU:javascript:alert(1)\nL:\"><script>\no:<i>\nD:<u> x\n",
        "P:good\nV:1-r0\nU:https://example.org/?a=1&b=\"2\nT:Fine\n",
    ]);
    for (page, query) in
        [(package::page as fn(&Catalogue, &Query) -> Page, "name=bad"), (search::page, "q=bad"), (search::page, "")]
    {
        let html = asked(page, &catalogue, query);
        for wrong in ["<img", "<b>", "<i>", "<u>", "\"><script>", "href=\"javascript"] {
            assert!(!html.contains(wrong), "{wrong} in {html}");
        }
    }
    let html = asked(package::page, &catalogue, "name=good");
    assert!(html.contains("<a href=\"https://example.org/?a=1&amp;b=&quot;2\" rel="), "{html}");
}

#[test]
fn what_is_needed_leads_to_who_supplies_it() {
    let catalogue = Catalogue::of_records(&[
        "P:a\nV:1-r0\nD:so:libb.so.1 c>2 d !e\n",
        "P:b\nV:1-r0\np:so:libb.so.1=1\n",
        "P:c\nV:1-r0\n",
        "P:d\nV:1-r0\n",
        "P:e\nV:1-r0\n",
    ]);
    let html = asked(package::page, &catalogue, "name=a");
    assert!(html.contains("<code>so:libb.so.1</code> ← <a href=\"package?name=b\">b</a>"), "{html}");
    assert!(html.contains("<code>c&gt;2</code> <span class=\"why\">not beside it on this mirror</span>"), "{html}");
    assert!(html.contains("<li><a href=\"package?name=d\">d</a></li>"), "{html}");
    assert!(html.contains("Cannot stand beside"), "{html}");
    let html = asked(package::page, &catalogue, "name=b");
    assert!(html.contains("<a href=\"package?name=a\">a</a> <span class=\"why\">so:libb.so.1</span>"), "{html}");
}

#[test]
fn many_names_are_told_page_by_page() {
    let records: Vec<String> = (0..60).map(|at| format!("P:name-{at:02}\nV:1-r0\n")).collect();
    let catalogue = Catalogue::of_records(&records.iter().map(String::as_str).collect::<Vec<_>>());
    let first = asked(search::page, &catalogue, "q=name");
    assert!(first.contains("60 names, page 1 of 3.") && first.contains("search?q=name&amp;page=2"), "{first}");
    assert!(first.contains("name-24") && !first.contains("name-25"), "{first}");
    // A page that is not there is the last one.
    let last = asked(search::page, &catalogue, "q=name&page=99");
    assert!(last.contains("page 3 of 3") && last.contains("name-59") && !last.contains("rel=\"next\""), "{last}");
}

#[test]
fn a_chart_says_in_words_what_it_shows() {
    let run = |seconds, exit| Run {
        started: "2026-12-01T08:00:00Z".parse().unwrap(),
        seconds,
        exit,
        summary: "<done> in /srv".to_owned(),
        fetched_packages: 0,
        fetched_bytes: 0,
    };
    let html = chart::runs(&Task::Sync, &[run(0.0, 0), run(90.0, 4), run(f64::NAN, 3)]).into_string();
    assert!(html.contains("3 runs of sync: 1 ended well, 2 did not. The longest took 90 s."), "{html}");
    assert_eq!(html.matches("<rect").count(), 3);
    // What did not end well has a cross.
    assert_eq!(html.matches("<path").count(), 2);
    assert!(html.contains("upstream away or incomplete") && html.contains("&lt;done&gt;"), "{html}");
    assert_eq!(html.matches("/srv").count(), 1, "that of the run that ended well alone");
    assert!(!chart::runs(&Task::Sync, &[run(0.0, 0)]).into_string().contains("NaN"));
}
