//! Tokens as clusters make them, and every way to make one that must not be accepted.

use base64::engine::general_purpose::STANDARD;
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;

/// An RSA key of 2,048 bits in PKCS #8, made for these tests by `openssl genpkey` and used for
/// nothing else.
const RSA_KEY: &str = "\
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCxeLgAcQgnIXxTrkTnHLj/KwcpYX2wLru9Nh27Pox+\
yvtDutmjolT1Xu14nNqqUWxfo/JbiJSiAHnp/oECk5Xpl5zb4MvRxYSWE5tsGdgwcChLdS/d0+VeFN/so/cSL4hdNg0/\
W22rbz10LsEZI9B3LDNV6eDEHhPJfeFNjmWaBUbEPIj6o9JuUSp/JfZB1Eax8sGBe2BLUc+xYxjt396YciCasLNejD7M\
dPDRddhZ3jkpKi4WFWrxuAHvIqnHr1diMu3zGZMva66BmtDDsqC5GiYtsxDREVbNB8Pk2mEpLH/Uq2BYqlaa3heZLdFs\
9mRoGhyTa/G4JN//vlNYQbuxAgMBAAECggEAA4qjrV/paD0q/yaBTyq2Zw0uRD1NpfhAxzAEcYn4LB2T3GWnAIogROdD\
OOl0aaVcqB9G77Gu5E67IBgemJ+7rvYswKyLP2FAL0MuklPaXxkV4hpGvW1Zl0I2YmwL5avXfk4HqfstRJhgiGgtx/km\
01dT95kbuFOF/zreW08F/bKoUZiwA5GG4ZjTaXzHkdHlOae07f7hvWIVtljnfDWEhYuj8zdEJWKMupkFX3DfTNfGS6Z7\
MNuZHr6h8s0YiujwqK6wzJGispVVTtmydOUwvi+fxs0W45Bh2gIj+QCz3MWb06WVFX5A+2Xki5bKjGS1q90sO1Xj8jT4\
srGEHZQ1CwKBgQD4LmrggKHdeSxIQFcc47gc7bO1SQvFhPjEkaLr9AbpTfeFTsaZ7vjKQpqwJbVkTIvf7Lxees2ox2aH\
MyVvw8G7VlF3b1uWkFO2S627ngZc183ybbbopuw3nxWgWCpPL9CR/eP6tSF2FQNjaAhIlzkoR1ov/4GsAcvH4mSx1fvk\
PwKBgQC3EAbpUMNUKaDJppzK9gOOTbyiHtSYRrEstRSKlaBPe9b/nFKe756Ga4+uGVpTayqFMfe+UJSG4sHUwbjo+fLZ\
OZVrkULgjf4evHdZFbDnQJXoLMeHqFBdcoXdHnuBv6csVDxXXgt5uk40JYgpkcxcFcDZ+wP1HLSXHrYG0fmkDwKBgHsu\
Dr3/GlfinKf/xzz/iZJSKLAB4WXX6eEmp8aVCBkkKYZw4wHkKne5Ny3WiYGOvJ4X0ibSrODol2rjZ+FhN/bTkPvGuZ6x\
Y9tHFKPaey35rq505iPzNasluoYrPFSxVsQfT9hPrpv9MgFU0Ue2RxhG0eyg1Kua+JntNC1QGAXhAoGAN9WulfkpKoFr\
5jVoO0tf+EZjk3sd0rg1D/LHKiHK/JNEF0CBvrJNQqiJ8UsQTsMv++IqsyR2uNFu10qi8IRT+sdieKWcpUsJyCwppsVD\
6LS9RExsK0c+A9KLW88RUpi3D4E9ylQH4f/eHG+aITuz/h4wbQvvwBIaTsFyOZBPuScCgYEA1N+o1wjbxMfYtYmVVc5l\
O8m6NJbPLpfizjXgAUIQI2WAe9xFP60dkTg+rzmf2LvVgirRODvBzc26qxep7DoxtavjIz6pCBtz8TfyK2LKzkISStPS\
6zqwua6RnMJP+C7afVfxURraENM41Mw8JBbkFu3WDh7walaOT0wJnaJCGHc=";

/// A cluster with one key of each kind.
struct Cluster {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    random: SystemRandom,
}

