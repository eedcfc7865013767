//! Tokens that were taken back, known to all nodes through a real Redis server.

#[path = "support/brokers.rs"]
mod brokers;

use brokers::{Broker, Redis};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep, timeout};
use wireline::layer::auth::{AuthConfig, RevokedTokens, Tokens};

const PATIENCE: Duration = Duration::from_secs(10);

/// A node: the list, and tokens that are checked with it.
struct Node {
    revoked: RevokedTokens,
    tokens: Tokens,
}

impl Node {
    fn new(server: &Broker, change: impl FnOnce(RevokedTokens) -> RevokedTokens) -> Self {
        let revoked = RevokedTokens::new(&format!("redis://{}", server.address())).unwrap();
        let revoked = change(revoked);
        let tokens = AuthConfig::new("an example: thirty-two octets or more", 3600)
            .revoked(revoked.check())
            .build()
            .unwrap();
        Self { revoked, tokens }
    }

    fn takes(&self, token: &str) -> bool {
        self.tokens.verify(token).is_ok()
    }
}

fn at_hour() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap().as_secs() + 3600
}

/// A token and its `jti`.
fn issue(node: &Node) -> (String, String) {
    let token = node.tokens.issue("ada").unwrap();
    let user = node.tokens.verify(&token).unwrap();
    (token, user.claims()["jti"].as_str().unwrap().to_owned())
}

async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        sleep(Duration::from_millis(5)).await;
    }
}

async fn bounded(test: impl Future<Output = ()>) {
    timeout(Duration::from_secs(60), test).await.unwrap();
}

#[tokio::test]
async fn what_one_node_takes_back_no_node_takes() {
    bounded(async {
        let server = Redis::new().start().unwrap();
        let nodes = [
            Node::new(&server, |list| list),
            Node::new(&server, |list| list),
        ];
        for node in &nodes {
            node.revoked.ready(PATIENCE).await.unwrap();
        }
        let [one, two] = &nodes;
        let ((stolen, jti), (good, _)) = (issue(one), issue(one));
        assert!(two.takes(&stolen) && two.takes(&good));
        one.revoked.revoke(&jti, at_hour()).await.unwrap();
        assert!(!one.takes(&stolen));
        let begun = Instant::now();
        until(|| !two.takes(&stolen)).await;
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert!(one.takes(&good) && two.takes(&good));
        // Odd names are names.
        two.revoked.revoke("a:b \r\n*", at_hour()).await.unwrap();
        until(|| one.revoked.known() == 2).await;
        // Who comes later knows.
        let late = Node::new(&server, |list| list);
        late.revoked.ready(PATIENCE).await.unwrap();
        assert!(!late.takes(&stolen) && late.takes(&good));
        // What nobody could take back is not taken.
        let claims = serde_json::json!({ "jti": 7 });
        if let Ok(token) = one.tokens.issue_with("ada", claims.as_object().unwrap()) {
            assert!(!one.takes(&token));
        }
        // What has expired is on no list.
        one.revoked
            .revoke("old", at_hour() - 3600 - 601)
            .await
            .unwrap();
        let last = Node::new(&server, |list| list);
        last.revoked.ready(PATIENCE).await.unwrap();
        assert_eq!(last.revoked.known(), 2);
    })
    .await;
}

#[tokio::test]
async fn while_the_server_is_away_the_last_list_counts_and_an_empty_server_is_told() {
    bounded(async {
        let mut server = Redis::new().start().unwrap();
        let nodes = [
            Node::new(&server, |list| list),
            Node::new(&server, |list| list),
        ];
        let strict = Node::new(&server, |list| {
            list.refuse_after(Duration::from_millis(300))
        });
        for node in nodes.iter().chain([&strict]) {
            node.revoked.ready(PATIENCE).await.unwrap();
        }
        let [one, two] = &nodes;
        let ((stolen, jti), (lost, lost_jti), (good, _)) = (issue(one), issue(one), issue(one));
        one.revoked.revoke(&jti, at_hour()).await.unwrap();
        until(|| !two.takes(&stolen) && !strict.takes(&stolen)).await;
        assert!(strict.takes(&good));

        server.kill();
        let why = one.revoked.revoke(&lost_jti, at_hour()).await.unwrap_err();
        assert!(!why.to_string().is_empty());
        assert!(!one.takes(&lost) && two.takes(&lost));
        until(|| !strict.takes(&good)).await;
        for node in &nodes {
            assert!(!node.takes(&stolen) && node.takes(&good));
        }

        // It comes back with nothing: the nodes know.
        server.restart_empty().unwrap();
        until(|| !two.takes(&lost) && strict.takes(&good)).await;
        let late = Node::new(&server, |list| list);
        late.revoked.ready(PATIENCE).await.unwrap();
        assert!(!late.takes(&stolen) && !late.takes(&lost) && late.takes(&good));

        // Frozen is away, too.
        server.freeze().unwrap();
        let begun = Instant::now();
        until(|| !strict.takes(&good)).await;
        assert!(
            begun.elapsed() < Duration::from_secs(8),
            "{:?}",
            begun.elapsed()
        );
        let why = Node::new(&server, |list| list)
            .revoked
            .ready(Duration::from_millis(100))
            .await;
        assert!(why.is_err());
        server.thaw().unwrap();
        until(|| strict.takes(&good)).await;
    })
    .await;
}

#[tokio::test]
async fn a_user_with_the_rights_of_the_documents_is_enough() {
    bounded(async {
        // docs/auth.md
        let rights = "resetkeys resetchannels -@all ~{wireline:revoked} &{wireline:revoked} +@connection +eval +time +zadd +zrange \
                      +zremrangebyscore +expireat +publish +subscribe";
        let rights: Vec<&str> = ["on", ">secret"].into_iter().chain(rights.split_whitespace()).collect();
        let server = Redis::new().password("other").user("ada", &rights).start().unwrap();
        let url = format!("redis://ada:secret@{}", server.address());
        let lists = [RevokedTokens::new(&url).unwrap(), RevokedTokens::new(&url).unwrap()];
        for list in &lists {
            list.ready(PATIENCE).await.unwrap();
            assert!(!format!("{list:?}").contains("secret"));
        }
        lists[0].revoke("a", at_hour()).await.unwrap();
        until(|| lists[1].known() == 1).await;
    })
    .await;
}

#[test]
fn without_a_runtime_nothing_is_known_and_nothing_breaks() {
    let server = Redis::new().start().unwrap();
    let node = Node::new(&server, |list| list);
    let (token, _) = issue(&node);
    assert!(node.takes(&token));
    let strict = Node::new(&server, |list| list.refuse_after(Duration::ZERO));
    assert!(!strict.takes(&token));
}
