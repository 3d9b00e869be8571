//! Arguments of what a trained model is used for.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{Checkpoint, Drawing};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  galatea augment last --per-class 200 -o more/        a folder like that of the data: a sub-folder per class
  galatea train --data more                            as any other data
  galatea augment last --prove                         do generated examples help a classifier?
  galatea augment last --prove --real 10 50 --steps 500

A sample is a copy if it is nearer to a training example than 1 % of the examples are that the run
held back, and unlike if it is farther from all of them than 95 % are. Neither is kept.
`manifest.csv` has the seed, the number, the class and the distance of each.

`--prove` trains a small classifier on few real examples of each class: alone, with classic
augmentation, with examples of a model like that of the run that has learnt from the same few, with
those of the run, and on those of the run alone. It tells accuracies on what the run held back,
with 95 % intervals over seeds, and what each adds to real examples alone, seed by seed.")]
pub(crate) struct AugmentArgs {
    /// A run
    #[arg(value_name = "RUN", value_hint = ValueHint::AnyPath)]
    pub(crate) model: PathBuf,

    /// Samples of each class; in all, of a model without classes
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000), allow_negative_numbers = true)]
    pub(crate) per_class: u64,

    /// Where to write
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath, required_unless_present = "prove")]
    pub(crate) output: Option<PathBuf>,

    /// Seed of the samples
    #[arg(long, value_name = "S", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) seed: u64,

    /// Measure whether generated examples help a classifier, and write none
    #[arg(long, conflicts_with_all = ["output", "seed", "features"])]
    pub(crate) prove: bool,

    /// Real examples of each class that a classifier learns from
    #[arg(long, value_name = "K", num_args = 1.., default_values_t = [10, 50, 200], requires = "prove", value_parser = clap::value_parser!(u32).range(1..=1_000_000), allow_negative_numbers = true)]
    pub(crate) real: Vec<u32>,

    /// Seeds: each takes other real examples and other first weights
    #[arg(long, value_name = "N", default_value_t = 5, requires = "prove", value_parser = clap::value_parser!(u64).range(2..=1_000), allow_negative_numbers = true)]
    pub(crate) seeds: u64,

    /// Training steps of each model of few examples [default: as many as the run took]
    #[arg(long, value_name = "N", requires = "prove", value_parser = clap::value_parser!(u64).range(1..=100_000_000), allow_negative_numbers = true)]
    pub(crate) steps: Option<u64>,

    /// What distances are measured in; `auto`: features that suit the data, if any do
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub(crate) features: String,

    #[command(flatten)]
    pub(crate) checkpoint: Checkpoint,
}

#[derive(Debug, Args)]
#[command(after_help = detect_help())]
pub(crate) struct DetectArgs {
    /// A run, or a `model.safetensors`
    #[arg(value_name = "RUN", value_hint = ValueHint::AnyPath)]
    pub(crate) model: PathBuf,

    /// Pictures, folders of them, or whatever else `--data` takes; `-` for paths from the standard input, a line each
    #[arg(value_name = "INPUT", required = true, num_args = 1.., value_hint = ValueHint::AnyPath)]
    pub(crate) inputs: Vec<String>,

    /// How often a normal example may be flagged, on average
    #[arg(long, value_name = "RATE", default_value_t = 0.01, allow_negative_numbers = true)]
    pub(crate) false_alarms: f64,

    /// Write `scores.csv`, copies of what is flagged, and pictures that show where it is odd
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) output: Option<PathBuf>,

    /// End with exit code 3 if anything is flagged
    #[arg(long)]
    pub(crate) fail: bool,

    /// What tells odd from normal; `auto` chooses by odd examples that are made of normal ones
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub(crate) score: String,

    /// Features in which neighbours are looked for, such as `self` or `random-conv`; `none`: examples as they are
    #[arg(long, value_name = "NAME", default_value = "none")]
    pub(crate) features: String,

    /// What features need that take weights: a file, or of `trained` a run
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) feature_weights: Option<PathBuf>,

    /// Normal examples that set the threshold, none of which was trained on [default: what the run held back]
    #[arg(long, value_name = "SRC", value_hint = ValueHint::AnyPath)]
    pub(crate) normal: Option<String>,

    #[command(flatten)]
    pub(crate) checkpoint: Checkpoint,

    /// Change how inputs are read
    #[arg(long, value_name = "data.KEY=VALUE", num_args = 1..)]
    pub(crate) set: Vec<String>,
}

