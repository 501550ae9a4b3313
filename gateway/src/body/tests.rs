//! What a caller that may use certain models only can make of a body, whole and streamed.

use std::{convert::Infallible, sync::atomic::Ordering};

use futures::stream;
use http::{HeaderValue, header::CONTENT_TYPE};
use http_body_util::{BodyExt, StreamBody};

use super::*;

const BOUNDS: Bounds = Bounds {
    max_bytes: 8 << 20,
    idle: Duration::from_secs(5),
};

fn budget(max_bytes: u64) -> Budget {
    Budget {
        used: Arc::default(),
        max_bytes,
    }
}

fn json_headers() -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    HeaderMap::from_iter([(CONTENT_TYPE, json)])
}

/// A body of no declared length that arrives in these pieces.
async fn receive_pieces(pieces: &[&[u8]]) -> Received {
    let frames: Vec<_> = pieces
        .iter()
        .map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    let mut body = Body::new(StreamBody::new(stream::iter(frames)));
    let budget = budget(8 << 20);
    let received = receive(&json_headers(), &mut body, BOUNDS, &budget).await;
    received.expect("received")
}

/// The model that is found, or the refusal.
async fn require(pieces: &[&[u8]]) -> Result<String, GatewayError> {
    let mut received = receive_pieces(pieces).await;
    received.body.require_single_model(&json_headers())
}

/// A demanded model, then what becomes of the body on its way, and what the fault says.
async fn stream_demanded(pieces: &[&[u8]]) -> (Result<Bytes, ()>, Option<GatewayError>) {
    let mut received = receive_pieces(pieces).await;
    let model = received.body.require_single_model(&json_headers());
    assert_eq!(model.as_deref(), Ok("a"));
    let collected = BodyExt::collect(received.body).await;
    let bytes = collected.map(|all| all.to_bytes()).map_err(|_| ());
    (bytes, received.fault.and_then(|fault| fault.get().cloned()))
}

