//! `bayesnet`: a Bayesian network over the columns of a table, whose structure is learnt.
//!
//! Paper: Chow and Liu 1968, "Approximating discrete probability distributions with dependence trees"; Koller and Friedman
//! 2009, "Probabilistic Graphical Models", chapters 17 and 18.
//! Differs: hill climbing begins at the tree of Chow and Liu; smoothing adds the same to each count.
//!
//! The first training step counts the rows; of a structure that is climbed to, each step makes the change that gains most, until
//! none gains anything.

use burn::prelude::Device;
use galatea_data::write::graph::Graph;
use galatea_data::{DataSpec, HostBatch, HostTensor, TableSpec, choice, settings};

use crate::nn::markov::each;
use crate::nn::network::{Climb, Factor, MOST, Parents, Plan, Table, chow_liu, order};
use crate::nn::noise;
use crate::nn::weights;
use crate::{Ability, Demand, Error, Info, Likelihood, Model, Part, Purpose, Result, SampleRequest, StepReport, Turn};

choice! {
    /// How the structure is found.
    pub enum Structure {
        /// The tree that shares most information along its edges.
        Tree = "tree",
        /// The changes of a tree that gain most by Bayes' information criterion.
        Climb = "climb",
        /// No edges: columns are independent.
        None = "none",
    }
}

settings! {
    /// Settings of [`BayesNet`].
    pub struct Config {
        /// How the structure is found.
        structure: Structure = Structure::Tree;
        /// Column that the tree begins at, counted from 0.
        root: usize = 0, in 0..=100_000;
        /// Most parents of a column that is climbed to.
        parents: usize = 3, in 1..=16;
        /// Added to each count, so that nothing is impossible that has not been seen.
        smoothing: f64 = 1.0, in 0.0..=1e6;
    }
}

/// Most rows: single precision counts so far.
const MOST_ROWS: usize = 1 << 24;

/// The family.
#[derive(Debug)]
pub struct BayesNet {
    config: Config,
    table: TableSpec,
    sizes: Vec<usize>,
    parents: Parents,
    /// How often each value of a column occurs with each combination of its parents' values.
    counts: Vec<Vec<f32>>,
    /// What has been worked out of the rows; made again after a restart.
    climb: Option<(Table, Climb)>,
}

impl Model for BayesNet {
    const INFO: Info = Info {
        name: "bayesnet",
        summary: "Bayesian network of a table: which column depends on which, and rows like yours",
        paper: "Chow and Liu 1968, Approximating discrete probability distributions with dependence trees",
        differs: "hill climbing by Bayes' information criterion on demand; the same is added to each count",
        modalities: &["table"],
        abilities: &[Ability::Likelihood, Ability::Condition],
    };

