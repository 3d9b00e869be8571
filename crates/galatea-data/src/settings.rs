//! Checked, documented settings: one declaration gives the struct, its defaults, its help and its checks.
//!
//! A configuration is laid over the defaults key by key ([`overlay`]), so a partial file is fine and an unknown key, a
//! wrong type or a value out of range is an error that names the key and what it may be.

use serde::{Serialize, de::DeserializeOwned};

/// One key of a settings struct, as help and error messages show it.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key as the user writes it.
    pub name: &'static str,
    /// What it does, its unit and its source.
    pub doc: &'static str,
    /// What it may be: a range such as `1..=65536`, or the names that a choice has; empty if anything of its type.
    pub allowed: &'static str,
}

/// A settings struct made by [`settings!`](crate::settings!).
pub trait Settings: Serialize + DeserializeOwned + Default + Clone + std::fmt::Debug + Send + Sync + 'static {
    /// Its keys in the order of declaration, those of included groups last.
    fn keys() -> Vec<Key>;

    /// Checks every value against its range.
    ///
    /// # Errors
    /// With the first key whose value is out of range.
    fn check(&self) -> Result<(), SettingError>;
}

/// A value that a setting cannot have.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct SettingError {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub hint: Option<String>,
}

impl SettingError {
    /// An error with a hint.
    pub fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { problem: problem.into(), hint: Some(hint.into()) }
    }

    /// The error of a value outside what its key allows.
    pub fn out_of_range(key: &str, value: impl std::fmt::Debug, allowed: &str) -> Self {
        let allowed = allowed.replace('_', "");
        Self::new(format!("`{key}` is {value:?}, out of range"), format!("`{key}` takes a value in {allowed}"))
    }
}

/// A type with a fixed list of names, made by [`choice!`](crate::choice!).
pub trait Choice: Sized + Copy + 'static {
    /// All values, in the order of declaration.
    const ALL: &'static [Self];
    /// The value as the user writes it.
    fn name(self) -> &'static str;
    /// What it is.
    fn doc(self) -> &'static str;
}

/// Lays the keys of `table` over the defaults of `S`, and checks the result.
///
/// `section` is put before the keys in messages: `data` gives `data.size`; empty for none.
///
/// # Errors
/// An unknown key (with the nearest known one), a wrong type, a value out of range.
pub fn overlay<S: Settings>(section: &str, table: &toml::Table) -> Result<S, SettingError> {
    let mut settings = S::default();
    overlay_onto(section, table, &mut settings)?;
    Ok(settings)
}

/// Lays the keys of `table` over `settings`, and checks the result. See [`overlay`].
///
/// # Errors
/// As [`overlay`]; `settings` is unchanged then.
pub fn overlay_onto<S: Settings>(section: &str, table: &toml::Table, settings: &mut S) -> Result<(), SettingError> {
    let full = |key: &str| if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    let keys = S::keys();
    let mut merged = to_table(settings);
    for (key, value) in table {
        let Some(known) = keys.iter().find(|known| known.name == key) else {
            let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
            return Err(unknown(&full(key), key, &names));
        };
        let kept = merged.insert(key.clone(), value.clone());
        // One key at a time, so that the message names the one that is wrong.
        let Err(as_it_is) = merged.clone().try_into::<S>() else { continue };
        // `size = 32` for a text and `rate = 1` for a float are what people write.
        merged.insert(key.clone(), toml::Value::String(display(value)));
        let Err(as_text) = merged.clone().try_into::<S>() else { continue };
        // Where a text is taken at all, it is the one that says which.
        let is_choice = matches!(&kept, Some(toml::Value::String(_)));
        let reason = if is_choice { as_text } else { as_it_is };
        let reason = reason.message().lines().next().unwrap_or_default().to_owned();
        let key = full(key);
        let hint = match (known.allowed, kept) {
            ("", Some(old)) if !is_choice => format!("`{key}` takes a value, such as {}", display(&old)),
            ("", _) => format!("`{key}`: {}", known.doc.trim().trim_end_matches('.')),
            (range, _) => format!("`{key}` takes a value in {}", range.replace('_', "")),
        };
        return Err(SettingError::new(format!("`{key}` cannot be `{}`: {reason}", display(value)), hint));
    }
    let laid: S = merged.try_into().map_err(|error: toml::de::Error| SettingError {
        problem: format!("the settings do not fit together: {}", error.message()),
        hint: None,
    })?;
    laid.check().map_err(|error| prefix(section, error))?;
    *settings = laid;
    Ok(())
}

