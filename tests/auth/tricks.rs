//! Tokens that are good, by every algorithm and from other implementations, and tokens that are not.

use super::{SECRET, encode, fixture, hs256, now, tokens, vectors};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use wireline::layer::auth::jwt::{Algorithm, SigningKey, VerifyKey};
use wireline::layer::auth::{AuthConfig, AuthError, Refusal, Tokens};

/// Every algorithm, with the public key of the fixtures that is for it.
fn verifiers() -> Vec<(&'static str, Algorithm, VerifyKey)> {
    let secret: Vec<u8> = (0..64).collect();
    let of_secret = |algorithm| VerifyKey::secret(&secret, algorithm).unwrap();
    let of_pem = |name: &str, algorithm| {
        VerifyKey::pem(&fixture(&format!("{name}.pub.pem")), algorithm).unwrap()
    };
    use Algorithm::{
        EdDsa, Es256, Es384, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512,
    };
    let mut all = Vec::new();
    for (name, algorithm) in [("HS256", Hs256), ("HS384", Hs384), ("HS512", Hs512)] {
        all.push((name, algorithm, of_secret(algorithm)));
    }
    for (name, algorithm, key) in [
        ("RS256", Rs256, "rsa"),
        ("RS384", Rs384, "rsa"),
        ("RS512", Rs512, "rsa"),
        ("PS256", Ps256, "rsa"),
        ("PS384", Ps384, "rsa"),
        ("PS512", Ps512, "rsa"),
        ("ES256", Es256, "p256"),
        ("ES384", Es384, "p384"),
        ("EdDSA", EdDsa, "ed25519"),
    ] {
        all.push((name, algorithm, of_pem(key, algorithm)));
    }
    all
}

/// Each key takes the token of its own algorithm, made by another implementation, and no other one.
#[test]
fn s55_tokens_of_another_implementation_are_verified_by_their_algorithm_alone() {
    let vectors = vectors();
    let mut taken = 0;
    for (own, _, key) in verifiers() {
        let tokens = AuthConfig::verifier().key(key).build().unwrap();
        for (name, token) in vectors.as_object().unwrap() {
            let token = token.as_str().unwrap();
            match tokens.verify(token) {
                Ok(user) => {
                    assert_eq!(own, name);
                    assert_eq!((user.id(), user.name()), ("user-7", Some("Ada")));
                    assert!(user.has_scope("read") && user.has_scope("write"));
                    taken += 1;
                }
                Err(_) => assert_ne!(own, name),
            }
        }
    }
    assert_eq!(taken, 12);
}

#[test]
fn s55_tokens_are_issued_by_every_algorithm() {
    let secret: Vec<u8> = (0..64).collect();
    for (name, algorithm, verify) in verifiers() {
        let key = match name {
            "HS256" | "HS384" | "HS512" => SigningKey::secret(&secret, algorithm),
            "ES256" => SigningKey::pem(&fixture("p256.pem"), algorithm),
            "ES384" => SigningKey::pem(&fixture("p384.pem"), algorithm),
            "EdDSA" => SigningKey::pem(&fixture("ed25519.pem"), algorithm),
            _ => SigningKey::pem(&fixture("rsa.pem"), algorithm),
        };
        let tokens = AuthConfig::signed_by(key.unwrap().with_id("k1"), 60)
            .build()
            .unwrap();
        let token = tokens.issue("ada").unwrap();
        assert_eq!(tokens.verify(&token).unwrap().id(), "ada", "{name}");
        // The public half alone verifies, too, whether or not it has the id.
        for key in [verify.clone(), verify.with_id("k1")] {
            let public = AuthConfig::verifier().key(key).build().unwrap();
            assert_eq!(public.verify(&token).unwrap().id(), "ada", "{name}");
            assert_eq!(public.issue("ada").unwrap_err(), AuthError::NoSigningKey);
        }
    }
}

#[test]
fn a_key_that_does_not_fit_its_algorithm_is_refused_at_the_start() {
    for (key, algorithm) in [
        ("rsa.pub.pem", Algorithm::Es256),
        ("p256.pub.pem", Algorithm::Rs256),
        ("p256.pub.pem", Algorithm::EdDsa),
        ("ed25519.pub.pem", Algorithm::Ps256),
        ("rsa.pub.pem", Algorithm::Hs256),
        ("jwks.json", Algorithm::Rs256),
    ] {
        let refused = VerifyKey::pem(&fixture(key), algorithm).unwrap_err();
        assert!(
            matches!(refused, AuthError::Key(_)),
            "{key} {algorithm:?}: {refused}"
        );
    }
    for (key, algorithm) in [
        ("p256.pem", Algorithm::Es384),
        ("p384.pem", Algorithm::Es256),
        ("rsa.pem", Algorithm::EdDsa),
        ("p256.pem", Algorithm::Hs256),
    ] {
        let built = SigningKey::pem(&fixture(key), algorithm)
            .and_then(|key| AuthConfig::signed_by(key, 60).build());
        assert!(built.is_err(), "{key} {algorithm:?}");
    }
    let secret: Vec<u8> = (0..47).collect();
    assert_eq!(
        VerifyKey::secret(&secret, Algorithm::Hs384).unwrap_err(),
        AuthError::SecretTooShort {
            octets: 47,
            least: 48
        }
    );
    assert!(VerifyKey::secret(&secret, Algorithm::Rs256).is_err());
}