/// Examples, and the list of scores.
fn detect_help() -> String {
    let mut text = "\
Examples:
  galatea train --for detect --data good-parts      learn what is normal; no odd ones are needed
  galatea detect last new-parts/ -o odd/            flag what is unlike it
  galatea detect last part.png --json --fail        one line of JSON; exit code 3 if it is flagged
  find new-parts -newer mark | galatea detect last - --false-alarms 0.001

Of new examples that are as normal as those learnt, no more than the rate of false alarms is
flagged on average (split conformal prediction): the threshold is set by normal examples that
nothing was learnt from. The p-value of an example is the share of them that are as odd.

Scores:
"
    .to_owned();
    let rows: Vec<Vec<String>> =
        galatea::detect::SCORES.iter().map(|(name, what)| vec![format!("  {name}"), (*what).to_owned()]).collect();
    text.push_str(crate::table::columns(&rows).trim_end());
    text
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  galatea reconstruct last me.jpg you.jpg -o back.png    above the pictures, below what comes back
  galatea reconstruct last photos/ -o back/              a folder of PNG files
  galatea reconstruct last digits -n 20 -o back.png      the first 20 of a data set
  galatea reconstruct last digits -o back.npy            an array of what comes back

Pictures are brought to the size that the model was trained on. A class that the model wants to
know is guessed. Families that can: see `galatea models NAME`.")]
pub(crate) struct ReconstructArgs {
    /// A run, or a `model.safetensors`
    #[arg(value_name = "RUN", value_hint = ValueHint::AnyPath)]
    pub(crate) model: PathBuf,

    /// Pictures, folders of them, or whatever else `--data` takes
    #[arg(value_name = "INPUT", required = true, num_args = 1.., value_hint = ValueHint::AnyPath)]
    pub(crate) inputs: Vec<String>,

    /// Where to write: `x.png` pairs in a grid, `x.npy` an array, `x.csv` a table of points, a folder one PNG each
    #[arg(long, short, value_name = "PATH", default_value = "reconstructed.png", value_hint = ValueHint::AnyPath)]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    pub(crate) checkpoint: Checkpoint,

    /// Only so many of the inputs, from the first on
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000), allow_negative_numbers = true)]
    pub(crate) number: Option<u32>,

    /// Pairs in a row of a grid
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000), allow_negative_numbers = true)]
    pub(crate) columns: u32,

    /// Change how inputs are read
    #[arg(long, value_name = "data.KEY=VALUE", num_args = 1..)]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  galatea states last sensor.csv -o states.csv     of a model of series
  galatea states last book.txt -o -                of a model of text

For each moment the state of the likeliest path (Viterbi), and its probability given the whole
example. Data are read in examples as long as the model's, one behind the other.")]
pub(crate) struct StatesArgs {
    /// A run, or a `model.safetensors`
    #[arg(value_name = "RUN", value_hint = ValueHint::AnyPath)]
    pub(crate) model: PathBuf,

    /// Data of the kind that the model was trained on
    #[arg(value_name = "SRC", value_hint = ValueHint::AnyPath)]
    pub(crate) input: String,

    /// Where to write; `-` to the standard output
    #[arg(long, short, value_name = "FILE", default_value = "states.csv", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    pub(crate) checkpoint: Checkpoint,

    /// Change how the data are read
    #[arg(long, value_name = "data.KEY=VALUE", num_args = 1..)]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  galatea edit last --directions 5 -n 2 -o strips.png   along what changes samples most, unlabelled
  galatea edit last --directions 3 --json               the directions themselves
  galatea edit last --with smiling/ --without sad/ --of me.png -o smile.png
  galatea edit last --of 7 --minus 3 --plus 9 -o sum.png   sums of samples, named by their seeds
  galatea edit last --of me.png --plus you.png -o sum.gif

Places are pictures, which need a model that encodes them, or seeds, each of which stands for its first
sample. With directions and attributes a row is a strip from far behind to far ahead, the place itself in
the middle; of a sum it is the start and what has come of it after each term. `galatea interpolate` walks
between places, and `galatea sample --truncation` draws nearer to the middle.")]
pub(crate) struct EditArgs {
    #[command(flatten)]
    pub(crate) drawing: Drawing,

    /// Show so many directions along which samples change most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_096), allow_negative_numbers = true)]
    pub(crate) directions: Option<u32>,

    /// Pictures that have an attribute
    #[arg(long, value_name = "SRC", num_args = 1.., requires = "without", conflicts_with = "directions", value_hint = ValueHint::AnyPath)]
    pub(crate) with: Vec<String>,

    /// Pictures that do not have it
    #[arg(long, value_name = "SRC", num_args = 1.., requires = "with", value_hint = ValueHint::AnyPath)]
    pub(crate) without: Vec<String>,

    /// Where to begin: pictures or seeds [default: samples of `--seed`]
    #[arg(long, value_name = "PLACE", num_args = 1.., value_hint = ValueHint::AnyPath)]
    pub(crate) of: Vec<String>,

    /// Pictures or seeds to add
    #[arg(long, value_name = "PLACE", num_args = 1.., conflicts_with_all = ["directions", "with"], value_hint = ValueHint::AnyPath)]
    pub(crate) plus: Vec<String>,

    /// Pictures or seeds to take away
    #[arg(long, value_name = "PLACE", num_args = 1.., conflicts_with_all = ["directions", "with"], value_hint = ValueHint::AnyPath)]
    pub(crate) minus: Vec<String>,

    /// Samples to begin at
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1, conflicts_with = "of", value_parser = clap::value_parser!(u64).range(1..=1_000), allow_negative_numbers = true)]
    pub(crate) number: u64,

    /// How far to go in either direction; latent vectors of samples are about as long as the root of their dimensions [default: 3, or twice the way of an attribute]
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    pub(crate) reach: Option<f32>,

    /// Pictures in a strip
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(2..=1_000), allow_negative_numbers = true)]
    pub(crate) steps: u16,

    /// Change how pictures are read
    #[arg(long, value_name = "data.KEY=VALUE", num_args = 1..)]
    pub(crate) set: Vec<String>,
}