fn prefix(section: &str, error: SettingError) -> SettingError {
    if section.is_empty() {
        return error;
    }
    let mark = |text: String| text.replacen('`', &format!("`{section}."), 1);
    SettingError { problem: mark(error.problem), hint: error.hint.map(mark) }
}

/// The settings as a table, every default written out; keys that have no value are left out.
pub fn to_table<S: Settings>(settings: &S) -> toml::Table {
    toml::Table::try_from(settings).unwrap_or_default()
}

/// The error of a key that nobody knows, with the nearest of the known ones.
pub fn unknown(full: &str, key: &str, known: &[&str]) -> SettingError {
    let section = full.strip_suffix(key).unwrap_or_default();
    let hint = match nearest(key, known) {
        Some(name) => format!("did you mean `{section}{name}`?"),
        None => format!("known are {}", known.join(", ")),
    };
    SettingError::new(format!("there is no setting `{full}`"), hint)
}

/// The name in `known` that is most like `word`, if one is close enough to be what was meant.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (edit_distance(&word.to_lowercase(), &name.to_lowercase()), *name))
        // Of a word of one letter, nothing is left when one is changed.
        .filter(|(distance, name)| *distance <= 1 + name.len().min(word.len()) / 4 && *distance < name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn display(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Declares a settings struct: per key its docs, type, default and, if it has one, its range. Groups that several
/// structs share come after the keys of its own, in `include { group: Group = Group::default(); }`.
///
/// ```
/// galatea_data::settings! {
///     /// An example.
///     pub struct Example {
///         /// Images in one step.
///         batch: usize = 64, in 1..=65_536;
///         /// Where to read.
///         source: String = "digits".into();
///         /// Left out by default.
///         limit: Option<usize> = None;
///     }
/// }
/// use galatea_data::settings::{Settings, overlay};
/// let table: toml::Table = "batch = 32".parse()?;
/// assert_eq!(overlay::<Example>("", &table)?.batch, 32);
/// assert!(overlay::<Example>("", &"batch = 0".parse()?).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $key:ident : $type:ty = $default:expr $(, in $range:expr)? ;
            )*
        }
        $( include {
            $(
                $(#[doc = $group_doc:literal])*
                $group:ident : $group_type:ty = $group_default:expr ;
            )*
        } )?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        $vis struct $name {
            $( $(#[doc = $doc])* pub $key: $type, )*
            $($( $(#[doc = $group_doc])* #[serde(flatten)] pub $group: $group_type, )*)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: $default, )* $($( $group: $group_default, )*)? }
            }
        }

        impl $crate::settings::Settings for $name {
            fn keys() -> Vec<$crate::settings::Key> {
                #[allow(unused_mut, reason = "settings without included groups")]
                let mut keys = vec![
                    $( $crate::settings::Key {
                        name: stringify!($key),
                        doc: concat!($($doc),*),
                        allowed: concat!("" $(, stringify!($range))?),
                    }, )*
                ];
                $($( keys.extend(<$group_type as $crate::settings::Settings>::keys()); )*)?
                keys
            }

            fn check(&self) -> std::result::Result<(), $crate::settings::SettingError> {
                $( $(
                    // Written so that NaN is out of every range.
                    if !($range).contains(&self.$key) {
                        return Err($crate::settings::SettingError::out_of_range(
                            stringify!($key), &self.$key, stringify!($range),
                        ));
                    }
                )? )*
                $($( $crate::settings::Settings::check(&self.$group)?; )*)?
                Ok(())
            }
        }
    };
}

/// Declares a choice: an enum whose values have names (`snake` written with `-`), docs, and serde by name.
///
/// ```
/// galatea_data::choice! {
///     /// How a picture is brought to size.
///     pub enum Fit {
///         /// Fill the frame and cut what is over.
///         Cover = "cover",
///         /// Keep all and pad.
///         Contain = "contain",
///     }
/// }
/// use galatea_data::settings::Choice;
/// assert_eq!(Fit::Contain.name(), "contain");
/// ```
#[macro_export]
macro_rules! choice {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $( $(#[doc = $doc:literal])* $variant:ident = $text:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        $vis enum $name {
            $( $(#[doc = $doc])* #[serde(rename = $text)] $variant, )*
        }

        impl $crate::settings::Choice for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            fn doc(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*)),* }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::choice! {
        /// A choice.
        enum Norm {
            /// None.
            None = "none",
            /// Batch.
            Batch = "batch",
        }
    }

    crate::settings! {
        /// Settings that several share.
        struct Shared {
            /// Seed.
            seed: u64 = 0;
            /// Share.
            share: f64 = 0.5, in 0.0..=1.0;
        }
    }

    crate::settings! {
        /// Everything that a setting can be.
        struct Example {
            /// Images in one step.
            batch: usize = 64, in 1..=65_536;
            /// Step length.
            rate: f64 = 1e-4, in 0.0..=1.0;
            /// Side or `WxH`.
            size: String = String::new();
            /// At most so many.
            limit: Option<usize> = None;
            /// Normalisation.
            norm: Norm = Norm::Batch;
        }
        include {
            /// What others have too.
            shared: Shared = Shared { seed: 7, ..Shared::default() };
        }
    }

    fn lay(text: &str) -> Result<Example, SettingError> {
        overlay("data", &text.parse().unwrap())
    }

    #[test]
    fn a_partial_table_is_laid_over_the_defaults() {
        let laid = lay("rate = 1\nlimit = 3\nnorm = 'none'\nsize = 32").unwrap();
        assert_eq!(
            laid,
            Example { rate: 1.0, limit: Some(3), norm: Norm::None, size: "32".into(), ..Example::default() }
        );
        let laid = lay("share = 1").unwrap();
        assert_eq!(laid.shared, Shared { seed: 7, share: 1.0 });
        assert_eq!(Example::keys().len(), 7);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key_and_remedy() {
        let message = |text| {
            let error = lay(text).unwrap_err();
            format!("{} | {}", error.problem, error.hint.unwrap())
        };
        assert_eq!(message("bach = 3"), "there is no setting `data.bach` | did you mean `data.batch`?");
        assert_eq!(message("batch = 0"), "`data.batch` is 0, out of range | `data.batch` takes a value in 1..=65536");
        assert!(message("rate = nan").contains("out of range"));
        assert!(message("share = 2").contains("`data.share` takes a value in 0.0..=1.0"));
        assert!(message("batch = 'many'").starts_with("`data.batch` cannot be `many`: invalid type: string"));
        assert!(message("batch = -1").starts_with("`data.batch` cannot be `-1`"));
        assert!(message("limit = 'all'").ends_with(" | `data.limit`: At most so many"));
        assert!(message("norm = true").starts_with("`data.norm` cannot be `true`: unknown variant"));
        assert_eq!(nearest("x", &["0", "1"]), None);
        assert_eq!(nearest("s3", &["s1", "t7"]), Some("s1"));
        assert!(message("norm = 'layer'").contains("expected `none` or `batch`"));
    }

    #[test]
    fn a_table_written_and_read_again_is_the_same() {
        let settings = Example { limit: Some(7), ..Example::default() };
        assert_eq!(overlay::<Example>("", &to_table(&settings)).unwrap(), settings);
    }
}
