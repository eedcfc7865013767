//! Every shape that parameters may take, and every way in which they may not.

use super::*;
use crate::service::request::Request;
use crate::service::route::{RouteFacts, StateMap};
use crate::wire::fields::Span;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;

/// A request whose route is made of these parameters.
fn request(params: &[(&str, &str)]) -> Request {
    let (mut path, mut spans) = (String::new(), Vec::new());
    for (_, value) in params {
        path.push('/');
        spans.push(Span::new(path.len(), path.len() + value.len()).expect("a short path"));
        path.push_str(value);
    }
    let names = params.iter().map(|(name, _)| Box::from(*name)).collect();
    let mut request = Request::get(&path);
    let facts = Arc::new(RouteFacts {
        pattern: path,
        names,
        state: StateMap::default(),
        is_public: false,
        max_body: None,
    });
    let route = request.parts_mut().route_mut();
    route.set(&facts, 0);
    spans.into_iter().for_each(|span| route.push(span));
    request
}

async fn ask<T: DeserializeOwned + Send>(params: &[(&str, &str)]) -> Result<T, (u16, String)> {
    let path = Path::from_request_parts(request(params).parts_mut()).await;
    path.map(|Path(value)| value)
        .map_err(|rejection| (rejection.status().as_u16(), rejection.to_string()))
}

async fn one<T: DeserializeOwned + Send>(text: &str) -> Option<T> {
    ask(&[("p", text)]).await.ok()
}

fn check<T: DeserializeOwned + Send>(names: &[&str]) -> Result<(), String> {
    let names: Vec<Box<str>> = names.iter().map(|name| Box::from(*name)).collect();
    Path::<T>::check(&RouteCheck::new("/", &names, &StateMap::default()))
}

