//! The envelope of Claude on Bedrock and on Vertex: Anthropic's body, a little rearranged.
//!
//! | | `model` | `stream` | `anthropic_version` | betas |
//! |---|---|---|---|---|
//! | Bedrock's `InvokeModel` | in the path | in the path | in the body | in the body |
//! | Vertex's `rawPredict` | in the path | in the body | in the body | a header |
//! | Vertex's `count-tokens` | in the body | none | in the body | a header |
//!
//! Every value keeps its bytes, but for fields that go with a beta which the target refuses.
//! Answers and streams are [`crate::bedrock::claude`]; Vertex sends Anthropic's own.
//! Source: <https://platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock-legacy>
//! and <https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai>.

use std::borrow::Cow;

use bytes::Bytes;

use super::betas::{Accepted, RULES};
use crate::json_edit::{Cut, Left, each_element, each_member, write_object, write_string};

const MODEL: &str = "model";
const STREAM: &str = "stream";
const VERSION: &str = "anthropic_version";
const BETAS: &str = "anthropic_beta";

/// The version of the API that SDKs name in a header and that has a name of its own in each
/// envelope. Any other goes on as it is.
const COMMON_VERSION: &str = "2023-06-01";

/// Most fields at the top level of a body. Anthropic knows some thirty; without a bound, a body of
/// nothing but names would take many times its size while it is read.
pub const MAX_FIELDS: usize = 1024;

/// Most betas of a request, in body and header together. Anthropic has had some eighty; each is
/// compared with every rule.
pub const MAX_BETAS: usize = 256;

/// Whose envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// Bedrock's `InvokeModel` and `InvokeModelWithResponseStream`.
    Bedrock,
    /// Vertex's `rawPredict` and `streamRawPredict`.
    Vertex,
    /// Vertex's `count-tokens:rawPredict`.
    VertexCountTokens,
}

/// A request in its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The body to send.
    pub body: Bytes,
    /// What `anthropic-beta` must say, where the target reads the header and any beta is left.
    pub betas_header: Option<String>,
    /// Whether the caller asked for a stream, which the path must say; never of counting tokens.
    pub is_stream: bool,
    /// The betas that the target would have refused, as the caller named them. A beta that has
    /// another name there is among them.
    pub dropped_betas: Vec<String>,
}

/// Why a body does not fit into an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeFault {
    /// It is none of JSON's objects.
    #[error("the body is no JSON object")]
    NotAnObject,
    /// It has more than [`MAX_FIELDS`] at its top level.
    #[error("the body has more than {MAX_FIELDS} fields at its top level")]
    TooManyFields,
    /// Which of the two counts is anyone's guess.
    #[error("the body names a field twice at its top level")]
    DuplicateField,
    /// `stream` is no boolean.
    #[error("the field stream must be true or false")]
    InvalidStream,
    /// `anthropic_beta` is no list of strings.
    #[error("the field anthropic_beta must be a list of strings")]
    InvalidBetas,
    /// There are more than [`MAX_BETAS`].
    #[error(
        "the field anthropic_beta and the header anthropic-beta together name more than \
         {MAX_BETAS} betas"
    )]
    TooManyBetas,
}

impl Envelope {
    fn default_version(self) -> &'static str {
        match self {
            Self::Bedrock => "bedrock-2023-05-31",
            Self::Vertex | Self::VertexCountTokens => "vertex-2023-10-16",
        }
    }

    fn accepted(self) -> &'static Accepted {
        match self {
            Self::Bedrock => &RULES.bedrock,
            Self::Vertex => &RULES.vertex,
            Self::VertexCountTokens => &RULES.vertex_count_tokens,
        }
    }

    /// Fields that stand in the path, or elsewhere.
    fn unwanted(self) -> &'static [&'static str] {
        match self {
            Self::Bedrock => &[MODEL, STREAM, BETAS],
            Self::Vertex => &[MODEL, BETAS],
            Self::VertexCountTokens => &[STREAM, BETAS],
        }
    }
}

