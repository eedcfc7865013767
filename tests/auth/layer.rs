//! The layer: default deny, public routes, challenges, the user in a handler's hands.

use super::{SECRET, bearer, h2_peer, tokens};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use std::time::Duration;
use wireline::extract::{Claims, State};
use wireline::layer::auth::{
    Auth, AuthConfig, AuthError, Bearer, Refusal, RequireScope, Scheme, Tokens, Verdict,
};
use wireline::layer::rate_limit::RateLimit;
use wireline::service::handler::public;
use wireline::service::user::CurrentUser;
use wireline::test::TestClient;
use wireline::{Error, Request, Router};

#[derive(Deserialize)]
struct Tenant {
    tenant: String,
}

async fn whoami(user: CurrentUser) -> String {
    format!("{} {}", user.id(), user.name().unwrap_or("-"))
}

fn routes(tokens: &Tokens) -> Router {
    let admin = Router::new()
        .layer(RequireScope::new("admin"))
        .get("/", whoami)
        .get("/about", public(async || "about"));
    Router::new()
        .layer(Auth::jwt(tokens.clone()))
        .state(tokens.clone())
        .post(
            "/login",
            public(async |State(tokens): State<Tokens>, name: String| {
                tokens.issue(&name).map_err(Error::from)
            }),
        )
        .get("/me", whoami)
        .get("/health", public(async || "fine"))
        .get("/named", async || "named")
        .public_route(Method::GET, "/named")
        .get(
            "/home",
            public(async |user: Option<CurrentUser>| {
                user.map_or_else(|| "stranger".to_owned(), |user| user.id().to_owned())
            }),
        )
        .get("/public-me", public(whoami))
        .get("/write", async |user: CurrentUser| -> Result<&str, Error> {
            user.require_scope("write")?;
            Ok("written")
        })
        .get("/tenant", async |Claims(claims): Claims<Tenant>| {
            claims.tenant
        })
        .get("/raw", async |user: CurrentUser| {
            user.claims()["tenant"].to_string()
        })
        .nest("/admin", admin)
}

/// Who it is comes first, whatever the order in which the layers are added.
#[tokio::test(start_paused = true)]
async fn a_scope_is_asked_for_behind_authentication() {
    let tokens = tokens();
    let auth = || Auth::jwt(tokens.clone());
    let scope = || RequireScope::new("admin");
    let plain = || Router::new().get("/", whoami);
    let client = |router: Router| TestClient::new(router.build().unwrap());
    let admin = tokens
        .issue_for(&CurrentUser::new("7").with_scopes(["admin"]))
        .unwrap();
    let guest = tokens.issue("guest").unwrap();
    for (place, client) in [
        client(plain().layer(auth()).layer(scope())),
        client(plain().layer(scope()).layer(auth())),
        client(Router::new().layer(scope()).merge(plain().layer(auth()))),
        client(Router::new().layer(auth()).merge(plain().layer(scope()))),
    ]
    .into_iter()
    .enumerate()
    {
        for (token, status) in [(&admin, 200), (&guest, 403)] {
            let bearer = format!("Bearer {token}");
            let answer = client.get("/").header("authorization", &*bearer).await;
            assert_eq!(answer.status, status, "{place}");
        }
        assert_eq!(client.get("/").await.status, 401, "{place}");
    }
}

/// The status, the content and the challenge.
async fn with_token(client: &TestClient, path: &str, token: &str) -> (u16, String, String) {
    let request = client.get(path).header("authorization", bearer(token));
    let reply = request.await;
    let challenge = reply.header("www-authenticate").unwrap_or_default();
    (
        reply.status.as_u16(),
        reply.text().to_owned(),
        challenge.to_owned(),
    )
}

