//! How like real music samples are: histograms of pitch classes and of melodic intervals, scales, how many keys sound
//! together, and the longest stretch that is copied from what was learnt.
//!
//! Paper: Yang and Lerch 2020, "On the evaluation of generative models in music", Neural Computing and Applications 32, section
//! 3.2 (histograms and the area that two share); Mogren 2016, "C-RNN-GAN", arXiv:1611.09904, section 4.2 (scale consistency and
//! polyphony).
//! Differs: histograms are of all pieces together; intervals are those of the highest keys of frames, where the key changes;
//! scales are the twelve major ones, which natural minor ones share their notes with; polyphony is the mean of all frames that
//! sound. Samples are cut to the lengths of real pieces, which spans depend on.

use std::collections::HashMap;

use galatea_data::music::{Frame, KEYS, keys_of};
use galatea_kernels::random::Stream;

use crate::metric::{Better, Number};
use crate::points::shuffled;
use crate::report::Row;

/// What is measured.
pub const NUMBERS: &[Number] = &[
    Number {
        name: "pitch-class-overlap",
        better: Better::Higher,
        meaning: "area that the histograms of the twelve notes of an octave share",
    },
    Number {
        name: "interval-overlap",
        better: Better::Higher,
        meaning: "area that the histograms of steps of the highest voice share",
    },
    Number {
        name: "scale-consistency",
        better: Better::LikeReal,
        meaning: "share of notes in the scale that fits a piece best, the mean of pieces",
    },
    Number {
        name: "polyphony",
        better: Better::LikeReal,
        meaning: "keys that sound together where any does, on average",
    },
    Number {
        name: "copied-frames",
        better: Better::LikeReal,
        meaning: "longest stretch of a piece that was learnt note by note, in frames, the mean",
    },
];

/// Steps of the highest voice, up to an octave down or up, farther ones among those.
const STEPS: usize = 25;
/// Notes of the major scale, from its first on.
const MAJOR: [usize; 7] = [0, 2, 4, 5, 7, 9, 11];
/// Random halves from which standard errors are estimated.
const HALVES: usize = 20;
/// Fewer pieces than this say nothing on how a value varies.
const LEAST: usize = 16;
/// The 97.5 % quantile of Student's distribution with `HALVES - 1` degrees of freedom.
const QUANTILE: f64 = 2.093;
const SEED: u64 = 0x0571;

/// A piece, as its frames.
pub type Piece = Vec<Frame>;

/// What is counted of a piece.
#[derive(Clone, Debug)]
struct Counts {
    classes: [f64; 12],
    steps: [f64; STEPS],
    /// Share of the notes that are in the best scale; of a silent piece none.
    in_scale: Option<f64>,
    /// Keys that sound in all frames, and frames in which any does.
    keys: f64,
    sounding: f64,
    /// The longest stretch that was learnt, in frames.
    span: f64,
}

impl Counts {
    fn of(piece: &[Frame], learnt: Option<&Spans>) -> Self {
        let (mut classes, mut steps) = ([0.0; 12], [0.0; STEPS]);
        let (mut keys, mut sounding, mut highest) = (0.0, 0.0, None);
        for frame in piece {
            for key in keys_of(*frame) {
                // The lowest key is an A.
                classes[(key + 9) % 12] += 1.0;
            }
            let Some(top) = keys_of(*frame).next_back() else { continue };
            keys += f64::from(frame.count_ones());
            sounding += 1.0;
            if let Some(before) = highest.replace(top).filter(|before| *before != top) {
                steps[(top as i64 - before as i64).clamp(-12, 12).wrapping_add(12) as usize] += 1.0;
            }
        }
        let notes: f64 = classes.iter().sum();
        let within = |tonic: usize| MAJOR.iter().map(|step| classes[(tonic + step) % 12]).sum::<f64>();
        let best = (0..12).map(within).fold(0.0, f64::max);
        let span = learnt.map_or(0, |learnt| learnt.longest(piece)) as f64;
        Self { classes, steps, in_scale: (notes > 0.0).then_some(best / notes), keys, sounding, span }
    }
}

