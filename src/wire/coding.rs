//! Content codings, and which of them a client wants (RFC 9110 sections 8.4 and 12.5.3).

use crate::wire::grammar::{is_token, list};
use std::cmp::Reverse;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878).
    Zstd,
    /// `gzip`, also called `x-gzip` (RFC 1952).
    Gzip,
    /// `deflate`: the zlib format (RFC 1950). For requests only: in responses half of the clients take it for
    /// something else.
    Deflate,
}

impl Coding {
    /// The coding of that name, in any case.
    ///
    /// ```
    /// use wireline::wire::coding::Coding;
    ///
    /// assert_eq!(Coding::named(b"X-GZip"), Some(Coding::Gzip));
    /// assert_eq!(Coding::named(b"compress"), None);
    /// ```
    pub fn named(name: &[u8]) -> Option<Self> {
        let all = [
            (&b"br"[..], Self::Brotli),
            (b"zstd", Self::Zstd),
            (b"gzip", Self::Gzip),
            (b"x-gzip", Self::Gzip),
            (b"deflate", Self::Deflate),
        ];
        all.into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, coding)| coding)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

/// Which of the offered codings a client wants most, by its `Accept-Encoding`; `None` is no coding at all.
///
/// `lines` are the values of all its field lines. The highest weight wins; of equal ones the coding that is offered
/// first, and any coding before none. `identity` competes when it is named with a weight; unnamed, it comes last. `*`
/// stands for every coding that is not named.
///
/// Nobody is answered 406: where nothing that is offered is acceptable, not even `identity`, the content goes out as it
/// is, which RFC 9110 section 12.5.3 leaves to the server and which every client can read.
///
/// Members that are malformed say nothing, those of weight `q=nonsense` among them. A name that comes twice keeps its
/// first weight. A field of more than [`MAX_MEMBERS`] members is nobody's honest wish, and counts as none; the time
/// is linear in the length of the lines.
///
/// ```
/// use wireline::wire::coding::{Coding::{Brotli, Gzip}, preferred};
///
/// let offered = [Brotli, Gzip];
/// assert_eq!(preferred([&b"gzip, deflate, br"[..]], &offered), Some(Brotli));
/// assert_eq!(preferred([&b"gzip, br;q=0.8"[..]], &offered), Some(Gzip));
/// assert_eq!(preferred([&b"br;q=0.5, identity"[..]], &offered), None);
/// ```
pub fn preferred<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
    offered: &[Coding],
) -> Option<Coding> {
    let weights = Weights::read(lines)?;
    let (mut best, mut most) = (None, weights.least());
    for coding in offered {
        let weight = weights.of(*coding);
        if weight > most || (weight == most && best.is_none()) {
            (best, most) = (Some(*coding), weight);
        }
    }
    best
}

/// The offered codings that a client likes at least as well as none, the one that it wants most first; empty is no coding
/// at all.
///
/// Reads as [`preferred`] does, which gives the first of them.
///
/// ```
/// use wireline::wire::coding::{Coding::{Brotli, Gzip, Zstd}, ranked};
///
/// let ranked = |line: &'static str| ranked([line.as_bytes()], &[Brotli, Zstd, Gzip]);
/// assert_eq!(ranked("gzip, br;q=0.8, deflate"), [Gzip, Brotli]);
/// assert_eq!(ranked("br;q=0.5, zstd, identity"), [Zstd]);
/// ```
pub fn ranked<'a>(lines: impl IntoIterator<Item = &'a [u8]>, offered: &[Coding]) -> Vec<Coding> {
    let Some(weights) = Weights::read(lines) else {
        return Vec::new();
    };
    let least = weights.least();
    let mut wanted: Vec<Coding> = (offered.iter().copied())
        .filter(|coding| weights.of(*coding) >= least)
        .collect();
    // A stable sort: of equals the one that is offered first.
    wanted.sort_by_key(|coding| Reverse(weights.of(*coding)));
    wanted
}

/// The most members that an `Accept-Encoding` may have.
pub const MAX_MEMBERS: usize = 64;

/// What was said of each coding, in thousandths.
#[derive(Default)]
struct Weights {
    named: [Option<u16>; 4],
    identity: Option<u16>,
    any: Option<u16>,
}

impl Weights {
    /// `None` for a field of too many members.
    fn read<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut weights = Self::default();
        let members = lines.into_iter().flat_map(list);
        for (count, member) in members.enumerate() {
            if count == MAX_MEMBERS {
                return None;
            }
            weights.add(member);
        }
        Some(weights)
    }

    /// What a coding has to have to be liked as well as none. What is not said of `identity` ranks below everything that is.
    fn least(&self) -> u16 {
        self.identity.or(self.any).map_or(1, |weight| weight.max(1))
    }

    fn add(&mut self, member: &[u8]) {
        let (name, weight) = match member.iter().position(|octet| *octet == b';') {
            None => (member, Some(1000)),
            Some(at) => (member[..at].trim_ascii_end(), weight(&member[at + 1..])),
        };
        let Some(weight) = weight else { return };
        let place = if name == b"*" {
            &mut self.any
        } else if name.eq_ignore_ascii_case(b"identity") {
            &mut self.identity
        } else {
            match Coding::named(name) {
                Some(coding) => &mut self.named[coding as usize],
                None => return,
            }
        };
        place.get_or_insert(weight);
    }

    fn of(&self, coding: Coding) -> u16 {
        self.named[coding as usize].or(self.any).unwrap_or(0)
    }
}

