//! The choice of a subprotocol (RFC 6455 §1.9).

use crate::ws::handshake::server::Refusal;
use std::fmt;
use std::sync::Arc;

/// How a server chooses among the subprotocols that a client offers.
///
/// ```
/// use wireline::ws::handshake::subprotocol::Subprotocols;
///
/// let subprotocols = Subprotocols::list(["v2.chat", "v1.chat"]);
/// assert_eq!(subprotocols.choose(&["v1.chat", "v2.chat"]).unwrap().as_deref(), Some("v2.chat"));
/// assert_eq!(subprotocols.choose(&["soap"]).unwrap(), None);
/// assert!(subprotocols.require().choose(&["soap"]).is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Subprotocols {
    choice: Choice,
    required: bool,
}

type Callback = Arc<dyn Fn(&[&str]) -> Option<String> + Send + Sync>;

#[derive(Clone, Default)]
enum Choice {
    #[default]
    Nothing,
    List(Vec<String>),
    Callback(Callback),
}

impl Subprotocols {
    /// These, the preferred one first.
    pub fn list<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self {
            choice: Choice::List(names.into_iter().map(Into::into).collect()),
            required: false,
        }
    }

    /// What `choose` takes of those offered, which come in the client's order. A choice that was not
    /// offered counts as none: a client would have to fail the connection for it (RFC 6455 §4.1).
    pub fn callback<F>(choose: F) -> Self
    where
        F: Fn(&[&str]) -> Option<String> + Send + Sync + 'static,
    {
        Self {
            choice: Choice::Callback(Arc::new(choose)),
            required: false,
        }
    }

    /// Refuses whoever offers nothing that fits.
    #[must_use]
    pub fn require(mut self) -> Self {
        self.required = true;
        self
    }

    /// The subprotocol for a client that offers these.
    ///
    /// # Errors
    ///
    /// [`Refusal::Subprotocol`] when one is required and none fits.
    pub fn choose(&self, offered: &[&str]) -> Result<Option<String>, Refusal> {
        let chosen = match &self.choice {
            Choice::Nothing => None,
            Choice::List(names) => names
                .iter()
                .find(|name| offered.contains(&name.as_str()))
                .cloned(),
            Choice::Callback(choose) => {
                choose(offered).filter(|name| offered.contains(&name.as_str()))
            }
        };
        if chosen.is_none() && self.required {
            return Err(Refusal::Subprotocol);
        }
        Ok(chosen)
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::List(names) => f.debug_tuple("List").field(names).finish(),
            Self::Callback(_) => f.write_str("Callback"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_offered_is_chosen() {
        let callback =
            Subprotocols::callback(|offered| offered.last().map(|name| (*name).to_owned()));
        assert_eq!(callback.choose(&["a", "b"]), Ok(Some("b".to_owned())));
        assert_eq!(callback.choose(&[]), Ok(None));
        let liar = Subprotocols::callback(|_| Some("other".to_owned()));
        assert_eq!(liar.choose(&["a"]), Ok(None));
        assert_eq!(liar.require().choose(&["a"]), Err(Refusal::Subprotocol));
        assert_eq!(Subprotocols::default().choose(&["a"]), Ok(None));
        let list = Subprotocols::list(["a"]);
        assert_eq!(
            list.choose(&["A"]),
            Ok(None),
            "names are compared as they are"
        );
    }
}
