//! Reads one Rust source file far enough to know what it imports: leaves out the items of tests, then follows every path from its first segment,
//! which is `crate`, `self`, `super`, a child module, or a name that a `use` above brought into the file.

use std::collections::BTreeMap;

use super::lexer::{Kind, Token, lex};

/// What the rules need to know about one source file. Paths are module paths from the crate's root, without `crate`.
pub(crate) struct Source {
    /// Where the file stands: `src/http1/head.rs` is `["http1", "head"]`, `src/lib.rs` is empty.
    pub(crate) module: Vec<String>,
    /// Number of physical lines.
    pub(crate) lines: usize,
    /// Every path into this crate that the file's production code names.
    pub(crate) references: Vec<Reference>,
    /// The production code's tokens, for the rules about words.
    pub(crate) tokens: Vec<Token>,
    /// Line numbers of `super::super`.
    pub(crate) double_supers: Vec<usize>,
    /// Line numbers of `use ...::*`.
    pub(crate) globs: Vec<usize>,
    /// Line numbers of documentation that names a row of a specification, as in `(S117, D21)`.
    pub(crate) row_codes: Vec<usize>,
    /// Modules that this file declares under `#[cfg(test)]` and that live in files of their own.
    pub(crate) test_modules: Vec<Vec<String>>,
}

/// A path into this crate, as module segments followed by item names.
pub(crate) struct Reference {
    /// The line on which the path begins.
    pub(crate) line: usize,
    /// The resolved path.
    pub(crate) path: Vec<String>,
    /// The target of the import whose name the path begins with; that import is a reference of its own.
    pub(crate) import: Option<Vec<String>>,
}

impl Source {
    /// Reads the file that stands at `path`, which begins with `src/` and ends in `.rs`.
    pub(crate) fn read(path: &str, text: &str) -> Self {
        let module = module_of(path);
        let all = lex(text);
        let mut test_modules = Vec::new();
        let tokens = without_tests(&all, &module, &mut test_modules);
        let mut resolver = Resolver::new(&module, &tokens);
        resolver.walk(&tokens);
        Self {
            module,
            lines: text.lines().count(),
            references: resolver.references,
            double_supers: resolver.double_supers,
            globs: resolver.globs,
            row_codes: row_codes(text),
            tokens,
            test_modules,
        }
    }
}

/// The lines of documentation in which a list before a closing parenthesis has a letter and a number as its whole item.
fn row_codes(text: &str) -> Vec<usize> {
    let is_code = |item: &str| {
        let number = item
            .trim()
            .strip_prefix(['S', 'D', 'F'])
            .unwrap_or_default();
        (1..=3).contains(&number.len()) && number.bytes().all(|octet| octet.is_ascii_digit())
    };
    let names_a_row = |line: &str| {
        let mut pieces: Vec<&str> = line.split(')').collect();
        pieces.pop();
        pieces.into_iter().any(|piece| {
            let list = piece
                .rsplit('(')
                .next()
                .unwrap_or_default()
                .replace(" to ", ",");
            list.split([',', ';', '-']).any(is_code)
        })
    };
    let documentation = text.lines().enumerate().filter_map(|(at, line)| {
        let line = line.trim_start();
        let words = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"))?;
        Some((at + 1, words))
    });
    documentation
        .filter(|(_, words)| names_a_row(words))
        .map(|(at, _)| at)
        .collect()
}

/// Follows every path of a file to the module it names.
struct Resolver {
    /// The file's module and, while walking, the inline modules around the current token.
    here: Vec<String>,
    /// The brace depth at which each inline module around the current token ends.
    inline_ends: Vec<usize>,
    /// The child modules that the file declares.
    children: BTreeMap<String, Vec<String>>,
    /// The names that `use` brought into the file, with what they stand for in this crate.
    imports: BTreeMap<String, Vec<String>>,
    references: Vec<Reference>,
    double_supers: Vec<usize>,
    globs: Vec<usize>,
}