#[derive(Debug, PartialEq, Deserialize)]
struct Place {
    user: u64,
    post: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Green,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Id(u64);

#[derive(Debug, PartialEq, Deserialize)]
struct Pair(Id, Colour);

#[tokio::test]
async fn s73_every_shape() {
    let both = [("user", "7"), ("post", "a%20b%2Fc")];
    let text = |text: &str| text.to_owned();
    assert_eq!(
        ask(&both).await,
        Ok(Place {
            user: 7,
            post: Some(text("a b/c"))
        })
    );
    assert_eq!(
        ask(&both[..1]).await,
        Ok(Place {
            user: 7,
            post: None
        })
    );
    assert_eq!(ask(&both).await, Ok((7u8, text("a b/c"))));
    assert_eq!(
        ask(&both).await,
        Ok(HashMap::from([
            (text("user"), text("7")),
            (text("post"), text("a b/c"))
        ]))
    );
    assert_eq!(
        ask(&both).await,
        Ok(vec![
            (text("user"), text("7")),
            (text("post"), text("a b/c"))
        ])
    );
    assert_eq!(ask(&both).await, Ok(vec![text("7"), text("a b/c")]));
    assert_eq!(
        ask(&[("a", "9"), ("b", "green")]).await,
        Ok(Pair(Id(9), Colour::Green))
    );
    assert_eq!(
        ask(&[("a", "1"), ("b", "2")]).await,
        Ok(HashMap::from([(text("a"), 1i8), (text("b"), 2)]))
    );
    assert_eq!(ask(&both[..1]).await, Ok(text("7")));
    assert_eq!(ask(&both[..1]).await, Ok((Id(7),)));
    assert_eq!(ask(&both[..1]).await, Ok(Some(Id(7))));
    assert_eq!(ask(&[("c", "red")]).await, Ok(Colour::Red));
    assert_eq!(ask(&both).await, Ok(()));
}

#[tokio::test]
async fn s73_integers_are_digits_of_their_range() {
    for (text, value) in [
        ("0", Some(0)),
        ("255", Some(255)),
        ("007", Some(7)),
        ("256", None),
        ("-0", None),
        ("-1", None),
    ] {
        assert_eq!(one::<u8>(text).await, value, "{text}");
    }
    for text in [
        "+1",
        "1_0",
        "0x1",
        "1.0",
        "1e1",
        "%201",
        "1%20",
        "%D9%A3",
        "%2B1",
        "-",
        "--1",
        "99999999999999999999999999999999999999999",
    ] {
        assert_eq!(one::<u128>(text).await, None, "{text}");
        assert_eq!(one::<i128>(text).await, None, "{text}");
    }
    assert_eq!(one::<u64>(&u64::MAX.to_string()).await, Some(u64::MAX));
    assert_eq!(one::<u128>(&u128::MAX.to_string()).await, Some(u128::MAX));
    assert_eq!(one::<i128>(&i128::MIN.to_string()).await, Some(i128::MIN));
    assert_eq!(one::<i128>(&u128::MAX.to_string()).await, None);
    assert_eq!(
        (
            one::<i8>("-128").await,
            one::<i8>("-129").await,
            one::<i8>("128").await
        ),
        (Some(-128), None, None)
    );
    assert_eq!(
        (one::<u16>("65535").await, one::<u16>("65536").await),
        (Some(65535), None)
    );
    assert_eq!(
        (
            one::<i16>("-5").await,
            one::<i32>("-5").await,
            one::<i64>("-5").await
        ),
        (Some(-5), Some(-5), Some(-5))
    );
    assert_eq!(
        (
            one::<u32>("5").await,
            one::<usize>("5").await,
            one::<isize>("-5").await
        ),
        (Some(5), Some(5), Some(-5))
    );
    assert_eq!(one::<u8>("%37").await, Some(7));
}

#[tokio::test]
async fn s73_other_values() {
    for (text, value) in [
        ("1.5", Some(1.5)),
        ("-0.25", Some(-0.25)),
        ("2", Some(2.0)),
        ("1e-3", Some(0.001)),
        ("08.5", Some(8.5)),
    ] {
        assert_eq!(one::<f64>(text).await, value, "{text}");
        assert_eq!(
            one::<f32>(text).await,
            value.map(|value| value as f32),
            "{text}"
        );
    }
    for text in [
        "+1", "inf", "NaN", "infinity", "1e999", ".5", "5.", "1e", "1e+-1", "-", "0x1p3", "1.5.5",
        "1e5e5",
    ] {
        assert_eq!(
            (one::<f64>(text).await, one::<f32>(text).await),
            (None, None),
            "{text}"
        );
    }
    assert_eq!(
        (one("true").await, one("false").await),
        (Some(true), Some(false))
    );
    for text in ["True", "1", "on", "yes", "false%20"] {
        assert_eq!(one::<bool>(text).await, None, "{text}");
    }
    assert_eq!(
        (one("%C3%A9").await, one::<char>("ab").await),
        (Some('é'), None)
    );
    assert_eq!(one::<Colour>("blue").await, None);
}

#[tokio::test]
async fn s73_rejections_name_the_parameter_or_the_mistake() {
    let refused = |status: u16, text: &str| (status, text.to_owned());
    let pair = [("a", "1"), ("b", "x")];
    assert_eq!(
        ask::<(u8, u8)>(&pair).await,
        Err(refused(
            400,
            "path parameter `b`: expected an integer from 0 to 255"
        ))
    );
    assert_eq!(
        ask::<u8>(&[("id", "300")]).await,
        Err(refused(
            400,
            "path parameter `id`: expected an integer from 0 to 255"
        ))
    );
    assert_eq!(
        ask::<Colour>(&[("c", "<script>")]).await,
        Err(refused(
            400,
            "path parameter `c`: expected one of red, green"
        ))
    );
    assert_eq!(
        ask::<bool>(&[("b", "")]).await,
        Err(refused(
            400,
            "path parameter `b`: expected `true` or `false`"
        ))
    );
    assert_eq!(
        ask::<f32>(&[("x", "nan")]).await,
        Err(refused(400, "path parameter `x`: expected a number"))
    );
    assert_eq!(
        ask::<String>(&[("n", "%ff")]).await,
        Err(refused(
            400,
            "path parameter `n`: invalid escape, or not UTF-8"
        ))
    );
    let place = ask::<Place>(&[("user", "me")]).await;
    assert_eq!(
        place,
        Err(refused(
            400,
            &format!(
                "path parameter `user`: expected an integer from 0 to {}",
                u64::MAX
            )
        ))
    );
    assert_eq!(
        ask::<String>(&[]).await,
        Err(refused(500, "the route has no path parameters"))
    );
    assert_eq!(
        ask::<String>(&pair).await,
        Err(refused(
            500,
            "the handler takes 1 path parameters, the route has 2"
        ))
    );
    assert_eq!(
        ask::<(u8, u8, u8)>(&pair).await,
        Err(refused(
            500,
            "the handler takes 3 path parameters, the route has 2"
        ))
    );
    let missing = refused(
        500,
        "the handler takes a path parameter `user`, which the route does not have",
    );
    assert_eq!(ask::<Place>(&pair).await, Err(missing));
    assert_eq!(
        ask::<(u8, Place)>(&pair).await,
        Err(refused(500, "a path parameter cannot become a struct"))
    );
}

#[tokio::test]
async fn a_validation_of_ones_own_is_a_400_with_the_name() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(try_from = "u8")]
    struct Even(u8);

    impl TryFrom<u8> for Even {
        type Error = &'static str;

        fn try_from(value: u8) -> Result<Self, &'static str> {
            if value.is_multiple_of(2) {
                Ok(Self(value))
            } else {
                Err("expected an even number")
            }
        }
    }

    assert_eq!(ask(&[("n", "4")]).await, Ok(Even(4)));
    let text = |name: &str| format!("path parameter `{name}`: expected an even number");
    assert_eq!(ask::<Even>(&[("n", "5")]).await, Err((400, text("n"))));
    assert_eq!(
        ask::<(Even, Even)>(&[("n", "4"), ("m", "5")]).await,
        Err((400, text("m")))
    );
}

