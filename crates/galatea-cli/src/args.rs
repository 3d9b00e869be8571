//! The command line as clap sees it.

mod uses;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

pub(crate) use uses::{AugmentArgs, DetectArgs, EditArgs, ReconstructArgs, StatesArgs};

/// Train, judge and use generative models on your own pictures and text.
#[derive(Debug, Parser)]
#[command(
    name = "galatea",
    version,
    about = "Train, judge and use generative models on your own pictures and text",
    propagate_version = true,
    after_help = "\
Examples:
  galatea train                                   learn handwritten digits, which are built in
  galatea train --data my-pictures                learn your own pictures (sub-folders are classes)
  galatea sample last -n 100 -o grid.png          draw more from the newest run
  galatea eval last                               judge it, beside real data and noise

A run is named by its path, its number, its name or `last`."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Folder in which runs are made and looked for
    #[arg(long, global = true, default_value = "runs", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) runs: PathBuf,

    /// Threads to compute with; results are the same for any number [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), allow_negative_numbers = true)]
    pub(crate) threads: Option<u16>,

    /// Device to compute on
    #[arg(long, global = true, default_value = "cpu", value_name = "DEVICE")]
    pub(crate) device: String,

    /// Print nothing but results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// Print results as JSON, one object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a model, or go on with a run
    Train(TrainArgs),
    /// Draw samples from a trained model
    Sample(SampleArgs),
    /// Judge a trained model against real data it has not seen
    Eval(EvalArgs),
    /// Walk through the latent space from sample to sample, or between your own pictures
    Interpolate(InterpolateArgs),
    /// Change samples or your own pictures along directions of the latent space, or by sums
    Edit(EditArgs),
    /// Give examples back as a trained model understands them
    Reconstruct(ReconstructArgs),
    /// Tell which hidden states lie behind data
    States(StatesArgs),
    /// Find the examples that are unlike those that a model has learnt
    Detect(DetectArgs),
    /// Draw more training data, labelled, without copies and without what is unlike the real ones
    Augment(AugmentArgs),
    /// Write a trained model to one file that needs nothing else
    Export(ExportArgs),
    /// List runs, or compare some
    Runs(RunsArgs),
    /// Write a page about a run: curves, pictures, nearest neighbours, score, settings
    Report(ReportArgs),
    /// List the families of models, or show one with its settings
    Models(ModelsArgs),
    /// List, show or download data
    #[command(subcommand)]
    Data(DataCommand),
    /// Print a script that completes commands in your shell
    #[command(after_help = "Example:\n  galatea completions bash > ~/.local/share/bash-completion/completions/galatea")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  galatea train                                          `dcgan` on the digits that are built in
  galatea train gan --set preset=listing                 the classic listing, as it was written
  galatea train --data faces --set data.size=64 --minutes 10
  galatea train --data train-images-idx3-ubyte.gz --seed 7
  galatea train gan --data ring                          points from 8 Gaussians: are all modes learnt?
  galatea train lm --data book.txt                       text: write like this book
  galatea train --set loss=hinge spectral_norm=true r1=0
  galatea train --set heal=auto                          when it collapses, go back and change settings
  galatea train --set eval.every=500                     judge on the way, keep the best checkpoint
  galatea train --for detect --data good-parts           to find odd ones later: `galatea detect`
  galatea train --config runs/0001-dcgan-digits/config.toml
  galatea train --resume last                            go on after Ctrl-C or a crash, bit for bit

`galatea models dcgan` shows every setting. Ctrl-C saves a checkpoint and ends.")]
pub(crate) struct TrainArgs {
    /// Family of the model [default: dcgan]
    pub(crate) family: Option<String>,

    /// What to learn: `digits`, a folder of pictures, an IDX file, a .npy or .npz array, a text, music (MIDI, or pitches in JSON), a
    /// table or series in CSV, or what is made up: `ring`, `grid`, `spiral`, `stacked`, `sines`, `waves`, `ar` [default: digits]
    #[arg(long, short, value_name = "SRC", value_hint = ValueHint::AnyPath)]
    pub(crate) data: Option<String>,

    /// Name of the run [default: FAMILY-DATA]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Training steps
    #[arg(long, value_name = "N", conflicts_with = "minutes", value_parser = clap::value_parser!(u64).range(1..), allow_negative_numbers = true)]
    pub(crate) steps: Option<u64>,

