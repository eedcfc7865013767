//! The configuration: defaults, then the file, then the environment, then the command line, each stronger than what stands before it.

mod checks;
#[cfg(test)]
mod documents;
mod effective;
mod file;
pub(crate) mod settings;
pub(crate) mod show;
mod units;
pub(crate) mod value;
mod whence;

pub(crate) use self::checks::digest;
pub(crate) use self::effective::{Adapter, Backplane, Config, History, Tls};

use self::settings::{PREFIX, SETTINGS, Setting};
use self::value::{Value, nearest};
use crate::args::Options;
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use toml::de::DeValue;

/// What every setting is, in the order of the table, and where it comes from.
pub(crate) struct Effective {
    pub(crate) entries: Vec<(Option<Value>, Origin)>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Unset,
    Default,
    File {
        name: String,
        line: usize,
        column: usize,
    },
    Variable(String),
    Flag(String),
}

/// Something that is wrong, as a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// It begins with the name of the file, the line and the column.
    InFile(String),
    Elsewhere(String),
}

pub(crate) type Wrongs = Vec<Wrong>;

/// Puts together what the command line, the environment and the file say.
pub(crate) fn load(
    options: &Options,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Effective, Wrongs> {
    let mut effective = Effective::defaults();
    let mut variables: Vec<(String, OsString)> = environment
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    variables.sort();
    let named = variables.iter().find(|(name, _)| name == CONFIG);
    let path = options
        .config
        .clone()
        .or_else(|| named.map(|(_, path)| path.clone().into()));
    if let Some(path) = path {
        effective.take_file(&path)?;
    }
    effective.take_variables(&variables)?;
    effective.take_flags(options)?;
    Ok(effective)
}

impl Effective {
    /// Nothing but defaults.
    pub(crate) fn defaults() -> Self {
        let entries = SETTINGS.iter().map(|setting| {
            // A test reads all of them.
            let value = DeValue::parse(setting.default).ok();
            match value.and_then(|value| setting.kind.read_toml(&value).ok()) {
                Some(value) => (Some(value), Origin::Default),
                None => (None, Origin::Unset),
            }
        });
        Self {
            entries: entries.collect(),
        }
    }

    fn take_file(&mut self, path: &Path) -> Result<(), Wrongs> {
        let name = path.display().to_string();
        let text = read(path).map_err(|wrong| vec![Wrong::InFile(format!("{name}: {wrong}"))])?;
        let found = file::read(&text).map_err(|wrong| {
            let told = wrong.into_iter().map(|(span, message)| {
                let (line, column) = file::position(&text, span.start);
                Wrong::InFile(format!("{name}:{line}:{column}: {message}"))
            });
            told.collect::<Vec<_>>()
        })?;
        for (setting, value, at) in found {
            let (line, column) = file::position(&text, at);
            let name = name.clone();
            self.set(setting, value, Origin::File { name, line, column });
        }
        Ok(())
    }

    fn take_variables(&mut self, variables: &[(String, OsString)]) -> Result<(), Wrongs> {
        let mut wrong = Vec::new();
        for (name, text) in variables {
            let setting = SETTINGS.iter().find(|setting| setting.variable() == *name);
            let Some(setting) = setting else {
                // Others may have variables of this beginning; what looks like one of ours is a mistake.
                let known: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
                let known = known.iter().filter_map(|known| known.strip_prefix(PREFIX));
                let word = name.strip_prefix(PREFIX).unwrap_or(name);
                if name != CONFIG
                    && let Some(near) = nearest(word, known)
                {
                    wrong.push(Wrong::Elsewhere(format!(
                        "{name} in the environment is no setting (did you mean {PREFIX}{near}?)"
                    )));
                }
                continue;
            };
            let read = match text.to_str() {
                Some(text) => setting.kind.read_variable(text),
                None => Err("it is no UTF-8".to_owned()),
            };
            match read {
                Ok(value) => self.set(setting, value, Origin::Variable(name.clone())),
                Err(message) => wrong.push(Wrong::Elsewhere(format!(
                    "{name} in the environment: {message}"
                ))),
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    fn take_flags(&mut self, options: &Options) -> Result<(), Wrongs> {
        for (setting, texts) in &options.given {
            let flag = setting.flag();
            let value = setting.kind.read_all(texts.iter().map(String::as_str));
            let value =
                value.map_err(|message| vec![Wrong::Elsewhere(format!("--{flag}: {message}"))])?;
            self.set(setting, value, Origin::Flag(flag));
        }
        Ok(())
    }

    fn set(&mut self, setting: &Setting, value: Value, origin: Origin) {
        let place = SETTINGS.iter().position(|known| known.key == setting.key);
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            *entry = (Some(value), origin);
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let read = file.take(LONGEST + 1).read_to_string(&mut text);
    match read {
        Ok(octets) if octets as u64 > LONGEST => Err("it has more than 1 MiB".to_owned()),
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err("it is no text in UTF-8".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The variable that names the file.
pub(crate) const CONFIG: &str = "WIRELINE_CONFIG";
/// The longest file, in octets.
const LONGEST: u64 = 1 << 20;
