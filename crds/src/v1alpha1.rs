//! The kinds of version `v1alpha1`.

pub mod anyray_gateway;
pub mod provider_key;
pub mod reference;

pub use anyray_gateway::{AnyrayGateway, AnyrayGatewaySpec, AnyrayGatewayStatus};
pub use provider_key::{ProviderKey, ProviderKeySpec, ProviderKeyStatus};
