//! Reads observations from a block as the networks' inputs.

use std::ops::Range;

use phalanx_envs::{Block, Dtype, Elements, FieldRows, Space};
use phalanx_graph::{Graph, Source};

use crate::describe::input_name;
use crate::normalizer::{FrozenNormalizer, Gather, Normalizer};
use crate::observations::Observations;
use crate::transfer::Placed;

/// Where each input of the networks lies in an observation.
pub struct Reader {
    places: Vec<Place>,
    /// Inputs that are normalised, each with its numbers.
    normalized: Vec<(String, usize)>,
    /// Numbers that frozen layers alone read: their statistics stay, or what these compute would change.
    frozen: Vec<Range<usize>>,
}

struct Place {
    /// Number of the field.
    field: usize,
    /// Its statistics among those of all that are normalised.
    statistics: Option<Range<usize>>,
}

/// Frozen statistics of each input; nothing for those that are not normalised.
pub type Statistics = Vec<Option<FrozenNormalizer>>;

impl Reader {
    /// For the inputs of `graph` in observations of `space`, of which boxes of floats are normalised if `normalize` is set.
    pub fn new(graph: &Graph, space: &Space, normalize: bool) -> Self {
        let leaves = space.leaves();
        let (mut places, mut normalized, mut frozen, mut end) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (i, input) in graph.inputs.iter().enumerate() {
            let mut leaves = leaves.iter().enumerate();
            let found = leaves.find(|(_, (path, _))| input_name(path) == input.name);
            let (field, (_, leaf)) = found.expect("inputs are leaves of the observations");
            let floats = matches!(leaf, Space::Box { dtype: Dtype::F32 | Dtype::F64, .. });
            let statistics = (normalize && floats).then(|| {
                normalized.push((input.name.clone(), leaf.len()));
                if graph.is_frozen(Source::Input(i)) {
                    frozen.push(end..end + leaf.len());
                }
                end..end + leaf.len()
            });
            end = statistics.as_ref().map_or(end, |range| range.end);
            places.push(Place { field, statistics });
        }
        Self { places, normalized, frozen }
    }

    /// Inputs that are normalised, each with its numbers.
    pub fn normalized(&self) -> &[(String, usize)] {
        &self.normalized
    }

    /// The pictures among all numbers that are normalised, where `inputs` are those of each input.
    pub fn pictures(&self, inputs: &[Option<Placed>]) -> Vec<Placed> {
        let places = self.places.iter().zip(inputs);
        places
            .filter_map(|(place, picture)| Some(picture.clone()?.after(place.statistics.clone()?.start)))
            .collect()
    }

    /// The present statistics of each input.
    pub fn freeze(&self, normalizer: Option<&Normalizer>) -> Statistics {
        let frozen = |place: &Place| Some(normalizer?.freeze(place.statistics.clone()?));
        self.places.iter().map(frozen).collect()
    }

    /// The observations of `rows` at time `t` as they lie in the block, where networks read them so.
    pub fn direct<'a>(&self, block: &'a Block, t: usize, rows: Range<usize>) -> Option<Elements<'a>> {
        match self.places[..] {
            [Place { field, statistics: None }] => {
                let direct = block.observation_field_rows(field, t, rows).contiguous()?;
                (!matches!(direct, Elements::F64(_))).then_some(direct)
            }
            _ => None,
        }
    }

    /// Adds rows of observations; `rows_of` has those of a field.
    pub fn read<'a>(
        &self,
        rows_of: impl Fn(usize) -> FieldRows<'a>,
        statistics: &Statistics,
        into: &mut Observations,
    ) {
        for (input, (place, frozen)) in self.places.iter().zip(statistics).enumerate() {
            let rows = rows_of(place.field);
            match rows.contiguous() {
                Some(all) => into.add(input, all, frozen.as_ref()),
                None => (0..rows.rows()).for_each(|row| into.add(input, rows.row(row), frozen.as_ref())),
            }
        }
    }

    /// Adds the final observation of a row at time `t`.
    pub fn read_final(
        &self,
        block: &Block,
        (t, row): (usize, usize),
        statistics: &Statistics,
        into: &mut Observations,
    ) {
        for (input, (place, frozen)) in self.places.iter().zip(statistics).enumerate() {
            let rows = block.final_observation_field(place.field, t..t + 1);
            into.add(input, rows.row(row), frozen.as_ref());
        }
    }

    /// Updates statistics with the observations of the transitions `index`, and those of other ranks.
    pub fn update<E>(
        &self,
        normalizer: &mut Normalizer,
        block: &Block,
        index: &[i64],
        gather: impl Gather<E>,
    ) -> Result<(), E> {
        let (rows, steps) = (block.layout().rows, block.layout().steps);
        let places = self.places.iter().filter(|place| place.statistics.is_some());
        let fields: Vec<_> = places.map(|place| block.observation_field(place.field, 0..steps)).collect();
        let numbers = |i: &i64| {
            let i = *i as usize;
            debug_assert!(i < rows * steps);
            fields.iter().flat_map(move |field| floats(field.row(i)))
        };
        normalizer.update(index.iter().map(numbers), &self.frozen, gather)
    }
}

/// The numbers of a box of floats.
fn floats(x: Elements<'_>) -> impl Iterator<Item = f64> {
    let (narrow, wide) = match x {
        Elements::F32(x) => (x, &[][..]),
        Elements::F64(x) => (&[][..], x),
        other => unreachable!("{other:?} are not normalised"),
    };
    narrow.iter().map(|&x| f64::from(x)).chain(wide.iter().copied())
}
