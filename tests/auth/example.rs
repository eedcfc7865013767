//! `examples/jwt_api.rs`, as its first lines say.

use super::ws_peer::Peer;
use super::{SECRET, bearer};
use wireline::test::TestClient;

#[path = "../../examples/jwt_api.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod jwt_api;

#[tokio::test(start_paused = true)]
async fn the_api_does_what_it_says() {
    let tokens = jwt_api::tokens(SECRET).unwrap();
    let client = TestClient::new(jwt_api::routes(tokens).unwrap());
    assert_eq!(client.get("/health").await.text(), "fine");
    assert_eq!(client.get("/me").await.status, 401);
    let login = async |login: &'static str| {
        let request = client
            .post("/login")
            .header("content-type", "application/json");
        let reply = request.body(login).await;
        (reply.status.as_u16(), reply.text().to_owned())
    };
    let (status, ada) = login(r#"{"name":"ada","password":"swordfish"}"#).await;
    assert_eq!(status, 200);
    let (_, grace) = login(r#"{"name":"grace","password":"compiler"}"#).await;
    assert_eq!(
        login(r#"{"name":"ada","password":"compiler"}"#).await.0,
        401
    );
    let get = async |path: &str, token: &str| {
        let reply = client
            .get(path)
            .header("authorization", bearer(token))
            .await;
        (reply.status.as_u16(), reply.text().to_owned())
    };
    assert_eq!(get("/me", &ada).await, (200, "you are ada".to_owned()));
    assert_eq!(get("/admin/users", &ada).await.0, 403);
    assert_eq!(
        get("/admin/users", &grace).await,
        (200, "ada\ngrace".to_owned())
    );
    let mut peer = Peer::open(&client, &format!("/ws?token={ada}")).await;
    peer.say("hello").await;
    assert_eq!(peer.text().await, "ada: hello");
}