impl Cluster {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let p256 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("key");
        let rsa = STANDARD.decode(RSA_KEY).expect("base64");
        Self {
            rsa: RsaKeyPair::from_pkcs8(&rsa).expect("key"),
            p256: EcdsaKeyPair::from_pkcs8(algorithm, p256.as_ref(), &random).expect("key"),
            random,
        }
    }

    fn rsa_entry(&self) -> Value {
        let components = RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key());
        json!({
            "kty": "RSA", "kid": "rsa", "use": "sig", "alg": "RS256",
            "n": encode(&components.n), "e": encode(&components.e),
        })
    }

    fn p256_entry(&self) -> Value {
        let point = self.p256.public_key().as_ref();
        json!({
            "kty": "EC", "kid": "p256", "use": "sig", "alg": "ES256", "crv": "P-256",
            "x": encode(&point[1..33]), "y": encode(&point[33..]),
        })
    }

    fn keys(&self) -> Keys {
        read_keys(&[self.rsa_entry(), self.p256_entry()]).expect("keys")
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(header, &claims.to_string())
    }

    /// Signs with the key that `kid` names, whatever `alg` says.
    fn sign_text(&self, header: &Value, claims: &str) -> String {
        let signed = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.as_bytes())
        );
        let signature = if header["kid"] == "rsa" {
            let mut signature = vec![0; self.rsa.public().modulus_len()];
            let signing = self.rsa.sign(
                &RSA_PKCS1_SHA256,
                &self.random,
                signed.as_bytes(),
                &mut signature,
            );
            signing.expect("signature");
            signature
        } else {
            let signature = self.p256.sign(&self.random, signed.as_bytes());
            signature.expect("signature").as_ref().to_vec()
        };
        format!("{signed}.{}", encode(&signature))
    }

    fn verify(&self, token: &str) -> Result<ServiceAccount, TokenFault> {
        verify(token, &self.keys(), &expected(), NOW)
    }

    fn verify_claims(&self, claims: &Value) -> Result<ServiceAccount, TokenFault> {
        self.verify(&self.sign(&p256_header(), claims))
    }
}

fn read_keys(entries: &[Value]) -> Result<Keys, KeysFault> {
    Keys::from_json(json!({ "keys": entries }).to_string().as_bytes())
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn expected() -> Expected {
    Expected {
        issuer: "https://kubernetes.default.svc".to_owned(),
        audience: "anyray-gateway".to_owned(),
    }
}

fn p256_header() -> Value {
    json!({ "alg": "ES256", "kid": "p256" })
}

fn rsa_header() -> Value {
    json!({ "alg": "RS256", "kid": "rsa" })
}

/// Claims as the API server writes them.
fn claims() -> Value {
    json!({
        "iss": "https://kubernetes.default.svc",
        "aud": ["anyray-gateway"],
        "exp": NOW + 3600,
        "iat": NOW - 60,
        "nbf": NOW - 60,
        "jti": "4ae8ad5c-0000-4000-8000-000000000000",
        "sub": "system:serviceaccount:team-a:agent",
        "kubernetes.io": {
            "namespace": "team-a",
            "pod": { "name": "agent-0", "uid": "1" },
            "serviceaccount": { "name": "agent", "uid": "2" },
        },
    })
}

/// The claims with one of them changed, or left out by `null`.
fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().expect("object");
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    claims
}

#[test]
fn tokens_of_both_kinds_of_keys_are_accepted() {
    let cluster = Cluster::new();
    let account = ServiceAccount {
        namespace: "team-a".to_owned(),
        name: "agent".to_owned(),
        expires_at: NOW + 3600,
    };
    for header in [p256_header(), rsa_header()] {
        let token = cluster.sign(&header, &claims());
        assert!(looks_like_token(&token));
        assert_eq!(cluster.verify(&token).as_ref(), Ok(&account), "{header}");
    }
}

