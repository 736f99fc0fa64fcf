//! Mappings for people: a line each, or one with all its settings.

use std::collections::BTreeMap;

use serde_json::Value;

/// What stands where there is nothing.
const NOTHING: &str = "-";

/// Names in the config by UUID.
pub(super) type Names = BTreeMap<String, String>;

/// A line for each, under headings. A column that would be empty is left out.
pub(super) fn of_many(mappings: &[Value], names: &Names) -> String {
    if mappings.is_empty() {
        return "there are no mappings".to_owned();
    }
    let mut rows =
        vec![["UUID", "NAME", "STATE", "FUNCTION", "SOURCE", "BATCH", "LAST RESULT"].map(str::to_owned)];
    rows.extend(mappings.iter().map(|it| {
        let uuid = text(it, "UUID");
        let name = names.get(&uuid).cloned().unwrap_or_else(|| NOTHING.to_owned());
        [
            uuid,
            name,
            text(it, "State"),
            function(it),
            source(it),
            text(it, "BatchSize"),
            text(it, "LastProcessingResult"),
        ]
    }));
    // Kinds of source differ in what they have, and a line should fit a terminal.
    let is_told = |column: usize| rows.iter().skip(1).any(|row| row[column] != NOTHING);
    let columns: Vec<usize> = (0..rows[0].len()).filter(|column| is_told(*column)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<(usize, usize)> = columns.into_iter().map(|column| (column, width(column))).collect();
    let lines = rows.iter().map(|row| {
        let line: String =
            widths.iter().map(|(column, width)| format!("{:width$}  ", row[*column])).collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// One with all that the API shows of it, a line a member.
pub(super) fn of_one(mapping: &Value, names: &Names) -> String {
    let Value::Object(members) = mapping else { return mapping.to_string() };
    let mut rows: Vec<(&str, String)> = Vec::new();
    if let Some(name) = names.get(&text(mapping, "UUID")) {
        rows.push(("Name", name.clone()));
    }
    rows.extend(members.iter().map(|(name, value)| (name.as_str(), plain(value))));
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines: Vec<String> = rows.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
    lines.join("\n")
}

/// What became of one.
pub(super) fn line_of(mapping: &Value) -> String {
    format!(
        "{} {}: {} from {}",
        text(mapping, "UUID"),
        text(mapping, "State"),
        function(mapping),
        source(mapping)
    )
}

/// A function's name with its qualifier: what follows `:function:` in its ARN.
fn function(mapping: &Value) -> String {
    let arn = text(mapping, "FunctionArn");
    arn.split_once(":function:").map_or_else(|| arn.clone(), |(_, name)| name.to_owned())
}

/// The source's ARN, or the topic and the servers of a cluster of one's own.
fn source(mapping: &Value) -> String {
    if let Some(arn) = mapping["EventSourceArn"].as_str() {
        return arn.to_owned();
    }
    let words = |it: &Value| {
        it.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
    };
    let servers = words(&mapping["SelfManagedEventSource"]["Endpoints"]["KAFKA_BOOTSTRAP_SERVERS"]);
    match (words(&mapping["Topics"]), servers) {
        (_, servers) if servers.is_empty() => NOTHING.to_owned(),
        (topics, servers) => format!("{topics} at {servers}"),
    }
}

fn text(mapping: &Value, member: &str) -> String {
    match &mapping[member] {
        Value::Null => NOTHING.to_owned(),
        value => plain(value),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn queue() -> Value {
        json!({
            "UUID": "11111111-1111-4111-8111-111111111111", "State": "Enabled", "BatchSize": 10,
            "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:ship:live",
            "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:orders",
        })
    }

    #[test]
    fn a_list_has_a_line_for_each_and_no_empty_column() {
        let list = of_many(&[queue()], &Names::new());
        assert_eq!(
            list,
            "UUID                                  STATE    FUNCTION   SOURCE                                     BATCH\n\
             11111111-1111-4111-8111-111111111111  Enabled  ship:live  arn:aws:sqs:us-east-1:000000000000:orders  10"
        );
        let mut kafka = json!({
            "UUID": "u2", "State": "Creating", "BatchSize": 100, "FunctionArn": "f", "LastProcessingResult": "OK", "Topics": ["t"],
            "SelfManagedEventSource": { "Endpoints": { "KAFKA_BOOTSTRAP_SERVERS": ["a:1", "b:2"] } },
        });
        let names = Names::from([("u2".to_owned(), "clicks".to_owned())]);
        let list = of_many(&[queue(), kafka.take()], &names);
        let lines: Vec<Vec<&str>> = list
            .lines()
            .map(|it| it.split("  ").map(str::trim).filter(|it| !it.is_empty()).collect())
            .collect();
        assert_eq!(lines[0], ["UUID", "NAME", "STATE", "FUNCTION", "SOURCE", "BATCH", "LAST RESULT"]);
        assert_eq!(lines[1].last(), Some(&"-"));
        assert_eq!(lines[2], ["u2", "clicks", "Creating", "f", "t at a:1,b:2", "100", "OK"]);
    }

    #[test]
    fn an_empty_list_says_so() {
        assert_eq!(of_many(&[], &Names::new()), "there are no mappings");
    }

    #[test]
    fn one_is_shown_with_every_member() {
        let shown = of_one(&queue(), &Names::from([(text(&queue(), "UUID"), "orders".to_owned())]));
        assert!(shown.starts_with("Name            orders\n"), "{shown}");
        assert!(shown.contains("\nBatchSize       10\n") && shown.lines().count() == 6, "{shown}");
    }
}
