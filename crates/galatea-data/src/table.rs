//! Tables held in memory: rows of columns that take one of some values each.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::{
    DataSpec, Dataset, Error, HostBatch, HostTensor, Result,
    options::Plan,
    set::{fingerprint_of, hex, warn_of_counts},
};

/// Most different values of a column; with more, hardly a row is like another.
const MOST_VALUES: usize = 1_000;

/// Tables: examples are rows, `[columns]`, whole numbers that say which of a column's values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableSpec {
    /// The columns.
    pub columns: Vec<Column>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The values that it takes, numbers in their order and others in that of the alphabet.
    pub values: Vec<String>,
}

/// A table as a format has read it.
pub(crate) struct RawTable {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) notes: Vec<String>,
}

impl RawTable {
    /// Finds the values of each column.
    ///
    /// # Errors
    /// If a column has too many of them.
    pub(crate) fn finish(self, plan: &Plan) -> Result<Arc<dyn Dataset>> {
        if !plan.classes.is_empty() {
            return Err(Error::usage("`data.classes` is set, but a table has no classes").with_hint("leave it out"));
        }
        let Self { name, columns, mut rows, notes } = self;
        if let Some(limit) = plan.limit.filter(|limit| *limit < rows.len()) {
            let count = rows.len();
            rows = (0..limit).map(|i| std::mem::take(&mut rows[i * count / limit])).collect();
        }
        let mut known = Vec::new();
        let mut warnings = warn_of_counts(rows.len(), None);
        for (at, column) in columns.iter().enumerate() {
            let mut values: Vec<&str> = rows.iter().map(|row| row[at].as_str()).collect();
            values.sort_unstable();
            values.dedup();
            if values.len() > MOST_VALUES {
                let problem = format!("column `{column}` of `{name}` has {} different values", values.len());
                return Err(Error::usage(problem).with_hint(
                    "bring them into some groups first, leave the column out, or read the table as a series with \
                     `--set data.window=..`",
                ));
            }
            if values.len() == 1 {
                warnings.push(format!("column `{column}` has the same value in every row"));
            }
            let number = |value: &str| value.parse::<f64>().ok().filter(|number| !number.is_nan());
            if values.iter().all(|value| number(value).is_some()) {
                values.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
            }
            known.push(Column { name: column.clone(), values: values.into_iter().map(str::to_owned).collect() });
        }
        let mut values = Vec::with_capacity(rows.len() * columns.len());
        for row in &rows {
            for (value, column) in row.iter().zip(&known) {
                let place = column.values.iter().position(|known| known == value);
                values.push(place.unwrap_or(0) as f32);
            }
        }
        Ok(Arc::new(TableSet::new(name, TableSpec { columns: known }, values, notes, warnings)))
    }
}

/// The rows of a table, of which `given` is said, by the columns and values of `known`.
///
/// # Errors
/// If columns are others, or have a value that is not known.
pub(crate) fn recoded(
    set: &dyn Dataset,
    given: &TableSpec,
    known: &TableSpec,
    source: &str,
) -> Result<Arc<dyn Dataset>> {
    let names = |spec: &TableSpec| spec.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>().join(", ");
    if names(given) != names(known) {
        return Err(Error::usage(format!("`{source}` has the columns {}, not {}", names(given), names(known)))
            .with_hint("name a table with the columns that the model was trained on, in their order"));
    }
    let mut places = Vec::new();
    for (given, known) in given.columns.iter().zip(&known.columns) {
        let place = |value: &String| {
            known.values.iter().position(|known| known == value).map(|at| at as f32).ok_or_else(|| {
                Error::usage(format!("`{source}` has `{value}` in the column `{}`, which was never seen", known.name))
                    .with_hint(format!("values are {}", crate::text::shortened(&known.values.join(", "), 200)))
            })
        };
        places.push(given.values.iter().map(place).collect::<Result<Vec<f32>>>()?);
    }
    let width = known.columns.len();
    let mut values = set.batch(&(0..set.len()).collect::<Vec<_>>())?.values.values;
    for row in values.chunks_exact_mut(width) {
        row.iter_mut().zip(&places).for_each(|(value, places)| *value = places[*value as usize]);
    }
    Ok(Arc::new(TableSet::new(set.name().to_owned(), known.clone(), values, set.notes(), set.warnings())))
}

/// A data set of rows.
struct TableSet {
    name: String,
    spec: DataSpec,
    width: usize,
    values: Vec<f32>,
    fingerprint: String,
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl TableSet {
    fn new(name: String, table: TableSpec, values: Vec<f32>, notes: Vec<String>, warnings: Vec<String>) -> Self {
        let width = table.columns.len();
        let spec = DataSpec::Table(table);
        let mut hash = fingerprint_of(&spec);
        values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        Self { name, spec, width, values, fingerprint: hex(hash), notes, warnings }
    }
}

impl Dataset for TableSet {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> &DataSpec {
        &self.spec
    }

    fn len(&self) -> usize {
        self.values.len() / self.width
    }

    fn batch(&self, indices: &[usize]) -> Result<HostBatch> {
        let row = |i: &usize| &self.values[i * self.width..(i + 1) * self.width];
        let values = indices.iter().flat_map(row).copied().collect();
        Ok(HostBatch { values: HostTensor::new([indices.len(), self.width], values), labels: None })
    }

    fn label(&self, _index: usize) -> Option<u32> {
        None
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}