#[test]
fn each_claim_is_checked() {
    let cluster = Cluster::new();
    for (name, value, fault) in [
        (
            "iss",
            json!("https://kubernetes.default.svc/"),
            TokenFault::Issuer,
        ),
        ("iss", json!("https://other.example"), TokenFault::Issuer),
        ("iss", json!(""), TokenFault::Issuer),
        ("iss", Value::Null, TokenFault::Malformed),
        ("aud", json!([]), TokenFault::Audience),
        (
            "aud",
            json!(["https://kubernetes.default.svc"]),
            TokenFault::Audience,
        ),
        ("aud", json!("anyray-gateway-2"), TokenFault::Audience),
        ("aud", json!("anyray"), TokenFault::Audience),
        ("aud", json!({ "anyray-gateway": 1 }), TokenFault::Malformed),
        ("aud", Value::Null, TokenFault::Malformed),
        ("exp", json!(NOW - 10), TokenFault::Expired),
        ("exp", json!(i64::MIN), TokenFault::Expired),
        ("exp", json!((NOW + 1).to_string()), TokenFault::Malformed),
        ("exp", Value::Null, TokenFault::Malformed),
        ("nbf", json!(NOW + 11), TokenFault::NotYetValid),
        ("nbf", json!(i64::MAX), TokenFault::NotYetValid),
        (
            "sub",
            json!("system:serviceaccount:team-a"),
            TokenFault::Subject,
        ),
        (
            "sub",
            json!("system:serviceaccount:team-a:"),
            TokenFault::Subject,
        ),
        (
            "sub",
            json!("system:serviceaccount::agent"),
            TokenFault::Subject,
        ),
        (
            "sub",
            json!("system:serviceaccount:team-a:agent:x"),
            TokenFault::Subject,
        ),
        (
            "sub",
            json!("system:serviceaccount:team.a:agent"),
            TokenFault::Subject,
        ),
        (
            "sub",
            json!("system:serviceaccount:team-a:a..b"),
            TokenFault::Subject,
        ),
        (
            "sub",
            json!("system:serviceaccount:team-a:Agent"),
            TokenFault::Subject,
        ),
        (
            "sub",
            json!("system:serviceaccounts:team-a"),
            TokenFault::Subject,
        ),
        ("sub", json!("system:node:node-1"), TokenFault::Subject),
        ("sub", json!("admin"), TokenFault::Subject),
        ("sub", Value::Null, TokenFault::Malformed),
    ] {
        let changed = claims_with(name, value);
        assert_eq!(cluster.verify_claims(&changed), Err(fault), "{changed}");
    }
}

#[test]
fn what_need_not_be_there_and_what_is_within_the_leeway_is_accepted() {
    let cluster = Cluster::new();
    for (name, value) in [
        ("nbf", Value::Null),
        ("nbf", json!(NOW + 10)),
        ("exp", json!(NOW - 9)),
        ("exp", json!(i64::MAX)),
        ("aud", json!("anyray-gateway")),
        ("aud", json!(["other", "anyray-gateway"])),
        ("sub", json!("system:serviceaccount:team-a:agent.v1")),
    ] {
        let changed = claims_with(name, value);
        cluster.verify_claims(&changed).expect("accepted");
    }
}

#[test]
fn a_claim_that_comes_twice_is_malformed() {
    let cluster = Cluster::new();
    let text = claims().to_string();
    let rest = text.strip_prefix('{').expect("object");
    let twice = format!(r#"{{"sub":"system:serviceaccount:a:b",{rest}"#);
    let token = cluster.sign_text(&p256_header(), &twice);
    assert_eq!(cluster.verify(&token), Err(TokenFault::Malformed));
}

#[test]
fn only_the_algorithm_of_the_key_is_accepted() {
    let cluster = Cluster::new();
    for algorithm in [
        "none", "None", "", "HS256", "RS384", "RS512", "PS256", "ES384", "EdDSA", "es256",
    ] {
        for kid in ["rsa", "p256"] {
            let header = json!({ "alg": algorithm, "kid": kid });
            let token = cluster.sign(&header, &claims());
            assert_eq!(
                cluster.verify(&token),
                Err(TokenFault::Algorithm),
                "{header}"
            );
        }
    }
    for (algorithm, kid) in [("ES256", "rsa"), ("RS256", "p256")] {
        let header = json!({ "alg": algorithm, "kid": kid });
        let token = cluster.sign(&header, &claims());
        assert_eq!(
            cluster.verify(&token),
            Err(TokenFault::Algorithm),
            "{header}"
        );
    }
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let cluster = Cluster::new();
    for (header, fault) in [
        (json!({ "alg": "none" }), TokenFault::Algorithm),
        (
            json!({ "alg": "none", "kid": "p256" }),
            TokenFault::Algorithm,
        ),
        (p256_header(), TokenFault::Signature),
        (rsa_header(), TokenFault::Signature),
    ] {
        let signed = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims().to_string().as_bytes())
        );
        assert_eq!(
            cluster.verify(&format!("{signed}.")),
            Err(fault),
            "{header}"
        );
        assert_eq!(
            cluster.verify(&signed),
            Err(TokenFault::Malformed),
            "{header}"
        );
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let cluster = Cluster::new();
    for (kid, secret) in [
        ("rsa", cluster.rsa.public_key().as_ref()),
        ("p256", cluster.p256.public_key().as_ref()),
    ] {
        let header = json!({ "alg": "HS256", "kid": kid });
        let signed = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims().to_string().as_bytes())
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, signed.as_bytes());
        let token = format!("{signed}.{}", encode(tag.as_ref()));
        assert_eq!(cluster.verify(&token), Err(TokenFault::Algorithm), "{kid}");
    }
}

