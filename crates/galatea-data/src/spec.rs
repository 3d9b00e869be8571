//! What a data set says of itself. Models size their networks from it.

use serde::{Deserialize, Serialize};

use crate::music::{Frame, KEYS, MusicSpec, frames_of};
use crate::series::SeriesSpec;
use crate::table::TableSpec;
use crate::text::{TextSpec, Vocabulary};
use crate::{events, notes};

/// The kind and shape of one example.
///
/// A new modality is a new variant; families say in `supports` which of them they take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum DataSpec {
    /// Pictures of one size, `[channels, height, width]`, values in `[-1, 1]`.
    Images(ImageSpec),
    /// Points of so many numbers each, `[dimensions]`, in units of their own.
    Points(PointSpec),
    /// Stretches of a text, `[length]` tokens: whole numbers below the size of the vocabulary.
    Text(TextSpec),
    /// Windows of numeric series, `[length, channels]`, in units of their own.
    Series(SeriesSpec),
    /// Rows of a table, `[columns]`: whole numbers that say which of a column's values.
    Table(TableSpec),
    /// Piano rolls, `[length, 88]`: which keys sound in each frame.
    Music(MusicSpec),
}

/// Pictures: `[channels, height, width]`, values in `[-1, 1]` (black to white).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageSpec {
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
    /// Class names in label order; empty where the data has no labels.
    #[serde(default)]
    pub classes: Vec<String>,
}

/// Points: `[dimensions]`, in units of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointSpec {
    /// Numbers in a point.
    pub dimensions: usize,
    /// Class names in label order; empty where the data has no labels.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Mean in each dimension: by it and `deviation`, models bring points to a common scale.
    pub mean: Vec<f32>,
    /// Standard deviation in each dimension; above 0.
    pub deviation: Vec<f32>,
    /// What the points are drawn from, where that is known.
    #[serde(default)]
    pub mixture: Option<Mixture>,
}

/// A distribution that is known: Gaussians that are equally likely, alike in all directions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    /// Means of the Gaussians, `[modes][dimensions]`.
    pub centres: Vec<Vec<f32>>,
    /// Standard deviation of each of them in every direction.
    pub deviation: f32,
}

impl Mixture {
    /// The centre that is nearest to `point`, and the distance from it in standard deviations.
    pub fn nearest(&self, point: &[f32]) -> (usize, f64) {
        let squared = |centre: &[f32]| -> f64 {
            centre.iter().zip(point).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
        };
        let distances = self.centres.iter().map(|centre| squared(centre)).enumerate();
        let (mode, distance) = distances.min_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap_or((0, f64::INFINITY));
        (mode, distance.sqrt() / f64::from(self.deviation))
    }

    /// What a data set of it says of itself.
    pub fn into_spec(self) -> PointSpec {
        let dimensions = self.centres.first().map_or(0, Vec::len);
        let n = self.centres.len() as f64;
        let moments = |at: usize| {
            let values = || self.centres.iter().map(|centre| f64::from(centre[at]));
            let mean = values().sum::<f64>() / n;
            let spread = values().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
            (mean as f32, (spread + f64::from(self.deviation).powi(2)).sqrt() as f32)
        };
        let (mean, deviation) = (0..dimensions).map(moments).unzip();
        PointSpec { dimensions, classes: Vec::new(), mean, deviation, mixture: Some(self) }
    }
}