/// Puts the body of a Messages request into an envelope.
///
/// `version` is the caller's `anthropic-version`, `betas` are the values of its `anthropic-beta`,
/// `model` is the target's name for the model.
/// A version that the body names stays; else one that the header names stays unless it is the
/// common one.
///
/// # Errors
/// An [`EnvelopeFault`], which is the caller's.
pub fn wrap<'a>(
    target: Envelope,
    body: &[u8],
    version: Option<&str>,
    betas: impl Iterator<Item = &'a str>,
    model: &str,
) -> Result<Wrapped, EnvelopeFault> {
    let mut fields = Fields::read(body)?;
    let is_stream = fields.read_stream()? && target != Envelope::VertexCountTokens;
    let accepted = target.accepted();
    let betas = accepted.sort(&fields.read_betas(betas)?);

    let orphans = RULES.orphans(&betas);
    fields.cut(&Cut::new(orphans.chain(accepted.unknown())));
    fields
        .0
        .retain(|(name, _)| !target.unwanted().contains(&name.as_str()));
    if target == Envelope::VertexCountTokens {
        fields.set(MODEL, write_string(model));
    }
    if target == Envelope::Bedrock && !betas.kept.is_empty() {
        fields.put_first(BETAS, write_list(&betas.kept));
    }
    if fields.find(VERSION).is_none() {
        let named = version.filter(|version| *version != COMMON_VERSION);
        let version = named.unwrap_or(target.default_version());
        fields.put_first(VERSION, write_string(version));
    }
    Ok(Wrapped {
        body: write_object(fields.0.iter().map(|(name, value)| (name, value))).into(),
        betas_header: (target != Envelope::Bedrock && !betas.kept.is_empty())
            .then(|| betas.kept.join(",")),
        is_stream,
        dropped_betas: betas.dropped,
    })
}

/// The fields of a body in their order, each value in the bytes it came in.
struct Fields<'a>(Vec<(String, Cow<'a, str>)>);

impl<'a> Fields<'a> {
    fn read(body: &'a [u8]) -> Result<Self, EnvelopeFault> {
        let mut fields = Vec::new();
        let read = each_member(body, |name, value| {
            // One more than may be tells that there are too many.
            if fields.len() <= MAX_FIELDS {
                fields.push((name, Cow::Borrowed(value.get())));
            }
        });
        read.map_err(|_| EnvelopeFault::NotAnObject)?;
        if fields.len() > MAX_FIELDS {
            return Err(EnvelopeFault::TooManyFields);
        }
        let mut names: Vec<&String> = fields.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        if names.is_sorted_by(|one, next| one < next) {
            Ok(Self(fields))
        } else {
            Err(EnvelopeFault::DuplicateField)
        }
    }

    fn find(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(one, _)| one == name);
        field.map(|(_, value)| value.as_ref())
    }

    fn read_stream(&self) -> Result<bool, EnvelopeFault> {
        match self.find(STREAM) {
            Some("true") => Ok(true),
            Some("false" | "null") | None => Ok(false),
            Some(_) => Err(EnvelopeFault::InvalidStream),
        }
    }

    /// The betas of the body, as callers of Bedrock write them, and of the header's values.
    fn read_betas<'b>(
        &self,
        header: impl Iterator<Item = &'b str>,
    ) -> Result<Vec<String>, EnvelopeFault> {
        // One more than may be tells that there are too many.
        let limit = MAX_BETAS + 1;
        let mut betas = Vec::new();
        let mut is_valid = true;
        if let Some(list) = self.find(BETAS).filter(|list| *list != "null") {
            let read = each_element(list.as_bytes(), |element| {
                if betas.len() < limit {
                    let beta = serde_json::from_str(element.get());
                    is_valid &= beta.is_ok();
                    betas.extend(beta.ok());
                }
            });
            is_valid &= read.is_ok();
        }
        let room = limit - betas.len();
        betas.extend(header.flat_map(split_betas).take(room));
        match betas.len() {
            _ if !is_valid => Err(EnvelopeFault::InvalidBetas),
            ..=MAX_BETAS => Ok(betas),
            _ => Err(EnvelopeFault::TooManyBetas),
        }
    }

    fn cut(&mut self, cut: &Cut) {
        self.0.retain_mut(|(name, value)| {
            match cut.find_member(name).map(|cut| cut.apply(value)) {
                None | Some(Left::All) => true,
                Some(Left::Changed(changed)) => {
                    *value = Cow::Owned(changed);
                    true
                }
                Some(Left::Nothing) => false,
            }
        });
    }

    fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(one, _)| one == name) {
            Some((_, old)) => *old = Cow::Owned(value),
            None => self.put_first(name, value),
        }
    }

    fn put_first(&mut self, name: &str, value: String) {
        self.0.insert(0, (name.to_owned(), Cow::Owned(value)));
    }
}

/// The betas of one value of the header.
fn split_betas(value: &str) -> impl Iterator<Item = String> {
    let betas = value.split(',').map(str::trim);
    betas.filter(|beta| !beta.is_empty()).map(str::to_owned)
}

fn write_list(texts: &[String]) -> String {
    serde_json::to_string(texts).unwrap_or_default()
}

#[cfg(test)]
mod tests;
