//! The race table of redemption, row by row.

use std::sync::{Arc, Mutex};

use anyray_crds::v1alpha1::{client_key::ClientKeyState, invite::DeletionPolicy};
use anyray_wire::anyray::credential::{read_client_key, write_invite_code};
use futures::future::{join, join_all};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::*;

mod scripted;

use scripted::{Call, Fault, Replica, State};

const GATEWAY: &str = "gw";
const INVITE: &str = "for-ada";

/// The calls of a redemption that nothing disturbs.
const CALLS: [Call; 3] = [Call::FindInvite, Call::CreateKey, Call::Record];

fn code() -> CredentialDigest {
    CredentialDigest::of(&write_invite_code(&[3; 32]))
}

fn attempt(number: u8) -> Attempt<'static> {
    Attempt {
        gateway: GATEWAY,
        replica: "replica",
        code: code(),
        random: [number; SECRET_BYTES],
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("no object: {other}"),
    }
}

/// An invite with this further content of its specification.
fn invite(more: Value) -> Value {
    let mut invite = json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "Invite",
        "metadata": { "name": INVITE, "creationTimestamp": Timestamp::now().to_string() },
        "spec": {
            "gatewayRef": { "name": GATEWAY }, "user": "ada@example.com", "team": "research",
            "codeHash": code().to_string(),
        },
    });
    let spec = invite["spec"].as_object_mut().expect("an object");
    spec.extend(object(more));
    invite
}

fn shared_with(invite: Value) -> Arc<Mutex<State>> {
    let mut state = State::default();
    state.put(invite);
    Arc::new(Mutex::new(state))
}

fn shared() -> Arc<Mutex<State>> {
    shared_with(invite(json!({})))
}

fn replica(shared: &Arc<Mutex<State>>, script: Vec<Option<Fault>>) -> Replica {
    Replica {
        shared: Arc::clone(shared),
        script,
        ..Replica::default()
    }
}

fn failing(shared: &Arc<Mutex<State>>, always: Vec<(Call, Fault)>) -> Replica {
    Replica {
        shared: Arc::clone(shared),
        always,
        ..Replica::default()
    }
}

/// Redeems by way of a replica on which nothing goes wrong.
async fn redeem_plainly(shared: &Arc<Mutex<State>>) -> Result<Redeemed, RedeemError> {
    redeem(&replica(shared, Vec::new()), None, &attempt(9)).await
}

fn keys(shared: &Arc<Mutex<State>>) -> Vec<ClientKey> {
    let state = shared.lock().expect("no panic");
    state.keys.values().cloned().collect()
}

fn stored_invite(shared: &Arc<Mutex<State>>) -> Invite {
    let state = shared.lock().expect("no panic");
    state.invites.values().next().expect("the invite").clone()
}

fn redemption(shared: &Arc<Mutex<State>>) -> Option<Redemption> {
    stored_invite(shared).status?.redemption
}

/// Holds that one key is stored, that it is the one handed out, and that the invite says so.
fn check_won(shared: &Arc<Mutex<State>>, redeemed: &Redeemed) {
    let keys = keys(shared);
    let [stored] = keys.as_slice() else {
        panic!("{} keys are stored", keys.len());
    };
    let secret = redeemed.key.expose_secret();
    let known = stored.spec.key.as_ref().expect("a key");
    assert_eq!(known.hash, CredentialDigest::of(secret).to_string());
    let id = read_client_key(secret).expect("well formed");
    assert_eq!(id, KeyId::of_code(&code()));
    assert_eq!(known.id, id.as_str());
    assert_eq!(stored.name_any(), key_name(id));
    let redemption = redemption(shared).expect("the record");
    assert_eq!(redemption.key_id, id.as_str());
    assert_eq!(redemption.client_key_name, stored.name_any());
}

