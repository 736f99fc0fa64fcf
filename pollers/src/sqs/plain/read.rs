//! Answers of SQS from their JSON. A member that is absent or `null` is the same, but no list and no map holds
//! `null`; members that nobody knows are passed over; another type makes an answer that cannot be read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use forebay_clients::{AnswerText, WireText, read_answer};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::sqs::client::Answers;
use crate::sqs::error::SqsError;
use crate::sqs::message::{Attribute, Details, Received, SYSTEM, System};

fn parsed<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, SqsError> {
    read_answer(answer).map_err(|why| SqsError::Refused(format!("it cannot be read: {why}")))
}

/// The members of an object, in order.
struct Members<'a, V>(Vec<(WireText<'a>, V)>);

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Members<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

struct MembersVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for MembersVisitor<V> {
    type Value = Members<'de, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de, V>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// System attributes: those that are known by their place, and the others by name.
#[derive(Default)]
struct WireSystem<'a> {
    known: [Option<WireText<'a>>; SYSTEM.len()],
    others: BTreeMap<Cow<'a, str>, WireText<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for WireSystem<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SystemVisitor)
    }
}

struct SystemVisitor;

impl<'de> Visitor<'de> for SystemVisitor {
    type Value = WireSystem<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WireSystem<'de>, A::Error> {
        let mut system = WireSystem::default();
        while let Some((WireText(name), value)) = map.next_entry()? {
            // By place, so that most messages are in Lambda's order without being sorted.
            match SYSTEM.iter().position(|it| *it == name) {
                Some(idx) => system.known[idx] = Some(value),
                None => _ = system.others.insert(name, value),
            }
        }
        Ok(system)
    }
}

impl WireSystem<'_> {
    fn into_system(self, answer: &Bytes) -> System {
        let text = |it: WireText<'_>| AnswerText::of(answer, it);
        // Lambda's order first, then by name: as the map has them.
        let known = SYSTEM.into_iter().zip(self.known);
        let known = known.filter_map(|(name, it)| Some((Cow::Borrowed(name), text(it?))));
        let others = self.others.into_iter().map(|(name, it)| (Cow::Owned(name.into_owned()), text(it)));
        System::in_order(known.chain(others))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveAnswer<'a> {
    #[serde(borrow, default)]
    messages: Option<Vec<WireMessage<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireMessage<'a> {
    #[serde(borrow)]
    message_id: Option<WireText<'a>>,
    #[serde(borrow)]
    receipt_handle: Option<WireText<'a>>,
    #[serde(borrow)]
    body: Option<WireText<'a>>,
    #[serde(borrow, rename = "MD5OfBody")]
    md5_of_body: Option<WireText<'a>>,
    #[serde(borrow, rename = "MD5OfMessageAttributes")]
    md5_of_attributes: Option<WireText<'a>>,
    #[serde(borrow)]
    attributes: Option<WireSystem<'a>>,
    #[serde(borrow)]
    message_attributes: Option<Members<'a, WireAttribute<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAttribute<'a> {
    #[serde(borrow)]
    data_type: Option<WireText<'a>>,
    #[serde(borrow)]
    string_value: Option<WireText<'a>>,
    #[serde(borrow)]
    binary_value: Option<WireText<'a>>,
}

/// What a receive brought. All but the handles are parts of the answer where they can be: they go when the
/// messages are rendered, while handles stay until they are settled, and lie together.
pub(in crate::sqs) fn messages(answer: &Bytes) -> Result<Vec<Received>, SqsError> {
    let messages = parsed::<ReceiveAnswer<'_>>(answer)?.messages.unwrap_or_default();
    let mut handles = Vec::with_capacity(messages.iter().map(|it| it.handle().len()).sum());
    messages.iter().for_each(|it| handles.extend_from_slice(it.handle()));
    let mut handles = Bytes::from(handles);
    let mut received = Vec::with_capacity(messages.len());
    for it in messages {
        let handle = handles.split_to(it.handle().len());
        received.push(it.received(answer, handle)?);
    }
    Ok(received)
}

impl WireMessage<'_> {
    fn handle(&self) -> &[u8] {
        self.receipt_handle.as_ref().map_or(&[], |it| it.0.as_bytes())
    }

    fn received(self, answer: &Bytes, handle: Bytes) -> Result<Received, SqsError> {
        let text = |it: WireText<'_>| AnswerText::of(answer, it);
        let attributes = self.message_attributes.into_iter().flat_map(|it| it.0);
        let details = Details {
            md5_of_body: self.md5_of_body.map(text),
            md5_of_attributes: self.md5_of_attributes.map(text),
            system: self.attributes.unwrap_or_default().into_system(answer),
            attributes: attributes.map(attribute).collect::<Result<_, SqsError>>()?,
        };
        let (id, body) = (self.message_id.unwrap_or_default(), self.body.unwrap_or_default());
        Ok(Received { id: text(id), handle, body: text(body), details })
    }
}

fn attribute((name, it): (WireText<'_>, WireAttribute<'_>)) -> Result<(String, Attribute), SqsError> {
    let owned = |it: WireText<'_>| it.0.into_owned();
    let binary = it.binary_value.map(|it| STANDARD.decode(it.0.as_bytes())).transpose();
    let binary = binary.map_err(|_| SqsError::Refused(format!("attribute {:?} is no base64", name.0)))?;
    let data_type = it.data_type.map(owned).unwrap_or_default();
    Ok((owned(name), Attribute { data_type, text: it.string_value.map(owned), binary }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchAnswer<'a> {
    #[serde(borrow)]
    successful: Option<Vec<WireEntry<'a>>>,
    #[serde(borrow)]
    failed: Option<Vec<WireEntry<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireEntry<'a> {
    #[serde(borrow)]
    id: Option<WireText<'a>>,
    #[serde(borrow)]
    code: Option<WireText<'a>>,
    #[serde(borrow)]
    message: Option<WireText<'a>>,
}

/// What became of so many entries.
pub(super) fn answers(body: &Bytes, n: usize) -> Result<Answers, SqsError> {
    let answer: BatchAnswer<'_> = parsed(body)?;
    let mut answers = Answers::none_done(n);
    for it in answer.successful.into_iter().flatten() {
        answers.done(&it.id.unwrap_or_default().0);
    }
    for it in answer.failed.into_iter().flatten() {
        // An entry that we did not name is nobody's.
        if let Ok(idx) = it.id.unwrap_or_default().0.parse() {
            answers.refuse(idx, &it.code.unwrap_or_default().0, &it.message.unwrap_or_default().0);
        }
    }
    Ok(answers)
}

/// Attributes of a queue.
#[derive(Deserialize)]
pub(super) struct AttributesAnswer {
    #[serde(rename = "Attributes")]
    attributes: Option<BTreeMap<String, String>>,
}

impl AttributesAnswer {
    pub(super) fn read(body: &Bytes) -> Result<Self, SqsError> {
        parsed(body)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.as_ref()?.get(name).map(String::as_str)
    }
}

#[derive(Deserialize)]
struct UrlAnswer {
    #[serde(rename = "QueueUrl")]
    url: Option<String>,
}

/// The URL of a queue that was asked for by its name.
pub(super) fn url(body: &Bytes) -> Result<Option<String>, SqsError> {
    parsed::<UrlAnswer>(body).map(|it| it.url)
}