impl DataSpec {
    /// The kind as one lower-case word: `images`, `points`, `text`, `series`, `table`, `music`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Images(_) => "images",
            Self::Points(_) => "points",
            Self::Text(_) => "text",
            Self::Series(_) => "series",
            Self::Table(_) => "table",
            Self::Music(_) => "music",
        }
    }

    /// Whether examples of either mean the same to a model: they are of one kind and shape and, of text and tables, of one
    /// vocabulary.
    pub fn reads_like(&self, other: &Self) -> bool {
        let same_tokens = match (self, other) {
            (Self::Text(own), Self::Text(other)) => match (&own.vocabulary, &other.vocabulary) {
                (Vocabulary::Events { resolution: own, .. }, Vocabulary::Events { resolution: other, .. }) => {
                    own == other
                }
                (own, other) => own == other,
            },
            (Self::Table(own), Self::Table(other)) => own == other,
            (Self::Series(own), Self::Series(other)) => {
                own.music.as_ref().map(|music| music.resolution) == other.music.as_ref().map(|music| music.resolution)
            }
            _ => self.kind() == other.kind(),
        };
        same_tokens && self.shape() == other.shape()
    }

    /// What is said of music, whether it is read as piano rolls, as events or as notes.
    pub fn music(&self) -> Option<MusicSpec> {
        match self {
            Self::Music(music) => Some(music.clone()),
            Self::Series(series) => series.music.clone(),
            Self::Text(TextSpec { vocabulary: Vocabulary::Events { resolution, tempo, frames }, .. }) => {
                Some(MusicSpec { length: *frames, resolution: *resolution, tempo: *tempo })
            }
            _ => None,
        }
    }

    /// The frames of an example of music, or of a sample like it, up to its end; of other data none.
    pub fn frames(&self, example: &[f32]) -> Vec<Frame> {
        match (self, self.music()) {
            (Self::Text(text), Some(music)) => {
                let tokens: Vec<u32> = example.iter().map(|token| *token as u32).collect();
                events::to_frames(&tokens, text, music.resolution)
            }
            (Self::Series(_), Some(music)) => notes::to_frames(example, music.resolution),
            (Self::Music(_), _) => frames_of(example),
            _ => Vec::new(),
        }
    }

    /// Whether examples are near to each other when their numbers are: tokens are names, and no numbers to be compared,
    /// and of music few keys sound at a time.
    pub fn has_distances(&self) -> bool {
        !matches!(self, Self::Text(_) | Self::Table(_) | Self::Music(_))
    }

    /// Whether values are in units of their own, and not between -1 and 1.
    pub fn has_units(&self) -> bool {
        matches!(self, Self::Points(_) | Self::Series(_))
    }

    /// Dimensions of one example, the batch left out: `[channels, height, width]` for images,
    /// `[dimensions]` for points, `[length]` for text,
    /// `[length, channels]` for series, `[columns]` for tables, `[length, 88]` for music.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Images(image) => vec![image.channels, image.height, image.width],
            Self::Points(points) => vec![points.dimensions],
            Self::Text(text) => vec![text.length],
            Self::Series(series) => vec![series.length, series.channels.len()],
            Self::Table(table) => vec![table.columns.len()],
            Self::Music(music) => vec![music.length, KEYS],
        }
    }

    /// Values in one example.
    pub fn elements(&self) -> usize {
        self.shape().iter().product()
    }

    /// Class names in label order; empty where there are no labels.
    pub fn classes(&self) -> &[String] {
        match self {
            Self::Images(image) => &image.classes,
            Self::Points(points) => &points.classes,
            Self::Series(series) => &series.classes,
            Self::Text(_) | Self::Table(_) | Self::Music(_) => &[],
        }
    }
}

impl std::fmt::Display for DataSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Images(image) => {
                let ImageSpec { channels, height, width, classes } = image;
                let colour = if *channels == 1 { "grey" } else { "RGB" };
                write!(f, "{width}x{height} {colour} images")?;
                match classes.len() {
                    0 => write!(f, ", no classes"),
                    n => write!(f, ", {n} classes"),
                }
            }
            Self::Points(PointSpec { dimensions, classes, mixture, .. }) => {
                write!(f, "points of {dimensions} {}", if *dimensions == 1 { "number" } else { "numbers" })?;
                match (mixture, classes.len()) {
                    (Some(mixture), _) => write!(f, " from {} Gaussians", mixture.centres.len()),
                    (None, 0) => write!(f, ", no classes"),
                    (None, n) => write!(f, ", {n} classes"),
                }
            }
            Self::Text(text) => {
                let (context, vocabulary) = (text.length - 1, &text.vocabulary);
                let (count, unit) = (vocabulary.len(), vocabulary.unit());
                match text.end {
                    Some(_) if self.music().is_some() => {
                        write!(f, "music of {count} different {unit}, {context} at a time")
                    }
                    Some(_) => write!(f, "lines of {count} different {unit}, at most {context} with their end"),
                    None => write!(f, "text of {count} different {unit}, {context} at a time"),
                }
            }
            Self::Series(SeriesSpec { length, music: Some(_), .. }) => {
                write!(f, "music of notes, {length} at a time")
            }
            Self::Series(SeriesSpec { length, channels, .. }) => {
                let plural = if channels.len() == 1 { "" } else { "s" };
                write!(f, "windows of {length} moments of {} channel{plural}", channels.len())?;
                match self.classes().len() {
                    0 => Ok(()),
                    n => write!(f, ", {n} classes"),
                }
            }
            Self::Table(table) => write!(f, "rows of {} columns", table.columns.len()),
            Self::Music(music) => {
                let MusicSpec { length, resolution, .. } = music;
                write!(f, "music of {length} frames or fewer, {resolution} a quarter note")
            }
        }
    }
}