    /// Train for about so many minutes: some steps are timed, and the number of steps is set to what fits
    #[arg(long, value_name = "M", allow_negative_numbers = true)]
    pub(crate) minutes: Option<f64>,

    /// Start from this configuration, such as another run's `config.toml`
    #[arg(long, value_name = "F.toml", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Change settings; may be given several times
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    pub(crate) set: Vec<String>,

    /// Seed of weights, noise and order of the data [default: 0]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,

    /// Print the full configuration and end
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Choose family and settings for a use: `detect` to find odd ones with `galatea detect`
    #[arg(long = "for", value_name = "USE", value_parser = ["detect"])]
    pub(crate) purpose: Option<String>,

    /// Go on with this run, with the settings that it has; others take a run of their own: `--config RUN/config.toml --set ..`
    #[arg(long, value_name = "RUN", conflicts_with_all = [
        "purpose", "family", "data", "name", "steps", "minutes", "config", "set", "seed", "dry_run",
    ])]
    pub(crate) resume: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Checkpoint {
    /// Which checkpoint of the run: `newest`, `best` by `eval.metric`, or that of a step
    #[arg(long, value_name = "WHICH", default_value = "newest")]
    pub(crate) checkpoint: galatea::Which,
}

/// Where samples go that nobody has said anything of; text goes to the standard output.
pub(crate) const DEFAULT_OUTPUT: &str = "samples.png";

#[derive(Debug, Args)]
pub(crate) struct Drawing {
    /// A run, or a `model.safetensors`
    #[arg(value_name = "RUN", value_hint = ValueHint::AnyPath)]
    pub(crate) model: PathBuf,

    /// Seed of the samples
    #[arg(long, value_name = "S", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) seed: u64,

    /// Only this class, by number or name [default: all in turn]
    #[arg(long, value_name = "K")]
    pub(crate) class: Option<String>,

    /// Scale the noise: nearer 0 gives more typical and less varied samples
    #[arg(long, value_name = "T", default_value_t = 1.0, allow_negative_numbers = true)]
    pub(crate) truncation: f32,

    /// Where to write: `x.png` a grid or a plot of points, `x.npy` an array, `x.csv` a table of points, `x.gif` an animation, a folder one PNG each, `-` a grid to stdout
    #[arg(long, short, value_name = "PATH", default_value = DEFAULT_OUTPUT, value_hint = ValueHint::AnyPath)]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    pub(crate) checkpoint: Checkpoint,

    /// Pictures in a row of a grid [default: as near to a square as may be]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000), allow_negative_numbers = true)]
    pub(crate) columns: Option<u32>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  galatea sample last -n 100 -o grid.png             a grid of 10 by 10
  galatea sample last -n 1000 -o samples/            a folder of PNG files
  galatea sample last -n 10000 -o samples.npy        bytes, [n, channels, height, width]
  galatea sample last -n 10 --class 7 -o sevens.png
  galatea sample last -n 1000 -o points.csv          of a model of points; also .npy and .png
  galatea sample last --checkpoint best -o grid.png  of a run that was trained with `eval.every`
  galatea sample model.safetensors -n 100 -o grid.png
  galatea sample last --prompt \"To be\" --temperature 0.8  of a model of text; also -o text.txt
  galatea sample last --given age=old -o rows.csv    of a model of a table
  galatea sample last -n 3 -o music.wav              of a model of music; also .mid, .png and a folder

Sample number i is the same for any -n.")]
pub(crate) struct SampleArgs {
    #[command(flatten)]
    pub(crate) drawing: Drawing,

    /// How many samples [default: 100, of text and music 1]
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000), allow_negative_numbers = true)]
    pub(crate) number: Option<u64>,

    /// Of a model of a table: only rows with this value; may be given several times
    #[arg(long, value_name = "COLUMN=VALUE")]
    pub(crate) given: Vec<String>,

    /// Of a model of series: draw as many real windows that were held back, to the left of the samples
    #[arg(long)]
    pub(crate) real: bool,

    #[command(flatten)]
    pub(crate) text: crate::commands::complete::TextArgs,

    /// Of a model of music: play it by this SoundFont in a `.wav` [default: a simple synthesiser]
    #[arg(long, value_name = "F.sf2", value_hint = ValueHint::FilePath)]
    pub(crate) soundfont: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  galatea interpolate last -n 6 --frames 20 --class 3 -o walk.gif
  galatea interpolate last -n 2 --frames 10 -o strip.png
  galatea interpolate last --seeds 3 8 --frames 10 -o strip.png
  galatea interpolate last --between me.jpg you.jpg -o strip.png

