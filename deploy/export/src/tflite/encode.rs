//! The bytes of a model.

use flatbuffers::{FlatBufferBuilder, TableFinishedWIPOffset, WIPOffset};

use super::schema::{Builtin, Field, Model, Operator, Options, TensorInfo, options};

type Bytes = FlatBufferBuilder<'static>;
type Table = WIPOffset<TableFinishedWIPOffset>;

/// What numbers of a model begin at a multiple of.
const ALIGNMENT: usize = 16;
const VERSION: u32 = 3;
/// Names this among several ways of use.
const SIGNATURE: &str = "serving_default";

impl Model {
    /// The bytes, with a description in words and texts by name.
    pub fn encode(&self, description: &str, texts: &[(&str, String)]) -> Vec<u8> {
        let mut b = Bytes::new();
        // The first buffer is that of tensors that have no numbers.
        let data: Vec<&[u8]> = self.tensors.iter().filter_map(|tensor| tensor.data.as_deref()).collect();
        let data = [&[][..]].into_iter().chain(data);
        let mut buffers: Vec<Table> = data.map(|data| buffer(&mut b, data)).collect();
        let mut metadata = Vec::new();
        for (name, text) in texts {
            let (name, place) = (string(&mut b, name), Field::U32(buffers.len() as u32));
            buffers.push(buffer(&mut b, text.as_bytes()));
            metadata.push(table(&mut b, &[(0, name), (1, place)]));
        }
        let (codes, code_of) = self.codes(&mut b);
        let signature = self.signature(&mut b);
        let subgraph = self.subgraph(&mut b, &code_of);
        let description = string(&mut b, description);
        let [codes, subgraphs, buffers, metadata, signatures] =
            [codes, vec![subgraph], buffers, metadata, vec![signature]].map(|all| tables(&mut b, &all));
        let fields = [
            (0, Field::U32(VERSION)),
            (1, codes),
            (2, subgraphs),
            (3, description),
            (4, buffers),
            (6, metadata),
            (7, signatures),
        ];
        let model = table(&mut b, &fields);
        // The root's place and the identifier follow.
        pad(&mut b, 8);
        b.finish(model, Some("TFL3"));
        b.finished_data().to_vec()
    }

    /// A code for each operator that is used, and the index of that of each one.
    fn codes(&self, b: &mut Bytes) -> (Vec<Table>, Vec<u32>) {
        let mut used: Vec<Builtin> = Vec::new();
        let mut index = |builtin| {
            let known = used.iter().position(|&other| other == builtin);
            known.unwrap_or_else(|| {
                used.push(builtin);
                used.len() - 1
            }) as u32
        };
        let code_of = self.operators.iter().map(|operator| index(operator.builtin)).collect();
        let code = |builtin: &Builtin| {
            let code = *builtin as i32;
            // Programs of before 2020 read the first field.
            table(b, &[(0, Field::I8(code as i8)), (2, Field::I32(1)), (3, Field::I32(code))])
        };
        (used.iter().map(code).collect(), code_of)
    }

    fn subgraph(&self, b: &mut Bytes, code_of: &[u32]) -> Table {
        let mut buffers = 0;
        let tensors: Vec<Table> = self.tensors.iter().map(|info| tensor(b, info, &mut buffers)).collect();
        let operators: Vec<Table> = self
            .operators
            .iter()
            .zip(code_of)
            .map(|(operator, &code)| encode_operator(b, operator, code))
            .collect();
        let [tensors, operators] = [tensors, operators].map(|all| tables(b, &all));
        let [inputs, outputs] = [&self.inputs, &self.outputs].map(|all| indices(b, all));
        let name = string(b, "policy");
        table(b, &[(0, tensors), (1, inputs), (2, outputs), (3, operators), (4, name)])
    }

