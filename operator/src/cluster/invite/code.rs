//! The Secret with an invite's code and the command to hand out.

use anyray_crds::v1alpha1::Invite;
use anyray_wire::anyray::credential::{
    CredentialDigest, SECRET_BYTES, check_invite_code, write_invite_code,
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt as _;
use secrecy::ExposeSecret as _;

use crate::{metadata, provider_key::material::SecretEntries};

/// The type by which `kubectl get secrets` tells it from those that people make.
const TYPE: &str = "anyray.ai/invite-code";

const CODE_ENTRY: &str = "code";
const COMMAND_ENTRY: &str = "command";

/// A new code.
pub struct Minted {
    /// The only place where the code is.
    pub secret: Secret,
    /// What is known of it elsewhere.
    pub hash: CredentialDigest,
}

/// Nothing of the Secret.
impl std::fmt::Debug for Minted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minted")
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

/// Name of the Secret that an invite's code goes into.
pub fn secret_name(invite: &Invite) -> String {
    let named = invite.spec.secret_name.clone();
    named.unwrap_or_else(|| format!("{}-code", invite.name_any()))
}

/// Makes the code of an invite to the gateway at this address.
pub fn mint(invite: &Invite, address: &str, random: &[u8; SECRET_BYTES]) -> Minted {
    let code = write_invite_code(random);
    let hash = CredentialDigest::of(&code);
    let command = format!("npx anyray-connect --gateway {address} --invite {code}");
    let entries = [(CODE_ENTRY, code), (COMMAND_ENTRY, command)];
    let entries = entries.map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes())));
    let secret = Secret {
        metadata: metadata::minted(invite, &secret_name(invite), "invite-code"),
        type_: Some(TYPE.to_owned()),
        immutable: Some(true),
        data: Some(entries.into()),
        ..Secret::default()
    };
    Minted { secret, hash }
}

/// The hash of the code in a Secret, if there is one that is well formed.
pub fn read(secret: &SecretEntries) -> Option<CredentialDigest> {
    let code = std::str::from_utf8(secret.entries.get(CODE_ENTRY)?.expose_secret()).ok()?;
    check_invite_code(code).ok()?;
    Some(CredentialDigest::of(code))
}