#[test]
fn s73_what_no_request_can_mend_is_found_at_build() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape counts")]
    struct Strict {
        user: u64,
    }

    assert_eq!(check::<u64>(&["id"]), Ok(()));
    assert_eq!(check::<Colour>(&["id"]), Ok(()));
    assert_eq!(check::<Pair>(&["a", "b"]), Ok(()));
    assert_eq!(check::<Place>(&["post", "user"]), Ok(()));
    assert_eq!(check::<Place>(&["user", "other"]), Ok(()));
    assert_eq!(check::<Strict>(&["user"]), Ok(()));
    assert_eq!(check::<HashMap<String, bool>>(&["user"]), Ok(()));
    let text = "the handler takes `Path<u64>`: the route has no path parameters";
    assert_eq!(check::<u64>(&[]), Err(text.to_owned()));
    for faulty in [
        check::<u64>(&["a", "b"]),
        check::<(u64, u64)>(&["a"]),
        check::<Pair>(&["a"]),
        check::<Place>(&["post"]),
        check::<Strict>(&["user", "other"]),
        check::<Vec<Vec<u8>>>(&["a"]),
        check::<HashMap<String, String>>(&[]),
    ] {
        assert!(faulty.is_err());
    }
}

#[tokio::test]
async fn option_is_none_without_parameters_only() {
    let ask = async |params: &[(&str, &str)]| {
        let path = Option::<Path<u8>>::from_request_parts(request(params).parts_mut()).await;
        path.map(|path| path.map(|Path(value)| value))
            .map_err(|rejection| rejection.status().as_u16())
    };
    assert_eq!(ask(&[]).await, Ok(None));
    assert_eq!(ask(&[("n", "5")]).await, Ok(Some(5)));
    assert_eq!(ask(&[("n", "x")]).await, Err(400));
    let unrouted = Path::<u8>::from_request_parts(Request::get("/5").parts_mut()).await;
    assert_eq!(unrouted, Err(PathRejection::NoParameters));
    let caught =
        Result::<Path<u8>, PathRejection>::from_request_parts(request(&[("n", "x")]).parts_mut())
            .await;
    assert!(matches!(caught, Ok(Err(PathRejection::Invalid { .. }))));
}