impl Resolver {
    fn new(module: &[String], tokens: &[Token]) -> Self {
        let declared = (0..tokens.len()).filter_map(|at| declared_module(tokens, at));
        let children = declared
            .map(|name| (name.to_owned(), joined(module, &[name.to_owned()])))
            .collect();
        Self {
            here: module.to_vec(),
            inline_ends: Vec::new(),
            children,
            imports: BTreeMap::new(),
            references: Vec::new(),
            double_supers: Vec::new(),
            globs: Vec::new(),
        }
    }

    fn walk(&mut self, tokens: &[Token]) {
        let mut depth = 0;
        let mut at = 0;
        while at < tokens.len() {
            let token = &tokens[at];
            if let Some(name) = declared_module(tokens, at)
                && tokens[at + 2].is_mark('{')
            {
                self.here.push(name.to_owned());
                depth += 1;
                self.inline_ends.push(depth);
                at += 3;
                continue;
            }
            if token.is_mark('{') {
                depth += 1;
            } else if token.is_mark('}') {
                if self.inline_ends.last() == Some(&depth) {
                    self.inline_ends.pop();
                    self.here.pop();
                }
                depth = depth.saturating_sub(1);
            }
            // `use<'a>` in a return type is precise capturing, not an import.
            if token.is_word("use") && !tokens.get(at + 1).is_some_and(|next| next.is_mark('<')) {
                at = self.use_tree(tokens, at + 1, &[], token.line);
                continue;
            }
            if token.word().is_some() {
                at = self.plain_path(tokens, at);
                continue;
            }
            at += 1;
        }
    }

    /// Reads the `use` tree that begins at `at`, below the segments `prefix`; returns the index after it.
    fn use_tree(
        &mut self,
        tokens: &[Token],
        mut at: usize,
        prefix: &[String],
        line: usize,
    ) -> usize {
        let mut path = prefix.to_vec();
        while let Some(token) = tokens.get(at) {
            match &token.kind {
                Kind::Word(word) if word == "as" => {
                    let alias = tokens.get(at + 1).and_then(Token::word);
                    self.imported(&path, alias, line);
                    return at + 2;
                }
                Kind::Word(word) => path.push(word.clone()),
                // A leading `::` names another crate for certain.
                Kind::PathSeparator if path.is_empty() => path.push(String::new()),
                Kind::PathSeparator => {}
                Kind::Mark('*') => {
                    self.globs.push(token.line);
                    self.imported(&path, None, line);
                    return at + 1;
                }
                Kind::Mark('{') => {
                    at += 1;
                    while tokens.get(at).is_some_and(|token| !token.is_mark('}')) {
                        if tokens[at].is_mark(',') {
                            at += 1;
                        } else {
                            at = self.use_tree(tokens, at, &path, tokens[at].line);
                        }
                    }
                    return at + 1;
                }
                _ => break,
            }
            at += 1;
        }
        let alias = path
            .iter()
            .rev()
            .find(|segment| *segment != "self")
            .cloned();
        self.imported(&path, alias.as_deref(), line);
        at
    }

    /// Notes one leaf of a `use` tree, and the name under which the file knows it from here on.
    fn imported(&mut self, path: &[String], alias: Option<&str>, line: usize) {
        let segments = match path.split_last() {
            Some((last, rest)) if last == "self" && !rest.is_empty() => rest,
            _ => path,
        };
        if let Some(target) = self.refer(segments, line)
            && let Some(alias) = alias
        {
            self.imports.insert(alias.to_owned(), target);
        }
    }

    /// Reads the path or the single word that begins at `at`; returns the index after it.
    fn plain_path(&mut self, tokens: &[Token], mut at: usize) -> usize {
        let line = tokens[at].line;
        let goes_on_from_before = at > 0 && tokens[at - 1].is_separator();
        let mut segments = Vec::new();
        while let Some(word) = tokens.get(at).and_then(Token::word) {
            segments.push(word.to_owned());
            at += 1;
            let separated = tokens.get(at).is_some_and(|token| token.is_separator());
            if !separated || tokens.get(at + 1).and_then(Token::word).is_none() {
                break;
            }
            at += 1;
        }
        if segments.len() > 1 && !goes_on_from_before {
            self.refer(&segments, line);
        }
        at
    }