#[tokio::test(start_paused = true)]
async fn s55_every_route_needs_a_token_that_login_gives() {
    let tokens = tokens();
    let client = TestClient::new(routes(&tokens).build().unwrap());
    for path in ["/me", "/write", "/admin", "/nowhere"] {
        let reply = client.get(path).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        assert_eq!(reply.text(), "authentication is required");
    }
    let token = client.post("/login").body("ada").await.text().to_owned();
    let reply = client
        .get("/me")
        .header("authorization", bearer(&token))
        .await;
    assert_eq!((reply.status, reply.text()), (StatusCode::OK, "ada -"));
    // The scheme has no case.
    let reply = client
        .get("/me")
        .header("authorization", format!("bEARER   {token}"));
    assert_eq!(reply.await.text(), "ada -");
    // A path that does not exist is told to users.
    let reply = client
        .get("/nowhere")
        .header("authorization", bearer(&token));
    assert_eq!(reply.await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn s55_it_is_the_same_over_http2() {
    let tokens = tokens();
    let client = TestClient::new(routes(&tokens).build().unwrap());
    let http2 = h2_peer::connect(&client).await;
    let ask =
        |request: http::request::Builder| h2_peer::ask(&http2, request.body(Bytes::new()).unwrap());
    let reply = ask(h2_peer::to("GET", "/me")).await.unwrap();
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply.field("www-authenticate"), Some("Bearer"));
    let token = bearer(&tokens.issue("ada").unwrap());
    let request = h2_peer::to("GET", "/me").header("authorization", &token);
    assert_eq!(ask(request).await.unwrap().text(), "ada -");
    let request = h2_peer::to("GET", "/health");
    assert_eq!(ask(request).await.unwrap().text(), "fine");
}

#[tokio::test(start_paused = true)]
async fn d14_public_routes_are_open_and_know_a_user_who_comes() {
    let tokens = tokens();
    let client = TestClient::new(routes(&tokens).build().unwrap());
    for (path, text) in [
        ("/health", "fine"),
        ("/named", "named"),
        ("/home", "stranger"),
        ("/admin/about", "about"),
    ] {
        let reply = client.get(path).await;
        assert_eq!(
            (reply.status, reply.text()),
            (StatusCode::OK, text),
            "{path}"
        );
        // What is not good counts as none: nobody is locked out of `/login` by an old token.
        let reply = client.get(path).header("authorization", "Bearer old").await;
        assert_eq!(reply.text(), text, "{path}");
    }
    let token = bearer(&tokens.issue("ada").unwrap());
    assert_eq!(
        client
            .get("/home")
            .header("authorization", &*token)
            .await
            .text(),
        "ada"
    );
    assert_eq!(
        client
            .get("/public-me")
            .header("authorization", &*token)
            .await
            .text(),
        "ada -"
    );
    // A handler that asks for a user on a public route answers with the challenge, too.
    let reply = client.get("/public-me").await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
}

/// RFC 9110 §3.3: nothing of who asked is left on a connection for the next request.
#[tokio::test(start_paused = true)]
async fn a_connection_is_nobody() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let tokens = tokens();
    let client = TestClient::new(routes(&tokens).build().unwrap());
    let token = client.post("/login").body("ada").await.text().to_owned();
    let mut io = client.connect();
    for (fields, status) in [
        (format!("Authorization: Bearer {token}\r\n"), "200"),
        (String::new(), "401"),
        (format!("Authorization: Bearer {token}\r\n"), "200"),
        ("Connection: close\r\n".to_owned(), "401"),
    ] {
        let request = format!("GET /me HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        io.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 1024];
        let len = io.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..len]);
        let begin = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&begin), "{fields}{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_why_as_rfc_6750_has_it() {
    let tokens = tokens();
    let auth = Auth::new(Bearer::new(tokens).realm("the \"api\""));
    let routes = Router::new().layer(auth).get("/", whoami).build().unwrap();
    let client = TestClient::new(routes);
    let told = async |authorization: &str| {
        let reply = client.get("/").header("authorization", authorization).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        reply.header("www-authenticate").unwrap().to_owned()
    };
    let realm = "Bearer realm=\"the 'api'\"";
    // Without credentials there is no error (RFC 6750 §3.1); another scheme's are none.
    assert_eq!(told("Basic YTpi").await, realm);
    assert_eq!(told("Bearertoken").await, realm);
    for (authorization, why) in [
        ("Bearer nonsense", "the token is malformed"),
        ("Bearer two words", "the token is malformed"),
        ("Bearer a\tb", "the token is malformed"),
    ] {
        assert_eq!(
            told(authorization).await,
            format!("{realm}, error=\"invalid_token\", error_description=\"{why}\"")
        );
    }
    // Two fields are refused, whatever is in them.
    let both = client
        .get("/")
        .header("authorization", "Bearer a")
        .header("authorization", "Bearer b");
    let reply = both.await;
    assert_eq!(reply.text(), "there is more than one Authorization");
    // Where the server's limits are wider than its own.
    let mut request = Request::get("/");
    let long = bearer(&"a".repeat(9 * 1024));
    request
        .headers_mut()
        .try_insert("authorization", long)
        .unwrap();
    let verdict = Bearer::by(async |_: String| Ok(CurrentUser::new("anybody"))).look(&request);
    assert!(matches!(verdict, Verdict::Refused(_)), "{verdict:?}");
}

