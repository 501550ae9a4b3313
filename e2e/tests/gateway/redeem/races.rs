//! Row S5: one code makes one key, whoever redeems it at the same time, and whatever dies.

use std::{
    collections::HashSet,
    io::Write,
    iter,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    client_keys::{
        ClientKey, Invite, KeyFolder, make_invite, read_redeemed, redeem_request, start,
        start_another,
    },
    gateway::Gateway,
    raw::{Answer, Connection},
    wait,
};
use serde_json::json;

use super::{check_refusal, is_served, wait_until_read};

/// Redemptions of one code at the same time.
const RIVALS: usize = 200;

/// Codes that are redeemed at the same time.
const CODES: usize = 500;

/// Codes of which each is redeemed at both gateways while one of them dies.
const CODES_AT_DEATH: usize = 60;

/// Longest end of a process that was killed.
const DEATH_LIMIT: Duration = Duration::from_secs(10);

async fn redeem(address: SocketAddr, code: Rc<str>) -> Result<Answer> {
    let mut connection = Connection::open(address).await?;
    connection.send(redeem_request(&code).to_bytes()).await?;
    connection.read_answer().await
}

async fn make_invites(gateway: &Gateway, count: usize) -> Result<Vec<Invite>> {
    let mut invites = Vec::with_capacity(count);
    for index in 0..count {
        let user = format!("user-{index}@example.test");
        invites.push(make_invite(gateway, &json!({"user": user})).await?);
    }
    Ok(invites)
}

#[tokio::test]
async fn s5_of_200_redemptions_of_one_code_one_gets_a_key() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let other = start_another(&stand, &folder).await?;
    let invite = make_invite(&stand.gateway, &json!({"user": "ada"})).await?;
    wait_until_read(&stand.gateway, &other).await?;
    let before = folder.key_files()?.len();
    let code: Rc<str> = invite.code.as_str().into();
    let addresses = [stand.gateway.address(), other.address()];
    let rivals = addresses.into_iter().cycle().take(RIVALS);
    let redeeming = rivals.map(|address| redeem(address, Rc::clone(&code)));
    let answers = wait::for_all(redeeming).await?;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status() == 200);
    for answer in lost {
        check_refusal(answer, 410, "invite_already_redeemed")?;
    }
    let [winner] = won.as_slice() else {
        anyhow::bail!("{} of {RIVALS} got a key", won.len());
    };
    let key = read_redeemed(winner)?;
    assert_eq!(folder.key_files()?.len() - before, 1, "files of keys");
    for gateway in [&stand.gateway, &other] {
        ensure!(is_served(gateway, &key).await?, "the key is no good");
    }
    Ok(())
}

#[tokio::test]
async fn s5_500_codes_at_once_make_500_keys() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let other = start_another(&stand, &folder).await?;
    let invites = make_invites(&stand.gateway, CODES).await?;
    wait_until_read(&stand.gateway, &other).await?;
    let addresses = [stand.gateway.address(), other.address()];
    let redeeming = iter::zip(&invites, addresses.into_iter().cycle()).map(|(invite, address)| {
        let code: Rc<str> = invite.code.as_str().into();
        async move {
            let begin = Instant::now();
            let answer = redeem(address, code).await?;
            Ok((read_redeemed(&answer)?, begin.elapsed()))
        }
    });
    let redeemed = wait::for_all(redeeming).await?;
    let (keys, mut times): (Vec<_>, Vec<_>) = redeemed.into_iter().unzip();
    times.sort_unstable();
    let rank = |percent: usize| {
        let time = times.get(times.len() * percent / 100 - 1);
        time.copied().unwrap_or_default()
    };
    let (median, p99) = (rank(50), rank(99));
    let mut log = std::io::stderr();
    writeln!(
        log,
        "{CODES} redemptions at once: median {median:?}, p99 {p99:?}"
    )?;
    let secrets: HashSet<_> = keys.iter().map(|key| &key.secret).collect();
    assert_eq!(secrets.len(), CODES, "different keys");
    for (index, key) in keys.iter().enumerate() {
        let gateway = if index % 2 == 0 {
            &stand.gateway
        } else {
            &other
        };
        ensure!(is_served(gateway, key).await?, "key {index} is no good");
    }
    Ok(())
}

/// The keys that redemptions got, by code; a connection that broke got none.
async fn redeem_at_both(
    invites: &[Invite],
    gateways: [SocketAddr; 2],
) -> Result<Vec<Vec<ClientKey>>> {
    let each = invites.iter().map(|invite| {
        let code: Rc<str> = invite.code.as_str().into();
        async move {
            let [first, second] = gateways.map(|address| redeem(address, Rc::clone(&code)));
            let answers: [Result<Answer>; 2] = tokio::join!(first, second).into();
            let keys = answers.iter().flatten().flat_map(read_redeemed);
            Ok(keys.collect::<Vec<_>>())
        }
    });
    wait::for_all(each).await
}

#[tokio::test]
async fn s5_a_gateway_that_dies_while_it_redeems_never_makes_a_second_key() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let mut dying = start_another(&stand, &folder).await?;
    let invites = make_invites(&stand.gateway, CODES_AT_DEATH).await?;
    wait_until_read(&stand.gateway, &dying).await?;
    let before = folder.key_files()?.len();
    let addresses = [dying.address(), stand.gateway.address()];
    let redeeming = redeem_at_both(&invites, addresses);
    let killing = async {
        let begun = async || (folder.key_files().ok()?.len() > before + 5).then_some(());
        wait::until("some keys", DEATH_LIMIT, begun).await?;
        dying.signal("KILL").await
    };
    let (mut keys, ()) = tokio::try_join!(redeeming, killing)?;
    dying.wait_for_end(DEATH_LIMIT).await?;
    // Who got no answer tries again at the gateway that is left.
    for (invite, keys) in iter::zip(&invites, &mut keys) {
        let code = invite.code.as_str().into();
        let answer = redeem(stand.gateway.address(), code).await?;
        match answer.status() {
            200 => keys.push(read_redeemed(&answer)?),
            _ => drop(check_refusal(&answer, 410, "invite_already_redeemed")?),
        }
    }
    let lost = keys.iter().filter(|keys| keys.is_empty()).count();
    let mut log = std::io::stderr();
    writeln!(
        log,
        "{lost} of {CODES_AT_DEATH} codes were lost with the gateway"
    )?;
    for keys in &keys {
        ensure!(keys.len() <= 1, "{} keys for one code", keys.len());
        for key in keys {
            ensure!(is_served(&stand.gateway, key).await?, "a key is no good");
        }
    }
    let files = folder.key_files()?.len() - before;
    ensure!(files <= CODES_AT_DEATH, "{files} files of keys");
    let served = keys.iter().flatten().count();
    ensure!(
        lost + served == CODES_AT_DEATH,
        "{lost} lost, {served} served"
    );
    let another = make_invite(&stand.gateway, &json!({"user": "ada"})).await?;
    let answer = redeem(stand.gateway.address(), another.code.as_str().into()).await?;
    read_redeemed(&answer).context("the lock was left behind")?;
    Ok(())
}
