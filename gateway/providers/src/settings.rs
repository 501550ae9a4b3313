//! Which settings of an endpoint a provider takes and needs.

/// Whether a setting is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// It means nothing to the provider, and so is a mistake.
    #[default]
    Never,
    /// It may be there.
    Optional,
    /// Nothing works without it.
    Required,
}

/// The settings of an endpoint that differ by provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `endpoint.url`.
    pub url: Need,
    /// `endpoint.region`.
    pub region: Need,
    /// `endpoint.projectId`.
    pub project_id: Need,
    /// `endpoint.location`.
    pub location: Need,
    /// `endpoint.apiVersion`.
    pub api_version: Need,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: Need::Optional,
            region: Need::Never,
            project_id: Need::Never,
            location: Need::Never,
            api_version: Need::Never,
        }
    }
}
