//! Hidden states: what a model takes to lie behind data.

use galatea_data::DataSpec;
use galatea_models::Ability;

use crate::completing::able;
use crate::evaluation::{as_music, same_shape};
use crate::{Error, Generator, Request, Result};

/// Examples that are read at a time.
const AT_ONCE: usize = 256;

impl Generator {
    /// The hidden states behind the data at `source`, read in examples that do not overlap: for each example, for each moment, the
    /// state of the likeliest path, and its probability given all of the example. What is left at the end and fills no example is
    /// passed over. `settings` are `data.KEY=VALUE` pairs.
    ///
    /// # Errors
    /// If the model has no such states, or the data cannot be read or are of another kind.
    pub fn hidden_states(&self, source: &str, settings: &[String]) -> Result<Vec<Vec<(usize, f64)>>> {
        let Some(states) = self.session().as_states() else {
            let problem = format!("`{}` has no hidden states to tell", self.info().name);
            return Err(Error::usage(problem, able("train a family that has", Ability::States)));
        };
        let spec = self.spec();
        let mut request = Request { data: Some(source.to_owned()), settings: settings.to_vec(), ..Request::default() };
        let (data, apart) = match spec {
            _ if spec.music().is_some() => {
                request.settings.splice(0..0, as_music(spec));
                if let DataSpec::Series(series) = spec {
                    request.settings.insert(0, format!("data.stride={}", series.length));
                }
                (request.open_data()?, 1)
            }
            DataSpec::Text(known) => {
                let data = galatea_data::open_text(source, &request.data_settings()?.read, Some(known))?;
                let apart = data.overlap() + 1;
                (data, apart)
            }
            _ => {
                let length = spec.shape()[0];
                request.settings.splice(0..0, [format!("data.window={length}"), format!("data.stride={length}")]);
                (request.open_data()?, 1)
            }
        };
        same_shape(data.spec(), "the model was trained on", spec)?;
        let examples: Vec<usize> = (0..data.len()).step_by(apart).collect();
        let mut all = Vec::with_capacity(examples.len());
        for some in examples.chunks(AT_ONCE) {
            let batch = data.batch(some)?;
            let mut found = states.states(&batch)?;
            if let DataSpec::Text(text) = spec {
                // What is behind the end of an example is none of it, should a model have told of it.
                let tokens = batch.tokens();
                let examples = tokens.chunks_exact(text.length);
                found.iter_mut().zip(examples).for_each(|(states, example)| states.truncate(text.told(example) + 1));
            }
            all.extend(found);
        }
        Ok(all)
    }
}
