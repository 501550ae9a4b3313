//! Invites and client keys of gateways without a cluster: the folder that holds them, and the API
//! that makes and redeems them.

use std::{fmt, fs, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    call::Request,
    config::Config,
    gateway::Gateway,
    raw::Answer,
    stand::{Stand, send, start_gateway},
};

/// The admin token of every gateway of these tests.
pub const ADMIN_TOKEN: &str = "ar-adm-of-the-tests-0123456789";

/// The file that holds it, in the directory of the configuration.
pub const ADMIN_FILE: &str = "admin.token";

/// Names the folder to a gateway.
const VARIABLE: &str = "ANYRAY_CLIENT_KEYS_DIR";

const KEYS: &str = "client-keys";
const INVITES: &str = "invites";

/// A folder of invites and client keys; several gateways may share it.
#[derive(Debug)]
pub struct KeyFolder {
    directory: TempDir,
    path: String,
}

/// A client key as its holder has it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// Its public part.
    pub id: String,
    /// All of it.
    pub secret: String,
}

/// An invite as it is handed out.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    /// Name of its object.
    pub id: String,
    /// The code.
    pub code: String,
}

/// The id alone: the rest is a secret.
impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// The name alone: the code is a secret.
impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

impl KeyFolder {
    /// An empty folder.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn new() -> Result<Self> {
        let directory = TempDir::new().context("create a folder of client keys")?;
        let path = directory.path().to_str().context("a path of text")?;
        let path = path.to_owned();
        Ok(Self { directory, path })
    }

    /// The environment variable that gives it to a gateway.
    pub fn variable(&self) -> (&str, &str) {
        (VARIABLE, &self.path)
    }

    /// The file of a client key.
    pub fn key_file(&self, key: &ClientKey) -> PathBuf {
        let name = format!("ck-{}.json", key.id);
        self.directory.path().join(KEYS).join(name)
    }

    /// The file of an invite.
    pub fn invite_file(&self, invite: &Invite) -> PathBuf {
        let name = format!("{}.json", invite.id);
        self.directory.path().join(INVITES).join(name)
    }

    /// The files of all client keys.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn key_files(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(self.directory.path().join(KEYS))?;
        entries.map(|entry| Ok(entry?.path())).collect()
    }

    /// Everything that the folder's files say.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn contents(&self) -> Result<String> {
        let mut contents = String::new();
        for kind in [KEYS, INVITES] {
            for entry in fs::read_dir(self.directory.path().join(kind))? {
                contents.push_str(&fs::read_to_string(entry?.path())?);
            }
        }
        Ok(contents)
    }

    /// Writes a field of a client key's `spec`, as a person with an editor does.
    ///
    /// # Errors
    ///
    /// There is no such key.
    pub fn edit_key(&self, key: &ClientKey, field: &str, value: Value) -> Result<()> {
        edit(&self.key_file(key), field, value)
    }

    /// Writes a field of an invite's `spec`.
    ///
    /// # Errors
    ///
    /// There is no such invite.
    pub fn edit_invite(&self, invite: &Invite, field: &str, value: Value) -> Result<()> {
        edit(&self.invite_file(invite), field, value)
    }
}

fn edit(file: &PathBuf, field: &str, value: Value) -> Result<()> {
    let mut object: Value = serde_json::from_slice(&fs::read(file)?)?;
    let spec = object.pointer_mut("/spec").and_then(Value::as_object_mut);
    let spec = spec.with_context(|| format!("no spec in {}", file.display()))?;
    spec.insert(field.to_owned(), value);
    Ok(fs::write(file, serde_json::to_vec(&object)?)?)
}

/// Makes the gateway demand client keys and serve `/admin`.
#[must_use]
pub fn demand_keys(config: Config) -> Config {
    config
        .with("auth", json!({}))
        .with("admin", json!({"credential": {"file": ADMIN_FILE}}))
        .with_file(ADMIN_FILE, ADMIN_TOKEN)
}

/// A fake and a gateway that demands the client keys of this folder.
///
/// # Errors
///
/// One of them did not start.
pub async fn start(folder: &KeyFolder) -> Result<Stand> {
    start_with(folder, |config| config).await
}

/// Like [`start`], with further changes to the configuration.
///
/// # Errors
///
/// One of them did not start.
pub async fn start_with(
    folder: &KeyFolder,
    change: impl FnOnce(Config) -> Config,
) -> Result<Stand> {
    let change = |config| change(demand_keys(config));
    Stand::start_env(change, &[folder.variable()]).await
}

/// A further gateway in front of the same fake, on the same folder.
///
/// # Errors
///
/// It did not start.
pub async fn start_another(stand: &Stand, folder: &KeyFolder) -> Result<Gateway> {
    let config = demand_keys(Config::for_provider(&stand.fake.url()));
    start_gateway(&config, &[folder.variable()]).await
}

/// A request to `/admin` as the holder of this token sends it, from the inside.
pub fn admin_request(method: &str, path: &str, token: &str) -> Request {
    Request::new(method, path)
        .without("host")
        .header("host", "localhost")
        .header("authorization", &format!("Bearer {token}"))
}

/// Asks the admin API for something, as it likes to be asked.
///
/// # Errors
///
/// There was no answer.
pub async fn ask_admin(
    gateway: &Gateway,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer> {
    let request = admin_request(method, path, ADMIN_TOKEN);
    let request = match body {
        Some(body) => request
            .header("content-type", "application/json")
            .body(body.to_string()),
        None => request,
    };
    send(gateway, &request).await
}

/// Makes a client key; `fields` are those of `POST /admin/client-keys`.
///
/// # Errors
///
/// It was not made.
pub async fn make_key(gateway: &Gateway, fields: &Value) -> Result<ClientKey> {
    let answer = ask_admin(gateway, "POST", "/admin/client-keys", Some(fields)).await?;
    ensure!(answer.status() == 201, "{}", answer.text());
    let body = answer.json()?;
    Ok(ClientKey {
        id: text(&body, "id")?,
        secret: text(&body, "key")?,
    })
}

/// Makes an invite; `fields` are those of `POST /admin/invites`.
///
/// # Errors
///
/// It was not made.
pub async fn make_invite(gateway: &Gateway, fields: &Value) -> Result<Invite> {
    let answer = ask_admin(gateway, "POST", "/admin/invites", Some(fields)).await?;
    ensure!(answer.status() == 201, "{}", answer.text());
    let body = answer.json()?;
    Ok(Invite {
        id: text(&body, "id")?,
        code: text(&body, "token")?,
    })
}

/// The request that redeems a code.
pub fn redeem_request(code: &str) -> Request {
    Request::new("POST", "/connect/redeem")
        .header("content-type", "application/json")
        .body(json!({"token": code}).to_string())
}

/// The key in an answer to a redemption.
///
/// # Errors
///
/// The answer is none with a key.
pub fn read_redeemed(answer: &Answer) -> Result<ClientKey> {
    if answer.status() != 200 {
        bail!("{}: {}", answer.status(), answer.text());
    }
    let body = answer.json()?;
    Ok(ClientKey {
        id: text(&body, "keyId")?,
        secret: text(&body, "key")?,
    })
}

/// A field of an answer that is a text.
///
/// # Errors
///
/// It is not.
pub fn text(body: &Value, field: &str) -> Result<String> {
    let value = body.get(field).and_then(Value::as_str);
    Ok(value.with_context(|| format!("no {field}"))?.to_owned())
}
