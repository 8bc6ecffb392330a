//! What a server counts of itself. Under `/metrics` alone: a textfile is written by runs, which serve nothing.

use super::{Kind, Labels, Page, labels};
use crate::serve::{self, Traffic};

/// As text, to follow that of everything else.
pub fn traffic(traffic: &Traffic) -> String {
    let mut page = Page { text: String::new() };
    let class = |class: u16| format!("{class}xx");
    page.metric(
        Kind::Counter,
        "http_requests_total",
        "Requests by what was asked for and by the reply's status.",
        traffic
            .requests()
            .map(|(kind, status, count)| (labels(&[("kind", &kind.word()), ("status", &class(status))]), count as f64)),
    );
    page.metric(
        Kind::Counter,
        "http_response_body_bytes_total",
        "Bytes of bodies that were sent, by what was asked for.",
        traffic.bytes().map(|(kind, bytes)| (labels(&[("kind", &kind.word())]), bytes as f64)),
    );
    latency(&mut page, &traffic.latencies());
    page.single("http_connections_open", "Connections that are open.", traffic.open() as f64);
    page.metric(
        Kind::Counter,
        "http_connections_total",
        "Connections that were accepted.",
        [(Labels::new(), traffic.accepted() as f64)],
    );
    page.metric(
        Kind::Counter,
        "http_connections_cut_total",
        "Connections that were closed on their clients: head (a request did not come to its end in time), idle (none came), \
         slow (a reply was not taken), full and address (to make room for new ones).",
        traffic.cuts().map(|(why, count)| (labels(&[("reason", &why.word())]), count as f64)),
    );
    page.text
}

fn latency(page: &mut Page, latencies: &serve::Latencies) {
    const NAME: &str = "http_response_start_duration_seconds";
    page.head(Kind::Histogram, NAME, "From a request's arrival until its reply began.");
    let bucket = format!("{NAME}_bucket");
    for (bound, count) in &latencies.up_to {
        page.sample(&bucket, &labels(&[("le", bound)]), *count as f64);
    }
    let count = latencies.count as f64;
    page.sample(&bucket, &labels(&[("le", &"+Inf")]), count);
    page.sample(&format!("{NAME}_sum"), &Labels::new(), latencies.sum);
    page.sample(&format!("{NAME}_count"), &Labels::new(), count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_ends_with_all_and_counters_are_there_from_the_start() {
        let text = traffic(&Traffic::default());
        assert!(text.contains("bivouac_http_requests_total{kind=\"index\",status=\"2xx\"} 0\n"), "{text}");
        assert!(text.contains("_seconds_bucket{le=\"0.00025\"} 0\n"), "{text}");
        assert!(text.contains("_seconds_bucket{le=\"+Inf\"} 0\n"), "{text}");
        assert!(text.contains("bivouac_http_connections_cut_total{reason=\"slow\"} 0\n"), "{text}");
    }
}
