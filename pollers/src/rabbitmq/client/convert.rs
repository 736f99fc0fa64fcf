//! From lapin's types to ours.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};

use crate::rabbitmq::broker::PushedMessage;
use crate::rabbitmq::properties::{HeaderValue, Properties};

/// A delivery of one of the source's queues.
pub(super) fn pushed(delivery: Delivery, queue: usize) -> PushedMessage {
    PushedMessage {
        tag: delivery.delivery_tag,
        queue,
        redelivered: delivery.redelivered,
        properties: properties(&delivery.properties),
        body: Bytes::from(delivery.data),
    }
}

fn properties(it: &BasicProperties) -> Properties {
    let text = |it: &Option<lapin::types::ShortString>| it.as_ref().map(|it| it.as_str().to_owned());
    Properties {
        content_type: text(it.content_type()),
        content_encoding: text(it.content_encoding()),
        headers: it.headers().as_ref().map(table),
        delivery_mode: *it.delivery_mode(),
        priority: *it.priority(),
        correlation_id: text(it.correlation_id()),
        reply_to: text(it.reply_to()),
        expiration: text(it.expiration()),
        message_id: text(it.message_id()),
        timestamp: *it.timestamp(),
        kind: text(it.kind()),
        user_id: text(it.user_id()),
        app_id: text(it.app_id()),
        cluster_id: text(it.cluster_id()),
    }
}

fn table(it: &FieldTable) -> Vec<(String, HeaderValue)> {
    it.inner().iter().map(|(name, it)| (name.as_str().to_owned(), value(it))).collect()
}

fn value(it: &AMQPValue) -> HeaderValue {
    match it {
        AMQPValue::Boolean(it) => HeaderValue::Bool(*it),
        AMQPValue::ShortShortInt(it) => HeaderValue::Integer((*it).into()),
        AMQPValue::ShortShortUInt(it) => HeaderValue::Integer((*it).into()),
        AMQPValue::ShortInt(it) => HeaderValue::Integer((*it).into()),
        AMQPValue::ShortUInt(it) => HeaderValue::Integer((*it).into()),
        AMQPValue::LongInt(it) => HeaderValue::Integer((*it).into()),
        AMQPValue::LongUInt(it) => HeaderValue::Integer((*it).into()),
        AMQPValue::LongLongInt(it) => HeaderValue::Integer(*it),
        AMQPValue::Float(it) => HeaderValue::Float((*it).into()),
        AMQPValue::Double(it) => HeaderValue::Float(*it),
        AMQPValue::DecimalValue(it) => HeaderValue::Decimal(it.scale, it.value),
        AMQPValue::ShortString(it) => HeaderValue::Text(it.as_str().as_bytes().to_vec()),
        AMQPValue::LongString(it) => HeaderValue::Text(it.as_bytes().to_vec()),
        AMQPValue::FieldArray(all) => HeaderValue::List(all.as_slice().iter().map(value).collect()),
        AMQPValue::Timestamp(it) => HeaderValue::Time(*it),
        AMQPValue::FieldTable(it) => HeaderValue::Table(table(it)),
        AMQPValue::ByteArray(it) => HeaderValue::Bytes(it.as_slice().to_vec()),
        AMQPValue::Void => HeaderValue::Null,
    }
}
