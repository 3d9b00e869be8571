//! What every family promises, tested over the registry: a new family is tested before its author writes a test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod made;

use burn::prelude::Device;
use galatea_data::{DataSpec, HostBatch, HostTensor};
use galatea_models::registry::FAMILIES;
use galatea_models::{Ability, Decoding, Demand, Family, Purpose, SampleRequest, Session, Turn};
use made::{batch, specs};

const STEPS: u64 = 4;

fn session(family: &dyn Family, spec: &DataSpec, seed: u64) -> Box<dyn Session> {
    session_with(family, spec, seed, "")
}

fn session_with(family: &dyn Family, spec: &DataSpec, seed: u64, settings: &str) -> Box<dyn Session> {
    let batch = if family.keys().iter().any(|key| key.name == "batch") { "batch = 6\n" } else { "" };
    let table = format!("{batch}{settings}").parse().unwrap();
    family.session(&table, spec, seed, &Device::flex()).unwrap()
}

/// Settings that change a training step; all of those of a line are known to a family, or it is not tried with them.
const REMEDIES: &[&str] = &[
    "pack = 2",
    "minibatch_std = 3",
    "minibatch_discrimination = 4",
    "feature_matching = 1.0",
    "mode_seeking = 1.0",
    "history = 0.1",
    "augment = 'all'",
    "augment = 'colour,translation'\nadaptive_augment = 0.01\nadaptive_images = 100",
    "pack = 2\nminibatch_std = 3\nminibatch_discrimination = 4\ngradient_penalty = 1.0\npenalty_every = 1",
    "minibatch_std = 2\nminibatch_discrimination = 2\nspectral_norm = true\nr2 = 1.0\ndiscriminator_steps = 2",
    "cell = 'transformer'\npositions = 'rotary'\ntied = false\ndropout = 0.2",
    "cell = 'lstm'\ndropout = 0.2",
    "cell = 'gru'\ntied = false\nweight_decay = 0.0",
    "unit = 'lstm'\nlayers_d = 2\nshared = 0\nr2 = 1.0\npenalty_every = 1",
    "unit = 'lstm'\nhidden = 10",
    "unit = 'lstm'\nhidden = 10\nword_dropout = 0.9\nfree_bits = 0.0",
    "pretraining = 0.25\nwidth = 16\ninverse_temperature = 10.0\nlearning_rate_g = 0.01",
    "outputs = 'independent'\ninput_dropout = 0.0",
    "outputs = 'chord'\ncell = 'gru'\nlayers = 2\nema = 0.5",
    "outputs = 'independent'\nnear = 4\nnear_frames = 2",
    "outputs = 'chord'\nnear = 3\nnear_keys = 5",
    "states = 'auto'\nrestarts = 2",
    "states = 3\ncovariance = 'full'\nrestarts = 3",
    "structure = 'climb'\nparents = 2\nsmoothing = 0.5",
    "structure = 'none'",
    "loss = 'relativistic'\npack = 3\nfeature_matching = 0.1\nmode_seeking = 0.1\nhistory = 0.1\naugment = 'all'",
    "beta = 4.0\nwarm_up = 0.5\nfree_bits = 0.1\nnetwork = 'dense'\nhidden = [20, 10]",
    "likelihood = 'gaussian'\nlatent = 3\nconditional = 'no'\nclip_gradient = 1.0\nema = 0.0",
    "likelihood = 'logistic'\nwidth = 4\nschedule = 'linear'",
    "likelihood = 'bernoulli'\nbinarise = 'dynamic'\nlearning_rate = 0.01",
    "likelihood = 'bernoulli'\nbinarise = 'static'\nsamples = 3\nema = 0.5",
    "samples = 1\nlatent = 2",
    "temperature = 0.5\nfeatures = 16\nprojected = 8",
    "codes = 5\ncode_length = 3\nprior_share = 0.3\nprior_dropout = 0.0\nconditional = 'no'",
    "codes = 9\nblocks = 0\nlikelihood = 'logistic'\nprior_layers = 1\nprior_heads = 2\nema = 0.0",
];

/// Runs `test` for every family and every kind of data with each of [`REMEDIES`] that goes with both.
fn for_all_remedies(test: impl Fn(&dyn Family, &DataSpec, &str)) {
    for_all(|family, spec| {
        for settings in REMEDIES {
            let table: toml::Table = settings.parse().unwrap();
            let known = table.keys().all(|key| family.keys().iter().any(|known| known.name == key));
            let only =
                ["augment", "binarise"].iter().any(|key| table.contains_key(*key)) || settings.contains("logistic");
            let for_pictures = only && spec.kind() != "images";
            if known && !for_pictures {
                test(family, spec, settings);
            }
        }
    });
}

