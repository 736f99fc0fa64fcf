//! From the JSON of a pattern to its rule, refusing what the grammar does not have.

use super::ParseOptions;
use super::error::{PatternError, Reason};
use super::matchers::Matchers;
use super::rule::{Field, Part, PatternRule};
use super::tree::{Json, JsonValue, TreeMember};

/// Names in the longest path of a field, dots counted as borders.
const PATH_MAX: usize = 128;

/// Words that a branch of `$or` may not have as a key: with one of them, `$or` is an ordinary name.
const RESERVED_IN_OR: [&str; 22] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
];

/// Checks a whole pattern.
pub(super) fn check(json: Json, text: &str, options: ParseOptions) -> Result<PatternRule, PatternError> {
    let mut grammar = Grammar { text, matchers: Matchers { text, options }, path: Vec::new() };
    match json.value {
        JsonValue::Object(members) => grammar.object(members, json.offset),
        _ => Err(PatternError::new(Reason::NotAnObject, json.offset, text)),
    }
}

struct Grammar<'a> {
    text: &'a str,
    matchers: Matchers<'a>,
    path: Vec<String>,
}

impl Grammar<'_> {
    fn object(&mut self, members: Vec<TreeMember>, offset: usize) -> Result<PatternRule, PatternError> {
        if members.is_empty() {
            return Err(PatternError::new(Reason::EmptyObject, offset, self.text));
        }
        members.into_iter().map(|member| self.part(member)).collect::<Result<_, _>>().map(PatternRule)
    }

    fn part(&mut self, TreeMember { key, offset, value }: TreeMember) -> Result<Part, PatternError> {
        if key == "$or" && is_or(&value) {
            return self.or(value);
        }
        let depth = self.path.len();
        self.path.extend(key.split('.').map(str::to_owned));
        if self.path.len() > PATH_MAX {
            return Err(PatternError::new(Reason::TooDeep { max: PATH_MAX }, offset, self.text));
        }
        let part = match value.value {
            JsonValue::Object(members) => Part::Nested(self.object(members, value.offset)?),
            JsonValue::Array(elements) => Part::Field(Field {
                path: self.path.clone(),
                matchers: self.matchers.all(elements, value.offset)?,
            }),
            JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::String(_) => {
                return Err(PatternError::new(Reason::NotObjectOrArray(key), value.offset, self.text));
            }
        };
        // A name with dots has put several in.
        self.path.truncate(depth);
        Ok(part)
    }

    fn or(&mut self, value: Json) -> Result<Part, PatternError> {
        let JsonValue::Array(branches) = value.value else { unreachable!("is_or saw an array") };
        let mut rules = Vec::with_capacity(branches.len());
        for branch in branches {
            let JsonValue::Object(members) = branch.value else { unreachable!("is_or saw objects") };
            rules.push(self.object(members, branch.offset)?);
        }
        Ok(Part::Or(rules))
    }
}

/// Two objects or more, none with an operator's name as a key.
fn is_or(value: &Json) -> bool {
    let JsonValue::Array(branches) = &value.value else { return false };
    let is_branch = |branch: &Json| match &branch.value {
        JsonValue::Object(members) => {
            members.iter().all(|member| !RESERVED_IN_OR.contains(&member.key.as_str()))
        }
        JsonValue::Null
        | JsonValue::Bool(_)
        | JsonValue::Number(_)
        | JsonValue::String(_)
        | JsonValue::Array(_) => false,
    };
    branches.len() >= 2 && branches.iter().all(is_branch)
}
