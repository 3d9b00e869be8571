//! What a user may say about the data (`data.KEY`), and the same once checked.

use crate::{Error, choice, settings, settings::Settings};

/// Sides that a picture may have after resizing.
pub(crate) const SIDES: std::ops::RangeInclusive<usize> = 8..=1024;

choice! {
    /// How a picture of another shape is brought to `data.size`.
    pub enum Fit {
        /// Fill the frame and cut off what is over.
        Cover = "cover",
        /// Keep the whole picture and pad with the background.
        Contain = "contain",
        /// Change the proportions.
        Stretch = "stretch",
    }
}

choice! {
    /// How many channels pictures are given.
    pub enum Channels {
        /// 1 if all pictures are grey, else 3.
        Auto = "auto",
        /// Grey.
        Grey = "1",
        /// RGB.
        Rgb = "3",
    }
}

choice! {
    /// What text is cut into.
    pub enum Tokens {
        /// Characters (Unicode code points), those that occur.
        Characters = "characters",
        /// Frequent strings of bytes (byte pair encoding), learnt from what is not held back.
        Bpe = "bpe",
        /// Of music: keys that are struck and let go, and time that goes on between.
        Events = "events",
        /// Of music: notes of three numbers each, when, how long and which, so that it is a series.
        Notes = "notes",
    }
}

choice! {
    /// What an example of a text is.
    pub enum Examples {
        /// A stretch of the text, wherever it begins.
        Stretches = "stretches",
        /// A line: a name, a verse, a sentence.
        Lines = "lines",
    }
}

choice! {
    /// What is done about values that a series lacks.
    pub enum Missing {
        /// It is an error, which names the lines.
        Error = "error",
        /// The value before it is taken; at the beginning the one after it.
        Previous = "previous",
        /// The mean of the channel is taken, of what is not held back.
        Mean = "mean",
    }
}

impl Tokens {
    /// Whether they are what music is read as.
    pub(crate) fn are_of_music(self) -> bool {
        matches!(self, Self::Events | Self::Notes)
    }
}

impl Missing {
    /// What is done, for a message.
    pub(crate) fn rule(self) -> &'static str {
        match self {
            Self::Error | Self::Previous => "the values before them",
            Self::Mean => "the mean of their channel",
        }
    }
}

settings! {
    /// How a source of data is read.
    pub struct DataOptions {
        /// Size in pixels, a side (`32`) or `WIDTHxHEIGHT`; `auto`: as they are if all are alike and at most 64x64, else 64x64.
        size: String = "auto".into();
        /// How a picture of another shape is brought to that size: cover, contain or stretch.
        fit: Fit = Fit::Cover;
        /// Colour behind transparent pixels and around contained pictures: `#rrggbb` or a name.
        background: String = "white".into();
        /// 1 (grey), 3 (RGB), or `auto`: grey if all pictures are.
        channels: Channels = Channels::Auto;
        /// Only so many examples, lines or pieces, drawn evenly over all; of a toy distribution, so many in place of 100,000.
        limit: Option<usize> = None;
        /// Only these classes, by name, separated by commas: `3,5`.
        classes: String = String::new();
        /// Decoded pixels kept in memory, in MiB; a larger folder is decoded again for every batch.
        memory_mib: usize = 2048, in 1..=1_048_576;
        /// Leave out files that cannot be read instead of stopping.
        skip_broken: bool = false;
        /// Of text: how many tokens a model sees at a time.
        context: usize = 64, in 1..=8_192;
        /// Of text: what an example is: stretches or lines; lines are ended, held back and written each for itself.
        examples: Examples = Examples::Stretches;
        /// Of text: what it is cut into: characters or bpe; `events` and `notes` read music, for models of text and of series.
        tokens: Tokens = Tokens::Characters;
        /// Of text in `tokens=bpe`: how many tokens there are, 256 bytes among them.
        vocabulary: usize = 1024, in 257..=65_536;
        /// Of numbers in rows: so many moments are an example, and the file is a series; 0 takes each row for itself. Of music in
        /// `tokens=notes`: so many notes, 32 if nothing is said.
        window: usize = 0, in 0..=100_000;
        /// Of a series: moments from the beginning of a window to that of the next.
        stride: usize = 1, in 1..=1_000_000;
        /// Of a series: what is done about values that are missing: error, previous or mean.
        missing: Missing = Missing::Error;
        /// Of music: frames of an example, and longer pieces are cut; 0 for those of the longest piece, at most 256.
        frames: usize = 0, in 0..=65_536;
        /// Of music: frames of a quarter note; 4 of MIDI files, 1 of lists of pitches.
        resolution: Option<usize> = None;
        /// Of music: quarter notes a minute at which samples are played; that of the first MIDI file which has one, else 100.
        tempo: Option<f64> = None;
        /// Share of the examples held back for judging; at most 5,000 examples, and of text and series the last part.
        holdout: f64 = 0.1, in 0.0..=0.5;
        /// Share of the rest held back to choose the best checkpoint by; 0.1 with `eval.every`, else 0.
        validation: f64 = 0.0, in 0.0..=0.5;
    }
}