/// All numbers of some pieces beside those of real ones, in the order of [`NUMBERS`].
fn measure(pieces: &[&Counts], real: &[&Counts]) -> [f64; 5] {
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let keys: f64 = pieces.iter().map(|piece| piece.keys).sum();
    let sounding: f64 = pieces.iter().map(|piece| piece.sounding).sum();
    [
        overlap(pieces, real, |counts| &counts.classes),
        overlap(pieces, real, |counts| &counts.steps),
        mean(pieces.iter().filter_map(|piece| piece.in_scale).collect()),
        keys / sounding.max(1.0),
        mean(pieces.iter().map(|piece| piece.span).collect()),
    ]
}

/// The area that two histograms share, each of which has an area of 1.
fn overlap(a: &[&Counts], b: &[&Counts], of: impl Fn(&Counts) -> &[f64]) -> f64 {
    let [a, b] = [a, b].map(|set| {
        let bins = set.first().map_or(0, |first| of(first).len());
        let sums: Vec<f64> = (0..bins).map(|bin| set.iter().map(|counts| of(counts)[bin]).sum()).collect();
        let all = sums.iter().sum::<f64>().max(1.0);
        sums.into_iter().map(|sum| sum / all).collect::<Vec<f64>>()
    });
    a.iter().zip(&b).map(|(a, b)| a.min(*b)).sum()
}

/// All numbers of samples beside those of real pieces that were not learnt. Their floor is what pieces that were learnt have,
/// or half of the real ones beside the other; of what should be as in real pieces, what those have. Their ceiling is music in
/// which each key sounds as often as in real pieces, but whenever it likes.
pub fn rows(samples: &[Piece], real: &[Piece], train: &[Piece]) -> Vec<Row> {
    if samples.is_empty() || real.is_empty() {
        return Vec::new();
    }
    let learnt = (!train.is_empty()).then(|| Spans::of(train));
    let cut: Vec<&[Frame]> = samples
        .iter()
        .enumerate()
        .map(|(i, sample)| &sample[..sample.len().min(real[i % real.len()].len().max(1))])
        .collect();
    let count = |piece: &[Frame]| Counts::of(piece, learnt.as_ref());
    let drawn: Vec<Counts> = cut.iter().map(|piece| count(piece)).collect();
    let unseen: Vec<Counts> = real.iter().map(|piece| count(piece)).collect();
    let noise: Vec<Counts> = noise(real).iter().map(|piece| count(piece)).collect();
    let all = |counts: &[Counts]| -> [f64; 5] {
        measure(&counts.iter().collect::<Vec<_>>(), &unseen.iter().collect::<Vec<_>>())
    };
    let values = all(&drawn);
    let ceilings = all(&noise);
    let mut floors = all(&unseen);
    // What overlaps is compared with other real pieces, as few as these.
    let others: Vec<Counts> = match train.is_empty() {
        true => unseen[unseen.len() / 2..].to_vec(),
        false => (0..unseen.len()).map(|i| Counts::of(&train[i * train.len() / unseen.len()], None)).collect(),
    };
    let beside: Vec<&Counts> =
        if train.is_empty() { unseen[..unseen.len() / 2].iter() } else { unseen.iter() }.collect();
    let between = measure(&others.iter().collect::<Vec<_>>(), &beside);
    floors[..2].copy_from_slice(&between[..2]);
    let errors = errors(&drawn, &unseen);
    let numbers = NUMBERS.iter().enumerate().filter(|(_, number)| number.name != "copied-frames" || learnt.is_some());
    numbers
        .map(|(at, number)| Row {
            metric: format!("{}-{}", number.name, samples.len()),
            number: number.name,
            value: values[at],
            standard_error: errors.map(|errors| errors[at]),
            interval: errors.map(|errors| [values[at] - QUANTILE * errors[at], values[at] + QUANTILE * errors[at]]),
            floor: Some(floors[at]),
            ceiling: Some(ceilings[at]),
            better: number.better,
            samples: samples.len(),
            real: real.len(),
            compared: "music".to_owned(),
            features_hash: None,
        })
        .collect()
}