#[test]
fn keys_that_the_cluster_does_not_publish_are_unknown() {
    let cluster = Cluster::new();
    for header in [
        json!({ "alg": "ES256", "kid": "other" }),
        json!({ "alg": "ES256", "kid": "" }),
        json!({ "alg": "ES256", "kid": "P256" }),
        json!({ "alg": "ES256" }),
        json!({ "alg": "ES256", "kid": null }),
        json!({ "alg": "ES256", "jwk": cluster.p256_entry() }),
    ] {
        let token = cluster.sign(&header, &claims());
        assert_eq!(
            cluster.verify(&token),
            Err(TokenFault::UnknownKey),
            "{header}"
        );
    }
}

#[test]
fn another_clusters_key_of_the_same_id_does_not_verify() {
    let (ours, theirs) = (Cluster::new(), Cluster::new());
    let token = theirs.sign(&p256_header(), &claims());
    assert_eq!(ours.verify(&token), Err(TokenFault::Signature));
}

#[test]
fn a_changed_part_is_noticed() {
    let cluster = Cluster::new();
    for header in [p256_header(), rsa_header()] {
        let token = cluster.sign(&header, &claims());
        let parts: Vec<&str> = token.split('.').collect();
        let other = claims_with("sub", json!("system:serviceaccount:kube-system:admin"));
        let other = encode(other.to_string().as_bytes());
        let changed = format!("{}.{other}.{}", parts[0], parts[2]);
        assert_eq!(
            cluster.verify(&changed),
            Err(TokenFault::Signature),
            "{header}"
        );
        let mut signature = URL_SAFE_NO_PAD.decode(parts[2]).expect("base64");
        for at in [0, signature.len() / 2, signature.len() - 1] {
            signature[at] ^= 1;
            let changed = format!("{}.{}.{}", parts[0], parts[1], encode(&signature));
            assert_eq!(cluster.verify(&changed), Err(TokenFault::Signature), "{at}");
            signature[at] ^= 1;
        }
        signature.push(0);
        let longer = format!("{}.{}.{}", parts[0], parts[1], encode(&signature));
        assert_eq!(
            cluster.verify(&longer),
            Err(TokenFault::Signature),
            "{header}"
        );
    }
}

#[test]
fn extensions_that_must_be_understood_are_refused() {
    let cluster = Cluster::new();
    let header = json!({ "alg": "ES256", "kid": "p256", "crit": ["b64"], "b64": false });
    let token = cluster.sign(&header, &claims());
    assert_eq!(cluster.verify(&token), Err(TokenFault::Malformed));
}

#[test]
fn what_is_no_token_is_malformed_or_too_long() {
    let cluster = Cluster::new();
    let token = cluster.sign(&p256_header(), &claims());
    for text in [
        String::new(),
        "..".to_owned(),
        "eyJ.eyJ.x".to_owned(),
        format!("{token}."),
        format!("{token}.x"),
        format!("{token}=="),
        format!(" {token}"),
        format!("{token}\n"),
        token.replace('.', " "),
    ] {
        assert_eq!(cluster.verify(&text), Err(TokenFault::Malformed), "{text}");
    }
    let padding = "x".repeat(MAX_TOKEN_BYTES);
    let long = cluster.sign(&p256_header(), &claims_with("x", json!(padding)));
    assert_eq!(cluster.verify(&long), Err(TokenFault::TooLong));
}

