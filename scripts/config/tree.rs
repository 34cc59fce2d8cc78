//! YAML as a tree that remembers where everything was written.
//!
//! Anchors, tags and several documents in one file are refused with a message: a configuration is complete and
//! explicit where it is read.

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, StrInput};

use super::finding::{Finding, Place};
use super::scalar;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What was written.
    pub value: Value,
    /// Where.
    pub place: Place,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Something that was reported already.
    Refused,
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Integer(i128),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Text.
    Text {
        /// Without its quotes.
        text: String,
        /// Whether there were quotes.
        quoted: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order of the text.
    Mapping(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// Where the key was written.
    pub key_place: Place,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The node at a path of keys and list indices, as deep as it exists, and the place of its key.
    pub fn deepest(&self, path: &[String]) -> (&Node, Place) {
        let Some((first, rest)) = path.split_first() else { return (self, self.place) };
        match &self.value {
            Value::Mapping(entries) => {
                if let Some(entry) = entries.iter().find(|e| e.key == *first) {
                    let (node, place) = entry.value.deepest(rest);
                    return (node, if rest.is_empty() { entry.key_place } else { place });
                }
            }
            Value::Sequence(items) => {
                if let Some(item) = first.parse().ok().and_then(|i: usize| items.get(i)) {
                    return item.deepest(rest);
                }
            }
            _ => {}
        }
        (self, self.place)
    }

    /// Removes the deepest existing node on a path below the root; returns whether there was one.
    pub fn prune(&mut self, path: &[String]) -> bool {
        let Some((first, rest)) = path.split_first() else { return false };
        match &mut self.value {
            Value::Mapping(entries) => {
                let Some(i) = entries.iter().position(|e| e.key == *first) else { return false };
                if !entries[i].value.prune(rest) {
                    entries.remove(i);
                }
                true
            }
            Value::Sequence(items) => {
                let Some(i) = first.parse().ok().filter(|&i: &usize| i < items.len()) else { return false };
                if !items[i].prune(rest) {
                    items.remove(i);
                }
                true
            }
            _ => false,
        }
    }

    /// This tree as JSON. Numbers that JSON lacks are null; a tree that was read has none.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null | Value::Refused => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Integer(i) => serde_json::Number::from_i128(*i).map_or(Json::Null, Json::Number),
            Value::Float(x) => serde_json::Number::from_f64(*x).map_or(Json::Null, Json::Number),
            Value::Text { text, .. } => Json::String(text.clone()),
            Value::Sequence(items) => items.iter().map(Node::to_json).collect(),
            Value::Mapping(entries) => entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect(),
        }
    }
}

/// The tree of a YAML text, or `None` after an error of syntax, which is among the findings.
pub fn parse(text: &str, source: usize, findings: &mut Vec<Finding>) -> Option<Node> {
    let mut options = Options::default();
    options.emit_anchor_events = true;
    let mut reader = Reader { events: Parser::new_from_str_with_options(text, options), source, findings };
    match reader.document() {
        Ok(node) => Some(node),
        Err(finding) => {
            findings.push(finding);
            None
        }
    }
}

const ALIASES: &str = "anchors and aliases are not supported; write the value out";

/// The value if JSON can hold it, in which parameters travel to environments.
fn finite(value: Value) -> Result<Value, String> {
    match value {
        Value::Float(x) if !x.is_finite() => {
            Err("a number must be finite: write a large one, for example 1e30, or leave the setting out"
                .to_owned())
        }
        Value::Integer(i) if i64::try_from(i).is_err() && u64::try_from(i).is_err() => {
            Err("an integer must fit into 64 bits".to_owned())
        }
        value => Ok(value),
    }
}

struct Reader<'t, 'f> {
    events: Parser<'t, StrInput<'t>>,
    source: usize,
    findings: &'f mut Vec<Finding>,
}

impl<'t> Reader<'t, '_> {
    fn document(&mut self) -> Result<Node, Finding> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => {
                    return Ok(root.unwrap_or(Node { value: Value::Null, place: Place::whole(self.source) }));
                }
                (Event::DocumentStart(..), span) if root.is_some() => {
                    return Err(self.finding(span, "a configuration is one document; take out the `---`"));
                }
                (Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _) => {}
                (event, span) => root = Some(self.node(event, span)?),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, Finding> {
        let place = self.place(span);
        let refused = self.findings.len();
        if event.anchor_id().is_some() {
            // The anchor was written before its value, and is the event after it.
            let (_, anchor) = self.next()?;
            self.note(self.place(anchor), ALIASES);
        } else if event.is_alias() {
            self.note(place, ALIASES);
        }
        if event.tag().is_some() {
            self.note(self.place(span.tag_span().unwrap_or(span)), "tags are not supported; take it out");
        }
        let refused = self.findings.len() > refused;
        let value = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => {
                scalar::resolve(&text).and_then(finite).unwrap_or_else(|message| {
                    self.note(place, &message);
                    Value::Refused
                })
            }
            Event::Scalar(text, ..) => Value::Text { text: text.into_owned(), quoted: true },
            Event::SequenceStart(..) => self.sequence()?,
            Event::MappingStart(..) => self.mapping()?,
            _ => Value::Null,
        };
        Ok(Node { value: if refused { Value::Refused } else { value }, place })
    }

    fn sequence(&mut self) -> Result<Value, Finding> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Sequence(items)),
                (event, span) => items.push(self.node(event, span)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<Value, Finding> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match &event {
                Event::MappingEnd => return Ok(Value::Mapping(entries)),
                Event::Scalar(text, ..) => Some(text.clone().into_owned()),
                _ => None,
            };
            let key_place = self.place(span);
            self.node(event, span)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span)?;
            match key {
                None => self.note(key_place, "a key must be a word"),
                // Its alias is reported.
                Some(key) if key == "<<" && value.value == Value::Refused => {}
                Some(key) => match entries.iter().find(|e| e.key == key) {
                    Some(first) => {
                        let line = first.key_place.line;
                        self.note(key_place, &format!("key `{key}` is given twice, first on line {line}"));
                    }
                    None => entries.push(Entry { key, key_place, value }),
                },
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Finding> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let mark = error.marker();
                let place =
                    Place { source: self.source, line: mark.line().max(1), column: mark.col() + 1, width: 1 };
                Err(Finding { place, message: format!("not YAML: {}", error.info()) })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn place(&self, span: Span) -> Place {
        let width = if span.start.line() == span.end.line() {
            span.end.col().saturating_sub(span.start.col())
        } else {
            0
        };
        Place {
            source: self.source,
            line: span.start.line().max(1),
            column: span.start.col() + 1,
            width: width.max(1),
        }
    }

    fn finding(&self, span: Span, message: &str) -> Finding {
        Finding { place: self.place(span), message: message.to_owned() }
    }

    fn note(&mut self, place: Place, message: &str) {
        self.findings.push(Finding { place, message: message.to_owned() });
    }
}