/// `{"model":"a","x":"…` of more than what is collected.
fn large_head() -> Vec<u8> {
    let filler = "y".repeat(MAX_COLLECTED_BYTES);
    format!(r#"{{"model":"a","x":"{filler}"#).into_bytes()
}

#[tokio::test]
async fn a_model_named_once_is_found() {
    for text in [
        r#"{"model":"a"}"#,
        r#"{"x":{"model":"b","model":"c"},"model":"a"}"#,
        r#"{"model":"a","messages":[{"content":"\"model\":\"b\""},{"model":"b"}]}"#,
        r#"{"mod\u0065l":"\u0061"}"#,
        r#" { "stream" : true , "model" : "a" } "#,
    ] {
        assert_eq!(
            require(&[text.as_bytes()]).await.as_deref(),
            Ok("a"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_second_model_is_refused_wherever_the_body_is_cut() {
    for text in [
        r#"{"model":"a","model":"b"}"#,
        r#"{"model":"a","model":"a"}"#,
        r#"{"model":"a","mod\u0065l":"b"}"#,
        r#"{"\u006d\u006F\u0064\u0065\u006c":"a","model":"b"}"#,
        r#"{"model":"a","MODEL":"b"}"#,
        r#"{"Model":"b","model":"a"}"#,
        r#"{"model":"a","x":{"model":[{}]},"model":null}"#,
        r#"{"model":{"model":"a"},"model":"b"}"#,
        r#"{"model":"a"}{"model":"b"}"#,
    ] {
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let found = require(&[head, tail]).await;
            assert_eq!(
                found,
                Err(GatewayError::DuplicateModel),
                "{text} cut at {cut}"
            );
        }
    }
}

#[tokio::test]
async fn a_second_model_behind_one_that_is_too_long_is_refused() {
    let long = "y".repeat(5000);
    let text = format!(r#"{{"model":"{long}","model":"a"}}"#);
    assert_eq!(
        require(&[text.as_bytes()]).await,
        Err(GatewayError::DuplicateModel)
    );
    let text = format!(r#"{{"model":"{long}"}}"#);
    assert_eq!(
        require(&[text.as_bytes()]).await,
        Err(GatewayError::ModelUnknown)
    );
}

#[tokio::test]
async fn no_model_or_one_that_is_no_text_is_refused() {
    for text in [
        "",
        "{}",
        "[]",
        r#"{"x":{"model":"a"}}"#,
        r#"{"Model":"a"}"#,
        r#"{"model":1}"#,
        r#"{"model":null}"#,
        r#"{"model":["a"]}"#,
        r#"{"model":{"model":"a"}}"#,
        r#"{"model":"\ud800"}"#,
        r#"{"model":"a"#,
        r#"{"model"#,
    ] {
        let found = require(&[text.as_bytes()]).await;
        assert_eq!(found, Err(GatewayError::ModelUnknown), "{text}");
    }
}

#[tokio::test]
async fn text_that_others_read_differently_is_refused() {
    for text in [
        "\u{feff}{\"model\":\"a\"}",
        r#"{"model":"a",/*"*/"model":"b"/*"*/}"#,
        r#"{"model":"a",'model':"b"}"#,
        r#"{"model":"a",model:"b"}"#,
    ] {
        let found = require(&[text.as_bytes()]).await;
        assert_eq!(found, Err(GatewayError::BodyNotPlainJson), "{text}");
    }
    let mut received = receive_pieces(&[br#"{"model":"a"}"#]).await;
    let undeclared = received.body.require_single_model(&HeaderMap::new());
    assert_eq!(undeclared, Err(GatewayError::BodyNotPlainJson));
}

#[tokio::test]
async fn a_large_body_without_a_second_model_passes_whole() {
    let head = large_head();
    let tail = br#"","y":{"model":"b"},"z":[{"model":"b"}],"w":"\"model\":"}"#;
    let (bytes, fault) = stream_demanded(&[&head, tail]).await;
    assert_eq!(bytes, Ok(Bytes::from([head.as_slice(), tail].concat())));
    assert_eq!(fault, None);
}

#[tokio::test]
async fn a_second_model_in_the_streamed_rest_fails_the_body_wherever_it_is_cut() {
    let head = large_head();
    for tail in [
        r#"","model":"b"}"#,
        r#"","mod\u0065l":"b"}"#,
        r#"","Model":"b"}"#,
        r#"","y":{"model":1},"model":"b"}"#,
    ] {
        for cut in 0..=tail.len() {
            let (first, second) = tail.as_bytes().split_at(cut);
            let (bytes, fault) = stream_demanded(&[&head, first, second]).await;
            assert_eq!(bytes, Err(()), "{tail} cut at {cut}");
            assert_eq!(
                fault,
                Some(GatewayError::DuplicateModel),
                "{tail} cut at {cut}"
            );
        }
    }
}

#[tokio::test]
async fn a_second_model_that_begins_in_the_collected_part_fails_the_body() {
    // The head ends within the second key: its end and its value are streamed.
    let whole = [large_head().as_slice(), br#"","model":"b"}"#].concat();
    for left_behind in 1..=12 {
        let (head, tail) = whole.split_at(whole.len() - left_behind);
        let mut received = receive_pieces(&[head, tail]).await;
        let found = received.body.require_single_model(&json_headers());
        let is_refused = match found {
            Err(GatewayError::DuplicateModel) => true,
            Ok(_) => BodyExt::collect(received.body).await.is_err(),
            Err(other) => panic!("{other}"),
        };
        assert!(is_refused, "{left_behind} bytes streamed");
    }
}

#[tokio::test]
async fn a_comment_in_the_streamed_rest_fails_the_body() {
    let (bytes, fault) = stream_demanded(&[&large_head(), br#"",/*"*/"model":"b"/*"*/}"#]).await;
    assert_eq!(bytes, Err(()));
    assert_eq!(fault, Some(GatewayError::BodyNotPlainJson));
}

#[tokio::test]
async fn a_model_behind_the_collected_part_is_not_waited_for() {
    let filler = "y".repeat(MAX_COLLECTED_BYTES);
    let head = format!(r#"{{"x":"{filler}""#);
    let found = require(&[head.as_bytes(), br#","model":"a"}"#]).await;
    assert_eq!(found, Err(GatewayError::ModelUnknown));
}

#[tokio::test]
async fn without_the_demand_nothing_is_refused() {
    let head = large_head();
    let tail = br#"","model":"b"}"#;
    let received = receive_pieces(&[&head, tail]).await;
    assert_eq!(received.body.find_model().as_deref(), Some("a"));
    let collected = BodyExt::collect(received.body).await.expect("passes");
    assert_eq!(collected.to_bytes().len(), head.len() + tail.len());
}

#[tokio::test]
async fn a_whole_body_counts_for_as_long_as_it_lives() {
    let head = large_head();
    let tail = vec![b'z'; 3 << 20];
    let budget = budget(8 << 20);
    let received = receive_pieces(&[&head, &tail]).await;
    let whole = received.body.into_whole(&budget).await.expect("fits");
    assert_eq!(whole.len(), head.len() + tail.len());
    assert!(whole.ends_with(b"zz") && whole.starts_with(b"{\"model\""));
    let held = || budget.used.load(Ordering::Relaxed);
    assert_eq!(held(), whole.len() as u64);
    let other = budget.hold(Bytes::from(vec![0; 3 << 20])).expect("fits");
    let too_much = budget.hold(Bytes::from(vec![0; 3 << 20]));
    assert_eq!(too_much, Err(GatewayError::OutOfBodyBudget));
    drop((whole, other));
    assert_eq!(held(), 0);
}

#[tokio::test]
async fn a_body_beyond_the_budget_is_not_waited_for() {
    let budget = budget(2 << 20);
    let received = receive_pieces(&[&large_head(), &vec![b'z'; 2 << 20]]).await;
    let whole = received.body.into_whole(&budget).await;
    assert_eq!(whole, Err(GatewayError::OutOfBodyBudget));
    assert_eq!(budget.used.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_in_is_given_up() {
    let drops = stream::unfold((), |()| async {
        sleep(BOUNDS.idle / 2).await;
        let drop = Frame::data(Bytes::from_static(b"z"));
        Some((Ok::<_, Infallible>(drop), ()))
    });
    let head = stream::iter([Ok(Frame::data(Bytes::from(large_head())))]);
    let body = StreamBody::new(futures::StreamExt::chain(head, drops));
    let mut body = Body::new(body);
    let budget = budget(8 << 20);
    let received = receive(&json_headers(), &mut body, BOUNDS, &budget).await;
    let body = received.expect("a head").body;
    let start = Instant::now();
    let whole = body.into_whole(&budget).await;
    assert_eq!(whole, Err(GatewayError::BodyTimeout));
    assert_eq!(start.elapsed(), BOUNDS.idle * MAX_COLLECT_PAUSES);
}