    /// Inputs and outputs by name.
    fn signature(&self, b: &mut Bytes) -> Table {
        let mut map = |&tensor: &usize| {
            let name = string(b, &self.tensors[tensor].name);
            table(b, &[(0, name), (1, Field::U32(tensor as u32))])
        };
        let inputs: Vec<Table> = self.inputs.iter().map(&mut map).collect();
        let outputs: Vec<Table> = self.outputs.iter().map(&mut map).collect();
        let [inputs, outputs] = [inputs, outputs].map(|all| tables(b, &all));
        let key = string(b, SIGNATURE);
        table(b, &[(0, inputs), (1, outputs), (2, key)])
    }
}

/// Fills up with zeros so that what ends `len` bytes further is aligned; bytes are written from the end.
fn pad(b: &mut Bytes, len: usize) {
    while !(b.unfinished_data().len() + len).is_multiple_of(ALIGNMENT) {
        b.push(0_u8);
    }
}

fn buffer(b: &mut Bytes, data: &[u8]) -> Table {
    if data.is_empty() {
        return table(b, &[]);
    }
    pad(b, data.len());
    let data = b.create_vector(data).as_union_value();
    table(b, &[(0, Field::Offset(data))])
}

fn tensor(b: &mut Bytes, info: &TensorInfo, buffers: &mut u32) -> Table {
    let sizes = info.shape.iter().map(|&size| size as i32);
    let has_rows = info.data.is_none();
    let shape_of =
        |rows: i32| [rows].into_iter().filter(|_| has_rows).chain(sizes.clone()).collect::<Vec<i32>>();
    let shape = Field::Offset(b.create_vector(&shape_of(1)).as_union_value());
    let name = string(b, &info.name);
    let mut fields = vec![(0, shape), (1, Field::I8(info.dtype as i8)), (3, name), (8, Field::Bool(true))];
    if has_rows {
        fields.push((7, Field::Offset(b.create_vector(&shape_of(-1)).as_union_value())));
    } else {
        *buffers += 1;
        fields.push((2, Field::U32(*buffers)));
    }
    if let Some(quantized) = &info.quantized {
        let scale = Field::Offset(b.create_vector(&quantized.scale).as_union_value());
        let zero = Field::Offset(b.create_vector(&quantized.zero).as_union_value());
        let quantized = table(b, &[(2, scale), (3, zero)]);
        fields.push((4, Field::Offset(quantized.as_union_value())));
    }
    table(b, &fields)
}

fn encode_operator(b: &mut Bytes, operator: &Operator, code: u32) -> Table {
    let [reads, writes] = [&operator.reads[..], &[operator.writes]].map(|all| indices(b, all));
    let mut fields = vec![(0, Field::U32(code)), (1, reads), (2, writes)];
    let Options(kind, own) = &operator.options;
    if *kind != options::NONE {
        let own = table(b, own).as_union_value();
        fields.extend([(3, Field::I8(*kind as i8)), (4, Field::Offset(own))]);
    }
    table(b, &fields)
}

fn string(b: &mut Bytes, text: &str) -> Field {
    Field::Offset(b.create_string(text).as_union_value())
}

fn tables(b: &mut Bytes, all: &[Table]) -> Field {
    Field::Offset(b.create_vector(all).as_union_value())
}

fn indices(b: &mut Bytes, all: &[usize]) -> Field {
    let all: Vec<i32> = all.iter().map(|&index| index as i32).collect();
    Field::Offset(b.create_vector(&all).as_union_value())
}

fn table(b: &mut Bytes, fields: &[(u16, Field)]) -> Table {
    let start = b.start_table();
    for &(number, field) in fields {
        // Where the field's place is in the table of places.
        let slot = 4 + 2 * number;
        match field {
            Field::Bool(x) => b.push_slot_always(slot, x),
            Field::I8(x) => b.push_slot_always(slot, x),
            Field::I32(x) => b.push_slot_always(slot, x),
            Field::U32(x) => b.push_slot_always(slot, x),
            Field::F32(x) => b.push_slot_always(slot, x),
            Field::Offset(x) => b.push_slot_always(slot, x),
        }
    }
    b.end_table(start)
}
