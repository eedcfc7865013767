//! A small lexer for Rust source text: words and punctuation with their lines; comments are dropped and literals are opaque.

/// A token and its line, counted from 1.
#[derive(Clone)]
pub(crate) struct Token {
    /// The line on which the token begins.
    pub(crate) line: usize,
    /// The token itself.
    pub(crate) kind: Kind,
}

/// As much of Rust's token grammar as the rules need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// An identifier or keyword, a raw identifier without its `r#`.
    Word(String),
    /// `::`
    PathSeparator,
    /// Any other punctuation, one character at a time.
    Mark(char),
    /// A string, character or number; its value is of no interest.
    Literal,
}

impl Token {
    /// Whether this token is the given word.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(own) if own == word)
    }

    /// Whether this token is the given punctuation character.
    pub(crate) fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    /// Whether this token is `::`.
    pub(crate) fn is_separator(&self) -> bool {
        self.kind == Kind::PathSeparator
    }

    /// The word that this token is, if it is one.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Splits a source text into tokens, without comments.
pub(crate) fn lex(text: &str) -> Vec<Token> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < characters.len() {
        let (end, kind) = next_token(&characters, at);
        if let Some(kind) = kind {
            tokens.push(Token { line, kind });
        }
        line += characters[at..end]
            .iter()
            .filter(|character| **character == '\n')
            .count();
        at = end;
    }
    tokens
}

/// The end of the token, comment or white space that begins at `at`, and what it is; nothing for the last two.
fn next_token(characters: &[char], at: usize) -> (usize, Option<Kind>) {
    let rest = &characters[at..];
    match rest {
        ['/', '/', ..] => (at + span(rest, |character| character != '\n'), None),
        ['/', '*', ..] => (at + block_comment(rest), None),
        [':', ':', ..] => (at + 2, Some(Kind::PathSeparator)),
        ['"', ..] => (at + string(rest), Some(Kind::Literal)),
        ['\'', '\\', ..] => (at + character_literal(rest), Some(Kind::Literal)),
        ['\'', _, '\'', ..] => (at + 3, Some(Kind::Literal)),
        ['\'', ..] => (
            at + 1 + span(&rest[1..], is_word_character),
            Some(Kind::Literal),
        ),
        [first, ..] if first.is_ascii_digit() => (at + number(rest), Some(Kind::Literal)),
        [first, ..] if is_word_character(*first) => word_or_prefixed_literal(rest, at),
        [first, ..] if first.is_whitespace() => (at + 1, None),
        [first, ..] => (at + 1, Some(Kind::Mark(*first))),
        [] => (at, None),
    }
}

/// A word, or a literal with a prefix: `r"..."`, `br#"..."#`, `b'x'`, `c"..."`, or a raw identifier.
fn word_or_prefixed_literal(rest: &[char], at: usize) -> (usize, Option<Kind>) {
    let length = span(rest, is_word_character);
    let word: String = rest[..length].iter().collect();
    let after = &rest[length..];
    let hashes = span(after, |character| character == '#');
    if ["r", "b", "br", "c", "cr"].contains(&word.as_str()) {
        if word.ends_with('r') && after.get(hashes) == Some(&'"') {
            return (at + length + raw_string(after, hashes), Some(Kind::Literal));
        }
        if after.first() == Some(&'"') {
            return (at + length + string(after), Some(Kind::Literal));
        }
        if word == "b" && after.first() == Some(&'\'') {
            return (at + length + character_literal(after), Some(Kind::Literal));
        }
        if word == "r" && hashes == 1 {
            let raw = span(&after[1..], is_word_character);
            let name = after[1..=raw].iter().collect();
            return (at + 2 + raw, Some(Kind::Word(name)));
        }
    }
    (at + length, Some(Kind::Word(word)))
}

fn is_word_character(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn span(characters: &[char], belongs: impl Fn(char) -> bool) -> usize {
    characters
        .iter()
        .take_while(|character| belongs(**character))
        .count()
}

fn number(rest: &[char]) -> usize {
    let mut length = span(rest, is_word_character);
    if rest.get(length) == Some(&'.') && rest.get(length + 1).is_some_and(char::is_ascii_digit) {
        length += 1 + span(&rest[length + 1..], is_word_character);
    }
    length
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => {
                depth += 1;
                at += 2;
            }
            ['*', '/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    break;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    quoted(rest, '"')
}

fn character_literal(rest: &[char]) -> usize {
    quoted(rest, '\'')
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    rest.len().min(at + 1)
}

fn raw_string(after: &[char], hashes: usize) -> usize {
    let mut at = hashes + 1;
    while at < after.len() {
        if after[at] == '"' && span(&after[at + 1..], |character| character == '#') >= hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    at
}