/// Every way of putting one of these in each of so many places.
fn scripts(faults: &[Option<Fault>], places: u32) -> Vec<Vec<Option<Fault>>> {
    let count = faults.len().pow(places);
    let script = |number: usize| {
        let places = (0..places).map(|place| number / faults.len().pow(place) % faults.len());
        places.map(|index| faults[index]).collect()
    };
    (0..count).map(script).collect()
}

#[tokio::test(start_paused = true)]
async fn s05_of_200_redemptions_by_3_replicas_at_once_exactly_one_wins() {
    let shared = shared();
    let replicas = [0, 1, 2].map(|_| replica(&shared, Vec::new()));
    let attempts: Vec<_> = (0..200).map(attempt).collect();
    let redemptions = attempts.iter().enumerate().map(|(index, attempt)| {
        // Some replicas know the invite's name, and some must look for its code.
        let known_as = (index % 2 == 0).then_some(INVITE);
        redeem(&replicas[index % 3], known_as, attempt)
    });
    let (won, lost): (Vec<_>, Vec<_>) = join_all(redemptions)
        .await
        .into_iter()
        .partition(Result::is_ok);
    let [Ok(won)] = won.as_slice() else {
        panic!("{} have won", won.len());
    };
    check_won(&shared, won);
    assert_eq!(lost.len(), 199);
    for error in lost {
        assert_eq!(error.err(), Some(RedeemError::Redeemed));
    }
    assert_eq!(shared.lock().expect("no panic").keys_created, 1);
}

#[tokio::test(start_paused = true)]
async fn s05_whatever_answers_are_lost_the_only_one_gets_the_only_key() {
    let faults = [
        None,
        Some(Fault::Lost),
        Some(Fault::Down),
        Some(Fault::Conflict),
    ];
    for script in scripts(&faults, 5) {
        let shared = shared();
        let replica = replica(&shared, script.clone());
        let redeemed = redeem(&replica, None, &attempt(1)).await;
        let redeemed = redeemed.unwrap_or_else(|error| panic!("{error}: {script:?}"));
        check_won(&shared, &redeemed);
        assert_eq!(shared.lock().expect("no panic").keys_created, 1);
        let again = redeem_plainly(&shared).await;
        assert_eq!(again.err(), Some(RedeemError::Redeemed), "{script:?}");
        check_won(&shared, &redeemed);
    }
}