Places are joined by arcs. A walk between samples ends where it began; one between seeds or
pictures ends at the last of them, and goes back again in an animation. Pictures need a family
that encodes them, see `galatea models NAME`.")]
pub(crate) struct InterpolateArgs {
    #[command(flatten)]
    pub(crate) drawing: Drawing,

    /// Pictures to walk between in place of samples, two or more
    #[arg(long, value_name = "PICTURE", num_args = 2.., value_hint = ValueHint::FilePath, conflicts_with_all = ["number", "seed", "seeds", "class", "truncation"])]
    pub(crate) between: Vec<String>,

    /// Seeds whose first samples to walk between, two or more
    #[arg(long, value_name = "S", num_args = 2.., allow_negative_numbers = true, conflicts_with_all = ["number", "seed"])]
    pub(crate) seeds: Vec<u64>,

    /// Change how pictures are read
    #[arg(long, value_name = "data.KEY=VALUE", num_args = 1.., requires = "between")]
    pub(crate) set: Vec<String>,

    /// Samples to walk between; the walk ends where it began
    #[arg(long, short = 'n', value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(2..=1_000), allow_negative_numbers = true)]
    pub(crate) number: u64,

    /// Frames from each sample to the next
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=1_000), allow_negative_numbers = true)]
    pub(crate) frames: u16,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "galatea eval RUN [--against SRC] [OPTIONS]
       galatea eval --samples SRC --against SRC [OPTIONS]
       galatea eval --feature-arrays A.npy B.npy [OPTIONS]",
    after_help = eval_help()
)]
pub(crate) struct EvalArgs {
    /// A run, or a `model.safetensors`
    #[arg(
        value_name = "RUN",
        value_hint = ValueHint::AnyPath,
        required_unless_present_any = ["samples", "feature_arrays"],
        conflicts_with_all = ["samples", "feature_arrays"]
    )]
    pub(crate) model: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) checkpoint: Checkpoint,

    /// Real data to judge against [default for a run: what it held back]
    #[arg(long = "against", short = 'd', visible_alias = "data", value_name = "SRC", value_hint = ValueHint::AnyPath)]
    pub(crate) data: Option<String>,

    /// Judge these pictures, from wherever they come: whatever `--data` takes
    #[arg(long, value_name = "SRC", value_hint = ValueHint::AnyPath, requires = "data")]
    pub(crate) samples: Option<String>,

    /// Judge the first array by the second: features of samples and of real data, `[n, d]` and `[m, d]`
    #[arg(
        long,
        num_args = 2,
        value_names = ["A.npy", "B.npy"],
        value_hint = ValueHint::FilePath,
        conflicts_with_all = ["samples", "data", "features", "number"]
    )]
    pub(crate) feature_arrays: Vec<PathBuf>,

    /// The arrays hold probabilities of classes, not features
    #[arg(long, requires = "feature_arrays", conflicts_with_all = ["model", "samples"])]
    pub(crate) probabilities: bool,

    /// What the samples' model was trained on, to look for copies of it
    #[arg(long, value_name = "SRC", value_hint = ValueHint::AnyPath, conflicts_with = "model")]
    pub(crate) train: Option<String>,

    /// What to compare pictures by [default: what suits the data, if anything does]
    #[arg(long, value_name = "NAME")]
    pub(crate) features: Option<String>,

    /// A file of weights for features that need one: safetensors, or what `torch.save` wrote
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) feature_weights: Option<PathBuf>,

    /// Samples to draw, or to take of each set [default: as many as there are real ones, or all]
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(10..=100_000), allow_negative_numbers = true)]
    pub(crate) number: Option<u64>,

    /// Change settings of data or judging, `data.KEY=VALUE` or `eval.KEY=VALUE`
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    pub(crate) set: Vec<String>,
}

