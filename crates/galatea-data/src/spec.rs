//! What a data set says of itself. Models size their networks from it.

use serde::{Deserialize, Serialize};

/// The kind and shape of one example.
///
/// A new modality is a new variant; families say in `supports` which of them they take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum DataSpec {
    /// Pictures of one size, `[channels, height, width]`, values in `[-1, 1]`.
    Images(ImageSpec),
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

impl DataSpec {
    /// The kind as one lower-case word: `images`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Images(_) => "images",
        }
    }

    /// Dimensions of one example, the batch left out: `[channels, height, width]` for images.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Images(image) => vec![image.channels, image.height, image.width],
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
        }
    }
}
