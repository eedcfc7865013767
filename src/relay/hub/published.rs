//! What whoever publishes is told.

/// What became of a publication.
///
/// ```
/// use wireline::relay::hub::{Elsewhere, Published};
///
/// let published = Published { subscribers: 3, ..Published::default() };
/// assert!(!published.is_degraded());
/// let published = Published { elsewhere: Elsewhere::Waits, ..published };
/// assert!(published.is_degraded());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The epoch of the topic; 0 when nobody subscribes and nothing is kept, so that there is no topic.
    pub epoch: u64,
    /// The offset of the message, 1 for the first of an epoch; 0 when there is no topic.
    pub offset: u64,
    /// How many subscribers it is on its way to. Whom it does not reach is told so.
    pub subscribers: usize,
    /// What becomes of it on the other nodes of a cluster, as far as that is known now.
    pub elsewhere: Elsewhere,
}

impl Published {
    /// Whether the other nodes do not get it now: the broker between them is away, or too much waits for it. Those who subscribe here
    /// get it in any case.
    pub const fn is_degraded(&self) -> bool {
        matches!(self.elsewhere, Elsewhere::Waits | Elsewhere::GivenUp)
    }
}

/// What becomes of a publication on the other nodes of a cluster.
///
/// ```
/// use wireline::relay::hub::Elsewhere;
///
/// assert_eq!(Elsewhere::default(), Elsewhere::Nobody);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Elsewhere {
    /// There is no cluster.
    #[default]
    Nobody,
    /// There is a connection to the broker: it goes there, unless that ends, when it waits for the next one.
    OnItsWay,
    /// There is no connection to the broker: it waits for one, and may be given up for later ones when too much waits.
    Waits,
    /// Too much waits for the broker: it has been given up. Subscribers elsewhere are told that it is missing.
    GivenUp,
}