/// What values vary by, from random halves of both sets: without replacement, the deviation of a half's value is that of the
/// whole (Shao and Wu 1989, as in [`crate::evaluate`]).
fn errors(drawn: &[Counts], unseen: &[Counts]) -> Option<[f64; 5]> {
    if drawn.len().min(unseen.len()) < LEAST {
        return None;
    }
    let half = |set: &[Counts], stream: u64| -> Vec<usize> {
        shuffled(set.len(), SEED, stream).into_iter().take(set.len() / 2).collect()
    };
    let values: Vec<[f64; 5]> = (0..HALVES as u64)
        .map(|i| {
            let pick = |set: &'_ [Counts], stream| half(set, stream);
            let (a, b) = (pick(drawn, 2 * i), pick(unseen, 2 * i + 1));
            let a: Vec<&Counts> = a.into_iter().map(|at| &drawn[at]).collect();
            let b: Vec<&Counts> = b.into_iter().map(|at| &unseen[at]).collect();
            measure(&a, &b)
        })
        .collect();
    Some(std::array::from_fn(|at| {
        let mean = values.iter().map(|values| values[at]).sum::<f64>() / HALVES as f64;
        let squares: f64 = values.iter().map(|values| (values[at] - mean).powi(2)).sum();
        (squares / (HALVES - 1) as f64).sqrt()
    }))
}

/// Pieces as long as real ones, in which each key sounds as often as in those.
fn noise(real: &[Piece]) -> Vec<Piece> {
    let frames: usize = real.iter().map(Vec::len).sum();
    let often: Vec<f64> = (0..KEYS)
        .map(|key| real.iter().flatten().filter(|frame| **frame >> key & 1 == 1).count() as f64 / frames.max(1) as f64)
        .collect();
    let piece = |(i, piece): (usize, &Piece)| {
        let mut draws = Stream::new(SEED, 1 << 32 | i as u64);
        let mut frame = || often.iter().enumerate().map(|(key, p)| u128::from(draws.next_f64() < *p) << key).sum();
        (0..piece.len()).map(|_| frame()).collect()
    };
    real.iter().enumerate().map(piece).collect()
}

/// Every stretch of some pieces: a suffix automaton (Blumer et al. 1985, "The smallest automaton recognizing the subwords of a
/// text"), in which a piece is looked up frame by frame.
struct Spans {
    states: Vec<State>,
}

struct State {
    next: HashMap<Frame, usize>,
    link: Option<usize>,
    length: usize,
}

impl Spans {
    fn of(pieces: &[Piece]) -> Self {
        let mut spans = Self { states: vec![State { next: HashMap::new(), link: None, length: 0 }] };
        let mut last = 0;
        for (number, piece) in pieces.iter().enumerate() {
            piece.iter().for_each(|frame| last = spans.extended(last, *frame));
            // Behind each piece something that no frame is, so that no stretch reaches from one into the next.
            last = spans.extended(last, 1 << 100 | number as u128);
        }
        spans
    }

    fn extended(&mut self, last: usize, frame: Frame) -> usize {
        let new = self.states.len();
        let length = self.states[last].length + 1;
        self.states.push(State { next: HashMap::new(), link: Some(0), length });
        let mut at = Some(last);
        while let Some(state) = at.filter(|state| !self.states[*state].next.contains_key(&frame)) {
            self.states[state].next.insert(frame, new);
            at = self.states[state].link;
        }
        if let Some(state) = at {
            let old = self.states[state].next[&frame];
            if self.states[state].length + 1 == self.states[old].length {
                self.states[new].link = Some(old);
            } else {
                let copy = self.states.len();
                let State { next, link, .. } = &self.states[old];
                let (next, link) = (next.clone(), *link);
                self.states.push(State { next, link, length: self.states[state].length + 1 });
                let mut at = Some(state);
                while let Some(state) = at.filter(|state| self.states[*state].next.get(&frame) == Some(&old)) {
                    self.states[state].next.insert(frame, copy);
                    at = self.states[state].link;
                }
                self.states[old].link = Some(copy);
                self.states[new].link = Some(copy);
            }
        }
        new
    }

