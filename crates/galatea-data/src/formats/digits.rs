//! The embedded data set: 10,000 digits of MNIST. Source and licence: `assets/README.md`.

use std::{path::Path, sync::Arc};

use super::{Format, idx, plan};
use crate::{DataOptions, Dataset, Result, set::Raw};

const IMAGES: &[u8] = include_bytes!("../../assets/train-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../assets/train-labels-idx1-ubyte.gz");

/// The embedded digits.
pub(super) struct Digits;

impl Format for Digits {
    fn name(&self) -> &'static str {
        "digits"
    }

    fn summary(&self) -> &'static str {
        "the embedded 10,000 handwritten digits"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["digits"]
    }

    fn names(&self) -> Vec<&'static str> {
        vec!["digits"]
    }

    fn claims(&self, source: &str) -> bool {
        source == "digits"
    }

    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        let path = Path::new(source);
        let images = idx::parse_images(path, IMAGES, IMAGES.len() as u64, u64::MAX)?;
        let labels = idx::parse_labels(path, LABELS, LABELS.len() as u64)?;
        let raw = Raw { name: "digits".into(), source: source.into(), ..images };
        idx::with_labels(raw, Some((path, labels)))?.finish(&plan(options)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataSpec, ImageSpec, open};

    #[test]
    fn ten_thousand_digits_of_ten_classes() {
        let data = open("digits", &DataOptions::default()).unwrap();
        let DataSpec::Images(ImageSpec { channels, height, width, classes }) = data.spec() else {
            panic!("digits are pictures");
        };
        assert_eq!((data.len(), *channels, *height, *width), (10_000, 1, 28, 28));
        assert_eq!(classes.join(""), "0123456789");
        assert_eq!((data.name(), data.warnings().as_slice()), ("digits", &[][..]));
        let mut counts = [0; 10];
        (0..data.len()).for_each(|i| counts[data.label(i).unwrap() as usize] += 1);
        assert!(counts.iter().all(|count| (850..1200).contains(count)), "{counts:?}");
        let batch = data.batch(&[3, 9_999, 3]).unwrap();
        assert_eq!(batch.values.shape, [3, 1, 28, 28]);
        assert_eq!(batch.values.row(0), batch.values.row(2));
        assert_eq!(batch.labels.unwrap()[1], data.label(9_999).unwrap());
        // A black ground with white strokes.
        let mean = batch.values.values.iter().sum::<f32>() / batch.values.values.len() as f32;
        assert!((-0.95..-0.4).contains(&mean), "{mean}");
        assert!(batch.values.values.iter().all(|value| (-1.0..=1.0).contains(value)));
    }

    #[test]
    fn options_apply_to_them() {
        let options = DataOptions {
            classes: "7, 3".into(),
            limit: Some(100),
            size: "16x20".into(),
            channels: crate::Channels::Rgb,
            ..DataOptions::default()
        };
        let data = open("digits", &options).unwrap();
        assert_eq!(data.len(), 100);
        assert_eq!(data.spec().shape(), [3, 20, 16]);
        assert_eq!(data.spec().classes(), ["7", "3"]);
        let sevens = (0..100).filter(|i| data.label(*i) == Some(0)).count();
        assert!((30..70).contains(&sevens), "{sevens}");
        let full = open("digits", &DataOptions::default()).unwrap();
        assert_ne!(data.fingerprint(), full.fingerprint());
        assert_eq!(data.fingerprint().len(), 64);
        let again = open("digits", &options).unwrap();
        assert_eq!(data.fingerprint(), again.fingerprint());
    }
}
