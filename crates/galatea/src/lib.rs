//! Train, judge and use generative models on your own pictures, on an ordinary CPU.
//!
//! ```no_run
//! use galatea::{Generator, Request, SampleRequest, write};
//!
//! # fn main() -> galatea::Result<()> {
//! // Train on a folder of pictures; the run, with its pictures, log and checkpoints, is made in `./runs`.
//! let trained = galatea::train(&Request::new("holiday-pictures").set("data.size", 32).steps(2_000))?;
//! println!("{}", trained.report.map(|report| report.to_string()).unwrap_or_default());
//!
//! // Draw a hundred samples, and keep the model as one file.
//! let samples = trained.generator.sample(&SampleRequest::new(7, 100))?;
//! write::file("grid.png".as_ref(), &write::png::grid(&samples.values, 10)?)?;
//! trained.generator.save("holiday.safetensors")?;
//!
//! // Elsewhere, later: the file is enough.
//! let generator = Generator::open("holiday.safetensors")?;
//! assert_eq!(generator.sample(&SampleRequest::new(7, 100))?, samples);
//! # Ok(())
//! # }
//! ```

mod beside;
mod comparing;
mod completing;
mod composing;
pub mod detect;
mod device;
mod directions;
mod error;
mod evaluation;
mod generator;
mod hidden;
mod latent_space;
mod likelihood;
pub mod more;
mod page;
pub mod proving;
mod request;
mod texts;
mod training;
mod watch;

pub use beside::held_back;
pub use comparing::{ComparedNumber, ComparedRun, ComparedValue, RunsComparison, Standing, compare_runs, number_of};
pub use completing::Writing;
pub use composing::Composition;
pub use device::{DEVICES, device};
pub use directions::{Direction, Places};
pub use error::{Error, Result};
pub use evaluation::{ArrayComparison, Comparison, EvalOptions, compare, compare_arrays, evaluate};
pub use galatea_data::Error as DataError;
pub use galatea_data::{
    DataOptions, DataSpec, Dataset, HostBatch, HostTensor, ImageSpec, Inputs, Mixture, MusicSpec, PointSpec,
    SeriesSpec, TableSpec, TextSpec, Vocabulary, fetch, formats, music, open, open_text, settings, write,
    write::soundfont::SoundFont,
};
pub use galatea_kernels::set_threads;
pub use galatea_metrics::progress::on_progress;
pub use galatea_metrics::{METRICS, Report, Row, features, numbers, short};
pub use galatea_models::{
    Ability, Bound, Complete, Condition, Decoding, Encode, Family, Info, Latent, Likelihood, Reconstruct,
    SampleRequest, Score, Session, StepReport, registry,
};
pub use galatea_train::monitor::Switch;
pub use galatea_train::observers::{Logged, readings};
pub use galatea_train::{
    Action, Context, End, Event, Finding, HealOptions, Intervention, Kind, Look, MonitorOptions, Observer, Plan,
    Reading, Result as TrainResult, Run, RunConfig, Severity, Summary, Which, checkpoint,
};
pub use generator::Generator;
pub use latent_space::Ends;
pub use page::report;
pub use request::{DataSettings, Request, Resolved, Section, sections};
pub use training::{Surroundings, Trained, resume, train, train_in};
pub use watch::{VALIDATION, best};