/// RFC 7515 A.1 to A.3 and RFC 8037 A.4: their signatures are right, their claims are not what is asked for, so that what is
/// said tells whether the signature was.
#[test]
fn the_examples_of_the_rfcs_are_verified() {
    use wireline::layer::auth::AuthConfig;
    let payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let decode = |text: &str| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(text)
            .unwrap()
    };
    let secret = decode(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    );
    let hmac = AuthConfig::verifier()
        .key(VerifyKey::secret(&secret, Algorithm::Hs256).unwrap())
        .build()
        .unwrap();
    let set = json!({ "keys": [
        { "kty": "RSA", "alg": "RS256", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" },
        { "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" },
        { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
    ]});
    let file = std::env::temp_dir().join(format!("wireline-auth-{}.json", std::process::id()));
    std::fs::write(&file, set.to_string()).unwrap();
    let public = AuthConfig::verifier().jwks_file(&file).build().unwrap();
    std::fs::remove_file(file).unwrap();
    let (lacks, malformed) = ("the token lacks a claim", "the token is malformed");
    for (tokens, header, payload, signature, told) in [
        (
            &hmac,
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            payload,
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            lacks,
        ),
        (
            &public,
            "eyJhbGciOiJSUzI1NiJ9",
            payload,
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            lacks,
        ),
        (
            &public,
            "eyJhbGciOiJFUzI1NiJ9",
            payload,
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            lacks,
        ),
        (
            &public,
            "eyJhbGciOiJFZERTQSJ9",
            "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
            malformed,
        ),
    ] {
        let told_of = |payload: &str| {
            tokens
                .verify(&format!("{header}.{payload}.{signature}"))
                .unwrap_err()
                .message()
                .to_owned()
        };
        assert_eq!(told_of(payload), told, "{header}");
        assert_eq!(told_of(&payload[4..]), "the signature is wrong", "{header}");
    }
}

fn refusal(tokens: &Tokens, token: &str) -> String {
    tokens.verify(token).unwrap_err().message().to_owned()
}

#[test]
fn a_public_key_is_no_secret_and_none_is_no_algorithm() {
    let public = fixture("rsa.pub.pem");
    let key = VerifyKey::pem(&public, Algorithm::Rs256)
        .unwrap()
        .with_id("rsa");
    let tokens = AuthConfig::verifier().key(key).build().unwrap();
    let claims = format!("{{\"sub\":\"root\",\"exp\":{}}}", now() + 60);
    // The classic: what is public, used as the secret of an HMAC, in every shape that the key has.
    let text = String::from_utf8(public.clone()).unwrap();
    for secret in [
        &public[..],
        text.trim_end().as_bytes(),
        &text.replace('\n', "\r\n").into_bytes(),
    ] {
        for header in [
            json!({"alg": "HS256"}),
            json!({"alg": "HS256", "kid": "rsa"}),
            json!({"alg": "HS256", "kid": "rsa", "typ": "JWT"}),
        ] {
            assert!(tokens.verify(&hs256(&header, &claims, secret)).is_err());
        }
    }
    let ours = super::tokens();
    let good = hs256(&json!({"alg": "HS256"}), &claims, SECRET.as_bytes());
    assert_eq!(ours.verify(&good).unwrap().id(), "root");
    for algorithm in [
        "none", "None", "NONE", "nOnE", "", "hs256", "HS257", "ES512", "ES256K",
    ] {
        let header = encode(json!({"alg": algorithm}).to_string());
        let signature = good.rsplit('.').next().unwrap();
        for signature in ["", signature] {
            let token = format!("{header}.{}.{signature}", encode(&claims));
            assert_eq!(
                refusal(&ours, &token),
                "the token is malformed",
                "{algorithm}"
            );
        }
    }
    // Another algorithm of the same family is another one, though the secret would do.
    let header = json!({"alg": "HS384"});
    assert!(refusal(&ours, &hs256(&header, &claims, SECRET.as_bytes())).contains("not known"));
}

#[test]
fn a_header_says_nothing_that_is_believed() {
    let ours = tokens();
    let claims = format!("{{\"sub\":\"ada\",\"exp\":{}}}", now() + 60);
    let sign = |header: Value, secret: &str| hs256(&header, &claims, secret.as_bytes());
    // Keys, and places of keys, in the token itself: the signature is checked with ours.
    let stolen = "another secret, which is as long as ours";
    for header in [
        json!({"alg": "HS256", "jwk": {"kty": "oct", "k": encode(stolen)}}),
        json!({"alg": "HS256", "jku": "https://evil.example/jwks.json"}),
        json!({"alg": "HS256", "x5u": "https://evil.example/cert.pem", "x5c": ["MIIB"]}),
        json!({"alg": "HS256", "kid": "../../../../../../dev/null"}),
        json!({"alg": "HS256", "kid": "' UNION SELECT 'x"}),
        json!({"alg": "HS256", "kid": "k".repeat(2000)}),
    ] {
        assert_eq!(
            refusal(&ours, &sign(header.clone(), stolen)),
            "the signature is wrong"
        );
        assert!(ours.verify(&sign(header, SECRET)).is_ok());
    }
    // What must be understood, and is not (RFC 7515 §4.1.11).
    for crit in [json!(["b64"]), json!(["exp"]), json!([])] {
        let header = json!({"alg": "HS256", "crit": crit, "b64": false});
        assert_eq!(
            refusal(&ours, &sign(header, SECRET)),
            "the token asks for an extension"
        );
    }
    // A key with an id is for tokens that name it, and for those that name none.
    let named = VerifyKey::secret(SECRET.as_bytes(), Algorithm::Hs256)
        .unwrap()
        .with_id("a");
    let named = AuthConfig::verifier().key(named).build().unwrap();
    assert!(
        named
            .verify(&sign(json!({"alg": "HS256", "kid": "a"}), SECRET))
            .is_ok()
    );
    assert!(named.verify(&sign(json!({"alg": "HS256"}), SECRET)).is_ok());
    assert!(
        refusal(&named, &sign(json!({"alg": "HS256", "kid": "b"}), SECRET)).contains("not known")
    );
}

#[test]
fn claims_are_what_the_configuration_asks_for() {
    let strict = AuthConfig::new(SECRET, 60)
        .issuer("https://id.example")
        .issuer("https://old.example")
        .audience("api")
        .leeway(Duration::from_secs(5));
    let strict = strict.build().unwrap();
    let plain = AuthConfig::new(SECRET, 60)
        .leeway(Duration::from_secs(5))
        .build()
        .unwrap();
    let now = now();
    let base = json!({"sub": "ada", "exp": now + 60, "iss": "https://id.example", "aud": "api"});
    // The claims of `base` with these in their place; `null` takes one out.
    let sign = |changes: Value| {
        let mut claims = base.clone();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        hs256(
            &json!({"alg": "HS256"}),
            &claims.to_string(),
            SECRET.as_bytes(),
        )
    };
    for changes in [
        json!({}),
        json!({"iss": "https://old.example"}),
        json!({"aud": ["web", "api"]}),
        json!({"exp": now - 3}),
        json!({"exp": (now as f64) + 0.5}),
        json!({"exp": u64::MAX}),
        json!({"nbf": now + 3}),
        json!({"nbf": now - 60, "iat": now + 1000}),
    ] {
        let user = strict.verify(&sign(changes.clone()));
        assert_eq!(user.unwrap().id(), "ada", "{changes}");
    }
    let (lacks, malformed) = ("the token lacks a claim", "the token is malformed");
    for (changes, told) in [
        (json!({"exp": now - 7}), "the token has expired"),
        (json!({"exp": 0}), "the token has expired"),
        (json!({"exp": null}), lacks),
        (json!({"exp": "tomorrow"}), lacks),
        (json!({"exp": -1}), lacks),
        (json!({"nbf": now + 8}), "the token is not valid yet"),
        (json!({"nbf": "yesterday"}), malformed),
        (json!({"sub": null}), lacks),
        (json!({"sub": 7}), lacks),
        (json!({"sub": ""}), "the token is for nobody"),
        (
            json!({"iss": "https://evil.example"}),
            "the token is from another issuer",
        ),
        (
            json!({"iss": "https://id.example/"}),
            "the token is from another issuer",
        ),
        (json!({"iss": null}), lacks),
        // A type that nobody expects is not as good as the right value.
        (json!({"iss": 5}), lacks),
        (json!({"iss": {}}), lacks),
        (json!({"aud": "web"}), "the token is for another audience"),
        (json!({"aud": []}), "the token is for another audience"),
        (json!({"aud": null}), lacks),
        (json!({"aud": 7}), lacks),
        (json!({"aud": {"api": true}}), lacks),
    ] {
        assert_eq!(refusal(&strict, &sign(changes.clone())), told, "{changes}");
    }
    // A token for somebody else is not for whoever asks for nobody (RFC 7519 §4.1.3).
    assert_eq!(
        refusal(&plain, &sign(json!({}))),
        "the token is for another audience"
    );
    assert!(plain.verify(&sign(json!({"aud": null, "iss": 5}))).is_ok());
    // Twice the same claim: who reads the first and who reads the last would not agree.
    let twice = format!("{{\"sub\":\"ada\",\"exp\":1,\"exp\":{}}}", now + 60);
    assert!(
        plain
            .verify(&hs256(&json!({"alg": "HS256"}), &twice, SECRET.as_bytes()))
            .is_err()
    );
    for claims in [
        "",
        "null",
        "[]",
        "7",
        "\"sub\"",
        "{",
        "{\"sub\":\"a\"}x",
        &"[".repeat(3000),
    ] {
        let token = hs256(&json!({"alg": "HS256"}), claims, SECRET.as_bytes());
        assert!(plain.verify(&token).is_err(), "{claims}");
    }
}

/// A good token that is cut anywhere, and one with any octet changed, is no token.
#[test]
fn every_octet_of_a_token_counts() {
    let ours = tokens();
    let good = ours.issue("ada").unwrap();
    assert!(ours.verify(&good).is_ok());
    for place in 0..good.len() {
        assert!(ours.verify(&good[..place]).is_err(), "cut at {place}");
        for with in ['A', 'b', '.', '=', '-'] {
            let mut changed: Vec<char> = good.chars().collect();
            if changed[place] == with {
                continue;
            }
            changed[place] = with;
            let changed: String = changed.into_iter().collect();
            assert!(ours.verify(&changed).is_err(), "{with} at {place}");
        }
    }
    for more in ["=", ".", "A", ".A", "%00", " "] {
        assert!(ours.verify(&format!("{good}{more}")).is_err(), "{more}");
        assert!(ours.verify(&format!("{more}{good}")).is_err(), "{more}");
    }
    for nothing in ["", ".", "..", "...", "a.b.c", "....."] {
        assert!(ours.verify(nothing).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_can_be_taken_back() {
    let known = AuthConfig::new(SECRET, 60).revoked(|user| user.claims()["jti"] == "stolen");
    let asked = AuthConfig::new(SECRET, 60).revoked_by(async |user| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        user.claims()["jti"] == "stolen"
    });
    for tokens in [known.build().unwrap(), asked.build().unwrap()] {
        let good = tokens.issue_with("ada", &json!({"jti": "fresh"})).unwrap();
        let stolen = tokens.issue_with("ada", &json!({"jti": "stolen"})).unwrap();
        assert_eq!(tokens.authenticate(&good).await.unwrap().id(), "ada");
        assert_eq!(
            tokens.authenticate(&stolen).await.unwrap_err(),
            Refusal::revoked()
        );
    }
}

/// The sample of `docs/auth.md`.
#[test]
fn s55_a_token_that_was_issued_has_an_id_by_which_it_is_taken_back() {
    let revoked: Arc<RwLock<HashSet<String>>> = Arc::default();
    let config = AuthConfig::new(SECRET, 3600).revoked({
        let revoked = revoked.clone();
        move |user| {
            let is_revoked = |jti: &str| revoked.read().is_ok_and(|revoked| revoked.contains(jti));
            user.claims()["jti"].as_str().is_none_or(is_revoked)
        }
    });
    let tokens = config.build().unwrap();
    let (token, other) = (tokens.issue("ada").unwrap(), tokens.issue("ada").unwrap());
    let user = tokens.verify(&token).unwrap();
    let id = user.claims()["jti"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 22);
    revoked.write().unwrap().insert(id);
    assert_eq!(tokens.verify(&token).unwrap_err(), Refusal::revoked());
    assert!(tokens.verify(&other).is_ok(), "each has an id of its own");
    // One that is given stays; none at all, or null, is none.
    for (given, stays) in [
        (json!({"jti": "7"}), true),
        (json!({"jti": null}), false),
        (json!({}), false),
    ] {
        let token = tokens.issue_with("ada", &given).unwrap();
        let user = tokens.verify(&token).unwrap();
        assert_eq!(user.claims()["jti"] == "7", stays, "{given}");
    }
}

#[test]
fn a_secret_is_replaced_without_a_stop() {
    let old = AuthConfig::new(SECRET, 60).build().unwrap();
    let next = "the secret of next month, long enough";
    let both = AuthConfig::new(next, 60)
        .key(VerifyKey::secret(SECRET.as_bytes(), Algorithm::Hs256).unwrap())
        .build()
        .unwrap();
    let (was, is) = (old.issue("ada").unwrap(), both.issue("ada").unwrap());
    assert!(both.verify(&was).is_ok() && both.verify(&is).is_ok());
    assert!(old.verify(&is).is_err());
}