fn train(session: &mut dyn Session, steps: std::ops::RangeInclusive<u64>) {
    for step in steps {
        let demand = session.demand();
        let batches: Vec<_> = (0..demand.batches as u64)
            .map(|i| match demand.batch {
                // The same at every step, as those of a run are.
                Demand::ALL => batch(session.spec(), 40, 0),
                count => batch(session.spec(), count, step * 7 + i),
            })
            .collect();
        let report = session.step(Turn { seed: 5, step, steps: 2 * STEPS }, &batches).unwrap();
        assert!(!report.scalars.is_empty());
        for (name, value) in report.scalars {
            assert!(value.is_finite(), "{name} is {value} at step {step}");
        }
    }
}

/// Runs `test` for every family that draws, on every kind of data that it takes.
fn for_all_that_draw(test: impl Fn(&dyn Family, &DataSpec)) {
    for_all(|family, spec| {
        if session(family, spec, 0).draws() {
            test(family, spec);
        }
    });
}

/// Runs `test` for every family on every kind of data that it takes.
fn for_all(test: impl Fn(&dyn Family, &DataSpec)) {
    for family in FAMILIES {
        let mut tried = 0;
        for spec in specs() {
            if family.info().modalities.contains(&spec.kind()) {
                test(*family, &spec);
                tried += 1;
            }
        }
        assert!(tried > 0, "no data to try `{}` on", family.info().name);
    }
}

