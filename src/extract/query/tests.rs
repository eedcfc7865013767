//! Queries as structs, maps and pairs, and what is said of those that are none.

use super::*;
use crate::service::request::Request;
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Debug, PartialEq, Deserialize)]
struct Search {
    q: String,
    page: Option<u32>,
    exact: Option<bool>,
    #[serde(default)]
    tag: Vec<String>,
    order: Option<Order>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Newest,
    Oldest,
}

async fn ask<T: DeserializeOwned + Send>(target: &str) -> Result<T, String> {
    let query = Query::from_request_parts(Request::get(target).parts_mut()).await;
    query.map(|Query(value)| value).map_err(|rejection| {
        assert_eq!(rejection.status(), StatusCode::BAD_REQUEST);
        rejection.to_string()
    })
}

#[tokio::test]
async fn s74_a_struct_with_optional_fields() {
    let search = |q: &str| Search {
        q: q.to_owned(),
        page: None,
        exact: None,
        tag: Vec::new(),
        order: None,
    };
    assert_eq!(ask("/?q=rust").await, Ok(search("rust")));
    assert_eq!(
        ask("/?page=2&q=a+b%26c&unknown=1").await,
        Ok(Search {
            page: Some(2),
            ..search("a b&c")
        })
    );
    assert_eq!(ask("/?q=&page=&exact=").await, Ok(search("")));
    let tags = vec!["x".to_owned(), "y".to_owned()];
    let full = Search {
        tag: tags,
        exact: Some(true),
        order: Some(Order::Oldest),
        ..search("1")
    };
    assert_eq!(
        ask("/?tag=x&q=1&tag=y&exact=true&order=oldest").await,
        Ok(full)
    );
}

#[tokio::test]
async fn s74_rejections_name_the_key() {
    for (target, text) in [
        ("/", "query: missing field `q`"),
        ("/?page=1", "query: missing field `q`"),
        (
            "/?q=1&page=-1",
            "query parameter `page`: invalid digit found in string",
        ),
        (
            "/?a=1&a=2&q=1&page=two",
            "query parameter `page`: invalid digit found in string",
        ),
        ("/?q=1&q=2", "query parameter `q`: unsupported value"),
        (
            "/?q=1&order=up",
            "query parameter `order`: unknown variant `up`, expected `newest` or `oldest`",
        ),
        (
            "/?q=1&exact=maybe",
            "query parameter `exact`: invalid value: string \"maybe\", expected \"true\", \"on\" or \"false\"",
        ),
    ] {
        assert_eq!(
            ask::<Search>(target).await,
            Err(text.to_owned()),
            "{target}"
        );
    }
}

#[tokio::test]
async fn s71_s74_maps_and_pairs() {
    let map = ask::<HashMap<String, String>>("/search?q=rust&page=1").await;
    assert_eq!(
        map,
        Ok(HashMap::from([
            ("q".to_owned(), "rust".to_owned()),
            ("page".to_owned(), "1".to_owned())
        ]))
    );
    assert_eq!(
        ask::<HashMap<String, String>>("/").await,
        Ok(HashMap::new())
    );
    assert_eq!(
        ask::<HashMap<String, String>>("/?a=1&a=2").await,
        Err("query parameter `a`: unsupported value".to_owned())
    );
    let lists = ask::<HashMap<String, Vec<u8>>>("/?a=1&b=2&a=3").await;
    assert_eq!(
        lists,
        Ok(HashMap::from([
            ("a".to_owned(), vec![1, 3]),
            ("b".to_owned(), vec![2])
        ]))
    );
    let pairs = ask::<Vec<(String, u8)>>("/?a=1&b=2&a=3").await;
    assert_eq!(
        pairs,
        Ok(vec![
            ("a".to_owned(), 1),
            ("b".to_owned(), 2),
            ("a".to_owned(), 3)
        ])
    );
}

#[tokio::test]
async fn an_absent_query_is_none_and_a_malformed_one_refused() {
    let ask = async |target| {
        let query = Option::<Query<HashMap<String, u8>>>::from_request_parts(
            Request::get(target).parts_mut(),
        )
        .await;
        query
            .map(|query| query.map(|Query(map)| map.len()))
            .map_err(|rejection| rejection.key().map(str::to_owned))
    };
    assert_eq!(ask("/").await, Ok(None));
    assert_eq!(ask("/?").await, Ok(Some(0)));
    assert_eq!(ask("/?a=1").await, Ok(Some(1)));
    assert_eq!(ask("/?b=1&a=x").await, Err(Some("a".to_owned())));
}

#[tokio::test]
async fn newtypes_and_leniency() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Any(HashMap<String, String>);
    let one = |key: &str, value: &str| Any(HashMap::from([(key.to_owned(), value.to_owned())]));
    assert_eq!(ask("/?a=100%").await, Ok(one("a", "100%")));
    assert_eq!(ask("/?a=%ff").await, Ok(one("a", "\u{fffd}")));
    assert_eq!(ask("/?=x").await, Ok(one("", "x")));
}
