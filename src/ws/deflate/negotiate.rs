//! What the two sides agree on (RFC 7692 §7.1).

use crate::wire::number;
use crate::ws::deflate::{Config, Settings};
use crate::ws::extension::Extension;
use std::fmt::Write;

/// The name under which the extension is offered.
pub(crate) const NAME: &str = "permessage-deflate";

/// permessage-deflate as both sides agreed on it; `send` is our own direction.
///
/// What the opening handshake gives, and a [`Connection`](crate::ws::connection::Connection) takes:
///
/// ```
/// use http::{Method, Version};
/// use wireline::ws::connection::Connection;
/// use wireline::ws::deflate::Config;
/// use wireline::ws::handshake::server::{Head, Opening, Terms};
///
/// # let head = Head { method: &Method::GET, version: Version::HTTP_11, content: false };
/// let fields = [
///     ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"),
///     # ("upgrade", "websocket"),
///     # ("connection", "Upgrade"),
///     # ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
///     # ("sec-websocket-version", "13"),
/// ];
/// # let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
/// let opening = Opening::read(head, fields).unwrap();
/// let terms = Terms { deflate: Some(Config::default()), ..Terms::default() };
/// let agreed = opening.accept(&terms).unwrap().deflate;
/// assert!(agreed.is_some());
/// let connection = Connection::server(agreed.as_ref());
/// # let _ = connection;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    pub(crate) send: Settings,
    pub(crate) send_takeover: bool,
    pub(crate) receive_window_bits: u8,
    pub(crate) receive_takeover: bool,
    pub(crate) threshold: usize,
    /// Whether the client said that its window may be bounded (RFC 7692 §7.1.2.2).
    bounds_client: bool,
    /// Whether the client asked for a bound of the server's window (RFC 7692 §7.1.2.1).
    bounds_server: bool,
}

/// The parameters of one offer or of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// The inner value is absent when the parameter has none, which an offer may do.
    client_max_window_bits: Option<Option<u8>>,
}