/// [`DataOptions`] once checked.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Width and height; `None` is chosen from the data.
    pub(crate) size: Option<(usize, usize)>,
    pub(crate) fit: Fit,
    pub(crate) background: [u8; 3],
    /// 1 or 3; `None` is chosen from the data.
    pub(crate) channels: Option<usize>,
    pub(crate) limit: Option<usize>,
    /// Empty: all.
    pub(crate) classes: Vec<String>,
    pub(crate) memory_bytes: u64,
    pub(crate) skip_broken: bool,
    pub(crate) context: usize,
    pub(crate) examples: Examples,
    pub(crate) tokens: Tokens,
    pub(crate) vocabulary: usize,
    /// Share of the examples that is held back.
    pub(crate) holdout: f64,
    /// 0 for rows of their own.
    pub(crate) window: usize,
    pub(crate) stride: usize,
    pub(crate) missing: Missing,
    /// 0 for the longest piece's.
    pub(crate) frames: usize,
    pub(crate) resolution: Option<usize>,
    pub(crate) tempo: Option<f64>,
}

impl DataOptions {
    /// Checks every value, also those that no type and no range can check.
    ///
    /// # Errors
    /// With the first key whose value makes no sense.
    pub fn validate(&self) -> crate::Result<()> {
        Plan::new(self).map(|_| ())
    }

    /// Fails if something is set that only pictures have, for `source`, which holds points or text.
    pub(crate) fn refuse_pictures(&self, source: &str, holds: &str) -> crate::Result<()> {
        self.refuse(&["size", "fit", "background", "channels"], "pictures", source, holds)
    }

    /// Fails if something is set that only text has, for `source`, which holds something else.
    pub(crate) fn refuse_text(&self, source: &str, holds: &str) -> crate::Result<()> {
        self.refuse(&["context", "examples", "tokens", "vocabulary"], "text", source, holds)
    }

    /// Fails if something is set that only series have, for `source`, which holds something else.
    pub(crate) fn refuse_series(&self, source: &str, holds: &str) -> crate::Result<()> {
        self.refuse(&["window", "stride", "missing"], "series", source, holds)
    }

    /// Fails if something is set that only music has, for `source`, which holds something else.
    pub(crate) fn refuse_music(&self, source: &str, holds: &str) -> crate::Result<()> {
        self.refuse(&["frames", "resolution", "tempo"], "music", source, holds)
    }

    fn refuse(&self, keys: &[&str], are_for: &str, source: &str, holds: &str) -> crate::Result<()> {
        let usual = crate::settings::to_table(&Self::default());
        let own = crate::settings::to_table(self);
        match keys.iter().find(|key| usual.get(**key) != own.get(**key)) {
            Some(key) => Err(Error::usage(format!("`data.{key}` is for {are_for}, and `{source}` holds {holds}"))
                .with_hint(format!("leave out `data.{key}`"))),
            None => Ok(()),
        }
    }
}

impl Plan {
    fn default_vocabulary() -> usize {
        DataOptions::default().vocabulary
    }

