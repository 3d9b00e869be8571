//! Made-up data of every kind, for tests over the registry.

use galatea_data::{
    Column, DataSpec, HostBatch, HostTensor, ImageSpec, MusicSpec, PointSpec, SeriesSpec, TableSpec, TextSpec,
    Vocabulary,
};

/// Data that a family is tried on: it must take at least one of them.
pub(crate) fn specs() -> Vec<DataSpec> {
    let image = |channels, height, width, classes: usize| {
        DataSpec::Images(ImageSpec {
            channels,
            height,
            width,
            classes: (0..classes).map(|class| format!("class {class}")).collect(),
        })
    };
    let points = |dimensions, classes: usize| {
        DataSpec::Points(PointSpec {
            dimensions,
            classes: (0..classes).map(|class| format!("class {class}")).collect(),
            mean: vec![300.0; dimensions],
            deviation: vec![20.0; dimensions],
            mixture: None,
        })
    };
    let text = |length, characters: &str| {
        let vocabulary = Vocabulary::Characters { characters: characters.to_owned() };
        DataSpec::Text(TextSpec { length, vocabulary, start: 0, characters_per_token: 1.0, end: None })
    };
    let series = |length, channels: usize, classes: usize| {
        let names = (0..channels).map(|channel| format!("channel {channel}")).collect();
        let (mean, deviation) = (vec![300.0; channels], vec![20.0; channels]);
        let classes = (0..classes).map(|class| format!("class {class}")).collect();
        DataSpec::Series(SeriesSpec { length, channels: names, mean, deviation, classes, music: None })
    };
    let table = |sizes: &[usize]| {
        let values = |size: &usize| (0..*size).map(|value| format!("value {value}")).collect();
        let column = |(at, size)| Column { name: format!("column {at}"), values: values(size) };
        DataSpec::Table(TableSpec { columns: sizes.iter().enumerate().map(column).collect() })
    };
    let music = |length| DataSpec::Music(MusicSpec { length, resolution: 2, tempo: 90.0 });
    let pictures_and_points = [image(1, 12, 12, 3), image(3, 9, 14, 0), points(2, 0), points(5, 3)];
    let lines = |length, characters: &str| match text(length, characters) {
        DataSpec::Text(text) => DataSpec::Text(TextSpec { end: Some(0), ..text }),
        other => other,
    };
    let texts = [text(9, "\nabcdefgh"), text(2, "a"), text(3, "ab"), lines(7, "\nabc"), lines(3, "\na")];
    pictures_and_points
        .into_iter()
        .chain(texts)
        .chain([series(7, 2, 0), series(1, 1, 0), series(3, 2, 3), table(&[3, 2, 4, 2]), music(6), music(1)])
        .collect()
}

/// Smooth examples that differ by index.
pub(crate) fn batch(spec: &DataSpec, size: usize, step: u64) -> HostBatch {
    let n = spec.elements();
    let smooth = |i: usize| ((i as f32 * 0.13) + step as f32 + (i / n) as f32).sin();
    let (mean, size_of_one) = match spec {
        DataSpec::Points(points) => (points.mean[0], points.deviation[0]),
        DataSpec::Series(series) => (series.mean[0], series.deviation[0]),
        _ => (0.0, 1.0),
    };
    let whole = |i: usize, count: usize| ((smooth(i) + 1.0) * 0.5 * (count as f32 - 0.01)).floor();
    let value = |i: usize| match spec {
        DataSpec::Text(text) => whole(i, text.vocabulary.len()),
        DataSpec::Table(table) => whole(7 * i, table.columns[i % n].values.len()),
        // Pieces of one frame and more, in which some keys sound.
        DataSpec::Music(_) if i % n >= 88 * (1 + i / n % 5) => galatea_data::music::BEYOND,
        DataSpec::Music(_) => f32::from(u8::from((i * i + i / 88 * 7 + i / n * 3).is_multiple_of(23))),
        _ => mean + size_of_one * smooth(i),
    };
    let values = (0..size * n).map(value).collect();
    let mut shape = vec![size];
    shape.extend(spec.shape());
    let classes = spec.classes().len() as u32;
    let labels = (classes > 0).then(|| (0..size as u32).map(|i| i % classes).collect());
    HostBatch { values: HostTensor::new(shape, values), labels }
}
