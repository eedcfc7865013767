//! Values of the query by their names.

use crate::service::request::Parts;
use crate::wire::number::hex_digit;

impl Parts {
    /// The first value of this name in the query, decoded as forms are: `+` is a space, `%` without two digits stands for
    /// itself, octets that are no UTF-8 become U+FFFD. A name without `=` has an empty value.
    ///
    /// ```
    /// use wireline::Request;
    ///
    /// let request = Request::get("/search?q=rust+%26+http&page=1&page=2&exact");
    /// assert_eq!(request.query_value("q").as_deref(), Some("rust & http"));
    /// assert_eq!(request.query_value("page").as_deref(), Some("1"));
    /// assert_eq!(request.query_value("exact").as_deref(), Some(""));
    /// assert_eq!(request.query_value("Q"), None);
    /// ```
    pub fn query_value(&self, name: &str) -> Option<String> {
        self.query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (!pair.is_empty() && decoded(key) == name).then(|| decoded(value))
        })
    }

    /// All names of the query with their values, in their order, decoded as those of [`query_value`](Self::query_value).
    #[allow(dead_code, reason = "only the relay asks, and it is optional")]
    pub(crate) fn query_pairs(&self) -> impl Iterator<Item = (String, String)> {
        let pairs = self.query().unwrap_or_default().split('&');
        pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        })
    }
}

fn decoded(text: &str) -> String {
    let text = text.as_bytes();
    let mut octets = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(octet) = text.get(at) {
        let digit = |place: usize| text.get(place).copied().and_then(hex_digit);
        match (octet, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                octets.push(high << 4 | low);
                at += 2;
            }
            (b'+', ..) => octets.push(b' '),
            _ => octets.push(*octet),
        }
        at += 1;
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use crate::service::request::Request;

    #[test]
    fn s70_values_of_the_query_by_name() {
        for (query, name, expected) in [
            ("a=1", "a", Some("1")),
            ("b=2&a=1", "a", Some("1")),
            ("a=1=2", "a", Some("1=2")),
            ("%61=%C3%BC", "a", Some("ü")),
            ("a=%", "a", Some("%")),
            ("a=%4", "a", Some("%4")),
            ("a=%zz%2b", "a", Some("%zz+")),
            ("a=%ff", "a", Some("\u{fffd}")),
            ("=x", "", Some("x")),
            ("&", "", None),
            ("ab=1", "a", None),
        ] {
            let request = Request::get(&format!("/?{query}"));
            assert_eq!(request.query_value(name).as_deref(), expected, "{query}");
        }
        assert_eq!(Request::get("/").query_value("a"), None);
        let request = Request::get("/?a=1&&b&a=%20+");
        let pairs: Vec<_> = request.query_pairs().collect();
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        assert_eq!(pairs, [("a", "1"), ("b", ""), ("a", "  ")].map(owned));
        assert_eq!(Request::get("/").query_pairs().count(), 0);
    }
}
