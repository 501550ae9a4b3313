//! Vendors whose APIs are OpenAI's: one row of [`VENDORS`] each.
//!
//! A vendor with rules of its own is a provider with a file of its own.
//! Every fact of a row is from the page of the vendor's documentation that it names.

use anyray_wire::{
    Dialect,
    gateway_config::{CredentialKind, Endpoint},
};

use super::{Adaptation, AuthScheme, Provider};
use crate::{
    path::Operation,
    settings::{Need, Settings},
};

/// What a vendor does with `stream_options.include_usage` of chat completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamUsage {
    /// A stream ends with its usage where the field asks for it.
    OnRequest,
    /// Every stream ends with its usage, whether or not the field asks for it.
    Always,
    /// Its documentation does not say.
    Undocumented,
}

/// One vendor.
#[derive(Debug)]
pub struct Vendor {
    /// Value of `x-anyray-provider` and of `provider` in the configuration.
    pub slug: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// Base URL of the public API, in the form that `endpoint.url` takes; `None` where people run it
    /// themselves.
    pub public_url: Option<&'static str>,
    /// What stands between the base URL and a path such as `/chat/completions`.
    pub path_prefix: &'static str,
    /// Whether it has the Responses API beside chat completions.
    pub has_responses: bool,
    /// See [`StreamUsage`].
    pub stream_usage: StreamUsage,
    /// With what its keys begin, by which a caller's own key is told from that of another provider.
    pub key_prefix: Option<&'static str>,
    /// Hosts to which the token of a caller's own subscription may go.
    pub own_hosts: &'static [&'static str],
    /// Page of its documentation.
    pub documentation: &'static str,
}

/// A row that most vendors differ from in a few fields only.
const VENDOR: Vendor = Vendor {
    slug: "",
    name: "",
    public_url: None,
    path_prefix: "",
    has_responses: false,
    stream_usage: StreamUsage::Undocumented,
    key_prefix: None,
    own_hosts: &[],
    documentation: "",
};

/// The table of vendors.
pub static VENDORS: &[Vendor] = &[
    Vendor {
        slug: "x-ai",
        name: "xAI",
        public_url: Some("https://api.x.ai"),
        path_prefix: "/v1",
        has_responses: true,
        key_prefix: Some("xai-"),
        own_hosts: &["api.x.ai"],
        documentation: "https://docs.x.ai/api-reference",
        ..VENDOR
    },
    Vendor {
        slug: "openrouter",
        name: "OpenRouter",
        public_url: Some("https://openrouter.ai/api/v1"),
        stream_usage: StreamUsage::Always,
        documentation: "https://openrouter.ai/docs/use-cases/usage-accounting",
        ..VENDOR
    },
    Vendor {
        slug: "groq",
        name: "Groq",
        public_url: Some("https://api.groq.com/openai/v1"),
        has_responses: true,
        documentation: "https://console.groq.com/docs/openai",
        ..VENDOR
    },
    Vendor {
        slug: "together",
        name: "Together AI",
        public_url: Some("https://api.together.ai/v1"),
        documentation: "https://docs.together.ai/docs/inference/openai-compatibility",
        ..VENDOR
    },
    Vendor {
        slug: "mistral",
        name: "Mistral AI",
        public_url: Some("https://api.mistral.ai/v1"),
        documentation: "https://docs.mistral.ai/api",
        ..VENDOR
    },
    Vendor {
        slug: "deepseek",
        name: "DeepSeek",
        public_url: Some("https://api.deepseek.com"),
        documentation: "https://api-docs.deepseek.com/",
        ..VENDOR
    },
    Vendor {
        slug: "fireworks",
        name: "Fireworks AI",
        public_url: Some("https://api.fireworks.ai/inference/v1"),
        stream_usage: StreamUsage::Always,
        documentation: "https://docs.fireworks.ai/tools-sdks/openai-compatibility",
        ..VENDOR
    },
    Vendor {
        slug: "vllm",
        name: "vLLM",
        has_responses: true,
        documentation: "https://docs.vllm.ai/en/stable/serving/online_serving.html",
        ..VENDOR
    },
    Vendor {
        slug: "ollama",
        name: "Ollama",
        has_responses: true,
        stream_usage: StreamUsage::OnRequest,
        documentation: "https://docs.ollama.com/api/openai-compatibility",
        ..VENDOR
    },
];

impl Vendor {
    /// The vendor's row in the table of `docs/providers/openai-compatible.md`.
    pub fn row(&self) -> String {
        let url = self.public_url.map(|url| format!("`{url}`"));
        let apis = match self.has_responses {
            true => "chat completions, Responses",
            false => "chat completions",
        };
        let stream_usage = match self.stream_usage {
            StreamUsage::OnRequest => "with `stream_options.include_usage`",
            StreamUsage::Always => "always",
            StreamUsage::Undocumented => "not documented",
        };
        format!(
            "| [{}]({}) | `{}` | {} | {apis} | {stream_usage} |",
            self.name,
            self.documentation,
            self.slug,
            url.as_deref().unwrap_or("`endpoint.url` is required"),
        )
    }
}

impl Provider for Vendor {
    fn slug(&self) -> &'static str {
        self.slug
    }

    fn accepts(&self, dialect: Dialect, operation: Operation) -> Option<Adaptation> {
        let spoken: &[Dialect] = match self.has_responses {
            true => &[Dialect::OpenAiChat, Dialect::OpenAiResponses],
            false => &[Dialect::OpenAiChat],
        };
        Adaptation::as_is(spoken, dialect, operation)
    }

    fn auth(&self, _kind: CredentialKind, _host: &str) -> AuthScheme {
        AuthScheme::Bearer
    }

    fn settings(&self) -> Settings {
        Settings {
            url: match self.public_url {
                Some(_) => Need::Optional,
                None => Need::Required,
            },
            ..Settings::default()
        }
    }

    fn public_url(&self, _endpoint: &Endpoint) -> Option<String> {
        self.public_url.map(str::to_owned)
    }

    fn path_prefix(&self) -> &'static str {
        self.path_prefix
    }

    fn own_hosts(&self) -> &'static [&'static str] {
        self.own_hosts
    }

    fn may_own(&self, token: &str) -> bool {
        let prefix = self.key_prefix;
        prefix.is_some_and(|prefix| token.starts_with(prefix))
    }
}