#[test]
fn a_family_says_what_it_is() {
    for family in FAMILIES {
        let info = family.info();
        assert!(info.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{}", info.name);
        for text in [info.summary, info.paper, info.differs] {
            assert!(text.len() > 20, "{}: `{text}` says too little", info.name);
        }
        for key in family.keys() {
            assert!(key.doc.trim().len() > 10, "{}: `{}` has no docs", info.name, key.name);
            assert!(key.doc.trim().ends_with('.'), "{}: docs of `{}` are no sentence", info.name, key.name);
        }
    }
}

#[test]
fn presets_are_settings_of_their_family() {
    for family in FAMILIES {
        for preset in family.presets() {
            let mut table: toml::Table = preset.settings.parse().unwrap();
            table.remove("train");
            // A preset may be for one kind of data only.
            let mut taken = specs().into_iter().filter(|spec| family.info().modalities.contains(&spec.kind()));
            let is_good = taken.any(|spec| family.resolve(&table, &spec).is_ok());
            assert!(is_good, "preset `{}` of {}", preset.name, family.info().name);
        }
        for spec in specs() {
            let usual = family.usual_preset(spec.kind());
            assert!(usual.is_none_or(|usual| family.presets().iter().any(|preset| preset.name == usual)));
        }
    }
}

#[test]
fn resolved_settings_are_complete_and_unknown_ones_are_refused() {
    for_all(|family, spec| {
        let resolved = family.resolve(&toml::Table::new(), spec).unwrap();
        assert_eq!(resolved, family.defaults());
        assert_eq!(family.resolve(&resolved, spec).unwrap(), resolved);
        let error = family.resolve(&"bach = 3".parse().unwrap(), spec).unwrap_err();
        assert_eq!(error.to_string(), "there is no setting `bach`");
        assert!(family.resolve(&"batch = 0".parse().unwrap(), spec).is_err());
    });
}

#[test]
fn samples_have_the_shape_and_range_of_the_data() {
    for_all_that_draw(|family, spec| {
        let mut session = session(family, spec, 1);
        train(&mut *session, 1..=STEPS);
        let samples = session.sample(&SampleRequest::new(3, 5)).unwrap();
        assert_eq!(samples.values.shape[0], 5);
        assert_eq!(samples.values.shape[1..], spec.shape());
        let range = match spec {
            // Hardly trained, samples are near the mean, in the units of the data.
            DataSpec::Points(_) | DataSpec::Series(_) => 100.0..=500.0,
            DataSpec::Table(table) => {
                0.0..=table.columns.iter().map(|column| column.values.len()).max().unwrap() as f32
            }
            DataSpec::Text(text) => 0.0..=text.vocabulary.len() as f32 - 1.0,
            _ => -1.0..=1.0,
        };
        let is_whole = |value: &f32| value.fract() == 0.0;
        assert!(spec.has_distances() || samples.values.values.iter().all(is_whole));
        assert!(samples.values.values.iter().all(|value| range.contains(value)), "{:?}", samples.values.values);
        let classes = session.classes().len() as u32;
        assert_eq!(samples.labels.is_some(), classes > 0);
    });
}

#[test]
fn a_sample_does_not_depend_on_its_batch() {
    for_all_that_draw(|family, spec| {
        let mut session = session(family, spec, 1);
        train(&mut *session, 1..=STEPS);
        let all = session.sample(&SampleRequest::new(3, 150)).unwrap();
        for i in [0, 1, 77, 128, 149] {
            let one = session.sample(&SampleRequest { range: i..i + 1, ..SampleRequest::new(3, 1) }).unwrap();
            assert!(one.values.values == all.values.row(i as usize), "{} sample {i}", family.info().name);
            assert_eq!(one.labels.map(|l| l[0]), all.labels.as_ref().map(|l| l[i as usize]));
        }
        // Of a text in which nothing changes, there is one only.
        if !matches!(spec, DataSpec::Text(text) if text.vocabulary.len() == 1) {
            assert_ne!(session.sample(&SampleRequest::new(4, 150)).unwrap().values, all.values);
        }
    });
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_one_others() {
    for_all(|family, spec| {
        let parts = |seed| {
            let mut session = session(family, spec, seed);
            train(&mut *session, 1..=STEPS);
            session.parts()
        };
        let first = parts(1);
        assert!(parts(1) == first, "{} is not repeatable", family.info().name);
        // What is counted and not drawn is the same for any seed.
        let fresh = |seed| session(family, spec, seed).parts();
        assert!(parts(2) != first || fresh(1) == fresh(2), "{} draws nothing by its seed", family.info().name);
    });
}

#[test]
fn a_session_that_was_saved_and_loaded_goes_on_bit_for_bit() {
    for_all(|family, spec| {
        let mut undisturbed = session(family, spec, 1);
        train(&mut *undisturbed, 1..=STEPS);
        let saved = undisturbed.parts();
        train(&mut *undisturbed, STEPS + 1..=2 * STEPS);

        let mut resumed = session(family, spec, 99);
        resumed.load(&saved, Purpose::Training).unwrap();
        assert!(resumed.parts() == saved, "{} does not give back what it was given", family.info().name);
        train(&mut *resumed, STEPS + 1..=2 * STEPS);
        assert!(resumed.parts() == undisturbed.parts(), "{} is not resumed exactly", family.info().name);
    });
}

#[test]
fn a_remedy_changes_training_and_is_resumed_bit_for_bit_for_any_number_of_threads() {
    for_all_remedies(|family, spec, settings| {
        let what = format!("{} with {settings}", family.info().name);
        galatea_kernels::pool::set_threads(1);
        let mut undisturbed = session_with(family, spec, 1, settings);
        train(&mut *undisturbed, 1..=2 * STEPS);

        galatea_kernels::pool::set_threads(3);
        let mut first = session_with(family, spec, 1, settings);
        // In the middle between two changes of what adapts.
        train(&mut *first, 1..=STEPS + 2);
        let saved = first.parts();
        let mut resumed = session_with(family, spec, 99, settings);
        resumed.load(&saved, Purpose::Training).unwrap();
        assert!(resumed.parts() == saved, "{what} does not give back what it was given");
        train(&mut *resumed, STEPS + 3..=2 * STEPS);
        galatea_kernels::pool::set_threads(0);
        assert!(resumed.parts() == undisturbed.parts(), "{what} is not resumed exactly");

        let mut without = session(family, spec, 1);
        train(&mut *without, 1..=2 * STEPS);
        let first = |session: &dyn Session| session.parts().swap_remove(0);
        assert!(first(&*resumed) != first(&*without), "{what} changes nothing");
    });
}

#[test]
fn one_part_is_enough_to_sample() {
    for_all_that_draw(|family, spec| {
        let mut trained = session(family, spec, 1);
        train(&mut *trained, 1..=STEPS);
        let part = trained.parts().into_iter().find(|part| part.name == trained.sampling_part()).unwrap();
        let mut fresh = session(family, spec, 2);
        fresh.load(&[part], Purpose::Sampling).unwrap();
        let request = SampleRequest::new(3, 4);
        assert_eq!(fresh.sample(&request).unwrap(), trained.sample(&request).unwrap());
        assert_eq!(fresh.sampling_part(), trained.sampling_part());
    });
}

#[test]
fn a_family_that_draws_nothing_says_so_and_needs_one_part_to_read() {
    for_all(|family, spec| {
        let mut trained = session(family, spec, 1);
        if trained.draws() {
            return;
        }
        train(&mut *trained, 1..=STEPS);
        assert!(trained.sample(&SampleRequest::new(3, 4)).unwrap_err().to_string().contains("draws no samples"));
        let part = trained.parts().into_iter().find(|part| part.name == trained.sampling_part()).unwrap();
        let mut fresh = session(family, spec, 2);
        fresh.load(&[part], Purpose::Sampling).unwrap();
        let examples = batch(spec, 9, 1);
        let read = |session: &dyn Session| session.as_encode().unwrap().encode(&examples).unwrap();
        assert_eq!(read(&*fresh), read(&*trained));
    });
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    for_all(|family, spec| refuses_what_does_not_fit(&mut *session(family, spec, 1)));
    for_all_remedies(|family, spec, settings| {
        refuses_what_does_not_fit(&mut *session_with(family, spec, 1, settings));
    });
}

fn refuses_what_does_not_fit(session: &mut dyn Session) {
    let parts = session.parts();
    for part in &parts {
        assert!(part.tensors.is_sorted_by_key(|(name, _)| name), "{} is not sorted by name", part.name);
    }
    for i in 0..parts.len() {
        let mut short = parts.clone();
        short.remove(i);
        assert!(session.load(&short, Purpose::Training).is_err(), "without {}", parts[i].name);
        let mut cut = parts.clone();
        let (name, values) = cut[i].tensors.pop().unwrap();
        assert!(session.load(&cut, Purpose::Training).is_err(), "without {name} of {}", parts[i].name);
        cut[i].tensors.push((name, HostTensor::new([values.values.len(), 1, 1, 1, 1], values.values)));
        assert!(session.load(&cut, Purpose::Training).is_err(), "with another shape in {}", parts[i].name);
    }
}

#[test]
fn latent_families_decode_what_they_draw() {
    for_all(|family, spec| {
        let session = session(family, spec, 1);
        let Some(latent) = session.as_latent() else { return };
        let request = SampleRequest { truncation: 0.5, ..SampleRequest::new(3, 4) };
        let z = latent.latents(&request);
        assert_eq!(z.shape, [4, latent.latent_len()]);
        let samples = session.sample(&request).unwrap();
        assert_eq!(latent.decode(&z, samples.labels.as_deref()).unwrap(), samples.values);
        let wrong = HostTensor::new([1, latent.latent_len() + 1], vec![0.0; latent.latent_len() + 1]);
        assert!(latent.decode(&wrong, None).is_err());
    });
}

#[test]
fn a_family_has_the_abilities_that_it_names() {
    for_all(|family, spec| {
        let session = session(family, spec, 1);
        for ability in Ability::ALL {
            let named = family.info().abilities.contains(ability);
            assert_eq!(ability.is_of(&*session), named, "{} of {}", ability.name(), family.info().name);
        }
    });
}

/// Rows of a result, as bits.
fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn what_is_said_of_an_example_depends_on_it_alone() {
    for_all(|family, spec| {
        // Of a text in which nothing changes, all examples are alike.
        if matches!(spec, DataSpec::Text(text) if text.vocabulary.len() == 1) {
            return;
        }
        let mut session = session(family, spec, 1);
        train(&mut *session, 1..=STEPS);
        // With their classes, and without: then a conditional model looks for the likeliest.
        let known = batch(spec, 131, 3);
        let unknown = HostBatch { labels: None, ..known.clone() };
        for all in [&known, &unknown] {
            // The same examples in another order, so that each is in another batch and at another place.
            let order: Vec<usize> = (0..131).rev().collect();
            let values = order.iter().flat_map(|i| all.values.row(*i)).copied().collect();
            let labels = all.labels.as_ref().map(|labels| order.iter().map(|i| labels[*i]).collect());
            let turned = HostBatch { values: HostTensor::new(all.values.shape.clone(), values), labels };
            let same = |a: &HostTensor, b: &HostTensor| (0..131).all(|i| a.row(i) == b.row(130 - i));
            if let Some(encode) = session.as_encode() {
                let codes = encode.encode(all).unwrap();
                assert_eq!(codes.shape[..1], [131]);
                assert!(session.as_latent().is_none_or(|latent| codes.shape == [131, latent.latent_len()]));
                assert!(same(&codes, &encode.encode(&turned).unwrap()), "{}", family.info().name);
                assert!((1..131).any(|i| codes.row(i) != codes.row(0)), "{} tells nothing apart", family.info().name);
                let labels = encode.labels(all).unwrap();
                assert_eq!(labels.is_some(), !session.classes().is_empty());
                assert!(all.labels.is_none() || session.classes().is_empty() || labels == all.labels);
                // What is decoded from the codes is the reconstruction.
                if let Some(reconstruct) = session.as_reconstruct() {
                    let decoded = session.as_latent().unwrap().decode(&codes, labels.as_deref()).unwrap();
                    assert_eq!(decoded, reconstruct.reconstruct(all).unwrap());
                }
            }
            if let Some(reconstruct) = session.as_reconstruct() {
                let back = reconstruct.reconstruct(all).unwrap();
                assert_eq!(back.shape, all.values.shape);
                assert!(back.values.iter().all(|value| value.is_finite()));
                assert!(same(&back, &reconstruct.reconstruct(&turned).unwrap()), "{}", family.info().name);
            }
            if let Some(score) = session.as_score() {
                let elbo = |batch: &HostBatch| {
                    score.bounds(batch, 3).unwrap().iter().map(|bound| bound.elbo()).collect::<Vec<_>>()
                };
                let likelihood = |batch: &HostBatch| score.log_likelihood(batch, 3).unwrap();
                for of in [&elbo as &dyn Fn(&HostBatch) -> Vec<f64>, &likelihood] {
                    let (first, mut second) = (of(all), of(&turned));
                    second.reverse();
                    assert_eq!(bits(&first), bits(&second), "{}", family.info().name);
                    assert!(
                        first.iter().all(|value| value.is_finite()) && first.iter().any(|value| *value != first[0])
                    );
                }
                let mean = |values: Vec<f64>| values.iter().sum::<f64>() / 131.0;
                // Enough draws that chance is less than what they add.
                let [together, alone] = [
                    mean(score.log_likelihood(all, 32).unwrap()),
                    mean(score.bounds(all, 32).unwrap().iter().map(|bound| bound.elbo()).collect()),
                ];
                assert!(
                    together >= alone - 1e-3,
                    "more draws cannot lower the bound: {together}, {alone}, {} {spec}",
                    family.info().name
                );
                assert!(score.bounds(all, 3).unwrap().iter().all(|bound| bound.kl >= -1e-6));
                assert!(score.bounds(all, 0).is_err());
            }
        }
        let mut other = HostBatch { values: HostTensor::new([1, 2, 2, 2], vec![0.0; 8]), labels: None };
        let refuses = |other: &HostBatch| {
            assert!(session.as_encode().is_none_or(|encode| encode.encode(other).is_err()));
            assert!(session.as_reconstruct().is_none_or(|reconstruct| reconstruct.reconstruct(other).is_err()));
            assert!(session.as_score().is_none_or(|score| score.bounds(other, 1).is_err()));
        };
        refuses(&other);
        other = batch(spec, 1, 1);
        other.values.values[0] = f32::NAN;
        refuses(&other);
    });
}

#[test]
fn likelihoods_are_of_examples_and_sum_to_one() {
    for_all(|family, spec| {
        let mut session = session(family, spec, 1);
        assert_eq!(family.info().abilities.contains(&Ability::Likelihood), session.as_likelihood().is_some());
        let examples = batch(spec, 70, 3);
        train(&mut *session, 1..=STEPS);
        let Some(likelihood) = session.as_likelihood() else { return };
        let all = likelihood.nats(&examples).unwrap();
        assert!(all.len() == 70 && all.iter().all(|nats| nats.is_finite()));
        for i in [0, 63, 64, 69] {
            let one = HostBatch { values: examples.values.slice_rows(i..i + 1), labels: None };
            let nats = likelihood.nats(&one).unwrap()[0];
            assert!((nats - all[i]).abs() <= 1e-5 * (1.0 + nats.abs()), "{} example {i}", family.info().name);
        }
        // After either letter, what may follow has a probability of 1 together.
        if let DataSpec::Text(text) = spec
            && text.length == 3
            && text.vocabulary.len() == 2
        {
            let tokens = (0..8u8).flat_map(|i| [i >> 2 & 1, i >> 1 & 1, i & 1]).map(f32::from).collect();
            let every = HostBatch { values: HostTensor::new([8, 3], tokens), labels: None };
            // What has come to its end in the middle is one text, whatever is behind.
            let weights = |i: usize| if text.end == Some((i as u32) >> 1 & 1) { 0.5 } else { 1.0 };
            for after in likelihood.nats(&every).unwrap().chunks(4) {
                let sum: f64 = after.iter().enumerate().map(|(i, nats)| weights(i) * (-nats).exp()).sum();
                assert!((sum - 1.0).abs() < 1e-5, "{sum}");
            }
        }
        if let DataSpec::Text(text) = spec
            && text.end.is_some()
        {
            let mut others = examples.clone();
            for (i, row) in others.values.values.chunks_exact_mut(text.length).enumerate() {
                let told = text.told(&examples.values.row(i).iter().map(|token| *token as u32).collect::<Vec<_>>());
                row[told + 1..].iter_mut().for_each(|token| *token = 1.0 - token.min(1.0));
            }
            assert_ne!(others, examples);
            assert_eq!(likelihood.nats(&others).unwrap(), all, "{} tells what is behind the end", family.info().name);
            if let Some(states) = session.as_states() {
                assert_eq!(states.states(&others).unwrap(), states.states(&examples).unwrap());
            }
        }
        let wrong = HostBatch {
            values: HostTensor::new([1, spec.elements() + 1], vec![0.0; spec.elements() + 1]),
            labels: None,
        };
        assert!(likelihood.nats(&wrong).is_err());
    });
}

#[test]
fn texts_go_on_by_seed_and_number_and_nothing_else() {
    for_all(|family, spec| {
        let mut session = session(family, spec, 1);
        assert_eq!(family.info().abilities.contains(&Ability::Complete), session.as_complete().is_some());
        train(&mut *session, 1..=STEPS);
        let (Some(complete), DataSpec::Text(text)) = (session.as_complete(), spec) else { return };
        let write = |prompt: &[u32], decoding: &Decoding, draw| {
            let mut tokens = Vec::new();
            let told = complete.complete(prompt, decoding, draw, &mut |token| {
                tokens.push(token);
                tokens.len() < 40
            });
            told.map(|()| tokens)
        };
        let usual = Decoding::default();
        let first = write(&[], &usual, (3, 0)).unwrap();
        assert!(first.len() == 40 && first.iter().all(|token| (*token as usize) < text.vocabulary.len()));
        assert_eq!(first, write(&[], &usual, (3, 0)).unwrap());
        // A sample is a text without a prompt.
        let sample = session.sample(&SampleRequest::new(3, 1)).unwrap();
        let drawn: Vec<u32> = sample.values.values[1..].iter().map(|value| *value as u32).collect();
        assert_eq!(drawn, first[..text.length - 1]);
        if text.vocabulary.len() > 1 {
            assert_ne!(first, write(&[], &usual, (3, 1)).unwrap());
            assert_ne!(first, write(&[], &usual, (4, 0)).unwrap());
        }
        let greedy = Decoding { temperature: 0.0, ..usual };
        assert_eq!(write(&[], &greedy, (3, 0)).unwrap(), write(&[], &greedy, (4, 9)).unwrap());
        assert!(write(&[99], &usual, (3, 0)).unwrap_err().to_string().contains("no token 99"));
        assert!(write(&[], &Decoding { temperature: -1.0, ..usual }, (3, 0)).is_err());
    });
}

#[test]
fn a_class_that_does_not_exist_is_refused() {
    for_all_that_draw(|family, spec| {
        let session = session(family, spec, 1);
        let request = SampleRequest { class: Some(3), ..SampleRequest::new(3, 4) };
        assert!(session.sample(&request).is_err());
        if !session.classes().is_empty() {
            let request = SampleRequest { class: Some(2), ..request };
            assert_eq!(session.sample(&request).unwrap().labels, Some(vec![2; 4]));
        }
    });
}

#[test]
fn data_of_another_kind_are_refused() {
    for family in FAMILIES {
        for spec in specs().iter().filter(|spec| !family.info().modalities.contains(&spec.kind())) {
            let error = family.resolve(&toml::Table::new(), spec).unwrap_err();
            assert_eq!(error.to_string(), format!("`{}` does not take {}", family.info().name, spec.kind()));
            let own = family.info().modalities.join(", ");
            let other = FAMILIES.iter().find(|family| family.info().modalities.contains(&spec.kind())).unwrap();
            let hint = format!("it takes {own}; `{}` takes {}", other.info().name, spec.kind());
            // A file of columns is a table or a series.
            let may_be_series = spec.kind() == "table" && family.info().modalities.contains(&"series");
            let said = error.hint().unwrap();
            assert!(said.ends_with(&hint) && said.starts_with("`--set data.window=24`") == may_be_series, "{said}");
        }
    }
}
