//! The kinds of version `v1alpha1`.

pub mod access;
pub mod anyray_gateway;
pub mod client_key;
pub mod invite;
pub mod provider_key;
pub mod reference;

pub use anyray_gateway::{AnyrayGateway, AnyrayGatewaySpec, AnyrayGatewayStatus};
pub use client_key::{ClientKey, ClientKeySpec, ClientKeyStatus};
pub use invite::{Invite, InviteSpec, InviteStatus};
pub use provider_key::{ProviderKey, ProviderKeySpec, ProviderKeyStatus};