    /// Resolves a path and notes it when it leads into this crate.
    fn refer(&mut self, segments: &[String], line: usize) -> Option<Vec<String>> {
        let (first, rest) = segments.split_first()?;
        let mut import = None;
        let base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => self.here.clone(),
            "super" if rest.first().is_some_and(|second| second == "super") => {
                self.double_supers.push(line);
                return None;
            }
            "super" => self
                .here
                .split_last()
                .map_or_else(Vec::new, |(_, parent)| parent.to_vec()),
            name => match self.children.get(name) {
                Some(child) => child.clone(),
                None => import.insert(self.imports.get(name)?.clone()).clone(),
            },
        };
        let path = joined(&base, rest);
        self.references.push(Reference {
            line,
            path: path.clone(),
            import,
        });
        Some(path)
    }
}

/// The module path of a source file.
fn module_of(path: &str) -> Vec<String> {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let mut module: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || inner == "lib" {
        module.pop();
    }
    module
}

/// The name that a `mod name;` or `mod name {` at `at` declares.
fn declared_module(tokens: &[Token], at: usize) -> Option<&str> {
    let end = tokens.get(at + 2)?;
    let name = tokens.get(at + 1)?.word()?;
    (tokens[at].is_word("mod") && (end.is_mark(';') || end.is_mark('{'))).then_some(name)
}

fn joined(base: &[String], rest: &[String]) -> Vec<String> {
    base.iter().chain(rest).cloned().collect()
}

/// Leaves out every item under `#[cfg(test)]` or `#[cfg(all(test, ...))]`, and notes the modules among them that are files of their own.
///
/// `cfg(any(test, ...))` stays: such code is compiled into the library too.
fn without_tests(
    tokens: &[Token],
    module: &[String],
    test_modules: &mut Vec<Vec<String>>,
) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Some(after) = attribute_end(tokens, at) else {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let inside = words_of(&tokens[at..after]);
        let of_tests =
            inside.starts_with(&["cfg", "test"]) || inside.starts_with(&["cfg", "all", "test"]);
        if !of_tests {
            kept.extend_from_slice(&tokens[at..after]);
            at = after;
            continue;
        }
        let end = item_end(tokens, after);
        let item = &tokens[after..end];
        for position in 0..item.len() {
            if let Some(name) = declared_module(item, position)
                && item[position + 2].is_mark(';')
            {
                test_modules.push(joined(module, &[name.to_owned()]));
            }
        }
        at = end;
    }
    kept
}

/// The index after the outer or inner attribute that begins at `at`.
pub(crate) fn attribute_end(tokens: &[Token], at: usize) -> Option<usize> {
    if !tokens[at].is_mark('#') {
        return None;
    }
    let mut open = at + 1;
    if tokens.get(open)?.is_mark('!') {
        open += 1;
    }
    if !tokens.get(open)?.is_mark('[') {
        return None;
    }
    let mut depth = 0_usize;
    for (offset, token) in tokens[open..].iter().enumerate() {
        if token.is_mark('[') {
            depth += 1;
        } else if token.is_mark(']') {
            depth -= 1;
            if depth == 0 {
                return Some(open + offset + 1);
            }
        }
    }
    None
}

/// The words of a run of tokens.
pub(crate) fn words_of(tokens: &[Token]) -> Vec<&str> {
    tokens.iter().filter_map(Token::word).collect()
}

/// The index after the item that begins at `at`, further attributes included: its `;`, or the brace that closes its body.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    while at < tokens.len() {
        match attribute_end(tokens, at) {
            Some(after) => at = after,
            None => break,
        }
    }
    let is_import = tokens[at..]
        .iter()
        .take_while(|token| !token.is_mark(';'))
        .any(|token| token.is_word("use"))
        && !tokens[at..]
            .iter()
            .take_while(|token| !token.is_word("use"))
            .any(|token| token.is_mark('{'));
    let mut depth = 0_usize;
    while at < tokens.len() {
        match tokens[at].kind {
            Kind::Mark(';') if depth == 0 => return at + 1,
            Kind::Mark('{' | '(' | '[') => depth += 1,
            // A field or statement at the end of its block: the block's own brace is not part of it.
            Kind::Mark('}') if depth == 0 => return at,
            Kind::Mark('}') if depth == 1 && !is_import => return at + 1,
            Kind::Mark('}' | ')' | ']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    at
}