    /// Frames of the longest stretch of a piece that is among these.
    fn longest(&self, piece: &[Frame]) -> usize {
        let (mut state, mut length, mut longest) = (0, 0, 0);
        for frame in piece {
            while let (false, Some(link)) = (self.states[state].next.contains_key(frame), self.states[state].link) {
                (state, length) = (link, self.states[link].length);
            }
            if let Some(next) = self.states[state].next.get(frame) {
                (state, length) = (*next, length + 1);
            }
            longest = longest.max(length);
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of these MIDI pitches.
    fn frame(pitches: &[u32]) -> Frame {
        pitches.iter().map(|pitch| 1 << (pitch - 21)).sum()
    }

    fn scale(tonic: u32) -> Piece {
        [0, 2, 4, 5, 7, 9, 11, 12].iter().map(|step| frame(&[tonic + step])).collect()
    }

    #[test]
    fn numbers_are_those_of_their_definitions() {
        let chord = Counts::of(&[frame(&[60, 64, 67]), 0, frame(&[61]), frame(&[61])], None);
        assert_eq!((chord.classes[0], chord.classes[4], chord.classes[7], chord.classes[1]), (1.0, 1.0, 1.0, 2.0));
        // Six semitones down, and then the same again, which is no step.
        assert_eq!((chord.steps[6], chord.steps.iter().sum::<f64>()), (1.0, 1.0));
        assert_eq!((chord.keys / chord.sounding, chord.in_scale), (5.0 / 3.0, Some(0.8)));
        let [c, g] = [60, 67].map(|tonic| Counts::of(&scale(tonic), None));
        assert_eq!((c.in_scale, c.steps[14], c.steps[13]), (Some(1.0), 5.0, 2.0));
        // C major and G major differ in one note of seven; the eighth note is the first again.
        let values = measure(&[&c], &[&g]);
        assert!((values[0] - 6.0 / 8.0).abs() < 1e-12 && values[1] == 1.0, "{values:?}");
    }

    #[test]
    fn spans_are_those_of_comparing_all_with_all() {
        let mut draws = Stream::new(1, 1);
        let mut piece = |length: usize| (0..length).map(|_| Frame::from(draws.below(3) as u8)).collect::<Piece>();
        let train: Vec<Piece> = (0..6).map(|i| piece(10 + i)).collect();
        let spans = Spans::of(&train);
        for length in [1, 3, 20, 40] {
            let other = piece(length);
            let shared = |a: usize, piece: &Piece, b: usize| {
                other[a..].iter().zip(&piece[b..]).take_while(|(a, b)| a == b).count()
            };
            let all = train
                .iter()
                .flat_map(|piece| (0..other.len()).flat_map(move |a| (0..piece.len()).map(move |b| (a, piece, b))));
            assert_eq!(spans.longest(&other), all.map(|(a, piece, b)| shared(a, piece, b)).max().unwrap());
        }
        assert_eq!(spans.longest(&train[3]), train[3].len());
        assert_eq!(spans.longest(&[7]), 0);
    }

    #[test]
    fn copies_and_noise_are_told_from_real_music() {
        // Melodies in C that wander by steps.
        let mut draws = Stream::new(2, 1);
        let notes: Vec<u32> = (0..3).flat_map(|octave| MAJOR.map(|step| 48 + 12 * octave + step as u32)).collect();
        let mut melody = |_| {
            let mut at = 10i64;
            let mut next = || {
                at = (at + draws.below(5) as i64 - 2).clamp(0, 20);
                frame(&[notes[at as usize], notes[(at as usize + 9) % 21]])
            };
            (0..30).map(|_| next()).collect::<Piece>()
        };
        let [train, real, like]: [Vec<Piece>; 3] = [40, 30, 30].map(|count| (0..count).map(&mut melody).collect());
        let of = |samples: &[Piece]| rows(samples, &real, &train);
        let [good, copied, noisy] = [of(&like), of(&train[..30]), of(&noise(&real))];
        let value = |rows: &[Row], name: &str| rows.iter().find(|row| row.number == name).unwrap().value;
        assert!(value(&good, "pitch-class-overlap") > 0.9 && value(&good, "interval-overlap") > 0.85);
        assert!(value(&noisy, "interval-overlap") < 0.6);
        assert_eq!(value(&copied, "copied-frames"), 30.0);
        let row = good.iter().find(|row| row.number == "copied-frames").unwrap();
        assert!(row.value < 8.0 && (row.value - row.floor.unwrap()).abs() < 3.0 * row.standard_error.unwrap() + 0.5);
        // The notes of the scale alone, though in two voices, one of which may leave it by no step.
        assert!(value(&good, "scale-consistency") > 0.99);
        assert!((value(&good, "polyphony") - 2.0).abs() < 1e-9);
    }
}
