//! How clients of the relay sign in.

use crate::config::Config;
use crate::guard::keys;
use wireline::layer::auth::{Auth, AuthConfig, AuthError, Tokens};

/// What is asked of clients, and what verifies tokens of topics; nothing where nothing is configured.
#[derive(Default)]
pub(crate) struct SignIn {
    pub(crate) auth: Option<Auth>,
    pub(crate) tokens: Option<Tokens>,
}

impl SignIn {
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let tokens = tokens(config).map_err(|error| format!("auth: {error}"))?;
        let written = &config.auth.api_keys;
        let auth = match (&tokens, written.is_empty()) {
            (None, true) => None,
            (Some(tokens), true) => Some(Auth::jwt(tokens.clone())),
            (None, false) => Some(Auth::new(keys(written)?.bearer(true))),
            (Some(tokens), false) => Some(Auth::jwt(tokens.clone()).or(keys(written)?)),
        };
        Ok(Self { auth, tokens })
    }
}

fn tokens(config: &Config) -> Result<Option<Tokens>, AuthError> {
    let auth = &config.auth;
    let mut asked = match (&auth.jwt_secret, &auth.jwks_file) {
        (None, None) => return Ok(None),
        // How long tokens live is for those who issue them.
        (Some(secret), _) => AuthConfig::new(secret, 3600),
        (None, Some(_)) => AuthConfig::verifier(),
    };
    if let Some(path) = &auth.jwks_file {
        asked = asked.jwks_file(path);
    }
    if let Some(issuer) = &auth.issuer {
        asked = asked.issuer(issuer);
    }
    if let Some(audience) = &auth.audience {
        asked = asked.audience(audience);
    }
    asked.build().map(Some)
}
