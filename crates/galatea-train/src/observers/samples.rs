//! Grids of pictures, or plots of points, as PNG: `samples/step-001000.png`; texts as `samples/step-001000.txt`.

use galatea_data::write;

use crate::{Action, Context, Event, Observer, Result, disk};

/// Writes a file of the samples each time that they are drawn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Samples;

impl Observer for Samples {
    fn observe(&mut self, event: &Event<'_>, context: &Context<'_>) -> Result<Action> {
        if let Event::Sampled { samples, columns, path } = event {
            path.parent().map_or(Ok(()), disk::create_folders)?;
            write::file(path, &write::overview(&samples.values, context.session.spec(), *columns)?)?;
        }
        Ok(Action::Continue)
    }
}