impl Agreed {
    /// The server's side: takes the first offer that it can serve.
    pub(crate) fn accept(offers: &[Extension<'_>], config: &Config) -> Option<Self> {
        offers.iter().find_map(|offer| Self::serve(offer, config))
    }

    fn serve(offer: &Extension<'_>, config: &Config) -> Option<Self> {
        let offered = Parameters::read(offer)?;
        let mut agreed = Self::of(config);
        agreed.send_takeover &= !offered.server_no_context_takeover;
        agreed.receive_takeover &= !offered.client_no_context_takeover;
        if let Some(bits) = offered.server_max_window_bits {
            agreed.send.window_bits = agreed.send.window_bits.min(bits);
        }
        // A window of 2^8 can be asked for, but the compressor has none.
        if agreed.send.window_bits < 9 {
            return None;
        }
        agreed.bounds_server = offered.server_max_window_bits.is_some();
        agreed.bounds_client = offered.client_max_window_bits.is_some();
        agreed.receive_window_bits = match offered.client_max_window_bits {
            None => 15,
            Some(bits) => agreed.receive_window_bits.min(bits.unwrap_or(15)),
        };
        Some(agreed)
    }

    /// The server's answer: everything that it uses is said.
    pub(crate) fn answer(&self) -> String {
        let mut answer = NAME.to_owned();
        if !self.send_takeover {
            answer.push_str("; server_no_context_takeover");
        }
        if !self.receive_takeover {
            answer.push_str("; client_no_context_takeover");
        }
        // RFC 7692 §7.1.2.1: what was asked for is accepted by saying it, the largest window too.
        if self.bounds_server || self.send.window_bits < 15 {
            let _ = write!(answer, "; server_max_window_bits={}", self.send.window_bits);
        }
        if self.bounds_client && self.receive_window_bits < 15 {
            let _ = write!(
                answer,
                "; client_max_window_bits={}",
                self.receive_window_bits
            );
        }
        answer
    }

    /// The client's offer.
    pub(crate) fn offer(config: &Config) -> String {
        let config = config.clamped();
        let mut offer = NAME.to_owned();
        if !config.send_takeover {
            offer.push_str("; client_no_context_takeover");
        }
        if !config.receive_takeover {
            offer.push_str("; server_no_context_takeover");
        }
        if config.receive_window_bits < 15 {
            let _ = write!(
                offer,
                "; server_max_window_bits={}",
                config.receive_window_bits
            );
        }
        offer.push_str("; client_max_window_bits");
        if config.send_window_bits < 15 {
            let _ = write!(offer, "={}", config.send_window_bits);
        }
        offer
    }

    /// The client's side: `None` when the answer does not fit the offer, which fails the connection.
    pub(crate) fn confirm(answer: &Extension<'_>, config: &Config) -> Option<Self> {
        let answered = Parameters::read(answer)?;
        let mut agreed = Self::of(config);
        // RFC 7692 §7.1.1.1, §7.1.2.1: what we asked of the server has to be in its answer.
        if !agreed.receive_takeover && !answered.server_no_context_takeover {
            return None;
        }
        match answered.server_max_window_bits {
            Some(bits) if bits > agreed.receive_window_bits => return None,
            None if agreed.receive_window_bits < 15 => return None,
            bits => agreed.receive_window_bits = bits.unwrap_or(15),
        }
        agreed.receive_takeover = !answered.server_no_context_takeover;
        agreed.send_takeover &= !answered.client_no_context_takeover;
        match answered.client_max_window_bits {
            None => {}
            // RFC 7692 §7.1.2.2: in an answer the parameter has a value.
            Some(None | Some(..9)) => return None,
            Some(Some(bits)) => {
                agreed.send.window_bits = agreed.send.window_bits.min(bits);
            }
        }
        Some(agreed)
    }

    fn of(config: &Config) -> Self {
        let config = config.clamped();
        Self {
            send: Settings {
                window_bits: config.send_window_bits,
                level: config.level,
                memory_level: config.memory_level,
            },
            send_takeover: config.send_takeover,
            receive_window_bits: config.receive_window_bits,
            receive_takeover: config.receive_takeover,
            threshold: config.threshold,
            bounds_client: true,
            bounds_server: true,
        }
    }
}

impl Parameters {
    /// RFC 7692 §7.1: an unknown or repeated parameter, or one with a value that it cannot have, makes
    /// the whole offer void.
    fn read(extension: &Extension<'_>) -> Option<Self> {
        if extension.name != NAME {
            return None;
        }
        let mut read = Self::default();
        for (name, value) in &extension.parameters {
            let fresh = match (*name, value) {
                ("server_no_context_takeover", None) => {
                    !std::mem::replace(&mut read.server_no_context_takeover, true)
                }
                ("client_no_context_takeover", None) => {
                    !std::mem::replace(&mut read.client_no_context_takeover, true)
                }
                ("server_max_window_bits", Some(value)) => read
                    .server_max_window_bits
                    .replace(window_bits(value)?)
                    .is_none(),
                ("client_max_window_bits", value) => {
                    let bits = match value {
                        Some(value) => Some(window_bits(value)?),
                        None => None,
                    };
                    read.client_max_window_bits.replace(bits).is_none()
                }
                _ => return None,
            };
            if !fresh {
                return None;
            }
        }
        Some(read)
    }
}

/// RFC 7692 §7.1.2: 8 to 15, without a leading zero.
fn window_bits(value: &str) -> Option<u8> {
    let bits = u8::try_from(number::decimal(value.as_bytes())?).ok()?;
    (8..=15).contains(&bits).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::extension;

    fn accept(offers: &str, config: &Config) -> Option<String> {
        let offers = extension::parse(offers.as_bytes()).expect("the grammar");
        Agreed::accept(&offers, config).map(|agreed| agreed.answer())
    }

    #[test]
    fn offers_are_answered_with_what_is_used() {
        let open = Config {
            send_window_bits: 15,
            receive_window_bits: 15,
            send_takeover: true,
            receive_takeover: true,
            ..Config::default()
        };
        let narrow = Config::default();
        for (offer, with_open, with_narrow) in [
            (
                "permessage-deflate",
                Some(""),
                Some(
                    "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12",
                ),
            ),
            (
                "permessage-deflate; client_max_window_bits",
                Some(""),
                Some(
                    "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; client_max_window_bits=12",
                ),
            ),
            (
                "permessage-deflate; client_max_window_bits=10; server_max_window_bits=9",
                Some("; server_max_window_bits=9; client_max_window_bits=10"),
                Some(
                    "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10",
                ),
            ),
            (
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
                Some("; server_no_context_takeover; client_no_context_takeover"),
                Some(
                    "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12",
                ),
            ),
            (
                "permessage-deflate; server_max_window_bits=\"11\"",
                Some("; server_max_window_bits=11"),
                None,
            ),
            (
                "permessage-deflate; server_max_window_bits=15",
                Some("; server_max_window_bits=15"),
                Some(
                    "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12",
                ),
            ),
            ("permessage-deflate; server_max_window_bits=8", None, None),
            (
                "permessage-deflate; server_max_window_bits=8, permessage-deflate",
                Some(""),
                None,
            ),
            ("permessage-deflate; server_max_window_bits=16", None, None),
            ("permessage-deflate; server_max_window_bits=09", None, None),
            ("permessage-deflate; server_max_window_bits=+9", None, None),
            ("permessage-deflate; server_max_window_bits", None, None),
            ("permessage-deflate; client_max_window_bits=7", None, None),
            (
                "permessage-deflate; server_no_context_takeover=1",
                None,
                None,
            ),
            (
                "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
                None,
                None,
            ),
            (
                "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
                None,
                None,
            ),
            ("permessage-deflate; unknown", None, None),
            ("x-webkit-deflate-frame", None, None),
            (
                "unknown, permessage-deflate; x=1, permessage-deflate",
                Some(""),
                None,
            ),
        ] {
            assert_eq!(
                accept(offer, &open),
                with_open.map(|parameters| format!("permessage-deflate{parameters}")),
                "{offer}"
            );
            if let Some(parameters) = with_narrow {
                assert_eq!(
                    accept(offer, &narrow),
                    Some(format!("permessage-deflate{parameters}")),
                    "{offer}"
                );
            }
        }
    }

    #[test]
    fn an_answer_has_to_fit_the_offer() {
        let confirm = |answer: &str, config: &Config| {
            let answer = extension::parse(answer.as_bytes()).expect("the grammar");
            Agreed::confirm(&answer[0], config)
        };
        let config = Config::default();
        assert_eq!(
            Agreed::offer(&config),
            "permessage-deflate; client_no_context_takeover; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=12"
        );
        let fits = "permessage-deflate; server_no_context_takeover; server_max_window_bits=11; client_max_window_bits=10";
        let agreed = confirm(fits, &config).expect("it fits");
        assert_eq!(
            (agreed.receive_window_bits, agreed.send.window_bits),
            (11, 10)
        );
        assert!(!agreed.send_takeover && !agreed.receive_takeover);
        for unfit in [
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits=12",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=13",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=8",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; x",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover; server_max_window_bits=12",
            "permessage-deflate; server_no_context_takeover=1; server_max_window_bits=12",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=012",
            "deflate",
        ] {
            assert_eq!(confirm(unfit, &config), None, "{unfit}");
        }
        let open = Config {
            send_window_bits: 15,
            receive_window_bits: 15,
            send_takeover: true,
            receive_takeover: true,
            ..config
        };
        assert_eq!(
            Agreed::offer(&open),
            "permessage-deflate; client_max_window_bits"
        );
        let agreed =
            confirm("permessage-deflate; client_no_context_takeover", &open).expect("it fits");
        assert!(!agreed.send_takeover && agreed.receive_takeover);
    }
}
