//! The grammar of one matcher: `{"prefix": "a"}`, `{"numeric": [">", 1]}`, `{"anything-but": ["a"]}` and the
//! others.

use std::ops::Bound;

use super::ParseOptions;
use super::error::{PatternError, Reason};
use super::glob::Piece;
use super::number::Number;
use super::rule::{Affix, Excluded, Matcher, Text};
use super::tree::{Json, JsonValue, TreeMember};
use super::{address, cells::Interval};

/// Stars in one wildcard from which AWS calls a rule too complex.
const STARS_TOO_MANY: usize = 5;

/// Reads matchers of one pattern.
pub(super) struct Matchers<'a> {
    pub(super) text: &'a str,
    pub(super) options: ParseOptions,
}

impl Matchers<'_> {
    /// The matchers of one field.
    pub(super) fn all(&self, elements: Vec<Json>, offset: usize) -> Result<Vec<Matcher>, PatternError> {
        if elements.is_empty() {
            return self.refuse(Reason::EmptyArray, offset);
        }
        elements.into_iter().map(|element| self.one(element)).collect()
    }

    fn refuse<T>(&self, reason: Reason, offset: usize) -> Result<T, PatternError> {
        Err(PatternError::new(reason, offset, self.text))
    }

    fn one(&self, element: Json) -> Result<Matcher, PatternError> {
        match element.value {
            JsonValue::Null => Ok(Matcher::Null),
            JsonValue::Bool(value) => Ok(Matcher::Bool(value)),
            JsonValue::String(text) => Ok(Matcher::Text(Text::exact(&text))),
            JsonValue::Number(text) => Ok(Matcher::Number(point(&text))),
            JsonValue::Object(members) => self.operator(members, element.offset),
            JsonValue::Array(_) => self.refuse(Reason::NotAMatchValue, element.offset),
        }
    }

    /// Nothing may stand behind the one key of a matcher. What is wrong with its value is told first.
    fn no_more(&self, next: Option<TreeMember>, reason: Reason) -> Result<(), PatternError> {
        next.map_or(Ok(()), |second| self.refuse(reason, second.offset))
    }

    fn operator(&self, members: Vec<TreeMember>, offset: usize) -> Result<Matcher, PatternError> {
        let mut members = members.into_iter();
        let Some(TreeMember { key, offset, value }) = members.next() else {
            return self.refuse(Reason::NoMatchType, offset);
        };
        let matcher = match key.as_str() {
            "exactly" => Matcher::Text(Text::exact(&self.string(value, Reason::NotAString("exact"))?)),
            "prefix" => Matcher::Text(self.affix(value, Affix::Prefix)?),
            "suffix" => Matcher::Text(self.affix(value, Affix::Suffix)?),
            "equals-ignore-case" => {
                let text = self.string(value, Reason::NotAString("equals-ignore-case"))?;
                Matcher::Text(Text::affix_ignoring_case(&text, Affix::None))
            }
            "wildcard" => Matcher::Text(self.wildcard(value, Reason::NotAString("wildcard"))?),
            "numeric" => Matcher::Number(self.numeric(value)?),
            "cidr" => {
                let offset = value.offset;
                // Event Ruler's own sentence speaks of a prefix here.
                let text = self.string(value, Reason::NotAString("prefix"))?;
                address::range(&text).map(Matcher::Address).or_else(|reason| self.refuse(reason, offset))?
            }
            "exists" => match value.value {
                JsonValue::Bool(true) => Matcher::Present,
                JsonValue::Bool(false) => Matcher::Absent,
                JsonValue::Null
                | JsonValue::Number(_)
                | JsonValue::String(_)
                | JsonValue::Array(_)
                | JsonValue::Object(_) => {
                    return self.refuse(Reason::NotABool, value.offset);
                }
            },
            "anything-but" => Matcher::AnythingBut(self.anything_but(value)?),
            _ => return self.refuse(Reason::UnknownMatchType(key), offset),
        };
        // AWS has one sentence for both of these.
        let many = if matches!(key.as_str(), "numeric" | "anything-but") {
            Reason::TooManyNumericElements
        } else {
            Reason::SecondKey
        };
        self.no_more(members.next(), many)?;
        Ok(matcher)
    }

    fn string(&self, value: Json, otherwise: Reason) -> Result<String, PatternError> {
        match value.value {
            JsonValue::String(text) => Ok(text),
            _ => self.refuse(otherwise, value.offset),
        }
    }

    fn affix(&self, value: Json, affix: Affix) -> Result<Text, PatternError> {
        let name = affix.name();
        match value.value {
            JsonValue::String(text) => Ok(Text::affix(&text, affix)),
            JsonValue::Object(members) => self.affix_ignoring_case(members, value.offset, affix),
            JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) | JsonValue::Array(_) => {
                self.refuse(Reason::NotAString(name), value.offset)
            }
        }
    }

    fn affix_ignoring_case(
        &self,
        members: Vec<TreeMember>,
        offset: usize,
        affix: Affix,
    ) -> Result<Text, PatternError> {
        let mut members = members.into_iter();
        let Some(TreeMember { key, offset, value }) = members.next() else {
            return self.refuse(Reason::NoAffixName(affix.title()), offset);
        };
        if key != "equals-ignore-case" {
            return self.refuse(Reason::UnsupportedAffix { name: affix.name(), inner: key }, offset);
        }
        let text = self.string(value, Reason::NotAString("equals-ignore-case"))?;
        self.no_more(members.next(), Reason::SecondKey)?;
        Ok(Text::affix_ignoring_case(&text, affix))
    }

    fn wildcard(&self, value: Json, otherwise: Reason) -> Result<Text, PatternError> {
        let offset = value.offset;
        let text = self.string(value, otherwise)?;
        let mut glob = Vec::with_capacity(text.len());
        let mut n_stars = 0;
        // Places are counted in bytes from the opening quote, as Event Ruler counts them.
        let mut bytes = text.bytes().enumerate().map(|(idx, byte)| (idx + 1, byte)).peekable();
        while let Some((pos, byte)) = bytes.next() {
            let next = bytes.peek().map(|&(_, byte)| byte);
            match (byte, next) {
                (b'*', Some(b'*')) => return self.refuse(Reason::ConsecutiveStars(pos), offset),
                (b'*', _) => {
                    n_stars += 1;
                    glob.push(Piece::Star);
                }
                (b'\\', Some(escaped @ (b'*' | b'\\'))) => {
                    bytes.next();
                    glob.push(Piece::Byte(escaped));
                }
                (b'\\', _) => return self.refuse(Reason::BadEscape(pos), offset),
                (byte, _) => glob.push(Piece::Byte(byte)),
            }
        }
        if n_stars >= STARS_TOO_MANY && !self.options.allow_complex_wildcards {
            return self.refuse(Reason::TooComplex, offset);
        }
        Ok(Text { glob, ignores_case: false })
    }

    fn numeric(&self, value: Json) -> Result<Interval<Number>, PatternError> {
        let JsonValue::Array(elements) = value.value else {
            return self.refuse(Reason::NumericNotAnArray, value.offset);
        };
        let mut elements = elements.into_iter();
        let (operator, offset) = match elements.next() {
            Some(Json { value: JsonValue::String(operator), offset }) => (operator, offset),
            Some(other) => return self.refuse(Reason::BadNumericMember(self.written(&other)), other.offset),
            None => return self.refuse(Reason::BadNumericMember("]".to_owned()), value.offset),
        };
        // As AWS's sentences call it.
        let name = match operator.as_str() {
            "=" => "equals",
            "<" => "<",
            "<=" => "<=",
            ">" => ">",
            ">=" => ">=",
            _ => return self.refuse(Reason::UnknownNumericOperator(operator), offset),
        };
        let first = self.number(elements.next(), name, offset)?;
        let is_lower = matches!(name, ">" | ">=");
        let Some(second) = elements.next() else {
            return Ok(match name {
                "equals" => (Bound::Included(first.clone()), Bound::Included(first)),
                "<" => (Bound::Unbounded, Bound::Excluded(first)),
                "<=" => (Bound::Unbounded, Bound::Included(first)),
                ">" => (Bound::Excluded(first), Bound::Unbounded),
                _ => (Bound::Included(first), Bound::Unbounded),
            });
        };
        // An upper bound goes behind a lower one only, as at AWS.
        if !is_lower {
            return self.refuse(Reason::TooManyNumericElements, second.offset);
        }
        let JsonValue::String(upper) = &second.value else {
            return self.refuse(Reason::BadRangeValue(self.written(&second)), second.offset);
        };
        let upper = match upper.as_str() {
            "<" => "<",
            "<=" => "<=",
            _ => return self.refuse(Reason::BadRangeOperator(upper.clone()), second.offset),
        };
        let top = self.number(elements.next(), upper, second.offset)?;
        if let Some(more) = elements.next() {
            return self.refuse(Reason::TooManyRangeTerms, more.offset);
        }
        if first >= top {
            return self.refuse(Reason::EmptyRange, offset);
        }
        let low = if name == ">" { Bound::Excluded(first) } else { Bound::Included(first) };
        let high = if upper == "<" { Bound::Excluded(top) } else { Bound::Included(top) };
        Ok((low, high))
    }

    fn number(&self, value: Option<Json>, name: &'static str, offset: usize) -> Result<Number, PatternError> {
        match value {
            Some(Json { value: JsonValue::Number(text), .. }) => Ok(Number::new(&text)),
            Some(other) => self.refuse(Reason::NotNumeric(name), other.offset),
            None => self.refuse(Reason::NotNumeric(name), offset),
        }
    }

    /// A value as it stands in a reason.
    fn written(&self, json: &Json) -> String {
        match &json.value {
            JsonValue::Null => "null".to_owned(),
            JsonValue::Bool(value) => value.to_string(),
            JsonValue::Number(text) | JsonValue::String(text) => text.clone(),
            JsonValue::Array(_) => "[".to_owned(),
            JsonValue::Object(_) => "{".to_owned(),
        }
    }

    fn anything_but(&self, value: Json) -> Result<Excluded, PatternError> {
        match value.value {
            JsonValue::Object(members) => self.anything_but_operator(members, value.offset),
            JsonValue::Array(elements) => self.anything_but_list(elements, value.offset),
            JsonValue::String(text) => Ok(Excluded::Texts(vec![Text::exact(&text)])),
            JsonValue::Number(text) => Ok(Excluded::Numbers(vec![Number::new(&text)])),
            JsonValue::Null | JsonValue::Bool(_) => self.refuse(Reason::NotAnythingBut, value.offset),
        }
    }

    fn anything_but_list(&self, elements: Vec<Json>, offset: usize) -> Result<Excluded, PatternError> {
        let (mut texts, mut numbers) = (Vec::new(), Vec::new());
        for element in elements {
            match element.value {
                JsonValue::String(text) => texts.push(Text::exact(&text)),
                JsonValue::Number(text) => numbers.push(Number::new(&text)),
                JsonValue::Null | JsonValue::Bool(_) | JsonValue::Array(_) | JsonValue::Object(_) => {
                    return self.refuse(Reason::BadAnythingButValue, element.offset);
                }
            }
        }
        match (texts.is_empty(), numbers.is_empty()) {
            (false, true) => Ok(Excluded::Texts(texts)),
            (true, false) => Ok(Excluded::Numbers(numbers)),
            (true, true) | (false, false) => self.refuse(Reason::MixedAnythingBut, offset),
        }
    }

    fn anything_but_operator(
        &self,
        members: Vec<TreeMember>,
        offset: usize,
    ) -> Result<Excluded, PatternError> {
        let mut members = members.into_iter();
        let Some(TreeMember { key, offset, value }) = members.next() else {
            return self.refuse(Reason::NoAnythingButName, offset);
        };
        if !matches!(key.as_str(), "prefix" | "suffix" | "equals-ignore-case" | "wildcard") {
            return self.refuse(Reason::UnsupportedAnythingBut(key), offset);
        }
        let offset = value.offset;
        let values = match value.value {
            JsonValue::Array(elements) if elements.is_empty() => {
                return self.refuse(Reason::EmptyArray, offset);
            }
            JsonValue::Array(elements) => elements,
            JsonValue::String(_) | JsonValue::Number(_) => vec![value],
            // `{"prefix": {"equals-ignore-case": "a"}}` is a matcher, and none that can be turned round.
            JsonValue::Null | JsonValue::Bool(_) | JsonValue::Object(_) => {
                return self.refuse(Reason::NotAnythingBut, offset);
            }
        };
        let text = |value: Json| match key.as_str() {
            "prefix" => self.excluded_affix(value, Affix::Prefix),
            "suffix" => self.excluded_affix(value, Affix::Suffix),
            "wildcard" => self.wildcard(value, Reason::BadWildcardValue),
            _ => self
                .string(value, Reason::BadIgnoreCaseValue)
                .map(|text| Text::affix_ignoring_case(&text, Affix::None)),
        };
        let texts = values.into_iter().map(text).collect::<Result<_, _>>()?;
        self.no_more(members.next(), Reason::TooManyNumericElements)?;
        Ok(Excluded::Texts(texts))
    }

    fn excluded_affix(&self, value: Json, affix: Affix) -> Result<Text, PatternError> {
        let offset = value.offset;
        let text = self.string(value, Reason::BadAffixValue)?;
        // Every text begins and ends with nothing, so it would leave out all of them.
        if text.is_empty() {
            return self.refuse(Reason::EmptyAffix, offset);
        }
        Ok(Text::affix(&text, affix))
    }
}

/// The interval that holds one number.
fn point(text: &str) -> Interval<Number> {
    (Bound::Included(Number::new(text)), Bound::Included(Number::new(text)))
}
