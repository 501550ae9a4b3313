//! Every provider that Anyray knows.

use std::sync::LazyLock;

use anyray_wire::Dialect;

use crate::provider::{
    Provider, anthropic, anyray_upstream, azure_openai, bedrock, google_vertex_ai, openai,
    openai_compatible::VENDORS,
};

/// Every provider, in the order of the documentation.
pub static ALL: LazyLock<Vec<&'static dyn Provider>> = LazyLock::new(|| {
    let with_files: [&dyn Provider; 6] = [
        &openai::OpenAi,
        &anthropic::Anthropic,
        &bedrock::Bedrock,
        &google_vertex_ai::GoogleVertexAi,
        &azure_openai::AzureOpenAi,
        &anyray_upstream::AnyrayUpstream,
    ];
    let vendors = VENDORS.iter().map(|vendor| vendor as &dyn Provider);
    with_files.into_iter().chain(vendors).collect()
});

/// The provider of this slug or alias.
pub fn find(name: &str) -> Option<&'static dyn Provider> {
    ALL.iter()
        .copied()
        .find(|provider| provider.slug() == name || provider.aliases().contains(&name))
}

/// The provider whose own API a dialect is: where a request goes that nothing else directs.
pub fn native(dialect: Dialect) -> &'static dyn Provider {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => &openai::OpenAi,
        Dialect::AnthropicMessages => &anthropic::Anthropic,
        Dialect::BedrockInvoke | Dialect::BedrockConverse => &bedrock::Bedrock,
        Dialect::GeminiGenerate => &google_vertex_ai::GoogleVertexAi,
    }
}

/// All slugs, for messages.
pub fn slugs() -> String {
    let slugs: Vec<_> = ALL.iter().map(|provider| provider.slug()).collect();
    slugs.join(", ")
}
