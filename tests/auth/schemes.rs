//! API keys, Basic, functions, and several schemes at once.

use http::StatusCode;
use std::time::Duration;
use tokio::time::Instant;
use wireline::Router;
use wireline::layer::auth::{ApiKeys, Auth, AuthError, Basic, Bearer, Refusal, Scheme, by};
use wireline::service::handler::public;
use wireline::service::request::Parts;
use wireline::service::user::CurrentUser;
use wireline::test::{TestClient, TestRequest, TestResponse};

fn serve(auth: Auth) -> TestClient {
    let whoami = async |user: CurrentUser| user.id().to_owned();
    TestClient::new(Router::new().layer(auth).get("/", whoami).build().unwrap())
}

fn challenges(reply: &TestResponse) -> Vec<String> {
    (reply.headers.get_all("www-authenticate"))
        .map(|challenge| challenge.to_str().unwrap().to_owned())
        .collect()
}

async fn outcome(request: TestRequest<'_>) -> (u16, String) {
    let reply = request.await;
    (reply.status.as_u16(), reply.text().to_owned())
}

const BILLING: &str = "uhBq5FgQH2Y4sT0nWcJ7";
const BACKUP: &str = "Zr8LxK1vPp3mE6dAoVt9";

#[tokio::test(start_paused = true)]
async fn api_keys_say_which_client_it_is() {
    let keys = ApiKeys::new()
        .key("billing", BILLING)
        .and_then(|keys| keys.user_key(CurrentUser::new("backup").with_scopes(["read"]), BACKUP))
        .unwrap();
    let client = serve(Auth::new(keys));
    let nobody = (401, "nobody has this API key".to_owned());
    for (key, expected) in [
        (BILLING, (200, "billing".to_owned())),
        (BACKUP, (200, "backup".to_owned())),
        (&BILLING[1..], nobody.clone()),
        ("uhBq5FgQH2Y4sT0nWcJ8", nobody.clone()),
        ("UHBQ5FGQH2Y4ST0NWCJ7", nobody.clone()),
        ("", nobody),
    ] {
        assert_eq!(
            outcome(client.get("/").header("x-api-key", key)).await,
            expected,
            "{key}"
        );
    }
    // It goes nowhere else: queries end up in logs.
    let reply = client.get(&format!("/?api_key={BILLING}")).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(challenges(&reply), ["ApiKey header=\"x-api-key\""]);
    let two = client
        .get("/")
        .header("x-api-key", BILLING)
        .header("x-api-key", BACKUP);
    assert_eq!(outcome(two).await.0, 401);

    let keys = ApiKeys::new()
        .key("billing", "a key/with=signs&+")
        .unwrap()
        .header("x-token")
        .query("key");
    assert!(!format!("{keys:?}").contains("signs"));
    let client = serve(Auth::new(keys));
    let by_field = client.get("/").header("x-token", "a key/with=signs&+");
    assert_eq!(outcome(by_field).await.0, 200);
    assert_eq!(
        outcome(client.get("/?a=b&key=a%20key/with=signs%26+"))
            .await
            .0,
        200
    );
    assert_eq!(
        outcome(client.get("/?key=%ff&key=a%20key/with=signs%26+"))
            .await
            .0,
        401
    );

    let short = ApiKeys::new().key("billing", "a short key").unwrap_err();
    assert_eq!(
        short,
        AuthError::SecretTooShort {
            octets: 11,
            least: 16
        }
    );
}

/// A configuration that somebody reads does not give the keys away.
#[tokio::test(start_paused = true)]
async fn api_keys_may_be_given_as_digests_and_taken_as_bearer_tokens() {
    // printf %s uhBq5FgQH2Y4sT0nWcJ7 | sha256sum
    const DIGEST: [u8; 32] = [
        0x34, 0x82, 0xaf, 0x56, 0x36, 0xa2, 0x75, 0x13, 0x1f, 0x5c, 0x46, 0x4b, 0xee, 0x3c, 0x6c,
        0x60, 0xa8, 0xe4, 0x7b, 0x0e, 0xa8, 0x57, 0x81, 0x66, 0x63, 0xfe, 0xad, 0x39, 0xb7, 0xf2,
        0x0b, 0x9a,
    ];
    let keys = ApiKeys::new().digest(CurrentUser::new("billing"), DIGEST);
    let client = serve(Auth::new(keys));
    let taken = outcome(client.get("/").header("x-api-key", BILLING)).await;
    assert_eq!(taken, (200, "billing".to_owned()));
    assert_eq!(
        outcome(client.get("/").header("x-api-key", BACKUP)).await.0,
        401
    );
    let bearer = format!("Bearer {BILLING}");
    assert_eq!(
        outcome(client.get("/").header("authorization", &bearer))
            .await
            .0,
        401
    );

    let keys = ApiKeys::new()
        .digest(CurrentUser::new("billing"), DIGEST)
        .bearer(true);
    let client = serve(Auth::new(keys));
    for (field, value, status) in [
        ("authorization", &*bearer, 200),
        ("authorization", "bearer nobody", 401),
        ("authorization", "Basic eDp5", 401),
        ("x-api-key", BILLING, 200),
    ] {
        assert_eq!(
            outcome(client.get("/").header(field, value)).await.0,
            status,
            "{value}"
        );
    }
    // The field wins, so that nobody reads one and somebody else the other.
    let both = client
        .get("/")
        .header("x-api-key", BACKUP)
        .header("authorization", &bearer);
    assert_eq!(outcome(both).await.0, 401);
}

