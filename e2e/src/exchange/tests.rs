//! Exchanges read from bytes written by hand.

use super::*;

fn read(asked: &str, answered: &str) -> Vec<Exchange> {
    read_exchanges(asked.as_bytes(), answered.as_bytes(), |at| at as u64).expect("HTTP")
}

const ASKED: &str = "POST /v1/x?a=b HTTP/1.1\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nhi";

#[test]
fn requests_on_one_connection_meet_their_answers() {
    let asked = format!("{ASKED}GET /y HTTP/1.1\r\n\r\n");
    let answered = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 404 N\r\nContent-Length: 3\r\n\r\ntwo";
    let exchanges = read(&asked, answered);
    assert_eq!(exchanges.len(), 2);
    assert_eq!(exchanges[0].path_and_query, "/v1/x?a=b");
    assert_eq!(exchanges[0].request.body, "hi");
    assert_eq!(exchanges[0].request.header("x-a"), Some("1"));
    assert_eq!(exchanges[0].response.body, "one");
    assert_eq!(exchanges[1].status, Some(404));
    assert_eq!(exchanges[1].order, ASKED.len() as u64);
}

#[test]
fn chunks_are_joined_and_their_end_is_known() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let whole = read(
        ASKED,
        &format!("{head}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"),
    );
    assert_eq!(whole[0].response.body, "abcde");
    assert!(whole[0].response.is_complete);
    for cut in ["3\r\nab", "3\r\nabc\r\n", "3\r\nabc\r\n0\r\n"] {
        let cut = read(ASKED, &format!("{head}{cut}"));
        assert!(!cut[0].response.is_complete);
    }
}

#[test]
fn an_answer_without_length_ends_with_the_connection() {
    let exchanges = read(ASKED, "HTTP/1.1 200 OK\r\n\r\nall of it");
    assert_eq!(exchanges[0].response.body, "all of it");
}

#[test]
fn heads_without_bodies_have_none() {
    let asked = "HEAD / HTTP/1.1\r\n\r\n";
    let answered = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    let exchanges = read(asked, answered);
    assert_eq!(
        (exchanges[0].status, exchanges[0].response.body.len()),
        (Some(200), 0)
    );
}

#[test]
fn a_request_without_an_answer_has_no_status() {
    assert_eq!(read(ASKED, "")[0].status, None);
    assert_eq!(read(ASKED, "HTTP/1.1 200")[0].status, None);
}

#[test]
fn bytes_that_nobody_asked_for_are_an_error() {
    assert!(read_exchanges(b"", b"HTTP/1.1 200 OK\r\n\r\n", |_| 0).is_err());
    assert!(read_exchanges(b"\x16\x03\x01", b"", |_| 0).is_err());
}
