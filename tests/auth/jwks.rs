//! Sets of keys: read from a file, fetched, replaced, and kept when what comes is nothing.

use super::{bearer, fixture, path_of, vectors};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use wireline::Router;
use wireline::layer::auth::jwt::Algorithm;
use wireline::layer::auth::{Auth, AuthConfig, AuthError, Tokens};
use wireline::service::user::CurrentUser;
use wireline::test::TestClient;

/// A server of keys that a test can change.
#[derive(Clone, Default)]
struct Issuer {
    set: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
    delay: Duration,
}

impl Issuer {
    fn publish(&self, keys: &[&str]) {
        let set: Value = serde_json::from_slice(&fixture("jwks.json")).unwrap();
        let all = set["keys"].as_array().unwrap();
        let keys: Vec<&Value> = (all.iter())
            .filter(|key| keys.contains(&key["kid"].as_str().unwrap()))
            .collect();
        *self.set.lock().unwrap() = Some(json!({ "keys": keys }).to_string());
    }

    fn say(&self, text: Option<&str>) {
        *self.set.lock().unwrap() = text.map(str::to_owned);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn tokens(&self) -> Tokens {
        let issuer = self.clone();
        let fetch = move || {
            let issuer = issuer.clone();
            async move {
                issuer.asked.fetch_add(1, Ordering::SeqCst);
                sleep(issuer.delay).await;
                let set = issuer.set.lock().unwrap().clone();
                set.map(String::into_bytes).ok_or("the issuer is down")
            }
        };
        AuthConfig::verifier().jwks_fetch(fetch).build().unwrap()
    }
}

fn token(algorithm: &str) -> String {
    vectors()[algorithm].as_str().unwrap().to_owned()
}

async fn told(tokens: &Tokens, algorithm: &str) -> String {
    match tokens.authenticate(&token(algorithm)).await {
        Ok(user) => user.id().to_owned(),
        Err(refusal) => refusal.message().to_owned(),
    }
}

const UNKNOWN: &str = "the token is signed with a key that is not known here";

#[test]
fn a_file_has_keys_of_every_kind_that_is_used() {
    let tokens = AuthConfig::verifier()
        .jwks_file(path_of("jwks.json"))
        .build()
        .unwrap();
    for (algorithm, token) in vectors().as_object().unwrap() {
        let verified = tokens.verify(token.as_str().unwrap()).is_ok();
        // Secrets in a set are left out.
        assert_eq!(verified, !algorithm.starts_with("HS"), "{algorithm}");
    }
    // Where no runtime is, and the set is old, it is used as it is.
    let old = AuthConfig::verifier()
        .jwks_file(path_of("jwks.json"))
        .jwks_refresh(Duration::ZERO);
    assert!(old.build().unwrap().verify(&token("RS256")).is_ok());
    let narrow = AuthConfig::verifier()
        .jwks_file(path_of("jwks.json"))
        .algorithms([Algorithm::Es256, Algorithm::Hs256])
        .build()
        .unwrap();
    for (algorithm, token) in vectors().as_object().unwrap() {
        let verified = narrow.verify(token.as_str().unwrap()).is_ok();
        assert_eq!(verified, algorithm == "ES256", "{algorithm}");
    }
}

#[test]
fn a_file_that_is_no_set_is_refused_at_the_start() {
    let file = std::env::temp_dir().join(format!("wireline-jwks-{}.json", std::process::id()));
    let refused = |text: &str| {
        std::fs::write(&file, text).unwrap();
        match AuthConfig::verifier().jwks_file(&file).build() {
            Err(AuthError::Jwks(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    for (text, why) in [
        (String::new(), "EOF"),
        ("[]".to_owned(), "no list `keys`"),
        ("{\"keys\":{}}".to_owned(), "no list `keys`"),
        ("{\"keys\":[]}".to_owned(), "no key"),
        (
            "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}".to_owned(),
            "no key",
        ),
        (
            format!("{{\"keys\":[{}]}}", [key; 65].join(",")),
            "more than 64 keys",
        ),
        (
            format!("{{\"keys\":[{key}]}}{}", " ".repeat(256 * 1024)),
            "octets",
        ),
    ] {
        let refused = refused(&text);
        assert!(refused.contains(why), "{refused}");
    }
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(
        AuthConfig::verifier().jwks_file(&file).build(),
        Err(AuthError::Jwks(why)) if why.contains("No such file")
    ));
}

#[tokio::test(start_paused = true)]
async fn a_set_is_fetched_with_the_first_token_and_again_for_a_new_key() {
    let issuer = Issuer {
        delay: Duration::from_secs(1),
        ..Issuer::default()
    };
    issuer.publish(&["rsa"]);
    let tokens = issuer.tokens();
    assert_eq!(issuer.asked(), 0);
    assert_eq!(
        tokens.verify(&token("RS256")).unwrap_err().message(),
        UNKNOWN
    );
    // Whoever comes meanwhile waits for the same fetch.
    let first = Instant::now();
    let all = tokio::join!(
        told(&tokens, "RS256"),
        told(&tokens, "RS256"),
        told(&tokens, "PS512")
    );
    assert_eq!(all, ("user-7".into(), "user-7".into(), "user-7".into()));
    assert_eq!((issuer.asked(), first.elapsed().as_secs()), (1, 1));

    // The issuer has a new key: a token that names it brings it here, but not at once again.
    issuer.publish(&["rsa", "p256"]);
    assert_eq!(told(&tokens, "ES256").await, UNKNOWN);
    assert_eq!(issuer.asked(), 1);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(told(&tokens, "ES256").await, "user-7");
    assert_eq!(issuer.asked(), 2);
    // A hundred tokens of nobody's cost one fetch.
    sleep(Duration::from_secs(10)).await;
    for _ in 0..100 {
        assert_eq!(told(&tokens, "EdDSA").await, UNKNOWN);
    }
    assert_eq!(issuer.asked(), 3);
    assert_eq!(told(&tokens, "RS256").await, "user-7");
}

#[tokio::test(start_paused = true)]
async fn the_last_good_set_stays_when_the_next_is_none() {
    let issuer = Issuer::default();
    issuer.publish(&["rsa"]);
    let tokens = issuer.tokens();
    tokens.refresh().await.unwrap();
    assert_eq!(told(&tokens, "RS256").await, "user-7");
    for bad in [None, Some("nonsense"), Some("{\"keys\":[]}")] {
        issuer.say(bad);
        sleep(Duration::from_secs(601)).await;
        let before = issuer.asked();
        // It is old: it is used once more while the next is fetched.
        assert_eq!(told(&tokens, "RS256").await, "user-7");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(issuer.asked(), before + 1);
        assert_eq!(told(&tokens, "RS256").await, "user-7");
        assert!(tokens.jwks_error().is_some(), "{bad:?}");
    }
    // A key that was taken out is gone with the next good set.
    issuer.publish(&["p256"]);
    sleep(Duration::from_secs(601)).await;
    let _ = told(&tokens, "RS256").await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(told(&tokens, "RS256").await, UNKNOWN);
    assert_eq!(tokens.jwks_error(), None);
}

#[tokio::test(start_paused = true)]
async fn without_any_set_the_answer_is_503_and_nobody_waits_for_ever() {
    let issuer = Issuer {
        delay: Duration::from_secs(3600),
        ..Issuer::default()
    };
    let tokens = issuer.tokens();
    let routes = Router::new()
        .layer(Auth::jwt(tokens.clone()))
        .get("/", async |user: CurrentUser| user.id().to_owned());
    let client = TestClient::new(routes.build().unwrap());
    let begun = Instant::now();
    let reply = client
        .get("/")
        .header("authorization", bearer(&token("RS256")))
        .await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert_eq!(
        reply.text(),
        "authentication is not available, try again later"
    );
    assert_eq!(begun.elapsed().as_secs(), 5);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(
        tokens.jwks_error().as_deref(),
        Some("fetching it took too long")
    );

    let down = Issuer::default().tokens();
    let why = down.refresh().await.unwrap_err();
    assert_eq!(why, AuthError::Jwks("the issuer is down".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_panics_is_over() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let fetch = move || {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(call > 0, "the first time it goes wrong");
            Ok::<_, String>(fixture("jwks.json"))
        }
    };
    let tokens = AuthConfig::verifier().jwks_fetch(fetch).build().unwrap();
    assert_eq!(
        told(&tokens, "RS256").await,
        "authentication is not available, try again later"
    );
    sleep(Duration::from_secs(10)).await;
    assert_eq!(told(&tokens, "RS256").await, "user-7");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_start_without_a_set_fails_whatever_keeps_it() {
    let never = || std::future::pending::<Result<Vec<u8>, String>>();
    let tokens = AuthConfig::verifier().jwks_fetch(never).build().unwrap();
    let late = AuthError::Jwks("it has not come in time".to_owned());
    assert_eq!(tokens.refresh().await, Err(late));
    // The fetch is over when twice as much has passed.
    sleep(Duration::from_secs(6)).await;
    let error = tokens.jwks_error().unwrap();
    assert_eq!(error, "fetching it took too long");
}