    pub(crate) fn new(options: &DataOptions) -> crate::Result<Self> {
        options.check().map_err(|error| Error::Usage { problem: error.problem, hint: error.hint })?;
        if options.limit == Some(0) {
            return Err(Error::usage("`data.limit` is 0").with_hint("leave it out to use all examples"));
        }
        let usual = Self::default_vocabulary();
        if options.tokens != Tokens::Bpe && options.vocabulary != usual {
            return Err(Error::usage("`data.vocabulary` is set, but characters are as many as there are")
                .with_hint("leave it out, or choose `data.tokens=bpe`"));
        }
        if options.resolution.is_some_and(|resolution| !(1..=96).contains(&resolution)) {
            return Err(Error::usage("`data.resolution` is out of range")
                .with_hint("give the frames of a quarter note, 1 to 96; 4 are sixteenth notes"));
        }
        if options.tempo.is_some_and(|tempo| !(10.0..=1_000.0).contains(&tempo)) {
            return Err(Error::usage("`data.tempo` is out of range")
                .with_hint("give quarter notes a minute, 10 to 1000; leave it out for that of the data"));
        }
        let classes = options.classes.split(',').map(|name| name.trim().to_owned());
        Ok(Self {
            size: parse_size(&options.size)?,
            fit: options.fit,
            background: parse_colour(&options.background)?,
            channels: match options.channels {
                Channels::Auto => None,
                Channels::Grey => Some(1),
                Channels::Rgb => Some(3),
            },
            limit: options.limit,
            classes: classes.filter(|name| !name.is_empty()).collect(),
            memory_bytes: (options.memory_mib as u64) << 20,
            skip_broken: options.skip_broken,
            context: options.context,
            examples: options.examples,
            tokens: options.tokens,
            vocabulary: options.vocabulary,
            holdout: options.holdout,
            window: options.window,
            stride: options.stride,
            missing: options.missing,
            frames: options.frames,
            resolution: options.resolution,
            tempo: options.tempo,
        })
    }
}

fn parse_size(text: &str) -> crate::Result<Option<(usize, usize)>> {
    let text = text.trim();
    if text.is_empty() || text == "auto" {
        return Ok(None);
    }
    let (width, height) = text.split_once(['x', 'X']).unwrap_or((text, text));
    match (width.trim().parse(), height.trim().parse()) {
        (Ok(width), Ok(height)) if SIDES.contains(&width) && SIDES.contains(&height) => Ok(Some((width, height))),
        _ => Err(Error::usage(format!("`data.size` cannot be `{text}`")).with_hint(format!(
            "give a side or WIDTHxHEIGHT in pixels, {} to {} each, such as `32` or `48x64`",
            SIDES.start(),
            SIDES.end()
        ))),
    }
}

const COLOURS: &[(&str, [u8; 3])] = &[
    ("white", [255, 255, 255]),
    ("black", [0, 0, 0]),
    ("grey", [128, 128, 128]),
    ("gray", [128, 128, 128]),
    ("red", [255, 0, 0]),
    ("green", [0, 128, 0]),
    ("blue", [0, 0, 255]),
    ("yellow", [255, 255, 0]),
];

fn parse_colour(text: &str) -> crate::Result<[u8; 3]> {
    let text = text.trim().to_lowercase();
    if let Some((_, colour)) = COLOURS.iter().find(|(name, _)| *name == text) {
        return Ok(*colour);
    }
    let digits = text.strip_prefix('#').unwrap_or_default();
    match u32::from_str_radix(digits, 16) {
        Ok(value) if digits.len() == 6 && !digits.starts_with('+') => {
            Ok([(value >> 16) as u8, (value >> 8) as u8, value as u8])
        }
        _ => {
            let names: Vec<&str> = COLOURS.iter().map(|(name, _)| *name).collect();
            Err(Error::usage(format!("`data.background` cannot be `{text}`"))
                .with_hint(format!("give `#rrggbb` or one of {}", names.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("auto").unwrap(), None);
        assert_eq!(parse_size("32").unwrap(), Some((32, 32)));
        assert_eq!(parse_size("48x64").unwrap(), Some((48, 64)));
        for wrong in ["0", "7", "1025", "32x", "x", "-3", "big", "32x32x3"] {
            let error = parse_size(wrong).unwrap_err();
            assert!(error.to_string().contains(wrong) && error.hint().is_some());
        }
    }

    #[test]
    fn colours() {
        assert_eq!(parse_colour("White").unwrap(), [255; 3]);
        assert_eq!(parse_colour("#0aFf10").unwrap(), [10, 255, 16]);
        for wrong in ["", "#fff", "#gggggg", "#+12345", "mauve"] {
            assert!(parse_colour(wrong).unwrap_err().hint().unwrap().contains("#rrggbb"), "{wrong}");
        }
    }

    #[test]
    fn a_limit_of_nothing_is_refused() {
        let error = DataOptions { limit: Some(0), ..DataOptions::default() }.validate().unwrap_err();
        assert_eq!(error.to_string(), "`data.limit` is 0");
    }

    #[test]
    fn options_come_from_a_table() {
        let table = "size = 32\nchannels = 1\nfit = 'contain'".parse().unwrap();
        let options: DataOptions = crate::settings::overlay("data", &table).unwrap();
        assert_eq!((options.channels, options.fit), (Channels::Grey, Fit::Contain));
        assert_eq!(Plan::new(&options).unwrap().size, Some((32, 32)));
    }
}
