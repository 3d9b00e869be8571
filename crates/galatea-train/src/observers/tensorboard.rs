//! `events.out.tfevents.*` for TensorBoard: scalars and sample images.
//!
//! A file is a sequence of records, each an `Event` of `tensorflow/core/util/event.proto` in protocol buffers. Both are
//! written by hand: the crates that do it have had no release for years, and it takes a page.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::PathBuf,
    time::SystemTime,
};

use galatea_data::write;

use crate::{Action, Context, Error, Event, Observer, Result, disk, plan::due};

const NAME: &str = "events.out.tfevents.";

/// Writes what TensorBoard shows. Each call of [`train`](crate::train) has a file of its own, which tells TensorBoard to
/// forget what earlier ones have of steps that are done again.
#[derive(Debug, Default)]
pub struct TensorBoard {
    file: Option<(File, PathBuf)>,
}

impl TensorBoard {
    /// An observer for one call of [`train`](crate::train).
    pub fn new() -> Self {
        Self::default()
    }

    fn start(&mut self, context: &Context<'_>, done: u64) -> Result<()> {
        let folder = context.run.path();
        let earlier = disk::entries(folder)?.iter().filter(|path| disk::name(path).starts_with(NAME)).count();
        // TensorBoard reads files in the order of their names.
        let path = folder.join(format!("{NAME}{:010}.galatea.{earlier:04}", now() as u64));
        let file = OpenOptions::new().create_new(true).append(true).open(&path);
        self.file = Some((file.map_err(|error| Error::io("create", &path, error))?, path));
        self.write(&event(0, |out| text(out, 3, b"brain.Event:2")))?;
        if earlier > 0 { self.forget(done + 1) } else { Ok(()) }
    }

    /// Has TensorBoard forget what it has of this step and later ones: `SessionLog { status: START }`.
    fn forget(&mut self, from: u64) -> Result<()> {
        self.write(&event(from, |out| text(out, 7, &[1 << 3, 1])))
    }

    fn summary(&mut self, step: u64, values: &[Vec<u8>]) -> Result<()> {
        let summary: Vec<u8> = values.iter().fold(Vec::new(), |mut out, value| {
            text(&mut out, 1, value);
            out
        });
        self.write(&event(step, |out| text(out, 5, &summary)))
    }

    /// In one call, so that a kill leaves whole records.
    fn write(&mut self, data: &[u8]) -> Result<()> {
        let Some((file, path)) = &mut self.file else { return Ok(()) };
        file.write_all(&record(data)).map_err(|error| Error::io("write", path, error))
    }
}

impl Observer for TensorBoard {
    fn observe(&mut self, event: &Event<'_>, context: &Context<'_>) -> Result<Action> {
        let Context { step, plan, session, .. } = *context;
        match event {
            Event::Started { done, .. } => self.start(context, *done)?,
            Event::Step { report, images_per_second, .. }
                if step == 1 || step == plan.steps || due(step, plan.log_every) =>
            {
                let speed = ("images_per_second", *images_per_second);
                let all = report.scalars.iter().copied().chain([speed]);
                let values: Vec<Vec<u8>> = all.map(|(name, value)| scalar(name, value)).collect();
                self.summary(step, &values)?;
            }
            // Text is no picture; it is in the run's files.
            Event::Sampled { samples, columns, .. } if write::overview_ending(session.spec()) == "png" => {
                let png = write::overview(&samples.values, session.spec(), *columns)?;
                self.summary(step, &[image("samples", &png)])?;
            }
            Event::Looked { look } => {
                let scores = look.samples.map(|scores| {
                    // Out of turn, less time has passed since the look that it is compared with.
                    let moved = ("moved", scores.moved);
                    [
                        ("diversity", scores.diversity),
                        ("duplicates", scores.duplicates),
                        ("coverage", scores.coverage),
                        ("spread", scores.spread),
                    ]
                    .into_iter()
                    .chain((!look.out_of_turn).then_some(moved))
                });
                let unseen = look.seen_above_unseen.map(|share| ("seen_above_unseen", share));
                let all = scores.into_iter().flatten().chain(unseen);
                let values: Vec<Vec<u8>> = all.map(|(name, value)| scalar(&format!("monitor/{name}"), value)).collect();
                self.summary(step, &values)?;
            }
            Event::Healed { intervention } => self.forget(intervention.back_to + 1)?,
            Event::Evaluated { reading } => {
                let tag = format!("metrics/{}", reading.metric);
                self.summary(step, &[scalar(&tag, reading.value)])?;
            }
            _ => {}
        }
        Ok(Action::Continue)
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// `Event { wall_time: 1, step: 2, what: 3, 5 or 7 }`.
fn event(step: u64, what: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![1 << 3 | 1];
    out.extend(now().to_le_bytes());
    number(&mut out, 2, step);
    what(&mut out);
    out
}

/// `Summary.Value { tag: 1, simple_value: 2 }`.
fn scalar(tag: &str, value: f64) -> Vec<u8> {
    let mut out = Vec::new();
    text(&mut out, 1, tag.as_bytes());
    out.push(2 << 3 | 5);
    out.extend((value as f32).to_le_bytes());
    out
}

/// `Summary.Value { tag: 1, image: 4 }`, of `Image { height: 1, width: 2, colorspace: 3, encoded_image_string: 4 }`.
fn image(tag: &str, png: &[u8]) -> Vec<u8> {
    // In a PNG, the width is at byte 16, the height follows, and colour type 0 at byte 25 is grey.
    let size = |at: usize| png.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let mut inner = Vec::with_capacity(png.len() + 20);
    number(&mut inner, 1, size(20).into());
    number(&mut inner, 2, size(16).into());
    number(&mut inner, 3, if png.get(25) == Some(&0) { 1 } else { 3 });
    text(&mut inner, 4, png);
    let mut out = Vec::with_capacity(inner.len() + 20);
    text(&mut out, 1, tag.as_bytes());
    text(&mut out, 4, &inner);
    out
}

/// A field of bytes, or of another message.
fn text(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend(value);
}

fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    varint(out, value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A record of a TFRecord file: length, its checksum, data, their checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut out = Vec::with_capacity(data.len() + 16);
    out.extend(length);
    out.extend(masked_crc32c(&length).to_le_bytes());
    out.extend(data);
    out.extend(masked_crc32c(data).to_le_bytes());
    out
}

/// CRC-32C (Castagnoli), rotated and shifted as the format wants it.
fn masked_crc32c(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn crc32c(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let (mut value, mut bit) = (i as u32, 0);
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0x82f6_3b78 } else { value >> 1 };
                bit += 1;
            }
            table[i] = value;
            i += 1;
        }
        table
    };
    !data.iter().fold(!0, |crc, byte| TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn records_and_messages_are_laid_out_as_the_format_says() {
        let data = record(b"abc");
        assert_eq!((&data[..8], &data[12..15], data.len()), (&3u64.to_le_bytes()[..], &b"abc"[..], 19));
        assert_eq!(scalar("a", 1.0), [0x0a, 1, b'a', 0x15, 0, 0, 0x80, 0x3f]);
        let event = event(300, |out| text(out, 3, b"x"));
        assert_eq!((event[0], &event[9..]), (9, &[0x10, 0xac, 2, 0x1a, 1, b'x'][..]));
    }
}