#[tokio::test(start_paused = true)]
async fn s77_the_user_has_id_name_scopes_and_claims() {
    let tokens = tokens();
    let client = TestClient::new(routes(&tokens).build().unwrap());
    let get = async |path: &str, token: &str| with_token(&client, path, token).await;
    let ada = CurrentUser::new("7")
        .with_name("Ada")
        .with_scopes(["read", "admin"]);
    let ada = tokens.issue_for(&ada).unwrap();
    assert_eq!(get("/me", &ada).await.1, "7 Ada");
    assert_eq!(get("/admin", &ada).await.1, "7 Ada");
    let (status, text, challenge) = get("/write", &ada).await;
    assert_eq!((status, &*text), (403, "this takes the scope write"));
    assert_eq!(
        challenge,
        "Bearer error=\"insufficient_scope\", scope=\"write\""
    );

    let plain = tokens.issue("8").unwrap();
    let (status, _, challenge) = get("/admin", &plain).await;
    assert_eq!(status, 403);
    assert_eq!(
        challenge,
        "Bearer error=\"insufficient_scope\", scope=\"admin\""
    );
    assert_eq!(get("/tenant", &plain).await.0, 403);
    assert_eq!(get("/raw", &plain).await.1, "null");

    let claims = serde_json::json!({
        "tenant": "acme", "preferred_username": "eve", "scp": ["write"],
        // What the configuration says wins.
        "sub": "root", "exp": 9_999_999_999u64,
    });
    let eve = tokens.issue_with("9", &claims).unwrap();
    assert_eq!(get("/me", &eve).await.1, "9 eve");
    assert_eq!(get("/tenant", &eve).await.1, "acme");
    assert_eq!(get("/raw", &eve).await.1, "\"acme\"");
    assert_eq!(get("/write", &eve).await.1, "written");
    let user = tokens.verify(&eve).unwrap();
    assert!(user.claims()["exp"].as_u64().unwrap() < 9_999_999_999);
    assert_eq!(
        tokens.issue_with("9", &["a list"]).unwrap_err().to_string(),
        "the claims of the token cannot be used: they are no JSON object"
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_may_have_an_authentication_of_its_own() {
    let by_word = Bearer::by(async |token: String| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        match token.as_str() {
            "open-sesame" => Ok(CurrentUser::new("ali")),
            "later" => Err(Refusal::unavailable()),
            "thief" => Err(Refusal::forbidden("not you")),
            _ => Err(Refusal::invalid("not the \"word\"\r\nx: y")),
        }
    });
    let cave = Router::new()
        .layer(Auth::new(by_word))
        .get("/", whoami)
        .get(
            "/door",
            public(async |user: Option<CurrentUser>| user.is_some().to_string()),
        );
    let tokens = tokens();
    let client = TestClient::new(routes(&tokens).nest("/cave", cave).build().unwrap());
    let get = async |path: &str, token: &str| with_token(&client, path, token).await;
    assert_eq!(get("/cave", "open-sesame").await.1, "ali -");
    assert_eq!(get("/me", "open-sesame").await.0, 401);
    assert_eq!(get("/cave", &tokens.issue("ada").unwrap()).await.0, 401);
    assert_eq!(get("/cave", "later").await.0, 503);
    assert_eq!(
        get("/cave", "thief").await,
        (403, "not you".into(), "".into())
    );
    let (status, _, challenge) = get("/cave", "simsim").await;
    assert_eq!(status, 401);
    assert_eq!(
        challenge,
        "Bearer error=\"invalid_token\", error_description=\"not the 'word'''x: y\""
    );
    assert_eq!(get("/cave/door", "open-sesame").await.1, "true");
    assert_eq!(get("/cave/door", "simsim").await.1, "false");
}

#[tokio::test(start_paused = true)]
async fn f38_a_rate_limit_counts_the_users_of_this_layer() {
    let tokens = tokens();
    let minute = Duration::from_secs(60);
    let routes = Router::new()
        // The order in which they are given does not matter.
        .layer(RateLimit::new(2, minute).by_current_user())
        .layer(Auth::jwt(tokens.clone()))
        .get("/me", whoami)
        .get("/health", public(async || "fine"));
    let client = TestClient::new(routes.build().unwrap());
    let tokens = ["ada", "eve"].map(|id| bearer(&tokens.issue(id).unwrap()));
    let mut statuses = Vec::new();
    for user in [0, 0, 0, 1, 1, 1] {
        let reply = client.get("/me").header("authorization", &tokens[user]);
        statuses.push(reply.await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 200, 200, 429]);
    // Whoever is nobody is counted by address, apart from both.
    for status in [200, 200, 429] {
        assert_eq!(client.get("/health").await.status, status);
    }
}

#[test]
fn what_is_wrong_with_a_configuration_is_told_when_it_is_built() {
    let short = AuthConfig::new("secret", 3600).build().unwrap_err();
    assert_eq!(
        short,
        AuthError::SecretTooShort {
            octets: 6,
            least: 32
        }
    );
    assert!(short.to_string().contains("openssl rand"), "{short}");
    for lifetime in [0, 401 * 24 * 3600, u64::MAX] {
        let config = AuthConfig::new(SECRET, lifetime);
        assert_eq!(config.build().unwrap_err(), AuthError::Lifetime);
    }
    let config = AuthConfig::new(SECRET, 60).leeway(Duration::from_secs(601));
    assert_eq!(config.build().unwrap_err(), AuthError::Leeway);
    assert_eq!(
        AuthConfig::verifier().build().unwrap_err(),
        AuthError::NoKey
    );
    // Nothing secret is shown.
    let shown = format!("{:?} {:?}", AuthConfig::new(SECRET, 60), tokens());
    assert!(!shown.contains(SECRET), "{shown}");
}
