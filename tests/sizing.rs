//! The figures of deploy/SIZING.md that can be worked out: channels by Erlang B, and bandwidth by adding up headers.

use toritsugi_tests::root;

/// The cells of the table whose first line begins so, without its head.
fn table(page: &str, head: &str) -> Vec<Vec<String>> {
    let rows: Vec<Vec<String>> = page
        .lines()
        .skip_while(|line| !line.starts_with(head))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().replace(',', "")).collect())
        .collect();
    assert!(rows.len() > 2, "deploy/SIZING.md has no table that begins with {head}");
    rows
}

fn page() -> String {
    std::fs::read_to_string(root().join("deploy/SIZING.md")).unwrap()
}

fn number(cell: &str) -> f64 {
    cell.parse().unwrap_or_else(|_| panic!("{cell} is no number"))
}

/// The fewest lines with which at most such a share of calls is turned away.
fn lines(load: f64, blocked: f64) -> u32 {
    (1..).find(|n| sim::erlang::blocking(load, *n) <= blocked).unwrap()
}

#[test]
fn channels_are_those_of_erlang() {
    for row in table(&page(), "| calls in the busy hour |") {
        let [calls, minutes, load, hundredth, thousandth, twice] = [0, 1, 2, 3, 4, 5].map(|i| number(&row[i]));
        let offered = calls * minutes / 60.0;
        assert_eq!(load, offered, "erlangs of {row:?}");
        let expected = [(offered, 0.01), (offered, 0.001), (offered * 2.0, 0.01)].map(|(load, blocked)| f64::from(lines(load, blocked)));
        assert_eq!([hundredth, thousandth, twice], expected, "channels of {row:?}");
    }
}

#[test]
fn bandwidth_is_the_sum_of_its_headers() {
    // PCMU of 20 ms is 160 bytes (RFC 3551 section 4.5.14), RTP 12, UDP 8; Ethernet 14 and 4, and 20 of preamble and gap.
    for row in table(&page(), "| over | bytes a packet |") {
        let header = match row[0].as_str() {
            "IPv4" => 20,
            "IPv4 on Ethernet" => 20 + 38,
            "IPv6" => 40,
            "IPv6 on Ethernet" => 40 + 38,
            other => panic!("{other} is no network of this test"),
        };
        let bytes = f64::from(160 + 12 + 8 + header);
        let one_way = bytes * 8.0 * 50.0 / 1000.0;
        // Two legs once a caller talks, each in both directions: on a full-duplex line two streams each way.
        assert_eq!([number(&row[1]), number(&row[2]), number(&row[3])], [bytes, one_way, one_way * 2.0 * 100.0 / 1000.0], "{row:?}");
    }
}
