//! How long to train, and what to write on the way.

use crate::{Error, Result};

galatea_data::settings! {
    /// How long to train, and what to write on the way (`train.KEY`). Only `steps` plays a part in what is learnt;
    /// with `heal=auto`, what checkpoints there are does, too.
    pub struct Plan {
        /// Training steps, which schedules are laid over; 0 leaves the number to the family and its preset.
        steps: u64 = 0, in 0..=4_000_000_000;
        /// Minutes that training may take on this machine: some steps are timed and `steps` is set to what fits.
        minutes: Option<f64> = None;
        /// Steps between two lines of `log.jsonl`.
        log_every: u64 = 20, in 1..=1_000_000_000;
        /// Steps between two grids of samples; 0 draws them after the first step and at the end only.
        sample_every: u64 = 250, in 0..=1_000_000_000;
        /// Steps between two checkpoints; 0 writes one at the end only.
        checkpoint_every: u64 = 500, in 0..=1_000_000_000;
        /// So many of the newest checkpoints are kept.
        keep_last: usize = 3, in 1..=1_000_000;
        /// Checkpoints at multiples of so many steps are kept for good; 0 keeps none.
        keep_every: u64 = 0, in 0..=1_000_000_000;
        /// Samples in a grid; 100 make 10 by 10.
        preview: u64 = 100, in 1..=10_000;
    }
}

impl Plan {
    /// Checks what ranges cannot.
    ///
    /// # Errors
    /// If `minutes` is no positive number.
    pub fn validate(&self) -> Result<()> {
        match self.minutes {
            Some(minutes) if !(minutes > 0.0 && minutes <= 1e6) => Err(Error::usage(
                format!("`train.minutes` is {minutes}"),
                "give a number of minutes above 0 and up to a million, such as 5 or 0.5",
            )),
            _ => Ok(()),
        }
    }

    /// Columns of a grid of `preview` samples: as near to a square as may be.
    pub fn preview_columns(&self) -> usize {
        (self.preview as f64).sqrt().ceil() as usize
    }
}

/// Whether something that happens every `every` steps (0: never) is due at `step`.
pub(crate) fn due(step: u64, every: u64) -> bool {
    every > 0 && step.is_multiple_of(every)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_positive() {
        let plan = |minutes| Plan { minutes, ..Plan::default() }.validate();
        assert!(plan(None).is_ok() && plan(Some(0.1)).is_ok());
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(plan(Some(wrong)).unwrap_err().hint().is_some(), "{wrong}");
        }
    }

    #[test]
    fn grids_are_square_and_zero_is_never() {
        let columns = |preview| Plan { preview, ..Plan::default() }.preview_columns();
        assert_eq!([1, 2, 16, 64, 100].map(columns), [1, 2, 4, 8, 10]);
        assert!(due(500, 250) && !due(499, 250) && !due(7, 0));
    }
}