/// Coarse by nature: it would show a comparison that stops at the first octet of the key itself a thousand times longer.
#[tokio::test]
async fn api_keys_take_the_same_time_wherever_they_differ() {
    let right = "k".repeat(4096);
    let keys = ApiKeys::new().key("client", &right).unwrap();
    let client = serve(Auth::new(keys));
    let (early, late) = (format!("x{}", &right[1..]), format!("{}x", &right[1..]));
    let time = async |key: &str| {
        let mut best = Duration::MAX;
        for _ in 0..30 {
            let begun = Instant::now();
            let reply = client.get("/").header("x-api-key", key).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
            best = best.min(begun.elapsed());
        }
        best
    };
    let (early, late) = (time(&early).await, time(&late).await);
    assert!(early < late * 3 && late < early * 3, "{early:?} {late:?}");
}

#[tokio::test(start_paused = true)]
async fn basic_asks_for_name_and_password() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    let basic = Basic::new("the \"club\"")
        .user("ada", "swordfish")
        .user("grace", "pass:word é")
        .verify(async |name: String, password: String| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            (name == "slow" && password == "hash").then(|| CurrentUser::new("slow"))
        });
    assert!(!format!("{basic:?}").contains("swordfish"));
    let client = serve(Auth::new(basic));
    let wrong = (401, "name or password is wrong".to_owned());
    let malformed = (401, "the credentials are malformed".to_owned());
    for (credentials, expected) in [
        (STANDARD.encode("ada:swordfish"), (200, "ada".to_owned())),
        (
            STANDARD.encode("grace:pass:word é"),
            (200, "grace".to_owned()),
        ),
        (STANDARD.encode("slow:hash"), (200, "slow".to_owned())),
        (STANDARD.encode("ada:swordfis"), wrong.clone()),
        (STANDARD.encode("ada:"), wrong.clone()),
        (STANDARD.encode(":swordfish"), wrong.clone()),
        // The length of each part counts: these are not one text.
        (STANDARD.encode("adas:wordfish"), wrong.clone()),
        (STANDARD.encode("ADA:swordfish"), wrong),
        (STANDARD.encode("ada"), malformed.clone()),
        (STANDARD.encode("ada:sword\0fish"), malformed.clone()),
        (STANDARD.encode(b"ada:\xff"), malformed.clone()),
        ("YWRhOnN3b3JkZmlzaA".to_owned(), malformed.clone()),
        ("not base64!".to_owned(), malformed.clone()),
        ("A".repeat(5000), malformed.clone()),
        (
            String::new(),
            (401, "authentication is required".to_owned()),
        ),
    ] {
        let request = client
            .get("/")
            .header("authorization", format!("basic {credentials}"));
        assert_eq!(outcome(request).await, expected, "{credentials}");
    }
    // RFC 7617 §2, §2.1.
    let reply = client.get("/").await;
    assert_eq!(
        challenges(&reply),
        ["Basic realm=\"the 'club'\", charset=\"UTF-8\""]
    );
    let twice = client
        .get("/")
        .header("authorization", "Basic YTpi")
        .header("authorization", "Basic YTpi");
    assert_eq!(outcome(twice).await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn several_schemes_stand_beside_each_other() {
    let bearer = Bearer::by(async |token: String| {
        (token == "open-sesame")
            .then(|| CurrentUser::new("ali"))
            .ok_or_else(|| Refusal::invalid("nobody has this token"))
    });
    let auth = Auth::new(bearer)
        .or(ApiKeys::new().key("billing", BILLING).unwrap())
        .or(Basic::new("club").user("ada", "swordfish"));
    let client = serve(auth);
    for (name, value, text) in [
        ("authorization", "Bearer open-sesame", "ali"),
        ("x-api-key", BILLING, "billing"),
        ("authorization", "Basic YWRhOnN3b3JkZmlzaA==", "ada"),
    ] {
        assert_eq!(
            outcome(client.get("/").header(name, value)).await,
            (200, text.to_owned())
        );
    }
    let reply = client.get("/").await;
    assert_eq!(
        challenges(&reply),
        [
            "Bearer",
            "ApiKey header=\"x-api-key\"",
            "Basic realm=\"club\", charset=\"UTF-8\""
        ]
    );
    // The scheme that has refused says why; credentials of another do not make good for it.
    let both = client
        .get("/")
        .header("authorization", "Bearer simsim")
        .header("x-api-key", BILLING);
    let reply = both.await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        challenges(&reply)[0],
        "Bearer error=\"invalid_token\", error_description=\"nobody has this token\""
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_may_look_at_the_whole_head() {
    let ticket = tickets();
    let client = serve(Auth::new(ticket));
    let ask = |ticket: &str| client.get("/").header("x-ticket", ticket);
    assert_eq!(outcome(ask("golden")).await, (200, "charlie".to_owned()));
    assert_eq!(
        outcome(ask("silver")).await,
        (401, "not a golden ticket".to_owned())
    );
    assert_eq!(
        outcome(client.get("/")).await,
        (401, "authentication is required".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_that_finds_nothing_leaves_it_to_the_next() {
    let people = || Basic::new("club").user("ada", "swordfish");
    let keys = || ApiKeys::new().key("billing", BILLING).unwrap();
    let ada = ("authorization", "Basic YWRhOnN3b3JkZmlzaA==");
    for auth in [
        Auth::new(tickets()).or(people()).or(keys()),
        Auth::new(keys()).or(tickets()).or(tickets()).or(people()),
    ] {
        let client = serve(auth);
        let basic = client.get("/").header(ada.0, ada.1);
        assert_eq!(outcome(basic).await, (200, "ada".to_owned()));
        let key = client.get("/").header("x-api-key", BILLING);
        assert_eq!(outcome(key).await, (200, "billing".to_owned()));
        // What it refuses is refused, and what the next one refuses, too.
        for (ticket, status) in [("golden", 200), ("silver", 401)] {
            let both = client.get("/").header(ada.0, ada.1);
            assert_eq!(outcome(both.header("x-ticket", ticket)).await.0, status);
        }
        let wrong = client.get("/").header(ada.0, "Basic YWRhOnN3b3JkZmlzaQ==");
        assert_eq!(outcome(wrong).await.0, 401);
        let reply = client.get("/").await;
        assert_eq!(reply.text(), "authentication is required");
        assert_eq!(challenges(&reply).len(), 2);
    }
    let routes = Router::new().layer(Auth::new(tickets()).or(people())).get(
        "/",
        public(async |user: Option<CurrentUser>| {
            user.map_or_else(|| "nobody".to_owned(), |user| user.id().to_owned())
        }),
    );
    let client = TestClient::new(routes.build().unwrap());
    assert_eq!(client.get("/").await.text(), "nobody");
    assert_eq!(client.get("/").header(ada.0, ada.1).await.text(), "ada");
}

fn tickets() -> impl Scheme {
    by(|parts: &Parts| {
        let ticket = parts
            .header("x-ticket")
            .map(|ticket| ticket.as_bytes().to_vec());
        async move {
            match ticket.as_deref() {
                None => Ok(None),
                Some(b"golden") => Ok(Some(CurrentUser::new("charlie"))),
                Some(_) => Err(Refusal::invalid("not a golden ticket")),
            }
        }
    })
}

#[test]
fn what_no_client_can_send_is_refused_when_the_router_is_built() {
    let basic = |name: &str, password: &str| Auth::new(Basic::new("a room").user(name, password));
    for (auth, problem) in [
        (basic("ada", ""), "the password of \"ada\" is empty"),
        (basic("a:da", "secret"), "a name has no colon"),
        (basic("ada", "se\ncret"), "neither has control characters"),
        (
            Auth::new(Basic::new("a room").verify(async |_, _| None))
                .or(ApiKeys::new().header("x y")),
            "no such name",
        ),
    ] {
        let built = Router::new().layer(auth).get("/", async || ()).build();
        let problems = built.unwrap_err().to_string();
        assert!(problems.contains(problem), "{problems}");
    }
    let good = Router::new()
        .layer(basic("", "secret"))
        .get("/", async || ());
    assert!(good.build().is_ok());
}