#[tokio::test(start_paused = true)]
async fn s05_of_two_exactly_one_wins_whatever_is_lost_and_whoever_is_slow() {
    let faults = [
        None,
        Some(Fault::Lost),
        Some(Fault::Slow(Duration::from_millis(60))),
        Some(Fault::Slow(Duration::from_millis(400))),
    ];
    let scripts = scripts(&faults, 3);
    for first in &scripts {
        for second in &scripts {
            let shared = shared();
            let one = replica(&shared, first.clone());
            let other = replica(&shared, second.clone());
            let (a, b) = (attempt(1), attempt(2));
            let (one, other) = Box::pin(join(
                redeem(&one, None, &a),
                redeem(&other, Some(INVITE), &b),
            ))
            .await;
            let (won, lost) = match (one, other) {
                (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
                both => panic!("{both:?}: {first:?} {second:?}"),
            };
            check_won(&shared, &won);
            assert_eq!(lost, RedeemError::Redeemed, "{first:?} {second:?}");
            assert_eq!(shared.lock().expect("no panic").keys_created, 1);
        }
    }
}

/// Where a key stands, given what the store holds.
fn state_of_key(shared: &Arc<Mutex<State>>) -> ClientKeyState {
    let keys = keys(shared);
    let key = keys.first().expect("a key");
    let state = shared.lock().expect("no panic");
    let invite = state.invites.values().next();
    access::client_key_state(key, invite, Timestamp::now())
}

#[tokio::test(start_paused = true)]
async fn an_invite_that_is_revoked_on_the_way_gives_no_key_that_works() {
    let revoke = Fault::After(|state| state.change(|invite| invite.spec.revoked = true));
    for place in 0..CALLS.len() {
        let shared = shared();
        let mut script = vec![None; CALLS.len()];
        script[place] = Some(revoke);
        let redeemed = redeem(&replica(&shared, script), None, &attempt(1)).await;
        assert_eq!(redeemed.err(), Some(RedeemError::Revoked), "{place}");
        assert_eq!(keys(&shared), [], "{place}");
    }
    // The record was first, and its answer lost: the key is handed out, and of no use.
    let shared = shared();
    let script = vec![None, None, Some(Fault::Lost), Some(revoke)];
    let redeemed = redeem(&replica(&shared, script), None, &attempt(1)).await;
    check_won(&shared, &redeemed.expect("redeemed before"));
    assert_eq!(state_of_key(&shared), ClientKeyState::Revoked);
    let again = redeem_plainly(&shared).await;
    assert_eq!(again.err(), Some(RedeemError::Revoked));
}

#[tokio::test(start_paused = true)]
async fn an_invite_that_is_revoked_afterwards_takes_its_key_along() {
    let shared = shared();
    redeem_plainly(&shared).await.expect("redeemed");
    assert_eq!(state_of_key(&shared), ClientKeyState::Active);
    let mut state = shared.lock().expect("no panic");
    state.change(|invite| invite.spec.revoked = true);
    drop(state);
    assert_eq!(state_of_key(&shared), ClientKeyState::Revoked);
}

#[tokio::test(start_paused = true)]
async fn an_invite_that_is_deleted_on_the_way_has_its_key_given_back() {
    let delete: fn(&mut State) = |state| state.invites.clear();
    let begin_to_delete: fn(&mut State) = |state| {
        state.change(|invite| {
            invite.metadata.deletion_timestamp = Some(Time(Timestamp::now()));
        });
    };
    for deletion in [delete, begin_to_delete] {
        for place in 0..CALLS.len() {
            let shared = shared();
            let mut script = vec![None; CALLS.len()];
            script[place] = Some(Fault::After(deletion));
            let redeemed = redeem(&replica(&shared, script), None, &attempt(1)).await;
            let refusals = [RedeemError::Unknown, RedeemError::Revoked];
            let error = redeemed.expect_err("there is no invite");
            assert!(refusals.contains(&error), "{place}: {error}");
            assert_eq!(keys(&shared), [], "{place}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_invite_that_is_made_anew_on_the_way_is_redeemed_once() {
    let remake = Fault::After(|state| {
        state.invites.clear();
        state.put(invite(json!({})));
    });
    for place in 0..CALLS.len() {
        let shared = shared();
        let mut script = vec![None; CALLS.len()];
        script[place] = Some(remake);
        let redeemed = redeem(&replica(&shared, script), None, &attempt(1)).await;
        check_won(&shared, &redeemed.expect("the code is good"));
        let again = redeem_plainly(&shared).await;
        assert_eq!(again.err(), Some(RedeemError::Redeemed));
    }
}

#[tokio::test(start_paused = true)]
async fn codes_whose_time_is_over_are_refused_and_leave_nothing() {
    let past = Timestamp::now() - SignedDuration::from_secs(1);
    let by_end = invite(json!({ "expiresAt": past.to_string() }));
    let mut by_life = invite(json!({ "ttl": "1h" }));
    let created = Timestamp::now() - SignedDuration::from_hours(1);
    by_life["metadata"]["creationTimestamp"] = json!(created.to_string());
    let mut by_default = invite(json!({}));
    let created = Timestamp::now() - SignedDuration::from_hours(72);
    by_default["metadata"]["creationTimestamp"] = json!(created.to_string());
    for invite in [by_end, by_life, by_default] {
        let shared = shared_with(invite);
        let redeemed = redeem_plainly(&shared).await;
        assert_eq!(redeemed.err(), Some(RedeemError::Expired));
        assert_eq!(keys(&shared), []);
        assert_eq!(redemption(&shared), None);
    }
}

#[tokio::test(start_paused = true)]
async fn s07_codes_of_other_gateways_and_wrong_ones_are_as_unknown_as_any() {
    let of_other = shared_with(invite(json!({ "gatewayRef": { "name": "other" } })));
    let without_code = shared_with(invite(json!({ "codeHash": null })));
    let other_code = CredentialDigest::of("another").to_string();
    let with_other = shared_with(invite(json!({ "codeHash": other_code })));
    for shared in [of_other, without_code, with_other] {
        for known_as in [None, Some(INVITE), Some("no-such")] {
            let replica = replica(&shared, Vec::new());
            let redeemed = redeem(&replica, known_as, &attempt(1)).await;
            assert_eq!(redeemed.err(), Some(RedeemError::Unknown), "{known_as:?}");
            assert_eq!(keys(&shared), []);
        }
    }
}

fn replace_invite(shared: &Arc<Mutex<State>>, invite: Value) {
    let mut state = shared.lock().expect("no panic");
    state.invites.clear();
    state.put(invite);
}

#[tokio::test(start_paused = true)]
async fn s06_an_invite_that_lost_its_status_is_not_redeemed_again() {
    let shared = shared();
    let redeemed = redeem_plainly(&shared).await.expect("redeemed");
    replace_invite(&shared, invite(json!({})));
    let again = redeem(&replica(&shared, Vec::new()), None, &attempt(1)).await;
    assert_eq!(again.err(), Some(RedeemError::Redeemed));
    let stored = keys(&shared).pop().expect("the key");
    assert_eq!(stored, redeemed.object);
}

#[tokio::test(start_paused = true)]
async fn s06_a_code_is_not_redeemed_again_by_another_invite() {
    let shared = shared();
    redeem_plainly(&shared).await.expect("redeemed");
    let mut copy = invite(json!({}));
    copy["metadata"]["name"] = json!("a-copy");
    replace_invite(&shared, copy);
    let again = redeem(&replica(&shared, Vec::new()), Some("a-copy"), &attempt(1)).await;
    assert_eq!(again.err(), Some(RedeemError::Redeemed));
    assert_eq!(keys(&shared).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_said_so_in_time_and_the_code_stays_good() {
    for call in [Call::FindInvite, Call::CreateKey] {
        let shared = shared();
        let mut down = vec![(call, Fault::Down)];
        if call == Call::CreateKey {
            down.extend([(Call::GetKey, Fault::Down), (Call::DeleteKey, Fault::Down)]);
        }
        let begun = Instant::now();
        let redeemed = redeem(&failing(&shared, down), None, &attempt(1)).await;
        assert_eq!(redeemed.err(), Some(RedeemError::Unavailable), "{call:?}");
        assert!(begun.elapsed() <= PATIENCE, "{:?}", begun.elapsed());
        let redeemed = redeem_plainly(&shared).await.expect("the store is back");
        check_won(&shared, &redeemed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_could_not_be_confirmed_is_given_back() {
    for lost in [
        vec![(Call::Record, Fault::Down)],
        vec![(Call::Record, Fault::Down), (Call::GetInvite, Fault::Down)],
    ] {
        let shared = shared();
        let redeemed = redeem(&failing(&shared, lost), None, &attempt(1)).await;
        assert_eq!(redeemed.err(), Some(RedeemError::Unavailable));
        assert_eq!(keys(&shared), []);
        let redeemed = redeem_plainly(&shared).await.expect("the store is back");
        check_won(&shared, &redeemed);
    }
}

/// What is left behind can be told and undone: the code is refused, nobody has the key, and once
/// its object is deleted the code is good again.
#[tokio::test(start_paused = true)]
async fn a_key_that_could_not_be_given_back_opens_nothing_to_anyone() {
    let down = [Call::Record, Call::GetInvite, Call::GetKey, Call::DeleteKey];
    let down = down.map(|call| (call, Fault::Down)).to_vec();
    let shared = shared();
    let redeemed = redeem(&failing(&shared, down), None, &attempt(1)).await;
    assert_eq!(redeemed.err(), Some(RedeemError::Unavailable));
    let again = redeem_plainly(&shared).await;
    assert_eq!(again.err(), Some(RedeemError::Redeemed));
    assert_eq!(redemption(&shared), None);
    shared.lock().expect("no panic").keys.clear();
    let redeemed = redeem_plainly(&shared).await.expect("good again");
    check_won(&shared, &redeemed);
}

/// The record may have been made or not: the invite is used up, and no key remains.
#[tokio::test(start_paused = true)]
async fn a_record_whose_fate_is_never_learnt_leaves_no_key() {
    let lost = vec![(Call::Record, Fault::Lost), (Call::GetInvite, Fault::Down)];
    let shared = shared();
    let redeemed = redeem(&failing(&shared, lost), None, &attempt(1)).await;
    assert_eq!(redeemed.err(), Some(RedeemError::Unavailable));
    assert_eq!(keys(&shared), []);
    let again = redeem_plainly(&shared).await;
    assert_eq!(again.err(), Some(RedeemError::Redeemed));
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_the_record_leaves_a_key_that_nobody_has() {
    let shared = shared();
    let script = vec![None, None, Some(Fault::Slow(Duration::from_secs(3600)))];
    let dying = replica(&shared, script);
    let attempt = attempt(1);
    let redeemed = timeout(Duration::from_secs(1), redeem(&dying, None, &attempt)).await;
    assert!(redeemed.is_err(), "it was to die on the way");
    let left = keys(&shared);
    let again = redeem_plainly(&shared).await;
    assert_eq!(again.err(), Some(RedeemError::Redeemed));
    assert_eq!(keys(&shared), left);
    assert_eq!(left.len(), 1);
    assert_eq!(redemption(&shared), None);
}

#[tokio::test(start_paused = true)]
async fn the_record_of_somebody_else_is_never_overwritten() {
    fn record_of_other(state: &mut State) {
        state.change(|invite| {
            invite.status.get_or_insert_default().redemption = Some(Redemption {
                key_id: "000000000000".to_owned(),
                client_key_name: "of-other".to_owned(),
                at: Time(Timestamp::UNIX_EPOCH),
                by: "other".to_owned(),
            });
        });
    }
    for place in 0..CALLS.len() {
        let shared = shared();
        let mut script = vec![None; CALLS.len()];
        script[place] = Some(Fault::After(record_of_other));
        let redeemed = redeem(&replica(&shared, script), None, &attempt(1)).await;
        assert_eq!(redeemed.err(), Some(RedeemError::Redeemed), "{place}");
        assert_eq!(redemption(&shared).expect("a record").by, "other");
        assert_eq!(keys(&shared), [], "{place}");
    }
}

/// The operator completes the records of keys that it finds without one.
#[tokio::test(start_paused = true)]
async fn a_record_that_the_operator_completed_is_the_winners() {
    fn complete(state: &mut State) {
        let id = KeyId::of_code(&code());
        state.change(|invite| {
            invite.status.get_or_insert_default().redemption = Some(Redemption {
                key_id: id.to_string(),
                client_key_name: key_name(id),
                at: Time(Timestamp::UNIX_EPOCH),
                by: "operator".to_owned(),
            });
        });
    }
    let shared = shared();
    let script = vec![None, None, Some(Fault::After(complete))];
    let redeemed = redeem(&replica(&shared, script), None, &attempt(1)).await;
    check_won(&shared, &redeemed.expect("it has the key"));
    assert_eq!(redemption(&shared).expect("a record").by, "operator");
}

#[tokio::test(start_paused = true)]
async fn a_key_of_somebody_else_is_never_taken_back() {
    fn replace_key_and_revoke(state: &mut State) {
        for key in state.keys.values_mut() {
            let known = key.spec.key.as_mut().expect("a key");
            known.hash = CredentialDigest::of("of another replica").to_string();
        }
        state.change(|invite| invite.spec.revoked = true);
    }
    let shared = shared();
    let script = vec![None, None, Some(Fault::After(replace_key_and_revoke))];
    let redeemed = redeem(&replica(&shared, script), None, &attempt(1)).await;
    assert_eq!(redeemed.err(), Some(RedeemError::Revoked));
    assert_eq!(keys(&shared).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_store_will_not_have_is_refused_at_once() {
    let shared = shared();
    let refusing = failing(&shared, vec![(Call::CreateKey, Fault::Refused)]);
    let begun = Instant::now();
    let redeemed = redeem(&refusing, None, &attempt(1)).await;
    assert!(matches!(redeemed, Err(RedeemError::Refused(_))));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(keys(&shared), []);
}

/// An API server that has just started refuses whom it does not know yet.
#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_lost_answer_is_not_the_last_word() {
    let faults = [
        None,
        Some(Fault::Lost),
        Some(Fault::Down),
        Some(Fault::Refused),
    ];
    for rest in scripts(&faults, 4) {
        for lost in [
            vec![None, Some(Fault::Lost)],
            vec![None, None, Some(Fault::Lost)],
        ] {
            let script = [lost, rest.clone()].concat();
            let shared = shared();
            let replica = replica(&shared, script.clone());
            let redeemed = redeem(&replica, None, &attempt(1)).await;
            let redeemed = redeemed.unwrap_or_else(|error| panic!("{error}: {script:?}"));
            check_won(&shared, &redeemed);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_the_store_will_not_have_gives_the_key_back() {
    let shared = shared();
    let refusing = failing(&shared, vec![(Call::Record, Fault::Refused)]);
    let begun = Instant::now();
    let redeemed = redeem(&refusing, None, &attempt(1)).await;
    assert!(matches!(redeemed, Err(RedeemError::Refused(_))));
    assert!(begun.elapsed() <= PATIENCE, "{:?}", begun.elapsed());
    assert_eq!(keys(&shared), []);
}

#[tokio::test(start_paused = true)]
async fn a_redemption_that_nothing_disturbs_takes_three_calls() {
    let shared = shared();
    let replica = replica(&shared, Vec::new());
    redeem(&replica, None, &attempt(1)).await.expect("redeemed");
    assert_eq!(*replica.calls.lock().expect("no panic"), CALLS);
}

#[tokio::test(start_paused = true)]
async fn the_key_is_what_the_invite_says() {
    let permissions = json!({
        "models": ["gpt-*"], "providers": ["openai"], "requestsPerMinute": 5,
        "concurrentRequests": 2,
    });
    let key = json!({
        "expiresAfter": "2160h", "deletionPolicy": "Keep", "permissions": permissions,
    });
    let shared = shared_with(invite(json!({ "key": key })));
    let before = Timestamp::now();
    let redeemed = redeem_plainly(&shared).await.expect("redeemed");
    let spec = &redeemed.object.spec;
    assert_eq!(spec.gateway_ref.name, GATEWAY);
    assert_eq!(spec.user, "ada@example.com");
    assert_eq!(spec.team.as_deref(), Some("research"));
    assert_eq!(
        serde_json::to_value(&spec.permissions).ok(),
        Some(permissions)
    );
    let end = spec.expires_at.as_ref().expect("an end").0;
    let life = end.duration_since(before);
    assert!((life - SignedDuration::from_hours(2160)).abs() < SignedDuration::from_secs(60));
    let origin = spec.invite.as_ref().expect("its origin");
    assert_eq!(origin.name, INVITE);
    assert_eq!(origin.code_hash, code().to_string());
    assert_eq!(origin.deletion_policy, DeletionPolicy::Keep);
    assert!(!spec.suspended && !spec.revoked);
    let stored = serde_json::to_string(&keys(&shared)).expect("JSON");
    assert!(!stored.contains(redeemed.key.expose_secret()));
}