/// `q=` and a weight (RFC 9110 section 12.4.2), in thousandths.
fn weight(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', whole, rest @ ..] = parameter.trim_ascii() else {
        return None;
    };
    let fraction = match rest {
        [] => &[],
        [b'.', fraction @ ..] if fraction.len() <= 3 => fraction,
        _ => return None,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths = thousandths * 10 + u16::from(digit - b'0');
    }
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(1000),
        _ => None,
    }
}

/// The codings of a `Content-Encoding` (RFC 9110 §8.4), in the order in which they were applied, `identity` left out; `None` for what is
/// no list of names.
///
/// ```
/// use wireline::wire::coding::applied;
///
/// let lines = [&b"identity, gzip"[..], b"br"];
/// assert_eq!(applied(lines).collect::<Vec<_>>(), [Some(&b"gzip"[..]), Some(b"br")]);
/// assert_eq!(applied([&b"g zip"[..]]).next(), Some(None));
/// ```
pub fn applied<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = Option<&'a [u8]>> {
    lines
        .into_iter()
        .flat_map(list)
        .filter(|name| !name.eq_ignore_ascii_case(b"identity"))
        .map(|name| name.iter().all(|octet| is_token(*octet)).then_some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::{Brotli, Gzip, Zstd};

    const ALL: [Coding; 3] = [Brotli, Zstd, Gzip];

    #[test]
    fn s105_weights_decide_and_at_equal_ones_our_order() {
        for (line, wanted) in [
            ("", None),
            ("br", Some(Brotli)),
            ("gzip, deflate, br, zstd", Some(Brotli)),
            ("gzip, deflate", Some(Gzip)),
            ("gzip, zstd", Some(Zstd)),
            ("gzip;q=1.0, br;q=0.9", Some(Gzip)),
            ("gzip ; q=0.8 ,\tbr; Q=0.8", Some(Brotli)),
            ("GZIP;q=0.001", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("deflate", None),
            ("compress", None),
            // `identity`: named it competes, and ties go to a coding.
            ("identity", None),
            ("br;q=0.5, identity", None),
            ("br;q=0.5, identity;q=0.5", Some(Brotli)),
            ("br;q=0.5, identity;q=0", Some(Brotli)),
            ("identity;q=0", None),
            ("identity;q=0, deflate", None),
            ("br;q=0, identity;q=0", None),
            // `*`
            ("*", Some(Brotli)),
            ("*;q=0", None),
            ("*;q=0, gzip", Some(Gzip)),
            ("*;q=0.1, gzip;q=0", Some(Brotli)),
            ("*;q=0.5, gzip;q=0.3", Some(Brotli)),
            ("br;q=0, *", Some(Zstd)),
            ("br;q=0.2, *;q=0.1", Some(Brotli)),
            ("identity;q=0.2, *;q=0.1", None),
            // Malformed members say nothing.
            ("br;q=nonsense", None),
            ("br;q=nonsense, gzip;q=0.1", Some(Gzip)),
            ("br;q=1.001", None),
            ("br;q=0.1234", None),
            ("br;q=2", None),
            ("br;q=", None),
            ("br;q=+1", None),
            ("br;q=.5", None),
            ("br;q=0.", None),
            ("br;q=1.", Some(Brotli)),
            ("br;level=5", None),
            ("br q=1", None),
            // The first counts.
            ("br;q=0, br", None),
            (",,, br ,", Some(Brotli)),
        ] {
            assert_eq!(preferred([line.as_bytes()], &ALL), wanted, "{line}");
        }
        let lines = [&b"gzip;q=0.5"[..], b"br;q=0.1"];
        assert_eq!(preferred(lines, &ALL), Some(Gzip));
        assert_eq!(preferred([&b"br, gzip"[..]], &[Gzip, Brotli]), Some(Gzip));
        assert_eq!(preferred([&b"*"[..]], &[]), None);
    }

    #[test]
    fn ranked_codings_begin_with_the_preferred_one() {
        for (line, wanted) in [
            ("gzip, deflate, br, zstd", &ALL[..]),
            ("gzip;q=1.0, br;q=0.5", &[Gzip, Brotli]),
            ("*", &ALL),
            ("*;q=0.1, br;q=0", &[Zstd, Gzip]),
            ("identity, gzip;q=0.5", &[]),
            ("identity;q=0.5, gzip;q=0.5, br;q=0.4", &[Gzip]),
            ("gzip;q=0", &[]),
            ("X-GZIP", &[Gzip]),
            ("br;q=0, br, gzip;q=0.1", &[Gzip]),
            ("br;q=1.001, zstd;q=2, gzip;q=0.001", &[Gzip]),
            ("", &[]),
        ] {
            assert_eq!(ranked([line.as_bytes()], &ALL), wanted, "{line}");
            let first = preferred([line.as_bytes()], &ALL);
            assert_eq!(first, wanted.first().copied(), "{line}");
        }
        let many = [vec!["x"; MAX_MEMBERS].join(","), "br".to_owned()].join(",");
        assert_eq!(ranked([many.as_bytes()], &ALL), []);
    }

    #[test]
    fn co4_ten_thousand_members_are_none() {
        let of = |count: usize| [vec!["x;q=0.5"; count].join(","), "br".to_owned()].join(",");
        let ask = |count| preferred([of(count).as_bytes()], &ALL);
        assert_eq!(ask(MAX_MEMBERS - 1), Some(Brotli));
        assert_eq!(ask(MAX_MEMBERS), None);
        assert_eq!(ask(10_000), None);
    }

    #[test]
    fn what_was_applied_is_read_in_order() {
        let read = |line: &'static str| applied([line.as_bytes()]).collect::<Vec<_>>();
        assert_eq!(
            read("gzip, identity ,br"),
            [Some(&b"gzip"[..]), Some(b"br")]
        );
        assert_eq!(read("identity"), []);
        assert_eq!(read("g zip"), [None]);
    }
}