    const STEPS: u64 = 100;

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        let columns = table_of(spec)?.columns.len();
        if config.root >= columns {
            return Err(Error::usage(
                format!("`root` is {}, and there are {columns} columns", config.root),
                format!("choose one of 0 to {}", columns - 1),
            ));
        }
        Ok(())
    }

    fn new(config: &Config, spec: &DataSpec, _seed: u64, _device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let table = table_of(spec)?.clone();
        let sizes: Vec<usize> = table.columns.iter().map(|column| column.values.len()).collect();
        let counts = sizes.iter().map(|size| vec![0.0; *size]).collect();
        let parents = vec![Vec::new(); sizes.len()];
        Ok(Self { config: config.clone(), table, sizes, parents, counts, climb: None })
    }

    fn demand(&self) -> Demand {
        Demand { batch: Demand::ALL, batches: 1 }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let mut report = StepReport::default();
        let [batch] = batches else { return Ok(report) };
        if self.climb.is_none() {
            self.checked(batch)?;
            let table = Table::new(&self.sizes, &batch.values.values);
            if turn.step == 1 && self.config.structure != Structure::None {
                self.parents = chow_liu(&table, self.config.root);
            }
            let climb = Climb::new(&table, self.parents.clone());
            self.climb = Some((table, climb));
        }
        let Some((table, climb)) = &mut self.climb else { return Ok(report) };
        if self.config.structure == Structure::Climb {
            climb.step(table, self.config.parents);
        }
        self.parents.clone_from(&climb.parents);
        let single = |counts: Vec<u64>| counts.into_iter().map(|count| count as f32).collect();
        self.counts = each(self.sizes.len(), |column| single(table.counts(column, &self.parents[column])));
        let rows = table.rows.max(1) as f64;
        report.note("bic", -2.0 * climb.score());
        report.note("edges", self.parents.iter().map(Vec::len).sum::<usize>() as f64);
        report.note("nats", -self.log_likelihoods(&batch.values).iter().sum::<f64>() / rows);
        Ok(report)
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        request.labels(&[])?;
        let Some(order) = order(&self.parents) else {
            return Err(Error::weights("network", "its edges go round in a circle"));
        };
        let range = request.range.clone();
        let rows = each((range.end - range.start) as usize, |i| {
            let mut stream = noise::sample_stream(request.seed, range.start + i as u64);
            let mut row = vec![0; self.sizes.len()];
            for column in &order {
                let (counts, total) = self.given(*column, &row);
                let draw = stream.next_f64();
                let mut left = draw * total;
                if total <= 0.0 {
                    // As in `probability`.
                    row[*column] = (draw * counts.len() as f64) as usize;
                    continue;
                }
                let chosen = counts.iter().position(|count| {
                    left -= f64::from(*count) + self.config.smoothing;
                    left < 0.0
                });
                row[*column] = chosen.unwrap_or(counts.len() - 1);
            }
            row
        });
        Ok(self.batch(rows))
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn parts(&self) -> Vec<Part> {
        let n = self.sizes.len();
        let edge = |at: usize| if self.parents[at / n].contains(&(at % n)) { 1.0 } else { 0.0 };
        let mut tensors = vec![("parents".to_owned(), HostTensor::new([n, n], (0..n * n).map(edge).collect()))];
        for (column, counts) in self.counts.iter().enumerate() {
            let size = self.sizes[column];
            tensors.push((format!("counts.{column:05}"), HostTensor::new([counts.len() / size, size], counts.clone())));
        }
        tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
        vec![Part { name: "network".to_owned(), tensors }]
    }

    fn sampling_part(&self) -> &'static str {
        "network"
    }

    fn load(&mut self, parts: &[Part], _purpose: Purpose) -> Result<()> {
        let part = weights::find("network", parts)?;
        let n = self.sizes.len();
        let edges = weights::array(part, "parents", &[n, n])?;
        let found: Parents = (0..n).map(|to| (0..n).filter(|from| edges.row(to)[*from] != 0.0).collect()).collect();
        if order(&found).is_none() {
            return Err(Error::weights("network", "its edges go round in a circle"));
        }
        let counts = (0..n).map(|column| {
            let combinations = found[column].iter().map(|parent| self.sizes[*parent]).product();
            let name = format!("counts.{column:05}");
            Ok(weights::array(part, &name, &[combinations, self.sizes[column]])?.values.clone())
        });
        self.counts = counts.collect::<Result<_>>()?;
        (self.parents, self.climb) = (found, None);
        Ok(())
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![("network", self.counts.iter().map(Vec::len).sum())]
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood> {
        Some(self)
    }

    fn as_condition(&self) -> Option<&dyn crate::Condition> {
        Some(self)
    }
}

impl Likelihood for BayesNet {
    fn nats(&self, examples: &HostBatch) -> Result<Vec<f64>> {
        self.checked(examples)?;
        Ok(self.log_likelihoods(&examples.values).into_iter().map(|log| -log).collect())
    }
}

impl crate::Condition for BayesNet {
    fn sample_given(&self, known: &[Option<u32>], request: &SampleRequest) -> Result<(HostBatch, f64)> {
        if known.len() != self.sizes.len() {
            return Err(Error::usage("what is known is of another table", "give a value, or none, for each column"));
        }
        let known: Vec<Option<usize>> = known.iter().map(|value| value.map(|value| value as usize)).collect();
        if known.iter().zip(&self.sizes).any(|(value, size)| value.is_some_and(|value| value >= *size)) {
            return Err(Error::usage("a known value is none of its column", "use the values of the table"));
        }
        let plan = Plan::new(&self.sizes, self.factors(), &known).ok_or_else(|| {
            Error::usage(
                format!("the network is too dense: a table of more than {MOST} numbers would be needed"),
                "train with `structure=tree` or fewer `parents`, or give more values",
            )
        })?;
        if plan.evidence == f64::NEG_INFINITY {
            return Err(Error::usage("what is given is impossible to the model", "train with `smoothing` above 0"));
        }
        let range = request.range.clone();
        let rows = each((range.end - range.start) as usize, |i| {
            let mut stream = noise::sample_stream(request.seed, range.start + i as u64);
            let mut row: Vec<usize> = known.iter().map(|value| value.unwrap_or(0)).collect();
            plan.draw(&self.sizes, &mut row, || stream.next_f64());
            row
        });
        Ok((self.batch(rows), plan.evidence))
    }