#[test]
fn tokens_look_like_three_parts_of_base64url() {
    for (text, looks) in [
        ("eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2ln", true),
        ("eyJ.a.b", true),
        ("eyJ.a", false),
        ("eyJ.a.b.c", false),
        ("eyJ.a.", false),
        ("eyJ..b", false),
        ("xyJ.a.b", false),
        ("eyJ.a+.b", false),
        ("eyJ.a.b=", false),
        ("eyJ.a .b", false),
        ("sk-proj-abc", false),
        ("ark_abc", false),
        ("", false),
    ] {
        assert_eq!(looks_like_token(text), looks, "{text}");
    }
}

#[test]
fn keys_that_verify_no_token_are_left_out() {
    let cluster = Cluster::new();
    let with = |mut entry: Value, name: &str, value: Value| {
        entry[name] = value;
        entry
    };
    for unusable in [
        json!({ "kty": "oct", "kid": "p256", "k": "AAAA" }),
        json!({ "kty": "OKP", "kid": "p256", "crv": "Ed25519", "x": "AAAA" }),
        with(cluster.p256_entry(), "use", json!("enc")),
        with(cluster.p256_entry(), "alg", json!("ES384")),
        with(cluster.p256_entry(), "alg", json!("RS256")),
        with(cluster.p256_entry(), "crv", json!("P-384")),
        with(cluster.p256_entry(), "x", json!("AAAA")),
        with(cluster.p256_entry(), "y", Value::Null),
        with(cluster.p256_entry(), "kid", Value::Null),
        with(cluster.rsa_entry(), "n", json!(encode(&[255; 128]))),
        with(cluster.rsa_entry(), "e", json!("")),
        with(cluster.rsa_entry(), "alg", json!("HS256")),
        with(cluster.rsa_entry(), "alg", json!("PS256")),
    ] {
        let alone = read_keys(std::slice::from_ref(&unusable));
        assert!(matches!(alone, Err(KeysFault::NoUsableKey)), "{unusable}");
        let mut others = cluster.p256_entry();
        others["kid"] = json!("other");
        read_keys(&[unusable, others]).expect("the other key");
    }
}

#[test]
fn what_a_key_need_not_say_may_be_left_out_and_zeros_before_a_modulus_too() {
    let cluster = Cluster::new();
    let mut p256 = cluster.p256_entry();
    let mut rsa = cluster.rsa_entry();
    for entry in [&mut p256, &mut rsa] {
        entry["use"] = Value::Null;
        entry["alg"] = Value::Null;
    }
    let modulus = URL_SAFE_NO_PAD
        .decode(rsa["n"].as_str().expect("n"))
        .expect("base64");
    rsa["n"] = json!(encode(&[&[0], modulus.as_slice()].concat()));
    let keys = read_keys(&[p256, rsa]).expect("keys");
    for header in [p256_header(), rsa_header()] {
        let token = cluster.sign(&header, &claims());
        verify(&token, &keys, &expected(), NOW).expect("accepted");
    }
}

#[test]
fn documents_beyond_the_bounds_give_no_keys() {
    let cluster = Cluster::new();
    let many = vec![cluster.p256_entry(); 65];
    assert!(matches!(read_keys(&many), Err(KeysFault::TooManyKeys)));
    assert!(matches!(read_keys(&[]), Err(KeysFault::NoUsableKey)));
    let two = [cluster.p256_entry(), Cluster::new().p256_entry()];
    assert!(matches!(read_keys(&two), Err(KeysFault::DuplicateId)));
    read_keys(&[cluster.p256_entry(), cluster.p256_entry()]).expect("the same key twice");
    for text in ["", "{}", "[]", "<html>"] {
        let keys = Keys::from_json(text.as_bytes());
        assert!(matches!(keys, Err(KeysFault::ParseDocument(_))), "{text}");
    }
    let large = " ".repeat((256 << 10) + 1);
    assert!(matches!(
        Keys::from_json(large.as_bytes()),
        Err(KeysFault::TooLarge)
    ));
}