/// Examples, and the list of metrics, which comes from their registry.
fn eval_help() -> String {
    let mut text = "\
Examples:
  galatea eval last                                        a run, by what it held back
  galatea eval last --json                                 every digit, for programs
  galatea eval model.safetensors --against my-pictures
  galatea eval --samples made.npy --against digits         pictures from anywhere
  galatea eval --samples made/ --against real/ --features pixels -n 1000
  galatea eval --feature-arrays made.npy real.npy --json   features from anywhere
                                                           (to check these numbers)

Each value stands beside what it may vary by, its floor (real data against real data) and its
ceiling (noise against real data). Its name ends in the number of samples and what was compared.

"
    .to_owned();
    let rows: Vec<Vec<String>> =
        galatea::numbers().map(|number| vec![format!("  {}", number.name), number.meaning.to_owned()]).collect();
    let kinds: Vec<Vec<String>> =
        galatea::features::KINDS.iter().map(|kind| vec![format!("  {}", kind.name), kind.summary.to_owned()]).collect();
    text.push_str("Features:\n");
    text.push_str(&crate::table::columns(&kinds));
    text.push('\n');
    text.push_str("Metrics:\n");
    text.push_str(crate::table::columns(&rows).trim_end());
    text
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  galatea export last -o digits.safetensors")]
pub(crate) struct ExportArgs {
    /// A run
    #[arg(value_name = "RUN", value_hint = ValueHint::AnyPath)]
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) checkpoint: Checkpoint,

    /// File format
    #[arg(long, default_value = "safetensors", value_parser = ["safetensors"])]
    pub(crate) format: String,

    /// Where to write
    #[arg(long, short, value_name = "FILE", default_value = "model.safetensors", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  galatea runs                                list the runs in `runs`
  galatea runs list elsewhere
  galatea runs compare 1 2 dcgan-digits       settings that differ, and scores
  galatea runs compare 1 2 --by recall-k5")]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// List runs
    #[command(after_help = "Example:\n  galatea runs list elsewhere")]
    List {
        /// Folder in which runs are looked for [default: that of `--runs`]
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        folder: Option<PathBuf>,
    },
    /// Compare runs: settings that differ, and scores with their intervals, the best first
    #[command(after_help = "\
Example:
  galatea runs compare 1 2 dcgan-digits

A value is marked `*` where none is better, `~` where its 95 % interval and that of the best
overlap, so that chance may have made the difference, `?` where there are no intervals to tell,
and `!` where it was measured in another way and must not be compared.")]
    Compare {
        /// Runs, each by its path, number or name
        #[arg(value_name = "RUN", num_args = 2.., required = true, value_hint = ValueHint::AnyPath)]
        names: Vec<PathBuf>,
        /// Sort by this number [default: the first that there is]
        #[arg(long, value_name = "NUMBER")]
        by: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  galatea report last                         writes `report.html` in the run's folder
  galatea report 3 -o page.html

The page is one file that needs no other, and no script.")]
pub(crate) struct ReportArgs {
    /// A run
    #[arg(value_name = "RUN", value_hint = ValueHint::AnyPath)]
    pub(crate) run: PathBuf,

    #[command(flatten)]
    pub(crate) checkpoint: Checkpoint,

    /// Where to write [default: `report.html` in the run's folder]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// Show this one with its settings
    pub(crate) family: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// List the data that are built in or can be downloaded, and the formats that can be read
    List,
    /// Show what the program will see
    #[command(
        after_help = "Examples:\n  galatea data show digits -o grid.png\n  galatea data show my-pictures --set data.size=32 -o grid.png"
    )]
    Show {
        /// Embedded name, file or folder
        #[arg(value_name = "SRC", value_hint = ValueHint::AnyPath)]
        source: String,
        /// Write a grid of examples as they will be learnt
        #[arg(long, short, value_name = "GRID.png", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
        /// Examples in the grid
        #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000), allow_negative_numbers = true)]
        number: u32,
        /// Change settings of the data
        #[arg(long, value_name = "data.KEY=VALUE", num_args = 1..)]
        set: Vec<String>,
    },
    /// Download a data set and check it
    #[command(after_help = "Example:\n  galatea data get fashion-mnist && galatea train --data fashion-mnist")]
    Get {
        /// Its name, see `galatea data list`
        name: String,
        /// Load from this base address instead of the canonical one
        #[arg(long, value_name = "URL")]
        mirror: Option<String>,
    },
}
