//! `galatea edit`.

use std::process::ExitCode;

use anyhow::Result;
use galatea::{Direction, Error, Generator, HostBatch, HostTensor, Places, SampleRequest};
use serde_json::json;

use super::sample::{MAX_BYTES, Target, and_back, check_size, open, put, request};
use crate::args::{Common, EditArgs};
use crate::commands::print_line;
use crate::progress;

/// How far strips go along directions without labels: three deviations of a latent vector.
const REACH: f32 = 3.0;
/// Most places of a sum.
const MOST_TERMS: usize = 100;

pub(crate) fn run(args: &EditArgs, common: &Common) -> Result<ExitCode> {
    let drawing = &args.drawing;
    let generator = open(&drawing.model, &drawing.checkpoint, common)?;
    let target = Target::of(&drawing.output)?;
    if generator.latent().is_some() {
        target.check_for(generator.spec())?;
    }
    let (pictures, width) = if args.directions.is_none() && args.with.is_empty() {
        (sum(args, &generator, common)?, 1 + args.plus.len() + args.minus.len())
    } else {
        (strips(args, &generator, common)?, args.steps.into())
    };
    let pictures = if let Target::Animation(_) = target { each_and_back(&pictures, width) } else { pictures };
    let columns = drawing.columns.or(u32::try_from(width).ok());
    put(&HostBatch { values: pictures, labels: None }, &generator, &target, columns, common)
}

/// Strips along directions.
fn strips(args: &EditArgs, generator: &Generator, common: &Common) -> Result<HostTensor> {
    let directions = match args.directions {
        Some(count) => generator.directions(count as usize)?,
        None => {
            let read = |names: &[String]| -> Result<HostBatch> {
                Ok(HostBatch { values: pictures(names, args, generator, common)?, labels: None })
            };
            vec![generator.attribute(&read(&args.with)?, &read(&args.without)?)?]
        }
    };
    for (i, Direction { vector, strength }) in directions.iter().enumerate() {
        if common.json {
            print_line(&json!({ "direction": i, "strength": strength, "vector": vector }).to_string())?;
        } else if args.directions.is_some() {
            progress::note(common, &format!("direction {i}: {:.1} % of all change", 100.0 * strength));
        } else {
            progress::note(common, &format!("from examples without it to those with it: {strength:.2}"));
        }
    }
    let usual = if args.directions.is_some() { REACH } else { 2.0 * directions[0].strength as f32 };
    let reach = args.reach.unwrap_or(usual);
    if !reach.is_finite() {
        return Err(Error::usage(format!("nothing is {reach} away"), "give `--reach` a number such as 3").into());
    }
    let places = start(args, generator, common)?;
    check_size(generator, (places.latents.rows() * directions.len()) as u64 * u64::from(args.steps))?;
    Ok(generator.along(&places, &directions, reach, args.steps.into())?)
}

/// A place, and what is added to it and taken away.
fn sum(args: &EditArgs, generator: &Generator, common: &Common) -> Result<HostTensor> {
    if args.plus.is_empty() && args.minus.is_empty() {
        let hint = "use `--directions 5`, `--with SRC --without SRC`, or `--of A --minus B --plus C`";
        return Err(Error::usage("nothing is said of what to change", hint).into());
    }
    let nothing = HostTensor::new([0, 0], Vec::new());
    let terms = |names: &[String]| -> Result<HostTensor> {
        if names.is_empty() { Ok(nothing.clone()) } else { Ok(places(names, args, generator, common)?.latents) }
    };
    let (plus, minus) = (terms(&args.plus)?, terms(&args.minus)?);
    check_size(generator, 1 + (plus.rows() + minus.rows()) as u64)?;
    if plus.rows() + minus.rows() > MOST_TERMS {
        let problem = format!("{} places are to be added and taken away", plus.rows() + minus.rows());
        return Err(Error::usage(problem, format!("name {MOST_TERMS} at most, single pictures or seeds")).into());
    }
    Ok(generator.sum(&start(args, generator, common)?, &plus, &minus)?)
}

fn start(args: &EditArgs, generator: &Generator, common: &Common) -> Result<Places> {
    if args.of.is_empty() {
        return Ok(generator.places(&of_one_class(args, generator, args.number)?)?);
    }
    places(&args.of, args, generator, common)
}

/// Samples that are asked for; where none is named, of the first class.
fn of_one_class(args: &EditArgs, generator: &Generator, number: u64) -> Result<SampleRequest> {
    let mut request = request(&args.drawing, number, generator)?;
    if !generator.classes().is_empty() {
        request.class = request.class.or(Some(0));
    }
    Ok(request)
}

/// Seeds if all names are numbers and no files, or else pictures.
fn places(names: &[String], args: &EditArgs, generator: &Generator, common: &Common) -> Result<Places> {
    let seeds: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
    if seeds.len() < names.len() {
        let values = pictures(names, args, generator, common)?;
        return Ok(generator.places_of(&HostBatch { values, labels: None })?);
    }
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for seed in &seeds {
        let place = generator.places(&SampleRequest { seed: *seed, ..of_one_class(args, generator, 1)? })?;
        values.extend(place.latents.values);
        labels.extend(place.labels.into_iter().flatten());
    }
    let latents = HostTensor::new([seeds.len(), values.len() / seeds.len().max(1)], values);
    Ok(Places { latents, labels: (!labels.is_empty()).then_some(labels) })
}

fn pictures(names: &[String], args: &EditArgs, generator: &Generator, common: &Common) -> Result<HostTensor> {
    let inputs = generator.inputs(names, &args.drawing.model, &common.runs, &args.set)?;
    Ok(inputs.read_all(MAX_BYTES).map_err(Error::from)?)
}

/// Each strip forwards and backwards, one after the other.
fn each_and_back(pictures: &HostTensor, width: usize) -> HostTensor {
    let strips = (0..pictures.rows()).step_by(width.max(1));
    let mut values = Vec::new();
    strips.for_each(|first| {
        values.extend(and_back(&pictures.slice_rows(first..(first + width).min(pictures.rows()))).values)
    });
    let mut shape = pictures.shape.clone();
    shape[0] = values.len() / pictures.row_len().max(1);
    HostTensor::new(shape, values)
}