    fn graph(&self) -> Graph {
        let names = self.table.columns.iter().map(|column| column.name.clone()).collect();
        let into =
            |(to, parents): (usize, &Vec<usize>)| parents.iter().map(move |from| (*from, to)).collect::<Vec<_>>();
        Graph { names, edges: self.parents.iter().enumerate().flat_map(into).collect() }
    }
}

impl BayesNet {
    /// The parents of each column.
    pub fn parents(&self) -> &Parents {
        &self.parents
    }

    fn checked(&self, batch: &HostBatch) -> Result<()> {
        let (width, rows) = (self.sizes.len(), batch.len());
        if batch.values.shape[1..] != [width] {
            return Err(Error::usage(
                format!("rows have {:?} columns, and the model takes {width}", &batch.values.shape[1..]),
                "train and judge with the same columns",
            ));
        }
        if rows > MOST_ROWS {
            return Err(Error::usage(format!("{rows} rows are too many"), format!("{MOST_ROWS} at most are counted")));
        }
        let is_value = |(at, value): (usize, &f32)| *value >= 0.0 && (*value as usize) < self.sizes[at % width];
        match batch.values.values.iter().enumerate().all(is_value) {
            true => Ok(()),
            false => {
                Err(Error::usage("a row has a value that the table did not", "train and judge with the same values"))
            }
        }
    }

    fn batch(&self, rows: Vec<Vec<usize>>) -> HostBatch {
        let n = rows.len();
        let values = rows.into_iter().flatten().map(|value| value as f32).collect();
        HostBatch { values: HostTensor::new([n, self.sizes.len()], values), labels: None }
    }

    /// The counts of a column's values where its parents are as in `row`, and their sum, smoothed.
    fn given(&self, column: usize, row: &[usize]) -> (&[f32], f64) {
        let size = self.sizes[column];
        let at = self.parents[column].iter().fold(0, |at, parent| at * self.sizes[*parent] + row[*parent]);
        let counts = &self.counts[column][at * size..(at + 1) * size];
        let total: f64 = counts.iter().map(|count| f64::from(*count) + self.config.smoothing).sum();
        (counts, total)
    }

    /// The probability of a column's value in a row. Where nothing was seen and nothing is added, all are alike.
    fn probability(&self, column: usize, row: &[usize]) -> f64 {
        let (counts, total) = self.given(column, row);
        match total > 0.0 {
            true => (f64::from(counts[row[column]]) + self.config.smoothing) / total,
            false => 1.0 / counts.len() as f64,
        }
    }

    fn log_likelihoods(&self, rows: &HostTensor) -> Vec<f64> {
        each(rows.rows(), |i| {
            let row: Vec<usize> = rows.row(i).iter().map(|value| *value as usize).collect();
            (0..self.sizes.len()).map(|column| self.probability(column, &row).ln()).sum()
        })
    }

    /// The probabilities of each column given its parents.
    fn factors(&self) -> Vec<Factor> {
        let factor = |column: usize| {
            let mut columns = self.parents[column].clone();
            columns.push(column);
            columns.sort_unstable();
            let mut row = vec![0; self.sizes.len()];
            let mut values = Vec::new();
            Factor::for_all(&self.sizes, &columns, &mut row, |row| values.push(self.probability(column, row)));
            Factor { columns, values }
        };
        (0..self.sizes.len()).map(factor).collect()
    }
}

fn table_of(spec: &DataSpec) -> Result<&TableSpec> {
    match spec {
        DataSpec::Table(table) => Ok(table),
        other => Err(Error::usage(format!("`bayesnet` takes tables, not {}", other.kind()), "use another family")),
    }
}
